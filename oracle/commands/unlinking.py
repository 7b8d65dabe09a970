"""`crowdproof credential`: a fresh wallet that shows what its owner's work was like, and not who the owner is.

`ask` is done as the known wallet, `use` as the fresh one; how long lies between is up to who wants not to be linked. FILE holds all
that `ask` has drawn before anything is sent: cut off, it goes on where it was, and asks for nothing twice.
"""

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from api.client import Worker, ask_credential, band_keys, hand_in
from oracle.adapters.signer import KeySigner, create_keystore, load_keystore
from oracle.commands import working
from oracle.config import Home, write_atomically
from oracle.protocol import blind, credentials
from oracle.protocol.credentials import Credential, SignedBandKey
from oracle.protocol.errors import BadInput, Fatal
from oracle.protocol.keys import Address, checksum
from oracle.protocol.plain import from_json, to_json


@dataclass(frozen=True, slots=True)
class Draft:
    """What FILE holds. `factor`: in hex; `signatures`: by member, in hex, empty until the members have signed."""

    job: int
    terms: bytes
    band: int
    name: str
    wallet: Address
    blinded: bytes
    factor: str
    told: tuple[SignedBandKey, ...]
    signatures: tuple[tuple[bytes, bytes], ...] = ()

    @property
    def credential(self) -> Credential:
        return Credential(self.job, self.terms, self.band, self.wallet, dict(self.signatures))


def ask(
    home: Path | None, api: str, signer: KeySigner, job: int, band: int, name: str, password: str, out: Path
) -> dict[str, Any]:
    """A credential of a fresh wallet HOME/keys/NAME.json, into `out`. The signer gives up the job."""
    with working.visit(home, api) as seen:
        worker = seen.worker(signer)
        draft = _read(out) if out.exists() else _drawn(seen, job, band, name, password)
        if (draft.job, draft.band, draft.name) != (job, band, name):
            raise BadInput(
                f"{out} holds a credential of job {draft.job}, band {draft.band}, for {draft.name}: name another file"
            )
        _write(out, draft)
        if not draft.signatures:
            draft = _signed(worker, draft)
            _write(out, draft)
    return _report(draft, out) | {"registered": False}


def use(home: Path | None, api: str, file: Path, password: str) -> dict[str, Any]:
    """Registers the fresh wallet by relay, and hands in its credential. Raises Fatal where members tell other keys than then."""
    draft = _read(file)
    if not draft.signatures:
        raise BadInput(f"{file} holds no signatures yet: crowdproof credential ask")
    signer = load_keystore(Home.at(home).keys / f"{draft.name}.json", password)
    with working.visit(home, api) as seen:
        _, told = band_keys(seen.client, seen.deployment, draft.job)
        then, now = (credentials.keys_of(seen.deployment, draft.job, draft.terms, keys) for keys in (draft.told, told))
        if any(now[place] != key for place, key in then.items() if place in now):
            raise Fatal(
                "a member tells other keys than when the credential was asked for: it could know this wallet by them"
            )
        hand_in(seen.client, draft.credential)
    number = working.register(home, api, signer)["worker"]
    return _report(draft, file) | {"registered": True, "worker": number}


def text(d: dict[str, Any]) -> str:
    who = f"worker {d['worker']}" if d["registered"] else "not registered yet: crowdproof credential use"
    return f"  wallet      {d['wallet']} ({who})\n  job {d['job']}, band {d['band']}, signed by {d['signers']} members"


def _drawn(seen: working.Visit, job: int, band: int, name: str, password: str) -> Draft:
    terms, told = band_keys(seen.client, seen.deployment, job)
    file = seen.home.keys / f"{name}.json"
    fresh = load_keystore(file, password) if file.exists() else create_keystore(seen.home.keys, name, password)[1]
    blinded, factor = blind.blind(credentials.subject(seen.deployment, job, terms, band, fresh.address))
    return Draft(job, terms, band, name, fresh.address, blinded, f"{factor:x}", tuple(told))


def _signed(worker: Worker, draft: Draft) -> Draft:
    factor = int(draft.factor, 16)
    shown = ask_credential(worker, draft.job, draft.terms, draft.band, draft.told, draft.blinded, factor, draft.wallet)
    return replace(draft, signatures=tuple(shown.signatures.items()))


def _report(draft: Draft, file: Path) -> dict[str, Any]:
    wallet, signers = checksum(draft.wallet), len(draft.signatures)
    return {"job": draft.job, "band": draft.band, "wallet": wallet, "signers": signers, "file": str(file)}


def _write(file: Path, draft: Draft) -> None:
    write_atomically(file, json.dumps(to_json(draft)) + "\n", mode=0o600)


def _read(file: Path) -> Draft:
    try:
        return from_json(Draft, json.loads(file.read_text("utf-8")), "credential")
    except FileNotFoundError:
        raise BadInput(f"there is no file {file}") from None
    except (OSError, ValueError) as problem:
        raise BadInput(f"{file} is not what `crowdproof credential ask` writes: {problem}") from None
