"""The audit of two real epochs on a FakeChain: clean it is silent; what is damaged, missing or forged, it names with its place."""

import random
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from oracle.adapters.content import FolderStore, MemoryStore
from oracle.protocol import epoch as ep
from oracle.protocol import events as ev
from oracle.protocol import pages
from oracle.protocol.cids import Cid, Codec, decode, from_digest
from oracle.protocol.errors import ContentMissing, Fatal, Refused, WrongChain
from oracle.protocol.faults import Fault
from oracle.protocol.keys import sign
from oracle.protocol.leaves import Status
from oracle.protocol.messages import Header, digest
from oracle.services import audit, settle
from oracle.services.books import source
from tests.support.committee import WINDOW, Town
from tests.support.epochs import person

FLIPS = 250
Where = tuple[int, str, int | None]


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    """Two final epochs: the first with an answer that opens for nobody, the second over several pages. All but one are paid."""
    store = FolderStore(tmp_path_factory.mktemp("home") / "store")
    town = Town(stores=[*(MemoryStore() for _ in range(4)), store])
    patch = pytest.MonkeyPatch()
    patch.setattr(pages, "TARGET", 700)
    job = town.open_job(tasks=3, answers=3)
    town.register(3)
    town.fill_job(job, {(t, w): (t + w) % 3 for t in range(3) for w in (1, 2, 3) if (t, w) != (1, 2)})
    (offer,) = town.offers(job, [(1, 2)])
    town.give([town.signed(offer, b"\x05" * 32, town.seal(b"\x05" * 32, b"\x01", b"\x06" * 32))])
    finish(town)
    town.ready_job(tasks=6, answers=2)
    finish(town)
    patch.undo()
    town.database.add_claims([0, 1, 2, 4, 5])
    settle.pay(town.settler(), town.market.state())
    yield town
    town.close()


def finish(town: Town) -> None:
    settler = town.settler()
    assert settle.post_next(settler, town.market.state())
    town.chain.mine(seconds=WINDOW)
    assert settle.finalise_pending(settler, town.market.state(), town.index.view().now)


@pytest.fixture(autouse=True)
def honest(town: Town) -> Iterator[None]:
    """Whatever a test does to the chain or the store is undone."""
    mined, donated = list(town.chain.mined), town.market.donated
    yield
    town.chain.mined, town.market.donated = mined, donated
    town.chain.altered, town.chain.hidden, town.chain.calldatas, town.chain.served_id = {}, set(), {}, None


def run(town: Town, content: Any = None) -> audit.Report:
    return audit.run(town.chain, content or town.content, town.deployment, town.market.decode_post)


def where(report: audit.Report) -> set[Where]:
    return {(fault.epoch, fault.tree, fault.index) for fault in report.faults}


def says(report: audit.Report, text: str) -> bool:
    return any(text in fault.what for fault in report.faults)


def folder(town: Town) -> Path:
    assert isinstance(town.content, FolderStore)
    return town.content.path


# ---------------------------------------------------------------------------------------------------------------- clean


def test_run__honest_deployment__is_ok_and_counts_everything(town: Town) -> None:
    report = run(town)
    assert report.faults == []
    assert report.ok
    state = town.market.state()
    assert (report.epochs, report.verdicts, report.answers, report.assignments) == (2, 9, 9 + 12, 9 + 12)
    assert (report.jobs, report.balances, report.blocks) == (2, 6, len(list(folder(town).iterdir())))
    assert report.total == state.final_total > report.claimed == sum(state.claimed.values()) > 0


def test_run__store_behind_a_gateway__needs_only_get(town: Town) -> None:
    class Gateway:
        def get(self, cid: Cid) -> bytes:
            return town.content.get(cid)

    report = run(town, Gateway())
    assert (report.ok, report.blocks) == (True, 0)


def test_run__nothing_posted__is_ok() -> None:
    empty = Town()
    empty.open_job()
    assert run(empty).ok
    empty.close()


def test_run__job_that_no_epoch_decides__may_name_what_nobody_keeps(town: Town) -> None:
    town.open_job(everywhere=False, title="hidden")
    assert run(town).ok


# ---------------------------------------------------------------------------------------------------------------- damage


