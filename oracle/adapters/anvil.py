"""A local Ethereum chain: Anvil with pinned flags, its state in one folder, so that it outlives its processes.

folder -> a running chain. In the folder: chain.json (port, chain id, genesis time), state.json (Anvil's dump, once a
second and at its end), state.kept.json (the newest good copy of it, by hardhat-free-local-chain/keeper.py), anvil.pid,
anvil.log, lock. A stop loses nothing; a SIGKILL the last second or two of blocks, as a reorganisation would. Blocks,
receipts and logs are served after a restart; block time goes on from the last block, however far it was warped.
"""

import fcntl
import json
import os
import platform
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from oracle.adapters.accounts import key_from_seed, seed_from_mnemonic
from oracle.adapters.rpc import Rpc
from oracle.protocol.errors import BadInput, ChainUnavailable, Fatal
from oracle.protocol.keys import Address

TOOLS = Path(__file__).resolve().parents[2] / "hardhat-free-local-chain"
HOST = "127.0.0.1"
MNEMONIC = "test test test test test test test test test test test junk"  # Foundry's and Hardhat's: known to everybody
BLOCK_GAS = 30_000_000
START_SECONDS = 30.0
STOP_SECONDS = 15.0
UNREADABLE = 3  # keeper.py's word for a state that cannot be read


@dataclass(frozen=True, slots=True)
class LocalChain:
    """A running chain."""

    url: str
    chain_id: int
    pid: int
    folder: Path


def start(folder: Path, port: int | None = 0, chain_id: int | None = None, since: int = 0) -> LocalChain:
    """Runs the folder's chain, or finds it running. Port 0 or None: the saved one if it is free, else any free one.

    `since`: block time that was reached: nothing is mined below it, also when the blocks up to it were lost.
    Raises BadInput for a port or chain id that cannot be had, for a missing Anvil, and for a state that cannot be read.
    """
    folder = folder.resolve()
    with _locked(folder):
        saved = _saved(folder)
        identity = saved.get("chain_id") or chain_id or 1 + secrets.randbelow((1 << 31) - 1)
        if chain_id not in (None, identity):
            raise BadInput(
                f"the chain in {folder} has chain id {identity}, not {chain_id}: reset it or choose another home"
            )
        if not is_kept(folder):  # a chain whose keeper was killed: what it does now would not outlive it
            _stopped(folder)
        pid = _running(folder)
        if pid is not None:
            if port not in (None, 0, saved["port"]):
                raise BadInput(f"the chain in {folder} already runs on port {saved['port']}: stop it first")
            return _ready(folder, LocalChain(_url(saved["port"]), identity, pid, folder), since)
        genesis = saved.get("genesis", int(time.time()))
        begun = {"port": saved.get("port", 0), "chain_id": identity, "genesis": genesis}
        return _launched(folder, begun, port or 0, since)


def status(folder: Path) -> LocalChain | None:
    """The folder's chain if it runs. Raises ChainUnavailable when its process is there but does not answer."""
    folder = folder.resolve()
    pid = _running(folder)
    if pid is None:
        return None
    saved = _saved(folder)
    chain = LocalChain(_url(saved["port"]), saved["chain_id"], pid, folder)
    if _served(chain.url) != chain.chain_id:
        raise ChainUnavailable(f"{chain.url}: the process {pid} of the chain in {folder} does not answer as that chain")
    return chain


def is_kept(folder: Path) -> bool:
    """Whether the chain's keeper lives, which ends after it."""
    try:
        with (folder / "keeper.lock").open("r") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except BlockingIOError:
        return True
    return False


def stop(folder: Path) -> bool:
    """Ends the folder's chain with its state saved; False if none ran."""
    folder = folder.resolve()
    if not (folder / "chain.json").exists():
        return False
    with _locked(folder):
        return _stopped(folder)


def reset(folder: Path) -> bool:
    """Stops the folder's chain and forgets its state, its chain id and its port; False if there was nothing."""
    folder = folder.resolve()
    if not (folder / "chain.json").exists():
        return False
    with _locked(folder):
        _stopped(folder)
        for name in ("chain.json", "state.json", "state.kept.json", "anvil.log", "keeper.lock"):
            (folder / name).unlink(missing_ok=True)
        shutil.rmtree(folder / "cache", ignore_errors=True)
    return True


def is_local(url: str) -> bool:
    """Whether the endpoint is an Anvil, whose time and balances can be set."""
    with closing(Rpc(url)) as rpc:
        version = rpc.call("web3_clientVersion")
    return isinstance(version, str) and version.lower().startswith("anvil/")


def warp(url: str, seconds: int) -> int:
    """Moves block time on and mines one block; its time. Raises BadInput where that is impossible."""
    with _local(url, "time can be moved") as rpc:
        rpc.batch([("evm_increaseTime", [seconds]), ("evm_mine", [])])
        return int(rpc.call("eth_getBlockByNumber", "latest", False)["timestamp"], 16)


