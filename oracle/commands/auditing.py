"""`crowdproof audit`: a home (its saved chain is started if none runs), or any deployment from outside."""

import json
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from oracle.adapters import anvil
from oracle.adapters.chain import RpcChain
from oracle.adapters.content import FolderStore, GatewayStore, StoreUnavailable
from oracle.adapters.contracts import Interfaces, decode_post
from oracle.adapters.deployer import read_deployment_file
from oracle.bootstrap import open_content
from oracle.config import Home
from oracle.ports import ContentStore
from oracle.protocol import jobkey
from oracle.protocol.cids import Codec, cid_of
from oracle.protocol.errors import BadInput, ChainUnavailable, CrowdproofError, WrongChain
from oracle.services import audit as auditing

COUNTED = (
    "epochs",
    "verdicts",
    "answers",
    "assignments",
    "balances",
    "jobs",
    "blocks",
    "matches",
    "matched",
    "gap",
    "gold",
)


def audit(
    home: Path | None, rpc: str | None, store: str | None, deployment: Path | None, keys: Sequence[Path] = ()
) -> dict[str, Any]:
    """`keys`: files with the keys of sealed jobs. Raises BadInput where there is nothing to audit, or no chain to audit against."""
    place, known = Home.at(home), [read_key(file) for file in keys]
    if (rpc is None) != (store is None):
        raise BadInput("--rpc and --store go together: an endpoint and a copy of the content")
    found, abis = read_deployment_file(deployment or place.deployment)
    interfaces = Interfaces(abis)
    with reached("audit"), endpoint(place, rpc) as url, closing(RpcChain(url, interfaces, found.chain_id)) as chain:
        chain.latest()
        hashed = {jobkey.hash_of(key): key for key in known}
        report = auditing.run(
            chain, content_of(place, store), found, lambda data: decode_post(interfaces, data), hashed
        )
    counts = {name: getattr(report, name) for name in COUNTED}
    faults = [{"epoch": f.epoch, "tree": f.tree, "index": f.index, "what": f.what} for f in report.faults]
    counts["sealed"] = {str(job): verdicts for job, verdicts in sorted(report.sealed.items())}
    money = {"earned": report.total * found.unit, "claimed": report.claimed * found.unit}
    return {"ok": report.ok, **counts, **money, "faults": faults, "lines": [str(f) for f in report.faults]}


def text(document: dict[str, Any]) -> str:
    if document["ok"]:
        return (
            f"  ok: {document['epochs']} epochs, {document['verdicts']} verdicts, {document['answers']} answers, "
            f"{document['balances']} balances and {document['blocks']} blocks recomputed; no fault{_details(document)}"
        )
    return "\n".join(["  the audit FAILED:", *(f"  - {line}" for line in document["lines"])])


def _details(d: dict[str, Any]) -> str:
    """Of how many assignments it is proven how good they are; and of how many tasks the requester knew the label."""
    matched = f"{d['matched']} of {d['assignments']} assignments by {d['matches']} matches, at most {d['gap']:.3%} below the best"
    gold = f"{d['gold']} gold tasks opened, each with the label to which its job had committed"
    jobs = ", ".join(f"{verdicts} verdicts of job {job}" for job, verdicts in d["sealed"].items())
    dark = f"not for you: {jobs}; sealed, only their hashes and what they cost were checked. --job-key opens them"
    lines = ((matched, d["matches"]), (gold, d["gold"]), (dark, d["sealed"]))
    return "".join(f"\n  {line}" for line, there in lines if there)


def read_key(file: Path) -> bytes:
    """A job's key from a file, as `job key` writes it. Raises BadInput naming the file."""
    try:
        key = bytes.fromhex(str(json.loads(file.read_text("utf-8"))["key"]).removeprefix("0x"))
    except OSError as problem:
        raise BadInput(f"{file}: {problem.strerror}") from None
    except (ValueError, TypeError, KeyError):
        key = b""
    if len(key) != jobkey.KEY:
        raise BadInput(
            f'{file}: expected {{"key": "0x..."}} with {jobkey.KEY} bytes, as `crowdproof job key` writes it'
        )
    return key


@contextmanager
def endpoint(home: Home, rpc: str | None) -> Iterator[str]:
    """The given one, else the home's; the home's own chain runs at least for as long as this is used."""
    if rpc is not None:
        yield rpc
        return
    settings = home.settings()
    if not (home.chain / "chain.json").exists():
        yield settings.rpc
        return
    running = anvil.status(home.chain)
    try:
        yield (running or anvil.start(home.chain)).url
    finally:
        if running is None:
            anvil.stop(home.chain)


@contextmanager
def reached(what: str) -> Iterator[None]:
    """An endpoint that cannot be used is bad input: what (an audit, ...) could not be made is not one that failed."""
    try:
        yield
    except (ChainUnavailable, WrongChain) as problem:
        raise BadInput(f"no {what} was made: {problem}") from None


def content_of(home: Home, store: str | None) -> ContentStore:
    if store is None:
        return open_content(home) if home.has_settings() and home.settings().content else _folder(home.store)
    if store.startswith(("http://", "https://")):
        return _gateway(store)
    return _folder(Path(store))


def _gateway(url: str) -> GatewayStore:
    """Asked for one block, whatever it says of it: one that is not there at all cannot be audited."""
    gateway = GatewayStore(url)
    try:
        gateway.get(cid_of(b"", Codec.RAW))
    except StoreUnavailable as problem:
        raise BadInput(f"{url} cannot be read: {problem}") from None
    except CrowdproofError:
        pass
    return gateway


def _folder(path: Path) -> FolderStore:
    if not path.is_dir():
        raise BadInput(f"{path} is no folder of blocks")
    return FolderStore(path)
