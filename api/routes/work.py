"""A worker's own view: work to do, assignments and their payloads, drafts, what was earned, and a record to take along.

What is of one worker is served to that worker's wallet alone.
"""

import csv
import io
import json
import time
from collections import Counter
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response

from api import schemas
from api.gate import Session, SignedIn, Visitor
from api.reader import NotFound, Reader, key_of
from api.routes import From, Limit, Number, part
from oracle.ports import Kept, OfferedAssignment
from oracle.protocol import payloads, scoring
from oracle.protocol.cids import Codec, from_digest
from oracle.protocol.errors import BadInput, Refused
from oracle.protocol.leaves import Core, Status, Verdict, unpack_earnings
from oracle.protocol.manifest import Manifest
from oracle.protocol.plain import to_json
from oracle.protocol.state import EpochStatus, Job, Post
from oracle.services import rules

MOST_DRAFT = 65_536  # bytes of one
KEPT_S = 90 * 86_400.0
WHY = {
    Status.UNOPENED: "the committee could not open the sealed answer",
    Status.REJECTED: "the committee rejected the answer: its reason is in the verdict's evidence",
}
OfJob = Annotated[int | None, Query(ge=0, lt=1 << 32)]
OfState = Annotated[str | None, Query(max_length=20)]


def router(reader: Reader) -> APIRouter:
    routes = APIRouter(tags=["worker"])
    _add_assignments(routes, reader)
    _add_drafts(routes, reader)
    _add_earnings(routes, reader)
    return routes


def _add_assignments(routes: APIRouter, reader: Reader) -> None:
    oracle = reader.oracle

    @routes.get("/work")
    def work(
        request: Request, response: Response, visitor: Visitor, first: From = 1, limit: Limit = 100
    ) -> list[schemas.Work]:
        """Jobs that can be worked on, from number `from` on; signed in, also whether you are admitted and what waits for you."""
        now = _now(reader)
        found = [
            (number, job)
            for number, job in sorted(reader.state().jobs.items())
            if number >= first and job.deadline > now and reader.holds(job)
        ]
        following = found[limit][0] if len(found) > limit else 0
        return [_work(reader, visitor, *item) for item in part(request, response, found, limit, following)]

    @routes.get("/me/assignments")
    def assignments(
        request: Request,
        response: Response,
        session: SignedIn,
        job: OfJob = None,
        state: OfState = None,
        first: From = 0,
        limit: Limit = 1_000,
    ) -> list[schemas.MyAssignment]:
        """Your assignments with their states, ascending by job and task, from the place `from` on."""
        mine = Mine(reader, session)
        found = [mine.assignment(offer) for offer in oracle.database.assignments(job, mine.number)]
        chosen = [one for one in found if state in (None, one.state)][first:]
        return list(part(request, response, chosen, limit, first + limit))

    @routes.get("/me/assignments/{job}/{task}")
    def assignment(job: Number, task: Number, session: SignedIn) -> schemas.Assigned:
        """One of your tasks, with its payload; from then on it is ACTIVE."""
        mine = Mine(reader, session)
        offer = mine.offer(job, task)
        manifest, _ = reader.content(reader.job(job))
        oracle.database.keep(Kept("opened", mine.name(offer), session.owner, {}, time.time() + KEPT_S))
        noted = oracle.database.kept("answer-draft", mine.name(offer))
        return schemas.Assigned(
            assignment=Mine(reader, session).assignment(offer),
            title=manifest.document["title"],
            instructions=manifest.document["instructions"],
            classes=manifest.offered,
            asked=manifest.document["answer"]["asked"] if manifest.is_free else None,
            payload=to_json(_opened(reader, job, task)),
            draft=noted.value["draft"] if noted else None,
        )

    @routes.post("/me/assignments/{job}/{task}/return")
    def give_back(job: Number, task: Number, session: SignedIn) -> schemas.MyAssignment:
        """Gives the task back, without a penalty; it is offered to somebody else. Doing it twice is doing it once."""
        mine = Mine(reader, session)
        offer = mine.offer(job, task)
        state = mine.assignment(offer).state
        if state not in ("RESERVED", "ACTIVE", "RETURNED"):
            raise Refused(
                "not-returnable", f"the assignment is {state}: only one that waits for its answer is given back"
            )
        oracle.database.give_back(offer)
        oracle.database.take("answer-draft", mine.name(offer))
        return Mine(reader, session).assignment(offer)


