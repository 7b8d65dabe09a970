"""The bench of seals: its sizes are those of real envelopes."""

from oracle.bench import seal
from oracle.protocol.sealing import MEMBERS, THRESHOLD, envelope_size


def test_seals__each_committee__has_the_sizes_of_real_envelopes() -> None:
    document = seal.seals(1)
    assert set(document["committees"]) == {"4", "7", "13", "31"}
    for size, one in document["committees"].items():
        assert one["members"]["bytes"] == envelope_size(int(size), 1, MEMBERS)
        assert one["threshold"]["bytes"] == envelope_size(int(size), 1, THRESHOLD)
        assert min(one["members"]["seal_us"], one["threshold"]["join_us"]) > 0
    found = document["verdicts"]
    assert 1 < found["sealed"]["bytes"] / found["public"]["bytes"] < 1.1
    assert "31 members" in seal.text(document)
