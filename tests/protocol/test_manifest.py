"""Manifests and the jobs made of them: every bad input is refused before money is spent, with the field's name."""

import copy
import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from oracle.protocol import manifest as mf
from oracle.protocol import pages
from oracle.protocol.cids import Cid, Codec, cid_of, decode, digest_of, encode
from oracle.protocol.errors import BadInput
from oracle.protocol.leaves import Task, leaf_of
from oracle.protocol.manifest import Manifest, check_manifest, load_job, make_job, read_manifest
from oracle.protocol.pages import Source
from oracle.protocol.terms import MAX_LEAF, NAT, Terms
from oracle.protocol.trees import root
from tests.support.epochs import World, manifest_document

TASKS = [Task(i, f"task {i}", {"text": f"animal {i}"}) for i in range(3)]
NEED = 3 * 4 * 1300 * 1025 // 1000


def changed(path: str, value: Any) -> dict[str, Any]:
    """The small manifest with one field, named by its path, replaced."""
    document = copy.deepcopy(manifest_document())
    *above, last = path.split(".")
    place = document
    for name in above:
        place = place.setdefault(name, {})
    place[last] = value
    return document


def without(path: str) -> dict[str, Any]:
    document = copy.deepcopy(manifest_document())
    *above, last = path.split(".")
    place = document
    for name in above:
        place = place[name]
    del place[last]
    return document


def job(unit: int = 1, tasks: list[Task] | None = None, **changes: Any) -> tuple[Terms, list[Any]]:
    return make_job(check_manifest(manifest_document(**changes)), TASKS if tasks is None else tasks, unit, "job.json")


# ------------------------------------------------------------------------------------------------------------- the text


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (b"", "line 1, column 1"),
        (b"{", "column 2"),
        (b'{"version": 1,\n "title" 3}', "line 2, column 10"),
        (b'{"title": "\xff\xfe"}', "utf-8"),
        ('{"title": "é"}'.encode("latin-1"), "utf-8"),
        (json.dumps(manifest_document()).encode("utf-16"), "utf-8"),
        (json.dumps(manifest_document()).encode("utf-32-le"), "not JSON"),
        (b'{"title": "a", "title": "b"}', "'title' stands twice"),
        (b'{"reward": {"base": "1", "base": "2"}}', "'base' stands twice"),
        (b"[" * 100_000, "nest"),
        (b'{"a":' * 100_000, "nest"),
        (b" " * (mf.MAX_BYTES + 1), "bytes are more than"),
        (b"[]", "the document"),
        (b"null", "the document"),
        (b"1", "the document"),
        (b"NaN", "the document"),
    ],
    ids=lambda value: repr(value[:20]),
)
def test_read_manifest__not_a_manifest__says_where(text: bytes, says: str) -> None:
    with pytest.raises(BadInput, match=says) as problem:
        read_manifest(text, "job.json")
    assert str(problem.value).startswith("job.json")
    assert len(str(problem.value)) < 2000


def test_read_manifest__text_bytes_and_a_byte_order_mark__are_the_same() -> None:
    text = json.dumps(manifest_document(title="Tiere 🦉"), ensure_ascii=False)
    assert read_manifest(text) == read_manifest(text.encode()) == read_manifest(b"\xef\xbb\xbf" + text.encode())


@pytest.mark.parametrize("digits", [20, 400, 10_000])
@pytest.mark.parametrize("field", ["deadline", "feeBps", "assignmentSeconds"])
def test_read_manifest__a_huge_number__names_the_field(digits: int, field: str) -> None:
    text = json.dumps(changed(field, "HERE")).replace('"HERE"', "9" * digits)
    with pytest.raises(BadInput, match=field):
        read_manifest(text)


@pytest.mark.parametrize("literal", ["NaN", "Infinity", "-Infinity", "1e999", "-1e999"])
@pytest.mark.parametrize("field", ["goldShare", "decision.weightCap", "decision.priorCap", "deadline"])
def test_read_manifest__no_finite_number__names_the_field(literal: str, field: str) -> None:
    text = json.dumps(changed(field, "HERE")).replace('"HERE"', literal)
    with pytest.raises(BadInput, match=field):
        read_manifest(text)


@pytest.mark.parametrize("depth", [33, 100, 500, 900])
def test_check_manifest__deep_nesting__names_the_field(depth: int) -> None:
    deep: Any = "x"
    for _ in range(depth):
        deep = [deep]
    with pytest.raises(BadInput, match=r"qualifications.*nest"):
        check_manifest(changed("qualifications", deep))


