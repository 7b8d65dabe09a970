"""One member of the committee: offers tasks, accepts sealed answers, proposes epochs, and signs only what it has checked.

What it refuses (`oracle.services.rules`, and here what depends on its own memory) is the security of the system: design,
determinism and promise 4. It trusts its own key, store and database, and the chain; every other member, the API and the workers
are held hostile. A signature leaves only after what it promises is durable, and no other request can come between the last look
at what was signed or stored and the next entry.
"""

from collections import Counter, defaultdict, deque
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from threading import Lock
from typing import Any

from oracle.ports import (
    Appraisal,
    ContentStore,
    Database,
    Evidence,
    Holding,
    Incomplete,
    OfferedAssignment,
    Proposal,
    Shares,
    SignedHeader,
    SignedWish,
    Signer,
    StoredAnswer,
)
from oracle.protocol import audit, free, gold, leaves, trees
from oracle.protocol import epoch as ep
from oracle.protocol.cids import Codec, cid_of, decode, digest_of, encode, from_digest
from oracle.protocol.credentials import SignedBandKey
from oracle.protocol.deployment import Deployment
from oracle.protocol.epoch import Epoch
from oracle.protocol.errors import BadInput, ContentMissing, CrowdproofError, Refused
from oracle.protocol.gold import Opening
from oracle.protocol.leaves import Status, Verdict
from oracle.protocol.ledger import Ledger
from oracle.protocol.messages import Assignment, Header, Receipt, digest
from oracle.protocol.state import Job, State
from oracle.services import candidates, draft, matches, rules, verify
from oracle.services.appraise import Appraiser
from oracle.services.binders import Binders
from oracle.services.books import Books, source
from oracle.services.closing import Closing
from oracle.services.draft import Answers, Opened
from oracle.services.index import Index, View
from oracle.services.keyring import Keyring
from oracle.services.opener import Opener
from oracle.services.rules import Pair
from oracle.services.standing import Standing
from oracle.services.vault import Vault
from oracle.services.verify import Judgement

MOST_BATCH = 1_000
MOST_OFFERS = 10_000
MAX_PARTED = 0.005  # share of the tasks that may get another label under the member's own weights
Place = tuple[int, int, int]  # job, task, worker
Bound = tuple[bytes, bytes]  # commitment, seal hash: what makes two answers the same


@dataclass(eq=False, slots=True)
class _Batch:
    """Checked answers that wait to be stored; `stored` turns true when they are durable."""

    view: View
    answers: Sequence[StoredAnswer]
    stored: bool = False


