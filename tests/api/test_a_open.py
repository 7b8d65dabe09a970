"""While tasks are open: registrations, assignments, answers, and everything that a hostile client sends instead."""

import json
import random
import secrets
from pathlib import Path
from typing import Any

import pytest
from coincurve import PrivateKey
from eth_account import Account

from oracle.demo.crowd import check_receipt
from oracle.ports import StoredAnswer
from oracle.protocol import messages
from oracle.protocol.errors import Fatal
from oracle.protocol.hashing import keccak
from oracle.protocol.keys import address_of, checksum, sign
from oracle.protocol.messages import Answer, Claim, Register
from oracle.protocol.sealing import commitment, seal
from tests.api.conftest import SEED, Market, crowd
from tests.support.commands import Run

pytestmark = pytest.mark.sockets
PROBLEM = "application/problem+json"
FAR = 4_000_000_000


def hexed(**fields: Any) -> dict[str, Any]:
    return {name: "0x" + value.hex() if isinstance(value, bytes) else value for name, value in fields.items()}


def is_problem(response: Any, status: int, code: str | None = None) -> bool:
    """A problem document (RFC 9457) with this status and stable code."""
    document = response.json()
    assert response.headers["content-type"] == PROBLEM
    assert {"type", "title", "status", "detail"} <= document.keys()
    assert (response.status_code, document["status"]) == (status, status), document
    assert code in (None, document["title"]), document
    assert document["detail"]
    return True


def answer(market: Market, offer: dict[str, Any], label: int = 0, key: PrivateKey | None = None, **changes: Any) -> Any:
    """A signed, sealed answer to an offer; `changes` are made before it is signed, as a liar would."""
    deployment = market.oracle.deployment
    job, task, worker = (changes.get(name, offer[name]) for name in ("job", "task", "worker"))
    payload, salt = bytes([label]), secrets.token_bytes(32)
    bound = commitment(job, task, worker, payload, salt)
    envelope = changes.get("envelope", seal(deployment.committee.seal_keys, bound, payload, salt))
    message = Answer(job, bytes.fromhex(offer["terms"][2:]), task, worker, bound, keccak(envelope))
    digest = messages.digest(deployment.domain(), message)
    return hexed(
        job=job,
        task=task,
        worker=worker,
        key=changes.get("key_number", 0),
        commitment=bound,
        sealHash=message.seal_hash,
        signature=sign(key or market.key(offer["worker"]), digest),
        envelope=envelope,
        expiry=changes.get("expiry", offer["expiry"]),
        assignedBy=changes.get("assigned_by", offer["signature"]),
    ), digest


def offers(market: Market, worker: int) -> list[dict[str, Any]]:
    return market.api.worker(market.key(worker), worker).assignments()


def stored(market: Market) -> list[StoredAnswer]:
    """What the first member keeps."""
    from oracle.adapters.database import SqlDatabase

    database = SqlDatabase(market.demo.home.database(1).url)
    found = database.answers(market.demo.job)
    database.close()
    return found


# ---------------------------------------------------------------------- reading


def test_reads__before_any_epoch__have_their_shapes(offered: Market) -> None:
    client, job = offered.client, offered.demo.job
    assert client.get("/health").json() == {"status": "ok"}
    assert client.get("/ready").json() == {"ready": True, "waits": []}
    assert client.get("/deployment").json()["chain_id"] == offered.oracle.deployment.chain_id
    assert client.get("/epochs").json() == []
    found = client.get("/jobs").json()
    assert [one["job"] for one in found] == [job]
    assert found[0] == client.get(f"/jobs/{job}").json()
    assert (found[0]["tasks"], found[0]["answers"], found[0]["classes"]) == (4, 3, 2)
    assert int(found[0]["escrow"]) == 4 * 3 * 12_500 + 4 * 3 * 12_500 * 250 // 10_000
    assert client.get(f"/jobs/{job}/manifest").json()["answer"]["classes"] == ["0", "1"]
    assert client.get(f"/ipfs/{found[0]['manifest']}").headers["x-content-type-options"] == "nosniff"
    assert client.get(f"/jobs/{job}/verdicts").json() == []


