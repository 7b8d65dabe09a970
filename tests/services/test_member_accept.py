"""What a member refuses to receipt, and what it never forgets once it has."""

import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from threading import Event, Thread
from typing import Any

import pytest

from oracle.ports import OfferedAssignment, StoredAnswer
from oracle.protocol import events as ev
from oracle.protocol import leaves, trees
from oracle.protocol.errors import BadInput, Refused, Retryable
from oracle.protocol.keys import address_of, recover, sign
from oracle.protocol.messages import Answer, Assignment, Receipt, digest
from oracle.services import binders, rules
from oracle.services.member import MOST_BATCH, Member
from tests.support.committee import Town, changed
from tests.support.epochs import person

Change = Callable[[Town, StoredAnswer], StoredAnswer]


@pytest.fixture(scope="module")
def shared() -> Iterator[Town]:
    """For refusals, which leave nothing behind."""
    town = Town()
    town.open_job(tasks=4, answers=3)
    town.register(4)
    yield town
    town.close()


@pytest.fixture
def town() -> Iterator[Town]:
    town = Town()
    town.open_job(tasks=4, answers=2)
    town.register(4)
    yield town
    town.close()


def stored(town: Town, job: int = 1) -> list[StoredAnswer]:
    return town.nodes[0].database.answers(job)


def refusal(town: Town, *answers: StoredAnswer) -> str:
    """The code with which member 0 refuses, storing nothing."""
    before = stored(town)
    with pytest.raises(Refused) as refused:
        town.all[0].accept(answers)
    assert stored(town) == before
    return refused.value.code


def resigned(town: Town, answer: StoredAnswer, **changes: Any) -> StoredAnswer:
    """The answer with changed fields, properly signed by its worker over them."""
    terms = town.state.jobs.get(answer.job, town.state.jobs[1]).terms.hash()
    answer = replace(answer, **changes)
    message = Answer(answer.job, terms, answer.task, answer.worker, answer.commitment, answer.seal_hash)
    return replace(answer, signature=sign(person(f"worker {answer.worker}"), digest(town.deployment.domain(), message)))


def bound(town: Town, key: str, job: int, task: int, worker: int, expiry: int, terms: bytes | None = None) -> bytes:
    """A signature under an assignment, by anybody."""
    offer = Assignment(job, terms or town.state.jobs[1].terms.hash(), task, worker, expiry)
    return sign(person(key), digest(town.deployment.domain(), offer))


# ---------------------------------------------------------------------------------------------------------- the receipt


def test_accept__honest_batch__is_stored_and_receipted_by_the_member(town: Town) -> None:
    offers = town.offers(1, [(0, 1), (1, 1), (2, 1)])
    answers = [town.answer(offer, 1) for offer in offers]
    receipt, signature = town.all[0].accept(answers)
    terms, domain = town.state.jobs[1].terms.hash(), town.deployment.domain()
    digests = [digest(domain, Answer(1, terms, a.task, 1, a.commitment, a.seal_hash)) for a in answers]
    assert receipt == Receipt(trees.root([leaves.receipt_leaf(d) for d in digests]), 3)
    assert recover(digest(domain, receipt), signature) == town.nodes[0].signer.address
    assert stored(town) == answers


def test_accept__an_answer_bound_by_another_member__is_taken(town: Town) -> None:
    (offer,) = town.offers(1, [(0, 1)], binder=3)
    town.all[0].accept([town.answer(offer)])


def test_accept__the_same_batch_again__gets_the_same_receipt(town: Town) -> None:
    answers = [town.answer(offer) for offer in town.offers(1, [(0, 1), (1, 1)])]
    first = town.all[0].accept(answers)
    assert town.all[0].accept(answers) == first
    assert len(stored(town)) == 2


def test_accept__partly_known_batch__stores_the_rest(town: Town) -> None:
    answers = [town.answer(offer) for offer in town.offers(1, [(0, 1), (1, 1)])]
    town.all[0].accept(answers[:1])
    assert town.all[0].accept(answers)[0].size == 2
    assert len(stored(town)) == 2


