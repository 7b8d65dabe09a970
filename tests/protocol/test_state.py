"""The fold over events: what it keeps, and that it refuses events that cannot be of one chain."""

from dataclasses import replace
from typing import Any

import pytest

from oracle.protocol import events as ev
from oracle.protocol import heads
from oracle.protocol import state as st
from oracle.protocol.deployment import Committee
from oracle.protocol.errors import Fatal
from oracle.protocol.state import EpochStatus, State, fold
from oracle.protocol.terms import NAT, Terms
from tests.support.epochs import everybody, fill, tiny, wallet_of

FIRST = fill("first head")
TERMS = Terms(3, 5, 4, 1000, 300, 250, 6 * NAT, NAT, fill("tasks"), fill("manifest"))
TREASURY, WORKER, REQUESTER = wallet_of("treasury"), wallet_of("worker"), wallet_of("requester")
HEAD1 = heads.posted(FIRST, fill("digest 1"), 7)
STRUCK1 = heads.struck(HEAD1)
HEAD2 = heads.posted(STRUCK1, fill("digest 2"), 11)
HEAD3 = heads.posted(HEAD2, fill("digest 3"), 13)

SEATS = tuple(sorted(wallet_of(f"member {i}") for i in range(4)))
SEALS = tuple(fill(f"seal {i}") for i in range(4))
FIRST_TERM = Committee(bytes(20), SEATS, SEALS, 3)
SECOND_TERM = Committee(bytes(20), SEATS, (*SEALS[:3], fill("other seal")), 4)

CHANGE = (
    ev.ChangeProposed(1, SECOND_TERM.digest(), 2_000, fill("signatures")),
    ev.ChangeEnacted(1, SEATS, SECOND_TERM.seal_keys, 4, SECOND_TERM.digest()),
)

FIRST_MEMBERS = ev.ChangeEnacted(0, SEATS, SEALS, 3, FIRST_TERM.digest())

STORY: list[ev.Event] = [
    ev.WorkerRegistered(0, TREASURY),
    ev.KeyAdded(0, 0, TREASURY),
    ev.WorkerRegistered(1, WORKER),
    ev.KeyAdded(1, 0, WORKER),
    ev.KeyAdded(1, 1, fill("second key")[12:]),
    ev.KeyRevoked(1, 0),
    ev.JobOpened(1, REQUESTER, TERMS.hash(), TERMS, 500, TERMS.escrow()),
    ev.JobOpened(2, REQUESTER, TERMS.hash(), TERMS, 600, TERMS.escrow()),
    ev.JobClosed(2, 300),
    ev.EpochPosted(1, HEAD1, fill("digest 1"), fill("content 1"), 7),
    ev.EpochStruck(1, STRUCK1),
    ev.EpochPosted(2, HEAD2, fill("digest 2"), fill("content 2"), 11),
    ev.EpochFinalised(2, fill("root"), 1300),
    ev.Claimed(1, 1000),
    ev.Claimed(1, 1300),
    ev.JobRefunded(2, 40),
    ev.JobRefunded(2, 2),
    ev.EpochPosted(3, HEAD3, fill("digest 3"), fill("content 3"), 13),
]
MONEY = [
    ev.JobFunded(1, 500),
    ev.JobReserved(2, 10),
    ev.JobAwarded(2, WORKER, 7),
    ev.JobReleased(2, 2),
    ev.ClaimFrozen(1, 90),
    ev.ClaimThawed(1, 20),
    ev.ClaimForfeited(1, 1, 30),
    ev.ClaimForfeited(1, 2, 15),
    ev.HatchPaid(fill("market")[12:], 2, 1, 4, 7),
]


def logs(story: list[ev.Event]) -> list[ev.Log]:
    return [ev.Log(100 + i, 0, fill(f"transaction {i}"), 1000 + i, event) for i, event in enumerate(story)]


def state(story: list[ev.Event] | None = None) -> State:
    return fold(FIRST, logs(STORY if story is None else story))


def test_fold__no_events__is_the_first_state() -> None:
    empty = state([])
    assert (empty.head, empty.last_epoch, empty.pending(), empty.final(), empty.unstruck()) == (
        FIRST,
        0,
        None,
        None,
        [],
    )


def test_fold__a_whole_story__keeps_people_and_jobs() -> None:
    found = state()
    assert found.workers[1] == st.Worker(WORKER, [WORKER, fill("second key")[12:]], {0})
    assert found.worker_of == {TREASURY: 0, WORKER: 1}
    assert found.jobs[1] == st.Job(REQUESTER, TERMS, 500, TERMS.escrow(), 0)
    assert (found.jobs[2].deadline, found.jobs[2].refunded) == (300, 42)
    assert found.claimed == {1: 1300}


