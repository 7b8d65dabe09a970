"""Pure functions of the product computed once for equal arguments: the members of a run ask the same of the same values.

`installed` replaces them where they are used and puts them back; a run without it gives the same trace (a test says so).
"""

from base64 import b32decode
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import lru_cache
from typing import Any

from oracle.protocol import audit, keys, leaves, messages, pages
from oracle.protocol import epoch as ep
from oracle.protocol import manifest as mf
from oracle.protocol.cids import Link, decode, encode, from_digest
from oracle.protocol.deployment import Deployment
from oracle.protocol.hashing import keccak
from oracle.protocol.leaves import Task
from oracle.protocol.pages import Source
from oracle.protocol.sealing import commitment, commitment_of_hash
from oracle.services import binders, draft, member, receive, rules, settle, verify
from tests.simulator import liars
from tests.simulator.durable import name_of
from tests.support import market

SIZE = 1 << 15


@contextmanager
def installed() -> Iterator[None]:
    """For one run: what depends on the blocks of a run is forgotten after it."""
    found = _replacements()
    kept = [(where, name, getattr(where, name)) for where, name, _ in found]
    for where, name, new in found:
        setattr(where, name, new)
    try:
        yield
    finally:
        for where, name, old in kept:
            setattr(where, name, old)


def _replacements() -> list[tuple[Any, str, Any]]:
    return [
        *((where, "digest", _digest) for where in (member, rules, audit, settle, market)),
        *((where, "recover", _recover) for where in (audit, binders, receive, market, keys)),
        (Deployment, "configuration", _configuration),
        (rules, "keccak", _keccak),
        (audit, "keccak", _keccak),
        (draft, "commitment", _commitment),
        (audit, "commitment_of_hash", _commitment_of_hash),
        (verify, "judge", _judged(verify.judge)),
        (ep, "load", load := _Loaded(ep.load)),
        (mf, "load_job", _JOBS),
        (ep, "pack", _packed(ep.pack, load)),
        *((where, "encode", _encode) for where in (ep, pages, member)),
        *((where, "from_digest", _from_digest) for where in (ep, member, settle, liars)),
        (leaves, "record_of", _record_of),
        (leaves, "leaf_of", _leaf_of),
        *((where, "decode", _decode) for where in (ep, pages, member)),
        (ep, "roots_of", _by_epoch(ep.roots_of)),
        (ep, "header_of", _by_epoch(ep.header_of)),
        (draft, "lists_of", _by_epoch(draft.lists_of)),
        (audit, "check", _checked(audit.check)),
    ]


_digest = lru_cache(SIZE)(messages.digest)
_recover = lru_cache(SIZE)(keys.recover)
_configuration = lru_cache(SIZE)(Deployment.configuration)
_keccak = lru_cache(SIZE)(keccak)
_from_digest = lru_cache(SIZE)(from_digest)
_decode = lru_cache(SIZE)(decode)
_commitment = lru_cache(SIZE)(commitment)
_commitment_of_hash = lru_cache(SIZE)(commitment_of_hash)


_known_leaf = lru_cache(SIZE)(leaves.leaf_of)


def _leaf_of(leaf: Any, make: Any = leaves.leaf_of) -> bytes:
    return make(leaf) if isinstance(leaf, Task) else _known_leaf(leaf)


class _Record(list[Any]):
    """A leaf's record that remembers its leaf, by which its bytes are known."""

    leaf: Any


def _record_of(leaf: Any, make: Any = leaves.record_of) -> list[Any]:
    if isinstance(leaf, Task):
        return make(leaf)  # type: ignore[no-any-return]
    record = _Record(make(leaf))
    record.leaf = leaf
    return record


@lru_cache(SIZE)
def _encoded(leaf: Any) -> bytes:
    return encode(list(_record_of(leaf)))


def _encode(value: Any) -> bytes:
    """dag-cbor: as `oracle.protocol.cids.encode`, without its checks of a caller's values."""
    return _encoded(value.leaf) if isinstance(value, _Record) else b"".join(_parts(value))


