"""Logs without secrets, counts, readiness, and the listener of a process that serves nothing else."""

import json
import logging
import secrets as randomness
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from oracle import telemetry
from oracle.protocol.errors import BadInput, ChainUnavailable, Refused
from oracle.telemetry import Metrics, Readiness, clean, configure, log, problem
from tests.support.secrets import leaks, spellings

KEY = bytes(range(7, 39))
TOKEN = randomness.token_urlsafe(32)


@pytest.fixture
def file(tmp_path: Path) -> Iterator[Path]:
    """The log of this process; what was configured before comes back."""
    root = logging.getLogger()
    before, level = root.handlers[:], root.level
    root.handlers = []
    configure("tester", tmp_path / "logs" / "tester.jsonl")
    yield tmp_path / "logs" / "tester.jsonl"
    for handler in root.handlers:
        handler.close()
    root.handlers = before
    root.setLevel(level)


def lines(file: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in file.read_text().splitlines()]


# ------------------------------------------------------------------------------------------------------------------ log


def test_log__an_event__is_one_line_with_time_level_process_and_fields(file: Path) -> None:
    log("epoch posted", epoch=3, market=b"\x11" * 20, transaction=b"\x22" * 32, quick=True, seconds=0.5, what=None)
    (line,) = lines(file)
    assert line.pop("time").endswith("+00:00")
    assert line == {
        "level": "info", "process": "tester", "event": "epoch posted", "epoch": 3, "market": "0x" + "11" * 20,
        "transaction": "0x22222222…", "quick": True, "seconds": 0.5, "what": None,
    }  # fmt: skip
    assert file.stat().st_mode & 0o777 == 0o600


def test_log__a_field_named_as_ours__does_not_replace_it(file: Path) -> None:
    log("x", process="another", time="never")
    assert lines(file)[0]["process"] == "tester"
    assert lines(file)[0]["time"] != "never"


PLANTED: dict[str, Any] = {
    "bytes": KEY + KEY,
    "a hash": KEY,
    "an integer": int.from_bytes(KEY, "big"),
    "a negative integer": -int.from_bytes(KEY, "big"),
    "hex": KEY.hex(),
    "0x and hex": "the key 0x" + KEY.hex() + " is bad",
    "a token": f"Authorization: Bearer {TOKEN}",
    "behind a long text": "word " * 798 + KEY.hex(),
    "in a URL's user": f"postgresql://crowdproof:{TOKEN[:20]}@db.example:5432/x",
    "in a URL's path": f"https://mainnet.example/v3/{KEY.hex()[:32]} is down",
    "in a URL's query": f"https://rpc.example/?key={KEY.hex()[:32]}",
    "a list": [KEY.hex()],
    "an object": Refused(KEY.hex(), KEY.hex()),
}
SECRETS = {"key": KEY, "token": TOKEN.encode(), "piece of the token": TOKEN[:20].encode()}


@pytest.mark.parametrize("name", PLANTED)
def test_log__a_secret_in_any_field__is_not_written(file: Path, name: str) -> None:
    log("planted", what=PLANTED[name])
    problem("planted", Refused("code", str(PLANTED[name])))
    logging.getLogger("some.library").warning("%s", clean(PLANTED[name]))
    assert len(lines(file)) == 3
    assert leaks(file.parent, SECRETS) == []


