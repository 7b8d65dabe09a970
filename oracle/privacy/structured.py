"""Numbers, codes and secrets by their shape, and by their check digit where they have one.

A rule is (kind, what a text must hold for it, pattern, how many characters of a match hold). Where a shape alone would take too much, as ten plain digits, it
counts only behind a word that says what it is: the group `it` is then the data, the rest its introduction.
"""

import ipaddress
import re
from collections.abc import Callable, Iterator
from datetime import date
from functools import cache
from hashlib import sha256
from importlib.resources import files

from oracle.verification.content import texts
from oracle.verification.content.texts import luhn

SECRET, SEED, LINK, MAIL, IBAN, WALLET, IDENTITY, CARD, PHONE, IP = (
    "secret", "seed", "link", "mail", "iban", "wallet", "identity", "card", "phone", "ip",
)  # fmt: skip
KINDS = (SECRET, SEED, LINK, MAIL, IBAN, WALLET, IDENTITY, CARD, PHONE, IP)
_58 = "1-9A-HJ-NP-Za-km-z"
_ALONE, _END = r"(?<![0-9A-Za-z])", r"(?![0-9A-Za-z])"
_HASH_WORDS = re.compile(
    r"(?i)(?:\b(?:tx|txid|hash|sha-?256|digest|checksum|block|root|commit|transaction|topic)\b|哈希|摘要|区块|交易)[^\w\n]{0,3}(?:\w{1,12}[^\w\n]{1,3}){0,2}$"
)


def spans(text: str, field: str = "") -> Iterator[tuple[str, int, int]]:
    """(kind, start, end), rule by rule; spans of different rules may lie over each other."""
    if kind := _whole(text, field):
        yield kind, len(text) - len(text.lstrip()), len(text.rstrip())
    has_digit = any(c.isdigit() for c in text)
    for kind, need, pattern, holds in _RULES:
        if (not has_digit) if need == _DIGIT else need not in text:
            continue
        for match in pattern.finditer(text):
            group = "it" if "it" in pattern.groupindex else 0
            if size := holds(match):
                yield kind, match.start(group), match.start(group) + size
    if text.count(" ") >= 11:
        yield from ((SEED, *span) for span in _seeds(text))


# ------------------------------------------------------------------------------------------------------- by their field

_FIELDS = (
    (PHONE, re.compile(r"(?i)(?:tele|mobile|cell)?_?-?phone(?:_?-?(?:number|no))?|mobile|tel|fax|电话|手机号?码?|联系电话")),
    (IDENTITY, re.compile(r"(?i)ssn|passport(?:_?-?(?:number|no))?|national_?-?id|id_?-?card(?:_?-?no)?|身份证号?码?|护照号?码?|证件号码?")),
    (CARD, re.compile(r"(?i)(?:credit_?-?|bank_?-?|debit_?-?)card(?:_?-?(?:number|no))?|银行卡号?|卡号|account_?-?(?:number|no)")),
    (SECRET, re.compile(r"(?i)(?:private|secret|api)_?-?key|password|passwd|secret|(?:access_?-?|auth_?-?)token|密码|私钥|密钥|令牌")),
)  # fmt: skip
_SHAPES = {
    PHONE: re.compile(r"\s*\+?[\d(][\d() ./x-]{5,24}\s*"),
    IDENTITY: re.compile(r"\s*(?=[\dA-Za-z -]*\d{4})[0-9A-Za-z][0-9A-Za-z -]{5,22}\s*"),
    CARD: re.compile(r"\s*\d[\d -]{10,24}\s*"),
    SECRET: re.compile(r"\s*(?!\[)\S{4,4000}\s*"),
}


def _whole(text: str, field: str) -> str | None:
    """The kind that a field's name says, where the value has its shape."""
    for kind, named in _FIELDS:
        if field and named.fullmatch(field) and _SHAPES[kind].fullmatch(text):
            return kind
    return None


# ------------------------------------------------------------------------------------------------------------- checks

Check = Callable[[re.Match[str]], int]


def _all(match: re.Match[str]) -> int:
    return len(match["it"] if "it" in match.re.groupindex else match[0])


def _if(holds: Callable[[str], bool]) -> Check:
    return lambda match: _all(match) if holds(match["it"] if "it" in match.re.groupindex else match[0]) else 0


def _long_hex(match: re.Match[str]) -> int:
    """64 hex digits are a private key or a digest, which nobody can tell apart: taken, unless the words before say digest."""
    before = match.string[max(0, match.start() - 48) : match.start()]
    return 0 if _HASH_WORDS.search(before) else len(match[0])


def base58check(found: str) -> bool:
    """Base58 whose last four bytes are the double SHA-256 of the others: addresses, WIF, extended keys."""
    number = 0
    for c in found:
        number = number * 58 + texts.BASE58.index(c)
    size = (number.bit_length() + 7) // 8 + len(found) - len(found.lstrip("1"))
    data = number.to_bytes(max(size, 5), "big")
    return sha256(sha256(data[:-4]).digest()).digest()[:4] == data[-4:]


