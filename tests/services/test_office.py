"""Who is in office: only whom the committee itself appointed."""

from dataclasses import replace

import pytest

from oracle.protocol import events as ev
from oracle.protocol.deployment import Committee
from oracle.protocol.errors import Fatal
from oracle.protocol.keys import address_of, sign
from oracle.protocol.messages import Change, Domain, digest
from oracle.protocol.state import Term
from oracle.services.office import appoints, successor
from scripts.vectors import DEPLOYMENT, MEMBERS, fill, person

OFFICE = DEPLOYMENT.committee
NEWCOMER = person("newcomer")
NEXT = sorted([*MEMBERS[:3], NEWCOMER], key=address_of)
AFTER = Committee(OFFICE.address, tuple(map(address_of, NEXT)), OFFICE.seal_keys, 3)
LAST = replace(AFTER, seal_keys=(fill("fresh"), *AFTER.seal_keys[1:]))


def change(number: int, to: Committee, keys: list, domain: Domain = DEPLOYMENT.committee_domain()) -> ev.ChangeProposed:  # type: ignore[type-arg]  # noqa: B008
    signed = digest(domain, Change(number, to.digest(), 900))
    return ev.ChangeProposed(number, to.digest(), 900, b"".join(sign(key, signed) for key in keys))


def term(of: Committee, by: ev.ChangeProposed | None = None) -> Term:
    return Term(1, of.members, of.seal_keys, of.quorum, by)


FIRST = term(OFFICE)
SECOND = term(AFTER, change(1, AFTER, MEMBERS[:3]))
THIRD = term(LAST, change(2, LAST, NEXT[:3]))


def test_successor__nothing_changed__is_the_same_deployment() -> None:
    assert successor(DEPLOYMENT, []) is DEPLOYMENT
    assert successor(DEPLOYMENT, [FIRST]) is DEPLOYMENT


@pytest.mark.parametrize("terms", [[FIRST, SECOND, THIRD], [SECOND, THIRD]])
def test_successor__each_appointed_the_next__is_the_last(terms: list[Term]) -> None:
    assert successor(DEPLOYMENT, terms) == replace(DEPLOYMENT, committee=LAST)
    assert successor(replace(DEPLOYMENT, committee=AFTER), terms) == replace(DEPLOYMENT, committee=LAST)


def test_successor__nobody_or_too_few_or_strangers_signed__raises_fatal() -> None:
    strangers = [person(f"stranger {i}") for i in range(3)]
    for by in (None, change(1, AFTER, MEMBERS[:2]), change(1, AFTER, strangers), change(1, LAST, MEMBERS[:3])):
        appointed = by and replace(by, digest=AFTER.digest())
        with pytest.raises(Fatal, match="did not appoint"):
            successor(DEPLOYMENT, [FIRST, term(AFTER, appointed)])


def test_successor__the_second_change_signed_by_the_first_members__raises_fatal() -> None:
    left = change(2, LAST, [key for key in MEMBERS if key not in NEXT] + MEMBERS[:2])
    with pytest.raises(Fatal, match="did not appoint"):
        successor(DEPLOYMENT, [FIRST, SECOND, term(LAST, left)])


def test_appoints__one_member_three_times_or_another_domain__is_false() -> None:
    assert appoints(DEPLOYMENT, change(1, AFTER, MEMBERS[:3]))
    assert not appoints(DEPLOYMENT, change(1, AFTER, [MEMBERS[0]] * 3))
    assert not appoints(DEPLOYMENT, change(1, AFTER, MEMBERS[:3], DEPLOYMENT.domain()))
    assert not appoints(DEPLOYMENT, replace(change(1, AFTER, MEMBERS[:3]), signatures=b"short"))
