"""The home: where it lies, what is written whole, which files only their owner reads."""

import json
import stat
from pathlib import Path

import pytest

from oracle.config import Home, Settings, write_atomically
from oracle.protocol.errors import BadInput

SETTINGS = Settings("http://127.0.0.1:8545", 0, ("http://127.0.0.1:1",), "http://127.0.0.1:2")


def test_at__given_then_environment_then_default(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CROWDPROOF_HOME", str(tmp_path / "env"))
    assert Home.at(tmp_path / "given").path == tmp_path / "given"
    assert Home.at(None).path == tmp_path / "env"
    monkeypatch.delenv("CROWDPROOF_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert Home.at(None).path == tmp_path / ".crowdproof"


def test_fresh__twice__two_folders_not_made_yet() -> None:
    one, other = Home.fresh(), Home.fresh()
    assert one != other
    assert not one.path.exists()


def test_settings__written_and_read_again(tmp_path: Path) -> None:
    home = Home(tmp_path / "home")
    home.write_settings(SETTINGS)
    assert home.settings() == SETTINGS
    assert [file.name for file in home.path.iterdir()] == ["settings.json"]


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("{", "settings.json"),
        ("{}", "missing"),
        (json.dumps({"rpc": 1, "depth": 0, "members": [], "api": ""}), "rpc"),
        (json.dumps({"rpc": "", "depth": -1, "members": [], "api": ""}), "depth"),
        (json.dumps({"rpc": "", "depth": 0, "members": [1], "api": ""}), "members"),
    ],
)
def test_settings__broken__names_file_and_field(tmp_path: Path, text: str, place: str) -> None:
    (tmp_path / "settings.json").write_text(text)
    with pytest.raises(BadInput, match=place):
        Home(tmp_path).settings()


def test_settings__none__says_what_to_run(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="holds no deployment"):
        Home(tmp_path).settings()


def test_secret__made_once_and_for_its_owner_alone(tmp_path: Path) -> None:
    home = Home(tmp_path)
    secret = home.secret("token")
    assert len(secret) >= 32
    assert home.secret("token") == secret != home.secret("password")
    assert stat.S_IMODE((tmp_path / "token").stat().st_mode) == 0o600


def test_require_unused__file_or_full_folder__refused(tmp_path: Path) -> None:
    Home(tmp_path / "none").require_unused()
    Home(tmp_path).require_unused()
    (tmp_path / "file").write_text("")
    for path in (tmp_path, tmp_path / "file"):
        with pytest.raises(BadInput, match="in use"):
            Home(path).require_unused()


def test_create__below_a_file__refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(BadInput, match="cannot be made"):
        Home(tmp_path / "file" / "home").create()


def test_write_atomically__leaves_no_part_behind(tmp_path: Path) -> None:
    write_atomically(tmp_path / "a" / "b.json", "one")
    write_atomically(tmp_path / "a" / "b.json", "two", 0o600)
    assert (tmp_path / "a" / "b.json").read_text() == "two"
    assert [file.name for file in (tmp_path / "a").iterdir()] == ["b.json"]
