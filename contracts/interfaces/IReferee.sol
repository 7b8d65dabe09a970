// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ICommittee} from "./ICommittee.sol";
import {IDemands, OpeningFields, Tree} from "./IDemands.sol";
import {Header, IMarket, Terms} from "./IMarket.sol";

/// @notice Everything about an epoch that a pure proof can show to be wrong; behind each what the evidence must hold.
/// `verdicts[0]` and so on are the fields of `Evidence`; "answer" is the listed answer at `position` of `verdicts[0]`.
enum Fault {
    // ---- R1, entry `verdict`
    WrongLabel, // verdicts[0], rows, rowsProof: the scores give another label
    LabelBeyond, // verdicts[0], jobs[0]: label >= classes
    PriorLength, // verdicts[0], jobs[0]: the prior has not one int32 a class
    PriorBeyondCap, // verdicts[0], jobs[0]: beyond priorCap, or not 0 where weightCap is 0
    RowOfNoJob, // weights[0]: its job was never opened
    RowLabel, // weights[0], jobs[0]: its label >= classes
    RowLength, // weights[0], jobs[0]: not one int32 a class
    RowBeyondCap, // weights[0], jobs[0]: beyond weightCap, which is not 0
    RowAgainstItself, // weights[0], jobs[0]: another class weighs more than its own label
    RowNotVote, // weights[0], jobs[0]: weightCap is 0 and the row is not the plain vote
    // ---- R2, entry `verdict`
    SignatureForged, // verdicts[0], position, openings[0], jobs[0]: not by that key of that worker, or malformed
    CommitmentMismatch, // verdicts[0], position, openings[0]: opened, and salt 0 or payload hash and salt do not fit it
    PayloadMismatch, // verdicts[0], position, openings[0], jobs[0]: counted, not of a job of free answers, and the payload is not its label
    UnopenedWithOpening, // verdicts[0], position, openings[0]: unopened, and has a payload hash or a salt
    ReasonMismatch, // verdicts[0], position, openings[0]: rejected without a reason, or a reason and not rejected
    // ---- R4, entry `verdict`
    EmptyTreeRooted, // position = the Tree: without leaves, and its root is not zero
    WeightsUnordered, // weights[0], weights[1]: neighbours
    VerdictsUnordered, // stubs[0], stubs[1]: neighbours
    AssignmentsUnordered, // assignments[0], assignments[1]: neighbours
    AssignmentOfNoJob, // assignments[0]
    AssignmentTerms, // assignments[0], jobs[0]: with other terms than its job
    AssignmentTask, // assignments[0], jobs[0]: task >= tasks
    AssignmentWorker, // assignments[0]: worker 0, or not registered
    VerdictOfNoJob, // stubs[0]
    VerdictTask, // stubs[0], jobs[0]: task >= tasks
    TaskDecided, // stubs[0] of this epoch, stubs[1] of older[0], which was not struck
    ListMisshapen, // verdicts[0]: cores are not 20 bytes each, or not one opening hash of 32 bytes for each
    ListEmpty, // verdicts[0]
    ListTooLong, // verdicts[0], jobs[0]: more answers than the terms allow
    ListUnordered, // verdicts[0], position: its worker is not below the next one's
    StatusUnknown, // verdicts[0], position
    WorkerUnknown, // verdicts[0], position: worker 0, or not registered
    KeyUnknown, // verdicts[0], position: of a registered worker, a key number that was never given
    PointerEpoch, // verdicts[0], position: assignment epoch 0, or after this one
    PointerBeyond, // verdicts[0], position, older[0] unless this epoch: no such index in that epoch's assignments
    PointerStruck, // verdicts[0], position, older[0]: that epoch was struck
    PointerElsewhere, // verdicts[0], position, assignments[0], older[0] unless this epoch: another job, task or worker
    RowPointerBeyond, // verdicts[0], position: counted, and no such weight row
    RowPointerElsewhere, // verdicts[0], position, weights[0]: counted, and the row is of another job, worker or label
    UncountedWithLabel, // verdicts[0], position: not counted, and has a label (not 255) or a row (not 2^32 - 1)
    // ---- R3, entry `pay`
    RunningPay, // verdicts[0], jobs[0], stubs[0] = the verdict before it, unless it is the first
    DebitBeyond, // position = the debit: `last` is no verdict
    DebitMismatch, // position = the debit, stubs[0] = its last verdict: of another job or running pay
    DebitNotLast, // position = the debit, stubs[0] = the verdict after its last one: of the same job
    DebitMissing, // stubs[0]: its job has no debit
    BalancesShrunk, // nothing: fewer balances than the claim root has
    BalancesBeyond, // nothing: more balances than Workers has indexes
    BalanceWorker, // balances[0]: of another worker than its index says
    BalanceWallet, // balances[0]: of another wallet than Workers knows for its index
    EarningsMisshapen, // balances[0]: not 12 bytes each
    EarningsTooMany, // balances[0]: more than 4,096
    EarningsUnordered, // balances[0], position: its verdict is not below the next one's
    EarningBeyond, // balances[0], position: no such verdict
    CumulativeMismatch, // balances[0], previous[0] if the claim root has its index: before + earnings is not after
    EarningUnfounded, // balances[0] (not index 0), position, verdicts[0] = the earning's, jobs[0]: not counted, or other amount
    FeeUnfounded, // balances[0] of index 0, position: no debit with that last verdict, or not 0 and not the fee of the first
    EarningMissing, // verdicts[0], position of a counted answer, balances[0] of its worker
    EarnerMissing, // verdicts[0], position: counted, and its worker is beyond the balances
    FeeMissing, // position = the debit, balances[0] of index 0: its fee is not 0 and not earned there
    // ---- R5 and R6, entries of their own
    Dropped,
    Withheld
}

