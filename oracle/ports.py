"""The outside world on one screen: what the services need of it, in the protocol's words.

Adapters implement these; `oracle.bootstrap` alone names the concrete ones.
"""

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias

from oracle.privacy.budget import Budget, Cost, Entry
from oracle.protocol.cids import Cid, Codec
from oracle.protocol.credentials import SignedBandKey
from oracle.protocol.deployment import Committee, Deployment
from oracle.protocol.errors import Refused
from oracle.protocol.events import Log
from oracle.protocol.evidence import Link
from oracle.protocol.gold import Opening
from oracle.protocol.heads import Debit
from oracle.protocol.keys import Address
from oracle.protocol.leaves import Balance, Leaf
from oracle.protocol.messages import Header
from oracle.protocol.refutations import Drop, Refutation
from oracle.protocol.state import Post
from oracle.protocol.terms import Terms


@dataclass(frozen=True, slots=True)
class Block:
    """A block of the chain; the parent's hash tells a reorganisation from a next block."""

    number: int
    hash: bytes
    parent: bytes
    timestamp: int


@dataclass(frozen=True, slots=True)
class Outcome:
    """A mined transaction."""

    block: int
    succeeded: bool
    gas: int


@dataclass(frozen=True, slots=True)
class Call:
    """A transaction to make; `what` says it in words and is the outbox's key for doing it once."""

    what: str
    to: Address | None
    data: bytes
    gas: int | None = None
    value: int = 0  # wei


@dataclass(frozen=True, slots=True)
class Registration:
    """A wallet's signed wish to be registered; the relayer takes many to a transaction."""

    wallet: Address
    key: Address
    valid_until: int
    signature: bytes


@dataclass(frozen=True, slots=True)
class Permit:
    """An ERC-2612 signature of the requester over exactly the escrow, good until block time `deadline`."""

    deadline: int
    signature: bytes


class Calls(Protocol):
    """The transactions that the contracts of a deployment understand."""

    def approve(self, token: Address, spender: Address, amount: int, purpose: str = "") -> Call: ...
    def transfer(self, token: Address, to: Address, amount: int, purpose: str = "") -> Call: ...
    def open_job(self, terms: Terms, deadline: int, permit: Permit | None = None) -> Call: ...
    def top_up(self, job: int, amount: int, purpose: str = "") -> Call: ...
    def close_job(self, job: int, terms: bytes) -> Call: ...
    def refund(self, job: int, requester: Address, terms: bytes, refunded: int = 0) -> Call: ...
    def register_many(self, registrations: Sequence[Registration]) -> Call: ...
    def post_epoch(self, header: Header, debits: Sequence[Debit], signatures: Sequence[bytes]) -> Call: ...
    def finalise_epoch(self, header: Header, signers: int) -> Call: ...
    def claim_many(self, balances: Sequence[Balance], proof: Sequence[bytes]) -> Call: ...


@dataclass(frozen=True, slots=True)
class Posted:
    """A posted epoch with all that it takes to strike it and to slash who signed it."""

    header: Header
    signers: int
    debits: bytes  # packed, as they were posted
    signatures: bytes
    committee: Committee  # that the header's configuration names


@dataclass(frozen=True, slots=True)
class Demanded:
    """A leaf of a pending epoch that must be shown on chain. `answer`: what was shown; None while nothing was."""

    tree: str
    index: int
    demander: Address
    bond: int  # wei; 0 once it is paid or released
    replies_end: int  # block time, the first second that is too late
    answered: bool
    answer: Leaf | None = None


class Referee(Protocol):
    """The transactions of the Referee and of Demands, and what they know of an epoch."""

    def refute(self, posted: Posted, refutation: Refutation, beneficiary: Address) -> Call: ...
    def drop(self, posted: Posted, drop: Drop, beneficiary: Address) -> Call: ...
    def withheld(self, posted: Posted, tree: str, index: int, beneficiary: Address) -> Call: ...
    def trace(self, start: bytes, links: Sequence[Link]) -> Call: ...
    def is_traced(self, head: bytes) -> bool: ...
    def demand(self, posted: Posted, tree: str, index: int, bond: int) -> Call: ...
    def reply(self, posted: Posted, tree: str, index: int, leaf: Leaf, proof: Sequence[bytes]) -> Call: ...
    def collects(self, account: Address) -> list[tuple[Call, int]]: ...  # what takes what is owed, and how many wei
    def price(self, head: bytes) -> int: ...  # of the next demand about the epoch that left this head, in wei
    def demands(self, post: Post) -> list[Demanded]: ...