def catch_up(url: str, moment: int) -> None:
    """After a kill: one block more, at `moment` or later, by which those who knew lost blocks see that they are gone."""
    with _local(url, "blocks can be made") as rpc:
        last = int(rpc.call("eth_getBlockByNumber", "latest", False)["timestamp"], 16)
        rpc.batch([("evm_increaseTime", [max(0, moment - last)]), ("evm_mine", [])])


def mine(url: str) -> None:
    """One block, at the time that it is: on an idle chain block time stands still."""
    with _local(url, "blocks can be made") as rpc:
        rpc.call("evm_mine")


def fund(url: str, address: Address, wei: int) -> None:
    """Adds native coin to an account, from nowhere."""
    account = "0x" + address.hex()
    with _local(url, "coin can be made") as rpc:
        balance = int(rpc.call("eth_getBalance", account, "latest"), 16)
        rpc.call("anvil_setBalance", account, hex(balance + wei))


@cache
def dev_key(i: int) -> bytes:
    """The private key of Anvil's account i (BIP-44, m/44'/60'/0'/0/i of the dev mnemonic): worthless anywhere else."""
    key: bytes = key_from_seed(seed_from_mnemonic(MNEMONIC, ""), f"m/44'/60'/0'/0/{i}")
    return key


def anvil_binary() -> Path:
    return foundry_binary("anvil")


