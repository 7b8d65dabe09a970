"""Unlinkable work: the members' keys of a job's bands, their blind signatures, and the credentials of fresh wallets."""

from collections.abc import Sequence

from fastapi import APIRouter

from api import schemas
from api.reader import Reader
from oracle.bootstrap import Oracle
from oracle.ports import FOREVER, Kept, Peer, SignedWish
from oracle.protocol import credentials
from oracle.protocol.credentials import SignedBandKey
from oracle.protocol.errors import Retryable
from oracle.protocol.keys import Address
from oracle.protocol.state import Job
from oracle.services import standing
from oracle.services.panel import Panel
from oracle.services.records import BANDS

GRACE_S, PATIENCE_S = 2.0, 30.0


def router(reader: Reader) -> APIRouter:
    routes = APIRouter(tags=["workers"])
    oracle = reader.oracle

    @routes.get("/jobs/{job}/bands")
    def bands(job: schemas.Index) -> schemas.Bands:
        """What each band stands for, and the members' keys of it in this job: the same whoever asks."""
        found = reader.job(job)
        named = [schemas.Band(band=b, answers=r.answers, agreement=r.agreement) for b, r in BANDS.items()]
        keys = [
            schemas.BandKey(member=member, band=one.band, key=one.key, signature=one.signature)
            for member, told in sorted(_keys(oracle, job, found).items())
            for one in told
        ]
        return schemas.Bands(job=job, terms=found.terms.hash(), bands=named, keys=keys)

    @routes.post("/bands")
    def certify(body: schemas.WishIn) -> schemas.Certified:
        """The members' signatures of a blinded wallet. The worker that asks gives up the job under its own name."""
        found, wish = reader.job(body.job), SignedWish(**body.model_dump())

        def ask(peer: Peer) -> tuple[Address, bytes]:
            return _told(oracle, body.job, found, peer)[0], peer.certify(wish)

        replies = Panel(oracle.peers).ask(ask, oracle.deployment.committee.quorum, GRACE_S, PATIENCE_S)
        if len(replies.found) < oracle.deployment.committee.quorum:
            raise replies.problems[0]
        oracle.database.put(Kept(standing.GIVEN_UP, standing.name_of(body.job, body.worker), "", {}, FOREVER))
        for offer in oracle.database.assignments(body.job, body.worker):
            oracle.database.give_back(offer)
        signed = [schemas.SignedPoint(member=member, signature=s) for member, s in sorted(replies.found.items())]
        return schemas.Certified(signatures=signed)

    @routes.post("/credentials", status_code=201)
    def hand_in(body: schemas.Credential) -> schemas.Credential:
        """From now on the wallet is asked in the job as who reaches the band, once it is registered."""
        found = reader.job(body.job)
        told = [one for keys in _keys(oracle, body.job, found).values() for one in keys]
        signatures = {one.member: one.signature for one in body.signatures}
        shown = credentials.Credential(body.job, found.terms.hash(), body.band, body.wallet, signatures)
        credentials.check(oracle.deployment, shown, told)
        kept = {"band": body.band, "signatures": {m.hex(): s.hex() for m, s in signatures.items()}}
        oracle.database.put(
            Kept(standing.CREDENTIAL, standing.name_of(body.job, body.wallet.hex()), body.wallet.hex(), kept, FOREVER)
        )
        return body

    return routes


def _keys(oracle: Oracle, number: int, job: Job) -> dict[Address, Sequence[SignedBandKey]]:
    """Of each member that answers; a quorum of them at least, or Retryable."""
    quorum = oracle.deployment.committee.quorum
    replies = Panel(oracle.peers).ask(lambda peer: _told(oracle, number, job, peer), quorum, GRACE_S, PATIENCE_S)
    if len(replies.found) < quorum:
        raise Retryable("no quorum of members tells its keys: " + "; ".join(map(str, replies.problems)))
    return replies.found


def _told(oracle: Oracle, number: int, job: Job, peer: Peer) -> tuple[Address, Sequence[SignedBandKey]]:
    """Which member it is, and its keys, all of which it has signed."""
    told = peer.band_keys(number)
    members = {member for member, _ in credentials.keys_of(oracle.deployment, number, job.terms.hash(), told)}
    if len(members) != 1:
        raise Retryable("a member tells keys that are not all its own")
    return members.pop(), told
