"""Owners train one model on what each of them holds."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from oracle.cli.options import JsonOption, answer, show

app = typer.Typer(no_args_is_help=True, help="Train one model of texts across owners, without pooling what they hold.")
HomeOf = Annotated[Path, typer.Option("--home", help="Folder of the federation.")]


@app.command()
def split(
    labels: Annotated[Path, typer.Option(help="task,worker,label.")],
    texts: Annotated[Path, typer.Option(help="CSV task,text.")],
    home: HomeOf,
    owners: Annotated[int, typer.Option(help="Among whom the workers are dealt out, unevenly.")] = 10,
    seed: Annotated[int, typer.Option(min=0)] = 0,
    plan: Annotated[
        str, typer.Option(help='Settings: {"rounds": 5, "epsilon": 8, "groups": 5, "rule": "median"}.')
    ] = "",
    as_json: JsonOption = False,
) -> None:
    """Make a federation of a recorded crowd: a folder, a key and a share of the workers for each owner."""
    from oracle.commands import federating

    show(federating.split(labels, texts, owners, home, seed, plan), as_json, federating.split_text)


@app.command()
def run(home: HomeOf, as_json: JsonOption = False) -> None:
    """Run a server and a process for each owner over loopback, or go on; exit 1 if the rounds failed."""
    from oracle.commands import federating

    found = federating.run(home, lambda what: print(f"crowdproof: {what}", file=sys.stderr, flush=True))
    answer(found, as_json, federating.text, found["ok"] and not found["failed"])


@app.command()
def serve(home: HomeOf, port: Annotated[int, typer.Option(min=0, max=65535, help="0 takes a free one.")] = 0) -> None:
    """Run the server alone, on loopback, for the plan.json in HOME."""
    from oracle.adapters import processes
    from oracle.commands import federating

    listening = processes.bind(port)
    print(f"crowdproof: {processes.url_of(listening)}", file=sys.stderr, flush=True)
    federating.server_of(home, listening)


@app.command()
def join(
    server: Annotated[str, typer.Argument(help="http://HOST:PORT")],
    plan: Annotated[Path, typer.Option(help="plan.json, which all agreed on.")],
    labels: Annotated[Path, typer.Option(help="task,worker,label of this owner.")],
    texts: Annotated[Path, typer.Option(help="CSV task,text of this owner.")],
    place: Annotated[Path, typer.Option(help="Folder of this owner's key and memory.")],
    as_json: JsonOption = False,
) -> None:
    """Take part as one owner, until the rounds are over; what is held stays here."""
    from oracle.commands import federating

    found = federating.join(plan, server, labels, texts, place)
    answer(
        found,
        as_json,
        lambda d: f"  {d['rounds']} rounds, epsilon {d['epsilon']:.3g} {d['failed']}",
        not found["failed"],
    )


@app.command()
def check(home: HomeOf, as_json: JsonOption = False) -> None:
    """Follow the chain of rounds in the store and the journal; exit 1 if it is not whole."""
    from oracle.commands import federating

    found = federating.check(home)
    answer(found, as_json, federating.text, found["ok"])
