"""Random players against the contracts and against their model, one transaction at a time: nothing may differ.

A game is a fresh deployment and a few hundred transactions of requesters, workers, members, satellites, strangers and the clock,
drawn from a seed. Most are right, the rest are wrong in one way. After each, success or the error's name, the events, everything
that can be read of Market, Committee and Workers, and every balance of token and coin must be the same on both sides.
"""

import random
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import astuple, dataclass, is_dataclass, replace

from eth_abi.abi import encode

from tests.model import hashes
from tests.model.hashes import Balance, Header, Key, Terms
from tests.model.machine import Contract, Machine
from tests.model.rules import (
    U64,
    Account,
    Addresses,
    Entry,
    Pending,
    Revert,
    Rules,
    Signed,
    State,
    Worker,
    escrow_of,
    with_fee,
)

START = 1_700_000_000
COIN = 10**18
Act = Callable[[Rules], None]
CURVE = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141


NOTHING = Header(
    epoch=1,
    previous=hashes.EMPTY,
    valid_until=0,
    configuration=hashes.EMPTY,
    balances=hashes.EMPTY,
    balances_size=1,
    weights=hashes.EMPTY,
    weights_size=0,
    verdicts=hashes.EMPTY,
    verdicts_size=0,
    assignments=hashes.EMPTY,
    assignments_size=0,
    debits=hashes.EMPTY,
    total=0,
    content=hashes.EMPTY,
    model=hashes.EMPTY,
)


class Difference(AssertionError):
    """Contracts and model do not agree."""


@dataclass(frozen=True, slots=True)
class Move:
    """One transaction: what is sent, and what the model does."""

    sender: str
    contract: Contract
    name: str
    args: tuple[object, ...]
    act: Act
    value: int = 0


def plain(value: object) -> object:
    """As eth_abi decodes it."""
    if is_dataclass(value) and not isinstance(value, type):
        return plain(astuple(value))
    if isinstance(value, (list, tuple)):
        return tuple(plain(item) for item in value)
    return value


GAME = 250  # transactions


