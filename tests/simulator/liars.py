"""Members that do not keep to the protocol, one class of behaviour each, and the epochs that liars make up.

A liar owns a real member with its key, store and database, and can do with them what it likes; what it cannot do is sign for
others or find a preimage.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from oracle.ports import Evidence, Incomplete, Proposal, StoredAnswer
from oracle.protocol import epoch as ep
from oracle.protocol.cids import Cid, Codec, from_digest
from oracle.protocol.epoch import Epoch
from oracle.protocol.errors import ContentMissing, Refused, Retryable
from oracle.protocol.messages import Header
from oracle.services import draft
from oracle.services.books import source
from oracle.services.index import View
from tests.simulator.node import Node
from tests.support.epochs import put

if TYPE_CHECKING:
    from tests.simulator.world import World

# --------------------------------------------------------------------------------------------------------- false epochs


def relabelled(epoch: Epoch) -> Epoch:
    verdict = epoch.verdicts[0]
    return replace(epoch, verdicts=put(epoch.verdicts, 0, replace(verdict, label=(verdict.label + 1) % 3)))


def repaid(epoch: Epoch) -> Epoch:
    last = epoch.verdicts[-1]
    return replace(epoch, verdicts=put(epoch.verdicts, len(epoch.verdicts) - 1, replace(last, pay=last.pay + 1)))


def richer(epoch: Epoch) -> Epoch:
    more = epoch.balances[1].cumulative + 1_000
    return replace(
        epoch, total=epoch.total + 1_000, balances=put(epoch.balances, 1, replace(epoch.balances[1], cumulative=more))
    )


def reweighted(epoch: Epoch) -> Epoch:
    if not epoch.weights:
        return richer(epoch)
    row = epoch.weights[0]
    return replace(epoch, weights=put(epoch.weights, 0, replace(row, row=tuple(w * 9 for w in row.row))))


def resigned(epoch: Epoch) -> Epoch:
    """An answer that nobody signed."""
    verdict = epoch.verdicts[0]
    openings = put(verdict.openings, 0, replace(verdict.openings[0], signature=bytes(64) + b"\x1b"))
    return replace(epoch, verdicts=put(epoch.verdicts, 0, replace(verdict, openings=openings)))


def unassigned(epoch: Epoch) -> Epoch:
    return replace(epoch, assignments=epoch.assignments[1:])


FALSE: tuple[Callable[[Epoch], Epoch], ...] = (relabelled, repaid, richer, reweighted, resigned, unassigned)


def dropped(answers: draft.Answers, rng: Any) -> draft.Answers:
    """One answer of one task left out, whoever receipted it."""
    job = rng.choice(sorted(answers))
    task = rng.choice(sorted(answers[job]))
    listed = answers[job][task]
    fewer = [a for a in listed if a is not listed[rng.randrange(len(listed))]]
    return {**answers, job: {**answers[job], task: fewer}} if fewer else answers


def fewer_tasks(answers: draft.Answers, rng: Any) -> draft.Answers:
    """Only one job: an epoch that is as correct as the whole one, and another."""
    job = rng.choice(sorted(answers))
    return {job: answers[job]}


# ----------------------------------------------------------------------------------------------------------- behaviours


class Liar(Node):
    """Answers as an honest member would; each kind changes something. `sly` ones join the plot against the epochs."""

    sly = True

    def __init__(self, world: "World", position: int) -> None:
        super().__init__(world, position)
        self.rng = world.rng

    def sign(self, message: bytes) -> bytes:
        return self.signer.sign(message)

    def _approve(self, header: Header) -> bytes:
        return self.sign(self.world.digest(header))

    def _review(self, header: Header) -> None:
        return None

    def invent(self, choose: Callable[[draft.Answers, Any], draft.Answers] | None = None) -> Proposal | None:
        """A fresh epoch over what is ready here, whatever was signed before."""
        assert self.member
        view, ledger = self.member._look()
        if view.state.pending():
            return None
        window = self.world.cast.deployment.window
        answers = draft.ready(view, ledger, self.member._books, self.database, window)  # type: ignore[arg-type]
        if not answers:
            return None
        return self.member._draft(view, ledger, choose(answers, self.rng) if choose else answers, Evidence())

    def vary(self, proposal: Proposal, change: Callable[[Epoch], Epoch]) -> Proposal:
        """The proposal with its epoch changed, packed and stored."""
        header = proposal.header
        epoch, _ = ep.load(source(self.content), header.epoch, header.content)
        assert epoch
        view: View = self.index.view()
        changed = change(epoch)
        packed = ep.pack(changed, {number: job.terms.manifest for number, job in view.state.jobs.items()})
        self.content.put_many(packed.blocks)
        return Proposal(packed.header, changed.debits)


class Silent(Liar):
    sly = False

    def serve(self, what: str, *arguments: Any) -> Any:
        raise Retryable("no answer")


class Slow(Liar):
    """Does everything, and answers too late."""

    sly = False

    def _approve(self, header: Header) -> bytes:
        return self._member().approve(header)

    def _review(self, header: Header) -> None:
        self._member().review(header)

    def serve(self, what: str, *arguments: Any) -> Any:
        if self.rng.random() < 0.7:
            self.world.stale.append((self.position, what, *arguments))
            raise Retryable("no answer in time")
        return super().serve(what, *arguments)


class Partitioned(Slow):
    """Honest, and most of the time out of reach."""

    def serve(self, what: str, *arguments: Any) -> Any:
        if self.world.steps // 20 % 3:
            raise Retryable("no route")
        return Node.serve(self, what, *arguments)


class Equivocator(Liar):
    """Signs whatever is asked, and proposes another header each time."""

    def _propose(self, evidence: Evidence) -> Proposal | None:
        proposal = self.invent()
        earlier = self.rng.randrange(1, 60)
        return proposal and self.vary(proposal, lambda e: replace(e, valid_until=e.valid_until - earlier))


class Junk(Liar):
    """Signs garbage, something else, or with another's signature."""

    def _approve(self, header: Header) -> bytes:
        other = self.rng.choice(self.world.signatures) if self.world.signatures else bytes(65)
        return bytes(
            self.rng.choice([b"", bytes(65), b"\xff" * 65, other, self.signer.sign(bytes(32))]),
        )

    def _accept(self, answers: tuple[StoredAnswer, ...]) -> bytes:
        return self.signer.sign(bytes(32))