def _add_drafts(routes: APIRouter, reader: Reader) -> None:
    oracle = reader.oracle

    @routes.put("/me/assignments/{job}/{task}/draft")
    def note(job: Number, task: Number, body: schemas.Draft, session: SignedIn) -> schemas.Draft:
        """Keeps what you have so far for a task; nobody else reads it, and the committee never sees it."""
        mine = Mine(reader, session)
        offer = mine.offer(job, task)
        if len(json.dumps(body.draft)) > MOST_DRAFT:
            raise BadInput(f"draft: at most {MOST_DRAFT} bytes")
        kept = Kept("answer-draft", mine.name(offer), session.owner, {"draft": body.draft}, time.time() + KEPT_S)
        oracle.database.put(kept)
        return body

    @routes.get("/me/assignments/{job}/{task}/draft")
    def noted(job: Number, task: Number, session: SignedIn) -> schemas.Draft:
        mine = Mine(reader, session)
        kept = oracle.database.kept("answer-draft", mine.name(mine.offer(job, task)))
        return schemas.Draft(draft=kept.value["draft"] if kept else None)

    @routes.delete("/me/assignments/{job}/{task}/draft", status_code=204, response_class=Response)
    def forget(job: Number, task: Number, session: SignedIn) -> Response:
        mine = Mine(reader, session)
        oracle.database.take("answer-draft", mine.name(mine.offer(job, task)))
        return Response(status_code=204)


def _add_earnings(routes: APIRouter, reader: Reader) -> None:
    @routes.get("/me/earnings")
    def earnings(session: SignedIn) -> schemas.Earnings:
        """What you earned, task by task: pending, claimable or paid."""
        return _earnings(reader, Mine(reader, session).number)

    @routes.get("/me/earnings.csv", response_class=Response)
    def earnings_csv(session: SignedIn) -> Response:
        """The same as CSV; amounts in the token's smallest unit."""
        rows = _earnings(reader, Mine(reader, session).number).earnings
        out = io.StringIO()
        names = list(schemas.Earning.model_fields)
        writer = csv.writer(out)
        writer.writerow(names)
        writer.writerows([row.model_dump(mode="json")[name] for name in names] for row in rows)
        headers = {"Content-Disposition": 'attachment; filename="earnings.csv"'}
        return Response(out.getvalue(), media_type="text/csv; charset=utf-8", headers=headers)

    @routes.get("/workers/{worker}/record")
    def record(worker: str) -> schemas.Record:
        """A worker's record from final epochs alone, which are public: it can be taken along and recomputed."""
        return _record(reader, *reader.worker(worker))


