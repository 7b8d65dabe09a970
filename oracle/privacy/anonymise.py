"""Personal data replaced in whole documents: texts, JSON values, tasks -> the same without it, and a list of what was changed.

The list says where, what kind and how, and never repeats the data. Pictures in `data:` URLs lose what their files say of place,
time and camera. Replacing twice changes nothing more. A document is replaced whole or, where the policy cannot be kept, not at all.
"""

import base64
import binascii
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from oracle.privacy import tables
from oracle.privacy.find import find
from oracle.privacy.policy import KEEP, Policy, read_policy
from oracle.privacy.replace import replaced
from oracle.protocol.errors import BadInput
from oracle.protocol.leaves import Task
from oracle.protocol.manifest import Manifest
from oracle.verification.content import images

MOST_DIGITS = 40
MOST_SHOWN = 1_000  # changes that an answer lists
MOST_SERVED = 1 << 21  # characters of a job in which a server looks for its visitors: seconds
DEPTH = 64
IN_NAMES_OF_TASKS = frozenset(
    ("mail", "identity")
)  # a name of a task is public, and others refer to it: it is not replaced
_PICTURE = re.compile(r"\s*(data:image/(?:png|jpe?g|webp|gif);base64,)([A-Za-z0-9+/=\s]*)")


@dataclass(frozen=True, slots=True)
class Change:
    """`row`: from 1; `field`: where in it; `kind` and `method` as the policy calls them."""

    row: int
    field: str
    kind: str
    method: str


@dataclass(frozen=True, slots=True)
class Anonymised:
    tasks: list[Task]
    changes: list[Change]


def tasks(
    given: Sequence[Task], policy: Policy, key: bytes | None = None, where: str = "", most: int | None = None
) -> Anonymised:
    """Payloads without personal data; `most`: characters in which it is looked for.

    Raises BadInput naming the task whose id is personal data, or whose policy needs a key.
    """
    if most is not None and policy.sought and (size := sum(_size(task.payload) for task in given)) > most:
        advice = 'run `crowdproof anonymise` where the file is, then say so with personalData {"default": "keep"}'
        raise BadInput(
            f"{size:,} characters are more than the {most:,} in which personal data is looked for here: {advice}"
        )
    kept: list[Task] = []
    changes: list[Change] = []
    for row, task in enumerate(given, 1):
        begin = f"{where}: " if where else ""
        if found := find(task.id, kinds=IN_NAMES_OF_TASKS & policy.sought):
            raise BadInput(
                f"{begin}task {row}: its id holds a {found[0].kind}; ids are public and stay as they are: use a number"
            )
        payload = _at(f"{begin}task {row}", lambda task=task, row=row: value(task.payload, policy, key, row, changes))
        kept.append(task if payload is task.payload else replace(task, payload=payload))
    return Anonymised(kept, changes)


def job(
    manifest: Manifest,
    given: Sequence[Task],
    key: bytes | None = None,
    where: str = "manifest",
    most: int | None = None,
) -> Anonymised:
    """The tasks of a job under its manifest's `personalData`, without which all that is found is redacted.

    Raises BadInput also for the first rows that break the policy's table: nothing of the job is to be stored then.
    """
    policy = read_policy(manifest.document.get("personalData", {}), f"{where}: personalData")
    found = tasks(given, policy, key, where, most)
    if policy.table:
        rows = [(row, task.payload) for row, task in enumerate(found.tasks, 1) if isinstance(task.payload, dict)]
        for broken in tables.breaks(rows, policy.table)[:1]:
            numbers = ", ".join(map(str, broken.rows[:10]))
            raise BadInput(f"{where}: tasks {numbers} break {broken.rule}: {broken.what}; coarsen or leave them out")
    return found


