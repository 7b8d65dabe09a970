"""A requester's jobs."""

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from oracle.cli.options import ApiOption, HomeOption, JsonOption, SenderOption, show, signer_of

app = typer.Typer(no_args_is_help=True, help="A requester's jobs.")


@app.command("check")
def job_check(
    manifest: Annotated[Path, typer.Argument(help="The job's manifest (JSON).")],
    tasks: Annotated[
        Path | None,
        typer.Option(help="Its tasks: CSV with a column task (gold: the known class), or JSONL [one task]."),
    ] = None,
    unit: Annotated[int | None, typer.Option(help="Of the token [the home's deployment, else 1].")] = None,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Check a job and print the exact quote; nothing is sent and nothing is spent."""
    from oracle.commands import jobs

    show(jobs.check(home, manifest, tasks, unit), as_json, jobs.text)


@app.command("understand")
def job_understand(
    manifest: Annotated[Path, typer.Argument(help="The job's manifest (JSON).")],
    tasks: Annotated[Path | None, typer.Option(help="Its tasks: CSV with a column task, or JSONL.")] = None,
    history: Annotated[Path | None, typer.Option(help="Earlier tasks, JSONL: text, seconds, wrong.")] = None,
    words: Annotated[bool, typer.Option("--words", help="Compare words, also where the sentence model is.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Say what a job asks of people: language, domain, skills, time and difficulty with intervals, and what is unclear."""
    from oracle.commands import understanding

    show(understanding.of_job(manifest, tasks, history, not words), as_json, understanding.text)


@app.command("template")
def job_template(
    name: Annotated[str | None, typer.Argument(help="One of the templates [lists them].")] = None,
    out: Annotated[Path | None, typer.Option(help="Write OUT.json and OUT.tasks.jsonl [print both].")] = None,
    days: Annotated[int, typer.Option(min=1, help="Until the deadline, from now.")] = 7,
    as_json: JsonOption = False,
) -> None:
    """Print a manifest to begin with: medical, environment, annotation, ..."""
    from oracle.commands import understanding
    from oracle.templates import templates

    if name is None:
        document: dict[str, Any] = {n: t["describes"] for n, t in templates().items()}
    else:
        document = understanding.write(name, out, days) if out else understanding.template(name, days)
    show(document, as_json, lambda d: json.dumps(d, indent=2, ensure_ascii=False))


@app.command("graph")
def job_graph(
    manifest: Annotated[Path, typer.Argument(help="The job's manifest (JSON).")],
    tasks: Annotated[Path, typer.Option(help="Its tasks: CSV with a column task, or JSONL.")],
    as_json: JsonOption = False,
) -> None:
    """Print the order of a job's tasks: what can begin, the longest chain, slack, and deadlines that cannot be kept."""
    from oracle.commands import jobs

    show(jobs.order(manifest, tasks), as_json, jobs.order_text)


@app.command("create")
def job_create(
    manifest: Annotated[Path, typer.Argument(help="The job's manifest (JSON).")],
    tasks: Annotated[Path, typer.Option(help="Its tasks: CSV with a column task (gold: the known class), or JSONL.")],
    key: Annotated[str, typer.Option("--key", help="Keystore of the requester, in HOME/keys.")],
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Store a job at the oracle and its members, then escrow its budget. Again: the same job."""
    from oracle.commands import jobs

    show(jobs.create(home, manifest, tasks, signer_of(home, key)), as_json, jobs.text)


@app.command("status")
def job_status(number: int, home: HomeOption = None, as_json: JsonOption = False) -> None:
    """Print a job's times and money, as the chain has them."""
    from oracle.commands import jobs

    show(jobs.status(home, number), as_json, jobs.text)


@app.command("topup")
def job_topup(
    number: int,
    amount: Annotated[int, typer.Option(help="In the token's smallest unit.")],
    key: SenderOption,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Add to a job's escrow before its deadline; anyone may."""
    from oracle.commands import jobs

    show(jobs.top_up(home, number, amount, signer_of(home, key)), as_json, jobs.text)


@app.command("close")
def job_close(number: int, key: SenderOption, home: HomeOption = None, as_json: JsonOption = False) -> None:
    """End a job of one's own now: no answer is taken any more, and refunding opens the sooner."""
    from oracle.commands import jobs

    show(jobs.close(home, number, signer_of(home, key)), as_json, jobs.text)


@app.command("refund")
def job_refund(number: int, key: SenderOption, home: HomeOption = None, as_json: JsonOption = False) -> None:
    """Give a job's requester what nobody earned, once refunding is open; anyone may."""
    from oracle.commands import jobs

    show(jobs.refund(home, number, signer_of(home, key)), as_json, jobs.text)


@app.command("export")
def job_export(
    number: int,
    out: Annotated[Path, typer.Option(help="File to write.")],
    kind: Annotated[str, typer.Option("--format", help="jsonl, csv, parquet, car or croissant.")] = "jsonl",
    key: Annotated[str | None, typer.Option(help="The requester's keystore, for sealed payloads.")] = None,
    home: HomeOption = None,
    api: ApiOption = "",
    as_json: JsonOption = False,
) -> None:
    """Write a job's labels, confidences, answers and places of proofs to a file; `car` is all the data, for an audit."""
    from oracle.commands import working

    document = working.export(home, api, number, kind, signer_of(home, key) if key else None, out)
    show(document, as_json, lambda d: f"  wrote       {d['bytes']:,} bytes to {d['out']}")


@app.command("rest")
def job_rest(
    number: int,
    tasks: Annotated[Path, typer.Option(help="The file of tasks that the job was made of.")],
    out: Annotated[Path, typer.Option(help="File to write (JSONL).")],
    key: Annotated[str | None, typer.Option(help="The requester's keystore, for a sealed job.")] = None,
    home: HomeOption = None,
    api: ApiOption = "",
    as_json: JsonOption = False,
) -> None:
    """Write the tasks that an ended job did not decide to a file, for a new job: with a new key, if it is sealed."""
    from oracle.commands import working

    document = working.rest(home, api, number, signer_of(home, key) if key else None, tasks, out)
    show(document, as_json, lambda d: f"  wrote       {d['left']:,} tasks to {d['out']}; {d['decided']:,} are decided")


@app.command("key")
def job_key(
    number: int,
    key: Annotated[str, typer.Option(help="The requester's keystore.")],
    out: Annotated[Path, typer.Option(help="File to write; only you can read it.")],
    home: HomeOption = None,
    api: ApiOption = "",
    as_json: JsonOption = False,
) -> None:
    """Write the key of a job whose payloads are sealed to a file: with it `audit --job-key` reads a sealed job."""
    from oracle.commands import working

    document = working.job_key(home, api, number, signer_of(home, key), out)
    show(document, as_json, lambda d: f"  wrote       the key of job {d['job']} to {d['out']}")
