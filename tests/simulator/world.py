"""One simulated run: a committee with liars, settlers, workers, a chain and a network, driven by one seed.

seed -> Outcome. Members, rules, drafts, audits and the settler's `agree` are the product's own code; time, network, scheduler and
storage are not. Nothing waits: between any two messages the scheduler may let other things happen, and each message and each
event is a step. The invariants are looked at when they could first be broken:

- no two headers for one epoch on one head can both get a quorum while both can be posted; none are final twice;
- an honest member signs only for the head and the time that the chain has;
- what is posted obeys the protocol's audit, lies with honest members, and lists what a quorum receipted;
- once faults stop, what a quorum receipted is posted within `PATIENCE` ticks.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from hashlib import blake2b
from random import Random
from types import SimpleNamespace
from typing import Any

from oracle.ports import Evidence, Holding, Incomplete, OfferedAssignment, Peer, Proposal, Shares, StoredAnswer
from oracle.protocol import audit
from oracle.protocol import epoch as ep
from oracle.protocol import events as ev
from oracle.protocol.cids import Cid
from oracle.protocol.errors import CrowdproofError, Retryable
from oracle.protocol.heads import Debit
from oracle.protocol.keys import address_of
from oracle.protocol.leaves import Status
from oracle.protocol.messages import Header, digest
from oracle.protocol.state import EpochStatus
from oracle.services import settle
from oracle.services.books import Books, source
from oracle.services.panel import Replies
from oracle.services.settle import Settler
from tests.simulator import memo
from tests.simulator.cast import JOBS, LIFE, WINDOW, WORKERS, Cast
from tests.simulator.chain import DEPTH, SimChain
from tests.simulator.durable import Blocks, Store
from tests.simulator.liars import KINDS, Liar, content_of, fewer_tasks
from tests.simulator.node import Node
from tests.support.epochs import person
from tests.support.market import REQUESTER

PATIENCE = 40  # ticks until what is owed must be posted, once faults have stopped
Place = tuple[int, int, int]  # job, task, worker


class Stop(BaseException):
    """The steps are used up."""


class Quit(BaseException):
    """The settler's process ends."""


class Violation(Exception):
    """An invariant is broken: the run is over."""

    def __init__(self, what: str, *details: Any) -> None:
        super().__init__(what)
        self.what, self.details = what, details


@dataclass
class Outcome:
    """What a run did. `trace` is a hash over every step; `broken` names the invariant, `details` are its evidence."""

    seed: int
    steps: int = 0
    ticks: int = 0
    trace: str = ""
    broken: str = ""
    details: tuple[Any, ...] = ()
    did: Counter[str] = field(default_factory=Counter)
    liars: Counter[str] = field(default_factory=Counter)


@dataclass
class Wish:
    """A worker's place: what it was offered, what it says, and which members receipted which of its answers."""

    label: int
    false_label: int | None  # a worker that tells some members something else
    closed_to: frozenset[int]
    offer: OfferedAssignment | None = None
    takers: dict[int, set[int]] = field(default_factory=dict)  # label -> positions


@dataclass
class Certificate:
    """A header with the honest members that signed it."""

    header: Header
    signers: dict[int, bytes] = field(default_factory=dict)


@dataclass
class Plot:
    """Two headers of the sly liars for one epoch, and which honest member is shown which."""

    previous: bytes
    proposals: tuple[Proposal, Proposal]
    sides: list[tuple[int, int]]  # (position, which), still to be asked
    found: tuple[dict[int, bytes], dict[int, bytes]] = field(default_factory=lambda: ({}, {}))


