"""Mutation testing of the contracts that hold money or judge: does a test fail for every small change of the code?

usage: python -m scripts.mutants [--only Market.sol] [--sample N] [--jobs 2] [--json FILE] [--list]

Each mutant changes one token or statement of one contract. It is compiled alone, with the project's settings, and put in place of
forge's artefact: tests deploy by artefact, so no test is compiled again (a few seconds a mutant, not a minute). First run the tests
of the function that it changes, then all others, then short invariants. A mutant that does not compile, or gives the same bytecode
as the original or as another, is not counted. Survivors are listed; tests/contracts/mutants.json explains those that are
equivalent, by the hash of what they change. Exits 1 if one on a line that moves money or checks signatures is alive and
unexplained, or if fewer than 95 % are killed.
"""

import argparse
import hashlib
import json
import os
import random
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import time
import tomllib
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from queue import SimpleQueue
from typing import Any

from oracle.adapters.anvil import foundry_binary

ROOT = Path(__file__).parent.parent
EXPLAINED = ROOT / "tests" / "contracts" / "mutants.json"
LEAST_SCORE = 0.95
SECONDS = 180  # for one run of the tests: a mutant that never ends is killed by that


@dataclass(frozen=True, slots=True)
class Target:
    """A mutated source, the sources whose code it becomes part of, and the folders of tests that are nearest to it."""

    source: str
    rebuilt: tuple[str, ...]
    folders: tuple[str, ...]

    @property
    def entries(self) -> list[str]:
        return [path for path in self.rebuilt if (ROOT / path).exists()]


MARKET, COMMITTEE, REFEREE = "contracts/Market.sol", "contracts/Committee.sol", "contracts/Referee.sol"
LIBRARIES = "contracts/libraries"
TESTS = "tests/contracts/libraries"
TARGETS = (
    Target(MARKET, (MARKET,), ("market",)),
    Target(COMMITTEE, (COMMITTEE,), ("committee",)),
    Target(REFEREE, (REFEREE,), ("referee",)),
    Target(f"{LIBRARIES}/Accounts.sol", (MARKET,), ("market",)),
    Target(f"{LIBRARIES}/Balances.sol", (MARKET,), ("market",)),
    Target(f"{LIBRARIES}/Counters.sol", (MARKET, f"{TESTS}/Counters.t.sol"), ("libraries", "market")),
    Target(f"{LIBRARIES}/Debits.sol", (MARKET, REFEREE, f"{TESTS}/Debits.t.sol"), ("libraries", "market", "referee")),
    Target(f"{LIBRARIES}/Escrow.sol", (MARKET, REFEREE), ("market", "referee")),
    Target(f"{LIBRARIES}/Trees.sol", (MARKET, REFEREE, f"{TESTS}/Trees.t.sol"), ("libraries", "market", "referee")),
    Target(
        f"{LIBRARIES}/Leaves.sol", (MARKET, COMMITTEE, REFEREE, "tests/contracts/Vectors.t.sol"), ("market", "referee")
    ),
    Target(f"{LIBRARIES}/Scoring.sol", (REFEREE, f"{TESTS}/Scoring.t.sol"), ("libraries", "referee")),
    Target(f"{LIBRARIES}/Lists.sol", (REFEREE,), ("referee",)),
    Target(f"{LIBRARIES}/Proofs.sol", (REFEREE,), ("referee",)),
)

# What moves money or checks signatures: there, every mutant must die.
CRITICAL = re.compile(
    r"afeTransfer|_pull|funded|debited|refunded|totalClaimed|finalTotal|_total\b|\bamount|_claimed|counters|locked|_withFee|\.pay\b"
    r"|_locked|lowered|raised|stake|burnt|owed|_unit|beneficiary|signatures?\b|signer|quorum|recover|\.check\(|msg\.sender|referee|previous"
)

