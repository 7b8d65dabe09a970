// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Market} from "../../../contracts/Market.sol";
import {Balance, Header, Permit, Terms} from "../../../contracts/interfaces/IMarket.sol";
import {MarketProof} from "./MarketProof.sol";

/// @title Conservation: whatever is called, the balance covers exactly what is owed, one function a proof
/// @dev Bounds: a unit of 1, jobs without a fee where they are debited (the fee's own arithmetic is in Libraries.t.sol),
/// debits of one or two jobs, trees of one or two leaves.
contract ConservationProof is MarketProof {
    function check_openJob__conserves(bytes32 taskRoot, uint64 deadline) public inAnyState {
        vm.assume(market.jobCount() == 2);
        vm.prank(PAYER);
        try market.openJob(_terms(taskRoot), deadline) {
            assert(token.balanceOf(address(market)) == _owed() + _locked(3));
        } catch {}
    }

    function check_openJobWithPermit__conserves(bytes32 taskRoot, uint64 deadline) public inAnyState {
        vm.assume(market.jobCount() == 2);
        vm.prank(PAYER);
        try market.openJobWithPermit(_terms(taskRoot), deadline, Permit(0, 27, 0, 0)) {
            assert(token.balanceOf(address(market)) == _owed() + _locked(3));
        } catch {}
    }

    function check_topUp__conserves(uint64 amount) public inAnyState {
        vm.prank(PAYER);
        try market.topUp(1, amount) {
            _assertSound();
        } catch {}
    }

    function check_closeJob__conserves(bytes32 termsHash) public inAnyState {
        vm.prank(PAYER);
        try market.closeJob(1, termsHash) {
            _assertSound();
        } catch {}
    }

    function check_refund__conserves(bytes32 termsHash) public inAnyState {
        try market.refund(1, PAYER, termsHash) {
            _assertSound();
        } catch {}
    }

    /// @dev Part by part, which adds up: what leaves each job is what the epoch reserves, and nothing else changes.
    function check_postEpoch__two_debits__conserves(uint64 one, uint64 two) public inAnyState {
        _assumeFree(1);
        _assumeFree(2);
        Parts memory before = _parts();
        bytes memory debits = bytes.concat(_debit(1, one), _debit(2, two));
        try market.postEpoch(_headerOn(debits, uint256(one) + two), debits, "") {
            Parts memory afterwards = _parts();
            assert(afterwards.held == before.held && afterwards.claimed == before.claimed);
            assert(afterwards.inOne == before.inOne - one);
            assert(afterwards.inTwo == before.inTwo - two);
            assert(afterwards.reserved == uint256(one) + two && afterwards.total == before.total);
        } catch {}
    }

    function check_strike__of_what_was_posted__conserves(uint64 pay) public inAnyState {
        _assumeFree(1);
        bytes memory debits = _debit(1, pay);
        Header memory header = _headerOn(debits, pay);
        try market.postEpoch(header, debits, "") {
            vm.prank(REFEREE);
            market.strike(header, 7, debits);
            _assertSound();
        } catch {}
    }

    function check_finaliseEpoch__of_what_was_posted__conserves(uint64 pay) public inAnyState {
        _assumeFree(1);
        Parts memory before = _parts();
        bytes memory debits = _debit(1, pay);
        Header memory header = _headerOn(debits, pay);
        try market.postEpoch(header, debits, "") {
            vm.warp(block.timestamp + WINDOW);
            market.finaliseEpoch(header, 7);
            Parts memory afterwards = _parts();
            assert(afterwards.held == before.held && afterwards.claimed == before.claimed);
            assert(afterwards.inOne == before.inOne - pay);
            assert(afterwards.inTwo == before.inTwo && afterwards.reserved == 0);
            assert(afterwards.total == before.total + pay);
        } catch {}
    }

    function check_claim__conserves(bytes32[1] calldata step) public inAnyState {
        bytes32[] memory proof = new bytes32[](1);
        proof[0] = step[0];
        try market.claim(_anyBalance(), proof) {
            _assertSound();
        } catch {}
    }

    /// @dev Amounts below 2^32: with all of 2^64 some paths keep yices, z3 and bitwuzla for long. Part by part: what is paid is what
    /// the counters gain, and nothing else changes.
    function check_claimMany__two_of_two__conserves() public inAnyState {
        Balance[] memory balances = new Balance[](2);
        (balances[0], balances[1]) = (_anyBalance(), _anyBalance());
        (balances[1].worker, balances[1].cumulative) = (1, _amount("cumulative 2"));
        vm.assume((balances[0].cumulative | balances[1].cumulative | market.finalTotal()) < 1 << 32);
        Parts memory before = _parts();
        try market.claimMany(balances, new bytes32[](0)) {
            Parts memory afterwards = _parts();
            assert(before.held - afterwards.held == afterwards.claimed - before.claimed);
            assert(afterwards.inOne == before.inOne && afterwards.inTwo == before.inTwo);
            assert(afterwards.reserved == before.reserved && afterwards.total == before.total);
        } catch {}
    }

    function check_freeze__conserves(uint32 worker, uint64 amount) public inAnyState {
        vm.prank(DISPUTES);
        try market.freeze(worker, amount) {
            _assertSound();
        } catch {}
    }

    function check_thaw__conserves(uint32 worker, uint64 amount) public inAnyState {
        vm.prank(DISPUTES);
        try market.thaw(worker, amount) {
            _assertSound();
        } catch {}
    }

    function check_forfeit__conserves(uint64 amount) public inAnyState {
        vm.prank(DISPUTES);
        try market.forfeit(0, amount, 1) {
            _assertSound();
        } catch {}
    }

    function check_reserve__conserves(uint64 amount) public inAnyState {
        vm.prank(HATCH);
        try market.reserve(1, amount) {
            _assertSound();
        } catch {}
    }

    function check_release__conserves(uint64 amount) public inAnyState {
        vm.prank(HATCH);
        try market.release(1, amount) {
            _assertSound();
        } catch {}
    }

    function check_award__conserves(uint64 amount) public inAnyState {
        vm.prank(DISPUTES);
        try market.award(1, PAYER, amount) {
            _assertSound();
        } catch {}
    }

    function _terms(bytes32 taskRoot) private pure returns (Terms memory terms) {
        (terms.classes, terms.tasks, terms.answers, terms.base) = (2, 1, 1, _amount("base"));
        terms.taskRoot = taskRoot;
    }
}