class Chain(Protocol):
    """One JSON-RPC endpoint, held hostile: raises ChainUnavailable (retry) or WrongChain (stop)."""

    def chain_id(self) -> int: ...
    def latest(self) -> Block: ...
    def block(self, number: int) -> Block | None: ...
    def logs(self, deployment: Deployment, first: int, last: int) -> list[Log]: ...
    def calldata(self, transaction: bytes) -> bytes: ...
    def nonce(self, address: Address) -> int: ...
    def native_balance(self, address: Address) -> int: ...
    def token_balance(self, token: Address, holder: Address, block: int | None = None) -> int: ...  # None: now
    def permit_digest(
        self, token: Address, owner: Address, spender: Address, amount: int, deadline: int
    ) -> bytes | None: ...  # what an owner signs for an ERC-2612 permit; None where the token takes none
    def fees(self) -> tuple[int, int]: ...  # max fee, priority fee, in wei a gas
    def estimate(self, sender: Address, call: Call) -> int: ...  # raises Refused with the contract's reason
    def send(self, raw: bytes) -> None: ...  # a transaction that is already known is no error
    def outcomes(self, transactions: Sequence[bytes]) -> list[Outcome | None]: ...


class ContentStore(Protocol):
    """Blocks by CID; every byte is checked against it on the way in and out."""

    def put(self, data: bytes, codec: Codec) -> Cid: ...
    def put_many(self, blocks: Iterable[tuple[bytes, Codec]]) -> list[Cid]: ...
    def get(self, cid: Cid) -> bytes: ...
    def has(self, cid: Cid) -> bool: ...


class Signer(Protocol):
    """Holds a key; nothing else sees it."""

    @property
    def address(self) -> Address: ...
    def sign(self, digest: bytes) -> bytes: ...
    def sign_transaction(self, fields: dict[str, Any]) -> tuple[bytes, bytes]: ...  # raw, hash
    def read_transaction(self, raw: bytes) -> dict[str, Any]: ...  # the fields of what it signed
    def unseal(self, position: int, members: int, commitment: bytes, envelope: bytes) -> tuple[bytes, bytes] | None: ...
    def share(self, position: int, members: int, commitment: bytes, envelope: bytes) -> bytes | None: ...
    def open(self, about: bytes, sealed: bytes) -> bytes | None: ...  # what was sealed to this key alone
    def band_key(self, about: bytes) -> bytes: ...  # the public half of a key that it has for this purpose alone
    def sign_blinded(
        self, about: bytes, blinded: bytes
    ) -> bytes: ...  # by that key; raises BadInput for what is no point


@dataclass(frozen=True, slots=True)
class StoredAnswer:
    """An accepted answer as a member keeps it: all that a listing and a check need."""

    job: int
    task: int
    worker: int
    key: int
    commitment: bytes
    seal_hash: bytes
    signature: bytes
    envelope: bytes
    expiry: int
    assigned_by: bytes  # the member's signature under the assignment


@dataclass(frozen=True, slots=True)
class Evidence:
    """Answers that a proposal must take up: a refusal carries them, the next proposal lists them."""

    answers: tuple[StoredAnswer, ...] = ()
    openings: tuple[tuple[int, int, int, bytes, bytes], ...] = ()  # job, task, worker, payload, salt
    matches: tuple[bytes, ...] = ()  # digests of matches whose blocks the proposer has: `oracle.services.matches`
    gold: tuple[Opening, ...] = ()  # of tasks that it decides
    shared: bool = False  # whether the members were asked for their shares of closed answers


@dataclass(frozen=True, slots=True)
class Holding:
    """What a member says of the answers that it holds to tasks with split keys, signed: `oracle.services.opener`."""

    said: bytes
    signature: bytes


@dataclass(frozen=True, slots=True)
class SignedWish:
    """A worker asks for its band under another name: the blinded point, and its wallet's signature (`messages.BandWish`)."""

    job: int
    worker: int
    band: int
    blinded: bytes
    signature: bytes


@dataclass(frozen=True, slots=True)
class Shares:
    """What a member tells the others of closed answers whose keys are split, sealed to them: `oracle.services.opener`."""

    sealed: bytes
    signature: bytes


@dataclass(frozen=True, slots=True)
class Proposal:
    """An epoch to be signed; its data lies at the proposer's under the header's content."""

    header: Header
    debits: tuple[Debit, ...]


@dataclass(frozen=True, slots=True)
class Appraisal:
    """What a member thinks of pairs that could be asked: it has opened what it holds, and says no label.

    `worth`: information that an answer would give, in millionths of a nat, a number for each pair; 0 where nothing is to be
    asked: the task is sure, decided or full, or the worker has answered it. `answered`: places of these jobs that are answered.
    """

    worth: tuple[int, ...]
    answered: tuple[tuple[int, int, int], ...]  # job, task, worker


