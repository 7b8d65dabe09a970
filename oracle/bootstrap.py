"""The composition root: opens a home and names the concrete adapters. Nothing else does."""

import json
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from io import BytesIO
from typing import TYPE_CHECKING, Any, TypeAlias

from oracle.adapters.car import read_car, write_car
from oracle.adapters.chain import RpcChain
from oracle.adapters.content import FolderStore
from oracle.adapters.contracts import Calls, Interfaces, decode_post
from oracle.adapters.database import SqlDatabase
from oracle.adapters.deployer import read_deployment_file, rewrite_committee
from oracle.adapters.peers import HttpPeer
from oracle.adapters.referee import RefereeCalls
from oracle.adapters.rest import resting
from oracle.adapters.signer import KeySigner, load_keystore
from oracle.config import Home
from oracle.protocol.cids import Cid
from oracle.protocol.deployment import Deployment
from oracle.protocol.errors import BadInput, CommitteeChanged
from oracle.protocol.jobkey import Keys, Wrapped
from oracle.protocol.keys import Address
from oracle.protocol.state import State
from oracle.services import office, rules
from oracle.services.assign import Matcher
from oracle.services.books import Books
from oracle.services.index import Index
from oracle.services.keyring import Keyring
from oracle.services.member import Member
from oracle.services.opener import Opener
from oracle.services.refute import ANYBODY, Purse, Refuter
from oracle.services.settle import Settler

if TYPE_CHECKING:
    from oracle.adapters.kubo import KuboStore

Store: TypeAlias = "FolderStore | KuboStore"
RELAYER = "relayer"
WATCHER = "watcher"
MEMBER = "member"
GOOD_S = 0.1  # for which a member accepts answers by one look at the chain: much less than a block takes


PAYLOAD_KEY = "payload-key"  # kind of what is kept: a job's key, by the hash of its terms


@dataclass(frozen=True, slots=True)
class Oracle:
    """What the oracle's loop and its API work with."""

    deployment: Deployment
    deployment_document: dict[str, Any]
    chain: RpcChain
    calls: Calls
    content: Store
    database: SqlDatabase
    index: Index
    books: Books
    peers: tuple[HttpPeer, ...]
    depth: int  # blocks below the head that count as final

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

    def matcher(self) -> Matcher:
        """The part that says who is asked what."""

        def car(root: Cid) -> bytes:
            out = BytesIO()
            write_car(self.content, [root], out)
            return out.getvalue()

        return Matcher(self.deployment, self.database, self.content, self.peers, car)

    def refuter(self, signer: KeySigner | None = None, rewarded: Address = ANYBODY) -> Refuter:
        """The part that strikes wrong epochs; without a signer it only says how, to reward that account.

        Raises BadInput for a deployment that has no Referee.
        """
        return Refuter(
            self.deployment,
            self.chain,
            RefereeCalls(self.chain, self.deployment),
            self.content,
            lambda data: decode_post(self.chain.interfaces, data),
            Purse(self.database, signer) if signer else None,
            rewarded,
            self.books.keys,
        )


def open_oracle(home: Home) -> Oracle:
    """Raises BadInput when the folder holds no deployment."""
    settings = home.settings()
    deployment, abis = read_deployment_file(home.deployment)
    interfaces = Interfaces(abis)
    chain = RpcChain(settings.rpc, interfaces, deployment.chain_id)
    database, content = open_database(home), open_content(home)
    index = Index(chain, database, deployment, settings.depth, _in_office(home, deployment))
    token = home.secret("token")
    return Oracle(
        deployment,
        json.loads(home.deployment.read_text("utf-8")),
        chain,
        Calls(interfaces, deployment),
        content,
        database,
        index,
        Books(content, _keys(home, deployment, database, content, index)),
        tuple(HttpPeer(url, token) for url in settings.members),
        settings.depth,
    )


def _keys(home: Home, deployment: Deployment, database: SqlDatabase, content: Store, index: Index) -> Keys:
    """Of sealed jobs: those that were sealed here, and what the members of this home can open.

    Whoever answers for data that is demanded on chain must be able to read it, whoever made the job.
    """
    before = lambda: [term.members for term in index.state.terms]  # noqa: E731 - of former committees
    openers = cache(lambda: [Opener(deployment, signer, before) for signer in _member_signers(home)])

    def unwrap(wrapped: Wrapped, requester: Address) -> bytes | None:
        return next((key for one in openers() if (key := one.unwrap(wrapped, requester))), None)

    keyring = Keyring(Books(content), lambda: index.state.jobs, unwrap)
    return lambda number: kept_key(database, index.state, number) or keyring.key(number)


def _member_signers(home: Home) -> list[KeySigner]:
    files = sorted(home.path.glob(f"members/*/keys/{MEMBER}.json"))
    return [load_keystore(file, home.secret("password")) for file in files]


def kept_key(database: SqlDatabase, state: State, number: int) -> bytes | None:
    """The key of a job whose payloads were sealed here, for its requester: who opens another job with the same terms gets none."""
    job = state.jobs.get(number)
    kept = database.kept(PAYLOAD_KEY, job.terms.hash().hex()) if job else None
    return bytes.fromhex(kept.value["key"]) if job and kept and kept.owner == job.requester.hex() else None


def _in_office(home: Home, deployment: Deployment) -> Callable[[State], None]:
    """Writes down a committee that the known one appointed, and raises CommitteeChanged: whoever starts again has it."""

    def check(state: State) -> None:
        found = office.successor(deployment, state.terms)
        if found is not deployment:
            rewrite_committee(home.deployment, found)
            raise CommitteeChanged("the committee has changed, and deployment.json with it: start this process again")

    return check


def open_database(home: Home, member: int | None = None) -> SqlDatabase:
    """The oracle's database, or a member's: PostgreSQL where the settings name one, else a file of the home."""
    place = home.database(member)
    return SqlDatabase(place.url, place.schema)


def open_content(home: Home, member: int | None = None) -> Store:
    """The oracle's store, or a member's: Kubo where the settings name one, else a folder of the home."""
    address = home.settings().content if home.has_settings() else ""
    if address:
        from oracle.adapters.kubo import KuboStore  # noqa: PLC0415 - its client loads slowly, and few homes have one

        return KuboStore(address)
    return FolderStore(home.store if member is None else home.member(member).store)


def open_member(home: Home, number: int) -> tuple[Member, Store]:
    """Member `number` (from 1) with its own store, database, key and view of the chain."""
    settings = home.settings()
    deployment, abis = read_deployment_file(home.deployment)
    own = home.member(number)
    chain = RpcChain(settings.rpc, Interfaces(abis), deployment.chain_id)
    database, content = open_database(home, number), open_content(home, number)
    signer = load_keystore(own.keys / f"{MEMBER}.json", home.secret("password"))
    index = Index(chain, database, deployment, settings.depth, _in_office(home, deployment))
    rest = resting(own.path, rules.VALID_SECONDS + 2 * rules.LAG_SECONDS)
    return Member(deployment, index, database, content, signer, rest, GOOD_S), content


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
