"""The composition root: opens a home and names the concrete adapters. Nothing else does."""

import json
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from io import BytesIO
from typing import Any

from oracle.adapters.car import read_car
from oracle.adapters.chain import RpcChain
from oracle.adapters.content import FolderStore
from oracle.adapters.contracts import Calls, Interfaces
from oracle.adapters.database import SqlDatabase
from oracle.adapters.deployer import read_deployment_file
from oracle.adapters.peers import HttpPeer
from oracle.adapters.signer import KeySigner, load_keystore
from oracle.config import Home
from oracle.protocol.deployment import Deployment
from oracle.protocol.errors import BadInput
from oracle.services.books import Books
from oracle.services.index import Index
from oracle.services.member import Member
from oracle.services.settle import Settler

RELAYER = "relayer"
MEMBER = "member"


@dataclass(frozen=True, slots=True)
class Oracle:
    """What the oracle's loop and its API work with."""

    deployment: Deployment
    deployment_document: dict[str, Any]
    chain: RpcChain
    calls: Calls
    content: FolderStore
    database: SqlDatabase
    index: Index
    books: Books
    peers: tuple[HttpPeer, ...]

    def close(self) -> None:
        """Lets go of every connection."""
        self.chain.close()
        self.database.close()
        for peer in self.peers:
            peer.close()

    def settler(self, signer: KeySigner) -> Settler:
        """The part that sends transactions, with the key that pays for them."""

        def put(car: bytes) -> None:
            read_car(BytesIO(car), self.content)

        return Settler(
            self.deployment,
            self.chain,
            self.calls,
            self.content,
            self.database,
            signer,
            self.peers,
            self.books,
            put,
        )


def open_oracle(home: Home) -> Oracle:
    """Raises BadInput when the folder holds no deployment."""
    settings = home.settings()
    deployment, abis = read_deployment_file(home.deployment)
    interfaces = Interfaces(abis)
    chain = RpcChain(settings.rpc, interfaces, deployment.chain_id)
    database, content = SqlDatabase(home.database), FolderStore(home.store)
    token = home.secret("token")
    return Oracle(
        deployment,
        json.loads(home.deployment.read_text("utf-8")),
        chain,
        Calls(interfaces, deployment),
        content,
        database,
        Index(chain, database, deployment, settings.depth),
        Books(content),
        tuple(HttpPeer(url, token) for url in settings.members),
    )


def open_member(home: Home, number: int) -> tuple[Member, FolderStore]:
    """Member `number` (from 1) with its own store, database, key and view of the chain."""
    settings = home.settings()
    deployment, abis = read_deployment_file(home.deployment)
    own = home.member(number)
    chain = RpcChain(settings.rpc, Interfaces(abis), deployment.chain_id)
    database, content = SqlDatabase(own.database), FolderStore(own.store)
    signer = load_keystore(own.keys / f"{MEMBER}.json", home.secret("password"))
    index = Index(chain, database, deployment, settings.depth)
    return Member(deployment, index, database, content, signer), content


def open_key(home: Home, name: str) -> KeySigner:
    """A key that the home made for itself, opened with the home's own password."""
    return load_keystore(home.keys / f"{name}.json", home.secret("password"))


def load_key(home: Home, name: str, password: Callable[[], str]) -> KeySigner:
    """A key of the home that a person made (`password` asks), or that the home made for itself."""
    file = home.keys / f"{name}.json"
    if file.exists() and (home.path / "password").exists():
        with suppress(BadInput):
            return open_key(home, name)
    if not file.exists():
        raise BadInput(f"--key {name}: there is no {file} (`crowdproof key list`, `crowdproof key new {name}`)")
    return load_keystore(file, password())
