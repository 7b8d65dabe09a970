// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Pending} from "./IDemands.sol";
import {IMarket} from "./IMarket.sol";
import {AnswerFields, JobTerms, Link, ReceiptFields, VerdictLeaf} from "./IReferee.sol";

/// @notice A claim of base pay for an answer that a quorum receipted and no verdict lists.
/// @param filer Put up the bond, and has it back if the claim stands.
/// @param amount The job's base, in units; 0: never filed.
/// @param over Whether it was paid or voided.
struct Filing {
    address filer;
    uint64 amount;
    bool over;
}

/// @title The hatch: base pay for receipted answers of a job that the committee left behind
/// @notice Serves every Market that names it. For each job, W being the Market's window and R the second at which
/// refunding opens:
///
/// | from | to | |
/// |---|---|---|
/// | R - W | R | debits are closed; claims are filed, and their money is reserved in the job |
/// | R - W | R + W | a final verdict that lists the worker for that task voids the claim |
/// | R | | the requester takes what is not reserved |
/// | R + W | | anyone has a claim paid, to the wallet that Workers knows |
///
/// R moves when an epoch is struck meanwhile, and debits open again: nothing is paid before R + W as it is then. An epoch that
/// was posted in the last second before R - W is final at R: whoever watches has one window left to void.
///
/// A claim's bond goes back if it stands. If it is voided, half of it is the voider's and half is burnt: who voids its
/// own claim in time loses all the same. Claims that together exceed what is locked: first come, first reserved.
///
/// Guaranteed:
/// - only base pay, only from what is still locked in that job, only to registered wallets, once for a job, task and worker;
/// - a filed claim is safe from the requester's refund;
/// - coins in = open bonds + credits + withdrawn + burnt.
///
/// Breaks safety:
/// - a quorum that receipts what nobody answered: it takes what the job has locked, if it left the job undecided.
/// - nobody who has the data looks within the time to void: an answer that a verdict paid is paid base again.
///
/// Breaks liveness:
/// - the committee changed since the receipt so far that its signers are no quorum of the members of now.
/// - a committee that decides after a strike reopened debits must not list what the hatch has paid (the oracle's rule).
/// - a token that refuses a wallet: its claim waits.
interface IHatch {
    event HatchFiled(
        IMarket indexed market, uint32 indexed job, uint32 indexed worker, uint32 task, uint64 amount, address filer
    );
    event HatchVoided(IMarket indexed market, uint32 indexed job, uint32 indexed worker, uint32 task, address voider);
    event HatchPaid(IMarket indexed market, uint32 indexed job, uint32 indexed worker, uint32 task, uint64 amount);
    event HeadTraced(IMarket indexed market, bytes32 head);
    event Withdrawn(address indexed account, uint256 amount);

    error HatchBondMissing();
    error HatchForeignMarket(IMarket market);
    error HatchBondMismatch(uint256 given, uint256 bond);
    error HatchClosed(uint32 job, uint256 opensAt, uint256 closesAt);
    error HatchTermsMismatch(uint32 job);
    error HatchBaseMissing(uint32 job);
    error HatchTaskUnknown(uint32 task, uint32 tasks);
    error HatchTreasury();
    error HatchReceiptUnproven(uint256 index);
    error HatchFiledBefore(bytes32 claim);
    error HatchNotOpen(bytes32 claim);
    error HatchVerdictElsewhere(uint32 job, uint32 task);
    error HatchNotListed(uint32 worker);
    error HatchNotFinal(bytes32 head);
    error HatchHeadUnlinked(bytes32 head);
    error HatchNothingTraced();
    error HatchTooEarly(uint32 job, uint256 opensAt);
    error HatchNothingToWithdraw(address account);

    /// @notice Claims base pay for an answer, with `bond` in wei. Anyone may: the money only goes to the worker.
    /// @param receipt Signed by a quorum of the members of now, whatever they have at stake.
    function file(IMarket market, AnswerFields calldata answer, JobTerms calldata terms, ReceiptFields calldata receipt)
        external
        payable;

    /// @notice Voids a claim by a verdict, of a final epoch that was not struck, that lists the worker for that task:
    /// counted, unopened or rejected, the committee decided it.
    /// @param links The epochs after it, up to the Market's head or to a head that `trace` stored.
    function void(Pending calldata epoch, Link[] calldata links, VerdictLeaf calldata verdict, uint32 worker) external;

    /// @notice Pays a claim that stands. Anyone may.
    function pay(IMarket market, uint32 job, uint32 task, uint32 worker) external;

    /// @notice Remembers an old head of a Market, so that epochs any number of posts back can be proven, in several
    /// transactions.
    /// @param from The head before the first of `links`, of which there is at least one.
    /// @param links Up to the Market's head of now, or to a head that was stored before.
    function trace(IMarket market, bytes32 from, Link[] calldata links) external;

    /// @notice Pays the caller its coins.
    function withdraw() external;

    /// @notice Wei put up with each claim.
    function bond() external view returns (uint256);
    function claimId(IMarket market, uint32 job, uint32 task, uint32 worker) external pure returns (bytes32);
    function filingOf(bytes32 claim) external view returns (Filing memory);
    function isTraced(IMarket market, bytes32 head) external view returns (bool);
    function creditOf(address account) external view returns (uint256);

    /// @notice Wei that nobody can ever have.
    function burnt() external view returns (uint256);
}
