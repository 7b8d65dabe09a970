"""`crowdproof dispute`: contests of what is judgement, from filing to the ruling's end; each step is one transaction.

Filing needs the pending epoch's data and the deposit (the arbitrator's fee and a bond); every later step anyone may take.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from oracle.adapters.satellites import Satellite, court_of, disputes_of
from oracle.commands.satellites import Place, Scene, hexed, opened_scene
from oracle.contesting import Answer, filing
from oracle.ports import Signer
from oracle.protocol import contests
from oracle.protocol.cids import Codec
from oracle.protocol.contests import Ruling, Stage
from oracle.protocol.errors import BadInput
from oracle.protocol.keys import checksum
from oracle.protocol.state import EpochStatus

__all__ = ["Answer", "Shown", "file", "show", "step", "withdraw"]

KIND = "dispute"
STEPS = ("confirm", "raise", "appeal", "evidence", "settle")


@dataclass(frozen=True, slots=True)
class Shown:
    """What jurors are shown. `file`: kept with it, at most a block."""

    title: str = ""
    words: str = ""
    file: Path | None = None


def file(place: Place, signer: Signer | None, answer: Answer, shown: Shown) -> dict[str, Any]:
    """Contests the pay of an answer that counts; of one that does not, its rejection, as only its worker may."""
    with opened_scene(place, signer, "contest") as scene:
        disputes = disputes_of(scene.chain, scene.refuter.deployment)
        scene.job(answer.job)
        post = scene.state.pending()
        if post is None:
            raise BadInput("no epoch is pending: what is final can be contested no more")
        scene.data(post)
        call, verdict = filing(scene.refuter, scene.chain, scene.state, answer, _stored(scene, shown))
        scene.send(call, KIND)
        number = disputes.ask("contestFor", scene.refuter.deployment.market, post.head, verdict, answer.worker)
        return _document(scene, disputes, number)


def step(place: Place, signer: Signer | None, action: str, number: int, wei: int, shown: Shown) -> dict[str, Any]:
    """confirm, raise, appeal, evidence or settle."""
    with opened_scene(place, signer, "contest") as scene:
        disputes = disputes_of(scene.chain, scene.refuter.deployment)
        contest = _contest(scene, disputes, number)
        args: tuple[Any, ...] = ()
        if action == "confirm":
            post, links = contests.fate(scene.state, contest["head"])
            args = (post.status is EpochStatus.STRUCK, links)
        elif action == "evidence":
            args = (_stored(scene, shown),)
        elif action == "appeal":
            wei = wei or court_of(scene.chain, scene.refuter.deployment).ask("appealCost", contest["dispute"], b"")
        function = "submitEvidence" if action == "evidence" else action
        what = f"{action} {'for ' if action == 'evidence' else ''}contest {number}"
        scene.send(disputes.call(what, function, number, *args, value=wei), KIND)
        return _document(scene, disputes, number)


def show(place: Place, number: int | None) -> dict[str, Any]:
    """One contest with its evidence, or all of this Market's."""
    with opened_scene(place, None, "look") as scene:
        disputes = disputes_of(scene.chain, scene.refuter.deployment)
        if number is not None:
            _contest(scene, disputes, number)
            return _document(scene, disputes, number)
        filed = disputes.events("ContestFiled", None, scene.refuter.deployment.market)
        names = ("fee", "bond", "patience", "burnt")
        return {
            **dict(zip(names, disputes.ask_all(*((name,) for name in names)), strict=True)),
            "arbitrator": checksum(disputes.ask("arbitrator")),
            "contests": [_summary(scene, disputes, one["contest"]) for one in filed],
        }


def withdraw(place: Place, signer: Signer | None) -> dict[str, Any]:
    with opened_scene(place, signer, "withdrawal") as scene:
        amount = scene.withdraw(disputes_of(scene.chain, scene.refuter.deployment), KIND)
        return {"withdrawn": amount, "sent": scene.sent}


def _contest(scene: Scene, disputes: Satellite, number: int) -> dict[str, Any]:
    contest = disputes.struct("contestOf", number)
    if contest["market"] != scene.refuter.deployment.market:
        raise BadInput(f"contest {number}: there is none of that number in this Market (`crowdproof dispute list`)")
    return contest


def _summary(scene: Scene, disputes: Satellite, number: int) -> dict[str, Any]:
    contest = _contest(scene, disputes, number)
    stage = Stage(contest.pop("stage"))
    unit = scene.refuter.deployment.unit
    (filed,) = disputes.events("ContestFiled", number)
    return {
        "contest": number,
        "stage": stage.name.lower(),
        **hexed({name: value for name, value in contest.items() if name != "market"}),
        "ruling": Ruling(contest["ruling"]).name.lower() if stage >= Stage.RULED else None,
        "dispute": contest["dispute"] if disputes.ask("contestOfDispute", contest["dispute"]) == number else None,
        "amount": contest["amount"] * unit,
        "verdict": filed["verdict"],
        "epoch": contests.fate(scene.state, contest["head"])[0].epoch,
        "next": _next(scene, stage, contest),
    }


def _document(scene: Scene, disputes: Satellite, number: int) -> dict[str, Any]:
    shown = disputes.events("Evidence", None, number)
    evidence = [hexed({"party": one["_party"], "uri": one["_evidence"]}) for one in shown]
    return {**_summary(scene, disputes, number), "evidence": evidence, "sent": scene.sent}


def _next(scene: Scene, stage: Stage, contest: dict[str, Any]) -> str:
    """What can be done now, in a word."""
    late = scene.now >= contest["deadline"]
    return {
        Stage.FILED: "confirm, once its epoch is final or struck",
        Stage.CONFIRMED: "settle" if late else "raise",
        Stage.RAISED: "settle" if late else "the arbitrator's ruling",
        Stage.RULED: "settle",
    }.get(stage, "nothing")


def _stored(scene: Scene, shown: Shown) -> str:
    """The URI of the evidence, whose blocks are in the store: jurors find it where the deployment's data is."""
    attached = None
    if shown.file:
        try:
            attached = (shown.file.read_bytes(), Codec.RAW)
        except OSError as problem:
            raise BadInput(f"{shown.file}: cannot be read ({problem.strerror})") from None
    kind = shown.file.suffix.removeprefix(".") if shown.file else ""
    block = contests.block(contests.shown(shown.title or "Evidence", shown.words, attached, kind))
    scene.refuter.content.put_many([*([attached] if attached else []), block])
    return contests.uri(block)
