"""A worker by the command line."""

import json
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from oracle.cli.options import ApiOption, HomeOption, JsonOption, show, signer_of

app = typer.Typer()

OwnKeyOption = Annotated[str, typer.Option("--key", help="Your wallet: a keystore in HOME/keys, or its file.")]


@app.command()
def register(key: OwnKeyOption, home: HomeOption = None, api: ApiOption = "", as_json: JsonOption = False) -> None:
    """Get the wallet a number among the workers; a relayer pays. Again: prints the number."""
    from oracle.commands import working

    document = working.register(home, api, signer_of(home, key))
    show(document, as_json, lambda d: f"  worker      {d['worker']} ({d['wallet']})")


@app.command()
def work(
    key: OwnKeyOption,
    job: Annotated[int | None, typer.Option(min=1, help="Only this job's tasks.")] = None,
    labels: Annotated[Path | None, typer.Option(help="Answers by file: task,label [asks for each].")] = None,
    home: HomeOption = None,
    api: ApiOption = "",
    as_json: JsonOption = False,
) -> None:
    """Answer the tasks that are assigned to the wallet: sealed, signed, each with a quorum's receipt."""
    from oracle.commands import working

    ask = working.by_file(labels) if labels else _ask_label
    show(working.work(home, api, signer_of(home, key), job, ask), as_json, working.work_text)


def _ask_label(shown: dict[str, Any]) -> str | None:
    """A label or its number, or what is asked for; empty leaves the task for later, `return` gives it back."""
    classes: list[str] = shown["classes"]
    print(
        f"\n{shown['title']}: {shown['instructions']}\n\n  {json.dumps(shown['payload'], ensure_ascii=True)}\n",
        file=sys.stderr,
    )
    print("".join(f"  {number}  {json.dumps(label)}\n" for number, label in enumerate(classes, 1)), file=sys.stderr)
    what = f"answer ({shown['asked']['type']})" if shown["asked"] else "label"
    given = str(
        typer.prompt(f"{what} (empty: later; `return`: give it back)", default="", show_default=False, err=True)
    )
    if given == "return":
        return None
    return classes[int(given) - 1] if given.isascii() and given.isdigit() and 0 < int(given) <= len(classes) else given


@app.command()
def balance(
    worker: Annotated[str, typer.Argument(help="Number, or wallet 0x...")],
    home: HomeOption = None,
    api: ApiOption = "",
    as_json: JsonOption = False,
) -> None:
    """Print what a worker earned: in all, paid, to be claimed, and pending."""
    from oracle.commands import working

    show(working.balance(home, api, worker), as_json, working.balance_text)


@app.command()
def claim(key: OwnKeyOption, home: HomeOption = None, api: ApiOption = "", as_json: JsonOption = False) -> None:
    """Have all that is claimable paid to the wallet; a relayer sends it."""
    from oracle.commands import working

    show(
        working.claim(home, api, signer_of(home, key)),
        as_json,
        lambda d: f"  paid        {d['paid']:,} to {d['wallet']}",
    )
