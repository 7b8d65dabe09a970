"""The command `crowdproof`: reads arguments, calls one function, prints one result.

stdout: a text for people or, with --json, one JSON document. stderr: progress and logs. Exit 0 on success, 1 on a negative answer,
2 on bad input, 130 and 143 when stopped. Heavy imports are lazy, so that --help is quick.
"""

import json
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer

if TYPE_CHECKING:
    from oracle.adapters.signer import KeySigner

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Crowd work that anyone can check.",
)
key_app = typer.Typer(no_args_is_help=True, help="Encrypted keystores.")
chain_app = typer.Typer(no_args_is_help=True, help="The local chain of a home (Anvil).")
job_app = typer.Typer(no_args_is_help=True, help="A requester's jobs.")
app.add_typer(key_app, name="key")
app.add_typer(chain_app, name="chain")
app.add_typer(job_app, name="job")
committee_app = typer.Typer(no_args_is_help=True, help="The members, their stakes, and how they change.")
app.add_typer(committee_app, name="committee")
content_app = typer.Typer(no_args_is_help=True, help="Checks of texts and images.")
app.add_typer(content_app, name="content")
bench_app = typer.Typer(no_args_is_help=True, help="How fast it is, on this machine.")
app.add_typer(bench_app, name="bench")

HomeOption = Annotated[
    Path | None, typer.Option("--home", help="Folder of the deployment [CROWDPROOF_HOME, ~/.crowdproof].")
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]
PortOption = Annotated[int, typer.Option(min=0, max=65535, help="0 takes a free one.")]
DatabaseOption = Annotated[str, typer.Option(help="postgresql://... [files in the home; CROWDPROOF_DATABASE].")]
IpfsOption = Annotated[str, typer.Option(help="RPC of a Kubo, like /ip4/127.0.0.1/tcp/5001 [a folder in the home].")]
KeyOption = Annotated[str | None, typer.Option("--key", help="Name of a keystore in HOME/keys.")]


# ---------------------------------------------------------------------- errors and output


def main() -> None:
    """Runs the command; whatever goes wrong becomes one line and an exit code."""
    from oracle.protocol.errors import BadInput, CrowdproofError

    signal.signal(signal.SIGINT, _stopped)
    signal.signal(signal.SIGTERM, _stopped)
    try:
        app()
    except BadInput as problem:
        _fail(str(problem), 2)
    except CrowdproofError as problem:
        _fail(str(problem), 1)
    except Exception as problem:
        if os.environ.get("CROWDPROOF_TRACEBACK"):
            raise
        what = " ".join(f"{type(problem).__name__}: {problem}".split())[:500]
        _fail(f"internal error: {what} (run with CROWDPROOF_TRACEBACK=1 for the whole story)", 1)


def _stopped(number: int, _: Any) -> NoReturn:
    """Leaves through every `finally`, so that nothing that was started stays behind."""
    _fail("stopped", 128 + number)


def _fail(message: str, code: int) -> NoReturn:
    print(f"crowdproof: {message}", file=sys.stderr)
    sys.exit(code)


def _print(document: dict[str, Any], as_json: bool, text: Callable[[dict[str, Any]], str]) -> None:
    for note in document.get("notes", []) if as_json else []:
        print(f"crowdproof: {note}", file=sys.stderr)
    print(json.dumps(document) if as_json else text(document))


def _answer(document: dict[str, Any], as_json: bool, text: Callable[[dict[str, Any]], str], ok: bool) -> None:
    """Prints, and ends with exit code 1 where the answer is no."""
    _print(document, as_json, text)
    if not ok:
        raise typer.Exit(1)


# ---------------------------------------------------------------------- commands