def test_read_manifest__brackets_in_texts_and_side_by_side__are_no_depth() -> None:
    title = r"\"[[{{" * 20
    text = json.dumps(manifest_document(title="HERE")).replace("HERE", title)
    assert read_manifest(text).document["title"] == '"[[{{' * 20
    many = [[f"task {i}", "task 0"] for i in range(1, 100)]
    assert read_manifest(json.dumps(manifest_document(dependencies=many))).document["dependencies"] == many


def test_check_manifest__half_a_surrogate_pair__names_the_field() -> None:
    with pytest.raises(BadInput, match=r"answer\.classes\.1"):
        read_manifest(json.dumps(changed("answer.classes", ["a", "\ud800"])))
    with pytest.raises(BadInput, match="surrogate"):
        check_manifest(changed("\udfff", 1))


# ----------------------------------------------------------------------------------------------------------- the fields

BAD: list[tuple[str, Any]] = [
    ("version", 2),
    ("version", True),
    ("title", ""),
    ("title", "x" * 201),
    ("title", 5),
    ("instructions", ""),
    ("instructions", None),
    ("answer", "choice"),
    ("answer.type", "text"),
    ("answer.classes", ["one"]),
    ("answer.classes", [str(i) for i in range(65)]),
    ("answer.classes", ["a", "a"]),
    ("answer.classes", ["a", ""]),
    ("answer.classes", ["a", 1]),
    ("answer.classes", {"a": 1, "b": 2}),
    ("redundancy.most", 0),
    ("redundancy.most", 65),
    ("redundancy.most", 2.5),
    ("redundancy.most", "4"),
    ("redundancy.most", True),
    ("redundancy.least", 0),
    ("redundancy.least", 5),
    ("reward.base", 1000),
    ("reward.base", "-1"),
    ("reward.base", "1.5"),
    ("reward.base", "01"),
    ("reward.base", "1e3"),
    ("reward.base", ""),
    ("reward.base", "1\n"),
    ("reward.base", "٣"),
    ("reward.base", "9" * 79),
    ("reward.bonus", None),
    ("budget", "1 000"),
    ("feeBps", -1),
    ("feeBps", 10_001),
    ("feeBps", 0.5),
    ("decision.rule", "median"),
    ("decision.weightCap", 0),
    ("decision.weightCap", 17),
    ("decision.weightCap", "6"),
    ("decision.priorCap", -1),
    ("decision.priorCap", 17),
    ("deadline", 0),
    ("deadline", 1 << 32),
    ("deadline", "tomorrow"),
    ("assignmentSeconds", 59),
    ("goldShare", 0.51),
    ("qualifications", ["x" * 201]),
    ("allow", ["0x12"]),
    ("allow", ["0x" + "g" * 40]),
    ("deny", ["0x" + "a" * 40 + "\n"]),
    ("visibility", "private"),
    ("dependencies", [["a"]]),
    ("dependencies", [["a", "b", "c"]]),
    ("redundancy.confidence", 0),
    ("redundancy.confidence", 1),
    ("releaseConfidence", 1.1),
    ("taskSeconds", 0),
    ("taskDeadlines", [["a", "soon"]]),
    ("taskDeadlines", [[1, 5]]),
    ("workerTasks", 0),
    ("conflicts", [["a"]]),
    ("unknown", 1),
    ("answer.unknown", 1),
    ("decision.unknown", 1),
]


@pytest.mark.parametrize(("path", "value"), BAD, ids=lambda v: repr(v)[:30])
def test_check_manifest__a_field_out_of_its_rules__is_named(path: str, value: Any) -> None:
    check_manifest(manifest_document())
    with pytest.raises(BadInput) as problem:
        read_manifest(json.dumps(changed(path, value)), "job.json")
    named = path if path.rsplit(".", 1)[-1] != "unknown" else "unknown"
    assert named in str(problem.value)
    assert str(problem.value).startswith("job.json: ")


REQUIRED = ["version", "title", "instructions", "answer", "answer.type", "answer.classes", "redundancy"]
REQUIRED += ["redundancy.most", "reward", "reward.base", "deadline"]


@pytest.mark.parametrize("path", REQUIRED)
def test_check_manifest__a_required_field_missing__is_named(path: str) -> None:
    with pytest.raises(BadInput, match=path.rsplit(".", maxsplit=1)[-1]):
        check_manifest(without(path))


