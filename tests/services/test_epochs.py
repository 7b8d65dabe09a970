"""Proposals: what honest members sign, what each of them refuses of a liar, and what they learn from each other."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import product
from typing import Any

import pytest

from oracle.ports import Evidence, Incomplete, Proposal, StoredAnswer
from oracle.protocol import epoch as ep
from oracle.protocol import events as ev
from oracle.protocol import heads
from oracle.protocol.cids import Cid, Codec, from_digest
from oracle.protocol.epoch import Epoch
from oracle.protocol.errors import Refused, Retryable
from oracle.protocol.hashing import ZERO
from oracle.protocol.heads import Debit
from oracle.protocol.keys import recover
from oracle.protocol.leaves import NO_ROW, Status
from oracle.protocol.messages import Header, digest
from oracle.protocol.sealing import commitment
from oracle.protocol.state import EpochStatus, State
from oracle.protocol.terms import NO_LABEL
from oracle.services import draft, member, rules, settle
from oracle.services.books import source
from oracle.services.member import Member
from oracle.services.verify import Judgement
from tests.support.committee import WINDOW, LocalPeer, Town, car_of, changed
from tests.support.epochs import put

NOTHING = Evidence()


@pytest.fixture(scope="module")
def ready() -> Iterator[Town]:
    """One job with all its answers at all members; only for reviews, which leave nothing behind."""
    town = Town()
    town.ready_job(tasks=4, answers=3)
    yield town
    town.close()


def load(town: Town, header: Header, at: int = 0) -> Epoch:
    epoch, faults = ep.load(source(town.nodes[at].content), header.epoch, header.content)
    assert epoch, faults
    return epoch


def propose(town: Town, at: int = 0, evidence: Evidence = NOTHING) -> Proposal:
    """A member's proposal, its blocks at all members."""
    proposal = town.all[at].propose(evidence)
    assert proposal
    share(town, at, proposal.header)
    return proposal


def share(town: Town, at: int, header: Header) -> None:
    car = car_of(town.nodes[at].content, from_digest(Codec.DAG_CBOR, header.content))
    for other in range(town.members):
        if other != at:
            town.peers[other].store(car)


def forge(town: Town, change: Callable[[Epoch], Epoch]) -> Header:
    """The header of a changed proposal, its blocks at all members."""
    epoch = change(load(town, propose(town).header))
    packed = ep.pack(epoch, {number: job.terms.manifest for number, job in town.state.jobs.items()})
    for node in town.nodes:
        node.content.put_many(packed.blocks)
    return packed.header


def refusals(town: Town, header: Header, honest: tuple[int, ...] = (1, 2, 3)) -> set[str]:
    """The codes with which the honest members refuse, to review as to sign."""
    codes = set()
    for at in honest:
        for ask in (town.all[at].review, town.all[at].approve):
            with pytest.raises(Refused) as refused:
                ask(header)
            codes.add(refused.value.code)
        assert town.nodes[at].database.signed() == []
    return codes


def settle_all(town: Town) -> None:
    """Epochs to final, claims, refunds."""
    settler = town.settler()
    while settle.post_next(settler, town.state):
        town.chain.mine(seconds=WINDOW)
        assert settle.finalise_pending(settler, town.state, town.index.now)
    town.database.add_claims(list(town.state.workers))
    settle.pay(settler, town.state)


# ------------------------------------------------------------------------------------------------------------ honest runs


def test_agree__four_honest_members__gives_a_quorum_of_signatures(town: Town) -> None:
    town.ready_job()
    proposal, signatures = settle.agree(town.settler(), town.state)
    assert proposal
    message = digest(town.deployment.domain(), proposal.header)
    signers = [recover(message, signature) for signature in signatures]
    assert len(signers) == 3
    assert signers == sorted(signers)
    assert set(signers) <= set(town.deployment.committee.members)


def test_propose__same_view__is_the_same_at_every_member(ready: Town) -> None:
    assert len({propose(ready, at) for at in range(4)}) == 1


def test_propose__nothing_ready__is_none(town: Town) -> None:
    assert town.all[0].propose(NOTHING) is None
    job = town.open_job()
    town.register(3)
    town.fill_job(job, {(0, 1): 0, (0, 2): 0})
    assert town.all[0].propose(NOTHING) is None
    town.close_job(job)
    assert propose(town).debits == (Debit(1, 2_600, 0),)


def test_propose__an_epoch_is_pending__is_refused(town: Town) -> None:
    town.ready_job()
    assert settle.post_next(town.settler(), town.state)
    with pytest.raises(Refused, match="not final"):
        town.all[0].propose(NOTHING)


