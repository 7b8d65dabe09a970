"""A game whose moves are chosen, not drawn: every transaction still runs on the contracts and on their model."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import astuple

from tests.model import hashes
from tests.model.hashes import Balance, Header, Key, Terms
from tests.model.play import Act, Game, Move
from tests.model.rules import Signed, with_fee


class Scene(Game):
    """Requesters have allowed the Market everything; each member has two units at stake."""

    def __init__(self) -> None:
        super().__init__(seed=1)

    # ------------------------------------------------------------------------------------------------------------- moves

    def opening(self, requester: int = 0, reward: int = 1000, tasks: int = 10, fee_bps: int = 0, days: int = 1) -> Move:
        sender, deadline = self.requesters[requester].address, self.rules.state.now + days * 86_400
        terms = Terms(2, tasks, 1, reward, 0, fee_bps, 2**16, 0, bytes(32), bytes(32), 0)
        act: Act = lambda rules: rules.open_job(sender, terms, deadline)  # noqa: E731
        return Move(sender, self.market, "openJob", (astuple(terms), deadline), act)

    def header(self, pays: dict[int, int], earned: Sequence[int]) -> tuple[Header, bytes, tuple[Balance, ...]]:
        """An epoch that debits these jobs, after which each worker has earned that much in all."""
        s = self.rules.state
        debits = b"".join(job.to_bytes(4) + pay.to_bytes(8) + bytes(4) for job, pay in pays.items())
        wallets = [
            self.wallets[i].address if i < len(self.wallets) else Key.of(f"more {i}").address
            for i in range(len(earned))
        ]
        tree = tuple(Balance(i, wallets[i], amount, bytes(32)) for i, amount in enumerate(earned))
        reserved = sum(with_fee(pay, s.jobs[job].fee_bps) for job, pay in pays.items() if job in s.jobs)
        root = hashes.root([hashes.leaf(balance) for balance in tree])
        empty = hashes.EMPTY
        header = Header(
            s.last_epoch + 1, s.head, s.now + 10**6, self.rules.configuration(), root, len(tree), empty, 0, empty, 0, empty, 0,
            hashes.keccak(debits), s.final_total + reserved, empty, empty,
        )  # fmt: skip
        return header, debits, tree

    def signatures(self, digest: bytes, count: int | None = None) -> bytes:
        s = self.rules.state
        return b"".join(self.by_address[who].sign(digest) for who in s.members[: s.quorum if count is None else count])

    def posting(self, pays: dict[int, int], earned: Sequence[int]) -> Move:
        header, debits, tree = self.header(pays, earned)
        signatures = self.signatures(self.rules.digest(header))
        signed = Signed(tuple(self.rules.state.members[: self.rules.state.quorum]))
        act: Act = lambda rules: rules.post_epoch(header, debits, signed, tree)  # noqa: E731
        return Move(self.stranger.address, self.market, "postEpoch", (astuple(header), debits, signatures), act)

    def finalising(self) -> Move:
        pending = self.rules.state.pending
        assert pending is not None
        header, signers = pending.header, pending.signers
        act: Act = lambda rules: rules.finalise_epoch(header, signers)  # noqa: E731
        return Move(self.stranger.address, self.market, "finaliseEpoch", (astuple(header), signers), act)

    def striking(self) -> Move:
        pending = self.rules.state.pending
        assert pending is not None
        header, signers, debits, sender = pending.header, pending.signers, pending.debits, self.satellites[0].address
        act: Act = lambda rules: rules.strike(sender, header, signers, debits)  # noqa: E731
        return Move(sender, self.market, "strike", (astuple(header), signers, debits), act)

    def claiming(self, worker: int, tree: tuple[Balance, ...] | None = None) -> Move:
        tree = self.rules.state.tree if tree is None else tree
        balance = tree[worker]
        proof = hashes.multiproof([hashes.leaf(leaf) for leaf in tree], [worker])
        act: Act = lambda rules: rules.claim(balance, whole=True)  # noqa: E731
        return Move(self.stranger.address, self.market, "claim", (astuple(balance), proof), act)

    def claiming_many(self, workers: Sequence[int], tree: tuple[Balance, ...] | None = None) -> Move:
        tree = self.rules.state.tree if tree is None else tree
        balances = [tree[worker] for worker in workers]
        proof = hashes.multiproof([hashes.leaf(leaf) for leaf in tree], workers)
        act: Act = lambda rules: rules.claim_many(balances, whole=True)  # noqa: E731
        args = ([astuple(balance) for balance in balances], proof)
        return Move(self.stranger.address, self.market, "claimMany", args, act)

    def refunding(self, number: int) -> Move:
        job = self.rules.state.jobs[number]
        who, terms = job.requester, job.terms
        act: Act = lambda rules: rules.refund(number, who, terms)  # noqa: E731
        return Move(self.stranger.address, self.market, "refund", (number, who, terms), act)

    # ------------------------------------------------------------------------------------------------------------- doing

    def do(self, *moves: Move) -> None:
        """All of them succeed."""
        for move in moves:
            error = self.run(move)
            assert not error, f"{move.name}: {error}"

    def epoch(self, pays: dict[int, int], earned: Sequence[int]) -> None:
        """Posted, and final after its window."""
        self.do(self.posting(pays, earned))
        self.wait(self.rules.window)
        self.do(self.finalising())

    def wait(self, seconds: int) -> None:
        self.rules.state.now += seconds
        self.machine.warp(self.rules.state.now)

    @contextmanager
    def tried(self) -> Iterator[None]:
        """What happens inside is undone."""
        state, seen = self.rules.state.copy(), dict(self._seen)
        with self.machine.undone():
            yield
        self.rules.state, self._seen = state, seen
        self.machine.warp(state.now)

    def tokens(self, who: str) -> int:
        return int(str(self.machine.read(self.token, "balanceOf", who)[0]))