/// @notice An epoch that is pending in a Market, with all that it takes to strike it and to slash who signed it.
/// @param signers The bitmap that the post emitted: bit i is member i of `members`.
/// @param debits The packed debits as they were posted.
/// @param signatures Of exactly the members in `signers` over the header, in their order, 65 bytes each, low s.
/// @param members,sealKeys,quorum The committee that `header.configuration` names. It may have changed since, and
/// whoever has to pay must be who signed: with signatures alone, guilty members could strike first and name accounts
/// without stake.
/// @param beneficiary Gets the refuter's share of the stakes. Whoever copies a pending transaction can put another one
/// here; the epoch is struck all the same.
struct Posted {
    IMarket market;
    Header header;
    uint256 signers;
    bytes debits;
    bytes signatures;
    address[] members;
    bytes32[] sealKeys;
    uint8 quorum;
    address beneficiary;
}

/// @notice What is left of an epoch in the head chain: head' = H(HEAD, head, digest, signers), and if it was struck
/// head'' = H(STRUCK, head').
struct Link {
    bytes32 digest;
    uint256 signers;
    bool struck;
}

/// @notice An epoch before the one that is refuted.
/// @param links The epochs after it, in order, up to the posted header's `previous` or to a head that `trace` stored.
struct OldHeader {
    Header header;
    uint256 signers;
    bool struck;
    Link[] links;
}

/// @notice A verdict leaf in full.
/// @param prior,cores As packed in the leaf.
/// @param openings The opening hashes, 32 bytes each, one after the other.
struct VerdictLeaf {
    uint32 index;
    uint32 job;
    uint32 task;
    uint8 label;
    bytes prior;
    uint64 pay;
    bytes cores;
    bytes openings;
    bytes32[] proof;
}

/// @notice A verdict leaf of which only the plain words matter.
struct VerdictStub {
    uint32 index;
    uint32 job;
    uint32 task;
    uint8 label;
    bytes32 priorHash;
    uint64 pay;
    bytes32 listHash;
    bytes32[] proof;
}

struct WeightLeaf {
    uint32 index;
    uint32 job;
    uint32 worker;
    uint8 label;
    bytes row;
    bytes32[] proof;
}

struct AssignmentLeaf {
    uint32 index;
    uint32 job;
    uint32 task;
    uint32 worker;
    uint64 expiry;
    bytes32 terms;
    bytes32[] proof;
}

/// @param earnings Packed {verdict u32, pay u64}.
struct BalanceLeaf {
    uint32 index;
    uint32 worker;
    address wallet;
    uint64 cumulative;
    bytes earnings;
    bytes32[] proof;
}

/// @notice The balance of the same index in the Market's claim root.
struct BalanceStub {
    uint32 worker;
    address wallet;
    uint64 cumulative;
    bytes32 earningsHash;
    bytes32[] proof;
}

/// @notice A job's requester and terms; they are checked against `Market.job(job).identity`.
struct JobTerms {
    address requester;
    Terms terms;
}

/// @notice What a fault needs (see `Fault`); all else stays empty, and nothing reads it.
/// @param rows The weight rows of the counted answers of `verdicts[0]`, one after the other, in the order of its list,
/// each as long as its prior.
/// @param rowsProof One multiproof of them (docs/protocol.md, Trees).
struct Evidence {
    uint256 position;
    VerdictLeaf[] verdicts;
    VerdictStub[] stubs;
    OpeningFields[] openings;
    bytes rows;
    bytes32[] rowsProof;
    WeightLeaf[] weights;
    AssignmentLeaf[] assignments;
    BalanceLeaf[] balances;
    BalanceStub[] previous;
    OldHeader[] older;
    JobTerms[] jobs;
}

