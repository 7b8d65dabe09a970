"""What protects people's data."""

from pathlib import Path
from typing import Annotated

import typer

from oracle.cli.options import HomeOption, JsonOption, answer, show

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


@app.command()
def release(
    query: Annotated[str, typer.Argument(help='What is asked: {"of": "histogram", "epsilon": 0.5}, or a file of it.')],
    job: Annotated[int | None, typer.Option(min=1, help="Of a job on the chain, by its number.")] = None,
    labels: Annotated[Path | None, typer.Option(help="Of a file task,worker,label instead.")] = None,
    dataset: Annotated[str, typer.Option(help="With --labels: the name that the budget is kept under.")] = "",
    budget: Annotated[str, typer.Option(help='With --labels, once: {"epsilon": 1, "delta": 1e-6}.')] = "",
    truth: Annotated[Path | None, typer.Option(help="With --labels: task,label that is right, and public.")] = None,
    groups: Annotated[Path | None, typer.Option(help="CSV worker,group, for quality by group.")] = None,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Release noisy statistics (differential privacy for each worker) against a budget that is refused when spent."""
    from oracle.commands import releasing
    from oracle.protocol.errors import BadInput

    if (job is None) == (labels is None):
        raise BadInput("either --job or --labels says what is asked about")
    if job is not None:
        document = releasing.of_job(home, job, query, groups)
    else:
        assert labels is not None  # noqa: S101 - by the line above
        document = releasing.of_file(home, labels, dataset, query, groups, truth, budget)
    show(document, as_json, releasing.text)


@app.command()
def ledger(
    job: Annotated[int | None, typer.Option(min=1, help="Of a job on the chain, by its number.")] = None,
    dataset: Annotated[str, typer.Option(help="Or of a file's data set.")] = "",
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show what a data set has revealed, and check the ledger: chain, signatures, budget; exit 1 if it is not whole."""
    from oracle.commands import releasing

    document = releasing.ledger(home, job, dataset)
    answer(document, as_json, releasing.text, document["ok"])
