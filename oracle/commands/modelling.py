"""`crowdproof models`: what models there are, how good they are, which is in use, and whether that one drifts.

    a model, its predictions on held-out tasks -> a record -> promoted if it is better than what is in use -> checked on new tasks

A model comes from a federation (`federate`) and is asked here for its predictions, or it is a file with a file of predictions.
"""

import hashlib
import io
import json
import re
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from oracle import labels
from oracle.config import Home
from oracle.models import drift, tables
from oracle.models.card import card
from oracle.models.registry import History, Privacy, Record, Registry, compare, record_of
from oracle.models.tables import HeldOut, Predictions
from oracle.privacy.budget import fraction, nano
from oracle.protocol.cids import Cid, digest_of
from oracle.protocol.errors import BadInput
from oracle.protocol.plain import to_json

FEDERATED = "logistic regression on text vectors, federated"
_WORDS = ("intended_use", "limits")  # that no file can say


@dataclass(frozen=True, slots=True)
class Source:
    """Where a model comes from: a federation with the texts of the held-out tasks, or files."""

    federation: Path | None = None
    texts: Path | None = None
    model: Path | None = None
    predictions: Path | None = None
    data: tuple[Path, ...] = ()

    @property
    def whole(self) -> bool:
        federated, filed = (self.federation, self.texts), (self.model, self.predictions, self.data)
        return (all(federated) and not any(filed)) or (all(filed) and not any(federated))


def registry(home: Path | None, folder: Path | None) -> Registry:
    """In the given folder, else in HOME/models."""
    return Registry((folder or Home.at(home).path / "models").expanduser().resolve())


def add(place: Registry, name: str, held_out: Path, about: Path, source: Source) -> dict[str, Any]:
    """A record of a model that is measured here. Raises BadInput, and then nothing is stored."""
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", name):
        raise BadInput(
            f"{name[:80]!r} is no name of a model: letters, digits, dots, dashes and underscores, at most 64"
        )
    if not source.whole:
        raise BadInput(
            "either --federation and --texts, or --model, --predictions and --data say where the model is from"
        )
    held = tables.read_held_out(held_out)
    make = _federated if source.federation else _filed
    model, said, words = make(source, held, about)
    record, blocks = record_of(name, model, held, said, words)
    with place.turn() as history:
        cid = place.add(history, record, blocks, int(time.time()))
    return {"registry": str(place.folder), "record": cid, **to_json(record)}


def listed(place: Registry, since: str) -> dict[str, Any]:
    """All models, and the log. `since`: a head that was noted earlier; `ok` if the log still leads through it."""
    history = place.read()
    models = [_line(history, cid) for cid in history.records]
    log = [{"entry": cid, **to_json(entry)} for cid, entry in history.entries.items()]
    for one in log:
        one["name"] = history.records[one["record"]].name
    return {
        "registry": str(place.folder),
        "ok": not since or history.holds(since),
        "since": since,
        "head": history.head,
        "current": history.records[history.current].name if history.current else None,
        "models": models,
        "log": log,
    }


def shown(place: Registry, name: str) -> dict[str, Any]:
    """A record, and its card."""
    history = place.read()
    cid = history.find(name)
    record = history.records[cid]
    return {**_line(history, cid), **to_json(record), "card": card(record, place.table(record)[0])}


def promote(place: Registry, name: str, baseline: Path | None, margin: float) -> dict[str, Any]:
    """Puts a model in use where it is better than the one that is; the first beside a baseline. Nothing changes where it is not."""
    if not 0 <= margin <= 1:
        raise BadInput(f"--margin {margin}: 0 to 1")
    with place.turn() as history:
        cid = history.find(name)
        if cid == history.current:
            raise BadInput(f"{name!r} is in use already")
        record = history.records[cid]
        held, chance = place.table(record)
        against, other = _other(place, history, record, held, baseline)
        found = compare(held, record.classes, chance, against, other, margin)
        if not found.faults:
            place.promote(history, cid, found, other, int(time.time()))
    same = [one for one in history.records.values() if one.held_out == record.held_out]
    return {"promoted": not found.faults, "name": name, "why": found.faults, "tried": len(same), **to_json(found)}


