"""Jobs: their terms, manifest and tasks, and the verdicts with their proofs."""

from typing import Any

from fastapi import APIRouter

from api import schemas
from api.reader import NotFound, Reader
from api.routes import From, Limit, Number
from oracle.protocol import scoring
from oracle.protocol.cids import Codec, from_digest
from oracle.protocol.leaves import Status
from oracle.protocol.leaves import Verdict as VerdictLeaf
from oracle.protocol.plain import to_json
from oracle.protocol.state import Job, Post


def router(reader: Reader) -> APIRouter:
    routes = APIRouter(prefix="/jobs", tags=["jobs"])

    @routes.get("")
    def jobs(first: From = 1, limit: Limit = 100) -> list[schemas.Job]:
        """Jobs from number `from` on."""
        found = [item for item in sorted(reader.state().jobs.items()) if item[0] >= first]
        return [_job(reader, *item) for item in found[:limit]]

    @routes.get("/{job}")
    def job(job: Number) -> schemas.Job:
        return _job(reader, job, reader.job(job))

    @routes.get("/{job}/manifest")
    def manifest(job: Number) -> dict[str, Any]:
        """What the requester asked for, as it is stored under the job's terms."""
        return reader.content(reader.job(job))[0].document

    @routes.get("/{job}/tasks")
    def tasks(job: Number, first: From = 0, limit: Limit = 100) -> list[schemas.Task]:
        """Tasks from number `from` on, with what those before them that are decided hand to them."""
        found, inputs = reader.content(reader.job(job))[1], reader.inputs(job)
        return [
            schemas.Task(task=t.task, id=t.id, payload=to_json(t.payload), inputs=inputs.get(t.task, []))
            for t in found[first : first + limit]
        ]

    @routes.get("/{job}/verdicts")
    def verdicts(job: Number, first: From = 0, limit: Limit = 100) -> list[schemas.Verdict]:
        """Decided tasks from task number `from` on, each with its proof."""
        found_job = reader.job(job)
        found = [item for item in reader.verdicts(job) if item[2].task >= first]
        return [_verdict(reader, found_job, *item) for item in found[:limit]]

    @routes.get("/{job}/verdicts/{task}")
    def verdict(job: Number, task: Number) -> schemas.Verdict:
        found_job = reader.job(job)
        for item in reader.verdicts(job):
            if item[2].task == task:
                return _verdict(reader, found_job, *item)
        raise NotFound(f"task {task} of job {job} has no verdict yet")

    return routes


def _job(reader: Reader, number: int, job: Job) -> schemas.Job:
    terms, unit = job.terms, reader.unit
    return schemas.Job(
        job=number,
        requester=job.requester,
        terms=terms.hash(),
        manifest=from_digest(Codec.DAG_CBOR, terms.manifest),
        classes=terms.classes,
        tasks=terms.tasks,
        answers=terms.answers,
        base=terms.base * unit,
        bonus=terms.bonus * unit,
        deadline=job.deadline,
        escrow=job.escrow * unit,
        refunded=job.refunded * unit,
    )


def _verdict(reader: Reader, job: Job, post: Post, index: int, verdict: VerdictLeaf) -> schemas.Verdict:
    manifest, tasks = reader.content(job)
    weights = reader.epoch(post).weights
    rows = [weights[core.row].row for core in verdict.cores if core.status is Status.COUNTED]
    return schemas.Verdict(
        job=verdict.job,
        task=verdict.task,
        id=tasks[verdict.task].id,
        label=manifest.classes[verdict.label],
        confidence=scoring.confidence(verdict.prior, rows),
        epoch=post.epoch,
        status=post.status.value,
        index=index,
        content=from_digest(Codec.DAG_CBOR, post.content),
        leaf=verdict.leaf(),
        proof=reader.proof(post, "verdicts", index),
    )
