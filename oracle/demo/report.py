"""The page that a person reads when a demo has ended: what happened, how good, who paid whom, what it cost, where to look."""

from typing import Any

DEMO = 1_000_000  # smallest units in one DEMO


def text(s: dict[str, Any]) -> str:
    """The summary as a page of text."""
    return "\n".join(["", *_flow(s), "", *_money(s), "", *_cost(s), *_notes(s), "", *_further(s), ""])


def _flow(s: dict[str, Any]) -> list[str]:
    committee, audit = s["committee"], s["audit"]
    epochs = f"{s['epochs']} epoch" + "s" * (s["epochs"] != 1)
    verified = (
        f"{audit['verdicts']:,} verdicts, {audit['answers']:,} answers, {audit['balances']:,} balances recomputed: no fault"
        if audit["ok"]
        else "FAILED: " + "; ".join(audit["faults"][:3])
    )
    of = f" of {s['answers_recorded']:,} recorded" if s["answers"] < s["answers_recorded"] else ""
    return [
        f"  answers    {s['answers']:,}{of}, each sealed and signed by one of {s['workers']:,} wallets, on {s['tasks']:,} tasks",
        f"  verdicts   {epochs}, signed by {committee['quorum']} of {committee['members']} members{_quality(s)}",
        f"  audit      {verified}",
    ]


def _quality(s: dict[str, Any]) -> str:
    if s["accuracy"] is not None:
        return f"; {s['accuracy']:.2%} right against gold"
    if scores := [f"{name} {value:.4f}" for name, value in s.get("score", {}).items() if name != "tasks"]:
        return "; against gold " + ", ".join(scores)
    if s["agreement"] is not None:
        return f"; {round(s['agreement'] * s['tasks'])} of {s['tasks']} as in the published consensus"
    return ""


def _money(s: dict[str, Any]) -> list[str]:
    """Every line adds up to the escrow."""
    rows = [
        ("escrowed", s["escrowed"], "by the requester"),
        ("paid", s["paid"] - s["fee"], f"to {s['workers']:,} workers"),
        ("fee", s["fee"], "to the treasury"),
        *([("claimable", s["claimable"], "still to be claimed")] if s["claimable"] else []),
        ("refunded", s["refunded"], "to the requester"),
    ]
    width = max(len(f"{amount / DEMO:,.6f}") for _, amount, _ in rows)
    return [f"  {name:<10} {amount / DEMO:>{width},.6f} DEMO  {whom}" for name, amount, whom in rows]


def _cost(s: dict[str, Any]) -> list[str]:
    gas, seconds = s["gas"], s["seconds"]
    slowest = sorted(((v, k) for k, v in seconds.items() if k != "total"), reverse=True)[:3]
    times = ", ".join(f"{name} {value:.1f}" for value, name in slowest)
    gas_line = f"{gas['per_answer']:,.0f} gas an answer, and {gas['per_registration']:,.0f} once for each new wallet"
    return [
        f"  gas        {s['transactions']} transactions, {gas_line}",
        f"  time       {seconds['total']:.1f} s ({times})",
        f"  digest     {s['verdicts_digest']}",
    ]


def _notes(s: dict[str, Any]) -> list[str]:
    return [f"  note       {note}" for note in s["notes"]]


def _further(s: dict[str, Any]) -> list[str]:
    return [
        "  Look further:",
        f"    crowdproof audit --home {s['home']}          recompute everything yourself",
        f"    crowdproof chain start --home {s['home']}    the chain again, for cast or an explorer",
    ]