@dataclass(frozen=True)
class SimPeer:
    """The port Peer over the simulated network."""

    world: "World"
    position: int

    def assign(self, pairs: Sequence[Place]) -> list[OfferedAssignment]:
        return self.world.ask(self.position, "assign", pairs)  # type: ignore[no-any-return]

    def accept(self, answers: Sequence[StoredAnswer]) -> bytes:
        return self.world.ask(self.position, "accept", answers)  # type: ignore[no-any-return]

    def propose(self, evidence: Evidence) -> Proposal | None:
        return self.world.ask(self.position, "propose", evidence)  # type: ignore[no-any-return]

    def review(self, header: Header) -> None:
        self.world.ask(self.position, "review", header)

    def approve(self, header: Header) -> bytes:
        return self.world.ask(self.position, "approve", header)  # type: ignore[no-any-return]

    def attest(self, shown: Sequence[StoredAnswer]) -> Holding | None:
        return self.world.ask(self.position, "attest", shown)  # type: ignore[no-any-return]

    def tell(self, shown: Sequence[StoredAnswer], holdings: Sequence[Holding]) -> Shares | None:
        return self.world.ask(self.position, "tell", shown, holdings)  # type: ignore[no-any-return]

    def learn(self, told: Sequence[Shares]) -> None:
        self.world.ask(self.position, "learn", told)

    def blocks(self, root: Cid) -> Any:
        return self.world.ask(self.position, "blocks", root)

    def store(self, car: Any) -> None:
        self.world.ask(self.position, "store", car)


class SimPanel:
    """The members asked in an order of chance; asking ends, or goes on for a grace, when there are enough."""

    def __init__(self, peers: Sequence[Any]) -> None:
        self.peers, self.world = list(peers), peers[0].world

    def ask(self, question: Callable[[Peer], tuple[Any, Any]], enough: int, grace: float, patience: float) -> Any:
        replies: Replies[Any, Any] = Replies()
        for peer in self.world.rng.sample(self.peers, len(self.peers)):
            if len(replies.found) >= enough and self.world.rng.random() < 0.6:
                break
            try:
                who, answer = question(peer)
            except CrowdproofError as problem:
                replies.problems.append(problem)
            else:
                replies.found[who] = answer
        return replies


