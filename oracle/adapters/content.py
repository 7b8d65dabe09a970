"""Content stores: blocks by CID, in a folder, in memory or behind an HTTP gateway; values and files made of blocks.

No store is trusted, this machine's disk included: what `get` returns hashes to the CID that was asked for, or `get`
raises. `ContentMissing` and `StoreUnavailable` may heal (`Retryable`); `ContentMismatch` does not (`Fatal`). A block is
durable before `put` or `put_many` returns. Putting it again is no error, and mends a damaged copy.
"""

import errno
import os
import stat
import tempfile
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path

import httpx

from oracle.ports import ContentStore
from oracle.protocol import cids
from oracle.protocol.cids import (
    BLOCK_LIMIT,
    BlockMalformed,
    BlockTooLarge,
    Cid,
    CidMalformed,
    Codec,
    Node,
    NodeLink,
    cid_of,
    parse,
)
from oracle.protocol.errors import BadInput, ContentMismatch, ContentMissing, Retryable
from oracle.telemetry import METRICS

CHUNK = 262_144  # bytes of a file's leaf
WIDTH = 174  # links of a file's node
FILE_LIMIT = 1 << 28  # bytes of a file that `cat_file` gathers by default
PROBE = 4_096  # bytes that `require_writable` tries
LEFTOVER_AGE_S = 3600  # a temporary file this old belongs to no living process


class StoreUnavailable(Retryable):
    """The disk or the gateway failed; says which, and how."""


class StoreReadOnly(BadInput):
    """Something was to be put into a store that only reads."""


class FileTooLarge(BadInput):
    """A file over the reader's limit."""

    def __init__(self, cid: Cid, size: int, limit: int) -> None:
        super().__init__(f"{cid}: a file of {size} bytes is over the limit of {limit}")
        self.cid, self.size, self.limit = cid, size, limit


# --------------------------------------------------------------------------------------------------------------- values


def _expect(cid: Cid, codec: Codec) -> None:
    found, _ = parse(cid)
    if found is not codec:
        raise BlockMalformed(f"{cid} is a block of {found.name}, here belongs one of {codec.name}")


# ------------------------------------------------------------------------------------------------------ files (UnixFS)


def add_file(store: ContentStore, data: bytes) -> Cid:
    """Stores a file; the CID is that of `ipfs add --cid-version 1 --raw-leaves --chunker size-262144`.

    Source: https://specs.ipfs.tech/unixfs/, the balanced layout of 174 links.
    """
    pieces = [data[at : at + CHUNK] for at in range(0, len(data), CHUNK)] or [b""]
    level = [  # (link, whose size counts all blocks below; the file's own bytes below)
        (NodeLink(cid, "", len(piece)), len(piece))
        for cid, piece in zip(store.put_many((piece, Codec.RAW) for piece in pieces), pieces, strict=True)
    ]
    while len(level) > 1:
        groups = [level[at : at + WIDTH] for at in range(0, len(level), WIDTH)]
        blocks = [_file_node(tuple(link for link, _ in group), [size for _, size in group]) for group in groups]
        names = store.put_many((block, Codec.DAG_PB) for block in blocks)
        level = [
            (NodeLink(cid, "", len(block) + sum(link.size for link, _ in group)), sum(size for _, size in group))
            for cid, block, group in zip(names, blocks, groups, strict=True)
        ]
    return level[0][0].cid


def cat_file(store: ContentStore, cid: Cid, limit: int = FILE_LIMIT) -> bytes:
    """The bytes of a file that `add_file` made.

    Raises `FileTooLarge` before any leaf is fetched, and `BlockMalformed` for any other layout: as the sizes of all
    nodes follow from the file's size, neither a cycle nor a small block that stands for a large tree can be stated.
    """
    size = len(store.get(cid)) if parse(cid)[0] is Codec.RAW else _stated_size(cid, _node(store, cid))
    if size > limit:
        raise FileTooLarge(cid, size, limit)
    height = 0
    while CHUNK * WIDTH**height < size:
        height += 1
    return b"".join(_leaves(store, cid, size, height))


def _leaves(store: ContentStore, cid: Cid, size: int, height: int) -> Iterator[bytes]:
    if height == 0:
        _expect(cid, Codec.RAW)
        piece = store.get(cid)
        if len(piece) != size:
            raise BlockMalformed(f"{cid}: a leaf of {len(piece)} bytes, its node says {size}")
        yield piece
        return
    node, span = _node(store, cid), CHUNK * WIDTH ** (height - 1)
    sizes = [min(span, size - at) for at in range(0, size, span)]
    if len(node.links) != len(sizes) or node.data != _file_message(sizes):
        raise BlockMalformed(f"{cid}: not the node of {size} bytes of a file")
    for link, part in zip(node.links, sizes, strict=True):
        yield from _leaves(store, link.cid, part, height - 1)