/// @notice The EIP-712 Answer that a worker signed.
struct AnswerFields {
    uint32 job;
    bytes32 terms;
    uint32 task;
    uint32 worker;
    bytes32 commitment;
    bytes32 sealHash;
}

/// @notice A quorum's receipt, and where the answer stands in its batch.
/// @param signatures As `ICommittee.membership` takes them.
struct ReceiptFields {
    bytes32 root;
    uint32 size;
    uint32 index;
    bytes32[] proof;
    bytes signatures;
}

/// @title The Referee: strikes an epoch that breaks the rules, on anybody's proof
/// @notice A refutation is one transaction: the Referee checks the proof, has the Market strike the pending epoch, and
/// has the Committee slash each member that signed it. It judges nothing and holds nothing but the bonds of data
/// demands.
///
/// Guaranteed:
/// - a refutation of a correct epoch reverts and says why (`Withheld` apart: a correct epoch whose data is not given
///   in time falls too);
/// - nobody is slashed who did not sign the very header that is struck, and nobody twice for one epoch;
/// - it never asks the Market who signed what: the header's digest is computed here for the domain of `posted.market`,
///   so that a contract that only looks like a Market can make nobody pay;
/// - a copied refutation (front run) has the same effect, save for who is rewarded.
///
/// Breaks safety:
/// - a Committee whose `membership` says yes to a receipt that no quorum signed;
/// - a Market, genuinely served by the committee, that misreports its jobs, its workers or its claim root.
///
/// Breaks liveness:
/// - a window in which no refutation is included in time: the epoch becomes final;
/// - a leaf that nobody demands in the first third of the window although it is withheld.
interface IReferee {
    event EpochRefuted(IMarket indexed market, uint32 indexed epoch, Fault indexed fault, address beneficiary);
    event HeadTraced(IMarket indexed market, bytes32 indexed head);

    /// @dev The evidence holds, and shows no such fault.
    error RefereeUnfounded(Fault fault);
    /// @dev This entry does not prove that fault.
    error RefereeFaultElsewhere(Fault fault);
    error RefereeCommitteeMismatch(address given, address expected);
    error RefereeConfigurationMismatch(bytes32 given, bytes32 expected);
    error RefereeDebitsMismatch(bytes32 given, bytes32 expected);
    error RefereeSignersMismatch(uint256 signers, uint256 signatureBytes);
    error RefereeSignatureForeign(uint256 position, address member);
    /// @dev A field of the evidence is empty that this fault needs.
    error RefereeEvidenceMissing();
    /// @dev The listed answer, earning or debit at `position` is none.
    error RefereePositionBeyond(uint256 position, uint256 length);
    error RefereeLeafUnproven(Tree tree, uint256 index);
    /// @dev The leaf is proven, but not the one about which the fault is.
    error RefereeLeafElsewhere(uint256 index, uint256 expected);
    error RefereeRowsUnproven();
    error RefereeRowsLength(uint256 length, uint256 expected);
    error RefereeTermsMismatch(uint32 job);
    error RefereeOpeningMismatch(uint256 position);
    error RefereeHeaderUnlinked(bytes32 head);
    error RefereeReceiptUnproven(uint256 index);
    error RefereeNothingTraced();

    /// @notice R1, R2, R4: a wrong verdict, a forged answer, an invalid list or leaf.
    function verdict(Posted calldata posted, Fault fault, Evidence calldata evidence) external;

    /// @notice R3: wrong pay.
    function pay(Posted calldata posted, Fault fault, Evidence calldata evidence) external;

    /// @notice R5: a quorum of members receipted an answer to a task that this epoch decides, and the verdict lists no
    /// answer of that worker.
    /// @param leaf The task's verdict.
    function dropped(
        Posted calldata posted,
        AnswerFields calldata answer,
        ReceiptFields calldata receipt,
        VerdictLeaf calldata leaf
    ) external;

    /// @notice R6: a leaf was demanded, and not given within two thirds of the window. The demander gets its bond
    /// back.
    function withheld(Posted calldata posted, Tree tree, uint32 index) external;

    /// @notice Remembers an old head of a Market, so that a proof about any older epoch can end there: any number of
    /// epochs back, in several transactions.
    /// @param from The head before the first of `links`, of which there is at least one: a head that the last post
    /// left could still be struck.
    /// @param links Up to the Market's head of now, or to a head that was stored before.
    function trace(IMarket market, bytes32 from, Link[] calldata links) external;

    function committee() external view returns (ICommittee);

    /// @notice Where data is demanded.
    function demands() external view returns (IDemands);

    /// @notice Whether `trace` stored this head.
    function isTraced(IMarket market, bytes32 head) external view returns (bool);
}