def test_check_manifest__what_may_be_left_out__gets_its_default() -> None:
    least = {key: manifest_document()[key] for key in ("version", "title", "instructions", "answer", "deadline")}
    found = check_manifest({**least, "redundancy": {"most": 3}, "reward": {"base": "5"}})
    assert found.document["redundancy"] == {"most": 3, "least": 1}
    assert found.document["reward"] == {"base": "5", "bonus": "0"}
    assert found.document["decision"] == {"rule": "weighted", "weightCap": 6, "priorCap": 1}
    assert (found.document["feeBps"], found.assignment_seconds, found.least) == (0, 86_400, 1)
    assert [found.document[name] for name in ("allow", "deny", "qualifications", "dependencies")] == [[], [], [], []]
    assert (found.document["visibility"], found.document["goldShare"]) == ("public", 0)
    assert found.classes == ["cat", "dog", "owl"]
    assert check_manifest(found.document) == found  # reading again what was filled in changes nothing


def test_check_manifest__the_document_given__is_not_changed() -> None:
    document = manifest_document(feeBps=250.0)
    before = copy.deepcopy(document)
    check_manifest(document)
    assert document == before
    assert type(document["feeBps"]) is float


FIELDS = [*sorted(manifest_document()), "decision", "allow", "goldShare", "budget"]
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


@settings(max_examples=150)
@given(field=st.sampled_from(FIELDS), value=json_values)
def test_check_manifest__anything_in_a_field__is_bad_input_or_makes_a_job(field: str, value: Any) -> None:
    try:
        found = check_manifest(manifest_document(**{field: value}))
        terms, _ = make_job(found, TASKS, 1)
    except BadInput:
        return
    assert len(terms.hash()) == 32


@settings(max_examples=100)
@given(st.text(max_size=60) | st.binary(max_size=60))
def test_read_manifest__anything__is_bad_input(text: str | bytes) -> None:
    with pytest.raises(BadInput):
        read_manifest(text)


# -------------------------------------------------------------------------------------------------------------- the job


def test_make_job__a_good_manifest__gives_its_terms_and_blocks() -> None:
    terms, blocks = job()
    assert terms.escrow() == NEED
    expected = (3, 3, 4, 1000, 300, 250, 6 * NAT, NAT)
    assert (terms.classes, terms.tasks, terms.answers, terms.base, terms.bonus) == expected[:5]
    assert (terms.fee_bps, terms.weight_cap, terms.prior_cap) == expected[5:]
    assert terms.task_root == root([leaf_of(task) for task in TASKS])
    data, codec = blocks[-1]
    assert terms.manifest == digest_of(cid_of(data, codec))
    node: Any = decode(data)
    assert check_manifest(node["manifest"]) == check_manifest(manifest_document())


def test_make_job__the_same_manifest_written_otherwise__gives_the_same_terms() -> None:
    document = manifest_document()
    ways = [
        json.dumps(document),
        json.dumps(document, indent=4, sort_keys=True),
        json.dumps(dict(reversed(document.items()))),
        json.dumps(document).replace("250", "250.0").replace('"most": 4', '"most": 4.0'),
        json.dumps(document | {"decision": {"weightCap": 6.0}}),
        json.dumps(check_manifest(document).document),
        json.dumps(document).replace('version": 1', 'version": 1e0'),
    ]
    assert len(set(ways)) == 7
    made = [make_job(read_manifest(text), TASKS, 1) for text in ways]
    assert all(one == made[0] for one in made)
    assert all(type(value) in (int, bytes) for terms, _ in made for value in (terms.fee_bps, terms.answers))