TOKEN = re.compile(
    r"(?P<skip>//[^\n]*|/\*.*?\*/|\"(?:[^\"\\]|\\.)*\"|\s+)"
    r"|(?P<word>[A-Za-z_$][\w$]*)|(?P<number>0x[0-9a-fA-F]+|\d[\d_]*(?:e\d+)?)"
    r"|(?P<sign>>>=|<<=|\*\*|=>|==|!=|<=|>=|&&|\|\||\+\+|--|\+=|-=|\*=|/=|%=|\|=|&=|\^=|<<|>>|.)",
    re.DOTALL,
)
SWAPS = {
    "<": ("<=", ">="),
    "<=": ("<", ">"),
    ">": (">=", "<="),
    ">=": (">", "<"),
    "==": ("!=",),
    "!=": ("==",),
    "+": ("-",),
    "-": ("+",),
    "*": ("/",),
    "/": ("*",),
    "%": ("/",),
    "+=": ("-=", "="),
    "-=": ("+=", "="),
    "|=": ("=",),
    "<<": (">>",),
    ">>": ("<<",),
    "&": ("|",),
    "|": ("&",),
    "^": ("&",),
    "++": ("--",),
    "--": ("++",),
    "&&": ("||",),
    "||": ("&&",),
}
WORDS = {
    "true": "false",
    "false": "true",
    "max": "min",
    "min": "max",
    "Ceil": "Floor",
    "debited": "refunded",
    "refunded": "debited",
    "finalTotal": "totalClaimed",
    "continue": "break",
    "nonReentrant": "",
}


@dataclass(frozen=True, slots=True)
class Token:
    kind: str
    text: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Mutant:
    source: str
    function: str
    line: int
    operator: str
    start: int
    end: int
    replacement: str
    text: str  # the changed line
    critical: bool
    id: str


@dataclass(frozen=True, slots=True)
class Outcome:
    mutant: Mutant
    state: str  # killed, survived, explained, invalid, same
    by: str  # the test that failed, or the reason why it is equivalent
    seconds: float


# --------------------------------------------------------------------------------------------------------------- making mutants


def tokens(text: str) -> list[Token]:
    found = []
    for match in TOKEN.finditer(text):
        kind = match.lastgroup or ""
        if kind != "skip":
            found.append(Token(kind, match.group(), match.start(), match.end()))
    return found


def closing(parts: list[Token], at: int) -> int:
    """Index of the bracket that closes the one at `at`."""
    depth = 0
    for i in range(at, len(parts)):
        depth += {"(": 1, "[": 1, "{": 1, ")": -1, "]": -1, "}": -1}.get(parts[i].text, 0)
        if depth == 0:
            return i
    raise ValueError("unbalanced")


def functions(parts: list[Token]) -> Iterator[tuple[str, int, int]]:
    """(name, first, last token) of each function and constructor that has a body."""
    for i, part in enumerate(parts):
        if part.text not in ("function", "constructor", "modifier") or part.kind != "word":
            continue
        name = "constructor" if part.text == "constructor" else parts[i + 1].text
        body = next(j for j in range(i, len(parts)) if parts[j].text in ("{", ";") and parts[j].kind == "sign")
        if parts[body].text == "{":
            yield name, i, closing(parts, body)


def constants(parts: list[Token]) -> Iterator[tuple[str, int, int, str]]:
    """The same for the numbers of the contract's own constants."""
    for i, part in enumerate(parts):
        if part.text != "constant":
            continue
        end = next(j for j in range(i, len(parts)) if parts[j].text == ";")
        for j in range(i, end):
            if parts[j].kind == "number":
                yield from _number(parts, j)


