"""Whole lives of jobs through the API, each party with a wallet of its own signing or sending what the API hands it."""

import secrets
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from coincurve import PrivateKey
from eth_account import Account

from api.client import Client, Worker
from api.reader import LOOK_S
from oracle.adapters import anvil
from oracle.protocol.keys import address_of, checksum
from oracle.services import assign, settle
from tests.api.conftest import Market

LIFE = 7_000  # seconds that a job is open


def client(market: Market, key: PrivateKey | None = None) -> Client:
    visitor = Client(str(market.client.base_url), market.client)
    return visitor.sign_in(key) if key else visitor


def manifest(market: Market, **changes: Any) -> dict[str, Any]:
    return {
        "version": 1,
        "title": "By a page",
        "instructions": "Choose.",
        "answer": {"type": "choice", "classes": ["no", "yes"]},
        "redundancy": {"most": 2},
        "reward": {"base": "10000", "bonus": "2500"},
        "feeBps": 250,
        "deadline": market.oracle.chain.latest().timestamp + LIFE,
        **changes,
    }


def send(market: Market, key: PrivateKey, document: dict[str, Any]) -> None:
    """What a wallet does with transactions that are ready to send."""
    chain, wallet = market.oracle.chain, address_of(key)
    for call in document["calls"]:
        fees, tip = chain.fees()
        fields = {
            "chainId": int(document["chainId"], 16),
            "nonce": chain.nonce(wallet),
            "to": checksum(bytes.fromhex(call["to"][2:])),
            "data": call["data"],
            "value": int(call["value"], 16),
            "gas": 3_000_000,
            "maxFeePerGas": fees,
            "maxPriorityFeePerGas": tip,
        }
        signed = Account.sign_transaction(fields, key.secret)
        chain.send(bytes(signed.raw_transaction))
        outcome = None
        for _ in range(200):
            if outcome := chain.outcome(bytes(signed.hash)):
                break
            time.sleep(0.02)
        assert outcome and outcome.succeeded, call["what"]
    time.sleep(LOOK_S)  # the API's earlier look at the chain is no longer good


def tokens(market: Market, key: PrivateKey) -> int:
    return market.oracle.chain.token_balance(market.oracle.deployment.token, address_of(key))


@dataclass
class Requester:
    """Its wallet is funded by the faucet."""

    market: Market
    key: PrivateKey = field(default_factory=lambda: PrivateKey(secrets.token_bytes(32)))

    def __post_init__(self) -> None:
        self.client = client(self.market, self.key)
        self.client.post("/faucet", {"wallet": checksum(address_of(self.key)), "coin": 1, "tokens": 1_000})

    def draft(self, document: dict[str, Any], payloads: Sequence[Any]) -> dict[str, Any]:
        tasks = [{"id": f"task {n}", "payload": payload} for n, payload in enumerate(payloads)]
        made: dict[str, Any] = self.client.post(
            "/jobs/drafts", {"manifest": document, "tasks": tasks}, key=secrets.token_hex(8)
        )
        return made

    def fund(self, draft: dict[str, Any], by_permit: bool) -> int:
        """The job's number."""
        document = draft["transactions"]
        if by_permit:
            signed = Account.sign_typed_data(self.key.secret, full_message=draft["permit"])
            permit = {"deadline": draft["permit"]["message"]["deadline"], "signature": "0x" + signed.signature.hex()}
            document = self.client.post("/transactions/open", {"terms": draft["terms"], "permit": permit})
        send(self.market, self.key, document)
        number: int = self.client.get(f"/jobs/drafts/{draft['terms']}")["job"]
        assert number
        return number


def worker(market: Market, number: int) -> Worker:
    return market.api.worker(market.key(number), number)


def offer(market: Market, job: int, workers: Sequence[int]) -> None:
    """As the matcher does: every open place to these workers."""
    oracle = market.oracle
    view = oracle.index.view()
    tasks = view.state.jobs[job].terms.tasks
    edges = [(number, task, 1) for number in workers for task in range(tasks)]
    returned = {(task, number) for _, task, number, _ in oracle.database.given_back(job)}
    assign.assign(oracle.matcher(), view.state, job, edges, returned=returned)


def decide(market: Market) -> None:
    """Past every deadline, one epoch, and past its window."""
    oracle, settler = market.oracle, market.demo._settler
    anvil.warp(market.demo._url, LIFE + 10)
    state = oracle.index.advance()
    if state.pending() is None:
        settle.post_next(settler, state)
    finish(market)


def finish(market: Market) -> None:
    oracle = market.oracle
    anvil.warp(market.demo._url, oracle.deployment.window + 10)
    view = oracle.index.view()
    settle.finalise_pending(market.demo._settler, view.state, view.now)
    time.sleep(LOOK_S)


def until_refundable(market: Market) -> None:
    anvil.warp(market.demo._url, 5 * market.oracle.deployment.window)
    time.sleep(LOOK_S)
