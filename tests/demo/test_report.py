"""The page for people: every figure on it is one of the document's, and the money adds up."""

import io
import re
from typing import Any

import pytest
from rich.console import Console
from rich.progress import Progress

from oracle.demo import progress, report

DOCUMENT: dict[str, Any] = {
    "tasks": 800,
    "workers": 164,
    "answers": 8000,
    "answers_recorded": 8000,
    "accuracy": 0.9275,
    "agreement": None,
    "epochs": 2,
    "committee": {"members": 4, "quorum": 3},
    "transactions": 21,
    "gas": {"register": 9_935_204, "per_answer": 1041.1, "per_registration": 60580.5},
    "escrowed": 102_500_000,
    "debited": 97_136_687,
    "paid": 97_136_000,
    "claimable": 687,
    "fee": 2_369_187,
    "refunded": 5_363_313,
    "audit": {"ok": True, "verdicts": 800, "answers": 8000, "balances": 165, "blocks": 33, "epochs": 2, "faults": []},
    "verdicts_digest": "7a" * 32,
    "notes": ["a note"],
    "seconds": {"answer": 20.0, "settle": 10.0, "audit": 3.0, "fund": 0.1, "total": 33.1},
    "home": "/somewhere",
}


def test_text__money__adds_up_to_the_escrow() -> None:
    amounts = dict(re.findall(r"^  (\w+) +([\d,.]+) DEMO", report.text(DOCUMENT), re.MULTILINE))
    figures = {name: round(float(amount.replace(",", "")) * 1e6) for name, amount in amounts.items()}
    assert figures.pop("escrowed") == sum(figures.values()) == DOCUMENT["escrowed"]
    assert set(figures) == {"paid", "fee", "claimable", "refunded"}


def test_text__says_how_good_how_long_and_where_to_look() -> None:
    text = report.text(DOCUMENT)
    for words in (
        "92.75%",
        "2 epochs",
        "3 of 4",
        "8,000",
        "164 wallets",
        "answer 20.0",
        "a note",
        DOCUMENT["verdicts_digest"],
    ):
        assert words in text
    assert "crowdproof audit --home /somewhere" in text
    assert max(map(len, text.splitlines())) <= 110


def test_text__failed_audit__says_so() -> None:
    failed = {**DOCUMENT, "audit": {**DOCUMENT["audit"], "ok": False, "faults": ["epoch 1, verdicts, index 3: wrong"]}}
    assert "FAILED: epoch 1, verdicts, index 3: wrong" in report.text(failed)


def test_text__no_gold__the_consensus_instead() -> None:
    text = report.text({**DOCUMENT, "accuracy": None, "agreement": 0.955, "tasks": 45})
    assert "43 of 45 as in the published consensus" in text
    assert "right against" not in report.text({**DOCUMENT, "accuracy": None})


def test_shown__no_terminal__prints_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    with progress.shown(("one", "two")) as show:
        show.stage("one")
        show.note("working")
        show.count(1, 2)
    assert capsys.readouterr() == ("", "")


def test_bars__terminal__shows_stage_note_and_count() -> None:
    out = io.StringIO()
    console = Console(file=out, force_terminal=True, width=100, color_system=None)
    with Progress(*progress.COLUMNS, console=console) as bar:
        show = progress.Bars(bar, ("one", "two"))
        show.stage("two")
        show.note("sealing [b]answers[/b]")
        show.count(3, 8)
    assert "sealing [b]answers[/b]" in out.getvalue()
    assert "1/2" in out.getvalue()
    assert "3/8" in out.getvalue()
