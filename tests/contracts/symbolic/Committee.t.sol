// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Committee} from "../../../contracts/Committee.sol";
import {Symbolic} from "./Symbolic.sol";

/// @title A Committee in any state: stakes, and what a quorum is
/// @dev Every slot of its storage is a free variable. Bounds: up to two accounts besides everybody else's, up to three
/// signatures, whose signers ecrecover may name at will.
contract CommitteeProof is Symbolic {
    address internal constant REFEREE = address(0xBEEF);
    address internal constant ONE = address(0xA1);
    address internal constant TWO = address(0xA2);
    uint256 internal constant STAKE = 1 ether;

    Committee internal committee;

    function setUp() public {
        address[] memory members = new address[](4);
        bytes32[] memory sealKeys = new bytes32[](4);
        for (uint256 i = 0; i < 4; ++i) {
            members[i] = address(uint160(0xA1 + i));
            sealKeys[i] = bytes32(i + 1);
        }
        vm.deal(address(this), 4 * STAKE);
        committee = new Committee{value: 4 * STAKE}(members, sealKeys, 3, REFEREE, STAKE, 2 hours);
    }

    /// @dev Any stakes, rewards, places and times; the coin that these two accounts are owed is there.
    modifier inAnyState() {
        svm.enableSymbolicStorage(address(committee));
        vm.warp(svm.createUint(40, "time"));
        vm.assume(
            committee.burnt() < 2 ** 100 && committee.rewardOf(ONE) < 2 ** 100 && committee.rewardOf(TWO) < 2 ** 100
        );
        vm.assume(committee.stakeOf(ONE) < 2 ** 95 && committee.stakeOf(TWO) < 2 ** 95);
        vm.deal(address(committee), _owed());
        _;
    }

    function _owed() private view returns (uint256) {
        return committee.burnt() + committee.stakeOf(ONE) + committee.stakeOf(TWO) + committee.rewardOf(ONE)
            + committee.rewardOf(TWO);
    }

    // ------------------------------------------------------------------ coin

    function check_stake__conserves(uint64 value) public inAnyState {
        vm.deal(ONE, value);
        vm.prank(ONE);
        try committee.stake{value: value}(TWO) {
            assert(address(committee).balance == _owed());
        } catch {}
    }

    function check_withdraw__conserves_and_never_a_members(bytes32) public inAnyState {
        uint256 other = committee.stakeOf(TWO);
        uint256 opensAt = committee.releasesAt(ONE);
        vm.prank(ONE);
        try committee.withdraw() {
            assert(address(committee).balance == _owed());
            assert(committee.stakeOf(TWO) == other && committee.stakeOf(ONE) == 0);
            assert(block.timestamp >= opensAt);
        } catch {}
    }

    function check_slash__conserves_and_takes_a_unit_at_most(bytes32) public inAnyState {
        uint256 one = committee.stakeOf(ONE);
        uint256 two = committee.stakeOf(TWO);
        uint256 burnt = committee.burnt();
        uint256 reward = committee.rewardOf(ONE);
        vm.prank(REFEREE);
        try committee.slash(_two(ONE, TWO), ONE) {
            assert(address(committee).balance == _owed());
            assert(committee.stakeOf(ONE) == (one < STAKE ? 0 : one - STAKE));
            assert(committee.stakeOf(TWO) == (two < STAKE ? 0 : two - STAKE));
            assert(committee.burnt() - burnt >= committee.rewardOf(ONE) - reward);
        } catch {
            // A slash is never refused to the referee.
            assert(false);
        }
    }

    function check_slash__one_twice__is_refused(address who) public inAnyState {
        vm.prank(REFEREE);
        try committee.slash(_two(who, who), ONE) {
            assert(false);
        } catch {}
    }

    function check_slash__by_anyone_else__is_refused(address who) public inAnyState {
        vm.assume(who != REFEREE);
        vm.prank(who);
        try committee.slash(_two(ONE, TWO), who) {
            assert(false);
        } catch {}
    }

    function check_collect__pays_once_and_conserves(bytes32) public inAnyState {
        vm.prank(ONE);
        try committee.collect() {
            assert(address(committee).balance == _owed() && committee.rewardOf(ONE) == 0);
            vm.prank(ONE);
            try committee.collect() {
                assert(false);
            } catch {}
        } catch {}
    }

    // ------------------------------------------------------------------ quorum (the members of setUp, a quorum of three)

    function check_check__no_signature__is_refused(bytes32 digest) public view {
        try committee.check(digest, "") {
            assert(false);
        } catch {}
    }

    function check_check__fewer_than_the_quorum__is_refused(bytes32 digest) public view {
        try committee.check(digest, svm.createBytes(65, "one")) {
            assert(false);
        } catch {}
        try committee.check(digest, svm.createBytes(130, "two")) {
            assert(false);
        } catch {}
    }

    /// @dev The third signature is the second again.
    function check_check__a_signature_twice__is_refused(bytes32 digest) public view {
        bytes memory last = svm.createBytes(65, "last");
        try committee.check(digest, bytes.concat(svm.createBytes(65, "first"), last, last)) {
            assert(false);
        } catch {}
    }

    function check_check__not_whole_signatures__is_refused(bytes32 digest) public view {
        try committee.check(digest, svm.createBytes(196, "one byte more")) {
            assert(false);
        } catch {}
        try committee.check(digest, svm.createBytes(192, "compact")) {
            assert(false);
        } catch {}
    }

    function _two(address one, address two) private pure returns (address[] memory signers) {
        signers = new address[](2);
        (signers[0], signers[1]) = (one, two);
    }
}
