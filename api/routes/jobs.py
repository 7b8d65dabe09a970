"""Jobs: their terms, manifest and tasks, and the verdicts with their proofs."""

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response

from api import schemas
from api.gate import Forbidden, Session, Visitor
from api.memory import PRIVATE
from api.reader import NotFound, Reader
from api.routes import From, Limit, Number, part, written
from oracle.protocol import scoring
from oracle.protocol.cids import Codec, from_digest
from oracle.protocol.leaves import Status
from oracle.protocol.leaves import Verdict as VerdictLeaf
from oracle.protocol.plain import to_json
from oracle.protocol.state import Job, Post

Requester = Annotated[str | None, Query(pattern="^0x[0-9a-fA-F]{40}$")]
Phase = Annotated[str | None, Query(pattern="^(waiting|open|deciding|hatch|over)$")]


def router(reader: Reader) -> APIRouter:
    routes = APIRouter(prefix="/jobs", tags=["jobs"])

    @routes.get("")
    def jobs(
        request: Request,
        response: Response,
        first: From = 1,
        limit: Limit = 100,
        requester: Requester = None,
        phase: Phase = None,
    ) -> list[schemas.Job]:
        """Jobs from number `from` on; of one requester, in one phase."""
        wanted = bytes.fromhex(requester[2:]) if requester else None
        found = [
            (number, job)
            for number, job in sorted(reader.state().jobs.items())
            if number >= first and wanted in (None, job.requester) and phase in (None, reader.phase(job))
        ]
        following = found[limit][0] if len(found) > limit else 0
        return [_job(reader, *item) for item in part(request, response, found, limit, following)]

    @routes.get("/{job}")
    def job(job: Number) -> schemas.Job:
        return _job(reader, job, reader.job(job))

    @routes.get("/{job}/manifest")
    def manifest(job: Number) -> dict[str, Any]:
        """What the requester asked for, as it is stored under the job's terms."""
        return reader.content(reader.job(job))[0].document

    @routes.get("/{job}/tasks")
    def tasks(
        request: Request, response: Response, job: Number, first: From = 0, limit: Limit = 100
    ) -> list[schemas.Task]:
        """Tasks from number `from` on, with what those before them that are decided hand to them."""
        found = part(request, response, reader.content(reader.job(job))[1][first:], limit, first + limit)
        inputs = reader.inputs(job)
        return [
            schemas.Task(task=t.task, id=t.id, payload=to_json(t.payload), inputs=inputs.get(t.task, [])) for t in found
        ]

    @routes.get("/{job}/verdicts")
    def verdicts(
        request: Request, response: Response, job: Number, visitor: Visitor, first: From = 0, limit: Limit = 100
    ) -> list[schemas.Verdict]:
        """Decided tasks from task number `from` on, each with its proof; of a sealed job for its requester alone."""
        found_job, seen = reader.job(job), seen_by(reader, request, visitor, job)
        found = [item for item in seen.verdicts(job) if item[2].task >= first]
        following = found[limit][2].task if len(found) > limit else 0
        return [verdict_of(seen, found_job, *item) for item in part(request, response, found, limit, following)]

    @routes.get("/{job}/verdicts/{task}", response_model=schemas.Verdict)
    def verdict(request: Request, job: Number, task: Number, visitor: Visitor) -> Response:
        found_job, seen = reader.job(job), seen_by(reader, request, visitor, job)
        found = seen.verdict(job, task)
        if found is None:
            raise NotFound(f"task {task} of job {job} has no verdict yet")
        return written(verdict_of(seen, found_job, *found))

    return routes


def seen_by(reader: Reader, request: Request, visitor: Session | None, number: int) -> Reader:
    """The reader of what epochs say of a job, for who asks. Raises Forbidden where it is for somebody else."""
    job, opened = reader.job(number), reader.opened(number)
    if opened is reader:
        return reader
    if visitor is None or visitor.wallet != job.requester:
        raise Forbidden(f"job {number} is sealed: what is decided in it is for its requester alone", "sealed")
    setattr(request.state, PRIVATE, True)
    return opened


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


def verdict_of(reader: Reader, job: Job, post: Post, index: int, verdict: VerdictLeaf) -> schemas.Verdict:
    tasks = reader.content(job)[1]
    weights = reader.epoch(post).weights
    rows = [weights[core.row].row for core in verdict.cores if core.status is Status.COUNTED]
    known = reader.books.gold_of(post.epoch, post.content).get((verdict.job, verdict.task))
    return schemas.Verdict(
        job=verdict.job,
        task=verdict.task,
        id=tasks[verdict.task].id,
        label=reader.name(post, verdict, verdict.label),
        confidence=scoring.confidence(verdict.prior, rows),
        gold=None if known is None else reader.name(post, verdict, known),
        epoch=post.epoch,
        status=post.status.value,
        index=index,
        content=from_digest(Codec.DAG_CBOR, post.content),
        leaf=verdict.leaf(),
        proof=reader.proof(post, "verdicts", index),
    )
