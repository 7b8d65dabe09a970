"""Appraisals: what asking whom is worth, when a task is sure, and what a liar among the members can do about it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import pytest

from oracle.ports import Appraisal, Evidence
from oracle.protocol.errors import Refused, Retryable
from oracle.services import settle
from oracle.services.assign import appraised
from tests.support.committee import LocalPeer, Town

TASKS, WORKERS = 12, 8


def crowd(town: Town, job: int, workers: Sequence[int], tasks: Sequence[int]) -> None:
    """Worker 8 answers against everybody, all others agree on the task's parity."""
    town.fill_job(job, {(t, w): (t + (w == WORKERS)) % 2 for t in tasks for w in workers})


@pytest.fixture
def town() -> Iterator[Town]:
    town = Town()
    town.register(WORKERS + 1)
    yield town
    town.close()


def open_job(town: Town, **redundancy: Any) -> int:
    from tests.support.epochs import manifest_document

    asked = {"most": 6, "least": 1, "confidence": 0.8} | redundancy
    classes = manifest_document()["answer"]["classes"][:2]
    return town.open_job(TASKS, asked["most"], answer={"type": "choice", "classes": classes}, redundancy=asked)


def test_appraise__nothing_known__every_pair_is_wanted_alike(town: Town) -> None:
    job = open_job(town)
    found = town.all[0].appraise([(job, t, w) for t in range(3) for w in (1, 2)])
    assert len(set(found.worth)) == 1
    assert found.worth[0] > 0
    assert found.answered == ()


def test_appraise__sure_and_answered_and_decided__are_worth_nothing(town: Town) -> None:
    job = open_job(town)
    crowd(town, job, range(1, 6), range(6))
    crowd(town, job, [1], [7])
    found = town.all[0].appraise([(job, 0, 7), (job, 7, 1), (job, 7, 2), (job, 11, 2)])
    assert found.worth[0] == 0  # five agree
    assert found.worth[1] == 0  # answered by worker 1
    assert min(found.worth[2:]) > 0
    assert set(found.answered) == {(job, t, w) for t in range(6) for w in range(1, 6)} | {(job, 7, 1)}


def test_appraise__without_a_confidence__nothing_is_sure(town: Town) -> None:
    job = open_job(town, confidence=1 - 1e-12)
    crowd(town, job, range(1, 6), range(6))
    assert town.all[0].appraise([(job, 0, 7)]).worth[0] > 0


def test_appraise__known_good_worker__is_worth_more_than_a_stranger(town: Town) -> None:
    job = open_job(town)
    crowd(town, job, range(1, 6), range(6))
    good, stranger = town.all[0].appraise([(job, 8, 1), (job, 8, 9)]).worth
    assert good > stranger > 0


@pytest.mark.parametrize(("place", "code"), [((9, 0, 1), "no-such-job"), ((1, TASKS, 1), "no-such-task")])
def test_appraise__what_is_not_there__is_refused(town: Town, place: tuple[int, int, int], code: str) -> None:
    open_job(town)
    with pytest.raises(Refused) as refused:
        town.all[0].appraise([place])
    assert refused.value.code == code


@dataclass
class Liar:
    """Says something else of what it is asked about."""

    honest: LocalPeer
    lie: dict[str, Any]

    def appraise(self, pairs: Sequence[tuple[int, int, int]]) -> Appraisal:
        return replace(self.honest.appraise(pairs), **self.lie)


@pytest.mark.parametrize("worth", [(0, 0), (1 << 60, 1 << 60)])
def test_appraised__one_liar__moves_no_worth_and_no_answer(town: Town, worth: tuple[int, int]) -> None:
    job = open_job(town)
    crowd(town, job, range(1, 6), range(6))
    pairs = [(job, 8, 1), (job, 0, 9)]
    honest = town.all[0].appraise(pairs)
    lie = {"worth": worth, "answered": ((job, 3, 9),)}
    found = appraised(town.matcher([Liar(town.peers[0], lie), *town.peers[1:]]), pairs)  # type: ignore[list-item]
    assert found == honest


def test_appraised__too_few_members__is_retryable(town: Town) -> None:
    job = open_job(town)
    liars = [Liar(town.peers[i], {"worth": (1, 2, 3)}) for i in (0, 1)]
    with pytest.raises(Retryable, match="other pairs"):
        appraised(town.matcher([*liars, *town.peers[2:]]), [(job, 0, 1)])  # type: ignore[list-item]


def test_propose__sure_tasks__are_decided_before_they_are_full(town: Town) -> None:
    job = open_job(town)
    crowd(town, job, range(1, 6), range(6))
    crowd(town, job, [1], [7])
    assert settle.post_next(town.settler(), town.state)
    decided = town.settler().books.ledger(town.state).decided
    assert decided == {(job, t) for t in range(6)}


def test_propose__sure_task_with_somebody_at_work__waits_for_the_answer(town: Town) -> None:
    job = open_job(town)
    crowd(town, job, range(1, 6), range(6))
    [offer] = town.offers(job, [(0, 7)])
    proposal = town.all[0].propose(Evidence())
    assert proposal and proposal.header.verdicts_size == 5
    town.give([town.answer(offer)])
    whole = town.all[0].propose(Evidence())
    assert whole and whole.header.verdicts_size == 6


def test_review__task_that_is_not_sure__is_too_early(town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    job = open_job(town)
    crowd(town, job, range(1, 6), range(6))
    crowd(town, job, [1, 8], [7])
    monkeypatch.setattr(town.all[0], "_settled", lambda *_: set(range(8)))
    proposal = town.all[0].propose(Evidence())
    assert proposal
    from oracle.protocol.cids import Codec, from_digest

    town.peers[1].store(town.peers[0].blocks(from_digest(Codec.DAG_CBOR, proposal.header.content)))
    with pytest.raises(Refused) as refused:
        town.all[1].review(proposal.header)
    assert refused.value.code == "too-early"
