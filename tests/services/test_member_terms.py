"""A member over a change of the committee: what was sealed to the members of before still opens for those who stayed."""

from dataclasses import replace

import pytest

from oracle.adapters.signer import KeySigner
from oracle.protocol import events as ev
from oracle.protocol.deployment import Committee
from oracle.protocol.errors import CommitteeChanged
from oracle.protocol.hashing import keccak
from oracle.protocol.sealing import commitment, seal
from oracle.protocol.state import State
from oracle.services.index import Index
from tests.support.committee import Town
from tests.support.epochs import person


def _term(committee: Committee) -> ev.ChangeEnacted:
    return ev.ChangeEnacted(0, committee.members, committee.seal_keys, committee.quorum, committee.digest())


def test_open__sealed_to_the_committee_of_before__opens_at_the_place_of_then() -> None:
    town = Town()
    now, left = town.deployment.committee, KeySigner(person("who left").secret)
    before = replace(now, members=(left.address, *now.members), seal_keys=(left.seal_key, *now.seal_keys), quorum=4)
    payload, salt = b"\x01", keccak(b"salt")
    bound = commitment(1, 2, 3, payload, salt)
    envelope = seal(before.seal_keys, bound, payload, salt)
    member = town.nodes[3].member
    assert member._opener.open((1, 2, 3), bound, envelope) is None
    town.chain.mine(_term(before))
    member._index.view()
    assert member._opener.open((1, 2, 3), bound, envelope) == (payload, salt)
    assert member._opener.open((1, 2, 3), bound, seal(now.seal_keys, bound, payload, salt)) == (payload, salt)
    town.close()


def test_view__a_check_refuses_the_state__is_never_shown() -> None:
    town = Town()

    def check(state: State) -> None:
        if state.terms:
            raise CommitteeChanged("again")

    index = Index(town.chain, town.nodes[0].database, town.deployment, 0, check)
    known = index.view()
    town.chain.mine(_term(town.deployment.committee))
    for _ in range(2):
        with pytest.raises(CommitteeChanged):
            index.view()
    assert index.state is known.state
    town.close()
