"""Gold in real jobs: sealed, mixed into all work, held in judgement, opened with the verdicts, refused where it is false."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from io import BytesIO
from typing import Any

import numpy as np
import pytest

from oracle.adapters.car import read_car
from oracle.adapters.content import MemoryStore
from oracle.ports import Evidence, Incomplete, Proposal
from oracle.protocol import epoch as ep
from oracle.protocol import gold
from oracle.protocol.cids import Codec, Link, cid_of, decode, digest_of, encode, from_digest
from oracle.protocol.errors import BadInput, Refused
from oracle.protocol.gold import Opening, Part
from oracle.protocol.hashing import tagged
from oracle.protocol.leaves import Task
from oracle.protocol.manifest import check_manifest, load_job, make_job
from oracle.protocol.plain import from_json, to_json
from oracle.protocol.terms import NAT, Terms
from oracle.services import audit, matches, rounds, settle, verify
from oracle.services.books import Books, source
from oracle.services.member import Member
from tests.services.test_verify import said
from tests.support.committee import WINDOW, Town, car_of
from tests.support.epochs import manifest_document
from tests.support.market import REQUESTER

TWO = {"type": "choice", "classes": ["no", "yes"]}
NOTHING = Evidence()


def propose(town: Town, at: int = 0, evidence: Evidence = NOTHING) -> Proposal:
    """A member's proposal, its blocks at all members."""
    proposal = town.all[at].propose(evidence)
    assert proposal
    for peer in town.peers:
        peer.store(car_of(town.nodes[at].content, from_digest(Codec.DAG_CBOR, proposal.header.content)))
    return proposal


def opened(town: Town, proposal: Proposal) -> dict[int, int]:
    books = Books(town.nodes[0].content)
    found = books.openings(books.epoch(proposal.header.epoch, proposal.header.content).model)
    return {one.task: one.label for one in found}


def finish(town: Town) -> None:
    assert settle.post_next(town.settler(), town.state)
    town.chain.mine(seconds=WINDOW)
    assert settle.finalise_pending(town.settler(), town.state, town.index.view().now)


def audited(town: Town) -> audit.Report:
    return audit.run(town.chain, town.content, town.deployment, town.market.decode_post)


def parts_of(
    town: Town, known: Mapping[int, int], requester: bytes = REQUESTER, only: Sequence[int] = ()
) -> list[Part]:
    """Sealed to all members, or in a way that opens only for those at `only`."""
    keys = town.deployment.committee.seal_keys
    wrong = keys[::-1]
    sealed = [key if not only or i in only else wrong[i] for i, key in enumerate(keys)]
    return list(gold.make(known, requester, sealed))


def full_job(town: Town, parts: Sequence[Part], tasks: int = 6) -> int:
    """All three workers say task % 2."""
    count = len(gold.leaves_of(parts))
    job = town.open_job(tasks, 3, gold=parts, goldShare=count / tasks, answer=TWO)
    if len(town.state.workers) == 1:
        town.register(3)
    town.fill_job(job, {(t, w): t % 2 for t in range(tasks) for w in (1, 2, 3)})
    return job


# ------------------------------------------------------------------------------------------------------------ honest runs


def test_settle__job_with_gold__opens_it_with_the_verdicts_and_the_audit_agrees(town: Town) -> None:
    job = full_job(town, parts_of(town, {1: 1, 4: 0}))
    finish(town)
    assert Books(town.content).gold(town.state, job) == {1: 1, 4: 0}
    report = audited(town)
    assert report.ok, report.faults
    assert report.gold == 2


def test_settle__gold_and_others__are_paid_alike(town: Town) -> None:
    full_job(town, parts_of(town, {1: 1, 4: 0}))
    proposal = propose(town)
    epoch, _ = ep.load(source(town.nodes[0].content), 1, proposal.header.content)
    assert epoch
    assert {len(verdict.cores) for verdict in epoch.verdicts} == {3}
    assert proposal.debits[0].pay == 6 * 3 * 1_300


def test_propose__job_without_gold__has_a_card_and_a_root_that_say_nothing_of_it(town: Town) -> None:
    town.ready_job()
    content = town.nodes[0].content
    epoch, _ = ep.load(source(content), 1, propose(town).header.content)
    assert epoch
    card: Any = decode(content.get(from_digest(Codec.DAG_CBOR, epoch.model)))
    root: Any = decode(content.get(from_digest(Codec.DAG_CBOR, town.state.jobs[1].terms.manifest)))
    assert card.keys() == {"version", "code", "seed", "jobs"}
    assert "gold" not in card["jobs"][0]
    assert root.keys() == {"manifest", "tasks"}


