// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Fixture} from "../support/Fixture.sol";
import {Trial} from "./Trial.sol";

/// @title That the real Referee strikes what is broken, and nothing else, after any sequence of actions
contract RefutedInvariants is Fixture {
    struct FuzzSelector {
        address addr;
        bytes4[] selectors;
    }

    Trial private _trial;

    function setUp() public {
        _trial = new Trial();
    }

    function targetContracts() external view returns (address[] memory targets) {
        targets = new address[](1);
        targets[0] = address(_trial);
    }

    function targetSelectors() external view returns (FuzzSelector[] memory targets) {
        bytes4[6] memory actions = [
            Trial.post.selector,
            Trial.finalise.selector,
            Trial.pass.selector,
            Trial.refute.selector,
            Trial.accuse.selector,
            Trial.accuseWrongly.selector
        ];
        targets = new FuzzSelector[](1);
        targets[0] = FuzzSelector({addr: address(_trial), selectors: new bytes4[](6)});
        for (uint256 i = 0; i < 6; ++i) {
            targets[0].selectors[i] = actions[i];
        }
    }

    // Each is in words in docs/invariants.md.

    function invariant_no_correct_epoch_is_struck() external view {
        vm.assertEq(_trial.wronged(), 0, "a correct epoch was struck");
    }

    function invariant_each_planted_fault_is_struck_and_paid_for() external view {
        vm.assertEq(_trial.refused(), 0, "a proof was refused");
        vm.assertEq(_trial.burnt(), _trial.struck() * 3 * (_trial.stakeUnit() / 2), "half of three stakes a strike");
    }
}
