"""`crowdproof credential`: what is kept between `ask` and `use`, and members who tell other keys the second time."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from api.client import Worker, body
from oracle.adapters.signer import KeySigner, create_keystore
from oracle.commands import unlinking, working
from oracle.config import Home
from oracle.protocol import blind, credentials
from oracle.protocol.credentials import SignedBandKey
from oracle.protocol.errors import BadInput, Fatal
from tests.support.committee import Town
from tests.support.epochs import person

TERMS = b"\x07" * 32
PASSWORD = "secret"


@dataclass
class Api:
    """Tells the members' keys, and signs what it is asked; counts what is handed in."""

    town: Town
    keys: list[SignedBandKey]
    asked: int = 0
    handed: int = 0

    def get(self, path: str, **_: Any) -> Any:
        assert path == "/jobs/1/bands"
        return {
            "terms": "0x" + TERMS.hex(),
            "keys": [body(band=k.band, key=k.key, signature=k.signature) for k in self.keys],
        }

    def post(self, path: str, given: dict[str, Any]) -> Any:
        if path == "/credentials":
            self.handed += 1
            return given
        self.asked += 1
        point = bytes.fromhex(given["blinded"][2:])
        return {"signatures": [body(member=member, signature=s) for member, s in self.signed(point)]}

    def signed(self, point: bytes) -> list[tuple[bytes, bytes]]:
        about = credentials.subject(self.town.deployment, 1, TERMS, 1)
        return [(n.signer.address, n.signer.sign_blinded(about, point)) for n in self.town.nodes[:3]]


def keys(town: Town) -> list[SignedBandKey]:
    about = credentials.subject(town.deployment, 1, TERMS, 1)
    return [of(town, node.signer, node.signer.band_key(about)) for node in town.nodes]


def of(town: Town, signer: KeySigner, key: bytes) -> SignedBandKey:
    return SignedBandKey(1, key, signer.sign(credentials.key_digest(town.deployment, 1, TERMS, 1, key)))


@pytest.fixture(scope="module")
def town() -> Iterator[Town]:
    town = Town()
    yield town
    town.close()


@pytest.fixture
def api(town: Town, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Api:
    found, home = Api(town, keys(town)), Home(tmp_path / "home")

    @contextmanager
    def visit(*_: Any) -> Iterator[working.Visit]:
        yield working.Visit(found, town.deployment, home)  # type: ignore[arg-type]

    worker = Worker(found, town.deployment, person("worker 1"), 1)  # type: ignore[arg-type]
    monkeypatch.setattr(working, "visit", visit)
    monkeypatch.setattr(working.Visit, "worker", lambda *_: worker)
    monkeypatch.setattr(working, "register", lambda *_: {"worker": 9})
    monkeypatch.setattr(unlinking, "create_keystore", partial(create_keystore, light=True))
    return found


def ask(tmp_path: Path, name: str = "fresh") -> dict[str, Any]:
    signer = KeySigner(person("worker 1").secret)
    return unlinking.ask(tmp_path / "home", "", signer, 1, 1, name, PASSWORD, tmp_path / "credential.json")


def use(tmp_path: Path) -> dict[str, Any]:
    return unlinking.use(tmp_path / "home", "", tmp_path / "credential.json", PASSWORD)


def test_ask__then_use__hands_in_what_a_quorum_signed(api: Api, tmp_path: Path) -> None:
    assert ask(tmp_path)["signers"] == 3
    assert ask(tmp_path)["signers"] == 3
    assert api.asked == 1
    assert use(tmp_path)["worker"] == 9
    assert api.handed == 1


def test_ask__cut_off_before_the_members_answered__asks_with_the_same_point(
    api: Api, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    points: list[bytes] = []
    signed = Api.signed

    def cut(self: Api, point: bytes) -> list[tuple[bytes, bytes]]:
        points.append(point)
        if len(points) == 1:
            raise KeyboardInterrupt
        return signed(self, point)

    monkeypatch.setattr(Api, "signed", cut)
    with pytest.raises(KeyboardInterrupt):
        ask(tmp_path)
    with pytest.raises(BadInput, match="no signatures yet"):
        use(tmp_path)
    assert ask(tmp_path)["signers"] == 3
    assert points[0] == points[1]


def test_ask__members_sign_by_other_keys_than_they_tell__is_refused(api: Api, town: Town, tmp_path: Path) -> None:
    api.keys = [of(town, node.signer, blind.public_of(3)) for node in town.nodes]
    with pytest.raises(Fatal, match="did not sign by the keys that they tell"):
        ask(tmp_path)


def test_use__a_member_tells_another_key_than_then__is_refused(api: Api, town: Town, tmp_path: Path) -> None:
    ask(tmp_path)
    api.keys[0] = of(town, town.nodes[0].signer, blind.public_of(3))
    with pytest.raises(Fatal, match="other keys"):
        use(tmp_path)
    assert api.handed == 0


def test_ask__file_of_another_wish__is_refused(api: Api, tmp_path: Path) -> None:
    ask(tmp_path)
    with pytest.raises(BadInput, match="for fresh"):
        ask(tmp_path, "another")
    assert api.asked == 1


def test_use__file_that_is_none__is_refused(api: Api, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="no file"):
        use(tmp_path)
    for text in ("", "{}", "[]", '{"job": "x"}'):
        (tmp_path / "credential.json").write_text(text)
        with pytest.raises(BadInput):
            use(tmp_path)
    assert api.handed == 0


def test_ask__keystore_that_is_there__is_taken_with_its_password(api: Api, tmp_path: Path) -> None:
    create_keystore(tmp_path / "home" / "keys", "fresh", PASSWORD, light=True)
    first = ask(tmp_path)["wallet"]
    (tmp_path / "credential.json").unlink()
    assert ask(tmp_path)["wallet"] == first
    assert api.asked == 2