def test_propose__gold_in_an_earlier_epoch__still_teaches(town: Town) -> None:
    parts = parts_of(town, {0: 0, 1: 1})
    job = town.open_job(4, 3, gold=parts, goldShare=0.5, answer=TWO)
    town.register(3)
    town.fill_job(job, {(t, w): t % 2 for t in (0, 1) for w in (1, 2, 3)})
    finish(town)
    town.fill_job(job, {(t, w): t % 2 for t in (2, 3) for w in (1, 2, 3)})
    proposal = propose(town)
    epoch, _ = ep.load(source(town.nodes[0].content), 2, proposal.header.content)
    assert epoch
    card: Any = decode(town.nodes[0].content.get(from_digest(Codec.DAG_CBOR, epoch.model)))
    assert card["jobs"][0]["gold"] == 2
    assert opened(town, proposal) == {}
    for member in town.all:
        member.review(proposal.header)


def test_judge__majority_ring_of_noisy_copies__is_beaten_with_gold_and_wins_without() -> None:
    """Five follow a random key with noise, four are right as often: only what is known tells which side is honest."""
    terms = Terms(2, 80, 9, 1_000, 300, 250, 6 * NAT, NAT, bytes(32), bytes(32))
    scores = {False: list[float](), True: list[float]()}
    for seed in range(4):
        rng = np.random.default_rng(seed)
        truth, key = rng.integers(0, 2, (2, 80))
        said_of = [np.where(rng.random(80) < 0.85, source_, 1 - source_) for source_ in (truth,) * 4 + (key,) * 5]
        lists = {t: tuple(said(w + 1, int(labels[t])) for w, labels in enumerate(said_of)) for t in range(80)}
        known = {t: int(truth[t]) for t in range(10)}
        for told in (False, True):
            labels = verify.judge(1, terms, lists, {}, known if told else {}).labels
            scores[told].append(float(np.mean([labels[t] == truth[t] for t in range(10, 80)])))
    without, with_gold = np.mean(scores[False]), np.mean(scores[True])
    assert with_gold > 0.75
    assert with_gold > without + 0.1


# -------------------------------------------------------------------------------------------- who knows it, and who does not


def below(town: Town, digest: bytes) -> dict[str, bytes]:
    """What anybody may read: the blocks below a job's manifest, or an epoch."""
    store = MemoryStore()
    read_car(BytesIO(car_of(town.content, from_digest(Codec.DAG_CBOR, digest))), store)
    return {str(cid): store.get(cid) for cid in store.cids()}


def test_job__public_blocks__differ_in_the_sealed_gold_alone_and_hold_no_salt(town: Town) -> None:
    one = town.golden_job(6, 3, {1: 1, 4: 0}, answer=TWO)
    first = below(town, root := town.state.jobs[one].terms.manifest)
    other = Town()
    two = other.golden_job(6, 3, {0: 0, 5: 1}, answer=TWO)
    second = below(other, other.state.jobs[two].terms.manifest)
    other.close()
    alone = {name: data for name, data in first.items() if name not in second}
    assert sorted(map(len, alone.values())) == sorted(len(data) for name, data in second.items() if name not in first)
    assert len(alone) == 3  # leaves, envelope, root
    assert (
        decode(first[str(from_digest(Codec.DAG_CBOR, root))])["manifest"]
        == check_manifest(  # type: ignore[call-overload, index]
            manifest_document(answer=TWO, goldShare=2 / 6, redundancy={"most": 3, "least": 1})
        ).document
    )
    leaves = next(data for data in alone.values() if len(data) == 64)
    assert [leaves[:32], leaves[32:]] == sorted([leaves[:32], leaves[32:]])
    words = {data[i : i + 32] for data in first.values() for i in range(len(data) - 31)} | {bytes(32)}
    salts = words | {tagged("gold-salt", word, task) for word in words for task in range(6)}
    guesses = {Opening(0, t, label, salt).leaf() for salt in salts for t in range(6) for label in (0, 1)}
    assert guesses.isdisjoint(gold.leaves_of([Part(leaves, b"")]))


