"""`crowdproof anonymise`: a file without the personal data in it, and a report of what was replaced and what still stands out.

Tables and rows (.csv, .jsonl), a JSON document, plain text, an image or a folder of images. Everything is worked out before
anything is written: a policy that cannot be kept leaves nothing behind.
"""

import csv
import io
import json
import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from oracle.commands.checking import read_json
from oracle.config import write_atomically
from oracle.privacy import anonymise, tables
from oracle.privacy.anonymise import Change
from oracle.privacy.policy import Policy, read_policy
from oracle.protocol.errors import BadInput

MOST_BYTES = 1 << 28
PICTURES = (".png", ".jpg", ".jpeg", ".webp", ".gif")
Numbered = list[tuple[int, Any]]  # line, value


def anonymised(
    file: Path, policy: Path | None, out: Path | None, report: Path | None, key: Path | None
) -> dict[str, Any]:
    """Writes the copy, unless rows of the table stand out; `ok` says whether it was written. `report`: the document, as a file."""
    rules = policy_in(policy)
    target = out or file.with_name(f"{file.stem}.anonymised{file.suffix}")
    if target.exists():
        raise BadInput(f"{target}: stands there already; name another with --out")
    secret = key_in(key) if rules.needs_key else None
    changes: list[Change] = []
    broken: list[tables.Break] = []
    if file.is_dir():
        copies = {target / name: data for name, data in _folder(file, rules, changes).items()}
    else:
        content, broken = _file(file, rules, secret, changes)
        copies = {target: content}
    for copy, data in copies.items() if not broken else ():
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_bytes(data)
    document = _document(file, target, changes, broken)
    if report:
        write_atomically(report, json.dumps(document, ensure_ascii=False, indent=1) + "\n")
    return document


def text(d: dict[str, Any]) -> str:
    lines = [f"  {'wrote       ' + d['out'] if d['ok'] else 'nothing written: rows stand out'}"]
    lines += [f"  replaced    {count:,} {kind}" for kind, count in d["replaced"].items()] or ["  replaced    nothing"]
    lines += [
        f"  breaks      {one['rule']}, rows {', '.join(map(str, one['rows'][:20]))}: {one['what']}"
        for one in d["breaks"][:20]
    ]
    return "\n".join(lines)


def policy_in(file: Path | None) -> Policy:
    return Policy() if file is None else read_policy(read_json(file), str(file))


def key_in(file: Path | None) -> bytes:
    """The key of pseudonyms in a file, made there (for its owner alone to read) if there is none."""
    if file is None:
        raise BadInput("the policy asks for pseudonyms: name a file for their key with --key, and keep it to yourself")
    if not file.exists():
        write_atomically(file, secrets.token_hex(32) + "\n", 0o600)
    try:
        return file.read_text("ascii").strip().encode()
    except (OSError, ValueError) as problem:
        raise BadInput(f"{file}: cannot be read ({problem})") from None


def _document(file: Path, target: Path, changes: Sequence[Change], broken: Sequence[tables.Break]) -> dict[str, Any]:
    return {
        "file": str(file),
        "out": str(target),
        "ok": not broken,
        "replaced": anonymise.totals(changes),
        "changes": [asdict(change) for change in changes[: anonymise.MOST_SHOWN]],
        "breaks": [asdict(one) for one in broken[: anonymise.MOST_SHOWN]],
    }


def _file(file: Path, rules: Policy, key: bytes | None, changes: list[Change]) -> tuple[bytes, list[tables.Break]]:
    data = _bytes(file)
    if file.suffix.lower() in PICTURES:
        return _picture(data, rules, 1, file.name, changes), []
    forms: dict[str, tuple[Callable[[str, str], Numbered], Callable[[Numbered], str]]] = {
        ".csv": (_read_csv, _write_csv),
        ".jsonl": (_read_jsonl, _write_jsonl),
        ".json": (_read_json, _write_json),
        ".txt": (_read_lines, _write_lines),
        ".md": (_read_lines, _write_lines),
    }
    if file.suffix.lower() not in forms:
        raise BadInput(f"{file}: the ending says no known form; use one of {', '.join([*forms, *PICTURES])}")
    read, write = forms[file.suffix.lower()]
    rows = read(_decoded(data, file), str(file))
    new = [(row, _at(f"{file}, line {row}", rules, key, row, item, changes)) for row, item in rows]
    table = [(row, fields) for row, fields in new if isinstance(fields, Mapping)]
    if rules.table and not table:
        raise BadInput(f"{file}: the policy has a table, the file has no rows with fields")
    return write(new).encode(), tables.breaks(table, rules.table) if rules.table else []


