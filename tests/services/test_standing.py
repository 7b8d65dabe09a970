"""Unlinkable work: what members sign blind and for whom, what they refuse after, and who is asked by a credential."""

from dataclasses import replace
from typing import Any

import pytest

from oracle.ports import FOREVER, Kept, SignedWish
from oracle.protocol import blind, credentials
from oracle.protocol.credentials import Credential, SignedBandKey
from oracle.protocol.errors import BadInput, Refused
from oracle.protocol.hashing import keccak
from oracle.protocol.keys import Address, address_of, sign
from oracle.protocol.messages import BandWish, digest
from oracle.services import rounds, standing
from oracle.services.books import Books
from tests.services.test_epochs import settle_all
from tests.support.committee import LIFE, Town
from tests.support.epochs import person

KNOWN, STRANGER = 1, 3  # a worker with a record that reaches band 1, and one without
FRESH = address_of(person("worker 4"))


@pytest.fixture
def town(town: Town) -> Town:
    """Workers 1 and 2 have answered 12 tasks of job 1 alike. Job 2 asks for ten answers; it has 3 tasks of 2 answers."""
    town.register(3)
    job = town.open_job(12, 2)
    town.fill_job(job, {(t, w): t % 3 for t in range(12) for w in (1, 2)})
    settle_all(town)
    town.open_job(3, 2, qualifications=["answers>=10", "agreement>=0.7"])
    return town


def terms_of(town: Town, job: int = 2) -> bytes:
    return town.state.jobs[job].terms.hash()


def wish(
    town: Town, worker: int = KNOWN, job: int = 2, band: int = 1, wallet: Address = FRESH
) -> tuple[SignedWish, int]:
    """And the factor of its blinded point."""
    subject = credentials.subject(town.deployment, job, terms_of(town, job), band, wallet)
    blinded, factor = blind.blind(subject)
    return signed(town, SignedWish(job, worker, band, blinded, b"")), factor


def signed(town: Town, bare: SignedWish, by: int | None = None) -> SignedWish:
    message = BandWish(bare.job, terms_of(town, bare.job), bare.band, keccak(bare.blinded))
    key = person(f"worker {bare.worker if by is None else by}")
    return replace(bare, signature=sign(key, digest(town.deployment.domain(), message)))


def told(town: Town, job: int = 2) -> list[SignedBandKey]:
    return [key for member in town.all for key in member.band_keys(job)]


def credential(town: Town, members: int = 3, **asked: Any) -> Credential:
    one, factor = wish(town, **asked)
    signatures = {node.signer.address: blind.unblind(node.member.certify(one), factor) for node in town.nodes[:members]}
    return Credential(one.job, terms_of(town, one.job), one.band, FRESH, signatures)


def refusal(town: Town, one: SignedWish) -> str:
    with pytest.raises(Refused) as refused:
        town.all[0].certify(one)
    return refused.value.code


def offered(town: Town, job: int = 2) -> set[int]:
    """Workers who are asked in a round."""
    return {o.worker for o in rounds.offer(town.matcher(), Books(town.content), town.all[0].view(), job)}


# ------------------------------------------------------------------------------------------------------------ the way


def test_credential__of_a_quorum__qualifies_a_fresh_wallet_in_place_of_the_known_one(town: Town) -> None:
    shown = credential(town)
    credentials.check(town.deployment, shown, told(town))
    (fresh,) = town.register(1)
    town.database.put(Kept(standing.GIVEN_UP, f"2:{KNOWN}", "", {}, FOREVER))
    town.database.put(Kept(standing.CREDENTIAL, f"2:{FRESH.hex()}", FRESH.hex(), {"band": 1}, FOREVER))
    other = town.open_job(3, 3, qualifications=["answers>=10"])
    assert offered(town, other) == {1, 2}  # it is good in its job alone
    assert offered(town) == {2, fresh}
    town.give([town.answer(o) for o in town.database.assignments(2)])
    settle_all(town)
    assert town.state.posts[2].content


def test_offer__band_below_what_the_job_asks__is_not_asked(town: Town) -> None:
    (fresh,) = town.register(1)
    job = town.open_job(3, 3, qualifications=["answers>=11"])
    town.database.put(Kept(standing.CREDENTIAL, f"{job}:{FRESH.hex()}", FRESH.hex(), {"band": 1}, FOREVER))
    assert offered(town, job) == {1, 2}
    town.database.put(Kept(standing.CREDENTIAL, f"{job}:{FRESH.hex()}", FRESH.hex(), {"band": 2}, FOREVER))
    assert offered(town, job) == {fresh}


def test_certify__same_wish_again__gets_the_same_also_after_a_restart(town: Town) -> None:
    one, _ = wish(town)
    first = town.all[0].certify(one)
    assert town.all[0].certify(one) == first
    assert town.nodes[0].restart().certify(one) == first


def test_certify__what_members_keep__names_no_fresh_wallet_and_no_signature_of_it(town: Town) -> None:
    shown = credential(town, 4)
    for node in town.nodes:
        kept = [str(one) for one in node.database.kept_of(standing.GIVEN_UP)]
        assert len(kept) == 1
        assert FRESH.hex() not in kept[0]
        assert shown.signatures[node.signer.address].hex() not in kept[0]


# ------------------------------------------------------------------------------------------------------ one name in a job


