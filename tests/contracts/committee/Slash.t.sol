// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Committee} from "../../../contracts/Committee.sol";
import {ICommittee} from "../../../contracts/interfaces/ICommittee.sol";
import {CommitteeFixture} from "./CommitteeFixture.sol";

contract SlashTest is CommitteeFixture {
    bytes32 private constant DIGEST = keccak256("digest");

    function setUp() public {
        _deploy();
    }

    function test_slash__not_the_referee__reverts() public {
        address[] memory signers = _one(_member(0));
        _refuseCaller(signers, STRANGER);
        _refuseCaller(signers, _member(1));
        _refuseCaller(signers, address(market));
        committee = new Committee{value: 4 * STAKE}(_addresses(memberKeys), _sealKeys(4), 3, address(0), STAKE, DELAY);
        _refuseCaller(signers, REFEREE);
    }

    function test_slash__the_same_twice_or_unordered__reverts() public {
        address[] memory signers = new address[](2);
        (signers[0], signers[1]) = (_member(1), _member(1));
        _refuseOrder(signers);
        (signers[0], signers[1]) = (_member(2), _member(1));
        _refuseOrder(signers);
    }

    function test_slash__a_member__loses_a_unit_and_half_is_burnt() public {
        _stakeFor(_member(0), STAKE + 5);
        _emitted(address(committee));
        emit ICommittee.Slashed(_member(0), STRANGER, STAKE, STAKE / 2);
        _slash(_one(_member(0)), STRANGER);
        vm.assertEq(committee.stakeOf(_member(0)), STAKE + 5);
        vm.assertEq(committee.burnt(), STAKE / 2);
        vm.assertEq(committee.rewardOf(STRANGER), STAKE / 2);
        vm.assertEq(address(committee).balance, 5 * STAKE + 5);
        _slash(_one(_member(0)), STRANGER);
        vm.assertEq(committee.stakeOf(_member(0)), 5);
        vm.assertEq(committee.rewardOf(STRANGER), STAKE);
    }

    /// @dev No list makes it revert, so that no strike can be held up: nobody, a stranger, one without stake.
    function test_slash__nothing_to_take__takes_nothing() public {
        _slash(new address[](0), STRANGER);
        _slash(_one(STRANGER), STRANGER);
        _slash(_one(_member(0)), STRANGER);
        _slash(_one(_member(0)), STRANGER);
        vm.assertEq(committee.burnt(), STAKE / 2);
        vm.assertEq(committee.rewardOf(STRANGER), STAKE / 2);
    }

    function test_slash__a_member_below_its_unit__signs_again_once_it_is_topped_up() public {
        _slash(_one(_member(1)), STRANGER);
        bytes memory signatures = _signatures(DIGEST, 3);
        _stakeFor(_member(1), STAKE - 1);
        vm.expectRevert(
            abi.encodeWithSelector(ICommittee.CommitteeStakeTooSmall.selector, _member(1), STAKE - 1, STAKE)
        );
        committee.check(DIGEST, signatures);
        vm.assertEq(committee.membership(DIGEST, signatures), 7);
        _stakeFor(_member(1), 1);
        vm.assertEq(committee.check(DIGEST, signatures), 7);
    }

    function test_slash__every_member__none_signs_until_all_are_topped_up() public {
        _slash(_addresses(memberKeys), STRANGER);
        vm.assertEq(committee.burnt(), 2 * STAKE);
        bytes memory signatures = _signatures(DIGEST, 4);
        vm.expectRevert(abi.encodeWithSelector(ICommittee.CommitteeStakeTooSmall.selector, _member(0), 0, STAKE));
        committee.check(DIGEST, signatures);
        for (uint256 i = 0; i < 4; ++i) {
            _stakeFor(_member(i), STAKE);
        }
        vm.assertEq(committee.check(DIGEST, signatures), 15);
    }

    /// @dev Also after its delay: a stake that is there can be slashed. A unit that is odd is burnt by its larger half.
    function testFuzz_slash__any_stakes__takes_min_of_stake_and_unit(uint96[6] memory stakes, uint96 unit) public {
        vm.assume(unit != 0 && unit < 2 ** 90);
        vm.deal(address(this), 2 ** 100);
        committee =
            new Committee{value: 4 * uint256(unit)}(_addresses(memberKeys), _sealKeys(4), 3, REFEREE, unit, DELAY);
        uint256[] memory keys = _sortedKeys(6);
        address[] memory signers = _addresses(keys);
        uint256[6] memory before;
        for (uint256 i = 0; i < 6; ++i) {
            uint256 amount = stakes[i] % 2 ** 92;
            if (amount != 0) committee.stake{value: amount}(signers[i]);
            before[i] = committee.stakeOf(signers[i]);
        }
        uint256 held = address(committee).balance;
        _slash(signers, STRANGER);
        uint256 taken;
        uint256 rewards;
        for (uint256 i = 0; i < 6; ++i) {
            uint256 loss = before[i] < unit ? before[i] : unit;
            vm.assertEq(committee.stakeOf(signers[i]), before[i] - loss);
            taken += loss;
            rewards += loss / 2;
        }
        vm.assertEq(committee.rewardOf(STRANGER), rewards);
        vm.assertEq(committee.burnt(), taken - rewards);
        vm.assertTrue(committee.burnt() >= rewards, "less than half is burnt");
        vm.assertEq(address(committee).balance, held);
    }

    function _refuseCaller(address[] memory signers, address caller) private {
        vm.expectRevert(abi.encodeWithSelector(ICommittee.CommitteeNotReferee.selector, caller));
        vm.prank(caller);
        committee.slash(signers, caller);
    }

    function _refuseOrder(address[] memory signers) private {
        vm.expectRevert(abi.encodeWithSelector(ICommittee.CommitteeSignersUnordered.selector, signers[0], signers[1]));
        _slash(signers, STRANGER);
    }
}