def test_propose__least_of_the_manifest__leaves_out_what_has_fewer(town: Town) -> None:
    job = town.open_job(answers=3)
    town.close_job(job)
    job = town.open_job(answers=3)
    town.register(3)
    town.fill_job(job, {(0, 1): 0, (0, 2): 0, (1, 1): 0})
    town.close_job(job)
    view = town.all[0]._index.view()
    manifest = town.all[0]._books.job(view.state.jobs[job].terms)[0]
    manifest.document["redundancy"]["least"] = 2
    assert [v.task for v in load(town, propose(town).header).verdicts] == [0]
    manifest.document["redundancy"]["least"] = 99  # more than the terms allow: a full task is ready all the same
    assert rules.needed(view, view.state.jobs[job], manifest) == 3


def test_propose__job_whose_manifest_nobody_has__waits_alone(town: Town) -> None:
    """A requester could otherwise stop the committee with one job."""
    job, _ = town.ready_job()
    town.open_job(everywhere=False, title="hidden")
    assert {v.job for v in load(town, propose(town).header).verdicts} == {job}


def test_propose__job_that_can_be_debited_no_more__is_left_out(town: Town) -> None:
    """The Market takes no debit of it: one such job would make every post revert."""
    old, _ = town.ready_job()
    town.close_job(old)
    town.chain.mine_until(town.state.jobs[old].deadline + 3 * WINDOW - 1)
    assert propose(town).header.valid_until == town.chain.now  # expires before debits close
    town.chain.mine(seconds=1)
    assert town.all[0].propose(NOTHING) is None
    new, _ = town.ready_job()
    assert settle.post_next(town.settler(), town.state)
    assert {v.job for v in load(town, header_of(town)).verdicts} == {new}


def header_of(town: Town) -> Header:
    post = town.state.posts[town.state.last_epoch]
    return settle.header_of_post(town.settler(), post)


def test_propose__without_the_rule_on_closed_debits__every_post_reverts(
    town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rules, "debits_close", lambda *_: 1 << 40)
    old, _ = town.ready_job()
    town.close_job(old)
    town.chain.mine(seconds=3 * WINDOW)
    town.ready_job()
    with pytest.raises(Refused, match="MarketDebitClosed"):
        settle.post_next(town.settler(), town.state)