def _node(store: ContentStore, cid: Cid) -> Node:
    _expect(cid, Codec.DAG_PB)
    block = store.get(cid)
    try:
        return cids.decode_node(block)
    except BlockMalformed as error:
        raise BlockMalformed(f"{cid}: {error.reason}", error.offset) from None


def _file_node(links: tuple[NodeLink, ...], sizes: list[int]) -> bytes:
    return cids.encode_node(Node(links, _file_message(sizes)))


def _file_message(sizes: list[int]) -> bytes:
    """UnixFS's `Data` of a node: type 2 (file), the size of the file below it, the size below each link."""
    return b"\x08\x02\x18" + cids.varint(sum(sizes)) + b"".join(b"\x20" + cids.varint(size) for size in sizes)


def _stated_size(cid: Cid, node: Node) -> int:
    try:
        sizes = [value for number, value in cids.fields(node.data) if number == 3]
    except BlockMalformed as error:
        raise BlockMalformed(f"{cid}: not a file: {error.reason}") from None
    if len(sizes) != 1 or not isinstance(sizes[0], int):
        raise BlockMalformed(f"{cid}: a node that states no size is not a file")
    return sizes[0]


# --------------------------------------------------------------------------------------------------------------- stores


class FolderStore:
    """A folder of block files and nothing else: a block's file is named by its CID.

    Safe with several processes: a file appears whole, by a rename from the folder `<store>.tmp` beside it (on the same
    file system), after its bytes are on the disk. A process that is killed leaves at most files there, and the next
    writer removes those older than an hour. The folder is created by the first put. A symbolic link in it is never
    followed.
    """

    shared = False

    def __init__(self, path: Path) -> None:
        self.path = path.resolve()
        self._incoming = self.path.with_name(self.path.name + ".tmp")
        self._was_there = self.path.is_dir()

    def put(self, data: bytes, codec: Codec) -> Cid:
        return self.put_many([(data, codec)])[0]

    def put_many(self, blocks: Iterable[tuple[bytes, Codec]]) -> list[Cid]:
        """Stores blocks and returns their CIDs; all are durable, at the price of one sync of the folder."""
        names: list[Cid] = []
        staged: dict[Cid, Path] = {}
        try:
            self._prepare()
            for data, codec in blocks:
                cid = name_of(data, codec)
                names.append(cid)
                if cid not in staged and not self._holds(cid, data):
                    staged[cid] = self._stage(data)
            size = sum(file.stat().st_size for file in staged.values())
            for cid, file in staged.items():
                file.replace(self.path / cid)
            _sync_folder(self.path)
        except OSError as error:
            raise _unusable(self.path, "write", error) from error
        finally:
            for file in staged.values():
                file.unlink(missing_ok=True)
        METRICS.stored(len(staged), size)
        return names

    def require_writable(self) -> None:
        """Raises StoreUnavailable unless a block could be put now: writes one beside the store, and takes it away again."""
        try:
            self._prepare()
            if os.statvfs(self.path).f_flag & os.ST_RDONLY:
                raise OSError(errno.EROFS, os.strerror(errno.EROFS))
            if not os.access(self.path, os.W_OK):
                raise PermissionError(errno.EACCES, "the folder may not be written")
            self._stage(b"\0" * PROBE).unlink()
        except OSError as error:
            raise _unusable(self.path, "write", error) from error

    def get(self, cid: Cid) -> bytes:
        return checked(cid, self.read_damaged(cid), str(self.path / cid))

    def has(self, cid: Cid) -> bool:
        """Whether there is a file of that name; only `get` says whether it is the block."""
        parse(cid)
        try:
            return stat.S_ISREG((self.path / cid).lstat().st_mode)
        except FileNotFoundError:
            return False
        except OSError as error:
            raise StoreUnavailable(f"{self.path / cid}: {error}") from error

    def cids(self) -> Iterator[Cid]:
        """The names of all block files, ascending; `verify_all` tells what else lies there."""
        return (Cid(name) for name in self._listing() if is_cid(name))

    def verify_all(self) -> Iterator[tuple[str, str]]:
        """(file name, what is wrong) for everything in the folder that is not the block that its name says."""
        for name in self._listing():
            problem = self._problem(name)
            if problem is not None:
                yield os.fsencode(name).decode(errors="backslashreplace"), problem

    def read_damaged(self, cid: Cid) -> bytes:
        """The bytes of a block's file, unverified, to find out where it is damaged; at most one over `BLOCK_LIMIT`."""
        parse(cid)
        path = self.path / cid
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        except FileNotFoundError as error:
            if self._was_there and not self.path.is_dir():
                raise _unusable(self.path, "read", error) from None
            raise ContentMissing(f"the store does not hold {cid}") from None
        except OSError as error:
            if error.errno == errno.ELOOP:
                raise ContentMismatch(f"{path} is a symbolic link, not a block file") from None
            raise StoreUnavailable(f"{path}: {error}") from error
        return _read_block(descriptor, path)

    def _problem(self, name: str) -> str | None:
        path = self.path / name
        try:
            mode = path.lstat().st_mode
            if not stat.S_ISREG(mode):
                return f"a {_kind(mode)}, not a block file"
            self.get(Cid(name))
        except CidMalformed:
            return "its name is not the CID of a block"
        except (ContentMismatch, StoreUnavailable) as error:
            return str(error)
        except (ContentMissing, FileNotFoundError):
            return "vanished while it was checked"
        return None

    def _listing(self) -> list[str]:
        try:
            return sorted(file.name for file in self.path.iterdir())
        except OSError as error:
            raise StoreUnavailable(f"{self.path}: cannot list the store: {error}") from error

    def _prepare(self) -> None:
        """A folder that was there and is gone is not made again: its blocks may lie on a disk that is not mounted now."""
        if self._was_there and not self.path.is_dir():
            raise FileNotFoundError(errno.ENOENT, "the folder is gone")
        for folder in (self.path, self._incoming):
            if not folder.is_dir():
                folder.mkdir(parents=True, exist_ok=True)
                _sync_folder(folder.parent)
        self._was_there = True
        for file in self._incoming.iterdir():
            with suppress(FileNotFoundError):
                if time.time() - file.lstat().st_mtime > LEFTOVER_AGE_S:
                    file.unlink()

    def _holds(self, cid: Cid, data: bytes) -> bool:
        try:
            return self.read_damaged(cid) == data
        except (ContentMissing, ContentMismatch, StoreUnavailable):
            return False

    def _stage(self, data: bytes) -> Path:
        descriptor, name = tempfile.mkstemp(dir=self._incoming)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(descriptor)
        except OSError:
            Path(name).unlink(missing_ok=True)
            raise
        return Path(name)