class Mine:
    """What a signed-in worker may see of its own. Raises Refused("not-registered") for a wallet that is no worker."""

    def __init__(self, reader: Reader, session: Session) -> None:
        self.reader, self.session, database = reader, session, reader.oracle.database
        known = (reader.state(now).worker_of.get(session.wallet) for now in (False, True))
        self.number = next((number for number in known if number), 0)
        if not self.number:
            raise Refused(
                "not-registered", "this wallet is no worker yet: POST /registrations or /transactions/register"
            )
        self.submitted = database.submitted(worker=self.number)
        self.returned = database.given_back(worker=self.number)
        self.opened = {kept.name for kept in database.kept_of("opened", session.owner)}
        self.now = _now(reader)

    def name(self, offer: OfferedAssignment) -> str:
        return f"{offer.job}.{offer.task}.{offer.worker}"

    def offer(self, job: int, task: int) -> OfferedAssignment:
        """Raises NotFound, the same for what is another's and for what is nobody's."""
        found = self.reader.oracle.database.assignments(job, self.number, [task])
        if not found:
            raise NotFound(f"you have no assignment of task {task} of job {job}")
        return found[0]

    def assignment(self, offer: OfferedAssignment) -> schemas.MyAssignment:
        job = self.reader.job(offer.job)
        manifest, tasks = self.reader.content(job)
        answer = self.submitted.get((offer.job, offer.task, offer.worker))
        made = schemas.MyAssignment(
            job=offer.job,
            task=offer.task,
            id=tasks[offer.task].id,
            state="",
            expiry=offer.expiry,
            terms=offer.terms,
            signature=offer.signature,
            seal=manifest.seal,
            answer=answer,
        )
        decided = self.reader.opened(offer.job).verdict(offer.job, offer.task)  # of which it sees its own answer
        core = next((c for c in decided[2].cores if c.worker == offer.worker), None) if decided else None
        if decided and core:
            self._settled(made, job, decided[0], decided[2], core)
        else:
            made.state = self._waiting(offer, job, answer is not None, decided is not None)
        return made

    def _waiting(self, offer: OfferedAssignment, job: Job, answered: bool, decided: bool) -> str:
        if answered:
            return "SUBMITTED"
        if (offer.job, offer.task, offer.worker, offer.expiry) in self.returned:
            return "RETURNED"
        if decided or offer.expiry < self.now or job.deadline <= self.now:
            return "TIMED OUT"
        return "ACTIVE" if self.name(offer) in self.opened else "RESERVED"

    def _settled(self, made: schemas.MyAssignment, job: Job, post: Post, verdict: Verdict, core: Core) -> None:
        made.epoch, made.verdict = post.epoch, self.reader.name(post, verdict, verdict.label)
        if core.status is Status.COUNTED:
            made.state, made.label = "ACCEPTED", self.reader.name(post, verdict, core.label)
            made.agreed = core.label == verdict.label
            made.paid = scoring.pay(job.terms, core.label, verdict.label) * self.reader.unit
        else:
            made.state, made.why = "NOT ACCEPTED", self.reader.why(verdict, core) or WHY.get(Status(core.status))
            if post.status is EpochStatus.PENDING:
                made.contest_until = post.posted_at + self.reader.oracle.deployment.window


def _now(reader: Reader) -> int:
    """Block time, as new as the state."""
    reader.state()
    return reader.oracle.index.now


def _opened(reader: Reader, job: int, task: int) -> Any:
    found = reader.job(job)
    stored = reader.content(found)[1][task]
    if not payloads.is_sealed(stored.payload):
        return stored.payload
    key = key_of(reader, job)
    if key is None:
        raise Refused(
            "no-payload-key", f"the payloads of job {job} were sealed elsewhere: ask the API of its requester"
        )
    return payloads.open_payload(stored, key)


def _work(reader: Reader, visitor: Session | None, number: int, job: Job) -> schemas.Work:
    manifest, _ = reader.content(job)
    database, state = reader.oracle.database, reader.state()
    worker = state.worker_of.get(visitor.wallet) if visitor else None
    taken = sum(min(count, job.terms.answers) for count in database.counted(number).values())
    others = [other for other in state.jobs.values() if other.requester == job.requester]
    parent = state.jobs.get(job.terms.parent)
    return schemas.Work(
        job=number,
        title=manifest.document["title"],
        requester=job.requester,
        classes=manifest.offered,
        base=job.terms.base * reader.unit,
        bonus=job.terms.bonus * reader.unit,
        tasks=job.terms.tasks,
        open_places=job.terms.tasks * job.terms.answers - taken,
        deadline=job.deadline,
        assignment_seconds=manifest.assignment_seconds,
        visibility=manifest.document["visibility"],
        qualifications=manifest.document["qualifications"],
        requester_jobs=len(others),
        requester_paid=_paid_by(reader, job.requester) * reader.unit,
        waits_for=job.terms.parent if parent and reader.oracle.index.now < parent.deadline else None,
        admitted=_admitted(reader, manifest, number, worker) if worker else None,
        place=_waiting_for(reader, visitor, number) if visitor and worker else None,
    )


