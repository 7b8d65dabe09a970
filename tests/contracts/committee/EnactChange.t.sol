// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ICommittee} from "../../../contracts/interfaces/ICommittee.sol";
import {Header, IMarket} from "../../../contracts/interfaces/IMarket.sol";
import {Debit} from "../support/Fixture.sol";
import {CommitteeFixture} from "./CommitteeFixture.sol";

contract EnactChangeTest is CommitteeFixture {
    bytes32 private constant DIGEST = keccak256("digest");

    function setUp() public {
        _deploy();
        _stakeFor(vm.addr(NEWCOMER), STAKE);
    }

    function test_enactChange__nothing_waits__reverts() public {
        Wanted memory wanted = _unchanged();
        vm.expectRevert(abi.encodeWithSelector(ICommittee.CommitteeChangeMismatch.selector, _digestOf(wanted), 0));
        _enact(wanted);
    }

    function test_enactChange__another_than_proposed__reverts() public {
        Wanted memory wanted = _replacing(0);
        bytes32 proposed = _digestOf(wanted);
        _propose(wanted);
        vm.warp(block.timestamp + DELAY);
        wanted.sealKeys[1] = keccak256("mine");
        vm.expectRevert(
            abi.encodeWithSelector(ICommittee.CommitteeChangeMismatch.selector, _digestOf(wanted), proposed)
        );
        _enact(wanted);
    }

    function test_enactChange__a_second_early__reverts() public {
        Wanted memory wanted = _replacing(0);
        _propose(wanted);
        uint256 enactsAt = block.timestamp + DELAY;
        vm.warp(enactsAt - 1);
        vm.expectRevert(abi.encodeWithSelector(ICommittee.CommitteeChangeTooEarly.selector, enactsAt, enactsAt - 1));
        _enact(wanted);
        vm.warp(enactsAt);
        _enact(wanted);
    }

    function test_enactChange__twice__reverts() public {
        Wanted memory wanted = _replacing(0);
        _change(wanted);
        vm.expectRevert(abi.encodeWithSelector(ICommittee.CommitteeChangeMismatch.selector, _digestOf(wanted), 0));
        _enact(wanted);
    }

    function test_enactChange__a_newcomer_below_its_unit__reverts_until_it_stakes() public {
        Wanted memory wanted = _replacing(0);
        _propose(wanted);
        vm.warp(block.timestamp + DELAY);
        address newcomer = vm.addr(NEWCOMER);
        vm.prank(newcomer);
        committee.withdraw();
        _stakeFor(newcomer, STAKE - 1);
        _refuse(wanted, newcomer, STAKE - 1);
        _stakeFor(newcomer, 1);
        _enact(wanted);
    }

    function test_enactChange__one_who_stays_was_slashed__reverts_until_it_tops_up() public {
        Wanted memory wanted = _replacing(0);
        _propose(wanted);
        vm.warp(block.timestamp + DELAY);
        _slash(_one(_member(2)), STRANGER);
        _refuse(wanted, _member(2), 0);
        _stakeFor(_member(2), STAKE);
        _enact(wanted);
    }

    function test_enactChange__in_time__appoints_them() public {
        Wanted memory wanted = _replacing(0);
        address leaver = _member(0);
        _propose(wanted);
        vm.warp(block.timestamp + DELAY);
        _emitted(address(committee));
        emit ICommittee.ChangeEnacted(1, wanted.members, wanted.sealKeys, 3, _digestOf(wanted));
        vm.prank(STRANGER);
        committee.enactChange(wanted.members, wanted.sealKeys, wanted.quorum);

        vm.assertEq(committee.digest(), _digestOf(wanted));
        vm.assertEq(keccak256(abi.encode(committee.members())), keccak256(abi.encode(wanted.members)));
        vm.assertEq(keccak256(abi.encode(committee.sealKeys())), keccak256(abi.encode(wanted.sealKeys)));
        (uint32 number, bytes32 proposed, uint64 enactsAt) = committee.pendingChange();
        vm.assertEq(uint256(number) + uint256(proposed) + enactsAt, 0);
        vm.assertEq(committee.lastChange(), 1);
        vm.assertEq(committee.stakeOf(leaver), STAKE);

        uint256[] memory former = memberKeys;
        bytes memory signatures = _signatures(DIGEST, 3);
        vm.expectRevert(abi.encodeWithSelector(ICommittee.CommitteeSignerUnknown.selector, leaver));
        committee.check(DIGEST, signatures);
        vm.expectRevert(abi.encodeWithSelector(ICommittee.CommitteeSignerUnknown.selector, leaver));
        committee.membership(DIGEST, signatures);
        memberKeys = wanted.keys;
        vm.assertEq(committee.check(DIGEST, _signatures(DIGEST, 4)), 15);
        memberKeys = former;
    }

    /// @dev Positions and the quorum are those of the new members, for those who stay, too.
    function testFuzz_enactChange__any_members__only_they_sign_at_their_new_places(uint256 draw, uint8 more) public {
        uint256 n = 4 + draw % 8;
        uint256[] memory keys = new uint256[](n);
        for (uint256 i = 0; i < n; ++i) {
            keys[i] = 1 + (draw / 16 + i) % 20;
        }
        uint256 least = n - (n - 1) / 3;
        uint8 quorum = uint8(least + more % (n - least + 1));
        uint256[] memory former = memberKeys;
        Wanted memory wanted = _wanted(keys, quorum);
        _change(wanted);

        vm.assertEq(committee.quorum(), quorum);
        vm.assertEq(committee.check(DIGEST, _signatures(DIGEST, n)), 2 ** n - 1);
        vm.assertEq(committee.check(DIGEST, _signatures(DIGEST, quorum)), 2 ** uint256(quorum) - 1);
        vm.expectRevert(abi.encodeWithSelector(ICommittee.CommitteeQuorumMissing.selector, quorum - 1, quorum));
        committee.check(DIGEST, _signatures(DIGEST, quorum - 1));
        for (uint256 i = 0; i < 4; ++i) {
            bool stays;
            for (uint256 k = 0; k < n; ++k) {
                stays = stays || keys[k] == former[i];
            }
            uint256 opensAt = stays ? type(uint256).max : block.timestamp + DELAY;
            vm.assertEq(committee.releasesAt(vm.addr(former[i])), opensAt);
        }
    }

    function test_enactChange__only_a_seal_key__changes_the_digest_and_nobody_leaves() public {
        Wanted memory wanted = _unchanged();
        wanted.sealKeys[3] = keccak256("fresh");
        _change(wanted);
        vm.assertEq(committee.digest(), _digestOf(wanted));
        vm.assertEq(committee.releasesAt(_member(3)), type(uint256).max);
        vm.assertEq(committee.check(DIGEST, _signatures(DIGEST, 4)), 15);
    }

    function test_enactChange__an_epoch_pends__it_is_finalised_all_the_same() public {
        (Header memory header,,) = _postAndChange();
        _finalise(header);
        vm.assertEq(market.finalTotal(), header.total);
    }

    /// @dev Who left after posting is struck and slashed as if it had stayed: the delay is longer than the window.
    function test_enactChange__an_epoch_pends__it_is_struck_and_who_left_is_slashed() public {
        (Header memory header, Debit[] memory debits, address leaver) = _postAndChange();
        vm.warp(block.timestamp + WINDOW - 1);
        vm.expectRevert();
        vm.prank(leaver);
        committee.withdraw();
        _strike(header, debits);
        _slash(_one(leaver), STRANGER);
        vm.assertEq(committee.stakeOf(leaver), 0);
    }

    function test_enactChange__a_header_signed_before__is_void() public {
        uint32 job = _openJob();
        Debit[] memory debits = _debit(job, 10);
        vm.warp(block.timestamp + DELAY);
        Header memory header = _header(debits);
        header.validUntil = uint64(block.timestamp + 10 * DELAY);
        bytes memory signatures = _signatures(_digest(header), 3);
        Wanted memory wanted = _unchanged();
        wanted.sealKeys[0] = keccak256("fresh");
        _change(wanted);
        bytes32 expected = market.configuration();
        vm.expectRevert(
            abi.encodeWithSelector(IMarket.MarketConfigurationMismatch.selector, header.configuration, expected)
        );
        market.postEpoch(header, _packed(debits), signatures);
    }

    /// @dev Posts in the second before the change is enacted.
    function _postAndChange() private returns (Header memory header, Debit[] memory debits, address leaver) {
        leaver = _member(0);
        uint32 job = _openJob();
        Wanted memory wanted = _replacing(0);
        _propose(wanted);
        vm.warp(block.timestamp + DELAY);
        (header, debits) = _postPaying(job, 100, 1);
        _enact(wanted);
    }

    function _refuse(Wanted memory wanted, address member, uint256 has) private {
        vm.expectRevert(abi.encodeWithSelector(ICommittee.CommitteeStakeTooSmall.selector, member, has, STAKE));
        _enact(wanted);
    }
}
