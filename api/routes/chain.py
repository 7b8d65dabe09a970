"""What the chain and the content store hold: the deployment, its epochs, and blocks by CID."""

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response

from api import schemas
from api.reader import NotFound, Reader
from api.routes import From, Limit, part
from oracle.protocol.cids import Cid, Codec, from_digest, parse
from oracle.protocol.errors import ContentMissing
from oracle.protocol.state import Post

FOREVER = {  # whatever the bytes are, no browser runs them
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "public, immutable, max-age=31536000",
    "Content-Disposition": "attachment",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'; sandbox",
    "Cross-Origin-Resource-Policy": "same-origin",
}

Status = Annotated[str | None, Query(pattern="^(pending|final|struck)$")]


def router(reader: Reader) -> APIRouter:
    routes = APIRouter(tags=["chain"])

    @routes.get("/deployment")
    def deployment() -> dict[str, Any]:
        """Addresses, ABIs and constants, as in deployment.json."""
        return reader.oracle.deployment_document

    @routes.get("/epochs")
    def epochs(
        request: Request, response: Response, first: From = 0, limit: Limit = 100, status: Status = None
    ) -> list[schemas.Epoch]:
        """Posted epochs from number `from` on, of one status."""
        posts = [
            post
            for number, post in sorted(reader.state().posts.items())
            if number >= first and status in (None, post.status.value)
        ]
        following = posts[limit].epoch if len(posts) > limit else 0
        return [epoch_of(reader, post) for post in part(request, response, posts, limit, following)]

    @routes.get("/ipfs/{cid}", response_class=Response)
    def block(cid: str) -> Response:
        """A block's bytes (a trustless gateway: check them against the CID)."""
        parse(cid)
        try:
            data = reader.oracle.content.get(Cid(cid))
        except ContentMissing:
            raise NotFound(f"the store does not hold {cid}") from None
        return Response(data, media_type="application/vnd.ipld.raw", headers=FOREVER)

    return routes


def epoch_of(reader: Reader, post: Post) -> schemas.Epoch:
    data = reader.epoch(post)
    return schemas.Epoch(
        epoch=post.epoch,
        status=post.status.value,
        head=post.head,
        digest=post.digest,
        content=from_digest(Codec.DAG_CBOR, post.content),
        transaction=post.transaction,
        posted_at=post.posted_at,
        verdicts=len(data.verdicts),
        total=data.total * reader.unit,
    )
