// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Committee} from "../../../contracts/Committee.sol";
import {ICommittee} from "../../../contracts/interfaces/ICommittee.sol";
import {CommitteeFixture, Reentrant, Unpayable} from "./CommitteeFixture.sol";

contract WithdrawTest is CommitteeFixture {
    function setUp() public {
        _deploy();
    }

    function test_withdraw__nothing_staked__reverts() public {
        vm.expectRevert(abi.encodeWithSelector(ICommittee.CommitteeStakeMissing.selector, STRANGER));
        vm.prank(STRANGER);
        committee.withdraw();
    }

    function test_withdraw__a_member__reverts_for_ever() public {
        address member = _member(0);
        _stakeFor(member, 5 * STAKE);
        vm.warp(block.timestamp + 3650 days);
        _refuse(member, type(uint256).max);
    }

    function test_withdraw__who_left__reverts_until_the_delay_is_over() public {
        address leaver = _member(1);
        _change(_replacing(1));
        uint256 opensAt = block.timestamp + DELAY;
        vm.assertEq(committee.releasesAt(leaver), opensAt);
        _refuse(leaver, opensAt);
        vm.warp(opensAt - 1);
        _refuse(leaver, opensAt);
        vm.warp(opensAt);
        _withdraw(leaver, STAKE);
    }

    function test_withdraw__twice__reverts() public {
        _stakeFor(STRANGER, STAKE);
        _withdraw(STRANGER, STAKE);
        vm.expectRevert(abi.encodeWithSelector(ICommittee.CommitteeStakeMissing.selector, STRANGER));
        vm.prank(STRANGER);
        committee.withdraw();
    }

    function test_withdraw__who_left_and_joined_again__reverts() public {
        uint256[] memory before = memberKeys;
        address leaver = _member(1);
        _change(_replacing(1));
        _change(_wanted(before, 3));
        vm.warp(block.timestamp + 10 * DELAY);
        _refuse(leaver, type(uint256).max);
    }

    /// @dev The second leave starts the delay anew.
    function test_withdraw__who_left_twice__reverts_until_the_delay_after_the_second() public {
        uint256[] memory before = memberKeys;
        address leaver = _member(1);
        _change(_replacing(1));
        _change(_wanted(before, 3));
        vm.warp(block.timestamp + 10 * DELAY);
        _change(_replacing(1));
        _refuse(leaver, block.timestamp + DELAY);
    }

    function test_withdraw__reentered__pays_once() public {
        Reentrant account = new Reentrant();
        _stakeFor(address(account), STAKE);
        bytes memory call = abi.encodeCall(Committee.withdraw, ());
        account.act(address(committee), call, call);
        vm.assertEq(address(account).balance, STAKE);
        vm.assertTrue(!account.entered(), "entered");
        vm.assertEq(
            keccak256(account.problem()),
            keccak256(abi.encodeWithSelector(ICommittee.CommitteeStakeMissing.selector, address(account)))
        );
        vm.assertEq(address(committee).balance, 4 * STAKE);
    }

    function test_withdraw__a_payee_that_takes_no_coin__keeps_its_stake() public {
        Unpayable account = new Unpayable();
        _stakeFor(address(account), STAKE);
        vm.assertTrue(!account.act(address(committee), abi.encodeCall(Committee.withdraw, ())), "paid");
        vm.assertEq(committee.stakeOf(address(account)), STAKE);
    }

    function test_withdraw__never_a_member__pays_at_once() public {
        _stakeFor(STRANGER, 3);
        _emitted(address(committee));
        emit ICommittee.Withdrawn(STRANGER, 3);
        _withdraw(STRANGER, 3);
    }

    /// @dev Coin that was forced upon the contract is nobody's.
    function test_withdraw__slashed_and_topped_up_since__pays_what_is_left() public {
        address leaver = _member(1);
        _stakeFor(leaver, STAKE / 2);
        _change(_replacing(1));
        _slash(_one(leaver), STRANGER);
        _stakeFor(leaver, 7);
        vm.deal(address(committee), address(committee).balance + 3 ether);
        vm.warp(block.timestamp + DELAY);
        _withdraw(leaver, STAKE / 2 + 7);
    }

    function _withdraw(address account, uint256 amount) private {
        uint256 before = account.balance;
        vm.prank(account);
        committee.withdraw();
        vm.assertEq(account.balance - before, amount);
        vm.assertEq(committee.stakeOf(account), 0);
    }

    function _refuse(address account, uint256 opensAt) private {
        vm.expectRevert(abi.encodeWithSelector(ICommittee.CommitteeStakeLocked.selector, account, opensAt));
        vm.prank(account);
        committee.withdraw();
    }
}