class Member:
    """Holds one member's resources; each method is one request. Safe between threads; one process a member."""

    def __init__(
        self,
        deployment: Deployment,
        index: Index,
        database: Database,
        content: ContentStore,
        signer: Signer,
        rest: Callable[[int], None] = lambda now: None,  # noqa: ARG005
        good_s: float = 0.0,
    ) -> None:
        """`rest`: asked with the block time before anything binding is signed; raises Refused after a restore, for a while.

        good_s: for which a look at the chain is good to accept answers by, in seconds.
        """
        self._rest, self._good_s = rest, good_s
        self._deployment, self._index, self._database = deployment, index, database
        self._content, self._signer = content, signer
        self._books = Books(content, self._key)
        self._committee = deployment.committee.members
        if signer.address not in self._committee:
            raise BadInput("this key is no member of the deployment's committee")
        self._position = self._committee.index(signer.address)
        self._binders = Binders(self._committee)
        self._opener = Opener(deployment, signer, lambda: [term.members for term in index.state.terms])
        self._vault = Vault(self._books, self._opener.unseal)
        self._appraiser = Appraiser(database, self._books, self._vault, lambda a: self._opened(a, {}))
        self._turn = Lock()
        self._waiting: deque[_Batch] = deque()
        self._keyring = Keyring(self._books, lambda: index.state.jobs, self._opener.unwrap)
        self._closing = Closing(self._books, database, deployment.window)
        self._bands = Standing(deployment, self._books, database, signer)
        self._examined: tuple[Header, State, Epoch] | None = None

    def _key(self, number: int) -> bytes | None:
        return self._keyring.key(number)

    # ------------------------------------------------------------------------------------------------ assignments

    def assign(self, pairs: Sequence[Place]) -> list[OfferedAssignment]:
        """Binds (job, task, worker) offers by signature. Raises Refused, and offers none, if one breaks a rule."""
        rules.check_size(pairs, MOST_OFFERS)
        view, ledger = self._look()
        for number, task, worker in pairs:
            job = rules.job_of(view.state, number)
            rules.check_open(view, number, job)
            rules.check_task(ledger, job, number, task)
            rules.check_admitted(view.state, self._books.job(job.terms)[0], number, worker)
            if self._keyring.is_dark(number):
                raise Refused("no-key", f"job {number} is sealed, and its requester gave this member no key of it")
            if not self._books.is_released(view.state, number, task):
                raise Refused("task-waits", f"task {task} of job {number} waits for tasks that are not decided yet")
        with self._turn:
            self._check_unsigned(view, {(job, task) for job, task, _ in pairs})
            for number, _, worker in pairs:
                self._bands.check_stays(number, worker)
            self._check_places(view, pairs)
            offers = [self._offer(view, *place) for place in pairs]
            self._database.add_assignments(offers)
        return offers

    def band_keys(self, number: int) -> list[SignedBandKey]:
        """This member's keys of the job's bands of quality."""
        return self._bands.keys(number, rules.job_of(self._look()[0].state, number))

    def certify(self, wish: SignedWish) -> bytes:
        """Signs a worker's blinded wallet for its band; takes nothing of the worker itself in that job from then on."""
        view, _ = self._look()
        self._rest(view.now)
        signed = self._bands.certify(view, wish)
        with self._turn:
            self._bands.give_up(wish)
        return signed

    def appraise(self, pairs: Sequence[Place]) -> Appraisal:
        """What asking these (job, task, worker) is worth now. Binds to nothing, and says no label."""
        rules.check_size(pairs, MOST_OFFERS)
        view, ledger = self._look()
        for number, task, _ in pairs:
            rules.check_known(rules.job_of(view.state, number), number, task)
        return self._appraiser.appraise(view, ledger, pairs)

    def _offer(self, view: View, number: int, task: int, worker: int) -> OfferedAssignment:
        job = view.state.jobs[number]
        expiry = min(view.now + self._books.job(job.terms)[0].assignment_seconds, job.deadline)
        offer = Assignment(number, job.terms.hash(), task, worker, expiry)
        signature = self._sign(offer)
        self._binders.remember(digest(self._deployment.domain(), offer), signature)
        return OfferedAssignment(number, task, worker, expiry, offer.terms, signature)

    def _check_places(self, view: View, pairs: Sequence[Place]) -> None:
        """No more offers than answers are wanted. A place whose assignment ran out without an answer is free again."""
        for number, new in _by_job(pairs).items():
            tasks = {task for task, _ in new}
            held = [o for o in self._database.assignments(number, tasks=tasks) if o.expiry >= view.now]
            taken = {(o.task, o.worker) for o in held} | self._database.answered(number, tasks).keys() | set(new)
            rules.check_room(view.state.jobs[number], number, Counter(task for task, _ in taken))

    # ---------------------------------------------------------------------------------------------------- answers

    def accept(self, answers: Sequence[StoredAnswer]) -> tuple[Receipt, bytes]:
        """Stores a batch durably, then receipts it. All or none; the same batch again gets the same receipt.

        What is stored already was checked then: it is receipted also after the deadline, until a header decides its task.
        """
        rules.check_size(answers, MOST_BATCH)
        view, ledger = self._look(self._good_s)
        self._rest(view.now)
        known = cache(lambda: self._stored(answers, by_all=False))
        digests = []
        for position, answer in enumerate(answers):
            try:
                digests.append(self._check_answer(view, ledger, answer, known))
            except Refused as problem:
                raise Refused(problem.code, f"answer {position} of the batch: {problem}") from None
        self._enter(_Batch(view, answers))
        receipt = Receipt(trees.root([leaves.receipt_leaf(d) for d in digests]), len(digests))
        return receipt, self._sign(receipt)

    def _check_answer(
        self, view: View, ledger: Ledger, a: StoredAnswer, known: Callable[[], dict[Place, Bound]]
    ) -> bytes:
        """The answer's digest. `known` is asked only where a rule is broken."""
        job = rules.job_of(view.state, a.job)
        rules.check_task(ledger, job, a.job, a.task)
        signed = rules.digest_of(self._deployment, job, a)
        try:
            self._check_bound(view, job, a, signed)
            rules.check_timely(view, job, a)
        except Refused:
            if known().get((a.job, a.task, a.worker)) != (a.commitment, a.seal_hash):
                raise
        return signed

    def _check_bound(self, view: View, job: Job, a: StoredAnswer, signed: bytes) -> None:
        scheme = self._closing.scheme(job.terms)
        rules.check_bound(self._deployment, self._binders, view.state, job, a, signed, scheme)

    def _enter(self, own: _Batch) -> None:
        """Returns when the batch is durable. Whoever has the turn stores with its own what has come to wait for it meanwhile:

        one transaction, so one wait for the disk. If something is wrong with any of them, each is judged alone, by its own request.
        """
        self._waiting.append(own)
        with self._turn:
            if own.stored:
                return
            others = self._take_others(own)
            if others:
                with suppress(CrowdproofError):
                    self._store_together([own, *others])
            if not own.stored:
                self._store_alone(own)

    def _take_others(self, own: _Batch) -> list[_Batch]:
        """Those that wait and were checked under the same view; none waits twice."""
        waiting = [self._waiting.popleft() for _ in range(len(self._waiting))]
        self._waiting.extendleft(b for b in reversed(waiting) if b.view is not own.view)
        return [b for b in waiting if b.view is own.view and b is not own]

    def _store_together(self, batches: Sequence[_Batch]) -> None:
        answers = [a for batch in batches for a in batch.answers]
        self._check_unsigned(batches[0].view, {(a.job, a.task) for a in answers})
        self._store(batches[0].view, answers)
        for batch in batches:
            batch.stored = True

    def _store_alone(self, own: _Batch) -> None:
        self._check_unsigned(own.view, {(a.job, a.task) for a in own.answers})
        try:
            self._store(own.view, own.answers)  # all are new, nearly always
        except Refused:
            self._store(own.view, self._fresh(own.answers))
        own.stored = True

    def _store(self, view: View, answers: Sequence[StoredAnswer]) -> None:
        """Raises Refused, and stores none, for more answers than a job allows, and for one that is stored already."""
        for number, pairs in _by_job([(a.job, a.task, a.worker) for a in answers]).items():
            for _, worker in pairs:
                self._bands.check_stays(number, worker)
            taken = Counter(task for task, _ in pairs)
            taken.update(self._database.places(number, taken.keys()))
            rules.check_room(view.state.jobs[number], number, taken)
        self._database.add_answers(answers)

    def _fresh(self, answers: Sequence[StoredAnswer]) -> list[StoredAnswer]:
        """Those not yet stored. Raises Refused for another answer than the stored one, and for two at one place."""
        known = self._stored(answers, by_all=False)
        fresh: dict[Place, StoredAnswer] = {}
        for a in answers:
            place = (a.job, a.task, a.worker)
            if place in fresh or known.get(place, (a.commitment, a.seal_hash)) != (a.commitment, a.seal_hash):
                what = f"worker {a.worker} has already answered task {a.task} of job {a.job}"
                raise Refused("duplicate-answer", what)
            if place not in known:
                fresh[place] = a
        return list(fresh.values())

    def _stored(self, answers: Sequence[StoredAnswer], by_all: bool) -> dict[Place, Bound]:
        """What is stored for the tasks of these answers, by all workers or at least by theirs."""
        found: dict[Place, Bound] = {}
        for number, pairs in _by_job([(a.job, a.task, a.worker) for a in answers]).items():
            tasks, workers = ({pair[which] for pair in pairs} for which in (0, 1))
            stored = self._database.answered(number, tasks, None if by_all else workers)
            found.update({(number, *pair): bound for pair, bound in stored.items()})
        return found

    # -------------------------------------------------------------------------------------------------- proposals

    def propose(self, evidence: Evidence) -> Proposal | None:
        """An epoch over every task that is ready, its blocks stored here; None when there is nothing to decide.

        What this member has signed it proposes again, as long as it can be posted: it may sign nothing else. The database
        remembers it, so that a member that was restarted keeps its word and does not block the epoch until it expires.
        """
        view, ledger = self._look()
        if view.state.pending():
            raise Refused("epoch-pending", f"epoch {view.state.last_epoch} is not final yet")
        self._take_up(view, ledger, evidence.answers)
        if standing := self._standing(view):
            return standing
        window = self._deployment.window
        answers = draft.ready(view, ledger, self._books, self._database, window, lambda job: self._settled(view, job))
        answers = {number: tasks for number, tasks in answers.items() if not self._keyring.is_dark(number)}
        known = self._known_to_open(view, answers, evidence)
        return self._draft(view, ledger, known, evidence) if known else None

    def attest(self, shown: Sequence[StoredAnswer]) -> Holding | None:
        """Takes up what is `shown`, then says which answers it holds to tasks that are full or past their deadline; None where no

        key is split. To a task that it calls closed it takes no other answer ever after.
        """
        view, ledger = self._look()
        self._take_up(view, ledger, shown)
        held = self._closing.held(view, ledger)
        return self._opener.attest({place: row for place, (row, _) in held.items()}) if held else None

    def tell(self, shown: Sequence[StoredAnswer], holdings: Sequence[Holding]) -> Shares | None:
        """This member's shares of the tasks that a quorum calls closed with the answers that it holds itself: who reads those

        can add or change none there. None where no key is split. Raises Incomplete with answers that were not `shown`, where no
        quorum holds what it holds.
        """
        view, ledger = self._look()
        held = self._closing.held(view, ledger)
        said, quorum = self._opener.holders(holdings), self._deployment.committee.quorum
        alike = {place for place, (row, _) in held.items() if said[*place, *row] >= quorum}
        apart = [a for place in held.keys() - alike for a in held[place][1]]
        if set(apart) - set(shown):
            raise Incomplete("other members hold other answers, or have not said so", Evidence(answers=tuple(apart)))
        closed = [answers for place, ((is_closed, _), answers) in held.items() if is_closed and place in alike]
        ready = draft.ready(view, ledger, self._books, self._database, self._deployment.window)
        return self._opener.tell((a for answers in closed for a in answers), self._keyring.keys(ready))

    def learn(self, told: Sequence[Shares]) -> None:
        """Takes the members' shares, and the keys of sealed jobs that they have."""
        for number, key in self._opener.learn(told):
            self._keyring.learn(number, key)

    def _known_to_open(self, view: View, answers: Answers, evidence: Evidence) -> Answers:
        """Without the tasks that still wait, and those of which it cannot be said yet whether every answer opens.

        Raises Refused before the members were asked for their shares, then Incomplete with what they may not have.
        """
        shown = {(job, task, worker) for job, task, worker, *_ in evidence.openings}
        found: Answers = {}
        unknown: list[StoredAnswer] = []
        waits = False
        for number, tasks in answers.items():
            split = self._closing.is_split(view, number)
            for task, listed in tasks.items():
                if split and not self._closing.takes_no_more(view, number, len(listed)):
                    waits = True
                    continue
                dark = [a for a in listed if (number, task, a.worker) not in shown and not self._is_known(a)]
                unknown += dark
                if not dark:
                    found.setdefault(number, {})[task] = listed
        if (unknown or waits) and not evidence.shared:
            raise Refused(draft.SEALED, "tasks that are ready wait for the members' shares of their answers")
        if set(unknown) - set(evidence.answers):
            raise Incomplete("too few members have told their shares of some answers", Evidence(answers=tuple(unknown)))
        return found

    def _is_known(self, a: StoredAnswer) -> bool:
        place = (a.job, a.task, a.worker)
        return place in self._closing.twice or self._opener.is_known(place, a.commitment, a.envelope)

    def _settled(self, view: View, number: int) -> set[int]:
        """Tasks that are sure, as the job's manifest has it, and for which nobody is at work any more."""
        sure = self._appraiser.sure(view, number)
        if not sure:
            return sure
        held = {(o.task, o.worker) for o in self._database.assignments(number, tasks=sure) if o.expiry >= view.now}
        return sure - {task for task, _ in held - self._database.answered(number, sure).keys()}

    def _standing(self, view: View) -> Proposal | None:
        """What was signed here for the head that the chain has, the newest first, until it expires."""
        for signed in reversed(self._database.signed(view.now)):
            header = signed.proposal.header
            if header.previous == view.state.head and header.valid_until >= view.now:
                return signed.proposal
        return None

    def _draft(self, view: View, ledger: Ledger, answers: Answers, evidence: Evidence) -> Proposal | None:
        shown: dict[Place, list[Opened]] = defaultdict(list)
        for job, task, worker, payload, salt in evidence.openings:
            shown[job, task, worker].append((payload, salt))
        lists: draft.Lists = {}
        for number, tasks in answers.items():
            terms = view.state.jobs[number].terms
            lists[number] = {
                task: tuple(draft.list_answer(a, self._books, terms, self._opened(a, shown)) for a in listed)
                for task, listed in tasks.items()
            }
        told = self._told(view, lists, evidence.gold)
        judged = draft.judge(
            view.state,
            self._books,
            lists,
            draft.settled(view.state, self._books, lists),
            self._known(view, lists, told),
        )
        if not judged:
            return None
        unjudged = lists.keys() - judged.keys()
        answers = {number: answers[number] for number in judged}
        lists = draft.placed({number: lists[number] for number in judged}, judged)
        links, blocks = gold.pack_openings([one for one in told if one.job not in unjudged])
        keys = self._keyring.keys(lists)
        said, more = draft.pack_said(judged, keys)
        named = self._named(view, lists, evidence.matches) | ({"gold": links} if links else {}) | said
        card = encode(verify.model_card(judged.values(), keys) | named)
        model = digest_of(cid_of(card, Codec.DAG_CBOR))
        epoch = draft.build(view, ledger, self._deployment, answers, lists, judged, model)
        packed = ep.pack(epoch, {number: job.terms.manifest for number, job in view.state.jobs.items()}, keys)
        self._content.put_many([*blocks, *more, (card, Codec.DAG_CBOR), *packed.blocks])
        return Proposal(packed.header, epoch.debits)

    def _named(self, view: View, lists: draft.Lists, given: Sequence[bytes]) -> dict[str, Any]:
        """The matches to name, of those that were given: of jobs in this epoch, here, and right."""
        found = []
        for one in given:
            with suppress(CrowdproofError):
                match = matches.load(source(self._content), one)
                matches.check(match, view.state)
                found += [one] if match.job in lists else []
        return {"matches": matches.links(found)} if found else {}

    def _told(self, view: View, lists: draft.Lists, shown: Sequence[Opening]) -> list[Opening]:
        """The gold among these tasks: what this member knows, else what others show that fits its commitment."""
        found: dict[Pair, Opening] = {}
        decided = {(job, task) for job, tasks in lists.items() for task in tasks}
        for one in shown:
            with suppress(BadInput):
                self._check_gold(view, one, decided)
                found[one.job, one.task] = one
        for number, tasks in lists.items():
            own = self._vault.gold(number, view.state.jobs[number]).openings
            found |= {(number, task): own[task] for task in tasks if task in own}
        return list(found.values())

    def _known(self, view: View, lists: draft.Lists, told: Sequence[Opening]) -> draft.Known:
        """Labels of the gold in these jobs that this member can judge by: its own, what earlier epochs opened, and `told`."""
        found: dict[int, dict[int, int]] = {}
        for number in lists:
            own = self._vault.gold(number, view.state.jobs[number]).openings
            found[number] = {task: one.label for task, one in own.items()} | self._books.gold(view.state, number)
        for one in told:
            found[one.job][one.task] = one.label
        return found

    def _check_gold(self, view: View, one: Opening, decided: Collection[Pair]) -> None:
        """Raises BadInput for what is not decided, or does not open its job's commitment."""
        job = view.state.jobs.get(one.job)
        leaves = self._books.committed(job.terms) if job else frozenset()
        gold.check(one, leaves, job.terms.classes if job else 0, decided)

    def _opened(self, a: StoredAnswer, shown: dict[Place, list[Opened]]) -> Opened | None:
        place = (a.job, a.task, a.worker)
        if place in self._closing.twice:
            return None
        own = self._opener.open(place, a.commitment, a.envelope)
        by_others = (o for o in shown.get(place, ()) if draft.fits(*place, a.commitment, o))
        return own or next(by_others, None)

    def _take_up(self, view: View, ledger: Ledger, shown: Sequence[StoredAnswer]) -> None:
        """Stores answers that another member receipted, whatever the time is now.

        Any of them may be junk: what breaks a rule or comes to a full or closed task is passed over, so that one liar stops nobody.
        """
        sound = [a for a in shown if self._is_sound(view, ledger, a)]
        split = {number for number in {a.job for a in sound} if self._closing.is_split(view, number)}
        with self._turn:
            taken = self._stored(sound, by_all=True)
            places = Counter((job, task) for job, task, _ in taken)
            fresh = []
            for a in sound:
                place, bound, held = (a.job, a.task, a.worker), (a.commitment, a.seal_hash), places[a.job, a.task]
                full = held >= view.state.jobs[a.job].terms.answers
                over = a.job in split and self._closing.takes_no_more(view, a.job, held)
                if a.job in split and taken.get(place, bound) != bound:
                    self._closing.twice.add(place)
                if place not in taken and not full and not over:
                    taken[place] = bound
                    places[a.job, a.task] += 1
                    fresh.append(a)
            self._database.add_answers(fresh)

    def _is_sound(self, view: View, ledger: Ledger, a: StoredAnswer) -> bool:
        try:
            job = rules.job_of(view.state, a.job)
            rules.check_task(ledger, job, a.job, a.task)
            signed = rules.digest_of(self._deployment, job, a)
            self._check_bound(view, job, a, signed)
        except (Refused, ContentMissing):
            return False
        return True

    # ------------------------------------------------------------------------------------------------- signatures

    def review(self, header: Header) -> None:
        """Raises Refused with the reason for which this member would not sign now; promises nothing."""
        self._examine(header)

    def approve(self, header: Header) -> bytes:
        """The member's signature under a proposal whose blocks lie in its store. Raises Refused with the reason."""
        view, epoch = self._examine(header)
        self._rest(view.now)
        tasks = tuple((verdict.job, verdict.task) for verdict in epoch.verdicts)
        message = digest(self._deployment.domain(), header)
        with self._turn:
            self._check_complete(view, epoch)
            self._database.add_signed(SignedHeader(message, Proposal(header, epoch.debits), tasks), view.now)
        return self._sign(header)

    def _examine(self, header: Header) -> tuple[View, Epoch]:
        """Everything that must hold before a header is signed."""
        view, ledger = self._look()
        rules.check_place(view, self._deployment, header)
        epoch = self._check_data(view, ledger, header)
        rules.check_debits_open(view, self._deployment.window, epoch)
        rules.check_money(view, ledger, epoch)
        sure = {job: self._appraiser.sure(view, job) for job in {verdict.job for verdict in epoch.verdicts}}
        for verdict in epoch.verdicts:
            manifest = self._books.job(view.state.jobs[verdict.job].terms)[0]
            rules.check_closed(view, manifest, verdict, verdict.task in sure[verdict.job])
        self._check_only(view, header)
        self._check_complete(view, epoch)
        self._check_opened(view, epoch)
        self._check_told(view, epoch)
        return view, epoch

    def _check_data(self, view: View, ledger: Ledger, header: Header) -> Epoch:
        """The epoch behind the header: complete here, obeying every rule, and (nearly) what this member would decide."""
        if self._examined and self._examined[0] == header and self._examined[1] is view.state:
            return self._examined[2]
        epoch, faults = ep.load(source(self._content, self._key), header.epoch, header.content)
        if epoch and epoch.sealed:
            self._check_sealed(view, epoch)
        faults = faults or (audit.check(epoch, view.state, self._deployment.domain(), ledger) if epoch else [])
        if epoch is None or faults:
            raise Refused("wrong-epoch", str(faults[0]))
        if ep.header_of(epoch, header.content, ep.roots_of(epoch)) != header:
            raise Refused("wrong-header", "the header does not say what the data says")
        told = self._check_model(view, epoch)
        self._check_judgement(view, epoch, told)
        self._examined = (header, view.state, epoch)
        return epoch

    def _check_sealed(self, view: View, epoch: Epoch) -> None:
        """What this member cannot read it does not sign; another member may tell it the job's key."""
        jobs = ", ".join(map(str, sorted(epoch.sealed)))
        if open_ := [n for n in epoch.sealed if n not in view.state.jobs or not self._keyring.is_dark(n)]:
            raise Refused("wrong-epoch", f"records of job {min(open_)} are sealed, and it is no sealed job")
        raise Refused(draft.SEALED, f"this member has no key of sealed jobs: {jobs}")

    def _check_model(self, view: View, epoch: Epoch) -> list[Opening]:
        """That the card is here, every match that it names is what it says, and what it opens as gold, which is given, is gold."""
        try:
            card = decode(self._content.get(from_digest(Codec.DAG_CBOR, epoch.model)))
        except CrowdproofError as problem:
            raise Refused("no-model", f"the model card cannot be read here: {problem}") from None
        try:
            for one in matches.linked(card):
                matches.check(matches.load(source(self._content), one), view.state)
        except BadInput as problem:
            raise Refused("wrong-match", f"a match that the model card names does not hold: {problem}") from None
        try:
            told = self._books.openings(epoch.model)
            decided = {(verdict.job, verdict.task) for verdict in epoch.verdicts}
            for opening in told:
                self._check_gold(view, opening, decided)
        except BadInput as problem:
            raise Refused("wrong-gold", str(problem)) from None
        return told

    def _check_judgement(self, view: View, epoch: Epoch, told: Sequence[Opening]) -> None:
        """Refuses weights under which more than MAX_PARTED of the tasks get another label than under its own."""
        lists = draft.lists_of(epoch)
        known = self._known(view, lists, told)
        own = draft.judge(view.state, self._books, lists, draft.settled(view.state, self._books, lists), known)
        if lists.keys() - own.keys():
            raise Refused("judgement", "a job cannot be judged here")
        named = self._check_said(view, epoch, own)
        parted = sum(candidates.parts(own[v.job], v, named) for v in epoch.verdicts)
        if parted > MAX_PARTED * len(epoch.verdicts):
            what = f"{parted} of {len(epoch.verdicts)} tasks get another label under this member's own weights"
            raise Refused("judgement", what)

    def _check_said(self, view: View, epoch: Epoch, own: Mapping[int, Judgement]) -> free.Candidates:
        """The candidates of free answers that the card names; every rejection is one that this member would give too."""
        try:
            named = self._books.candidates(epoch.model)
            candidates.check_named(epoch, view.state.jobs, named)
        except BadInput as problem:
            raise Refused("wrong-candidates", str(problem)) from None
        try:
            for verdict in epoch.verdicts:
                candidates.check_reasons(own[verdict.job], verdict, self._reason)
        except CrowdproofError as problem:
            raise Refused("no-reason", str(problem)) from None
        return named

    def _reason(self, digest: bytes) -> bytes:
        return self._content.get(from_digest(Codec.DAG_CBOR, digest))

    def _check_only(self, view: View, header: Header) -> None:
        """No second header for an epoch while the first can be posted; `add_signed` makes sure of it once more."""
        message = digest(self._deployment.domain(), header)
        for signed in self._database.signed(view.now):
            if signed.epoch == header.epoch and signed.digest != message and signed.valid_until >= view.now:
                raise Refused("already-signed", f"another header for epoch {header.epoch} is signed and not expired")

    def _check_complete(self, view: View, epoch: Epoch) -> None:
        """Every answer that this member receipted is listed, or another that its worker signed for the task: two are one
        too many, and neither is owed. With split keys another is listed only as unopened, and none beside those that are held
        when the task was closed here: else a worker could choose after it has read the others'."""
        missing: list[StoredAnswer] = []
        for number, listed in _by_job([(v.job, v.task, c.worker) for v in epoch.verdicts for c in v.cores]).items():
            held = self._database.answered(number, {task for task, _ in listed})
            lacking = held.keys() - set(listed)
            if self._closing.is_split(view, number):
                lacking |= self._closing.changed(view, held, [v for v in epoch.verdicts if v.job == number])
            if lacking:
                missing += [a for a in self._database.answers(number) if (a.task, a.worker) in lacking]
        if missing:
            what = f"{len(missing)} receipted answers are not listed"
            raise Incomplete(what, Evidence(answers=tuple(missing)))

    def _check_opened(self, view: View, epoch: Epoch) -> None:
        """Nothing is called unopened that this member can open."""
        openings = [found for verdict in epoch.verdicts for found in self._openable(view, verdict)]
        if openings:
            what = f"{len(openings)} answers that are called unopened do open"
            raise Incomplete(what, Evidence(openings=tuple(openings)))

    def _check_told(self, view: View, epoch: Epoch) -> None:
        """No task that this member knows to be gold is decided as if nobody did."""
        jobs = {v.job: view.state.jobs[v.job] for v in epoch.verdicts}
        known = {number: self._vault.gold(number, job).openings for number, job in jobs.items()}
        golden = {(v.job, v.task): known[v.job][v.task] for v in epoch.verdicts if v.task in known[v.job]}
        told = {(one.job, one.task) for one in self._books.openings(epoch.model)} if golden else set()
        if missing := [one for place, one in golden.items() if place not in told]:
            what = f"{len(missing)} tasks are not opened as the gold that they are"
            raise Incomplete(what, Evidence(gold=tuple(missing)))

    def _openable(self, view: View, verdict: Verdict) -> list[tuple[int, int, int, bytes, bytes]]:
        job = view.state.jobs[verdict.job]
        found = []
        for core, opening in zip(verdict.cores, verdict.openings, strict=True):
            place = (verdict.job, verdict.task, core.worker)
            if core.status is not Status.UNOPENED or self._closing.is_void(view, place, opening):
                continue
            if not self._opener.is_known(place, opening.commitment, opening.envelope):
                raise Refused(
                    draft.SEALED, "too few members have told their shares of an answer that is called unopened"
                )
            opened = self._opener.open(place, opening.commitment, opening.envelope)
            if opened and draft.is_answer(self._books, job.terms, opened[0]):
                found.append((*place, *opened))
        if found and not self._is_closed(view, verdict):  # who fills a task with answers of its own sees no others
            raise Refused("not-closed", "answers that are called unopened do open, of a task that is not closed here")
        return found

    def _is_closed(self, view: View, verdict: Verdict) -> bool:
        """Past the deadline, or with as many answers here as the verdict lists."""
        if view.now >= view.state.jobs[verdict.job].deadline:
            return True
        return self._database.places(verdict.job, {verdict.task}).get(verdict.task, 0) >= len(verdict.cores)

    # ----------------------------------------------------------------------------------------------------- common

    def view(self) -> View:
        """The chain as this member sees it now. Raises what keeps it from work: no chain, or a database that fails."""
        return self._index.view()

    def _look(self, good_s: float = 0.0) -> tuple[View, Ledger]:
        view = self._index.view(good_s)
        return view, self._books.ledger(view.state)

    def _check_unsigned(self, view: View, tasks: set[tuple[int, int]]) -> None:
        """Nothing new for tasks in headers that this member signed and that can still be posted."""
        for header in self._database.signed(view.now):
            if header.valid_until >= view.now and (both := tasks.intersection(header.tasks)):
                job, task = min(both)
                raise Refused("task-closed", f"task {task} of job {job} is in a header that this member signed")

    def _sign(self, message: Assignment | Receipt | Header) -> bytes:
        return self._signer.sign(digest(self._deployment.domain(), message))


def _by_job(places: Sequence[Place]) -> dict[int, list[Pair]]:
    found: dict[int, list[Pair]] = defaultdict(list)
    for job, task, worker in places:
        found[job].append((task, worker))
    return found