class World:
    """Holds a run. `calm` once faults have stopped; `deep` counts the messages that are under way inside one another."""

    def __init__(self, cast: Cast, seed: int, liars: Sequence[str], steps: int) -> None:
        self.cast, self.limit, self.rng = cast, steps, Random(f"{cast.size}/{seed}")
        self.outcome, self.hash = Outcome(seed), blake2b(digest_size=16)
        self.chain, self.blocks = SimChain(cast.deployment), Blocks()
        self.steps, self.calm, self.deep = 0, False, 0
        self.stale: list[tuple[Any, ...]] = []  # position, what, arguments
        self.signatures: list[bytes] = []
        self.mempool: list[Any] = []
        self.headers: dict[bytes, Header] = {}
        self.certificates: dict[bytes, Certificate] = {}
        self.finals: dict[int, bytes] = {}
        self.cut: frozenset[int] = frozenset()
        self.wishes: dict[Place, Wish] = {}
        self.plot: Plot | None = None
        self.withheld: set[int] = set()
        kinds = dict(zip(self.rng.sample(range(cast.size), len(liars)), liars, strict=True))
        self.outcome.liars.update(kinds.values())
        self.nodes = [KINDS[kinds[i]](self, i) if i in kinds else Node(self, i) for i in range(cast.size)]
        self.liars = [node for node in self.nodes if isinstance(node, Liar)]
        self.honest = [node for node in self.nodes if not isinstance(node, Liar)]
        self.sly = [node for node in self.liars if node.sly]
        self.settlers = [self._settler() for _ in range(2)]
        self.archive = Store(self.blocks, self.blocks.data.keys())  # type: ignore[arg-type]
        self.books = Books(self.archive)
        for store in (*(node.content for node in self.nodes), *(s.content for s in self.settlers)):
            store.put_many(cast.blocks)
        self._begin()

    def _settler(self) -> Settler:
        content = Store(self.blocks)
        peers = tuple(SimPeer(self, i) for i in range(self.cast.size))

        def put(car: Any) -> None:
            content.held |= car

        nothing: Any = SimpleNamespace(matches=list)
        resources: Any = (self.chain, self.chain.market, content, nothing, None, peers, Books(content), put)
        return Settler(self.cast.deployment, *resources)

    def _begin(self) -> None:
        wallets = [address_of(person(name)) for name in ("treasury", *(f"worker {i + 1}" for i in range(WORKERS)))]
        events: list[ev.Event] = []
        for number, wallet in enumerate(wallets):
            events += [ev.WorkerRegistered(number, wallet), ev.KeyAdded(number, 0, wallet)]
        self.chain.mine(12, events=events)
        self.open_job()
        self.open_job()
        for _ in range(DEPTH):
            self.chain.mine(12)

    # ------------------------------------------------------------------------------------------------------- the network

    def ask(self, position: int, what: str, *arguments: Any) -> Any:
        """A request as a settler makes it: it may be lost, late, doubled, or its answer lost."""
        self.step()
        if self.calm:
            return self.serve(position, what, *arguments)
        fate = self.rng.random()
        if position in self.cut or fate < 0.02:
            raise Retryable("no answer")
        if fate < 0.05:
            self.stale.append((position, what, *arguments))
            raise Retryable("no answer in time")
        if fate < 0.08:
            self.quietly(position, what, *arguments)
        found = self.serve(position, what, *arguments)
        if fate > 0.97:
            raise Retryable("the answer was lost")
        return found

    def serve(self, position: int, what: str, *arguments: Any) -> Any:
        """A request that arrives."""
        self.note(what, position)
        try:
            found = self.nodes[position].serve(what, *arguments)
        except CrowdproofError as problem:
            self.note(type(problem).__name__, getattr(problem, "code", ""))
            raise
        if what == "approve":
            self.signed(position, arguments[0], found)
        return found

    def quietly(self, position: int, what: str, *arguments: Any) -> Any:
        try:
            return self.serve(position, what, *arguments)
        except CrowdproofError:
            return None

    def step(self) -> None:
        self.steps += 1
        if self.calm:
            return
        if self.steps >= self.limit:
            raise Stop
        if self.deep < 2 and self.rng.random() < 0.2:
            self.deep += 1
            try:
                self._happen(_BETWEEN, _BETWEEN_WEIGHTS)
            finally:
                self.deep -= 1
            if self.rng.random() < 0.01:
                raise Quit

    def note(self, *words: Any) -> None:
        self.hash.update(repr(words).encode())

    # --------------------------------------------------------------------------------------------------------- the whole

    def run(self, fair: bool = True) -> Outcome:
        """So many steps with faults, then, if `fair`, without until nothing is owed."""
        try:
            with suppress(Stop):
                while True:
                    with suppress(Quit):
                        self._happen(_EVENTS, _WEIGHTS)
                        self.step()
            if fair:
                self.outcome.ticks = self.recover()
            self.check_receipts()
        except Violation as violation:
            self.outcome.broken, self.outcome.details = violation.what, violation.details
        self.outcome.steps = min(self.steps, self.limit)
        posts = self.chain.state.posts.values()
        self.outcome.did.update(f"{post.status.value} epochs" for post in posts)
        self.note(self.chain.state.head)
        self.outcome.trace = self.hash.hexdigest()
        return self.outcome

    def _happen(self, events: Sequence[str], weights: Sequence[float]) -> None:
        event = self.rng.choices(events, cum_weights=weights)[0]
        self.note(event)
        getattr(self, event)()

    def count(self, what: str) -> None:
        self.outcome.did[what] += 1

    # -------------------------------------------------------------------------------------------------- events: settlers

    def settle(self) -> None:
        """One settler asks for the next epoch and posts it, or fails."""
        settler = self.rng.choice(self.settlers)
        state = self.chain.mined[self.chain.finalised].view.state
        if state.pending():
            return
        try:
            proposal, signatures = settle.agree(settler, state)
        except CrowdproofError as problem:
            self.note(type(problem).__name__)
            self.count("rounds without a quorum")
        else:
            if proposal:
                self.count("rounds with a quorum")
                self.submit(proposal.header, proposal.debits, signatures)

    def submit(self, header: Header, debits: Sequence[Debit], signatures: Sequence[bytes]) -> None:
        self.headers[self.digest(header)] = header
        post = self.chain.transaction(self.chain.market.post_epoch(header, debits, signatures).data)
        if post not in self.mempool:
            self.mempool.append(post)

    def digest(self, header: Header) -> bytes:
        return digest(self.cast.deployment.domain(), header)

    def late(self) -> None:
        """A message arrives that its sender has given up; nobody hears the answer."""
        if self.stale:
            self.quietly(*self.stale.pop(self.rng.randrange(len(self.stale))))

    # --------------------------------------------------------------------------------------------------- events: workers

    def give(self) -> None:
        """A worker sends its answers to a job to most members; what it has no assignment for it asks one member."""
        jobs = self.chain.mined[self.chain.finalised].view.state.jobs
        number = self.rng.choice(sorted(jobs))
        terms = jobs[number].terms
        worker = self.rng.randint(1, terms.answers)
        tasks = [t for t in range(terms.tasks) if self.rng.random() < 0.9]
        places = [(number, task, worker) for task in tasks]
        for place in places:
            self.wishes.setdefault(place, self._wish(place))
        fresh = [place for place in places if not self.wishes[place].offer]
        for offer in (fresh and self.reach(self.rng.randrange(self.cast.size), "assign", fresh)) or ():
            self.wishes[offer.job, offer.task, offer.worker].offer = offer
        for position in range(self.cast.size):
            self._give(position, [place for place in places if self.wishes[place].offer])

    def _wish(self, place: Place) -> Wish:
        usual = (place[0] + place[1]) % 3
        label = usual if self.rng.random() < 0.8 else self.rng.randrange(3)
        false_label = (label + 1) % 3 if self.rng.random() < 0.05 else None
        few = self.rng.sample(range(self.cast.size), self.rng.randint(1, self.cast.size))
        return Wish(label, false_label, frozenset(few if self.rng.random() < 0.1 else ()))

    def _give(self, position: int, places: Sequence[Place]) -> None:
        sent = {place: self._says(self.wishes[place]) for place in places}
        sent = {place: label for place, label in sent.items() if position not in self._takers(place)}
        if not sent or (not self.calm and self.rng.random() < 0.1):
            return
        batch = tuple(self._answer(place, label) for place, label in sent.items())
        if self.reach(position, "accept", batch):
            for place, label in sent.items():
                self.wishes[place].takers.setdefault(label, set()).add(position)

    def _says(self, wish: Wish) -> int:
        return wish.label if wish.false_label is None or self.rng.random() < 0.5 else wish.false_label

    def _takers(self, place: Place) -> set[int]:
        return set[int]().union(*self.wishes[place].takers.values())

    def _answer(self, place: Place, label: int) -> StoredAnswer:
        wish = self.wishes[place]
        assert wish.offer
        return self.cast.answer(wish.offer, label, wish.closed_to)

    def reach(self, position: int, what: str, *arguments: Any) -> Any:
        """A request of somebody who does not mind when it fails."""
        return None if position in self.cut else self.quietly(position, what, *arguments)

    # ---------------------------------------------------------------------------------------------------- events: chain

    def open_job(self) -> None:
        number = len(self.chain.state.jobs) + 1
        if number <= len(JOBS):
            terms = self.cast.terms[number - 1]
            deadline = self.chain.now + LIFE
            self.chain.mine(12, events=[ev.JobOpened(number, REQUESTER, terms.hash(), terms, deadline, terms.escrow())])

    def close_job(self) -> None:
        number = self.rng.choice(sorted(self.chain.state.jobs))
        if self.chain.state.jobs[number].deadline > self.chain.now + 12:
            self.chain.mine(12, events=[ev.JobClosed(number, self.chain.now + 12)])

    def mine(self) -> None:
        self._mine(self.rng.choice((12, 12, 12, 60, 300)))

    def jump(self) -> None:
        """The chain stands still, and goes on much later."""
        self._mine(self.rng.choice((900, 1_800, 3_601, 5_000)))

    def _mine(self, seconds: int) -> None:
        tried = [t for t in self.mempool if self.calm or self.rng.random() < 0.8]
        pending = self.chain.state.pending()
        if (
            pending
            and self.chain.now + seconds >= pending.posted_at + WINDOW
            and (self.calm or self.rng.random() < 0.7)
        ):
            call = self.chain.market.finalise_epoch(self.headers[pending.digest], pending.signers)
            tried.insert(0, self.chain.transaction(call.data))
        self.mempool = [t for t in self.mempool if t not in tried]
        before = self.chain.state
        self.chain.mine(seconds, tried)
        if self.chain.state.last_epoch > before.last_epoch:
            self.check_post(self.chain.state.posts[self.chain.state.last_epoch], before)
        self.check_final()

    def reorganise(self) -> None:
        """The newest blocks are replaced by one more, without what stood in them; transactions return to the mempool."""
        depth = self.rng.randint(1, DEPTH)
        self.mempool += [t for t in self.chain.reorganise(depth) if t not in self.mempool]
        self.count("reorganisations")
        for _ in range(depth + 1):
            self._mine(12)

    def strike(self) -> None:
        if self.chain.state.pending() and self.rng.random() < 0.3:
            self.chain.strike(12)

    # --------------------------------------------------------------------------------------------------- events: faults

    def crash(self) -> None:
        """An honest member's process ends now, or in the midst of its next write."""
        node = self.rng.choice(self.honest)
        moment = self.rng.choice(("", "before", "after"))
        if moment:
            node.database.fail = moment
        else:
            node.member = None

    def restart(self) -> None:
        for node in self.honest:
            if node.member is None and self.rng.random() < 0.7:
                node.restart()
                self.count("restarts")

    def part(self) -> None:
        """The network parts: the settlers and workers reach only some members."""
        self.cut = frozenset(self.rng.sample(range(self.cast.size), self.rng.randrange(self.cast.size)))
        self.count("partitions")

    def heal(self) -> None:
        self.cut = frozenset()

    def lag(self) -> None:
        self.rng.choice(self.nodes).index.lag = self.rng.choice((0, 0, 1, 2, 5, 9))

    # --------------------------------------------------------------------------------------------------- events: liars

    def conspire(self) -> None:
        """The sly liars go round with two headers for one epoch, and post whichever gets a quorum."""
        if not self.sly:
            return
        leader = self.rng.choice(self.sly)
        head = leader.index.view().state.head
        try:
            if self.plot is None or self.plot.previous != head or self.rng.random() < 0.02:
                self.plot = self._scheme(leader, head)
            for _ in range(1 + self.cast.size // 6):
                if self.plot and self.plot.sides:
                    self._persuade(leader, self.plot)
        except CrowdproofError as problem:
            self.note(type(problem).__name__)

    def _scheme(self, leader: Liar, head: bytes) -> Plot | None:
        one = leader.invent()
        if one is None:
            return None
        kind = self.rng.random()
        if kind < 0.6:
            earlier = self.rng.choice((1, 30, 600))
            two = leader.vary(one, lambda e: replace(e, valid_until=e.valid_until - earlier))
        else:
            two = leader.invent(fewer_tasks) or one
        for node in self.sly:
            for proposal in (one, two):
                node.content.held |= leader.content.below(content_of(proposal.header))
        self.count("plots")
        order = self.rng.sample([node.position for node in self.honest], len(self.honest))
        return Plot(head, (one, two), [(position, i % 2) for i, position in enumerate(order)])

    def _persuade(self, leader: Liar, plot: Plot) -> None:
        position, side = plot.sides.pop(self.rng.randrange(len(plot.sides)))
        proposal = plot.proposals[side]
        if position in self.cut:
            return
        try:
            self.serve(position, "store", leader.content.below(content_of(proposal.header)))
            signature = self.serve(position, "approve", proposal.header)
        except Incomplete as lacking:
            leader.serve("propose", lacking.evidence)
            self.plot = None
            return
        plot.found[side][position] = signature
        message = self.digest(proposal.header)
        found = plot.found[side] | {node.position: node.sign(message) for node in self.sly}
        if len(found) >= self.cast.quorum:
            self.count("quorums of liars' headers")
            chosen = sorted(found)[: self.cast.quorum]
            self.submit(proposal.header, proposal.debits, [found[position] for position in chosen])

    # ------------------------------------------------------------------------------------------------------- invariants

    def signed(self, position: int, header: Header, signature: bytes) -> None:
        """Looks at every signature that leaves an honest member."""
        node = self.nodes[position]
        if isinstance(node, Liar):
            return
        self.signatures = [*self.signatures[-20:], signature]
        view, message = node.index.view(), self.digest(header)
        if header.previous != view.state.head or header.valid_until < view.now:
            raise Violation("signed for another head or time", position, header)
        certificate = self.certificates.setdefault(message, Certificate(header))
        certificate.signers[position] = signature
        if self._can_be_posted(certificate):
            for other in self.certificates.values():
                same = (other.header.epoch, other.header.previous) == (header.epoch, header.previous)
                if other is not certificate and same and self._can_be_posted(other):
                    raise Violation("two headers", certificate, other)

    def _can_be_posted(self, certificate: Certificate) -> bool:
        """With the liars' signatures it has a quorum, and no final block is behind its expiry."""
        now = self.chain.mined[self.chain.finalised].block.timestamp
        enough = len(certificate.signers) + len(self.liars) >= self.cast.quorum
        return enough and certificate.header.valid_until >= now

    def check_post(self, post: Any, before: Any) -> None:
        self.count("posts")
        header, deployment = self.headers[post.digest], self.cast.deployment
        epoch, faults = ep.load(source(self.archive), post.epoch, post.content)
        if epoch is None:
            raise Violation("data that nobody has", faults)
        faults = audit.check(epoch, before, deployment.domain(), self.books.ledger(before))
        if faults or ep.header_of(epoch, post.content, ep.roots_of(epoch)) != header:
            raise Violation("a false epoch", faults, epoch, header)
        holders = sum(node.content.holds(content_of(header)) for node in self.honest)
        if holders < self.cast.quorum - len(self.liars):
            raise Violation("withheld data", holders)
        self.check_listed(epoch)

    def check_listed(self, epoch: Any) -> None:
        """What a quorum receipted is listed; what all members can open is counted as its worker said."""
        for verdict in epoch.verdicts:
            listed = {core.worker: core for core in verdict.cores}
            for worker in range(1, WORKERS + 1):
                wish = self.wishes.get((verdict.job, verdict.task, worker))
                if wish is None or max(map(len, wish.takers.values()), default=0) < self.cast.quorum:
                    continue
                core = listed.get(worker)
                if core is None:
                    raise Violation("a dropped answer", verdict.job, verdict.task, worker)
                sincere = wish.false_label is None and not wish.closed_to
                if sincere and (core.status, core.label) != (Status.COUNTED, wish.label):
                    raise Violation("an answer that was not counted", verdict.job, verdict.task, worker)

    def check_receipts(self) -> None:
        """Also receipts that came after the post."""
        for post in self.chain.state.unstruck():
            self.check_listed(self.books.epoch(post.epoch, post.content))

    def check_final(self) -> None:
        """No epoch is final twice; of a struck one the data may vanish once that is final."""
        for post in self.chain.mined[self.chain.finalised].view.state.posts.values():
            if post.status is EpochStatus.FINAL and self.finals.setdefault(post.epoch, post.digest) != post.digest:
                raise Violation("two final headers", post.epoch)
            if post.status is EpochStatus.STRUCK and post.epoch not in self.withheld:
                self.withheld.add(post.epoch)
                self._withhold(content_of(self.headers[post.digest]))

    def _withhold(self, root: Cid) -> None:
        if self.rng.random() < 0.5:
            self.count("struck epochs withheld")
            for node in self.nodes:
                node.content.held.discard(root)

    # ---------------------------------------------------------------------------------------------------------- liveness

    def recover(self) -> int:
        """Faults stop, liars go on lying when they are asked: ticks until all that is owed is posted and final."""
        self.calm, self.cut, self.plot = True, frozenset(), None
        for node in self.nodes:
            node.index.lag = 0
            if not isinstance(node, Liar):
                node.restart()
        pause = 300  # and longer when a round fails: the headers that were signed for others must expire
        for tick in range(PATIENCE):
            self._advance(DEPTH + 1 + tick % 3, 12)  # so that another member proposes first, in committees of any size
            for node in self.honest:
                for place, wish in self.wishes.items():
                    if wish.offer and node.position not in self._takers(place):
                        self._give(node.position, [place])
            if not self.owed() and not self.chain.state.pending():
                return tick
            posted = len(self.mempool)
            self.settle()
            pause = 300 if len(self.mempool) > posted or not self.owed() else 2_400
            self._advance(1, 12)
            self._advance(1, pause)
        raise Violation("no progress", sorted(self.owed()))

    def _advance(self, blocks: int, seconds: int) -> None:
        for _ in range(blocks):
            self._mine(seconds)

    def owed(self) -> list[tuple[int, int]]:
        """Tasks of open jobs with all their answers receipted by a quorum, and no verdict."""
        state = self.chain.state
        decided = self.books.ledger(state).decided
        found = []
        for number, job in state.jobs.items():
            for task in range(job.terms.tasks):
                wishes = [self.wishes.get((number, task, worker)) for worker in range(1, job.terms.answers + 1)]
                full = all(w and max(map(len, w.takers.values()), default=0) >= self.cast.quorum for w in wishes)
                if full and job.deadline > self.chain.now and (number, task) not in decided:
                    found.append((number, task))
        return found


def _cumulated(weights: dict[str, float]) -> tuple[list[str], list[float]]:
    total, sums = 0.0, []
    for weight in weights.values():
        total += weight
        sums.append(total)
    return list(weights), sums


_OFTEN = {"give": 5.0, "mine": 5.0, "conspire": 3.0, "late": 1.0, "restart": 2.0, "heal": 2.0}
_SELDOM = {"open_job": 0.4, "close_job": 0.15, "jump": 0.5, "reorganise": 0.5, "strike": 0.5}
_FAULTS = {"crash": 0.4, "part": 0.3, "lag": 0.4}
_EVENTS, _WEIGHTS = _cumulated({"settle": 7.0} | _OFTEN | _SELDOM | _FAULTS)
_BETWEEN, _BETWEEN_WEIGHTS = _cumulated({"settle": 0.3} | _OFTEN | {k: w / 3 for k, w in (_SELDOM | _FAULTS).items()})


def simulate(cast: Cast, seed: int, steps: int = 200, liars: Sequence[str] | None = None, fair: bool = True) -> Outcome:
    """One run. `liars`: the kind of each; by default as many as the committee bears, of kinds that the seed draws."""
    if liars is None:
        drawn = Random(f"liars/{cast.size}/{seed}")
        liars = [drawn.choice(sorted(KINDS)) for _ in range(cast.faults)]
    with memo.installed(), patched(settle, "Panel", SimPanel):
        return World(cast, seed, liars, steps).run(fair)


@contextmanager
def patched(where: Any, name: str, value: Any) -> Iterator[None]:
    kept = getattr(where, name)
    setattr(where, name, value)
    try:
        yield
    finally:
        setattr(where, name, kept)
