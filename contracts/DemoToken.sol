// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ERC20} from "@openzeppelin/contracts/token/ERC20/ERC20.sol";
import {ERC20Permit} from "@openzeppelin/contracts/token/ERC20/extensions/ERC20Permit.sol";

/// @title Play money for the local chain: 6 decimals, permit, a fixed supply that goes to the deployer
contract DemoToken is ERC20Permit {
    constructor(uint256 supply) ERC20("Crowdproof Demo Dollar", "DEMO") ERC20Permit("Crowdproof Demo Dollar") {
        _mint(msg.sender, supply);
    }

    function decimals() public pure override returns (uint8) {
        return 6;
    }
}
