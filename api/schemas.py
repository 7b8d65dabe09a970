"""What crosses the public API: JSON in camelCase, bytes as 0x hex, money as decimal strings of the token's smallest unit."""

from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer, WithJsonSchema
from pydantic.alias_generators import to_camel


def _bytes(value: Any) -> Any:
    if isinstance(value, str):
        if not value.startswith("0x"):
            raise ValueError("expected 0x and hex digits")
        return bytes.fromhex(value[2:])
    return value


def _digits(length: int | None = None) -> WithJsonSchema:
    """In the OpenAPI: 0x and that many bytes of hex."""
    many = f"{{{2 * length}}}" if length else "*"
    return WithJsonSchema({"type": "string", "pattern": f"^0x[0-9a-fA-F]{many}$"})


Hex = Annotated[bytes, BeforeValidator(_bytes), PlainSerializer(lambda b: "0x" + b.hex(), return_type=str)]
Hash = Annotated[Hex, Field(min_length=32, max_length=32), _digits(32)]
Wallet = Annotated[Hex, Field(min_length=20, max_length=20), _digits(20)]
Signature = Annotated[Hex, Field(min_length=65, max_length=65), _digits(65)]
Envelope = Annotated[Hex, Field(max_length=1 << 20), _digits()]
Index = Annotated[int, Field(ge=0, lt=1 << 32)]
Seconds = Annotated[int, Field(ge=0, lt=1 << 64)]
Amount = Annotated[int, PlainSerializer(str, return_type=str)]


