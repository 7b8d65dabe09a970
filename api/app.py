"""The public API: what a worker, a requester and an auditor ask over HTTP. It holds no key and decides nothing.

Reads come from the index and the content store, with proofs, so that nothing needs to be believed; answers go to the committee.
"""

from collections.abc import Sequence
from functools import lru_cache
from threading import Lock
from typing import Annotated, Any

from fastapi import FastAPI, Query, Response

import oracle
from api import problems, schemas
from oracle.bootstrap import Oracle
from oracle.ports import Registration, StoredAnswer
from oracle.protocol import epoch as ep
from oracle.protocol import messages, scoring, trees
from oracle.protocol.cids import Cid, Codec, from_digest, parse
from oracle.protocol.errors import BadInput, ContentMissing, Refused
from oracle.protocol.hashing import ZERO, keccak
from oracle.protocol.keys import checksum, require_signer
from oracle.protocol.leaves import Status
from oracle.protocol.messages import Claim, Message, Register
from oracle.protocol.plain import from_json, to_json
from oracle.protocol.state import Job, Post, State, Worker
from oracle.services.receive import Receiver

MAX_BODY = 1 << 23
PAGE = 1_000
Limit = Annotated[int, Query(ge=1, le=PAGE)]
From = Annotated[int, Query(alias="from", ge=0)]
PROBLEMS: dict[int | str, dict[str, Any]] = {status: {"model": schemas.Problem} for status in (400, 404, 409, 422, 503)}


class NotFound(Refused):
    """Nothing of that name; crosses HTTP as 409 elsewhere, as 404 here."""

    def __init__(self, message: str) -> None:
        super().__init__("not-found", message)


class Reader:
    """The chain's state as of the last request that looked, and proofs by epoch."""

    def __init__(self, oracle: Oracle) -> None:
        self.oracle, self._lock = oracle, Lock()

    def state(self) -> State:
        with self._lock:
            return self.oracle.index.advance()

    def job(self, number: int) -> Job:
        job = self.state().jobs.get(number)
        if job is None:
            raise NotFound(f"there is no job {number}")
        return job

    def worker(self, name: str) -> tuple[int, Worker]:
        """By index, or by wallet (0x...)."""
        state = self.state()
        try:
            number = state.worker_of.get(bytes.fromhex(name[2:]), -1) if name.startswith("0x") else int(name)
        except ValueError:
            raise BadInput(f"{name[:50]!r} is neither a worker's index nor a wallet") from None
        if number not in state.workers:
            raise NotFound(f"worker {name[:50]} is not registered")
        return number, state.workers[number]

    def verdicts(self, job: int) -> list[tuple[Post, int, Any]]:
        """(post, index, verdict) of a job's decided tasks, ascending by task."""
        found = []
        for post in self.state().unstruck():
            epoch = self.oracle.books.epoch(post.epoch, post.content)
            found += [(post, i, v) for i, v in enumerate(epoch.verdicts) if v.job == job]
        return sorted(found, key=lambda item: item[2].task)


def create_app(oracle_: Oracle) -> FastAPI:
    """The public application over an opened oracle."""
    app = FastAPI(title="crowdproof", version=oracle.__version__, responses=PROBLEMS)
    problems.install(app, MAX_BODY)
    reader = Reader(oracle_)

    @app.exception_handler(NotFound)
    async def not_found(_: Any, error: NotFound) -> Response:
        return problems.problem(404, error.code, str(error))

    _chain_routes(app, reader)
    _job_routes(app, reader)
    _worker_routes(app, reader)
    _answer_routes(app, reader)
    return app


def _chain_routes(app: FastAPI, reader: Reader) -> None:
    @app.get("/health")
    def health() -> schemas.Health:
        state = reader.state()
        return schemas.Health(status="ok", block=reader.oracle.index.block, epoch=state.last_epoch)

    @app.get("/deployment")
    def deployment() -> dict[str, Any]:
        """Addresses, ABIs and constants, as in deployment.json."""
        return reader.oracle.deployment_document

    @app.get("/epochs")
    def epochs() -> list[schemas.Epoch]:
        return [_epoch(reader, post) for post in reader.state().posts.values()]

    @app.get("/ipfs/{cid}", response_class=Response)
    def block(cid: str) -> Response:
        """A block's bytes (a trustless gateway: check them against the CID)."""
        parse(cid)
        try:
            data = reader.oracle.content.get(Cid(cid))
        except ContentMissing:
            raise NotFound(f"the store does not hold {cid}") from None
        headers = {"X-Content-Type-Options": "nosniff", "Cache-Control": "public, immutable, max-age=31536000"}
        return Response(data, media_type="application/vnd.ipld.raw", headers=headers)


