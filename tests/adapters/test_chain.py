"""One endpoint, truthful (Anvil, our contracts) and lying (a stub): the first is read exactly, the second never believed."""

import json
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from typing import Any

import httpx
import pytest

from oracle.adapters import anvil
from oracle.adapters import chain as chain_module
from oracle.adapters import rpc as rpc_module
from oracle.adapters.chain import RpcChain, read_deployment
from oracle.adapters.contracts import Calls, decode_post
from oracle.adapters.database import memory_database
from oracle.adapters.rpc import Rpc
from oracle.adapters.signer import KeySigner
from oracle.ports import Block, Call, Outcome
from oracle.protocol import events as ev
from oracle.protocol.deployment import Committee, Deployment
from oracle.protocol.errors import BadInput, ChainUnavailable, Fatal, Refused, WrongChain
from oracle.protocol.hashing import ZERO, keccak
from oracle.protocol.heads import Debit
from oracle.protocol.leaves import Balance
from oracle.protocol.messages import digest
from oracle.protocol.terms import Terms
from oracle.services import outbox
from tests.support.deployed import INTERFACES, Deployed, a_header

MARKET, WORKERS, COMMITTEE, HATCH = b"\x01" * 20, b"\x02" * 20, b"\x0c" * 20, b"\x0d" * 20
DEPLOYMENT = Deployment(
    77, MARKET, WORKERS, Committee(COMMITTEE, (b"\x04" * 20,), (b"\x05" * 32,), 1), bytes(20), b"\x03" * 20, 1, 60, 0
)
TERMS = Terms(2, 10, 3, 5, 5, 100, 0, 0, b"\x01" * 32, b"\x02" * 32)
URL = "https://user:secret@node.example:8545/v3/apikey"


# ---------------------------------------------------------------------- a node that says what it is told to


def text(data: bytes) -> str:
    return "0x" + data.hex()


def header(number: int, fork: int = 0) -> dict[str, Any]:
    return {
        "number": hex(number),
        "hash": text(keccak(bytes([number, fork]))),
        "parentHash": text(keccak(bytes([max(number, 1) - 1, fork]))),
        "timestamp": hex(1_000 + number),
        "baseFeePerGas": hex(10),
    }


def closed(job: int, block: int, index: int = 0) -> dict[str, Any]:
    """A raw JobClosed of the Market."""
    return {
        "address": text(MARKET),
        "topics": [text(keccak(b"JobClosed(uint32,uint64)")), text(job.to_bytes(32, "big"))],
        "data": text((99).to_bytes(32, "big")),
        "blockNumber": hex(block),
        "blockHash": header(block)["hash"],
        "transactionHash": text(keccak(b"tx")),
        "logIndex": hex(index),
        "removed": False,
    }


def said(content: bytes, status: int = 200, **headers: str) -> httpx.Response:
    """A reply as a stream, as it comes from a socket."""
    return httpx.Response(status, headers=headers, stream=httpx.ByteStream(content))


class Node:
    """A truthful stub of ten blocks with one log in block 4; tests replace a method by a lie."""

    def __init__(self, **lies: Any) -> None:
        self.logs = [closed(1, 4)]
        self.head = 10
        self.asked: list[tuple[str, Any]] = []
        self.lies = lies

    def __call__(self, request: httpx.Request) -> httpx.Response:
        body = json.loads(request.content)
        reply = [self.reply(b) for b in body] if isinstance(body, list) else self.reply(body)
        return said(json.dumps(reply).encode())

    def reply(self, body: dict[str, Any]) -> dict[str, Any]:
        method, params = body["method"], body["params"]
        self.asked.append((method, params))
        answer = self.lies.get(method, getattr(self, method, None))
        try:
            result = answer(*params) if callable(answer) else answer
        except RpcFault as fault:
            return {"jsonrpc": "2.0", "id": body["id"], "error": fault.args[0]}
        return {"jsonrpc": "2.0", "id": body["id"], "result": result}

    def eth_chainId(self) -> str:  # noqa: N802 (the method's own name)
        return hex(77)

    def eth_getBlockByNumber(self, tag: str, _: bool) -> Any:  # noqa: N802
        number = self.head if tag == "latest" else int(tag, 16)
        return header(number) if number <= self.head else None

    def eth_getLogs(self, asked: dict[str, Any]) -> list[Any]:  # noqa: N802
        first, last = int(asked["fromBlock"], 16), int(asked["toBlock"], 16)
        return [log for log in self.logs if first <= int(log["blockNumber"], 16) <= last]


