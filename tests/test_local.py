"""The chain of a home, kept alive by whoever works with it."""

import os
import signal
import time
from contextlib import closing
from pathlib import Path

import pytest

from oracle import local
from oracle.adapters import anvil
from oracle.adapters.rpc import Rpc
from oracle.commands.running import _keep as keep
from oracle.config import Home
from oracle.protocol.errors import ChainUnavailable

pytestmark = pytest.mark.sockets


def running(folder: Path) -> anvil.LocalChain | None:
    try:
        return anvil.status(folder)
    except ChainUnavailable:  # on its way
        return None


def test_watch__chain_killed__it_comes_back_on_its_port_no_earlier_and_stop_ends_it_for_good(tmp_path: Path) -> None:
    chain = local.Chain(Home(tmp_path))
    try:
        chain.start()
        chain.watch()
        chain.moment = int(time.time()) + 10_000
        first = anvil.status(tmp_path / "chain")
        assert first
        os.kill(first.pid, signal.SIGKILL)
        end = time.monotonic() + 30
        while (found := running(tmp_path / "chain")) is None or found.pid == first.pid:
            assert time.monotonic() < end, "nobody started it again"
            time.sleep(0.05)
        assert found.url == first.url == chain.url
        with closing(Rpc(found.url)) as rpc:
            (sender, *_) = rpc.call("eth_accounts")
            sent = rpc.call("eth_sendTransaction", {"from": sender, "data": "0x60006000a0"})
            while (receipt := rpc.call("eth_getTransactionReceipt", sent)) is None:
                assert time.monotonic() < end, "nothing is mined"
                time.sleep(0.05)
            block = rpc.call("eth_getBlockByNumber", receipt["blockNumber"], False)
        assert int(block["timestamp"], 16) >= chain.moment
    finally:
        chain.stop()
    time.sleep(3 * local.LOOK_S)
    assert anvil.status(tmp_path / "chain") is None


def test_start__cut_off_before_it_mined__the_next_start_makes_it_mine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    chain, ready = local.Chain(Home(tmp_path)), anvil._ready

    def cut_off(*_: object) -> anvil.LocalChain:
        monkeypatch.setattr(anvil, "_ready", ready)
        raise ChainUnavailable("a planted fault")

    monkeypatch.setattr(anvil, "_ready", cut_off)
    try:
        with pytest.raises(ChainUnavailable, match="planted"):
            chain.start()
        chain.start()
        with closing(Rpc(chain.url)) as rpc:
            (sender, *_) = rpc.call("eth_accounts")
            sent = rpc.call("eth_sendTransaction", {"from": sender, "data": "0x60006000a0"})
            end = time.monotonic() + 20
            while rpc.call("eth_getTransactionReceipt", sent) is None:
                assert time.monotonic() < end, "nothing is mined"
                time.sleep(0.05)
    finally:
        chain.stop()


def test_keep__chain_killed_before_it_makes_its_block__the_next_round_starts_it_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    chain, mine = local.Chain(Home(tmp_path)), anvil.mine

    def killed_first(url: str) -> None:
        monkeypatch.setattr(anvil, "mine", mine)
        found = anvil.status(tmp_path / "chain")
        assert found
        os.kill(found.pid, signal.SIGKILL)
        mine(url)

    monkeypatch.setattr(anvil, "mine", killed_first)
    try:
        keep(chain)
        keep(chain)
        assert anvil.status(tmp_path / "chain")
    finally:
        chain.stop()
