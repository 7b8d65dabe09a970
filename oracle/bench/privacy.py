"""How much personal data is found, of how much, and how often something else is taken for it: sentences and records that are made.

Data by Faker (its own lists of names, streets and numbers), by eth_account, and here; sentences by the templates below, in English
and Chinese, on which no recogniser was made or mended. Beside them decoys: numbers and words that only look alike. Found is what is
covered whole by spans of its own kind; a span that touches nothing planted of its kind is a false alarm.
"""

import random
import re
import string
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from oracle.privacy.find import ADDRESS, KINDS, NAME, Found, find
from oracle.protocol.errors import BadInput
from oracle.verification.content.texts import luhn

LEAST_STRUCTURED, LEAST_PRECISION, LEAST_NAMES = 0.97, 0.90, 0.90
_SLOT = re.compile(r"\{(\w+)\}")


@dataclass(frozen=True, slots=True)
class Planted:
    kind: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Made:
    """A text and what was planted in it; `field` for a value of a record, `group` for what is counted apart."""

    text: str
    planted: tuple[Planted, ...]
    language: str
    field: str = ""
    foreign: bool = False


def privacy(sentences: int, seed: int, development: bool = False) -> dict[str, Any]:
    """Recall and precision of each kind; `ok` where all bounds are met.

    development: the sentences over which rules were looked at and mended; the others were written afterwards.
    """
    texts = list(made(sentences, seed, DEVELOPMENT if development else SENTENCES))
    before = time.process_time()
    found = [find(one.text, one.field) for one in texts]
    seconds = time.process_time() - before
    kinds = {kind: scores(texts, found, kind) for kind in KINDS}
    languages = {
        language: {kind: scores(*_only(texts, found, language), kind) for kind in (*KINDS[:-2], ADDRESS, NAME)}
        for language in ("en", "zh")
    }
    structured = [kind for kind in KINDS if kind != NAME]
    total = {name: sum(kinds[kind][name] for kind in structured) for name in ("planted", "found", "alarms", "right")}
    foreign = _foreign(texts, found)
    document = {
        "texts": len(texts),
        "planted": sum(len(one.planted) for one in texts),
        "seed": seed,
        "kinds": kinds,
        "languages": languages,
        "structured": {**total, **_rates(total)},
        "names": kinds[NAME],
        "names_of_others": foreign,
        "cpu_us_per_character": 1e6 * seconds / sum(len(one.text) for one in texts),
        "bounds": {
            "structured_recall": LEAST_STRUCTURED,
            "structured_precision": LEAST_PRECISION,
            "name_recall": LEAST_NAMES,
        },
    }
    document["ok"] = (
        all(
            kinds[kind]["recall"] >= LEAST_STRUCTURED and kinds[kind]["precision"] >= LEAST_PRECISION
            for kind in structured
        )
        and kinds[NAME]["recall"] >= LEAST_NAMES
    )
    return document


def text(d: dict[str, Any]) -> str:
    rows = [
        f"  {d['texts']:,} texts, {d['planted']:,} planted (seed {d['seed']}); {d['cpu_us_per_character']:.2f} us of CPU a character",
        "",
    ]
    rows += [f"  {'':16}{'planted':>9}{'recall':>9}{'precision':>11}      en      zh"]
    for name, one in (*d["kinds"].items(), ("structured", d["structured"]), ("others' names", d["names_of_others"])):
        by = [d["languages"][language].get(name, {}) for language in ("en", "zh")]
        shown = "".join(f"{b['recall']:8.3f}" if b.get("planted") else f"{'-':>8}" for b in by) if any(by) else ""
        rows.append(
            f"  {name:16}{one['planted']:9,}{one['recall']:9.3f}{one.get('precision', float('nan')):11.3f}{shown}"
        )
    return "\n".join([*rows, "", f"  {'all bounds are met' if d['ok'] else 'A BOUND IS MISSED'}: {d['bounds']}"])


def _only(texts: Sequence[Made], found: Sequence[list[Found]], language: str) -> tuple[list[Made], list[list[Found]]]:
    pairs = [(one, spans) for one, spans in zip(texts, found, strict=True) if one.language == language]
    return [one for one, _ in pairs], [spans for _, spans in pairs]


