"""Webhooks: each event of the chain that its owner asked for, signed, in order, again until it is taken.

Standard Webhooks (https://www.standardwebhooks.com): webhook-id, webhook-timestamp, webhook-signature = v1,base64(HMAC-SHA256(key,
id.timestamp.body)). One process sends at a time; where it stands is kept after each event, so one may come twice after a kill, with
the same id, and none is left out. A hook goes only to public addresses: the name is resolved here, every address of it must be
public, and the connection goes to the address that was looked at; nothing is followed.
"""

import base64
import hashlib
import hmac
import ipaddress
import json
import secrets
import socket
import threading
import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import httpx

from api.routes.audit import is_about, log_of, read_cursor
from oracle.bootstrap import Oracle
from oracle.ports import FOREVER, Kept
from oracle.protocol.errors import BadInput, CrowdproofError
from oracle.protocol.events import Log
from oracle.telemetry import problem

KIND = "hook"
ROUND_S, LEASE_S, TIMEOUT_S = 1.0, 15.0, 10.0
PAUSES_S = (5, 30, 120, 600, 1_800, 7_200, 18_000, 36_000, 86_400)  # after each failure; then the hook rests for good
AT_ONCE = 20  # events of one hook in a round
MOST_OF_ONE = 20  # hooks of one wallet
PREFIX = "whsec_"


def new_secret() -> str:
    return PREFIX + base64.b64encode(secrets.token_bytes(32)).decode()


def signature(secret: str, identity: str, timestamp: int, body: bytes) -> str:
    key = base64.b64decode(secret.removeprefix(PREFIX))
    signed = f"{identity}.{timestamp}.".encode() + body
    return "v1," + base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()


def check_url(url: str, private: bool) -> httpx.URL:
    """Raises BadInput for what no hook may be: another scheme, a user, and (unless `private`) plain HTTP."""
    try:
        found = httpx.URL(url)
    except (httpx.InvalidURL, ValueError):
        raise BadInput(f"url: {url[:80]!r} is no URL") from None
    if found.scheme not in (("https", "http") if private else ("https",)) or not found.host or found.userinfo:
        raise BadInput("url: a webhook is https://host[:port]/path, without a user")
    return found


def address_of(url: httpx.URL, private: bool) -> str:
    """The address to connect to. Raises BadInput if any address of the name is not public."""
    try:
        found = socket.getaddrinfo(url.host, url.port or 443, type=socket.SOCK_STREAM)
    except OSError:
        raise BadInput(f"url: the name {url.host[:80]} has no address") from None
    addresses = [str(entry[4][0]) for entry in found]
    if not private and not all(is_public(address) for address in addresses):
        raise BadInput(f"url: {url.host[:80]} is no public address")
    return addresses[0]


def is_public(address: str) -> bool:
    """Also of what is wrapped in IPv6: mapped, 6to4, Teredo and NAT64 addresses."""
    ip = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(ip, ipaddress.IPv6Address):
        if ip in ipaddress.ip_network("64:ff9b::/96"):
            return is_public(str(ipaddress.IPv4Address(ip.packed[-4:])))
        inner = [ip.ipv4_mapped, ip.sixtofour, *(ip.teredo or ())]
        if any(ip.ipv4_mapped is not None or one is not None for one in inner):
            return all(one is None or is_public(str(one)) for one in inner) and ip.ipv4_mapped is not None
    return ip.is_global and not ip.is_multicast


class Sender:
    """Sends in a thread of its own until `stop`."""

    def __init__(self, oracle: Oracle, private: bool, transport: httpx.BaseTransport | None = None) -> None:
        self._oracle, self._private = oracle, private
        self._client = httpx.Client(timeout=TIMEOUT_S, follow_redirects=False, trust_env=False, transport=transport)
        self._holder = secrets.token_hex(8)
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="hooks", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._ended.set()
        self._client.close()

    def _run(self) -> None:
        while not self._ended.wait(ROUND_S):
            try:
                self.round()
            except CrowdproofError as trouble:
                problem("hooks", trouble)
            except (httpx.HTTPError, RuntimeError):  # closed while it was sending
                continue

    def round(self) -> int:
        """One look at every hook; how many events were taken."""
        database, now = self._oracle.database, time.time()
        hooks = [kept for kept in database.kept_of(KIND) if kept.value["next"] <= now]
        if not hooks or not database.hold("hooks", self._holder, LEASE_S):
            return 0
        self._oracle.index.advance()
        return sum(self._serve(hook) for hook in hooks)

    def _serve(self, hook: Kept) -> int:
        place, sent = read_cursor(hook.value["cursor"]), 0
        for log in self._oracle.database.logs(place):
            if not is_wanted(hook, log):
                hook = self._moved(hook, log)
                continue
            if sent == AT_ONCE or self._ended.is_set():
                break
            status = self._send(hook, log)
            if not 200 <= status < 300:
                self._failed(hook, status)
                return sent
            hook, sent = self._moved(hook, log), sent + 1
            self._store(hook)
        self._store(hook)
        return sent

    def _send(self, hook: Kept, log: Log) -> int:
        """The status; 0 where nobody answered, or the address is none that a hook may go to."""
        document = log_of(log).model_dump(mode="json", by_alias=True)
        when = time.time()
        body = json.dumps({"type": document["kind"], "timestamp": document["timestamp"], "data": document}).encode()
        identity = f"{hook.name}.{document['cursor']}"
        headers = {
            "Content-Type": "application/json",
            "webhook-id": identity,
            "webhook-timestamp": str(int(when)),
            "webhook-signature": signature(hook.value["secret"], identity, int(when), body),
        }
        try:
            url = check_url(hook.value["url"], self._private)
            address = address_of(url, self._private)
            headers["Host"] = url.netloc.decode()
            request = self._client.build_request("POST", url.copy_with(host=address), content=body, headers=headers)
            request.extensions["sni_hostname"] = url.host
            response = self._client.send(request, stream=True)
            response.close()
            return response.status_code
        except (httpx.HTTPError, BadInput):
            return 0

    def _moved(self, hook: Kept, log: Log) -> Kept:
        value = {**hook.value, "cursor": f"{log.block}.{log.index}", "failures": 0, "next": 0.0}
        return replace(hook, value=value)

    def _failed(self, hook: Kept, status: int) -> None:
        failures = hook.value["failures"] + 1
        over = failures > len(PAUSES_S) or status == 410
        pause = FOREVER if over else PAUSES_S[failures - 1] * (1 + secrets.randbelow(100) / 500)
        self._store(replace(hook, value={**hook.value, "failures": failures, "next": time.time() + pause}))

    def _store(self, hook: Kept) -> None:
        """Unless its owner has dropped it meanwhile."""
        if self._oracle.database.kept(KIND, hook.name):
            self._oracle.database.put(hook)


def is_wanted(hook: Kept, log: Log) -> bool:
    kinds: Sequence[str] = hook.value["kinds"]
    return (not kinds or type(log.event).__name__ in kinds) and is_about(log, None, hook.value["job"])


def fresh(owner: str, url: str, kinds: Sequence[str], job: int | None, cursor: str) -> Kept:
    value: dict[str, Any] = {"url": url, "kinds": list(kinds), "job": job, "cursor": cursor, "failures": 0, "next": 0.0}
    return Kept(KIND, f"hook_{secrets.token_hex(12)}", owner, {**value, "secret": new_secret()}, FOREVER)
