"""Unlinkable work: a worker shows under a fresh wallet which band its record reaches, and nobody can tell whose record that is.

A worker's wallet asks the members for blind signatures of "the wallet W' has done work of band b", without telling W'; a quorum of
them is a credential of W', which anybody can check against the members' keys for that band of that job. Who asked has given up the
job: a member signs once for a worker and a job, for none that has answered there, and takes no answer of it after. One person, one
name in a job.
"""

from oracle.ports import FOREVER, Database, Kept, SignedWish, Signer
from oracle.protocol.credentials import SignedBandKey, key_digest, subject
from oracle.protocol.deployment import Deployment
from oracle.protocol.errors import BadInput, Refused
from oracle.protocol.hashing import keccak
from oracle.protocol.keys import require_signer
from oracle.protocol.messages import BandWish, digest
from oracle.protocol.state import Job
from oracle.services import rules
from oracle.services.books import Books
from oracle.services.index import View
from oracle.services.records import BANDS, Record, records_of

GIVEN_UP = "given-up"  # kind of what a member, and the API, keeps of a worker that has asked, by job:worker
CREDENTIAL = "credential"  # kind of what the API keeps of a fresh wallet, by job:wallet


def name_of(number: int, who: int | str) -> str:
    """Under which a worker (its number) or a wallet (hex) is kept for a job."""
    return f"{number}:{who}"


class Standing:
    """A member's part. Holds which workers gave up which jobs; durable in the database."""

    def __init__(self, deployment: Deployment, books: Books, database: Database, signer: Signer) -> None:
        self._deployment, self._books = deployment, books
        self._database, self._signer = database, signer
        self._given_up = {one.name for one in database.kept_of(GIVEN_UP)}
        self._keys: dict[tuple[int, bytes], list[SignedBandKey]] = {}

    def keys(self, number: int, job: Job) -> list[SignedBandKey]:
        """This member's key of each band of the job: the same whoever asks, so that a signature tells nothing of who asked."""
        place = (number, job.terms.hash())
        if place not in self._keys:
            self._keys[place] = [self._key(*place, band) for band in BANDS]
        return self._keys[place]

    def certify(self, view: View, wish: SignedWish) -> bytes:
        """The blinded point, signed: not to be told before the job is given up. Raises Refused, BadInput."""
        job = rules.job_of(view.state, wish.job)
        self._check_wish(view, job, wish)
        return self._signer.sign_blinded(subject(self._deployment, wish.job, job.terms.hash(), wish.band), wish.blinded)

    def give_up(self, wish: SignedWish) -> None:
        """Durable when it returns; the same wish again is no error. Raises Refused for who has answered, or asked otherwise."""
        if any(a.worker == wish.worker for a in self._database.answers(wish.job)):
            raise Refused("no-band", f"worker {wish.worker} has answered in job {wish.job} under its own name")
        name, said = name_of(wish.job, wish.worker), {"band": wish.band, "blinded": wish.blinded.hex()}
        if not self._database.keep(Kept(GIVEN_UP, name, "", said, FOREVER)):
            known = self._database.kept(GIVEN_UP, name)
            if known is None or known.value != said:
                raise Refused("given-up", f"worker {wish.worker} has asked for another credential of job {wish.job}")
        self._given_up.add(name)

    def check_stays(self, number: int, worker: int) -> None:
        """Raises Refused for who works, or could work, in the job under another name."""
        if name_of(number, worker) in self._given_up:
            raise Refused("given-up", f"worker {worker} has given up job {number} to work there under another wallet")

    def _key(self, number: int, terms: bytes, band: int) -> SignedBandKey:
        key = self._signer.band_key(subject(self._deployment, number, terms, band))
        return SignedBandKey(band, key, self._signer.sign(key_digest(self._deployment, number, terms, band, key)))

    def _check_wish(self, view: View, job: Job, wish: SignedWish) -> None:
        rules.check_open(view, wish.job, job)
        manifest = self._books.job(job.terms)[0]
        rules.check_admitted(view.state, manifest, wish.job, wish.worker)
        if manifest.document["allow"]:
            raise Refused("no-band", f"job {wish.job} names the wallets that it admits: a fresh one is none of them")
        if wish.band not in BANDS:
            raise BadInput(f"band {wish.band}: expected one of {', '.join(map(str, BANDS))}")
        named = BandWish(wish.job, job.terms.hash(), wish.band, keccak(wish.blinded))
        wallet = view.state.workers[wish.worker].wallet
        require_signer(wallet, digest(self._deployment.domain(), named), wish.signature, "the wish")
        if not records_of(self._books, view.state).get(wish.worker, Record()).reaches(BANDS[wish.band]):
            raise Refused("no-band", f"the record of worker {wish.worker} does not reach band {wish.band}")
