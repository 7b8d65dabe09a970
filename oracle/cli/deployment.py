"""A deployment: the demo, its processes, its local chain, its backups."""

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from oracle.cli.options import (
    DatabaseOption,
    HomeOption,
    IpfsOption,
    JsonOption,
    KeyOption,
    PortOption,
    answer,
    show,
    signer_of,
)

app = typer.Typer()
chain_app = typer.Typer(no_args_is_help=True, help="The local chain of a home (Anvil).")
app.add_typer(chain_app, name="chain")


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
    seal: Annotated[str, typer.Option(help="Who opens an answer: members (each alone) or threshold.")] = "members",
    visibility: Annotated[str, typer.Option(help="Who reads what is decided: public, assigned or sealed.")] = "public",
    kind: Annotated[str, typer.Option("--type", help="Of free answers: text, or as in infer --type.")] = "",
    as_json: JsonOption = False,
) -> None:
    """Play a recorded crowd through the whole system: wallets, escrow, sealed answers, verdicts, pay, audit."""
    from oracle.config import Home
    from oracle.demo import progress, report
    from oracle.demo.play import STAGES, Options, play
    from oracle.protocol.errors import BadInput
    from oracle.protocol.manifest import VISIBILITIES
    from oracle.protocol.sealing import SCHEMES

    if resume and not home:
        raise BadInput("--resume needs --home: the folder of the demo to go on with")
    if seal not in SCHEMES:
        raise BadInput(f"--seal {seal}: there are {' and '.join(SCHEMES)}")
    if early_stop and seal == "threshold":
        raise BadInput(
            "--early-stop needs members who read answers as they come; --seal threshold hides them till the end"
        )
    if visibility not in VISIBILITIES:
        raise BadInput(f"--visibility {visibility}: there are {', '.join(VISIBILITIES)}")
    place = Home.at(home) if home else Home.fresh()
    with progress.shown(STAGES) as show:
        options = Options(
            labels,
            gold,
            rpc,
            port,
            database=database,
            content=ipfs,
            resume=resume,
            early_stop=early_stop,
            seal=seal,
            visibility=visibility,
            type=kind,
        )
        summary = play(place, options, show)
    answer(summary, as_json, report.text, summary["audit"]["ok"])


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
    signer = signer_of(home, key) if key else None
    document = deployments.deploy(home, rpc, signer, committee, quorum, window, token, treasury, stake, delay, at_issue)
    show(document, as_json, deployments.text)


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

    show(chains.faucet(home, address, coin, tokens), as_json, chains.faucet_text)


@app.command()
def backup(
    out: Annotated[Path, typer.Option(help="The archive to write, FILE.tar; never overwritten.")],
    without_password: Annotated[bool, typer.Option("--without-password", help="Leave HOME/password out.")] = False,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Copy a home into one file while its processes run: databases, chain, blocks, encrypted keys."""
    from oracle.commands import backups

    show(backups.backup(home, out, not without_password), as_json, backups.backup_text)


@app.command()
def restore(
    file: Annotated[Path, typer.Argument(help="What `backup` wrote.")],
    home: Annotated[Path, typer.Option("--home", help="A fresh folder.")],
    as_json: JsonOption = False,
) -> None:
    """Make a home from a backup, every file checked; a folder in use or an archive with a fault is refused."""
    from oracle.commands import backups

    show(backups.restore(file, home), as_json, backups.restore_text)


@app.command()
def doctor(home: HomeOption = None, as_json: JsonOption = False) -> None:
    """Look at this machine and, if there is one, at the home; say what is missing and how to mend it."""
    from oracle.commands import doctor as doctoring

    document = doctoring.doctor(home)
    answer(document, as_json, doctoring.text, document["ok"])


@chain_app.command("start")
def chain_start(
    home: HomeOption = None,
    port: PortOption = 0,
    chain_id: Annotated[int | None, typer.Option(min=1, help="Of a new chain [random].")] = None,
    as_json: JsonOption = False,
) -> None:
    """Run the home's chain, or find it running."""
    from oracle.commands import chains

    show(chains.start(home, port, chain_id), as_json, chains.text)


@chain_app.command("stop")
def chain_stop(home: HomeOption = None, as_json: JsonOption = False) -> None:
    """End the home's chain, its state kept."""
    from oracle.commands import chains

    show(chains.stop(home), as_json, chains.text)


@chain_app.command("status")
def chain_status(home: HomeOption = None, as_json: JsonOption = False) -> None:
    """Say where the home's chain runs; exit 1 if it does not."""
    from oracle.commands import chains

    document = chains.status(home)
    answer(document, as_json, chains.text, document["running"])


@chain_app.command("reset")
def chain_reset(home: HomeOption = None, as_json: JsonOption = False) -> None:
    """End the home's chain and forget its blocks, its chain id and its port."""
    from oracle.commands import chains

    show(chains.reset(home), as_json, chains.text)
