"""What the public API is told from outside: the home it serves and the CROWDPROOF_API_* variables, read once.

Every variable may name a file instead (NAME_FILE), for what is handed over as a secret. docs/operations.md lists them.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from oracle.config import Home
from oracle.protocol.errors import BadInput

PREFIX = "CROWDPROOF_API_"


@dataclass(frozen=True, slots=True)
class Settings:
    """`origins`: where browsers see the API (https://host[:port]), the first is the one that is told; empty: the home's own.

    `rate`, `burst`: what one visitor may cost a second, and at once (0: no limit). `behind_proxy`: the last X-Forwarded-For is the
    visitor. `private_hooks`: webhooks may go to private addresses. `faucet`: None gives on the home's own chain alone.
    """

    home: Home
    origins: tuple[str, ...] = ()
    session_s: float = 12 * 3_600.0
    rate: float = 2_000.0
    burst: float = 20_000.0
    behind_proxy: bool = False
    private_hooks: bool = False
    faucet: bool | None = None

    def own_origins(self) -> tuple[str, ...]:
        """Those of the settings, else the home's address, by each name that this machine has for itself."""
        if self.origins:
            return self.origins
        own = self.home.settings().api
        names = [own.replace("//127.0.0.1", "//localhost"), own.replace("//localhost", "//127.0.0.1")]
        return tuple(dict.fromkeys([own, *names]))

    def gives_coin(self) -> bool:
        own = (self.home.chain / "chain.json").exists()
        return own if self.faucet is None else self.faucet and own


def read(home: Home, environment: Mapping[str, str] | None = None) -> Settings:
    """Raises BadInput naming the variable."""
    env = os.environ if environment is None else environment
    given = {name: _value(env, name) for name in ("ORIGINS", "SESSION_SECONDS", "RATE", "BURST")}
    flags = {name: _flag(env, name) for name in ("BEHIND_PROXY", "PRIVATE_HOOKS", "FAUCET")}
    default = Settings(home)
    return Settings(
        home,
        tuple(_origin(one) for one in (given["ORIGINS"] or "").split()),
        _number("SESSION_SECONDS", given["SESSION_SECONDS"], default.session_s),
        _number("RATE", given["RATE"], default.rate),
        _number("BURST", given["BURST"], default.burst),
        bool(flags["BEHIND_PROXY"]),
        bool(flags["PRIVATE_HOOKS"]),
        flags["FAUCET"],
    )


def _value(env: Mapping[str, str], name: str) -> str | None:
    file = env.get(f"{PREFIX}{name}_FILE")
    if not file:
        return env.get(PREFIX + name)
    try:
        return Path(file).read_text("utf-8").strip()
    except OSError as problem:
        raise BadInput(f"{PREFIX}{name}_FILE: {file} cannot be read ({problem.strerror})") from None


def _flag(env: Mapping[str, str], name: str) -> bool | None:
    value = _value(env, name)
    if value not in (None, "", "0", "1"):
        raise BadInput(f"{PREFIX}{name} is {value!r}: 1 for yes, 0 for no")
    return None if not value else value == "1"


def _number(name: str, text: str | None, default: float) -> float:
    if not text:
        return default
    try:
        found = float(text)
    except ValueError:
        found = -1.0
    if not 0 <= found < 1e12:
        raise BadInput(f"{PREFIX}{name} is {text!r}: a number, 0 or more")
    return found


def _origin(text: str) -> str:
    parts = urlsplit(text)
    if parts.scheme not in ("http", "https") or not parts.netloc or parts.path.strip("/") or parts.query:
        raise BadInput(f"{PREFIX}ORIGINS: {text!r} is no origin: like https://work.example.org")
    return f"{parts.scheme}://{parts.netloc.lower()}"
