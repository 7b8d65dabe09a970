"""A job before it is funded: templates, import, check, exact quote, and a draft whose content is stored and whose escrow is ready.

Nothing is spent here. A draft is its requester's own until its job is on the chain.
"""

import json
from collections.abc import Sequence
from dataclasses import asdict
from io import BytesIO
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response

from api import schemas
from api.gate import Session, SignedIn
from api.reader import NotFound, Reader
from api.repeats import once
from api.routes import Raw
from oracle import publishing
from oracle.adapters import permits
from oracle.bootstrap import Oracle
from oracle.ports import Call, Kept, Permit
from oracle.privacy import anonymise
from oracle.privacy.policy import Policy, read_policy
from oracle.protocol.cids import Codec, from_digest
from oracle.protocol.errors import BadInput
from oracle.protocol.leaves import Task
from oracle.protocol.manifest import Manifest, check_manifest, make_job, problems, schema, task_problems
from oracle.protocol.plain import from_json, to_json
from oracle.protocol.terms import Terms
from oracle.tasks import golden, scan
from oracle.templates import templates

MOST_FLAWS = 100
LEAST_S = 600  # that a job must be open after it is drafted
DRAFT_S = 30 * 86_400.0
Name = Annotated[str, Query(max_length=200, description="The file's name: its ending says the form.")]

Rules = Annotated[str, Query(max_length=20_000, description="The manifest's `personalData` [redact all].")]


def router(reader: Reader) -> APIRouter:
    routes = APIRouter(tags=["requester"])
    _add_checks(routes, reader)
    _add_drafts(routes, reader)
    return routes


def _add_checks(routes: APIRouter, reader: Reader) -> None:
    oracle = reader.oracle

    @routes.get("/templates")
    def all_templates() -> list[schemas.Template]:
        """Jobs to begin with."""
        return [_template(one) for one in templates().values()]

    @routes.get("/manifest.schema.json")
    def manifest_schema() -> dict[str, Any]:
        """The JSON Schema of a manifest."""
        return schema()

    @routes.post("/jobs/import", openapi_extra={"requestBody": {"content": {"application/octet-stream": {}}}})
    def import_tasks(name: Name, body: Raw, policy: Rules = "{}") -> schemas.Imported:
        """Tasks from a CSV, JSONL or Parquet file in the body, without personal data; every flaw with its row and column.

        Nothing is stored.
        """
        found = scan(BytesIO(body), name, MOST_FLAWS)
        flaws = [schemas.Flaw(row=flaw.row, field=flaw.field, what=flaw.what) for flaw in found.flaws]
        for position, what in task_problems(found.tasks) if len(flaws) < MOST_FLAWS else ():
            flaws.append(schemas.Flaw(row=position + 1, what=f"task {position + 1}{what}"))
        rules = _policy(policy)
        try:
            clean = anonymise.tasks(found.tasks, rules, most=anonymise.MOST_SERVED)
        except BadInput as problem:
            flaws.append(schemas.Flaw(what=str(problem)))
            clean = anonymise.Anonymised([], [])
        tasks = [schemas.TaskIn(id=task.id, payload=task.payload, gold=found.gold.get(task.id)) for task in clean.tasks]
        changes = _changes(clean)
        return schemas.Imported(ok=not flaws, rows=found.rows, tasks=tasks, flaws=flaws[:MOST_FLAWS], changes=changes)

    @routes.post("/jobs/check")
    def check_job(body: schemas.JobDraftIn) -> schemas.Checked:
        """Everything that is wrong with a job, by field and by row, and what it would cost."""
        tasks = _tasks(body)
        flaws = [schemas.Flaw(field=field, what=what) for field, what in problems(body.manifest)]
        flaws += [schemas.Flaw(row=at + 1, what=f"task {at + 1}{what}") for at, what in _first(tasks)]
        quote, clean = None, anonymise.Anonymised([], [])
        if not flaws:
            try:
                manifest = check_manifest(body.manifest)
                _check_deadline(reader, manifest)
                clean = anonymise.job(manifest, tasks, most=anonymise.MOST_SERVED)
                manifest, tasks, _ = golden(manifest, clean.tasks, _gold(body), "manifest")
                quote = _quote(make_job(manifest, tasks, reader.unit)[0], reader.unit)
            except BadInput as problem:
                flaws.append(_flaw(str(problem)))
        return schemas.Checked(ok=not flaws, flaws=flaws, quote=quote, changes=_changes(clean))

    @routes.post("/jobs/quote")
    def quote_job(body: schemas.QuoteIn) -> schemas.Quote:
        """What such a job with so many tasks locks, to the unit."""
        terms, _ = make_job(check_manifest(body.manifest), [Task(0, "one", None)], reader.unit)
        return _quote(publishing.with_tasks(terms, body.tasks), reader.unit)

    @routes.post("/typed-data/permit")
    def permit_data(body: schemas.PermitDataIn) -> dict[str, Any]:
        """An ERC-2612 permit for the Market, for the owner's wallet to sign."""
        asked = (oracle.deployment.token, body.owner, oracle.deployment.market, body.amount, body.deadline)
        document = permits.typed_data(oracle.chain, *asked)
        if document is None:
            raise NotFound("the token takes no permits: send POST /transactions/approve instead")
        return document