def test_tasks__paging__walks_all(offered: Market) -> None:
    path = f"/jobs/{offered.demo.job}/tasks"
    pages = [offered.client.get(path, params={"from": first, "limit": 2}).json() for first in (0, 2, 4)]
    assert [[task["id"] for task in page] for page in pages] == [["t0", "t1"], ["t2", "t3"], []]
    assert is_problem(offered.client.get(path, params={"limit": 0}), 422, "invalid-request")
    assert is_problem(offered.client.get(path, params={"limit": 1001}), 422, "invalid-request")
    assert is_problem(offered.client.get(path, params={"from": -1}), 422, "invalid-request")


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/jobs/9", 404),
        ("/jobs/9/tasks", 404),
        ("/jobs/1/verdicts/0", 404),
        ("/jobs/x", 422),
        ("/jobs/-1", 422),
        ("/jobs/" + "9" * 5000, 422),
        ("/workers/99", 404),
        ("/workers/0x" + "11" * 20, 404),
        ("/workers/0x" + "11" * 20 + "/balance", 404),
        ("/workers/0xzz", 400),
        ("/workers/-1", 400),
        ("/workers/%D9%A1", 400),
        ("/workers/" + "1" * 5000, 400),
        ("/jobs/1/tasks?from=" + "9" * 40, 422),
        ("/workers/1/assignments", 401),
        ("/receipts/0x" + "11" * 32, 404),
        ("/receipts/0x11", 400),
        ("/receipts/xyz", 400),
        ("/ipfs/nonsense", 400),
        ("/ipfs/bafkreigh2akiscaildcqabsyg3dfr6chu3fgpregiymsck7e7aqa4s52zy", 404),
        ("/nothing", 404),
        ("/ipfs/..%2f..%2foracle.db", 404),
    ],
)
def test_reads__wrong_place__problem_with_a_code(offered: Market, path: str, status: int) -> None:
    assert is_problem(offered.client.get(path), status)


def test_worker__by_index_and_by_wallet__the_same(offered: Market) -> None:
    number = offered.demo.numbers[0]
    wallet = "0x" + address_of(offered.key(number)).hex()
    by_index = offered.client.get(f"/workers/{number}").json()
    assert by_index == offered.client.get(f"/workers/{wallet}").json()
    assert by_index == {"worker": number, "wallet": wallet, "keys": [wallet], "revoked": []}
    balance = offered.client.get(f"/workers/{number}/balance").json()
    assert (balance["claimable"], balance["units"], balance["proof"]) == ("0", 0, [])


# ---------------------------------------------------------------------- typed data


def test_typed_data__each_kind__is_what_we_hash_and_a_wallet_signs(offered: Market) -> None:
    deployment, account = offered.oracle.deployment, Account.from_key(b"\7" * 32)
    wallet = bytes.fromhex(account.address[2:])
    one = b"\1" * 32
    answered = Answer(1, one, 2, 3, one, one)
    cases: list[tuple[Any, Any, dict[str, Any]]] = [
        (
            deployment.domain(),
            answered,
            {"job": 1, "terms": one, "task": 2, "worker": 3, "commitment": one, "sealHash": one},
        ),
        (
            deployment.workers_domain(),
            Register(wallet, wallet, 0, FAR),
            {"wallet": wallet, "key": wallet, "number": 0, "validUntil": FAR},
        ),
        (deployment.domain(), Claim(1, 2, FAR), {"worker": 1, "cumulative": 2, "validUntil": FAR}),
    ]
    for domain, message, fields in cases:
        body = {"kind": type(message).__name__, "message": hexed(**fields)}
        response = offered.client.post("/typed-data", json=body)
        assert response.status_code == 200, response.text
        document = response.json()
        assert document == json.loads(json.dumps(messages.typed_data(domain, message)))
        signed = Account.sign_typed_data(account.key, full_message=document)
        assert bytes(signed.message_hash) == messages.digest(domain, message)


@pytest.mark.parametrize(
    "body",
    [
        {"kind": "Header", "message": {}},
        {"kind": "Claim", "message": {}},
        {"kind": "Claim", "message": {"worker": -1, "cumulative": 0, "validUntil": 0}},
        {"kind": "Claim", "message": {"worker": 1 << 40, "cumulative": 0, "validUntil": 0, "x": 1}},
        {"kind": "Register", "message": {"wallet": "zz", "key": "", "number": 0, "validUntil": 0}},
        {"kind": "Answer", "message": []},
        {"kind": 1},
        [],
        None,
    ],
)
def test_typed_data__wrong_fields__4xx(offered: Market, body: Any) -> None:
    response = offered.client.post("/typed-data", json=body)
    assert is_problem(response, response.status_code)
    assert 400 <= response.status_code < 500


# ---------------------------------------------------------------------- registrations and claims


def registration(market: Market, key: PrivateKey, until: int = FAR, signer: PrivateKey | None = None) -> dict[str, Any]:
    wallet = address_of(key)
    digest = messages.digest(market.oracle.deployment.workers_domain(), Register(wallet, wallet, 0, until))
    return hexed(wallet=wallet, key=wallet, validUntil=until, signature=sign(signer or key, digest))


