"""`crowdproof hatch`: base pay for receipted answers of a job that the committee left behind, and what voids a false claim.

File in the window before refunding opens, with the receipts; whoever has the data voids what a final verdict lists; one window
after refunding opened anyone has the rest paid.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from oracle.adapters.satellites import Satellite, hatch_of, pending
from oracle.commands.refuting import answers_of, read_receipts
from oracle.commands.satellites import Place, Scene, opened_scene
from oracle.ports import Call, Signer
from oracle.protocol import contests
from oracle.protocol.errors import BadInput, Refused
from oracle.protocol.evidence import AnswerFields, JobTerms
from oracle.protocol.keys import checksum
from oracle.protocol.messages import values
from oracle.protocol.state import Post
from oracle.services import rules
from oracle.services.refute import LINKS, receipt_fields

KIND = "hatch"


@dataclass(frozen=True, slots=True)
class Filed:
    """A claim as its event tells it, and whether it ended."""

    job: int
    task: int
    worker: int
    amount: int
    filer: bytes
    ended: str | None

    @property
    def answer(self) -> tuple[int, int, int]:
        return self.job, self.task, self.worker


def show(place: Place, job: int | None) -> dict[str, Any]:
    with opened_scene(place, None, "look") as scene:
        return _document(scene, hatch_of(scene.chain, scene.refuter.deployment), job)


def file(place: Place, signer: Signer | None, job: int | None, receipts: list[Path]) -> dict[str, Any]:
    """Claims base pay for each receipted answer that no epoch decided and nobody claimed; `refused` says of which not, and why."""
    held = [one for path in receipts for one in read_receipts(path)]
    if not held:
        raise BadInput("--receipt is needed: answers as sent, with their receipt")
    with opened_scene(place, signer, "claim") as scene:
        deployment = scene.refuter.deployment
        hatch = hatch_of(scene.chain, deployment)
        bond, before = hatch.ask("bond"), {filed.answer for filed in _filed(scene, hatch)}
        decided = _decided(scene)
        refused: list[dict[str, Any]] = []
        for answer, receipt in answers_of(scene.state, held):
            of = (answer.job, answer.task, answer.worker)
            if job not in (None, answer.job):
                continue
            if why := "was claimed before" if of in before else decided.get(of):
                refused.append(_refusal(of, why))
                continue
            owner = scene.job(answer.job)
            args = (
                deployment.market,
                AnswerFields(*values(answer)),
                JobTerms(owner.requester, owner.terms),
                receipt_fields(deployment, answer, receipt),
            )
            _send(scene, hatch.call(f"claim base pay {_words(of)}", "file", *args, value=bond), of, refused)
            before.add(of)
        return {**_document(scene, hatch, job), "refused": refused, "ok": bool(scene.sent)}


def void(place: Place, signer: Signer | None, job: int | None) -> dict[str, Any]:
    """Voids each open claim whose answer a final epoch lists; `ok` says whether there was one."""
    with opened_scene(place, signer, "look") as scene:
        deployment = scene.refuter.deployment
        hatch = hatch_of(scene.chain, deployment)
        refused: list[dict[str, Any]] = []
        for filed in _open(scene, hatch, job):
            for post, epoch in scene.final_data():
                if verdict := contests.listed(epoch, *filed.answer):
                    _, links = contests.fate(scene.state, post.head)
                    at = pending(deployment, scene.posted(post))
                    args = (at, _near(scene, hatch, post, links), verdict, filed.worker)
                    call = hatch.call(f"void the claim {_words(filed.answer)}", "void", *args)
                    _send(scene, call, filed.answer, refused)
                    break
        return {**_document(scene, hatch, job), "refused": refused, "ok": bool(scene.sent)}


def pay(place: Place, signer: Signer | None, job: int | None) -> dict[str, Any]:
    """Has each claim paid that stood long enough."""
    with opened_scene(place, signer, "payment") as scene:
        deployment = scene.refuter.deployment
        hatch = hatch_of(scene.chain, deployment)
        refused: list[dict[str, Any]] = []
        for filed in _open(scene, hatch, job):
            if scene.now >= _opens(scene, filed.job) + deployment.window:
                call = hatch.call(f"pay the claim {_words(filed.answer)}", "pay", deployment.market, *filed.answer)
                _send(scene, call, filed.answer, refused)
        return {**_document(scene, hatch, job), "refused": refused, "ok": bool(scene.sent)}


def withdraw(place: Place, signer: Signer | None) -> dict[str, Any]:
    with opened_scene(place, signer, "withdrawal") as scene:
        amount = scene.withdraw(hatch_of(scene.chain, scene.refuter.deployment), KIND)
        return {"withdrawn": amount, "sent": scene.sent}


# ------------------------------------------------------------------------------------------------------------- inside


def _send(scene: Scene, call: Call, answer: tuple[int, int, int], refused: list[dict[str, Any]]) -> None:
    """What a contract refuses for one answer keeps nobody else waiting: a wallet that the token does not pay, say."""
    try:
        scene.send(call, KIND)
    except Refused as problem:
        refused.append(_refusal(answer, str(problem)))


def _refusal(answer: tuple[int, int, int], why: str) -> dict[str, Any]:
    job, task, worker = answer
    return {"job": job, "task": task, "worker": worker, "why": why}


def _opens(scene: Scene, job: int) -> int:
    return rules.refund_opens(scene.state, scene.job(job), scene.refuter.deployment.window)


def _words(answer: tuple[int, int, int]) -> str:
    job, task, worker = answer
    return f"of worker {worker} for task {task} of job {job}"


def _decided(scene: Scene) -> dict[tuple[int, int, int], str]:
    """Answers that final epochs list: whoever claims for them loses the bond."""
    found: dict[tuple[int, int, int], str] = {}
    for post, epoch in scene.final_data():
        for verdict in epoch.verdicts:
            for core in verdict.cores:
                found[verdict.job, verdict.task, core.worker] = f"epoch {post.epoch} decided it"
    return found


def _near(scene: Scene, hatch: Satellite, post: Post, links: tuple[Any, ...]) -> tuple[Any, ...]:
    """At most LINKS of the links after a post: where there are more, the heads before the rest are traced, the newest first."""
    posts = [scene.state.posts[n] for n in range(post.epoch + 1, scene.state.last_epoch + 1)]
    end = len(links)
    while end > LINKS:
        start, market = end - LINKS, scene.refuter.deployment.market
        if not hatch.ask("isTraced", market, posts[start].previous):
            what = f"trace head 0x{posts[start].previous.hex()}"
            scene.send(hatch.call(what, "trace", market, posts[start].previous, links[start:end]), KIND)
        end = start
    return links[:end]


def _filed(scene: Scene, hatch: Satellite) -> Iterator[Filed]:
    market = scene.refuter.deployment.market
    ended = {_answer(e): "paid" for e in hatch.events("HatchPaid", market)}
    ended |= {_answer(e): "voided" for e in hatch.events("HatchVoided", market)}
    for e in hatch.events("HatchFiled", market):
        yield Filed(*_answer(e), e["amount"], e["filer"], ended.get(_answer(e)))


def _answer(event: dict[str, Any]) -> tuple[int, int, int]:
    return event["job"], event["task"], event["worker"]


def _open(scene: Scene, hatch: Satellite, job: int | None) -> list[Filed]:
    return [filed for filed in _filed(scene, hatch) if filed.ended is None and job in (None, filed.job)]


def _document(scene: Scene, hatch: Satellite, job: int | None) -> dict[str, Any]:
    filed = [one for one in _filed(scene, hatch) if job in (None, one.job)]
    jobs = [job] if job is not None else sorted({one.job for one in filed})
    return {
        "bond": hatch.ask("bond"),
        "now": scene.now,
        **{f"job {number}": _times(scene, number) for number in jobs},
        "claims": [_claim(one, scene.refuter.deployment.unit) for one in filed],
        "sent": scene.sent,
    }


def _times(scene: Scene, job: int) -> dict[str, int]:
    opens, window = _opens(scene, job), scene.refuter.deployment.window
    return {"files_from": opens - window, "refunds_from": opens, "pays_from": opens + window}


def _claim(filed: Filed, unit: int) -> dict[str, Any]:
    return {
        "job": filed.job,
        "task": filed.task,
        "worker": filed.worker,
        "amount": filed.amount * unit,
        "filer": checksum(filed.filer),
        "stage": filed.ended or "filed",
    }