def _add_drafts(routes: APIRouter, reader: Reader) -> None:
    oracle = reader.oracle

    @routes.post("/jobs/drafts", status_code=201)
    def draft_job(request: Request, body: schemas.JobDraftIn, session: SignedIn) -> Response:
        """Stores a job's content at the committee, and gives what funds it. The same again is the same draft."""
        return once(oracle.database, request, session, body, lambda: _store(reader, session, body))

    @routes.get("/jobs/drafts")
    def drafts(session: SignedIn) -> list[schemas.JobDraft]:
        """Your drafts, also those that are funded by now."""
        return [_draft(reader, session, kept) for kept in oracle.database.kept_of("draft", session.owner)]

    @routes.get("/jobs/drafts/{terms}")
    def draft(terms: str, session: SignedIn) -> schemas.JobDraft:
        """A draft, with a fresh permit to sign and the transactions that fund it without one."""
        return _draft(reader, session, draft_of(oracle, session, _terms_hash(terms)), ready=True)

    @routes.delete("/jobs/drafts/{terms}", status_code=204, response_class=Response)
    def drop_draft(terms: str, session: SignedIn) -> Response:
        """Forgets a draft of yours; a job that is funded goes on."""
        draft_of(oracle, session, found := _terms_hash(terms))
        oracle.database.take("draft", f"{session.owner}.{found.hex()}")
        return Response(status_code=204)


def draft_of(oracle: Oracle, session: Session, terms: bytes) -> Kept:
    """The visitor's own draft. Raises NotFound."""
    kept = oracle.database.kept("draft", f"{session.owner}.{terms.hex()}")
    if kept is None:
        raise NotFound(f"you have no draft with terms 0x{terms.hex()}")
    return kept


def opening(oracle: Oracle, draft: Kept, permit: Permit | None) -> list[Call]:
    """What funds a draft: one call with a permit, else two."""
    terms, deadline = from_json(Terms, draft.value["terms"]), int(draft.value["deadline"])
    opened = oracle.calls.open_job(terms, deadline, permit)
    if permit:
        return [opened]
    amount = terms.escrow() * oracle.deployment.unit
    return [oracle.calls.approve(oracle.deployment.token, oracle.deployment.market, amount), opened]