def _paid_by(reader: Reader, requester: bytes) -> int:
    """Units that a requester's jobs have paid, in epochs that stand."""
    jobs = {number for number, job in reader.state().jobs.items() if job.requester == requester}
    posts = reader.state().unstruck()
    return sum(debit.pay for post in posts for debit in reader.epoch(post).debits if debit.job in jobs)


def _admitted(reader: Reader, manifest: Manifest, number: int, worker: int) -> bool:
    try:
        rules.check_admitted(reader.state(), manifest, number, worker)
    except Refused:
        return False
    return True


def _waiting_for(reader: Reader, visitor: Session, number: int) -> int:
    mine = Mine(reader, visitor)
    found = Counter(mine.assignment(o).state for o in reader.oracle.database.assignments(number, mine.number))
    return found["RESERVED"] + found["ACTIVE"]


def _earnings(reader: Reader, number: int) -> schemas.Earnings:
    state, unit = reader.state(), reader.unit
    taken, seen = state.taken(number), 0
    rows: list[schemas.Earning] = []
    totals: Counter[str] = Counter()
    for post in state.unstruck():
        epoch = reader.epoch(post)
        if number >= len(epoch.balances):
            continue
        for index, units in unpack_earnings(epoch.balances[number].earnings):
            seen += units
            kind = "pending" if post.status is EpochStatus.PENDING else "paid" if seen <= taken else "claimable"
            verdict = epoch.verdicts[index]
            totals[kind] += units
            rows.append(
                schemas.Earning(
                    epoch=post.epoch,
                    job=verdict.job,
                    task=verdict.task,
                    amount=units * unit,
                    state=kind,
                    transaction=post.transaction,
                    content=from_digest(Codec.DAG_CBOR, post.content),
                )
            )
    claimable = max(sum(totals[kind] for kind in ("claimable", "paid")) - taken, 0)
    return schemas.Earnings(
        worker=number,
        pending=totals["pending"] * unit,
        claimable=claimable * unit,
        paid=state.claimed.get(number, 0) * unit,
        earnings=rows,
    )


def _record(reader: Reader, number: int, worker: Any) -> schemas.Record:
    jobs: dict[int, list[tuple[Verdict, Core]]] = {}
    epochs: dict[int, str] = {}
    for post, _, verdict in reader.answered(number):
        if post.status is EpochStatus.FINAL:
            core = next(c for c in verdict.cores if c.worker == number)
            jobs.setdefault(verdict.job, []).append((verdict, core))
            epochs[post.epoch] = from_digest(Codec.DAG_CBOR, post.content)
    rows = [_record_of(reader, job, listed) for job, listed in sorted(jobs.items())]
    counted, agreed = sum(row.counted for row in rows), sum(row.agreed for row in rows)
    return schemas.Record(
        worker=number,
        wallet=worker.wallet,
        chain_id=reader.oracle.deployment.chain_id,
        market=reader.oracle.deployment.market,
        answers=sum(row.answers for row in rows),
        counted=counted,
        agreed=agreed,
        agreement=agreed / counted if counted else None,
        earned=sum(row.earned for row in rows),
        jobs=rows,
        epochs=[epochs[number] for number in sorted(epochs)],
    )


def _record_of(reader: Reader, number: int, listed: list[tuple[Verdict, Core]]) -> schemas.RecordOfJob:
    terms = reader.job(number).terms
    counted = [(verdict, core) for verdict, core in listed if core.status is Status.COUNTED]
    others = [
        core.label == verdict.label
        for verdict, own in counted
        for core in verdict.cores
        if core.status is Status.COUNTED and core.worker != own.worker
    ]
    return schemas.RecordOfJob(
        job=number,
        answers=len(listed),
        counted=len(counted),
        agreed=sum(core.label == verdict.label for verdict, core in counted),
        expected=sum(others) / len(others) if others else 0.0,
        earned=sum(scoring.pay(terms, core.label, verdict.label) for verdict, core in counted) * reader.unit,
    )
