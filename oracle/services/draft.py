"""What a member proposes: the tasks that are ready, their answers opened, judged, and built into an epoch.

answers in the member's database -> Epoch. Pure but for reading: the same database and view give the same epoch.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import replace

from oracle.ports import Database, StoredAnswer
from oracle.protocol import epoch as ep
from oracle.protocol import free, leaves
from oracle.protocol.cids import Codec, Link, cid_of, digest_of
from oracle.protocol.deployment import Deployment
from oracle.protocol.epoch import Decision, Epoch, Listed, Place
from oracle.protocol.errors import ContentMissing
from oracle.protocol.hashing import ZERO
from oracle.protocol.leaves import Opening, Status
from oracle.protocol.ledger import Ledger
from oracle.protocol.messages import Assignment
from oracle.protocol.pages import Block
from oracle.protocol.sealing import commitment
from oracle.protocol.state import State
from oracle.protocol.terms import MAX_DEBITS, MAX_EARNINGS, NO_LABEL, Terms
from oracle.services import candidates, rules, verify
from oracle.services.books import Books
from oracle.services.index import View
from oracle.services.verify import Judgement
from oracle.telemetry import log

Answers = dict[int, dict[int, list[StoredAnswer]]]  # job -> task -> its answers, ascending by worker
Lists = dict[int, dict[int, tuple[Listed, ...]]]  # the same, with what became of them
Known = Mapping[int, Mapping[int, int]]  # job -> task -> label of gold
Opened = tuple[bytes, bytes]  # payload, salt
NUMERIC = (ArithmeticError, LookupError, TypeError, ValueError)  # what a model raises on numbers that it cannot take
SEALED = "sealed"  # the code of what waits for the members' shares
MOST_BYTES = 1 << 27  # of the envelopes that an epoch opens: members hand its blocks to each other whole
KNOWN = 50_000  # answers of a job that are enough to know its workers by


def ready(
    view: View,
    ledger: Ledger,
    books: Books,
    database: Database,
    window: int,
    settled: Callable[[int], Collection[int]] = lambda _: (),
) -> Answers:
    """Tasks with all their answers, or past the deadline with enough, or `settled` in a job, within the limits of an epoch.

    A task to which members gave more answers than the job allows stays out: whichever were left out would be owed. So does one
    with an answer that the hatch has paid, and what the job could not pay if all of its answers were right.
    """
    load: Counter[int] = Counter()
    found: Answers = {}
    size = 0
    for number, least in _jobs(view, ledger, books, window):
        if len(found) == MAX_DEBITS:
            break
        job, pay = view.state.jobs[number], 0
        left, early = rules.left(job, ledger.pays.get(number, ())), settled(number)
        for task, answers in by_task(database, number).items():
            enough = (least <= len(answers) or task in early) and len(answers) <= job.terms.answers
            room = all(load[a.worker] < MAX_EARNINGS for a in answers)
            owed = not any((number, task, a.worker) in view.state.hatched for a in answers)
            more = pay + len(answers) * (job.terms.base + job.terms.bonus)
            fits = more + job.terms.fee(more) <= left
            bulk = sum(len(a.envelope) for a in answers)
            small = size + bulk <= MOST_BYTES
            if enough and room and owed and fits and small and (number, task) not in ledger.decided:
                found.setdefault(number, {})[task] = answers
                size += bulk
                load.update(a.worker for a in answers)
                pay = more
    return found


def _jobs(view: View, ledger: Ledger, books: Books, window: int) -> Iterator[tuple[int, int]]:
    """(job, answers that a task needs) of each job that can still be debited. Without its manifest a job waits, alone."""
    decided = Counter(job for job, _ in ledger.decided)
    for number, job in sorted(view.state.jobs.items()):
        if decided[number] < job.terms.tasks and view.now < rules.debits_close(view.state, job, window):
            try:
                manifest, _ = books.job(job.terms)
            except ContentMissing:
                continue
            yield number, rules.needed(view, job, manifest)


def by_task(database: Database, job: int) -> dict[int, list[StoredAnswer]]:
    found: dict[int, list[StoredAnswer]] = defaultdict(list)
    for answer in database.answers(job):
        found[answer.task].append(answer)
    return found


def list_answer(a: StoredAnswer, books: Books, terms: Terms, opened: Opened | None) -> Listed:
    """Counted when its opening is an answer, else unopened: unpaid, with the envelope as evidence.

    A free answer's label is not known yet: `placed` gives it.
    """
    if opened is None or not is_answer(books, terms, opened[0]):
        return Listed(
            a.worker,
            a.key,
            NO_LABEL,
            Status.UNOPENED,
            leaves.unopened(a.commitment, a.seal_hash, a.signature, a.envelope),
        )
    payload, salt = opened
    opening = Opening(a.commitment, a.seal_hash, payload, salt, ZERO, a.signature)
    return Listed(a.worker, a.key, NO_LABEL if terms.free else payload[0], Status.COUNTED, opening)


def is_answer(books: Books, terms: Terms, payload: bytes) -> bool:
    """Whether an opened payload is one: a class of the job, or, where answers are free, a value of its type."""
    if terms.free:
        asked = books.job(terms)[0].document["answer"]["asked"]
        return candidates.value_of(candidates.kind_of(asked), payload) is not None
    return len(payload) == rules.CHOICE and payload[0] < terms.classes


def placed(lists: Lists, judged: Mapping[int, Judgement]) -> Lists:
    """The same with each free answer at its candidate, or rejected."""
    return {
        number: {task: tuple(_placed(task, a, judged[number]) for a in listed) for task, listed in tasks.items()}
        for number, tasks in lists.items()
    }


def _placed(task: int, a: Listed, judged: Judgement) -> Listed:
    if block := judged.reasons.get((task, a.worker)):
        opening = replace(a.opening, reason=digest_of(cid_of(block, Codec.DAG_CBOR)))
        return replace(a, label=NO_LABEL, status=Status.REJECTED, opening=opening)
    return replace(a, label=judged.stands.get(task, {}).get(a.worker, a.label))


def fits(job: int, task: int, worker: int, bound: bytes, opened: Opened | None) -> bool:
    """Whether an opening is that of the commitment."""
    return opened is not None and opened[1] != ZERO and commitment(job, task, worker, *opened) == bound


def judge(state: State, books: Books, lists: Lists, before: Lists, gold: Known) -> dict[int, Judgement]:
    """`before`: what epochs that stand list of these jobs: a task that is decided late is judged by all that its workers did.

    A job at which a model fails is left out: whatever its answers are, they hold up no other.
    """
    found = {}
    for number, tasks in lists.items():
        terms, known = state.jobs[number].terms, before.get(number, {})
        try:
            if terms.free:
                found[number] = candidates.judge(number, terms, *books.job(terms), tasks, known)
            else:
                machines = books.machines(state, terms)
                found[number] = verify.judge(number, terms, tasks, known, gold.get(number, {}), machines)
        except NUMERIC as problem:
            log("unjudged", job=number, what=type(problem).__name__)  # its words may be an answer
    return found


def pack_said(judged: Mapping[int, Judgement], keys: Mapping[int, bytes]) -> tuple[dict[str, list[Link]], list[Block]]:
    """(what the model card names of free answers, the blocks): the candidates of their tasks, and why some are rejected."""
    texts = {(number, task): some for number, j in judged.items() for task, some in j.candidates.items()}
    links, blocks = free.pack(texts, keys)
    reasons = [(block, Codec.DAG_CBOR) for j in judged.values() for _, block in sorted(j.reasons.items())]
    said = {free.FIELD: links, "reasons": [Link(cid_of(*one)) for one in reasons]}
    return {name: linked for name, linked in said.items() if linked}, [*blocks, *reasons]


def settled(state: State, books: Books, jobs: Collection[int]) -> Lists:
    """The answers to tasks of these jobs that are decided, the newest epochs first, up to KNOWN of a job."""
    found: Lists = {number: {} for number in jobs}
    sizes: Counter[int] = Counter()
    for post in reversed(state.unstruck()):
        for number, tasks in lists_of(books.epoch(post.epoch, post.content)).items():
            if number in found and sizes[number] < KNOWN:
                found[number] |= tasks
                sizes[number] += sum(map(len, tasks.values()))
    return found


def lists_of(epoch: Epoch) -> Lists:
    """The answers that an epoch lists, as `judge` takes them."""
    found: Lists = defaultdict(dict)
    for v in epoch.verdicts:
        found[v.job][v.task] = tuple(
            Listed(c.worker, c.key, c.label, c.status, o) for c, o in zip(v.cores, v.openings, strict=True)
        )
    return found


def build(
    view: View,
    ledger: Ledger,
    deployment: Deployment,
    answers: Answers,
    lists: Lists,
    judged: dict[int, Judgement],
    model: bytes,
) -> Epoch:
    """The epoch that decides these tasks. It expires before any of its jobs closes to debits."""
    state = view.state
    closes = [rules.debits_close(state, state.jobs[number], deployment.window) - 1 for number in answers]
    until = min(view.now + rules.VALID_SECONDS, *closes)
    decisions = [
        Decision(number, task, judged[number].priors[task], lists[number][task])
        for number in sorted(lists)
        for task in sorted(lists[number])
    ]
    return ep.build(
        Place(state.last_epoch + 1, state.head, until, deployment.configuration()),
        model,
        {number: job.terms for number, job in state.jobs.items()},
        [state.workers[worker].wallet for worker in range(len(state.workers))],
        ledger,
        _uncommitted(state, ledger, answers),
        decisions,
        {(n, worker, label): row for n, j in judged.items() for (worker, label), row in j.rows.items()},
    )


def _uncommitted(state: State, ledger: Ledger, answers: Answers) -> list[Assignment]:
    """The assignments of the answers to be listed that no epoch has committed, ascending by (job, task, worker)."""
    listed = [a for tasks in answers.values() for task in tasks.values() for a in task]
    return [
        Assignment(a.job, state.jobs[a.job].terms.hash(), a.task, a.worker, a.expiry)
        for a in sorted(listed, key=lambda a: (a.job, a.task, a.worker))
        if (a.job, a.task, a.worker) not in ledger.pointers
    ]