def test_appraise__gold__is_worth_what_it_is_where_nobody_knows_it(town: Town) -> None:
    """No value, no order, no early closing: so nothing that a match publishes tells gold from other tasks."""
    asked = {"answer": TWO, "redundancy": {"most": 6, "least": 1, "confidence": 0.8}}
    labels = {(t, w): (t + (w == 4)) % 2 for t in range(4) for w in (1, 2, 3, 4)}
    golden = town.golden_job(12, 6, {0: 1, 1: 1, 5: 0, 7: 1}, **asked)
    plain = Town()
    without = plain.open_job(12, 6, **asked)
    found = []
    for where, job in ((town, golden), (plain, without)):
        where.register(6)
        where.fill_job(job, labels)
        pairs = [(job, t, w) for w in (1, 5, 6) for t in range(12)]
        found.append(where.all[0].appraise(pairs).worth)
        assert where.all[0]._appraiser.sure(where.all[0].view(), job) == where.all[1]._appraiser.sure(
            where.all[1].view(), job
        )
    sure = [where.all[0]._appraiser.sure(where.all[0].view(), job) for where, job in ((town, golden), (plain, without))]
    plain.close()
    assert sure[0] == sure[1]
    assert {(a, b) for a, b in zip(*found, strict=True) if a != b and a} == set()
    kept = [sum(worth > 0 for worth in found[0][i : i + 12]) for i in (0, 12, 24)]
    assert max(kept) <= 10


def test_epoch__some_gold_still_open__names_only_what_it_decides(town: Town) -> None:
    known = {0: 0, 1: 1, 5: 1, 6: 0}
    job = town.golden_job(8, 3, known, answer=TWO)
    town.register(4)
    rounds.offer(town.matcher(), Books(town.content), town.all[0].view(), job)
    held = [o for o in town.database.assignments(job) if o.task in (0, 2)]
    town.give([town.answer(o, 0) for o in held])
    decided = {task for task, count in Counter(o.task for o in held).items() if count == 3}
    assert decided == {0, 2}
    finish(town)
    post = town.state.posts[1]
    books = Books(town.content)
    assert books.gold(town.state, job) == {0: 0}
    everything = b"".join(below(town, post.content).values())
    for node in town.nodes:
        for one in node.member._vault.gold(job, town.state.jobs[job]).openings.values():
            assert (one.salt in everything) == (one.task == 0)
    card: Any = decode(town.content.get(from_digest(Codec.DAG_CBOR, books.epoch(1, post.content).model)))
    [match] = [matches.load(source(town.content), one) for one in matches.linked(card)]
    assert len(set(match.value.tolist())) == 1  # nobody had answered


def test_vault__job_of_somebody_who_copied_the_gold__is_told_nothing(town: Town) -> None:
    job = full_job(town, parts_of(town, {1: 1, 4: 0}, requester=b"\x66" * 20))
    assert [node.member._vault.gold(job, town.state.jobs[job]).openings for node in town.nodes] == [{}] * 4
    proposal = propose(town)
    assert opened(town, proposal) == {}
    finish(town)
    assert audited(town).ok


# ------------------------------------------------------------------------------------------------------------------ mixing


