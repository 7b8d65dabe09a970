"""Work on Ray: by two workers that are started here and end here, or by those of a cluster.

A worker that dies, by whatever, loses nothing: its part is given to another, RETRIES times. What travels is pickled, both ways: a
cluster runs whatever its client sends, and its client loads whatever it answers. So both trust each other, and their network.
"""

from __future__ import annotations

import os
import re
import secrets
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, redirect_stdout
from importlib.metadata import version
from typing import Any, TypeVar

from oracle import __version__
from oracle.compute import LOCAL, Compute
from oracle.protocol.errors import BadInput, Retryable

T = TypeVar("T")

WORKERS = 2  # that `ray` starts
STORE = 1 << 29  # bytes of memory for what they share; more goes to the disk
RETRIES = 3
ADDRESS = re.compile(r"ray://[^\s/:]+:\d{1,5}")
ON_LOOPBACK = (
    "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"  # at 0 a node that Ray starts here listens on 127.0.0.1 alone, on any system
)
NUMERIC = ("numpy", "numba", "scipy")  # whose versions can be told from the last bits


@contextmanager
def computing(address: str) -> Iterator[Compute]:
    """`local`: this process; `torch`: those of torchrun (oracle.adapters.ranks); `ray`: workers that start here, on loopback, and

    end after; ray://host:port: a cluster's client port. Raises BadInput for other addresses, without Ray, or where a cluster runs
    another version; Retryable if nobody answers.
    """
    if address == "local":
        yield LOCAL
        return
    if address == "torch":
        from oracle.adapters.ranks import ranks  # noqa: PLC0415 - torch loads for a second

        with ranks() as first:
            yield first
        return
    if address != "ray" and not ADDRESS.fullmatch(address):
        raise BadInput(
            f"--compute {address[:80]}: it is local, torch (under torchrun), ray (workers on this machine) or ray://host:port"
        )
    ray = _ray(address)
    folder = tempfile.TemporaryDirectory(prefix="crowdproof-", ignore_cleanup_errors=True)
    with folder as place, redirect_stdout(sys.stderr):  # where Ray tells of the dead
        try:
            _begin(ray, address, place)
            cluster = Cluster(ray)
            if address != "ray":
                _same_versions(cluster, address)
            yield cluster
        finally:
            ray.shutdown()


class Cluster:
    """A Compute: parts are Ray's tasks, one a CPU."""

    def __init__(self, ray: Any) -> None:
        self._ray = ray
        self._run = ray.remote(num_cpus=1, max_retries=RETRIES)(run)

    @property
    def workers(self) -> int:
        return max(1, int(self._ray.cluster_resources().get("CPU", 1)))

    def keep(self, value: Any) -> Any:
        return self._ray.put(value)

    def map(self, work: Callable[..., T], parts: Sequence[tuple[Any, ...]], *shared: Any) -> list[T]:
        asked = [self._run.remote(work, *shared, *part) for part in parts]
        failures = self._ray.exceptions
        try:
            found: list[T] = self._ray.get(asked)
        except failures.RayTaskError as raised:
            raise raised.cause from None
        except failures.RayError as lost:
            raise Retryable(f"Ray lost the work, {RETRIES + 1} times over: {str(lost)[:500]}") from lost
        return found


def run(work: Callable[..., T], *given: Any) -> T:
    """In a worker. What was kept has been put in place of its handle by Ray."""
    return work(*given)


def versions() -> dict[str, str]:
    """In a worker: what the last bits of its results depend on, beside its processor."""
    return {"crowdproof": __version__, **{name: version(name) for name in NUMERIC}}


def _ray(address: str) -> Any:
    os.environ |= {"RAY_USAGE_STATS_ENABLED": "0", ON_LOOPBACK: "0"}  # read when it is imported
    if address == "ray":  # for this process and its workers, instead of a file that others may read
        os.environ |= {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32)}
    try:
        import ray  # noqa: PLC0415 - optional, and loads for seconds
    except ImportError as missing:
        raise BadInput(f"--compute needs Ray: pip install 'crowdproof[ray]' ({missing})") from missing
    return ray


def _begin(ray: Any, address: str, folder: str) -> None:
    quiet: dict[str, Any] = {"log_to_driver": False, "configure_logging": False}
    if address == "ray":
        here = {"_node_ip_address": "127.0.0.1", "include_dashboard": False, "_temp_dir": folder}
        ray.init(num_cpus=WORKERS, object_store_memory=STORE, **here, **quiet)
        return
    try:
        ray.init(address, **quiet)
    except ConnectionError as silent:
        raise Retryable(f"--compute {address}: no cluster answers there ({silent})") from silent


def _same_versions(cluster: Cluster, address: str) -> None:
    mine = versions()
    try:
        theirs = cluster.map(versions, [()] * cluster.workers)
    except ImportError as missing:
        raise BadInput(f"--compute {address}: crowdproof {__version__} is not installed there ({missing})") from missing
    for other in theirs:
        if other != mine:
            raise BadInput(f"--compute {address}: runs {other}, and here are {mine}; results could part")
