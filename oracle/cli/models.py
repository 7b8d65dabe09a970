"""The models without a chain: truth, matching, replays, checks of content."""

from pathlib import Path
from typing import Annotated

import typer

from oracle.cli.options import ComputeOption, DeviceOption, JsonOption, alone, answer, show

app = typer.Typer()
content_app = typer.Typer(no_args_is_help=True, help="Checks of texts and images.")
app.add_typer(content_app, name="content")


@app.command()
def infer(
    labels: Annotated[Path, typer.Option(help="Answers: task,worker,label (CSV, CSV.gz, JSONL, Parquet).")],
    out: Annotated[Path, typer.Option(help="Verdicts: task,label,confidence.")],
    gold: Annotated[
        Path | None,
        typer.Option(help="Known labels: task,label; of other types than choice, to score."),
    ] = None,
    method: Annotated[str, typer.Option(help="auto (the engine), vote or dawid-skene.")] = "auto",
    proba: Annotated[bool, typer.Option("--proba", help="One more column for each class, p:<class>.")] = False,
    of_record: Annotated[bool, typer.Option("--of-record", help="The integer decision of record.")] = False,
    prior_workers: Annotated[Path | None, typer.Option(help="Earlier work: worker,truth,label,count.")] = None,
    workers_out: Annotated[Path | None, typer.Option(help="What is learned of the workers, in that form.")] = None,
    machines: Annotated[Path | None, typer.Option(help="Workers that are models, heard as one: worker.")] = None,
    explain: Annotated[list[str] | None, typer.Option(help="Tasks whose verdict is explained.")] = None,
    kind: Annotated[str, typer.Option("--type", help="Of the answers; docs/answer-types.md.")] = "choice",
    compute: ComputeOption = "local",
    device: DeviceOption = "cpu",
    as_json: JsonOption = False,
) -> None:
    """Infer the truth behind a crowd's labels."""
    from oracle.adapters.cluster import computing
    from oracle.commands import inferring
    from oracle.protocol.errors import BadInput

    if kind != "choice":
        from oracle.commands import typed

        elsewhere = (compute, device) != ("local", "cpu")
        if method != "auto" or proba or prior_workers or workers_out or machines or explain or elsewhere:
            raise BadInput(
                "--type with --method, --proba, --prior-workers, --workers-out, --machines, --explain, --compute or --device: "
                "they are for choices; "
                "docs/answer-types.md has the columns of a type"
            )
        show(typed.infer(labels, out, gold, kind, of_record), as_json, typed.text)
        return
    by = alone(device, compute)
    wanted = inferring.Wishes(
        gold, method, proba, of_record, prior_workers, workers_out, machines, tuple(explain or ()), by
    )
    with computing(compute) as workers:
        document = inferring.infer(labels, out, wanted, workers)
    show(document, as_json, inferring.text)


@app.command()
def match(
    workers: Annotated[Path, typer.Option(help="worker,capacity (CSV or Parquet).")],
    tasks: Annotated[Path, typer.Option(help="task,redundancy.")],
    edges: Annotated[Path, typer.Option(help="task,worker,value.")],
    out: Annotated[Path, typer.Option(help="The assignment: task,worker.")],
    gap: Annotated[float, typer.Option(help="Share of the value that may be lost; 0 is the optimum.")] = 0.001,
    prices: Annotated[Path | None, typer.Option(help="Proof of the bound: worker,price.")] = None,
    threads: Annotated[int, typer.Option(min=1, max=64)] = 1,
    terms: Annotated[
        bool, typer.Option("--terms", help="Edges have loss,money,time: value = loss - money - time.")
    ] = False,
    compute: ComputeOption = "local",
    device: DeviceOption = "cpu",
    as_json: JsonOption = False,
) -> None:
    """Assign workers to tasks so that the value is largest, with a proof of how large it can be."""
    from oracle.adapters.cluster import computing
    from oracle.commands import matching

    by = alone(device, compute)
    with computing(compute) as many:
        document = matching.match(workers, tasks, edges, out, prices, gap, threads, terms, many, by)
    show(document, as_json, matching.text)


@app.command("check-match")
def check_match(
    workers: Annotated[Path, typer.Option(help="worker,capacity (CSV or Parquet).")],
    tasks: Annotated[Path, typer.Option(help="task,redundancy.")],
    edges: Annotated[Path, typer.Option(help="task,worker,value.")],
    assignment: Annotated[Path, typer.Option(help="task,worker.")],
    prices: Annotated[Path, typer.Option(help="worker,price.")],
    value: Annotated[float | None, typer.Option(help="Claimed value: refuse if it is less.")] = None,
    bound: Annotated[float | None, typer.Option(help="Claimed bound: refuse if the prices prove less.")] = None,
    terms: Annotated[bool, typer.Option("--terms", help="Edges have loss,money,time.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Check an assignment and its proof: every limit kept, the value, and the bound that the prices prove."""
    from oracle.commands import matching

    document = matching.check_match(workers, tasks, edges, assignment, prices, value, bound, terms)
    answer(document, as_json, matching.check_text, document["ok"])


@app.command()
def replay(
    labels: Annotated[Path, typer.Option(help="Recorded answers: task,worker,label.")],
    gold: Annotated[Path, typer.Option(help="Known labels, only to score: task,label.")],
    policy: Annotated[str, typer.Option(help="random, round_robin, entropy, qasca, eig or ours.")] = "ours",
    mode: Annotated[str, typer.Option(help="arrival: workers come, a task is chosen; pool: any pair.")] = "arrival",
    budget: Annotated[int | None, typer.Option(min=1, help="Answers at most [all].")] = None,
    seeds: Annotated[int, typer.Option(min=1, help="Orders of arrival.")] = 30,
    as_json: JsonOption = False,
) -> None:
    """Buy recorded answers one by one as a policy would; how good the verdicts are after each, and when good enough."""
    from oracle.commands import replaying

    show(replaying.replay(labels, gold, policy, mode, budget, seeds), as_json, replaying.text)


@content_app.command("check")
def content_check(
    file: Annotated[Path, typer.Argument(help="Texts (JSONL: id, text, task, worker, prompt), or a folder of images.")],
    policy: Annotated[Path | None, typer.Option(help="The job's policy (JSON) [report all, reject nothing].")] = None,
    clean: Annotated[Path | None, typer.Option(help="Folder for copies of images without their place.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Say what is wrong with each text or image, and why; exit 1 if the policy rejects one."""
    from oracle.commands import checking

    document = checking.check(file, policy, clean)
    answer(document, as_json, checking.text, document["ok"])
