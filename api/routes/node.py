"""How the deployment does: committee, stakes, what is pending, how far behind it is; and the faucet of a local chain."""

from concurrent.futures import ThreadPoolExecutor
from threading import Lock

from fastapi import APIRouter

from api import schemas
from api.gate import Forbidden
from api.reader import Reader
from api.settings import Settings
from oracle import local
from oracle.adapters import anvil
from oracle.protocol.errors import Retryable
from oracle.telemetry import Ready, readiness_document

ASKED_S = 1.0


def router(reader: Reader, settings: Settings, ready: Ready) -> APIRouter:
    routes = APIRouter(tags=["node"])
    oracle, giving = reader.oracle, Lock()

    @routes.get("/node")
    def node() -> schemas.Node:
        """The committee and its stakes, the pending epoch and its window, blocks behind the head, and what is waited for."""
        state = reader.state()
        deployment, pending, head = oracle.deployment, state.pending(), reader.head
        _, document = readiness_document(ready())
        return schemas.Node(
            chain_id=deployment.chain_id,
            block=oracle.index.block,
            head=head.number if head else oracle.index.block,
            lag=(head.number if head else oracle.index.block) - oracle.index.block,
            now=oracle.index.now,
            window=deployment.window,
            quorum=deployment.committee.quorum,
            members=_members(reader),
            jobs=len(state.jobs),
            workers=max(len(state.workers) - 1, 0),
            epochs=state.last_epoch,
            pending=pending.epoch if pending else None,
            pending_until=pending.posted_at + deployment.window if pending else None,
            ready=bool(document["ready"]),
            waits=list(document["waits"]),
            faucet=settings.gives_coin(),
        )

    @routes.post("/faucet")
    def faucet(body: schemas.FaucetIn) -> schemas.Given:
        """Coin and tokens for any address, on the local chain of a home alone."""
        if not settings.gives_coin():
            raise Forbidden("this API gives no coin: it is for the local chain of a home", "no-faucet")
        running = anvil.status(settings.home.chain)
        if running is None:
            raise Retryable("the local chain does not run")
        with giving:
            tokens = local.give(settings.home, running.url, body.wallet, body.coin, body.tokens)
        return schemas.Given(wallet=body.wallet, coin=body.coin, tokens=tokens)

    return routes


def _members(reader: Reader) -> list[schemas.Member]:
    """Members by their stake; whether one answers is known where this home names as many addresses."""
    oracle = reader.oracle
    committee = oracle.deployment.committee
    interfaces = oracle.chain.interfaces
    asked = [(committee.address, interfaces.encode("Committee", "stakeOf", member)) for member in committee.members]
    replies = oracle.chain.calls(asked)
    stakes = [interfaces.output("Committee", "stakeOf", reply) for reply in replies]
    with ThreadPoolExecutor(len(oracle.peers) or 1) as threads:
        alive = list(threads.map(lambda peer: peer.is_alive(ASKED_S), oracle.peers))
    told = alive if len(alive) == len(stakes) and all(alive) else [None] * len(stakes)
    return [
        schemas.Member(address=address, stake=stake, alive=lives)
        for address, stake, lives in zip(committee.members, stakes, told, strict=True)
    ]
