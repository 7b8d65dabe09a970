"""What a check of content says, and the policy by which it rejects an answer.

A check gives one `Finding`: a score that fails above its threshold, a stable reason code, words, and evidence that points into the
answer (offsets) or at another answer (its id). Evidence repeats no text: a reason is public, and what it is about may be private.
A `Policy` belongs to a job. Its default rejects nothing: what fails is reported, and only checks named in `reject` decide.

What rejects an answer is judgement (docs/content-checks.md): `reason_block` is the block whose digest an epoch commits, and
`repeats` is what another member, or an arbitrator, does with it.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from oracle.protocol.cids import decode, encode
from oracle.protocol.errors import BadInput
from oracle.protocol.plain import from_json, to_json

TEXT_CHECKS = ("length", "language", "gibberish", "monotony", "personal", "echo", "repeat", "copy")
IMAGE_CHECKS = ("readable", "size", "blur", "exposure", "location", "twin")
MOST_TEXT = 50_000  # characters, about a leaf that can be revealed
MOST_BYTES = 32 << 20
MOST_PIXELS = 50_000_000
MOST_EVIDENCE = 16  # of one finding


@dataclass(frozen=True, slots=True)
class Evidence:
    """One piece: characters `start` to `end` of the answer, or another answer `of`, or a number that was measured."""

    kind: str
    start: int = 0
    end: int = 0
    of: str = ""
    value: float = 0.0


@dataclass(frozen=True, slots=True)
class Finding:
    """What one check says of one answer; the higher the score, the worse."""

    check: str
    reason: str  # stable, for programs
    score: float
    threshold: float
    words: str
    evidence: tuple[Evidence, ...] = ()

    @property
    def fails(self) -> bool:
        return self.score > self.threshold


@dataclass(frozen=True, slots=True)
class Report:
    """What was found of one answer: the findings that fail, and the reasons for which the policy rejects it."""

    id: str
    findings: tuple[Finding, ...]
    rejected: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Policy:
    """Which checks are made, which of them reject, and the limits. Thresholds: as measured by `crowdproof bench content`."""

    check: tuple[str, ...] = TEXT_CHECKS + IMAGE_CHECKS
    reject: tuple[str, ...] = ()
    least: int = 1  # characters
    most: int = MOST_TEXT
    languages: tuple[str, ...] = ()  # ISO 639-1; empty for any
    language_doubt: float = 0.99  # probability that the text is in none of them
    gibberish: float = 1.5  # bits a character beyond the usual
    monotony: float = 0.6  # share that stood in the text before
    echo: float = 0.9  # share of the answer that stands in its prompt
    repeat: float = 0.9  # Jaccard similarity with an answer to another task
    copy: float = 7.0  # nats beyond what chance and the answer space explain, after counting all pairs
    least_side: int = 64  # pixels
    most_pixels: int = MOST_PIXELS
    most_bytes: int = MOST_BYTES
    blur: float = 1.5  # -log10 of the share of the variance that is fine detail
    exposure: float = 0.9  # share of the pixels in one sixteenth of the brightness
    twin: float = 0.9  # share of equal bits of the perceptual hash

    def report(self, name: str, findings: Iterable[Finding]) -> Report:
        failing = tuple(f for f in findings if f.fails and f.check in self.check)
        return Report(name, failing, tuple(f.reason for f in failing if f.check in self.reject))


def read_policy(value: Any, where: str = "policy") -> Policy:
    """A policy from JSON; fields that are left out keep their default. Raises BadInput naming the field."""
    if not isinstance(value, dict):
        raise BadInput(f'{where}: a policy is an object, like {{"reject": ["personal"], "languages": ["en"]}}')
    plain = to_json(Policy())
    for name, default in plain.items():  # JSON has one kind of number
        if isinstance(default, float) and type(value.get(name)) is int:
            value = {**value, name: float(value[name])}
    policy = from_json(Policy, {**plain, **value}, where)
    known = TEXT_CHECKS + IMAGE_CHECKS
    for field in ("check", "reject"):
        if unknown := set(getattr(policy, field)) - set(known):
            raise BadInput(f"{where}.{field}: {min(unknown)[:40]!r} is no check; there are {', '.join(known)}")
    if idle := set(policy.reject) - set(policy.check):
        raise BadInput(f"{where}.reject: {min(idle)!r} rejects, but is not made: name it in check too")
    _within(where, "most", policy.most, policy.least, MOST_TEXT)
    _within(where, "most_pixels", policy.most_pixels, 1, MOST_PIXELS)
    _within(where, "most_bytes", policy.most_bytes, 1, MOST_BYTES)
    for field in ("language_doubt", "monotony", "echo", "repeat", "exposure", "twin"):
        _within(where, field, getattr(policy, field), 0, 1)
    return policy


def reason_block(job: int, task: int, worker: int, policy: Policy, report: Report) -> bytes:
    """The dag-cbor block that says why an answer was rejected. Raises BadInput for one that the policy did not reject."""
    if not report.rejected:
        raise BadInput(f"answer {report.id[:80]!r}: it is not rejected, so there is no reason to give")
    findings = [f for f in report.findings if f.reason in report.rejected]
    place = {"job": job, "task": task, "worker": worker}
    return encode({"version": 0, **place, "policy": to_json(policy), "findings": [to_json(f) for f in findings]})


def read_reason(block: bytes) -> tuple[Policy, tuple[Finding, ...]]:
    """Policy and findings of a reason. Raises BadInput for a block of another form."""
    value = decode(block)
    if not isinstance(value, dict) or value.get("version") != 0:
        raise BadInput("reason: a map with version 0 is expected")
    findings = from_json(tuple[Finding, ...], value.get("findings"), "reason.findings")
    return read_policy(value.get("policy"), "reason.policy"), findings


def repeats(block: bytes, policy: Policy, report: Report) -> bool:
    """Whether who checks the answer again, under the job's policy, finds each of the reasons too.

    Scores may differ in their last digits between machines; what must be the same is the policy and that they fail.
    """
    stated, findings = read_reason(block)
    return stated == policy and bool(findings) and {f.reason for f in findings} <= set(report.rejected)


def _within(where: str, field: str, value: float, low: float, high: float) -> None:
    if not low <= value <= high:
        raise BadInput(f"{where}.{field}: {value} must lie in {low}..{high}")
