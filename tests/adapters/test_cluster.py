"""Work on Ray: what one process says, also when workers are killed; addresses that lead nowhere."""

import importlib.util
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from threading import Thread
from typing import Any

import numpy as np
import pytest

from oracle.adapters.cluster import RETRIES, STORE, computing
from oracle.compute import LOCAL, Compute
from oracle.matching import parts
from oracle.protocol.errors import BadInput, Retryable
from oracle.verification.engine import infer
from oracle.verification.infer import dawid_skene
from tests.matching.markets import islands
from tests.support.commands import ROOT, TIMEOUT_S, Run, inside
from tests.verification.test_apart import arrays, gold, same

HAS_RAY = importlib.util.find_spec("ray") is not None
needs_ray = pytest.mark.skipif(not HAS_RAY, reason="Ray is absent: pip install 'crowdproof[ray]'")
LONGEST_S = 60.0
__all__ = ["inside"]


@pytest.fixture(scope="module")
def cluster() -> Iterator[Compute]:
    with computing("ray") as started:
        yield started


class Deadly:
    """A Compute whose every part is worked on by `how` first; it is told the file that marks that part."""

    def __init__(self, cluster: Compute, folder: Path, how: Callable[..., Any]) -> None:
        self.cluster, self.folder, self.how = cluster, folder, how
        self.workers, self.keep = cluster.workers, cluster.keep

    def map(self, work: Callable[..., Any], given: Sequence[tuple[Any, ...]], *shared: Any) -> list[Any]:
        marks = [self.folder / f"{work.__name__}-{n}" for n in range(len(given))]
        return self.cluster.map(
            partial(self.how, work, len(shared)),
            [(mark, *part) for mark, part in zip(marks, given, strict=True)],
            *shared,
        )


def dies_once(work: Callable[..., Any], count: int, *given: Any) -> Any:
    shared, mark, part = given[:count], given[count], given[count + 1 :]
    if not mark.exists():
        mark.touch()
        os._exit(1)
    return work(*shared, *part)


def waits_to_be_killed(work: Callable[..., Any], count: int, *given: Any) -> Any:
    """Writes its process's number, and works only once that process was killed."""
    shared, mark, part = given[:count], given[count], given[count + 1 :]
    while not (killed := mark.with_suffix(".killed")).exists():
        mark.write_text(str(os.getpid()))
        time.sleep(0.05)
    assert int(killed.read_text()) != os.getpid()
    return work(*shared, *part)


def always_dies() -> None:
    os._exit(1)