class Forger(Liar):
    """Proposes epochs that break a rule: a wrong verdict, pay, row or signature, an answer left out or called unopened."""

    def _propose(self, evidence: Evidence) -> Proposal | None:
        assert self.member
        kind = self.rng.randrange(len(FALSE) + 2)
        if kind == len(FALSE):
            return self.invent(dropped)
        if kind > len(FALSE):
            return self._blind()
        proposal = self.invent()
        return proposal and self.vary(proposal, FALSE[kind])

    def _blind(self) -> Proposal | None:
        """No answer opens."""
        member: Any = self.member
        member._opener.open = lambda *_: None
        try:
            return self.invent()
        finally:
            del member._opener.open


class Wavering(Liar):
    """Says yes to a review and no to the signature, or the other way round, with reasons of its own."""

    def _review(self, header: Header) -> None:
        if self.rng.random() < 0.5:
            raise Refused(self.rng.choice(["wrong-epoch", "no-such-code"]), "I do not feel like it")

    def _approve(self, header: Header) -> bytes:
        if self.rng.random() < 0.7:
            raise Retryable("ask me later")
        return super()._approve(header)


class Hider(Liar):
    """Proposes, and keeps the blocks, or some of them, to itself."""

    def _blocks(self, root: Cid) -> frozenset[Cid]:
        if self.rng.random() < 0.4:
            raise ContentMissing("gone")
        blocks = sorted(super()._blocks(root) - {root})
        return frozenset(self.rng.sample(blocks, len(blocks) // 2)) | {root}


class Flooder(Liar):
    """Evidence without end, none of it sound."""

    def _review(self, header: Header) -> None:
        known = [a for job in sorted(self.database.stored) for a in self.database.answers(job)]
        wrong: list[dict[str, Any]] = [{name: self.rng.randrange(99)} for name in ("worker", "task", "expiry")]
        junk = [replace(a, **self.rng.choice(wrong)) for a in known]
        openings = [(a.job, a.task, a.worker, b"\x01", self.rng.randbytes(32)) for a in known]
        raise Incomplete("and these", Evidence(tuple(junk), tuple(openings)))

    def _propose(self, evidence: Evidence) -> Proposal | None:
        return None


KINDS: dict[str, type[Liar]] = {
    "silent": Silent,
    "slow": Slow,
    "partitioned": Partitioned,
    "equivocator": Equivocator,
    "junk": Junk,
    "forger": Forger,
    "wavering": Wavering,
    "hider": Hider,
    "flooder": Flooder,
}


def content_of(header: Header) -> Cid:
    return from_digest(Codec.DAG_CBOR, header.content)
