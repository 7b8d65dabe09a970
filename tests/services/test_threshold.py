"""Answers whose key is split: f+1 members open them together once a task is closed, and no f of them before (threat 3)."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from io import BytesIO
from itertools import combinations

import pytest

from oracle.adapters.car import read_car
from oracle.ports import Evidence, Holding, Incomplete, OfferedAssignment, Proposal, Shares, StoredAnswer
from oracle.protocol import sealing
from oracle.protocol.cids import Codec, from_digest
from oracle.protocol.errors import Refused
from oracle.protocol.keys import sign
from oracle.protocol.leaves import Status
from oracle.protocol.sealing import THRESHOLD, commitment
from oracle.services import draft, opener, settle
from oracle.services.opener import Opener
from tests.services.test_epochs import forge, header_of, load, settle_all
from tests.support.committee import WINDOW, Town, car_of
from tests.support.epochs import person

PAYLOAD, SALT = b"\x01", b"\x07" * 32


def answer(town: Town, job: int, task: int, worker: int, label: int = 1, closed_to: Iterable[int] = ()) -> StoredAnswer:
    """An answer with a split key; the members at `closed_to` find no share of theirs."""
    (offer,) = town.offers(job, [(task, worker)])
    return town.answer(offer, label, SALT, scheme=THRESHOLD, garbage_for=closed_to)


def full(town: Town, closed_to: Iterable[int] = ()) -> StoredAnswer:
    """The one answer of a job of one task, at all members."""
    job = town.open_job(seal="threshold", tasks=1, answers=1)
    town.register(1)
    found = answer(town, job, 0, 1, closed_to=closed_to)
    town.give([found])
    return found


def exchange(town: Town, members: Iterable[int]) -> list[Shares]:
    """What these members tell, learnt by all of them."""
    told = tell(town, members)
    for at in members:
        town.all[at].learn(told)
    return told


def tell(town: Town, members: Iterable[int] = range(4), shown: Sequence[StoredAnswer] = ()) -> list[Shares]:
    """What these members tell each other, once all have said what they hold."""
    said = [one for member in town.all if (one := member.attest(shown))]
    return [shares for at in members if (shares := town.all[at].tell(shown, said))]


def opens(town: Town, at: int, a: StoredAnswer) -> bool:
    return town.all[at]._opener.open((a.job, a.task, a.worker), a.commitment, a.envelope) == (PAYLOAD, SALT)


def is_known(town: Town, at: int, a: StoredAnswer) -> bool:
    return town.all[at]._opener.is_known((a.job, a.task, a.worker), a.commitment, a.envelope)


def listed(town: Town, at: int = -1) -> list[Status]:
    proposal, signatures = settle.agree(town.settler(), town.state)
    assert proposal
    assert len(signatures) == 3
    return [core.status for core in load(town, proposal.header, at).verdicts[0].cores]


def test_settle__either_seal__same_verdicts_and_same_pay() -> None:
    ends = []
    for name, scheme in sealing.SCHEMES.items():
        town = Town()
        job = town.open_job(tasks=3, answers=2, seal=name)
        workers = town.register(2)
        for (task, worker), label in {(0, 1): 1, (0, 2): 1, (1, 1): 2, (1, 2): 0, (2, 1): 2, (2, 2): 2}.items():
            (offer,) = town.offers(job, [(task, worker)])
            town.give([town.answer(offer, label, SALT, scheme=scheme)])
        settle_all(town)
        labels = [verdict.label for verdict in load(town, header_of(town), -1).verdicts]
        ends.append((labels, [town.state.claimed[worker] for worker in workers]))
        town.close()
    assert ends[0] == ends[1]
    assert (ends[0][0][0], ends[0][0][2]) == (1, 2)


@pytest.mark.parametrize("members", [4, 7])
def test_open__f_members_together__open_nothing_before_the_task_is_closed(members: int) -> None:
    """They have their keys, and lie about what is closed: every honest member tells nothing yet."""
    town = Town(members, members - (members - 1) // 3)
    job = town.open_job(seal="threshold", tasks=1, answers=2)
    town.register(2)
    first = answer(town, job, 0, 1)
    town.give([first])
    assert tell(town, range(members)) == []
    liars = range((members - 1) // 3)
    told = [town.all[at]._opener.tell([first], {}) for at in liars]
    for at in liars:
        town.all[at].learn([shares for shares in told if shares])
    assert not any(opens(town, at, first) for at in range(members))
    town.give([answer(town, job, 0, 2)])
    exchange(town, range(members))
    assert all(opens(town, at, first) for at in range(members))
    town.close()


def echo(town: Town, at: int, liars: Iterable[int]) -> list[Holding]:
    """What a member says it holds, said by these liars too."""
    own = town.all[at].attest([])
    assert own
    keys = {liar: town.all[liar]._opener for liar in liars}
    lies = [Holding(own.said, o._signer.sign(o._digest(opener.HELD, own.said))) for o in keys.values()]
    return [own, *lies]


def ambush(town: Town, filled: Iterable[int]) -> tuple[StoredAnswer, StoredAnswer, OfferedAssignment]:
    """A task that a liar's worker fills at these members alone: the honest answer there, its own, its assignment."""
    job = town.open_job(seal="threshold", tasks=1, answers=2)
    town.register(2)
    honest = answer(town, job, 0, 1)
    town.give([honest])
    (offer,) = town.offers(job, [(0, 2)])
    bait = town.answer(offer, 0, SALT, scheme=THRESHOLD)
    town.give([bait], to=filled)
    return honest, bait, offer