def test_make_job__another_manifest_or_task__gives_another_hash() -> None:
    variants = [job(), job(title="Beasts"), job(feeBps=251), job(tasks=TASKS[:2])]
    variants.append(job(tasks=[*TASKS[:2], Task(2, "task 2", {"text": "another"})]))
    assert len({terms.hash() for terms, _ in variants}) == 5


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"reward": {"base": "0", "bonus": "0"}}, r"reward\.base and reward\.bonus are both 0"),
        ({"reward": {"base": "0"}}, r"reward\.base and"),
        ({"reward": {"base": str(2**64)}}, r"terms\.base"),
        ({"reward": {"base": "9" * 78}}, r"terms\.base"),
        ({"reward": {"base": "1", "bonus": str(2**64)}}, r"terms\.bonus"),
        ({"reward": {"base": str(2**64 - 1)}}, "does not fit 64 bits"),
        ({"budget": str(NEED - 1)}, f"budget is {NEED - 1}.* need {NEED}"),
        ({"budget": "0"}, "budget"),
        ({"decision": {"weightCap": 1e-9}}, r"decision\.weightCap"),
        ({"decision": {"weightCap": 1e-9, "priorCap": 0}}, r"decision\.weightCap"),
        ({"dependencies": [["task 0", "task 9"]]}, r"dependencies\.0.*'task 9'"),
        ({"dependencies": [["task 0", "task 1"], ["task 1", "task 0"]]}, "wait for each other"),
        ({"dependencies": [["task 1", "task 1"]]}, "wait for each other"),
        ({"conflicts": [["task 0", "task 9"]]}, r"conflicts\.0.*'task 9'"),
        ({"taskDeadlines": [["task 0", 5], ["task 9", 5]]}, r"taskDeadlines\.1.*'task 9'"),
        ({"taskDeadlines": [["task 0", (1 << 32) - 1]]}, r"taskDeadlines\.0: .* after the job's deadline"),
    ],
)
def test_make_job__what_cannot_be_funded_or_done__is_refused(changes: dict[str, Any], says: str) -> None:
    with pytest.raises(BadInput, match=says) as problem:
        job(**changes)
    assert str(problem.value).startswith("job.json: ")


def test_make_job__a_budget_of_exactly_the_need__is_enough() -> None:
    assert job(budget=str(NEED))[0].escrow() == NEED
    assert job(dependencies=[["task 0", "task 1"], ["task 0", "task 2"], ["task 1", "task 2"]])


def test_make_job__amounts_in_another_unit__must_be_its_multiples() -> None:
    unit = 10**12
    reward = {"base": str(1000 * unit), "bonus": str(300 * unit)}
    assert job(unit, reward=reward, budget=str(NEED * unit))[0].escrow() == NEED
    with pytest.raises(BadInput, match="budget"):
        job(unit, reward=reward, budget=str(NEED * unit - 1))
    for field, amount in (("base", "1000000000001"), ("bonus", "1")):
        with pytest.raises(BadInput, match=rf"job\.json: reward\.{field} is {amount}, no multiple of the unit {unit}"):
            job(unit, reward=reward | {field: amount})


@pytest.mark.parametrize(("rule", "caps"), [("vote", (0, 0)), ("weighted", (2 * NAT, 0))])
def test_make_job__each_rule__gives_its_caps(rule: str, caps: tuple[int, int]) -> None:
    terms, _ = job(decision={"rule": rule, "weightCap": 2, "priorCap": 0})
    assert (terms.weight_cap, terms.prior_cap) == caps


@pytest.mark.parametrize(
    ("tasks", "says"),
    [
        ([], "1 to 16777216 tasks, not 0"),
        ([Task(0, "", None)], "task 1: an id has"),
        ([Task(0, "x" * 1025, None)], "task 1: an id has"),
        ([Task(0, "é" * 513, None)], "task 1: an id has"),
        ([Task(0, "a", None), Task(1, "a", None)], "task 2 has the id of task 1, 'a'"),
        ([Task(1, "a", None)], "task 1 is numbered 1"),
        ([Task(0, "a", None), Task(0, "b", None)], "task 2 is numbered 0"),
        ([Task(0, "a", "x" * MAX_LEAF)], r"task 1 \('a'\): its payload exceeds 50000"),
        ([Task(0, "a", b"x" * (2 << 20))], r"task 1 \('a'\): a block of"),
        ([Task(0, "a", float("nan"))], r"task 1 \('a'\)"),
        ([Task(0, "a", 1 << 70)], r"task 1 \('a'\)"),
        ([Task(0, "a", {"x": {1, 2}})], r"task 1 \('a'\)"),
        ([Task(0, "a", "\ud800")], r"task 1 \('a'\)"),
        ([Task(0, "\ud800", None)], "task 1"),
    ],
)
def test_make_job__tasks_that_break_a_rule__are_named(tasks: list[Task], says: str) -> None:
    with pytest.raises(BadInput, match=says) as problem:
        job(tasks=tasks)
    assert len(str(problem.value)) < 2000


# ------------------------------------------------------------------------------------------------------------ load_job


def stored(**changes: Any) -> tuple[World, Terms]:
    world = World()
    terms, blocks = job(**changes)
    world.store(blocks)
    return world, terms


def test_load_job__what_make_job_stored__comes_back() -> None:
    many = [Task(i, f"t{i}", {"n": i}) for i in range(2100)]
    world, terms = stored(tasks=many)
    assert load_job(world.source(), 3, terms) == (check_manifest(manifest_document()), many, [])


