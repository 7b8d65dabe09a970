"""What protects people's data."""

from pathlib import Path
from typing import Annotated

import typer

from oracle.cli.options import JsonOption, answer

app = typer.Typer()


@app.command()
def anonymise(
    file: Annotated[Path, typer.Argument(help="CSV, JSONL, JSON, text, an image or a folder of images.")],
    policy: Annotated[Path | None, typer.Option(help="What is done with which kind (JSON) [redact all].")] = None,
    report: Annotated[Path | None, typer.Option(help="Write what was changed to a file (JSON).")] = None,
    out: Annotated[Path | None, typer.Option(help="The copy [FILE with .anonymised in its name].")] = None,
    key: Annotated[Path | None, typer.Option(help="File with the key of pseudonyms; made if it is not there.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Write a copy without personal data; exit 1, and no copy, if rows of a table stand out."""
    from oracle.commands import anonymising

    document = anonymising.anonymised(file, policy, out, report, key)
    answer(document, as_json, anonymising.text, document["ok"])
