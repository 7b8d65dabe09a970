// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Committee} from "../../../contracts/Committee.sol";
import {ICommittee} from "../../../contracts/interfaces/ICommittee.sol";
import {CommitteeFixture} from "./CommitteeFixture.sol";

contract ProposeChangeTest is CommitteeFixture {
    uint64 private constant UNTIL = uint64(START + 10 days);

    function setUp() public {
        _deploy();
        _stakeFor(vm.addr(NEWCOMER), STAKE);
    }

    function test_proposeChange__expired__reverts() public {
        Wanted memory wanted = _replacing(0);
        bytes memory signatures = _signatures(_changeDigest(1, wanted, UNTIL), 3);
        vm.warp(UNTIL + 1);
        vm.expectRevert(abi.encodeWithSelector(ICommittee.CommitteeChangeExpired.selector, UNTIL, UNTIL + 1));
        _proposeWith(wanted, UNTIL, signatures);
        vm.warp(UNTIL);
        _proposeWith(wanted, UNTIL, signatures);
    }

    function test_proposeChange__a_malformed_committee__reverts() public {
        Wanted memory wanted = _wanted(_sortedKeys(3), 3);
        _refuse(wanted, abi.encodeWithSelector(ICommittee.CommitteeSizeOutOfRange.selector, 3));
        wanted = _wanted(_sortedKeys(32), 32);
        _refuse(wanted, abi.encodeWithSelector(ICommittee.CommitteeSizeOutOfRange.selector, 32));
        wanted = _replacing(0);
        wanted.quorum = 2;
        _refuse(wanted, abi.encodeWithSelector(ICommittee.CommitteeQuorumOutOfRange.selector, 2, 3, 4));
        wanted.quorum = 5;
        _refuse(wanted, abi.encodeWithSelector(ICommittee.CommitteeQuorumOutOfRange.selector, 5, 3, 4));
        wanted = _replacing(0);
        wanted.sealKeys = _sealKeys(5);
        _refuse(wanted, abi.encodeWithSelector(ICommittee.CommitteeSealKeysMismatch.selector, 4, 5));
        wanted.sealKeys = new bytes32[](4);
        _refuse(wanted, abi.encodeWithSelector(ICommittee.CommitteeSealKeyMissing.selector, 0));
        wanted = _replacing(0);
        wanted.members[2] = wanted.members[1];
        _refuse(
            wanted,
            abi.encodeWithSelector(ICommittee.CommitteeMembersUnordered.selector, wanted.members[1], wanted.members[1])
        );
    }

    function test_proposeChange__fewer_than_the_quorum__reverts() public {
        Wanted memory wanted = _replacing(0);
        bytes32 digest = _changeDigest(1, wanted, UNTIL);
        vm.expectRevert(abi.encodeWithSelector(ICommittee.CommitteeQuorumMissing.selector, 2, 3));
        _proposeWith(wanted, UNTIL, _signatures(digest, 2));
        vm.expectRevert(abi.encodeWithSelector(ICommittee.CommitteeQuorumMissing.selector, 0, 1));
        _proposeWith(wanted, UNTIL, "");
    }

    function test_proposeChange__a_signer_below_its_unit__reverts() public {
        Wanted memory wanted = _replacing(3);
        bytes memory signatures = _signatures(_changeDigest(1, wanted, UNTIL), 3);
        _slash(_one(_member(1)), STRANGER);
        vm.expectRevert(abi.encodeWithSelector(ICommittee.CommitteeStakeTooSmall.selector, _member(1), 0, STAKE));
        _proposeWith(wanted, UNTIL, signatures);
    }

    /// @dev Of each field that was signed, another value; and the same for another Committee or chain.
    function test_proposeChange__signatures_of_something_else__reverts() public {
        Wanted memory wanted = _replacing(0);
        bytes memory signatures = _signatures(_changeDigest(1, wanted, UNTIL), 3);
        _refuseSigned(wanted, UNTIL + 1, signatures);
        _refuseSigned(_replacing(1), UNTIL, signatures);
        _refuseSigned(wanted, UNTIL, _signatures(_changeDigest(0, wanted, UNTIL), 3));
        _refuseSigned(wanted, UNTIL, _signatures(_changeDigest(2, wanted, UNTIL), 3));
        bytes32 elsewhere = _changeDigest(1, wanted, UNTIL);
        committee = _committee(memberKeys, 3);
        _refuseSigned(wanted, UNTIL, _signatures(elsewhere, 3));
        vm.chainId(77);
        _refuseSigned(wanted, UNTIL, signatures);
    }

    function test_proposeChange__signatures_again__reverts() public {
        Wanted memory wanted = _replacing(0);
        bytes memory signatures = _signatures(_changeDigest(1, wanted, UNTIL), 3);
        _proposeWith(wanted, UNTIL, signatures);
        _refuseSigned(wanted, UNTIL, signatures);
        vm.warp(block.timestamp + DELAY);
        _enact(wanted);
        _refuseSigned(wanted, UNTIL, signatures);
    }

    /// @dev A change back and forth makes the first members members again, and their old signatures still do not count.
    function test_proposeChange__signatures_of_an_earlier_term__reverts() public {
        Wanted memory wanted = _replacing(0);
        bytes memory signatures = _signatures(_changeDigest(1, wanted, UNTIL), 3);
        Wanted memory first = _unchanged();
        _change(wanted);
        _change(first);
        _refuseSigned(wanted, UNTIL, signatures);
    }

    function test_proposeChange__who_left__reverts() public {
        uint256[] memory former = memberKeys;
        _change(_replacing(0));
        Wanted memory wanted = _wanted(former, 3);
        bytes32 digest = _changeDigest(2, wanted, UNTIL);
        memberKeys = former;
        bytes memory signatures = _signatures(digest, 3);
        vm.expectRevert(abi.encodeWithSelector(ICommittee.CommitteeSignerUnknown.selector, vm.addr(former[0])));
        _proposeWith(wanted, UNTIL, signatures);
    }

    /// @dev Anyone may send it; until it is enacted nothing else changes.
    function test_proposeChange__a_quorum__waits_for_the_delay() public {
        Wanted memory wanted = _replacing(0);
        bytes memory call = _proposal(wanted, UNTIL, _signatures(_changeDigest(1, wanted, UNTIL), 3));
        bytes32 digest = committee.digest();
        uint64 enactsAt = uint64(block.timestamp) + DELAY;
        _emitted(address(committee));
        emit ICommittee.ChangeProposed(1, wanted.members, wanted.sealKeys, 3, _digestOf(wanted), enactsAt);
        vm.prank(STRANGER);
        (bool done,) = address(committee).call(call);
        vm.assertTrue(done, "refused");
        _assertPending(1, _digestOf(wanted), enactsAt);
        vm.assertEq(committee.digest(), digest);
        committee.check(keccak256("digest"), _signatures(keccak256("digest"), 3));
    }

    function test_proposeChange__another_waits__replaces_it_and_starts_the_delay_anew() public {
        Wanted memory first = _replacing(0);
        Wanted memory second = _replacing(1);
        _propose(first);
        vm.warp(block.timestamp + DELAY - 1);
        _propose(second);
        _assertPending(2, _digestOf(second), uint64(block.timestamp) + DELAY);
        vm.warp(block.timestamp + DELAY);
        vm.expectRevert(
            abi.encodeWithSelector(ICommittee.CommitteeChangeMismatch.selector, _digestOf(first), _digestOf(second))
        );
        _enact(first);
        _enact(second);
    }

    /// @dev How a change is taken back.
    function test_proposeChange__the_committee_as_it_is__takes_back_what_waits() public {
        bytes32 digest = committee.digest();
        Wanted memory wanted = _replacing(0);
        _propose(wanted);
        _propose(_unchanged());
        vm.warp(block.timestamp + DELAY);
        vm.expectRevert(abi.encodeWithSelector(ICommittee.CommitteeChangeMismatch.selector, _digestOf(wanted), digest));
        _enact(wanted);
        _enact(_unchanged());
        vm.assertEq(committee.digest(), digest);
        vm.assertEq(committee.releasesAt(_member(0)), type(uint256).max);
    }

    function _assertPending(uint32 number, bytes32 digest, uint64 enactsAt) private view {
        (uint32 number_, bytes32 digest_, uint64 enactsAt_) = committee.pendingChange();
        vm.assertEq(number_, number);
        vm.assertEq(digest_, digest);
        vm.assertEq(enactsAt_, enactsAt);
        vm.assertEq(committee.lastChange(), number);
    }

    function _refuse(Wanted memory wanted, bytes memory problem) private {
        bytes memory signatures = _signatures(_changeDigest(1, wanted, UNTIL), 3);
        vm.expectRevert(problem);
        _proposeWith(wanted, UNTIL, signatures);
    }

    /// @dev They recover to nobody whom the committee knows, in whatever order.
    function _refuseSigned(Wanted memory wanted, uint64 validUntil, bytes memory signatures) private {
        vm.expectRevert();
        _proposeWith(wanted, validUntil, signatures);
    }
}