def mutations(parts: list[Token], first: int, last: int) -> Iterator[tuple[str, int, int, str]]:
    """(operator, first, last token, replacement) for each change within one function."""
    body = next(j for j in range(first, last) if parts[j].text == "{")
    for i in range(first, last):
        part = parts[i]
        if part.text == "nonReentrant":
            yield "modifier", i, i, ""
        if i <= body:
            continue
        if part.kind == "sign" and part.text in SWAPS and not _is_type(parts, i):
            for other in SWAPS[part.text]:
                yield "swap", i, i, other
        elif part.kind == "word" and part.text in WORDS and part.text != "nonReentrant":
            yield "word", i, i, WORDS[part.text]
        elif part.kind == "number":
            yield from _number(parts, i)
        elif part.text == "if" and parts[i + 1].text == "(":
            end = closing(parts, i + 1)
            yield "condition", i + 2, end - 1, "true"
            yield "condition", i + 2, end - 1, "false"
        elif part.text == "[" and parts[i + 1].text != "]" and parts[i - 1].kind == "word":
            end = closing(parts, i)
            if parts[i + 1].kind == "word" and end == i + 2:
                yield "index", i + 1, i + 1, f"{parts[i + 1].text} + 1"
        yield from _statement(parts, i, last)
        yield from _arguments(parts, i)


def _number(parts: list[Token], i: int) -> Iterator[tuple[str, int, int, str]]:
    text = parts[i].text.replace("_", "")
    if text.startswith("0x"):
        return
    value = int(float(text)) if "e" in text else int(text)
    yield "constant", i, i, str(value + 1)
    if value > 0:
        yield "constant", i, i, str(value - 1)


def _is_type(parts: list[Token], i: int) -> bool:
    """Whether `*` or `-` there is not an operation: a mapping's arrow, a unary minus."""
    before = parts[i - 1]
    return parts[i].text == "-" and before.kind == "sign" and before.text not in (")", "]")


def _statement(parts: list[Token], i: int, last: int) -> Iterator[tuple[str, int, int, str]]:
    """Deletes a whole statement that begins at `i`, unless it declares something or returns."""
    if parts[i - 1].text not in ("{", "}", ";", ")") or (
        parts[i].kind == "sign" and parts[i].text not in ("++", "--", "(")
    ):
        return
    if parts[i - 1].text == ")" and not _follows_condition(parts, i - 1):
        return
    if parts[i].text in ("if", "for", "while", "return", "else", "unchecked", "do", "try", "catch"):
        return
    end, depth = i, 0
    while end < last and not (parts[end].text == ";" and depth == 0):
        depth += {"(": 1, "[": 1, "{": 1, ")": -1, "]": -1, "}": -1}.get(parts[end].text, 0)
        if depth < 0:
            return
        end += 1
    inside = [part.text for part in parts[i:end]]
    declares = (
        parts[i].kind == "word" and parts[i + 1].kind == "word" and parts[i].text not in ("emit", "revert", "delete")
    )
    if (
        end == last
        or declares
        or (parts[i].text == "(" and "," in inside[:4] and parts[i + 1].kind == parts[i + 2].kind == "word")
    ):
        return
    operator = "require" if inside[0] == "require" else "delete"
    yield operator, i, end, "{}" if parts[i - 1].text == ")" else ""


def _follows_condition(parts: list[Token], at: int) -> bool:
    depth = 0
    for i in range(at, 0, -1):
        depth += {")": 1, "(": -1}.get(parts[i].text, 0)
        if depth == 0:
            return parts[i - 1].text in ("if", "for", "while")
    return False


def _arguments(parts: list[Token], i: int) -> Iterator[tuple[str, int, int, str]]:
    """Swaps the two first neighbouring plain names among the arguments of a call."""
    if parts[i].text not in ("(", ",") or i + 4 >= len(parts):
        return
    one, comma, two, after = parts[i + 1 : i + 5]
    if one.kind == two.kind == "word" and comma.text == "," and after.text in (",", ")") and one.text != two.text:
        yield "arguments", i + 1, i + 3, f"{two.text}, {one.text}"


def mutants_of(target: Target) -> list[Mutant]:
    text = (ROOT / target.source).read_text()
    parts = tokens(text)
    found: dict[str, Mutant] = {}
    bodies = [(name, mutations(parts, first, last)) for name, first, last in functions(parts)]
    for name, changes in [*bodies, ("constants", constants(parts))]:
        for operator, begin, end, replacement in changes:
            mutant = _mutant(target.source, text, name, operator, parts[begin].start, parts[end].end, replacement)
            found.setdefault(mutant.id, mutant)
    return list(found.values())


