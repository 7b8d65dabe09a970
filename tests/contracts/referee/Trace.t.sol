// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Evidence, Fault, IReferee, Link, Posted} from "../../../contracts/interfaces/IReferee.sol";
import {Leaves} from "../../../contracts/libraries/Leaves.sol";
import {Epoch, Epochs} from "../support/Epochs.sol";

contract TraceTest is Epochs {
    function setUp() public {
        _deployReferee();
    }

    function test_trace__no_links__reverts() public {
        bytes32 head = market.head();
        vm.expectRevert(IReferee.RefereeNothingTraced.selector);
        referee.trace(market, head, new Link[](0));
    }

    function test_trace__links_that_lead_elsewhere__reverts() public {
        bytes32 first = market.head();
        (, Posted memory old) = _past();
        Link[] memory links = _links(old, true);
        bytes32 lost = Leaves.struck(market.head());
        vm.expectRevert(abi.encodeWithSelector(IReferee.RefereeHeaderUnlinked.selector, lost));
        referee.trace(market, first, links);
    }

    function test_trace__up_to_the_head__is_stored() public {
        bytes32 first = market.head();
        (, Posted memory old) = _past();
        _emitted(address(referee));
        emit IReferee.HeadTraced(market, first);
        referee.trace(market, first, _links(old, false));
        vm.assertTrue(referee.isTraced(market, first), "not stored");
        vm.assertTrue(!referee.isTraced(market, market.head()), "the last head could still be struck");
    }

    /// @dev Three epochs back, of which one was struck, in two transactions; the proof then ends at a stored head.
    function test_trace__in_two_parts__proves_an_old_verdict() public {
        (Epoch memory past, Posted memory old) = _past();
        bytes32 afterFirst = market.head();

        Epoch memory wrong = _second();
        wrong.verdicts[0].label = 0;
        Posted memory struck = _posted(wrong);
        referee.verdict(struck, Fault.WrongLabel, _about(wrong, 0, 0));
        for (uint256 i = 0; i < 3; ++i) {
            committee.stake{value: STAKE}(vm.addr(memberKeys[i]));
        }
        bytes32 afterStrike = market.head();
        Epoch memory good = _second();
        Posted memory third = _posted(good);
        _finalise(third.header);
        for (uint256 w = 0; w < WORKERS; ++w) {
            cumulative[w] = good.balances[w].cumulative;
        }

        // The fourth decides a task of the first again.
        Epoch memory epoch = _second();
        epoch.verdicts[0].task = 0;
        Posted memory posted = _posted(epoch);
        Evidence memory e;
        e.stubs = _stubs(epoch.verdicts[0], past.verdicts[0]);
        e.older = _older(old, false);
        vm.expectRevert(abi.encodeWithSelector(IReferee.RefereeHeaderUnlinked.selector, afterFirst));
        referee.verdict(posted, Fault.TaskDecided, e);

        Link[] memory links = new Link[](2);
        links[0] = _links(third, false)[0];
        links[1] = _links(posted, false)[0];
        referee.trace(market, afterStrike, links);
        referee.trace(market, afterFirst, _links(struck, true));
        referee.verdict(posted, Fault.TaskDecided, e);
        (uint32 number,,) = market.pending();
        vm.assertEq(number, 0);
    }

    /// @dev A head that is pending and then struck can never pass for one that stands.
    function test_trace__through_a_head_that_was_struck__does_not_prove_that_it_stands() public {
        bytes32 first = market.head();
        Epoch memory wrong = _first();
        wrong.verdicts[0].label = 0;
        Posted memory old = _posted(wrong);
        referee.trace(market, first, _links(old, false));
        referee.verdict(old, Fault.WrongLabel, _about(wrong, 0, 0));
        for (uint256 i = 0; i < 3; ++i) {
            committee.stake{value: STAKE}(vm.addr(memberKeys[i]));
        }
        Epoch memory epoch = _first();
        Posted memory posted = _posted(epoch);
        Evidence memory e;
        e.stubs = _stubs(epoch.verdicts[0], wrong.verdicts[0]);
        e.older = _older(old, false);
        vm.expectPartialRevert(IReferee.RefereeHeaderUnlinked.selector);
        referee.verdict(posted, Fault.TaskDecided, e);
    }

    function _links(Posted memory posted, bool struck) private view returns (Link[] memory links) {
        links = new Link[](1);
        links[0] = Link({digest: _digest(posted.header), signers: posted.signers, struck: struck});
    }
}
