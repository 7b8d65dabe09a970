"""Writes requirements/{base,dev,slither,halmos,crowdkit}.lock: each package that is installed, at exact versions, with its hashes.

usage: python -m scripts.lock     (a pin that still fits is kept)

torch is installed by the Makefile, by version: its build (CPU, CUDA, ROCm) is the machine's choice, so neither it nor what only a
CUDA build needs stands in a lock.
"""

import re
import subprocess
import sys
import tomllib
from importlib.metadata import requires
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parent.parent
FOLDER = ROOT / "requirements"
NOT_LOCKED = re.compile(r"torch|(triton|cuda|nvidia)(-.*)?")
OPTIONS = [
    "--quiet",
    "--generate-hashes",
    "--no-header",
    "--no-annotate",
    "--no-emit-index-url",
    "--no-emit-find-links",
]


def resolve(source: Path, lock: Path, *extra: str) -> dict[str, str]:
    """Package name -> its lines in a lock. What stands in `lock` stays, as long as it fits."""
    command = [sys.executable, "-m", "uv", "pip", "compile", *OPTIONS, *extra, "--python", sys.executable]
    subprocess.run([*command, "--output-file", str(lock), str(source)], check=True, cwd=ROOT, stdout=subprocess.DEVNULL)
    entries = re.findall(r"^(([A-Za-z0-9][\w.-]*)==.*(?:\n    .*)*)", lock.read_text(), re.MULTILINE)
    return {canonicalize_name(name): block for block, name in entries}


def closure(names: set[str]) -> set[str]:
    """The packages that `names` need, as installed here."""
    found: set[str] = set()
    waiting = list(names)
    while waiting:
        name = canonicalize_name(waiting.pop())
        if name in found or NOT_LOCKED.fullmatch(name):
            continue
        found.add(name)
        needs = (Requirement(line) for line in requires(name) or ())
        waiting += [need.name for need in needs if need.marker is None or need.marker.evaluate({"extra": ""})]
    return found


def write(name: str, entries: dict[str, str]) -> None:
    kept = [entries[package] for package in sorted(entries) if not NOT_LOCKED.fullmatch(package)]
    (FOLDER / f"{name}.lock").write_text("\n".join(kept) + "\n")


def main() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    dev = resolve(ROOT / "pyproject.toml", FOLDER / "dev.lock", "--extra", "dev")
    write("dev", dev)
    torch_needs = {"filelock", "fsspec", "jinja2", "sympy", "typing-extensions"}
    base = closure({Requirement(line).name for line in project["dependencies"]} | torch_needs | {"setuptools"})
    write("base", {name: block for name, block in dev.items() if name in base})
    for tool in ("slither", "halmos", "crowdkit"):
        write(tool, resolve(FOLDER / f"{tool}.in", FOLDER / f"{tool}.lock"))


if __name__ == "__main__":
    main()
