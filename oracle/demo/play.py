"""From the command's words to a demo under way: what is wrong with them is said before anything is loaded, started or written.

HOME/demo.json keeps what was asked for, so that `--resume` goes on with it after whatever ended the demo.
"""

import hashlib
import json
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any

from oracle.adapters import processes
from oracle.config import Home, write_atomically
from oracle.demo.progress import Show, Silent
from oracle.demo.recording import Recording, load
from oracle.protocol.errors import BadInput

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
    """What the command line asks for. `rpc`: another endpoint than a local chain of our own; `port`: the API's;

    `database`, `content`: a PostgreSQL and a Kubo in place of files; `resume`: go on with what the home holds; `early_stop`: ask
    for answers in rounds, where they are worth most, and no more about a task that is sure; `seal`, `visibility`: as in a manifest;

    `type`: of free answers, in the words of `infer --type`.
    """

    labels: Path | None = None
    gold: Path | None = None
    rpc: str | None = None
    port: int = 0
    window: int = WINDOW
    title: str = "Recorded crowd"
    database: str = ""
    content: str = ""
    resume: bool = False
    early_stop: bool = False
    seal: str = "members"
    visibility: str = "public"
    type: str = ""


@dataclass(frozen=True, slots=True)
class Begun:
    """HOME/demo.json: a demo's options and a digest of its recording; `deadline` (block time) once it is chosen."""

    options: Options
    recording: str
    deadline: int = 0

    def save(self, home: Home) -> None:
        options = {name: _plain(value) for name, value in asdict(self.options).items()}
        document = {"options": options, "recording": self.recording, "deadline": self.deadline}
        write_atomically(home.path / "demo.json", json.dumps(document, indent=1) + "\n")


def play(
    home: Home, options: Options, show: Show | None = None, between: Callable[[str], None] = lambda _: None
) -> dict[str, Any]:
    """Plays a recorded crowd in a fresh home; `between` is called before each stage. Raises BadInput with nothing done."""
    began = time.perf_counter()
    before = _begun(home) if options.resume else None
    if before:
        options = _same(home, before.options, options)
    elif not options.resume or not _untouched(home):
        home.require_unused()
    recording = load(options.labels, options.gold, options.type)
    if before and before.recording != _digest(recording):
        raise BadInput(f"the labels are not those with which the demo in {home.path} began")
    processes.bind(options.port).close()
    processes.warm(["api.serve"])
    from oracle.demo.run import Demo, check_endpoint  # noqa: PLC0415 - they load for seconds, and the children meanwhile

    if options.rpc:
        check_endpoint(options.rpc)
    home.create()
    begun = before or Begun(options, _digest(recording))
    begun.save(home)
    loaded = {"load": round(time.perf_counter() - began, 3)}
    return Demo(home, options, recording, show or Silent(), between, loaded, begun, began=began).run()


def _begun(home: Home) -> Begun | None:
    """What the home's demo began with; None if it did not get so far. Raises BadInput for a file that is damaged."""
    file = home.path / "demo.json"
    try:
        document = json.loads(file.read_bytes())
        options = document["options"]
        paths = {name: Path(options[name]) if options[name] else None for name in ("labels", "gold")}
        known = {field.name for field in fields(Options)}
        return Begun(Options(**{k: v for k, v in options.items() if k in known} | paths), **_rest(document))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError) as problem:
        raise BadInput(f"{file} is damaged ({problem}): the demo cannot go on from it") from None


def _rest(document: dict[str, Any]) -> dict[str, Any]:
    return {"recording": str(document["recording"]), "deadline": int(document["deadline"])}


def _same(home: Home, before: Options, now: Options) -> Options:
    """As it began, on the port that is asked for now. Raises BadInput when another thing is asked for now."""
    for name in ("labels", "gold", "rpc", "database", "content"):
        asked = getattr(now, name)
        if asked and _plain(asked) != _plain(getattr(before, name)):
            raise BadInput(
                f"--{name}: the demo in {home.path} began with {getattr(before, name) or 'none'}; leave it out"
            )
    return replace(before, port=now.port, resume=True)


def _plain(value: Any) -> Any:
    """A path whole: the demo may go on from another folder."""
    return str(value.resolve()) if isinstance(value, Path) else value


def _untouched(home: Home) -> bool:
    """Whether a demo was cut off here before its first word was written."""
    return home.path.is_dir() and all(file.suffix == ".part" or file.name == "lock" for file in home.path.iterdir())


def _digest(recording: Recording) -> str:
    answers = recording.answers
    columns = (answers.tasks, answers.workers, answers.classes, answers.task, answers.worker, answers.label)
    return hashlib.sha256(json.dumps([list(map(str, column)) for column in columns]).encode()).hexdigest()
