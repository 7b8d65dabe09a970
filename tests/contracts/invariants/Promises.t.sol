// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Market} from "../../../contracts/Market.sol";
import {Job} from "../../../contracts/interfaces/IMarket.sol";
import {Fixture} from "../support/Fixture.sol";
import {Ledger} from "./Ledger.sol";

/// @title Promises 1 to 3 of the design, and that no money is lost or made, after any sequence of actions
abstract contract Promises is Fixture {
    struct FuzzSelector {
        address addr;
        bytes4[] selectors;
    }

    Ledger internal ledger;

    function targetContracts() external view returns (address[] memory targets) {
        targets = new address[](1);
        targets[0] = address(ledger);
    }

    function targetSelectors() external view returns (FuzzSelector[] memory targets) {
        bytes4[20] memory actions = [
            Ledger.openJob.selector,
            Ledger.closeJob.selector,
            Ledger.refund.selector,
            Ledger.post.selector,
            Ledger.replay.selector,
            Ledger.postWrong.selector,
            Ledger.finalise.selector,
            Ledger.strike.selector,
            Ledger.claim.selector,
            Ledger.claimMany.selector,
            Ledger.claimWrong.selector,
            Ledger.pass.selector,
            Ledger.passTo.selector,
            Ledger.freeze.selector,
            Ledger.thaw.selector,
            Ledger.forfeit.selector,
            Ledger.reserve.selector,
            Ledger.release.selector,
            Ledger.award.selector,
            Ledger.topUp.selector
        ];
        targets = new FuzzSelector[](1);
        targets[0] = FuzzSelector({addr: address(ledger), selectors: new bytes4[](21)});
        for (uint256 i = 0; i < 20; ++i) {
            targets[0].selectors[i] = actions[i];
        }
        targets[0].selectors[20] = Ledger.donate.selector;
    }

    // Each is in words in docs/invariants.md.

    function invariant_balance_covers_what_is_owed() public view {
        (Market theMarket, uint256 held, uint256 jobs) = ledger.parts();
        uint256 locked;
        for (uint32 i = 0; i < jobs; ++i) {
            Job memory job = theMarket.job(i + 1);
            locked += uint256(job.funded) - job.debited - job.refunded;
        }
        (,, uint64 reserved) = theMarket.pending();
        uint256 claimable = uint256(theMarket.finalTotal()) - theMarket.totalClaimed();
        vm.assertEq(held, (locked + reserved + ledger.setAside() + claimable) * UNIT + ledger.donated(), "held");
    }

    function invariant_what_came_in_is_paid_out_or_held() public view {
        (Market theMarket, uint256 held, uint256 jobs) = ledger.parts();
        uint256 paidIn;
        uint256 paidOut = uint256(theMarket.totalClaimed()) + ledger.awarded() - ledger.returned();
        for (uint32 i = 0; i < jobs; ++i) {
            Job memory job = theMarket.job(i + 1);
            paidIn += job.funded;
            paidOut += job.refunded;
        }
        vm.assertEq(paidIn * UNIT + ledger.donated(), paidOut * UNIT + held, "paid in = paid out + held");
    }

    function invariant_no_job_pays_more_than_it_was_funded() public view {
        (Market theMarket,, uint256 jobs) = ledger.parts();
        for (uint32 i = 0; i < jobs; ++i) {
            Job memory job = theMarket.job(i + 1);
            vm.assertTrue(uint256(job.debited) + job.refunded <= job.funded, "a job paid more than it was funded");
        }
    }

    function invariant_each_job_has_what_it_must_have() public view {
        (Market theMarket,, uint256 jobs) = ledger.parts();
        vm.assertEq(theMarket.jobCount(), jobs);
        for (uint32 i = 0; i < jobs; ++i) {
            _checkJob(theMarket.job(i + 1), i);
        }
    }

    function invariant_claims_never_exceed_what_is_final() public view {
        (Market theMarket,,) = ledger.parts();
        vm.assertTrue(theMarket.totalClaimed() <= theMarket.finalTotal(), "claims exceed what is final");
        vm.assertEq(theMarket.totalClaimed(), ledger.totalClaimed(), "total claimed");
        vm.assertEq(theMarket.finalTotal(), ledger.finalTotal(), "final total");
    }

    function invariant_counters_are_claims_and_what_is_frozen() public view {
        (Market theMarket,,) = ledger.parts();
        uint256 counted;
        for (uint32 i = 0; i < WORKERS; ++i) {
            vm.assertEq(theMarket.claimedOf(i), ledger.counterOf(i), "counter");
            counted += theMarket.claimedOf(i);
        }
        vm.assertEq(uint256(theMarket.totalClaimed()) + theMarket.frozen(), counted, "sum of counters");
        vm.assertEq(theMarket.frozen(), ledger.frozenAll(), "frozen");
    }

    function invariant_each_wallet_has_what_its_worker_claimed() public view {
        for (uint256 i = 0; i < WORKERS; ++i) {
            vm.assertEq(ledger.balanceOf(ledger.walletOf(i)), ledger.claimed(i) * UNIT, "wallet");
        }
    }

    function invariant_satellites_pay_no_more_than_they_set_aside() public view {
        vm.assertEq(ledger.balanceOf(ledger.PAYEE()), ledger.paidBySatellites() * UNIT, "payee");
    }

    function invariant_one_epoch_is_pending_at_most() public view {
        (Market theMarket,,) = ledger.parts();
        (uint32 epoch, uint64 postedAt, uint64 reserved) = theMarket.pending();
        vm.assertEq(epoch, ledger.pending() ? ledger.posts() : 0, "pending");
        vm.assertEq(postedAt, ledger.pending() ? ledger.postedAt() : 0, "posted at");
        vm.assertEq(reserved, ledger.reserved(), "reserved");
    }

    function invariant_numbers_and_strikes_are_never_used_again() public view {
        (Market theMarket,,) = ledger.parts();
        vm.assertEq(theMarket.lastEpoch(), ledger.posts(), "epochs");
        vm.assertEq(theMarket.lastStrike(), ledger.lastStrike(), "last strike");
    }

    function _checkPromises() internal view {
        invariant_balance_covers_what_is_owed();
        invariant_what_came_in_is_paid_out_or_held();
        invariant_no_job_pays_more_than_it_was_funded();
        invariant_each_job_has_what_it_must_have();
        invariant_claims_never_exceed_what_is_final();
        invariant_counters_are_claims_and_what_is_frozen();
        invariant_each_wallet_has_what_its_worker_claimed();
        invariant_satellites_pay_no_more_than_they_set_aside();
        invariant_one_epoch_is_pending_at_most();
        invariant_numbers_and_strikes_are_never_used_again();
    }

    function _checkJob(Job memory job, uint256 index) private view {
        (
            address requester,
            bytes32 termsHash,
            uint256 feeBps,
            uint256 funded,
            uint256 debited,
            uint256 refunded,
            uint256 deadline
        ) = ledger.accounts(index);
        vm.assertEq(job.identity, keccak256(abi.encode(requester, termsHash)));
        vm.assertEq(job.feeBps, feeBps);
        vm.assertEq(job.funded, funded, "funded");
        vm.assertEq(job.debited, debited, "debited");
        vm.assertEq(job.refunded, refunded, "refunded");
        vm.assertEq(job.deadline, deadline, "deadline");
    }
}

