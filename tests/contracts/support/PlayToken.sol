// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ERC20} from "@openzeppelin/contracts/token/ERC20/ERC20.sol";
import {ERC20Permit} from "@openzeppelin/contracts/token/ERC20/extensions/ERC20Permit.sol";

/// @title A token of 8 decimals with permit, which can be made to behave as any of the odd ones while the game is on
contract PlayToken is ERC20Permit {
    enum Mood {
        Honest,
        False,
        Fee,
        Silent
    }

    error Blocked(address who);

    Mood public mood;
    mapping(address who => bool) public blocked;

    constructor() ERC20("Play", "PLAY") ERC20Permit("Play") {}

    function decimals() public pure override returns (uint8) {
        return 8;
    }

    function mint(address to, uint256 amount) external {
        _mint(to, amount);
    }

    function setMood(Mood mood_) external {
        mood = mood_;
    }

    function setBlocked(address who, bool on) external {
        blocked[who] = on;
    }

    function transfer(address to, uint256 amount) public override returns (bool) {
        return _answer(mood != Mood.False && super.transfer(to, amount));
    }

    function transferFrom(address from, address to, uint256 amount) public override returns (bool) {
        return _answer(mood != Mood.False && super.transferFrom(from, to, amount));
    }

    /// @dev A silent token returns no data at all.
    function _answer(bool done) private view returns (bool) {
        if (mood != Mood.Silent) return done;
        assembly ("memory-safe") {
            return(0, 0)
        }
    }

    function _update(address from, address to, uint256 amount) internal override {
        require(!blocked[to], Blocked(to));
        if (mood != Mood.Fee || from == address(0)) return super._update(from, to, amount);
        super._update(from, to, amount - amount / 100);
        super._update(from, address(this), amount / 100);
    }
}