def _job_routes(app: FastAPI, reader: Reader) -> None:
    unit = reader.oracle.deployment.unit

    @app.get("/jobs")
    def jobs(first: From = 1, limit: Limit = 100) -> list[schemas.Job]:
        found = reader.state().jobs
        return [_job(number, found[number], unit) for number in sorted(found) if number >= first][:limit]

    @app.get("/jobs/{job}")
    def job(job: int) -> schemas.Job:
        return _job(job, reader.job(job), unit)

    @app.get("/jobs/{job}/manifest")
    def manifest(job: int) -> dict[str, Any]:
        return reader.oracle.books.job(reader.job(job).terms)[0].document

    @app.get("/jobs/{job}/tasks")
    def tasks(job: int, first: From = 0, limit: Limit = 100) -> list[schemas.Task]:
        found = reader.oracle.books.job(reader.job(job).terms)[1]
        return [schemas.Task(task=t.task, id=t.id, payload=to_json(t.payload)) for t in found[first : first + limit]]

    @app.get("/jobs/{job}/verdicts")
    def verdicts(job: int, first: From = 0, limit: Limit = 100) -> list[schemas.Verdict]:
        """Decided tasks from task number `from` on, each with its proof."""
        terms = reader.job(job).terms
        found = [item for item in reader.verdicts(job) if item[2].task >= first]
        return [_verdict(reader, terms, *item) for item in found[:limit]]

    @app.get("/jobs/{job}/verdicts/{task}")
    def verdict(job: int, task: int) -> schemas.Verdict:
        terms = reader.job(job).terms
        for item in reader.verdicts(job):
            if item[2].task == task:
                return _verdict(reader, terms, *item)
        raise NotFound(f"task {task} of job {job} has no verdict yet")


def _worker_routes(app: FastAPI, reader: Reader) -> None:
    oracle_ = reader.oracle

    @app.get("/workers/{worker}")
    def worker(worker: str) -> schemas.Worker:
        """By index or by wallet."""
        number, found = reader.worker(worker)
        return schemas.Worker(worker=number, wallet=found.wallet, keys=found.keys, revoked=sorted(found.revoked))

    @app.get("/workers/{worker}/assignments")
    def assignments(worker: str, job: int | None = None) -> list[schemas.Assignment]:
        number, _ = reader.worker(worker)
        offers = oracle_.database.assignments(job, number)
        return [schemas.Assignment.model_validate(offer) for offer in offers]

    @app.get("/workers/{worker}/balance")
    def balance(worker: str) -> schemas.Balance:
        return _balance(reader, *reader.worker(worker))

    @app.post("/registrations", status_code=202)
    def register(body: schemas.RegistrationIn) -> dict[str, str]:
        """Queues a wallet for the relayer's next registration; nothing to pay."""
        wish = Register(body.wallet, body.key, 0, body.valid_until)
        bound = messages.digest(oracle_.deployment.workers_domain(), wish)
        require_signer(body.wallet, bound, body.signature, "the registration")
        if body.wallet in reader.state().worker_of:
            raise Refused("already-registered", f"{checksum(body.wallet)} is registered")
        oracle_.database.add_registrations([Registration(body.wallet, body.key, body.valid_until, body.signature)])
        return {"status": "queued"}

    @app.post("/claims", status_code=202)
    def claim(body: schemas.ClaimIn) -> dict[str, str]:
        """Queues a worker for the relayer's next batch of claims; the money goes to the worker's wallet."""
        _, found = reader.worker(str(body.worker))
        wish = Claim(body.worker, body.cumulative, body.valid_until)
        require_signer(found.wallet, messages.digest(oracle_.deployment.domain(), wish), body.signature, "the claim")
        if body.valid_until < oracle_.index.now:
            raise Refused("claim-expired", f"the claim was valid until block time {body.valid_until}")
        oracle_.database.add_claims([body.worker])
        return {"status": "queued"}