def roll_back(place: Registry, name: str, why: str) -> dict[str, Any]:
    """Puts a model in use again that was promoted before."""
    with place.turn() as history:
        before = history.records[history.current].name if history.current else None
        entry = place.roll_back(history, history.find(name), why, int(time.time()))
    return {"current": name, "before": before, "why": why, "entry": entry}


def predict(place: Registry, texts: Path, out: Path) -> dict[str, Any]:
    """What the model in use says of tasks, as `check` reads it. Only models of a federation can be asked here."""
    from oracle.verification.embed import read_texts  # noqa: PLC0415 - torch loads for seconds

    record = _in_use(place.read())
    if record.method != FEDERATED:
        raise BadInput(f"{record.name!r} is of another kind ({record.method}): whoever has it writes its predictions")
    known = read_texts(texts)
    model = np.frombuffer(place.model(record), "<f4")
    chance = _spoken(model, record.settings["width"], len(record.classes), list(known.values()), None)
    verdict = chance.argmax(1).astype(np.int32)
    labels.write_verdicts(out, tuple(known), record.classes, verdict, chance.max(1), chance)
    return {"name": record.name, "tasks": len(known), "out": str(out)}


def check(place: Registry, predictions: Path, gold: Path | None) -> dict[str, Any]:
    """Whether the model in use drifts, by its predictions on new tasks, and by new labels of some of them."""
    record = _in_use(place.read())
    held, before = place.table(record)
    now = tables.read_predictions(predictions, record.classes)
    known = tables.read_gold(gold, set(now.task), record.classes) if gold else {}
    _enough(predictions, len(now.task))
    told: tuple[Any, ...] = ()
    if gold:
        _enough(gold, len(known))
        rows = [i for i, task in enumerate(now.task) if task in known]
        told = now.chance[rows], np.array([known[now.task[i]] for i in rows], np.int32)
    found = drift.signs(before, held.gold(record.classes), now.chance, *told)
    why = [one.why for one in found if one.alarms]
    return {"name": record.name, "drifts": bool(why), "why": why, "tasks": len(now.task), "gold": len(known)} | {
        "signs": to_json(tuple(found))
    }


# ---------------------------------------------------------------- where a model comes from


def _federated(source: Source, held: HeldOut, about: Path) -> tuple[bytes, Predictions, dict[str, Any]]:
    """The model of a federation, which speaks here on the held-out tasks."""
    from oracle.commands import federating  # noqa: PLC0415 - torch loads for seconds
    from oracle.verification.embed import read_texts  # noqa: PLC0415

    assert source.federation and source.texts  # noqa: S101 - `Source.whole`
    words = _about(about, (), ())
    found, texts = federating.result(source.federation), read_texts(source.texts)
    if missing := [task for task in held.task if task not in texts]:
        raise BadInput(f"{source.texts}: no text of task {missing[0][:60]!r}, and {len(missing) - 1} more")
    if strange := sorted(set(held.label) - set(found.classes)):
        raise BadInput(f"the federation knows no class {strange[0][:40]!r}, as the held-out set does")
    width, each = found.plan.width, [texts[task] for task in held.task]
    chance = _spoken(found.values, width, len(found.classes), each, source.federation / "vectors")
    plan = {name: value for name, value in found.plan.document().items() if name != "members"}
    epsilon = found.epsilon
    return (
        found.model,
        Predictions(held.task, tuple(found.classes), chance),
        {
            **words,
            "method": FEDERATED,
            "settings": plan | {"owners": len(found.plan.members), "rounds_done": found.rounds},
            "data": f"Crowd labels and texts that {len(found.plan.members)} owners hold and did not pool. "
            "The digest is that of the last round, which leads to the plan, who took part, and the digests of all sums.",
            "data_digest": digest_of(found.last).hex(),
            "privacy": None if epsilon is None else Privacy(epsilon, found.plan.delta),
        },
    )


