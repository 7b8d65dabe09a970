"""Sealed records: what is judged without the key, and that no dishonest committee gains by hiding records from the public."""

from collections.abc import Callable
from dataclasses import replace
from functools import cache
from typing import Any

import pytest

from oracle.protocol import epoch as ep
from oracle.protocol import jobkey, leaves, pages
from oracle.protocol.cids import Cid, Codec, encode
from oracle.protocol.epoch import Epoch
from oracle.protocol.errors import BadInput
from oracle.protocol.pages import Source
from tests.protocol.test_audit import setting
from tests.support.epochs import put, with_core

KEY, OTHER = b"\x05" * 32, b"\x06" * 32
DARK = 2  # the job that is sealed


@cache
def stored() -> tuple[Source, bytes]:
    """The blocks of the small world's correct epoch, and its content, with job 2 sealed."""
    _, epoch = setting()
    return packed(epoch)


def packed(epoch: Epoch) -> tuple[Source, bytes]:
    jobs = setting()[0].state.jobs
    made = ep.pack(epoch, {number: job.terms.manifest for number, job in jobs.items()}, {DARK: KEY})
    blocks: dict[Cid, bytes] = {pages.cid_of(data, codec): data for data, codec in made.blocks}
    return Source(blocks.__getitem__, lambda _: None), made.header.content


def dark(epoch: Epoch) -> Epoch:
    """As who has no key reads it."""
    source, content = packed(epoch)
    found, faults = ep.load(source, epoch.epoch, content)
    assert found, faults
    return found


def faults(epoch: Epoch) -> list[str]:
    return [fault.what for fault in setting()[0].check(dark(epoch))]


def test_load__with_the_key__is_the_epoch_and_without_its_leaves() -> None:
    _, epoch = setting()
    source, content = stored()
    whole, _ = ep.load(replace(source, keys=lambda number: KEY if number == DARK else None), epoch.epoch, content)
    assert whole == epoch
    found = dark(epoch)
    assert found.sealed == {DARK}
    assert ep.roots_of(found) == ep.roots_of(epoch)
    assert [v for v in found.verdicts if v.job != DARK] == [v for v in epoch.verdicts if v.job != DARK]


def test_check__without_the_key__a_correct_epoch_has_no_fault() -> None:
    assert faults(setting()[1]) == []


def earning(epoch: Epoch, worker: int, at: int, units: int) -> Epoch:
    """The worker's earning at a verdict changed by so many units, and its balance with it."""
    balance = epoch.balances[worker]
    earned = [(v, pay + units * (v == at)) for v, pay in leaves.unpack_earnings(balance.earnings)]
    changed = replace(balance, cumulative=balance.cumulative + units, earnings=leaves.pack_earnings(earned))
    return replace(epoch, balances=put(epoch.balances, worker, changed))


def earns_at(epoch: Epoch, worker: int, job: int) -> int:
    """The index of a verdict of the job at which the worker earns."""
    found = [v for v, _ in leaves.unpack_earnings(epoch.balances[worker].earnings)]
    return next(v for v in found if epoch.verdicts[v].job == job)


def debited(epoch: Epoch, job: int, units: int) -> Epoch:
    debits = tuple(replace(d, pay=d.pay + units * (d.job == job)) for d in epoch.debits)
    return replace(epoch, debits=debits)


WRONG: dict[str, tuple[Callable[[Epoch], Epoch], str]] = {
    "an open verdict pays more": (lambda e: earning(e, 1, earns_at(e, 1, 1), 1), "did not earn"),
    "a sealed job pays more than it is debited": (lambda e: earning(e, 1, earns_at(e, 1, 2), 1), "and is debited"),
    "a sealed job pays less than it is debited": (lambda e: earning(e, 1, earns_at(e, 1, 2), -1), "and is debited"),
    "a sealed job is debited more": (lambda e: debited(e, DARK, 1), "and is debited"),
    "an open job is debited more": (lambda e: debited(e, 1, 1), "a debit is not the pay of its job"),
    "the total is more": (lambda e: replace(e, total=e.total + 1), "the total is"),
    "a balance without an earning": (
        lambda e: replace(
            e, balances=put(e.balances, 1, replace(e.balances[1], cumulative=e.balances[1].cumulative + 1))
        ),
        "in all, it must be",
    ),
    "an open list is changed": (
        lambda e: with_core(e, 0, 0, label=e.verdicts[0].cores[0].label ^ 1),
        "answer of worker",
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_check__without_the_key__nobody_elses_money_is_touched(name: str) -> None:
    change, what = WRONG[name]
    assert [found for found in faults(change(setting()[1])) if what in found], faults(change(setting()[1]))


def test_check__money_moved_between_answers_of_a_sealed_job__is_for_its_requester_to_find() -> None:
    """What is not protected without the key: who of a sealed job's workers gets what of its pay."""
    _, epoch = setting()
    moved = earning(earning(epoch, 1, earns_at(epoch, 1, DARK), 1), 2, earns_at(epoch, 2, DARK), -1)
    assert faults(moved) == []
    assert setting()[0].check(moved)


@pytest.mark.parametrize(
    "record", [[[2], b""], [[2, 0, 1], b"x"], [["2"], b"x"], [[-1, 0], b"x"], [2, b"x"], [[2, 1 << 32], b"x"]]
)
def test_read__a_sealed_record_of_no_place__is_a_fault(record: Any) -> None:
    data = encode(record)
    page = encode({"leaves": bytes(32), "ends": [len(data)], "data": pages.Link(pages.cid_of(data, Codec.RAW))})
    blocks = {pages.cid_of(data, Codec.RAW): data, pages.cid_of(page, Codec.DAG_CBOR): page}
    node = {"root": bytes(32), "size": 1, "pages": [[0, pages.Link(pages.cid_of(page, Codec.DAG_CBOR))]]}
    found = pages.read(Source(blocks.__getitem__, lambda _: None), 1, "verdicts", node)
    assert found.faults


@pytest.mark.parametrize(
    "node", [None, [], [bytes(32)], [bytes(31), bytes(80)], [bytes(32), bytes(79)], [bytes(32), b""], ["a", 2]]
)
def test_read__no_wrapped_key__is_bad_input(node: Any) -> None:
    with pytest.raises(BadInput, match="the job's key cannot be read"):
        jobkey.read(node)


@pytest.mark.parametrize("changed", [0, 5, -1])
def test_open_record__changed_or_of_another_leaf_or_key__is_bad_input(changed: int) -> None:
    leaf = b"\x09" * 32
    sealed = bytearray(jobkey.seal_record(KEY, leaf, b"what was decided"))
    assert jobkey.open_record(KEY, leaf, bytes(sealed)) == b"what was decided"
    for key, at in ((OTHER, leaf), (KEY, b"\x08" * 32)):
        with pytest.raises(BadInput, match="does not open"):
            jobkey.open_record(key, at, bytes(sealed))
    sealed[changed] ^= 1
    with pytest.raises(BadInput, match="does not open"):
        jobkey.open_record(KEY, leaf, bytes(sealed))


def test_seal_record__two_records__one_revealed_key_opens_one() -> None:
    """What a leaf that is demanded on chain gives away is that leaf."""
    one, two = (jobkey._record_key(KEY, bytes([n]) * 32) for n in (1, 2))
    assert one != two
    assert KEY not in (one, two)