def test_registrations__signed_by_the_wallet_or_refused(offered: Market) -> None:
    post, key, other = offered.client.post, PrivateKey(b"\5" * 32), PrivateKey(b"\6" * 32)
    database = offered.oracle.database
    before = len(database.registrations())
    assert is_problem(post("/registrations", json=registration(offered, key, signer=other)), 409, "bad-signature")
    assert is_problem(post("/registrations", json=registration(offered, key, until=1)), 409, "registration-expired")
    known = offered.key(offered.demo.numbers[0])
    assert is_problem(post("/registrations", json=registration(offered, known)), 409, "already-registered")
    zero = {**registration(offered, key), "key": "0x" + "00" * 20}
    assert is_problem(post("/registrations", json=zero), 409)
    high = registration(offered, key)
    assert is_problem(post("/registrations", json={**high, "signature": "0x" + "ff" * 65}), 409, "bad-signature")
    assert is_problem(post("/registrations", json={**high, "more": 1}), 422, "invalid-request")
    assert is_problem(post("/registrations", json={**high, "wallet": "0x12"}), 422, "invalid-request")
    assert len(database.registrations()) == before
    for _ in range(2):
        assert post("/registrations", json=registration(offered, key)).status_code == 202
    assert address_of(key) in {r.wallet for r in database.registrations()}


def test_claims__signed_by_the_workers_wallet_or_refused(offered: Market) -> None:
    number = offered.demo.numbers[0]

    def ask(key: PrivateKey, worker: int = number, until: int = FAR) -> Any:
        digest = messages.digest(offered.oracle.deployment.domain(), Claim(worker, 0, until))
        body = hexed(worker=worker, cumulative=0, validUntil=until, signature=sign(key, digest))
        return offered.client.post("/claims", json=body)

    assert is_problem(ask(PrivateKey(b"\6" * 32)), 409, "bad-signature")
    assert is_problem(ask(offered.key(number), until=1), 409, "claim-expired")
    assert is_problem(ask(offered.key(number), worker=99), 404, "not-found")
    assert number not in offered.oracle.database.claims()


# ---------------------------------------------------------------------- answers


def test_answers__each_fault__is_refused_with_its_code_and_nothing_is_stored(offered: Market) -> None:
    first, second, *_ = offered.demo.numbers
    mine, others = offers(offered, first), offers(offered, second)
    before = stored(offered)
    key = offered.key(first)
    stolen = {**others[0], "worker": first, "task": others[0]["task"]}
    cases = [
        (answer(offered, mine[0], key=PrivateKey(b"\6" * 32)), "bad-signature"),
        (answer(offered, mine[0], task=99), "no-such-task"),
        (answer(offered, mine[0], worker=99), "no-such-key"),
        (answer(offered, mine[0], worker=0), "no-such-key"),
        (answer(offered, mine[0], key_number=1), "no-such-key"),
        (answer(offered, mine[0], envelope=b"short"), "wrong-seal"),
        (answer(offered, mine[0], expiry=mine[0]["expiry"] + 1), "no-assignment"),
        (answer(offered, mine[0], assigned_by="0x" + "11" * 65), "no-assignment"),
        (answer(offered, {**stolen}, key=key), "no-assignment"),
    ]
    for (body, _), code in cases:
        response = offered.client.post("/answers", json={"answers": [body]})
        assert is_problem(response, 409, code), code
    sealed, _ = answer(offered, mine[0])
    assert is_problem(
        offered.client.post("/answers", json={"answers": [{**sealed, "sealHash": "0x" + "11" * 32}]}), 409
    )
    assert is_problem(offered.client.post("/answers", json={"answers": [{**sealed, "job": 9}]}), 404, "not-found")
    two_jobs = {"answers": [sealed, {**sealed, "job": 9}]}
    assert is_problem(offered.client.post("/answers", json=two_jobs), 400)
    assert is_problem(offered.client.post("/answers", json={"answers": []}), 422)
    assert is_problem(offered.client.post("/answers", json={"answers": [sealed] * 1001}), 422)
    assert stored(offered) == before