class RpcFault(Exception):
    """The stub's error reply."""


def fault(message: str, data: Any = None) -> Callable[..., Any]:
    def raising(*_: Any) -> Any:
        raise RpcFault({"code": -32000, "message": message, "data": data})

    return raising


def chain_of(node: Callable[[httpx.Request], httpx.Response], **options: Any) -> RpcChain:
    return RpcChain(URL, INTERFACES, 77, **({"attempts": 1, "transport": httpx.MockTransport(node)} | options))


@pytest.fixture(autouse=True)
def no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chain_module, "PAUSE", 0.0)
    monkeypatch.setattr(rpc_module, "PAUSE", 0.0)


# ---------------------------------------------------------------------- the wire


@pytest.mark.parametrize(
    "reply",
    [
        b"",
        b"<html>",
        b"null",
        b"1",
        b"{}",
        b"[]",
        b'{"id": 1}',
        b'{"id": 7, "result": "0x4d"}',
        b'{"id": 1, "result": 77}',
        b'{"id": 1, "result": "77"}',
        b'{"id": 1, "result": "0x"}',
        b'{"id": 1, "result": ["0x4d"]}',
        b'{"id": 1, "result": "0x' + b"f" * 17 + b'"}',
        b'{"id": 1, "result": "0x' + b"f" * 100_000 + b'"}',
        b'{"id": 1, "result": ' + b"9" * 10_000 + b"}",
        b"[" * 200_000,
        b"\xff\xfe",
        b'{"id": 1, "error": 5}',
        b'{"id": 1, "error": {"message": {"a": [1]}}}',
    ],
)
def test_chain_id__garbage__is_unavailable_and_names_host_and_question_only(reply: bytes) -> None:
    chain = chain_of(lambda _: said(reply))
    with pytest.raises(ChainUnavailable, match=r"^https://node\.example:8545: .*eth_chainId") as raised:
        chain.chain_id()
    assert "secret" not in str(raised.value)
    assert "apikey" not in str(raised.value)
    assert len(str(raised.value)) < 400


def test_recursion_limit__after_our_imports__is_pythons_own() -> None:
    assert sys.getrecursionlimit() <= 1_500  # pytest and hypothesis may add some; py_ecc made it 100,000


@pytest.mark.parametrize("status", [302, 404, 429, 500])
def test_call__http_error__is_unavailable(status: int) -> None:
    node = said(b"{}", status, Location="http://169.254.169.254/")
    with pytest.raises(ChainUnavailable, match=f"HTTP {status} to eth_chainId"):
        chain_of(lambda _: node).chain_id()


def test_call__a_reply_that_never_ends__is_cut_at_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rpc_module, "MOST_BYTES", 1 << 20)

    def endless() -> Iterator[bytes]:
        while True:
            yield b" " * 65_536

    with pytest.raises(ChainUnavailable, match="more than 1 MiB"):
        chain_of(lambda _: httpx.Response(200, content=endless())).chain_id()


def test_call__a_reply_that_drips__ends_at_the_timeout() -> None:
    def drip() -> Iterator[bytes]:
        while True:
            yield b" "
            time.sleep(0.01)

    started = time.monotonic()
    with pytest.raises(ChainUnavailable, match=r"no reply to eth_chainId within 0\.1 s"):
        chain_of(lambda _: httpx.Response(200, content=drip()), timeout=0.1).chain_id()
    assert time.monotonic() - started < 2


