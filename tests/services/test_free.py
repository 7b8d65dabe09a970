"""Jobs of free answers, from sealed texts to a posted epoch: candidates, rejections, and what other members refuse."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import pytest

from oracle.ports import Evidence, Proposal
from oracle.protocol import free
from oracle.protocol.cids import Codec, Link, cid_of, decode, digest_of, encode, from_digest
from oracle.protocol.errors import BadInput, Refused
from oracle.protocol.leaves import Status
from oracle.services import candidates, draft, settle
from oracle.services.books import Books, source
from oracle.services.verify import Judgement
from tests.support.committee import WINDOW, Town

TEXT = {"type": "free", "asked": {"type": "text"}}
SAID = {
    0: ["the cat sat on the mat", "the cat sat on the mat", "the cat sat on a mat and then it slept"],
    1: ["a dog", "a dog", "a fog"],
    2: ["seven", "seven", "seven"],
}


def filled(town: Town, said: Mapping[int, list[Any]] = SAID, **changes: Any) -> int:
    job = town.open_job(len(said), len(said[0]), **{"answer": TEXT, **changes})
    workers = list(town.register(len(said[0])))
    town.fill_job(job, {(t, w): said[t][i] for t in said for i, w in enumerate(workers)})
    return job


def posted(town: Town) -> Any:
    assert settle.post_next(town.settler(), town.state)
    post = town.state.unstruck()[-1]
    return town.settler().books.epoch(post.epoch, post.content)


def named(town: Town, model: bytes) -> dict[tuple[int, int], tuple[str, ...]]:
    return town.settler().books.candidates(model)


def test_settle__free_texts__each_task_has_its_candidates_and_the_crowds_wins(town: Town) -> None:
    job = filled(town)
    epoch = posted(town)
    found = named(town, epoch.model)
    texts = [found[job, v.task][v.label] for v in epoch.verdicts]
    assert texts == ["the cat sat on the mat", "a dog", "seven"]
    dogs = epoch.verdicts[1]
    assert [found[job, 1][core.label] for core in dogs.cores] == SAID[1]
    terms = town.state.jobs[job].terms
    assert terms.free and dogs.pay == epoch.verdicts[0].pay + 3 * terms.base + 2 * terms.bonus


@pytest.mark.parametrize("payload", [b"\x01", bytes(63), b"a\0b" + bytes(61), b"\xff" + bytes(63), b"\x01" + bytes(63)])
def test_settle__a_payload_that_is_no_text__unopened_and_unpaid(town: Town, payload: bytes) -> None:
    if not free.is_size(len(payload)):
        with pytest.raises(Refused, match="size"):
            filled(town, {0: ["a dog", "a dog", payload]})
        return
    filled(town, {0: ["a dog", "a dog", payload]})
    cores = posted(town).verdicts[0].cores
    assert [core.status for core in cores] == [Status.COUNTED, Status.COUNTED, Status.UNOPENED]


def test_settle__free_numbers__bins_of_the_scale(town: Town) -> None:
    asked = {"type": "number", "low": 0, "high": 100}
    job = filled(town, {0: ["12", "13.5", "14.1"], 1: ["50", "51", "49"]}, answer={"type": "free", "asked": asked})
    epoch = posted(town)
    assert town.state.jobs[job].terms.classes == 20
    found = [float(named(town, epoch.model)[job, v.task][v.label]) for v in epoch.verdicts]
    assert found == pytest.approx([13.2, 50.0], abs=0.5)


def test_settle__nothing_readable__a_verdict_without_candidates(town: Town) -> None:
    job = filled(town, {0: [b"\xff" + bytes(63)] * 3})
    epoch = posted(town)
    assert named(town, epoch.model)[job, 0] == ()
    assert epoch.verdicts[0].pay == 0


def test_settle__a_text_that_the_policy_rejects__listed_with_its_reason_and_unpaid(town: Town) -> None:
    content = {"reject": ["length"], "least": 5}
    job = filled(town, {0: ["a brown dog", "a brown dog", "dog"]}, answer=TEXT | {"content": content})
    epoch = posted(town)
    verdict = epoch.verdicts[0]
    assert [core.status for core in verdict.cores] == [Status.COUNTED, Status.COUNTED, Status.REJECTED]
    reason = decode(town.content.get(from_digest(Codec.DAG_CBOR, verdict.openings[2].reason)))
    assert (reason["job"], reason["task"]) == (job, 0)
    assert [finding["reason"] for finding in reason["findings"]] == ["too-short"]
    assert named(town, epoch.model)[job, 0] == ("a brown dog",)


def test_settle__a_second_epoch__knows_the_workers_of_the_first(town: Town) -> None:
    job = town.open_job(4, 3, answer=TEXT)
    workers = list(town.register(3))
    for tasks in ((0, 1), (2, 3)):
        said = {
            (t, w): f"the answer {t}" if i < 2 else f"something else {t} {i}"
            for t in tasks
            for i, w in enumerate(workers)
        }
        town.fill_job(job, said)
        epoch = posted(town)
        town.chain.mine(seconds=WINDOW)
        assert settle.finalise_pending(town.settler(), town.state, town.index.view().now)
    card = decode(town.content.get(from_digest(Codec.DAG_CBOR, epoch.model)))
    assert card["jobs"][0]["known_tasks"] == 2


def test_settle__more_than_an_epoch_may_hold__goes_on_in_the_next(town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    job = filled(town)
    size = sum(len(a.envelope) for a in town.nodes[0].database.answers(job))
    monkeypatch.setattr(draft, "MOST_BYTES", size - 1)
    assert [v.task for v in posted(town).verdicts] == [0, 1]
    town.chain.mine(seconds=WINDOW)
    assert settle.finalise_pending(town.settler(), town.state, town.index.view().now)
    assert [v.task for v in posted(town).verdicts] == [2]


def test_settle__a_sealed_job__names_its_candidates_to_who_has_its_key_alone(town: Town) -> None:
    key = b"\x07" * 32
    job = town.sealed_job(key, 1, 3, answer=TEXT)
    workers = list(town.register(3))
    town.fill_job(job, {(0, w): "the word is swordfish" for w in workers})
    assert settle.post_next(town.settler(), town.state)
    post = town.state.unstruck()[-1]
    dark, read = Books(town.content), Books(town.content, lambda number: key if number == job else None)
    model = dark.epoch(post.epoch, post.content).model
    assert dark.candidates(model) == {(job, 0): None}
    assert read.candidates(model) == {(job, 0): ("the word is swordfish",)}
    assert not any(b"swordfish" in town.content.get(cid) for cid in town.content.cids())
    candidates.check_named(dark.epoch(post.epoch, post.content), town.state.jobs, dark.candidates(model))
    with pytest.raises(BadInput, match="is not"):
        candidates.check_named(read.epoch(post.epoch, post.content), town.state.jobs, dark.candidates(model))


def test_candidates__read_before_and_after_the_key_is_learnt(town: Town) -> None:
    keys: dict[int, bytes] = {}
    links, blocks = free.pack({(1, 0): ("a", "b"), (2, 0): ("c",)}, {1: b"\x07" * 32})
    card = encode({free.FIELD: links})
    town.content.put_many([*blocks, (card, Codec.DAG_CBOR)])
    books, model = Books(town.content, keys.get), digest_of(cid_of(card, Codec.DAG_CBOR))
    assert books.candidates(model) == {(1, 0): None, (2, 0): ("c",)}
    keys[1] = b"\x07" * 32
    assert books.candidates(model) == {(1, 0): ("a", "b"), (2, 0): ("c",)}
    keys[1] = b"\x08" * 32
    with pytest.raises(BadInput, match="does not open"):
        Books(town.content, keys.get).candidates(model)


# ------------------------------------------------------------------------------------------ what the others refuse


Change = Callable[[dict[int, Judgement]], dict[int, Judgement]]


def _proposed(town: Town, monkeypatch: pytest.MonkeyPatch, change: Change) -> Proposal:
    """What a dishonest member proposes; the others have its blocks."""
    judge = draft.judge
    with monkeypatch.context() as patched:
        patched.setattr(draft, "judge", lambda *given: change(judge(*given)))

        proposal = town.all[0].propose(Evidence())
    assert proposal is not None
    car = town.peers[0].blocks(from_digest(Codec.DAG_CBOR, proposal.header.content))
    for peer in town.peers[1:]:
        peer.store(car)
    return proposal


def _refusal(town: Town, proposal: Proposal) -> str:
    with pytest.raises(Refused) as refused:
        town.all[1].approve(proposal.header)
    return refused.value.code


def test_approve__an_answer_moved_to_another_candidate__refused(town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    job = filled(town)

    def moved(judged: dict[int, Judgement]) -> dict[int, Judgement]:
        own = judged[job]
        worker, label = next((w, 1 - label) for w, label in own.stands[0].items())
        row = own.rows.get((worker, label)) or own.rows[next(pair for pair in own.rows if pair[1] == label)]
        return {
            job: replace(
                own, stands=own.stands | {0: own.stands[0] | {worker: label}}, rows=own.rows | {(worker, label): row}
            )
        }

    assert _refusal(town, _proposed(town, monkeypatch, moved)) in ("judgement", "wrong-epoch")


def test_approve__candidates_with_other_words__refused(town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    job = filled(town)
    other = _proposed(
        town, monkeypatch, lambda j: {job: replace(j[job], candidates=j[job].candidates | {2: ("eight",)})}
    )
    assert _refusal(town, other) == "judgement"


def test_approve__candidates_not_named__refused(town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    job = filled(town)
    silent = _proposed(
        town,
        monkeypatch,
        lambda j: {job: replace(j[job], candidates={t: c for t, c in j[job].candidates.items() if t})},
    )
    assert _refusal(town, silent) == "wrong-candidates"


def test_approve__a_good_answer_rejected__refused(town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    job = filled(town, answer=TEXT | {"content": {"reject": ["length"], "least": 3}})

    def rejected(judged: dict[int, Judgement]) -> dict[int, Judgement]:
        own = judged[job]
        worker = next(iter(own.stands[2]))
        place = (2, worker)
        stands = own.stands | {2: {w: label for w, label in own.stands[2].items() if w != worker}}
        return {job: replace(own, stands=stands, reasons={place: encode({"version": 0, "why": "I do not like it"})})}

    assert _refusal(town, _proposed(town, monkeypatch, rejected)) == "no-reason"


def test_approve__a_bad_answer_let_through__refused(town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    job = filled(
        town, {0: ["a brown dog", "a brown dog", "dog"]}, answer=TEXT | {"content": {"reject": ["length"], "least": 5}}
    )

    def through(judged: dict[int, Judgement]) -> dict[int, Judgement]:
        own = judged[job]
        ((place, _),) = own.reasons.items()
        row = next(iter(own.rows.values()))
        rows = own.rows | {(place[1], 0): row}
        return {job: replace(own, stands={0: own.stands[0] | {place[1]: 0}}, reasons={}, rows=rows)}

    assert _refusal(town, _proposed(town, monkeypatch, through)) == "judgement"


# --------------------------------------------------------------------------------------------------- payloads, cards


@pytest.mark.parametrize("text", ["", "a", "x" * 63, "x" * 64, "ä\U0001f600", "x" * (free.MOST - 1)])
def test_payload__any_text__comes_back_and_its_size_says_little(text: str) -> None:
    payload = free.payload_of(text)
    assert free.is_size(len(payload)) and free.text_of(payload) == text


@pytest.mark.parametrize("text", ["a\0b", "x" * free.MOST, "\ud800"])
def test_payload__what_cannot_be_sent__refused(text: str) -> None:
    with pytest.raises(BadInput):
        free.payload_of(text)


@pytest.mark.parametrize("payload", [b"", b"abc", bytes(128), b"\xff" + bytes(63), b"a\0b" + bytes(61)])
def test_text_of__another_payload__none(payload: bytes) -> None:
    assert free.text_of(payload) is None


@pytest.mark.parametrize(
    "block",
    [
        [[1, 0, ["a"]], [1, 0, ["b"]]],
        [[1, 0, ["a", "a"]]],
        [[1, 0, [str(i) for i in range(65)]]],
        [[1, "0", ["a"]]],
        [[1, 0, [1]]],
        [[1, 0]],
        [[1, 0, b"salt", b"sealed"], [1, 0, ["a"]]],
        {"a": 1},
    ],
)
def test_read__what_are_no_candidates__refused(town: Town, block: Any) -> None:
    data = encode(block)
    town.content.put_many([(data, Codec.DAG_CBOR)])
    with pytest.raises(BadInput):
        free.read(source(town.content), {free.FIELD: [Link(cid_of(data, Codec.DAG_CBOR))]})


def test_pack__many_tasks__read_back_in_several_blocks(town: Town) -> None:
    said = {(1, t): (f"{t} " + "x" * 4_000, "y") for t in range(200)}
    links, blocks = free.pack(said, {})
    town.content.put_many(blocks)
    assert len(blocks) > 2
    assert free.read(source(town.content), {free.FIELD: links}) == said


def test_check_named__a_task_of_choices__not_asked_for(town: Town) -> None:
    town.ready_job()
    epoch = posted(town)
    candidates.check_named(epoch, town.state.jobs, {})
    with pytest.raises(BadInput, match="not decided"):
        candidates.check_named(epoch, town.state.jobs, {(1, 0): ("a",)})