def _mutant(source: str, text: str, function: str, operator: str, start: int, end: int, replacement: str) -> Mutant:
    begin = text.rfind("\n", 0, start) + 1
    stop = text.find("\n", end)
    line = " ".join(text[begin:stop].split())
    what = f"{source} {function} {line} {text[begin:start].strip()} {operator} {replacement}"
    return Mutant(
        source=source,
        function=function,
        line=text.count("\n", 0, start) + 1,
        operator=operator,
        start=start,
        end=end,
        replacement=replacement,
        text=line,
        critical=bool(CRITICAL.search(line)) and not line.startswith("emit"),
        id=hashlib.sha256(what.encode()).hexdigest()[:12],
    )


# --------------------------------------------------------------------------------------------------------------- running mutants


class Compiler:
    """One loaded solc."""

    def __init__(self, folder: Path) -> None:
        server = ROOT / "hardhat-free-local-chain" / "solc-server.cjs"
        self._process = subprocess.Popen(
            [shutil.which("node") or "node", str(server)],
            cwd=folder,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        profile = tomllib.loads((ROOT / "foundry.toml").read_text())["profile"]["default"]
        self._settings = {
            "evmVersion": profile["evm_version"],
            "optimizer": {"enabled": profile["optimizer"], "runs": profile["optimizer_runs"]},
            "metadata": {"bytecodeHash": profile["bytecode_hash"], "appendCBOR": profile["cbor_metadata"]},
        }

    def compile(self, entries: dict[str, str], others: dict[str, str]) -> dict[str, Any]:
        """`entries` are compiled to code, `others` only read in place of the files."""
        output = {path: {"*": ["evm.bytecode.object", "evm.deployedBytecode.object"]} for path in entries}
        sources = {path: {"content": text} for path, text in {**others, **entries}.items()}
        request = {
            "language": "Solidity",
            "sources": sources,
            "settings": {**self._settings, "outputSelection": output},
        }
        to, back = self._process.stdin, self._process.stdout
        if to is None or back is None:
            raise RuntimeError("the compiler has no pipes")
        to.write(json.dumps(request) + "\n")
        to.flush()
        answer: dict[str, Any] = json.loads(back.readline())
        return answer

    def close(self) -> None:
        self._process.terminate()
        self._process.wait()


class Bench:
    """A copy of the project in which one mutant at a time is put in place of the original."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        for name in ("contracts", "tests/contracts", "tests/vectors", "build/forge/out", "build/forge/cache"):
            shutil.copytree(ROOT / name, folder / name)
        shutil.copy(ROOT / "foundry.toml", folder)
        chain, sources = "hardhat-free-local-chain", "node_modules/@openzeppelin"
        # copied: behind a link they would be other files to forge, and everything would be compiled again
        shutil.copytree(ROOT / chain / sources, folder / chain / sources)
        (folder / chain / "solc").symlink_to(ROOT / chain / "solc")
        cache = json.loads((folder / "build/forge/cache/solidity-files-cache.json").read_text())
        self._artefacts = {
            (path, name): folder / "build/forge/out" / next(iter(next(iter(versions.values())).values()))["path"]
            for path, entry in cache["files"].items()
            for name, versions in entry["artifacts"].items()
        }
        self._compiler = Compiler(folder)

    def close(self) -> None:
        self._compiler.close()

    def build(self, target: Target, text: str) -> dict[Path, str] | None:
        """Artefact -> its new content; nothing if it does not compile."""
        entries = {path: (ROOT / path).read_text() for path in target.entries}
        others = {target.source: text}
        if target.source in entries:
            entries[target.source] = others.pop(target.source)
        answer = self._compiler.compile(entries, others)
        if any(problem["severity"] == "error" for problem in answer.get("errors", ())):
            return None
        built = {}
        for path in entries:
            for name, contract in answer["contracts"][path].items():
                code = contract["evm"]
                if not code["bytecode"]["object"] or (path, name) not in self._artefacts:
                    continue
                artefact = self._artefacts[path, name]
                content = json.loads(artefact.read_text())
                content["bytecode"]["object"] = "0x" + code["bytecode"]["object"]
                content["deployedBytecode"]["object"] = "0x" + code["deployedBytecode"]["object"]
                built[artefact] = json.dumps(content)
        return built

    def put(self, built: dict[Path, str]) -> dict[Path, str]:
        """Writes the artefacts; what stood there before."""
        before = {path: path.read_text() for path in built}
        for path, content in built.items():
            path.write_text(content)
        return before

    def unchanged(self) -> str:
        """The test that fails already; it would kill every mutant."""
        return self._fails("--no-match-path", "tests/contracts/symbolic/*")

    def killer(self, target: Target, mutant: Mutant) -> str:
        """The first test that fails, or nothing: first the function's own tests, then the nearest, then all, invariants last."""
        own = mutant.function[0].upper() + mutant.function[1:]
        if any((self.folder / "tests/contracts").glob(f"*/{own}.t.sol")):
            found = self._fails("--match-path", f"tests/contracts/*/{own}.t.sol")
            if found:
                return found
        near = f"tests/contracts/{{{','.join(target.folders)}}}/*"
        slow = "tests/contracts/{invariants,symbolic}/*"
        return (
            self._fails("--match-path", near)
            or self._fails("--no-match-path", slow)
            or self._fails("--match-path", "tests/contracts/invariants/*")
        )

    def _fails(self, *selection: str) -> str:
        command = [str(foundry_binary("forge")), "test", "--fail-fast", *selection]
        environ = {
            **os.environ,
            "FOUNDRY_FUZZ_RUNS": "64",
            "FOUNDRY_INVARIANT_RUNS": "6",
            "FOUNDRY_INVARIANT_DEPTH": "60",
        }
        try:
            done = subprocess.run(
                command, cwd=self.folder, env=environ, check=False, capture_output=True, text=True, timeout=SECONDS
            )
        except subprocess.TimeoutExpired:
            return "time-out"
        if done.returncode == 0:
            return ""
        failed = re.search(r"\[FAIL.*\] (\w+)\(", done.stdout)
        return failed.group(1) if failed else (done.stdout + done.stderr).strip()[-200:]


def judge(bench: Bench, target: Target, mutant: Mutant, seen: set[str], known: dict[str, str]) -> Outcome:
    began = time.monotonic()
    text = (ROOT / target.source).read_text()
    built = bench.build(target, text[: mutant.start] + mutant.replacement + text[mutant.end :])

    def outcome(state: str, by: str = "") -> Outcome:
        return Outcome(mutant, state, by, round(time.monotonic() - began, 2))

    if built is None:
        return outcome("invalid")
    print_ = hashlib.sha256("".join(built[path] for path in sorted(built)).encode()).hexdigest()
    relative = f"{target.source} {print_}"
    with _lock:
        if relative in seen:
            return outcome("same")
        seen.add(relative)
    before = bench.put(built)
    try:
        by = bench.killer(target, mutant)
    finally:
        bench.put(before)
    if by:
        return outcome("killed", by)
    return outcome("explained", known[mutant.id]) if mutant.id in known else outcome("survived")


_lock = threading.Lock()


def run(chosen: list[tuple[Target, Mutant]], jobs: int) -> list[Outcome]:
    known = json.loads(EXPLAINED.read_text()) if EXPLAINED.exists() else {}
    build = [str(foundry_binary("forge")), "build"]
    environ = {**os.environ, "FOUNDRY_LINT_LINT_ON_BUILD": "false"}
    subprocess.run(build, cwd=ROOT, env=environ, check=True, stdout=subprocess.DEVNULL)
    with tempfile.TemporaryDirectory(prefix="mutants-") as folder:
        benches: SimpleQueue[Bench] = SimpleQueue()
        made = [Bench(Path(folder) / str(i)) for i in range(jobs)]
        seen: set[str] = set()
        for bench in made:
            benches.put(bench)
        broken = made[0].unchanged()
        if broken:
            raise SystemExit(f"a test fails without any mutant: {broken}")
        for target in {target.source: target for target, _ in chosen}.values():
            built = made[0].build(target, (ROOT / target.source).read_text())
            if built is None:
                raise RuntimeError(f"{target.source} does not compile")
            unchanged = "".join(built[path] for path in sorted(built))
            seen.add(f"{target.source} {hashlib.sha256(unchanged.encode()).hexdigest()}")

        def one(pair: tuple[Target, Mutant]) -> Outcome:
            bench = benches.get()
            try:
                result = judge(bench, *pair, seen, known)
            finally:
                benches.put(bench)
            m = result.mutant
            where = f"{m.source.removeprefix('contracts/')}:{m.line} {m.function}"
            print(
                f"{result.state:9} {result.seconds:5.1f} s {m.id} {where} {m.operator} -> {m.replacement!r} {result.by}",
                flush=True,
            )
            return result

        try:
            with ThreadPoolExecutor(jobs) as pool:
                return list(pool.map(one, chosen))
        finally:
            for bench in made:
                bench.close()


# --------------------------------------------------------------------------------------------------------------- reporting


def report(outcomes: list[Outcome], seconds: float) -> dict[str, Any]:
    counted = [o for o in outcomes if o.state in ("killed", "survived", "explained")]
    real = [o for o in counted if o.state != "explained"]
    critical = [o for o in real if o.mutant.critical]
    killed = sum(o.state == "killed" for o in real)
    return {
        "mutants": len(counted),
        "killed": killed,
        "score": round(killed / len(real), 4) if real else 1.0,
        "critical": len(critical),
        "critical_killed": sum(o.state == "killed" for o in critical),
        "states": dict(Counter(o.state for o in outcomes)),
        "by_source": {
            source: dict(Counter(o.state for o in counted if o.mutant.source == source))
            for source in sorted({o.mutant.source for o in counted})
        },
        "seconds": round(seconds),
        "seconds_each": round(sum(o.seconds for o in counted) / max(1, len(counted)), 2),
        "survivors": [asdict(o.mutant) for o in counted if o.state == "survived"],
        "explained": [{**asdict(o.mutant), "reason": o.by} for o in counted if o.state == "explained"],
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", action="append", help="only sources that end like this")
    parser.add_argument("--function", action="append", help="only in these functions")
    parser.add_argument("--id", action="append", help="only these mutants")
    parser.add_argument("--sample", type=int, help="that many mutants, drawn from all")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--list", action="store_true")
    options = parser.parse_args()

    chosen = [
        (target, mutant) for target in TARGETS if (ROOT / target.source).exists() for mutant in mutants_of(target)
    ]
    if options.only:
        chosen = [pair for pair in chosen if pair[0].source.endswith(tuple(options.only))]
    if options.function:
        chosen = [pair for pair in chosen if pair[1].function in options.function]
    if options.id:
        chosen = [pair for pair in chosen if pair[1].id in options.id]
    if options.sample and options.sample < len(chosen):
        chosen = random.Random(options.seed).sample(chosen, options.sample)
    if options.list:
        for _, m in chosen:
            print(
                f"{m.id} {m.source}:{m.line} {m.function} {m.operator} -> {m.replacement!r} | {m.text}{' !' if m.critical else ''}"
            )
        print(Counter(m.source for _, m in chosen), Counter(m.operator for _, m in chosen))
        return 0

    began = time.monotonic()
    result = report(run(chosen, options.jobs), time.monotonic() - began)
    if options.json:
        options.json.write_text(json.dumps(result, indent=1) + "\n")
    print(
        json.dumps({name: value for name, value in result.items() if name not in ("survivors", "explained")}, indent=1)
    )
    return 0 if result["score"] >= LEAST_SCORE and result["critical"] == result["critical_killed"] else 1


if __name__ == "__main__":
    sys.exit(main())