def test_answers__a_good_batch__a_receipt_that_a_quorum_signed(offered: Market) -> None:
    worker = offered.demo.numbers[2]
    batch = [answer(offered, offer, label=1) for offer in offers(offered, worker)]
    bodies, digests = [body for body, _ in batch], [digest for _, digest in batch]
    response = offered.client.post("/answers", json={"answers": bodies})
    assert response.status_code == 201
    receipt = response.json()
    assert receipt["size"] == 4
    check_receipt(offered.oracle.deployment, digests, receipt)
    with pytest.raises(Fatal):
        check_receipt(offered.oracle.deployment, [*digests, b"\1" * 32], receipt)
    assert offered.client.get(f"/receipts/0x{digests[0].hex()}").json()["root"] == receipt["root"]
    again = offered.client.post("/answers", json={"answers": bodies})
    assert again.status_code == 201
    assert again.json()["root"] == receipt["root"]
    second_thoughts, _ = answer(offered, offers(offered, worker)[0], label=0)
    assert is_problem(offered.client.post("/answers", json={"answers": [second_thoughts]}), 409, "duplicate-answer")


# ---------------------------------------------------------------------- hostile requests


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"\xff\xfe",
        b"null",
        b"[" * 100_000,
        b'{"a":' * 50_000,
        b'{"answers": [NaN, Infinity]}',
        b'{"worker": ' + b"9" * 5000 + b"}",
        b'{"worker": 1e999}',
        b'{"worker": 1, "worker": 2}',
        b'{"kind": "\\ud800", "message": {}}',
        b'{"kind": "Claim", "message": {"\\ud800": 1}}',
        b'{"wallet": "0x\\u0661"}',
        b'"' + b"x" * 100_000 + b'"',
    ],
)
@pytest.mark.parametrize("path", ["/answers", "/registrations", "/claims", "/typed-data"])
def test_posts__hostile_json__4xx_problem(offered: Market, path: str, body: bytes) -> None:
    response = offered.client.post(path, content=body, headers={"Content-Type": "application/json"})
    assert 400 <= response.status_code < 500
    assert is_problem(response, response.status_code)


def test_posts__body_over_the_limit__413(offered: Market) -> None:
    assert is_problem(offered.client.post("/answers", content=b" " * ((1 << 23) + 1)), 413)
    chunks = (b" " * (1 << 20) for _ in range(9))
    assert is_problem(offered.client.post("/answers", content=chunks), 413)


class Fuzz:
    """Requests over the OpenAPI document: half right, half anything. The same seed gives the same requests."""

    WORDS = (
        "",
        "0",
        "1",
        "-1",
        "2",
        "99999999999999999999",
        "0x",
        "0x" + "11" * 20,
        "0x" + "11" * 32,
        "é",
        "\x00",
        "a/b",
        "%",
        "NaN",
    )

    def __init__(self, document: dict[str, Any], seed: int) -> None:
        self.random = random.Random(seed)
        self.schemas = document["components"]["schemas"]
        ways = ((p, m, o) for p, ways in sorted(document["paths"].items()) for m, o in sorted(ways.items()))
        self.routes = [(m, p, o) for p, m, o in ways if p != "/events"]  # a stream has no end

    def request(self) -> tuple[str, str, dict[str, Any]]:
        method, path, operation = self.random.choice(self.routes)
        query = {}
        for parameter in operation.get("parameters", []):
            value = self.word()
            if parameter["in"] == "path":
                path = path.replace(
                    "{" + parameter["name"] + "}", value.replace("/", "%2F").replace("\x00", "%00") or "0"
                )
            elif self.random.random() < 0.7:
                query[parameter["name"]] = value
        content: dict[str, Any] = {"params": query}
        schema = operation.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema")
        if schema is not None:
            content["json"] = self.value(schema) if self.random.random() < 0.9 else self.anything()
        return method.upper(), path, content

    def word(self) -> str:
        return str(self.random.randrange(4)) if self.random.random() < 0.6 else self.random.choice(self.WORDS)

    def value(self, schema: dict[str, Any], depth: int = 0) -> Any:
        if self.random.random() < 0.07:
            return self.anything()
        if "$ref" in schema:
            return self.value(self.schemas[schema["$ref"].split("/")[-1]], depth + 1)
        if "anyOf" in schema:
            return self.value(self.random.choice(schema["anyOf"]), depth + 1)
        kind = schema.get("type")
        if kind == "object":
            fields = schema.get("properties", {"worker": {"type": "integer"}, "validUntil": {"type": "integer"}})
            return {name: self.value(inner, depth + 1) for name, inner in fields.items() if self.random.random() < 0.97}
        if kind == "array":
            return [self.value(schema["items"], depth + 1) for _ in range(self.random.randrange(1, 3))]
        if kind == "integer":
            return self.random.choice([0, 1, 2, 3, (1 << 32) - 1, (1 << 64) - 1, 1 << 64, -1])
        if kind == "string":
            return self.text(schema.get("pattern", ""))
        return self.anything()

    def text(self, pattern: str) -> str:
        if pattern.startswith("^("):
            return self.random.choice(pattern[2:-2].split("|"))
        size = (
            int(pattern.split("{")[1].split("}", maxsplit=1)[0]) // 2
            if "{" in pattern
            else self.random.randrange(1, 600)
        )
        return "0x" + self.random.randbytes(size).hex()

    def anything(self) -> Any:
        return self.random.choice(
            [None, True, -1, 1 << 70, 1.5, "", "0x", "é\x00", [], [[]], {}, {"a": {"b": []}}, "x" * 5000]
        )


