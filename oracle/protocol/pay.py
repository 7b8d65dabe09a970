"""R3, rule by rule, as the Referee checks it: each wrong unit of pay is one of these faults.

epoch, state, ledger before it -> faults. `oracle.protocol.audit` asks the same at once (does it equal what follows from the
verdicts?); here each fault stands alone, so that one leaf or two prove it, whatever else is wrong. Never raises on hostile data.
Of a verdict that is sealed only its job is known here.
"""

from collections import defaultdict
from collections.abc import Iterator

from oracle.protocol import epoch as ep
from oracle.protocol import scoring
from oracle.protocol.epoch import Epoch
from oracle.protocol.faults import Fault, Kind
from oracle.protocol.heads import Debit
from oracle.protocol.leaves import Balance, Status, Verdict, is_sealed, unpack_earnings
from oracle.protocol.ledger import Ledger
from oracle.protocol.state import State
from oracle.protocol.terms import MAX_EARNINGS

EARNING = 12  # bytes


def faults(epoch: Epoch, state: State, ledger: Ledger) -> Iterator[Fault]:
    """Every provable fault of pay. `epoch.debits` are those that were posted."""
    yield from _sizes(epoch, state, ledger)
    yield from _running(epoch, state)
    yield from _debits(epoch)
    earned = [_earned(balance) for balance in epoch.balances]
    for index, balance in enumerate(epoch.balances):
        yield from _balance(epoch, index, balance, state, ledger)
        yield from _earnings(epoch, index, earned[index], state)
    yield from _missing(epoch, [{verdict for verdict, _ in of} for of in earned], state)


def sealed_pay(epoch: Epoch) -> dict[int, int]:
    """Units that each job pays at verdicts that could not be opened."""
    found: dict[int, int] = defaultdict(int)
    for index, balance in enumerate(epoch.balances):
        for at, units in _earned(balance) if index else ():
            if at < len(epoch.verdicts) and is_sealed(epoch.verdicts[at]):
                found[epoch.verdicts[at].job] += units
    return found