@needs_ray
@pytest.mark.sockets
def test_cluster__inference_and_matching__equal_the_local_result(
    cluster: Compute, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert cluster.workers == 2
    given, known = arrays(5_000), gold(arrays(5_000)[3])
    assert same(infer(*given, gold=known, compute=cluster), infer(*given, gold=known))
    assert same(dawid_skene(*given, compute=cluster), dawid_skene(*given))
    monkeypatch.setattr(parts, "EACH", 100)
    market = islands(3, capacity=2, redundancy=3)
    for gap in (0.0, 1e-3):
        here, there = (parts.solve_apart(*market, gap=gap, compute=one) for one in (LOCAL, cluster))
        assert np.array_equal(here.chosen, there.chosen)
        assert np.array_equal(here.price, there.price)
        assert (here.value, here.bound) == (there.value, there.bound)


@needs_ray
@pytest.mark.sockets
def test_cluster__every_worker_exits_at_its_first_try__changes_only_the_time(cluster: Compute, tmp_path: Path) -> None:
    given = arrays(1_000)
    assert same(infer(*given, compute=Deadly(cluster, tmp_path, dies_once)), infer(*given))
    assert len(list(tmp_path.iterdir())) == 6


@needs_ray
@pytest.mark.sockets
def test_cluster__workers_killed_from_outside__changes_only_the_time(
    cluster: Compute, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parts, "EACH", 100)
    market = islands(3, capacity=2, redundancy=3)
    killer = Thread(target=_kill_each, args=(tmp_path, 3))
    killer.start()
    there = parts.solve_apart(*market, compute=Deadly(cluster, tmp_path, waits_to_be_killed))
    killer.join(LONGEST_S)
    here = parts.solve_apart(*market)
    assert len(list(tmp_path.glob("*.killed"))) == 3
    assert np.array_equal(here.chosen, there.chosen)
    assert np.array_equal(here.price, there.price)


def _kill_each(folder: Path, count: int) -> None:
    end = time.monotonic() + LONGEST_S
    while (killed := len(list(folder.glob("*.killed")))) < count and time.monotonic() < end:
        for mark in [one for one in folder.iterdir() if one.suffix == "" and one.read_text()]:
            if not mark.with_suffix(".killed").exists():
                os.kill(int(mark.read_text()), signal.SIGKILL)
                mark.with_suffix(".killed").write_text(mark.read_text())
        time.sleep(0.1)
    assert killed == count


@needs_ray
@pytest.mark.sockets
def test_cluster__work_that_kills_every_worker__is_given_up(cluster: Compute) -> None:
    with pytest.raises(Retryable, match=f"{RETRIES + 1} times"):
        cluster.map(always_dies, [()])


@needs_ray
@pytest.mark.sockets
def test_cluster__what_work_raises__is_raised_here_as_it_was(cluster: Compute) -> None:
    with pytest.raises(ValueError, match="invalid literal") as raised:
        cluster.map(int, [("1",), ("x",)])
    assert type(raised.value) is ValueError
    assert cluster.map(int, [("2",), ("1",)]) == [2, 1]


@needs_ray
@pytest.mark.sockets
def test_cluster__started_here__listens_on_loopback_alone(cluster: Compute) -> None:
    import ray

    assert [node["NodeManagerAddress"] for node in ray.nodes()] == ["127.0.0.1"]


@needs_ray
@pytest.mark.sockets
def test_infer__by_ray__writes_the_same_file(tmp_path: Path) -> None:
    files = _by_each(tmp_path, "local", "ray")
    assert files[0] == files[1]


@needs_ray
@pytest.mark.sockets
def test_infer__by_a_cluster_that_runs_already__writes_the_same_file(tmp_path: Path) -> None:
    with _head() as address:
        files = _by_each(tmp_path, "local", address)
    assert files[0] == files[1]


@contextmanager
def _head() -> Iterator[str]:
    """A cluster of one node with two workers, whose clients come over loopback."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
    end = time.monotonic() + LONGEST_S
    options = {
        "node-ip-address": "127.0.0.1",
        "port": 0,
        "ray-client-server-port": port,
        "num-cpus": 2,
        "object-store-memory": STORE,
        "include-dashboard": "false",
    }
    with tempfile.TemporaryDirectory(
        prefix="ray-", ignore_cleanup_errors=True
    ) as place:  # short: its sockets lie there
        words = [f"--{name}={value}" for name, value in options.items()] + [f"--temp-dir={place}"]
        command = [sys.executable, "-m", "ray.scripts.scripts", "start", "--head", "--block", "--disable-usage-stats"]
        node = subprocess.Popen([*command, *words], cwd=ROOT, stdout=subprocess.DEVNULL, start_new_session=True)  # noqa: S603
        try:
            while not _listens(port):
                assert node.poll() is None
                assert time.monotonic() < end
                time.sleep(0.1)
            yield f"ray://127.0.0.1:{port}"
        finally:
            node.terminate()
            node.wait(LONGEST_S)


def _listens(port: int) -> bool:
    with suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
        return True
    return False


def _by_each(folder: Path, *addresses: str) -> list[bytes]:
    """The file that `crowdproof infer` writes by each of them."""
    labels, out, files = folder / "labels.csv", folder / "verdicts.csv", []
    labels.write_text("task,worker,label\n" + "".join(f"t{n // 3},w{n % 7},{'ab'[n % 5 > 1]}\n" for n in range(90)))
    for address in addresses:
        words = ["infer", "--labels", labels, "--out", out, "--proba", "--compute", address]
        assert json.loads(_said("-m", "oracle.cli", *map(str, words), "--json"))["answers"] == 90
        files.append(out.read_bytes())
    return files


@needs_ray
@pytest.mark.sockets
def test_cluster__a_worker_dies__nothing_is_said_on_stdout(tmp_path: Path) -> None:
    assert _said("-c", _DEATH, str(tmp_path)) == "[7]\n"
    assert len(list(tmp_path.iterdir())) == 1


_DEATH = """
import sys, time, pathlib
from oracle.adapters.cluster import computing
from tests.adapters.test_cluster import Deadly, dies_once
with computing("ray") as cluster:
    found = Deadly(cluster, pathlib.Path(sys.argv[1]), dies_once).map(int, [("7",)])
    time.sleep(2)  # Ray tells of it by and by
print(found)
"""


def _said(*words: str) -> str:
    """What Python says on stdout, in a process of its own that finds what this one does."""
    command = [sys.executable, *words]
    return subprocess.run(command, cwd=ROOT, check=True, timeout=TIMEOUT_S, stdout=subprocess.PIPE, text=True).stdout  # noqa: S603


@pytest.mark.parametrize(
    "address", ["", "rays", "ray://", "ray://host", "ray://a b:1", "http://host:1", "ray://host:1/x"]
)
def test_computing__other_address__is_bad_input(address: str) -> None:
    with pytest.raises(BadInput, match="it is local, torch"), computing(address):
        pass


def test_computing__without_ray__says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(BadInput, match=r"crowdproof\[ray\]"), computing("ray"):
        pass


def test_infer__compute_with_another_type__is_bad_input(inside: Run, tmp_path: Path) -> None:
    words = ("--labels", tmp_path / "l.csv", "--out", tmp_path / "v.csv", "--type", "number", "--compute", "ray")
    assert inside("infer", *words).is_clear()
