"""The API from the other side: what a bot, the command line and the demo's workers use. It trusts the API with nothing.

`Client` is one visitor: it signs in with a key, follows pages and events, and raises our errors. `Worker` seals and signs answers,
and takes a receipt only from a quorum. What is signed is made here, never what the API hands over to be signed.
"""

import json
import secrets
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import httpx
from coincurve import PrivateKey

from api import siwe
from oracle.adapters.deployer import read_deployment_document
from oracle.adapters.peers import error_of
from oracle.ports import Signer
from oracle.protocol import blind, credentials, free, leaves, messages, scoring, trees
from oracle.protocol.credentials import Credential, SignedBandKey
from oracle.protocol.deployment import Deployment
from oracle.protocol.errors import Fatal, Refused, Retryable
from oracle.protocol.hashing import keccak, leaf, pack_int32, tagged
from oracle.protocol.keys import Address, address_of, recover, sign
from oracle.protocol.leaves import CORE, Core, Status
from oracle.protocol.messages import Answer, BandWish, Claim, Header, Register
from oracle.protocol.sealing import SCHEMES, commitment, seal

TIMEOUT_S = 180.0
STATEMENT = "Sign in to crowdproof. This costs nothing and sends no transaction."
Key = PrivateKey | Signer  # in the hand, or where nobody sees it


