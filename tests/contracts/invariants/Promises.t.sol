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
            Ledger.settleFrozen.selector,
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

    function invariant_promises() external view {
        _checkPromises();
    }

    function _checkPromises() internal view {
        (Market theMarket, uint256 held, uint256 jobs) = ledger.parts();
        uint256 paidIn;
        uint256 paidOut;
        uint256 lockedAll;
        for (uint32 i = 0; i < jobs; ++i) {
            Job memory job = theMarket.job(i + 1);
            _checkJob(job, i);
            paidIn += job.funded;
            paidOut += job.refunded;
            lockedAll += uint256(job.funded) - job.debited - job.refunded;
        }
        _checkTotals(theMarket);
        (,, uint64 reserved) = theMarket.pending();
        uint256 claimable = uint256(theMarket.finalTotal()) - theMarket.totalClaimed();
        vm.assertEq(held, (lockedAll + reserved + ledger.setAside() + claimable) * UNIT + ledger.donated(), "held");
        vm.assertEq(ledger.balanceOf(ledger.PAYEE()), ledger.paidBySatellites() * UNIT, "payee");
        paidOut += theMarket.totalClaimed() + ledger.awarded() - ledger.returned();
        vm.assertEq(paidIn * UNIT + ledger.donated(), paidOut * UNIT + held, "paid in = paid out + held");
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
        vm.assertTrue(uint256(job.debited) + job.refunded <= job.funded, "a job paid more than it was funded");
    }

    function _checkTotals(Market theMarket) private view {
        uint256 claimed;
        for (uint32 i = 0; i < WORKERS; ++i) {
            vm.assertEq(theMarket.claimedOf(i), ledger.counterOf(i), "claimed");
            vm.assertEq(ledger.balanceOf(ledger.walletOf(i)), ledger.claimed(i) * UNIT, "wallet");
            claimed += theMarket.claimedOf(i);
        }
        vm.assertEq(uint256(theMarket.totalClaimed()) + theMarket.frozen(), claimed, "sum of claims");
        vm.assertEq(theMarket.frozen(), ledger.frozenAll(), "frozen");
        vm.assertEq(theMarket.totalClaimed(), ledger.totalClaimed(), "total claimed");
        vm.assertTrue(theMarket.totalClaimed() <= theMarket.finalTotal(), "claims exceed what is final");
        vm.assertEq(theMarket.finalTotal(), ledger.finalTotal(), "final total");
        vm.assertEq(theMarket.lastEpoch(), ledger.posts(), "epochs");
        vm.assertEq(theMarket.lastStrike(), ledger.lastStrike(), "last strike");
        (uint32 epoch, uint64 postedAt, uint64 reserved) = theMarket.pending();
        vm.assertEq(epoch, ledger.pending() ? ledger.posts() : 0, "pending");
        vm.assertEq(postedAt, ledger.pending() ? ledger.postedAt() : 0, "posted at");
        vm.assertEq(reserved, ledger.reserved(), "reserved");
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
