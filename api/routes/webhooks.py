"""Webhooks of a signed-in visitor."""

from fastapi import APIRouter, Request, Response

from api import hooks, schemas
from api.gate import Session, SignedIn
from api.reader import NotFound, Reader
from api.repeats import once
from oracle.ports import Kept
from oracle.protocol.errors import BadInput, Refused
from oracle.protocol.events import KINDS


def router(reader: Reader, private: bool) -> APIRouter:
    routes = APIRouter(prefix="/webhooks", tags=["feed"])
    database = reader.oracle.database

    @routes.post("", status_code=201, response_model=schemas.Hook)
    def add_hook(request: Request, body: schemas.HookIn, session: SignedIn) -> Response:
        """Events from now on, signed with the secret that this answer shows once."""
        hooks.address_of(hooks.check_url(body.url, private), private)
        if unknown := set(body.kinds) - KINDS.keys():
            raise BadInput(f"kinds: {min(unknown)[:40]!r} is no kind of event; there are {', '.join(sorted(KINDS))}")
        if len(database.kept_of(hooks.KIND, session.owner)) >= hooks.MOST_OF_ONE:
            raise Refused("too-many-hooks", f"a wallet has at most {hooks.MOST_OF_ONE} webhooks")
        return once(database, request, session, body, lambda: _add(reader, session, body))

    @routes.get("")
    def own_hooks(session: SignedIn) -> list[schemas.Hook]:
        """Your webhooks, and how they do."""
        return [_hook(kept) for kept in database.kept_of(hooks.KIND, session.owner)]

    @routes.delete("/{hook}", status_code=204, response_class=Response)
    def drop_hook(hook: str, session: SignedIn) -> Response:
        kept = database.kept(hooks.KIND, hook)
        if kept is None or kept.owner != session.owner:
            raise NotFound(f"you have no webhook {hook[:60]}")
        database.take(hooks.KIND, hook)
        return Response(status_code=204)

    return routes


def _add(reader: Reader, session: Session, body: schemas.HookIn) -> schemas.Hook:
    reader.state()
    newest = reader.oracle.database.newest_log()
    cursor = f"{newest[0]}.{newest[1]}" if newest else "-1.-1"
    kept = hooks.fresh(session.owner, body.url, body.kinds, body.job, cursor)
    reader.oracle.database.put(kept)
    return _hook(kept, kept.value["secret"])


def _hook(kept: Kept, secret: str | None = None) -> schemas.Hook:
    value = kept.value
    return schemas.Hook(
        hook=kept.name,
        url=value["url"],
        kinds=value["kinds"],
        job=value["job"],
        cursor=value["cursor"],
        failures=value["failures"],
        secret=secret,
    )