def places(town: Town) -> dict[str, list[tuple[range, Where]]]:
    """File -> (bytes, where a fault in them belongs)."""
    found: dict[str, list[tuple[range, Where]]] = {}

    def whole(cid: str, place: Where) -> Any:
        found.setdefault(cid, []).append((range(1 << 20), place))
        return decode(town.content.get(Cid(cid)))

    def tree(name: str, number: int, node: Any) -> None:
        for first, link in node["pages"]:
            page = whole(link.cid, (number, name, first))
            start = 0
            for index, end in enumerate(page["ends"], first):
                found.setdefault(page["data"].cid, []).append((range(start, end), (number, name, index)))
                start = end

    first_of: dict[int, int] = {}
    for post in town.market.state().posts.values():
        node = whole(from_digest(Codec.DAG_CBOR, post.content), (post.epoch, "epoch", 0))
        whole(node["model"].cid, (post.epoch, "model", 0))
        for name in ep.TREES:
            tree(name, post.epoch, node["trees"][name])
        for job, _ in node["jobs"]:
            first_of.setdefault(job, post.epoch)
    for job, epoch in first_of.items():
        manifest = from_digest(Codec.DAG_CBOR, town.market.state().jobs[job].terms.manifest)
        node = whole(manifest, (epoch, f"manifest of job {job}", 0))
        tree(f"tasks of job {job}", epoch, node["tasks"])
    return found


def test_run__any_byte_of_any_file_flipped__is_named_by_epoch_tree_and_index(town: Town) -> None:
    luck, expected = random.Random(20261122), places(town)
    files = sorted(folder(town).iterdir())
    assert {file.name for file in files} == set(expected)
    assert len([1 for ranges in expected.values() if len(ranges) > 1]) > 3  # data blocks of several records
    trees = set()
    for _ in range(FLIPS):
        file = luck.choice(files)
        data = file.read_bytes()
        offset = luck.randrange(len(data))
        damaged = data[:offset] + bytes([data[offset] ^ (1 << luck.randrange(8))]) + data[offset + 1 :]
        file.write_bytes(damaged)
        report = run(town)
        file.write_bytes(data)
        named = {place for span, place in expected[file.name] if offset in span}
        assert named, (file.name, offset)
        assert where(report) == named, (file.name, offset, report.faults)
        trees |= {tree for _, tree, _ in named}
    assert trees >= {*ep.TREES, "epoch", "model", "manifest of job 1", "tasks of job 2"}
    assert run(town).ok


def test_run__without_the_store_s_check__a_flip_in_a_model_card_passes(town: Town) -> None:
    """What makes the rest sure: bytes are compared with their CID, and every file is looked at."""

    class Believing:
        def get(self, cid: Cid) -> bytes:
            return (folder(town) / cid).read_bytes()

    node: Any = decode(town.content.get(from_digest(Codec.DAG_CBOR, town.market.state().posts[1].content)))
    file = folder(town) / node["model"].cid
    data = file.read_bytes()
    file.write_bytes(data.replace(b"vote share", b"vote sharf"))
    assert run(town, Believing()).ok
    assert where(run(town)) == {(1, "model", 0)}
    file.write_bytes(data)


def test_run__file_that_nothing_needs_is_damaged__is_named_itself(town: Town) -> None:
    cid = town.content.put(b"nobody needs me", Codec.RAW)
    file = folder(town) / cid
    file.write_bytes(b"nobody needs mf")
    (fault,) = run(town).faults
    file.unlink()
    assert (fault.epoch, fault.tree, fault.index) == (0, "store", None)
    assert cid in fault.what