def test_call__a_compressed_reply__is_refused_unread() -> None:
    bomb = said(b"\x1f\x8b", **{"Content-Encoding": "gzip"})
    with pytest.raises(ChainUnavailable, match="compressed"):
        chain_of(lambda _: bomb).chain_id()


def test_call__two_failures_then_an_answer__is_repeated_and_a_bounded_number_of_times() -> None:
    tries: list[int] = []

    def flaky(request: httpx.Request) -> httpx.Response:
        tries.append(1)
        if len(tries) % 3:
            raise httpx.ConnectError("refused")
        return Node()(request)

    assert chain_of(flaky, attempts=3).chain_id() == 77
    with pytest.raises(ChainUnavailable, match="not reached for eth_chainId"):
        chain_of(flaky, attempts=2).chain_id()
    assert len(tries) == 5


def test_call__an_error_reply__is_not_repeated() -> None:
    node = Node(eth_chainId=fault("no"))
    with pytest.raises(ChainUnavailable, match="eth_chainId failed: no"):
        chain_of(node, attempts=3).chain_id()
    assert len(node.asked) == 1


@pytest.mark.sockets
def test_call__nobody_listens__is_unavailable_at_once() -> None:
    with (
        closing(Rpc(f"http://127.0.0.1:{anvil._free_port()}")) as rpc,
        pytest.raises(ChainUnavailable, match="not reached"),
    ):
        rpc.call("eth_chainId")


@pytest.mark.parametrize(
    "url", ["", "node", "ftp://node", "http://", "file:///etc/passwd", "http://[::1", "http://a:b"]
)
def test_rpc__what_is_no_http_address__is_bad_input(url: str) -> None:
    with pytest.raises(BadInput, match="RPC address"):
        Rpc(url)


def test_batch__replies_in_another_order__belong_to_their_calls() -> None:
    def reversing(request: httpx.Request) -> httpx.Response:
        return said(json.dumps(json.loads(Node()(request).read())[::-1]).encode())

    assert [block.number for block in chain_of(reversing).blocks([3, 1, 2]) if block] == [3, 1, 2]


@pytest.mark.parametrize(
    "change", [lambda r: r[1:], lambda r: [r[0], *r[:-1]], lambda r: [*r, r[0]], lambda r: [1, *r[1:]]]
)
def test_batch__a_reply_missing_doubled_or_strange__is_unavailable(change: Callable[[list[Any]], list[Any]]) -> None:
    def lying(request: httpx.Request) -> httpx.Response:
        return said(json.dumps(change(json.loads(Node()(request).read()))).encode())

    with pytest.raises(ChainUnavailable, match="nonsense"):
        chain_of(lying).blocks([1, 2, 3])


# ---------------------------------------------------------------------- blocks and logs


def test_latest__the_head__is_typed() -> None:
    assert chain_of(Node()).latest() == Block(10, keccak(b"\x0a\0"), keccak(b"\x09\0"), 1_010)


def test_latest__another_chain__stops() -> None:
    with pytest.raises(WrongChain, match="serves chain 1; the deployment is on chain 77"):
        chain_of(Node(eth_chainId=hex(1))).latest()


def test_logs__another_chain_than_the_deployments__stops_also_without_a_pin() -> None:
    node = httpx.MockTransport(Node(eth_chainId=hex(1)))
    with pytest.raises(WrongChain):
        RpcChain(URL, INTERFACES, attempts=1, transport=node).logs(DEPLOYMENT, 0, 5)


def test_block__one_that_is_not_there__is_none() -> None:
    assert chain_of(Node()).block(11) is None


@pytest.mark.parametrize(
    "lie",
    [header(4), [], "0x1", header(3) | {"hash": "0x12"}, header(3) | {"timestamp": hex(1 << 60)}, {"number": "0x3"}],
)
def test_block__another_or_a_broken_one__is_unavailable(lie: Any) -> None:
    with pytest.raises(ChainUnavailable, match="nonsense"):
        chain_of(Node(eth_getBlockByNumber=lie)).block(3)


