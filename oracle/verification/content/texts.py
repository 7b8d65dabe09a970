"""Checks of one text by itself: length, language, personal data.

str -> Finding. Offsets are of the text as it was given, in characters. Before anything is looked for, a text is folded: characters
that show nothing (zero width, joiners) are dropped and compatibility forms (full-width digits) become plain ones, so that neither
hides what a person would read.
"""

import re
import unicodedata
from collections.abc import Callable
from functools import cache
from hashlib import sha256
from typing import Any

from oracle.protocol.errors import BadInput
from oracle.verification.content.findings import MOST_EVIDENCE, Evidence, Finding

LEAST_LETTERS = 20  # with fewer, no language is named


def folded(text: str) -> tuple[str, list[int]]:
    """The text as it is read, and for each of its characters the offset in the given one."""
    letters: list[str] = []
    places: list[int] = []
    for place, letter in enumerate(text):
        if unicodedata.category(letter) not in ("Cf", "Mn"):
            plain = unicodedata.normalize("NFKC", letter)
            letters.extend(plain)
            places.extend([place] * len(plain))
    return "".join(letters), places


def length(text: str, least: int, most: int) -> Finding:
    """Characters that can be seen, within limits. Score: how many are too few or too many."""
    found = sum(not c.isspace() and unicodedata.category(c) not in ("Cf", "Cc", "Mn") for c in text)
    short = found < least
    score = float(max(least - found, len(text) - most, 0))
    words = f"{found} visible of {len(text)} characters; the job asks for {least} to {most}"
    reason = "too-short" if short or not score else "too-long"
    return Finding("length", reason, score, 0.0, words, (Evidence("characters", value=float(found)),))


# ----------------------------------------------------------------------------------------------------------- language


def language(text: str, allowed: tuple[str, ...], doubt: float) -> Finding:
    """Whether it is written in one of the languages (ISO 639-1). Score: probability that it is in none of them.

    Naive Bayes over byte n-grams, 97 languages (Lui & Baldwin 2012, https://aclanthology.org/P12-3005). A text with fewer than
    20 letters, or a job that names no language, is not judged.
    """
    seen = sum(c.isalpha() for c in text)
    if not allowed or seen < LEAST_LETTERS:
        return Finding(
            "language", "wrong-language", 0.0, doubt, "no language is asked for, or too few letters to tell one"
        )
    known = _identifier()
    if unknown := set(allowed) - set(known.labels):
        raise BadInput(f"policy.languages: {min(unknown)[:20]!r} is not known; use ISO 639-1 codes, like en")
    shares = {name: float(share) for name, share in known.rank(text)}
    best = max(shares, key=lambda name: (shares[name], name))
    score = 1.0 - min(1.0, sum(shares[name] for name in allowed))
    words = f"reads as {best} ({shares[best]:.3f}), the job asks for {', '.join(allowed)}"
    return Finding(
        "language", "wrong-language", score, doubt, words, (Evidence("language", of=best, value=shares[best]),)
    )


@cache
def _identifier() -> Any:
    from py3langid.langid import MODEL_FILE, LanguageIdentifier  # noqa: PLC0415 - loads for those who ask

    return LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)


# ------------------------------------------------------------------------------------------------------ personal data


def personal(text: str) -> Finding:
    """Personal data of structured kinds, and secrets. Score: how many; evidence: kind and offsets, never the data itself.

    Numbers with a check digit must pass it (cards: Luhn and issuer; IBAN: mod 97 and length; Bitcoin: checksums).
    """
    plain, places = folded(text)
    found: list[tuple[int, int, str]] = []
    for kind, pattern, holds in KINDS:
        for match in pattern.finditer(plain):
            size = holds(match.group())
            span = (match.start(), match.start() + size)
            if size and not any(a < span[1] and span[0] < b for a, b, _ in found):
                found.append((*span, kind))
    found.sort()
    spans = [(places[a], places[b - 1] + 1, kind) for a, b, kind in found]
    evidence = tuple(Evidence(kind, start, end) for start, end, kind in spans[:MOST_EVIDENCE])
    kinds = ", ".join(sorted({kind for _, _, kind in spans})) or "none"
    return Finding("personal", "personal-data", float(len(spans)), 0.0, f"personal data or secrets: {kinds}", evidence)


def luhn(digits: str) -> bool:
    """ISO/IEC 7812-1."""
    doubled = [int(d) * (1 + i % 2) for i, d in enumerate(reversed(digits))]
    return sum(d - 9 if d > 9 else d for d in doubled) % 10 == 0


def _whole(found: str) -> int:
    return len(found)


def _card(found: str) -> int:
    digits = re.sub(r"\D", "", found)
    return len(found) if _ISSUERS.fullmatch(digits) and len(set(digits)) > 1 and luhn(digits) else 0


