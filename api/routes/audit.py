"""What an auditor reads, with no account: epochs as they were signed, leaves with proofs, decoded events, a verdict's evidence."""

import csv
import io
import json
from collections.abc import Iterator
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Request, Response
from fastapi.responses import JSONResponse
from pydantic.alias_generators import to_camel

from api import schemas
from api.gate import Visitor
from api.reader import NotFound, Reader
from api.routes import From, Limit, Number, part, written
from api.routes.chain import epoch_of
from api.routes.jobs import seen_by, verdict_of
from oracle.protocol import scoring
from oracle.protocol.deployment import Committee
from oracle.protocol.epoch import TREES
from oracle.protocol.errors import BadInput
from oracle.protocol.events import KINDS, Log
from oracle.protocol.keys import Address, checksum
from oracle.protocol.leaves import Core, Opening, Status, is_sealed, leaf_of, record_of
from oracle.protocol.state import Post

START = "-1.-1"
Tree = Annotated[str, Path(pattern=f"^({'|'.join(TREES)})$")]
Kind = Annotated[str | None, Query(pattern=f"^({'|'.join(KINDS)})$")]
Block = Annotated[int | None, Query(ge=0, lt=1 << 63)]
Form = Annotated[str, Query(alias="format", pattern="^(json|jsonl|csv)$")]
After = Annotated[
    str, Query(pattern=r"^(-1|\d{1,18})\.(-1|\d{1,9})$", description="Cursor: what comes after this log.")
]


def router(reader: Reader) -> APIRouter:
    routes = APIRouter(tags=["auditor"])

    @routes.get("/epochs/{epoch}")
    def epoch(epoch: Number) -> schemas.EpochDetail:
        """An epoch with its header as it was signed, its signers and its debits."""
        return _detail(reader, _post(reader, epoch))

    @routes.get("/epochs/{epoch}/{tree}")
    def tree_leaves(
        request: Request, response: Response, epoch: Number, tree: Tree, first: From = 0, limit: Limit = 100
    ) -> list[schemas.Leaf]:
        """Leaves of one of an epoch's trees from index `from` on, each with its proof."""
        post = _post(reader, epoch)
        values = part(request, response, getattr(reader.epoch(post), tree)[first:], limit, first + limit)
        return [
            schemas.Leaf(
                index=at,
                value=None if is_sealed(value) else _shown(tuple(record_of(value))),
                leaf=leaf_of(value),
                proof=reader.proof(post, tree, at),
            )
            for at, value in enumerate(values, first)
        ]

    @routes.get("/jobs/{job}/verdicts/{task}/evidence", response_model=schemas.Evidence)
    def evidence(request: Request, job: Number, task: Number, visitor: Visitor) -> Response:
        """All that recomputing one verdict takes, without trusting this API; of a sealed job for its requester alone."""
        seen = seen_by(reader, request, visitor, job)
        found = seen.verdict(job, task)
        if found is None:
            raise NotFound(f"task {task} of job {job} has no verdict yet")
        return written(_evidence(seen, job, *found[:2]))

    @routes.get(
        "/logs",
        response_model=list[schemas.Log],
        responses={200: {"content": {"application/jsonl": {}, "text/csv": {}}}},
    )
    def logs(
        request: Request,
        after: After = START,
        first_block: Annotated[Block, Query(alias="fromBlock")] = None,
        last_block: Annotated[Block, Query(alias="toBlock")] = None,
        kind: Kind = None,
        job: Annotated[int | None, Query(ge=0, lt=1 << 32)] = None,
        limit: Limit = 100,
        form: Form = "json",
    ) -> Response:
        """Decoded events of the contracts, by block range, kind and job; as JSON, JSON Lines or CSV."""
        reader.state()
        place = read_cursor(after)
        if first_block is not None:
            place = max(place, (first_block - 1, 1 << 40))
        found = (log for log in reader.oracle.database.logs(place) if last_block is None or log.block <= last_block)
        chosen = _first(limit + 1, (log for log in found if is_about(log, kind, job)))
        response = _formed([log_of(log) for log in chosen[:limit]], form)
        last = chosen[:limit][-1] if chosen else None
        part(request, response, chosen, limit, f"{last.block}.{last.index}" if last else "", "after")
        return response

    return routes


def read_cursor(text: str) -> tuple[int, int]:
    block, _, index = text.partition(".")
    try:
        return int(block), int(index)
    except ValueError:
        raise BadInput(f"{text[:40]!r} is no cursor: take one that a log or an event came with") from None


def log_of(log: Log) -> schemas.Log:
    return schemas.Log(
        cursor=f"{log.block}.{log.index}",
        block=log.block,
        index=log.index,
        transaction=log.transaction,
        timestamp=log.timestamp,
        kind=type(log.event).__name__,
        fields=_fields(log),
    )


