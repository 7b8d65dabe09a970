"""presidio-analyzer over the sentences of `bench privacy`, with an injected engine that needs no download, beside our own search.

The engine is a blank tokenizer of spaCy whose names are ours. Its own recognisers of what both know are run as they come: English,
mails, cards, IBANs, IPs, phones and the numbers of the United States.
"""

import resource
import time
from collections.abc import Sequence
from typing import Any

from oracle.bench.privacy import SENTENCES, Made, made, scores
from oracle.privacy import names
from oracle.privacy.find import Found, find
from oracle.protocol.errors import BadInput

KINDS = {
    "EMAIL_ADDRESS": "mail",
    "CREDIT_CARD": "card",
    "IBAN_CODE": "iban",
    "IP_ADDRESS": "ip",
    "PHONE_NUMBER": "phone",
    "US_SSN": "identity",
    "PERSON": "name",
}


def compared(sentences: int, seed: int) -> dict[str, Any]:
    """Recall and precision of both on the English sentences, and what each costs."""
    texts = [one for one in made(sentences, seed, SENTENCES) if one.language == "en" and not one.field]
    before, memory = time.process_time(), _memory()
    engine = _engine()
    load = {"cpu_s": time.process_time() - before, "mib": _memory() - memory}
    ours = _measured(texts, find)
    theirs = _measured(texts, lambda text: _kinds(engine.analyze(text, "en", list(KINDS))))
    return {"texts": len(texts), "load": load, "ours": ours, "presidio": theirs}


def text(d: dict[str, Any]) -> str:
    rows = [
        f"  {d['texts']:,} English sentences; presidio loads in {d['load']['cpu_s']:.1f} s of CPU and {d['load']['mib']:.0f} MiB",
        "",
    ]
    rows += [f"  {'':12}{'planted':>9}{'recall':>9}{'precision':>11}{'presidio':>13}{'precision':>11}"]
    for kind, one in d["ours"]["kinds"].items():
        other = d["presidio"]["kinds"][kind]
        pair = [x for both in (one, other) for x in (both["recall"], both["precision"])]
        rows.append(f"  {kind:12}{one['planted']:9,}{pair[0]:9.3f}{pair[1]:11.3f}{pair[2]:13.3f}{pair[3]:11.3f}")
    return "\n".join([*rows, "", f"  us of CPU a character: {d['ours']['us']:.1f}, presidio {d['presidio']['us']:.1f}"])


def _measured(texts: Sequence[Made], search: Any) -> dict[str, Any]:
    search(texts[0].text)
    before = time.process_time()
    found = [search(one.text) for one in texts]
    spent = time.process_time() - before
    kinds = {kind: scores(texts, found, kind) for kind in KINDS.values()}
    return {"kinds": kinds, "us": 1e6 * spent / sum(len(one.text) for one in texts)}


def _kinds(results: Sequence[Any]) -> list[Found]:
    return [Found(KINDS[one.entity_type], one.start, one.end) for one in results]


def _memory() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def _engine() -> Any:
    try:
        import presidio_analyzer as presidio  # noqa: PLC0415 - for this comparison alone
        import spacy  # noqa: PLC0415
        import tldextract  # noqa: PLC0415
        from presidio_analyzer import nlp_engine, predefined_recognizers  # noqa: PLC0415
    except ImportError:
        raise BadInput("this comparison needs the package presidio-analyzer: pip install presidio-analyzer") from None
    tldextract.tldextract.TLD_EXTRACTOR = tldextract.TLDExtract(suffix_list_urls=())  # which would ask the network

    kinds = ("CreditCard", "Email", "Iban", "Ip", "Phone", "UsSsn")
    recognizers = [getattr(predefined_recognizers, f"{kind}Recognizer")() for kind in kinds]
    registry = presidio.RecognizerRegistry([*recognizers, _names(presidio)])
    return presidio.AnalyzerEngine(registry, _blank(spacy, nlp_engine))


def _names(presidio: Any) -> Any:
    class Names(presidio.EntityRecognizer):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__(supported_entities=["PERSON"])

        def load(self) -> None: ...

        def analyze(self, text: str, entities: Any, nlp_artifacts: Any) -> list[Any]:  # noqa: ARG002
            return [presidio.RecognizerResult("PERSON", start, end, 0.85) for start, end in names.spans(text)]

    return Names()


def _blank(spacy: Any, nlp_engine: Any) -> Any:
    class Blank(nlp_engine.NlpEngine):  # type: ignore[misc]
        def load(self) -> None:
            self.words = spacy.blank("en")

        def is_loaded(self) -> bool:
            return hasattr(self, "words")

        def process_text(self, text: str, language: str) -> Any:
            found = self.words(text)
            lemmas = [word.text.lower() for word in found]
            return nlp_engine.NlpArtifacts([], found, [word.idx for word in found], lemmas, self, language)

        def process_batch(self, texts: Any, language: str, *_: Any, **__: Any) -> Any:
            return ((one, self.process_text(one, language)) for one in texts)

        def is_stopword(self, word: str, language: str) -> bool:  # noqa: ARG002
            return bool(self.words.vocab[word].is_stop)

        def is_punct(self, word: str, language: str) -> bool:  # noqa: ARG002
            return bool(self.words.vocab[word].is_punct)

        def get_supported_entities(self) -> list[str]:
            return []

        def get_supported_languages(self) -> list[str]:
            return ["en"]

    return Blank()