def _parts(value: Any) -> Iterator[bytes]:
    if isinstance(value, bool) or value is None:
        yield {False: b"\xf4", True: b"\xf5", None: b"\xf6"}[value]
    elif isinstance(value, int):
        yield _head(0, value) if value >= 0 else _head(1, -1 - value)
    elif isinstance(value, bytes):
        yield _head(2, len(value)) + value
    elif isinstance(value, str):
        yield _head(3, len(value.encode())) + value.encode()
    elif isinstance(value, Link):
        yield b"\xd8\x2a\x58\x25\x00" + _binary(value.cid)
    elif isinstance(value, dict):
        yield _head(5, len(value))
        for name in sorted(value, key=lambda name: (len(name.encode()), name.encode())):
            yield from _parts(name)
            yield from _parts(value[name])
    else:
        yield _head(4, len(value))
        for part in value:
            yield from _parts(part)


def _head(kind: int, value: int) -> bytes:
    if value < 24:
        return bytes([kind << 5 | value])
    size = next(size for size in (1, 2, 4, 8) if value < 1 << 8 * size)
    return bytes([kind << 5 | 23 + size.bit_length()]) + value.to_bytes(size, "big")


@lru_cache(SIZE)
def _binary(cid: str) -> bytes:
    text = cid[1:].upper()
    return b32decode(text + "=" * (-len(text) % 8))


def _judged(judge: Any) -> Any:
    def judged(job: int, terms: Any, *parts: Any) -> Any:
        key = (job, terms, *(tuple(sorted(part.items() if isinstance(part, Mapping) else part)) for part in parts))
        if key not in _JUDGED:
            _JUDGED[key] = judge(job, terms, *parts)
        return _JUDGED[key]

    return judged


_JUDGED: dict[Any, Any] = {}


class _Loaded:
    """What was read whole, or packed, is read again from any store that holds the same blocks; else by the real code."""

    def __init__(self, load: Callable[..., Any]) -> None:
        self.load = load
        self.known: dict[tuple[int, bytes], tuple[Any, set[str]]] = {}

    def __call__(self, source: Source, number: int, digest: Any) -> Any:
        held = source.read.__self__.held  # type: ignore[attr-defined]
        known = self.known.get((number, digest))
        if known and known[1] <= held:
            return known[0]
        names: set[str] = set()

        def read(cid: Any) -> bytes:
            names.add(cid)
            return source.read(cid)

        found = self.load(Source(read, source.damaged), number, digest)
        if not found[-1]:
            self.known[number, digest] = (found, names)
        return found


_JOBS = _Loaded(mf.load_job)


def _packed(pack: Any, load: _Loaded) -> Any:
    """Packing and loading give the same epoch back (tests/protocol/test_epoch.py). No job here is sealed."""
    known: dict[Any, Any] = {}

    def packed(epoch: Any, manifests: Any, keys: Any = None) -> Any:
        if epoch not in known:
            known[epoch] = found = pack(epoch, manifests, keys)
            names: set[str] = {name_of(data, codec) for data, codec in found.blocks}
            load.known[epoch.epoch, found.header.content] = ((epoch, []), names)
        return known[epoch]

    return packed


def _by_epoch(function: Any) -> Any:
    known: dict[tuple[int, Any], tuple[Any, Any]] = {}

    def of_epoch(epoch: Any, *more: Any) -> Any:
        at = (id(epoch), more[0] if more else None)
        if at not in known:
            known[at] = (epoch, function(epoch, *more))
        return known[at][1]

    return of_epoch


def _checked(check: Any) -> Any:
    known: dict[tuple[int, int], list[tuple[Any, ...]]] = {}

    def checked(epoch: Any, state: Any, domain: Any, ledger: Any) -> Any:
        for _, _, before, faults in known.setdefault((id(epoch), id(state)), []):
            if before is ledger or before == ledger:
                return faults
        faults = check(epoch, state, domain, ledger)
        known[id(epoch), id(state)].append((epoch, state, ledger, faults))
        return faults

    return checked
