"""The audit through the real command: flips, the saved chain, an audit from outside, and endpoints and stores that lie."""

import http.server
import json
import random
import socket
import time
from functools import partial
from pathlib import Path

import pytest

from oracle.adapters import anvil
from oracle.adapters.chain import RpcChain
from oracle.commands import auditing
from tests.support.commands import Run, run
from tests.support.serving import served

pytestmark = pytest.mark.sockets


def test_audit__of_a_finished_home__ok_and_its_chain_is_stopped_again(home: Path) -> None:
    ended = run("audit", "--home", home, "--json")
    assert (ended.code, ended.err) == (0, "")
    found = ended.document
    assert found["ok"] is True
    assert (found["epochs"], found["verdicts"], found["answers"]) == (1, 45, 315)
    assert found["faults"] == found["lines"] == []
    assert anvil.status(home / "chain") is None


def test_audit__five_random_flips__each_named_with_epoch_tree_and_index(home: Path) -> None:
    rng = random.Random(5)
    files = sorted(file for file in (home / "store").rglob("*") if file.is_file())
    anvil.start(home / "chain")
    for file in rng.sample(files, 5):
        whole = bytearray(file.read_bytes())
        place, bit = rng.randrange(len(whole)), 1 << rng.randrange(8)
        whole[place] ^= bit
        file.write_bytes(whole)
        ended = run("audit", "--home", home, "--json")
        whole[place] ^= bit
        file.write_bytes(whole)
        assert ended.code == 1, (file, place)
        found = ended.document
        assert not found["ok"]
        unreached = [f for f in found["faults"] if f["tree"] == "store" and file.name in f["what"]]  # no epoch needs it
        assert unreached or any(fault["index"] is not None for fault in found["faults"])
        assert all(fault["tree"] and isinstance(fault["epoch"], int) for fault in found["faults"])
        assert all(
            line.startswith(f"epoch {f['epoch']}, {f['tree']}")
            for line, f in zip(found["lines"], found["faults"], strict=True)
        )
    anvil.stop(home / "chain")
    assert run("audit", "--home", home).code == 0


def test_audit__flip_in_a_label__text_names_the_verdict(inside: Run, home: Path) -> None:
    """The largest block holds the verdicts with their lists; each of its bytes belongs to one of them."""
    file = max((file for file in (home / "store").rglob("*") if file.is_file()), key=lambda f: f.stat().st_size)
    whole = bytearray(file.read_bytes())
    whole[len(whole) // 2] ^= 1
    file.write_bytes(whole)
    ended = inside("audit", "--home", home)
    assert ended.code == 1
    assert "epoch 1, verdicts, index " in ended.out
    assert "Traceback" not in ended.err


def test_audit__from_outside__by_folder_and_by_gateway(inside: Run, home: Path) -> None:
    chain = anvil.start(home / "chain")
    blocks = {file.name: file.read_bytes() for file in (home / "store").rglob("*") if file.is_file()}
    deployment = home / "deployment.json"
    by_folder = inside("audit", "--rpc", chain.url, "--store", home / "store", "--deployment", deployment, "--json")
    assert by_folder.document["ok"]
    with served(lambda request: blocks.get(request.path.split("/")[-1].split("?")[0], b"")) as gateway:
        by_gateway = inside("audit", "--rpc", chain.url, "--store", gateway, "--deployment", deployment, "--json")
    assert by_gateway.code == 0
    assert by_gateway.document["verdicts"] == 45
    with served(lambda _: b"other bytes") as liar:
        lied_to = inside("audit", "--rpc", chain.url, "--store", liar, "--deployment", deployment, "--json")
    assert lied_to.code == 1
    assert "hash to" in " ".join(lied_to.document["lines"])
    with served(lambda _: b"") as empty:
        nothing = inside("audit", "--rpc", chain.url, "--store", empty, "--deployment", deployment, "--json")
    assert nothing.code == 1
    assert "does not hold" in " ".join(nothing.document["lines"])


def test_audit__gateway_is_down__exit_2_naming_it(inside: Run, home: Path) -> None:
    chain = anvil.start(home / "chain")
    with socket.create_server(("127.0.0.1", 0)) as probe:
        down = f"http://127.0.0.1:{probe.getsockname()[1]}"
    ended = inside("audit", "--rpc", chain.url, "--store", down, "--deployment", home / "deployment.json")
    assert ended.is_clear()
    assert down in ended.err


def test_audit__wrong_chain__exit_2(inside: Run, home: Path, tmp_path: Path) -> None:
    other = anvil.start(tmp_path / "other")
    try:
        ended = inside("audit", "--rpc", other.url, "--store", home / "store", "--deployment", home / "deployment.json")
    finally:
        anvil.stop(tmp_path / "other")
    assert ended.is_clear()
    assert f"serves chain {other.chain_id}" in ended.err


def test_audit__endpoint_down_or_dumb__exit_2_naming_it(inside: Run, home: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        down = f"http://127.0.0.1:{probe.getsockname()[1]}"
    outside = ("--store", home / "store", "--deployment", home / "deployment.json")
    ended = inside("audit", "--rpc", down, *outside)
    assert ended.is_clear()
    assert down in ended.err
    with served(lambda _: b"<html>") as dumb:
        ended = inside("audit", "--rpc", dumb, *outside)
    assert ended.is_clear()
    assert dumb in ended.err


def test_audit__endpoint_slow__exit_2_naming_it(inside: Run, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def never(_: http.server.BaseHTTPRequestHandler) -> bytes:
        time.sleep(2)
        return b"{}"

    monkeypatch.setattr(auditing, "RpcChain", partial(RpcChain, timeout=0.3, attempts=1))

    with served(never) as slow:
        ended = inside("audit", "--rpc", slow, "--store", home / "store", "--deployment", home / "deployment.json")
    assert ended.is_clear()
    assert "no reply" in ended.err


def test_audit__no_settings_or_no_deployment__exit_2(inside: Run, home: Path, tmp_path: Path) -> None:
    (home / "settings.json").unlink()
    ended = inside("audit", "--home", home)
    assert ended.is_clear()
    ended = inside("audit", "--home", tmp_path / "nothing")
    assert ended.is_clear()
    assert "deployment.json" in ended.err
    ended = inside("audit", "--rpc", "http://127.0.0.1:1")
    assert ended.is_clear()
    assert "--store" in ended.err


def test_audit__another_program_on_the_saved_port__the_chain_takes_a_free_one(inside: Run, home: Path) -> None:
    port = json.loads((home / "chain" / "chain.json").read_text())["port"]
    try:
        taken = socket.create_server(("127.0.0.1", port))
    except OSError:
        pytest.skip("the port is in use by somebody else already: nothing to plant")
    with taken:
        ended = inside("audit", "--home", home, "--json")
    assert ended.code == 0
