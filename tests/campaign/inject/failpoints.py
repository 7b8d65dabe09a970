"""Kills at named places of the product, which knows nothing of them: functions are wrapped as their modules are imported.

CROWDPROOF_TEST_PLAN names a file {"folder", "kills", "count", "witness", "patches"}. A kill is of a process by itself (SIGKILL, so
nothing is flushed, closed or said), or of the one whose pid stands in a file. It happens once, however many processes of that role
there are and however often they start: whoever makes the file FOLDER/fired/<id> strikes. Forked children inherit the wrappers.

Only the standard library, and little of it: this runs at the start of every interpreter.
"""

import functools
import importlib
import importlib.abc
import json
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path
from types import ModuleType
from typing import Any

PLAN = "CROWDPROOF_TEST_PLAN"
WITNESS = "oracle.demo.crowd:check_receipt"  # returns when a worker has a receipt in its hands


@dataclass
class Rule:
    """A kill: at the `nth` passing of `at` (module:qualified name) in processes of `role`, if the arguments say `match`."""

    id: str
    at: str
    when: str  # before or after
    role: str = "*"
    match: str = ""
    nth: int = 1
    victim: str = ""  # a file that holds the pid to kill, else the process itself
    passed: int = field(default=0, compare=False)


class Plan:
    """What a process shall do at which function."""

    def __init__(self, document: dict[str, Any]) -> None:
        self.folder = Path(document["folder"])
        self.rules = [Rule(**kill) for kill in document["kills"]]
        self.counting = [Rule(**point) for point in document.get("count", [])]
        self.witness: bool = document.get("witness", False)
        self.patches: list[str] = document.get("patches", [])
        self._turn = threading.Lock()

    def places(self) -> set[str]:
        return {rule.at for rule in (*self.rules, *self.counting)} | ({WITNESS} if self.witness else set())

    def wrapped(self, place: str, function: Callable[..., Any], skip: int) -> Callable[..., Any]:
        """`skip`: leading arguments that `match` does not look at."""
        mine = [rule for rule in self.rules if rule.at == place]
        counted = [rule for rule in self.counting if rule.at == place]

        @functools.wraps(function)
        def passing(*args: Any, **kwargs: Any) -> Any:
            said = f"{args[skip:]!r}{kwargs!r}" if any(rule.match for rule in (*mine, *counted)) else ""
            self._pass(mine, counted, "before", said)
            result = function(*args, **kwargs)
            if self.witness and place == WITNESS:
                self._note("receipts", "".join(digest.hex() + "\n" for digest in args[1]))
            self._pass(mine, counted, "after", said)
            return result

        return passing

    def _pass(self, rules: Sequence[Rule], counted: Sequence[Rule], when: str, said: str) -> None:
        for rule in counted:
            if rule.when == when and fnmatchcase(role(), rule.role) and rule.match in said:
                self._note(f"passed.{rule.id}", f"{role()}\n")
        for rule in rules:
            if rule.when == when and fnmatchcase(role(), rule.role) and rule.match in said and self._is_nth(rule):
                self._strike(rule)

    def _is_nth(self, rule: Rule) -> bool:
        with self._turn:
            rule.passed += 1
            return rule.passed == rule.nth

    def _strike(self, rule: Rule) -> None:
        victim = _pid_in(Path(rule.victim)) if rule.victim else os.getpid()
        if victim is None:
            return
        fired = self.folder / "fired"
        fired.mkdir(exist_ok=True)
        try:
            descriptor = os.open(fired / rule.id, os.O_WRONLY | os.O_CREAT | os.O_EXCL)
        except FileExistsError:
            return
        os.write(descriptor, f"{role()} {victim} {time.time()}\n".encode())
        os.close(descriptor)
        os.kill(victim, signal.SIGKILL)

    def _note(self, name: str, text: str) -> None:
        """Appended whole: the kernel has it when this returns, which is what a SIGKILL leaves."""
        descriptor = os.open(self.folder / name, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        os.write(descriptor, text.encode())
        os.close(descriptor)


def role() -> str:
    """member-2, api, ... as the product names its children; `demo` for the process that was started from outside."""
    if sys.argv[:1] == ["-c"]:
        return "forkserver"
    processes = sys.modules.get("multiprocessing.process")
    name: str = processes.current_process().name if processes else "MainProcess"
    return "demo" if name == "MainProcess" else name


def install() -> None:
    """Does nothing without a plan."""
    file = os.environ.get(PLAN)
    if file:
        arm(Plan(json.loads(Path(file).read_text("utf-8"))))


def arm(plan: Plan) -> "Finder":
    """Wraps what is imported already, and the rest when it comes."""
    places: dict[str, list[str]] = {}
    for place in plan.places():
        places.setdefault(place.split(":")[0], []).append(place)
    patches: dict[str, list[str]] = {}
    for patch in plan.patches:  # "product.module=tests.module:function"
        module, installer = patch.split("=")
        patches.setdefault(module, []).append(installer)
    finder = Finder(plan, places, patches)
    for name in places.keys() & sys.modules.keys():
        finder.prepare(sys.modules[name])
    sys.meta_path.insert(0, finder)
    return finder


class Finder(importlib.abc.MetaPathFinder):
    """Lets the other finders find, and wraps functions at the end of the module's execution, before anybody takes them."""

    def __init__(self, plan: Plan, places: dict[str, list[str]], patches: dict[str, list[str]]) -> None:
        self._plan, self._places, self._patches = plan, places, patches

    def find_spec(self, name: str, path: Any, target: Any = None) -> Any:
        if name not in self._places and name not in self._patches:
            return None
        for finder in sys.meta_path:
            spec = finder.find_spec(name, path, target) if finder is not self else None
            if spec and spec.loader:
                self._follow(spec.loader)
                return spec
        return None

    def _follow(self, loader: Any) -> None:
        execute = loader.exec_module

        def exec_module(module: ModuleType) -> None:
            execute(module)
            self.prepare(module)

        loader.exec_module = exec_module

    def prepare(self, module: ModuleType) -> None:
        for installer in self._patches.get(module.__name__, []):
            where, function = installer.split(":")
            getattr(importlib.import_module(where), function)(module)
        for place in self._places.get(module.__name__, []):
            *holders, name = place.split(":")[1].split(".")
            owner: Any = functools.reduce(getattr, holders, module)
            setattr(owner, name, self._plan.wrapped(place, getattr(owner, name), len(holders)))


def _pid_in(file: Path) -> int | None:
    try:
        return int(file.read_text())
    except (OSError, ValueError):
        return None