@pytest.mark.parametrize("name", PLANTED)
def test_log__without_the_cleaning__the_secret_is_written(
    file: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def all_of_it(value: Any) -> Any:
        return value.hex() if isinstance(value, bytes) else str(value)

    monkeypatch.setattr(telemetry, "clean", all_of_it)
    log("planted", what=PLANTED[name])
    assert leaks(file.parent, SECRETS)


@pytest.mark.parametrize("way", sorted(spellings(KEY)))
def test_leaks__any_spelling_of_a_secret__is_found(tmp_path: Path, way: bytes) -> None:
    (tmp_path / "a.log").write_bytes(b"before " + way + b" after")
    assert leaks(tmp_path, {"key": KEY}) == [f"{tmp_path / 'a.log'}: key"]
    assert leaks(tmp_path, {"key": KEY[::-1]}) == []


def test_log__a_block_s_name_and_a_path__can_be_found_again(file: Path) -> None:
    log(
        "missing",
        block="bafyreictn6yuaex6hm3jejakdzklfmdkelfwpeczdtxvy7kdb5v75uydma",
        path="/home/me/homes/a/oracle.db",
    )
    assert lines(file)[0]["block"] == "bafyreictn…"
    assert lines(file)[0]["path"] == "/home/me/homes/a/oracle.db"


def test_problem__one_of_ours_and_a_bug__the_bug_with_its_place_and_no_source(file: Path) -> None:
    problem("tick", ChainUnavailable("http://127.0.0.1:1: not reached"), role="settler")
    try:
        raise ZeroDivisionError("by zero")
    except ZeroDivisionError as error:
        problem("tick", error)
    ours, bug = lines(file)
    assert (ours["level"], ours["error"], ours["role"]) == ("warning", "ChainUnavailable", "settler")
    assert "at" not in ours
    assert (bug["level"], bug["problem"]) == ("error", "by zero")
    assert "test_telemetry.py:" in bug["at"]


def test_log__a_library_s_warning__is_a_line_like_ours(file: Path) -> None:
    logging.getLogger("some.library").warning("slow %s", "client")
    (line,) = lines(file)
    assert (line["event"], line["logger"], line["text"]) == ("library", "some.library", "slow client")


def test_log__for_long__its_files_stay_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, file: Path) -> None:
    monkeypatch.setattr(telemetry, "MOST_BYTES", 5_000)
    configure("tester", file)
    for number in range(2_000):
        log("tick", number=number)
    found = list(file.parent.iterdir())
    assert len(found) == 1 + telemetry.KEPT_FILES
    assert all(one.stat().st_size <= 5_000 for one in found)
    assert lines(file)[-1]["number"] == 1_999
    assert all(one.stat().st_mode & 0o077 == 0 for one in found)


