"""What a finished demo has logged holds none of the secrets and none of the answers that it worked with."""

from pathlib import Path
from typing import Any

import pytest

from tests.support.secrets import leaks, of_home

pytestmark = pytest.mark.sockets


def test_logs__of_a_finished_demo__hold_no_secret_and_no_answer(finished: tuple[Path, dict[str, Any]]) -> None:
    secrets = of_home(finished[0])
    kinds = {name.split(" ")[0] for name in secrets}
    assert kinds == {"token", "password", "private", "signature", "envelope"}
    assert len(secrets) > 2 * 315
    assert leaks(finished[0] / "logs", secrets) == []


def test_leaks__where_they_must_be__finds_them(finished: tuple[Path, dict[str, Any]]) -> None:
    """The search can fail: the token lies in its file, the envelopes in the members' databases."""
    home = finished[0]
    secrets = of_home(home)
    few = {name: secrets[name] for name in ("token", "password", next(n for n in secrets if n.startswith("envelope")))}
    found = " ".join(leaks(home, few))
    assert f"{home}/token: token" in found
    assert f"{home}/password: password" in found
    assert "member.db" in found
