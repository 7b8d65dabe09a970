"""The command line: one JSON document, exit codes, errors that name their place, and no traceback for anything expected."""

import csv
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from oracle import cli
from oracle.adapters import anvil
from oracle.commands import inferring
from tests.support.commands import Run, inside

__all__ = ["inside"]

MANIFEST = {
    "version": 1,
    "title": "Which animal?",
    "instructions": "Choose.",
    "answer": {"type": "choice", "classes": ["cat", "dog"]},
    "redundancy": {"most": 3},
    "reward": {"base": "1000", "bonus": "200"},
    "feeBps": 250,
    "deadline": 4_000_000_000,
}
ADDRESS = "0x" + "11" * 20

# ---------------------------------------------------------------------- the command itself


def test_help__loads_nothing_heavy() -> None:
    heavy = "{'torch', 'web3', 'numpy', 'fastapi', 'sqlalchemy'}"
    code = f"""
import atexit, sys
from oracle import cli
sys.argv = ["crowdproof", "--help"]
atexit.register(lambda: print(sorted(set(sys.modules) & {heavy})))
cli.main()
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)  # noqa: S603
    assert done.stdout.rstrip().endswith("[]")
    for command in (
        "demo",
        "audit",
        "deploy",
        "doctor",
        "faucet",
        "infer",
        "chain",
        "key",
        "job",
        "dispute",
        "court",
        "hatch",
    ):
        assert command in done.stdout


def test_help__loads_none_of_what_a_command_needs() -> None:
    """Which keeps it below half a second."""
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "oracle.cli", "--help"],
        capture_output=True,
        timeout=60,
        check=True,
        text=True,
    )
    loaded = {line.rsplit("|", 1)[1].strip().split(".")[0] for line in done.stderr.splitlines() if "|" in line}
    assert "typer" in loaded
    assert loaded.isdisjoint(
        {"numpy", "torch", "numba", "scipy", "web3", "eth_account", "sqlalchemy", "fastapi", "httpx"}
    )


@pytest.mark.parametrize("words", [["nonsense"], ["infer"], ["demo", "--port", "99999"], ["demo", "--port", "x"]])
def test_main__words_that_are_none__exit_2_on_stderr(inside: Run, words: list[str]) -> None:
    ended = inside(*words)
    assert ended.code == 2
    assert "Traceback" not in ended.err
    assert not ended.out


def test_main__unexpected_error__one_line_exit_1(inside: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def broken(*_: Any) -> Any:
        raise ZeroDivisionError("of all\nthings")

    monkeypatch.setattr(inferring, "infer", broken)
    ended = inside("infer", "--labels", tmp_path / "a.csv", "--out", tmp_path / "b.csv")
    assert ended.code == 1
    assert ended.err.startswith(
        "crowdproof: internal error: ZeroDivisionError: of all things (run with CROWDPROOF_TRACEBACK=1"
    )
    assert ended.err.count("\n") == 1
    monkeypatch.setenv("CROWDPROOF_TRACEBACK", "1")
    monkeypatch.setattr(sys, "argv", ["crowdproof", "infer", "--labels", "a", "--out", "b"])
    with pytest.raises(ZeroDivisionError):
        cli.main()


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_main__stopped__says_so_and_leaves_with_the_signals_code(
    inside: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, number: signal.Signals, code: int
) -> None:
    monkeypatch.setattr(inferring, "infer", lambda *_: os.kill(os.getpid(), number))
    ended = inside("infer", "--labels", tmp_path / "a.csv", "--out", tmp_path / "b.csv")
    assert (ended.code, ended.err) == (code, "crowdproof: stopped\n")


def test_main__stopped_while_a_callback_of_the_interpreter_runs__stops_all_the_same(
    inside: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    class Dying:
        def __del__(self) -> None:
            os.kill(os.getpid(), signal.SIGTERM)

    def work(*_: object) -> None:
        Dying()
        time.sleep(20)

    monkeypatch.setattr(inferring, "infer", work)
    ended = inside("infer", "--labels", tmp_path / "a.csv", "--out", tmp_path / "b.csv")
    assert (ended.code, ended.err) == (143, "crowdproof: stopped\n")


# ---------------------------------------------------------------------- infer


def rows_of(file: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(file.read_text("utf-8").splitlines()))


def test_infer__small_file__verdicts_with_probabilities(inside: Run, tmp_path: Path) -> None:
    labels, out = tmp_path / "l.csv", tmp_path / "v.csv"
    labels.write_text("task,worker,label\n1,a,x\n1,b,x\n1,c,y\n2,a,y\n2,b,y\n2,c,y\n2,c,y\n")
    ended = inside("infer", "--labels", labels, "--proba", "--out", out, "--json")
    assert ended.code == 0
    assert ended.document["method"] == "engine"
    assert "last one counts" in ended.err
    rows = rows_of(out)
    assert [(row["task"], row["label"]) for row in rows] == [("1", "x"), ("2", "y")]
    for row in rows:
        assert float(row["p:x"]) + float(row["p:y"]) == pytest.approx(1)
        assert float(row["confidence"]) == pytest.approx(max(float(row["p:x"]), float(row["p:y"])))


@pytest.mark.parametrize("words", [[], ["--method", "vote"], ["--of-record"], ["--method", "vote", "--of-record"]])
@pytest.mark.parametrize("name", ["rte", "bluebird", "face_sentiment", "temp"])
def test_infer__recorded_crowds__every_task_gets_a_verdict(
    inside: Run, crowd_data: Path, tmp_path: Path, name: str, words: list[str]
) -> None:
    labels = crowd_data / name / "labels.csv"
    ended = inside("infer", "--labels", labels, "--proba", "--out", tmp_path / "v.csv", "--json", *words)
    assert ended.code == 0
    rows = rows_of(tmp_path / "v.csv")
    tasks = list(dict.fromkeys(row["task"] for row in rows_of(labels)))
    assert [row["task"] for row in rows] == tasks
    classes = ended.document["classes"]
    assert list(rows[0]) == ["task", "label", "confidence", *(f"p:{c}" for c in classes)]
    truth = {row["task"]: row["label"] for row in rows_of(crowd_data / name / "truth.csv")}
    right = [row["label"] == truth[row["task"]] for row in rows if row["task"] in truth]
    assert sum(right) / len(right) > 1 / len(classes)


def test_infer__machines__are_heard_as_one(inside: Run, tmp_path: Path) -> None:
    labels, machines = tmp_path / "labels.csv", tmp_path / "machines.csv"
    rows = [
        (t, w, "b" if w[0] == "m" and t % 3 == 0 else "a") for t in range(12) for w in ("p1", "p2", "m1", "m2", "m3")
    ]
    labels.write_text("task,worker,label\n" + "".join(f"{t},{w},{label}\n" for t, w, label in rows))
    machines.write_text("worker\nm1\nm2\nm3\n")
    found = {}
    for name, more in (("apart", ()), ("one", ("--machines", machines))):
        out = tmp_path / f"{name}.csv"
        assert inside("infer", "--labels", labels, "--out", out, *more).code == 0
        found[name] = {row["task"]: row["label"] for row in csv.DictReader(out.read_text().splitlines())}
    assert (found["apart"]["0"], found["one"]["0"]) == ("b", "a")
    machines.write_text("worker\nm1\nm9\n")
    ended = inside("infer", "--labels", labels, "--out", tmp_path / "no.csv", "--machines", machines)
    assert ended.code == 2
    assert "machines.csv, line 3, column 'worker': 'm9' has no answer" in ended.err
    assert not (tmp_path / "no.csv").exists()


def test_infer__gold__known_tasks_keep_their_label(inside: Run, crowd_data: Path, tmp_path: Path) -> None:
    labels, truth = crowd_data / "rte" / "labels.csv", crowd_data / "rte" / "truth.csv"
    ended = inside("infer", "--labels", labels, "--gold", truth, "--out", tmp_path / "v.csv", "--json")
    assert ended.code == 0
    known = {row["task"]: row["label"] for row in rows_of(truth)}
    assert all(row["label"] == known[row["task"]] for row in rows_of(tmp_path / "v.csv"))


@pytest.mark.parametrize(
    ("name", "content", "place"),
    [
        ("l.csv", b"task,worker\n1,a\n", "label"),
        ("l.csv", b"", "empty"),
        ("l.csv", b"task,worker,label\n", "no answer"),
        ("l.csv", b"task,worker,label\n1,a,x\n1,b\n", "line 3"),
        ("l.csv", b"task,worker,label\n1,a,\xff\xfe\n", "line 2"),
        ("l.csv", b"task,worker,label\n1,a,\n", "line 2, column 'label'"),
        ("l.csv", b'task,worker,label\n1,a,"x\n', "CSV"),
        ("l.csv", b"task,worker,label\n" + b"x" * (2 << 20), "line 2"),
        ("l.csv.gz", b"not gzip", "l.csv.gz"),
        ("l.jsonl", b'{"task": "1"}\n', "line 1"),
        ("l.parquet", b"nope", "l.parquet"),
        ("l.txt", b"1,a,x\n", "ending"),
    ],
)
def test_infer__bad_file__exit_2_with_its_place(
    inside: Run, tmp_path: Path, name: str, content: bytes, place: str
) -> None:
    (tmp_path / name).write_bytes(content)
    ended = inside("infer", "--labels", tmp_path / name, "--out", tmp_path / "v.csv", "--json")
    assert ended.is_clear()
    assert str(tmp_path / name) in ended.err
    assert place in ended.err
    assert not (tmp_path / "v.csv").exists()


def test_infer__line_of_200_mb__refused_without_reading_it_all(inside: Run, tmp_path: Path) -> None:
    with (tmp_path / "l.csv").open("wb") as file:
        file.write(b"task,worker,label\n1,a,")
        file.truncate(200 << 20)  # the rest of the line is a hole
    begun = time.perf_counter()
    ended = inside("infer", "--labels", tmp_path / "l.csv", "--out", tmp_path / "v.csv")
    assert ended.is_clear()
    assert "line 2" in ended.err
    assert time.perf_counter() - begun < 5


def test_infer__bad_words__exit_2(inside: Run, tmp_path: Path) -> None:
    labels = tmp_path / "l.csv"
    labels.write_text("task,worker,label\n1,a,x\n1,b,y\n")
    (tmp_path / "g.csv").write_text("task,label\n1,x\n")
    out = tmp_path / "v.csv"
    for words, place in (
        (["--labels", tmp_path / "none.csv", "--out", out], "none.csv"),
        (["--labels", labels, "--out", tmp_path / "no" / "v.csv"], "--out"),
        (["--labels", labels, "--out", out, "--method", "magic"], "magic"),
        (["--labels", labels, "--out", out, "--gold", tmp_path / "none.csv"], "none.csv"),
        (["--labels", labels, "--out", out, "--gold", tmp_path / "g.csv", "--method", "vote"], "--gold"),
        (["--labels", tmp_path, "--out", out], "directory"),
    ):
        ended = inside("infer", *words)
        assert ended.is_clear(), words
        assert place in ended.err
    assert not out.exists()


# ---------------------------------------------------------------------- job check


def check(inside: Run, tmp_path: Path, change: dict[str, Any], tasks: str = "task\na\nb\n", *words: object) -> Any:
    (tmp_path / "m.json").write_text(json.dumps({**MANIFEST, **change}))
    (tmp_path / "t.csv").write_text(tasks)
    return inside(
        "job", "check", tmp_path / "m.json", "--tasks", tmp_path / "t.csv", "--home", tmp_path, "--json", *words
    )


def test_job_check__good_job__exact_quote(inside: Run, tmp_path: Path) -> None:
    ended = check(inside, tmp_path, {}, "task,text\na,one\nb,two\n")
    assert (ended.code, ended.err) == (0, "")
    quote = ended.document
    assert (quote["tasks"], quote["answers"], quote["classes"]) == (2, 3, 2)
    assert (quote["base"], quote["bonus"]) == (1000, 200)
    assert (quote["pay"], quote["fee"], quote["escrow"]) == (7200, 180, 7380)
    assert check(inside, tmp_path, {"budget": "7380"}).code == 0


@pytest.mark.parametrize(
    ("change", "tasks", "words", "place"),
    [
        ({"reward": {"base": "0"}}, "task\na\n", [], "base"),
        ({}, "task\n", [], "t.csv"),
        ({"budget": "7379"}, "task\na\nb\n", [], "budget"),
        ({"reward": {"base": "1001"}}, "task\na\n", ["--unit", "1000"], "reward.base"),
        ({"reward": {"base": "1000", "bonus": "1"}}, "task\na\n", ["--unit", "1000"], "reward.bonus"),
        ({}, "task\na\n", ["--unit", "0"], "--unit"),
        ({"reward": {"base": "9" * 30}}, "task\na\n", [], "m.json"),
        ({"redundancy": {"most": 65}}, "task\na\n", [], "redundancy.most"),
        ({"redundancy": {"most": 2, "least": 3}}, "task\na\n", [], "redundancy.least"),
        ({"answer": {"type": "choice", "classes": ["one"]}}, "task\na\n", [], "answer.classes"),
        ({"answer": {"type": "choice", "classes": [str(i) for i in range(65)]}}, "task\na\n", [], "answer.classes"),
        ({"answer": {"type": "choice", "classes": ["a", "a"]}}, "task\na\n", [], "answer.classes"),
        ({"version": 2}, "task\na\n", [], "version"),
        ({"surprise": 1}, "task\na\n", [], "surprise"),
        ({"deadline": -1}, "task\na\n", [], "deadline"),
        ({}, "task\na\na\n", [], "t.csv, line 3, column task"),
        ({}, "name\na\n", [], "t.csv, line 1"),
        ({}, "task,x\na\n", [], "t.csv, line 2"),
        ({}, "task,gold\na,maybe\nb,\n", [], "gold of task 'a' is 'maybe'"),
        ({}, "task,gold\na,cat\nb,cat\n", [], "payload of a form"),
        ({"goldShare": 0.1}, "task,gold\na,cat\nb,\nc,cat\nd,\n", [], "goldShare"),
        ({}, "task,x\na," + "y" * 60_000 + "\n", [], "task 1"),
        ({}, "task\n" + "n" * 2000 + "\n", [], "task 1"),
    ],
)
def test_job_check__bad_job__exit_2_naming_file_and_field(
    inside: Run, tmp_path: Path, change: dict[str, Any], tasks: str, words: list[str], place: str
) -> None:
    ended = check(inside, tmp_path, change, tasks, *words)
    assert ended.is_clear()
    assert place in ended.err
    assert str(tmp_path) in ended.err or place == "--unit"


def test_job_check__gold__is_counted_and_how_much_a_job_needs_is_said(inside: Run, tmp_path: Path) -> None:
    found = check(inside, tmp_path, {}, "task,gold\na,\nb,\nc,cat\nd,\n").document
    assert (found["tasks"], found["gold"]["tasks"], found["gold"]["share"]) == (4, 1, 0.25)
    assert found["gold"]["advice"].startswith(f"{found['gold']['needed']} gold questions")
    assert "terms" not in found
    plain = check(inside, tmp_path, {}, "task\na\nb\n").document
    assert (plain["gold"]["tasks"], "terms" in plain) == (0, True)


@pytest.mark.parametrize(
    ("text", "place"),
    [
        (b"{", "line 1"),
        (b"\xff", "m.json"),
        (b"[" * 100_000, "m.json"),
        (b'{"version": 1, "version": 1}', "twice"),
        (b'{"version": NaN}', "m.json"),
        (b"1" * 10_000, "m.json"),
        (b"", "m.json"),
    ],
)
def test_job_check__no_manifest__exit_2(inside: Run, tmp_path: Path, text: bytes, place: str) -> None:
    (tmp_path / "m.json").write_bytes(text)
    ended = inside("job", "check", tmp_path / "m.json", "--home", tmp_path)
    assert ended.is_clear()
    assert place in ended.err


def test_job_check__jsonl_tasks__payloads_of_any_kind(inside: Run, tmp_path: Path) -> None:
    (tmp_path / "m.json").write_text(json.dumps(MANIFEST))
    rows = [{"task": "a", "payload": {"text": "x", "n": [1, 2.5, None]}}, {"task": "b"}]
    (tmp_path / "t.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    words = ("job", "check", tmp_path / "m.json", "--home", tmp_path, "--json", "--tasks")
    assert inside(*words, tmp_path / "t.jsonl").document["tasks"] == 2
    for line, place in (
        ('{"task": 1}', "line 1"),
        ("{", "line 1"),
        ('{"task": "a", "x": 1}', "line 1"),
        ("\n\n", "no task"),
    ):
        (tmp_path / "t.jsonl").write_text(line)
        ended = inside(*words, tmp_path / "t.jsonl")
        assert ended.is_clear()
        assert place in ended.err


# ---------------------------------------------------------------------- keys, chain, faucet, deploy


def members(inside: Run, home: Path) -> list[dict[str, Any]]:
    return [inside("key", "new", f"m{i}", "--home", home, "--json").document for i in range(4)]


@pytest.fixture
def light(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keystores with a KDF of milliseconds."""
    from eth_account import Account

    encrypt = Account.encrypt
    monkeypatch.setattr(Account, "encrypt", lambda key, password, **_: encrypt(key, password, "scrypt", 4096))