@app.command()
def demo(
    labels: Annotated[Path | None, typer.Option(help="Recorded answers: task,worker,label.")] = None,
    gold: Annotated[Path | None, typer.Option(help="Known labels, only to score: task,label.")] = None,
    home: HomeOption = None,
    rpc: Annotated[str | None, typer.Option(help="A development chain that runs already, not one of our own.")] = None,
    port: PortOption = 0,
    database: DatabaseOption = "",
    ipfs: IpfsOption = "",
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the demo that --home holds.")] = False,
    early_stop: Annotated[bool, typer.Option("--early-stop", help="Ask no more about what is sure.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Play a recorded crowd through the whole system: wallets, escrow, sealed answers, verdicts, pay, audit."""
    from oracle.config import Home
    from oracle.demo import progress, report
    from oracle.demo.play import STAGES, Options, play
    from oracle.protocol.errors import BadInput

    if resume and not home:
        raise BadInput("--resume needs --home: the folder of the demo to go on with")
    place = Home.at(home) if home else Home.fresh()
    with progress.shown(STAGES) as show:
        options = Options(
            labels, gold, rpc, port, database=database, content=ipfs, resume=resume, early_stop=early_stop
        )
        summary = play(place, options, show)
    _answer(summary, as_json, report.text, summary["audit"]["ok"])


@app.command()
def up(
    home: HomeOption = None,
    port: PortOption = 0,
    window: Annotated[int, typer.Option(help="Challenge window of a fresh home, in seconds.")] = 3_600,
    database: DatabaseOption = "",
    ipfs: IpfsOption = "",
    without: Annotated[list[str] | None, typer.Option(help="A process that runs elsewhere: api, member-2, ...")] = None,
    as_json: JsonOption = False,
) -> None:
    """Run a deployment until it is stopped: its chain if it is local, members, API and every role. Resumes by itself."""
    from oracle.commands import running

    def say(event: str, facts: dict[str, Any]) -> None:
        words = facts.get("what") or "  ".join(f"{name} {value}" for name, value in facts.items())
        print(json.dumps({"event": event, **facts}) if as_json else f"{event}: {words}", flush=True)

    running.up(home, running.Wanted(port, window, database, ipfs, tuple(without or ())), say)


@app.command()
def node(
    role: Annotated[str, typer.Argument(help="api, member, indexer, matcher, settler, relayer or watcher.")],
    number: Annotated[int, typer.Option(help="Of the member, from 1.")] = 0,
    port: Annotated[int | None, typer.Option(min=0, max=65535, help="[as in the home's settings]")] = None,
    home: HomeOption = None,
) -> None:
    """Run one process of a deployment, alone."""
    from oracle.commands import running

    running.node(home, role, number, port)


@app.command()
def audit(
    home: HomeOption = None,
    rpc: Annotated[str | None, typer.Option(help="Endpoint, for an audit from outside.")] = None,
    store: Annotated[str | None, typer.Option(help="Folder or gateway URL of the content, with --rpc.")] = None,
    deployment: Annotated[Path | None, typer.Option(help="deployment.json, with --rpc [HOME/deployment.json].")] = None,
    as_json: JsonOption = False,
) -> None:
    """Recompute every verdict, balance and signature from the chain and the content store alone."""
    from oracle.commands import auditing

    document = auditing.audit(home, rpc, store, deployment)
    _answer(document, as_json, auditing.text, document["ok"])


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
    signer = _signer(home, key) if key else None
    document = refuting.refute(place, signer, epoch, receipt or [], dry_run, collect)
    _answer(document, as_json, refuting.text, document["ok"])


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

    refuting.watch(refuting.Place(home, rpc, store, deployment), _signer(home, key), say)


RpcOption = Annotated[str | None, typer.Option(help="Endpoint, from outside.")]
StoreOption = Annotated[str | None, typer.Option(help="Folder or gateway URL of the content, with --rpc.")]
DeploymentOption = Annotated[Path | None, typer.Option(help="deployment.json [HOME/deployment.json].")]
PayerOption = Annotated[str | None, typer.Option("--key", help="Keystore that sends: a name in HOME/keys or a file.")]
JobOption = Annotated[int | None, typer.Option("--job", min=1, help="Number of the job.")]
NumberArgument = Annotated[int | None, typer.Argument(min=0, help="Which one.")]


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

    place, signer = satellites.Place(home, rpc, store, deployment), _signer(home, key) if key else None
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
    _print(document, as_json, satellites.text)


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

    place, signer = satellites.Place(home, rpc, store, deployment), _signer(home, key) if key else None
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
    _print(document, as_json, satellites.text)


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

    place, signer = satellites.Place(home, rpc, store, deployment), _signer(home, key) if key else None
    if action == "file":
        document = hatching.file(place, signer, job, receipt or [])
    elif action in ("void", "pay"):
        document = getattr(hatching, action)(place, signer, job)
    elif action == "withdraw":
        document = hatching.withdraw(place, signer)
    else:
        _one_of(action, "show")
        document = hatching.show(place, job)
    _answer(document, as_json, satellites.text, document.get("ok", True))


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


@app.command()
def backup(
    out: Annotated[Path, typer.Option(help="The archive to write, FILE.tar; never overwritten.")],
    without_password: Annotated[bool, typer.Option("--without-password", help="Leave HOME/password out.")] = False,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Copy a home into one file while its processes run: databases, chain, blocks, encrypted keys."""
    from oracle.commands import backups

    _print(backups.backup(home, out, not without_password), as_json, backups.backup_text)


@app.command()
def restore(
    file: Annotated[Path, typer.Argument(help="What `backup` wrote.")],
    home: Annotated[Path, typer.Option("--home", help="A fresh folder.")],
    as_json: JsonOption = False,
) -> None:
    """Make a home from a backup, every file checked; a folder in use or an archive with a fault is refused."""
    from oracle.commands import backups

    _print(backups.restore(file, home), as_json, backups.restore_text)


@app.command()
def deploy(
    rpc: Annotated[str | None, typer.Option(help="Endpoint [the home's local chain, started if need be].")] = None,
    key: KeyOption = None,
    members: Annotated[Path | None, typer.Option(help="The committee: CSV address,seal_key.")] = None,
    member: Annotated[list[str] | None, typer.Option(help="One of the committee: ADDRESS:SEALKEY.")] = None,
    quorum: Annotated[int, typer.Option(help="Signatures that make a header.")] = 3,
    window: Annotated[int, typer.Option(help="Challenge window in seconds.")] = 86_400,
    token: Annotated[str | None, typer.Option(help="ERC-20 that is paid in [a new DEMO token].")] = None,
    treasury: Annotated[str | None, typer.Option(help="Wallet that earns the fees [the deployer].")] = None,
    stake: Annotated[int, typer.Option(help="Gwei that each member stakes, paid by the deployer now.")] = 10**9,
    delay: Annotated[int, typer.Option(help="Seconds until a change of the committee counts [two windows].")] = 0,
    at_issue: Annotated[int, typer.Option(help="Gwei that an answer's pay is worth at most: prices disputes.")] = 4
    * 10**7,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Put the contracts on a chain and write HOME/deployment.json. Again: goes on, or changes nothing."""
    from oracle.commands import deployments
    from oracle.protocol.errors import BadInput

    if rpc and not key:
        raise BadInput("--rpc needs --key: a keystore whose account pays for the deployment (`crowdproof key new`)")
    committee = deployments.members(members, member or [])
    signer = _signer(home, key) if key else None
    document = deployments.deploy(home, rpc, signer, committee, quorum, window, token, treasury, stake, delay, at_issue)
    _print(document, as_json, deployments.text)


@app.command()
def faucet(
    address: Annotated[str, typer.Argument(help="0x and 40 hex digits.")],
    coin: Annotated[int, typer.Option(help="Whole native coins.")] = 1,
    tokens: Annotated[int, typer.Option(help="Whole DEMO tokens, from the home's deployer.")] = 0,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Give an address coin on the home's local chain."""
    from oracle.commands import chains

    _print(chains.faucet(home, address, coin, tokens), as_json, chains.faucet_text)


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
    explain: Annotated[list[str] | None, typer.Option(help="Tasks whose verdict is explained.")] = None,
    kind: Annotated[str, typer.Option("--type", help="Of the answers; docs/answer-types.md.")] = "choice",
    as_json: JsonOption = False,
) -> None:
    """Infer the truth behind a crowd's labels."""
    from oracle.commands import inferring
    from oracle.protocol.errors import BadInput

    if kind != "choice":
        from oracle.commands import typed

        if method != "auto" or proba or prior_workers or workers_out or explain:
            raise BadInput(
                "--type with --method, --proba, --prior-workers, --workers-out or --explain: they are for choices; "
                "docs/answer-types.md has the columns of a type"
            )
        _print(typed.infer(labels, out, gold, kind, of_record), as_json, typed.text)
        return
    wanted = inferring.Wishes(gold, method, proba, of_record, prior_workers, workers_out, tuple(explain or ()))
    document = inferring.infer(labels, out, wanted)
    _print(document, as_json, inferring.text)


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
    as_json: JsonOption = False,
) -> None:
    """Assign workers to tasks so that the value is largest, with a proof of how large it can be."""
    from oracle.commands import matching

    _print(matching.match(workers, tasks, edges, out, prices, gap, threads, terms), as_json, matching.text)


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
    _answer(document, as_json, matching.check_text, document["ok"])


@app.command()
def doctor(home: HomeOption = None, as_json: JsonOption = False) -> None:
    """Look at this machine and, if there is one, at the home; say what is missing and how to mend it."""
    from oracle.commands import doctor as doctoring

    document = doctoring.doctor(home)
    _answer(document, as_json, doctoring.text, document["ok"])


# ---------------------------------------------------------------------- chain


@chain_app.command("start")
def chain_start(
    home: HomeOption = None,
    port: PortOption = 0,
    chain_id: Annotated[int | None, typer.Option(min=1, help="Of a new chain [random].")] = None,
    as_json: JsonOption = False,
) -> None:
    """Run the home's chain, or find it running."""
    from oracle.commands import chains

    _print(chains.start(home, port, chain_id), as_json, chains.text)


@chain_app.command("stop")
def chain_stop(home: HomeOption = None, as_json: JsonOption = False) -> None:
    """End the home's chain, its state kept."""
    from oracle.commands import chains

    _print(chains.stop(home), as_json, chains.text)


@chain_app.command("status")
def chain_status(home: HomeOption = None, as_json: JsonOption = False) -> None:
    """Say where the home's chain runs; exit 1 if it does not."""
    from oracle.commands import chains

    document = chains.status(home)
    _answer(document, as_json, chains.text, document["running"])


@chain_app.command("reset")
def chain_reset(home: HomeOption = None, as_json: JsonOption = False) -> None:
    """End the home's chain and forget its blocks, its chain id and its port."""
    from oracle.commands import chains

    _print(chains.reset(home), as_json, chains.text)


# ---------------------------------------------------------------------- key


@key_app.command("new")
def key_new(name: str, home: HomeOption = None, as_json: JsonOption = False) -> None:
    """Make a key, encrypted with a password (CROWDPROOF_PASSWORD, or asked for)."""
    from oracle.commands import keyring

    _print(keyring.new(home, name, _password(confirm=True)), as_json, keyring.text)


@key_app.command("import")
def key_import(name: str, home: HomeOption = None, as_json: JsonOption = False) -> None:
    """Encrypt a private key that is read, as hex, from standard input (the password: CROWDPROOF_PASSWORD)."""
    from oracle.commands import keyring

    secret = sys.stdin.readline(200).strip()
    _print(keyring.new(home, name, _password(confirm=True), secret), as_json, keyring.text)


@key_app.command("show")
def key_show(name: str, home: HomeOption = None, as_json: JsonOption = False) -> None:
    """Print a key's address and seal key: what a committee needs to know of a member."""
    from oracle.commands import keyring

    _print(keyring.show(home, name, _password()), as_json, keyring.text)


@key_app.command("list")
def key_list(home: HomeOption = None, as_json: JsonOption = False) -> None:
    """List the keystores of the home."""
    from oracle.commands import keyring

    _print(keyring.listed(home), as_json, keyring.list_text)


def _password(confirm: bool = False) -> str:
    given = os.environ.get("CROWDPROOF_PASSWORD")
    return given or str(typer.prompt("password", hide_input=True, confirmation_prompt=confirm, err=True))


def _signer(home: Path | None, name: str) -> "KeySigner":
    from oracle.adapters.signer import load_keystore
    from oracle.bootstrap import load_key
    from oracle.config import Home

    if Path(name).is_file():
        return load_keystore(Path(name), _password())
    return load_key(Home.at(home), name, _password)


# ---------------------------------------------------------------------- worker

ApiOption = Annotated[str, typer.Option("--api", help="Address of the API [that of the home].")]
OwnKeyOption = Annotated[str, typer.Option("--key", help="Your wallet: a keystore in HOME/keys, or its file.")]


@app.command()
def register(key: OwnKeyOption, home: HomeOption = None, api: ApiOption = "", as_json: JsonOption = False) -> None:
    """Get the wallet a number among the workers; a relayer pays. Again: prints the number."""
    from oracle.commands import working

    document = working.register(home, api, _signer(home, key))
    _print(document, as_json, lambda d: f"  worker      {d['worker']} ({d['wallet']})")


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
    _print(working.work(home, api, _signer(home, key), job, ask), as_json, working.work_text)


def _ask_label(shown: dict[str, Any]) -> str | None:
    """A label or its number; empty leaves the task for later, `return` gives it back."""
    classes: list[str] = shown["classes"]
    print(
        f"\n{shown['title']}: {shown['instructions']}\n\n  {json.dumps(shown['payload'], ensure_ascii=True)}\n",
        file=sys.stderr,
    )
    print("".join(f"  {number}  {json.dumps(label)}\n" for number, label in enumerate(classes, 1)), file=sys.stderr)
    given = str(typer.prompt("label (empty: later; `return`: give it back)", default="", show_default=False, err=True))
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

    _print(working.balance(home, api, worker), as_json, working.balance_text)


@app.command()
def claim(key: OwnKeyOption, home: HomeOption = None, api: ApiOption = "", as_json: JsonOption = False) -> None:
    """Have all that is claimable paid to the wallet; a relayer sends it."""
    from oracle.commands import working

    _print(
        working.claim(home, api, _signer(home, key)), as_json, lambda d: f"  paid        {d['paid']:,} to {d['wallet']}"
    )


# ---------------------------------------------------------------------- committee

MembersOption = Annotated[Path | None, typer.Option(help="The committee that is to be: CSV address,seal_key.")]
MemberOption = Annotated[list[str] | None, typer.Option(help="One of it: ADDRESS:SEALKEY.")]
QuorumOption = Annotated[int, typer.Option(help="Signatures that make a header.")]
UntilOption = Annotated[int, typer.Option(help="Block time until which the change may be proposed.")]
SenderOption = Annotated[
    str, typer.Option("--key", help="Who sends: a keystore in HOME/keys, or member-N of the home.")
]


def _committee_key(home: Path | None, name: str) -> "KeySigner":
    from oracle.commands import committee

    return committee.key(home, name, lambda name: _signer(home, name))


@committee_app.command("show")
def committee_show(home: HomeOption = None, as_json: JsonOption = False) -> None:
    """Print members, stakes and the change that waits, as the chain has them."""
    from oracle.commands import committee

    _print(committee.show(home), as_json, committee.text)


@committee_app.command("stake")
def committee_stake(
    address: Annotated[str, typer.Argument(help="Whose stake: a member, or who wants to become one.")],
    gwei: Annotated[int, typer.Option(help="How much.")],
    key: SenderOption,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Add coin to a stake; anyone may."""
    from oracle.commands import chains, committee

    document = committee.stake(home, chains.read_address(address), gwei, _committee_key(home, key))
    _print(document, as_json, committee.text)


@committee_app.command("sign")
def committee_sign(
    until: UntilOption,
    key: SenderOption,
    members: MembersOption = None,
    member: MemberOption = None,
    quorum: QuorumOption = 3,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Print a member's signature for another committee; nothing is sent."""
    from oracle.commands import committee, deployments

    wanted = deployments.members(members, member or [])
    _print(committee.sign(home, wanted, quorum, until, _committee_key(home, key)), as_json, committee.text)


@committee_app.command("propose")
def committee_propose(
    until: UntilOption,
    key: SenderOption,
    members: MembersOption = None,
    member: MemberOption = None,
    quorum: QuorumOption = 3,
    signature: Annotated[list[str] | None, typer.Option(help="Of a member elsewhere (`committee sign`).")] = None,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Propose another committee, with the signatures of a quorum of this one."""
    from oracle.commands import committee, deployments

    wanted = deployments.members(members, member or [])
    document = committee.propose(home, wanted, quorum, until, signature or [], _committee_key(home, key))
    _print(document, as_json, committee.text)


@committee_app.command("enact")
def committee_enact(
    key: SenderOption,
    members: MembersOption = None,
    member: MemberOption = None,
    quorum: QuorumOption = 3,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Appoint the committee that was proposed, once its delay is over; anyone may."""
    from oracle.commands import committee, deployments

    wanted = deployments.members(members, member or [])
    _print(committee.enact(home, wanted, quorum, _committee_key(home, key)), as_json, committee.text)


@committee_app.command("withdraw")
def committee_withdraw(key: SenderOption, home: HomeOption = None, as_json: JsonOption = False) -> None:
    """Take the stake of an account that is no member, once its delay is over."""
    from oracle.commands import committee

    _print(committee.withdraw(home, _committee_key(home, key)), as_json, committee.text)


@committee_app.command("collect")
def committee_collect(key: SenderOption, home: HomeOption = None, as_json: JsonOption = False) -> None:
    """Take what an account was rewarded with for refuting epochs."""
    from oracle.commands import committee

    _print(committee.collect(home, _committee_key(home, key)), as_json, committee.text)


# ---------------------------------------------------------------------- job


@job_app.command("check")
def job_check(
    manifest: Annotated[Path, typer.Argument(help="The job's manifest (JSON).")],
    tasks: Annotated[Path | None, typer.Option(help="Its tasks: CSV with a column task, or JSONL [one task].")] = None,
    unit: Annotated[int | None, typer.Option(help="Of the token [the home's deployment, else 1].")] = None,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Check a job and print the exact quote; nothing is sent and nothing is spent."""
    from oracle.commands import jobs

    _print(jobs.check(home, manifest, tasks, unit), as_json, jobs.text)


@job_app.command("understand")
def job_understand(
    manifest: Annotated[Path, typer.Argument(help="The job's manifest (JSON).")],
    tasks: Annotated[Path | None, typer.Option(help="Its tasks: CSV with a column task, or JSONL.")] = None,
    history: Annotated[Path | None, typer.Option(help="Earlier tasks, JSONL: text, seconds, wrong.")] = None,
    words: Annotated[bool, typer.Option("--words", help="Compare words, also where the sentence model is.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Say what a job asks of people: language, domain, skills, time and difficulty with intervals, and what is unclear."""
    from oracle.commands import understanding

    _print(understanding.of_job(manifest, tasks, history, not words), as_json, understanding.text)


@job_app.command("template")
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
    _print(document, as_json, lambda d: json.dumps(d, indent=2, ensure_ascii=False))


@job_app.command("graph")
def job_graph(
    manifest: Annotated[Path, typer.Argument(help="The job's manifest (JSON).")],
    tasks: Annotated[Path, typer.Option(help="Its tasks: CSV with a column task, or JSONL.")],
    as_json: JsonOption = False,
) -> None:
    """Print the order of a job's tasks: what can begin, the longest chain, slack, and deadlines that cannot be kept."""
    from oracle.commands import jobs

    _print(jobs.order(manifest, tasks), as_json, jobs.order_text)


@job_app.command("create")
def job_create(
    manifest: Annotated[Path, typer.Argument(help="The job's manifest (JSON).")],
    tasks: Annotated[Path, typer.Option(help="Its tasks: CSV with a column task, or JSONL.")],
    key: Annotated[str, typer.Option("--key", help="Keystore of the requester, in HOME/keys.")],
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Store a job at the oracle and its members, then escrow its budget. Again: the same job."""
    from oracle.commands import jobs

    _print(jobs.create(home, manifest, tasks, _signer(home, key)), as_json, jobs.text)


@job_app.command("status")
def job_status(number: int, home: HomeOption = None, as_json: JsonOption = False) -> None:
    """Print a job's times and money, as the chain has them."""
    from oracle.commands import jobs

    _print(jobs.status(home, number), as_json, jobs.text)


@job_app.command("topup")
def job_topup(
    number: int,
    amount: Annotated[int, typer.Option(help="In the token's smallest unit.")],
    key: SenderOption,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Add to a job's escrow before its deadline; anyone may."""
    from oracle.commands import jobs

    _print(jobs.top_up(home, number, amount, _signer(home, key)), as_json, jobs.text)


@job_app.command("close")
def job_close(number: int, key: SenderOption, home: HomeOption = None, as_json: JsonOption = False) -> None:
    """End a job of one's own now: no answer is taken any more, and refunding opens the sooner."""
    from oracle.commands import jobs

    _print(jobs.close(home, number, _signer(home, key)), as_json, jobs.text)


@job_app.command("refund")
def job_refund(number: int, key: SenderOption, home: HomeOption = None, as_json: JsonOption = False) -> None:
    """Give a job's requester what nobody earned, once refunding is open; anyone may."""
    from oracle.commands import jobs

    _print(jobs.refund(home, number, _signer(home, key)), as_json, jobs.text)


@job_app.command("export")
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

    document = working.export(home, api, number, kind, _signer(home, key) if key else None, out)
    _print(document, as_json, lambda d: f"  wrote       {d['bytes']:,} bytes to {d['out']}")


# ---------------------------------------------------------------------- content


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
    _answer(document, as_json, checking.text, document["ok"])


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

    _print(replaying.replay(labels, gold, policy, mode, budget, seeds), as_json, replaying.text)


# ---------------------------------------------------------------------- bench


@bench_app.command("pipeline")
def bench_pipeline(
    sizes: Annotated[str, typer.Option(help="Answers of each run of the whole pipeline.")] = "1000,10000,100000",
    rounds: Annotated[int, typer.Option(min=1, help="Of 2,000 answers to one member.")] = 11,
    as_json: JsonOption = False,
) -> None:
    """Measure how many answers one member accepts in a second, and the whole pipeline by stage as it grows."""
    from oracle.bench import pipeline

    _print(pipeline.pipeline(pipeline.read_sizes(sizes), rounds), as_json, pipeline.text)


@bench_app.command("api")
def bench_api(
    seconds: Annotated[int, typer.Option(min=2, max=600, help="Of each load.")] = 60,
    as_json: JsonOption = False,
) -> None:
    """The API under an open-loop load: reads with proof, answers, listeners; and what is left after kill -9."""
    from oracle.bench import api

    document = api.api(seconds)
    _answer(document, as_json, api.text, document["ok"])


@bench_app.command("attack")
def bench_attack(
    data: Annotated[Path, typer.Option(help="Folder of recorded crowds: SET/labels.csv and SET/truth.csv.")],
    seeds: Annotated[int, typer.Option(min=1, help="Attacks of each kind on each set.")] = 5,
    as_json: JsonOption = False,
) -> None:
    """Attack recorded crowds: rings, spam, disguise; what is decided, what is noticed, what the defence costs."""
    from oracle.bench import attack

    _print(attack.attack(data, seeds), as_json, attack.text)


@bench_app.command("gas")
def bench_gas(as_json: JsonOption = False) -> None:
    """Measure what each transaction costs, whole, on a local chain: jobs, epochs, claims, and whole jobs by the answer."""
    from oracle.bench import gas

    _print(gas.gas(), as_json, gas.text)


@bench_app.command("truth")
def bench_truth(
    data: Annotated[Path, typer.Option(help="A folder for each set: labels.csv[.gz], truth.csv.")],
    sets: Annotated[str, typer.Option(help="Only these, between commas.")] = "",
    half: Annotated[bool, typer.Option(help="Also with half of each set's answers hidden.")] = True,
    constants: Annotated[
        bool, typer.Option("--constants", help="Instead: the engine's, chosen without each set.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Score our verdicts beside the vote and crowd-kit on recorded crowds: accuracy, log-loss, calibration."""
    from oracle.bench import constants as choosing
    from oracle.bench import truth

    names = [name.strip() for name in sets.split(",") if name.strip()]
    if constants:
        _print(choosing.constants(data, names), as_json, choosing.text)
        return
    _print(truth.truth(data, names, half), as_json, truth.text)


@bench_app.command("truth-speed")
def bench_truth_speed(
    sizes: Annotated[str, typer.Option(help="Answers of the made crowds.")] = "1e5,1e6,1e7",
    as_json: JsonOption = False,
) -> None:
    """Time our inference beside crowd-kit's on made crowds: CPU seconds, growth, memory, whole processes."""
    from oracle.bench import truth_speed

    _print(truth_speed.truth_speed(truth_speed.read_sizes(sizes)), as_json, truth_speed.text)


@bench_app.command("match")
def bench_match(
    full: Annotated[bool, typer.Option("--full", help="Five seeds at 1e5 tasks, and 1e6: minutes, 4 GB.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Measure matching: beside OR-tools, repairs, the checker, fairness with its price, baselines."""
    from oracle.bench import match

    _print(match.match(full), as_json, match.text)


@bench_app.command("types")
def bench_types(
    data: Annotated[Path, typer.Option(help="Folder of sets: NAME/labels.csv, NAME/truth.csv, NAME/SOURCE.md.")],
    as_json: JsonOption = False,
) -> None:
    """Compare what numbers and texts are inferred with plain baselines, on every such set of a folder."""
    from oracle.bench import types

    _print(types.types(data), as_json, types.text_of)


@bench_app.command("content")
def bench_content(
    data: Annotated[Path, typer.Option(help="Folder of the public crowds.")],
    images: Annotated[Path | None, typer.Option(help="Folder of honest images [drawn scenes].")] = None,
    as_json: JsonOption = False,
) -> None:
    """Measure the checks of content: false alarms on honest answers, and what they find of planted ones."""
    from oracle.bench import content

    _print(content.content(data, images), as_json, content.text)


@bench_app.command("schedule")
def bench_schedule(
    tasks: Annotated[int, typer.Option(min=2, help="Of the jobs that are also planned.")] = 30,
    people: Annotated[int, typer.Option(min=4, help="Who work on them.")] = 7,
    seeds: Annotated[int, typer.Option(min=1, help="Jobs to draw.")] = 5,
    seconds: Annotated[float, typer.Option(min=0.1, help="For which CP-SAT may look for a plan.")] = 20.0,
    as_json: JsonOption = False,
) -> None:
    """Makespan and idle time of jobs with an order beside the bounds: rolling horizon, plan, genetic, ants, forgetful people."""
    from oracle.bench import schedule

    _print(schedule.run(tasks, people, seeds, seconds), as_json, schedule.text)


@bench_app.command("learn")
def bench_learn(
    data: Annotated[Path, typer.Option(help="Folder of the public crowds.")],
    sets: Annotated[str, typer.Option(help="Which of them.")] = "amazon_isbook,product,rte,dog,web",
    cache: Annotated[Path | None, typer.Option(help="Folder that keeps the vectors of texts.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Measure the learned prior: accuracy and log-loss of record with and without it, and whether it ships."""
    from oracle.bench import learn

    _print(learn.learned(data, sets.split(","), cache), as_json, learn.text)


@bench_app.command("replay")
def bench_replay(
    data: Annotated[Path, typer.Option(help="Folder of recorded crowds: SET/labels.csv and SET/truth.csv.")],
    sets: Annotated[str, typer.Option(help="Which of them.")] = "bluebird,temp,rte",
    seeds: Annotated[int, typer.Option(min=2, help="Orders of arrival.")] = 30,
    as_json: JsonOption = False,
) -> None:
    """Compare policies of adaptive assignment on recorded crowds: answers bought until good enough; controls."""
    from oracle.bench import replay as replaying

    _print(replaying.replays(data, sets.split(","), seeds), as_json, replaying.text)


@bench_app.command("stop")
def bench_stop(
    data: Annotated[Path, typer.Option(help="Folder of recorded crowds: SET/labels.csv and SET/truth.csv.")],
    sets: Annotated[str, typer.Option(help="Which of them.")] = "bluebird,temp,rte,dog,web,face_sentiment",
    seeds: Annotated[int, typer.Option(min=1, help="Orders of asking.")] = 5,
    as_json: JsonOption = False,
) -> None:
    """Measure what early stop saves on recorded crowds, and what it costs in accuracy."""
    from oracle.bench import stopping

    _print(stopping.stops(data, sets.split(","), seeds), as_json, stopping.text)


@bench_app.command("predict")
def bench_predict(
    data: Annotated[Path, typer.Option(help="Folder of recorded crowds: SET/labels.csv and SET/truth.csv.")],
    sets: Annotated[str, typer.Option(help="Which of them.")] = "bluebird,temp,rte,dog,web,face_sentiment",
    seeds: Annotated[int, typer.Option(min=1, help="Ways to fold the answers.")] = 3,
    as_json: JsonOption = False,
) -> None:
    """Score predictions of whether a worker answers a task right, on held-out answers, beside the usual models."""
    from oracle.bench import predict

    _print(predict.predictions(data, sets.split(","), seeds), as_json, predict.text)


if __name__ == "__main__":
    main()