def chinese_id(found: str) -> bool:
    """GB 11643-1999: 17 digits with a birthday, and ISO 7064 MOD 11-2 over them."""
    try:
        born = date(int(found[6:10]), int(found[10:12]), int(found[12:14]))
    except ValueError:
        return False
    total = sum(int(d) * (1 << (17 - i)) for i, d in enumerate(found[:17]))
    return 1850 < born.year < 2100 and "10X98765432"[total % 11] == found[17].upper()


def hong_kong_id(found: str) -> bool:
    """One or two letters, six digits, and a check digit in brackets: weights 9 to 2, mod 11."""
    letters, digits = re.fullmatch(r"([A-Z]{1,2})(\d{6})", found.replace("(", "")[:-2]).groups()  # type: ignore[union-attr]
    values = [36, *(ord(c) - 55 for c in letters)][-2:] + [int(d) for d in digits]
    check = (-sum(w * v for w, v in zip(range(9, 1, -1), values, strict=True))) % 11
    return found[-2] == ("A" if check == 10 else str(check))


def taiwan_id(found: str) -> bool:
    """A letter for the place, nine digits; weights 1 9 8 ... 1 1, mod 10."""
    place = "ABCDEFGHJKLMNPQRSTUVXYWZIO".index(found[0]) + 10
    values = [place // 10, place % 10, *map(int, found[1:])]
    return sum(w * v for w, v in zip((1, 9, 8, 7, 6, 5, 4, 3, 2, 1, 1), values, strict=True)) % 10 == 0


def _card(found: str) -> bool:
    digits = re.sub(r"\D", "", found)
    return bool(_ISSUERS.fullmatch(digits)) and len(set(digits)) > 1 and luhn(digits)


def _ip(found: str) -> bool:
    try:
        address = ipaddress.ip_address(found)
    except ValueError:
        return False
    return not (address.is_unspecified or address.is_loopback)


def _mixed(found: str) -> bool:
    """Neither a word nor a number: what a password or a token is."""
    return len(set(found)) > 3 and not found.isdigit() and not re.fullmatch(r"[A-Za-z]?[a-z]+|\[.*\]|\*+", found)


_ISSUERS = re.compile(
    r"4\d{12}(?:\d{3}){0,2}|5[1-5]\d{14}|2[2-7]\d{14}|3[47]\d{13}|3[068]\d{12}|35\d{14}|6(?:011|5\d\d|4[4-9]\d)\d{12}"
    r"|62\d{14,17}|(?:50[0-9]\d|5[6-8]\d\d|6304|6759|676[1-3])\d{8,15}"
)


def _ascii(pattern: str) -> re.Pattern[str]:
    """Signs of other scripts end a word here: in Chinese nothing else stands between a word and a number."""
    return re.compile(pattern, re.ASCII)


_IBAN = next(pattern for kind, pattern, _ in texts.KINDS if kind == IBAN)
_CUE_GAP = r"(?:\s*(?:number|no\.?|num|is|was|号码?|号|是|为|[:=：#]))*\s*"
_DIGIT, _LONG = "0", ""  # what a text must hold before a rule is tried
_RULES: tuple[tuple[str, str, re.Pattern[str], Check], ...] = (
    (LINK, "://", _ascii(r"(?i)\b[a-z][a-z0-9+.-]{1,15}://[^\s/@:]{1,80}:[^\s/@]{1,200}@[!#-&(-;=?-~]{1,2000}"), _all),
    (LINK, "://", _ascii(
        r"(?i)\bhttps?://[!$-&(-;=@-~]{1,1000}[?#](?:[!#-%(-;=?-~]{0,500}&){0,20}?"
        r"(?:(?:access_|auth_|refresh_|id_|session_)?token|(?:api_?|access_?|secret_?)?key|sig(?:nature)?|secret|pass(?:word|wd)?|session(?:id)?|code|x-amz-signature|auth)"
        r"=[!#-%(-;=?-~]{4,1000}(?:&[!#-&(-;=?-~]{0,1000})?"), _all),
    (SECRET, "-----BEGIN", _ascii(r"-----BEGIN [A-Z ]{0,20}PRIVATE KEY-----(?:[\sA-Za-z0-9+/=:,-]{0,8000}?-----END [A-Z ]{0,20}PRIVATE KEY-----)?"), _all),
    (SECRET, _LONG, _ascii(
        r"(?<![\w-])(?:(?:AKIA|ASIA)[0-9A-Z]{16}|gh[pousr]_[0-9A-Za-z]{36,251}|github_pat_\w{40,120}|glpat-[\w-]{20,60}|xox[abprs]-[\w-]{10,200}"
        r"|sk-[\w-]{20,200}|[sr]k_(?:live|test)_[0-9A-Za-z]{16,200}|AIza[\w-]{35}|hf_[0-9A-Za-z]{30,60}|npm_[0-9A-Za-z]{36}"
        r"|pypi-[\w-]{50,300}|SG\.[\w-]{16,40}\.[\w-]{30,60}|eyJ[\w-]{8,2000}\.eyJ[\w-]{8,4000}\.[\w-]{8,2000}|ya29\.[\w-]{20,300})(?![\w-])"), _all),
    (SECRET, _LONG, _ascii(rf"{_ALONE}(?:0x)?[0-9a-fA-F]{{64}}{_END}"), _long_hex),
    (SECRET, _LONG, _ascii(rf"{_ALONE}(?:[5KL9c][{_58}]{{50,51}}|[xyz]prv[{_58}]{{100,112}}){_END}"), _if(base58check)),
    (SECRET, _LONG, _ascii(
        r"(?i)(?:\b(?:pass(?:word|wd|phrase)?|pwd|api[ _-]?key|secret(?:[ _-]?key)?|(?:access|auth|bearer)[ _-]?token|token|private[ _-]?key)\b|密码|口令|私钥|密钥|令牌)"
        r"(?:\s{0,2}(?:is|was|是|为|[:=：]))\s{0,2}[\"'“]?(?P<it>[!#-&(-+.-:<-~-]{6,200}?)(?=\.?(?:[\s\"',;]|[^!-~]|$))"), _if(_mixed)),
    (MAIL, "@", _ascii(r"(?<![A-Za-z0-9._%+-])[A-Za-z0-9._%+'-]{1,64}@(?:[A-Za-z0-9-]{1,63}\.){1,6}[A-Za-z]{2,24}(?![A-Za-z0-9-])"), _all),
    (MAIL, "@", re.compile(r"(?<![\w.%+-])[\w.%+-]{1,64}@(?:[\w-]{1,63}\.){1,6}[^\W\d_]{2,24}(?![\w-])"), _all),
    (IBAN, _DIGIT, _IBAN, lambda match: texts.iban(match[0])),
    (WALLET, _DIGIT, _ascii(rf"{_ALONE}0x[0-9a-fA-F]{{40}}{_END}"), _all),
    (WALLET, _DIGIT, _ascii(rf"{_ALONE}[13LMDTtmn2][{_58}]{{24,34}}{_END}"), _if(base58check)),
    (WALLET, _DIGIT, _ascii(rf"(?i){_ALONE}(?:bc|tb)1[qpzry9x8gf2tvdw0s3jn54khce6mua7l]{{11,71}}{_END}"), _if(lambda found: bool(texts.bech32("bc1" + found[3:].lower())) if found[:2].lower() == "bc" else True)),
    (WALLET, _DIGIT, _ascii(rf"(?i)(?:\b(?:wallet|solana|sol|address)\b|钱包|地址){_CUE_GAP}(?P<it>(?-i:[{_58}]{{43,44}})){_END}"), _all),
    (IDENTITY, _DIGIT, _ascii(r"(?<![\dA-Za-z])[1-9]\d{16}[\dXx](?![\dA-Za-z])"), _if(chinese_id)),
    (IDENTITY, _DIGIT, _ascii(r"(?<![\dA-Za-z])[A-Z]{1,2}\d{6}\([\dA]\)"), _if(hong_kong_id)),
    (IDENTITY, _DIGIT, _ascii(r"(?<![\dA-Za-z])[A-Z][1289]\d{8}(?![\dA-Za-z])"), _if(taiwan_id)),
    (IDENTITY, _DIGIT, _ascii(r"(?<![\w.-])(?!000|666|9)\d{3}-(?!00)\d\d-(?!0000)\d{4}(?![\w-])"), _all),
    (IDENTITY, _DIGIT, _ascii(r"(?<![\dA-Za-z])(?![DFIQUV]|BG|GB|KN|NK|NT|TN|ZZ)[A-Z](?![DFIOQUV])[A-Z] ?\d\d ?\d\d ?\d\d ?[A-D](?![\dA-Za-z])"), _all),
    (IDENTITY, _DIGIT, _ascii(
        rf"(?i)(?:\b(?:passport|ssn|social security|national id|id card|driver'?s licen[cs]e)\b|护照|身份证|证件|驾驶证){_CUE_GAP}(?P<it>(?=[A-Z\d]{{0,3}}\d{{5}})[A-Z\d]{{6,18}})(?![\dA-Za-z])"), _all),
    (CARD, _DIGIT, _ascii(r"(?<![\d.,-])[2-6]\d{3}(?:[ -]?\d){8,15}(?![\d-])"), _if(_card)),
    (PHONE, _DIGIT, _ascii(r"(?<![\w.+-])(?:\+|00)[1-9](?:[ ()./-]{0,2}\d){7,14}(?:x\d{1,6})?(?![\d])"), _all),
    (PHONE, _DIGIT, _ascii(r"(?<![\dA-Za-z.+-])(?:(?:\+|00)?86[ -]?)?1[3-9]\d(?P<gap>[ -]?)\d{4}(?P=gap)\d{4}(?![\dA-Za-z-])"), _all),
    (PHONE, _DIGIT, _ascii(r"(?<![\dA-Za-z.+-])(?:0\d{2,3}[- ]|\(0\d{2,3}\) ?|（0\d{2,3}）)[2-9]\d{2,3}[ -]?\d{4}(?![\dA-Za-z-])"), _all),
    (PHONE, _DIGIT, _ascii(r"(?<![\w.+-])(?:\(0\d{2,4}\) ?|0\d{2,4} )\d{3,4}[ -]?\d{3,4}(?![\w-])"), _all),
    (PHONE, _DIGIT, _ascii(
        r"(?<![\w.(+-])(?:\+?0{0,2}1[-. ])?(?:\([2-9]\d\d\) ?|[2-9]\d\d[-. ])[2-9]\d\d[-. ]\d{4}(?: ?(?:x|ext\.? ?)\d{1,6})?(?![\w-])"), _all),
    (PHONE, _DIGIT, _ascii(
        rf"(?i)(?:\b(?:tele|cell|mobile )?phone\b|\b(?:tel|mobile|cell|fax|call(?: me| us| him| her)?|dial|ring|text|whatsapp|wechat|sms)\b\.?|电话|手机|致电|拨打|联系方式)"
        rf"(?:(?: at| on| to|{_CUE_GAP})\s*)(?P<it>(?:\+?\(?\d)[\d() .-]{{5,18}}\d(?: ?x\d{{1,6}})?)(?![\dA-Za-z])"), _all),
    (IP, _DIGIT, _ascii(r"(?<![\w.-])(?<!version )(?<!release )(?<!section )(?:\d{1,3}\.){3}\d{1,3}(?![\w-]|\.\d)"), _if(_ip)),
    (IP, ":", _ascii(r"(?<![\w:.])(?:[0-9a-fA-F]{1,4}:){2,7}(?::|[0-9a-fA-F]{1,4})(?::?[0-9a-fA-F]{1,4}){0,6}(?![\w:])|(?<![\w:.])::(?:[0-9a-fA-F]{1,4}:){0,6}[0-9a-fA-F]{1,4}(?![\w:])"), _if(_ip)),
)  # fmt: skip


# ------------------------------------------------------------------------------------------------------- seed phrases

_ENGLISH, _CHINESE = (
    re.compile(r"[a-z]+"),
    re.compile(r"(?<![一-鿿])[一-鿿](?![一-鿿])"),
)  # a sign alone is a word of the list
_BETWEEN = re.compile(r"[\s,，、]{1,3}(?:\d{1,2}[.)] ?)?")


def _seeds(text: str) -> Iterator[tuple[int, int]]:
    """BIP 39: 12, 15, 18, 21 or 24 words of the list whose last bits are the checksum of the others. The longest of each run."""
    english, chinese = _lists()
    for pattern, words in ((_ENGLISH, english), (_CHINESE, chinese)):
        run: list[re.Match[str]] = []
        for match in pattern.finditer(text):
            near = not run or _BETWEEN.fullmatch(text, run[-1].end(), match.start())
            if match[0] in words and near:
                run.append(match)
                continue
            yield from _phrases(run, words)
            run = [match] if match[0] in words else []
        yield from _phrases(run, words)


def _phrases(run: list[re.Match[str]], words: dict[str, int]) -> Iterator[tuple[int, int]]:
    at = 0
    while at + 12 <= len(run):
        sizes = (n for n in (24, 21, 18, 15, 12) if at + n <= len(run))
        size = next((n for n in sizes if _sums_up([words[m[0]] for m in run[at : at + n]])), 0)
        if size:
            yield run[at].start(), run[at + size - 1].end()
        at += size or 1


def _sums_up(numbers: list[int]) -> bool:
    bits = "".join(f"{n:011b}" for n in numbers)
    check = len(numbers) // 3
    entropy = int(bits[:-check], 2).to_bytes(len(bits[:-check]) // 8, "big")
    return f"{sha256(entropy).digest()[0]:08b}"[:check] == bits[-check:]


@cache
def _lists() -> tuple[dict[str, int], dict[str, int]]:
    folder = files("oracle").joinpath("data")
    return tuple(  # type: ignore[return-value]
        {word: i for i, word in enumerate(folder.joinpath(f"bip39_{name}.txt").read_text("utf-8").split())}
        for name in ("english", "chinese")
    )
