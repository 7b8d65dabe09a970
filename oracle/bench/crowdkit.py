"""crowd-kit, what people use now, in an environment of its own: `requirements/crowdkit.lock`, made once in the user's cache.

Answers in, posteriors out, in one process over all jobs. It is deterministic, so what it found is kept in that environment, under
the digest of what it was given; timings are never kept.
"""

import fcntl
import hashlib
import json
import os
import subprocess
import sys
import tempfile
import venv
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from oracle.labels import Answers
from oracle.protocol.errors import Fatal

METHODS = ("crowdkit_ds", "crowdkit_onecoin")
LOCK = Path(__file__).parents[2] / "requirements" / "crowdkit.lock"
SCRIPT = Path(__file__).with_name("crowdkit_process.py")
QUIET = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")

Float = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Found:
    """Of one job, by method: a posterior [T, C], and why there is none where it failed."""

    posteriors: dict[str, Float]
    failed: dict[str, str]


def fit(jobs: Sequence[Answers]) -> tuple[list[Found], dict[str, Any]]:
    """Each job's posteriors, and what ran: versions, and whether it ran now or was kept from before."""
    with tempfile.TemporaryDirectory(prefix="crowdproof-crowdkit-") as folder:
        given = write_jobs(Path(folder) / "jobs.npz", jobs)
        kept = environment() / "kept" / f"{_digest(jobs)}.npz"
        known = kept.exists()
        if not known:
            kept.parent.mkdir(exist_ok=True)
            fresh = Path(folder) / "found.npz"
            run("fit", str(given), str(fresh))
            _moved(fresh, kept.parent).replace(kept)
    with np.load(kept, allow_pickle=False) as found:
        about = json.loads(str(found["about"]))
        failed = {int(i): why for i, why in about.pop("failed").items()}
        results = [
            Found({name: found[f"{i}/{name}"] for name in METHODS if f"{i}/{name}" in found}, failed.get(i, {}))
            for i in range(len(jobs))
        ]
    return results, {**about, "kept": known}


def write_jobs(path: Path, jobs: Sequence[Answers]) -> Path:
    """The jobs as the script reads them."""
    arrays: dict[str, Any] = {
        f"{i}/{name}": array for i, job in enumerate(jobs) for name, array in _arrays(job).items()
    }
    np.savez(path, **arrays)
    return path


def run(*arguments: str) -> str:
    """What the script prints, run by crowd-kit's Python on one thread; its progress goes to our standard error."""
    command = [str(environment() / "bin" / "python"), "-I", str(SCRIPT), *arguments]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, env={**os.environ, **QUIET}, check=False)  # noqa: S603
    if done.returncode:
        raise Fatal(f"crowd-kit's process ended with code {done.returncode}; its last words stand above")
    return done.stdout


def environment() -> Path:
    """The folder of the environment, made if there is none for this lock. Raises Fatal where it cannot be made."""
    digest = hashlib.sha256(LOCK.read_bytes()).hexdigest()[:12]
    base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "crowdproof"
    place = base / f"crowdkit-{digest}"
    done = place / ".done"
    if not done.exists():
        base.mkdir(parents=True, exist_ok=True)
        with _alone(base / f"crowdkit-{digest}.lock"):
            if not done.exists():
                _make(place)
                done.touch()
    return place


def _make(place: Path) -> None:
    print("making crowd-kit's environment (a minute, once)", file=sys.stderr, flush=True)
    venv.create(place, with_pip=True, clear=True)
    pip = [str(place / "bin" / "python"), "-m", "pip", "--disable-pip-version-check", "install", "--quiet"]
    done = subprocess.run([*pip, "--require-hashes", "-r", str(LOCK)], capture_output=True, text=True, check=False)  # noqa: S603
    if done.returncode:
        why = (done.stderr.strip().splitlines() or ["no reason given"])[-1][:300]
        raise Fatal(f"crowd-kit could not be installed ({why}); is a package registry in reach?")


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    """While another process holds the file, wait."""
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _moved(file: Path, folder: Path) -> Path:
    """A copy beside its final place, so that it appears there whole or not at all."""
    handle, scratch = tempfile.mkstemp(dir=folder)
    with os.fdopen(handle, "wb") as out:
        out.write(file.read_bytes())
    return Path(scratch)


def _arrays(job: Answers) -> dict[str, NDArray[np.int32]]:
    size = np.array([len(job.tasks), len(job.workers), len(job.classes)], np.int32)
    return {"task": job.task, "worker": job.worker, "label": job.label, "size": size}


def _digest(jobs: Sequence[Answers]) -> str:
    digest = hashlib.sha256(SCRIPT.read_bytes())
    for job in jobs:
        for array in _arrays(job).values():
            digest.update(len(array).to_bytes(8, "big") + np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()