def test_tell__a_task_filled_at_one_member_alone__tells_nothing(town: Town) -> None:
    """Else the API and f members, of whom one is here, would read the others' answers before theirs are fixed."""
    honest, bait, _ = ambush(town, [0])
    with pytest.raises(Incomplete, match="other members hold other answers"):
        town.all[0].tell([], echo(town, 0, [3]))
    assert town.all[0].tell([honest, bait], echo(town, 0, [3])) is None
    assert town.all[0].tell([honest, bait], echo(town, 0, [2, 3]))  # the control: beyond the f of the promise


def read_early(town: Town) -> tuple[StoredAnswer, Proposal]:
    """Two honest members and a liar close a task and tell; then another answer of the liar's worker is proposed there."""
    honest, _, offer = ambush(town, [0, 1])
    said = [*echo(town, 0, [3]), *echo(town, 1, [])]
    told = [shares for at in (0, 1) if (shares := town.all[at].tell([], said))]
    town.all[3].learn(told)
    assert opens(town, 3, honest)
    changed = town.answer(offer, 1, b"\x09" * 32, scheme=THRESHOLD)
    town.give([changed], to=[2, 3])
    shown = ((honest.job, 0, 2, b"\x01", b"\x09" * 32),)
    proposal = town.all[3].propose(Evidence(openings=shown, shared=True))
    assert proposal
    assert all(core.status is Status.COUNTED for core in load(town, proposal.header, 3).verdicts[0].cores)
    for node in town.nodes:
        read_car(
            BytesIO(car_of(town.nodes[3].content, from_digest(Codec.DAG_CBOR, proposal.header.content))), node.content
        )
    return honest, proposal


@pytest.mark.parametrize("restarted", [False, True])
def test_review__an_answer_changed_after_shares_were_told__is_refused_by_who_told(town: Town, restarted: bool) -> None:
    _, proposal = read_early(town)
    for at in (0, 1):
        member = town.nodes[at].restart() if restarted else town.all[at]
        with pytest.raises(Incomplete, match="1 receipted answers are not listed"):
            member.review(proposal.header)


def test_agree__after_an_answer_was_changed__ends_without_it(town: Town) -> None:
    read_early(town)
    assert listed(town) == [Status.COUNTED, Status.UNOPENED]


def late(town: Town) -> tuple[StoredAnswer, StoredAnswer]:
    """A task that is closed at its deadline with one answer of three, and another answer to it that no member has."""
    job = town.open_job(seal="threshold", tasks=1, answers=3)
    town.register(2)
    first = answer(town, job, 0, 1)
    town.give([first])
    other = answer(town, job, 0, 2)
    town.close_job(job)
    return first, other


def test_attest__an_answer_shown_within_a_window_of_the_deadline__is_taken_up(town: Town) -> None:
    first, other = late(town)
    town.nodes[0].database.add_answers([other])  # it came in time here
    assert settle.agree(town.settler(), town.state) == (None, [])
    town.chain.mine(seconds=WINDOW)
    exchange(town, range(4))
    assert listed(town) == [Status.COUNTED, Status.COUNTED]
    assert opens(town, 3, first)


def test_attest__an_answer_shown_later__is_not_taken_up(town: Town) -> None:
    first, other = late(town)
    town.chain.mine(seconds=WINDOW)
    exchange(town, range(4))
    for member in town.all:
        member.attest([other])
    assert [len(node.database.answers(first.job)) for node in town.nodes] == [1] * 4
    assert listed(town) == [Status.COUNTED]


