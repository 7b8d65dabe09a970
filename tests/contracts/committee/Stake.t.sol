// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ICommittee} from "../../../contracts/interfaces/ICommittee.sol";
import {CommitteeFixture} from "./CommitteeFixture.sol";
import {SafeCast} from "@openzeppelin/contracts/utils/math/SafeCast.sol";

contract StakeTest is CommitteeFixture {
    function setUp() public {
        _deploy();
    }

    function test_stake__nothing_or_for_nobody__reverts() public {
        vm.expectRevert(abi.encodeWithSelector(ICommittee.CommitteeStakeMissing.selector, STRANGER));
        committee.stake(STRANGER);
        vm.deal(address(this), 1);
        vm.expectRevert(abi.encodeWithSelector(ICommittee.CommitteeStakeMissing.selector, address(0)));
        committee.stake{value: 1}(address(0));
    }

    function test_stake__more_than_fits__reverts() public {
        vm.deal(address(this), 2 ** 97);
        vm.expectRevert(abi.encodeWithSelector(SafeCast.SafeCastOverflowedUintDowncast.selector, 96, 2 ** 96));
        committee.stake{value: 2 ** 96}(STRANGER);
        committee.stake{value: 2 ** 96 - 1}(STRANGER);
        vm.expectRevert();
        committee.stake{value: 1}(STRANGER);
    }

    function test_stake__coin_sent_without_a_call__reverts() public {
        vm.deal(address(this), 1);
        (bool done,) = address(committee).call{value: 1}("");
        vm.assertTrue(!done, "taken");
    }

    function testFuzz_stake__by_anyone_for_anyone__adds(uint96 amount, bool ofMember) public {
        vm.assume(amount != 0 && amount < 2 ** 95);
        address account = ofMember ? _member(2) : STRANGER;
        uint256 before = committee.stakeOf(account);
        vm.deal(REQUESTER, amount);
        _emitted(address(committee));
        emit ICommittee.Staked(account, REQUESTER, amount);
        vm.prank(REQUESTER);
        committee.stake{value: amount}(account);
        vm.assertEq(committee.stakeOf(account), before + amount);
        vm.assertEq(address(committee).balance, 4 * STAKE + amount);
        vm.assertEq(committee.stakeOf(REQUESTER), 0);
    }

    function test_stake__a_stranger__is_no_member_for_it() public {
        _stakeFor(vm.addr(99), 100 * STAKE);
        uint256[] memory keys = memberKeys;
        keys[3] = 99;
        memberKeys = _sorted(keys);
        bytes32 digest = keccak256("digest");
        bytes memory signatures = _signatures(digest, 4);
        vm.expectRevert(abi.encodeWithSelector(ICommittee.CommitteeSignerUnknown.selector, vm.addr(99)));
        committee.check(digest, signatures);
    }
}
