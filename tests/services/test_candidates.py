"""Judging free answers, whatever they are: nothing raises, and what comes out obeys every rule of the chain."""

import json
import random
from dataclasses import replace
from typing import Any

import pytest

from oracle.protocol import free, scoring
from oracle.protocol.epoch import Listed
from oracle.protocol.errors import BadInput, ContentMissing
from oracle.protocol.hashing import ZERO
from oracle.protocol.leaves import Opening, Status, Task
from oracle.protocol.manifest import Manifest, check_manifest
from oracle.protocol.terms import NAT, Terms
from oracle.services import candidates, settle
from oracle.services.verify import Judgement
from oracle.verification.content.texts import _identifier
from tests.support.committee import WINDOW, Town
from tests.support.epochs import manifest_document

ASKED: dict[str, dict[str, Any]] = {
    "text": {"type": "text"},
    "characters": {"type": "text", "unit": "character"},
    "number": {"type": "number", "low": -5, "high": 5},
    "huge": {"type": "number", "low": -1e100, "high": 1e100},
    "spans": {"type": "spans", "labels": ["a", "b"]},
    "boxes": {"type": "boxes", "labels": ["a", "b"]},
    "multi": {"type": "multi", "labels": ["a", "b", "c"]},
    "ranking": {"type": "ranking"},
    "form": {"type": "form", "fields": {"x": ["1", "2"], "y": ["3", "4"]}},
}


def value(kind: str, rng: random.Random) -> str:
    """An answer of the type, few enough that some agree."""
    few = [rng.randrange(4) for _ in range(6)]
    labels = "ab"
    if kind in ("text", "characters"):
        return rng.choice(
            ["", "!!!", "the cat sat", "The CAT sat.", "a dog", "\u4e2d\u6587 \u6587\u5b57", "a " * few[0] * 50]
        )
    if kind == "number":
        return rng.choice(["-5", "5", "0", "0.1", "1e-9", "-0", "4.999999"])
    if kind == "huge":
        return rng.choice(["1e100", "-1e100", "0", "1e-300", "7", "5e99"])
    if kind == "spans":
        spans = [{"start": 10 * i, "end": 10 * i + 1 + few[i], "label": labels[few[i] % 2]} for i in range(few[5])]
        return json.dumps(spans)
    if kind == "boxes":
        boxes = [
            {"x": few[i], "y": 0, "w": 1 + few[i], "h": 1e-6 + few[5], "label": labels[few[i] % 2]}
            for i in range(few[4])
        ]
        return json.dumps(boxes)
    if kind == "multi":
        return json.dumps([one for one in "abc" if rng.random() < 0.5])
    if kind == "ranking":
        names = ["p", "q", "r", "s"]
        rng.shuffle(names)
        return json.dumps(names[: 2 + few[0] % 3])
    return json.dumps(
        {name: rng.choice(options) for name, options in ASKED["form"]["fields"].items() if rng.random() < 0.8}
    )


def job(kind: str, most: int, **changes: Any) -> tuple[Terms, Manifest]:
    answer = {"type": "free", "asked": ASKED[kind]}
    manifest = check_manifest(manifest_document(answer=answer, redundancy={"most": most, "least": 1}, **changes))
    caps = (0, 0) if manifest.document["decision"]["rule"] == "vote" else (6 * NAT, NAT)
    return Terms(len(manifest.classes), 5, most, 1_000, 300, 250, *caps, bytes(32), bytes(32), 0, True), manifest


def listed(worker: int, payload: bytes) -> Listed:
    return Listed(worker, 0, 255, Status.COUNTED, Opening(bytes(32), bytes(32), payload, b"\x01" * 32, ZERO, b""))