def test_fuzz__five_hundred_requests__no_5xx_and_every_refusal_a_problem(offered: Market) -> None:
    document = offered.client.get("/openapi.json").json()
    fuzz = Fuzz(document, 20261122)
    before = stored(offered)
    codes: set[int] = set()
    for _ in range(500):
        method, path, content = fuzz.request()
        response = offered.client.request(method, path, **content)
        codes.add(response.status_code)
        assert response.status_code < 500, (method, path, content, response.text)
        if response.status_code >= 400:
            assert is_problem(response, response.status_code), (method, path, content)
    assert {200, 400, 404, 422} <= codes
    assert stored(offered) == before


def test_top_up__more_than_an_escrow_holds__says_so(offered: Market) -> None:
    most = ((1 << 64) - 1) * offered.oracle.deployment.unit
    for amount, status in [(most, 200), (most + 1, 400), ((1 << 256) - 1, 400)]:
        response = offered.client.post("/transactions/top-up", json={"job": offered.demo.job, "amount": amount})
        assert response.status_code == status
        assert status == 200 or (is_problem(response, 400) and str(amount) in response.json()["detail"])


def test_openapi__every_route_is_described(offered: Market) -> None:
    document = offered.client.get("/openapi.json").json()
    for path, ways in document["paths"].items():
        for method, operation in ways.items():
            assert "Problem" in json.dumps(operation["responses"]), (method, path)
    assert document["components"]["schemas"]["AnswerIn"]["properties"]["signature"]["pattern"] == "^0x[0-9a-fA-F]{130}$"


def test_registration__checksummed_wallet__is_read_too(offered: Market) -> None:
    key = PrivateKey(b"\x08" * 32)
    body = registration(offered, key)
    body["wallet"] = body["key"] = checksum(address_of(key))
    assert offered.client.post("/registrations", json=body).status_code == 202


# ---------------------------------------------------------------------- a requester's job, by the command line


def test_job_create__twice__one_job_and_its_budget_escrowed_once(offered: Market, inside: Run, tmp_path: Path) -> None:
    """Opened among the workers' answers, and left: its deadline is far."""
    home, deployment, chain = offered.demo.home, offered.oracle.deployment, offered.oracle.chain
    requester = address_of(crowd.wallet(SEED, f"{home.path} requester"))
    manifest = {
        "version": 1,
        "title": "By hand",
        "instructions": "Choose.",
        "answer": {"type": "choice", "classes": ["a", "b"]},
        "redundancy": {"most": 3},
        "reward": {"base": "1000000"},
        "deadline": FAR,
    }
    (tmp_path / "m.json").write_text(json.dumps(manifest))
    (tmp_path / "t.csv").write_text("task\none\ntwo\n")
    words = (
        "job",
        "create",
        tmp_path / "m.json",
        "--tasks",
        tmp_path / "t.csv",
        "--key",
        "requester",
        "--home",
        home.path,
    )
    poor = inside(*words, "--json")
    assert (poor.code, poor.out) == (1, "")
    assert "the escrow is 6000000" in poor.err
    given = inside("faucet", checksum(requester), "--coin", 0, "--tokens", 10, "--home", home.path, "--json")
    assert given.document["tokens"] == 10_000_000
    created = inside(*words, "--json")
    assert created.code == 0, created.err
    assert created.document["escrow"] == 6_000_000
    left = chain.token_balance(deployment.token, requester)
    again = inside(*words, "--json")
    assert again.document == created.document
    assert chain.token_balance(deployment.token, requester) == left == 4_000_000
    job = offered.client.get(f"/jobs/{created.document['job']}").json()
    assert (job["escrow"], job["terms"]) == ("6000000", created.document["terms"])
    assert [task["id"] for task in offered.client.get(f"/jobs/{job['job']}/tasks").json()] == ["one", "two"]
    (tmp_path / "m.json").write_text(json.dumps({**manifest, "deadline": 5}))
    late = inside(*words)
    assert late.is_clear()
    assert "deadline" in late.err