class Incomplete(Refused):
    """A proposal lacks answers that a member receipted, calls unopened what it can open, or keeps quiet about gold."""

    def __init__(self, message: str, evidence: Evidence) -> None:
        super().__init__("incomplete", message)
        self.evidence = evidence


@dataclass(frozen=True, slots=True)
class OfferedAssignment:
    """An assignment as offered, with the member's signature that binds it."""

    job: int
    task: int
    worker: int
    expiry: int
    terms: bytes
    signature: bytes


@dataclass(frozen=True, slots=True)
class StoredReceipt:
    """A quorum's word for a batch: `signatures` ascending by member address, one 65-byte signature each."""

    root: bytes
    digests: tuple[bytes, ...]  # of the answers, in the order of the batch
    signatures: tuple[bytes, ...]


FOREVER = 1e11  # when it runs out, of what does not


@dataclass(frozen=True, slots=True)
class Kept:
    """What the API keeps for its visitors, by kind and name: a nonce, a session, a draft, a webhook.

    `owner`: a wallet in hex, or empty; `until`: Unix time from which it counts as gone.
    """

    kind: str
    name: str
    owner: str
    value: dict[str, Any]
    until: float


@dataclass(frozen=True, slots=True)
class Sent:
    """A transaction of the outbox: durable before it is first sent; `outcome` once it is mined.

    `replaced`: hashes of cheaper versions of the same call under the same nonce; whichever is mined, it is the same.
    """

    nonce: int
    what: str
    kind: str  # for the gas table: open, register, post, ...
    transaction: bytes
    raw: bytes
    outcome: Outcome | None = None
    replaced: tuple[bytes, ...] = ()


@dataclass(frozen=True, slots=True)
class SignedHeader:
    """The member's high-water mark: it signs no second header for an epoch before the first has expired, and proposes

    the first again until then, also after a restart.
    """

    digest: bytes
    proposal: Proposal
    tasks: tuple[tuple[int, int], ...]  # (job, task): no new receipts for these until then

    @property
    def epoch(self) -> int:
        return self.proposal.header.epoch

    @property
    def valid_until(self) -> int:
        return self.proposal.header.valid_until


MakeEntry: TypeAlias = Callable[
    [Budget, Sequence[Cost], int, bytes], Entry
]  # number of the entry, digest of the one before


