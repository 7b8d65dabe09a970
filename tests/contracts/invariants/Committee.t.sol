// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Committee} from "../../../contracts/Committee.sol";
import {Fixture} from "../support/Fixture.sol";
import {Stakes} from "./Stakes.sol";

/// @title That no stake is lost or made and that only members sign, after any sequence of actions
contract CommitteeInvariants is Fixture {
    struct FuzzSelector {
        address addr;
        bytes4[] selectors;
    }

    Stakes private _stakes;

    function setUp() public {
        _stakes = new Stakes();
    }

    function targetContracts() external view returns (address[] memory targets) {
        targets = new address[](1);
        targets[0] = address(_stakes);
    }

    function targetSelectors() external view returns (FuzzSelector[] memory targets) {
        bytes4[10] memory actions = [
            Stakes.stake.selector,
            Stakes.withdraw.selector,
            Stakes.force.selector,
            Stakes.slash.selector,
            Stakes.collect.selector,
            Stakes.propose.selector,
            Stakes.replay.selector,
            Stakes.enact.selector,
            Stakes.sign.selector,
            Stakes.pass.selector
        ];
        targets = new FuzzSelector[](1);
        targets[0] = FuzzSelector({addr: address(_stakes), selectors: new bytes4[](10)});
        for (uint256 i = 0; i < 10; ++i) {
            targets[0].selectors[i] = actions[i];
        }
    }

    /// @dev What it holds is the stakes, the rewards, what was burnt and what was forced upon it, to the wei.
    function invariant_balance_is_stakes_rewards_and_burnt() external view {
        (Committee committee_,) = _stakes.parts();
        uint256 owed = committee_.burnt() + _stakes.forced();
        for (uint256 i = 0; i < _stakes.PEOPLE(); ++i) {
            owed += committee_.stakeOf(_stakes.account(i)) + committee_.rewardOf(_stakes.account(i));
        }
        vm.assertEq(address(committee_).balance, owed, "held");
        vm.assertEq(_stakes.paidIn() + _stakes.forced(), _stakes.paidOut() + owed, "paid in = paid out + held");
    }

    function invariant_each_account_has_what_it_must_have() external view {
        (Committee committee_,) = _stakes.parts();
        vm.assertEq(committee_.burnt(), _stakes.burnt(), "burnt");
        for (uint256 i = 0; i < _stakes.PEOPLE(); ++i) {
            vm.assertEq(committee_.stakeOf(_stakes.account(i)), _stakes.stakes(i), "stake");
            vm.assertEq(committee_.rewardOf(_stakes.account(i)), _stakes.rewards(i), "reward");
        }
    }

    function invariant_no_stake_is_free_before_its_time() external view {
        (Committee committee_,) = _stakes.parts();
        for (uint256 i = 0; i < _stakes.PEOPLE(); ++i) {
            uint256 opensAt = _stakes.isMember(i) ? type(uint256).max : _stakes.releases(i);
            vm.assertEq(committee_.releasesAt(_stakes.account(i)), opensAt, "releases at");
        }
    }

    function invariant_members_are_those_that_a_quorum_appointed() external view {
        (Committee committee_, uint256[] memory keys) = _stakes.parts();
        vm.assertEq(keccak256(abi.encode(committee_.members())), keccak256(abi.encode(_addresses(keys))), "members");
    }

    function invariant_at_least_half_of_what_was_slashed_is_burnt() external view {
        (Committee committee_,) = _stakes.parts();
        uint256 rewards;
        for (uint256 i = 0; i < _stakes.PEOPLE(); ++i) {
            rewards += committee_.rewardOf(_stakes.account(i));
        }
        vm.assertTrue(committee_.burnt() >= rewards, "more than half was given away");
    }
}
