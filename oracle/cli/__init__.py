"""The command `crowdproof`: reads arguments, calls one function, prints one result.

stdout: a text for people or, with --json, one JSON document. stderr: progress and logs. Exit 0 on success, 1 on a negative answer,
2 on bad input, 130 and 143 when stopped. Heavy imports are lazy, so that --help is quick.
"""

import os
import signal
import sys
import threading
from typing import Any, NoReturn

import typer

from oracle.cli import (
    bench,
    checks,
    committee,
    credential,
    deployment,
    federate,
    jobs,
    keys,
    models,
    privacy,
    registry,
    work,
)

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Crowd work that anyone can check.",
)
for _group in (deployment, checks, work, models, privacy):
    app.add_typer(_group.app)
app.add_typer(jobs.app, name="job")
app.add_typer(keys.app, name="key")
app.add_typer(credential.app, name="credential")
app.add_typer(committee.app, name="committee")
app.add_typer(federate.app, name="federate")
app.add_typer(registry.app, name="models")
app.add_typer(bench.app, name="bench")


def main() -> None:
    """Runs the command; whatever goes wrong becomes one line and an exit code."""
    from oracle.protocol.errors import BadInput, CrowdproofError

    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # for numpy: with small matrices more mostly wait
    signal.signal(signal.SIGINT, _stopped)
    signal.signal(signal.SIGTERM, _stopped)
    try:
        app()
    except _Stopped as stop:
        _fail("stopped", 128 + stop.number)
    except BadInput as problem:
        _fail(str(problem), 2)
    except CrowdproofError as problem:
        _fail(str(problem), 1)
    except Exception as problem:
        if os.environ.get("CROWDPROOF_TRACEBACK"):
            raise
        what = " ".join(f"{type(problem).__name__}: {problem}".split())[:500]
        _fail(f"internal error: {what} (run with CROWDPROOF_TRACEBACK=1 for the whole story)", 1)


class _Stopped(BaseException):
    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


def _stopped(number: int, _: Any) -> NoReturn:
    """Leaves through every `finally`, so that nothing that was started stays behind.

    A signal that arrives inside a callback of the interpreter, which swallows what is raised there, is sent again.
    """
    others = sys.unraisablehook

    def again(swallowed: Any) -> None:
        if isinstance(swallowed.exc_value, _Stopped):
            threading.Timer(0.05, os.kill, (os.getpid(), number)).start()
        else:
            others(swallowed)

    sys.unraisablehook = again
    raise _Stopped(number)


def _fail(message: str, code: int) -> NoReturn:
    print(f"crowdproof: {message}", file=sys.stderr)
    sys.exit(code)