def foundry_binary(tool: str) -> Path:
    """anvil, forge or cast: the program itself from npm (its launcher in .bin hides exit codes), else the one on PATH."""
    system = {"Linux": "linux", "Darwin": "darwin", "Windows": "win32"}.get(platform.system(), platform.system())
    machine = {"x86_64": "amd64", "AMD64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())
    pinned = TOOLS / "node_modules" / "@foundry-rs" / f"{tool}-{system}-{machine}" / "bin" / tool
    found = pinned if pinned.exists() else shutil.which(tool)
    if found is None:
        raise BadInput(f"{tool} is not installed ({pinned} is missing): run `make setup`, or put Foundry 1.7 on PATH")
    return Path(found)


def command(folder: Path, port: int, chain_id: int, genesis: int) -> list[str]:
    """The pinned flags. `genesis`: the first block's time, the same at each start, or Anvil would load a state beside a
    new genesis. Mining waits until block time is set: no transaction may be older than its parent.
    """
    flags = {
        "--host": HOST,
        "--port": port,
        "--chain-id": chain_id,
        "--timestamp": genesis,
        "--hardfork": "osaka",
        "--mnemonic": MNEMONIC,
        "--gas-limit": BLOCK_GAS,
        "--order": "fifo",
        "--state": _state(folder),
        "--state-interval": 1,
        "--cache-path": folder / "cache",
    }
    pairs = [str(part) for pair in flags.items() for part in pair]
    return [str(anvil_binary()), *pairs, "--enable-tx-gas-limit", "--no-mining", "--quiet"]


# ---------------------------------------------------------------------- starting


def _launched(folder: Path, saved: dict[str, int], port: int, since: int) -> LocalChain:
    """Between choosing a free port and listening on it another process can take it: then another one, a few times."""
    anvil_binary()  # if it is missing, that comes first
    if port and not _is_free(port):
        raise BadInput(
            f"port {port} is not free: stop the program that uses it, or choose another one (0: any free one)"
        )
    for choice in [port] if port else [saved["port"], 0, 0, 0]:
        saved["port"] = choice if choice and _is_free(choice) else _free_port()
        _save(folder, saved)
        _spawn(folder, command(folder, **saved))
        pid = _running(folder)
        if pid is not None:
            chain = LocalChain(_url(saved["port"]), saved["chain_id"], pid, folder)
            if _answers(chain):
                return _ready(folder, chain, since)
        _stopped(folder)
    raise Fatal(f"Anvil does not start: {_last_words(folder)}")


def _spawn(folder: Path, anvil: Sequence[str]) -> None:
    """Returns once anvil.pid is written. The keeper leaves our session: Ctrl-C here does not reach the chain."""
    keeper = [sys.executable, "-I", "-S", str(TOOLS / "keeper.py"), str(folder), *anvil]
    ended = subprocess.run(keeper, stdin=subprocess.DEVNULL, check=False, timeout=START_SECONDS)  # noqa: S603 (our words)
    if ended.returncode == UNREADABLE:
        raise BadInput(
            f"{_state(folder)} is damaged and there is no good copy of it: `chain reset` starts an empty chain"
        )
    if ended.returncode:
        raise Fatal(f"{TOOLS / 'keeper.py'} failed with exit code {ended.returncode}")


def _answers(chain: LocalChain) -> bool:
    """Waits until it serves; False if the process ended instead."""
    end = time.monotonic() + START_SECONDS
    while time.monotonic() < end and _running(chain.folder) == chain.pid:
        if _served(chain.url) == chain.chain_id:
            return _running(chain.folder) == chain.pid
        time.sleep(0.02)
    return False


def _ready(folder: Path, chain: LocalChain, since: int) -> LocalChain:
    """Block time goes on from now, or from the last block or `since` if that is later; then mining begins. Again: no change."""
    if _served(chain.url) != chain.chain_id:
        raise ChainUnavailable(f"{chain.url}: the process {chain.pid} of the chain in {folder} does not answer")
    asked = [("eth_getBlockByNumber", [tag, False]) for tag in ("latest", "pending")]
    with closing(Rpc(chain.url, attempts=1)) as rpc:
        last, upcoming = (int(block["timestamp"], 16) for block in rpc.batch(asked))
        if upcoming < (due := max(last, since, int(time.time()))):
            rpc.call("evm_increaseTime", due - upcoming)
        rpc.call("evm_setAutomine", True)
    return chain


def _served(url: str) -> int | None:
    """The chain id behind the URL, None if nothing answers."""
    try:
        with closing(Rpc(url, timeout=5, attempts=1)) as rpc:
            return int(rpc.call("eth_chainId"), 16)
    except (ChainUnavailable, ValueError, TypeError):
        return None


@contextmanager
def _local(url: str, what: str) -> Iterator[Rpc]:
    """Not to be repeated after a lost reply: one attempt."""
    with closing(Rpc(url, attempts=1)) as rpc:
        if not is_local(url):
            raise BadInput(f"{rpc.endpoint} is not Anvil: only there {what}")
        yield rpc


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as Anvil: a port in TIME_WAIT is free
        try:
            probe.bind((HOST, port))
        except (OSError, OverflowError):
            return False
    return True


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
    return port


def _url(port: int) -> str:
    return f"http://{HOST}:{port}"


# ---------------------------------------------------------------------- stopping


def _stopped(folder: Path) -> bool:
    pid = _running(folder)
    if pid is None:
        return False
    for how, seconds in ((signal.SIGTERM, STOP_SECONDS), (signal.SIGKILL, 5.0)):
        if _running(folder) == pid:
            os.kill(pid, how)
        end = time.monotonic() + seconds
        while time.monotonic() < end and _running(folder) == pid:
            time.sleep(0.02)
    end = time.monotonic() + 5.0
    while time.monotonic() < end and is_kept(folder) and (folder / "anvil.pid").exists():  # the keeper's last act
        time.sleep(0.02)
    (folder / "anvil.pid").unlink(missing_ok=True)
    return True


def _running(folder: Path) -> int | None:
    """The pid in the pid file if that process is Anvil with our state file: a pid alone may be anybody's by now."""
    try:
        pid = int((folder / "anvil.pid").read_text())
    except (OSError, ValueError):
        return None
    words = _command_line(pid)
    ours = bool(words) and Path(words[0]).name == "anvil" and str(_state(folder)) in words
    return pid if ours else None


def _command_line(pid: int) -> list[str]:
    """Empty for a process that is gone (or a zombie)."""
    if sys.platform == "linux":
        try:
            return Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace").split("\0")
        except OSError:
            return []
    ps = ["/bin/ps", "-ww", "-o", "args=", "-p", str(pid)]
    return subprocess.run(ps, capture_output=True, text=True, check=False).stdout.split()  # noqa: S603 (a number)


# ---------------------------------------------------------------------- the folder


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """One start or stop of a folder at a time, between all processes."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _state(folder: Path) -> Path:
    return folder / "state.json"


def _saved(folder: Path) -> dict[str, int]:
    path = folder / "chain.json"
    try:
        saved = json.loads(path.read_bytes())
        return {name: int(saved[name]) for name in ("port", "chain_id", "genesis")}
    except FileNotFoundError:
        return {}
    except (ValueError, KeyError, TypeError):
        raise BadInput(
            f"{path} is damaged; it holds {{port, chain_id, genesis}} of a local chain: mend it or reset"
        ) from None


def _save(folder: Path, values: dict[str, int]) -> None:
    part = folder / "chain.json.part"
    part.write_text(json.dumps(values, indent=2) + "\n")
    part.replace(folder / "chain.json")


def _last_words(folder: Path) -> str:
    try:
        return (folder / "anvil.log").read_text(errors="replace").strip()[-500:] or "it says nothing"
    except OSError:
        return "it left no log"


def kept_block(folder: Path) -> int:
    """The newest block that would survive a SIGKILL now; -1 before the first dump."""
    try:
        return int(json.loads((folder / "state.kept.json").read_bytes())["best_block_number"])
    except (OSError, ValueError, KeyError, TypeError):
        return -1
