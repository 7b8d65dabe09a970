// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Parties} from "./Parties.sol";

/// @title Contests: conserved through every path, never more frozen than earned, no pay of a final epoch lost without a ruling
contract DisputesInvariants {
    Parties private _parties;

    struct FuzzSelector {
        address addr;
        bytes4[] selectors;
    }

    function setUp() public {
        _parties = new Parties();
    }

    function targetContracts() external view returns (address[] memory targets) {
        targets = new address[](1);
        targets[0] = address(_parties);
    }

    function targetSelectors() external view returns (FuzzSelector[] memory targets) {
        bytes4[13] memory actions = [
            Parties.post.selector,
            Parties.finalise.selector,
            Parties.strike.selector,
            Parties.claim.selector,
            Parties.contestPay.selector,
            Parties.contestRejection.selector,
            Parties.confirm.selector,
            Parties.raise.selector,
            Parties.rule.selector,
            Parties.settle.selector,
            Parties.withdraw.selector,
            Parties.pass.selector,
            Parties.passPatience.selector
        ];
        targets = new FuzzSelector[](1);
        targets[0] = FuzzSelector({addr: address(_parties), selectors: new bytes4[](13)});
        for (uint256 i = 0; i < 13; ++i) {
            targets[0].selectors[i] = actions[i];
        }
    }

    function invariant_contests() external view {
        _parties.check();
    }

    function afterInvariant() external {
        _parties.finish();
    }
}
