"""The bench of machines: on the recorded set of people and models one voice is better, and sizes are said."""

from pathlib import Path

import pytest

from oracle.bench import machines
from oracle.protocol.errors import BadInput


def test_machines__people_and_models__one_voice_is_surer_for_good_reasons(crowd_data: Path) -> None:
    document = machines.machines(crowd_data / "llm_human_cebab_aspects", "llm_", 1)
    assert document["machines"] == 6
    for ways in document["kept"].values():
        assert ways["one voice"]["accuracy"] > ways["each a voice"]["accuracy"]
        assert ways["one voice"]["log_loss"] < ways["each a voice"]["log_loss"]
        assert ways["one voice"]["accuracy"] > max(ways["people"]["accuracy"], ways["machines"]["accuracy"])
    assert "2 of people, one voice" in machines.text(document)


def test_machines__no_models_among_the_workers__is_refused(crowd_data: Path) -> None:
    with pytest.raises(BadInput, match="must be some, and not all"):
        machines.machines(crowd_data / "llm_human_cebab_aspects", "robot_", 1)
