"""A requester's own view of its jobs: progress, agreement, confidence, quality by worker, unsure verdicts, exports; pause.

Progress is public. What speaks about workers, and what opens sealed payloads, is served to the job's requester alone.
"""

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from api import exports, schemas, statistics
from api.gate import Forbidden, Session, SignedIn, Visitor
from api.reader import NotFound, Reader, key_of
from api.routes import From, Limit, Number, part
from api.routes.jobs import seen_by, verdict_of
from oracle.ports import FOREVER, Kept
from oracle.protocol import scoring
from oracle.protocol.leaves import Status
from oracle.protocol.state import EpochStatus, Job
from oracle.services import rounds, rules

Format = Annotated[str, Query(alias="format", pattern="^(jsonl|csv|parquet|car|croissant)$")]
Below = Annotated[float, Query(ge=0, le=1)]


def router(reader: Reader) -> APIRouter:
    routes = APIRouter(prefix="/jobs", tags=["requester"])

    @routes.get("/{job}/progress")
    def progress(job: Number) -> schemas.Progress:
        """How far a job is, and where its money is."""
        return _progress(reader, job, reader.job(job))

    @routes.post("/{job}/pause")
    def pause(job: Number, session: SignedIn) -> schemas.Progress:
        """No more offers for now. What is offered already may be answered, and the deadline stays. Twice is once."""
        found = own_job(reader, session, job)
        reader.oracle.database.put(Kept(rounds.PAUSED, str(job), session.owner, {}, FOREVER))
        return _progress(reader, job, found)

    @routes.post("/{job}/resume")
    def resume(job: Number, session: SignedIn) -> schemas.Progress:
        """Offers again."""
        found = own_job(reader, session, job)
        reader.oracle.database.take(rounds.PAUSED, str(job))
        return _progress(reader, job, found)

    @routes.get("/{job}/statistics")
    def stats(job: Number, session: SignedIn) -> schemas.Statistics:
        """Agreement, confidence and quality by worker, of what is decided so far."""
        own_job(reader, session, job)
        return statistics.of_job(reader.opened(job), job)

    @routes.get("/{job}/review")
    def review(
        request: Request,
        response: Response,
        job: Number,
        session: SignedIn,
        below: Below = 0.8,
        first: From = 0,
        limit: Limit = 100,
    ) -> list[schemas.Verdict]:
        """Verdicts that are less sure than `below`, the least sure first, from the place `from` on."""
        found_job, seen = own_job(reader, session, job), reader.opened(job)
        unsure = []
        for post, index, verdict in seen.verdicts(job):
            weights = seen.epoch(post).weights
            rows = [weights[core.row].row for core in verdict.cores if core.status is Status.COUNTED]
            if (sure := scoring.confidence(verdict.prior, rows)) < below:
                unsure.append((sure, verdict.task, post, index, verdict))
        unsure.sort(key=lambda item: item[:2])
        chosen = part(request, response, unsure[first:], limit, first + limit)
        return [verdict_of(seen, found_job, *item[2:]) for item in chosen]

    @routes.get("/{job}/export", response_class=Response)
    def export(request: Request, job: Number, visitor: Visitor, kind: Format = "jsonl") -> Response:
        """Labels, confidences, raw answers and places of their proofs: as JSONL, CSV, Parquet; a CAR of all the data, for an audit

        without this API; or Croissant metadata of the others. What is sealed is opened for the job's requester alone.
        """
        found = reader.job(job)
        mine = visitor is not None and visitor.wallet == found.requester
        key = key_of(reader, job) if mine else None
        seen = seen_by(reader, request, visitor, job) if kind in exports.ROWS else reader
        return exports.response(seen, job, found, kind, key)

    @routes.get("/{job}/key")
    def key(job: Number, session: SignedIn) -> schemas.JobKey:
        """What opens the payloads of your job, and what epochs say of it where it is sealed: for an audit without this API."""
        own_job(reader, session, job)
        found = key_of(reader, job)
        if found is None:
            raise NotFound(f"there is no key of job {job} here: it is public, or was sealed elsewhere")
        return schemas.JobKey(job=job, key=found)

    return routes


def own_job(reader: Reader, session: Session, number: int) -> Job:
    """Raises NotFound, and Forbidden for another's."""
    job = reader.job(number)
    if job.requester != session.wallet:
        raise Forbidden(f"job {number} is another requester's")
    return job


def _progress(reader: Reader, number: int, job: Job) -> schemas.Progress:
    state, now, unit = reader.state(), reader.oracle.index.now, reader.unit
    window, database = reader.oracle.deployment.window, reader.oracle.database
    decided = reader.verdicts(number)
    pays = [debit.pay for post in state.unstruck() for debit in reader.epoch(post).debits if debit.job == number]
    debited = sum(pay + job.terms.fee(pay) for pay in pays)
    return schemas.Progress(
        job=number,
        phase=reader.phase(job),
        paused=database.kept(rounds.PAUSED, str(number)) is not None,
        now=now,
        deadline=job.deadline,
        refunds_from=rules.refund_opens(state, job, window),
        tasks=job.terms.tasks,
        wanted=job.terms.tasks * job.terms.answers,
        assigned=len(database.assignments(number)),
        answered=sum(database.counted(number).values()),
        decided=len(decided),
        final=sum(post.status is EpochStatus.FINAL for post, _, _ in decided),
        escrow=job.escrow * unit,
        debited=debited * unit,
        refunded=job.refunded * unit,
        locked=(job.escrow + job.returned - job.refunded - job.awarded - debited) * unit,
    )
