"""Free answers: texts that no list of classes foresaw, and the candidates of a task for which they stand.

text <-> payload, padded so that its length says little of the answer. Which candidate an answer stands for is judgement (design of
the decision of record): a model card names the candidates of every task that its epoch decides, so that labels can be read; those
of a sealed job under its key.
"""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

from oracle.protocol import pages
from oracle.protocol.cids import Codec, Link, cid_of, decode, encode
from oracle.protocol.errors import BadInput
from oracle.protocol.hashing import keccak, tagged
from oracle.protocol.jobkey import open_record, seal_record
from oracle.protocol.pages import Block, Source
from oracle.protocol.terms import MAX_CLASSES

STEP = 64  # bytes: a payload is a multiple of it
MOST = 8_192  # bytes of a payload
FIELD = "candidates"  # of a model card
Pair = tuple[int, int]  # job, task
Candidates = dict[Pair, tuple[str, ...] | None]
SEALED = 2  # parts of a row that follow job and task: salt and ciphertext


def payload_of(text: str) -> bytes:
    """UTF-8, then zero bytes to a multiple of STEP, at least one. Raises BadInput for a text that does not fit or has a zero."""
    try:
        data = text.encode()
    except UnicodeEncodeError:
        raise BadInput("the answer holds half a character (a lone surrogate); write it anew") from None
    if 0 in data:
        raise BadInput("the answer holds a zero character; delete it")
    if len(data) >= MOST:
        raise BadInput(f"the answer has {len(data):,} bytes; at most {MOST - 1:,} are sent: shorten it")
    return data + bytes(STEP - len(data) % STEP)


def text_of(payload: bytes) -> str | None:
    """None for what is no such payload."""
    data = payload.rstrip(b"\0")
    try:
        text = data.decode()
        return text if payload_of(text) == payload else None
    except (UnicodeDecodeError, BadInput):
        return None


def is_size(size: int) -> bool:
    """Whether a payload may have so many bytes."""
    return 0 < size <= MOST and size % STEP == 0


# -------------------------------------------------------------------------------------------------- in an epoch's card


def pack(candidates: Mapping[Pair, Sequence[str]], keys: Mapping[int, bytes]) -> tuple[list[Link], list[Block]]:
    """(what the model card names, the blocks). keys: of the sealed jobs among them."""
    blocks: list[bytes] = []
    part: list[Any] = []
    size = 0
    for (job, task), texts in sorted(candidates.items()):
        said = list(texts)
        part.append([job, task, *(_sealed(keys[job], job, task, said) if job in keys else [said])])
        size += sum(map(len, texts))
        if size > pages.TARGET:
            blocks.append(encode(part))
            part, size = [], 0
    blocks += [encode(part)] if part else []
    return [Link(cid_of(data, Codec.DAG_CBOR)) for data in blocks], [(data, Codec.DAG_CBOR) for data in blocks]


def read(source: Source, card: Any) -> Candidates:
    """The candidates that a model card names; None of a sealed job whose key the source has not.

    Raises BadInput for what is none, and what the source raises.
    """
    try:
        blocks: list[Any] = [decode(source.read(pages.linked(link, Codec.DAG_CBOR))) for link in card.get(FIELD, [])]
        rows = [((job, task), _texts(source, job, task, *said)) for block in blocks for job, task, *said in block]
    except pages.UNREADABLE as problem:
        raise BadInput(f"the model card does not name candidates: {problem}") from None
    if any(a >= b for (a, _), (b, _) in pairwise(rows)):
        raise BadInput("candidates are not named in the order of jobs and tasks, once each")
    return dict(rows)


def _sealed(key: bytes, job: int, task: int, texts: list[str]) -> list[bytes]:
    """A salt that is new for other texts and tells nothing without the key, and the texts under it."""
    plain = encode(texts)
    salt = tagged("candidates", key, job, task, keccak(plain))
    return [salt, seal_record(key, salt, plain)]


def _texts(source: Source, job: Any, task: Any, *said: Any) -> tuple[str, ...] | None:
    """Raises whatever bad data raises."""
    if type(job) is not int or type(task) is not int:
        raise ValueError("a row begins with a job and a task")
    if len(said) == SEALED:
        key = source.keys(job)
        if key is None:
            return None
        said = (decode(open_record(key, *said)),)
    (texts,) = said
    if not isinstance(texts, list) or not all(type(text) is str for text in texts):
        raise ValueError("candidates are a list of texts")
    if len(texts) > MAX_CLASSES or len(set(texts)) != len(texts):
        raise ValueError(f"task {task} of job {job} has not up to {MAX_CLASSES} different candidates")
    return tuple(texts)