class MemoryStore:
    """The official fake: what `FolderStore` does, without a disk. `blocks` is open, so that a test can damage it."""

    shared = False

    def __init__(self) -> None:
        self.blocks: dict[Cid, bytes] = {}

    def put(self, data: bytes, codec: Codec) -> Cid:
        cid = name_of(data, codec)
        self.blocks[cid] = data
        return cid

    def put_many(self, blocks: Iterable[tuple[bytes, Codec]]) -> list[Cid]:
        return [self.put(data, codec) for data, codec in blocks]

    def get(self, cid: Cid) -> bytes:
        return checked(cid, self.read_damaged(cid), f"memory:{cid}")

    def has(self, cid: Cid) -> bool:
        parse(cid)
        return cid in self.blocks

    def cids(self) -> Iterator[Cid]:
        return (name for name in sorted(self.blocks) if is_cid(name))

    def verify_all(self) -> Iterator[tuple[str, str]]:
        for name in sorted(self.blocks):
            try:
                self.get(name)
            except CidMalformed:
                yield name, "its name is not the CID of a block"
            except ContentMismatch as error:
                yield name, str(error)

    def read_damaged(self, cid: Cid) -> bytes:
        parse(cid)
        if cid not in self.blocks:
            raise ContentMissing(f"memory does not hold {cid}")
        return self.blocks[cid]