def test_logs__an_event__stands_at_its_place_with_its_blocks_time() -> None:
    expected = ev.Log(4, 0, keccak(b"tx"), 1_004, ev.JobClosed(1, 99))
    assert chain_of(Node()).logs(DEPLOYMENT, 0, 10) == [expected]


def test_logs__the_hatch__is_read_and_what_it_says_of_another_market_is_passed_over() -> None:
    """It serves every Market, also one that somebody made up."""

    def paid(market: bytes, index: int) -> dict[str, Any]:
        kind = keccak(b"HatchPaid(address,uint32,uint32,uint32,uint64)")
        indexed = [market.rjust(32, b"\0"), *(n.to_bytes(32, "big") for n in (3, 4))]
        plain = b"".join(n.to_bytes(32, "big") for n in (5, 6))
        return closed(3, 4, index) | {
            "address": text(HATCH),
            "topics": [*map(text, [kind, *indexed])],
            "data": text(plain),
        }

    node = Node()
    node.logs = [paid(b"\x0e" * 20, 0), paid(MARKET, 1)]
    found = chain_of(node).logs(replace(DEPLOYMENT, hatch=HATCH), 0, 10)
    assert [log.event for log in found] == [ev.HatchPaid(MARKET, 3, 4, 5, 6)]
    with pytest.raises(ChainUnavailable):  # of a deployment without one it was not asked for
        chain_of(node).logs(DEPLOYMENT, 0, 10)


def test_logs__more_blocks_than_a_page__are_asked_page_by_page(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chain_module, "PAGE", 3)
    node = Node()
    node.logs = [closed(3, 9), closed(2, 4, 1), closed(1, 4), closed(0, 0)]
    found = chain_of(node).logs(DEPLOYMENT, 0, 10)
    assert [log.event.job for log in found] == [0, 1, 2, 3]  # type: ignore[union-attr]
    pages = [(int(p[0]["fromBlock"], 16), int(p[0]["toBlock"], 16)) for m, p in node.asked if m == "eth_getLogs"]
    assert pages == [(0, 2), (3, 5), (6, 8), (9, 10)]


def test_logs__an_endpoint_with_a_smaller_limit__is_asked_for_halves() -> None:
    node = Node()

    def limited(asked: dict[str, Any]) -> Any:
        if int(asked["toBlock"], 16) - int(asked["fromBlock"], 16) > 2:
            raise RpcFault({"code": -32005, "message": "query exceeds max block range"})
        return node.eth_getLogs(asked)

    node.lies["eth_getLogs"] = limited
    assert len(chain_of(node).logs(DEPLOYMENT, 0, 10)) == 1
    node.lies["eth_getLogs"] = fault("range limit")
    with pytest.raises(ChainUnavailable, match="range limit"):
        chain_of(node).logs(DEPLOYMENT, 0, 10)


def test_logs__a_stale_head__is_unavailable_instead_of_empty() -> None:
    node = Node()
    node.head, node.logs = 3, []
    with pytest.raises(ChainUnavailable, match="has no block 5 yet"):
        chain_of(node).logs(DEPLOYMENT, 0, 5)


def test_logs__events_that_the_protocol_does_not_read__are_passed_over() -> None:
    node = Node()
    node.logs = [closed(1, 4) | {"topics": [text(keccak(b"ClaimFailed(uint32,uint64)"))]}]
    node.logs.append(closed(1, 4, 1) | {"topics": []})
    assert chain_of(node).logs(DEPLOYMENT, 0, 10) == []


@pytest.mark.parametrize(
    "lie",
    [
        {"address": text(b"\x09" * 20)},
        {"blockNumber": hex(11)},
        {"blockHash": header(4, fork=1)["hash"]},
        {"removed": True},
        {"data": "0x"},
        {"data": "0x" + "f" * 64},
        {"data": "0x0"},
        {"data": None},
        {"topics": closed(1, 4)["topics"][:1]},
        {"topics": [*closed(1, 4)["topics"], text(ZERO)]},
        {"topics": [closed(1, 4)["topics"][0], "0x" + "f" * 64]},
        {"topics": "0x"},
        {"logIndex": "-1"},
        {"transactionHash": "0x00"},
    ],
)
def test_logs__an_altered_log__is_unavailable(lie: dict[str, Any]) -> None:
    node = Node()
    node.lies["eth_getLogs"] = [closed(1, 4) | lie]
    with pytest.raises(ChainUnavailable, match=r"^https://node\.example:8545: .*block"):
        chain_of(node).logs(DEPLOYMENT, 0, 10)