def _at(where: str, rules: Policy, key: bytes | None, row: int, item: Any, changes: list[Change]) -> Any:
    try:
        return anonymise.value(item, rules, key, row, changes)
    except BadInput as problem:
        raise BadInput(f"{where}: {problem}") from None


def _folder(folder: Path, rules: Policy, changes: list[Change]) -> dict[str, bytes]:
    files = sorted(p for p in folder.rglob("*") if p.is_file())
    if not files or (other := next((p for p in files if p.suffix.lower() not in PICTURES), None)):
        raise BadInput(
            f"{folder}: a folder is one of images ({', '.join(PICTURES)}); {other.name if files and other else 'it is empty'}"
        )
    names = [p.relative_to(folder).as_posix() for p in files]
    return {
        name: _picture(_bytes(p), rules, i, name, changes)
        for i, (name, p) in enumerate(zip(names, files, strict=True), 1)
    }


def _picture(data: bytes, rules: Policy, row: int, name: str, changes: list[Change]) -> bytes:
    try:
        clean = anonymise.picture(data, rules, name)
    except BadInput as problem:
        raise BadInput(f"{name}: {str(problem).removeprefix(f'{name}: ')}") from None
    if clean != data:
        changes.append(Change(row, name, "metadata", "strip"))
    return clean


def _bytes(file: Path) -> bytes:
    try:
        if file.stat().st_size > MOST_BYTES:
            raise BadInput(f"{file}: more than {MOST_BYTES:,} bytes; split it")
        return file.read_bytes()
    except OSError as problem:
        raise BadInput(f"{file}: cannot be read ({problem.strerror})") from None


def _decoded(data: bytes, file: Path) -> str:
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise BadInput(f"{file}: not UTF-8; save it as UTF-8") from None


def _read_csv(content: str, where: str) -> Numbered:
    reader = csv.reader(io.StringIO(content, newline=""), strict=True)
    try:
        header = next(reader, None)
        if not header or len(set(header)) != len(header):
            raise BadInput(f"{where}, line 1: a header with a name for each column, none twice")
        rows: Numbered = []
        for row in reader:
            if row and len(row) != len(header):
                raise BadInput(f"{where}, line {reader.line_num}: {len(row)} fields where the header has {len(header)}")
            if row:
                rows.append((reader.line_num, dict(zip(header, row, strict=True))))
    except csv.Error as problem:
        raise BadInput(f"{where}, line {reader.line_num}: not readable as CSV ({problem})") from None
    if not rows:
        raise BadInput(f"{where}: there is no row in it")
    return rows


def _write_csv(rows: Numbered) -> str:
    out = io.StringIO(newline="")
    writer = csv.DictWriter(out, list(rows[0][1]) if rows else [], lineterminator="\n")
    writer.writeheader()
    writer.writerows(fields for _, fields in rows)
    return out.getvalue()


def _read_jsonl(content: str, where: str) -> Numbered:
    return [(n, _json(line, f"{where}, line {n}")) for n, line in enumerate(content.split("\n"), 1) if line.strip()]


def _write_jsonl(rows: Numbered) -> str:
    return "".join(json.dumps(item, ensure_ascii=False) + "\n" for _, item in rows)


def _read_json(content: str, where: str) -> Numbered:
    return [(1, _json(content, where))]


def _write_json(rows: Numbered) -> str:
    return json.dumps(rows[0][1], ensure_ascii=False, indent=1) + "\n"


def _read_lines(content: str, where: str) -> Numbered:  # noqa: ARG001 - every text is one
    return list(enumerate(content.split("\n"), 1))


def _write_lines(rows: Numbered) -> str:
    return "\n".join(line for _, line in rows)


def _json(content: str, where: str) -> Any:
    try:
        return json.loads(content)
    except (ValueError, RecursionError) as problem:
        raise BadInput(f"{where}: not JSON: {problem}") from None
