"""The local chain: found again, killed, restarted, and kept apart from everything that is not it."""

import importlib.util
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from oracle.adapters import anvil
from oracle.adapters.rpc import Rpc
from oracle.adapters.signer import KeySigner
from oracle.protocol.errors import BadInput
from oracle.protocol.keys import checksum

EMITTER = "0x60006000a0"  # as creation code: emits one empty log, leaves no contract
_spec = importlib.util.spec_from_file_location("keeper", anvil.TOOLS / "keeper.py")
assert _spec
assert _spec.loader
keeper = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(keeper)


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    yield tmp_path / "chain"
    anvil.stop(tmp_path / "chain")


def emit(rpc: Rpc, times: int = 1) -> list[str]:
    (sender, *_) = rpc.call("eth_accounts")
    sent = [rpc.call("eth_sendTransaction", {"from": sender, "data": EMITTER}) for _ in range(times)]
    until(lambda: rpc.call("eth_getTransactionReceipt", sent[-1]))
    return sent


def until(found: Any, seconds: float = 10) -> Any:
    end = time.monotonic() + seconds
    while not (value := found()):
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.02)
    return value


def saved(folder: Path, block: int) -> None:
    """Waits until a good dump holds the block."""
    kept = folder / "state.kept.json"
    until(lambda: kept.exists() and json.loads(kept.read_bytes())["best_block_number"] >= block)


def kill(chain: anvil.LocalChain) -> None:
    os.kill(chain.pid, signal.SIGKILL)
    until(lambda: not (chain.folder / "anvil.pid").exists())


def everything(rpc: Rpc, transactions: list[str]) -> list[Any]:
    """All that an indexer or an auditor asks about the past."""
    height = int(rpc.call("eth_blockNumber"), 16)
    asked = [("eth_getBlockByNumber", [hex(number), True]) for number in range(height + 1)]
    asked += [("eth_getTransactionReceipt", [t]) for t in transactions]
    asked += [("eth_getTransactionByHash", [t]) for t in transactions]
    return rpc.batch([*asked, ("eth_getLogs", [{"fromBlock": "0x0", "toBlock": hex(height)}])])


@pytest.mark.sockets
def test_start__killed_after_a_warp__serves_its_past_and_goes_on_in_time(folder: Path) -> None:
    chain = anvil.start(folder)
    with closing(Rpc(chain.url)) as rpc:
        sent = emit(rpc, 3)
        warped = anvil.warp(chain.url, 100_000)
        assert warped >= time.time() + 99_000
        before = everything(rpc, sent)
    assert len(before[-1]) == 3
    saved(folder, 4)
    kill(chain)
    assert anvil.status(folder) is None

    again = anvil.start(folder)
    assert (again.url, again.chain_id) == (chain.url, chain.chain_id)
    with closing(Rpc(again.url)) as rpc:
        assert everything(rpc, sent) == before
        (later,) = emit(rpc)
        receipt = rpc.call("eth_getTransactionReceipt", later)
        block = rpc.call("eth_getBlockByNumber", receipt["blockNumber"], False)
    assert warped <= int(block["timestamp"], 16) <= warped + 60
    assert block["parentHash"] == before[4]["hash"]