def test_load_job__a_missing_manifest__is_a_fault() -> None:
    _, terms = stored()
    manifest, tasks, faults = load_job(World().source(), 3, terms)
    assert (manifest, tasks) == (None, [])
    assert [(f.epoch, f.tree, f.index) for f in faults] == [(3, "manifest", 0)]


@pytest.mark.parametrize(
    ("field", "value"),
    [("classes", 4), ("answers", 5), ("fee_bps", 0), ("weight_cap", 1), ("prior_cap", 0)],
)
def test_load_job__terms_that_are_not_the_manifests__are_a_fault(field: str, value: int) -> None:
    world, terms = stored()
    changes: Any = {field: value}
    faults = load_job(world.source(), 3, replace(terms, **changes))[2]
    assert [(f.tree, f.index) for f in faults] == [("manifest", 0)]
    assert field in faults[0].what


@pytest.mark.parametrize("changes", [{"tasks": 2}, {"tasks": 4}, {"task_root": bytes(32)}])
def test_load_job__terms_with_other_tasks__are_a_fault(changes: Any) -> None:
    world, terms = stored()
    manifest, tasks, faults = load_job(world.source(), 3, replace(terms, **changes))
    assert manifest is not None
    assert tasks == []
    assert [(f.tree, f.index) for f in faults] == [("tasks", 0)]


def test_load_job__tasks_numbered_by_a_hostile_requester__are_a_fault() -> None:
    world = World()
    node, blocks = pages.pack([Task(0, "a", None), Task(2, "b", None)])
    block = encode({"manifest": check_manifest(manifest_document()).document, "tasks": node})
    world.store([*blocks, (block, Codec.DAG_CBOR)])
    digest = digest_of(cid_of(block, Codec.DAG_CBOR))
    terms = replace(job()[0], tasks=2, task_root=node["root"], manifest=digest)
    assert [(f.tree, f.index) for f in load_job(world.source(), 3, terms)[2]] == [("tasks", 1)]


@pytest.mark.parametrize(
    "node",
    [
        None, 5, [], {}, {"manifest": {}}, {"manifest": None, "tasks": None}, "text",
        {"manifest": manifest_document(), "tasks": None},
        {"manifest": manifest_document(), "tasks": {"root": bytes(32), "size": 1}},
        {"manifest": manifest_document(), "tasks": {"root": bytes(32), "size": 3, "pages": [[0, None]]}},
        {"manifest": manifest_document(title=""), "tasks": {"root": bytes(32), "size": 0, "pages": []}},
        {"manifest": manifest_document(), "tasks": {"root": bytes(32), "size": 0, "pages": []}},
    ],
)  # fmt: skip
def test_load_job__a_hostile_manifest_block__is_faults_and_never_raises(node: Any) -> None:
    world, terms = stored()
    block = encode(node)
    world.store([(block, Codec.DAG_CBOR)])
    hostile = replace(terms, manifest=digest_of(cid_of(block, Codec.DAG_CBOR)))
    _, tasks, faults = load_job(world.source(), 3, hostile)
    assert tasks == []
    assert faults


def test_load_job__a_byte_flipped_anywhere__is_a_fault_at_its_task() -> None:
    world, terms = stored()
    records = [encode(task.record()) for task in TASKS]
    data = b"".join(records)
    ends = [sum(map(len, records[: i + 1])) for i in range(3)]
    for cid, block in world.blocks.items():
        for at in range(len(block)):
            torn = block[:at] + bytes([block[at] ^ 1 << at % 8]) + block[at + 1 :]
            _, tasks, faults = load_job(world.source({cid: torn}), 3, terms)
            assert tasks == []
            expected = {("manifest", 0), ("tasks", 0)}
            if block == data:
                expected = {("tasks", next(i for i, end in enumerate(ends) if at < end))}
            assert {(f.tree, f.index) for f in faults} <= expected
            assert faults


def test_load_job__the_source_lies_about_nothing__reads_each_block_once() -> None:
    world, terms = stored()
    reads: list[Cid] = []
    good = world.source()

    def read(cid: Cid) -> bytes:
        reads.append(cid)
        return good.read(cid)

    load_job(Source(read, good.damaged), 3, terms)
    assert sorted(reads) == sorted(world.blocks)


def test_manifest__deadline__is_the_documents() -> None:
    assert isinstance(check_manifest(manifest_document()), Manifest)
    assert check_manifest(manifest_document(deadline=77)).deadline == 77
