"""Signed-in visitors, each with its own wallet: a requester from draft to export, a worker from offer to record, an auditor."""

import pytest
from coincurve import PrivateKey

from api import siwe
from oracle.protocol.keys import address_of, checksum, sign
from tests.api.conftest import Market

pytestmark = pytest.mark.sockets


def sign_in(market: Market, key: PrivateKey) -> dict[str, str]:
    wallet = checksum(address_of(key))
    text = market.client.get("/auth/nonce", params={"address": wallet}).json()["message"]
    body = {"message": text, "signature": "0x" + sign(key, siwe.digest(text)).hex(), "bearer": True}
    found = market.client.post("/auth/sign-in", json=body)
    assert found.status_code == 200, found.text
    return {"Authorization": f"Bearer {found.json()['token']}"}


def test_smoke(settled: Market) -> None:
    key = settled.key(settled.demo.numbers[0])
    auth = sign_in(settled, key)
    for path in (
        "/auth/session",
        "/work",
        "/me/assignments",
        "/me/earnings",
        "/me/earnings.csv",
        "/node",
        "/logs",
        "/logs?format=csv",
        "/logs?format=jsonl",
        "/epochs/1",
        "/epochs/1/verdicts",
        "/epochs/1/weights",
        "/epochs/1/balances",
        "/epochs/1/assignments",
        "/jobs/1/verdicts/0/evidence",
        "/jobs/1/progress",
        "/jobs/1/export?format=csv",
        "/jobs/1/export?format=jsonl",
        "/jobs/1/export?format=parquet",
        "/jobs/1/export?format=car",
        "/jobs/1/export?format=croissant",
        "/workers/1/record",
        "/templates",
        "/manifest.schema.json",
        "/",
        "/events?after=-1.-1&most=3",
    ):
        found = settled.client.get(path, headers=auth)
        print(path, found.status_code, found.text[:700].encode())
    for path, body in (
        ("register", None),
        ("approve", {"amount": 5}),
        ("close", {"job": 1}),
        ("refund", {"job": 1}),
        ("claim", {"worker": 1}),
        ("top-up", {"job": 1, "amount": 1000}),
        ("stake", {"member": "0x" + "11" * 20, "wei": 5}),
        ("withdraw", None),
        ("refute", {"epoch": 1, "beneficiary": "0x" + "11" * 20}),
        ("finalise", None),
        ("contest", {"job": 1, "task": 0, "worker": 1}),
        ("contest-step", {"contest": 1, "step": "raise"}),
    ):
        found = settled.client.post("/transactions/" + path, json=body, headers=auth)
        print(path, found.status_code, found.text[:700])
    requester = PrivateKey(b"\x09" * 32)
    auth = sign_in(settled, requester)

    for t in settled.client.get("/templates").json()[:1]:
        for vis in ("public", "assigned"):
            manifest = {**t["manifest"], "deadline": 4_000_000_000, "visibility": vis}
            body = {"manifest": manifest, "tasks": t["tasks"]}
            print(settled.client.post("/jobs/check", json=body).text)
            print(settled.client.post("/jobs/quote", json={"manifest": manifest, "tasks": 3}).text)
            d = settled.client.post("/jobs/drafts", json=body, headers={**auth, "Idempotency-Key": "a" + vis})
            print(d.status_code, d.text[:3000])
            print(settled.client.post("/transactions/open", json={"terms": d.json()["terms"]}, headers=auth).text[:500])
    print(settled.client.post("/jobs/import?name=x.csv", content=b"task,text\na,b\n,c\na,d\n").text)
    print(settled.client.post("/faucet", json={"wallet": checksum(address_of(requester))}).text)
