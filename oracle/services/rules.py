"""What a member refuses, rule by rule; each raises Refused with a code that programs can rely on.

Pure: a view of the chain, the ledger and what was sent -> nothing, or a refusal. No rule asks who is asking.
"""

from collections.abc import Iterable, Mapping, Sized

from oracle.ports import StoredAnswer
from oracle.protocol import free
from oracle.protocol.deployment import Deployment
from oracle.protocol.epoch import Epoch
from oracle.protocol.errors import Refused
from oracle.protocol.hashing import keccak
from oracle.protocol.keys import require_signer
from oracle.protocol.leaves import Status, Verdict
from oracle.protocol.ledger import Ledger
from oracle.protocol.manifest import Manifest
from oracle.protocol.messages import Answer, Assignment, Header, digest
from oracle.protocol.sealing import payload_size, scheme_of
from oracle.protocol.state import Job, State
from oracle.services.binders import Binders
from oracle.services.index import View

CHOICE = 1  # bytes of the payload of a choice: its label
VALID_SECONDS = 3_600  # how long a proposer lets a header be posted
LAG_SECONDS = 900  # by which members may see the chain apart
DEBIT_WINDOWS = 3
REFUND_WINDOWS = 4
Pair = tuple[int, int]  # task, worker, of one job


def check_size(batch: Sized, most: int) -> None:
    if not 0 < len(batch) <= most:
        raise Refused("batch-size", f"a batch has 1 to {most} entries, not {len(batch)}")


# ---------------------------------------------------------------------------------------------------- jobs and tasks


def job_of(state: State, number: int) -> Job:
    if number not in state.jobs:
        raise Refused("no-such-job", f"there is no job {number}")
    return state.jobs[number]


def check_open(view: View, number: int, job: Job) -> None:
    if job.deadline <= view.now:
        raise Refused("job-closed", f"job {number} closed at block time {job.deadline}")
    if waits(view, job):
        raise Refused("parent-open", f"job {number} waits until job {job.terms.parent} is over")


def waits(view: View, job: Job) -> bool:
    """Whether the job that it depends on can still be answered."""
    parent = view.state.jobs.get(job.terms.parent)
    return parent is not None and view.now < parent.deadline


def check_known(job: Job, number: int, task: int) -> None:
    if task >= job.terms.tasks:
        raise Refused("no-such-task", f"job {number} has no task {task}")


def check_task(ledger: Ledger, job: Job, number: int, task: int) -> None:
    check_known(job, number, task)
    if (number, task) in ledger.decided:
        raise Refused("task-closed", f"task {task} of job {number} is decided")


def check_room(job: Job, number: int, taken: Mapping[int, int]) -> None:
    """`taken`: how many places of each task are taken or will be."""
    for task, places in taken.items():
        if places > job.terms.answers:
            raise Refused("task-full", f"task {task} of job {number} has all its {job.terms.answers} answers")


def check_admitted(state: State, manifest: Manifest, number: int, worker: int) -> None:
    if not 0 < worker < len(state.workers):
        raise Refused("no-such-worker", f"worker {worker} is not registered")
    wallet = "0x" + state.workers[worker].wallet.hex()
    allow, deny = ({w.lower() for w in manifest.document[which]} for which in ("allow", "deny"))
    if (allow and wallet not in allow) or wallet in deny:
        raise Refused("not-allowed", f"the manifest of job {number} does not admit worker {worker}")


def debits_close(state: State, job: Job, window: int) -> int:
    """Block time from which the Market takes no debit of the job."""
    return max(job.deadline, state.last_strike) + DEBIT_WINDOWS * window


def refund_opens(state: State, job: Job, window: int) -> int:
    """Block time from which the requester can have back what is left. The window before belongs to the hatch."""
    return debits_close(state, job, window) + (REFUND_WINDOWS - DEBIT_WINDOWS) * window


def left(job: Job, pays: Iterable[int]) -> int:
    """Units that the Market still lets epochs debit from the job; `pays`: its debits so far, without the fees on them."""
    debited = sum(pay + job.terms.fee(pay) for pay in pays)
    return job.escrow + job.returned - job.refunded - job.awarded - job.reserved - debited


def needed(view: View, job: Job, manifest: Manifest) -> int:
    """Answers with which a task is closed: all that were asked for; at the deadline those that came, if they are enough."""
    return job.terms.answers if view.now < job.deadline else min(manifest.least, job.terms.answers)


# ----------------------------------------------------------------------------------------------------------- answers


