// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IArbitrable} from "../../../contracts/interfaces/IArbitrable.sol";
import {IArbitrator} from "../../../contracts/interfaces/IArbitrator.sol";
import {ICourt} from "../../../contracts/interfaces/ICourt.sol";
import {CourtFixture} from "./CourtFixture.sol";

contract CommitVoteTest is CourtFixture {
    address private _first;

    function setUp() public {
        _deploy();
        _open();
    }

    function test_commitVote__not_drawn_yet__reverts() public {
        _expectNot(ICourt.CourtNotCommitting.selector);
        _commit(0, 0, _juror(0), 1);
    }

    function test_commitVote__too_late__reverts() public {
        _drawn();
        vm.warp(START + COMMIT);
        _expectNot(ICourt.CourtNotCommitting.selector);
        _commit(0, 0, _first, 1);
        vm.warp(START + COMMIT - 1);
        _commit(0, 0, _first, 1);
    }

    function test_commitVote__not_a_juror__reverts() public {
        _drawn();
        vm.expectRevert(abi.encodeWithSelector(ICourt.CourtNotDrawn.selector, 0, STRANGER));
        _commit(0, 0, STRANGER, 1);
    }

    function test_commitVote__empty_or_twice__reverts() public {
        _drawn();
        vm.prank(_first);
        vm.expectRevert(ICourt.CourtCommitmentMissing.selector);
        court.commitVote(0, 0);
        vm.expectEmit(true, true, true, true, address(court));
        emit ICourt.VoteCommitted(0, 0, _first, _commitment(0, 0, _first, 1));
        _commit(0, 0, _first, 1);
        vm.expectRevert(abi.encodeWithSelector(ICourt.CourtCommitted.selector, 0, _first));
        _commit(0, 0, _first, 2);
    }

    function _drawn() private {
        _draw(RANDAO);
        _first = _seats(0, 0)[0];
    }

    function _expectNot(bytes4 problem) private {
        vm.expectRevert(abi.encodeWithSelector(problem, 0));
    }
}

contract RevealVoteTest is CourtFixture {
    address private _first;

    function setUp() public {
        _deploy();
        _open();
        _draw(RANDAO);
        _first = _seats(0, 0)[0];
        _commit(0, 0, _first, 1);
    }

    function test_revealVote__out_of_time__reverts() public {
        uint256[2] memory times = [START + COMMIT - 1, START + COMMIT + REVEAL];
        for (uint256 i = 0; i < 2; ++i) {
            vm.warp(times[i]);
            vm.expectRevert(abi.encodeWithSelector(ICourt.CourtNotRevealing.selector, 0));
            _reveal(0, _first, 1);
        }
        vm.warp(START + COMMIT + REVEAL - 1);
        _reveal(0, _first, 1);
    }

    function test_revealVote__another_vote__reverts() public {
        vm.warp(START + COMMIT);
        bytes32 committed = _commitment(0, 0, _first, 1);
        vm.expectRevert(
            abi.encodeWithSelector(ICourt.CourtVoteMismatch.selector, _commitment(0, 0, _first, 2), committed)
        );
        _reveal(0, _first, 2);
    }

    /// @dev Somebody's commitment copied by another cannot be opened by the other.
    function test_revealVote__a_copied_commitment__reverts() public {
        address second = _seats(0, 0)[1];
        vm.prank(second);
        court.commitVote(0, _commitment(0, 0, _first, 1));
        vm.warp(START + COMMIT);
        vm.expectRevert(
            abi.encodeWithSelector(
                ICourt.CourtVoteMismatch.selector, _commitment(0, 0, second, 1), _commitment(0, 0, _first, 1)
            )
        );
        _reveal(0, second, 1);
    }

    function test_revealVote__never_committed__reverts() public {
        vm.warp(START + COMMIT);
        vm.expectRevert(
            abi.encodeWithSelector(ICourt.CourtVoteMismatch.selector, _commitment(0, 0, STRANGER, 1), bytes32(0))
        );
        _reveal(0, STRANGER, 1);
    }

    function test_revealVote__a_choice_that_is_none__reverts() public {
        address second = _seats(0, 0)[1];
        _commit(0, 0, second, 3);
        vm.warp(START + COMMIT);
        vm.expectRevert(abi.encodeWithSelector(ICourt.CourtChoiceUnknown.selector, 3, 2));
        _reveal(0, second, 3);
    }

    function test_revealVote__twice__reverts() public {
        vm.warp(START + COMMIT);
        vm.expectEmit(true, true, true, true, address(court));
        emit ICourt.VoteRevealed(0, 0, _first, 1);
        _reveal(0, _first, 1);
        vm.expectRevert(abi.encodeWithSelector(ICourt.CourtRevealed.selector, 0, _first));
        _reveal(0, _first, 1);
        // What is open already counts only when all can be known.
        vm.assertEq(court.currentRuling(0), 0);
        vm.warp(START + COMMIT + REVEAL);
        vm.assertEq(court.currentRuling(0), 1);
    }
}

contract AnnounceTest is CourtFixture {
    function test_announce__once_in_the_appeal_period() public {
        _deploy();
        _open();
        vm.expectRevert(abi.encodeWithSelector(ICourt.CourtNotAppealable.selector, 0));
        court.announce(0);
        _draw(RANDAO);
        _vote(0, 0, _three(1, 1, 2));
        vm.expectEmit(true, true, true, true, address(court));
        emit IArbitrator.AppealPossible(0, IArbitrable(address(arbitrable)));
        court.announce(0);
        vm.expectRevert(abi.encodeWithSelector(ICourt.CourtAnnounced.selector, 0));
        court.announce(0);
    }
}
