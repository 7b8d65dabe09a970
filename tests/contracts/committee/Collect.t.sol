// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Committee} from "../../../contracts/Committee.sol";
import {ICommittee} from "../../../contracts/interfaces/ICommittee.sol";
import {CommitteeFixture, Reentrant, Unpayable} from "./CommitteeFixture.sol";

contract CollectTest is CommitteeFixture {
    function setUp() public {
        _deploy();
    }

    function test_collect__nothing__reverts() public {
        _refuse(STRANGER);
    }

    function test_collect__twice__reverts() public {
        _slash(_one(_member(0)), STRANGER);
        _collect(STRANGER, STAKE / 2);
        _refuse(STRANGER);
    }

    function test_collect__reentered__pays_once() public {
        Reentrant account = new Reentrant();
        _slash(_addresses(memberKeys), address(account));
        bytes memory call = abi.encodeCall(Committee.collect, ());
        account.act(address(committee), call, call);
        vm.assertEq(address(account).balance, 2 * STAKE);
        vm.assertTrue(!account.entered(), "entered");
        vm.assertEq(
            keccak256(account.problem()),
            keccak256(abi.encodeWithSelector(ICommittee.CommitteeNothingToCollect.selector, address(account)))
        );
        vm.assertEq(address(committee).balance, 2 * STAKE);
    }

    /// @dev It holds up nobody: slashing sends nothing.
    function test_collect__a_payee_that_takes_no_coin__keeps_its_reward() public {
        Unpayable account = new Unpayable();
        _slash(_one(_member(0)), address(account));
        vm.assertTrue(!account.act(address(committee), abi.encodeCall(Committee.collect, ())), "paid");
        vm.assertEq(committee.rewardOf(address(account)), STAKE / 2);
        _slash(_one(_member(1)), STRANGER);
        _collect(STRANGER, STAKE / 2);
    }

    /// @dev The members' stakes and what was burnt stay.
    function test_collect__after_several_strikes__pays_all_of_it() public {
        _slash(_addresses(memberKeys), STRANGER);
        _stakeFor(_member(0), STAKE + 1);
        _slash(_one(_member(0)), STRANGER);
        vm.deal(address(committee), address(committee).balance + 9);
        _emitted(address(committee));
        emit ICommittee.RewardCollected(STRANGER, 5 * STAKE / 2);
        _collect(STRANGER, 5 * STAKE / 2);
        vm.assertEq(address(committee).balance, committee.burnt() + 1 + 9);
    }

    function _collect(address account, uint256 amount) private {
        uint256 before = account.balance;
        vm.prank(account);
        committee.collect();
        vm.assertEq(account.balance - before, amount);
        vm.assertEq(committee.rewardOf(account), 0);
    }

    function _refuse(address account) private {
        vm.expectRevert(abi.encodeWithSelector(ICommittee.CommitteeNothingToCollect.selector, account));
        vm.prank(account);
        committee.collect();
    }
}