def test_run__store_shared_with_others__damage_that_is_not_ours_is_no_fault(
    town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(FolderStore, "shared", True)
    file = folder(town) / town.content.put(b"another's", Codec.RAW)
    file.write_bytes(b"damaged")
    report = run(town)
    file.unlink()
    assert report.ok and not report.blocks


def test_run__file_that_is_no_block__is_named_itself(town: Town) -> None:
    file = folder(town) / "garbage"
    file.write_bytes(b"x")
    (fault,) = run(town).faults
    file.unlink()
    assert "garbage" in fault.what


def test_run__each_file_missing__is_named_where_it_is_needed(town: Town) -> None:
    expected = places(town)
    for file in sorted(folder(town).iterdir()):
        data = file.read_bytes()
        file.unlink()
        report = run(town)
        file.write_bytes(data)
        assert where(report) <= {place for _, place in expected[file.name]}
        assert not report.ok


def test_run__file_truncated_or_grown__is_named(town: Town) -> None:
    expected = places(town)
    for file in random.Random(1).sample(sorted(folder(town).iterdir()), 15):
        data = file.read_bytes()
        for other in (b"", data[:-1], data + b"\0"):
            file.write_bytes(other)
            report = run(town)
            assert not report.ok
            assert {(e, t) for e, t, _ in where(report)} <= {(e, t) for _, (e, t, _) in expected[file.name]}
            assert all(index is not None for _, _, index in where(report))
        file.write_bytes(data)


def test_run__store_returns_another_block__is_not_believed(town: Town) -> None:
    class Swapping(MemoryStore):
        def get(self, cid: Cid) -> bytes:
            honest = town.content.get(cid)
            if cid == from_digest(Codec.DAG_CBOR, town.market.state().posts[1].content):
                return town.content.get(from_digest(Codec.DAG_CBOR, town.market.state().posts[2].content))
            return honest

    assert (1, "epoch", 0) in where(run(town, Swapping()))


def test_run__damage_in_the_first_epoch__still_looks_at_the_data_of_the_second(town: Town) -> None:
    contents = [from_digest(Codec.DAG_CBOR, post.content) for post in town.market.state().posts.values()]
    files = [folder(town) / cid for cid in contents]
    kept = [file.read_bytes() for file in files]
    for file in files:
        file.write_bytes(b"\0")
    report = run(town)
    for file, data in zip(files, kept, strict=True):
        file.write_bytes(data)
    assert {(1, "epoch", 0), (2, "epoch", 0)} <= where(report)


# ---------------------------------------------------------------------------------------------------------------- forgery


def post_of(town: Town, number: int) -> tuple[bytes, Header, list[Any], bytes]:
    transaction = town.market.state().posts[number].transaction
    return transaction, *town.market.decode_post(town.chain.calldata(transaction))


def forge_post(town: Town, number: int, **changes: Any) -> audit.Report:
    """The audit on an endpoint that serves other call data for a post: header, debits, signatures."""
    transaction, header, debits, signatures = post_of(town, number)
    parts = {"header": header, "debits": debits, "signatures": signatures} | changes
    signed = [parts["signatures"][i : i + 65] for i in range(0, len(parts["signatures"]), 65)]
    town.chain.calldatas[transaction] = town.market.post_epoch(parts["header"], parts["debits"], signed).data
    return run(town)


@pytest.mark.parametrize("number", [1, 2])
def test_run__signature_of_a_stranger__is_no_quorum(town: Town, number: int) -> None:
    _, header, _, signatures = post_of(town, number)
    stranger = sign(person("stranger"), digest(town.deployment.domain(), header))
    report = forge_post(town, number, signatures=signatures[:130] + stranger)
    assert where(report) == {(number, "header", 0)}
    assert says(report, "no quorum")


@pytest.mark.parametrize("broken", [b"", bytes(65) * 3, b"\1" * 7])
def test_run__broken_signatures__are_no_quorum(town: Town, broken: bytes) -> None:
    assert where(forge_post(town, 1, signatures=broken)) == {(1, "header", 0)}


def test_run__two_signatures_and_one_of_them_twice__are_no_quorum(town: Town) -> None:
    signatures = post_of(town, 1)[3]
    assert says(forge_post(town, 1, signatures=signatures[:130] + signatures[65:130]), "2 signers are no quorum")


def test_run__header_changed__fits_neither_its_event_nor_its_data(town: Town) -> None:
    header = post_of(town, 1)[1]
    report = forge_post(town, 1, header=replace(header, total=header.total + 1))
    assert where(report) == {(1, "header", 0), (1, "epoch", 0)}
    for what in ("not the one that the event names", "head does not follow", "no quorum"):
        assert says(report, what)


def test_run__debits_changed__are_not_those_of_the_header(town: Town) -> None:
    debits = post_of(town, 2)[2]
    report = forge_post(town, 2, debits=[replace(debits[0], pay=1)])
    assert says(report, "debits are not those of the header")


def test_run__call_data_that_is_no_post__is_a_fault(town: Town) -> None:
    town.chain.calldatas[town.market.state().posts[1].transaction] = b"other"
    report = run(town)
    assert (1, "header", 0) in where(report)
    assert says(report, "not postEpoch")


def test_run__posted_after_its_expiry__is_a_fault(town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    header = post_of(town, 1)[1]
    report = forge_post(town, 1, header=replace(header, valid_until=town.market.state().posts[1].posted_at - 1))
    assert says(report, "after it had expired")


@pytest.mark.parametrize("change", [{"head": b"\x01" * 32}, {"digest": b"\x01" * 32}, {"signers": 15}])
def test_run__event_altered__is_found(town: Town, change: dict[str, Any]) -> None:
    place = next(
        (log.block, log.index)
        for mined in town.chain.mined
        for log in mined.logs()
        if isinstance(log.event, ev.EpochPosted)
    )
    event = town.chain.mined[place[0]].logs()[place[1]].event
    town.chain.altered = {place: replace(event, **change)}
    try:
        assert not run(town).ok
    except Fatal as problem:
        assert "fit" in str(problem)


def test_run__claims_beyond_the_balance__name_the_worker(town: Town) -> None:
    balance = town.market.state().claimed[2]
    town.chain.mine(ev.Claimed(2, balance + 5))
    town.market.donated = 5
    report = run(town)
    assert (2, "balances", 2) in where(report)


def test_run__claim_by_somebody_without_balance__names_the_worker(town: Town) -> None:
    (new,) = town.register(1)
    town.chain.mine(ev.Claimed(new, 5))
    assert (2, "balances", new) in where(run(town))


@pytest.mark.parametrize(("donated", "ok"), [(0, True), (1, True), (10**9, True), (-1, False)])
def test_run__market_s_tokens__cover_what_it_owes(town: Town, donated: int, ok: bool) -> None:
    town.market.donated = donated
    report = run(town)
    assert report.ok is ok
    assert ok or says(report, "owes")


def test_run__another_total_on_chain__is_a_fault(town: Town) -> None:
    place, event = next(
        ((log.block, log.index), log.event)
        for mined in reversed(town.chain.mined)
        for log in mined.logs()
        if isinstance(log.event, ev.EpochFinalised)
    )
    town.chain.altered = {place: replace(event, total=event.total + 1)}
    assert says(run(town), "chain's total is")


def test_run__endpoint_of_another_chain__is_fatal(town: Town) -> None:
    town.chain.served_id = 1
    with pytest.raises(WrongChain):
        run(town)


def test_run__log_left_out__is_fatal(town: Town) -> None:
    town.chain.hidden = {(1, 0)}
    with pytest.raises(Fatal, match="do not fit"):
        run(town)


# ------------------------------------------------------------------------------------------------- a lying committee


def lying_committee(change: Any) -> tuple[Town, audit.Report]:
    """All four members sign a changed epoch; the chain takes it."""
    town = Town()
    town.ready_job(tasks=3)
    proposal = town.all[0].propose(settle.Evidence())
    assert proposal
    epoch, _ = ep.load(source(town.nodes[0].content), 1, proposal.header.content)
    assert epoch
    packed = ep.pack(change(epoch), {1: town.market.state().jobs[1].terms.manifest})
    for content in (town.content, town.nodes[0].content):
        content.put_many(packed.blocks)
    town.content.put(town.nodes[0].content.get(from_digest(Codec.DAG_CBOR, epoch.model)), Codec.DAG_CBOR)
    message = digest(town.deployment.domain(), packed.header)
    call = town.market.post_epoch(packed.header, epoch.debits, [node.signer.sign(message) for node in town.nodes])
    settler = town.settler()
    settler.send(call, "post")
    return town, run(town)


def relabelled(epoch: ep.Epoch) -> ep.Epoch:
    verdict = replace(epoch.verdicts[1], label=(epoch.verdicts[1].label + 1) % 3)
    return replace(epoch, verdicts=(epoch.verdicts[0], verdict, epoch.verdicts[2]))


def rewalleted(epoch: ep.Epoch) -> ep.Epoch:
    thief = replace(epoch.balances[2], wallet=b"\x66" * 20)
    return replace(epoch, balances=(*epoch.balances[:2], thief, *epoch.balances[3:]))


@pytest.mark.parametrize(
    ("change", "place"), [(relabelled, (1, "verdicts", 1)), (rewalleted, (1, "balances", 2)), (lambda e: e, None)]
)
def test_run__false_epoch_signed_by_the_whole_committee__is_found(change: Any, place: Where | None) -> None:
    town, report = lying_committee(change)
    assert where(report) == ({place} if place else set())
    town.close()


def test_run__false_epoch_that_was_struck__is_not_held_against_the_deployment() -> None:
    town, report = lying_committee(relabelled)
    assert not report.ok
    from oracle.protocol import heads

    town.chain.mine(ev.EpochStruck(1, heads.struck(town.market.state().head)))
    report = run(town)
    assert (report.ok, report.epochs, report.verdicts, report.total) == (True, 1, 0, 0)
    assert settle.post_next(town.settler(), town.market.state())  # and the honest members post a correct one
    assert run(town).ok
    town.close()


def test_run__unopened_answer__is_in_the_epoch(town: Town) -> None:
    epoch, _ = ep.load(source(town.content), 1, town.market.state().posts[1].content)
    assert epoch
    assert [core.status for core in epoch.verdicts[1].cores] == [Status.COUNTED, Status.UNOPENED, Status.COUNTED]


def test_fault__as_text__names_the_place() -> None:
    assert str(Fault(2, "verdicts", 7, "is wrong")) == "epoch 2, verdicts, index 7: is wrong"
    assert str(Fault(0, "store", None, "f: x")) == "epoch 0, store: f: x"


def test_decode_post__of_the_fake__refuses_other_calls(town: Town) -> None:
    with pytest.raises(Refused):
        town.market.decode_post(b"nothing")
    with pytest.raises(ContentMissing):
        town.content.get(from_digest(Codec.RAW, bytes(32)))
