"""A fresh wallet that shows what its owner's work was like, and not who the owner is."""

from pathlib import Path
from typing import Annotated

import typer

from oracle.cli.options import ApiOption, HomeOption, JsonOption, password, show, signer_of
from oracle.cli.work import OwnKeyOption

app = typer.Typer(no_args_is_help=True, help="Work under a fresh wallet, known by its quality alone.")


@app.command()
def ask(
    job: Annotated[int, typer.Argument(min=1)],
    key: OwnKeyOption,
    band: Annotated[
        int, typer.Option(min=1, help="Of those that GET /jobs/JOB/bands names; your record must reach it.")
    ],
    name: Annotated[str, typer.Option(help="Of the fresh wallet: a new keystore in HOME/keys.")],
    out: Annotated[Path, typer.Option(help="Where the credential goes; cut off, the same command goes on.")],
    home: HomeOption = None,
    api: ApiOption = "",
    as_json: JsonOption = False,
) -> None:
    """Have the members sign, blind, that a fresh wallet's work is of the band. Your own wallet gives up the job."""
    from oracle.commands import unlinking

    document = unlinking.ask(home, api, signer_of(home, key), job, band, name, password(), out)
    show(document, as_json, unlinking.text)


@app.command()
def use(file: Path, home: HomeOption = None, api: ApiOption = "", as_json: JsonOption = False) -> None:
    """Register the fresh wallet by relay, and hand in its credential. Better later, and from another network."""
    from oracle.commands import unlinking

    show(unlinking.use(home, api, file, password()), as_json, unlinking.text)