class Client:
    """One visitor of the API at `url`; siblings share its connections. Raises Refused, BadInput or Retryable."""

    def __init__(self, url: str, http: httpx.Client | None = None, token: str = "") -> None:
        self.http = http or httpx.Client(base_url=url, timeout=TIMEOUT_S, trust_env=False)
        self._url = httpx.URL(url)
        self._headers = {"Authorization": f"Bearer {token}"} if token else {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.http.close()

    def get(self, path: str, **query: Any) -> Any:
        return self._ask("GET", path, params=query).json()

    def post(self, path: str, body: Any = None, key: str = "") -> Any:
        """`key`: an idempotency key, for what must be stored once however often it is sent."""
        headers = {"Idempotency-Key": key} if key else {}
        response = self._ask("POST", path, json=body, headers=headers)
        return response.json() if response.content else None

    def put(self, path: str, body: Any) -> Any:
        return self._ask("PUT", path, json=body).json()

    def delete(self, path: str) -> None:
        self._ask("DELETE", path)

    def download(self, path: str, **query: Any) -> bytes:
        return self._ask("GET", path, params=query).content

    def upload(self, path: str, data: bytes, **query: Any) -> Any:
        headers = {"Content-Type": "application/octet-stream"}
        return self._ask("POST", path, content=data, params=query, headers=headers).json()

    def pages(self, path: str, **query: Any) -> Iterator[Any]:
        """Every item of a list, page by page."""
        response = self._ask("GET", path, params=query)
        while True:
            yield from response.json()
            following = response.links.get("next")
            if following is None:
                return
            response = self._ask("GET", following["url"])

    def events(self, after: str = "-1.-1", **query: Any) -> Iterator[dict[str, Any]]:
        """The chain's events after a cursor, and then as they come. Ends when the API does: go on from the last `cursor`."""
        asked: dict[str, Any] = {"after": after, **query}
        try:
            with self.http.stream("GET", "/events", params=asked, headers=self._headers) as response:
                if not response.is_success:
                    response.read()
                    raise error_of(response)
                for line in response.iter_lines():
                    if line.startswith("data: "):
                        yield json.loads(line.removeprefix("data: "))
        except httpx.HTTPError as problem:
            raise Retryable(f"the API does not answer: {type(problem).__name__}") from problem

    def sign_in(self, key: Key) -> "Client":
        """This visitor, signed in as the key's wallet.

        The message is ours: only nonce and chain are the API's, which cannot have us sign for another place.
        """
        given = self.get("/auth/nonce")
        origin = f"{self._url.scheme}://{self._url.netloc.decode()}"
        domain = self._url.netloc.decode()
        now = time.time()
        message = siwe.write(
            siwe.Message(
                domain,
                wallet_of(key),
                STATEMENT,
                origin,
                int(given["chainId"]),
                str(given["nonce"]),
                now,
                now + siwe.MOST_AGE_S,
            )
        )
        signature = "0x" + signed(key, siwe.digest(message)).hex()
        session = self.post("/auth/sign-in", {"message": message, "signature": signature, "bearer": True})
        return Client(str(self._url), self.http, session["token"])

    def deployment(self) -> Deployment:
        """What the API says it serves: hold its digest, or its addresses, against what you know."""
        return read_deployment_document(self.get("/deployment"), Path("GET /deployment"))[0]

    def _ask(
        self,
        method: str,
        path: str,
        params: dict[str, Any] | None = None,
        headers: dict[str, str] | None = None,
        **content: Any,
    ) -> httpx.Response:
        if params:
            content["params"] = {name: value for name, value in params.items() if value is not None}
        try:
            response = self.http.request(method, path, headers={**self._headers, **(headers or {})}, **content)
        except httpx.HTTPError as problem:
            raise Retryable(f"the API does not answer: {type(problem).__name__}") from problem
        if not response.is_success:
            raise error_of(response)
        return response


@dataclass(frozen=True, slots=True)
class Worker:
    """A worker's hands: its key, its number on chain, and a client that is signed in as its wallet."""

    client: Client
    deployment: Deployment
    key: Key
    number: int

    def assignments(self, job: int | None = None) -> list[dict[str, Any]]:
        """What was offered to it, answered or not; each with what an answer must carry."""
        found: list[dict[str, Any]] = self.client.get(f"/workers/{self.number}/assignments", job=job)
        return found

    def answer(self, offer: dict[str, Any], said: int | str) -> dict[str, Any]:
        """The answer to send: keep it until its receipt is there, since another for the same task would be refused.

        said: a label, or the text of a free answer.
        """
        job, task, worker = offer["job"], offer["task"], self.number
        payload = free.payload_of(said) if isinstance(said, str) else bytes([said])
        salt = secrets.token_bytes(32)
        bound = commitment(job, task, worker, payload, salt)
        envelope = seal(self.deployment.committee.seal_keys, bound, payload, salt, SCHEMES[offer["seal"]])
        made = body(job=job, task=task, worker=worker, key=0, commitment=bound, sealHash=keccak(envelope))
        signature = signed(self.key, self.digest(offer, made))
        return made | body(
            signature=signature, envelope=envelope, expiry=offer["expiry"], assignedBy=offer["signature"]
        )

    def digest(self, offer: dict[str, Any], answer: dict[str, Any]) -> bytes:
        """What the worker signs, and what a receipt is for."""
        terms, bound, seal_hash = (
            _unhexed(text) for text in (offer["terms"], answer["commitment"], answer["sealHash"])
        )
        message = Answer(answer["job"], terms, answer["task"], answer["worker"], bound, seal_hash)
        return messages.digest(self.deployment.domain(), message)

    def send(self, offers: Sequence[dict[str, Any]], answers: Sequence[dict[str, Any]]) -> dict[str, Any]:
        """The receipt of a batch of one job's answers. Raises Fatal for one that no quorum signed for them."""
        digests = [self.digest(offer, answer) for offer, answer in zip(offers, answers, strict=True)]
        receipt: dict[str, Any] = self.client.post("/answers", {"answers": list(answers)})
        check_receipt(self.deployment, digests, receipt)
        return receipt

    def claim(self, valid_until: int) -> int:
        """Asks the relayer for all that is claimable, to the worker's own wallet; how much that is."""
        balance = self.client.get(f"/workers/{self.number}/balance")
        if amount := int(balance["claimable"]):
            wish = Claim(self.number, balance["units"], valid_until)
            signature = signed(self.key, messages.digest(self.deployment.domain(), wish))
            named = body(worker=self.number, cumulative=wish.cumulative, validUntil=valid_until, signature=signature)
            self.client.post("/claims", named)
        return amount


def band_keys(client: Client, deployment: Deployment, job: int) -> tuple[bytes, list[SignedBandKey]]:
    """The hash of the job's terms, and the members' keys of its bands, each signed by its member. Raises Refused."""
    found = client.get(f"/jobs/{job}/bands")
    terms = _unhexed(found["terms"])
    told = [SignedBandKey(int(k["band"]), _unhexed(k["key"]), _unhexed(k["signature"])) for k in found["keys"]]
    credentials.keys_of(deployment, job, terms, told)
    return terms, told


def ask_credential(
    worker: Worker,
    job: int,
    terms: bytes,
    band: int,
    told: Sequence[SignedBandKey],
    blinded: bytes,
    factor: int,
    wallet: Address,
) -> Credential:
    """A quorum's signatures of a fresh wallet, which they do not see; the worker gives up the job. Raises Fatal for signatures by

    other keys than those that were `told`, to everybody: by them a member could know the wallet again.
    """
    wish = messages.digest(worker.deployment.domain(), BandWish(job, terms, band, keccak(blinded)))
    named = body(job=job, worker=worker.number, band=band, blinded=blinded, signature=signed(worker.key, wish))
    found = worker.client.post("/bands", named)["signatures"]
    signatures = {_unhexed(s["member"]): blind.unblind(_unhexed(s["signature"]), factor) for s in found}
    shown = Credential(job, terms, band, wallet, signatures)
    try:
        credentials.check(worker.deployment, shown, told)
    except Refused as problem:
        raise Fatal(f"the members did not sign by the keys that they tell: {problem}") from None
    return shown


def hand_in(client: Client, shown: Credential) -> None:
    """The fresh wallet is asked in the job as who reaches its band."""
    signatures = [body(member=member, signature=signature) for member, signature in shown.signatures.items()]
    client.post("/credentials", body(job=shown.job, band=shown.band, wallet=shown.wallet) | {"signatures": signatures})


def register(client: Client, deployment: Deployment, key: Key, valid_until: int) -> None:
    """The wallet asks for its place among the workers; a relayer pays."""
    wallet = wallet_of(key)
    digest = messages.digest(deployment.workers_domain(), Register(wallet, wallet, 0, valid_until))
    wish = body(wallet=wallet, key=wallet, validUntil=valid_until, signature=signed(key, digest))
    client.post("/registrations", wish)


def wallet_of(key: Key) -> Address:
    return address_of(key) if isinstance(key, PrivateKey) else key.address


def signed(key: Key, digest: bytes) -> bytes:
    return sign(key, digest) if isinstance(key, PrivateKey) else key.sign(digest)


def check_receipt(deployment: Deployment, answers: Sequence[bytes], receipt: dict[str, Any]) -> None:
    """Raises Fatal unless a quorum signed for these answers, with others' or alone: the worker trusts no API."""
    listed = [_unhexed(answer) for answer in receipt["answers"]]
    if not set(answers) <= set(listed):
        raise Fatal("the API gave a receipt that is not for what was sent")
    root = trees.root([leaves.receipt_leaf(answer) for answer in listed])
    message = messages.digest(deployment.domain(), messages.Receipt(root, len(listed)))
    signers = {recover(message, _unhexed(signature)) for signature in receipt["signatures"]}
    if len(signers & set(deployment.committee.members)) < deployment.committee.quorum:
        raise Fatal("the API gave a receipt that no quorum of the committee signed")


def check_evidence(deployment: Deployment, found: dict[str, Any], posted: str) -> None:
    """Raises Fatal unless a verdict follows from its evidence: header and signatures, weights, and the integer decision.

    `posted`: the digest of the epoch's header, as the chain has it; `deployment`: with the members who were in office.
    """
    fields: list[Any] = [_unhexed(value) if isinstance(value, str) else value for value in found["header"].values()]
    header = Header(*fields)
    message, verdict = messages.digest(deployment.domain(), header), found["verdict"]
    signers = {recover(message, _unhexed(signature)) for signature in found["signatures"]}
    if "0x" + message.hex() != posted or len(signers & set(deployment.committee.members)) < deployment.committee.quorum:
        raise Fatal("the header is not the one that was posted, or no quorum signed it")
    rows = {weight["index"]: weight for weight in found["weights"]}
    for index, weight in rows.items():
        at = leaf("weight", verdict["job"], weight["worker"], weight["label"], keccak(pack_int32(weight["row"])))
        if not trees.verify(header.weights, header.weights_size, index, at, list(map(_unhexed, weight["proof"]))):
            raise Fatal(f"weight row {index} is not in the epoch")
    packed = _unhexed(found["cores"])
    cores = [Core.unpack(packed[at : at + CORE]) for at in range(0, len(packed), CORE)]
    if missing := {core.row for core in cores if core.status == Status.COUNTED} - rows.keys():
        raise Fatal(f"weight row {min(missing)} is not shown")
    counted = [rows[core.row]["row"] for core in cores if core.status == Status.COUNTED]
    label = scoring.decide(found["prior"], counted)
    listed = tagged("list", keccak(packed), keccak(_unhexed(found["openingHashes"])))
    own = (label, keccak(pack_int32(found["prior"])), found["pay"], listed)
    at = leaf("verdict", verdict["job"], verdict["task"], *own)
    if not trees.verify(
        header.verdicts, header.verdicts_size, verdict["index"], at, list(map(_unhexed, verdict["proof"]))
    ):
        raise Fatal("the decision that follows from the weights is not the one in the epoch")
    if (name := next(iter(found["classes"][label : label + 1]), "")) != verdict["label"]:
        raise Fatal(f"the API calls the label {verdict['label']!r}; it is {name!r}")


def body(**fields: Any) -> dict[str, Any]:
    """Fields as they travel: bytes as hex with 0x."""
    return {name: "0x" + value.hex() if isinstance(value, bytes) else value for name, value in fields.items()}


def _unhexed(text: str) -> bytes:
    return bytes.fromhex(text.removeprefix("0x"))