class Schema(BaseModel):
    """Strict about fields; either case of a name is read, camelCase is written."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, extra="forbid", from_attributes=True)


class Problem(BaseModel):
    """RFC 9457; `title` is the stable code."""

    type: str
    title: str
    status: int
    detail: str


class Health(Schema):
    status: str


class Ready(Schema):
    ready: bool
    waits: list[str]


class Job(Schema):
    job: int
    requester: Wallet
    terms: Hash
    manifest: str  # CID
    classes: int
    tasks: int
    answers: int
    base: Amount
    bonus: Amount
    deadline: int
    escrow: Amount
    refunded: Amount


class Input(Schema):
    """What a task that is decided hands to one that waited for it."""

    task: int
    id: str
    label: str
    confidence: float


class Task(Schema):
    task: int
    id: str
    payload: Any
    inputs: list[Input] = []


class Assignment(Schema):
    job: Index
    task: Index
    worker: Index
    expiry: Seconds
    terms: Hash
    signature: Signature
    seal: str


class Worker(Schema):
    worker: int
    wallet: Wallet
    keys: list[Wallet]
    revoked: list[int]


class RegistrationIn(Schema):
    """The fields of the Register message with its signature by the wallet."""

    wallet: Wallet
    key: Wallet
    valid_until: Seconds
    signature: Signature


class AnswerIn(Schema):
    """A sealed answer with the assignment that it fulfils (`expiry`, `assignedBy`: the member's signature)."""

    job: Index
    task: Index
    worker: Index
    key: Annotated[int, Field(ge=0, lt=1 << 16)] = 0
    commitment: Hash
    seal_hash: Hash
    signature: Signature
    envelope: Envelope
    expiry: Seconds
    assigned_by: Signature


class AnswersIn(Schema):
    answers: Annotated[list[AnswerIn], Field(min_length=1, max_length=1000)]


class Receipt(Schema):
    """A quorum's word that a batch is stored: the tree of `answers` (digests) has the signed root."""

    root: Hash
    size: int
    answers: list[Hash]
    signatures: list[Signature]


class ClaimIn(Schema):
    """The fields of the Claim message with its signature by the wallet."""

    worker: Index
    cumulative: Seconds
    valid_until: Seconds
    signature: Signature


class Queued(Schema):
    """A wish that the relayer will fulfil with its next transaction of that kind."""

    status: str


class TypedDataIn(Schema):
    """A message's kind and its fields, named as in its EIP-712 type."""

    kind: Annotated[str, Field(pattern="^(Answer|Register|Claim)$")]
    message: dict[str, Any]


class Verdict(Schema):
    """`confidence`: of record. `gold`: what the requester knew, where the epoch opens that. `proof` leads from `leaf` at `index`

    to the epoch's verdict root.
    """

    job: int
    task: int
    id: str
    label: str
    confidence: float
    gold: str | None = None
    epoch: int
    status: str
    index: int
    content: str
    leaf: Hash
    proof: list[Hash]


class Balance(Schema):
    """Cumulative amounts never fall; `claimable` is what a claim would pay now, `pending` waits for its challenge window.

    What a claim needs: `units` (the cumulative amount in units), `earnings`, and `proof` to the balances root of `epoch` (0: none).
    """

    worker: int
    wallet: Wallet
    cumulative: Amount
    claimed: Amount
    claimable: Amount
    pending: Amount
    units: int
    epoch: int
    earnings: Hash
    proof: list[Hash]


class Epoch(Schema):
    epoch: int
    status: str
    head: Hash
    digest: Hash
    content: str
    transaction: Hash
    posted_at: int
    verdicts: int
    total: Amount


# ------------------------------------------------------------------------------------------------------------ sessions


class Nonce(Schema):
    """`message`: what the wallet signs with `personal_sign`, where its address was given."""

    nonce: str
    expires_at: float
    domain: str
    uri: str
    chain_id: int
    message: str | None = None


class SignIn(Schema):
    """`bearer`: the token comes in the answer, for a bot, and not as a cookie."""

    message: Annotated[str, Field(max_length=4_000)]
    signature: Annotated[Hex, Field(min_length=1, max_length=8_192), _digits()]
    bearer: bool = False


class Session(Schema):
    """`wallet`: null where nobody is signed in; `worker`: its number, once it is registered."""

    wallet: Wallet | None = None
    worker: int | None = None
    expires_at: float | None = None
    token: str | None = None


# -------------------------------------------------------------------------------------------------------- transactions


class Call(Schema):
    """A transaction for a wallet to send. `value` in wei."""

    what: str
    to: Wallet
    data: Hex
    value: Annotated[int, PlainSerializer(hex, return_type=str)]


class Transactions(Schema):
    """`calls` in their order; as one batch by EIP-5792: {version "2.0.0", chainId, from, calls, atomicRequired}."""

    chain_id: Annotated[int, PlainSerializer(hex, return_type=str)]
    calls: list[Call]
    atomic_required: bool = False


class ApproveIn(Schema):
    """Lets the Market take `amount` of the token (a whole number of its smallest unit)."""

    amount: Annotated[int, Field(ge=0, lt=1 << 256)]


class PermitIn(Schema):
    deadline: Seconds
    signature: Signature


class OpenIn(Schema):
    """`terms`: of a draft of yours. With a permit one transaction is enough."""

    terms: Hash
    permit: PermitIn | None = None


class JobIn(Schema):
    job: Index


class TopUpIn(Schema):
    job: Index
    amount: Annotated[int, Field(gt=0, lt=1 << 256)]


class WorkerIn(Schema):
    worker: Index


class StakeIn(Schema):
    member: Wallet
    wei: Annotated[int, Field(gt=0, lt=1 << 128)]


class ContestIn(Schema):
    """`title` and `text` are stored as evidence (ERC-1497), for everybody to read."""

    job: Index
    task: Index
    worker: Index
    title: Annotated[str, Field(max_length=200)] = ""
    text: Annotated[str, Field(max_length=10_000)] = ""


class ContestStepIn(Schema):
    contest: Annotated[int, Field(ge=0, lt=1 << 64)]
    step: Annotated[str, Field(pattern="^(confirm|raise|appeal|settle)$")]


class RefuteIn(Schema):
    """`beneficiary`: who gets the reward."""

    epoch: Index
    beneficiary: Wallet


class Refutation(Schema):
    """`did`: "would strike" or "would demand" where there is something to send, else "nothing", "waits" or "too late"."""

    did: str
    what: str
    faults: list[str]
    missing: int
    transactions: Transactions


class PermitDataIn(Schema):
    """An ERC-2612 permit for the Market over `amount`, good until block time `deadline`."""

    owner: Wallet
    amount: Annotated[int, Field(ge=0, lt=1 << 256)]
    deadline: Seconds


# ---------------------------------------------------------------------------------------------------------------- jobs


class TaskIn(Schema):
    """`gold`: the class that is known to be right; sealed to the committee, and told nobody else before the task is decided."""

    id: Annotated[str, Field(min_length=1, max_length=1024)]
    payload: Any = None
    gold: Annotated[str | None, Field(min_length=1, max_length=500)] = None


class JobDraftIn(Schema):
    """A manifest (see GET /manifest.schema.json) and the tasks, in their order."""

    manifest: dict[str, Any]
    tasks: Annotated[list[TaskIn], Field(min_length=1, max_length=100_000)]


class QuoteIn(Schema):
    """`tasks`: how many."""

    manifest: dict[str, Any]
    tasks: Annotated[int, Field(ge=1, le=1 << 24)]


class Flaw(Schema):
    """`row`: of an imported file or of the list of tasks, from 1; `field`: of the manifest or the column."""

    row: int | None = None
    field: str | None = None
    what: str


class Quote(Schema):
    """Exact: `escrow` = `pay` + `fee` is what a job locks; what is not earned comes back."""

    tasks: int
    answers: int
    classes: int
    base: Amount
    bonus: Amount
    pay: Amount
    fee: Amount
    escrow: Amount


class Change(Schema):
    """Personal data that is replaced: in which row or task (from 1), in which field, of what kind, and how. Never the data."""

    row: int
    field: str
    kind: str
    method: str


class Checked(Schema):
    """`changes`: personal data (the first of it) that is replaced before the job is stored."""

    ok: bool
    flaws: list[Flaw]
    quote: Quote | None = None
    changes: list[Change] = []


class Imported(Schema):
    """`tasks`: those without a flaw, and without the personal data of `changes` (the first of them); nothing is stored."""

    changes: list[Change] = []

    ok: bool
    rows: int
    tasks: list[TaskIn]
    flaws: list[Flaw]


class JobDraft(Schema):
    """Stored content, not funded yet: sign `permit` (null where the token takes none) or send `transactions` as they are.

    `replaced`: how much personal data of each kind was replaced before anything was stored.
    """

    terms: Hash
    title: str
    deadline: int
    quote: Quote
    manifest: str
    permit: dict[str, Any] | None = None
    transactions: Transactions | None = None
    job: int | None = None
    replaced: dict[str, int] = {}


class Template(Schema):
    name: str
    title: str
    description: str
    manifest: dict[str, Any]
    tasks: list[TaskIn]


class Progress(Schema):
    """Counts of a job. `answered`: answers with a receipt of this API; `phase`: waiting, open, deciding, hatch or over.

    `paused`: its requester wants no more offers for now.
    """

    job: int
    phase: str
    paused: bool
    now: int
    deadline: int
    refunds_from: int
    tasks: int
    wanted: int
    assigned: int
    answered: int
    decided: int
    final: int
    escrow: Amount
    debited: Amount
    refunded: Amount
    locked: Amount


class WorkerQuality(Schema):
    """`agreed`: of its counted answers, those with the verdict's label."""

    worker: int
    answers: int
    counted: int
    agreed: int
    agreement: float | None
    paid: Amount


class Statistics(Schema):
    """`agreement`: Krippendorff's alpha of the counted answers, null where it is not defined; `confidence`: tasks by tenths."""

    job: int
    decided: int
    answers: int
    agreement: float | None
    mean_confidence: float | None
    confidence: list[int]
    labels: dict[str, int]
    workers: list[WorkerQuality]


# ------------------------------------------------------------------------------------------------------------- workers


class Work(Schema):
    """A job that can be worked on. `place`: how many of its tasks wait for the visitor, where one is signed in."""

    job: int
    title: str
    requester: Wallet
    classes: list[str]
    base: Amount
    bonus: Amount
    tasks: int
    open_places: int
    deadline: int
    assignment_seconds: int
    visibility: str
    qualifications: list[str]
    requester_jobs: int
    requester_paid: Amount
    waits_for: int | None
    admitted: bool | None
    place: int | None


class MyAssignment(Schema):
    """`seal`: who opens its answer, `members` or `threshold`.

    `state`: RESERVED (offered), ACTIVE (opened), SUBMITTED, ACCEPTED, NOT ACCEPTED, RETURNED or TIMED OUT.
    """

    job: int
    task: int
    id: str
    state: str
    expiry: int
    terms: Hash
    signature: Signature
    seal: str
    answer: Hash | None = None
    epoch: int | None = None
    label: str | None = None
    verdict: str | None = None
    agreed: bool | None = None
    paid: Amount | None = None
    why: str | None = None
    contest_until: int | None = None


class Assigned(Schema):
    """A task for its worker alone, with the assignment that an answer must carry. `asked`: of a job of free answers, what."""

    assignment: MyAssignment
    title: str
    instructions: str
    classes: list[str]
    asked: dict[str, Any] | None
    payload: Any
    draft: Any = None


class Draft(Schema):
    """What a worker has noted for a task: only its own."""

    draft: Any = None


class Earning(Schema):
    """`state`: pending (its window runs), claimable or paid."""

    epoch: int
    job: int
    task: int
    amount: Amount
    state: str
    transaction: Hash
    content: str


class Earnings(Schema):
    worker: int
    pending: Amount
    claimable: Amount
    paid: Amount
    earnings: list[Earning]


class RecordOfJob(Schema):
    job: int
    answers: int
    counted: int
    agreed: int
    expected: float
    earned: Amount


class Record(Schema):
    """What final epochs say about a worker: anyone can recompute it from `epochs`. `expected`: agreement of the others' answers."""

    worker: int
    wallet: Wallet
    chain_id: int
    market: Wallet
    answers: int
    counted: int
    agreed: int
    agreement: float | None
    earned: Amount
    jobs: list[RecordOfJob]
    epochs: list[str]


class Band(Schema):
    """Work of at least so many counted answers, of which at least this share agrees with the verdict."""

    band: int
    answers: int
    agreement: float


class BandKey(Schema):
    """A member's BLS key of a band of a job (in G1), and its signature under it (EIP-712 `BandKey`)."""

    member: Wallet
    band: int
    key: Hex
    signature: Signature


class Bands(Schema):
    job: int
    terms: Hash
    bands: list[Band]
    keys: list[BandKey]


Point = Annotated[Hex, Field(min_length=96, max_length=96), _digits(96)]


class WishIn(Schema):
    """`blinded`: a point of G2, compressed; `signature`: of the worker's wallet (EIP-712 `BandWish`)."""

    job: Index
    worker: Index
    band: Annotated[int, Field(ge=1, le=255)]
    blinded: Point
    signature: Signature


class SignedPoint(Schema):
    member: Wallet
    signature: Point


class Certified(Schema):
    """To be unblinded, each by the factor of the wish."""

    signatures: list[SignedPoint]


class Credential(Schema):
    """That a wallet's owner has done work of the band under another name (EIP-712 `Band`), signed by members."""

    job: Index
    band: Annotated[int, Field(ge=1, le=255)]
    wallet: Wallet
    signatures: Annotated[list[SignedPoint], Field(max_length=31)]


# ------------------------------------------------------------------------------------------------------------ auditors


class Log(Schema):
    """A decoded event of the contracts. `cursor`: what comes after it is asked for by this."""

    cursor: str
    block: int
    index: int
    transaction: Hash
    timestamp: int
    kind: str
    fields: dict[str, Any]


class EpochDetail(Epoch):
    """With the header as it was signed, and who signed it."""

    header: dict[str, Any]
    signers: list[Wallet]
    signatures: list[Signature]
    debits: list[dict[str, Any]]
    challenge_until: int
    trees: dict[str, dict[str, Any]]


class JobKey(Schema):
    """The key of a job: keep it, whoever has it reads the job."""

    job: int
    key: Hash


class Leaf(Schema):
    """A value of one of an epoch's trees, with the proof of its place; null where it is of a sealed job."""

    index: int
    value: Any
    leaf: Hash
    proof: list[Hash]


class WeightLeaf(Schema):
    index: int
    worker: int
    label: int
    row: list[int]
    leaf: Hash
    proof: list[Hash]


class Evidence(Schema):
    """All that recomputing one verdict takes: its leaf, the weight rows of its counted answers, header, signatures."""

    verdict: Verdict
    classes: list[str]
    prior: list[int]
    scores: list[int]
    cores: Hex
    opening_hashes: Hex
    pay: int
    answers: list[dict[str, Any]]
    weights: list[WeightLeaf]
    header: dict[str, Any]
    signatures: list[Signature]
    committee: dict[str, Any]


class Member(Schema):
    address: Wallet
    stake: Amount
    alive: bool | None = None


class Node(Schema):
    """How the deployment does: `lag` is blocks behind the head, `pending` the epoch in its window."""

    chain_id: int
    block: int
    head: int
    lag: int
    now: int
    window: int
    quorum: int
    members: list[Member]
    jobs: int
    workers: int
    epochs: int
    pending: int | None
    pending_until: int | None
    ready: bool
    waits: list[str]
    faucet: bool


class FaucetIn(Schema):
    wallet: Wallet
    coin: Annotated[int, Field(ge=0, le=100)] = 1
    tokens: Annotated[int, Field(ge=0, le=10_000)] = 100


class Given(Schema):
    wallet: Wallet
    coin: int
    tokens: Amount


class HookIn(Schema):
    """`kinds`: of events; empty for all."""

    url: Annotated[str, Field(max_length=2_000)]
    kinds: Annotated[list[str], Field(max_length=50)] = []
    job: Index | None = None


class Hook(Schema):
    """`secret`: only when it is made (Standard Webhooks: whsec_...)."""

    hook: str
    url: str
    kinds: list[str]
    job: int | None
    cursor: str
    failures: int
    secret: str | None = None
