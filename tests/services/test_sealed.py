"""Sealed jobs: decided, paid and checked like all others, and read by nobody but the requester and the committee (threat 3)."""

from collections.abc import Iterator
from dataclasses import replace

import pytest

from oracle.ports import Evidence
from oracle.protocol import epoch as ep
from oracle.protocol import jobkey, pages
from oracle.protocol.cids import Codec, decode, from_digest
from oracle.protocol.errors import Refused
from oracle.protocol.leaves import is_sealed
from oracle.services import settle
from oracle.services.books import Books, source
from tests.services.test_epochs import load, settle_all
from tests.support.committee import Town

KEY = b"\x05" * 32
SALT = b"\x07" * 32


def give(town: Town, job: int, labels: dict[tuple[int, int], int], **envelope: int) -> None:
    """Each (task, worker) answers so."""
    for (task, worker), label in labels.items():
        (offer,) = town.offers(job, [(task, worker)])
        town.give([town.answer(offer, label, SALT, **envelope)])


LABELS = {(0, 1): 1, (0, 2): 1, (1, 1): 2, (1, 2): 2}


def settled(town: Town, **changes: object) -> int:
    job = town.sealed_job(KEY, **changes)
    town.register(2)
    give(town, job, LABELS)
    settle_all(town)
    return job


@pytest.fixture
def sealed(town: Town) -> Iterator[tuple[Town, int]]:
    yield town, settled(town)


def keys(number: int) -> bytes | None:
    return KEY if number == 1 else None


def test_settle__sealed_or_public__same_roots_and_same_pay() -> None:
    ends = []
    for visibility in ("public", "sealed"):
        town = Town()
        workers = town.register(2)
        job = town.sealed_job(KEY) if visibility == "sealed" else town.open_job(2, 2)
        give(town, job, LABELS)
        settle_all(town)
        books = Books(town.content, keys)
        epoch = books.epoch(1, town.state.posts[1].content)
        ends.append(
            ([(v.task, v.label, len(v.cores)) for v in epoch.verdicts], [town.state.claimed[w] for w in workers])
        )
        assert not epoch.sealed
        town.close()
    assert ends[0] == ends[1]


def test_epoch__read_without_the_key__has_the_same_leaves_and_says_nothing(sealed: tuple[Town, int]) -> None:
    town, job = sealed
    content = town.state.posts[1].content
    open_, dark = (Books(town.content, k).epoch(1, content) for k in (keys, jobkey.no_keys))
    assert dark.sealed == {job}
    assert ep.roots_of(dark) == ep.roots_of(open_)
    assert [(v.job, v.task) for v in dark.verdicts] == [(v.job, v.task) for v in open_.verdicts]
    assert all(is_sealed(v) and not v.cores and not v.openings for v in dark.verdicts)
    assert all(is_sealed(w) and not w.row for w in dark.weights)
    assert Books(town.content).ledger(town.state).decided == {(job, 0), (job, 1)}


def test_epoch__its_blocks__hold_no_opening_and_no_row(sealed: tuple[Town, int]) -> None:
    town, _ = sealed
    epoch = Books(town.content, keys).epoch(1, town.state.posts[1].content)
    secret = [o.commitment for v in epoch.verdicts for o in v.openings] + [w.packed() for w in epoch.weights]
    for node in [town.content, *(node.content for node in town.nodes)]:
        stored = b"".join(node.get(cid) for cid in node.cids())
        assert not [one for one in secret if one in stored]


def test_card__of_a_sealed_job__says_sizes_and_nothing_of_anybody(sealed: tuple[Town, int]) -> None:
    town, job = sealed
    epoch = Books(town.content, keys).epoch(1, town.state.posts[1].content)
    (card,) = decode(town.content.get(from_digest(Codec.DAG_CBOR, epoch.model)))["jobs"]  # type: ignore[index, call-overload]
    assert card == {
        "job": job,
        "tasks": 2,
        "answers": 4,
        "weight_cap": card["weight_cap"],
        "prior_cap": card["prior_cap"],
        "method": "engine",
    }


def test_record__moved_or_changed_or_under_another_key__is_a_fault(sealed: tuple[Town, int]) -> None:
    town, _ = sealed
    content = town.state.posts[1].content
    for wrong in (b"\x06" * 32, b"", KEY[:-1]):
        epoch, faults = ep.load(source(town.content, lambda _, key=wrong: key), 1, content)  # type: ignore[misc]
        assert epoch is None
        assert "does not open with the job's key" in str(faults[0])