def _answer_routes(app: FastAPI, reader: Reader) -> None:
    oracle_ = reader.oracle
    receiver = Receiver(oracle_.deployment, oracle_.database, oracle_.peers)

    @app.post("/answers", status_code=201)
    def answers(body: schemas.AnswersIn) -> schemas.Receipt:
        """A batch of one job's sealed answers; the receipt is signed by a quorum. All or none is accepted."""
        jobs = {answer.job for answer in body.answers}
        if len(jobs) != 1:
            raise BadInput("answers: a batch holds the answers of one job")
        terms = reader.job(jobs.pop()).terms.hash()
        batch = [_stored(answer) for answer in body.answers]
        found = receiver.receive(batch, terms)
        return _receipt(found.root, found.digests, found.signatures)

    @app.get("/receipts/{answer}")
    def receipt(answer: str) -> schemas.Receipt:
        """The receipt of an answer, by its digest."""
        found = oracle_.database.receipt_of(_digest(answer))
        if found is None:
            raise NotFound(f"no receipt for {answer[:70]}")
        return _receipt(found.root, found.digests, found.signatures)

    @app.post("/typed-data")
    def typed_data(body: schemas.TypedDataIn) -> dict[str, Any]:
        """The EIP-712 document for a wallet to sign: no front end needs our encodings."""
        kinds: dict[str, type[Message]] = {"Answer": messages.Answer, "Register": Register, "Claim": Claim}
        kind = kinds[body.kind]
        message = from_json(kind, {_snake(name): value for name, value in body.message.items()}, "message")
        domain = oracle_.deployment.workers_domain() if kind is Register else oracle_.deployment.domain()
        try:
            return messages.typed_data(domain, message)
        except (ValueError, OverflowError) as problem:
            raise BadInput(f"message: {problem}") from None


def _stored(answer: schemas.AnswerIn) -> StoredAnswer:
    return StoredAnswer(**{name: getattr(answer, name) for name in type(answer).model_fields})


def _receipt(root: bytes, answers: Sequence[bytes], signatures: Sequence[bytes]) -> schemas.Receipt:
    return schemas.Receipt(root=root, size=len(answers), answers=list(answers), signatures=list(signatures))


def _job(number: int, job: Job, unit: int) -> schemas.Job:
    terms = job.terms
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


def _epoch(reader: Reader, post: Post) -> schemas.Epoch:
    data = reader.oracle.books.epoch(post.epoch, post.content)
    return schemas.Epoch(
        epoch=post.epoch,
        status=post.status.value,
        head=post.head,
        digest=post.digest,
        content=from_digest(Codec.DAG_CBOR, post.content),
        transaction=post.transaction,
        posted_at=post.posted_at,
        verdicts=len(data.verdicts),
        total=data.total * reader.oracle.deployment.unit,
    )


def _verdict(reader: Reader, terms: Any, post: Post, index: int, verdict: Any) -> schemas.Verdict:
    manifest, tasks = reader.oracle.books.job(terms)
    weights = reader.oracle.books.epoch(post.epoch, post.content).weights
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
        proof=trees.proof(_levels(reader, post.epoch, post.content, "verdicts"), index),
    )


def _balance(reader: Reader, number: int, worker: Worker) -> schemas.Balance:
    state, unit = reader.state(), reader.oracle.deployment.unit
    final, pending = state.final(), state.pending()
    earned, earnings, proof = 0, ZERO, []
    if final:
        balances = reader.oracle.books.epoch(final.epoch, final.content).balances
        if number < len(balances):
            earned, earnings = balances[number].cumulative, keccak(balances[number].earnings)
            proof = trees.proof(_levels(reader, final.epoch, final.content, "balances"), number)
    coming = reader.oracle.books.epoch(pending.epoch, pending.content).balances if pending else ()
    later = coming[number].cumulative - earned if number < len(coming) else 0
    claimed = state.claimed.get(number, 0)
    return schemas.Balance(
        worker=number,
        wallet=worker.wallet,
        cumulative=earned * unit,
        claimed=claimed * unit,
        claimable=(earned - claimed) * unit,
        pending=later * unit,
        units=earned,
        earnings=earnings,
        proof=proof,
    )


@lru_cache(maxsize=32)
def _levels(reader: Reader, number: int, content: bytes, tree: str) -> trees.Levels:
    return trees.build(ep.leaves_of(reader.oracle.books.epoch(number, content), tree))


def _digest(text: str) -> bytes:
    try:
        found = bytes.fromhex(text.removeprefix("0x"))
    except ValueError:
        found = b""
    if len(found) != 32:
        raise BadInput(f"{text[:70]!r} is not the digest of an answer (32 bytes in hex)")
    return found


def _snake(name: str) -> str:
    return "".join("_" + c.lower() if c.isupper() else c for c in name)
