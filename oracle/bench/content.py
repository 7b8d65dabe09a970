"""`crowdproof bench content`: how often the checks of content are wrong about honest answers, and what they find of planted ones.

Honest text: two crowds that wrote (transcripts, translations), and two collections of texts that crowds were asked about (reviews,
product listings). Every set is cut in two by the hash of its task: on the first half a threshold is chosen that one answer in a
thousand exceeds, on the second the rates are measured, at the threshold that ships, and at the one that the other sets alone would
have chosen. Planted answers are made from the second half. Images are drawn: dead leaves, the usual model of natural scenes (Lee,
Mumford, Huang 2001, https://doi.org/10.1023/A:1011109015675), or a folder of honest ones is given. The same figures every time.
"""

import csv
import gzip
import hashlib
import io
import random
import string
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from oracle.protocol.errors import BadInput
from oracle.verification.content import corpus, images, texts
from oracle.verification.content.corpus import Text
from oracle.verification.content.findings import Finding, Policy

WRITTEN = ("crowdspeech_dev_clean", "crowdwsa_t1")
SHOWN = {"amazon_isbook": "tasks.csv", "product": "tasks.csv.gz"}
RATE = 0.001  # of honest answers, at which a threshold is chosen
RULES = Policy(languages=("en",))
SCENES = 200
# Article 1 of the Universal Declaration of Human Rights, as far as one sentence goes.
FOREIGN = {
    "de": "Alle Menschen sind frei und gleich an Würde und Rechten geboren.",
    "es": "Todos los seres humanos nacen libres e iguales en dignidad y derechos.",
    "fr": "Tous les êtres humains naissent libres et égaux en dignité et en droits.",
    "it": "Tutti gli esseri umani nascono liberi ed eguali in dignità e diritti.",
    "nl": "Alle mensen worden vrij en gelijk in waardigheid en rechten geboren.",
    "pl": "Wszyscy ludzie rodzą się wolni i równi pod względem swej godności i swych praw.",
    "pt": "Todos os seres humanos nascem livres e iguais em dignidade e em direitos.",
    "ru": "Все люди рождаются свободными и равными в своем достоинстве и правах.",  # noqa: RUF001
    "tr": "Bütün insanlar hür, haysiyet ve haklar bakımından eşit doğarlar.",  # noqa: RUF001
    "ja": "すべての人間は、生まれながらにして自由であり、かつ、尊厳と権利とについて平等である。",
}
_WORDS = "the quick brown fox jumps over a lazy dog while seven wizards make toxic brew for the evil queen".split()  # noqa: SIM905
Check = Callable[[Sequence[Text]], list[Finding]]
CHECKS: dict[str, Check] = {
    "length": lambda of: [texts.length(a.text, RULES.least, RULES.most) for a in of],
    "language": lambda of: [texts.language(a.text, RULES.languages, RULES.language_doubt) for a in of],
    "gibberish": lambda of: corpus.gibberish(of, RULES.gibberish),
    "monotony": lambda of: [corpus.monotony(a, RULES.monotony) for a in of],
    "personal": lambda of: [texts.personal(a.text) for a in of],
    "repeat": lambda of: corpus.repeat(of, RULES.repeat),
    "copy": lambda of: corpus.copy(of, RULES.copy),
}
BY_CROWD = ("repeat", "copy")  # mean something only where people wrote


def content(data: Path, pictures: Path | None) -> dict[str, Any]:
    """False alarms on honest answers and the share of planted ones that is found, of each check."""
    sets = {name: _halves(_written(data / name)) for name in WRITTEN}
    sets |= {name: _halves(_shown(data / name / file)) for name, file in SHOWN.items()}
    found = {name: _score(halves) for name, halves in sets.items()}
    return {
        "rate": RATE,
        "answers": {name: [len(half) for half in halves] for name, halves in sets.items()},
        "honest": {check: _alarms(check, found) for check in CHECKS},
        "planted": dict(_planted(sets)),
        "images": _images(pictures),
    }


def text(d: dict[str, Any]) -> str:
    lines = []
    for check, one in d["honest"].items():
        rates = ", ".join(f"{name} {row['alarms']:.4f}" for name, row in one["sets"].items())
        lines.append(f"  {check:10} above {one['ships']:<6g} (chosen {one['chosen']:.3f}): {rates}")
    lines += [f"  planted    {name}: {row['found']:.3f} of {row['answers']}" for name, row in d["planted"].items()]
    lines += [f"  image      {name}: {rate:.3f}" for name, rate in d["images"]["rates"].items()]
    return "\n".join(lines)


