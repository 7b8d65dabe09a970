"""All checks of a job's answers under its policy: answers -> one Report each, in their order."""

from collections.abc import Callable, Sequence
from dataclasses import replace

from oracle.protocol.errors import BadInput
from oracle.verification.content import corpus, images, texts
from oracle.verification.content.corpus import Text
from oracle.verification.content.findings import MOST_TEXT, Finding, Policy, Report
from oracle.verification.content.images import Image


def check_texts(answers: Sequence[Text], policy: Policy) -> list[Report]:
    """What is found of the answers of one job. Beside the answers a check sees nothing, so that anyone can repeat it."""
    _distinct([a.id for a in answers])
    cut = [
        replace(a, text=a.text[:MOST_TEXT], prompt=a.prompt[:MOST_TEXT]) for a in answers
    ]  # longer fails by its length
    checks: dict[str, Callable[[], list[Finding]]] = {
        "length": lambda: [texts.length(a.text, policy.least, policy.most) for a in answers],
        "language": lambda: [texts.language(a.text, policy.languages, policy.language_doubt) for a in cut],
        "gibberish": lambda: corpus.gibberish(cut, policy.gibberish),
        "monotony": lambda: [corpus.monotony(a, policy.monotony) for a in cut],
        "personal": lambda: [texts.personal(a.text) for a in cut],
        "echo": lambda: [corpus.echo(a, policy.echo) for a in cut],
        "repeat": lambda: corpus.repeat(cut, policy.repeat),
        "copy": lambda: corpus.copy(cut, policy.copy),
    }
    columns = [run() for name, run in checks.items() if name in policy.check]
    rows = zip(*columns, strict=True) if columns else iter([()] * len(answers))
    return [policy.report(a.id, row) for a, row in zip(answers, rows, strict=True)]


def check_images(answers: Sequence[Image], policy: Policy) -> list[Report]:
    """The same for images."""
    _distinct([a.id for a in answers])
    looked = [images.look(a.data, policy) for a in answers]
    alike = images.twins(answers, looked, policy.twin)
    return [policy.report(a.id, (*one.findings, twin)) for a, one, twin in zip(answers, looked, alike, strict=True)]


def _distinct(ids: Sequence[str]) -> None:
    if len(set(ids)) != len(ids):
        twice = next(name for name in ids if ids.count(name) > 1)
        raise BadInput(f"two answers have the id {twice[:80]!r}: evidence names an answer by its id")
