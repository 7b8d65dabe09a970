"""One member of the committee: offers tasks, accepts sealed answers, proposes epochs, and signs only what it has checked.

What it refuses is the security of the system (design, determinism and promise 4). It trusts its own key, its own store and
database, and the chain; every other member, the API and the workers are held hostile. A signature leaves only after what it
promises is durable.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import TypeAlias

from oracle.ports import (
    ContentStore,
    Database,
    Evidence,
    Incomplete,
    OfferedAssignment,
    Proposal,
    SignedHeader,
    Signer,
    StoredAnswer,
)
from oracle.protocol import audit, leaves, trees
from oracle.protocol import epoch as ep
from oracle.protocol.cids import Codec, cid_of, digest_of, encode
from oracle.protocol.deployment import Deployment
from oracle.protocol.epoch import Decision, Epoch, Listed, Place
from oracle.protocol.errors import BadInput, Refused
from oracle.protocol.hashing import ZERO, keccak
from oracle.protocol.keys import BadSignature, recover, require_signer
from oracle.protocol.leaves import Opening, Status, Verdict
from oracle.protocol.ledger import Ledger
from oracle.protocol.messages import Answer, Assignment, Header, Receipt, digest
from oracle.protocol.sealing import commitment, envelope_size
from oracle.protocol.state import Job, State
from oracle.protocol.terms import MAX_DEBITS, MAX_EARNINGS, NO_LABEL
from oracle.services import verify
from oracle.services.books import Books, source
from oracle.services.index import Index

MOST_BATCH = 1_000
CHOICE = 1  # bytes of the payload of a choice: its label
VALID_SECONDS = 3_600
MAX_PARTED = 0.005  # share of the tasks that may get another label under the member's own weights
Pair: TypeAlias = tuple[int, int]


class Member:
    """Holds one member's resources; each method is one request."""

    def __init__(
        self, deployment: Deployment, index: Index, database: Database, content: ContentStore, signer: Signer
    ) -> None:
        self._deployment, self._index, self._database = deployment, index, database
        self._content, self._signer, self._books = content, signer, Books(content)
        self._committee = deployment.committee.members
        if signer.address not in self._committee:
            raise BadInput("this key is no member of the deployment's committee")
        self._position = self._committee.index(signer.address)

    # ------------------------------------------------------------------------------------------------ assignments

    def assign(self, pairs: Sequence[tuple[int, int, int]]) -> list[OfferedAssignment]:
        """Binds (job, task, worker) offers by signature. Raises Refused, and offers none, if one breaks a rule."""
        state, ledger = self._advance()
        given: dict[int, set[tuple[int, int]]] = {}
        offers = []
        for job_number, task, worker in pairs:
            job = self._open_job(state, job_number)
            if job_number not in given:
                given[job_number] = {(o.task, o.worker) for o in self._database.assignments(job_number)}
            self._check_offer(state, ledger, job, (job_number, task, worker))
            given[job_number].add((task, worker))
            expiry = min(self._index.now + self._books.job(job.terms)[0].assignment_seconds, job.deadline)
            offer = Assignment(job_number, job.terms.hash(), task, worker, expiry)
            signature = self._signer.sign(digest(self._deployment.domain(), offer))
            offers.append(OfferedAssignment(job_number, task, worker, expiry, offer.terms, signature))
        for job_number, taken in given.items():
            self._check_redundancy(state.jobs[job_number], job_number, taken)
        self._database.add_assignments(offers)
        return offers

    def _check_offer(self, state: State, ledger: Ledger, job: Job, offer: tuple[int, int, int]) -> None:
        number, task, worker = offer
        manifest, _ = self._books.job(job.terms)
        if task >= job.terms.tasks or (number, task) in ledger.decided:
            raise Refused("no-such-task", f"job {number} has no open task {task}")
        if not 0 < worker < len(state.workers):
            raise Refused("no-such-worker", f"worker {worker} is not registered")
        wallet = "0x" + state.workers[worker].wallet.hex()
        allow = {w.lower() for w in manifest.document["allow"]}
        if (allow and wallet not in allow) or wallet in {w.lower() for w in manifest.document["deny"]}:
            raise Refused("not-allowed", f"the manifest of job {number} does not admit worker {worker}")

    def _check_redundancy(self, job: Job, number: int, taken: Iterable[tuple[int, int]]) -> None:
        count: dict[int, int] = defaultdict(int)
        for task, _ in taken:
            count[task] += 1
        for task, n in count.items():
            if n > job.terms.answers:
                raise Refused("task-full", f"task {task} of job {number} has its {job.terms.answers} assignments")

    # ---------------------------------------------------------------------------------------------------- answers

    def accept(self, answers: Sequence[StoredAnswer]) -> tuple[Receipt, bytes]:
        """Stores a batch durably, then receipts it. All or none; the same batch again gets the same receipt."""
        if not 0 < len(answers) <= MOST_BATCH:
            raise Refused("batch-size", f"a batch has 1 to {MOST_BATCH} answers, not {len(answers)}")
        state, ledger = self._advance()
        closed = self._closed_tasks()
        digests = []
        for position, answer in enumerate(answers):
            try:
                digests.append(self._check_answer(state, ledger, closed, answer))
            except Refused as problem:
                raise Refused(problem.code, f"answer {position} of the batch: {problem}") from None
        self._database.add_answers(self._fresh(answers))
        receipt = Receipt(trees.root([leaves.receipt_leaf(d) for d in digests]), len(digests))
        return receipt, self._signer.sign(digest(self._deployment.domain(), receipt))

    def _fresh(self, answers: Sequence[StoredAnswer]) -> list[StoredAnswer]:
        """Those not yet stored; the same pair with another commitment is refused."""
        by_job: dict[int, list[Pair]] = defaultdict(list)
        for a in answers:
            by_job[a.job].append((a.task, a.worker))
        stored = {job: self._database.answered(job, pairs) for job, pairs in by_job.items()}
        fresh: dict[tuple[int, int, int], StoredAnswer] = {}
        for a in answers:
            first = fresh.get((a.job, a.task, a.worker))
            known = stored[a.job].get((a.task, a.worker)) or (first.commitment if first else a.commitment)
            if known != a.commitment:
                message = f"worker {a.worker} has already answered task {a.task} of job {a.job}"
                raise Refused("duplicate-answer", message)
            if (a.task, a.worker) not in stored[a.job]:
                fresh[a.job, a.task, a.worker] = a
        return list(fresh.values())

    def _check_answer(self, state: State, ledger: Ledger, closed: set[Pair], a: StoredAnswer) -> bytes:
        """The answer's digest. Raises Refused with what is wrong."""
        job = self._open_job(state, a.job)
        if a.task >= job.terms.tasks or (a.job, a.task) in ledger.decided or (a.job, a.task) in closed:
            raise Refused("task-closed", f"job {a.job} has no open task {a.task}")
        worker = state.workers.get(a.worker) if a.worker else None
        if worker is None or a.key >= len(worker.keys) or a.key in worker.revoked:
            raise Refused("no-such-key", f"worker {a.worker} has no answer key {a.key} that holds")
        size = envelope_size(len(self._committee), CHOICE)
        if len(a.envelope) != size or keccak(a.envelope) != a.seal_hash:
            raise Refused("wrong-seal", f"the envelope is not the one that was signed, or not of {size} bytes")
        domain, terms_hash = self._deployment.domain(), job.terms.hash()
        bound = digest(domain, Answer(a.job, terms_hash, a.task, a.worker, a.commitment, a.seal_hash))
        require_signer(worker.keys[a.key], bound, a.signature, "the answer")
        offer = Assignment(a.job, terms_hash, a.task, a.worker, a.expiry)
        try:
            binder = recover(digest(domain, offer), a.assigned_by)
        except BadSignature:
            binder = b""
        if binder not in self._committee:
            raise Refused("no-assignment", f"worker {a.worker} has no assignment of task {a.task} of job {a.job}")
        if a.expiry < self._index.now:
            raise Refused("assignment-expired", f"the assignment held until block time {a.expiry}")
        return bound

    def _open_job(self, state: State, number: int) -> Job:
        job = state.jobs.get(number)
        if job is None:
            raise Refused("no-such-job", f"there is no job {number}")
        if job.deadline <= self._index.now:
            raise Refused("job-closed", f"job {number} closed at block time {job.deadline}")
        return job

    def _closed_tasks(self) -> set[Pair]:
        """Tasks in headers that this member signed and that can still be posted."""
        now = self._index.now
        return {task for header in self._database.signed() if header.valid_until >= now for task in header.tasks}

    # -------------------------------------------------------------------------------------------------- proposals

    def propose(self, evidence: Evidence) -> Proposal | None:
        """An epoch over every task that is ready, its blocks stored here; None when there is nothing to decide."""
        state, ledger = self._advance()
        if state.pending():
            raise Refused("epoch-pending", f"epoch {state.last_epoch} is not final yet")
        self._take_up(state, ledger, evidence)
        opened = {(j, t, w): (payload, salt) for j, t, w, payload, salt in evidence.openings}
        ready = self._ready(state, ledger)
        if not ready:
            return None
        listed = {job: self._listed(state, job, tasks, opened) for job, tasks in ready.items()}
        judged = self._judge(state, listed)
        model = encode(verify.model_card(judged.values()))
        self._content.put(model, Codec.DAG_CBOR)
        epoch = self._build(state, ledger, listed, judged, digest_of(cid_of(model, Codec.DAG_CBOR)))
        packed = ep.pack(epoch, {number: job.terms.manifest for number, job in state.jobs.items()})
        self._content.put_many(packed.blocks)
        return Proposal(packed.header, epoch.debits)

    def _take_up(self, state: State, ledger: Ledger, evidence: Evidence) -> None:
        for answer in evidence.answers:
            self._check_answer(state, ledger, set(), answer)
        self._database.add_answers(self._fresh(evidence.answers))

    def _ready(self, state: State, ledger: Ledger) -> dict[int, dict[int, list[StoredAnswer]]]:
        """Tasks with all their answers, or past the deadline with enough, within the limits of an epoch."""
        load: dict[int, int] = defaultdict(int)
        ready: dict[int, dict[int, list[StoredAnswer]]] = {}
        for number, job in sorted(state.jobs.items()):
            if job.refunded or len(ready) == MAX_DEBITS:
                continue
            least = self._books.job(job.terms)[0].least if job.deadline <= self._index.now else job.terms.answers
            for task, answers in self._by_task(number).items():
                if (number, task) in ledger.decided or len(answers) < least:
                    continue
                if all(load[a.worker] < MAX_EARNINGS for a in answers):
                    ready.setdefault(number, {})[task] = answers
                    for answer in answers:
                        load[answer.worker] += 1
        return ready

    def _by_task(self, job: int) -> dict[int, list[StoredAnswer]]:
        found: dict[int, list[StoredAnswer]] = defaultdict(list)
        for answer in self._database.answers(job):
            found[answer.task].append(answer)
        return found

    def _listed(
        self,
        state: State,
        number: int,
        tasks: dict[int, list[StoredAnswer]],
        opened: dict[tuple[int, int, int], tuple[bytes, bytes]],
    ) -> dict[int, tuple[Listed, ...]]:
        classes = state.jobs[number].terms.classes
        return {
            task: tuple(
                self._list_one(answer, classes, opened.get((number, task, answer.worker))) for answer in answers
            )
            for task, answers in sorted(tasks.items())
        }

    def _list_one(self, a: StoredAnswer, classes: int, given: tuple[bytes, bytes] | None) -> Listed:
        found = self._open(a) or (given if given and _fits(a, *given) else None)
        if found is None or len(found[0]) != 1 or found[0][0] >= classes:
            evidence = leaves.unopened(a.commitment, a.seal_hash, a.signature, a.envelope)
            return Listed(a.worker, a.key, NO_LABEL, Status.UNOPENED, evidence)
        payload, salt = found
        opening = Opening(a.commitment, a.seal_hash, payload, salt, ZERO, a.signature)
        return Listed(a.worker, a.key, payload[0], Status.COUNTED, opening)

    def _open(self, a: StoredAnswer) -> tuple[bytes, bytes] | None:
        found = self._signer.unseal(self._position, len(self._committee), a.commitment, a.envelope)
        return found if found and _fits(a, *found) else None

    def _judge(self, state: State, listed: dict[int, dict[int, tuple[Listed, ...]]]) -> dict[int, verify.Judgement]:
        return {number: verify.judge(number, state.jobs[number].terms, tasks) for number, tasks in listed.items()}

    def _build(
        self,
        state: State,
        ledger: Ledger,
        listed: dict[int, dict[int, tuple[Listed, ...]]],
        judged: dict[int, verify.Judgement],
        model: bytes,
    ) -> Epoch:
        decisions = [
            Decision(number, task, judged[number].priors[task], answers)
            for number, tasks in sorted(listed.items())
            for task, answers in tasks.items()
        ]
        rows = {(n, worker, label): row for n, j in judged.items() for (worker, label), row in j.rows.items()}
        place = Place(
            state.last_epoch + 1,
            state.head,
            self._index.now + VALID_SECONDS + self._deployment.window,
            self._deployment.configuration(),
        )
        terms = {number: job.terms for number, job in state.jobs.items()}
        wallets = [state.workers[worker].wallet for worker in range(len(state.workers))]
        offers = self._uncommitted(state, ledger, decisions)
        return ep.build(place, model, terms, wallets, ledger, offers, decisions, rows)

    def _uncommitted(self, state: State, ledger: Ledger, decisions: Sequence[Decision]) -> list[Assignment]:
        """Offers that no epoch has committed: those of the answers to be listed, as their signatures show."""
        wanted = {(d.job, d.task, a.worker) for d in decisions for a in d.listed}
        fresh = wanted - ledger.pointers.keys()
        answers = (a for job in {d.job for d in decisions} for a in self._database.answers(job))
        return [
            Assignment(a.job, state.jobs[a.job].terms.hash(), a.task, a.worker, a.expiry)
            for a in sorted(answers, key=lambda a: (a.job, a.task, a.worker))
            if (a.job, a.task, a.worker) in fresh
        ]

    # ------------------------------------------------------------------------------------------------- signatures

    def approve(self, header: Header) -> bytes:
        """The member's signature under a proposal whose blocks lie in its store. Raises Refused with the reason."""
        state, ledger = self._advance()
        self._check_place(state, header)
        epoch, faults = ep.load(source(self._content), header.epoch, header.content)
        faults = faults or (audit.check(epoch, state, self._deployment.domain(), ledger) if epoch else [])
        if epoch is None or faults:
            raise Refused("wrong-epoch", str(faults[0]))
        if ep.header_of(epoch, header.content, ep.roots_of(epoch)) != header:
            raise Refused("wrong-header", "the header does not say what the data says")
        self._check_complete(state, epoch)
        self._check_judgement(state, epoch)
        message = digest(self._deployment.domain(), header)
        self._remember(header, message, epoch)
        return self._signer.sign(message)

    def _check_place(self, state: State, header: Header) -> None:
        if state.pending() or header.epoch != state.last_epoch + 1 or header.previous != state.head:
            raise Refused("wrong-head", f"the next epoch is {state.last_epoch + 1}, on the head that the chain has")
        if header.configuration != self._deployment.configuration():
            raise Refused("wrong-configuration", "the header is for another deployment or committee")
        latest = self._index.now + VALID_SECONDS + self._deployment.window
        if not self._index.now <= header.valid_until <= latest:
            raise Refused("wrong-expiry", f"a header must expire by block time {latest}")

    def _check_complete(self, state: State, epoch: Epoch) -> None:
        """Every answer that this member receipted is listed; nothing is called unopened that it can open."""
        missing: list[StoredAnswer] = []
        openings = []
        for job in {verdict.job for verdict in epoch.verdicts}:
            mine = self._by_task(job)
            for verdict in (v for v in epoch.verdicts if v.job == job):
                self._check_closing(state, verdict)
                by_worker = {a.worker: a for a in mine.get(verdict.task, [])}
                listed = {core.worker for core in verdict.cores}
                missing += [a for worker, a in by_worker.items() if worker not in listed]
                openings += self._openable(state, verdict, by_worker)
        if missing or openings:
            what = f"{len(missing)} receipted answers are not listed, {len(openings)} listed as unopened do open"
            raise Incomplete(what, Evidence(tuple(missing), tuple(openings)))

    def _check_closing(self, state: State, verdict: Verdict) -> None:
        job = state.jobs[verdict.job]
        due = job.deadline <= self._index.now
        least = self._books.job(job.terms)[0].least if due else job.terms.answers
        if len(verdict.cores) < least:
            message = (
                f"task {verdict.task} of job {verdict.job} is decided on {len(verdict.cores)} answers, not {least}"
            )
            raise Refused("too-early", message)

    def _openable(
        self, state: State, verdict: Verdict, mine: dict[int, StoredAnswer]
    ) -> list[tuple[int, int, int, bytes, bytes]]:
        found = []
        classes = state.jobs[verdict.job].terms.classes
        for core, opening in zip(verdict.cores, verdict.openings, strict=True):
            if core.status is Status.REJECTED:
                raise Refused("no-reason", "answers are rejected for reasons that this version does not check")
            if core.status is Status.UNOPENED:
                answer = mine.get(core.worker) or self._from_evidence(verdict, core.worker, opening)
                opened = self._open(answer)
                if opened and len(opened[0]) == 1 and opened[0][0] < classes:
                    found.append((verdict.job, verdict.task, core.worker, *opened))
        return found

    def _from_evidence(self, verdict: Verdict, worker: int, opening: Opening) -> StoredAnswer:
        if keccak(opening.envelope) != opening.seal_hash:
            raise Refused("no-envelope", f"the answer of worker {worker} is called unopened without its envelope")
        bound = (opening.commitment, opening.seal_hash, opening.signature, opening.envelope)
        return StoredAnswer(verdict.job, verdict.task, worker, 0, *bound, 0, b"")

    def _check_judgement(self, state: State, epoch: Epoch) -> None:
        """Refuses weights under which more than MAX_PARTED of the tasks get another label than under its own."""
        listed: dict[int, dict[int, tuple[Listed, ...]]] = defaultdict(dict)
        for v in epoch.verdicts:
            listed[v.job][v.task] = tuple(
                Listed(c.worker, c.key, c.label, c.status, o) for c, o in zip(v.cores, v.openings, strict=True)
            )
        own = self._judge(state, listed)
        parted = sum(own[v.job].labels[v.task] != v.label for v in epoch.verdicts)
        if parted > MAX_PARTED * len(epoch.verdicts):
            message = f"{parted} of {len(epoch.verdicts)} tasks get another label under this member's own weights"
            raise Refused("judgement", message)

    def _remember(self, header: Header, message: bytes, epoch: Epoch) -> None:
        for signed in self._database.signed():
            if signed.epoch == header.epoch and signed.digest != message and signed.valid_until >= self._index.now:
                raise Refused("already-signed", f"another header for epoch {header.epoch} is signed and not expired")
        tasks = tuple((verdict.job, verdict.task) for verdict in epoch.verdicts)
        self._database.add_signed(SignedHeader(header.epoch, message, header.valid_until, tasks))

    # ----------------------------------------------------------------------------------------------------- common

    def _advance(self) -> tuple[State, Ledger]:
        state = self._index.advance()
        return state, self._books.ledger(state)


def _fits(a: StoredAnswer, payload: bytes, salt: bytes) -> bool:
    return salt != ZERO and commitment(a.job, a.task, a.worker, payload, salt) == a.commitment
