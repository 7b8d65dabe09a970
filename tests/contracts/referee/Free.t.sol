// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Terms} from "../../../contracts/interfaces/IMarket.sol";
import {Evidence, Fault, IReferee, Posted} from "../../../contracts/interfaces/IReferee.sol";
import {Epoch} from "../support/Epochs.sol";
import {Plant, Plants} from "../support/Plants.sol";

/// @dev The same epochs where answers are free: a payload is no label, and everything else is as ever.
contract FreeTest is Plants {
    function setUp() public {
        _deployReferee();
    }

    function _terms() internal pure override returns (Terms memory terms) {
        terms = super._terms();
        terms.free = true;
    }

    function test_verdict__free_answer_of_any_payload__stands() public {
        Epoch memory epoch = _first();
        epoch.openings[0][0].payloadHash = keccak256("the cat sat on the mat");
        Posted memory posted = _posted(epoch);
        _expectUnfounded(Fault.PayloadMismatch);
        referee.verdict(posted, Fault.PayloadMismatch, _about(epoch, 0, 0));
    }

    function test_verdict__terms_that_say_otherwise__reverts() public {
        Epoch memory epoch = _first();
        epoch.openings[0][0].payloadHash = keccak256("the cat sat on the mat");
        Posted memory posted = _posted(epoch);
        Evidence memory e = _about(epoch, 0, 0);
        e.jobs[0].terms.free = false;
        vm.expectRevert(abi.encodeWithSelector(IReferee.RefereeTermsMismatch.selector, WEIGHTED));
        referee.verdict(posted, Fault.PayloadMismatch, e);
    }

    function test_verdict__each_other_plant__strikes() public {
        uint256 state = vm.snapshotState();
        for (uint256 n = 0; n < VERDICT_PLANTS; ++n) {
            Epoch memory epoch = _first();
            Plant memory plant = _plant(epoch, n);
            if (plant.fault == Fault.PayloadMismatch) continue;
            (, bytes memory call) = _accuse(epoch, plant);
            (bool done,) = address(referee).call(call);
            vm.assertTrue(done, plant.what);
            _assertStruck();
            vm.revertToState(state);
        }
    }
}