class GatewayStore:
    """Reads blocks from a trustless IPFS gateway (`GET /ipfs/{cid}?format=raw`), for an audit from outside.

    Source: https://specs.ipfs.tech/http-gateways/trustless-gateway/. Redirects and compressed answers are refused.
    """

    def __init__(self, url: str, timeout_s: float = 30.0, transport: httpx.BaseTransport | None = None) -> None:
        base = _http_url(url)
        self._timeout_s = timeout_s
        headers = {"Accept": "application/vnd.ipld.raw", "Accept-Encoding": "identity"}
        self._client = httpx.Client(
            base_url=base, headers=headers, timeout=timeout_s, follow_redirects=False, transport=transport
        )

    def put(self, data: bytes, codec: Codec) -> Cid:
        raise StoreReadOnly(f"{self._client.base_url} is only read from: {name_of(data, codec)} is not put there")

    def put_many(self, blocks: Iterable[tuple[bytes, Codec]]) -> list[Cid]:
        return [self.put(data, codec) for data, codec in blocks]

    def get(self, cid: Cid) -> bytes:
        parse(cid)
        return checked(cid, self._fetch(cid), str(self._client.base_url))

    def has(self, cid: Cid) -> bool:
        try:
            self.get(cid)
        except ContentMissing:
            return False
        return True

    def close(self) -> None:
        self._client.close()

    def _fetch(self, cid: Cid) -> bytes:
        """The body, up to one byte over the limit; `timeout_s` also bounds the whole, against a server that drips."""
        deadline = time.monotonic() + self._timeout_s
        body = bytearray()
        try:
            with self._client.stream("GET", f"ipfs/{cid}", params={"format": "raw"}) as response:
                self._check_status(response.status_code, cid)
                for part in response.iter_raw():
                    body += part
                    if len(body) > BLOCK_LIMIT:
                        break
                    if time.monotonic() > deadline:
                        raise StoreUnavailable(f"{self._client.base_url}: {cid} took over {self._timeout_s} s")
        except httpx.HTTPError as error:
            raise StoreUnavailable(f"{self._client.base_url}: {cid}: {error or type(error).__name__}") from error
        return bytes(body[: BLOCK_LIMIT + 1])

    def _check_status(self, status: int, cid: Cid) -> None:
        if status in (404, 410):
            raise ContentMissing(f"{self._client.base_url} does not hold {cid}")
        if status != 200:
            raise StoreUnavailable(f"{self._client.base_url} answered {status} for {cid}")


def name_of(data: bytes, codec: Codec) -> Cid:
    """The name under which a store takes a block; raises BlockTooLarge."""
    if len(data) > BLOCK_LIMIT:
        raise BlockTooLarge(len(data))
    return cid_of(data, codec)


def checked(cid: Cid, data: bytes, where: str) -> bytes:
    """The bytes that a store gave for a block; raises ContentMismatch, which says where, unless they are the block."""
    codec, _ = parse(cid)
    if len(data) > BLOCK_LIMIT:
        raise ContentMismatch(f"{where}: asked for {cid}, got more bytes than the {BLOCK_LIMIT} of the largest block")
    found = cid_of(data, codec)
    if found != cid:
        raise ContentMismatch(f"{where}: asked for {cid}, but the {len(data)} bytes there hash to {found}")
    return data


def _read_block(descriptor: int, path: Path) -> bytes:
    try:
        mode = os.fstat(descriptor).st_mode
        if not stat.S_ISREG(mode):
            raise ContentMismatch(f"{path} is a {_kind(mode)}, not a block file")
        with os.fdopen(descriptor, "rb", closefd=False) as file:
            return file.read(BLOCK_LIMIT + 1)
    except OSError as error:
        raise StoreUnavailable(f"{path}: {error}") from error
    finally:
        os.close(descriptor)


def _kind(mode: int) -> str:
    if stat.S_ISDIR(mode):
        return "folder"
    return "symbolic link" if stat.S_ISLNK(mode) else "special file"


def is_cid(name: str) -> bool:
    """Whether it is the name of a block."""
    try:
        parse(name)
    except CidMalformed:
        return False
    return True


_ADVICE = {
    errno.ENOENT: "the store was there and is gone: mount its disk again, or restore it from a backup",
    errno.ENOSPC: "the disk is full: free some space; nothing is lost, and what waits goes on by itself",
    errno.EDQUOT: "this user's quota is used up: free some space; nothing is lost, and what waits goes on by itself",
    errno.EFBIG: "a file would be larger than this process may write: raise its limit",
    errno.EROFS: "the file system is mounted read-only: mount it for writing",
    errno.EACCES: "give this user the right to write the folder and the one that it lies in",
    errno.EPERM: "give this user the right to write the folder and the one that it lies in",
    errno.EIO: "the disk reports an error: look at it, and restore a backup on another",
    errno.ESTALE: "the network file system lost the folder: mount it again",
}


def _unusable(path: Path, verb: str, error: OSError) -> StoreUnavailable:
    advice = _ADVICE.get(error.errno or 0, "look at the disk and at the rights of the folder")
    return StoreUnavailable(f"{path}: cannot {verb} ({error.strerror or error}): {advice}")


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _http_url(text: str) -> httpx.URL:
    try:
        url = httpx.URL(text)
    except httpx.InvalidURL as error:
        raise BadInput(f"{text[:80]!r} is not a URL: {error}") from None
    if url.scheme not in ("http", "https") or not url.host or url.userinfo or url.query or url.fragment:
        raise BadInput(f"{text[:80]!r} is not the plain http(s) URL of a gateway")
    return url