def test_review__an_answer_that_came_after_closing__is_refused(town: Town) -> None:
    first, other = late(town)
    town.chain.mine(seconds=WINDOW)
    exchange(town, range(4))
    town.nodes[3].database.add_answers([other])
    shown = ((first.job, 0, 2, PAYLOAD, SALT),)
    proposal = town.all[3].propose(Evidence(openings=shown, shared=True))
    assert proposal
    for node in town.nodes:
        read_car(
            BytesIO(car_of(town.nodes[3].content, from_digest(Codec.DAG_CBOR, proposal.header.content))), node.content
        )
    for at in range(3):
        with pytest.raises(Refused, match="was closed here without an answer of worker 2") as problem:
            town.all[at].review(proposal.header)
        assert problem.value.code == "task-closed"


@pytest.mark.parametrize("seal", list(sealing.SCHEMES))
def test_accept__sealed_otherwise_than_the_job_asks__is_refused(town: Town, seal: str) -> None:
    """Else a worker could keep a task from being opened, or read what others answer without being bound."""
    job = town.open_job(seal=seal, tasks=1, answers=1)
    town.register(1)
    (offer,) = town.offers(job, [(0, 1)])
    (other,) = {sealing.MEMBERS, THRESHOLD} - {sealing.SCHEMES[seal]}
    with pytest.raises(Refused, match="that its job asks for") as problem:
        town.all[0].accept([town.answer(offer, 1, scheme=other)])
    assert problem.value.code == "wrong-seal"


def test_open__f_and_one_liars__open_it_at_once(town: Town) -> None:
    """The control: beyond the f of the promise nothing holds."""
    job = town.open_job(seal="threshold", tasks=1, answers=2)
    town.register(1)
    first = answer(town, job, 0, 1)
    town.give([first])
    told = [town.all[at]._opener.tell([first], {}) for at in (0, 1)]
    town.all[0].learn([shares for shares in told if shares])
    assert opens(town, 0, first)


def test_tell__past_the_deadline__is_closed_with_what_came(town: Town) -> None:
    job = town.open_job(seal="threshold", tasks=1, answers=3)
    town.register(1)
    town.give([answer(town, job, 0, 1)])
    assert tell(town) == []
    town.close_job(job)
    assert tell(town) == []  # what came in time may still come from another member
    town.chain.mine(seconds=WINDOW)
    assert len(tell(town)) == 4


def test_tell__other_answers__tell_nothing(town: Town) -> None:
    town.ready_job(tasks=2, answers=2)
    assert tell(town) == []


@pytest.mark.parametrize("silent", range(4))
def test_agree__one_member_silent__the_rest_open(town: Town, silent: int) -> None:
    full(town)
    town.peers[silent].away = True
    proposal, signatures = settle.agree(town.settler(), town.state)
    assert proposal
    assert len(signatures) == 3


@pytest.mark.parametrize("closed_to", [(0,), (0, 1), (2, 3), (0, 3)])
def test_agree__f_and_one_good_shares__count(town: Town, closed_to: tuple[int, ...]) -> None:
    full(town, closed_to)
    assert listed(town) == [Status.COUNTED]


@pytest.mark.parametrize("closed_to", [*combinations(range(4), 3), tuple(range(4))])
def test_settle__too_few_good_shares__is_unopened_and_unpaid_and_stops_nobody(
    town: Town, closed_to: tuple[int, ...]
) -> None:
    """It is the worker's own doing, and the others are paid."""
    job = town.open_job(seal="threshold", tasks=1, answers=2)
    workers = town.register(2)
    town.give([answer(town, job, 0, 1, closed_to=closed_to)])
    town.give([answer(town, job, 0, 2)])
    settle_all(town)
    assert [core.status for core in load(town, header_of(town), -1).verdicts[0].cores] == [
        Status.UNOPENED,
        Status.COUNTED,
    ]
    assert [town.state.claimed.get(worker, 0) for worker in workers] == [0, 1_300]


def test_settle__shares_of_two_keys__are_unopened(town: Town) -> None:
    """Each share is the one committed, and together they make nothing: a worker's trick that only costs the worker."""
    job = town.open_job(seal="threshold", tasks=1, answers=1)
    town.register(1)
    (offer,) = town.offers(job, [(0, 1)])
    bound = commitment(job, 0, 1, PAYLOAD, SALT)
    envelope = town.seal(bound, PAYLOAD, SALT, scheme=THRESHOLD)
    town.give([town.signed(offer, bound, envelope[:-1] + bytes([envelope[-1] ^ 1]))])
    assert listed(town) == [Status.UNOPENED]