def require_rules(terms: Terms, found: Judgement, tasks: dict[int, list[Listed]]) -> None:
    """Every row and prior within the terms, and the label that the integers give: what an auditor recomputes."""
    for (_, label), row in found.rows.items():
        assert scoring.row_fault(terms, label, row) is None
    for task in tasks:
        assert scoring.prior_fault(terms, found.priors[task]) is None
        rows = [found.rows[worker, label] for worker, label in found.stands[task].items()]
        assert scoring.decide(found.priors[task], rows) == found.labels[task]
        assert len(set(found.candidates[task])) == len(found.candidates[task])
        assert not rows or max(found.labels[task], *found.stands[task].values()) < len(found.candidates[task])


@pytest.mark.parametrize("rule", ["weighted", "vote"])
@pytest.mark.parametrize("kind", ASKED)
def test_judge__any_answers__what_comes_out_obeys_the_rules(kind: str, rule: str) -> None:
    for seed in range(12):
        rng = random.Random(seed)
        most = rng.choice([1, 2, 3, 7])
        terms, manifest = job(kind, most, decision={"rule": rule})
        asked = [Task(t, str(t), {"text": "x"}) for t in range(5)]
        crowd = {
            t: [listed(w, free.payload_of(value(kind, rng))) for w in range(1, 1 + rng.randint(1, most))]
            for t in range(5)
        }
        before = {t: [replace(one, label=0) for one in crowd[t]] for t in (3, 4)}
        tasks = {t: crowd[t] for t in (0, 1, 2)}
        found = candidates.judge(1, terms, manifest, asked, tasks, before)
        require_rules(terms, found, tasks)
        again = candidates.judge(1, terms, manifest, asked, tasks, before)
        assert (again.stands, again.candidates, again.rows) == (found.stands, found.candidates, found.rows)


HOSTILE = [
    "[" * 8_000,
    '{"a":' * 1_500,
    "9" * 8_000,
    "-" + "9" * 400,
    "1e999",
    "NaN",
    "Infinity",
    "null",
    "true",
    '""',
    "[null]",
    '[{"start":0,"end":1e400,"label":"a"}]',
    '[{"start":-1,"end":0,"label":"a"}]',
    '[{"start":0,"end":9999999999999999999999,"label":"a"}]',
    '[{"x":0,"y":0,"w":0,"h":0,"label":"a"}]',
    '[{"x":1e308,"y":1e308,"w":1e308,"h":1e308,"label":"a"}]',
    '{"x":{"x":{"x":"1"}}}',
    '{"x":"1","x":"2"}',
    '["p","p"]',
    '["a","a"]',
    "\u202e\u0000"[:1],
    "\ud7ff",
    "\x07",
    "a\u0301" * 2_000,
]


@pytest.mark.parametrize("kind", ASKED)
def test_value_of__hostile_texts__are_read_or_not_and_never_raise(kind: str) -> None:
    of = candidates.kind_of(ASKED[kind])
    read = [text for text in HOSTILE if candidates.value_of(of, free.payload_of(text)) is not None]
    terms, manifest = job(kind, 7)
    tasks = {0: [listed(w, free.payload_of(text)) for w, text in enumerate(read, 1)][:7]}
    if tasks[0]:
        require_rules(terms, candidates.judge(1, terms, manifest, [Task(0, "0", None)], tasks, {}), tasks)