def value(
    item: Any, policy: Policy, key: bytes | None, row: int, changes: list[Change], path: str = "", depth: int = 0
) -> Any:
    """A JSON value; the very same object where nothing is changed. Adds to `changes`."""
    name = path.rpartition(".")[2]
    if depth > DEPTH:
        raise BadInput(f"{path[:80]}: lists and objects nest over {DEPTH} deep")
    if name in policy.skip:
        return item
    if isinstance(item, str):
        return string(item, policy, key, row, changes, path)
    if isinstance(item, int) and not isinstance(item, bool) and abs(item) >= 10**7:
        return _number(item, policy, key, row, changes, path)
    if isinstance(item, list):
        new = [value(one, policy, key, row, changes, path, depth + 1) for one in item]
        return item if all(a is b for a, b in zip(new, item, strict=True)) else new
    if isinstance(item, dict):
        return _object(item, policy, key, row, changes, path, depth)
    return item


def string(text: str, policy: Policy, key: bytes | None, row: int, changes: list[Change], path: str = "") -> str:
    if picture := _PICTURE.match(text):
        return _picture(text, picture, policy, row, changes, path)
    parts: list[str] = []
    at = 0
    for found in find(text, path.rpartition(".")[2], policy.sought):
        data, method = text[found.start : found.end], policy.method(found.kind)
        new = replaced(data, found.kind, method, key)
        if new != data:
            changes.append(Change(row, path, found.kind, method))
        parts += [text[at : found.start], new]
        at = found.end
    return "".join([*parts, text[at:]]) if parts else text


def picture(data: bytes, policy: Policy, where: str = "") -> bytes:
    """An image without what its file says beside the pixels. Raises BadInput for one that is unreadable, or tells its place."""
    if policy.location == "refuse" and images.tells_place(data):
        raise BadInput(f"{where}: the image says where it was taken; strip it, or let the policy's `location` keep it")
    return images.stripped(data, policy.location == KEEP)


def _number(item: int, policy: Policy, key: bytes | None, row: int, changes: list[Change], path: str) -> Any:
    """A number that is personal data as a whole becomes a text."""
    text = str(item) if abs(item) < 10**MOST_DIGITS else ""
    found = find(text, path.rpartition(".")[2], policy.sought)
    if not found or (found[0].start, found[0].end) != (0, len(text)):
        return item
    return string(text, policy, key, row, changes, path)


def _object(
    item: dict[str, Any], policy: Policy, key: bytes | None, row: int, changes: list[Change], path: str, depth: int
) -> Any:
    new: dict[str, Any] = {}
    for name, one in item.items():
        inner = f"{path}.{name}" if path else name
        plain = string(name, policy, key, row, changes, f"{path}, a name of a field")
        if plain in new:
            raise BadInput(
                f"{path or 'the object'}: two fields would both be called {plain}: name fields after no people"
            )
        new[plain] = value(one, policy, key, row, changes, inner, depth + 1)
    same = list(new) == list(item) and all(new[name] is item[name] for name in item)
    return item if same else new


def _picture(text: str, match: re.Match[str], policy: Policy, row: int, changes: list[Change], path: str) -> str:
    try:
        data = base64.b64decode(match[2], validate=False)
    except binascii.Error:
        raise BadInput(f"{path or 'the value'}: the picture is not base64") from None
    clean = picture(data, policy, path or "the value")
    if clean == data:
        return text
    changes.append(Change(row, path, "metadata", "strip"))
    return match[1] + base64.b64encode(clean).decode()


def _at(where: str, run: Any) -> Any:
    try:
        return run()
    except BadInput as problem:
        raise BadInput(f"{where}, {problem}") from None


def _size(item: Any, depth: int = 0) -> int:
    if isinstance(item, str):
        return 0 if _PICTURE.match(item) else len(item)
    parts = [*item, *item.values()] if isinstance(item, dict) else item if isinstance(item, list) else ()
    return 0 if depth > DEPTH else sum(_size(one, depth + 1) for one in parts)


def totals(changes: Sequence[Change]) -> dict[str, int]:
    """How many of each kind, by name."""
    kinds = sorted({change.kind for change in changes})
    return {kind: sum(change.kind == kind for change in changes) for kind in kinds}
