"""Each transaction exactly once: nonce and signed bytes are durable before the first sending, and only they are sent again.

Call -> Sent -> Outcome. Guarantee: whatever is lost (a reply, a process, mined blocks), a call's `what` never has a second
transaction, and its one transaction is sent until it is mined. A nonce is never asked of the chain once the outbox holds one:
a chain that forgot, or an endpoint that lags, would give a nonce twice, and the money would go out twice.

What breaks liveness, not safety: a sender's key that is used outside its outbox (Fatal, once that is certain).
"""

from time import monotonic, sleep

from oracle.ports import Call, Chain, Database, Outcome, Sent, Signer
from oracle.protocol.errors import Fatal, Refused, Retryable
from oracle.protocol.keys import checksum

GAS_LIMIT = 16_000_000  # below the cap of 2^24 on one transaction (EIP-7825)
PATIENCE_S = 120.0  # for the outcome of earlier transactions, or of one
REORGANISATION = 256  # blocks: outcomes this deep are looked at again
POLL_S = (0.05, 1.0)  # between looks: at first, at last
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
            _send(chain, sent)
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
    for sent in reversed(database.sent(signer.address)):  # what is on chain has all lower nonces below it
        if sent.outcome is None:
            continue
        outcome = chain.outcome(sent.transaction)
        if outcome != sent.outcome:
            database.set_outcome(signer.address, sent.nonce, outcome)
        elif sent.outcome.block + REORGANISATION <= highest:
            break
    for sent in database.sent(signer.address, waiting=True):
        _send(chain, sent)


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


def _wait(database: Database, chain: Chain, signer: Signer, deadline_s: float, last: int | None = None) -> list[Sent]:
    """Returns what had no outcome (up to the nonce `last`), when all of it has one. Raises Retryable at the deadline."""
    end = monotonic() + deadline_s
    pause, longest = POLL_S
    first: list[Sent] | None = None
    while True:
        waiting = [s for s in database.sent(signer.address, waiting=True) if last is None or s.nonce <= last]
        first = waiting if first is None else first
        waiting, problem = _advance(database, chain, signer, waiting)
        if not waiting:
            return first
        if monotonic() >= end:
            raise _overdue(chain, signer, waiting, problem)
        sleep(pause)
        pause = min(2 * pause, longest)


def _advance(
    database: Database, chain: Chain, signer: Signer, waiting: list[Sent]
) -> tuple[list[Sent], Exception | None]:
    """Records what is mined and sends the rest again, once; returns the rest and the last problem."""
    rest: list[Sent] = []
    problem: Exception | None = None
    for sent in waiting:
        try:
            outcome = chain.outcome(sent.transaction)
        except Retryable as failure:
            rest.append(sent)
            problem = failure
            continue
        if outcome is None:
            rest.append(sent)
            problem = _send(chain, sent) or problem
        else:
            database.set_outcome(signer.address, sent.nonce, outcome)
    return rest, problem


def _send(chain: Chain, sent: Sent) -> Exception | None:
    """Sends, and returns what went wrong: it is in the outbox, so the next look sends it again."""
    try:
        chain.send(sent.raw)
    except (Retryable, Refused) as problem:
        return problem
    return None


def _overdue(chain: Chain, signer: Signer, waiting: list[Sent], problem: Exception | None) -> Exception:
    names = ", ".join(f"{sent.what!r} (nonce {sent.nonce})" for sent in waiting[:3])
    more = f" and {len(waiting) - 3} more" if len(waiting) > 3 else ""
    late = Retryable(f"not mined in time: {names}{more}" + (f"; the last problem: {problem}" if problem else ""))
    try:
        foreign = chain.nonce(signer.address) > waiting[0].nonce and chain.outcome(waiting[0].transaction) is None
    except Retryable:
        return late
    if not foreign:
        return late
    return Fatal(
        f"nonce {waiting[0].nonce} of {checksum(signer.address)} went to another transaction than {waiting[0].what!r}: "
        "the key was used outside this outbox, or the database comes from an old backup"
    )


def _require_success(transactions: list[Sent]) -> None:
    reverted = [sent.what for sent in transactions if sent.outcome and not sent.outcome.succeeded]
    if reverted:
        raise Refused("reverted", "mined, but reverted: " + ", ".join(map(repr, reverted)))
