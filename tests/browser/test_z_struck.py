"""A quorum posts what does not follow from the answers; an auditor strikes it. The last: it costs members their stake."""

from collections.abc import Sequence
from dataclasses import replace
from io import BytesIO

import pytest
from playwright.sync_api import expect

from oracle.adapters import anvil
from oracle.adapters.car import read_car
from oracle.adapters.signer import KeySigner, load_keystore
from oracle.bootstrap import MEMBER
from oracle.config import Home
from oracle.demo import crowd
from oracle.ports import Evidence, Peer, Proposal
from oracle.protocol import epoch as ep
from oracle.protocol.cids import Codec, from_digest
from oracle.protocol.keys import address_of, checksum
from oracle.protocol.messages import digest
from oracle.protocol.state import EpochStatus
from oracle.services import outbox
from oracle.services.books import source
from tests.browser.conftest import CATS, LONG_MS, Site, wait
from tests.support.epochs import with_verdict

pytestmark = [pytest.mark.browser, pytest.mark.sockets]


def test_auditor__of_an_epoch_that_breaks_a_rule__strikes_it_with_its_proof(site: Site) -> None:
    key = crowd.wallet("browser", "bot")
    number = site.oracle.index.advance().worker_of[address_of(key)]
    wait(lambda: not site.oracle.index.advance().pending(), "the end of the last window")
    with site.standing("settler", "watcher"), site.person(3) as auditor:
        page = auditor.page
        job = site.publish(1, {**CATS, "allow": [checksum(address_of(key))]}, [{"text": "It purrs."}])
        site.answer(key, number, job, 0)
        epoch = _lie(site)
        auditor.go(f"#/audit/epochs/{epoch}")
        auditor.connect()
        page.get_by_role("button", name="Verify this epoch").click()
        expect(page.locator("#steps li.wrong")).to_contain_text("verdict", timeout=LONG_MS)
        page.get_by_role("button", name="Strike this epoch").click()
        expect(page.locator("#notice")).to_contain_text("The epoch is struck.", timeout=LONG_MS)
        expect(page.locator("h1")).to_contain_text("struck")
        assert site.oracle.index.advance().posts[epoch].status is EpochStatus.STRUCK
        assert auditor.errors == []


def _lie(site: Site) -> int:
    """Posts the next epoch with the other verdict, by the keys of a quorum; its number."""
    oracle = site.oracle
    proposer, proposal = wait(lambda: _proposed(oracle.peers), "a proposal")
    signers = sorted(_members(site), key=lambda one: one.address)[: oracle.deployment.committee.quorum]
    wrong = _other_verdict(site, proposer, proposal)
    message = digest(oracle.deployment.domain(), wrong.header)
    call = oracle.calls.post_epoch(wrong.header, wrong.debits, [one.sign(message) for one in signers])
    outbox.run(oracle.database, oracle.chain, KeySigner(anvil.dev_key(1)), call, "tests")
    return wrong.header.epoch


def _proposed(peers: Sequence[Peer]) -> tuple[Peer, Proposal] | None:
    """Who proposes first; its word binds nobody yet."""
    return next(((peer, found) for peer in peers if (found := peer.propose(Evidence()))), None)


def _other_verdict(site: Site, proposer: Peer, proposal: Proposal) -> Proposal:
    content, header = site.oracle.content, proposal.header
    read_car(BytesIO(proposer.blocks(from_digest(Codec.DAG_CBOR, header.content))), content)
    epoch, _ = ep.load(source(content), header.epoch, header.content)
    assert epoch
    jobs = site.oracle.index.state.jobs
    wrong = with_verdict(epoch, 0, label=1 - epoch.verdicts[0].label)
    packed = ep.pack(wrong, {number: job.terms.manifest for number, job in jobs.items()})
    content.put_many(packed.blocks)
    return replace(proposal, header=packed.header)


def _members(site: Site) -> list[KeySigner]:
    home = Home(site.home)
    files = (home.member(number).keys / f"{MEMBER}.json" for number in range(1, len(site.oracle.peers) + 1))
    return [load_keystore(file, home.secret("password")) for file in files]
