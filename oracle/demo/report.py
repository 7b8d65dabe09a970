"""What a person sees of a demo: progress on the way, a summary at the end."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from rich.console import Console


@contextmanager
def progress(quiet: bool) -> Iterator[Callable[[str], None]]:
    """A function that shows what is being done: a live line on a terminal, nothing elsewhere."""
    console = Console(stderr=True)
    if quiet and not sys.stderr.isatty():
        yield lambda _: None
        return
    with console.status("starting") as status:
        yield status.update


def text(s: dict[str, Any]) -> str:
    """The summary as a page of text."""
    gas, seconds = s["gas"], s["seconds"]
    quality = _quality(s)
    money = [f"{name} {s[name] / 1e6:,.6f}" for name in ("debited", "paid", "claimable", "refunded")]
    lines = [
        "",
        f"  {s['answers']:,} answers by {s['workers']:,} wallets on {s['tasks']:,} tasks{quality}",
        (
            f"  decided in {s['epochs']} epoch{'s' * (s['epochs'] != 1)}, each signed by {s['committee']['quorum']} of "
            f"{s['committee']['members']} committee members"
        ),
        (
            f"  {s['transactions']} transactions in all; {gas['per_answer']:,} gas for each answer "
            f"(registration apart: {gas.get('register', 0):,} once)"
        ),
        "  DEMO: " + ", ".join(money),
        f"  audit: {'every verdict, balance and signature recomputed, no fault' if s['audit']['ok'] else 'FAILED'}",
        (
            f"  verdicts digest {s['verdicts_digest'][:16]}…, {seconds['total']:.1f} s "
            f"(answers {seconds['answer']:.1f}, verdicts {seconds['settle']:.1f}, audit {seconds['audit']:.1f})"
        ),
        *(f"  note: {note}" for note in s["notes"]),
        "",
        "  Look further:",
        f"    crowdproof audit --home {s['home']}",
        f"    crowdproof chain start --home {s['home']}     then cast, or any explorer, on the address that it prints",
        "",
    ]
    return "\n".join(lines)


def _quality(s: dict[str, Any]) -> str:
    if s["accuracy"] is not None:
        return f"; accuracy against gold {s['accuracy']:.4f}"
    if s["agreement"] is not None:
        return f"; {round(s['agreement'] * s['tasks'])} of {s['tasks']} as in the published consensus"
    return ""