@pytest.mark.sockets
def test_start__half_a_state_file__goes_on_from_the_kept_copy(folder: Path) -> None:
    chain = anvil.start(folder)
    with closing(Rpc(chain.url)) as rpc:
        sent = emit(rpc, 2)
        before = everything(rpc, sent)
    saved(folder, 2)
    kill(chain)
    whole = (folder / "state.json").read_bytes()
    (folder / "state.json").write_bytes(whole[: len(whole) // 2])

    with closing(Rpc(anvil.start(folder).url)) as rpc:
        assert everything(rpc, sent) == before


@pytest.mark.sockets
def test_start__no_readable_state_at_all__is_bad_input_that_says_what_to_do(folder: Path) -> None:
    anvil.stop(anvil.start(folder).folder)
    for name in ("state.json", "state.kept.json"):
        (folder / name).write_bytes(b'{"blocks": [')
    with pytest.raises(BadInput, match="reset"):
        anvil.start(folder)
    assert anvil.reset(folder)
    assert anvil.start(folder).pid


@pytest.mark.sockets
def test_start__while_it_runs__is_the_same_process_and_refuses_other_terms(folder: Path) -> None:
    chain = anvil.start(folder, chain_id=4242)
    assert chain.chain_id == 4242
    assert anvil.start(folder) == chain == anvil.status(folder)
    with pytest.raises(BadInput, match="4242"):
        anvil.start(folder, chain_id=1)
    with pytest.raises(BadInput, match="already runs on port"):
        anvil.start(folder, port=1)


@pytest.mark.sockets
def test_start__two_homes_at_once__are_two_chains(tmp_path: Path) -> None:
    code = (
        "import sys; sys.path.insert(0, sys.argv[1]); from pathlib import Path; from oracle.adapters import anvil;"
        "c = anvil.start(Path(sys.argv[2])); print(c.url, c.chain_id)"
    )
    root = str(anvil.TOOLS.parent)
    folders = [tmp_path / "a", tmp_path / "b", tmp_path / "a"]
    started = [
        subprocess.Popen([sys.executable, "-c", code, root, str(f)], stdout=subprocess.PIPE, text=True)  # noqa: S603
        for f in folders
    ]
    first, second, same = (process.communicate(timeout=60)[0].split() for process in started)
    try:
        assert first == same  # two starts of one home found one chain
        assert first[0] != second[0]
        assert first[1] != second[1]
    finally:
        assert [anvil.stop(f) for f in folders] == [True, True, False]


@pytest.mark.sockets
@pytest.mark.parametrize("port", [None, 70_000, -1])
def test_start__a_port_that_is_taken_or_none__is_bad_input_that_names_it(folder: Path, port: int | None) -> None:
    with socket.socket() as other:
        other.bind((anvil.HOST, 0))
        other.listen()
        taken = other.getsockname()[1] if port is None else port
        with pytest.raises(BadInput, match=f"port {taken} is not free"):
            anvil.start(folder, port=taken)
    assert anvil.status(folder) is None


@pytest.mark.sockets
def test_start__ctrl_c_at_the_starter__leaves_the_chain_alone(folder: Path) -> None:
    chain = anvil.start(folder)
    assert os.getsid(chain.pid) != os.getsid(0)
    assert os.getpgid(chain.pid) != os.getpgid(0)


@pytest.mark.sockets
def test_stop__a_pid_that_is_somebody_elses_by_now__is_not_signalled(folder: Path) -> None:
    chain = anvil.start(folder)
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"]) as bystander:
        (folder / "anvil.pid").write_text(str(bystander.pid))
        assert anvil.status(folder) is None
        assert anvil.stop(folder) is False
        assert bystander.poll() is None
        bystander.kill()
    (folder / "anvil.pid").write_text(str(chain.pid))
    assert anvil.stop(folder) is True


@pytest.mark.sockets
def test_stop__right_after_a_transaction__loses_nothing(folder: Path) -> None:
    chain = anvil.start(folder)
    with closing(Rpc(chain.url)) as rpc:
        before = everything(rpc, sent := emit(rpc, 3))
    assert anvil.stop(folder) is True
    assert anvil.stop(folder) is False
    with closing(Rpc(anvil.start(folder).url)) as rpc:
        assert everything(rpc, sent) == before


@pytest.mark.sockets
def test_fund_and_warp__anvil__change_balance_and_time(folder: Path) -> None:
    chain = anvil.start(folder)
    with closing(Rpc(chain.url)) as rpc:
        (account, *_) = rpc.call("eth_accounts")
        assert account == checksum(KeySigner(anvil.dev_key(0)).address).lower()
        anvil.fund(chain.url, b"\x05" * 20, 7)
        anvil.fund(chain.url, b"\x05" * 20, 7)
        assert rpc.call("eth_getBalance", "0x" + "05" * 20, "latest") == hex(14)
        assert anvil.warp(chain.url, 60) + 60 <= anvil.warp(chain.url, 60)
    assert anvil.is_local(chain.url)


@pytest.mark.sockets
def test_warp__another_node__is_bad_input(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(anvil, "is_local", lambda url: False)
    with pytest.raises(BadInput, match=r"127\.0\.0\.1:1 is not Anvil"):
        anvil.warp("http://127.0.0.1:1", 1)


def test_dev_key__the_first_accounts__are_the_well_known_ones() -> None:
    addresses = [checksum(KeySigner(anvil.dev_key(i)).address) for i in (0, 9)]
    assert addresses == ["0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266", "0xa0Ee7A142d267C1f36714E4a8F75612F20a79720"]


def test_anvil_binary__not_installed__asks_for_make_setup(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(anvil, "TOOLS", tmp_path)
    with pytest.raises(BadInput, match="make setup"):
        anvil.start(tmp_path / "chain")


def dump(nonce: int = 1, blocks: int = 1, best: int = 1) -> dict[str, Any]:
    """A state of one transaction in one block, or a dump that was cut across a moment."""
    listed = [{"transactions": ["t"]}] * blocks
    sent = [{"info": {"from": "0xa", "nonce": 0}}]
    accounts = {"0xa": {"nonce": nonce}}
    return {
        "block": {"number": "0x1"},
        "best_block_number": best,
        "blocks": listed,
        "transactions": sent,
        "accounts": accounts,
    }


def test_is_consistent__accounts_blocks_and_head__must_be_of_one_moment() -> None:
    assert keeper.is_consistent(dump())
    assert not keeper.is_consistent(dump(nonce=2))
    assert not keeper.is_consistent(dump(blocks=2))
    assert not keeper.is_consistent(dump(best=2))
    assert not keeper.is_consistent(None)


def test_restore__each_pair_of_files__leaves_the_newest_good_state(tmp_path: Path) -> None:
    good, torn, half = json.dumps(dump()).encode(), json.dumps(dump(nonce=2)).encode(), b'{"blocks": '
    cases = [
        (good, torn, good, True),
        (torn, good, good, True),
        (half, good, good, True),
        (b"", good, good, True),
        (torn, half, torn, True),
        (torn, b"", torn, True),
        (b"", b"", b"", True),
        (half, half, half, False),
        (half, b"", half, False),
    ]
    state, kept = tmp_path / "state.json", tmp_path / "state.kept.json"
    for before, copy, after, served in cases:
        state.write_bytes(before)
        kept.write_bytes(copy)
        assert keeper.restore(state, kept) is served
        assert (state.read_bytes() if state.exists() else b"") == after


@pytest.mark.sockets
def test_chain_script__start_status_stop__speaks_json(tmp_path: Path) -> None:
    def script(*words: str) -> tuple[int, Any]:
        command = [str(anvil.TOOLS / "chain"), *words, "--home", str(tmp_path), "--json"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)  # noqa: S603
        return done.returncode, json.loads(done.stdout or "null")

    code, started = script("start")
    try:
        assert (code, started["running"]) == (0, True)
        assert script("status") == (0, started)
    finally:
        assert script("reset")[1]["reset"] is True


@pytest.mark.sockets
@pytest.mark.skipif(sys.platform != "linux", reason="looks at processes through /proc")
def test_start__keeper_killed__chain_gets_a_new_one_and_loses_nothing(folder: Path) -> None:
    chain = anvil.start(folder)
    with closing(Rpc(chain.url)) as rpc:
        sent = emit(rpc, 2)
        before = everything(rpc, sent)
    assert anvil.is_kept(folder)
    pid = next(int(p.name) for p in Path("/proc").glob("[0-9]*") if is_keeper_of(folder, p))
    os.kill(pid, signal.SIGKILL)
    until(lambda: not anvil.is_kept(folder))
    assert anvil.status(folder) == chain  # it goes on, and nobody would save what it does

    again = anvil.start(folder)
    assert again.pid != chain.pid
    assert anvil.is_kept(folder)
    with closing(Rpc(again.url)) as rpc:
        assert everything(rpc, sent) == before
        emit(rpc)
    saved(folder, 3)


def is_keeper_of(folder: Path, process: Path) -> bool:
    try:
        words = (process / "cmdline").read_bytes().decode(errors="replace").split("\0")
    except OSError:
        return False
    return len(words) > 4 and words[3].endswith("keeper.py") and words[4] == str(folder)


@pytest.mark.sockets
@pytest.mark.parametrize("ahead", [0, 50_000])
def test_start__a_warp_was_lost__nothing_is_mined_below_the_time_that_was_reached(folder: Path, ahead: int) -> None:
    chain = anvil.start(folder)
    with closing(Rpc(chain.url)) as rpc:
        emit(rpc)
    saved(folder, 1)
    kill(chain)
    reached = int(time.time()) + ahead
    with closing(Rpc(anvil.start(folder, since=reached).url)) as rpc:
        emit(rpc)
        block = rpc.call("eth_getBlockByNumber", "latest", False)
    assert reached <= int(block["timestamp"], 16) <= reached + 60