def test_certify__another_wallet_for_the_same_job__is_refused_also_after_a_restart(town: Town) -> None:
    town.all[0].certify(wish(town)[0])
    another = wish(town, wallet=bytes(20))[0]
    assert refusal(town, another) == "given-up"
    town.nodes[0].restart()
    assert refusal(town, another) == "given-up"


def test_assign__who_has_given_up_the_job__is_refused_also_after_a_restart(town: Town) -> None:
    town.all[0].certify(wish(town)[0])
    for member in (town.all[0], town.nodes[0].restart()):
        with pytest.raises(Refused) as refused:
            member.assign([(2, 0, 2), (2, 0, KNOWN)])
        assert refused.value.code == "given-up"
    assert town.nodes[0].database.assignments(2) == []
    assert town.all[0].assign([(2, 0, 2)])
    job = town.open_job(1, 2)
    assert town.all[0].assign([(job, 0, KNOWN)])  # of that job, and no other


def test_accept__answer_to_an_earlier_assignment_of_who_has_given_up__is_refused(town: Town) -> None:
    (offer,) = town.offers(2, [(0, KNOWN)], binder=1)
    town.all[0].certify(wish(town)[0])
    with pytest.raises(Refused) as refused:
        town.give([town.answer(offer)], to=[0])
    assert refused.value.code == "given-up"
    assert town.nodes[0].database.answers(2) == []


def test_certify__who_has_answered_in_the_job__is_refused_and_goes_on_there(town: Town) -> None:
    town.fill_job(2, {(0, KNOWN): 0})
    assert refusal(town, wish(town)[0]) == "no-band"
    town.fill_job(2, {(1, KNOWN): 0})


# -------------------------------------------------------------------------------------------------------------- refusals


def test_certify__what_is_not_founded__is_refused_and_nothing_is_given_up(town: Town) -> None:
    good = wish(town)[0]
    assert refusal(town, wish(town, worker=STRANGER)[0]) == "no-band"
    assert refusal(town, wish(town, band=2)[0]) == "no-band"
    assert refusal(town, replace(good, signature=signed(town, good, by=2).signature)) == "bad-signature"
    assert refusal(town, replace(good, blinded=blind.blind(b"other")[0])) == "bad-signature"
    assert refusal(town, replace(good, worker=99)) == "no-such-worker"
    assert refusal(town, replace(good, worker=0)) == "no-such-worker"
    assert refusal(town, replace(good, job=9)) == "no-such-job"
    assert refusal(town, replace(good, job=1)) in {"job-closed", "bad-signature"}
    with pytest.raises(BadInput, match="band 4"):
        town.all[0].certify(wish(town, band=4)[0])
    with pytest.raises(BadInput, match="point"):
        town.all[0].certify(signed(town, replace(good, blinded=b"\xc0" + bytes(95))))
    assert town.nodes[0].database.kept_of(standing.GIVEN_UP) == []
    assert town.all[0].assign([(2, 0, KNOWN), (2, 0, STRANGER)])


def test_certify__who_is_denied_or_must_be_named__is_refused(town: Town) -> None:
    wallet = "0x" + town.state.workers[KNOWN].wallet.hex()
    denied = town.open_job(1, 2, deny=[wallet])
    named = town.open_job(1, 2, allow=[wallet])
    assert refusal(town, wish(town, job=denied)[0]) == "not-allowed"
    assert refusal(town, wish(town, job=named)[0]) == "no-band"


def test_certify__job_past_its_deadline__is_refused(town: Town) -> None:
    one, _ = wish(town)
    town.chain.mine(seconds=10 * LIFE)
    assert refusal(town, one) == "job-closed"


# ----------------------------------------------------------------------------------------------------- false credentials


def test_check__too_few_or_other_signatures__is_refused(town: Town) -> None:
    shown, keys = credential(town), told(town)
    signatures = dict(shown.signatures)
    first, second, _ = signatures
    for lie in (
        replace(shown, signatures={m: signatures[m] for m in (first, second)}),
        replace(shown, signatures=signatures | {first: signatures[second]}),
        replace(shown, signatures={**{m: signatures[m] for m in (first, second)}, FRESH: signatures[first]}),
        replace(shown, wallet=bytes(20)),
        replace(shown, job=1),
        replace(shown, terms=terms_of(town, 1)),
    ):
        with pytest.raises(Refused):
            credentials.check(town.deployment, lie, keys)
    credentials.check(town.deployment, shown, keys)


def test_check__keys_of_strangers_or_two_of_one_member__are_refused(town: Town) -> None:
    shown, keys = credential(town), told(town)
    digest_ = credentials.key_digest(town.deployment, 2, terms_of(town), 1, keys[0].key)
    with pytest.raises(Refused, match="not signed by a member"):
        credentials.check(
            town.deployment, shown, [replace(keys[0], signature=sign(person("stranger"), digest_)), *keys[1:]]
        )
    another = blind.public_of(blind.secret_of(b"x" * 32, b"for one worker"))
    member = town.nodes[0].signer
    signature = member.sign(credentials.key_digest(town.deployment, 2, terms_of(town), 1, another))
    with pytest.raises(Refused, match="two keys"):
        credentials.check(town.deployment, shown, [*keys, SignedBandKey(1, another, signature)])


def test_keys__of_jobs_and_bands__are_all_different(town: Town) -> None:
    keys = [key.key for job in (1, 2) for key in told(town, job)]
    assert len(set(keys)) == len(keys) == 2 * 4 * 3