class Database(Protocol):
    """What must outlive a process. A method that returns has written durably; all are safe between processes."""

    # the index: a cache of the chain
    def blocks(self, last: int) -> list[Block]: ...  # the newest `last` indexed blocks, ascending
    def extend(self, blocks: Sequence[Block], logs: Sequence[Log]) -> None: ...  # one transaction; known blocks refused
    def rewind(self, number: int) -> None: ...  # forget blocks and logs above `number`
    def logs(self, after: tuple[int, int] = (-1, -1)) -> list[Log]: ...  # ascending, those behind (block, index)
    def newest_log(self) -> tuple[int, int] | None: ...  # (block, index)

    # assignments and answers
    def add_assignments(self, offers: Sequence[OfferedAssignment]) -> None: ...  # a pair offered again replaces
    # all, or those of a job, of a worker, of tasks; ascending by (job, task, worker)
    def assignments(
        self, job: int | None = None, worker: int | None = None, tasks: Collection[int] | None = None
    ) -> list[OfferedAssignment]: ...
    def add_answers(self, answers: Sequence[StoredAnswer]) -> None: ...  # Refused("duplicate-answer") for a known pair
    def answers(self, job: int) -> list[StoredAnswer]: ...  # ascending by (task, worker)
    # (task, worker) -> (commitment, seal hash) of all that is stored for these tasks, or of some workers
    def answered(
        self, job: int, tasks: Collection[int], workers: Collection[int] | None = None
    ) -> dict[tuple[int, int], tuple[bytes, bytes]]: ...
    def places(
        self, job: int, tasks: Collection[int]
    ) -> dict[int, int]: ...  # task -> answers stored, if there are any

    # matches that were made for a job, in the order in which they were
    def add_match(self, job: int, digest: bytes) -> None: ...  # the same again is no error
    def matches(self) -> list[tuple[int, bytes]]: ...  # job, digest

    # receipts and signatures
    # the same again is no error; `places`: (job, task, worker) of its answers, in their order
    def add_receipt(self, receipt: StoredReceipt, places: Sequence[tuple[int, int, int]] = ()) -> None: ...
    def receipt_of(self, answer: bytes) -> StoredReceipt | None: ...  # by answer digest
    # Refused("already-signed") while another header of the epoch is valid at block time `now`, if that is given
    def add_signed(self, header: SignedHeader, now: int | None = None) -> None: ...
    def signed(self, since: int = 0) -> list[SignedHeader]: ...  # those valid until `since` (block time) or longer

    # (job, task, worker) -> digest of the answer that has a receipt here; of a job, of a worker, or both
    def submitted(self, job: int | None = None, worker: int | None = None) -> dict[tuple[int, int, int], bytes]: ...
    def counted(self, job: int) -> dict[int, int]: ...  # task -> answers that have a receipt here, if there are any

    # assignments that were given back, as they were offered: one that is offered again is none of these
    def give_back(self, offer: OfferedAssignment) -> None: ...
    def given_back(self, job: int | None = None, worker: int | None = None) -> set[tuple[int, int, int, int]]: ...

    # what the API keeps for its visitors; what ran out is not there
    def keep(self, one: Kept) -> bool: ...  # False, and nothing is changed, where something of that name is kept
    def put(self, one: Kept) -> None: ...  # whether or not something of that name is kept
    def kept(self, kind: str, name: str) -> Kept | None: ...
    def kept_of(self, kind: str, owner: str | None = None) -> list[Kept]: ...  # ascending by name
    def take(self, kind: str, name: str) -> Kept | None: ...  # and it is gone: of many who ask, one gets it
    def drop_run_out(self) -> None: ...

    # wishes for the relayer
    def add_registrations(self, registrations: Sequence[Registration]) -> None: ...
    def registrations(self) -> list[Registration]: ...
    def drop_registrations(self, wallets: Sequence[Address]) -> None: ...  # fulfilled, or too old
    def add_claims(self, workers: Sequence[int]) -> None: ...
    def claims(self) -> list[int]: ...

    # the outbox, one sequence of nonces a sender
    # Refused("already-sent") when the sender has `what` already, else Refused("nonce-taken")
    def add_sent(self, sender: Address, sent: Sent) -> None: ...
    def set_outcome(self, sender: Address, nonce: int, outcome: Outcome | None) -> None: ...
    # the same call at a higher price; the hash that it had joins `replaced`
    def replace_sent(self, sender: Address, nonce: int, transaction: bytes, raw: bytes) -> None: ...
    # ascending by nonce; all, or those of `what`, those without an outcome, the newest `last`
    def sent(
        self, sender: Address, what: str | None = None, waiting: bool = False, last: int | None = None
    ) -> list[Sent]: ...

    # what data sets may reveal, and have revealed (oracle.privacy.budget)
    def set_budget(
        self, budget: Budget
    ) -> None: ...  # once: Refused("budget-set") for another one of the same data set
    def budget(self, dataset: str) -> Budget | None: ...
    # what `make` returns is stored in the writer's turn in which it looked; what it raises stores nothing. An entry with the
    # same query is given instead, at no cost. Refused("no-budget")
    def spend(self, dataset: str, query: dict[str, Any], make: MakeEntry) -> Entry: ...
    def entries(self, dataset: str) -> list[Entry]: ...  # ascending

    # who does a work that several processes could do: saves doing it twice, nothing is wrong if two hold it
    def hold(self, work: str, holder: str, seconds: float) -> bool: ...  # takes or renews; False while another holds it


class Peer(Protocol):
    """A committee member, asked from outside. Raises Refused with its reason, Retryable when it does not answer."""

    def assign(self, pairs: Sequence[tuple[int, int, int]]) -> list[OfferedAssignment]: ...  # job, task, worker
    def appraise(self, pairs: Sequence[tuple[int, int, int]]) -> Appraisal: ...
    def accept(self, answers: Sequence[StoredAnswer]) -> bytes: ...  # its signature under the batch's receipt
    def propose(self, evidence: Evidence) -> Proposal | None: ...
    def review(self, header: Header) -> None: ...  # raises what `approve` would; binds the member to nothing
    def approve(self, header: Header) -> bytes: ...  # raises Incomplete with what the proposal lacks
    def attest(self, shown: Sequence[StoredAnswer]) -> Holding | None: ...  # None: no key is split
    def tell(self, shown: Sequence[StoredAnswer], holdings: Sequence[Holding]) -> Shares | None: ...
    def learn(self, told: Sequence[Shares]) -> None: ...
    def band_keys(self, job: int) -> list[SignedBandKey]: ...
    def certify(self, wish: SignedWish) -> bytes: ...  # the blinded point, signed
    def blocks(self, root: Cid) -> bytes: ...  # a CAR of everything below
    def store(self, car: bytes) -> None: ...