def _store(reader: Reader, session: Session, body: schemas.JobDraftIn) -> schemas.JobDraft:
    oracle = reader.oracle
    manifest, given = check_manifest(body.manifest), _tasks(body)
    _check_deadline(reader, manifest)
    clean = anonymise.job(manifest, given, most=anonymise.MOST_SERVED)
    manifest, tasks, known = golden(manifest, clean.tasks, _gold(body), "manifest")
    make_job(manifest, tasks, reader.unit)  # what is wrong is said before anything is sealed
    manifest = publishing.seal_gold(oracle, manifest, tasks, known, session.wallet)
    manifest, tasks, key = publishing.seal(oracle, manifest, tasks, session.wallet)
    terms = publishing.store(oracle, manifest, tasks, "manifest")
    publishing.keep_key(oracle, terms, session.wallet, key)
    value = {"title": manifest.document["title"], "terms": to_json(terms), "deadline": manifest.deadline}
    value["replaced"] = anonymise.totals(clean.changes)
    until = reader.clock() + DRAFT_S
    kept = Kept("draft", f"{session.owner}.{terms.hash().hex()}", session.owner, value, until)
    oracle.database.put(kept)
    return _draft(reader, session, kept, ready=True)


def _draft(reader: Reader, session: Session, kept: Kept, ready: bool = False) -> schemas.JobDraft:
    from api.routes.transactions import ready as sendable  # noqa: PLC0415 - which asks this module for drafts

    oracle, terms, deadline = reader.oracle, from_json(Terms, kept.value["terms"]), int(kept.value["deadline"])
    amount = terms.escrow() * reader.unit
    asked = (oracle.deployment.token, session.wallet, oracle.deployment.market, amount, deadline)
    jobs = reader.state().jobs.items()
    return schemas.JobDraft(
        terms=terms.hash(),
        title=kept.value["title"],
        deadline=deadline,
        quote=_quote(terms, reader.unit),
        manifest=from_digest(Codec.DAG_CBOR, terms.manifest),
        permit=permits.typed_data(oracle.chain, *asked) if ready else None,
        transactions=sendable(oracle, *opening(oracle, kept, None), atomic=True) if ready else None,
        job=next((n for n, job in jobs if job.requester == session.wallet and job.terms == terms), None),
        replaced=kept.value.get("replaced", {}),
    )


def _check_deadline(reader: Reader, manifest: Manifest) -> None:
    reader.state()
    if manifest.deadline < reader.oracle.index.now + LEAST_S:
        raise BadInput(
            f"manifest: deadline: {manifest.deadline} is less than {LEAST_S} s after block time {reader.oracle.index.now}"
        )


def _tasks(body: schemas.JobDraftIn) -> list[Task]:
    return [Task(number, task.id, task.payload) for number, task in enumerate(body.tasks)]


def _gold(body: schemas.JobDraftIn) -> dict[str, str]:
    return {task.id: task.gold for task in body.tasks if task.gold is not None}


def _changes(clean: anonymise.Anonymised) -> list[schemas.Change]:
    return [schemas.Change(**asdict(change)) for change in clean.changes[: anonymise.MOST_SHOWN]]


def _policy(text: str) -> Policy:
    try:
        return read_policy(json.loads(text))
    except (ValueError, RecursionError):
        raise BadInput("policy: not JSON") from None


def _first(tasks: Sequence[Task]) -> list[tuple[int, str]]:
    return [found for _, found in zip(range(MOST_FLAWS), task_problems(tasks), strict=False)]


def _flaw(text: str) -> schemas.Flaw:
    """A problem of the manifest, whose text is `manifest: field: what` or `manifest: what`."""
    field, found, what = text.removeprefix("manifest: ").partition(": ")
    return schemas.Flaw(field=field, what=what) if found and " " not in field else schemas.Flaw(what=text)


def _quote(terms: Terms, unit: int) -> schemas.Quote:
    return schemas.Quote(**publishing.quote(terms, unit))


def _terms_hash(text: str) -> bytes:
    try:
        found = bytes.fromhex(text.removeprefix("0x"))
    except ValueError:
        found = b""
    if len(found) != 32:
        raise BadInput(f"{text[:70]!r} is no hash of terms (0x and 64 hex digits)")
    return found


def _template(one: dict[str, Any]) -> schemas.Template:
    return schemas.Template(
        name=one["name"],
        title=one["manifest"]["title"],
        description=one["describes"],
        manifest=one["manifest"],
        tasks=[schemas.TaskIn(id=task["task"], payload=task["payload"]) for task in one["tasks"]],
    )