def scores(texts: Sequence[Made], found: Sequence[list[Found]], kind: str) -> dict[str, Any]:
    """Planted, found whole, spans, right spans; recall and precision."""
    count = Counter[str]()
    for one, spans in zip(texts, found, strict=True):
        if one.foreign and kind == NAME:
            continue
        mine = [s for s in spans if s.kind == kind]
        wanted = [p for p in one.planted if p.kind == kind]
        count["planted"] += len(wanted)
        count["found"] += sum(_covered(one.text, p, mine) for p in wanted)
        count["alarms"] += len(mine)
        count["right"] += sum(any(s.start < p.end and p.start < s.end for p in wanted) for s in mine)
    return {**{name: count[name] for name in ("planted", "found", "alarms", "right")}, **_rates(count)}


def _rates(count: dict[str, int]) -> dict[str, float]:
    return {"recall": count["found"] / max(1, count["planted"]), "precision": count["right"] / max(1, count["alarms"])}


def _foreign(texts: Sequence[Made], found: Sequence[list[Found]]) -> dict[str, Any]:
    """Names that the lists do not know: of no bound, to be said."""
    pairs = [
        (one, p, spans)
        for one, spans in zip(texts, found, strict=True)
        if one.foreign
        for p in one.planted
        if p.kind == NAME
    ]
    hits = sum(_covered(one.text, p, [s for s in spans if s.kind == NAME]) for one, p, spans in pairs)
    return {"planted": len(pairs), "found": hits, "recall": hits / max(1, len(pairs))}


def _covered(text: str, planted: Planted, spans: Sequence[Found]) -> bool:
    """Every letter and digit of it."""
    return all(
        not text[i].isalnum() or any(s.start <= i < s.end for s in spans) for i in range(planted.start, planted.end)
    )


# ---------------------------------------------------------------------------------------------------------------- made