def test_accept__killed_between_storing_and_signing__gives_the_receipt_when_it_is_sent_again(
    town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers = [town.answer(offer) for offer in town.offers(1, [(0, 1), (1, 1)])]

    class Killed(BaseException):
        pass

    def die(*_: Any) -> bytes:
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(town.nodes[0].signer, "sign", die)
        with pytest.raises(Killed):
            town.all[0].accept(answers)
    assert len(stored(town)) == 2
    town.chain.mine_until(answers[0].expiry + 1)  # much later: the assignment and the job are over
    receipt, _ = town.nodes[0].restart().accept(answers)
    assert receipt.size == 2


def test_accept__storing_fails__nothing_is_signed(town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    """Durable first: with signing before storing a receipt would be out for what is lost."""
    signed: list[bytes] = []
    (answer,) = [town.answer(offer) for offer in town.offers(1, [(0, 1)])]

    def full(*_: Any) -> None:
        raise Retryable("the disk is full")

    monkeypatch.setattr(town.nodes[0].database, "add_answers", full)
    monkeypatch.setattr(town.nodes[0].signer, "sign", signed.append)
    with pytest.raises(Retryable):
        town.all[0].accept([answer])
    assert signed == []


# --------------------------------------------------------------------------------------------------------- the refusals


@pytest.fixture(scope="module")
def offer(shared: Town) -> OfferedAssignment:
    (offer,) = shared.offers(1, [(0, 1)])
    return offer


REFUSALS: dict[str, tuple[str, Change]] = {
    "another worker's signature": (
        "bad-signature",
        lambda t, a: changed(a, signature=resigned(t, a, worker=2).signature),
    ),
    "no signature": ("bad-signature", lambda t, a: changed(a, signature=b"")),
    "a signature of 64 bytes": ("bad-signature", lambda t, a: changed(a, signature=a.signature[:64])),
    "the signature of another commitment": ("bad-signature", lambda t, a: changed(a, commitment=bytes(31) + b"\1")),
    "a job that is not there": ("no-such-job", lambda t, a: resigned(t, a, job=9)),
    "a task that is not there": ("no-such-task", lambda t, a: resigned(t, a, task=4)),
    "a task far out of range": ("no-such-task", lambda t, a: changed(a, task=(1 << 63) - 1)),
    "another task than assigned": ("no-assignment", lambda t, a: resigned(t, a, task=1)),
    "another worker than assigned": ("no-assignment", lambda t, a: resigned(t, a, worker=2)),
    "the treasury": ("no-such-key", lambda t, a: changed(a, worker=0)),
    "a worker that is not there": ("no-such-key", lambda t, a: changed(a, worker=99)),
    "a key that is not there": ("no-such-key", lambda t, a: changed(a, key=1)),
    "another expiry than assigned": ("no-assignment", lambda t, a: changed(a, expiry=a.expiry + 1)),
    "no assignment": ("no-assignment", lambda t, a: changed(a, assigned_by=b"")),
    "an assignment by no member": (
        "no-assignment",
        lambda t, a: changed(a, assigned_by=bound(t, "stranger", 1, a.task, a.worker, a.expiry)),
    ),
    "an assignment of other terms": (
        "no-assignment",
        lambda t, a: changed(a, assigned_by=bound(t, "member 0", 1, a.task, a.worker, a.expiry, bytes(32))),
    ),
    "another envelope than was signed": (
        "wrong-seal",
        lambda t, a: changed(a, envelope=a.envelope[:-1] + bytes([a.envelope[-1] ^ 1])),
    ),
    "another seal hash": ("wrong-seal", lambda t, a: changed(a, seal_hash=bytes(32))),
    "an envelope that is too small": ("wrong-seal", lambda t, a: sealed(t, a, a.envelope[:-4])),
    "an envelope that is too large": ("wrong-seal", lambda t, a: sealed(t, a, a.envelope + bytes(4))),
    "no envelope": ("wrong-seal", lambda t, a: sealed(t, a, b"")),
    "a commitment of 31 bytes": ("wrong-seal", lambda t, a: changed(a, commitment=a.commitment[:31])),
    "a commitment of 20 bytes": ("wrong-seal", lambda t, a: changed(a, commitment=a.commitment[:20])),
    "a seal hash of 33 bytes": ("wrong-seal", lambda t, a: changed(a, seal_hash=a.seal_hash + b"\0")),
}


def sealed(town: Town, answer: StoredAnswer, envelope: bytes) -> StoredAnswer:
    offer = OfferedAssignment(1, answer.task, answer.worker, answer.expiry, terms(town), answer.assigned_by)
    return town.signed(offer, answer.commitment, envelope)


def terms(town: Town) -> bytes:
    return town.state.jobs[1].terms.hash()


@pytest.mark.parametrize("what", REFUSALS)
def test_accept__broken_answer__is_refused_and_nothing_stored(
    shared: Town, offer: OfferedAssignment, what: str
) -> None:
    code, change = REFUSALS[what]
    assert refusal(shared, change(shared, shared.answer(offer))) == code


def altered_offer(town: Town) -> StoredAnswer:
    """An answer under member 0's own signature of another offer: the same in all but its expiry."""
    (offer,) = town.offers(1, [(0, 1)])
    return changed(town.answer(offer), expiry=offer.expiry + 1)


def test_accept__a_remembered_signature_under_another_offer__is_refused(town: Town) -> None:
    assert refusal(town, altered_offer(town)) == "no-assignment"


def test_accept__if_signatures_were_remembered_without_what_was_signed__would_be_taken(
    town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    binders = town.all[0]._binders
    monkeypatch.setattr(binders, "bound", lambda _, signature: any(signature == known[1] for known in binders._known))
    assert town.all[0].accept([altered_offer(town)])


def test_accept__own_offer__is_known_without_a_recovery_and_after_a_restart_with_one(
    town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    recovered: list[bytes] = []
    monkeypatch.setattr(
        binders, "recover", lambda digest, signature: recovered.append(digest) or recover(digest, signature)
    )
    answers = [town.answer(offer) for offer in town.offers(1, [(0, 1), (1, 1)])]
    town.all[0].accept(answers[:1])
    assert not recovered
    town.nodes[0].restart().accept(answers[1:])
    town.all[1].accept(answers)
    assert len(recovered) == 3


def test_accept__partly_stored__stores_the_rest_once(town: Town) -> None:
    answers = [town.answer(offer) for offer in town.offers(1, [(0, 1), (1, 1), (2, 1)])]
    town.all[0].accept(answers[:2])
    root = Receipt(trees.root([leaves.receipt_leaf(digest_of(town, a)) for a in answers]), 3)
    assert town.all[0].accept(answers)[0] == root
    assert stored(town) == answers


def test_accept__another_thread_stored_the_same_meanwhile__gives_the_same_receipt(
    town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers = [town.answer(offer) for offer in town.offers(1, [(0, 1), (1, 1)])]
    node = town.nodes[0]
    places, done = node.database.places, []

    def meanwhile(*asked: Any) -> dict[int, int]:
        if not done:
            done.append(node.database.add_answers(answers))
        return places(*asked)

    monkeypatch.setattr(node.database, "places", meanwhile)
    assert node.member.accept(answers) == town.all[0].accept(answers)
    assert stored(town) == answers


def digest_of(town: Town, answer: StoredAnswer) -> bytes:
    return rules.digest_of(town.deployment, town.state.jobs[answer.job], answer)


@pytest.mark.parametrize(("field", "code"), [("job", "no-such-job"), ("task", "no-such-task")])
def test_accept__a_number_that_no_database_holds__is_refused(
    shared: Town, offer: OfferedAssignment, field: str, code: str
) -> None:
    assert refusal(shared, changed(shared.answer(offer), **{field: (1 << 64) - 1})) == code


def test_accept__one_broken_answer_of_many__refuses_all_and_says_which(shared: Town) -> None:
    offers = shared.offers(1, [(1, 1), (2, 1), (3, 1)])
    answers = [shared.answer(offer) for offer in offers]
    answers[2] = changed(answers[2], signature=answers[1].signature)
    with pytest.raises(Refused, match="answer 2 of the batch"):
        shared.all[0].accept(answers)
    assert stored(shared) == []


def test_accept__no_answer_or_too_many__is_refused(shared: Town, offer: OfferedAssignment) -> None:
    assert refusal(shared) == "batch-size"
    assert refusal(shared, *[shared.answer(offer)] * (MOST_BATCH + 1)) == "batch-size"


def test_accept__signed_for_the_terms_of_another_job__is_refused(town: Town) -> None:
    town.open_job(tasks=9, answers=2)
    (offer,) = town.offers(1, [(0, 1)])
    other = replace(offer, terms=town.state.jobs[2].terms.hash())
    assert refusal(town, town.answer(other)) == "bad-signature"


def test_accept__another_s_commitment_replayed__is_another_s_answer(town: Town) -> None:
    """Threat 3: the copy is taken, since nobody can look inside, but its opening fits no commitment of the copier."""
    one, two = town.offers(1, [(0, 1), (0, 2)])
    original = town.answer(one, 1)
    copy = town.signed(two, original.commitment, original.envelope)
    town.give([original])
    town.give([copy])
    town.close_job(1)
    proposal = town.all[0].propose(no_evidence())
    assert proposal
    verdicts = town.nodes[0].member._books.epoch(1, proposal.header.content).verdicts
    assert [core.status for core in verdicts[0].cores] == [leaves.Status.COUNTED, leaves.Status.UNOPENED]


def test_accept__another_s_commitment_without_its_binding__would_count(
    town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The other half of threat 3: a commitment that named no worker would let the copy count."""
    from oracle.services import draft

    monkeypatch.setattr(draft, "fits", lambda job, task, worker, bound, opened: opened is not None)
    one, two = town.offers(1, [(0, 1), (0, 2)])
    original = town.answer(one, 1)
    town.give([original], to=[0])
    town.give([town.signed(two, original.commitment, original.envelope)], to=[0])
    town.close_job(1)
    proposal = town.all[0].propose(no_evidence())
    assert proposal
    verdicts = town.nodes[0].member._books.epoch(1, proposal.header.content).verdicts
    assert [core.status for core in verdicts[0].cores] == [leaves.Status.COUNTED] * 2


def no_evidence() -> Any:
    from oracle.ports import Evidence

    return Evidence()


# ------------------------------------------------------------------------------------------------------------- deadlines


@pytest.mark.parametrize(("late", "taken"), [(-1, True), (0, False), (1, False)])
def test_accept__around_the_deadline__the_deadline_itself_is_too_late(town: Town, late: int, taken: bool) -> None:
    (offer,) = town.offers(1, [(0, 1)])
    town.chain.mine_until(town.state.jobs[1].deadline + late)
    expiring = replace(offer, expiry=(1 << 40))
    expiring = replace(expiring, signature=bound(town, "member 0", 1, 0, 1, 1 << 40))
    answer = town.answer(expiring)
    if taken:
        town.all[0].accept([answer])
    else:
        assert refusal(town, answer) == "job-closed"


@pytest.mark.parametrize(("late", "taken"), [(-1, True), (0, True), (1, False)])
def test_accept__around_the_expiry_of_the_assignment__it_holds_until_then(town: Town, late: int, taken: bool) -> None:
    (offer,) = town.offers(1, [(0, 1)])
    expiry = town.chain.now + 1_000
    early = replace(offer, expiry=expiry, signature=bound(town, "member 0", 1, 0, 1, expiry))
    town.chain.mine_until(expiry + late)
    if taken:
        town.all[0].accept([town.answer(early)])
    else:
        assert refusal(town, town.answer(early)) == "assignment-expired"


def test_accept__job_closed_early__is_refused_from_then_on(town: Town) -> None:
    (offer,) = town.offers(1, [(0, 1)])
    town.close_job(1)
    assert refusal(town, town.answer(offer)) == "job-closed"


def test_accept__without_the_clock__takes_late_answers(town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    (offer,) = town.offers(1, [(0, 1)])
    town.close_job(1)
    monkeypatch.setattr(rules, "check_timely", lambda *_: None)
    town.all[0].accept([town.answer(offer)])


# ------------------------------------------------------------------------------------------------------------------ keys


def test_accept__by_a_second_key__is_taken_until_it_is_revoked(town: Town) -> None:
    town.chain.mine(ev.KeyAdded(1, 1, address_of(person("worker 2"))))
    one, two = town.offers(1, [(0, 1), (1, 1)])
    by_second = [
        replace(a, key=1, signature=sign(person("worker 2"), answer_digest(town, a)))
        for a in (town.answer(one), town.answer(two))
    ]
    town.all[0].accept(by_second[:1])
    town.chain.mine(ev.KeyRevoked(1, 1))
    assert refusal(town, by_second[1]) == "no-such-key"
    assert town.all[0].accept(by_second[:1])  # revoking only stops new receipts
    town.all[0].accept([town.answer(two)])  # the first key still holds


def answer_digest(town: Town, a: StoredAnswer) -> bytes:
    return digest(town.deployment.domain(), Answer(a.job, terms(town), a.task, a.worker, a.commitment, a.seal_hash))


# ----------------------------------------------------------------------------------------------------- twice, too many


def test_accept__another_answer_to_the_same_task__is_refused(town: Town) -> None:
    (offer,) = town.offers(1, [(0, 1)])
    town.all[0].accept([town.answer(offer, 0)])
    assert refusal(town, town.answer(offer, 1, salt=b"\x01" * 32)) == "duplicate-answer"


def test_accept__the_same_commitment_in_another_envelope__is_another_answer(town: Town) -> None:
    """Its digest differs: a receipt for it would prove that the stored one's listing dropped an answer (R5)."""
    (offer,) = town.offers(1, [(0, 1)])
    first, second = town.answer(offer), town.answer(offer)
    assert (first.commitment, first.seal_hash != second.seal_hash) == (second.commitment, True)
    town.all[0].accept([first])
    assert refusal(town, second) == "duplicate-answer"


def test_accept__twice_in_one_batch__is_refused(town: Town) -> None:
    answer = town.answer(town.offers(1, [(0, 1)])[0])
    assert refusal(town, answer, answer) == "duplicate-answer"


def test_accept__more_answers_than_the_job_allows__are_refused(town: Town) -> None:
    """Members bind apart from each other, so that there can be more assignments than places."""
    offers = [town.offers(1, [(0, worker)], binder=worker % 4)[0] for worker in (1, 2, 3)]
    answers = [town.answer(offer) for offer in offers]
    town.all[0].accept(answers[:1])
    assert refusal(town, *answers[1:]) == "task-full"
    town.all[0].accept(answers[1:2])
    assert refusal(town, answers[2]) == "task-full"
    assert town.all[0].accept(answers[:1])


def test_accept__without_the_limit__holds_more_than_an_epoch_may_list(
    town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rules, "check_room", lambda *_: None)
    offers = town.offers(1, [(0, worker) for worker in (1, 2, 3)])
    town.give([town.answer(offer) for offer in offers])
    town.close_job(1)
    assert town.all[0].propose(no_evidence()) is None  # such a task can never be decided


# ------------------------------------------------------------------------------------------------------------- together


def while_one_stores(
    town: Town, monkeypatch: pytest.MonkeyPatch, batches: Sequence[Sequence[StoredAnswer]], between: Callable[[], Any]
) -> tuple[list[Future[tuple[Receipt, bytes]]], list[int]]:
    """Each batch in a thread of its own: the others come while the first is stored, `between` in the middle of them.

    Gives what came of each, and how many answers each write was asked for.
    """
    node, writes, begun, go_on = town.nodes[0], [], Event(), Event()
    add_answers = node.database.add_answers

    def slow(answers: Sequence[StoredAnswer]) -> None:
        writes.append(len(answers))
        if len(writes) == 1:
            begun.set()
            assert go_on.wait(20)
        add_answers(answers)

    monkeypatch.setattr(node.database, "add_answers", slow)
    with ThreadPoolExecutor(len(batches)) as threads:
        try:
            outcomes = [threads.submit(node.member.accept, batches[0])]
            assert begun.wait(20)
            for waiting, batch in enumerate(batches[1:], 1):
                outcomes.append(threads.submit(node.member.accept, batch))
                end = time.monotonic() + 20
                while len(node.member._waiting) < waiting and time.monotonic() < end:
                    time.sleep(0.002)
                if waiting == 1:
                    between()
        finally:
            go_on.set()
    return outcomes, writes


def four(town: Town) -> list[StoredAnswer]:
    return [town.answer(offer) for offer in town.offers(1, [(0, 1), (1, 1), (2, 1), (3, 1)])]


def test_accept__batches_that_wait_for_one__are_stored_in_one_write(
    town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers = four(town)
    outcomes, writes = while_one_stores(town, monkeypatch, [[a] for a in answers], lambda: None)
    assert writes == [1, 3]
    assert stored(town) == answers
    for answer, outcome in zip(answers, outcomes, strict=True):
        assert outcome.result()[0].root == leaves.receipt_leaf(digest_of(town, answer))


def test_accept__batches_checked_under_different_views__are_stored_apart(
    town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers = four(town)
    outcomes, writes = while_one_stores(town, monkeypatch, [[a] for a in answers], town.chain.mine)
    assert sorted(writes) == [1, 1, 2]
    assert [outcome.exception() for outcome in outcomes] == [None] * 4
    assert stored(town) == answers


def test_accept__one_of_those_that_wait_breaks_a_rule__is_refused_alone(
    town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    *fine, last = town.offers(1, [(0, 1), (1, 1), (2, 1)])
    answers = [town.answer(offer) for offer in fine]
    one, rival = town.answer(last, 0), town.answer(last, 1, salt=b"\x01" * 32)
    outcomes, _ = while_one_stores(town, monkeypatch, [[a] for a in (*answers, one, rival)], lambda: None)
    *taken, first, second = [outcome.exception() for outcome in outcomes]
    assert taken == [None, None]
    (refused,) = [problem for problem in (first, second) if problem]
    assert isinstance(refused, Refused)
    assert refused.code == "duplicate-answer"
    assert stored(town) == [*answers, one if second else rival]


def test_accept__the_write_for_all_fails__none_of_them_is_receipted(
    town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers, node, signed = four(town), town.nodes[0], []
    add_answers, sign_ = node.database.add_answers, node.signer.sign

    def full(some: Sequence[StoredAnswer]) -> None:
        if answers[0] not in some:
            raise Retryable("the disk is full")
        add_answers(some)

    def noted(message: bytes) -> bytes:
        signed.append(message)
        return sign_(message)

    monkeypatch.setattr(node.database, "add_answers", full)
    monkeypatch.setattr(node.signer, "sign", noted)
    outcomes, writes = while_one_stores(town, monkeypatch, [[a] for a in answers], lambda: None)
    assert [type(outcome.exception()) for outcome in outcomes] == [type(None), Retryable, Retryable, Retryable]
    assert writes == [1, 3, 1, 1, 1]
    assert len(signed) == 1


def test_accept__called_stored_before_the_write__would_be_receipted_and_lost(
    town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the order in `_store_together` is for: receipts for answers that no disk holds."""
    answers, node = four(town), town.nodes[0]
    together = Member._store_together

    def hasty(member: Member, batches: Any) -> None:
        for batch in batches:
            batch.stored = True
        together(member, batches)

    add_answers = node.database.add_answers

    def full(some: Sequence[StoredAnswer]) -> None:
        if answers[0] not in some:
            raise Retryable("the disk is full")
        add_answers(some)

    monkeypatch.setattr(Member, "_store_together", hasty)
    monkeypatch.setattr(node.database, "add_answers", full)
    outcomes, _ = while_one_stores(town, monkeypatch, [[a] for a in answers], lambda: None)
    assert [outcome.exception() for outcome in outcomes] == [None] * 4
    assert stored(town) == answers[:1]


# ------------------------------------------------------------------------------------------------------- signed headers


def sign_epoch(town: Town, member: Member) -> None:
    proposal = member.propose(no_evidence())
    assert proposal
    member.approve(proposal.header)


def test_accept__task_in_a_header_that_it_signed__is_refused_until_the_header_expires(town: Town) -> None:
    pairs = [(0, 1), (0, 2), (1, 1)]
    answers = [town.answer(offer) for offer in town.offers(1, pairs)]
    town.all[0].accept(answers[:2])
    sign_epoch(town, town.all[0])
    assert refusal(town, answers[0]) == "task-closed"
    town.all[0].accept(answers[2:])  # another task
    town.chain.mine_until(town.nodes[0].database.signed()[0].valid_until)
    assert refusal(town, answers[0]) == "task-closed"
    town.chain.mine(seconds=1)
    town.all[0].accept(answers[:1])


def test_accept__task_that_is_decided__is_refused(town: Town) -> None:
    from oracle.services import settle

    answers = [town.answer(offer) for offer in town.offers(1, [(0, 1), (0, 2)])]
    town.give(answers)
    assert settle.post_next(town.settler(), town.state)
    town.chain.mine(seconds=10_000)
    assert refusal(town, answers[0]) == "task-closed"


def test_accept__between_the_check_and_the_signature_of_a_header__waits(
    town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else a member could sign a header without an answer for which it then gives a receipt (R5)."""
    outcome = race(town, monkeypatch)
    assert outcome == ["task-closed"]


def test_accept__without_the_turn__slips_in_between(town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    class NoLock:
        def __enter__(self) -> None: ...
        def __exit__(self, *_: Any) -> None: ...

    monkeypatch.setattr(town.all[0], "_turn", NoLock())
    assert race(town, monkeypatch) == ["receipted"]
    assert town.nodes[0].database.signed()


def race(town: Town, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Member 0 signs a header that decides task 0 on one answer; the second comes just before it has remembered that."""
    answers = [town.answer(offer) for offer in town.offers(1, [(0, 1), (0, 2)])]
    late = replace(answers[1], expiry=1 << 40, assigned_by=bound(town, "member 0", 1, 0, 2, 1 << 40))
    node, outcome, begun = town.nodes[0], [], Event()
    node.member.accept(answers[:1])
    monkeypatch.setattr(rules, "needed", lambda *_: 1)  # as at the deadline, and yet open: two clocks of two members
    proposal = node.member.propose(no_evidence())
    assert proposal

    def send() -> None:
        begun.set()
        try:
            node.member.accept([late])
            outcome.append("receipted")
        except Refused as refused:
            outcome.append(refused.code)

    sender = Thread(target=send)
    add_signed = node.database.add_signed

    def slow(*arguments: Any) -> None:
        sender.start()
        begun.wait()
        sender.join(0.3)  # if it does not wait for us, it is through by then
        add_signed(*arguments)

    monkeypatch.setattr(node.database, "add_signed", slow)
    node.member.approve(proposal.header)
    sender.join()
    return outcome


def test_member__key_that_is_no_member_s__is_bad_input(town: Town) -> None:
    from oracle.adapters.signer import KeySigner
    from oracle.services.index import Index

    index = Index(town.chain, town.database, town.deployment, 0)
    with pytest.raises(BadInput, match="no member"):
        Member(town.deployment, index, town.database, town.content, KeySigner(b"\x05" * 32))