def test_pack__a_record_that_says_another_place_outside__is_a_fault(
    sealed: tuple[Town, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    town, job = sealed
    verdicts = Books(town.content, keys).epoch(1, town.state.posts[1].content).verdicts
    with monkeypatch.context() as patched:
        patched.setattr("oracle.protocol.leaves.sealed_place", lambda v: [v.job, v.task ^ 1])
        node, blocks = pages.pack(verdicts, {job: KEY})
    town.content.put_many(blocks)
    reading = pages.read(source(town.content, keys), 1, "verdicts", node)
    assert "another place" in reading.faults[0].what


@pytest.mark.parametrize("spoilt", [[0], [1, 2], [0, 1, 2]])
def test_agree__a_key_wrapped_for_some_members__is_told_to_the_others(town: Town, spoilt: list[int]) -> None:
    """Else a requester could take members from the epochs of all other jobs."""
    job = town.sealed_job(KEY, spoilt=spoilt)
    other = town.open_job(1, 1)
    town.register(2)
    (binder,) = sorted(set(range(4)) - set(spoilt))[:1]
    for (task, worker), label in LABELS.items():
        (offer,) = town.offers(job, [(task, worker)], binder=binder)
        town.give([town.answer(offer, label, SALT)])
    give(town, other, {(0, 1): 0})
    proposal, signatures = settle.agree(town.settler(), town.state)
    assert proposal
    assert len(signatures) == 3
    assert {v.job for v in load(town, proposal.header).verdicts} <= {job, other}
    town.chain.mine()
    settle_all(town)
    assert {(job, 0), (job, 1), (other, 0)} == Books(town.content).ledger(town.state).decided


def test_agree__a_key_that_no_member_can_unwrap__holds_up_no_other_job(town: Town) -> None:
    job = town.sealed_job(KEY, spoilt=range(4))
    other = town.open_job(1, 1)
    town.register(1)
    with pytest.raises(Refused, match="gave this member no key") as problem:
        town.offers(job, [(0, 1)])
    assert problem.value.code == "no-key"
    give(town, other, {(0, 1): 0})
    settle_all(town)
    assert Books(town.content).ledger(town.state).decided == {(other, 0)}


def test_unwrap__copied_into_a_job_of_another_requester__opens_to_nobody(town: Town) -> None:
    wrapped = jobkey.wrap(KEY, b"\x01" * 20, town.deployment.committee.seal_keys)
    assert [node.member._opener.unwrap(wrapped, b"\x01" * 20) for node in town.nodes] == [KEY] * 4
    assert [node.member._opener.unwrap(wrapped, b"\x02" * 20) for node in town.nodes] == [None] * 4
    false = replace(wrapped, hash=b"\x03" * 32)
    assert [node.member._opener.unwrap(false, b"\x01" * 20) for node in town.nodes] == [None] * 4


def test_learn__a_false_key__is_not_kept(town: Town) -> None:
    job = town.sealed_job(KEY, spoilt=[0])
    member = town.all[0]
    member.view()
    member._keyring.learn(job, b"\x06" * 32)
    assert member._keyring.key(job) is None
    member._keyring.learn(job, KEY)
    assert member._keyring.key(job) == KEY


def test_key__of_its_own_part__is_found_also_after_a_liar_told_a_false_one(town: Town) -> None:
    job = town.sealed_job(KEY)
    member = town.all[0]
    member.view()
    member._keyring.learn(job, b"\x06" * 32)
    assert member._keyring.key(job) == KEY


def test_review__sealed_records_of_a_public_job__are_refused(town: Town) -> None:
    """A committee that hides what it should publish finds no honest signature."""
    job = town.open_job(2, 2)
    town.register(2)
    give(town, job, LABELS)
    proposal = town.all[0].propose(Evidence())
    assert proposal
    epoch = load(town, proposal.header)
    packed = ep.pack(epoch, {job: town.state.jobs[job].terms.manifest}, {job: KEY})
    for node in town.nodes:
        node.content.put_many(packed.blocks)
    with pytest.raises(Refused, match="it is no sealed job"):
        town.all[1].review(packed.header)
