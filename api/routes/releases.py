"""What a job has revealed of its workers' answers: a ledger for everyone, and a release by its requester."""

from typing import Annotated, Any

from fastapi import APIRouter
from pydantic import Field

from api import releases, schemas
from api.gate import SignedIn
from api.reader import Reader
from api.routes import Number
from api.routes.requester import own_job
from oracle.config import Home
from oracle.privacy.release import read_query


class ReleaseIn(schemas.Schema):
    """`query`: see docs/privacy.md. `groups`: of workers, by their number."""

    query: dict[str, Any]
    groups: Annotated[dict[str, str], Field(default_factory=dict, max_length=1_000_000)]


def router(reader: Reader, home: Home) -> APIRouter:
    routes = APIRouter(prefix="/jobs", tags=["privacy"])

    @routes.get("/{job}/releases")
    def ledger(job: Number) -> dict[str, Any]:
        """The job's privacy budget, what is spent of it, and every release, signed and chained."""
        budget = releases.budget_of(reader, job)
        entries = reader.oracle.database.entries(releases.dataset(job))
        return releases.shown(budget, entries, releases.ledger_key(home))

    @routes.post("/{job}/releases", status_code=201)
    def release(job: Number, body: ReleaseIn, session: SignedIn) -> dict[str, Any]:
        """Noisy statistics of your job, for everyone, against its budget. The same question again costs nothing."""
        own_job(reader, session, job)
        key, query = releases.ledger_key(home), read_query(body.query)
        entry = releases.publish(reader.opened(job), key, job, query, body.groups)
        return releases.shown(reader.oracle.database.budget(entry.dataset), [entry], key)["entries"][0]  # type: ignore[no-any-return]

    return routes