/// @title Terminal states absorb: nothing is paid, settled or refunded twice, and nobody's action is another's loss
contract OnceProof is MarketProof {
    /// @dev Two jobs, one refund: exactly what is locked in that one, and never what is reserved or allocated.
    function check_refund__pays_what_is_locked_and_no_more(bytes32 termsHash) public inAnyState {
        uint256 locked = _locked(1);
        uint256 other = _locked(2);
        uint256 debited = market.job(1).debited;
        uint256 before = token.balanceOf(PAYER);
        try market.refund(1, PAYER, termsHash) {
            assert(token.balanceOf(PAYER) == before + locked);
            assert(_locked(1) == 0);
            assert(market.job(1).debited == debited);
            assert(_locked(2) == other);
        } catch {}
    }

    function check_refund__twice__is_refused(bytes32 termsHash) public inAnyState {
        try market.refund(1, PAYER, termsHash) {
            try market.refund(1, PAYER, termsHash) {
                assert(false);
            } catch {}
        } catch {}
    }

    function check_claim__twice__is_refused() public inAnyState {
        Balance memory balance = _anyBalance();
        try market.claim(balance, new bytes32[](0)) {
            try market.claim(balance, new bytes32[](0)) {
                assert(false);
            } catch {}
        } catch {}
    }

    /// @dev Worker 1 shares a slot of counters with worker 0.
    function check_claim__leaves_the_neighbour_what_it_has() public inAnyState {
        uint64 before = market.claimedOf(1);
        uint64 other = market.claimedOf(4);
        try market.claim(_anyBalance(), new bytes32[](0)) {
            assert(market.claimedOf(1) == before);
            assert(market.claimedOf(4) == other);
        } catch {}
    }

    function check_claim__pays_the_leaf_and_never_beyond_the_total() public inAnyState {
        Balance memory balance = _anyBalance();
        uint256 before = token.balanceOf(PAYER);
        uint64 claimed = market.claimedOf(0);
        try market.claim(balance, new bytes32[](0)) {
            assert(market.claimRoot() == _alone(balance));
            assert(token.balanceOf(PAYER) - before == balance.cumulative - claimed);
            assert(market.claimedOf(0) == balance.cumulative);
            assert(market.totalClaimed() <= market.finalTotal());
        } catch {}
    }

    function check_forfeit__twice_what_is_frozen__is_refused(uint64 amount) public inAnyState {
        vm.assume(amount != 0);
        vm.assume(market.frozen() == amount);
        vm.prank(DISPUTES);
        try market.forfeit(0, amount, 1) {
            vm.prank(DISPUTES);
            try market.forfeit(0, amount, 1) {
                assert(false);
            } catch {}
        } catch {}
    }

    function check_award__beyond_what_its_satellite_reserved__is_refused(uint64 amount) public inAnyState {
        vm.assume(amount > market.reservedOf(HATCH, 1));
        vm.prank(HATCH);
        try market.award(1, PAYER, amount) {
            assert(false);
        } catch {}
    }

    function check_finaliseEpoch__twice__is_refused(bytes32 head) public inAnyState {
        Header memory header = _header("");
        header.previous = head;
        try market.finaliseEpoch(header, 7) {
            try market.finaliseEpoch(header, 7) {
                assert(false);
            } catch {}
            vm.prank(REFEREE);
            try market.strike(header, 7, "") {
                assert(false);
            } catch {}
        } catch {}
    }

    function check_strike__twice__is_refused() public inAnyState {
        Header memory header = _header("");
        vm.prank(REFEREE);
        try market.strike(header, 7, "") {
            vm.prank(REFEREE);
            try market.strike(header, 7, "") {
                assert(false);
            } catch {}
        } catch {}
    }

    function check_postEpoch__while_one_is_pending__is_refused() public inAnyState {
        (, uint64 postedAt,) = market.pending();
        vm.assume(postedAt != 0);
        try market.postEpoch(_header(""), "", "") {
            assert(false);
        } catch {}
    }
}

