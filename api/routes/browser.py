"""What the page needs to know beside the deployment: whether the chain is a local one, and then where a burner wallet finds it."""

from fastapi import APIRouter

from api import schemas
from api.settings import Settings


class Page(schemas.Schema):
    """`rpc`: the chain's endpoint where that is the home's own (play money), else empty. `faucet`: POST /faucet gives."""

    local: bool
    rpc: str
    faucet: bool


def router(settings: Settings) -> APIRouter:
    routes = APIRouter(tags=["node"])

    @routes.get("/page")
    def page() -> Page:
        """What a front end needs to know of this server."""
        local = (settings.home.chain / "chain.json").exists()
        return Page(local=local, rpc=settings.home.settings().rpc if local else "", faucet=settings.gives_coin())

    return routes