def iban(found: str) -> int:
    """Characters of the IBAN at its beginning; 0 if there is none. ISO 13616."""
    wanted = _IBAN_LENGTH.get(found[:2], 0)
    taken = [i for i, c in enumerate(found) if c.isalnum()][:wanted]
    if not wanted or len(taken) < wanted:
        return 0
    letters = "".join(found[i] for i in taken)
    number = int("".join(str(int(c, 36)) for c in letters[4:] + letters[:4]))
    return taken[-1] + 1 if number % 97 == 1 else 0


def _base58(found: str) -> int:
    """Base58Check, as Bitcoin's first addresses."""
    number = 0
    for c in found:
        number = number * 58 + BASE58.index(c)
    if number >= 1 << 200:
        return 0
    data = number.to_bytes(25, "big")
    return len(found) if sha256(sha256(data[:21]).digest()).digest()[:4] == data[21:] else 0


def bech32(found: str) -> int:
    """BIP 173 and BIP 350."""
    chk = 1
    for value in [3, 3, 0, 2, 3, *(_BECH32.index(c) for c in found[3:])]:
        top = chk >> 25
        chk = (chk & 0x1FFFFFF) << 5 ^ value
        for i, generator in enumerate((0x3B6A57B2, 0x26508E6D, 0x1EA119FA, 0x3D4233DD, 0x2A1462B3)):
            chk ^= generator if (top >> i) & 1 else 0
    return len(found) if chk in (1, 0x2BC830A3) else 0


_ISSUERS = re.compile(
    r"4\d{12}(?:\d{3}){0,2}|5[1-5]\d{14}|2[2-7]\d{14}|3[47]\d{13}|3[068]\d{12}|35\d{14}|6(?:011|5\d\d|4[4-9]\d)\d{12}"
)
BASE58 = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
_BECH32 = "qpzry9x8gf2tvdw0s3jn54khce6mua7l"
_IBAN_LENGTH = {
    code: int(size)
    for size, codes in (
        ("15", "NO"), ("16", "BE"), ("18", "DK FI FO GL NL"), ("19", "MK SI"), ("20", "AT BA EE KZ LT LU XK"),
        ("21", "CH HR LI LV"), ("22", "BG BH CR DE GB GE IE ME RS VA"), ("23", "AE GI IL IQ TL"),
        ("24", "AD CZ ES MD PK RO SA SE SK TN VG"), ("25", "PT ST"), ("26", "IS TR"), ("27", "FR GR IT MC MR SM"),
        ("28", "AL AZ BY CY DO GT HU LB PL SV"), ("29", "BR EG PS QA UA"), ("30", "JO KW MU"), ("31", "MT SC"),
    )
    for code in codes.split()
}  # fmt: skip

KINDS: tuple[tuple[str, re.Pattern[str], Callable[[str], int]], ...] = (
    (
        "secret",
        re.compile(
            r"-----BEGIN [A-Z ]{0,20}PRIVATE KEY-----|(?<![0-9A-Za-z])(?:0x)?[0-9a-fA-F]{64}(?![0-9A-Za-z])"
            r"|(?<!\w)(?:AKIA[0-9A-Z]{16}|gh[pousr]_[0-9A-Za-z]{36}|sk-[0-9A-Za-z_-]{20,200})(?!\w)"
            r"|eyJ[\w-]{8,2000}\.eyJ[\w-]{8,4000}\.[\w-]{8,2000}"
        ),
        _whole,
    ),
    ("wallet", re.compile(r"(?<![0-9A-Za-z])0x[0-9a-fA-F]{40}(?![0-9A-Za-z])"), _whole),
    ("wallet", re.compile(rf"(?<![0-9A-Za-z])[13][{BASE58}]{{25,34}}(?![0-9A-Za-z])"), _base58),
    ("wallet", re.compile(rf"(?<![0-9A-Za-z])bc1[{_BECH32}]{{11,71}}(?![0-9A-Za-z])"), bech32),
    ("mail", re.compile(r"(?<![\w.%+-])[\w.%+-]{1,64}@(?:[\w-]{1,63}\.){1,6}[^\W\d_]{2,24}(?![\w-])"), _whole),
    ("iban", re.compile(r"(?<![0-9A-Za-z])[A-Z]{2}[0-9]{2}(?:[ -]?[0-9A-Z]){11,30}"), iban),
    ("card", re.compile(r"(?<![\d.,-])[2-6]\d{3}(?:[ -]?\d){9,15}(?![\d-])"), _card),
    (
        "phone",
        re.compile(
            r"(?<![\w.+])\+[1-9](?:[ ()./-]{0,2}\d){7,14}(?!\d)"
            r"|(?<![\w.(-])(?:1[-. ])?(?:\([2-9]\d\d\) ?|[2-9]\d\d[-. ])[2-9]\d\d[-. ]\d{4}(?![\w-])"
        ),
        _whole,
    ),
)  # fmt: skip