def _spoken(
    model: NDArray[np.float32], width: int, classes: int, texts: Sequence[Sequence[str]], cache: Path | None
) -> NDArray[np.float64]:
    """P(class | text) [n, C] of a federation's model."""
    from oracle.federated import train  # noqa: PLC0415 - as above
    from oracle.federated.plan import Plan  # noqa: PLC0415
    from oracle.verification.embed import task_vectors  # noqa: PLC0415

    vectors = np.ascontiguousarray(task_vectors(texts, cache)[:, :width])
    return train.proba(Plan((), width, classes), model, vectors)


def _filed(source: Source, held: HeldOut, about: Path) -> tuple[bytes, Predictions, dict[str, Any]]:
    assert source.model and source.predictions  # noqa: S101 - `Source.whole`
    words = {"settings": {}, "privacy": None} | _about(about, ("method", "data"), ("settings", "privacy"))
    if words["method"] == FEDERATED:
        raise BadInput(f"{about}: method: a model of a federation comes with --federation")
    words |= {"privacy": _privacy(words["privacy"], about), "data_digest": _digest(source.data)}
    return _model(source.model), tables.predictions_on(source.predictions, held), words


def _model(file: Path) -> bytes:
    """Its bytes; an array of numpy holds finite numbers."""
    data = _bytes(file)
    if file.suffix == ".npy":
        try:
            values = np.load(io.BytesIO(data), allow_pickle=False)
            finite = bool(np.isfinite(values).all())
        except (ValueError, TypeError, EOFError, OSError) as problem:
            raise BadInput(f"{file}: not an array of numbers ({problem})") from None
        if not finite:
            raise BadInput(f"{file}: holds NaN or an infinite number")
    return data


def _digest(files: Sequence[Path]) -> str:
    """Of one file's bytes, or of the digests of several."""
    each = [hashlib.sha256(_bytes(file)).digest() for file in files]
    return (each[0] if len(each) == 1 else hashlib.sha256(b"".join(each)).digest()).hex()