def made(sentences: int, seed: int, templates: dict[str, tuple[str, ...]]) -> Iterator[Made]:
    """As many sentences, two thirds as many values of records, half as many decoys."""
    luck = random.Random(seed)
    data = _Data(luck, seed)
    for n in range(sentences):
        language = ("en", "zh")[n % 2]
        yield _filled(luck.choice(templates[language]), language, data, foreign=language == "en" and n % 20 == 0)
    for n in range(2 * sentences // 3):
        language = ("en", "zh")[n % 2]
        field, kind = luck.choice(RECORDS[language])
        value = data.of(kind, language)
        planted = (Planted(_kind(kind), 0, len(value)),) if kind in data.makers else ()
        yield Made(value, planted, language, field)
    for n in range(sentences // 2):
        language = ("en", "zh")[n % 2]
        yield _filled(luck.choice(DECOYS[language]), language, data)


def _kind(slot: str) -> str:
    return slot.partition("_")[0]


def _filled(template: str, language: str, data: "_Data", foreign: bool = False) -> Made:
    parts, planted, at = [], [], 0
    for match in _SLOT.finditer(template):
        parts.append(template[at : match.start()])
        value = data.of(match[1], language, foreign)
        start = sum(map(len, parts))
        if match[1] in data.makers:
            planted.append(Planted(_kind(match[1]), start, start + len(value)))
        parts.append(value)
        at = match.end()
    return Made("".join([*parts, template[at:]]), tuple(planted), language, foreign=foreign)


def _faker() -> Any:
    try:
        from faker import Faker  # noqa: PLC0415 - for this benchmark alone
    except ImportError:
        raise BadInput("this benchmark needs the package faker: pip install faker") from None
    return Faker


class _Data:
    """Values of every kind, of one seed."""

    def __init__(self, luck: random.Random, seed: int) -> None:
        made = _faker()
        made.seed(seed)
        self.luck = luck
        self._us, self._gb, self._in, self._cn = made("en_US"), made("en_GB"), made("en_IN"), made("zh_CN")
        german = made("de_DE")
        self.makers: dict[str, Callable[[bool], str]] = {
            "name": self._name,
            "address": self._address,
            "phone": self._phone,
            "mail": lambda zh: (self._cn if zh else self._us).ascii_safe_email(),
            "identity": self._identity,
            "card": self._card,
            "iban": lambda _: luck.choice((self._gb, german)).iban(),
            "ip": lambda _: luck.choice((self._us.ipv4_public, self._us.ipv6))(),
            "link": self._link,
            "wallet": self._wallet,
            "secret": self._secret,
            "seed": self._seed,
        }

    def of(self, slot: str, language: str, foreign: bool = False) -> str:
        if slot == "name" and foreign:
            return f"{self._in.first_name()} {self._in.last_name()}"
        if slot in self.makers:
            return self.makers[slot](language == "zh")
        return self._decoy(slot)

    def _name(self, zh: bool) -> str:
        if zh:
            return str(self._cn.name())
        one = self.luck.choice((self._us, self._us, self._us, self._gb))
        return f"{one.first_name()} {one.last_name()}"

    def _address(self, zh: bool) -> str:
        if zh:
            city = self._cn
            where = f"{city.province()}{city.city_name()}市{city.district()}区{city.street_name()}"
            return where + self.luck.choice(
                (
                    f"{self.luck.randint(1, 999)}号",
                    f"{self.luck.randint(1, 99)}号{self.luck.randint(1, 30)}栋{self.luck.randint(101, 2999)}室",
                )
            )
        one = self.luck.choice((self._us, self._us, self._us, self._gb))
        return str(one.address()).replace("\n", ", ")

    def _phone(self, zh: bool) -> str:
        if zh:
            mobile = str(self._cn.phone_number())
            return self.luck.choice(
                (
                    mobile,
                    "+86 " + mobile,
                    f"{mobile[:3]}-{mobile[3:7]}-{mobile[7:]}",
                    f"010-8{self._digits(7)}",
                    f"0755-2{self._digits(7)}",
                )
            )
        a, b = self.luck.randint(201, 989), self.luck.randint(201, 989)
        return self.luck.choice(
            (
                f"({a}) {b}-{self._digits(4)}",
                f"{a}-{b}-{self._digits(4)}",
                f"+1 {a} {b} {self._digits(4)}",
                f"+44 20 7{self._digits(3)} {self._digits(4)}",
                f"{a}.{b}.{self._digits(4)}",
            )
        )

    def _digits(self, count: int) -> str:
        return "".join(self.luck.choice(string.digits) for _ in range(count))

    def _identity(self, zh: bool) -> str:
        return str(self._cn.ssn()) if zh else str(self._us.ssn())

    def _card(self, zh: bool) -> str:
        if zh:
            body = "62" + "".join(self.luck.choice(string.digits) for _ in range(16))
            number = next(body + d for d in string.digits if luhn(body + d))
        else:
            number = str(self._us.credit_card_number(self.luck.choice(("visa", "mastercard", "amex", "discover"))))
        return number if self.luck.random() < 0.5 else " ".join(number[i : i + 4] for i in range(0, len(number), 4))

    def _link(self, _: bool) -> str:
        host, token = self._us.domain_name(), self._token(24)
        return self.luck.choice(
            (
                f"https://{host}/share?id={self.luck.randint(1, 999)}&token={token}",
                f"https://files.{host}/a.pdf?sig={token}&se=2031",
                f"postgres://app:{token}@{host}:5432/main",
            )
        )

    def _wallet(self, _: bool) -> str:
        return "0x" + "".join(self.luck.choice("0123456789abcdefABCDEF") for _ in range(40))

    def _secret(self, _: bool) -> str:
        hexes = "".join(self.luck.choice("0123456789abcdef") for _ in range(64))
        return self.luck.choice(
            (hexes, "0x" + hexes, "AKIA" + self._token(16).upper(), "ghp_" + self._token(36), "sk-" + self._token(40))
        )

    def _seed(self, _: bool) -> str:
        from eth_account.hdaccount.mnemonic import Mnemonic  # noqa: PLC0415

        raw = bytes(self.luck.randrange(256) for _ in range(self.luck.choice((16, 24, 32))))
        return str(Mnemonic().to_mnemonic(raw))

    def _token(self, size: int) -> str:
        return "".join(self.luck.choice(string.ascii_letters + string.digits) for _ in range(size))

    def _decoy(self, slot: str) -> str:
        luck = self.luck
        made: dict[str, Callable[[], str]] = {
            "order": lambda: f"{luck.randint(10**7, 10**8 - 1)}",
            "long": lambda: next(n for n in iter(lambda: f"{luck.randint(4 * 10**15, 6 * 10**15)}", "") if not luhn(n)),
            "date": lambda: f"{luck.randint(1990, 2030)}-{luck.randint(1, 12):02}-{luck.randint(1, 28):02}",
            "price": lambda: f"{luck.randint(1, 9999):,}.{luck.randint(0, 99):02}",
            "version": lambda: f"{luck.randint(1, 9)}.{luck.randint(0, 20)}.{luck.randint(0, 99)}",
            "isbn": lambda: (
                f"978-{luck.randint(0, 9)}-{luck.randint(10, 99)}-{luck.randint(100000, 999999)}-{luck.randint(0, 9)}"
            ),
            "hash": lambda: "0x" + "".join(luck.choice("0123456789abcdef") for _ in range(64)),
            "percent": lambda: f"{luck.uniform(0, 100):.2f}",
            "number": lambda: str(luck.randint(2, 99_999)),
        }
        return made[slot]()


DEVELOPMENT: dict[str, tuple[str, ...]] = {
    "en": (
        "{name} has moved to {address} and would like the next parcel sent there.",
        "Last week we spoke with {name}, whose new number is {phone}.",
        "If anything is unclear, write to {mail} or ring {phone} before noon.",
        "The payment by {name} was declined: {card} has expired.",
        "On the form, {name} gave {identity} as the social security number.",
        "Refunds go to {iban} within three days.",
        "The login came from {ip}, which {name} does not recognise.",
        "I pasted {link} into the chat by mistake; could somebody take it down?",
        "Rewards should be paid out to {wallet} at the end of the month.",
        "Somebody has committed {secret} to the repository again.",
        "He wrote his recovery words on a note: {seed}.",
        "According to {name}, the noise at {address} began in March.",
        "{name} and {name} both signed the lease.",
        "The doctor noted that {name} slept badly and had no appetite.",
        "Could you forward this to {name}? The address on file, {mail}, bounces.",
        "We met {name} at the station and drove to {address}.",
        "Reviewer {name} said the second figure was misleading.",
        "Yesterday the committee thanked {name} for ten years of service.",
        "Her card {card} was charged twice, once from {ip}.",
        "The tenant, {name}, can be reached on {phone} in the evening.",
        "Use {secret} only in the test environment, and ask {name} for the rest.",
        "Funds left {wallet} right after {link} was opened.",
    ),
    "zh": (
        "上周{name}搬到了{address}，快递请寄到那里。",
        "昨天我们和{name}通了话，新号码是{phone}。",
        "有不清楚的地方请发邮件到{mail}，或者在中午之前打{phone}。",
        "{name}的付款失败了，卡号{card}已经过期。",
        "登记表上{name}填写的身份证是{identity}。",
        "这次登录来自{ip}，{name}说不是本人操作。",
        "我不小心把{link}贴到了群里，谁能删掉？",
        "奖励请在月底转到{wallet}。",
        "有人又把{secret}提交到了代码仓库。",
        "他把恢复用的单词写在纸条上：{seed}。",
        "据{name}反映，{address}附近三月起就有噪音。",
        "{name}和{name}都在合同上签了字。",
        "医生记录，{name}睡眠很差，没有胃口。",
        "麻烦转给{name}，登记的邮箱{mail}退信了。",
        "评审{name}认为第二张图会误导读者。",
        "大会感谢{name}十年来的付出。",
        "租客{name}晚上可以打{phone}。",
        "她的卡{card}被扣了两次款。",
        "这位患者住在{address}，家属电话{phone}。",
        "会后{name}把材料交给了秘书。",
    ),
}  # fmt: skip
SENTENCES: dict[str, tuple[str, ...]] = {
    "en": (
        "When {name} left the company in June, nobody changed the lock at {address}.",
        "The parcel for {name} came back because the street in {address} is closed.",
        "A caller who gave the number {phone} claimed to be a relative of {name}.",
        "Our records show that {name} (born in 1984) has two open invoices.",
        "I think {name} is right, and the answer of {name} is wrong.",
        "You will find the slides at {link}, but do not share them.",
        "She asked us to use {mail} instead of the old one.",
        "Deposits from {iban} and card {card} were both reversed.",
        "The server at {ip} refused the key {secret} twice.",
        "His papers carry the number {identity}; the clerk, {name}, made a copy.",
        "Payouts to {wallet} stopped, so {name} opened a ticket.",
        "Never type words such as {seed} into a web page.",
        "Signed on Tuesday: {name}, {address}",
        "In the interview {name} described how the model was trained.",
        "Reply to {name} <{mail}> by Friday.",
        "Two people, {name} and {name}, share the phone {phone}.",
    ),
    "zh": (
        "去年{name}离职以后，{address}的门锁一直没有换。",
        "寄给{name}的包裹被退回，因为{address}正在施工。",
        "来电者自称是{name}的亲戚，留下的号码是{phone}。",
        "系统显示{name}还有两张发票没有付。",
        "我觉得{name}的答案是对的，{name}的答案是错的。",
        "幻灯片在{link}，请不要外传。",
        "她希望以后都用{mail}联系。",
        "从卡{card}转出的钱已经退回。",
        "服务器{ip}两次拒绝了密钥{secret}。",
        "他的证件号{identity}由{name}复印存档。",
        "转到{wallet}的款项停了，于是{name}提交了工单。",
        "千万不要在网页里输入{seed}这样的单词。",
        "采访中{name}介绍了模型的训练过程。",
        "星期五之前请回复{name}，邮箱{mail}。",
        "{name}、{name}两人共用电话{phone}。",
        "图中左边的人是{name}，右边的人不认识。",
    ),
}  # fmt: skip
RECORDS: dict[str, tuple[tuple[str, str], ...]] = {
    "en": (
        ("customer_name", "name"), ("c3", "name"), ("email", "mail"), ("phone", "phone"), ("c7", "phone"), ("address", "address"),
        ("ssn", "identity"), ("card_number", "card"), ("c2", "card"), ("last_ip", "ip"), ("wallet", "wallet"), ("api_key", "secret"),
        ("order", "order"), ("created", "date"), ("total", "price"), ("build", "version"), ("quantity", "number"),
    ),
    "zh": (
        ("姓名", "name"), ("c3", "name"), ("邮箱", "mail"), ("手机", "phone"), ("c7", "phone"), ("地址", "address"), ("身份证号", "identity"),
        ("c1", "identity"), ("卡号", "card"), ("c2", "address"), ("钱包", "wallet"), ("订单", "order"), ("日期", "date"), ("金额", "price"),
    ),
}  # fmt: skip
DECOYS: dict[str, tuple[str, ...]] = {
    "en": (
        "Order {order} shipped on {date} and cost {price} dollars in total.",
        "Upgrade to version {version} before {date}; {number} machines are left.",
        "The book has the ISBN {isbn} and {number} pages.",
        "Transaction {hash} was included in block {order}.",
        "About {percent} percent of the {number} answers agree with the verdict.",
        "The Golden Gate Bridge in San Francisco was painted again in {date}.",
        "Tracking number {long} is not in the system.",
        "Mount Everest is higher than any peak in the Alps, as every School Atlas shows.",
        "The committee met on Monday and the United Nations agreed in April.",
        "Please rate the picture from 1 to {number}: is the Red Car left of the Blue House?",
        "Our Annual Report shows a profit of {price} in the second quarter.",
    ),
    "zh": (
        "订单{order}于{date}发货，总价{price}元。",
        "请在{date}之前升级到{version}版本，还剩{number}台机器。",
        "这本书有{number}页，书号{isbn}。",
        "交易哈希{hash}已在区块{order}中确认。",
        "大约{percent}%的答案与结论一致。",
        "长江是中国最长的河流，黄河次之。",
        "任务完成后请检查标注方法是否正确，成功率应高于{percent}%。",
        "公司计划在明年扩大生产规模，金额为{price}万元。",
        "请判断图片中的白色汽车是否在红色房子的左边。",
        "国家统计局公布了第三季度的经济数据，增长{percent}%。",
        "高中数学教师应当关注学生的理解程度。",
    ),
}  # fmt: skip