contract HonestInvariants is Promises {
    function setUp() public {
        ledger = new Ledger(false);
    }

    /// @dev Without any committee: all that is final reaches its worker, all else its requester, and nothing stays.
    function afterInvariant() external {
        ledger.settle();
        _checkPromises();
        (Market theMarket, uint256 held, uint256 jobs) = ledger.parts();
        vm.assertEq(held, ledger.donated(), "something stayed");
        vm.assertEq(theMarket.totalClaimed(), theMarket.finalTotal(), "claimable");
        for (uint256 i = 0; i < WORKERS; ++i) {
            vm.assertEq(ledger.counterOf(i), ledger.entitled(i), "entitled");
        }
        for (uint256 i = 0; i < jobs; ++i) {
            vm.assertEq(ledger.lockedAt(i), 0, "locked");
        }
    }
}

contract HostileInvariants is Promises {
    function setUp() public {
        ledger = new Ledger(true);
    }

    /// @dev Whatever was signed: what no epoch debited goes back to its requester.
    function afterInvariant() external {
        ledger.settle();
        _checkPromises();
        (Market theMarket, uint256 held, uint256 jobs) = ledger.parts();
        for (uint256 i = 0; i < jobs; ++i) {
            vm.assertEq(ledger.lockedAt(i), 0, "locked");
        }
        uint256 claimable = uint256(theMarket.finalTotal()) - theMarket.totalClaimed();
        vm.assertEq(held, claimable * UNIT + ledger.donated(), "held");
    }
}