@pytest.mark.parametrize("lie", [[closed(1, 4), closed(1, 4)], None, {}, [None], ["0x"]])
def test_logs__a_log_twice_or_no_list__is_unavailable(lie: Any) -> None:
    with pytest.raises(ChainUnavailable, match="nonsense"):
        chain_of(Node(eth_getLogs=lambda _: lie)).logs(DEPLOYMENT, 0, 10)


# ---------------------------------------------------------------------- transactions


def test_estimate__a_custom_error__is_refused_by_its_name_and_arguments() -> None:
    data = keccak(b"MarketJobUnknown(uint256)")[:4] + (9).to_bytes(32, "big")
    call = Call("refund job 9", MARKET, b"\x01")
    for place in (text(data), {"data": text(data)}):
        with pytest.raises(Refused, match=r"refund job 9: the contract refuses: MarketJobUnknown\(job 9\)") as raised:
            chain_of(Node(eth_estimateGas=fault("execution reverted", place))).estimate(MARKET, call)
        assert raised.value.code == "MarketJobUnknown"


@pytest.mark.parametrize(
    ("message", "data", "code"),
    [
        ("execution reverted", None, "Reverted"),
        ("execution reverted", "0xdeadbeef", "Reverted"),
        ("reverted", text(keccak(b"MarketJobUnknown(uint256)")[:4]), "Reverted"),  # arguments cut off
        ("reverted", "0x4e487b71" + "11".rjust(64, "0"), "Panic"),
        ("reverted", "0x08c379a0" + "20".rjust(64, "0") + "2".rjust(64, "0") + "6f6b".ljust(64, "0"), "Error"),
        ("insufficient funds for gas * price + value", None, "insufficient-funds"),
    ],
)
def test_estimate__other_refusals__have_a_code_too(message: str, data: Any, code: str) -> None:
    with pytest.raises(Refused) as raised:
        chain_of(Node(eth_estimateGas=fault(message, data))).estimate(MARKET, Call("x", MARKET, b""))
    assert raised.value.code == code


def test_estimate__the_nodes_own_trouble__can_be_tried_again() -> None:
    with pytest.raises(ChainUnavailable, match="out of memory"):
        chain_of(Node(eth_estimateGas=fault("out of memory"))).estimate(MARKET, Call("x", None, b""))


def test_fees__base_fee_and_tip__twice_and_once() -> None:
    assert chain_of(Node(eth_maxPriorityFeePerGas=hex(3))).fees() == (23, 3)
    assert chain_of(Node(eth_maxPriorityFeePerGas=fault("method not found"))).fees() == (20 + 10**9, 10**9)


def test_fees__an_endpoint_that_asks_for_a_fortune__is_not_obeyed() -> None:
    with pytest.raises(ChainUnavailable, match="the limit is"):
        chain_of(Node(eth_maxPriorityFeePerGas=hex(10**12))).fees()


@pytest.mark.parametrize("message", ["already known", "known transaction: 0x12", "transaction already imported"])
def test_send__a_transaction_that_the_node_has__is_no_error(message: str) -> None:
    chain_of(Node(eth_sendRawTransaction=fault(message))).send(b"\x02raw")


def test_send__nonce_too_low__is_an_error_unless_this_transaction_is_mined() -> None:
    node = Node(eth_sendRawTransaction=fault("nonce too low"))
    node.lies |= {"eth_getTransactionReceipt": None, "eth_getTransactionByHash": None}
    with pytest.raises(Refused) as raised:
        chain_of(node).send(b"\x02raw")
    assert raised.value.code == "nonce-too-low"
    later = [receipt(keccak(b"\x02raw")), None, None]  # shown a moment after its nonce counts
    node.lies["eth_getTransactionReceipt"] = lambda _: later.pop()
    chain_of(node).send(b"\x02raw")
    assert later == []


