"""`crowdproof match` and `check-match`: a market as files -> an assignment, the prices that prove its worth; their check."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from oracle.commands import market_files as files
from oracle.compute import CPU, LOCAL, Compute
from oracle.protocol.errors import BadInput, Refused

SHOWN = 10  # short tasks that the text for people names


def match(
    workers: Path,
    tasks: Path,
    edges: Path,
    out: Path,
    prices: Path | None,
    gap: float,
    threads: int,
    terms: bool = False,
    compute: Compute = LOCAL,
    device: str = CPU,
) -> dict[str, Any]:
    """The same assignment by any `compute`; with a gap a `device` may find another.

    Raises BadInput that names file, line and column.
    """
    if not 0 <= gap < 1:
        raise BadInput(f"--gap {gap}: a share of the value from 0 (the optimum) to below 1 is needed")
    began = time.process_time()
    market = files.read_market(workers, tasks, edges, terms)
    loaded = time.process_time() - began
    from oracle.matching import parts, shortage, solve  # noqa: PLC0415 - numba loads for half a second

    arrays = (market.worker, market.task, market.value, market.capacity, market.redundancy)
    solve.warm_up(market.value)
    began = time.process_time()
    found = parts.solve_apart(*arrays, gap=gap, threads=threads, compute=compute, device=device)
    solved = time.process_time() - began
    files.write_pairs(out, market, found.chosen)
    if prices:
        files.write_prices(prices, market, found.price)
    names = list(market.tasks)
    return {
        "value": found.value,
        "bound": found.bound,
        "gap": found.gap,
        "assigned": int(found.assigned.sum()),
        "wanted": int(market.redundancy.sum()),
        "short": [
            {"task": names[one.task], "wanted": one.wanted, "assigned": one.assigned, "why": one.why}
            for one in shortage.explain(*arrays, found)
        ],
        "objective": {name: column[found.chosen].sum().item() for name, column in market.terms.items()},
        "seconds": {"load": loaded, "solve": solved},
        "out": str(out),
        **({"prices": str(prices)} if prices else {}),
    }


def text(d: dict[str, Any]) -> str:
    head = (
        f"  {d['assigned']:,} of {d['wanted']:,} places filled, value {d['value']:,}; "
        f"no assignment is worth more than {d['bound']:,.10g}: certified gap {d['gap']:.4%} -> {d['out']}"
    )
    short = [f"  {one['task']}: {one['assigned']} of {one['wanted']}: {one['why']}" for one in d["short"][:SHOWN]]
    more = len(d["short"]) - SHOWN
    parts = [f"  {name} {amount:,.10g}" for name, amount in d["objective"].items() if name != "value"]
    seconds = f"  {d['seconds']['load']:.2f} s to load, {d['seconds']['solve']:.3f} s to solve"
    return "\n".join(
        [head, *parts, *short, *([f"  and {more:,} more tasks short of workers"] if more > 0 else []), seconds]
    )


def check_match(
    workers: Path,
    tasks: Path,
    edges: Path,
    assignment: Path,
    prices: Path,
    value: float | None,
    bound: float | None,
    terms: bool = False,
) -> dict[str, Any]:
    """`ok` if the assignment keeps every limit and, where claimed, is worth `value` and proven to be within `bound`."""
    from oracle.matching.certify import certify  # noqa: PLC0415

    market = files.read_market(workers, tasks, edges, terms)
    taken, wrong = files.read_pairs(assignment, market)
    price, odd = files.read_prices(prices, market)
    if wrong or odd:
        return {"ok": False, "why": wrong or odd, "value": None, "bound": None, "gap": None}
    arrays = (market.worker, market.task, market.value, market.capacity, market.redundancy)
    try:
        worth, proven = certify(*arrays, taken, price, value, bound)
    except Refused as problem:
        return {"ok": False, "why": str(problem), "value": None, "bound": None, "gap": None}
    return {"ok": True, "value": worth, "bound": proven, "gap": (proven - worth) / proven if proven > 0 else 0.0}


def check_text(d: dict[str, Any]) -> str:
    if not d["ok"]:
        return f"  refused: {d['why']}"
    return f"  holds: value {d['value']:,.10g}, no assignment is worth more than {d['bound']:,.10g}: gap {d['gap']:.4%}"