def test_fold__a_whole_story__keeps_the_posts_and_their_heads() -> None:
    found = state()
    assert [post.status for post in found.posts.values()] == [
        EpochStatus.STRUCK,
        EpochStatus.FINAL,
        EpochStatus.PENDING,
    ]
    assert [post.previous for post in found.posts.values()] == [FIRST, STRUCK1, HEAD2]
    assert (found.head, found.last_epoch, found.final_total) == (HEAD3, 3, 1300)
    assert found.posts[2].transaction == fill("transaction 11")
    assert (found.posts[2].posted_at, found.last_strike) == (1011, 1010)
    assert [post.epoch for post in found.unstruck()] == [2, 3]
    assert found.pending() is found.posts[3]
    assert found.final() is found.posts[2]


def test_fold__a_strike__leaves_no_pending_epoch_and_the_head_before_is_not_restored() -> None:
    found = state(STORY[:11])
    assert (found.pending(), found.final(), found.head) == (None, None, STRUCK1)
    assert found.head not in (FIRST, HEAD1)


def test_fold__the_newest_final_epoch__is_the_claim_root() -> None:
    found = state([*STORY, ev.EpochFinalised(3, fill("root 3"), 2000)])
    assert (found.final(), found.final_total) == (found.posts[3], 2000)


def test_fold__twice__gives_equal_states() -> None:
    assert state() == state()
    for cut in range(len(STORY)):
        halfway = state(STORY[:cut])
        for log in logs(STORY)[cut:]:
            st.apply(halfway, log)
        assert halfway == state()


NUMBERED = [i for i, event in enumerate(STORY) if not isinstance(event, ev.KeyRevoked | ev.JobClosed | ev.JobRefunded)]
UNSEEN = {
    13,
    14,
    17,
}  # nothing in the story follows that would show them missing; a claim says all that was claimed before


@pytest.mark.parametrize("gap", [i for i in NUMBERED if i not in UNSEEN and i not in (4, 1, 12)])
def test_fold__an_event_missing__is_fatal(gap: int) -> None:
    with pytest.raises(Fatal, match="do not fit together"):
        state([*STORY[:gap], *STORY[gap + 1 :]])


@pytest.mark.parametrize("twice", NUMBERED)
def test_fold__an_event_twice__is_fatal(twice: int) -> None:
    with pytest.raises(Fatal):
        state([*STORY[: twice + 1], *STORY[twice:]])


@pytest.mark.parametrize("at", [0, 2, 3, 6, 9, 10, 11, 13])
def test_fold__two_dependent_neighbours_swapped__is_fatal(at: int) -> None:
    swapped = [*STORY[:at], STORY[at + 1], STORY[at], *STORY[at + 2 :]]
    with pytest.raises(Fatal):
        state(swapped)


SKEWED: list[tuple[int, dict[str, Any]]] = [
    (2, {"worker": 2}),
    (3, {"worker": 9}),
    (3, {"number": 1}),
    (5, {"worker": 9}),
    (5, {"number": 2}),
    (6, {"job": 2}),
    (6, {"job": 0}),
    (6, {"terms_hash": bytes(32)}),
    (6, {"terms": replace(TERMS, base=1001)}),
    (8, {"job": 3}),
    (9, {"epoch": 2}),
    (9, {"head": fill("other")}),
    (9, {"digest": fill("other")}),
    (9, {"signers": 3}),
    (10, {"epoch": 2}),
    (10, {"head": HEAD1}),
    (11, {"epoch": 1}),
    (12, {"epoch": 1}),
    (12, {"epoch": 3}),
    (13, {"cumulative": 0}),
    (14, {"cumulative": 1000}),
    (15, {"job": 9}),
    (15, {"amount": TERMS.escrow() + 1}),
]


@pytest.mark.parametrize(("at", "changes"), SKEWED)
def test_apply__an_event_that_cannot_follow__is_fatal_and_changes_nothing(at: int, changes: dict[str, Any]) -> None:
    found, before = state(STORY[:at]), state(STORY[:at])
    log = logs(STORY)[at]
    with pytest.raises(Fatal, match="do not fit together"):
        st.apply(found, replace(log, event=replace(log.event, **changes)))
    assert found == before
    st.apply(found, log)


def test_apply__a_second_epoch_while_one_is_pending__is_fatal() -> None:
    head = heads.posted(HEAD3, fill("digest 4"), 7)
    with pytest.raises(Fatal, match="pending"):
        state([*STORY, ev.EpochPosted(4, head, fill("digest 4"), fill("content 4"), 7)])


@pytest.mark.parametrize("again", [ev.EpochFinalised(2, bytes(32), 9), ev.EpochStruck(2, heads.struck(HEAD2))])
def test_apply__an_epoch_that_is_final__stays_so(again: ev.Event) -> None:
    with pytest.raises(Fatal, match="was not pending"):
        state([*STORY[:13], again])