def is_about(log: Log, kind: str | None, job: int | None) -> bool:
    return kind in (None, type(log.event).__name__) and job in (None, getattr(log.event, "job", None))


def _fields(log: Log) -> dict[str, Any]:
    """With 0x before each run of bytes, as everywhere in this API."""
    return _named(log.event)


def _shown(value: Any) -> Any:
    if isinstance(value, bytes):
        return checksum(Address(value)) if len(value) == 20 else "0x" + value.hex()
    if isinstance(value, tuple | list):
        return [_shown(item) for item in value]
    if hasattr(value, "__slots__"):
        return _named(value)
    return value


def _formed(found: list[schemas.Log], form: str) -> Response:
    documents = [log.model_dump(mode="json", by_alias=True) for log in found]
    if form == "json":
        return JSONResponse(documents)
    if form == "jsonl":
        return Response("".join(json.dumps(one) + "\n" for one in documents), media_type="application/jsonl")
    out = io.StringIO()
    writer = csv.writer(out)
    names = list(schemas.Log.model_fields)
    writer.writerow(names)
    writer.writerows([json.dumps(v) if isinstance(v := one[name], dict) else v for name in names] for one in documents)
    headers = {"Content-Disposition": 'attachment; filename="logs.csv"'}
    return Response(out.getvalue(), media_type="text/csv; charset=utf-8", headers=headers)


def _first(limit: int, found: Iterator[Log]) -> list[Log]:
    return [log for _, log in zip(range(limit), found, strict=False)]


def _post(reader: Reader, number: int) -> Post:
    post = reader.state().posts.get(number) or reader.state(now=True).posts.get(number)
    if post is None:
        raise NotFound(f"there is no epoch {number}")
    return post


def _committee(reader: Reader, post: Post) -> Committee:
    own = reader.oracle.deployment.committee
    term = reader.state().term(post.epoch)
    return term.committee(own.address) if term else own


def _signers(reader: Reader, post: Post) -> list[bytes]:
    return [m for at, m in enumerate(_committee(reader, post).members) if post.signers >> at & 1]


def _named(value: Any) -> dict[str, Any]:
    return {to_camel(name): _shown(getattr(value, name)) for name in value.__slots__}


def _detail(reader: Reader, post: Post) -> schemas.EpochDetail:
    epoch, header = reader.epoch(post), reader.header(post)
    return schemas.EpochDetail(
        **epoch_of(reader, post).model_dump(),
        header=_named(header),
        signers=_signers(reader, post),
        signatures=reader.signatures(post),
        debits=[_named(debit) for debit in epoch.debits],
        challenge_until=post.posted_at + reader.oracle.deployment.window,
        trees={
            name: {"root": "0x" + getattr(header, name).hex(), "size": getattr(header, f"{name}_size")}
            for name in TREES
        },
    )


def _evidence(reader: Reader, job: int, post: Post, index: int) -> schemas.Evidence:
    epoch, found_job = reader.epoch(post), reader.job(job)
    verdict = epoch.verdicts[index]
    rows = sorted({core.row for core in verdict.cores if core.status is Status.COUNTED})
    committee = _committee(reader, post)
    counted = [epoch.weights[core.row].row for core in verdict.cores if core.status is Status.COUNTED]
    return schemas.Evidence(
        verdict=verdict_of(reader, found_job, post, index, verdict),
        classes=list(reader.classes(post, verdict)),
        prior=list(verdict.prior),
        scores=scoring.scores(verdict.prior, counted),
        cores=verdict.packed_cores(),
        opening_hashes=verdict.opening_hashes(),
        pay=verdict.pay,
        answers=[_answer(*pair) for pair in zip(verdict.cores, verdict.openings, strict=True)],
        weights=[_weight(reader, post, row) for row in rows],
        header=_named(reader.header(post)),
        signatures=reader.signatures(post),
        committee={
            "address": checksum(committee.address),
            "members": [checksum(member) for member in committee.members],
            "quorum": committee.quorum,
            "signers": [checksum(member) for member in _signers(reader, post)],
        },
    )


def _answer(core: Core, opening: Opening) -> dict[str, Any]:
    return {**_named(core), "status": int(core.status), "opening": _named(opening)}


def _weight(reader: Reader, post: Post, index: int) -> schemas.WeightLeaf:
    weight = reader.epoch(post).weights[index]
    return schemas.WeightLeaf(
        index=index,
        worker=weight.worker,
        label=weight.label,
        row=list(weight.row),
        leaf=weight.leaf(),
        proof=reader.proof(post, "weights", index),
    )
