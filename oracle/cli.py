"""The command `crowdproof`: reads arguments, calls one service, prints one result.

stdout: a text for people or, with --json, one JSON document. stderr: progress and logs. Exit 0 on success, 1 on a negative answer,
2 on bad input. Heavy imports are lazy, so that --help is quick.
"""

import json
import logging
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

app = typer.Typer(
    add_completion=False, no_args_is_help=True, pretty_exceptions_enable=False, help="Crowd work that anyone can check."
)
key_app = typer.Typer(no_args_is_help=True, help="Encrypted keystores.")
chain_app = typer.Typer(no_args_is_help=True, help="The local chain of a home (Anvil).")
app.add_typer(key_app, name="key")
app.add_typer(chain_app, name="chain")

HomeOption = Annotated[
    Path | None, typer.Option("--home", help="Folder of the deployment [CROWDPROOF_HOME, ~/.crowdproof].")
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]


def main() -> None:
    """Runs the command; every error of ours becomes one line and an exit code."""
    from oracle.protocol.errors import BadInput, CrowdproofError

    try:
        app()
    except BadInput as problem:
        _fail(str(problem), 2)
    except CrowdproofError as problem:
        _fail(str(problem), 1)
    except KeyboardInterrupt:
        _fail("stopped", 130)


def _fail(message: str, code: int) -> None:
    print(f"crowdproof: {message}", file=sys.stderr)
    sys.exit(code)


def _print(document: dict[str, Any], as_json: bool, text: Callable[[], str]) -> None:
    print(json.dumps(document) if as_json else text())


@app.command()
def demo(
    labels: Annotated[Path | None, typer.Option(help="Recorded answers: task,worker,label.")] = None,
    gold: Annotated[Path | None, typer.Option(help="Known labels, only to score: task,label.")] = None,
    home: HomeOption = None,
    rpc: Annotated[str | None, typer.Option(help="Another development chain than a fresh local one.")] = None,
    port: Annotated[int, typer.Option(help="Port of the API; 0 takes a free one.")] = 0,
    as_json: JsonOption = False,
) -> None:
    """Play a recorded crowd through the whole system: wallets, escrow, sealed answers, verdicts, pay, audit."""
    from oracle.config import Home
    from oracle.demo import progress, report
    from oracle.demo.run import STAGES, Options, play

    with progress.shown(STAGES) as show:
        summary = play(Home.at(home) if home else Home.fresh(), Options(labels, gold, rpc, port), show)
    _print(summary, as_json, lambda: report.text(summary))
    if not summary["audit"]["ok"]:
        sys.exit(1)


@app.command()
def audit(
    home: HomeOption = None,
    rpc: Annotated[str | None, typer.Option(help="Endpoint, for an audit from outside.")] = None,
    store: Annotated[str | None, typer.Option(help="Folder or gateway URL of the content, with --rpc.")] = None,
    deployment: Annotated[Path | None, typer.Option(help="deployment.json, with --rpc [HOME/deployment.json].")] = None,
    as_json: JsonOption = False,
) -> None:
    """Recompute every verdict, balance and signature from the chain and the content store alone."""
    from oracle import commands

    document = commands.audit(home, rpc, store, deployment)
    _print(document, as_json, lambda: commands.audit_text(document))
    if not document["ok"]:
        sys.exit(1)


@app.command()
def infer(
    labels: Annotated[Path, typer.Option(help="Answers: task,worker,label (CSV, CSV.gz, JSONL, Parquet).")],
    out: Annotated[Path, typer.Option(help="Verdicts: task,label,confidence.")],
    gold: Annotated[Path | None, typer.Option(help="Known labels, used in inference: task,label.")] = None,
    method: Annotated[str, typer.Option(help="auto, vote or dawid-skene.")] = "auto",
    proba: Annotated[bool, typer.Option("--proba", help="One more column for each class, p:<class>.")] = False,
    of_record: Annotated[bool, typer.Option("--of-record", help="The integer decision of record.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Infer the truth behind a crowd's labels."""
    from oracle import commands

    document = commands.infer(labels, out, gold, method, proba, of_record)
    _print(document, as_json, lambda: commands.infer_text(document))


@app.command()
def doctor(home: HomeOption = None, as_json: JsonOption = False) -> None:
    """Look at this machine and, if there is one, at the home; say what is missing and how to mend it."""
    from oracle import commands

    document = commands.doctor(home)
    _print(document, as_json, lambda: commands.doctor_text(document))
    if not document["ok"]:
        sys.exit(1)


@app.command(hidden=True)
def member(
    number: Annotated[int, typer.Option(help="Which member, from 1.")],
    socket: Annotated[int, typer.Option(help="Descriptor of a listening socket.")],
    home: HomeOption = None,
) -> None:
    """Serve one committee member (started by the demo)."""
    from importlib import import_module
    from threading import Thread

    from api.member import create_app
    from oracle.bootstrap import open_member
    from oracle.config import Home

    place = Home.at(home)
    opened, content = open_member(place, number)
    Thread(
        target=import_module, args=("oracle.verification.record",), daemon=True
    ).start()  # torch, before it is needed
    _serve(create_app(opened, content, place.secret("token")), socket)


@app.command(hidden=True)
def api(
    socket: Annotated[int, typer.Option(help="Descriptor of a listening socket.")],
    home: HomeOption = None,
) -> None:
    """Serve the public API (started by the demo)."""
    from api.app import create_app
    from oracle.bootstrap import open_oracle
    from oracle.config import Home

    _serve(create_app(open_oracle(Home.at(home))), socket)


def _serve(application: Any, descriptor: int) -> None:
    import socket

    import uvicorn

    from oracle.adapters.processes import leave_with_parent

    leave_with_parent()
    logging.basicConfig(level=logging.WARNING)
    config = uvicorn.Config(application, log_level="warning", access_log=False, server_header=False)
    uvicorn.Server(config).run(sockets=[socket.socket(fileno=descriptor)])


@key_app.command("new")
def key_new(name: str, home: HomeOption = None, as_json: JsonOption = False) -> None:
    """Make a key, encrypted with a password (CROWDPROOF_PASSWORD, or asked for)."""
    from oracle import commands

    document = commands.key_new(home, name, _password(confirm=True))
    _print(document, as_json, lambda: f"{document['address']}  {document['file']}")


@key_app.command("import")
def key_import(name: str, home: HomeOption = None, as_json: JsonOption = False) -> None:
    """Encrypt a private key that is read, as hex, from standard input."""
    from oracle import commands

    secret = sys.stdin.readline().strip()
    document = commands.key_new(home, name, _password(confirm=True), secret)
    _print(document, as_json, lambda: f"{document['address']}  {document['file']}")


@key_app.command("list")
def key_list(home: HomeOption = None, as_json: JsonOption = False) -> None:
    """List the keystores of the home."""
    from oracle import commands

    document = commands.key_list(home)
    _print(document, as_json, lambda: "\n".join(f"{k['address']}  {k['name']}" for k in document["keys"]))


def _password(confirm: bool = False) -> str:
    import os

    given = os.environ.get("CROWDPROOF_PASSWORD")
    return given or str(typer.prompt("password", hide_input=True, confirmation_prompt=confirm, err=True))


if __name__ == "__main__":
    main()