def test_is_known__fewer_than_a_quorum_told__is_neither_opened_nor_unopened(town: Town) -> None:
    """Two members can tell nothing: two others might."""
    hidden = full(town, closed_to=(0, 1))
    exchange(town, (0, 1))
    assert not is_known(town, 0, hidden)
    with pytest.raises(Refused, match="wait for the members' shares"):
        town.all[0].propose(Evidence())
    with pytest.raises(Incomplete) as problem:
        town.all[0].propose(Evidence(shared=True))
    assert problem.value.evidence.answers == (hidden,)
    assert town.all[0].propose(Evidence(answers=(hidden,), shared=True)) is None
    exchange(town, (0, 1, 2))
    assert is_known(town, 0, hidden)  # told by a quorum
    assert not opens(town, 0, hidden)


def test_propose__a_task_that_waits__holds_up_no_other(town: Town) -> None:
    hidden = full(town, closed_to=(0, 1))
    town.ready_job(tasks=1, answers=1)
    proposal = town.all[0].propose(Evidence(answers=(hidden,), shared=True))
    assert proposal
    assert [verdict.job for verdict in load(town, proposal.header).verdicts] == [2]


def called_unopened(town: Town, at: int = 0) -> Evidence:
    """What an honest member says of a liar's epoch that calls the answer unopened."""
    exchange(town, range(4))
    plain = town.all[0]._opener
    town.all[0]._opener = Deaf(plain)  # type: ignore[assignment]
    header = forge(town, lambda epoch: epoch)
    with pytest.raises(Incomplete) as problem:
        town.all[1 + at].review(header)
    return problem.value.evidence


class Deaf:
    """An opener that opens nothing."""

    def __init__(self, plain: Opener) -> None:
        self._plain = plain

    def open(self, *_: object) -> None:
        return None

    def is_known(self, *_: object) -> bool:
        return True

    def unseal(self, *_: object) -> None:
        return None


def test_review__an_openable_answer_called_unopened__is_refused_with_its_opening(town: Town) -> None:
    found = full(town)
    assert called_unopened(town).openings == ((found.job, 0, 1, PAYLOAD, SALT),)


def test_review__called_unopened_before_shares_came__is_refused(town: Town) -> None:
    full(town)
    town.all[0]._opener = Deaf(town.all[0]._opener)  # type: ignore[assignment]
    header = forge(town, lambda epoch: epoch)
    with pytest.raises(Refused, match="too few members have told") as problem:
        town.all[1].review(header)
    assert problem.value.code == draft.SEALED


@pytest.mark.parametrize("liar", range(4))
def test_agree__a_member_that_tells_false_shares__is_passed_over(town: Town, liar: int) -> None:
    full(town)
    member = town.all[liar]
    member._opener._share = lambda _: (liar, b"\x05" * 66)  # type: ignore[method-assign]
    assert listed(town) == [Status.COUNTED]


@pytest.mark.parametrize("liar", range(4))
def test_agree__a_member_that_says_it_has_no_share__hides_nothing(town: Town, liar: int) -> None:
    full(town, closed_to=[(liar + 1) % 4])  # two good shares beside the liar's
    town.all[liar]._opener._share = lambda _: (0, b"")  # type: ignore[method-assign]
    assert listed(town) == [Status.COUNTED]


def test_agree__a_member_that_restarts__asks_again(town: Town) -> None:
    found = full(town)
    exchange(town, range(4))
    for node in town.nodes:
        node.restart()
    assert not is_known(town, 0, found)
    town.peers = [replace(peer, member=node.member) for peer, node in zip(town.peers, town.nodes, strict=True)]
    assert listed(town) == [Status.COUNTED]


@pytest.mark.parametrize("liar", range(4))
def test_agree__a_member_that_says_junk__is_passed_over(town: Town, liar: int) -> None:
    """Nothing that it hands over keeps the others from what they say and tell."""
    found = full(town)
    other = Town().all[liar]._signer  # of another deployment: no member's
    town.all[liar]._opener._signer = other
    assert listed(town, at=(liar + 1) % 4) == [Status.COUNTED]
    assert opens(town, (liar + 1) % 4, found)