def _bytes(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as problem:
        raise BadInput(f"{file}: cannot be read ({problem.strerror})") from None


def _about(file: Path, needed: Sequence[str], free: Sequence[str]) -> dict[str, Any]:
    """A JSON object with `_WORDS` and `needed`, texts, and what is free."""
    try:
        found = json.loads(_bytes(file))
    except (ValueError, RecursionError) as problem:
        raise BadInput(f"{file}: no JSON ({problem})") from None
    texts = (*_WORDS, *needed)
    if not isinstance(found, dict) or not set(texts) <= found.keys() <= {*texts, *free}:
        raise BadInput(
            f"{file}: an object with {', '.join(texts)} is needed" + (f", and {', '.join(free)} if known" * bool(free))
        )
    for name in texts:
        if not isinstance(found[name], str) or not found[name].strip():
            raise BadInput(f"{file}: {name}: a text is needed")
    return found


def _privacy(value: Any, file: Path) -> Privacy | None:
    if value is None:
        return None
    if not isinstance(value, dict) or value.keys() != {"epsilon", "delta"}:
        raise BadInput(f"{file}: privacy: null, or an object of epsilon and delta")
    nano(value["epsilon"], f"{file}: privacy.epsilon")
    return Privacy(float(value["epsilon"]), fraction(value["delta"], f"{file}: privacy.delta"))


# ---------------------------------------------------------------- what is compared


def _other(place: Registry, history: History, record: Record, held: HeldOut, baseline: Path | None) -> tuple[str, Any]:
    """(name, predictions) of what the candidate must be better than, on the candidate's held-out set."""
    if history.current is None:
        if baseline is None:
            raise BadInput(
                "--baseline: the first model is compared with predictions of the same tasks, as of `infer --proba`"
            )
        return f"the baseline {baseline.name}", tables.predictions_on(baseline, held, record.classes).chance
    if baseline is not None:
        raise BadInput("--baseline: a model is in use, and the candidate is compared with that")
    used = history.records[history.current]
    same = [one for one in history.records.values() if one.model == used.model and one.held_out == record.held_out]
    if not same:
        raise BadInput(
            f"{record.name!r} is measured on held-out set {record.held_out}, {used.name!r} on {used.held_out}: "
            f"add the model of {used.name!r} under another name with that held-out set"
        )
    if same[0].classes != record.classes:
        raise BadInput(f"{record.name!r} and {used.name!r} have other classes")
    return used.name, place.table(same[0])[1]


def _in_use(history: History) -> Record:
    if history.current is None:
        raise BadInput("no model is promoted: none is in use")
    return history.records[history.current]


def _enough(file: Path, count: int) -> None:
    if count < drift.FEWEST:
        raise BadInput(f"{file}: {count} tasks; at least {drift.FEWEST} say something")


# ---------------------------------------------------------------- in words


def _line(history: History, cid: str) -> dict[str, Any]:
    record = history.records[cid]
    return {
        "name": record.name,
        "record": cid,
        "digest": digest_of(Cid(record.model)).hex(),
        "current": cid == history.current,
        "promoted": cid in history.promoted,
        "accuracy": record.measures.accuracy.mean,
        "log_loss": record.measures.log_loss.mean,
        "gap": record.gap,
    }


def added_text(d: dict[str, Any]) -> str:
    a, b = d["measures"]["accuracy"], d["measures"]["log_loss"]
    return (
        f"  {d['name']}: accuracy {a['mean']:.4f} ({a['low']:.4f} to {a['high']:.4f}), "
        f"log-loss {b['mean']:.4f} ({b['low']:.4f} to {b['high']:.4f})\n  record {d['record']}"
    )


def list_text(d: dict[str, Any]) -> str:
    if not d["log"]:
        return f"  no model in {d['registry']}"
    rows = [f"  {'':2}{'model':24} {'accuracy':>8} {'log-loss':>8} {'gap':>6}  digest"]
    for one in d["models"]:
        gap = "-" if one["gap"] is None else f"{one['gap']:.4f}"
        mark = "*" if one["current"] else ""
        rows.append(
            f"  {mark:2}{one['name']:24} {one['accuracy']:8.4f} {one['log_loss']:8.4f} {gap:>6}  {one['digest']}"
        )
    rows += ["", *(f"  {one['number']:4} {one['what']:8} {one['name']}  {one['why']}".rstrip() for one in d["log"])]
    broken = [f"  the log does not lead through {d['since']}: its past was changed"] if not d["ok"] else []
    return "\n".join([*rows, f"  head {d['head']}", *broken])


def promoted_text(d: dict[str, Any]) -> str:
    g = d["gain"]
    figures = f"gain over {d['against']} {g['mean']:+.4f} nats a task ({g['low']:+.4f} to {g['high']:+.4f}), {d['tasks']} tasks"
    said = "promoted" if d["promoted"] else "not promoted"
    return "\n".join([f"  {d['name']} is {said}: {figures}", *(f"  {why}" for why in d["why"])])


def rollback_text(d: dict[str, Any]) -> str:
    return f"  {d['current']} is in use, after {d['before']}\n  entry {d['entry']}"


def check_text(d: dict[str, Any]) -> str:
    head = f"  {d['name']} {'DRIFTS' if d['drifts'] else 'does not drift'}: {d['tasks']} tasks, {d['gold']} with new labels"
    return "\n".join([head, *(f"  {'ALARM' if one['alarms'] else '':6}{one['why']}" for one in d["signs"])])
