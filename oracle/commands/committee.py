"""`crowdproof committee`: who is a member with which stake, and every step by which members come, go and get their coin back.

Each step is one transaction of a key of the home. Who proposes needs a quorum's signatures: those of the members whose keys lie
in this home, and those that other members made with `committee sign`.
"""

from collections.abc import Callable, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from oracle.adapters.signer import KeySigner, load_keystore
from oracle.bootstrap import MEMBER, Oracle, open_oracle
from oracle.config import Home
from oracle.ports import Call, Signer
from oracle.protocol.deployment import Committee
from oracle.protocol.errors import BadInput, ChainUnavailable, WrongChain
from oracle.protocol.keys import Address, BadSignature, checksum, recover
from oracle.protocol.messages import Change, digest
from oracle.services import outbox

GWEI = 10**9
Members = dict[Address, bytes]


class _Chain:
    """The home's Committee: what it says, and what is sent to it."""

    def __init__(self, oracle: Oracle) -> None:
        self.oracle, self.address = oracle, oracle.deployment.committee.address

    def ask(self, name: str, *args: Any) -> Any:
        interfaces = self.oracle.chain.interfaces
        reply = self.oracle.chain.call(self.address, interfaces.encode("Committee", name, *args))
        return interfaces.output("Committee", name, reply)

    def send(self, signer: Signer, what: str, name: str, *args: Any, value: int = 0) -> None:
        """Once for each `what`; the account's next nonce is in it, so that a step that is done can be done again later."""
        chain, database = self.oracle.chain, self.oracle.database
        outbox.reconcile(database, chain, signer)
        data = chain.interfaces.encode("Committee", name, *args)
        call = Call(f"{what} ({chain.nonce(signer.address)})", self.address, data, value=value)
        outbox.run(database, chain, signer, call, "committee")


@contextmanager
def _opened(home: Path | None) -> Any:
    with closing(open_oracle(Home.at(home))) as oracle:
        try:
            yield _Chain(oracle)
        except (ChainUnavailable, WrongChain) as problem:
            raise BadInput(f"{problem}; run this again to go on") from None


def key(home: Path | None, name: str, load: Callable[[str], KeySigner]) -> KeySigner:
    """The key `name`: that of a member whose folder is in the home (`member-1`, ...), else a keystore of HOME/keys."""
    place, (kind, _, number) = Home.at(home), name.partition("-")
    if kind == MEMBER and number.isdigit() and (file := place.member(int(number)).keys / f"{MEMBER}.json").exists():
        return load_keystore(file, place.secret("password"))
    return load(name)


def show(home: Path | None) -> dict[str, Any]:
    """As the chain has it now."""
    with _opened(home) as chain:
        members, seal_keys = chain.ask("members"), chain.ask("sealKeys")
        number, proposed, enacts_at = chain.ask("pendingChange")
        waits = {"number": number, "committee": "0x" + proposed.hex(), "enacts_at": enacts_at}
        return {
            "address": checksum(chain.address),
            "quorum": chain.ask("quorum"),
            "unit": chain.ask("unit"),
            "delay": chain.ask("delay"),
            "burnt": chain.ask("burnt"),
            "referee": checksum(chain.ask("referee")),
            "members": [
                {"address": checksum(member), "seal_key": "0x" + key.hex(), "stake": chain.ask("stakeOf", member)}
                for member, key in zip(members, seal_keys, strict=True)
            ],
            "last_change": chain.ask("lastChange"),
            "waits": waits if number else None,
        }


def stake(home: Path | None, member: Address, amount: int, signer: KeySigner) -> dict[str, Any]:
    """Adds gwei to anybody's stake."""
    if amount <= 0:
        raise BadInput(f"--gwei {amount}: it is 1 or more")
    with _opened(home) as chain:
        chain.send(signer, f"stake {amount} gwei for {checksum(member)}", "stake", member, value=amount * GWEI)
        return {"member": checksum(member), "stake": chain.ask("stakeOf", member)}


