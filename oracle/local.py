"""A home on one machine with a chain and a committee of its own: what `demo` and `up` start from.

Each step may be repeated after a kill at any point: a key that is there is opened, a deployment that was begun is finished, a
gift that was sent is not sent again.
"""

import secrets
import socket
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing, suppress
from pathlib import Path

import httpx

from oracle.adapters import anvil, processes
from oracle.adapters.chain import RpcChain
from oracle.adapters.contracts import Calls, Interfaces
from oracle.adapters.deployer import read_deployment_file
from oracle.adapters.signer import KeySigner, create_keystore, load_keystore, new_key
from oracle.bootstrap import MEMBER, open_database, open_key
from oracle.config import Home, Settings
from oracle.deploying import deploy, wishes
from oracle.ports import Block, Call
from oracle.protocol.deployment import Deployment
from oracle.protocol.errors import BadInput, ChainUnavailable, CrowdproofError
from oracle.protocol.keys import Address, checksum
from oracle.services import outbox

MEMBERS, QUORUM = 4, 3
DEPLOYER = "deployer"
GAS_MONEY = 10**18  # wei
PATIENCE_S = 60.0
LOOK_S = 0.3  # between two looks whether the chain lives
Secret = Callable[[str], bytes]  # name -> private key


def key(home: Home, name: str, secret: Secret = lambda _: new_key()) -> KeySigner:
    """The key `name` of the home, made when it is first asked for."""
    return _key(home, home.keys, name, secret(name) if not (home.keys / f"{name}.json").exists() else b"")


def member_keys(home: Home, secret: Secret = lambda _: new_key()) -> list[KeySigner]:
    """The keys of the committee; a member's lies in its own folder."""
    folders = [home.member(number).keys for number in range(1, MEMBERS + 1)]
    return [_key(home, folder, MEMBER, secret(f"member {number}")) for number, folder in enumerate(folders, 1)]


def _key(home: Home, folder: Path, name: str, secret: bytes) -> KeySigner:
    password, file = home.secret("password"), folder / f"{name}.json"
    if file.exists():
        return load_keystore(file, password)
    return create_keystore(folder, name, password, secret, light=True)[1]


class Chain:
    """The home's local chain, kept alive: after a kill it is started again on its port, as late as it was."""

    def __init__(self, home: Home) -> None:
        self._home = home
        self.url = ""
        self.moment = 0  # block time that was reached
        self._mines = False  # what was started was also made to mine, as late as it was
        self._turn, self._ended = threading.Lock(), threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Runs it, or finds it running. A chain that was killed lost its last blocks: their time is not given twice."""
        if not self._is_well():
            self._mines = False
        if not self._mines:
            newest = self._newest() if self._home.has_settings() else []
            self.moment = max(self.moment, newest[-1].timestamp if newest else 0)
            self.url = anvil.start(self._home.chain, self._port(), since=self.moment).url
            if newest:
                anvil.catch_up(self.url, self.moment)
            self._mines = True

    def _newest(self) -> list[Block]:
        """What is known of it, in a home that is not fresh."""
        with closing(open_database(self._home)) as database:
            return database.blocks(1)

    def tend(self) -> None:
        """Starts it again if it died: for a moment after that its port may be taken."""
        end = time.monotonic() + PATIENCE_S
        while True:
            try:
                self.start()
                return
            except (BadInput, ChainUnavailable):
                if time.monotonic() > end:
                    raise
                time.sleep(0.5)

    def watch(self) -> None:
        """Tends it in a thread of its own, until `stop`: who waits for a transaction waits for its chain, too."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._watch, name="chain", daemon=True)
            self._thread.start()

    def stop(self) -> None:
        self._ended.set()
        with self._turn:
            anvil.stop(self._home.chain)
        if self._thread:
            self._thread.join()

    def _watch(self) -> None:
        while not self._ended.wait(LOOK_S):
            with suppress(CrowdproofError), self._turn:  # who needs it says what is wrong
                if not self._ended.is_set():
                    self.start()

    def _is_well(self) -> bool:
        return anvil.status(self._home.chain) is not None and anvil.is_kept(self._home.chain)

    def _port(self) -> int | None:
        """Others know it by now."""
        return httpx.URL(self.url).port if self.url else None


def write_settings(
    home: Home, rpc: str, depth: int, api: socket.socket, members: Sequence[str], database: str = "", content: str = ""
) -> None:
    """Where everything is from now on; what was chosen for good (database, content, name) stays."""
    before = home.settings() if home.has_settings() else Settings(rpc, depth, (), "", database, content)
    name = before.name or f"crowdproof_{secrets.token_hex(4)}"
    kept = (before.database, before.content, name)
    home.write_settings(Settings(rpc, depth, tuple(members), processes.url_of(api), *kept))
    for secret in ("token", "password", "ledger"):
        home.secret(secret)


def deploy_with_committee(
    home: Home, url: str, deployer: KeySigner, members: Sequence[KeySigner], window: int
) -> Deployment:
    """Token, Workers, Committee and Market, with these members."""
    keys = {member.address: member.seal_key for member in members}
    return deploy(home, url, deployer, wishes(keys, QUORUM, window, deployer.address))


def give_coin(home: Home, url: str, deployment: Deployment, giver: KeySigner, wallets: Mapping[str, Address]) -> None:
    """Coin for gas, once for each name."""
    with (
        closing(RpcChain(url, Interfaces({}), deployment.chain_id)) as chain,
        closing(open_database(home)) as database,
    ):
        outbox.reconcile(database, chain, giver)
        for name, wallet in wallets.items():
            gift = Call(f"coin for {name}", wallet, b"", value=GAS_MONEY)
            outbox.submit(database, chain, giver, gift, "setup")
        outbox.settle(database, chain, giver, PATIENCE_S)


def give(home: Home, url: str, wallet: Address, coin: int, tokens: int) -> int:
    """The faucet: native coin, and whole tokens if the home's deployer holds some; how many of their smallest unit.

    Each call is another gift: the purpose counts them.
    """
    sent = _give_tokens(home, url, wallet, tokens) if tokens else 0
    if coin:
        anvil.fund(url, wallet, coin * 10**18)
    return sent


def _give_tokens(home: Home, url: str, wallet: Address, tokens: int) -> int:
    deployment, abis = read_deployment_file(home.deployment)
    interfaces = Interfaces(abis)
    try:
        signer = open_key(home, DEPLOYER) if (home.keys / f"{DEPLOYER}.json").exists() else KeySigner(anvil.dev_key(0))
    except BadInput:
        raise BadInput(f"--tokens: the key {DEPLOYER!r} of {home.path} does not open") from None
    amount = tokens * 10**6 * deployment.unit
    with (
        closing(RpcChain(url, interfaces, deployment.chain_id)) as chain,
        closing(open_database(home)) as database,
    ):
        if chain.token_balance(deployment.token, signer.address) < amount:
            raise BadInput(f"--tokens {tokens}: the deployer {checksum(signer.address)} does not hold as many")
        purpose = f"the faucet ({len(database.sent(signer.address))})"
        gift = Calls(interfaces, deployment).transfer(deployment.token, wallet, amount, purpose)
        outbox.run(database, chain, signer, gift, "faucet")
    return amount
