"""What anybody does with an epoch: audit, refute, watch, contest, and the escape hatch."""

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from oracle.cli.options import HomeOption, JsonOption, answer, show, signer_of

app = typer.Typer()

RpcOption = Annotated[str | None, typer.Option(help="Endpoint, from outside.")]
StoreOption = Annotated[str | None, typer.Option(help="Folder or gateway URL of the content, with --rpc.")]
DeploymentOption = Annotated[Path | None, typer.Option(help="deployment.json [HOME/deployment.json].")]
PayerOption = Annotated[str | None, typer.Option("--key", help="Keystore that sends: a name in HOME/keys or a file.")]
JobOption = Annotated[int | None, typer.Option("--job", min=1, help="Number of the job.")]
NumberArgument = Annotated[int | None, typer.Argument(min=0, help="Which one.")]


@app.command()
def audit(
    home: HomeOption = None,
    rpc: Annotated[str | None, typer.Option(help="Endpoint, for an audit from outside.")] = None,
    store: Annotated[str | None, typer.Option(help="Folder or gateway URL of the content, with --rpc.")] = None,
    deployment: Annotated[Path | None, typer.Option(help="deployment.json, with --rpc [HOME/deployment.json].")] = None,
    keys: Annotated[list[Path] | None, typer.Option("--job-key", help="File with a sealed job's key.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Recompute every verdict, balance and signature from the chain and the content store alone."""
    from oracle.commands import auditing

    document = auditing.audit(home, rpc, store, deployment, keys or ())
    answer(document, as_json, auditing.text, document["ok"])


@app.command()
def refute(
    epoch: Annotated[int | None, typer.Option(min=1, help="Its number [the pending one].")] = None,
    key: Annotated[str | None, typer.Option("--key", help="Keystore that pays: a name in HOME/keys or a file.")] = None,
    receipt: Annotated[list[Path] | None, typer.Option(help="Answers as sent, with their receipt (JSON).")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only look, and say what would be sent.")] = False,
    collect: Annotated[bool, typer.Option("--collect", help="Also take the rewards and bonds that are due.")] = False,
    home: HomeOption = None,
    rpc: Annotated[str | None, typer.Option(help="Endpoint, to refute from outside.")] = None,
    store: Annotated[str | None, typer.Option(help="Folder or gateway URL of the content, with --rpc.")] = None,
    deployment: Annotated[Path | None, typer.Option(help="deployment.json [HOME/deployment.json].")] = None,
    as_json: JsonOption = False,
) -> None:
    """Strike an epoch that breaks a rule, with the cheapest proof; exit 1 if it stands. Demands data that is missing."""
    from oracle.commands import refuting
    from oracle.protocol.errors import BadInput

    if not key and (not dry_run or collect):
        raise BadInput("--key is needed to send a refutation (or --dry-run, to look only)")
    place = refuting.Place(home, rpc, store, deployment)
    signer = signer_of(home, key) if key else None
    document = refuting.refute(place, signer, epoch, receipt or [], dry_run, collect)
    answer(document, as_json, refuting.text, document["ok"])


@app.command()
def watch(
    key: Annotated[str, typer.Option("--key", help="Keystore that pays: a name in HOME/keys or a file.")],
    home: HomeOption = None,
    rpc: Annotated[str | None, typer.Option(help="Endpoint, to watch from outside.")] = None,
    store: Annotated[str | None, typer.Option(help="Folder or gateway URL of the content, with --rpc.")] = None,
    deployment: Annotated[Path | None, typer.Option(help="deployment.json [HOME/deployment.json].")] = None,
    as_json: JsonOption = False,
) -> None:
    """Refute every new epoch that breaks a rule, and answer demands for data, until it is stopped."""
    from oracle.commands import refuting

    def say(event: str, facts: dict[str, Any]) -> None:
        print(json.dumps({"event": event, **facts}) if as_json else f"{event}: {facts['what']}", flush=True)

    refuting.watch(refuting.Place(home, rpc, store, deployment), signer_of(home, key), say)


@app.command()
def dispute(
    action: Annotated[
        str, typer.Argument(help="file, confirm, raise, appeal, evidence, settle, withdraw, show or list.")
    ],
    contest: NumberArgument = None,
    job: JobOption = None,
    task: Annotated[int | None, typer.Option(min=0, help="With `file`: the task of the answer.")] = None,
    worker: Annotated[int | None, typer.Option(min=1, help="With `file`: its worker.")] = None,
    title: Annotated[str, typer.Option(help="Of the evidence.")] = "",
    words: Annotated[str, typer.Option("--text", help="Of the evidence, for the jurors.")] = "",
    file: Annotated[Path | None, typer.Option(help="Kept with the evidence.")] = None,
    wei: Annotated[int, typer.Option(min=0, help="Beyond the deposit, or for an appeal.")] = 0,
    key: PayerOption = None,
    home: HomeOption = None,
    rpc: RpcOption = None,
    store: StoreOption = None,
    deployment: DeploymentOption = None,
    as_json: JsonOption = False,
) -> None:
    """Contest pay, or a rejection, before the arbitrator: file it while its epoch is pending, confirm, raise, settle."""
    from oracle.commands import disputing, satellites

    place, signer = satellites.Place(home, rpc, store, deployment), signer_of(home, key) if key else None
    shown = disputing.Shown(title, words, file)
    if action == "file":
        answer = disputing.Answer(*(_needed(name, value) for name, value in _named(job=job, task=task, worker=worker)))
        document = disputing.file(place, signer, answer, shown)
    elif action in disputing.STEPS:
        document = disputing.step(place, signer, action, _needed("CONTEST", contest), wei, shown)
    elif action == "withdraw":
        document = disputing.withdraw(place, signer)
    else:
        _one_of(action, "show", "list")
        document = disputing.show(place, _needed("CONTEST", contest) if action == "show" else None)
    show(document, as_json, satellites.text)


@app.command()
def court(
    action: Annotated[str, typer.Argument(help="sit, stand, draw, commit, reveal, execute, withdraw or show.")],
    dispute: NumberArgument = None,
    choice: Annotated[int | None, typer.Option(min=0, help="With `commit`: 1 worker, 2 job, 0 no decision.")] = None,
    seats: Annotated[int, typer.Option(min=1, help="With `sit` and `stand`.")] = 1,
    key: PayerOption = None,
    home: HomeOption = None,
    rpc: RpcOption = None,
    store: StoreOption = None,
    deployment: DeploymentOption = None,
    as_json: JsonOption = False,
) -> None:
    """Be a juror of the default court: stake seats, commit and reveal votes; anyone draws and executes."""
    from oracle.commands import courting, satellites

    place, signer = satellites.Place(home, rpc, store, deployment), signer_of(home, key) if key else None
    if action in ("sit", "stand"):
        document = getattr(courting, action)(place, signer, seats)
    elif action in ("draw", "withdraw"):
        document = getattr(courting, action)(place, signer)
    elif action == "commit":
        document = courting.commit(place, signer, _needed("DISPUTE", dispute), _needed("--choice", choice))
    elif action in ("reveal", "execute"):
        document = getattr(courting, action)(place, signer, _needed("DISPUTE", dispute))
    else:
        _one_of(action, "show")
        document = courting.show(place, dispute)
    show(document, as_json, satellites.text)


@app.command()
def hatch(
    action: Annotated[str, typer.Argument(help="file, void, pay, withdraw or show.")],
    job: JobOption = None,
    receipt: Annotated[
        list[Path] | None, typer.Option(help="With `file`: answers as sent, with their receipt.")
    ] = None,
    key: PayerOption = None,
    home: HomeOption = None,
    rpc: RpcOption = None,
    store: StoreOption = None,
    deployment: DeploymentOption = None,
    as_json: JsonOption = False,
) -> None:
    """Claim base pay for receipted answers of a job that the committee left; void false claims; exit 1 if none was due."""
    from oracle.commands import hatching, satellites

    place, signer = satellites.Place(home, rpc, store, deployment), signer_of(home, key) if key else None
    if action == "file":
        document = hatching.file(place, signer, job, receipt or [])
    elif action in ("void", "pay"):
        document = getattr(hatching, action)(place, signer, job)
    elif action == "withdraw":
        document = hatching.withdraw(place, signer)
    else:
        _one_of(action, "show")
        document = hatching.show(place, job)
    answer(document, as_json, satellites.text, document.get("ok", True))


def _needed(name: str, value: int | None) -> int:
    from oracle.protocol.errors import BadInput

    if value is None:
        raise BadInput(f"{name} is needed for this")
    return value


def _named(**values: int | None) -> "list[tuple[str, int | None]]":
    return [(f"--{name}", value) for name, value in values.items()]


def _one_of(action: str, *known: str) -> None:
    from oracle.protocol.errors import BadInput

    if action not in known:
        raise BadInput(f"{action[:40]!r} is none of the actions of this command (--help lists them)")