def test_log__on_a_full_disk__loses_the_line_and_counts_it(
    file: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    before = telemetry.METRICS.registry.get_sample_value("crowdproof_log_lines_lost_total") or 0
    (ours,) = (handler for handler in logging.getLogger().handlers if isinstance(handler, telemetry._File))
    monkeypatch.setattr(ours, "flush", full)
    log("tick")
    assert telemetry.METRICS.registry.get_sample_value("crowdproof_log_lines_lost_total") == before + 1
    assert capsys.readouterr().err == ""


def full() -> None:
    raise OSError(28, "No space left on device")


# -------------------------------------------------------------------------------------------------------------- metrics


def test_metrics__each_route_of_a_large_application__is_counted_by_its_name() -> None:
    metrics = Metrics()
    for number in range(2 * telemetry.MOST_VALUES):
        metrics.request(f"/route/{number}", 200, 0.1)
    page = metrics.page().decode()
    assert page.count("crowdproof_requests_total{") == 2 * telemetry.MOST_VALUES
    assert 'route="other"' not in page


def test_metrics__what_was_counted__is_on_the_page() -> None:
    metrics = Metrics()
    metrics.process("member-1")
    metrics.request("/answers", 201, 0.2)
    metrics.answers("accepted", 100)
    metrics.answers("task-full")
    metrics.refusal("task-full")
    metrics.receipts.inc()
    metrics.epoch("posted")
    metrics.transaction("post", "succeeded")
    metrics.chain(head=120, indexed=112)
    metrics.waiting.set(3)
    metrics.stored(2, 500)
    metrics.tick("settler")
    metrics.tick("settler", ChainUnavailable("gone"))
    page = metrics.page().decode()
    for line in (
        'crowdproof_process_info{process="member-1"} 1.0',
        'crowdproof_requests_total{route="/answers",status="201"} 1.0',
        'crowdproof_answers_total{outcome="accepted"} 100.0',
        'crowdproof_refusals_total{code="task-full"} 1.0',
        'crowdproof_epochs_total{step="posted"} 1.0',
        'crowdproof_transactions_total{kind="post",outcome="succeeded"} 1.0',
        "crowdproof_index_lag_blocks 8.0",
        "crowdproof_outbox_waiting 3.0",
        "crowdproof_store_bytes_total 500.0",
        'crowdproof_loop_ticks_total{role="settler"} 2.0',
        'crowdproof_loop_errors_total{error="ChainUnavailable",role="settler"} 1.0',
    ):
        assert line in page
    assert "crowdproof_process_resident_memory_bytes" in page
    assert "crowdproof_process_open_fds" in page


def test_metrics__values_without_end_from_a_hostile_peer__become_one() -> None:
    metrics = Metrics()
    for number in range(1_000):
        metrics.refusal(f"code-{number}")
        metrics.answers("x" * (61 + number))
    page = metrics.page().decode()
    assert page.count("crowdproof_refusals_total{") == telemetry.MOST_VALUES + 1
    assert f'crowdproof_refusals_total{{code="other"}} {1_000 - telemetry.MOST_VALUES:.1f}' in page
    assert 'crowdproof_answers_total{outcome="other"} 1000.0' in page


# ---------------------------------------------------------------------------------------------------------------- ready


def test_readiness__some_checks_fail__names_each_with_its_reason() -> None:
    ready = Readiness({"chain": lambda: None, "database": down, "bug": lambda: 1 // 0})
    assert ready() == [
        "database: http://db.example:5432 is down",
        "bug: ZeroDivisionError: integer division or modulo by zero",
    ]


def down() -> None:
    raise BadInput("http://me:password@db.example:5432/x is down")


def test_readiness__asked_often__looks_once_a_second(monkeypatch: pytest.MonkeyPatch) -> None:
    clock, looks = [100.0], []
    monkeypatch.setattr(telemetry.time, "monotonic", lambda: clock[0])
    ready = Readiness({"chain": lambda: looks.append(1)})
    for _ in range(5):
        assert ready() == []
    assert len(looks) == 1
    clock[0] += 1.01
    ready()
    assert len(looks) == 2


def test_readiness__a_check_hangs__is_named_in_time_and_not_started_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(telemetry, "FRESH_S", 0.0)
    free, starts = threading.Event(), []

    def hang() -> None:
        starts.append(1)
        free.wait()

    ready = Readiness({"store": hang, "chain": lambda: None}, patience_s=0.1)
    began = time.monotonic()
    assert ready() == ready() == ["store: no answer within 0.1 s"]
    assert time.monotonic() - began < 2
    assert len(starts) == 1
    free.set()
    time.sleep(0.05)
    assert ready() == []


@pytest.mark.sockets
def test_serve__health_ready_and_metrics__on_loopback_until_closed() -> None:
    waits = ["the chain: not reached"]
    listener = telemetry.serve(0, lambda: waits)
    with httpx.Client(base_url=listener.url, trust_env=False) as client:
        assert client.get("/health").json() == {"status": "ok"}
        response = client.get("/ready")
        assert (response.status_code, response.json()) == (503, {"ready": False, "waits": waits})
        waits.clear()
        assert client.get("/ready").json() == {"ready": True, "waits": []}
        assert "crowdproof_process_open_fds" in client.get("/metrics").text
        assert client.get("/metrics").headers["content-type"].startswith("text/plain")
        assert client.get("/keys").status_code == 404
        assert client.post("/health").status_code == 501
    listener.close()
    with pytest.raises(OSError, match="refused"):
        socket.create_connection(("127.0.0.1", listener.port), timeout=1)


@pytest.mark.sockets
def test_serve__port_is_taken__is_bad_input_naming_it() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(BadInput, match=str(port)):
            telemetry.serve(port, list)
