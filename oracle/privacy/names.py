"""Names of people, English and Chinese: str -> (start, end). No model: lists, and the words that stand beside names.

English: capitalised words in a row of which the lists know a given name and a surname, whatever follows a title, a given name that
is no ordinary word. Lists: the commonest names of the census of the United States, 1990 (public domain). Romanised Chinese names by
their syllables. Chinese: a surname with one or two signs, by a score of what stands before and after, of signs that are used in
names, and against ordinary words that begin with the same sign. Lists: frequencies of jieba's dictionary (MIT).
A name of another people that stands without a title, a field or a cue is not found.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

_FIELD = re.compile(
    r"(?i)(?:full|first|last|given|family|middle|sur|user|customer|patient|contact|client|employee|student|doctor|author|sender|recipient)?[ _-]?name"
    r"|surname|姓名|名字|(?:联系|收件|收货|负责|申请|投保)人(?:姓名)?|(?:患者|客户|员工|学生|医生)(?:姓名)?"
)


def spans(text: str, field: str = "") -> Iterator[tuple[int, int]]:
    """Whole fields that are called name; then by what is known."""
    if field and _FIELD.fullmatch(field) and len(text) <= 80 and re.fullmatch(r"\s*[^\W\d_][^\d\[\]{}@/]*", text):
        yield len(text) - len(text.lstrip()), len(text.rstrip())
        return
    yield from _english(text)
    if not text.isascii():
        yield from _chinese(text)


# ------------------------------------------------------------------------------------------------------------- English

_TITLE = re.compile(
    r"(?i)(?:mr|mrs|ms|miss|mx|dr|prof|professor|sir|madam|lady|lord|judge|nurse|officer|captain|rev|sgt|lt|col|capt|sen|rep)\.?"
)
_SUFFIX = re.compile(r"(?:Jr|Sr|II|III|IV|MD|DDS|DVM|PhD|Esq)\.?")
_CAP = r"(?:(?:[OD]['’]|Ma?c)?[A-ZÀ-Þ][^\W\d_A-Z]+|[A-ZÀ-Þ]{2,}|[A-Z]\.|[A-Z](?=[ ]))"
_RUN = re.compile(
    rf"(?<![\w@#/.-]){_CAP}(?:['’-]{_CAP})*(?:(?: |-)(?:(?:de|van|von|der|den|la|le|bin|ibn|al|del|da|di|dos) ){{0,2}}{_CAP}(?:['’-]{_CAP})*){{0,6}}"
)
_CUE = re.compile(
    r"(?i)(?:\b(?:my name is|name is|named|called|i am|i['’]m|this is|dear|hi|hello|hey|regards|sincerely|yours|signed(?: by)?|contact|ask for|attn|attention"
    r"|patient|customer|client|employee|student|applicant|tenant|witness|author|sender|recipient|name|from|by|with|and|to|for|of|told|met|meet|saw|asked|thanks)"
    r"|[:：]|姓名|叫|联系)[\s,:：]{0,3}$"
)
_LEADS = re.compile(
    r"(?i)\b(?:by|with|named|called|dear|hi|hello|ask|asks|asked|told|tell|met|meet|thank|thanks|thanked|contact|patient|tenant|customer|client|mr|ms) $"
)
_STATED = re.compile(
    r"(?i)\b(?:full |first |last |family )?name\s?[:=：]\s?(?P<it>[^\W\d_]{2,20}(?:[ '’-][^\W\d_]{1,20}){0,3})(?=\s*(?:[,;|\n.]|$))"
)
_REVERSED = re.compile(rf"(?<!\w)({_CAP}), ({_CAP})(?: [A-Z]\.)?(?!\w)")
_SYLLABLE = r"(?:(?:zh|ch|sh|[bpmfdtnlgkhjqxrzcsyw])?(?:iong|iang|uang|uan|uai|ian|iao|ang|eng|ing|ong|ai|an|ao|ei|en|er|ia|ie|in|iu|ou|ua|ue|ui|un|uo|a|e|i|o|u))"
_PINYIN_GIVEN = re.compile(rf"(?i){_SYLLABLE}(?:[-'’]?{_SYLLABLE})?")


def _english(text: str) -> Iterator[tuple[int, int]]:
    for match in _STATED.finditer(text):
        if not _known().other.intersection(match["it"].lower().split()):
            yield match.span("it")
    for match in _REVERSED.finditer(text):
        if (
            match[1].lower() in _known().surnames
            and match[2].lower() in _known().given - _known().other
            and match[1].lower() not in _known().other
        ):
            yield match.span()
    for match in _RUN.finditer(text):
        tokens = [(m.start() + match.start(), m.end() + match.start()) for m in re.finditer(r"[^\s]+", match[0])]
        yield from _in_run(text, tokens)


def _in_run(text: str, tokens: Sequence[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """Names among capitalised words in a row."""
    words = [text[a:b] for a, b in tokens]
    at = 0
    while at < len(words):
        size = _title(text, tokens, words, at) or _name(text, tokens, words, at)
        if size:
            first = at + 1 if _TITLE.fullmatch(words[at]) and size > 1 else at
            yield tokens[first][0], _trimmed(text, *tokens[at + size - 1])
        at += size or 1


def _trimmed(text: str, start: int, end: int) -> int:
    """Without the possessive."""
    return end - 2 if re.fullmatch(r".+['’][sS]", text[start:end]) else end


def _title(text: str, tokens: Sequence[tuple[int, int]], words: Sequence[str], at: int) -> int:
    """Words that a title makes a name, the title with them; 0 without one."""
    before = text[: tokens[at][0]][-12:]
    titled = bool(_TITLE.fullmatch(words[at])) and at + 1 < len(words)
    if not titled and not re.search(r"(?:^|[\s(])(?:Mr|Mrs|Ms|Dr|Prof|Mx|Miss)\.? $", before):
        return 0
    first = at + titled
    rest = list(words[first : first + 3])
    size = next(
        (i for i, w in enumerate(rest) if w.lower().rstrip(".") in _known().other and not (i and len(w) == 1)),
        len(rest),
    )
    return size + titled if size else 0


def _name(text: str, tokens: Sequence[tuple[int, int]], words: Sequence[str], at: int) -> int:
    known, lower = _known(), [w.lower().rstrip(".").removesuffix("'s").removesuffix("’s") for w in words[at : at + 5]]
    if lower[0] in _known().other - known.months or not lower[0]:
        return 0
    shouted = words[at].isupper() and len(words[at]) > 2
    size = next(
        (i for i, w in enumerate(lower[1:], 1) if w in _known().other and not (len(w) == 1 and i + 1 < len(lower))),
        len(lower),
    )
    size = min(size, 4 if any(w in known.particles or len(w) == 1 for w in lower) else 3)
    given, surname = _in(lower[0], known.given), _in(lower[0], known.surnames)
    cued = bool(_CUE.search(text[max(0, tokens[at][0] - 24) : tokens[at][0]]))
    for n in range(size, 1, -1):
        last = lower[n - 1]
        if len(last) == 1:
            continue
        ends = _in(last, known.surnames)
        ordinary = last in known.ordinary
        if given and ends and (not ordinary or lower[0] not in known.ordinary):
            return n
        if given and lower[0] not in known.ordinary and not ordinary and not shouted:
            return n
        if len(lower[0]) == 1 and ends and not ordinary:  # J. Smith
            return n
        if cued and not shouted and (ends or surname) and not ordinary and lower[0] not in known.ordinary:
            return n
        if (
            n == 2
            and _LEADS.search(text[max(0, tokens[at][0] - 24) : tokens[at][0]])
            and not {last, lower[0]} & known.ordinary
        ):
            return n
        if not shouted and n == 2 and _romanised(lower[0], last):
            return n
    single = given and lower[0] not in known.ordinary and lower[0] not in known.surnames - known.common and not shouted
    return 1 if single and (cued or lower[0] in known.common) else 0


def _in(word: str, names: frozenset[str]) -> bool:
    """Also a double name, and one with an apostrophe, by its parts."""
    return (
        word in names or any(part in names for part in re.split(r"[-'’]", word) if len(part) > 2)
        if "-" in word or "'" in word or "’" in word
        else word in names
    )


def _romanised(first: str, last: str) -> bool:
    """Wang Xiaoming, or Xiaoming Wang; the signs alone are no proof, so one side must be a surname of the list."""
    pairs = ((first, last), (last, first))
    return any(
        family in _known().pinyin
        and len(own) > 1
        and _PINYIN_GIVEN.fullmatch(own) is not None
        and own not in _known().other
        and own not in _known().ordinary
        for family, own in pairs
    )


@dataclass(frozen=True, slots=True)
class _English:
    given: frozenset[str]
    surnames: frozenset[str]
    common: frozenset[str]  # given names that stand for people without more
    ordinary: frozenset[str]  # names or not, words of every day
    other: frozenset[str]  # words that begin or end no name
    pinyin: frozenset[str]  # romanised Chinese surnames
    particles: frozenset[str]
    months: frozenset[str]


_ALSO_NAMES = frozenset(("april", "may", "june", "august", "jordan", "king", "prince"))


@cache
def _known() -> _English:
    lists = {row[0]: frozenset(w.lower() for w in row[1:]) for row in map(str.split, _read("names_en.txt"))}
    given, surnames = lists["given"], lists["surnames"]
    ordinary = frozenset(_read("bip39_english.txt")) | lists["everyday"]
    return _English(
        given,
        surnames,
        given - surnames - ordinary - lists["land"],
        ordinary,
        lists["other"],
        lists["pinyin"],
        lists["particles"],
        frozenset(("april", "may", "june", "august", "jordan", "king", "prince")),
    )


# ------------------------------------------------------------------------------------------------------------- Chinese

_CUES = re.compile(
    r"(?:叫|叫做|名叫|名为|姓名|名字是|我是|本人|这是|联系|联系人|收件人|收货人|寄件人|负责人|申请人|投保人|受益人|经办人|户主|业主|患者|病人|客户|用户|顾客|学生|同学|员工|老师|医生|护士"
    r"|律师|经理|主任|教授|司机|房东|租客|邻居|同事|朋友|丈夫|妻子|父亲|母亲|儿子|女儿|作者|编辑|记者|署名|签名|致|给|找|由|请|向)(?:[是为])?[:：\s]{0,2}$"
)
_STRONG = re.compile(
    r"(?:叫|叫做|名叫|名为|姓名|名字是|我是|本人|联系人|收件人|收货人|寄件人|负责人|申请人|投保人|受益人|经办人|户主|患者|病人|客户|学生|员工|署名|签名)(?:[是为])?[:：\s]{0,2}$"
)
_TITLES = re.compile(
    r"(?:先生|女士|小姐|太太|夫人|老师|医生|大夫|教授|经理|主任|律师|总监|师傅|同学|同志|博士|院长|局长|校长|处长|科长|警官|护士|阿姨|叔叔|奶奶|爷爷|老板|董事)"
)
_LEFT = frozenset(
    "和与跟同给向由被请让将把对问找是叫为及、在到替陪带约送见按名人即据经托上下里中前后时周月日年天晨晚午员客师生者长手"
)
_COUNTS = frozenset("一二两三四五六七八九十百千万几第这那每某多半0123456789")  # before what may be a measure word
_RIGHT = frozenset(
    "的说在是和与及于来去到给已将把被也都就才又向对从出不会能要有住先女小老同医教经主师提打发表写问答称认今昨目因任担拨签申购收预登曾正想请领完办没刚"
)
ENOUGH = 2.2  # for a name of three signs: both of its given name are such, and one of its sides
_HAN = re.compile(r"[一-鿿]+")


@dataclass(frozen=True, slots=True)
class _Chinese:
    surnames: frozenset[str]
    double: frozenset[str]
    given: frozenset[str]
    ordinary: frozenset[str]  # that begin with a surname
    longer: frozenset[str]  # the same, of three signs
    words: frozenset[str]  # of two signs, the commonest of all


@cache
def _signs() -> _Chinese:
    rows = dict(row.split(" ", 1) for row in _read("names_zh.txt"))
    ordinary, words = (
        frozenset(part[0] + sign for part in rows[name].split() for sign in part[1:]) for name in ("ordinary", "words")
    )
    double, longer = frozenset(rows["double"].split()), frozenset(rows["longer"].split())
    return _Chinese(frozenset(rows["surnames"]), double, frozenset(rows["given"]), ordinary, longer, words)


def _chinese(text: str) -> Iterator[tuple[int, int]]:
    signs, end = _signs(), 0
    for run in _HAN.finditer(text):
        at = max(run.start(), end)
        while at < run.end() - 1:
            size = 2 if text[at : at + 2] in signs.double else 1 if text[at] in signs.surnames else 0
            found = _here(text, at, size, run.end()) if size else 0
            if found:
                yield at, at + found
            at += found or 1
        end = at


def _here(text: str, at: int, size: int, end: int) -> int:
    """Signs of the name whose surname of `size` signs stands at `at`; 0 if there is none."""
    best, length = 0.0, 0
    for given in (2, 1, 0):
        stop = at + size + given
        if stop <= end and (score := _score(text, at, size, stop)) > best:
            best, length = score, size + given
    return length if best >= (ENOUGH if length > size + 1 else 3) else 0


def _score(text: str, at: int, size: int, stop: int) -> float:
    """3 is enough, ENOUGH for three signs: a cue or a title alone, or the sides and signs of names."""
    signs, name = _signs(), text[at:stop]
    before, own = text[max(0, at - 8) : at], text[at + size : stop]
    title = _TITLES.match(text, stop) is not None
    left = _ends(text, at)
    if at and text[at - 1] in _COUNTS:
        return 0.0
    if not own:
        return 3.0 if title and (left or _CUES.search(before)) else 0.0
    if _TITLES.match(text, at + size) or any(sign in "的了吗呢吧啊先" for sign in own):
        return 0.0
    score = (
        left
        + _begins(text, stop)
        + (1.2 if all(sign in signs.given for sign in own) else -0.6)
        + (size == 2)
        + 3.0 * title
    )
    score += 3.0 if _STRONG.search(before) else 2.0 if _CUES.search(before) else 0.0
    if name in signs.longer or (len(name) == 2 and name in signs.ordinary):
        score -= 3.0
    elif size == 1 and text[at : at + 2] in signs.ordinary:
        score -= 1.0
    return (
        score - 0.5 * (text[stop - 1 : stop + 1] in signs.words) - (text[at - 1 : at + 1] in signs.words if at else 0)
    )


def _ends(text: str, at: int) -> float:
    """1 where something ends before `at`: the run of signs, a word of every day, or what leads to people."""
    ends = (
        at == 0
        or not _is_han(text[at - 1])
        or text[at - 1] in _LEFT
        or (at > 1 and text[at - 2 : at] in _signs().words)
    )
    return float(ends)


def _begins(text: str, at: int) -> float:
    """1 where something begins at `at`: a word of every day, or what people do."""
    verb = bool(set(text[at + 1 : at + 3]) & set("了着过") or set(text[at + 1 : at + 2]) & set("到给完出起"))
    begins = (
        verb or at == len(text) or not _is_han(text[at]) or text[at] in _RIGHT or text[at : at + 2] in _signs().words
    )
    return float(begins)


def _is_han(sign: str) -> bool:
    return "一" <= sign <= "鿿"


def _read(name: str) -> list[str]:
    return files("oracle").joinpath("data", name).read_text("utf-8").splitlines()
