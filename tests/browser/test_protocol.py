"""What the page recomputes, against the vectors that Python and Solidity share, and against damaged data: in the browser itself."""

import json
from collections.abc import Iterator
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page

from oracle.protocol import cids, sealing
from oracle.protocol.cids import Codec, Link, cid_of
from tests.browser.conftest import Site

pytestmark = [pytest.mark.browser, pytest.mark.sockets]

VECTORS = json.loads((Path(__file__).parents[1] / "vectors" / "protocol.json").read_text("utf-8"))
MODULES = ("bytes", "cid", "trees", "messages", "scoring", "seal", "history", "commitment", "epoch", "audit")
LOAD = (
    "window.modules = Promise.all("
    + json.dumps([f"/web/js/protocol/{name}.js" for name in MODULES])
    + ".map((path) => import(path))).then((all) => Object.fromEntries("
    + json.dumps(MODULES)
    + ".map((name, at) => [name, all[at]])))"
)


@pytest.fixture(scope="module")
def page(site: Site) -> Iterator[Page]:
    with site.person(9) as person:
        person.go("")
        person.page.evaluate(LOAD)
        yield person.page


def run(page: Page, code: str, given: Any = None) -> Any:
    """`code`: the body of a function of the modules `m` and what is given."""
    return page.evaluate(
        f"async (given) => {{ const m = await window.modules; const {{ fromHex, toHex }} = m.bytes; {code} }}", given
    )


def test_trees__of_the_vectors__have_their_roots_and_proofs(page: Page) -> None:
    code = """
      return given.map(({ size, leaves, root, proofs }) => {
        const list = leaves.map(fromHex)
        const steps = proofs.map((one) => one.map(fromHex))
        const holds = (leaf, at) => m.trees.verify(fromHex(root), size, at, leaf, steps[at])
        const same = (_, at) => m.trees.proof(list, at).map(toHex).join() === proofs[at].join()
        const good = list.every(holds) && list.every(same)
        const moved = (leaf, at) => size > 1 && m.trees.verify(fromHex(root), size, (at + 1) % size, leaf, steps[at])
        const bad = list.some(moved)
        return toHex(m.trees.root(list)) === root && good && !bad
      })"""
    found = run(page, code, VECTORS["trees"])
    assert found == [True] * len(VECTORS["trees"])


def test_messages__of_the_vectors__have_their_digests_and_signers(page: Page) -> None:
    code = """
      return Promise.all(given.messages.map(async ({ kind, contract, values, digest, signer, signature }) => {
        const found = m.messages.digest(given.chainId, contract, kind, values)
        const flipped = fromHex(signature); flipped[40] ^= 1
        const [who, other] = [await m.messages.signer(found, fromHex(signature)), await m.messages.signer(found, flipped)]
        return [toHex(found) === digest, who === signer.toLowerCase(), other !== signer.toLowerCase()]
      }))"""
    # the page asks for no credentials yet
    messages = [vector for vector in VECTORS["messages"] if not vector["kind"].startswith("Band")]
    found = run(page, code, {"chainId": VECTORS["chainId"], "messages": messages})
    assert found == [[True, True, True]] * len(messages)


def test_digests__of_the_vectors__are_the_same(page: Page) -> None:
    d = VECTORS["deployment"]
    deployment = {**d, "chain_id": VECTORS["chainId"], "committee": {"address": VECTORS["committee"]["address"]}}
    code = """
      const { deployment, committee, terms, heads, decision } = given
      const { header } = given
      return {
        terms: toHex(m.history.termsHash(terms)), committee: toHex(m.history.committeeDigest(committee)),
        deployment: toHex(m.history.deploymentDigest(deployment)),
        configuration: toHex(m.history.configuration(deployment, committee)),
        posted: toHex(m.history.posted(fromHex(heads.first), fromHex(heads.headerDigest), heads.signers)),
        label: m.scoring.decide(decision.prior, decision.rows),
        scores: m.scoring.scores(decision.prior, decision.rows), tie: m.scoring.decide([5, 5, 5], []),
      }"""
    given = {
        "deployment": deployment,
        **{name: VECTORS[name] for name in ("committee", "terms", "heads", "decision")},
        "header": {},
    }
    assert run(page, code, given) == {
        "terms": VECTORS["terms"]["hash"],
        "committee": VECTORS["committee"]["digest"],
        "deployment": d["digest"],
        "configuration": d["configuration"],
        "posted": VECTORS["heads"]["posted"],
        "label": VECTORS["decision"]["label"],
        "scores": VECTORS["decision"]["scores"],
        "tie": 0,
    }


VALUE = {
    "a": [1, -5, 300, 70_000, 5 << 32],
    "bytes": b"\x00\xff",
    "text": "grün 🐈",
    "none": None,
    "yes": True,
    "half": 0.5,
}