def _earned(balance: Balance) -> list[tuple[int, int]]:
    """The whole ones of its earnings."""
    return unpack_earnings(balance.earnings[: len(balance.earnings) // EARNING * EARNING])


def _sizes(epoch: Epoch, state: State, ledger: Ledger) -> Iterator[Fault]:
    size = len(epoch.balances)
    what = f"{size} balances do not fit {len(state.workers)} accounts, of which {len(ledger.cumulative)} have earned"
    if size < len(ledger.cumulative):
        yield Fault(epoch.epoch, "balances", None, what, Kind.BalancesShrunk)
    if size > len(state.workers):
        yield Fault(epoch.epoch, "balances", None, what, Kind.BalancesBeyond)


def _running(epoch: Epoch, state: State) -> Iterator[Fault]:
    before = None
    for index, verdict in enumerate(epoch.verdicts):
        if job := state.jobs.get(verdict.job):
            last = before if before and before.job == verdict.job else None
            must = (last.pay if last else 0) + ep.pay_of(job.terms, verdict.label, verdict.cores)
            dark = is_sealed(verdict) or (last is not None and is_sealed(last))
            if verdict.pay != must and not dark:
                what = f"the running pay is {verdict.pay}, it must be {must}"
                yield Fault(epoch.epoch, "verdicts", index, what, Kind.RunningPay)
        before = verdict


def _debits(epoch: Epoch) -> Iterator[Fault]:
    size = len(epoch.verdicts)
    for index, debit in enumerate(epoch.debits):
        kind = None
        if debit.last >= size:
            kind = Kind.DebitBeyond
        elif not _is_debit_of(epoch.verdicts[debit.last], debit):
            kind = Kind.DebitMismatch
        elif debit.last + 1 < size and epoch.verdicts[debit.last + 1].job == debit.job:
            kind = Kind.DebitNotLast
        if kind is not None:
            yield Fault(epoch.epoch, "debits", index, "a debit is not the pay of its job", kind)
    debited = {debit.job for debit in epoch.debits}
    for index, verdict in enumerate(epoch.verdicts):
        if verdict.job not in debited:
            yield Fault(epoch.epoch, "verdicts", index, f"job {verdict.job} has no debit", Kind.DebitMissing)


def _is_debit_of(verdict: Verdict, debit: Debit) -> bool:
    return verdict.job == debit.job and (is_sealed(verdict) or verdict.pay == debit.pay)


def _balance(epoch: Epoch, index: int, balance: Balance, state: State, ledger: Ledger) -> Iterator[Fault]:
    earnings = balance.earnings
    before = ledger.cumulative[index] if index < len(ledger.cumulative) else 0
    must = before + sum(units for _, units in _earned(balance))
    wrong = {
        Kind.BalanceWorker: balance.worker != index,
        Kind.BalanceWallet: index in state.workers and balance.wallet != state.workers[index].wallet,
        Kind.EarningsMisshapen: len(earnings) % EARNING != 0,
        Kind.EarningsTooMany: len(earnings) > MAX_EARNINGS * EARNING,
        Kind.CumulativeMismatch: balance.cumulative != must,
    }
    words = {
        Kind.BalanceWorker: f"the balance is worker {balance.worker}'s",
        Kind.BalanceWallet: f"the wallet of worker {index} is another",
        Kind.EarningsMisshapen: f"{len(earnings)} bytes are no list of earnings",
        Kind.EarningsTooMany: f"worker {index} has more earnings than an epoch allows",
        Kind.CumulativeMismatch: f"worker {index} has {balance.cumulative} in all, it must be {must}",
    }
    for kind, is_wrong in wrong.items():
        if is_wrong:
            yield Fault(epoch.epoch, "balances", index, words[kind], kind)


def _earnings(epoch: Epoch, index: int, earned: list[tuple[int, int]], state: State) -> Iterator[Fault]:
    for position, (of, units) in enumerate(earned):
        kind = None
        if position + 1 < len(earned) and of >= earned[position + 1][0]:
            kind = Kind.EarningsUnordered
        elif of >= len(epoch.verdicts):
            kind = Kind.EarningBeyond
        elif index == 0:
            kind = None if _is_fee(epoch, state, of, units) else Kind.FeeUnfounded
        elif _is_unfounded(epoch, state, index, of, units):
            kind = Kind.EarningUnfounded
        if kind is not None:
            what = f"worker {index} did not earn {units} at verdict {of}"
            yield Fault(epoch.epoch, "balances", index, what, kind, position)


def _is_fee(epoch: Epoch, state: State, of: int, units: int) -> bool:
    fees = [state.jobs[d.job].terms.fee(d.pay) for d in epoch.debits if d.last == of and d.job in state.jobs]
    return units != 0 and units in fees


def _is_unfounded(epoch: Epoch, state: State, worker: int, of: int, units: int) -> bool:
    """Without the job's terms there is nothing to compare with: the verdict itself is a fault then."""
    verdict = epoch.verdicts[of]
    job = state.jobs.get(verdict.job)
    return (
        job is not None
        and not is_sealed(verdict)
        and not any(
            core.worker == worker
            and core.status is Status.COUNTED
            and units == scoring.pay(job.terms, core.label, verdict.label)
            for core in verdict.cores
        )
    )


def _missing(epoch: Epoch, earned: list[set[int]], state: State) -> Iterator[Fault]:
    for index, verdict in enumerate(epoch.verdicts):
        for position, core in enumerate(verdict.cores):
            if core.status is not Status.COUNTED:
                continue
            what = f"worker {core.worker} has nothing of its counted answer"
            if core.worker >= len(earned):
                yield Fault(epoch.epoch, "verdicts", index, what, Kind.EarnerMissing, position)
            elif index not in earned[core.worker]:
                yield Fault(epoch.epoch, "verdicts", index, what, Kind.EarningMissing, position, core.worker)
    for index, debit in enumerate(epoch.debits):
        job = state.jobs.get(debit.job)
        if job and job.terms.fee(debit.pay) and earned and debit.last not in earned[0]:
            yield Fault(epoch.epoch, "debits", index, "the treasury lacks a fee", Kind.FeeMissing)