# ---------------------------------------------------------------------------------------------------------------- data


def _written(folder: Path) -> list[Text]:
    """What the workers of a crowd wrote; who answered a task twice: the last."""
    rows = {(row["task"], row["worker"]): row["label"] for row in _rows(folder / "labels.csv")}
    return [Text(f"{task}/{worker}", label, task, worker) for (task, worker), label in rows.items()]


def _shown(file: Path) -> list[Text]:
    """Texts of tasks, each as if a worker of its own had written it."""
    return [Text(row["task"], row["text"], row["task"], "w" + row["task"]) for row in _rows(file)]


def _rows(file: Path) -> Iterator[dict[str, str]]:
    if not file.is_file():
        raise BadInput(f"{file}: there is no such file; --data names the folder of the crowds")
    opened = gzip.open if file.suffix == ".gz" else Path.open
    with opened(file, "rt", encoding="utf-8", newline="") as rows:
        yield from csv.DictReader(rows)


def _halves(answers: Sequence[Text]) -> tuple[list[Text], list[Text]]:
    side = {t: hashlib.sha256(t.encode()).digest()[0] & 1 for t in {a.task for a in answers}}
    return [a for a in answers if side[a.task] == 0], [a for a in answers if side[a.task] == 1]


# ---------------------------------------------------------------------------------------------------------- false alarms


def _score(halves: Sequence[Sequence[Text]]) -> dict[str, list[np.ndarray]]:
    """check -> scores of each half"""
    return {name: [np.array([f.score for f in check(half)]) for half in halves] for name, check in CHECKS.items()}


def _alarms(check: str, found: dict[str, dict[str, list[np.ndarray]]]) -> dict[str, Any]:
    names = WRITTEN if check in BY_CROWD else tuple(found)
    chosen = {
        name: _choose([found[n][check][0] for n in names if n != name] or [found[name][check][0]]) for name in names
    }
    ships = (
        0.0 if check in ("length", "personal") else getattr(RULES, "language_doubt" if check == "language" else check)
    )
    rows = {}
    for name in names:
        scores = found[name][check][1]
        rows[name] = {
            "alarms": float((scores > ships).mean()),
            "highest": float(scores.max()),
            "chosen_elsewhere": chosen[name],
            "alarms_elsewhere": float((scores > chosen[name]).mean()),
        }
    return {"ships": ships, "chosen": _choose([found[n][check][0] for n in names]), "sets": rows}


def _choose(scores: Sequence[np.ndarray]) -> float:
    """The threshold that `RATE` of the answers exceed, in the set where it is highest."""
    return max(float(np.quantile(one, 1 - RATE)) for one in scores)


# ------------------------------------------------------------------------------------------------------------- planted


def _planted(sets: dict[str, tuple[list[Text], list[Text]]]) -> Iterator[tuple[str, dict[str, Any]]]:
    """What is planted -> how much of it the check finds."""
    luck = random.Random(5)
    speech, some = sets["crowdspeech_dev_clean"][1], sets["amazon_isbook"][1][:300]
    for name, make in _NOISE.items():
        check = "monotony" if "again" in name else "gibberish"
        bad = [replace(a, id=f"bad {i}", worker=f"bad {i}", text=make(luck)) for i, a in enumerate(speech[:300])]
        yield f"{check}: {name}", _share(CHECKS[check]([*speech, *bad])[len(speech) :])
    foreign = [Text(f"{code}", line, "t", "w") for code, line in FOREIGN.items()]
    yield "language: one sentence in another", _share(CHECKS["language"](foreign))
    for name, secret in _SECRETS.items():
        bad = [replace(a, text=_inserted(luck, a.text, secret(luck))) for a in some]
        yield f"personal: {name}", _share(CHECKS["personal"](bad))
    said = [corpus.echo(replace(a, prompt=a.text, text=_altered(luck, a.text, 0.02)), RULES.echo) for a in some]
    yield "echo: 2 % of the words changed", _share(said)
    others = [corpus.echo(replace(a, prompt=b.text), RULES.echo) for a, b in pairwise(some)]
    yield "echo: (false alarms) another's text as prompt", _share(others)
    for part in (0.0, 0.02):
        again = [
            replace(a, id=f"again {i}", task=f"other {i}", text=_altered(luck, a.text, part))
            for i, a in enumerate(_long(speech)[:300])
        ]
        yield f"repeat: {part:.0%} of the words changed", _share(CHECKS["repeat"]([*speech, *again])[len(speech) :])
    for tasks, part in ((3, 1.0), (10, 1.0), (10, 0.5), (30, 0.5)):
        yield f"copy: {part:.0%} of a partner's answers to {tasks} tasks", _ring(luck, speech, tasks, part)


