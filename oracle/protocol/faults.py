"""What can be wrong with an epoch: each kind that a pure proof can show on chain, and a fault that was found.

`Kind` is the Referee's enum `Fault`, in its order (contracts/interfaces/IReferee.sol says of each what proves it). A fault
without a kind is none that the Referee hears: a judgement (an answer called unopened), something the Market refuses by itself,
or data that is not there, for which there are demands.
"""

from dataclasses import dataclass, field
from enum import IntEnum, auto


class Kind(IntEnum):
    """R1 to R6. Names and numbers are the Referee's."""

    # R1
    WrongLabel = 0
    LabelBeyond = auto()
    PriorLength = auto()
    PriorBeyondCap = auto()
    RowOfNoJob = auto()
    RowLabel = auto()
    RowLength = auto()
    RowBeyondCap = auto()
    RowAgainstItself = auto()
    RowNotVote = auto()
    # R2
    SignatureForged = auto()
    CommitmentMismatch = auto()
    PayloadMismatch = auto()
    UnopenedWithOpening = auto()
    ReasonMismatch = auto()
    # R4
    EmptyTreeRooted = auto()
    WeightsUnordered = auto()
    VerdictsUnordered = auto()
    AssignmentsUnordered = auto()
    AssignmentOfNoJob = auto()
    AssignmentTerms = auto()
    AssignmentTask = auto()
    AssignmentWorker = auto()
    VerdictOfNoJob = auto()
    VerdictTask = auto()
    TaskDecided = auto()
    ListMisshapen = auto()
    ListEmpty = auto()
    ListTooLong = auto()
    ListUnordered = auto()
    StatusUnknown = auto()
    WorkerUnknown = auto()
    KeyUnknown = auto()
    PointerEpoch = auto()
    PointerBeyond = auto()
    PointerStruck = auto()
    PointerElsewhere = auto()
    RowPointerBeyond = auto()
    RowPointerElsewhere = auto()
    UncountedWithLabel = auto()
    # R3
    RunningPay = auto()
    DebitBeyond = auto()
    DebitMismatch = auto()
    DebitNotLast = auto()
    DebitMissing = auto()
    BalancesShrunk = auto()
    BalancesBeyond = auto()
    BalanceWorker = auto()
    BalanceWallet = auto()
    EarningsMisshapen = auto()
    EarningsTooMany = auto()
    EarningsUnordered = auto()
    EarningBeyond = auto()
    CumulativeMismatch = auto()
    EarningUnfounded = auto()
    FeeUnfounded = auto()
    EarningMissing = auto()
    EarnerMissing = auto()
    FeeMissing = auto()
    # R5, R6
    Dropped = auto()
    Withheld = auto()

    @property
    def entry(self) -> str:
        """The Referee's function that hears it."""
        if self is Kind.Dropped:
            return "dropped"
        if self is Kind.Withheld:
            return "withheld"
        return "pay" if self >= Kind.RunningPay else "verdict"

    @property
    def rule(self) -> str:
        """R1 to R6, as in docs/protocol.md."""
        if self >= Kind.Dropped:
            return "R5" if self is Kind.Dropped else "R6"
        bounds = ((Kind.RunningPay, "R3"), (Kind.EmptyTreeRooted, "R4"), (Kind.SignatureForged, "R2"))
        return next((rule for first, rule in bounds if self >= first), "R1")


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong and where: the epoch (or the job whose data it is), the tree, the index of the leaf.

    position: of the listed answer or the earning in that leaf; also: a second leaf that the proof needs (an earner's balance).
    """

    epoch: int
    tree: str
    index: int | None
    what: str
    kind: Kind | None = field(default=None, compare=False)
    position: int = field(default=0, compare=False)
    also: int = field(default=0, compare=False)

    def __str__(self) -> str:
        place = f"epoch {self.epoch}, {self.tree}" + ("" if self.index is None else f", index {self.index}")
        return f"{place}: {self.what}"