def test_learn__signed_by_no_member__is_passed_over(town: Town) -> None:
    found = full(town)
    told = tell(town, [1, 2])
    opener_ = town.all[0]._opener
    forged = sign(person("stranger"), opener_._digest(opener.ABOUT, told[1].sealed))
    for signature in (forged, b"", told[0].signature):
        town.all[0].learn([replace(told[1], signature=signature), told[0]])
        assert len(opener_._told) == 1
    assert not opens(town, 0, found)
    town.all[0].learn(told)
    assert opens(town, 0, found)


@pytest.mark.parametrize("at", [0, 40, 79, 85, -1])
def test_learn__a_blob_that_was_changed__is_of_nobody(town: Town, at: int) -> None:
    full(town)
    (told,) = tell(town, [1])
    sealed = bytearray(told.sealed)
    sealed[at] ^= 1
    town.all[0].learn([replace(told, sealed=bytes(sealed))])
    assert not town.all[0]._opener._told


NONSENSE = [
    b"",
    b"\x00",
    b"\x81\x01",
    b"\xa0",
    b"\x81\x85\x01\x01\x01\x1b" + b"\xff" * 8 + b"\x40",
    b"\x81\x84\x01\x01\xf5\x80",
]


@pytest.mark.parametrize("plain", NONSENSE)
def test_learn__nonsense_that_a_member_signed__is_nothing(
    town: Town, monkeypatch: pytest.MonkeyPatch, plain: bytes
) -> None:
    found = full(town)
    said = [one for member in town.all if (one := member.attest([]))]
    monkeypatch.setattr(opener, "encode", lambda _: plain)
    told = town.all[1].tell([], said)
    assert told
    town.all[0].learn([told])
    assert not opens(town, 0, found)


@pytest.mark.parametrize("plain", NONSENSE)
def test_tell__nonsense_that_a_member_signed__counts_as_not_said(
    town: Town, monkeypatch: pytest.MonkeyPatch, plain: bytes
) -> None:
    found = full(town)
    said = [one for member in town.all[:2] if (one := member.attest([]))]
    with monkeypatch.context() as patched:
        patched.setattr(opener, "encode", lambda _: plain)
        junk = town.all[2].attest([])
    assert junk
    assert town.all[0].tell([found], [*said, junk]) is None
    true = town.all[2].attest([])
    assert true
    assert town.all[0].tell([found], [*said, junk, true])


def test_read__who_passes_shares_on__reads_no_share(town: Town) -> None:
    found = full(town)
    share = town.all[1]._opener._share(found)[1]
    (told,) = tell(town, [1])
    assert share not in told.sealed


@pytest.mark.parametrize("to", [([0, 1], [2, 3]), ([0, 1, 2], [3]), ([0], [1, 2, 3]), ([0, 2], [1])])
def test_agree__two_answers_that_open__count_as_none_and_stop_nobody(
    town: Town, to: tuple[list[int], list[int]]
) -> None:
    """Whichever were listed, its worker could have chosen it after reading the others'."""
    job = town.open_job(seal="threshold", tasks=1, answers=2)
    town.register(2)
    town.give([answer(town, job, 0, 2)])
    (offer,) = town.offers(job, [(0, 1)])
    for label, members in enumerate(to):
        town.give([town.answer(offer, label, bytes([1 + label]) * 32, scheme=THRESHOLD)], to=members)
    assert listed(town) == [Status.UNOPENED, Status.COUNTED]


def test_agree__two_answers_of_one_worker_to_different_members__end_with_one(town: Town) -> None:
    """Neither is owed: a worker that splits the members so stops nobody."""
    job = town.open_job(seal="threshold", tasks=1, answers=1)
    town.register(1)
    (offer,) = town.offers(job, [(0, 1)])
    one = town.answer(offer, 1, SALT, scheme=THRESHOLD, garbage_for=range(4))
    two = town.answer(offer, 2, SALT, scheme=THRESHOLD, garbage_for=range(4))
    town.give([one], to=[0, 1])
    town.give([two], to=[2, 3])
    assert listed(town) == [Status.UNOPENED]


def test_agree__junk_that_only_one_member_has__is_listed_at_once(town: Town) -> None:
    job = town.open_job(seal="threshold", tasks=1, answers=2)
    town.register(2)
    town.give([answer(town, job, 0, 2)])
    town.give([answer(town, job, 0, 1, closed_to=range(4))], to=[2])
    assert listed(town) == [Status.UNOPENED, Status.COUNTED]