def _share(findings: Sequence[Finding]) -> dict[str, Any]:
    return {"answers": len(findings), "found": sum(f.fails for f in findings) / max(1, len(findings))}


def _long(answers: Sequence[Text]) -> list[Text]:
    return [a for a in answers if len(corpus.fold(a.text)) >= 60]


def _ring(luck: random.Random, answers: Sequence[Text], tasks: int, part: float) -> dict[str, Any]:
    """20 pairs of new workers, each on so many tasks. The first writes an honest answer with a slip of its own, the second copies a
    share of these and else does the same from another answer. Found: of the copies."""
    by_task: dict[str, list[str]] = {}
    for a in answers:
        by_task.setdefault(a.task, []).append(a.text)
    rich = sorted(t for t, lines in by_task.items() if len(lines) >= 5)
    more, copies = [], []
    for ring in range(20):
        for t in luck.sample(rich, tasks):
            first, second = (_slip(luck, line) for line in luck.sample(by_task[t], 2))
            same = luck.random() < part
            more.append(Text(f"{ring}a/{t}", first, t, f"ring {ring} a"))
            copies += [len(answers) + len(more)] if same else []
            more.append(Text(f"{ring}b/{t}", first if same else second, t, f"ring {ring} b"))
    findings = CHECKS["copy"]([*answers, *more])
    return _share([findings[i] for i in copies])


def _slip(luck: random.Random, line: str) -> str:
    """One word in ten is misheard, in one of many ways; the others stay."""
    return " ".join(word[::-1] + str(luck.randint(0, 99)) if luck.random() < 0.1 else word for word in line.split())


def _altered(luck: random.Random, line: str, part: float) -> str:
    return " ".join("something" if luck.random() < part else word for word in line.split())


def _inserted(luck: random.Random, line: str, what: str) -> str:
    words = line.split()
    at = luck.randint(0, len(words))
    return " ".join([*words[:at], what, *words[at:]])


def _mash(luck: random.Random) -> str:
    return "".join(luck.choice("asdfghjkl;asdfjkl qwer") for _ in range(luck.randint(20, 80)))


def _shuffled(luck: random.Random) -> str:
    return " ".join("".join(luck.sample(w, len(w))) for w in luck.sample(_WORDS, 12))


_NOISE: dict[str, Callable[[random.Random], str]] = {
    "random letters": lambda luck: "".join(
        luck.choice(string.ascii_lowercase + "  ") for _ in range(luck.randint(20, 80))
    ),
    "keys of the home row": _mash,
    "one syllable again and again": lambda luck: luck.choice(["la", "bla", "xo", "asdf"]) * luck.randint(8, 20),
    "shuffled letters of words": _shuffled,
}


def _digits(luck: random.Random, count: int) -> str:
    return "".join(luck.choice(string.digits) for _ in range(count))


def _hex(luck: random.Random, count: int) -> str:
    return "".join(luck.choice("0123456789abcdef") for _ in range(count))


def _card(luck: random.Random) -> str:
    body = "4" + _digits(luck, 14)
    whole = next(body + d for d in string.digits if texts.luhn(body + d))
    return luck.choice([whole, " ".join(whole[i : i + 4] for i in range(0, 16, 4))])


def _iban(luck: random.Random) -> str:
    body = _digits(luck, 18)
    check = 98 - int(body + "131400") % 97  # DE
    return f"DE{check:02d}{body}"


def _phone(luck: random.Random) -> str:
    a, b, c = luck.randint(200, 989), luck.randint(200, 989), _digits(luck, 4)
    return luck.choice(
        [f"+1 {a} {b} {c}", f"({a}) {b}-{c}", f"{a}-{b}-{c}", f"+44 20 {_digits(luck, 4)} {_digits(luck, 4)}"]
    )


