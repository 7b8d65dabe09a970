"""The bench of the registry's rules: it tells a world that changed from one that did not."""

from oracle.bench import registry


def test_rules__a_few_worlds__tell_changed_from_unchanged() -> None:
    found = registry.rules(300, 12)
    assert found == registry.rules(300, 12)  # by the seeds
    unchanged = found["alarms"].pop("nothing changed")
    assert unchanged <= 1 / 12 and min(found["alarms"].values()) >= 10 / 12
    assert found["promoted"]["equal"] <= 2 / 12 < found["promoted"]["better"] and found["ok"]
    assert "promoted, a candidate that is better" in registry.text(found | {"alarms": {}})


def test_rules__alarms_too_often__is_not_ok(monkeypatch) -> None:  # type: ignore[no-untyped-def]
    monkeypatch.setattr(registry.drift, "signs", lambda *_: [registry.drift.Sign("x", 0, 0, 0, True, "")])
    assert not registry.rules(100, 10)["ok"]