def test_fold__the_builders_world__is_the_fold_of_its_logs() -> None:
    world = tiny()
    world.post(world.epoch(everybody(world)[:4]), struck=True)
    world.post(world.epoch(everybody(world)))
    assert fold(world.deployment.digest(), world.logs) == world.state


def test_fold__money_is_added_awarded_and_given_back__keeps_the_account() -> None:
    story = [*STORY, *MONEY]
    found = state(story)
    assert (found.jobs[1].escrow, found.jobs[1].returned) == (TERMS.escrow() + 500, 30)
    assert (found.jobs[2].awarded, found.jobs[2].reserved) == (7, 1)
    assert (found.claimed[1], found.frozen[1], found.taken(1)) == (1345, 25, 1370)
    assert found.hatched == {(2, 4, 1)}
    assert state([*story, ev.Claimed(1, 1400)]).claimed[1] == 1375


@pytest.mark.parametrize(
    "wrong",
    [
        [ev.JobFunded(3, 1)],
        [ev.JobReserved(2, TERMS.escrow() - 41)],
        [ev.JobReserved(2, 1), ev.JobAwarded(2, WORKER, 2)],
        [ev.JobReserved(2, 2), ev.JobAwarded(2, WORKER, 1), ev.JobReleased(2, 2)],
        [ev.JobReserved(2, 1), ev.JobRefunded(2, TERMS.escrow() - 42)],
        [ev.ClaimThawed(1, 1)],
        [ev.ClaimFrozen(1, 5), ev.ClaimForfeited(1, 1, 6)],
        [ev.ClaimFrozen(1, 5), ev.ClaimForfeited(1, 3, 5)],
        [ev.ClaimFrozen(1, 5), ev.Claimed(1, 1305)],
        [ev.Claimed(1, 1300)],
        [ev.HatchPaid(bytes(20), 3, 1, 0, 5)],
    ],
)
def test_fold__money_that_is_not_there__is_fatal(wrong: list[ev.Event]) -> None:
    assert state([*STORY, *wrong[:-1]])
    with pytest.raises(Fatal, match="do not fit together"):
        state([*STORY, *wrong])


# ----------------------------------------------------------------------------------------------------------- committee


def test_term__a_change_between_two_posts__each_epoch_has_the_members_of_its_time() -> None:
    told = state([FIRST_MEMBERS, *STORY[:-1], *CHANGE, *STORY[-1:]])
    assert [term.epoch for term in told.terms] == [1, 3]
    assert [told.term(epoch).quorum for epoch in (1, 2, 3, 4)] == [3, 3, 4, 4]  # type: ignore[union-attr]
    assert told.terms[1].committee(bytes(20)) == SECOND_TERM
    assert told.terms[0].appointed is None
    assert told.terms[1].appointed == CHANGE[0]
    assert told.proposed is None


def test_term__two_changes_before_a_post__the_last_holds() -> None:
    back = ev.ChangeEnacted(2, SEATS, SEALS, 3, FIRST_TERM.digest())
    told = state([FIRST_MEMBERS, *CHANGE, ev.ChangeProposed(2, back.digest, 9, b""), back])
    assert told.term(1) == told.terms[2]
    assert told.term(1).committee(bytes(20)) == FIRST_TERM  # type: ignore[union-attr]


def test_term__the_committee_is_older_than_the_events__none_is_known() -> None:
    assert state([]).term(1) is None
    assert state([CHANGE[1]]).terms[0].appointed is None


def test_fold__a_change_that_did_not_wait_or_has_another_digest__raises_fatal() -> None:
    proposed, enacted = CHANGE
    for wrong in (replace(enacted, number=2), replace(enacted, quorum=3), replace(enacted, digest=FIRST_TERM.digest())):
        with pytest.raises(Fatal, match="change"):
            state([FIRST_MEMBERS, proposed, wrong])


@pytest.mark.parametrize("wrong", [[FIRST_MEMBERS, FIRST_MEMBERS], [FIRST_MEMBERS, CHANGE[1]], [*CHANGE, CHANGE[1]]])
def test_fold__members_that_nobody_proposed__raises_fatal(wrong: list[ev.Event]) -> None:
    with pytest.raises(Fatal, match="did not wait"):
        state(wrong)


def test_fold__a_change_that_was_replaced__raises_fatal_when_it_is_enacted() -> None:
    proposed, enacted = CHANGE
    with pytest.raises(Fatal, match="did not wait"):
        state([FIRST_MEMBERS, proposed, ev.ChangeProposed(2, FIRST_TERM.digest(), 9, b""), enacted])