@pytest.mark.parametrize(
    "message",
    [
        "replacement transaction underpriced",
        "transaction underpriced: gas tip cap 0, minimum needed 1",
        "max fee per gas less than block base fee",
        "FeeTooLow, MaxFeePerGas too low.",
        "INTERNAL_ERROR: could not replace existing tx",
        "Gas price below configured minimum gas price",
    ],
)
def test_send__too_little_offered__is_refused_as_underpriced_unless_it_is_mined(message: str) -> None:
    node = Node(eth_sendRawTransaction=fault(message), eth_getTransactionReceipt=None)
    node.lies["eth_getTransactionByHash"] = {"hash": text(keccak(b"\x02raw"))}  # in the pool, where it would stay
    with pytest.raises(Refused) as raised:
        chain_of(node).send(b"\x02raw")
    assert raised.value.code == "underpriced"
    node.lies["eth_getTransactionReceipt"] = receipt(keccak(b"\x02raw"))
    chain_of(node).send(b"\x02raw")


def test_send__the_hash_of_another_transaction__is_unavailable() -> None:
    with pytest.raises(ChainUnavailable, match="another transaction"):
        chain_of(Node(eth_sendRawTransaction=text(ZERO))).send(b"\x02raw")


def receipt(transaction: bytes, **changes: Any) -> dict[str, Any]:
    whole = {"transactionHash": text(transaction), "blockNumber": "0x4", "status": "0x1", "gasUsed": "0x5208"}
    return whole | changes


def test_outcome__a_receipt__is_typed_and_none_without() -> None:
    assert chain_of(Node(eth_getTransactionReceipt=receipt(ZERO))).outcome(ZERO) == Outcome(4, True, 21_000)
    assert chain_of(Node(eth_getTransactionReceipt=receipt(ZERO, status="0x0"))).outcome(ZERO) == Outcome(
        4, False, 21_000
    )
    assert chain_of(Node(eth_getTransactionReceipt=None)).outcome(ZERO) is None


@pytest.mark.parametrize(
    "lie", [receipt(b"\x01" * 32), receipt(ZERO, status="0x2"), receipt(ZERO, blockNumber=None), "0x", []]
)
def test_outcome__a_receipt_of_another_or_none_at_all__is_unavailable(lie: Any) -> None:
    with pytest.raises(ChainUnavailable):
        chain_of(Node(eth_getTransactionReceipt=lie)).outcome(ZERO)


@pytest.mark.parametrize(
    "lie", [None, {"hash": text(b"\1" * 32), "blockNumber": "0x1", "input": "0x"}, {"hash": text(ZERO)}]
)
def test_calldata__missing_or_of_another__is_unavailable(lie: Any) -> None:
    with pytest.raises(ChainUnavailable):
        chain_of(Node(eth_getTransactionByHash=lie)).calldata(ZERO)


@pytest.mark.parametrize("data", [b"", b"\x01", b"\x01" * 100])
def test_decode_post__what_is_no_call_of_the_market__is_refused(data: bytes) -> None:
    with pytest.raises(Refused, match="no call of the Market"):
        decode_post(INTERFACES, data)


def test_decode_post__another_function_or_cut_short__is_refused() -> None:
    calls = Calls(INTERFACES, DEPLOYMENT)
    with pytest.raises(Refused, match="calls refund, not postEpoch"):
        decode_post(INTERFACES, calls.refund(1, MARKET, ZERO).data)
    posted = calls.post_epoch(a_header(ZERO, ZERO, 9), [Debit(1, 10, 0)], [b"\x01" * 65]).data
    assert decode_post(INTERFACES, posted)[1:] == ([Debit(1, 10, 0)], b"\x01" * 65)
    with pytest.raises(Refused):
        decode_post(INTERFACES, posted[:-64])