@pytest.mark.parametrize(
    ("answer", "field"),
    [
        ({"type": "free"}, "asked"),
        ({"type": "free", "asked": {"type": "choice"}}, "answer.asked.type"),
        ({"type": "free", "asked": {"type": "number"}}, "answer.asked"),
        ({"type": "free", "asked": {"type": "number", "low": 1, "high": 1}}, "answer.asked"),
        ({"type": "free", "asked": {"type": "number", "low": 0, "high": 1e300}}, "answer.asked.high"),
        ({"type": "free", "asked": {"type": "spans"}}, "answer.asked.labels"),
        ({"type": "free", "asked": {"type": "form", "fields": {"x": ["1"]}}}, "answer.asked.fields"),
        ({"type": "free", "asked": {"type": "form"}}, "answer.asked.fields"),
        ({"type": "free", "asked": {"type": "text"}, "classes": ["a", "b"]}, "classes"),
        ({"type": "free", "asked": {"type": "text"}, "candidates": 65}, "answer.candidates"),
        (
            {"type": "free", "asked": {"type": "boxes", "labels": ["a"]}, "content": {"reject": ["echo"]}},
            "answer.content",
        ),
        ({"type": "free", "asked": {"type": "text"}, "content": {"reject": ["language"]}}, "answer.content.languages"),
        ({"type": "free", "asked": {"type": "text"}, "content": {"reject": []}}, "answer.content.reject"),
        (
            {"type": "free", "asked": {"type": "text"}, "content": {"reject": ["length"], "languages": ["xx"]}},
            "answer.content.languages",
        ),
        (
            {"type": "free", "asked": {"type": "text"}, "content": {"reject": ["length"], "least": 9, "most": 8}},
            "answer.content.least",
        ),
        ({"type": "choice", "classes": ["a", "b"], "asked": {"type": "text"}}, "answer.type"),
        ({"type": "choice", "classes": ["a", "b"], "candidates": 3}, "candidates"),
        ({"type": "choice", "classes": ["a", "b"], "content": {"reject": ["echo"]}}, "content"),
    ],
)
def test_manifest__of_free_answers__names_the_field_that_is_wrong(answer: dict[str, Any], field: str) -> None:
    with pytest.raises(BadInput, match=field):
        check_manifest(manifest_document(answer=answer))


@pytest.mark.parametrize(
    "changes",
    [
        {"redundancy": {"most": 3, "confidence": 0.9}},
        {"goldShare": 0.1},
        {"releases": {"epsilon": 1}},
    ],
)
def test_manifest__what_needs_common_classes__does_not_go_with_free_answers(changes: dict[str, Any]) -> None:
    check_manifest(manifest_document(**changes))
    with pytest.raises(BadInput, match=next(iter(changes))):
        check_manifest(manifest_document(answer={"type": "free", "asked": ASKED["text"]}, **changes))


def test_manifest__languages__are_those_that_the_check_knows() -> None:
    for language in _identifier().labels:
        content = {"reject": ["language"], "languages": [language]}
        answer = {"type": "free", "asked": ASKED["text"], "content": content}
        check_manifest(manifest_document(answer=answer))


def test_job__at_which_a_model_fails__holds_up_no_other(town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    bad = town.open_job(1, 1, answer={"type": "free", "asked": ASKED["text"]})
    (worker,) = town.register(1)
    town.fill_job(bad, {(0, worker): "a dog"})
    with monkeypatch.context() as patched:
        patched.setattr(candidates, "_decide", lambda *_: 1 / 0)
        assert not settle.post_next(town.settler(), town.state)
        good, _ = town.ready_job()
        assert settle.post_next(town.settler(), town.state)
    post = town.state.unstruck()[-1]
    assert {v.job for v in town.settler().books.epoch(post.epoch, post.content).verdicts} == {good}
    town.chain.mine(seconds=WINDOW)
    assert settle.finalise_pending(town.settler(), town.state, town.index.view().now)
    assert settle.post_next(town.settler(), town.state)


def test_job__whose_answers_are_of_no_type__waits_alone(town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    """As if a manifest had passed that the types refuse: other jobs go on."""
    bad = town.open_job(1, 1, answer={"type": "free", "asked": ASKED["text"]})
    good, _ = town.ready_job()

    def refuse(asked: dict[str, Any]) -> None:
        raise BadInput(f"no type: {asked}")

    monkeypatch.setattr(candidates, "kind_of", refuse)
    with pytest.raises(ContentMissing, match="no type"):
        town.settler().books.job(town.state.jobs[bad].terms)
    assert settle.post_next(town.settler(), town.state)
    post = town.state.unstruck()[-1]
    assert {v.job for v in town.settler().books.epoch(post.epoch, post.content).verdicts} == {good}
