"""What a serving process runs: one application on a socket that is already bound."""

import gc
import socket
import sys
from pathlib import Path

import uvicorn
from starlette.types import ASGIApp

from api import app as public_app
from api import member as member_app
from api import settings
from oracle import telemetry
from oracle.bootstrap import open_member
from oracle.config import Home, only_one

SWITCH_S = 0.001  # after which a busy thread lets the event loop go on
COLLECTED = (20_000, 20, 50)  # objects and rounds between looks for cycles: a request makes thousands and leaves none


def public(home: Path, listening: socket.socket) -> None:
    """The public API of a home."""
    telemetry.configure("api")
    run(public_app.serving(settings.read(Home(home))), listening)


def member(home: Path, number: int, listening: socket.socket) -> None:
    """Member `number`, from 1; one process at a time."""
    telemetry.configure(f"member-{number}")
    place = Home(home)
    with only_one(place.member(number).path / "lock", f"member {number} of {home} runs already"):
        opened, content = open_member(place, number)
        run(member_app.create_app(opened, content, place.secret("token")), listening)


def run(application: ASGIApp, listening: socket.socket) -> None:
    """Serves until SIGTERM. What was loaded till now stays, and is not looked through for cycles again."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(*COLLECTED)
    sys.setswitchinterval(SWITCH_S)
    config = uvicorn.Config(
        application,
        log_config=None,
        access_log=False,
        server_header=False,
        lifespan="off",
        timeout_graceful_shutdown=5,
    )
    uvicorn.Server(config).run(sockets=[listening])