def test_calls__two_effects__never_share_their_words() -> None:
    calls = Calls(INTERFACES, DEPLOYMENT)
    balance = Balance(1, b"\x01" * 20, 5, b"")
    made = [
        calls.open_job(TERMS, 5),
        calls.open_job(TERMS, 6),
        calls.top_up(1, 5),
        calls.top_up(1, 5, purpose="more"),
        calls.close_job(1, ZERO),
        calls.refund(1, MARKET, ZERO),
        calls.refund(1, MARKET, ZERO, refunded=5),
        calls.approve(MARKET, MARKET, 1),
        calls.approve(MARKET, MARKET, 1, purpose="job 2"),
        calls.claim(balance, []),
        calls.claim_many([balance], []),
        calls.claim_many([replace(balance, cumulative=6)], []),
        calls.post_epoch(a_header(ZERO, ZERO, 9), [], []),
        calls.finalise_epoch(a_header(ZERO, ZERO, 9), 7),
    ]
    assert len({call.what for call in made}) == len(made)


# ---------------------------------------------------------------------- our contracts on Anvil


@pytest.fixture(scope="module")
def deployed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployed]:
    folder = tmp_path_factory.mktemp("home") / "chain"
    try:
        whole = Deployed(anvil.start(folder))
        yield whole
        whole.chain.close()
    finally:
        anvil.stop(folder)


@pytest.mark.sockets
def test_read_deployment__our_contracts__give_the_configuration_that_they_name(deployed: Deployed) -> None:
    committee = deployed.deployment.committee
    assert committee.members == tuple(member.address for member in deployed.members)
    assert committee.seal_keys == tuple(member.seal_key for member in deployed.members)
    assert (committee.quorum, deployed.deployment.unit, deployed.deployment.window) == (3, 1, 60)


@pytest.mark.sockets
def test_read_deployment__an_address_without_a_market__is_bad_input(deployed: Deployed) -> None:
    with pytest.raises(BadInput, match="no Market"):
        read_deployment(deployed.chain, b"\x09" * 20)


@pytest.mark.sockets
def test_read_deployment__a_constant_that_was_altered_on_the_way__stops(
    deployed: Deployed, monkeypatch: pytest.MonkeyPatch
) -> None:
    truth = deployed.chain.calls

    def lying(asked: Any) -> list[bytes]:
        return [reply[:-1] + b"\x3d" if reply == (60).to_bytes(32, "big") else reply for reply in truth(asked)]

    monkeypatch.setattr(deployed.chain, "calls", lying)
    with pytest.raises(Fatal, match="configuration"):
        read_deployment(deployed.chain, deployed.deployment.market)


@pytest.mark.sockets
def test_calls__a_job_from_funding_to_claims__is_what_the_logs_then_say(deployed: Deployed) -> None:
    chain, calls, d = deployed.chain, deployed.calls, deployed.deployment
    now = chain.latest().timestamp
    with pytest.raises(Refused) as raised:
        chain.estimate(deployed.sender.address, calls.open_job(TERMS, now + 1_000))
    assert raised.value.code == "ERC20InsufficientAllowance"
    deployed.send(calls.approve(d.token, d.market, TERMS.escrow()))
    deployed.send(calls.open_job(TERMS, now + 1_000))
    deployed.send(calls.register_many([deployed.wish(i) for i in range(1, 4)]))

    folded = deployed.state()
    assert folded.jobs[1].terms == TERMS
    assert folded.jobs[1].requester == deployed.sender.address
    epoch = deployed.epoch(folded, 1, 10, [0, 5, 5])
    sent = deployed.send(calls.post_epoch(epoch.header, epoch.debits, epoch.signatures))
    assert decode_post(INTERFACES, chain.calldata(sent)) == (epoch.header, epoch.debits, b"".join(epoch.signatures))

    anvil.warp(deployed.url, 61)
    deployed.send(calls.finalise_epoch(epoch.header, deployed.state().posts[1].signers))
    before = chain.latest().number
    deployed.send(calls.claim_many(epoch.due(), epoch.proof(epoch.due())))
    final = deployed.state()
    assert final.claimed == {1: 5, 2: 5}
    assert [chain.token_balance(d.token, b.wallet) for b in epoch.balances[1:]] == [5, 5]
    assert [chain.token_balance(d.token, b.wallet, before) for b in epoch.balances[1:]] == [0, 0]
    assert final.posts[1].digest == digest(d.domain(), epoch.header)