/// @title Every deadline, at every time of block
contract DeadlineProof is MarketProof {
    function check_refund__only_from_four_windows_on(bytes32 termsHash) public inAnyState {
        uint256 over = _over();
        try market.refund(1, PAYER, termsHash) {
            assert(block.timestamp >= over + 4 * WINDOW);
        } catch {}
    }

    function check_postEpoch__debits_only_before_three_windows(uint64 pay) public inAnyState {
        _assumeFree(1);
        uint256 over = _over();
        bytes memory debits = _debit(1, pay);
        try market.postEpoch(_header(debits), debits, "") {
            assert(block.timestamp < over + 3 * WINDOW);
        } catch {}
    }

    function check_finaliseEpoch__only_after_the_window() public inAnyState {
        (, uint64 postedAt,) = market.pending();
        try market.finaliseEpoch(_header(""), 7) {
            assert(postedAt != 0 && block.timestamp >= uint256(postedAt) + WINDOW);
        } catch {}
    }

    function check_strike__only_within_the_window() public inAnyState {
        (, uint64 postedAt,) = market.pending();
        vm.prank(REFEREE);
        try market.strike(_header(""), 7, "") {
            assert(postedAt != 0 && block.timestamp < uint256(postedAt) + WINDOW);
        } catch {}
    }

    function check_topUp_and_closeJob__only_before_the_deadline(bytes32 termsHash) public inAnyState {
        uint256 deadline = market.job(1).deadline;
        vm.prank(PAYER);
        try market.topUp(1, 1) {
            assert(block.timestamp < deadline);
        } catch {}
        vm.prank(PAYER);
        try market.closeJob(1, termsHash) {
            assert(block.timestamp < deadline && market.job(1).deadline == block.timestamp);
        } catch {}
    }

    function check_reserve__by_disputes_before_refunds__by_the_hatch_in_its_own_window(uint64 amount)
        public
        inAnyState
    {
        uint256 over = _over();
        vm.prank(DISPUTES);
        try market.reserve(1, amount) {
            assert(block.timestamp < over + 4 * WINDOW);
        } catch {}
        vm.prank(HATCH);
        try market.reserve(1, amount) {
            assert(block.timestamp >= over + 3 * WINDOW && block.timestamp < over + 4 * WINDOW);
        } catch {}
    }

    function _over() private view returns (uint256) {
        uint256 deadline = market.job(1).deadline;
        uint256 strike = market.lastStrike();
        return deadline > strike ? deadline : strike;
    }
}

/// @title Only who may: nobody else's call of a satellite's function, or of a requester's, is taken
contract AccessProof is MarketProof {
    function check_strike__by_anyone_else__is_refused(address who) public inAnyState {
        vm.assume(who != REFEREE);
        vm.prank(who);
        try market.strike(_header(""), 7, "") {
            assert(false);
        } catch {}
    }

    function check_disputes_functions__by_anyone_else__are_refused(address who, uint64 amount) public inAnyState {
        vm.assume(who != DISPUTES);
        vm.prank(who);
        (bool froze,) = address(market).call(abi.encodeCall(Market.freeze, (0, amount)));
        vm.prank(who);
        (bool thawed,) = address(market).call(abi.encodeCall(Market.thaw, (0, amount)));
        vm.prank(who);
        (bool forfeited,) = address(market).call(abi.encodeCall(Market.forfeit, (0, amount, 1)));
        assert(!froze && !thawed && !forfeited);
    }

    function check_reserve__by_anyone_else__is_refused(address who, uint64 amount) public inAnyState {
        vm.assume(who != DISPUTES && who != HATCH);
        vm.prank(who);
        (bool done,) = address(market).call(abi.encodeCall(Market.reserve, (1, amount)));
        assert(!done);
    }

    function check_closeJob__by_anyone_but_its_requester__is_refused(address who, bytes32 termsHash) public inAnyState {
        vm.assume(who != PAYER);
        vm.assume(market.job(1).identity == keccak256(abi.encode(PAYER, bytes32(uint256(1)))));
        vm.prank(who);
        (bool done,) = address(market).call(abi.encodeCall(Market.closeJob, (1, termsHash)));
        assert(!done);
    }

    function check_refund__to_anyone_but_the_requester__is_refused(address who, bytes32 termsHash) public inAnyState {
        vm.assume(who != PAYER);
        vm.assume(market.job(1).identity == keccak256(abi.encode(PAYER, bytes32(uint256(1)))));
        (bool done,) = address(market).call(abi.encodeCall(Market.refund, (1, who, termsHash)));
        assert(!done);
    }
}
