"""Unlinkable work over HTTP: keys for everybody, blind signatures for who has a record, credentials from anybody."""

from typing import Any

import pytest

from api.client import ask_credential, band_keys, body, hand_in
from oracle.protocol import blind, credentials, messages
from oracle.protocol.errors import Fatal, Refused
from oracle.protocol.hashing import keccak
from oracle.protocol.keys import sign
from oracle.services import settle as settling
from oracle.services import standing
from tests.api import town
from tests.api.conftest import Market
from tests.api.test_a_open import is_problem
from tests.api.town import Requester
from tests.support.epochs import person

pytestmark = pytest.mark.sockets
FRESH = b"\x0f" * 20


@pytest.fixture(scope="module")
def job(settled: Market) -> int:
    """An open job, beside one in which the first two workers answered ten tasks alike."""
    owner = Requester(settled)
    first = owner.fund(owner.draft(town.manifest(settled, title="known"), [{"text": str(n)} for n in range(10)]), True)
    one, two, _ = settled.demo.numbers
    for _ in range(2):  # as many as a worker may hold at a time
        town.offer(settled, first, [one, two])
    for number in (one, two):
        hand = town.worker(settled, number)
        offers = hand.assignments(first)
        hand.send(offers, [hand.answer(offer, 1) for offer in offers])
    assert settling.post_next(settled.demo._settler, settled.oracle.index.advance())
    town.finish(settled)
    return owner.fund(owner.draft(town.manifest(settled, title="wanted", qualifications=["answers>=10"]), [1, 2]), True)


def test_bands__are_the_same_for_whoever_asks(settled: Market, job: int) -> None:
    found = settled.client.get(f"/jobs/{job}/bands").json()
    assert [band["band"] for band in found["bands"]] == [1, 2, 3]
    assert len(found["keys"]) == 4 * 3
    own = town.worker(settled, settled.demo.numbers[0]).client
    assert own.get(f"/jobs/{job}/bands") == found
    assert is_problem(settled.client.get("/jobs/99/bands"), 404)


def test_credential__of_a_worker_with_a_record__is_kept_and_the_worker_gives_up_the_job(
    settled: Market, job: int
) -> None:
    one, two, _ = settled.demo.numbers
    town.offer(settled, job, [one, two])
    hand, visitor = town.worker(settled, one), town.client(settled)
    terms, told = band_keys(visitor, settled.oracle.deployment, job)
    blinded, factor = blind.blind(credentials.subject(settled.oracle.deployment, job, terms, 1, FRESH))
    shown = ask_credential(hand, job, terms, 1, told, blinded, factor, FRESH)
    assert len(shown.signatures) >= 3
    assert (
        ask_credential(hand, job, terms, 1, told, blinded, factor, FRESH).signatures.items() & shown.signatures.items()
    )
    assert {a["state"] for a in hand.client.pages("/me/assignments", job=job)} == {"RETURNED"}
    with pytest.raises(Refused, match="given up"):
        offers = hand.assignments(job)
        hand.send(offers, [hand.answer(offer, 1) for offer in offers])
    hand_in(visitor, shown)
    kept = settled.oracle.database.kept(standing.CREDENTIAL, f"{job}:{FRESH.hex()}")
    assert kept
    assert (kept.owner, kept.value["band"]) == (FRESH.hex(), 1)

    false = credentials.Credential(job, terms, 1, b"\x0e" * 20, shown.signatures)
    with pytest.raises(Refused, match="are needed"):
        hand_in(visitor, false)
    assert len(settled.oracle.database.kept_of(standing.CREDENTIAL)) == 1

    other = [credentials.SignedBandKey(k.band, blind.public_of(7), k.signature) for k in told]
    with pytest.raises((Fatal, Refused)):
        ask_credential(hand, job, terms, 1, other, blinded, factor, FRESH)


def wish(settled: Market, job: int, **changes: Any) -> dict[str, Any]:
    """Of the third worker, whose record does not reach the last band."""
    number = settled.demo.numbers[2]
    terms = settled.oracle.index.state.jobs[job].terms.hash()
    blinded = blind.blind(b"any")[0]
    named = messages.BandWish(job, terms, 3, keccak(blinded))
    signature = sign(settled.key(number), messages.digest(settled.oracle.deployment.domain(), named))
    return body(job=job, worker=number, band=3, blinded=blinded, signature=signature) | changes


def test_wish__without_a_record_or_by_another_hand__is_refused(settled: Market, job: int) -> None:
    ask = settled.client.post
    assert is_problem(ask("/bands", json=wish(settled, job)), 409, "no-band")
    other = "0x" + sign(person("other"), bytes(32)).hex()
    assert is_problem(ask("/bands", json=wish(settled, job, signature=other)), 409, "bad-signature")
    assert is_problem(ask("/bands", json=wish(settled, job, blinded="0x" + "00" * 95)), 422)
    assert is_problem(ask("/bands", json=wish(settled, job, band=0)), 422)
    assert settled.oracle.database.kept(standing.GIVEN_UP, f"{job}:{settled.demo.numbers[2]}") is None
