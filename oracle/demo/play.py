"""From the command's words to a demo under way: what is wrong with them is said before anything is loaded, started or written."""

import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from oracle.adapters import processes
from oracle.config import Home
from oracle.demo.progress import Show, Silent
from oracle.demo.recording import load

WINDOW = 3_600
STAGES = (
    "chain",
    "deploy",
    "start",
    "fund",
    "register",
    "assign",
    "answer",
    "close",
    "settle",
    "pay",
    "refund",
    "audit",
)


@dataclass(frozen=True, slots=True)
class Options:
    """What the command line asks for. `rpc`: another endpoint than a local chain of our own; `port`: the API's."""

    labels: Path | None = None
    gold: Path | None = None
    rpc: str | None = None
    port: int = 0
    window: int = WINDOW
    title: str = "Recorded crowd"


def play(
    home: Home, options: Options, show: Show | None = None, between: Callable[[str], None] = lambda _: None
) -> dict[str, Any]:
    """Plays a recorded crowd in a fresh home; `between` is called before each stage. Raises BadInput with nothing done."""
    began = time.perf_counter()
    home.require_unused()
    recording = load(options.labels, options.gold)
    processes.bind(options.port).close()
    processes.warm(needed_by_children())
    from oracle.demo.run import Demo  # noqa: PLC0415 - it loads for seconds, and the children load theirs meanwhile

    loaded = {"load": round(time.perf_counter() - began, 3)}
    return Demo(home, options, recording, show or Silent(), between, loaded, began=began).run()


def needed_by_children() -> list[str]:
    """Loaded once for all. torch too, where a process that has loaded it may be forked."""
    torch = ["oracle.verification.record"] if sys.platform == "linux" else []
    return ["api.serve", *torch]
