"""Each call exactly once: nonce and signed bytes are durable before the first sending, and only they are sent again.

Call -> Sent -> Outcome. Guarantee: whatever is lost (a reply, a process, mined blocks), a call's `what` has one nonce for ever, and
is sent under it until it is mined. What waits too long or is underpriced is signed again, the same call under the same nonce at a
higher price, durable before it is sent: the chain takes one of the versions. A nonce is never asked of the chain once the outbox
holds one: a chain that forgot, or an endpoint that lags, would give a nonce twice, and the money would go out twice.

What breaks liveness, not safety: a sender's key that is used outside its outbox (Fatal, once that is certain).
"""

from collections.abc import Iterator
from time import monotonic, sleep

from oracle.ports import Call, Chain, Database, Outcome, Sent, Signer
from oracle.protocol.errors import Fatal, Refused, Retryable
from oracle.protocol.keys import checksum
from oracle.telemetry import METRICS

GAS_LIMIT = 16_000_000  # below the cap of 2^24 on one transaction (EIP-7825)
PATIENCE_S = 120.0  # for the outcome of earlier transactions, or of one
REORGANISATION = 256  # blocks: outcomes this deep are looked at again
POLL_S = (0.05, 1.0)  # between looks: at first, at last
PRICE_PATIENCE_S = 30.0  # that the lowest nonce waits at one price
CEILING = (1_000 * 10**9, 100 * 10**9)  # max fee and priority fee, wei a gas, that no later version goes over
NEWEST = 32  # transactions looked at first by `reconcile`
ROUNDS = 1_000  # tries for a nonce; each that fails is one that another process took


def run(database: Database, chain: Chain, signer: Signer, call: Call, kind: str) -> Outcome:
    """Makes a call and waits until it is mined. Raises Refused if it reverts, Retryable if it is not mined in time."""
    sent = submit(database, chain, signer, call, kind)
    if sent.outcome is None:
        _wait(database, chain, signer, PATIENCE_S, last=sent.nonce)
        sent = database.sent(signer.address, what=call.what)[0]
    _require_success([sent])
    if sent.outcome is None:  # another process found the block gone again
        raise Retryable(f"{call.what!r} was mined, and its block reorganised away: it is sent again")
    return sent.outcome


def submit(database: Database, chain: Chain, signer: Signer, call: Call, kind: str) -> Sent:
    """Writes a call's transaction, then sends it once; the one in the outbox if `call.what` is there, whatever became of it.

    Raises Refused, with nothing written, if the call would revert. A sending that fails is left to `settle`.
    """
    known = database.sent(signer.address, what=call.what)
    if known:
        return known[0]
    gas = _gas(database, chain, signer, call)
    max_fee, tip = chain.fees()
    fields = {
        "type": 2,
        "chainId": chain.chain_id(),
        "to": call.to,
        "value": call.value,
        "data": call.data,
        "gas": gas,
        "maxFeePerGas": 2 * max_fee,  # a ceiling: what is not needed is not paid
        "maxPriorityFeePerGas": min(tip, 2 * max_fee),
    }
    for _ in range(ROUNDS):
        nonce = _next_nonce(database, chain, signer)
        raw, transaction = signer.sign_transaction(fields | {"nonce": nonce})
        sent = Sent(nonce, call.what, kind, transaction, raw)
        try:
            database.add_sent(signer.address, sent)
        except Refused as refusal:
            if refusal.code == "already-sent":
                return database.sent(signer.address, what=call.what)[0]
            if refusal.code != "nonce-taken":
                raise
        else:
            _send(chain, raw)
            return sent
    raise Retryable(f"{call.what!r} found no nonce: others take those of {checksum(signer.address)} all the time")


def settle(database: Database, chain: Chain, signer: Signer, deadline_s: float) -> None:
    """Waits until all that was submitted is mined, sending it again meanwhile.

    Raises Refused, when all is recorded, naming what of it reverted; Retryable at the deadline, naming what still waits.
    """
    waiting = {sent.nonce for sent in _wait(database, chain, signer, deadline_s)}
    if waiting:
        _require_success([sent for sent in database.sent(signer.address) if sent.nonce in waiting])


