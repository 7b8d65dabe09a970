"""Checks of one text: offsets point at what was found, nothing hides it, check digits are checked, and no data is repeated."""

import json
import random
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from oracle.bench.content import _SECRETS
from oracle.protocol.errors import BadInput
from oracle.protocol.plain import to_json
from oracle.verification.content.texts import language, length, luhn, personal


def kinds(text: str) -> list[tuple[str, str]]:
    return [(e.kind, text[e.start : e.end]) for e in personal(text).evidence]


@pytest.mark.parametrize(
    ("text", "kind", "shown"),
    [
        ("write to jo.doe+x@mail.example.org please", "mail", "jo.doe+x@mail.example.org"),
        ("my card 4111 1111 1111 1111, thanks", "card", "4111 1111 1111 1111"),
        ("IBAN DE89 3704 0044 0532 0130 00 THANKS A LOT", "iban", "DE89 3704 0044 0532 0130 00"),
        ("pay GB82WEST12345698765432.", "iban", "GB82WEST12345698765432"),
        ("call (415) 555-2671 now", "phone", "(415) 555-2671"),
        ("call +44 20 7946 0958 now", "phone", "+44 20 7946 0958"),
        ("0x52908400098527886E0F7030069857D2E4169EE7", "wallet", "0x52908400098527886E0F7030069857D2E4169EE7"),
        ("to 1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa it went", "wallet", "1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa"),
        ("bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4", "wallet", "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4"),
        ("key " + "ab" * 32, "secret", "ab" * 32),
        ("-----BEGIN EC PRIVATE KEY-----", "secret", "-----BEGIN EC PRIVATE KEY-----"),
        ("\uff14111 1111 1111 111\uff11", "card", "\uff14111 1111 1111 111\uff11"),  # full width
        ("4111\u200b1111\u200b1111\u200b1111", "card", "4111\u200b1111\u200b1111\u200b1111"),
    ],
)
def test_personal__data_in_a_text__is_found_where_it_stands(text: str, kind: str, shown: str) -> None:
    assert kinds(text) == [(kind, shown)]
    assert personal(text).fails


@pytest.mark.parametrize(
    "text",
    [
        "4111 1111 1111 1112",  # Luhn fails
        "9111 1111 1111 1119",  # no issuer
        "DE88 3704 0044 0532 0130 00",  # mod 97 fails
        "1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNb",  # checksum fails
        "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t5",
        "Canon EOS 40D 1901B004, 10.1 Megapixel, 2008-11-25 14:02:33, ISBN 978-3-16-148410-0",
        "version 1.2.3.4 costs 1,234,567,890.00 and 192.168.100.200 is a machine",
        "@home and you@",
        "",
    ],
)
def test_personal__numbers_that_only_look_alike__pass(text: str) -> None:
    assert kinds(text) == []


@pytest.mark.parametrize("kind", _SECRETS)
def test_personal__finding__does_not_repeat_the_data(kind: str) -> None:
    secret = _SECRETS[kind](random.Random(7))
    finding = personal(f"it is {secret} indeed")
    assert finding.fails
    assert secret not in json.dumps(to_json(finding))


@pytest.mark.parametrize(
    "piece", ["a", "1", "a@", "eyJ", "0x", "A0", "1-", "4 ", "bc1", "+1 ", "a.", "\u0300", "\ufdfa"]
)
def test_personal__fifty_thousand_hostile_characters__takes_no_time(piece: str) -> None:
    begin = time.process_time()
    personal((piece * 50_000)[:50_000])
    assert time.process_time() - begin < 5


@given(st.text(max_size=200))
@settings(max_examples=200, deadline=None)
def test_personal__any_text__evidence_lies_in_it(text: str) -> None:
    for e in personal(text).evidence:
        assert 0 <= e.start < e.end <= len(text)


def naive_luhn(digits: str) -> bool:
    total = 0
    for place, digit in enumerate(digits[::-1]):
        value = int(digit) * (2 if place % 2 else 1)
        total += value // 10 + value % 10
    return total % 10 == 0


@given(st.text("0123456789", min_size=1, max_size=20))
def test_luhn__any_digits__as_by_hand(digits: str) -> None:
    assert luhn(digits) == naive_luhn(digits)


@pytest.mark.parametrize(
    ("text", "reason"), [("", "too-short"), (" \u200b\n", "too-short"), ("ab", "too-short"), ("x" * 11, "too-long")]
)
def test_length__outside_the_limits__fails_with_its_reason(text: str, reason: str) -> None:
    finding = length(text, 3, 10)
    assert (finding.fails, finding.reason) == (True, reason)


def test_length__at_the_limits__passes() -> None:
    assert not length("abc", 3, 10).fails
    assert not length("x" * 10, 3, 10).fails


def test_language__of_another_tongue__fails_and_names_it() -> None:
    german = "Alle Menschen sind frei und gleich an Würde und Rechten geboren."
    english = "All human beings are born free and equal in dignity and rights."
    assert language(german, ("en",), 0.99).fails
    assert language(german, ("en",), 0.99).evidence[0].of == "de"
    assert not language(german, ("en", "de"), 0.99).fails
    assert not language(english, ("en",), 0.99).fails
    assert not language(german, (), 0.99).fails
    assert language("Всем привет и всего самого доброго", ("en",), 0.99).fails
    assert not language("Всем привет", ("en",), 0.99).fails  # too few letters to tell
    with pytest.raises(BadInput, match=r"languages: 'english'"):
        language(english, ("english",), 0.99)
