"""What is judgement: contests of pay and of rejections, claims through the hatch; what each of them must prove.

an epoch's data and the chain's posts -> the arguments of contracts/interfaces/IDisputes.sol and IHatch.sol, in their order.
Raises BadInput where there is nothing to contest: the contracts would refuse it, and say less. Also what jurors are shown
(ERC-1497).
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

from oracle.protocol import heads, leaves
from oracle.protocol.cids import Codec, cid_of
from oracle.protocol.epoch import Epoch
from oracle.protocol.errors import BadInput
from oracle.protocol.evidence import BalanceLeaf, BalanceStub, JobTerms, Link, Prover, VerdictLeaf, links
from oracle.protocol.keys import Address
from oracle.protocol.leaves import Status
from oracle.protocol.pages import Block
from oracle.protocol.state import Post, State

NOBODY: Address = bytes(20)


class Stage(IntEnum):
    """Of a contest: IDisputes.Stage."""

    NONE = 0
    FILED = 1
    CONFIRMED = 2
    RAISED = 3
    RULED = 4
    OVER = 5


class Ruling(IntEnum):
    NONE = 0
    WORKER = 1
    JOB = 2


@dataclass(frozen=True, slots=True)
class PayContest:
    """An earning of the pending epoch. `earning`, `debit`: where it stands in the balance's list, and in the debits."""

    verdict: VerdictLeaf
    balance: BalanceLeaf
    earning: int
    before: BalanceStub
    debits: bytes
    debit: int


@dataclass(frozen=True, slots=True)
class RejectionContest:
    """An answer of the pending epoch that does not count. `position`: in its verdict's list."""

    verdict: VerdictLeaf
    position: int
    terms: JobTerms


def is_counted(epoch: Epoch, job: int, task: int, worker: int) -> bool:
    """Whether the epoch pays that answer; raises BadInput if it does not list it."""
    index = _verdict(epoch, job, task)
    return epoch.verdicts[index].cores[_position(epoch, index, worker)].status is Status.COUNTED


def pay(epoch: Epoch, debits: bytes, final: Epoch | None, job: int, task: int, worker: int) -> PayContest:
    """`debits`: packed, as posted; `final`: the epoch whose balances are the claim root, if any is final."""
    index = _verdict(epoch, job, task)
    if not 0 < worker < len(epoch.balances):
        raise BadInput(f"worker {worker} has no earnings in epoch {epoch.epoch} that could be contested")
    earnings = epoch.balances[worker].earnings
    earned = dict(leaves.unpack_earnings(earnings[: len(earnings) // 12 * 12]))
    if not earned.get(index):
        raise BadInput(f"worker {worker} earns nothing by task {task} of job {job} in epoch {epoch.epoch}")
    jobs = [debit.job for debit in heads.unpack_debits(debits)]
    if job not in jobs:
        raise BadInput(f"epoch {epoch.epoch} debits nothing from job {job}: `crowdproof refute` strikes such an epoch")
    prover = Prover(epoch)
    known = final is not None and worker < len(final.balances)
    before = Prover(final).balance_stub(worker) if final and known else BalanceStub(worker, NOBODY, 0, bytes(32), ())
    at = list(earned).index(index)
    return PayContest(prover.verdict(index), prover.balance(worker), at, before, debits, jobs.index(job))


def rejection(epoch: Epoch, state: State, job: int, task: int, worker: int) -> RejectionContest:
    """Of the base pay, which is all that a ruling can give."""
    index = _verdict(epoch, job, task)
    terms = state.jobs[job].terms
    if not terms.base:
        raise BadInput(f"job {job} has no base pay: a rejection there takes nothing that a ruling could give")
    position = _position(epoch, index, worker)
    return RejectionContest(Prover(epoch).verdict(index), position, JobTerms(state.jobs[job].requester, terms))


def fate(state: State, head: bytes) -> tuple[Post, tuple[Link, ...]]:
    """The epoch whose post left this head, and those after it as the chain of heads remembers them."""
    for number, post in state.posts.items():
        if post.head == head:
            return post, links([state.posts[n] for n in range(number + 1, state.last_epoch + 1)])
    raise BadInput(f"no epoch of this Market left the head 0x{head.hex()}")


def listed(epoch: Epoch, job: int, task: int, worker: int) -> VerdictLeaf | None:
    """The verdict of the task if it lists an answer of the worker, whatever became of it."""
    for index, v in enumerate(epoch.verdicts):
        if (v.job, v.task) == (job, task) and any(core.worker == worker for core in v.cores):
            return Prover(epoch).verdict(index)
    return None


def _verdict(epoch: Epoch, job: int, task: int) -> int:
    for index, verdict in enumerate(epoch.verdicts):
        if (verdict.job, verdict.task) == (job, task):
            return index
    raise BadInput(f"epoch {epoch.epoch} has no verdict of task {task} of job {job}")


def _position(epoch: Epoch, index: int, worker: int) -> int:
    workers = [core.worker for core in epoch.verdicts[index].cores]
    if worker not in workers:
        v = epoch.verdicts[index]
        raise BadInput(f"the verdict of task {v.task} of job {v.job} lists no answer of worker {worker}")
    return workers.index(worker)


# ---------------------------------------------------------------------------------------------------------- for jurors


def _question(what: str, question: str, worker: str, job: str) -> dict[str, Any]:
    return {
        "category": "Crowd work",
        "title": what,
        "description": "The contest's event names job, task, worker and epoch; the job's manifest holds the instructions.",
        "question": question,
        "rulingOptions": {
            "type": "single-select",
            "titles": ["The worker gets the amount", "The job gets the amount"],
            "descriptions": [worker, job],
        },
    }


QUESTIONS = (  # MetaEvidence 0 and 1
    _question(
        "The pay of an answer is contested",
        "Did the worker earn this pay by honest work under the job's instructions?",
        "The answer was honest work, right or wrong.",
        "The answer was no honest work: copied, made up without looking, or by another hand than the worker's.",
    ),
    _question(
        "The rejection of an answer is contested",
        "Should this answer, which was rejected or called unopened, have its base pay?",
        "The answer was honest work under the job's instructions, and could be opened.",
        "The answer was rightly rejected, or cannot be opened.",
    ),
)


def block(document: Mapping[str, Any]) -> Block:
    """A JSON document as the block that is stored: the same document gives the same bytes."""
    return json.dumps(document, sort_keys=True, separators=(",", ":")).encode(), Codec.RAW


def shown(title: str, text: str, file: Block | None = None, kind: str = "") -> dict[str, Any]:
    """Evidence by ERC-1497; `kind`: the extension of the file's name, without its dot."""
    document = {"name": title, "description": text}
    if file is not None:
        document |= {"fileURI": uri(file), "fileTypeExtension": kind}
    return document


def uri(stored: Block) -> str:
    return f"ipfs://{cid_of(*stored)}"
