// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Market} from "../../../contracts/Market.sol";
import {ICommittee} from "../../../contracts/interfaces/ICommittee.sol";
import {Header, IMarket} from "../../../contracts/interfaces/IMarket.sol";
import {Debit, Fixture} from "../support/Fixture.sol";

contract PostEpochTest is Fixture {
    uint32 private _job;
    uint32 private _other;

    function setUp() public {
        _deploy();
        _job = _openJob();
        _other = _openJob();
    }

    // ------------------------------------------------------------------ the header

    function test_postEpoch__one_is_pending__reverts() public {
        _postPaying(_job, 100, 1);
        Debit[] memory none;
        vm.warp(START + 10 * WINDOW);
        _refuse(_header(none), none, abi.encodeWithSelector(IMarket.MarketEpochPending.selector, 1));
    }

    function test_postEpoch__number_not_next__reverts() public {
        (Header memory header, Debit[] memory debits) = _good();
        header.epoch = 2;
        _refuse(header, debits, abi.encodeWithSelector(IMarket.MarketEpochUnexpected.selector, 2, 1));
        header.epoch = 0;
        _refuse(header, debits, abi.encodeWithSelector(IMarket.MarketEpochUnexpected.selector, 0, 1));
    }

    function test_postEpoch__number_of_a_struck_epoch__reverts() public {
        (Header memory header, Debit[] memory debits) = _postPaying(_job, 100, 1);
        _strike(header, debits);
        header.previous = market.head();
        _refuse(header, debits, abi.encodeWithSelector(IMarket.MarketEpochUnexpected.selector, 1, 2));
    }

    function test_postEpoch__signatures_from_before_a_strike__revert() public {
        (Header memory header, Debit[] memory debits) = _good();
        _post(header, debits);
        _strike(header, debits);
        header.epoch = 2;
        _refuse(
            header, debits, abi.encodeWithSelector(IMarket.MarketHeadMismatch.selector, header.previous, market.head())
        );
    }

    function test_postEpoch__another_head__reverts() public {
        (Header memory header, Debit[] memory debits) = _good();
        header.previous = bytes32(uint256(1));
        _refuse(header, debits, abi.encodeWithSelector(IMarket.MarketHeadMismatch.selector, uint256(1), market.head()));
    }

    function test_postEpoch__expired__reverts() public {
        (Header memory header, Debit[] memory debits) = _good();
        vm.warp(START + 1);
        _refuse(header, debits, abi.encodeWithSelector(IMarket.MarketHeaderExpired.selector, START, START + 1));
        header.validUntil = uint64(START + 1);
        _post(header, debits);
    }

    function test_postEpoch__another_configuration__reverts() public {
        (Header memory header, Debit[] memory debits) = _good();
        header.configuration = market.deploymentDigest();
        _refuse(
            header,
            debits,
            abi.encodeWithSelector(
                IMarket.MarketConfigurationMismatch.selector, header.configuration, market.configuration()
            )
        );
    }

    function test_postEpoch__no_balances__reverts() public {
        (Header memory header, Debit[] memory debits) = _good();
        header.balances = 0;
        _refuse(header, debits, abi.encodeWithSelector(IMarket.MarketBalancesMissing.selector));
        header = _header(debits);
        header.balancesSize = 0;
        _refuse(header, debits, abi.encodeWithSelector(IMarket.MarketBalancesMissing.selector));
    }

    function test_postEpoch__tree_too_large__reverts() public {
        bytes memory problem = abi.encodeWithSelector(IMarket.MarketTreeTooLarge.selector, 2 ** 24 + 1);
        (Header memory header, Debit[] memory debits) = _good();
        header.balancesSize = 2 ** 24 + 1;
        _refuse(header, debits, problem);
        (header.balancesSize, header.weightsSize) = (2 ** 24, 2 ** 24 + 1);
        _refuse(header, debits, problem);
        (header.weightsSize, header.verdictsSize) = (2 ** 24, 2 ** 24 + 1);
        _refuse(header, debits, problem);
        (header.verdictsSize, header.assignmentsSize) = (2 ** 24, 2 ** 24 + 1);
        _refuse(header, debits, problem);
        header.assignmentsSize = 2 ** 24;
        _post(header, debits);
    }

    // ------------------------------------------------------------------ the debits

    function test_postEpoch__debits_other_than_the_headers__reverts() public {
        (Header memory header, Debit[] memory debits) = _good();
        debits[0].last = 1;
        _refuse(
            header,
            debits,
            abi.encodeWithSelector(IMarket.MarketDebitsMismatch.selector, keccak256(_packed(debits)), header.debits)
        );
    }

    function test_postEpoch__too_many_debits__reverts() public {
        Debit[] memory debits = new Debit[](513);
        Header memory header;
        (header.epoch, header.previous, header.balances) = (1, market.head(), bytes32(uint256(1)));
        (header.balancesSize, header.configuration) = (1, market.configuration());
        header.validUntil = uint64(START);
        header.debits = keccak256(_packed(debits));
        _refuse(header, debits, abi.encodeWithSelector(IMarket.MarketDebitsTooMany.selector, 513));
    }

    function test_postEpoch__most_debits__posts_within_a_quarter_of_a_block() public {
        for (uint256 i = 2; i < 512; ++i) {
            _openJob();
        }
        Debit[] memory debits = new Debit[](512);
        for (uint32 i = 0; i < 512; ++i) {
            debits[i] = Debit({job: i + 1, pay: 100, last: i});
        }
        Header memory header = _header(debits);
        bytes memory signatures = _signatures(_digest(header), 3);
        bytes memory packed = _packed(debits);
        uint256 before = gasleft();
        market.postEpoch(header, packed, signatures);
        vm.assertTrue(before - gasleft() < 12_000_000, "gas");
    }

    function test_postEpoch__jobs_not_ascending__reverts() public {
        _refuseJobs(_other, _job, abi.encodeWithSelector(IMarket.MarketDebitsUnordered.selector, _other, _job));
        _refuseJobs(_job, _job, abi.encodeWithSelector(IMarket.MarketDebitsUnordered.selector, _job, _job));
    }

    function test_postEpoch__job_zero_or_unknown__reverts() public {
        _refuseJobs(0, _job, abi.encodeWithSelector(IMarket.MarketDebitsUnordered.selector, 0, 0));
        _refuseJobs(_job, 3, abi.encodeWithSelector(IMarket.MarketJobUnknown.selector, 3));
    }

    function test_postEpoch__one_unit_more_than_the_job_holds__reverts() public {
        Debit[] memory debits = _debit(_job, 4501);
        _refuse(
            _header(debits),
            debits,
            abi.encodeWithSelector(IMarket.MarketDebitTooLarge.selector, _job, ESCROW + 1, ESCROW)
        );
        _postPaying(_job, 4500, 1);
        vm.assertEq(market.job(_job).debited, ESCROW);
    }

    function test_postEpoch__largest_pay__reverts_without_overflow() public {
        Debit[] memory debits = _debit(_job, type(uint64).max);
        Header memory header = _header(_debit(_job, 0));
        header.debits = keccak256(_packed(debits));
        _refuse(
            header,
            debits,
            abi.encodeWithSelector(IMarket.MarketDebitTooLarge.selector, _job, _withFee(type(uint64).max, 250), ESCROW)
        );
    }

    function test_postEpoch__a_window_before_refunding_opens__reverts() public {
        vm.warp(DEADLINE + 3 * WINDOW);
        (Header memory header, Debit[] memory debits) = _good();
        _refuse(header, debits, abi.encodeWithSelector(IMarket.MarketDebitClosed.selector, _job, DEADLINE + 3 * WINDOW));
        vm.warp(DEADLINE + 3 * WINDOW - 1);
        (header, debits) = _good();
        _post(header, debits);
    }

    function test_postEpoch__after_a_strike_in_the_last_second__may_debit_three_windows_longer() public {
        vm.warp(DEADLINE + 3 * WINDOW - 1);
        (Header memory header, Debit[] memory debits) = _good();
        _post(header, debits);
        vm.warp(DEADLINE + 4 * WINDOW - 2);
        _strike(header, debits);
        vm.warp(DEADLINE + 7 * WINDOW - 2);
        (header, debits) = _good();
        _refuse(
            header, debits, abi.encodeWithSelector(IMarket.MarketDebitClosed.selector, _job, DEADLINE + 7 * WINDOW - 2)
        );
        vm.warp(DEADLINE + 7 * WINDOW - 3);
        (header, debits) = _good();
        _post(header, debits);
    }

    function test_postEpoch__debits_not_of_whole_records__reverts() public {
        (Header memory header,) = _good();
        bytes memory odd = bytes.concat(_packed(_debit(_job, 1000)), bytes1(0));
        header.debits = keccak256(odd);
        bytes memory signatures = _signatures(_digest(header), 3);
        vm.expectRevert(abi.encodeWithSelector(IMarket.MarketDebitsMisaligned.selector, 17));
        market.postEpoch(header, odd, signatures);
    }

    function test_postEpoch__what_is_reserved__cannot_be_debited() public {
        vm.prank(DISPUTES);
        market.reserve(_job, ESCROW - 1025);
        Debit[] memory debits = _debit(_job, 1001);
        _refuse(_header(debits), debits, abi.encodeWithSelector(IMarket.MarketDebitTooLarge.selector, _job, 1026, 1025));
        debits = _debit(_job, 1000);
        _post(_header(debits), debits);
    }

    function test_postEpoch__steady__writes_no_fresh_slot() public {
        (Header memory header, Debit[] memory debits) = _postPaying(_job, 10, 1);
        _finalise(header);
        (header, debits) = _good();
        bytes memory signatures = _signatures(_digest(header), 3);
        uint256 before = vm.snapshotState();
        vm.record();
        market.postEpoch(header, _packed(debits), signatures);
        (, bytes32[] memory writes) = vm.accesses(address(market));
        vm.assertTrue(vm.revertToState(before) && writes.length >= 3, "writes");
        for (uint256 i = 0; i < writes.length; ++i) {
            vm.assertTrue(vm.load(address(market), writes[i]) != 0, "a fresh slot");
        }
    }

    function test_postEpoch__total_off_by_one__reverts() public {
        (Header memory header, Debit[] memory debits) = _good();
        header.total += 1;
        _refuse(header, debits, abi.encodeWithSelector(IMarket.MarketTotalMismatch.selector, 1026, 1025));
        header.total -= 2;
        _refuse(header, debits, abi.encodeWithSelector(IMarket.MarketTotalMismatch.selector, 1024, 1025));
    }

    // ------------------------------------------------------------------ the signatures

    function test_postEpoch__below_the_quorum__reverts() public {
        (Header memory header, Debit[] memory debits) = _good();
        bytes memory signatures = _signatures(_digest(header), 2);
        vm.expectRevert(abi.encodeWithSelector(ICommittee.CommitteeQuorumMissing.selector, 2, 3));
        market.postEpoch(header, _packed(debits), signatures);
    }

    function test_postEpoch__any_field_changed_after_signing__reverts() public {
        (Header memory header, Debit[] memory debits) = _good();
        bytes memory signatures = _signatures(_digest(header), 3);
        header.content = 0;
        vm.expectRevert();
        market.postEpoch(header, _packed(debits), signatures);
    }

    function test_postEpoch__signed_for_a_twin_market__reverts() public {
        Market twin = _newMarket(token, WINDOW);
        Debit[] memory none;
        Header memory header = _header(none);
        (header.previous, header.configuration) = (twin.head(), twin.configuration());
        bytes memory signatures = _signatures(_digest(header), 3);
        vm.expectRevert();
        twin.postEpoch(header, _packed(none), signatures);
    }

    function test_postEpoch__signed_for_another_chain__reverts() public {
        (Header memory header, Debit[] memory debits) = _good();
        bytes memory signatures = _signatures(_digest(header), 3);
        vm.chainId(block.chainid + 1);
        vm.expectRevert();
        market.postEpoch(header, _packed(debits), signatures);
    }

    // ------------------------------------------------------------------ posting

    function test_postEpoch__good__reserves_and_moves_the_head() public {
        (Header memory header, Debit[] memory debits) = _good();
        bytes32 digest = _digest(header);
        bytes32 head = keccak256(abi.encode(keccak256("crowdproof.head"), market.head(), digest, SIGNERS));
        bytes memory signatures = _signatures(digest, 3);

        _emitted(address(market));
        emit IMarket.EpochPosted(1, head, digest, header.content, SIGNERS);
        vm.prank(STRANGER);
        market.postEpoch(header, _packed(debits), signatures);

        vm.assertEq(market.head(), head);
        vm.assertEq(market.lastEpoch(), 1);
        (uint32 epoch, uint64 postedAt, uint64 reserved) = market.pending();
        vm.assertEq(epoch, 1);
        vm.assertEq(postedAt, START);
        vm.assertEq(reserved, 1025);
        vm.assertEq(market.job(_job).debited, 1025);
        vm.assertEq(market.job(_other).debited, 0);
        vm.assertEq(market.finalTotal(), 0);
        vm.assertEq(market.claimRoot(), 0);
    }

    function test_postEpoch__four_signatures__has_another_bitmap() public {
        (Header memory header, Debit[] memory debits) = _good();
        bytes32 digest = _digest(header);
        _emitted(address(market));
        emit IMarket.EpochPosted(
            1,
            keccak256(abi.encode(keccak256("crowdproof.head"), market.head(), digest, 15)),
            digest,
            header.content,
            15
        );
        market.postEpoch(header, _packed(debits), _signatures(digest, 4));
    }

    function test_postEpoch__many_jobs_and_none__posts() public {
        Debit[] memory debits = new Debit[](2);
        debits[0] = Debit({job: _job, pay: 39, last: 0});
        debits[1] = Debit({job: _other, pay: 41, last: 1});
        Header memory header = _header(debits);
        // Each fee is rounded down by itself: 0 + 1, not floor of the sum, 2.
        vm.assertEq(header.total, 81);
        _post(header, debits);
        _finalise(header);
        debits = new Debit[](0);
        header = _header(debits);
        vm.assertEq(header.total, 81);
        _post(header, debits);
    }

    function testFuzz_postEpoch__any_pay__is_reserved_to_the_unit_or_refused(uint64 pay) public {
        Debit[] memory debits = _debit(_job, pay);
        Header memory header = _header(_debit(_job, 0));
        uint256 amount = _withFee(pay, 250);
        header.debits = keccak256(_packed(debits));
        header.total = uint64(amount);
        bytes memory signatures = _signatures(_digest(header), 3);
        if (amount > ESCROW) {
            vm.expectRevert(abi.encodeWithSelector(IMarket.MarketDebitTooLarge.selector, _job, amount, ESCROW));
        }
        market.postEpoch(header, _packed(debits), signatures);
        vm.assertEq(market.job(_job).debited, amount > ESCROW ? 0 : amount);
    }

    function _good() private view returns (Header memory, Debit[] memory) {
        Debit[] memory debits = _debit(_job, 1000);
        return (_header(debits), debits);
    }

    function _refuse(Header memory header, Debit[] memory debits, bytes memory problem) private {
        bytes memory signatures = _signatures(_digest(header), 3);
        bytes32 head = market.head();
        vm.expectRevert(problem);
        market.postEpoch(header, _packed(debits), signatures);
        vm.assertEq(market.head(), head);
    }

    function _refuseJobs(uint32 first, uint32 second, bytes memory problem) private {
        Debit[] memory debits = new Debit[](2);
        debits[0] = Debit({job: first, pay: 1, last: 0});
        debits[1] = Debit({job: second, pay: 1, last: 1});
        Header memory header = _header(new Debit[](0));
        header.debits = keccak256(_packed(debits));
        header.total = 2;
        _refuse(header, debits, problem);
    }
}
