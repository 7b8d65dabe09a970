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
    """`confidence`: of record. `proof` leads from `leaf` at `index` to the epoch's verdict root."""

    job: int
    task: int
    id: str
    label: str
    confidence: float
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