def test_cids__a_block_of_every_kind_of_value__is_read_and_named_as_in_python(page: Page) -> None:
    block = cids.encode({**VALUE, "link": Link(cid_of(b"x", Codec.RAW))})
    code = """
      const bytes = fromHex(given)
      return [JSON.stringify(m.epoch.toPlain(m.cid.decode(bytes))), await m.cid.cidOf(bytes, m.cid.CODECS.dagCbor)]"""
    text, name = run(page, code, "0x" + block.hex())
    assert json.loads(text) == {**VALUE, "bytes": "0x00ff", "link": {"/": cid_of(b"x", Codec.RAW)}}
    assert name == cid_of(block, Codec.DAG_CBOR)


def test_cids__a_byte_changed_anywhere__is_refused_or_another_value(page: Page) -> None:
    block = cids.encode({**VALUE, "link": Link(cid_of(b"x", Codec.RAW))})
    code = """
      const bytes = fromHex(given.block)
      const refused = []
      for (let at = 0; at < bytes.length; at++) {
        const damaged = bytes.slice(); damaged[at] ^= 1
        try { await m.cid.checked(given.cid, damaged); refused.push(false) } catch { refused.push(true) }
        try { m.cid.decode(damaged) } catch (problem) { if (!(problem instanceof m.cid.Malformed)) throw problem }
      }
      return refused.every(Boolean)"""
    assert run(page, code, {"block": "0x" + block.hex(), "cid": cid_of(block, Codec.DAG_CBOR)})


@pytest.mark.parametrize(
    "malformed",
    [
        "",
        "9f01ff",
        "1801",
        "a2616101616102",
        "a2616201616102",
        "fb7ff0000000000000",
        "c2420100",
        "81" * 40 + "00",
        "9b0000ffff00000000",
        "0000",
    ],
)
def test_cids__what_is_no_dag_cbor__is_refused(page: Page, malformed: str) -> None:
    code = """
      try { m.cid.decode(fromHex('0x' + given)); return 'read' }
      catch (problem) { return problem instanceof m.cid.Malformed }"""
    assert run(page, code, malformed) is True
    with pytest.raises(cids.BadInput):
        cids.decode(bytes.fromhex(malformed))


def test_seal__made_in_the_browser__opens_for_each_member_and_fits_its_commitment(page: Page) -> None:
    from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

    keys = [X25519PrivateKey.generate() for _ in range(4)]
    code = """
      const sealed = await m.seal.seal(given.map(fromHex), 1, 2, 3, Uint8Array.of(7))
      return [toHex(sealed.commitment), toHex(sealed.envelope)]"""
    bound, envelope = run(page, code, ["0x" + key.public_key().public_bytes_raw().hex() for key in keys])
    commitment = bytes.fromhex(bound[2:])
    for position, key in enumerate(keys):
        opened = sealing.unseal(key, position, 4, commitment, bytes.fromhex(envelope[2:]))
        assert opened is not None
        assert opened[0] == b"\x07" and sealing.commitment(1, 2, 3, *opened) == commitment
    assert sealing.unseal(keys[0], 1, 4, commitment, bytes.fromhex(envelope[2:])) is None


@pytest.mark.parametrize("members", [1, 4, 7])
def test_seal__with_a_split_key__opens_for_f_and_one_together_and_for_no_fewer(page: Page, members: int) -> None:
    from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

    keys = [X25519PrivateKey.generate() for _ in range(members)]
    code = """
      const sealed = await m.seal.seal(given.map(fromHex), 1, 2, 3, Uint8Array.of(7), 'threshold')
      return [toHex(sealed.commitment), toHex(sealed.envelope), toHex(sealed.salt)]"""
    made = run(page, code, ["0x" + key.public_key().public_bytes_raw().hex() for key in keys])
    bound, envelope, salt = (bytes.fromhex(text[2:]) for text in made)
    assert len(envelope) == sealing.envelope_size(members, 1, sealing.THRESHOLD)
    shares = {at: sealing.share(key, at, members, bound, envelope) for at, key in enumerate(keys)}
    known = {at: share for at, share in shares.items() if share}
    assert known == shares
    need = sealing.together(members)
    for few in combinations(known, need):
        assert sealing.joined({at: known[at] for at in few}, members, bound, envelope) == (b"\x07", salt)
    assert sealing.joined({at: known[at] for at in range(need - 1)}, members, bound, envelope) is None


def test_look__twice_at_a_time__takes_no_event_twice(site: Site, page: Page) -> None:
    code = """
      const { look } = await import('/web/js/auditor.js')
      const { over, reader } = await import('/web/js/chain.js')
      const deployment = await (await fetch('/deployment')).json()
      const chain = reader(over(given), deployment)
      const [one, two] = await Promise.all([look(chain, deployment), look(chain, deployment)])
      return [one.events.length, two.events.length, one.history.posts.length]"""
    first, second, epochs = run(page, code, site.rpc)
    assert second >= first > 0 and epochs > 0
    assert second - first < first  # a block may have come between, not the whole past