def test_key__new_import_show_list(inside: Run, light: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = inside("key", "new", "alice", "--home", tmp_path, "--json").document
    assert inside("key", "show", "alice", "--home", tmp_path, "--json").document == made
    assert len(made["seal_key"]) == 66
    assert inside("key", "list", "--home", tmp_path, "--json").document["keys"] == [
        {"name": "alice", "address": made["address"]}
    ]
    assert inside("key", "new", "alice", "--home", tmp_path).is_clear()
    assert inside("key", "new", "../evil", "--home", tmp_path).is_clear()
    monkeypatch.setenv("CROWDPROOF_PASSWORD", "wrong")
    monkeypatch.setattr(sys, "stdin", (tmp_path / "none").open("w+"))
    assert inside("key", "import", "bob", "--home", tmp_path).is_clear()
    sys.stdin.close()


@pytest.mark.sockets
def test_deploy__twice__the_same_deployment_and_nothing_spent_again(inside: Run, light: None, tmp_path: Path) -> None:
    committee = members(inside, tmp_path)
    file = tmp_path / "members.csv"
    file.write_text("address,seal_key\n" + "".join(f"{m['address']},{m['seal_key']}\n" for m in committee))
    words = ("deploy", "--home", tmp_path, "--members", file, "--window", 60, "--json")
    try:
        first = inside(*words)
        assert (first.code, first.err) == (0, "")
        written = (tmp_path / "deployment.json").read_bytes()
        url = inside("chain", "status", "--home", tmp_path, "--json").document["url"]
        from oracle.adapters.chain import RpcChain
        from oracle.adapters.contracts import Interfaces

        chain = RpcChain(url, Interfaces({}))
        block = chain.latest().number
        as_arguments = [word for m in committee[::-1] for word in ("--member", f"{m['address']}:{m['seal_key']}")]
        again = inside("deploy", "--home", tmp_path, *as_arguments, "--window", 60, "--json")
        assert again.document == first.document
        assert (tmp_path / "deployment.json").read_bytes() == written
        assert chain.latest().number == block
        chain.close()
        other = inside(*words[:-2], 61)
        assert other.is_clear()
        assert "window" in other.err
        gift = inside("faucet", ADDRESS, "--home", tmp_path, "--coin", 2, "--tokens", 5, "--json")
        assert gift.document["tokens"] == 5_000_000
    finally:
        anvil.stop(tmp_path / "chain")
    audited = inside("audit", "--home", tmp_path, "--json")
    assert (audited.code, audited.document["blocks"]) == (0, 2)  # what jurors are asked; nothing else was stored yet


def test_deploy__bad_committee__exit_2_with_its_place(inside: Run, tmp_path: Path) -> None:
    file, seal = tmp_path / "members.csv", "0x" + "22" * 32
    for text, place in (
        ("address,seal\n", "line 1"),
        (f"address,seal_key\n{ADDRESS}\n", "line 2"),
        (f"address,seal_key\n{ADDRESS},0x12\n", "line 2"),
        (f"address,seal_key\n0x12,{seal}\n", "line 2"),
        (f"address,seal_key\n{ADDRESS},{seal}\n{ADDRESS},{seal}\n", "line 3"),
        (f"address,seal_key\n{ADDRESS},{seal}\n", "4 to 31"),
    ):
        file.write_text(text)
        ended = inside("deploy", "--home", tmp_path / "h", "--members", file)
        assert ended.is_clear(), text
        assert place in ended.err
    four = [word for i in range(4) for word in ("--member", f"0x{i + 1:040x}:{seal}")]
    for words, place in (
        ([*four, "--quorum", 2], "--quorum"),
        ([*four, "--quorum", 5], "--quorum"),
        ([*four, "--window", 0], "--window"),
        ([*four, "--window", 10**7], "--window"),
        ([*four, "--token", "0x1"], "0x1"),
        (["--member", ADDRESS], "ADDRESS:SEALKEY"),
        ([*four, "--rpc", "http://127.0.0.1:1"], "--key"),
        ([*four, "--key", "nobody"], "nobody"),
    ):
        ended = inside("deploy", "--home", tmp_path / "h", *words)
        assert ended.is_clear(), words
        assert place in ended.err
    assert not (tmp_path / "h").exists()


@pytest.mark.sockets
def test_chain__start_status_stop_reset__and_the_faucet(inside: Run, tmp_path: Path) -> None:
    assert inside("chain", "status", "--home", tmp_path, "--json").code == 1
    started = inside("chain", "start", "--home", tmp_path, "--json")
    try:
        assert started.document["running"] is True
        assert inside("chain", "status", "--home", tmp_path, "--json").document == started.document
        given = inside("faucet", ADDRESS, "--home", tmp_path, "--coin", 3, "--json").document
        assert given["coin"] == 3
        for words, place in (
            (["0x12"], "0x12"),
            ([ADDRESS, "--coin", -1], "--coin"),
            ([ADDRESS, "--coin", 10**9], "--coin"),
            ([ADDRESS, "--tokens", 1], "deployment.json"),
        ):
            ended = inside("faucet", *words, "--home", tmp_path)
            assert ended.code == 2
            assert place in ended.err
    finally:
        assert inside("chain", "stop", "--home", tmp_path, "--json").document["stopped"] is True
    ended = inside("faucet", ADDRESS, "--home", tmp_path)
    assert ended.is_clear()
    assert "chain start" in ended.err
    assert inside("chain", "reset", "--home", tmp_path, "--json").document["reset"] is True


# ---------------------------------------------------------------------- doctor


@pytest.mark.sockets
def test_doctor__good_machine__ok(inside: Run, tmp_path: Path) -> None:
    ended = inside("doctor", "--home", tmp_path / "none", "--json")
    assert ended.code == 0
    assert {"Python", "Node", "Anvil", "contracts", "ports"} <= {check["name"] for check in ended.document["checks"]}


@pytest.mark.sockets
def test_doctor__node_and_anvil_missing__says_how_to_mend_it(
    inside: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(anvil, "TOOLS", tmp_path)
    ended = inside("doctor", "--home", tmp_path / "none", "--json")
    assert ended.code == 1
    mend = {check["name"]: check["mend"] for check in ended.document["checks"] if not check["ok"]}
    assert "install Node 20" in mend["Node"]
    assert "make setup" in mend["Anvil"]
