"""`crowdproof up` and `node`: the processes of a deployment, all under one parent or one alone.

    home (a deployment, or nothing yet) -> its chain if it is local, members, API and roles, each a process -> until SIGTERM

A process that dies is started again on its port; the local chain too, as late as it was. Said as it happens: what started, what
ended, what each waits for.
"""

import time
from collections.abc import Callable
from contextlib import ExitStack, closing, suppress
from dataclasses import dataclass
from pathlib import Path
from socket import socket
from typing import Any

import httpx

from oracle import local
from oracle.adapters import anvil, processes
from oracle.bootstrap import RELAYER, WATCHER
from oracle.config import Home, only_one
from oracle.protocol.errors import BadInput, ChainUnavailable

LOOPS = ("indexer", "matcher", "settler", "relayer", "watcher")
ROLES = ("api", "member", *LOOPS)
DEPLOYER = "deployer"
CLOCK_S = 1.0  # a local chain makes a block so often: block time goes on
Say = Callable[[str, dict[str, Any]], None]  # event, facts


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a fresh home is to be (a home that is there stays as it is), and which processes are not to be started here."""

    port: int = 0
    window: int = 3_600
    database: str = ""
    content: str = ""
    without: tuple[str, ...] = ()


def up(home: Path | None, wanted: Wanted, say: Say) -> None:
    """Runs everything until it is stopped. Raises BadInput for a home that another process works in."""
    place = Home.at(home)
    place.create()
    with ExitStack() as stack:
        stack.enter_context(only_one(place.path / "lock", f"another process works in {place.path}"))
        processes.warm(["api.serve", "oracle.running"])
        chain = _chain(place)
        if chain:
            stack.callback(chain.stop)
            chain.start()
        crew = processes.Crew(lambda what: say("process", {"what": what}))
        stack.callback(crew.stop)
        for name, target, arguments, listening in _plan(place, chain, wanted, stack):
            crew.add(name, target, arguments, listening, place.path / "logs" / f"{name}.log")
        crew.wait_ready()
        crew.watch()
        settings = place.settings()
        say(
            "up",
            {
                "page": settings.api + "/",
                "api": settings.api,
                "rpc": settings.rpc,
                "home": str(place.path),
                "pids": crew.pids(),
            },
        )
        while True:
            if chain:
                _keep(chain)
            time.sleep(CLOCK_S)


def node(home: Path | None, role: str, number: int, port: int | None) -> None:
    """One process of a deployment, in the foreground. Raises BadInput for a role or a home that is none."""
    from api import serve  # noqa: PLC0415 - what only one role needs is loaded for it
    from oracle import running  # noqa: PLC0415

    place = Home.at(home)
    settings = place.settings()
    if role == "member" and not 1 <= number <= len(settings.members):
        raise BadInput(f"--number {number}: the settings of {place.path} name members 1 to {len(settings.members)}")
    address = {"api": settings.api, "member": settings.members[number - 1] if number else ""}.get(role, "")
    with closing(processes.bind(_port(address) if port is None else port)) as listening:
        if role == "api":
            serve.public(place.path, listening)
        elif role == "member":
            serve.member(place.path, number, listening)
        elif role in LOOPS:
            running.serve(place.path, role, listening)
        else:
            raise BadInput(f"{role!r} is no role: one of {', '.join(ROLES)}")


def _keep(chain: local.Chain) -> None:
    """It runs, and its time goes on; one that dies in between is started again the next time."""
    chain.tend()
    with suppress(ChainUnavailable):
        anvil.mine(chain.url)


def _chain(home: Home) -> local.Chain | None:
    """The home's own; None where the settings name another endpoint."""
    own = not home.has_settings() or (home.chain / "chain.json").exists()
    return local.Chain(home) if own else None


def _plan(
    home: Home, chain: local.Chain | None, wanted: Wanted, stack: ExitStack
) -> list[tuple[str, str, tuple[Any, ...], socket]]:
    """Name, target, arguments and socket of each process to start here; the settings say where they are."""
    before = home.settings() if home.has_settings() else None
    fresh = not home.deployment.exists()
    members = range(1, 1 + (local.MEMBERS if fresh else len(before.members) if before else 0))
    urls = dict(enumerate(before.members, 1)) if before else {}

    def bound(port: int) -> socket:
        return stack.enter_context(closing(_bound(port)))

    here = {n: bound(_port(urls.get(n, ""))) for n in members if fresh or home.member(n).keys.is_dir()}
    api = bound(wanted.port or _port(before.api if before else ""))
    rpc = chain.url if chain else before.rpc if before else ""
    all_urls = [processes.url_of(here[n]) if n in here else urls.get(n, "") for n in members]
    local.write_settings(home, rpc, before.depth if before else 0, api, all_urls, wanted.database, wanted.content)
    if fresh:
        _deploy(home, rpc, wanted.window)
    plan: list[tuple[str, str, tuple[Any, ...], socket]] = [
        (f"member-{n}", "api.serve:member", (home.path, n), listening) for n, listening in here.items()
    ]
    plan.append(("api", "api.serve:public", (home.path,), api))
    plan += [(role, "oracle.running:serve", (home.path, role), bound(0)) for role in LOOPS]
    for name, _, _, listening in plan:
        if name in wanted.without:
            listening.close()  # its port is in the settings, for who runs it
    return [process for process in plan if process[0] not in wanted.without]


def _deploy(home: Home, rpc: str, window: int) -> None:
    """Keys, contracts and coin for a home that has none."""
    deployer = local.key(home, DEPLOYER, lambda _: anvil.dev_key(0))
    deployment = local.deploy_with_committee(home, rpc, deployer, local.member_keys(home), window)
    local.give_coin(
        home, rpc, deployment, deployer, {name: local.key(home, name).address for name in (RELAYER, WATCHER)}
    )


def _bound(port: int) -> socket:
    """The port that others know, if it can be had; else a free one."""
    try:
        return processes.bind(port)
    except BadInput:
        return processes.bind()


def _port(url: str) -> int:
    return httpx.URL(url).port or 0 if url else 0