def digest_of(deployment: Deployment, job: Job, a: StoredAnswer) -> bytes:
    """What the worker signed. Raises Refused for values that are no commitment or no seal."""
    if len(a.commitment) != 32 or len(a.seal_hash) != 32:
        raise Refused("wrong-seal", "a commitment and the hash of a seal have 32 bytes each")
    bound = (a.commitment, a.seal_hash)
    return digest(deployment.domain(), Answer(a.job, job.terms.hash(), a.task, a.worker, *bound))


def check_bound(
    deployment: Deployment, binders: Binders, state: State, job: Job, a: StoredAnswer, signed: bytes, scheme: int
) -> None:
    """That the answer (`signed`: its digest) is what its worker signed, sealed to this committee by the job's `scheme`, and asked

    for by a member.
    """
    worker = state.workers.get(a.worker) if a.worker else None
    if worker is None or a.key >= len(worker.keys):
        raise Refused("no-such-key", f"worker {a.worker} has no answer key {a.key}")
    size = payload_size(len(deployment.committee.members), a.envelope, scheme)
    fits = free.is_size(size) if job.terms.free else size == CHOICE
    if scheme_of(a.envelope) != scheme or not fits or keccak(a.envelope) != a.seal_hash:
        raise Refused(
            "wrong-seal", "the envelope is not the one that was signed, or not of the size that its job asks for"
        )
    require_signer(worker.keys[a.key], signed, a.signature, "the answer")
    offer = Assignment(a.job, job.terms.hash(), a.task, a.worker, a.expiry)
    if not binders.bound(digest(deployment.domain(), offer), a.assigned_by):
        raise Refused("no-assignment", f"worker {a.worker} has no assignment of task {a.task} of job {a.job}")


def check_timely(view: View, job: Job, a: StoredAnswer) -> None:
    """That a new answer comes in time, by a key that holds."""
    check_open(view, a.job, job)
    if a.expiry < view.now:
        raise Refused("assignment-expired", f"the assignment held until block time {a.expiry}")
    if a.key in view.state.workers[a.worker].revoked:
        raise Refused("no-such-key", f"worker {a.worker} has revoked its answer key {a.key}")


# ----------------------------------------------------------------------------------------------------------- headers


def check_place(view: View, deployment: Deployment, header: Header) -> None:
    state = view.state
    if state.pending() or header.epoch != state.last_epoch + 1 or header.previous != state.head:
        raise Refused("wrong-head", f"the next epoch is {state.last_epoch + 1}, on the head that the chain has")
    if header.configuration != deployment.configuration():
        raise Refused("wrong-configuration", "the header is for another deployment or committee")
    latest = view.now + VALID_SECONDS + LAG_SECONDS
    if not view.now <= header.valid_until <= latest:
        raise Refused("wrong-expiry", f"a header must expire between block times {view.now} and {latest}")


def check_debits_open(view: View, window: int, epoch: Epoch) -> None:
    for number in {verdict.job for verdict in epoch.verdicts}:
        closes = debits_close(view.state, view.state.jobs[number], window)
        if epoch.valid_until >= closes:
            raise Refused("debits-closed", f"job {number} can be debited no more from block time {closes} on")


def check_money(view: View, ledger: Ledger, epoch: Epoch) -> None:
    """That each debit fits into what rulings, refunds and the hatch left in its job, and that nobody is paid twice."""
    for debit in epoch.debits:
        job = view.state.jobs[debit.job]
        free, amount = left(job, ledger.pays.get(debit.job, ())), debit.pay + job.terms.fee(debit.pay)
        if amount > free:
            raise Refused("beyond-escrow", f"job {debit.job} has {free} units left, the epoch debits {amount}")
    for verdict in epoch.verdicts:
        for core in verdict.cores:
            if (verdict.job, verdict.task, core.worker) in view.state.hatched:
                what = f"the answer of worker {core.worker} to task {verdict.task} of job {verdict.job}"
                raise Refused("paid-by-hatch", f"{what} was paid through the hatch")


def check_closed(view: View, manifest: Manifest, verdict: Verdict, sure: bool) -> None:
    """`sure`: whether the member would ask no more about the task, by the confidence that the manifest names."""
    least = needed(view, view.state.jobs[verdict.job], manifest)
    if len(verdict.cores) < least and not sure:
        what = f"task {verdict.task} of job {verdict.job} is decided on {len(verdict.cores)} answers, not {least}"
        raise Refused("too-early", what)
    if any(core.status is Status.REJECTED for core in verdict.cores) and not manifest.is_free:
        raise Refused("no-reason", "a choice is rejected for no reason that there is")