def reconcile(database: Database, chain: Chain, signer: Signer) -> None:
    """Takes back the outcomes that the chain no longer knows, and sends all that has none, in the order of the nonces.

    For the start of a process and each tick: a transaction of a block that was reorganised away does not return by itself.
    """
    highest = chain.latest().number
    for part in _newest_first(database, signer):  # what is on chain has all lower nonces below it
        mined = [(sent, sent.outcome) for sent in part if sent.outcome]
        found = _outcomes(chain, [sent for sent, _ in mined])
        for (sent, known), outcome in zip(mined, found, strict=True):
            if outcome != known:
                database.set_outcome(signer.address, sent.nonce, outcome)
        if any(
            known == now and known.block + REORGANISATION <= highest
            for (_, known), now in zip(mined, found, strict=True)
        ):
            break
    for sent in database.sent(signer.address, waiting=True):
        _push(database, chain, signer, sent)


def _gas(database: Database, chain: Chain, signer: Signer, call: Call) -> int:
    """The call's own limit, or a quarter more than the estimate."""
    if call.gas is not None:
        return min(call.gas, GAS_LIMIT)
    try:
        estimate = chain.estimate(signer.address, call)
    except Refused:
        _wait(database, chain, signer, PATIENCE_S)  # it may need what is not mined yet
        estimate = chain.estimate(signer.address, call)
    if estimate > GAS_LIMIT:
        raise Refused("gas-limit", f"{call.what!r} needs {estimate} gas, over the limit of {GAS_LIMIT}")
    return min(estimate * 5 // 4, GAS_LIMIT)


def _next_nonce(database: Database, chain: Chain, signer: Signer) -> int:
    newest = database.sent(signer.address, last=1)
    return newest[0].nonce + 1 if newest else chain.nonce(signer.address)


def _newest_first(database: Database, signer: Signer) -> Iterator[list[Sent]]:
    """In growing parts: mostly the first is enough, however long the outbox has become."""
    size, below = NEWEST, 1 << 64
    while part := database.sent(signer.address, last=size):
        yield [sent for sent in part if sent.nonce < below]
        if len(part) < size:
            return
        size, below = 4 * size, part[0].nonce


def _wait(database: Database, chain: Chain, signer: Signer, deadline_s: float, last: int | None = None) -> list[Sent]:
    """Returns what had no outcome (up to the nonce `last`), when all of it has one. Raises Retryable at the deadline."""
    end = monotonic() + deadline_s
    pause, longest = POLL_S
    first: list[Sent] | None = None
    lowest: dict[bytes, float] = {}  # transaction -> since when all others wait for it
    while True:
        waiting = [s for s in database.sent(signer.address, waiting=True) if last is None or s.nonce <= last]
        first = waiting if first is None else first
        waiting, problem = _advance(database, chain, signer, waiting, lowest)
        if not waiting:
            return first
        if monotonic() >= end:
            raise _overdue(database, chain, signer, waiting, problem)
        sleep(pause)
        pause = min(2 * pause, longest)


def _advance(
    database: Database, chain: Chain, signer: Signer, waiting: list[Sent], lowest: dict[bytes, float]
) -> tuple[list[Sent], Exception | None]:
    """Records what is mined and sends the rest again, once, from the lowest nonce; returns the rest and the last problem."""
    try:
        found = _outcomes(chain, waiting)
    except Retryable as failure:
        return waiting, failure
    rest: list[Sent] = []
    problem: Exception | None = None
    for sent, outcome in zip(waiting, found, strict=True):
        if outcome is None:
            rest.append(sent)
            since = lowest.setdefault(sent.transaction, monotonic()) if sent is rest[0] else None
            overdue = since is not None and monotonic() >= since + PRICE_PATIENCE_S
            problem = _push(database, chain, signer, sent, overdue) or problem
        else:
            database.set_outcome(signer.address, sent.nonce, outcome)
            METRICS.transaction(sent.kind, "succeeded" if outcome.succeeded else "reverted")
    METRICS.waiting.set(len(rest))
    return rest, _fill_gap(database, chain, signer, rest) or problem


def _fill_gap(database: Database, chain: Chain, signer: Signer, rest: list[Sent]) -> Exception | None:
    """When the chain waits for a nonce below all that wait here, blocks with ours were dropped: what was in them goes first."""
    try:
        if rest and chain.nonce(signer.address) < rest[0].nonce:
            reconcile(database, chain, signer)
    except Retryable as problem:
        return problem
    return None


def _outcomes(chain: Chain, transactions: list[Sent]) -> list[Outcome | None]:
    """Of whichever version of each was mined."""
    versions = [(sent.transaction, *sent.replaced) for sent in transactions]
    flat = [version for of_one in versions for version in of_one]
    known = dict(zip(flat, chain.outcomes(flat), strict=True)) if flat else {}
    return [next((known[v] for v in of_one if known[v]), None) for of_one in versions]


def _push(database: Database, chain: Chain, signer: Signer, sent: Sent, overdue: bool = False) -> Exception | None:
    """Sends, and returns what went wrong: it is in the outbox, so the next look sends it again.

    What is overdue, or too cheap for the node, is sent at a higher price too.
    """
    problem = _send(chain, sent.raw)
    if not overdue and not (isinstance(problem, Refused) and problem.code == "underpriced"):
        return problem
    try:
        raw, transaction = _dearer(chain, signer, sent)
        database.replace_sent(signer.address, sent.nonce, transaction, raw)
    except (Retryable, Refused) as failure:  # also: another process found it mined
        return failure
    return _send(chain, raw)


def _dearer(chain: Chain, signer: Signer, sent: Sent) -> tuple[bytes, bytes]:
    """The same call under the same nonce, for what the chain asks now and at least an eighth more: nodes want that of a

    replacement. Raises Refused where that is over the ceiling.
    """
    fields, asked = signer.read_transaction(sent.raw), chain.fees()
    least = [-(-9 * fields[name] // 8) for name in ("maxFeePerGas", "maxPriorityFeePerGas")]
    most, tip = (
        min(max(low, now), top) for low, now, top in zip(least, (2 * asked[0], asked[1]), CEILING, strict=True)
    )
    if most < least[0] or tip < least[1] or tip > most:
        raise Refused("underpriced", f"{sent.what!r} waits at {fields['maxFeePerGas']} wei a gas, and no more is paid")
    return signer.sign_transaction(fields | {"maxFeePerGas": most, "maxPriorityFeePerGas": tip})


def _send(chain: Chain, raw: bytes) -> Exception | None:
    try:
        chain.send(raw)
    except (Retryable, Refused) as problem:
        return problem
    return None


def _overdue(
    database: Database, chain: Chain, signer: Signer, waiting: list[Sent], problem: Exception | None
) -> Exception:
    names = ", ".join(f"{sent.what!r} (nonce {sent.nonce})" for sent in waiting[:3])
    more = f" and {len(waiting) - 3} more" if len(waiting) > 3 else ""
    last = f"; the last problem: {problem}" if problem else ""
    try:
        expected = chain.nonce(signer.address)
        sent = database.sent(signer.address, what=waiting[0].what)[0]  # with the versions of other processes
        foreign = expected > sent.nonce and sent.outcome is None and _outcomes(chain, [sent]) == [None]
    except Retryable:
        return Retryable(f"not mined in time: {names}{more}{last}")
    if not foreign:
        gap = f"; the chain waits for nonce {expected}" if expected < waiting[0].nonce else ""
        return Retryable(f"not mined in time: {names}{more}{gap}{last}")
    return Fatal(
        f"nonce {waiting[0].nonce} of {checksum(signer.address)} went to another transaction than {waiting[0].what!r}: "
        "the key was used outside this outbox, or the database comes from an old backup"
    )


def _require_success(transactions: list[Sent]) -> None:
    reverted = [sent.what for sent in transactions if sent.outcome and not sent.outcome.succeeded]
    if reverted:
        raise Refused("reverted", "mined, but reverted: " + ", ".join(map(repr, reverted)))