_SECRETS: dict[str, Callable[[random.Random], str]] = {
    "mail": lambda luck: f"{_hex(luck, 6)}.{_hex(luck, 4)}@mail{luck.randint(0, 99)}.example.org",
    "phone": _phone,
    "card": _card,
    "iban": _iban,
    "wallet": lambda luck: "0x" + _hex(luck, 40),
    "private key": lambda luck: luck.choice(["", "0x"]) + _hex(luck, 64),
}


# -------------------------------------------------------------------------------------------------------------- images


def _images(folder: Path | None) -> dict[str, Any]:
    from PIL import Image, ImageFilter  # noqa: PLC0415 - an extra

    honest = (
        [Image.open(p).convert("RGB") for p in sorted(folder.iterdir())]
        if folder
        else [_leaves(seed) for seed in range(SCENES)]
    )
    if not honest:
        raise BadInput(f"{folder}: there is no image in it")

    def fails(check: str, pictures: Sequence[Any], **options: Any) -> float:
        return sum(
            any(f.fails and f.check == check for f in images.look(_file(p, **options), RULES).findings)
            for p in pictures
        ) / len(pictures)

    def twin(change: Callable[[Any], bytes]) -> float:
        found = 0
        for p in honest:
            pair = [images.Image("a", _file(p)), images.Image("b", change(p))]
            found += images.twins(pair, [images.look(one.data, RULES) for one in pair], RULES.twin)[0].fails
        return found / len(honest)

    exif = Image.Exif()
    exif.get_ifd(images.GPS).update({1: "N", 2: (52.0, 31.0, 12.0), 3: "E", 4: (13.0, 24.0, 18.0)})
    exif[images.GPS] = exif.get_ifd(images.GPS)
    looked = [images.look(_file(p), RULES) for p in honest]
    all_twins = images.twins([images.Image(str(i), b"") for i in range(len(honest))], looked, RULES.twin)
    blurs = np.array([f.score for one in looked for f in one.findings if f.check == "blur"])
    rates = {
        f"honest, {check} (false alarms)": sum(
            any(f.fails and f.check == check for f in one.findings) for one in looked
        )
        / len(honest)
        for check in ("readable", "size", "blur", "exposure", "location")
    }
    rates["honest, twin (false alarms)"] = sum(f.fails for f in all_twins) / len(honest)
    for radius in (1, 2, 4):
        rates[f"blur: Gaussian of {radius} pixels"] = fails(
            "blur", [p.filter(ImageFilter.GaussianBlur(radius)) for p in honest]
        )
    rates["exposure: nearly black"] = fails("exposure", [p.point(lambda v: v // 20) for p in honest])
    rates["exposure: nearly white"] = fails("exposure", [p.point(lambda v: 243 + v // 20) for p in honest])
    rates["exposure: one colour"] = fails("exposure", [Image.new("RGB", p.size, (120, 90, 60)) for p in honest])
    rates["location: GPS in EXIF"] = fails("location", honest, exif=exif)
    rates["readable: second half missing"] = sum(
        images.look(_file(p)[: len(_file(p)) // 2], RULES).findings[0].fails for p in honest
    ) / len(honest)
    rates["twin: half the size"] = twin(lambda p: _file(p.resize((p.width // 2, p.height // 2))))
    rates["twin: JPEG at quality 30"] = twin(lambda p: _file(p, quality=30))
    rates["twin: a fifth brighter"] = twin(lambda p: _file(p.point(lambda v: min(255, v * 6 // 5))))
    return {
        "honest": len(honest),
        "source": str(folder) if folder else "dead leaves",
        "blur_99.9": float(np.quantile(blurs[::2], 1 - RATE)),
        "rates": rates,
    }


def _file(picture: Any, **options: Any) -> bytes:
    out = io.BytesIO()
    picture.save(out, "JPEG", **{"quality": 90, **options})
    return out.getvalue()


def _leaves(seed: int, side: int = 256) -> Any:
    """Discs that hide each other, with radii by the inverse cube: scale-free, like the things in a photograph."""
    from PIL import Image, ImageDraw  # noqa: PLC0415 - an extra

    luck = np.random.default_rng(seed)
    scene = Image.new("RGB", (side, side))
    draw = ImageDraw.Draw(scene)
    low, high = 2.0, side / 2
    for _ in range(3_000):
        radius = (low**-2 - luck.random() * (low**-2 - high**-2)) ** -0.5
        x, y = luck.random(2) * side
        draw.ellipse(
            (x - radius, y - radius, x + radius, y + radius), fill=tuple(int(v) for v in luck.integers(0, 256, 3))
        )
    return scene