def sign(home: Path | None, wanted: Members, quorum: int, until: int, signer: KeySigner) -> dict[str, Any]:
    """A member's signature for a change, for whoever proposes it."""
    with _opened(home) as chain:
        signature = signer.sign(_digest(chain, _committee(chain, wanted, quorum), until))
        return {"signature": "0x" + signature.hex(), "member": checksum(signer.address), "valid_until": until}


def propose(
    home: Path | None, wanted: Members, quorum: int, until: int, given: Sequence[str], signer: KeySigner
) -> dict[str, Any]:
    """Sends a change with the given signatures, and those of the members in this home."""
    place = Home.at(home)
    with _opened(home) as chain:
        after = _committee(chain, wanted, quorum)
        signed = _digest(chain, after, until)
        members = set(chain.ask("members"))
        found = {key.address: key.sign(signed) for key in _own_members(place) if key.address in members}
        found |= dict(_read_signature(signed, text, members) for text in given)
        if len(found) < (needed := chain.ask("quorum")):
            raise BadInput(f"{len(found)} of {needed} members signed: others add theirs with --signature")
        signatures = b"".join(found[member] for member in sorted(found))
        what = f"propose the committee 0x{after.digest().hex()}"
        chain.send(signer, what, "proposeChange", after.members, after.seal_keys, quorum, until, signatures)
        number, proposed, enacts_at = chain.ask("pendingChange")
        return {"number": number, "committee": "0x" + proposed.hex(), "enacts_at": enacts_at}


def enact(home: Path | None, wanted: Members, quorum: int, signer: KeySigner) -> dict[str, Any]:
    """Appoints the members that were proposed, once the delay is over."""
    with _opened(home) as chain:
        after = _committee(chain, wanted, quorum)
        what = f"enact the committee 0x{after.digest().hex()}"
        chain.send(signer, what, "enactChange", after.members, after.seal_keys, quorum)
        return {"committee": "0x" + chain.ask("digest").hex(), "members": len(after.members), "quorum": quorum}


def withdraw(home: Path | None, signer: KeySigner) -> dict[str, Any]:
    """The whole stake of one who is no member, to itself."""
    with _opened(home) as chain:
        amount = chain.ask("stakeOf", signer.address)
        chain.send(signer, "withdraw the stake", "withdraw")
        return {"address": checksum(signer.address), "withdrawn": amount}


def collect(home: Path | None, signer: KeySigner) -> dict[str, Any]:
    """What this account was rewarded with for refutations."""
    with _opened(home) as chain:
        amount = chain.ask("rewardOf", signer.address)
        chain.send(signer, "collect the reward", "collect")
        return {"address": checksum(signer.address), "collected": amount}


def text(d: dict[str, Any]) -> str:
    lines = [f"  {name:12} {value}" for name, value in d.items() if not isinstance(value, list)]
    return "\n".join(
        lines + [f"  {m['address']}  stake {m['stake']}" for m in d.get("members", ()) if isinstance(m, dict)]
    )


def _committee(chain: _Chain, wanted: Members, quorum: int) -> Committee:
    ordered = sorted(wanted)
    return Committee(chain.address, tuple(ordered), tuple(wanted[member] for member in ordered), quorum)


def _digest(chain: _Chain, after: Committee, until: int) -> bytes:
    change = Change(chain.ask("lastChange") + 1, after.digest(), until)
    return digest(chain.oracle.deployment.committee_domain(), change)


def _own_members(home: Home) -> list[KeySigner]:
    """The keys of members that this home made for itself."""
    folders = [home.member(n).keys for n in range(1, 1 + len(home.settings().members))]
    files = [folder / f"{MEMBER}.json" for folder in folders]
    return [load_keystore(file, home.secret("password")) for file in files if file.exists()]


def _read_signature(signed: bytes, text: str, members: set[Address]) -> tuple[Address, bytes]:
    try:
        signature = bytes.fromhex(text.removeprefix("0x"))
        member = recover(signed, signature)
    except (ValueError, BadSignature):
        member = b""
    if member not in members:
        raise BadInput(
            f"--signature {text[:20]}: no member signed this change with it (number, members, quorum, --until)"
        )
    return member, signature