class Game:
    """One deployment, on both sides."""

    def __init__(self, seed: int) -> None:
        self.rng = random.Random(seed)
        rng = self.rng
        self.machine = Machine(START, chain=rng.choice([1, 31337]))
        self.members = sorted((Key.of(f"member {i}") for i in range(9)), key=lambda key: key.address)
        self.wallets = [Key.of(f"wallet {i}") for i in range(8)]
        self.requesters = [Key.of(f"requester {i}") for i in range(3)]
        self.stranger = Key.of("stranger")
        self.satellites = [Key.of(name) for name in ("referee", "disputes", "hatch")]
        self.people = [*self.members, *self.wallets, *self.requesters, self.stranger, *self.satellites]
        self.by_address = {key.address: key for key in self.people}
        for key in self.people:
            self.machine.fund(key.address, 1000 * COIN)
        self._deploy()
        self.over: list[Move] = []  # posts that were once right
        self.permits: list[tuple[str, tuple[object, ...]]] = []
        self._seen: dict[tuple[str, bytes], tuple[object, bytes]] = {}
        self._setup()

    def _deploy(self) -> None:
        rng, machine = self.rng, self.machine
        first = self.members[: rng.randint(4, 7)]
        n = len(first)
        quorum = rng.randint(n - (n - 1) // 3, n)
        seal_keys = [hashes.keccak(key.address.encode()) for key in first]
        referee, disputes, hatch = (key.address for key in self.satellites)
        unit, delay, window = COIN, rng.choice([5000, 100_000]), rng.choice([600, 3600])
        treasury = self.wallets[0].address
        self.token = machine.deploy("PlayToken", treasury, [])
        self.workers = machine.deploy("Workers", treasury, [treasury])
        members = [key.address for key in first]
        args = [members, seal_keys, quorum, referee, unit, delay]
        self.committee = machine.deploy("Committee", treasury, args, value=2 * unit * n)
        parties = [self.token.address, self.workers.address, self.committee.address, referee, disputes, hatch]
        self.market = machine.deploy("Market", treasury, [*parties, window])
        state = State(now=START, wei={key.address: 1000 * COIN for key in self.people}, tokens={self.market.address: 0})
        state.wei[treasury] -= 2 * unit * n
        state.wei[self.committee.address] = 2 * unit * n
        state.members, state.seal_keys, state.quorum = members, seal_keys, quorum
        state.accounts = {member: Account(2 * unit) for member in members}
        state.workers = [Worker(treasury, [(treasury, 0)])]
        at = Addresses(
            self.market.address,
            self.workers.address,
            self.committee.address,
            self.token.address,
            referee,
            disputes,
            hatch,
        )
        self.rules = Rules(at, machine.chain, 100, window, unit, delay, state)
        state.head = self.rules.deployment()

    def _setup(self) -> None:
        for key in self.requesters:
            self._token("mint", key.address, 10**30)
            self.rules.state.tokens[key.address] = 10**30
            self.run(self._approve(key.address, 2**256 - 1))

    def _token(self, name: str, *args: object) -> None:
        done = self.machine.send(self.stranger.address, self.token, name, args)
        assert not done.error, done

    # ------------------------------------------------------------------------------------------------------------ one move

    def run(self, move: Move) -> str:
        """Both sides do it; the error's name, or nothing."""
        before = self.rules.state
        self.rules.state, self.rules.events = before.copy(), []
        try:
            move.act(self.rules)
            error = ""
        except Revert as revert:
            error, self.rules.state, self.rules.events = str(revert), before, []
        done = self.machine.send(move.sender, move.contract, move.name, move.args, move.value)
        if done.error != error:
            raise Difference(
                f"{move.name}{move.args}: contracts {done.error or 'succeed'}, model {error or 'succeeds'}"
            )
        expected = tuple(plain(event) for event in self.rules.events)
        if done.events != expected:
            raise Difference(f"{move.name}: events {done.events}, model {expected}")
        self.compare(move.name)
        return error

    def compare(self, name: str) -> None:
        for contract, view, args, expected in self.views():
            data = contract.functions[view].selector + encode(contract.functions[view].inputs, args)
            answer = self.machine.raw(contract, data)
            key = (contract.address, data)
            if self._seen.get(key) == (expected, answer):
                continue
            if encode(contract.functions[view].outputs, expected) != answer:
                raise Difference(
                    f"after {name}: {view}{args} is {self.machine.read(contract, view, *args)}, model {expected}"
                )
            self._seen[key] = (expected, answer)
        for who, wei in self.rules.state.wei.items():
            if self.machine.wei(who) != wei:
                raise Difference(f"after {name}: {who} has {self.machine.wei(who)} wei, model {wei}")

    def views(self) -> Iterator[tuple[Contract, str, tuple[object, ...], tuple[object, ...]]]:
        """Everything that can be read, and what the model says it is."""
        yield from self._views_of_market()
        yield from self._views_of_committee()
        s = self.rules.state
        yield self.workers, "count", (), (len(s.workers),)
        for i, worker in enumerate(s.workers):
            yield self.workers, "walletOf", (i,), (worker.wallet,)
            yield self.workers, "keyCount", (i,), (len(worker.keys),)
            for number, (key, revoked) in enumerate(worker.keys):
                yield self.workers, "keyOf", (i, number), (key,)
                yield self.workers, "revokedAt", (i, number), (revoked,)
        for who, balance in s.tokens.items():
            yield self.token, "balanceOf", (who,), (balance,)

    def _views_of_market(self) -> Iterator[tuple[Contract, str, tuple[object, ...], tuple[object, ...]]]:
        s, market = self.rules.state, self.market
        p = s.pending
        yield market, "head", (), (s.head,)
        yield market, "configuration", (), (self.rules.configuration(),)
        yield market, "lastEpoch", (), (s.last_epoch,)
        yield market, "lastStrike", (), (s.last_strike,)
        yield market, "pending", (), (p.header.epoch, p.posted_at, p.reserved) if p else (0, 0, 0)
        yield market, "jobCount", (), (len(s.jobs),)
        yield market, "finalTotal", (), (s.final_total,)
        yield market, "totalClaimed", (), (s.total_claimed,)
        yield market, "frozen", (), (s.frozen,)
        yield market, "claimSize", (), (len(s.tree),)
        root = hashes.root([hashes.leaf(balance) for balance in s.tree]) if s.tree else hashes.EMPTY
        yield market, "claimRoot", (), (root,)
        for number, job in s.jobs.items():
            identity = hashes.keccak(encode(["address", "bytes32"], [job.requester, job.terms]))
            yield (
                market,
                "job",
                (number,),
                ((job.funded, job.debited, job.refunded, job.deadline, job.fee_bps, identity),),
            )
            yield market, "refundOpensAt", (number,), (self.rules.refund_opens_at(job),)
        for (satellite, number), amount in s.set_aside.items():
            yield market, "reservedOf", (satellite, number), (amount,)
        for worker in {*range(9), *s.counters}:
            yield market, "claimedOf", (worker,), (s.counters.get(worker, 0),)

    def _views_of_committee(self) -> Iterator[tuple[Contract, str, tuple[object, ...], tuple[object, ...]]]:
        s, committee = self.rules.state, self.committee
        digest = hashes.committee(*s.proposed) if s.proposed else hashes.EMPTY
        yield committee, "digest", (), (hashes.committee(s.members, s.seal_keys, s.quorum),)
        yield committee, "members", (), (tuple(s.members),)
        yield committee, "sealKeys", (), (tuple(s.seal_keys),)
        yield committee, "quorum", (), (s.quorum,)
        yield committee, "lastChange", (), (s.last_change,)
        yield committee, "pendingChange", (), (s.last_change, digest, s.enacts_at) if s.proposed else (0, digest, 0)
        yield committee, "burnt", (), (s.burnt,)
        for who, account in s.accounts.items():
            yield committee, "stakeOf", (who,), (account.stake,)
            release = 2**256 - 1 if who in s.members else account.releases_at
            yield committee, "releasesAt", (who,), (release,)
        for who, reward in s.rewards.items():
            yield committee, "rewardOf", (who,), (reward,)

    # --------------------------------------------------------------------------------------------------------------- draws

    def odds(self, share: float) -> bool:
        return self.rng.random() < share

    def anyone(self) -> str:
        return self.rng.choice(self.people).address

    def satellite(self, which: int) -> str:
        """Mostly the right one."""
        return self.satellites[which].address if self.odds(0.9) else self.anyone()

    def amount(self, limit: int) -> int:
        """Often the limit, or just beyond."""
        return self.rng.choice([limit, limit + 1, 0, self.rng.randint(0, limit), self.rng.randint(0, limit)])

    def job(self) -> int:
        return self.rng.randint(1, len(self.rules.state.jobs) + (1 if self.odds(0.1) else 0) or 1)

    # ---------------------------------------------------------------------------------------------------------------- jobs

    def _approve(self, owner: str, amount: int) -> Move:
        def act(rules: Rules) -> None:
            rules.state.allowances[owner, rules.at.market] = amount

        return Move(owner, self.token, "approve", (self.market.address, amount), act)

    def approve(self) -> Move:
        return self._approve(
            self.rng.choice(self.requesters).address, self.rng.choice([0, 10**6, 2**256 - 1, 2**256 - 1])
        )

    def _terms(self) -> Terms:
        rng = self.rng
        terms = Terms(
            classes=rng.randint(2, 64),
            tasks=rng.randint(1, 30),
            answers=rng.randint(1, 5),
            base=rng.randint(0, 1000),
            bonus=rng.randint(1, 1000),
            fee_bps=rng.choice([0, 250, 10_000, rng.randint(0, 10_000)]),
            weight_cap=rng.randint(1, 2**20),
            prior_cap=rng.randint(0, 2**20),
            task_root=rng.randbytes(32),
            manifest=rng.randbytes(32),
            parent=rng.randint(0, len(self.rules.state.jobs)),
            free=rng.random() < 0.5,
        )
        if self.odds(0.85):
            return terms
        wrong: list[dict[str, int]] = [
            {"classes": 1},
            {"classes": 65},
            {"tasks": 0},
            {"tasks": 2**24 + 1},
            {"answers": 0},
        ]
        wrong += [{"answers": 65}, {"base": 0, "bonus": 0}, {"fee_bps": 10_001}, {"weight_cap": 2**20 + 1}]
        wrong += [
            {"prior_cap": 2**20 + 1},
            {"weight_cap": 0, "prior_cap": 1},
            {"parent": len(self.rules.state.jobs) + 1},
        ]
        wrong += [{"base": 2**64 - 1, "tasks": 2}, {"weight_cap": 0, "prior_cap": 0}, {"tasks": 2**24, "answers": 64}]
        return replace(terms, **rng.choice(wrong))

    def _deadline(self) -> int:
        now = self.rules.state.now
        return self.rng.choice([now + 1, *[now + self.rng.randint(1, 20_000)] * 5, now + 20_000, now, 2**48 - 1, 2**48])

    def open_job(self) -> Move | None:
        if len(self.rules.state.jobs) >= 8 and self.odds(0.9):
            return None
        sender, terms, deadline = self.rng.choice(self.requesters).address, self._terms(), self._deadline()
        if self.odds(0.5):
            return self._open_with_permit(sender, terms, deadline)
        act: Act = lambda rules: rules.open_job(sender, terms, deadline)  # noqa: E731
        return Move(sender, self.market, "openJob", (astuple(terms), deadline), act)

    def _open_with_permit(self, sender: str, terms: Terms, deadline: int) -> Move:
        s = self.rules.state
        try:
            cost = escrow_of(terms) * self.rules.unit
        except Revert:
            cost = 1
        until = s.now + self.rng.choice([-1, 0, 1000])
        nonce = s.nonces.get(sender, 0)
        domain = hashes.domain(self.machine.chain, self.token.address, "Play", "1")
        signer = self.by_address[sender] if self.odds(0.8) else self.stranger
        signature = signer.sign(hashes.permit(domain, sender, self.market.address, cost, nonce, until))
        permit = (until, signature[64], signature[:32], signature[32:64])
        good = until >= s.now and signer.address == sender
        if good and self.odds(0.3):
            # Somebody sends it ahead.
            self.run(
                Move(
                    self.stranger.address,
                    self.token,
                    "permit",
                    (sender, self.market.address, cost, *permit),
                    lambda rules: rules.permit(sender, rules.at.market, cost),
                )
            )
            good = False
        act: Act = lambda rules: rules.open_job(sender, terms, deadline, good)  # noqa: E731
        return Move(sender, self.market, "openJobWithPermit", (astuple(terms), deadline, permit), act)

    def top_up(self) -> Move:
        sender, number = self.rng.choice(self.requesters).address, self.job()
        amount = self.rng.choice([0, 1, 777, 2**64 - 1])
        return Move(sender, self.market, "topUp", (number, amount), lambda rules: rules.top_up(sender, number, amount))

    def _requester(self, number: int) -> tuple[str, bytes]:
        job = self.rules.state.jobs.get(number)
        who, terms = (job.requester, job.terms) if job else (self.anyone(), bytes(32))
        if self.odds(0.15):
            return (self.anyone(), terms) if self.odds(0.5) else (who, self.rng.randbytes(32))
        return who, terms

    def close_job(self) -> Move:
        number = self.job()
        who, terms = self._requester(number)
        return Move(who, self.market, "closeJob", (number, terms), lambda rules: rules.close_job(who, number, terms))

    def refund(self) -> Move:
        number = self.job()
        who, terms = self._requester(number)
        act: Act = lambda rules: rules.refund(number, who, terms)  # noqa: E731
        return Move(self.anyone(), self.market, "refund", (number, who, terms), act)

    # -------------------------------------------------------------------------------------------------------------- epochs

    def _debits(self) -> tuple[bytes, int]:
        """Packed, and what they debit in all."""
        packed, total = b"", 0
        s = self.rules.state
        for number, job in s.jobs.items():
            open_ = s.now < self.rules.refund_opens_at(job) - self.rules.window
            if self.odds(0.5) or (not open_ and self.odds(0.97)):
                continue
            most = job.locked * 10_000 // (10_000 + job.fee_bps)
            pay = self.rng.choice([most, self.rng.randint(0, most), self.rng.randint(0, most)])
            if self.odds(0.02):
                pay = job.locked + 1
            packed += number.to_bytes(4) + pay.to_bytes(8) + self.rng.randbytes(4)
            total += with_fee(pay, job.fee_bps)
        if self.odds(0.03):
            packed += self.rng.choice([packed[:16] or b"x", b"y", bytes(16 * 513), (99).to_bytes(4) + bytes(12)])
        return packed, total

    def _tree(self, reserved: int) -> tuple[Balance, ...]:
        """Mostly honest: what nobody has claimed yet is divided anew. Else anything."""
        s, rng = self.rules.state, self.rng
        count = max(len(s.tree), rng.randint(1, len(self.wallets)))
        before = [s.counters.get(i, 0) for i in range(count)]
        rest = max(0, s.final_total + reserved - s.total_claimed - s.frozen)
        for _ in range(4):
            part = rng.randint(0, rest)
            before[rng.randrange(count)] += part
            rest -= part
        if self.odds(0.1):
            before = [rng.randint(0, s.final_total + reserved + 10) for _ in before]
        return tuple(
            Balance(i, self.wallets[i].address, cumulative, self.rng.randbytes(32))
            for i, cumulative in enumerate(before)
        )

    def _signed(self, digest: bytes) -> tuple[bytes, Signed]:
        """Signatures of about a quorum; who they name."""
        s, rng = self.rules.state, self.rng
        staked = [who for who in s.members if s.accounts[who].stake >= self.rules.stake_unit]
        count = min(len(staked), s.quorum if self.odds(0.9) else rng.randint(0, len(s.members)))
        keys = [self.by_address[who] for who in sorted(rng.sample(staked, count), key=lambda who: int(who, 16))]
        signatures = [key.sign(digest) for key in keys]
        if signatures and self.odds(0.15):
            self._spoil(signatures, digest)
        recovered = tuple(hashes.recover(digest, signature) for signature in signatures)
        joined = b"".join(signatures)
        return (joined + b"z", Signed(recovered, aligned=False)) if self.odds(0.01) else (joined, Signed(recovered))

    def _spoil(self, signatures: list[bytes], digest: bytes) -> None:
        rng = self.rng
        place = rng.randrange(len(signatures))
        one = signatures[place]
        high = (CURVE - int.from_bytes(one[32:64])).to_bytes(32)
        choices = [
            lambda: rng.shuffle(signatures),
            lambda: signatures.insert(place, one),
            lambda: signatures.__setitem__(place, rng.choice(self.members).sign(digest)),
            lambda: signatures.__setitem__(place, self.stranger.sign(digest)),
            lambda: signatures.__setitem__(place, one[:32] + high + bytes([55 - one[64]])),
            lambda: signatures.__setitem__(place, one[:64] + bytes([rng.choice([0, 1, 29, 55 - one[64]])])),
            lambda: signatures.__setitem__(place, bytes(64) + b"\x1b"),
            lambda: signatures.__setitem__(place, self.by_address[self.stranger.address].sign(rng.randbytes(32))),
        ]
        rng.choice(choices)()

    def post(self) -> Move | None:
        s, rng = self.rules.state, self.rng
        if s.pending and self.odds(0.9):
            return None
        debits, reserved = self._debits()
        tree = self._tree(reserved)
        header = Header(
            epoch=s.last_epoch + 1,
            previous=s.head,
            valid_until=s.now + rng.choice([0, 1000]),
            configuration=self.rules.configuration(),
            balances=hashes.root([hashes.leaf(balance) for balance in tree]),
            balances_size=len(tree),
            weights=rng.randbytes(32),
            weights_size=rng.choice([0, 5, 2**24]),
            verdicts=rng.randbytes(32),
            verdicts_size=rng.choice([0, 5, 2**24]),
            assignments=rng.randbytes(32),
            assignments_size=rng.choice([0, 5, 2**24]),
            debits=hashes.keccak(debits),
            total=(s.final_total + reserved) % 2**64,
            content=rng.randbytes(32),
            model=rng.randbytes(32),
        )
        if self.odds(0.2):
            header = replace(header, **rng.choice(self._wrong_fields(header)))
        signatures, signed = self._signed(self.rules.digest(header))
        if self.odds(0.03):
            debits += bytes(16)
        act: Act = lambda rules: rules.post_epoch(header, debits, signed, tree)  # noqa: E731
        move = Move(self.anyone(), self.market, "postEpoch", (astuple(header), debits, signatures), act)
        self.over.append(move)
        return move

    def _wrong_fields(self, header: Header) -> Sequence[dict[str, object]]:
        s = self.rules.state
        return [
            {"epoch": header.epoch - 1},
            {"epoch": header.epoch + 1},
            {"previous": self.rng.randbytes(32)},
            {"valid_until": s.now - 1},
            {"configuration": self.rules.deployment()},
            {"balances": bytes(32)},
            {"balances_size": 0},
            {"balances_size": 2**24 + 1},
            {"weights_size": 2**24 + 1},
            {"verdicts_size": 2**24 + 1},
            {"assignments_size": 2**24 + 1},
            {"debits": self.rng.randbytes(32)},
            {"total": (header.total + 1) % 2**64},
            {"total": max(0, header.total - 1)},
        ]

    def replay(self) -> Move | None:
        """A post of before, right or wrong at its time."""
        return self.rng.choice(self.over) if self.over else None

    def _posted(self) -> tuple[Header, int, bytes]:
        """Mostly that of the pending epoch."""
        rng, s = self.rng, self.rules.state
        pending = s.pending
        if pending is None:
            pending = Pending(NOTHING, 7, b"", 0, 0, ())
        header, signers, debits = pending.header, pending.signers, pending.debits
        if self.odds(0.1):
            header = replace(header, model=rng.randbytes(32))
        if self.odds(0.05):
            signers ^= 1 << rng.randrange(8)
        if self.odds(0.05):
            debits += bytes(16)
        return header, signers, debits

    def finalise(self) -> Move | None:
        if self.rules.state.pending is None and self.odds(0.9):
            return None
        header, signers, _ = self._posted()
        act: Act = lambda rules: rules.finalise_epoch(header, signers)  # noqa: E731
        return Move(self.anyone(), self.market, "finaliseEpoch", (astuple(header), signers), act)

    def strike(self) -> Move | None:
        if self.rules.state.pending is None and self.odds(0.9):
            return None
        header, signers, debits = self._posted()
        sender = self.satellite(0)
        act: Act = lambda rules: rules.strike(sender, header, signers, debits)  # noqa: E731
        return Move(sender, self.market, "strike", (astuple(header), signers, debits), act)

    # -------------------------------------------------------------------------------------------------------------- claims

    def _balance(self, worker: int) -> Balance:
        tree = self.rules.state.tree
        balance = tree[worker] if worker < len(tree) else Balance(worker, self.anyone(), 5, bytes(32))
        if self.odds(0.9):
            return balance
        wrong: list[dict[str, object]] = [
            {"wallet": self.stranger.address},
            {"cumulative": (balance.cumulative + 1) % 2**64},
        ]
        return replace(balance, **self.rng.choice([*wrong, {"earnings": bytes(32)}, {"worker": worker + 1}]))  # type: ignore[arg-type]

    def _proof(self, workers: list[int]) -> tuple[list[bytes], bool]:
        """The proof of these places, and whether it is whole."""
        leaves = [hashes.leaf(balance) for balance in self.rules.state.tree]
        inside = bool(leaves) and all(worker < len(leaves) for worker in workers)
        proof = hashes.multiproof(leaves, workers) if inside else []
        if self.odds(0.93):
            return proof, inside
        if proof and self.odds(0.5):
            if self.odds(0.5):
                proof.pop()
            else:
                proof[0] = bytes(31) + b"\x01"
        else:
            proof.append(bytes(32))
        return proof, False

    def claim(self) -> Move:
        worker = self.rng.randint(0, max(len(self.rules.state.tree), 1) - (0 if self.odds(0.05) else 1))
        balance = self._balance(worker)
        proof, whole = self._proof([worker])
        act: Act = lambda rules: rules.claim(balance, whole)  # noqa: E731
        return Move(self.anyone(), self.market, "claim", (astuple(balance), proof), act)

    def claim_many(self) -> Move:
        count = max(len(self.rules.state.tree), 1)
        workers = sorted(self.rng.sample(range(count), self.rng.randint(1, count)))
        if self.odds(0.05):
            workers = self.rng.choice([[], workers[::-1], workers + workers[-1:], [*workers, count], [0] * 201])
        balances = [self._balance(worker) for worker in workers]
        proof, whole = self._proof(sorted(set(workers)))
        if len({balance.worker for balance in balances}) != len(balances):
            whole = False
        act: Act = lambda rules: rules.claim_many(balances, whole)  # noqa: E731
        return Move(self.anyone(), self.market, "claimMany", ([astuple(balance) for balance in balances], proof), act)

    # ---------------------------------------------------------------------------------------------------------- satellites

    def _worker(self) -> int:
        return self.rng.choice([self.rng.randrange(9), self.rng.randrange(9), 2**32 - 1])

    def freeze(self) -> Move:
        sender, worker, amount = self.satellite(1), self._worker(), self.rng.choice([0, 1, 50, 1000, 2**64 - 1])
        if amount == 2**64 - 1 and self.odds(0.8):
            amount = 7
        act: Act = lambda rules: rules.freeze(sender, worker, amount)  # noqa: E731
        return Move(sender, self.market, "freeze", (worker, amount), act)

    def thaw(self) -> Move:
        sender, worker, amount = self.satellite(1), self._worker(), min(self.amount(self.rules.state.frozen), 2**64 - 1)
        act: Act = lambda rules: rules.thaw(sender, worker, amount)  # noqa: E731
        return Move(sender, self.market, "thaw", (worker, amount), act)

    def forfeit(self) -> Move:
        sender, worker, amount = self.satellite(1), self._worker(), min(self.amount(self.rules.state.frozen), 2**64 - 1)
        number = self.job()
        act: Act = lambda rules: rules.forfeit(sender, worker, amount, number)  # noqa: E731
        return Move(sender, self.market, "forfeit", (worker, amount, number), act)

    def reserve(self) -> Move:
        sender, number = self.satellite(self.rng.choice([1, 2])), self.job()
        job = self.rules.state.jobs.get(number)
        amount = min(self.amount(job.locked // self.rng.choice([1, 9]) if job else 9), U64)
        act: Act = lambda rules: rules.reserve(sender, number, amount)  # noqa: E731
        return Move(sender, self.market, "reserve", (number, amount), act)

    def _aside(self) -> tuple[str, int, int]:
        """Of something that was set aside, if anything was."""
        sums = {where: amount for where, amount in self.rules.state.set_aside.items() if amount}
        if not sums or self.odds(0.1):
            return self.satellite(1), self.job(), self.rng.choice([0, 1])
        (sender, number), amount = self.rng.choice(list(sums.items()))
        return sender, number, min(self.amount(amount), U64)

    def release(self) -> Move:
        sender, number, amount = self._aside()
        act: Act = lambda rules: rules.release(sender, number, amount)  # noqa: E731
        return Move(sender, self.market, "release", (number, amount), act)

    def award(self) -> Move:
        sender, number, amount = self._aside()
        wallet = self.rng.choice(self.wallets).address
        act: Act = lambda rules: rules.award(sender, number, wallet, amount)  # noqa: E731
        return Move(sender, self.market, "award", (number, wallet, amount), act)

    # ----------------------------------------------------------------------------------------------------------- committee

    def stake(self) -> Move:
        sender, member = self.anyone(), self.rng.choice(self.members).address
        value = self.rng.choice([0, 1, COIN // 2, COIN, COIN])
        act: Act = lambda rules: rules.stake(sender, member, value)  # noqa: E731
        return Move(sender, self.committee, "stake", (member,), act, value)

    def withdraw(self) -> Move:
        sender = self.rng.choice(self.members).address
        return Move(sender, self.committee, "withdraw", (), lambda rules: rules.withdraw(sender))

    def slash(self) -> Move:
        sender, beneficiary = self.satellite(0), self.anyone()
        signers = [key.address for key in self.rng.sample(self.members, self.rng.randint(0, 4))]
        if self.odds(0.9):
            signers.sort(key=lambda who: int(who, 16))
        act: Act = lambda rules: rules.slash(sender, signers, beneficiary)  # noqa: E731
        return Move(sender, self.committee, "slash", (signers, beneficiary), act)

    def collect(self) -> Move:
        rewarded = [who for who, reward in self.rules.state.rewards.items() if reward]
        sender = self.rng.choice(rewarded) if rewarded and self.odds(0.9) else self.anyone()
        return Move(sender, self.committee, "collect", (), lambda rules: rules.collect(sender))

    def propose(self) -> Move:
        rng, s = self.rng, self.rules.state
        staked = {who for who, account in s.accounts.items() if account.stake >= self.rules.stake_unit}
        members = [key.address for key in self.members if self.odds(0.8 if key.address in staked else 0.05)]
        seal_keys = [rng.randbytes(32) for _ in members]
        n = len(members)
        quorum = rng.randint(max(0, n - max(0, n - 1) // 3 - (1 if self.odds(0.1) else 0)), n)
        if members and self.odds(0.05):
            members.reverse()
        if members and self.odds(0.05):
            seal_keys[-1] = bytes(32)
        if self.odds(0.03):
            seal_keys.append(rng.randbytes(32))
        until = s.now + rng.choice([-1, 0, 1000, 1000, 1000])
        number = s.last_change + (1 if self.odds(0.9) else 0)
        domain = hashes.domain(self.machine.chain, self.committee.address)
        digest = hashes.change(domain, number, hashes.committee(members, seal_keys, quorum), until)
        signatures, signed = self._signed(digest)
        right = hashes.change(domain, s.last_change + 1, hashes.committee(members, seal_keys, quorum), until)
        if right != digest:
            parts = [signatures[i : i + 65] for i in range(0, len(signatures) // 65 * 65, 65)]
            signed = Signed(tuple(hashes.recover(right, part) for part in parts), signed.aligned)
        args = (members, seal_keys, quorum, until, signatures)
        act: Act = lambda rules: rules.propose_change(*args[:4], signed, signatures)  # noqa: E731
        return Move(self.anyone(), self.committee, "proposeChange", args, act)

    def enact(self) -> Move:
        s = self.rules.state
        members, seal_keys, quorum = s.proposed or (s.members, s.seal_keys, s.quorum)
        if self.odds(0.1):
            quorum += 1
        act: Act = lambda rules: rules.enact_change(members, seal_keys, quorum)  # noqa: E731
        return Move(self.anyone(), self.committee, "enactChange", (members, seal_keys, quorum), act)

    # ------------------------------------------------------------------------------------------------------------- workers

    def register(self) -> Move:
        sender = self.rng.choice([*self.wallets, self.stranger]).address
        return Move(sender, self.workers, "register", (), lambda rules: rules.register(sender))

    def _entry(self, number: int) -> tuple[Entry, tuple[object, ...]]:
        rng = self.rng
        wallet = rng.choice(self.wallets)
        key = rng.choice([wallet.address, rng.choice(self.people).address])
        if self.odds(0.03):
            key = "0x" + "00" * 20
        until = self.rules.state.now + rng.choice([0, 1000, 1000, -1])
        signer = wallet if self.odds(0.9) else self.stranger
        if number < 0:
            index = next((w for w in self.rules.state.workers if w.wallet == wallet.address), None)
            number = len(index.keys) if index and self.odds(0.9) else 0
        domain = hashes.domain(self.machine.chain, self.workers.address)
        signature = signer.sign(hashes.register(domain, wallet.address, key, number, until))
        return Entry(wallet.address, key, until, signer.address, number), (wallet.address, key, until, signature)

    def register_many(self) -> Move:
        entries = [self._entry(0 if self.odds(0.97) else 1) for _ in range(self.rng.randint(0, 4))]
        act: Act = lambda rules: rules.register_many([entry for entry, _ in entries])  # noqa: E731
        return Move(self.anyone(), self.workers, "registerMany", ([packed for _, packed in entries],), act)

    def add_key(self) -> Move | None:
        if sum(len(worker.keys) for worker in self.rules.state.workers) > 30:
            return None
        if self.odds(0.5):
            entry, packed = self._entry(-1)
            act: Act = lambda rules: rules.add_key_signed(entry)  # noqa: E731
            return Move(self.anyone(), self.workers, "addKeySigned", (packed,), act)
        sender, key = self.rng.choice(self.wallets).address, self.rng.choice([self.anyone(), "0x" + "00" * 20])
        return Move(sender, self.workers, "addKey", (key,), lambda rules: rules.add_key(sender, key))

    def revoke_key(self) -> Move:
        sender, number = self.rng.choice(self.wallets).address, self.rng.randrange(4)
        return Move(sender, self.workers, "revokeKey", (number,), lambda rules: rules.revoke_key(sender, number))

    # ----------------------------------------------------------------------------------------------------------- the world

    def pass_time(self) -> None:
        """A little, or to a boundary, or a second around it."""
        s, window = self.rules.state, self.rules.window
        edges = [s.now + self.rng.randint(1, 2 * window)]
        if s.pending:
            edges += [s.pending.posted_at + window] * 4
        for job in s.jobs.values():
            opens_at = self.rules.refund_opens_at(job)
            edges += [job.deadline, opens_at - window, opens_at]
        if s.proposed:
            edges += [s.enacts_at] * 4
        edges += [account.releases_at for account in s.accounts.values()]
        later = [edge + shift for edge in edges for shift in (-1, 0, 1) if s.now < edge + shift < s.now + 60 * window]
        s.now = self.rng.choice(later) if later else s.now + 1
        self.machine.warp(s.now)

    def change_token(self) -> None:
        s = self.rules.state
        if self.odds(0.5):
            s.mood = 0 if s.mood else self.rng.choice([1, 2, 3])
            self._token("setMood", s.mood)
        else:
            who = self.rng.choice([*self.wallets, *self.requesters]).address
            s.blocked ^= {who}
            self._token("setBlocked", who, who in s.blocked)

    def donate(self) -> None:
        amount = self.rng.randint(1, 1000)
        self._token("mint", self.market.address, amount)
        s = self.rules.state
        s.tokens[self.market.address] = s.tokens.get(self.market.address, 0) + amount


WEIGHTS: dict[str, int] = {
    "open_job": 12,
    "approve": 3,
    "top_up": 5,
    "close_job": 2,
    "refund": 5,
    "post": 14,
    "replay": 1,
    "finalise": 12,
    "strike": 3,
    "claim": 12,
    "claim_many": 8,
    "freeze": 3,
    "thaw": 2,
    "forfeit": 3,
    "reserve": 8,
    "release": 5,
    "award": 4,
    "stake": 4,
    "withdraw": 5,
    "slash": 2,
    "collect": 1,
    "propose": 3,
    "enact": 4,
    "register": 2,
    "register_many": 1,
    "add_key": 2,
    "revoke_key": 2,
    "pass_time": 12,
    "change_token": 3,
    "donate": 1,
}


def campaign(calls: int, first: int = 1) -> Counter[str]:
    """As many games as that takes, with the seeds from `first` on."""
    ends: Counter[str] = Counter()
    for game in range(-(-calls // GAME)):
        ends += play(first + game, min(GAME, calls - game * GAME))
    return ends


def play(seed: int, calls: int) -> Counter[str]:
    """One game of that many transactions; how often each ended how. Raises Difference, with the seed."""
    game = Game(seed)
    ends: Counter[str] = Counter()
    names, weights = list(WEIGHTS), list(WEIGHTS.values())
    done = 0
    while done < calls:
        move = getattr(game, game.rng.choices(names, weights)[0])()
        if move is None:
            continue
        try:
            ends[f"{move.name} {game.run(move) or 'done'}"] += 1
        except Difference as difference:
            raise Difference(f"seed {seed}, transaction {done}: {difference}") from None
        done += 1
    return ends
