"""`crowdproof content check`: what the checks of content say of a file of texts, or of a folder of images."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from oracle.protocol.errors import BadInput
from oracle.protocol.plain import to_json
from oracle.verification.content.check import check_images, check_texts
from oracle.verification.content.corpus import Text
from oracle.verification.content.findings import MOST_TEXT, Policy, Report, read_policy
from oracle.verification.content.images import Image, without_location

MOST_ROWS = 1_000_000
MOST_LINE = 16 * MOST_TEXT
MOST_IMAGES = 20_000
ENDINGS = (".png", ".jpg", ".jpeg", ".webp", ".gif")
_FIELDS = ("id", "text", "task", "worker", "prompt")


def check(path: Path, policy: Path | None, clean: Path | None) -> dict[str, Any]:
    """Findings of every answer that has one. `clean`: a folder for copies of images without the place where they were taken."""
    rules = _policy(policy)
    if path.is_dir():
        pictures = _pictures(path, rules)
        reports = check_images(pictures, rules)
        cleaned = list(_clean(pictures, reports, clean)) if clean else []
    else:
        if clean:
            raise BadInput(f"--clean is for a folder of images, {path} is none")
        reports, cleaned = check_texts(_texts(path), rules), []
    return _document(path, rules, reports, cleaned)


def text(d: dict[str, Any]) -> str:
    lines = [f"  {d['answers']:,} answers, {d['failing']:,} with findings, {d['rejected']:,} rejected"]
    for one in d["reports"][:50]:
        mark = "rejected" if one["rejected"] else "reported"
        lines += [f"  {mark}  {one['id'][:60]}: {f['reason']} ({f['words']})" for f in one["findings"]]
    return "\n".join(lines)


def _document(path: Path, rules: Policy, reports: list[Report], cleaned: list[str]) -> dict[str, Any]:
    failing = [r for r in reports if r.findings]
    reasons = sorted({f.reason for r in failing for f in r.findings})
    return {
        "file": str(path),
        "answers": len(reports),
        "failing": len(failing),
        "rejected": sum(bool(r.rejected) for r in reports),
        "ok": not any(r.rejected for r in reports),
        "reasons": {name: sum(name in [f.reason for f in r.findings] for r in failing) for name in reasons},
        "policy": to_json(rules),
        "reports": [to_json(r) for r in failing],
        "clean": cleaned,
    }


def _policy(path: Path | None) -> Policy:
    return Policy() if path is None else read_policy(read_json(path), str(path))


def read_json(path: Path) -> Any:
    """The document in a file. Raises BadInput."""
    try:
        return json.loads(path.read_text("utf-8-sig"))
    except (OSError, ValueError, RecursionError) as problem:
        raise BadInput(f"{path}: not a JSON document ({problem})") from None


def _texts(path: Path) -> list[Text]:
    """JSONL: one `{"id", "text"}` a line, and optionally `task`, `worker`, `prompt`."""
    found: list[Text] = []
    seen: dict[str, int] = {}
    try:
        with path.open(encoding="utf-8-sig", newline="\n") as file:
            for number, line in enumerate(iter(lambda: file.readline(MOST_LINE + 1), ""), 1):
                where = f"{path}, line {number}"
                if len(line) > MOST_LINE:
                    raise BadInput(f"{where}: longer than {MOST_LINE:,} characters")
                if line.strip():
                    found.append(_row(line, where))
                    if (first := seen.setdefault(found[-1].id, number)) != number:
                        raise BadInput(f"{where}: the id {found[-1].id[:80]!r} stands in line {first} too")
                if len(found) > MOST_ROWS:
                    raise BadInput(f"{where}: more than {MOST_ROWS:,} texts; split the file by task")
    except UnicodeDecodeError:
        raise BadInput(f"{path}: not UTF-8 after text {len(found)}; save it as UTF-8") from None
    except OSError as problem:
        raise BadInput(f"{path}: cannot be read ({problem})") from None
    if not found:
        raise BadInput(f'{path}: there is no text in it; write one a line, like {{"id": "a1", "text": "..."}}')
    return found


def _row(line: str, where: str) -> Text:
    try:
        row = json.loads(line)
    except (ValueError, RecursionError) as problem:
        raise BadInput(f"{where}: not JSON: {problem}") from None
    if not isinstance(row, dict) or not {"id", "text"} <= row.keys() <= set(_FIELDS):
        raise BadInput(f"{where}: a row is an object with id and text, and optionally task, worker, prompt")
    if wrong := sorted(name for name, value in row.items() if not isinstance(value, str)):
        raise BadInput(f"{where}, field {wrong[0]}: a text is expected")
    if not row["id"]:
        raise BadInput(f"{where}, field id: it is empty")
    return Text(**row)


def _pictures(folder: Path, rules: Policy) -> list[Image]:
    files = sorted(p for p in folder.rglob("*") if p.is_file() and p.suffix.lower() in ENDINGS)
    if not 0 < len(files) <= MOST_IMAGES:
        raise BadInput(
            f"{folder}: {len(files)} images ({', '.join(ENDINGS)}); 1 to {MOST_IMAGES:,} can be checked at once"
        )
    return [Image(p.relative_to(folder).as_posix(), _bytes(p, rules.most_bytes + 1)) for p in files]


def _bytes(path: Path, most: int) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(most)
    except OSError as problem:
        raise BadInput(f"{path}: cannot be read ({problem})") from None


def _clean(pictures: list[Image], reports: list[Report], folder: Path) -> Iterator[str]:
    for picture, report in zip(pictures, reports, strict=True):
        if any(f.check == "location" for f in report.findings):
            target = folder / picture.id
            if target.exists():
                raise BadInput(f"{target}: stands there already; --clean wants a fresh folder")
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(without_location(picture.data))
            yield str(target)
