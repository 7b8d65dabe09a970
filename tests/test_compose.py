"""The compose file, where no engine runs: that it is whole, and that every setting is documented."""

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from api import settings
from oracle.config import Home
from oracle.protocol.errors import BadInput

ROOT = Path(__file__).parent.parent
OPERATIONS = (ROOT / "docs" / "operations.md").read_text("utf-8")


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((ROOT / "compose.yaml").read_text("utf-8"))
    return found


def test_compose__every_name__is_declared(compose: dict[str, Any]) -> None:
    services = compose["services"]
    known = {kind: set(compose[kind]) for kind in ("volumes", "secrets", "networks")}
    for name, service in services.items():
        assert "image" in service, name
        assert set(service.get("depends_on", {})) <= services.keys(), name
        assert set(service.get("secrets", [])) <= known["secrets"], name
        assert set(service.get("networks", [])) <= known["networks"], name
        assert {volume.split(":")[0] for volume in service.get("volumes", [])} <= known["volumes"], name
        mode = service.get("network_mode", "service:proxy")
        assert mode.removeprefix("service:") in services, name
        assert not ("networks" in service and "network_mode" in service), name
    assert {"database", "ipfs", "up"} <= services.keys()
    assert any(service.get("deploy", {}).get("replicas", 1) > 1 for service in services.values())


def test_compose__secrets__are_files_and_never_in_it(compose: dict[str, Any]) -> None:
    assert all("file" in secret for secret in compose["secrets"].values())
    given = {n: v for service in compose["services"].values() for n, v in service.get("environment", {}).items()}
    assert not [name for name in given if "PASSWORD" in name.upper() and not name.endswith("_FILE")]


def test_compose__commands__are_commands_of_ours(compose: dict[str, Any]) -> None:
    from typer.main import get_command

    from oracle.cli import app

    known = get_command(app).commands  # type: ignore[attr-defined]
    for name, service in compose["services"].items():
        words = service.get("command", "").split()
        if words[:1] == ["crowdproof"]:
            known[words[1]].make_context(words[1], words[2:]).close(), name


def test_compose__by_an_engine__is_taken(compose: dict[str, Any]) -> None:
    docker = shutil.which("docker")
    if docker is None or subprocess.run([docker, "compose", "version"], capture_output=True, check=False).returncode:  # noqa: S603
        pytest.skip("docker compose: not installed")
    asked = [docker, "compose", "-f", str(ROOT / "compose.yaml"), "config", "--quiet"]
    found = subprocess.run(asked, capture_output=True, text=True, timeout=60, check=False)  # noqa: S603
    assert found.returncode == 0, found.stderr


def test_settings__each__is_documented() -> None:
    names = set(re.findall(r'"((?!CROWDPROOF)[A-Z][A-Z_]+)"', (ROOT / "api" / "settings.py").read_text("utf-8")))
    assert len(names) >= 7
    for name in names:
        assert f"CROWDPROOF_API_{name}" in OPERATIONS, name
    for name in ("CROWDPROOF_HOME", "CROWDPROOF_DATABASE", "CROWDPROOF_DATABASE_FILE"):
        assert name in OPERATIONS, name


def test_settings__by_environment_and_by_file__the_same(tmp_path: Path) -> None:
    home = Home(tmp_path)
    (tmp_path / "origins").write_text("https://A.example.org http://b.example.org:81\n")
    given = {
        "CROWDPROOF_API_ORIGINS_FILE": str(tmp_path / "origins"),
        "CROWDPROOF_API_RATE": "5",
        "CROWDPROOF_API_FAUCET": "0",
    }
    found = settings.read(home, given)
    assert found.origins == ("https://a.example.org", "http://b.example.org:81")
    assert (found.rate, found.faucet, found.behind_proxy) == (5.0, False, False)
    for name, wrong in (
        ("ORIGINS", "example.org"),
        ("ORIGINS", "https://x/path"),
        ("RATE", "-1"),
        ("RATE", "nan"),
        ("BURST", "many"),
        ("FAUCET", "yes"),
        ("ORIGINS_FILE", "/nothing/there"),
    ):
        with pytest.raises(BadInput, match=name):
            settings.read(home, {f"CROWDPROOF_API_{name}": wrong})