@pytest.mark.sockets
def test_estimate__a_revert_of_our_contracts__is_refused_by_name(deployed: Deployed) -> None:
    with pytest.raises(Refused) as raised:
        deployed.chain.estimate(deployed.sender.address, deployed.calls.refund(9, ZERO[:20], ZERO))
    assert raised.value.code == "MarketJobUnknown"


@pytest.mark.sockets
def test_token_balance__an_address_without_code__is_unavailable(deployed: Deployed) -> None:
    assert deployed.chain.native_balance(deployed.sender.address) > 10**20
    with pytest.raises(ChainUnavailable, match="does not answer as a token"):
        deployed.chain.token_balance(b"\x09" * 20, deployed.sender.address)


@pytest.mark.parametrize(("to", "data"), [(MARKET, b""), (MARKET, b"\x01" * 100), (None, b"code")])
def test_read_transaction__what_was_signed__is_signed_to_the_same_bytes_again(to: bytes | None, data: bytes) -> None:
    signer = KeySigner(b"\x07" * 32)
    fields = {"type": 2, "chainId": 77, "nonce": 0, "to": to, "value": 5, "data": data, "gas": 21_000}
    fields |= {"maxFeePerGas": 9, "maxPriorityFeePerGas": 0}
    raw, transaction = signer.sign_transaction(fields)
    read = signer.read_transaction(raw)
    assert signer.sign_transaction(read) == (raw, transaction)
    assert {name: read[name] or None for name in fields} == {name: value or None for name, value in fields.items()}


@pytest.mark.sockets
def test_send__anvil_is_offered_too_little__is_underpriced_in_each_of_its_words(deployed: Deployed) -> None:
    chain, call = deployed.chain, Call("gift", b"\x31" * 20, b"", gas=21_000, value=1)
    raw, _ = deployed.sign(deployed.sender, call)
    fields = deployed.sender.read_transaction(raw)
    with closing(Rpc(deployed.url)) as rpc:
        rpc.call("evm_setAutomine", False)
        try:
            for price in ({"maxFeePerGas": 1, "maxPriorityFeePerGas": 1}, fields, {"value": 2}):
                cheap, _ = deployed.sender.sign_transaction(fields | price)
                if price is fields:
                    chain.send(cheap)
                    continue
                with pytest.raises(Refused) as raised:
                    chain.send(cheap)
                assert raised.value.code == "underpriced"
        finally:
            rpc.batch([("anvil_dropAllTransactions", []), ("evm_setAutomine", [True])])


@pytest.mark.sockets
def test_outbox__the_base_fee_rises_beyond_what_was_offered__the_call_is_made_once_at_a_higher_price(
    deployed: Deployed,
) -> None:
    chain, sender = deployed.chain, KeySigner(anvil.dev_key(9))
    calls = [Call(f"gift {i}", bytes([0x40 + i]) * 20, b"", gas=21_000, value=1) for i in range(3)]
    with closing(Rpc(deployed.url)) as rpc, closing(memory_database()) as database:
        rpc.call("evm_setAutomine", False)
        first = [outbox.submit(database, chain, sender, call, "gift") for call in calls]
        rpc.batch(
            [("anvil_setNextBlockBaseFeePerGas", [hex(50 * 10**9)]), ("evm_mine", []), ("evm_setAutomine", [True])]
        )
        outbox.settle(database, chain, sender, 20)
        found = database.sent(sender.address)
    assert [sent.replaced for sent in found] == [(sent.transaction,) for sent in first]
    assert [chain.native_balance(call.to or b"") for call in calls] == [1, 1, 1]
    assert chain.nonce(sender.address) == 3