def test_offer__jobs_with_gold__give_everybody_its_share_in_every_part_of_a_job(town: Town) -> None:
    """The draw is secret, so luck enters: over three jobs a worker gets 45 answers of which 9 are gold, give or take 2."""
    jobs, tasks, people, each = 3, 60, 12, 3
    known = {t: t % 2 for t in range(0, tasks, 5)}
    town.register(people)
    orders = [_asked(town, town.golden_job(tasks, each, known, answer=TWO)) for _ in range(jobs)]
    for order in orders:  # gold is asked as often as the others
        assert Counter(task for _, task in order) == dict.fromkeys(range(tasks), each)
    asked = Counter(worker for order in orders for worker, _ in order)
    golden = Counter(worker for order in orders for worker, task in order if task in known)
    shares = [golden[worker] / asked[worker] for worker in range(1, people + 1)]
    assert min(shares) >= 0.04
    assert max(shares) <= 0.4
    early = [task in known for order in orders for _, task in order[: len(order) // 2]]
    assert np.mean(early) == pytest.approx(0.2, abs=0.08)


def _asked(town: Town, job: int) -> list[tuple[int, int]]:
    """(worker, task) in the order of the offers, all of which are answered."""
    books, order = Books(town.content), []
    while offers := rounds.offer(town.matcher(), books, town.all[0].view(), job):
        assert max(Counter(o.worker for o in offers).values()) <= rounds.HELD
        order += [(o.worker, o.task) for o in offers]
        town.give([town.answer(o, o.task % 2) for o in offers])
    return order


def test_appraise__cold_worker_beside_warm_ones__is_asked_more_gold(town: Town) -> None:
    """Workers 1 to 4 have answered 20 tasks."""
    known = dict.fromkeys(range(0, 120, 6), 0)
    job = town.golden_job(120, 12, known, answer=TWO)
    town.register(8)
    done = [t for t in range(24) if t not in known]
    town.fill_job(job, {(t, w): 0 for t in done for w in range(1, 5)})
    pairs = [(job, t, w) for w in range(1, 9) for t in range(24, 84)]
    asked: dict[bool, list[bool]] = {True: [], False: []}
    for shift in range(12):
        turned = pairs[shift:] + pairs[:shift]
        for (_, task, w), worth in zip(turned, town.all[0].appraise(turned).worth, strict=True):
            asked[w > 4] += [task in known] if worth else []
    assert np.mean(asked[True]) > 1.3 * np.mean(asked[False])


def test_appraise__all_members__mix_the_same_pairs(town: Town) -> None:
    job = town.golden_job(40, 3, dict.fromkeys(range(8), 0), answer=TWO)
    town.register(5)
    pairs = [(job, t, w) for w in range(1, 6) for t in range(40)]
    assert len({member.appraise(pairs).worth for member in town.all}) == 1
    assert sum(worth > 0 for worth in town.all[0].appraise(pairs).worth) == 5 * rounds.HELD


# ------------------------------------------------------------------------------------------------------------- false gold


@pytest.mark.parametrize(
    "lie",
    [
        lambda told: [replace(told[0], label=1 - told[0].label), *told[1:]],
        lambda told: [replace(told[0], task=0), *told[1:]],
        lambda told: [replace(told[0], salt=bytes(32)), *told[1:]],
        lambda told: [replace(told[0], job=7)],
        lambda told: [*told, Opening(1, 5, 1, bytes(32))],
    ],
)
def test_review__gold_that_does_not_open_the_commitment__is_refused(
    town: Town, monkeypatch: pytest.MonkeyPatch, lie: Any
) -> None:
    full_job(town, parts_of(town, {1: 1, 4: 0}))
    liar = town.all[0]
    monkeypatch.setattr(liar, "_told", lambda *given: lie(sorted(Member._told(liar, *given), key=lambda o: o.task)))
    monkeypatch.setattr(liar, "_known", lambda *_: {})
    proposal = propose(town)
    for honest in town.all[1:]:
        for ask in (honest.review, honest.approve):
            with pytest.raises(Refused) as refused:
                ask(proposal.header)
            assert refused.value.code == "wrong-gold"


def test_review__gold_opened_of_a_task_that_is_not_decided__is_refused(
    town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = town.golden_job(4, 3, {0: 0, 3: 1}, answer=TWO)
    town.register(3)
    town.fill_job(job, {(t, w): 0 for t in (0, 1) for w in (1, 2, 3)})
    own = town.all[0]._vault.gold(job, town.state.jobs[job]).openings
    monkeypatch.setattr(town.all[0], "_told", lambda *_: list(own.values()))
    with pytest.raises(Refused, match="not decided here") as refused:
        town.all[1].review(propose(town).header)
    assert refused.value.code == "wrong-gold"


def test_review__gold_that_is_kept_quiet__is_refused_with_what_is_missing(
    town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    full_job(town, parts_of(town, {1: 1, 4: 0}))
    monkeypatch.setattr(town.all[0], "_told", lambda *_: [])
    with pytest.raises(Incomplete) as refused:
        town.all[1].approve(propose(town).header)
    assert {(one.task, one.label) for one in refused.value.evidence.gold} == {(1, 1), (4, 0)}
    assert town.nodes[1].database.signed() == []


@pytest.mark.parametrize("shares", [[(0, 1), (2, 3)], [(0,), (1, 2, 3)], [(3,), (3,)]])
def test_settle__requester_who_seals_other_gold_to_other_members__stops_nothing(
    town: Town, shares: list[tuple[int, ...]]
) -> None:
    parts = [part for i, only in enumerate(shares) for part in parts_of(town, {i: i % 2}, only=only)]
    job = full_job(town, parts)
    for first in range(4):  # whoever proposes
        proposal, signatures = settle.agree(town.settler(town.peers[first:] + town.peers[:first]), town.state)
        assert proposal
        assert len(signatures) == 3
    finish(town)
    assert Books(town.content).gold(town.state, job) == {0: 0, 1: 1}
    assert audited(town).ok


def test_settle__task_that_is_gold_with_two_labels__is_opened_with_one(town: Town) -> None:
    parts = [*parts_of(town, {2: 0}, only=(0, 1)), *parts_of(town, {2: 1}, only=(2, 3))]
    job = full_job(town, parts)
    finish(town)
    assert Books(town.content).gold(town.state, job).keys() == {2}
    assert audited(town).ok


def test_vault__labels_and_tasks_that_the_job_has_not__are_no_gold(town: Town) -> None:
    job = full_job(town, parts_of(town, {1: 2, 9: 0, 4: 0}))
    assert town.all[0]._vault.gold(job, town.state.jobs[job]).openings.keys() == {4}
    finish(town)
    assert Books(town.content).gold(town.state, job) == {4: 0}


def test_propose__junk_shown_as_gold__is_passed_over(town: Town) -> None:
    job = full_job(town, parts_of(town, {1: 1}))
    [right] = town.all[0]._vault.gold(job, town.state.jobs[job]).openings.values()
    junk = [
        replace(right, salt=b""),
        replace(right, label=300),
        replace(right, job=1 << 60),
        replace(right, task=1 << 60),
        replace(right, task=2),
        replace(right, label=0),
    ]
    proposal = propose(town, 1, Evidence(gold=tuple(junk)))
    assert opened(town, proposal) == {1: 1}
    town.all[2].review(proposal.header)


def test_audit__committee_that_lied_about_gold__is_found(town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    full_job(town, parts_of(town, {1: 1, 4: 0}))
    told = Member._told

    def lying(self: Member, *given: Any) -> list[Opening]:
        return [replace(one, label=1 - one.label) if one.task == 4 else one for one in told(self, *given)]

    monkeypatch.setattr(Member, "_told", lying)
    monkeypatch.setattr(Member, "_check_gold", lambda *_: None)
    finish(town)
    report = audited(town)
    assert [(fault.tree, fault.index) for fault in report.faults] == [("gold", 1)]
    assert "did not commit" in str(report.faults[0])
    assert report.gold == 1


def test_audit__card_that_opens_gold_in_no_form__is_a_fault(town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    full_job(town, parts_of(town, {1: 1, 4: 0}))
    rows = gold._row
    monkeypatch.setattr(gold, "_row", lambda one: rows(one)[:-1])
    proposal = propose(town)
    with pytest.raises(Refused) as refused:
        town.all[1].review(proposal.header)
    assert refused.value.code == "wrong-gold"


# ------------------------------------------------------------------------------------------------------------------- the job


@pytest.mark.parametrize("share", [0.1, 0.5])
def test_make_job__share_that_is_not_the_gold__is_refused(town: Town, share: float) -> None:
    with pytest.raises(BadInput, match="goldShare"):
        town.open_job(20, 3, gold=parts_of(town, dict.fromkeys(range(5), 0)), goldShare=share)


def golden_root(town: Town, change: Any) -> tuple[Any, Any]:
    """The manifest and the faults of a job whose requester wrote its root by hand."""
    parts = parts_of(town, {1: 1, 4: 0})
    manifest = replace(check_manifest(manifest_document(answer=TWO, goldShare=2 / 6)), gold=tuple(parts))
    terms, blocks = make_job(manifest, [Task(i, f"t{i}", None) for i in range(6)], 1)
    root: Any = decode(blocks[-1][0])
    short = town.content.put(parts[0].leaves[:-1], Codec.RAW)
    town.content.put_many(blocks)
    root["gold"] = change(root["gold"], Link(short))
    written = encode(root)
    town.content.put(written, Codec.DAG_CBOR)
    changed = replace(terms, manifest=digest_of(cid_of(written, Codec.DAG_CBOR)))
    found, _, faults = load_job(source(town.content), 1, changed)
    return found, faults


@pytest.mark.parametrize(
    "change",
    [
        lambda gold, short: [],
        lambda gold, short: [[short, gold[0][1]]],
        lambda gold, short: [*gold, *gold],
        lambda gold, short: [gold[0][:1]],
        lambda gold, short: gold[0],
        lambda gold, short: 3,
        lambda gold, short: [["a", "b"]],
        lambda gold, short: [[gold[0][0], Link(cid_of(b"nobody has this", Codec.RAW))]],
    ],
)
def test_load_job__gold_that_is_none__is_a_fault(town: Town, change: Any) -> None:
    found, faults = golden_root(town, change)
    assert faults
    assert found is None or not found.gold


def test_load_job__gold_as_made__has_its_leaves(town: Town) -> None:
    found, faults = golden_root(town, lambda gold, _: gold)
    assert not faults
    assert len(gold.leaves_of(found.gold)) == 2


def test_evidence__with_gold__passes_between_processes() -> None:
    shown = Evidence(gold=(Opening(1, 2, 3, b"\x04" * 32),))
    assert from_json(Evidence, to_json(shown)) == shown