def test_propose__more_earnings_than_a_worker_may_have__waits_for_the_next_epoch(
    town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(draft, "MAX_EARNINGS", 2)
    town.ready_job(tasks=3, answers=1)
    assert len(load(town, propose(town).header).verdicts) == 2


def test_propose__more_jobs_than_a_post_may_debit__wait_for_the_next_epoch(
    town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(draft, "MAX_DEBITS", 1)
    town.ready_job(tasks=1, answers=1)
    town.ready_job(tasks=1, answers=1)
    assert len(propose(town).debits) == 1
    settle_all(town)
    assert town.state.last_epoch == 2


def test_settle__job_half_decided__the_next_epoch_decides_the_rest(town: Town) -> None:
    job = town.open_job(tasks=2, answers=1)
    town.register(1)
    town.fill_job(job, {(0, 1): 0})
    settle_all(town)
    town.fill_job(job, {(1, 1): 1})
    settle_all(town)
    epochs = [town.nodes[0].member._books.epoch(n, town.state.posts[n].content) for n in (1, 2)]
    assert [[(v.task, v.label) for v in epoch.verdicts] for epoch in epochs] == [[(0, 0)], [(1, 1)]]


def test_settle__whole_life__pays_what_the_rules_give_and_conserves_money(town: Town) -> None:
    town.ready_job(tasks=5, answers=3)
    settle_all(town)
    state = town.state
    pay = 5 * (2 * 1_300 + 1_000)
    assert state.final_total == sum(state.claimed.values()) == pay + pay * 250 // 10_000
    assert town.market.held() == state.jobs[1].escrow - state.final_total


# --------------------------------------------------------------------------------------------------------------- liars


def relabelled(epoch: Epoch) -> Epoch:
    verdict = epoch.verdicts[0]
    return replace(epoch, verdicts=put(epoch.verdicts, 0, replace(verdict, label=(verdict.label + 1) % 3)))


def repaid(epoch: Epoch) -> Epoch:
    last = epoch.verdicts[-1]
    return replace(epoch, verdicts=put(epoch.verdicts, len(epoch.verdicts) - 1, replace(last, pay=last.pay + 1)))


def richer(epoch: Epoch) -> Epoch:
    return replace(epoch, balances=put(epoch.balances, 1, replace(epoch.balances[1], cumulative=9_999_999)))


def rewalleted(epoch: Epoch) -> Epoch:
    return replace(epoch, balances=put(epoch.balances, 1, replace(epoch.balances[1], wallet=b"\x66" * 20)))


def reweighted(epoch: Epoch) -> Epoch:
    row = epoch.weights[0]
    return replace(epoch, weights=put(epoch.weights, 0, replace(row, row=tuple(w + (20 << 16) for w in row.row))))


def short_row(epoch: Epoch) -> Epoch:
    return replace(epoch, weights=put(epoch.weights, 0, replace(epoch.weights[0], row=epoch.weights[0].row[:1])))


def overpriored(epoch: Epoch) -> Epoch:
    verdict = replace(epoch.verdicts[0], prior=(9 << 16, 0, 0))
    return replace(epoch, verdicts=put(epoch.verdicts, 0, verdict))


def redebited(epoch: Epoch) -> Epoch:
    return replace(epoch, debits=(replace(epoch.debits[0], pay=epoch.debits[0].pay + 1),))


def resigned(epoch: Epoch) -> Epoch:
    """A forged answer: its signature is another's."""
    verdict = epoch.verdicts[0]
    forged = replace(verdict.openings[0], signature=verdict.openings[1].signature)
    return replace(epoch, verdicts=put(epoch.verdicts, 0, replace(verdict, openings=put(verdict.openings, 0, forged))))


def unassigned(epoch: Epoch) -> Epoch:
    verdict = epoch.verdicts[0]
    core = replace(verdict.cores[0], index=verdict.cores[1].index)
    return replace(epoch, verdicts=put(epoch.verdicts, 0, replace(verdict, cores=put(verdict.cores, 0, core))))


def rejected(epoch: Epoch) -> Epoch:
    """An answer thrown out for a reason that nobody can check; all that follows from it is right."""
    verdict = epoch.verdicts[-1]
    core = replace(verdict.cores[0], label=NO_LABEL, status=Status.REJECTED, row=NO_ROW)
    opening = replace(verdict.openings[0], reason=b"\x01" * 32)
    return replace(
        epoch,
        verdicts=put(
            epoch.verdicts,
            len(epoch.verdicts) - 1,
            replace(verdict, cores=put(verdict.cores, 0, core), openings=put(verdict.openings, 0, opening)),
        ),
    )


FORGERIES: dict[str, tuple[str, Callable[[Epoch], Epoch]]] = {
    "a wrong label": ("wrong-epoch", relabelled),
    "wrong running pay": ("wrong-epoch", repaid),
    "a wrong balance": ("wrong-epoch", richer),
    "a wrong wallet": ("wrong-epoch", rewalleted),
    "a weight beyond the cap": ("wrong-epoch", reweighted),
    "a row that is too short": ("wrong-epoch", short_row),
    "a prior beyond the cap": ("wrong-epoch", overpriored),
    "a wrong debit": ("wrong-epoch", redebited),
    "a wrong total": ("wrong-epoch", lambda e: replace(e, total=e.total + 1)),
    "a forged answer": ("wrong-epoch", resigned),
    "an answer without its assignment": ("wrong-epoch", unassigned),
    "an answer rejected without need": ("wrong-epoch", rejected),
    "a verdict twice": ("wrong-epoch", lambda e: replace(e, verdicts=(*e.verdicts, e.verdicts[-1]))),
    "a model card that is nowhere": ("no-model", lambda e: replace(e, model=b"\x01" * 32)),
    "another epoch": ("wrong-head", lambda e: replace(e, epoch=2)),
    "another head": ("wrong-head", lambda e: replace(e, previous=bytes(32))),
    "another configuration": ("wrong-configuration", lambda e: replace(e, configuration=bytes(32))),
    "an expiry in the past": ("wrong-expiry", lambda e: replace(e, valid_until=e.valid_until - 3_601)),
    "an expiry far away": ("wrong-expiry", lambda e: replace(e, valid_until=e.valid_until + 901)),
}


@pytest.mark.parametrize("what", FORGERIES)
def test_approve__forged_epoch__is_refused_by_every_honest_member(ready: Town, what: str) -> None:
    code, change = FORGERIES[what]
    assert refusals(ready, forge(ready, change)) == {code}


@pytest.mark.parametrize("late", [0, 900])
def test_approve__expiry_of_a_proposer_whose_chain_is_ahead__is_accepted(ready: Town, late: int) -> None:
    header = forge(ready, lambda e: replace(e, valid_until=e.valid_until + late))
    ready.all[1].review(header)


@pytest.mark.parametrize("field", ["total", "debits", "verdicts", "verdicts_size", "model", "weights", "balances"])
def test_approve__header_that_differs_from_its_data__is_refused(ready: Town, field: str) -> None:
    header = propose(ready).header
    value = getattr(header, field)
    other = value + 1 if isinstance(value, int) else bytes(32)
    assert refusals(ready, replace(header, **{field: other})) == {"wrong-header"}


def test_approve__data_that_the_member_does_not_hold__is_refused(ready: Town) -> None:
    header = forge(ready, lambda e: replace(e, valid_until=e.valid_until - 7))
    ready.nodes[1].content.blocks.pop(from_digest(Codec.DAG_CBOR, header.content))  # type: ignore[attr-defined]
    assert refusals(ready, header, (1,)) == {"wrong-epoch"}
    ready.all[2].review(header)


@pytest.mark.parametrize("tree", ep.TREES)
def test_approve__one_page_of_the_data_missing__is_refused(ready: Town, tree: str) -> None:
    header = forge(ready, lambda e: replace(e, valid_until=e.valid_until - 8))
    blocks: dict[Cid, bytes] = ready.nodes[1].content.blocks  # type: ignore[attr-defined]
    from oracle.protocol.cids import decode

    node: Any = decode(blocks[from_digest(Codec.DAG_CBOR, header.content)])
    page = node["trees"][tree]["pages"][0][1].cid
    kept = blocks.pop(page)
    assert refusals(ready, header, (1,)) == {"wrong-epoch"}
    blocks[page] = kept


def swayed(own: Judgement, tasks: int) -> Judgement:
    """Weights within the caps that turn the labels of the first tasks."""
    rows = {(w, label): tuple(0 for _ in row) for (w, label), row in own.rows.items()}
    priors = dict(own.priors)
    for task in sorted(priors)[:tasks]:
        wrong = (own.labels[task] + 1) % 3
        priors[task] = tuple(1 << 16 if c == wrong else 0 for c in range(3))
    return replace(own, rows=rows, priors=priors)


def sway(town: Town, monkeypatch: pytest.MonkeyPatch, tasks: int) -> Header:
    judge = draft.judge
    with monkeypatch.context() as patch:
        patch.setattr(draft, "judge", lambda *a: {n: swayed(j, tasks) for n, j in judge(*a).items()})
        return propose(town).header


def test_approve__weights_that_turn_labels__are_refused(ready: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    assert refusals(ready, sway(ready, monkeypatch, 1)) == {"judgement"}


def test_approve__without_its_own_judgement__a_member_signs_turned_labels(
    town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    town.ready_job(tasks=4)
    header = sway(town, monkeypatch, 4)
    monkeypatch.setattr(member, "MAX_PARTED", 1.0)
    assert all(one.approve(header) for one in town.all)


@pytest.mark.parametrize(("tasks", "turned", "signed"), [(200, 1, True), (200, 2, False), (199, 1, False)])
def test_approve__share_of_turned_labels__half_a_per_cent_passes(
    monkeypatch: pytest.MonkeyPatch, tasks: int, turned: int, signed: bool
) -> None:
    """The labels that the member itself would give, turned after the fact: half a per cent is what two machines part by."""
    town = Town()
    town.ready_job(tasks=tasks, answers=1)
    header = propose(town).header
    judge = draft.judge

    def differ(*arguments: Any) -> dict[int, Judgement]:
        own = judge(*arguments)
        return {n: replace(j, labels={t: (v + (t < turned)) % 3 for t, v in j.labels.items()}) for n, j in own.items()}

    monkeypatch.setattr(draft, "judge", differ)
    if signed:
        town.all[1].review(header)
    else:
        assert refusals(town, header, (1,)) == {"judgement"}
    town.close()


def test_approve__decided_too_early__is_refused(town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    job = town.open_job()
    town.register(3)
    town.fill_job(job, {(0, 1): 0, (0, 2): 0})
    with monkeypatch.context() as patch:
        patch.setattr(rules, "needed", lambda *_: 1)
        header = propose(town).header
    assert refusals(town, header) == {"too-early"}
    monkeypatch.setattr(rules, "needed", lambda *_: 1)  # without the rule it is signed
    assert town.all[1].approve(header)


def test_approve__answer_left_out__is_refused_with_the_answer_as_evidence(town: Town) -> None:
    job = town.open_job()
    town.register(3)
    answers = town.fill_job(job, {(0, 1): 0, (0, 2): 0, (0, 3): 0})
    town.close_job(job)
    liar = town.nodes[0]
    keep(liar.database, job, lambda a: a.worker != 2)
    header = propose(town).header
    assert len(load(town, header).verdicts[0].cores) == 2
    assert refusals(town, header) == {"incomplete"}
    with pytest.raises(Incomplete) as refused:
        town.all[1].review(header)
    assert refused.value.evidence == Evidence(answers=(answers[1],))


def test_approve__without_completeness__the_answer_is_dropped(town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    job = town.open_job()
    town.register(3)
    town.fill_job(job, {(0, 1): 0, (0, 2): 0})
    town.close_job(job)
    keep(town.nodes[0].database, job, lambda a: a.worker != 2)
    monkeypatch.setattr(Member, "_check_complete", lambda *_: None)
    assert town.all[1].approve(propose(town).header)


def keep(database: Any, job: int, wanted: Callable[[StoredAnswer], bool]) -> None:
    """Makes a member blind to some answers of its database."""
    answers, answered = database.answers, database.answered
    database.answers = lambda number: [a for a in answers(number) if number != job or wanted(a)]
    seen = {(a.task, a.worker) for a in answers(job) if wanted(a)}

    def some(number: int, tasks: Any) -> Any:
        return {p: b for p, b in answered(number, tasks).items() if number != job or p in seen}

    database.answered = some


def test_approve__openable_answer_called_unopened__is_refused_with_its_opening(
    town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    job, _answers = town.ready_job(tasks=1)
    with monkeypatch.context() as patch:
        opener = town.all[0]._opener
        honest = opener.open
        patch.setattr(opener, "open", lambda place, *_: None if place[2] == 2 else honest(place, *_))
        header = propose(town).header
    assert [c.status for c in load(town, header).verdicts[0].cores] == [0, 1, 0]
    assert refusals(town, header) == {"incomplete"}
    with pytest.raises(Incomplete) as refused:
        town.all[1].review(header)
    ((*place, payload, salt),) = refused.value.evidence.openings
    assert (tuple(place), payload, len(salt)) == ((job, 0, 2), bytes([0]), 32)
    monkeypatch.setattr(Member, "_check_opened", lambda *_: None)  # without the rule it is signed
    assert town.all[1].approve(header)


def test_approve__task_filled_by_the_proposer__does_not_bring_others_answers_out(
    town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who holds envelopes, and no key of the committee, must not get them opened before the task closes (promise 5)."""
    job = town.open_job(tasks=1, answers=2)
    town.register(2)
    victim, attacker = town.offers(job, [(0, 1), (0, 2)])
    secret = town.answer(victim, 1)
    town.give([secret])
    own = town.answer(attacker, 0)
    town.nodes[0].database.add_answers([own])  # the attacker's alone: no other member has seen it
    monkeypatch.setattr(town.all[0]._opener, "open", lambda *_: None)
    header = propose(town).header
    assert refusals(town, header) == {"not-closed"}
    town.give([own])
    assert refusals(town, header) == {"incomplete"}  # now the task is full here too, and closed


def test_approve__second_header_for_the_epoch__is_refused_until_the_first_expires(town: Town) -> None:
    town.ready_job()
    first = propose(town).header
    second = forge(town, lambda e: replace(e, valid_until=e.valid_until - 1))
    signature = town.all[1].approve(first)
    for one in (town.all[1], town.nodes[1].restart()):
        for ask in (one.review, one.approve):
            with pytest.raises(Refused) as refused:
                ask(second)
            assert refused.value.code == "already-signed"
        assert one.approve(first) == signature  # the same again is no second
    town.chain.mine_until(first.valid_until)
    later = replace(load(town, first), valid_until=first.valid_until + 10)
    third = ep.pack(later, {1: town.state.jobs[1].terms.manifest})
    town.nodes[1].content.put_many(third.blocks)
    with pytest.raises(Refused):
        town.all[1].approve(third.header)
    town.chain.mine(seconds=1)
    assert town.all[1].approve(third.header)


def test_approve__two_requests_at_once__sign_one_header(town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both may pass the first look; the database lets only one through."""
    town.ready_job()
    first = propose(town).header
    second = forge(town, lambda e: replace(e, valid_until=e.valid_until - 1))
    monkeypatch.setattr(Member, "_check_only", lambda *_: None)
    assert town.all[1].approve(first)
    with pytest.raises(Refused) as refused:
        town.all[1].approve(second)
    assert refused.value.code == "already-signed"


def test_approve__answer_receipted_during_the_checks__is_missed_after_all(
    town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = town.open_job(tasks=1, answers=2)
    town.register(2)
    one, two = (town.answer(offer) for offer in town.offers(job, [(0, 1), (0, 2)]))
    town.give([one])
    monkeypatch.setattr(rules, "needed", lambda *_: 1)
    header = propose(town).header
    checks = Member._check_opened

    def then_accept(self: Member, *checked: Any) -> None:
        checks(self, *checked)
        self.accept([two])

    monkeypatch.setattr(Member, "_check_opened", then_accept)
    with pytest.raises(Incomplete):
        town.all[1].approve(header)
    assert town.nodes[1].database.signed() == []


@pytest.mark.parametrize(("late", "signed"), [(-1, True), (0, False), (1, False)])
def test_approve__header_that_expires_as_debits_close__is_refused(town: Town, late: int, signed: bool) -> None:
    job, _ = town.ready_job()
    town.close_job(job)
    opens = town.state.jobs[job].deadline + 3 * WINDOW
    town.chain.mine_until(opens - 100)
    header = forge(town, lambda e: replace(e, valid_until=opens + late))
    if signed:
        assert town.all[1].approve(header)
    else:
        assert refusals(town, header) == {"debits-closed"}


# ------------------------------------------------------------------------------------------- restarts and struck epochs


def restart(town: Town) -> None:
    for node, peer in zip(town.nodes, town.peers, strict=True):
        peer.member = node.restart()


def after_a_restart(town: Town) -> tuple[Proposal, Proposal | None]:
    """What two of four members signed, and what is agreed on after all have restarted and the job has more answers."""
    town.ready_job()
    first = propose(town)
    for at in (1, 2):
        town.all[at].approve(first.header)
    town.ready_job()  # a fresh proposal would decide this job too
    restart(town)
    return first, settle.agree(town.settler(), town.state)[0]


def test_propose__restarted_after_signing__proposes_the_same_header_again(town: Town) -> None:
    first, agreed = after_a_restart(town)
    assert agreed == first
    assert settle.post_next(town.settler(), town.state)
    assert header_of(town) == first.header
    town.chain.mine(seconds=WINDOW)
    assert settle.finalise_pending(town.settler(), town.state, town.index.now)
    settle_all(town)
    assert town.state.last_epoch == 2


def test_propose__member_that_forgets_what_it_signed__blocks_the_epoch(
    town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Member, "_standing", lambda *_: None)
    with pytest.raises(Retryable, match="another header for epoch 1 is signed"):
        after_a_restart(town)


def test_propose__signed_header_that_expired__is_proposed_no_more(town: Town) -> None:
    town.ready_job()
    first = propose(town)
    town.all[0].approve(first.header)
    town.chain.mine_until(first.header.valid_until)
    assert town.nodes[0].restart().propose(NOTHING) == first
    town.chain.mine(seconds=1)
    again = town.nodes[0].restart().propose(NOTHING)
    assert again
    assert again.header.valid_until > town.chain.now


def strike(town: Town, withheld: bool) -> None:
    """Posts an epoch, which is then struck; `withheld`: its data is nowhere any more."""
    assert settle.post_next(town.settler(), town.state)
    if withheld:
        for node in town.nodes:
            node.content.blocks.pop(from_digest(Codec.DAG_CBOR, town.state.posts[1].content))  # type: ignore[attr-defined]
    town.chain.mine(ev.EpochStruck(1, heads.struck(town.market.state().head)))
    restart(town)


@pytest.mark.parametrize("withheld", [False, True])
def test_settle__struck_epoch__is_built_and_posted_again(town: Town, withheld: bool) -> None:
    job, _ = town.ready_job()
    strike(town, withheld)
    settle_all(town)
    state = town.state
    assert [post.status for post in state.posts.values()] == [EpochStatus.STRUCK, EpochStatus.FINAL]
    epoch = town.nodes[0].member._books.epoch(2, state.posts[2].content)
    assert [(v.job, v.task) for v in epoch.verdicts] == [(job, 0), (job, 1), (job, 2)]
    assert len(epoch.assignments) == 9  # committed again
    assert state.final_total == sum(state.claimed.values()) > 0


def test_settle__struck_epoch_that_only_some_members_have__parts_nobody(town: Town) -> None:
    town.ready_job()
    strike(town, withheld=False)
    for node in town.nodes[:2]:
        node.content.blocks.pop(from_digest(Codec.DAG_CBOR, town.state.posts[1].content))  # type: ignore[attr-defined]
    assert len({propose(town, at) for at in range(4)}) == 1


def test_settle__without_the_rule_on_struck_epochs__withheld_data_stops_everybody(
    town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(State, "unstruck", lambda self: list(self.posts.values()))
    town.ready_job()
    strike(town, withheld=True)
    with pytest.raises(Retryable, match="epoch 1 is not in the store"):
        settle_all(town)


# ----------------------------------------------------------------------------------------------------------- equivocation


@pytest.mark.parametrize(("quorum", "broken"), [(3, False), (2, True)])
def test_approve__equivocating_proposer__gets_two_quorums_only_where_the_quorum_is_too_small(
    quorum: int, broken: bool
) -> None:
    """One liar of four, every way to show its two headers to the three honest members."""
    town = Town(quorum=quorum)
    town.ready_job(tasks=1, answers=1)
    double = 0
    for order in product((0, 1), repeat=3):
        until = town.chain.now + rules.VALID_SECONDS
        headers = [forge(town, lambda e, u=until - i: replace(e, valid_until=u)) for i in (0, 1)]  # type: ignore[misc]
        votes = [1, 1]  # the liar's own, under both
        for at, first in zip((1, 2, 3), order, strict=True):
            for header in (first, 1 - first):
                votes[header] += signs(town.all[at], headers[header])
        assert sum(votes) == 2 + 3
        double += min(votes) >= quorum
        town.chain.mine_until(until + 1)
    assert (double > 0) is broken
    town.close()


def signs(one: Member, header: Header) -> bool:
    try:
        return bool(one.approve(header))
    except Refused as refused:
        assert refused.code == "already-signed"
        return False


# ------------------------------------------------------------------------------------------------- members that differ


def test_agree__every_member_lacks_one_answer__evidence_brings_them_together_also_after_closing(town: Town) -> None:
    job = town.open_job(tasks=1, answers=4)
    town.register(4)
    offers = town.offers(job, [(0, worker) for worker in (1, 2, 3, 4)])
    for lacking, offer in enumerate(offers):
        town.give([town.answer(offer)], to={0, 1, 2, 3} - {lacking})
    town.chain.mine_until(town.state.jobs[job].deadline + 1)  # the job and the assignments are over
    proposal, signatures = settle.agree(town.settler(), town.state)
    assert proposal
    assert len(signatures) == 3
    assert [core.worker for core in load(town, proposal.header, -1).verdicts[0].cores] == [1, 2, 3, 4]


def test_agree__revoked_key__does_not_undo_what_was_receipted(town: Town) -> None:
    job = town.open_job(tasks=1, answers=1)
    town.register(1)
    (offer,) = town.offers(job, [(0, 1)])
    town.give([town.answer(offer)], to=[1, 2, 3])
    town.chain.mine(ev.KeyRevoked(1, 0))
    proposal, _ = settle.agree(town.settler(), town.state)
    assert proposal


def garbage(town: Town, positions: tuple[int, ...], job: int, task: int, worker: int, binder: int = 0) -> StoredAnswer:
    """An answer whose envelope opens only for the others."""
    (offer,) = town.offers(job, [(task, worker)], binder)
    payload, salt = b"\x01", b"\x07" * 32
    bound = commitment(job, task, worker, payload, salt)
    return town.signed(offer, bound, town.seal(bound, payload, salt, garbage_for=positions))


@pytest.mark.parametrize("closed_to", [(0,), (0, 1), (0, 1, 2)])
def test_agree__answer_that_only_some_can_open__counts(town: Town, closed_to: tuple[int, ...]) -> None:
    job = town.open_job(tasks=1, answers=1)
    town.register(1)
    town.give([garbage(town, closed_to, job, 0, 1)])
    proposal, _ = settle.agree(town.settler(), town.state)
    assert proposal
    assert load(town, proposal.header, -1).verdicts[0].cores[0].label == 1


def test_settle__envelope_that_opens_for_nobody__is_listed_unpaid_and_conserves_money(town: Town) -> None:
    job = town.open_job(tasks=2, answers=2)
    workers = town.register(2)
    town.fill_job(job, {(0, 1): 1, (1, 1): 1, (1, 2): 1})
    town.give([garbage(town, (0, 1, 2, 3), job, 0, 2)])
    settle_all(town)
    first = load(town, header_of(town)).verdicts[0]
    assert [core.status for core in first.cores] == [Status.COUNTED, Status.UNOPENED]
    assert first.openings[1].envelope
    state = town.state
    assert [state.claimed[w] for w in workers] == [2 * 1_300, 1_300]
    assert town.market.held() == state.jobs[job].escrow - sum(state.claimed.values())


def test_agree__salt_of_zero__is_unopened_and_stops_nobody(town: Town) -> None:
    """A zero salt means "unopened" in a list: counted, it would make every epoch false."""
    job = town.open_job(tasks=1, answers=1)
    town.register(1)
    (offer,) = town.offers(job, [(0, 1)])
    bound = commitment(job, 0, 1, b"\x01", ZERO)
    town.give([town.signed(offer, bound, town.seal(bound, b"\x01", ZERO))])
    proposal, _ = settle.agree(town.settler(), town.state)
    assert proposal
    assert load(town, proposal.header, -1).verdicts[0].cores[0].status is Status.UNOPENED


@pytest.mark.parametrize("payload", [b"", b"\x03", b"\xff"])
def test_propose__opening_that_is_no_label__is_unopened(town: Town, payload: bytes) -> None:
    answer = changed(garbage_free(town), commitment=bytes(32))
    books, terms = town.settler().books, town.state.jobs[answer.job].terms
    assert not draft.is_answer(books, terms, payload)
    assert draft.is_answer(books, terms, b"\x02")
    listed = draft.list_answer(answer, books, terms, (payload, b"\x01" * 32))
    assert (listed.status, listed.label) == (Status.UNOPENED, NO_LABEL)


def garbage_free(town: Town) -> StoredAnswer:
    job = town.open_job(tasks=1, answers=1)
    town.register(1)
    return town.answer(town.offers(job, [(0, 1)])[0])


def test_settle__no_counted_answer_at_all__decides_by_the_prior_and_pays_nobody(town: Town) -> None:
    job = town.open_job(tasks=1, answers=1)
    town.register(1)
    town.give([garbage(town, (0, 1, 2, 3), job, 0, 1)])
    settle_all(town)
    assert town.state.final_total == 0
    assert town.state.last_epoch == 1


def test_agree__worker_that_gives_two_answers_to_different_members__is_listed_with_one(town: Town) -> None:
    """Neither is owed, so neither stops the epoch; what is listed is judged by its own envelope."""
    job = town.open_job(tasks=1, answers=1)
    town.register(1)
    (offer,) = town.offers(job, [(0, 1)])
    town.give([town.answer(offer, 0)], to=[0, 1])
    town.give([garbage_of(town, offer)], to=[2, 3])
    for first in range(4):
        peers = town.peers[first:] + town.peers[:first]
        proposal, signatures = settle.agree(town.settler(peers), town.state)
        assert proposal
        assert len(signatures) == 3
        assert len(load(town, proposal.header, -1).verdicts[0].cores) == 1


def garbage_of(town: Town, offer: Any) -> StoredAnswer:
    return town.signed(offer, b"\x05" * 32, town.seal(b"\x05" * 32, b"\x01", b"\x06" * 32))


def test_propose__more_receipted_answers_than_the_job_allows__leaves_the_task_out_and_goes_on(town: Town) -> None:
    job = town.open_job(tasks=2, answers=1)
    town.register(2)
    one = town.answer(town.offers(job, [(0, 1)], binder=0)[0])
    two = town.answer(town.offers(job, [(0, 2)], binder=1)[0])
    three = town.answer(town.offers(job, [(1, 1)], binder=0)[0])
    town.give([one, three])
    proposal = propose(town, evidence=Evidence(answers=(two,)))
    assert [v.task for v in load(town, proposal.header).verdicts] == [0, 1]  # a late one displaces nothing
    town.nodes[0].database.add_answers([two])
    assert [v.task for v in load(town, propose(town).header).verdicts] == [1]


# ---------------------------------------------------------------------------------------------------------- bad evidence


def test_propose__junk_among_the_evidence__is_passed_over(town: Town) -> None:
    job = town.open_job(tasks=2, answers=2)
    town.register(2)
    answers = town.fill_job(job, {(0, 1): 0, (0, 2): 0, (1, 1): 0})
    (missing,) = [town.answer(offer) for offer in town.offers(job, [(1, 2)])]
    junk = (
        changed(missing, signature=bytes(65)),
        changed(missing, job=77),
        changed(missing, task=1 << 40),
        changed(missing, commitment=b""),
        changed(missing, assigned_by=b""),
        changed(missing, worker=0),
        changed(missing, key=9),
        changed(missing, envelope=b""),
    )
    openings = tuple((job, 0, worker, b"\x02", b"\x01" * 32) for worker in (1, 2, 99))
    evidence = Evidence((*junk, missing, *junk, *answers), openings)
    proposal = propose(town, evidence=evidence)
    assert len(town.nodes[0].database.answers(job)) == 4
    assert all(c.status is Status.COUNTED for v in load(town, proposal.header).verdicts for c in v.cores)


def test_propose__wrong_opening_before_the_right_one__does_not_hide_it(town: Town) -> None:
    job = town.open_job(tasks=1, answers=1)
    town.register(1)
    town.give([garbage(town, (0,), job, 0, 1)])
    right, wrong = (job, 0, 1, b"\x01", b"\x07" * 32), (job, 0, 1, b"\x02", b"\x07" * 32)
    for openings in ((right, wrong), (wrong, right), (wrong, wrong, right, wrong)):
        proposal = propose(town, evidence=Evidence(openings=openings))
        assert load(town, proposal.header).verdicts[0].cores[0].label == 1


@dataclass
class Noisy:
    """A member that refuses everything with ever new evidence that is worth nothing."""

    honest: LocalPeer
    count: int = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self.honest, name)

    def review(self, header: Header) -> None:
        self.count += 1
        raise Incomplete("more", Evidence(openings=((1, 0, self.count, b"\x00", ZERO),)))

    approve = review

    def propose(self, evidence: Evidence) -> Proposal | None:
        raise Retryable("not me")


def test_agree__one_member_with_endless_evidence__ends_with_the_others_signatures(town: Town) -> None:
    job = town.open_job(tasks=1, answers=3)
    town.register(3)
    offers = town.offers(job, [(0, 1), (0, 2), (0, 3)])
    for lacking, offer in zip((1, 2, 3), offers, strict=True):
        town.give([town.answer(offer)], to={0, 1, 2, 3} - {lacking})
    town.close_job(job)
    noisy = Noisy(town.peers[0])
    proposal, signatures = settle.agree(town.settler([noisy, *town.peers[1:]]), town.state)  # type: ignore[list-item]
    assert proposal
    assert len(signatures) == 3


def test_agree__two_members_with_endless_evidence__gives_up_and_says_why(town: Town) -> None:
    town.ready_job()
    noisy: list[Any] = [Noisy(town.peers[0]), Noisy(town.peers[1])]
    with pytest.raises(Retryable, match="more"):
        settle.agree(town.settler([*noisy, *town.peers[2:]]), town.state)
    assert max(one.count for one in noisy) <= 2 * settle.ROUNDS * 4
    assert all(node.database.signed() == [] for node in town.nodes)  # nobody is bound by what failed
