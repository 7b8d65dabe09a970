"""What is found, where it stands, and what only looks alike."""

import time
import unicodedata
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from oracle.bench import privacy
from oracle.privacy.find import KINDS, find


def shown(text: str, field: str = "") -> list[tuple[str, str]]:
    return [(one.kind, text[one.start : one.end]) for one in find(text, field)]


@pytest.mark.parametrize(
    ("text", "kind", "data"),
    [
        ("My name is John Smith.", "name", "John Smith"),
        ("Ask Dr. Ngcobo-Adeyemi about it", "name", "Ngcobo-Adeyemi"),
        ("it was Wang Xiaoming's idea", "name", "Wang Xiaoming"),
        ("王小明在北京工作", "name", "王小明"),
        ("请联系李娜确认", "name", "李娜"),
        ("欧阳修文老师来了", "name", "欧阳修文"),
        ("张先生来电话了", "name", "张"),
        ("he lives at 742 Evergreen Terrace, Springfield, IL 62704 now", "address", "742 Evergreen Terrace, Springfield, IL 62704"),
        ("住在北京市海淀区中关村大街27号院3栋", "address", "北京市海淀区中关村大街27号院3栋"),
        ("发邮件到abc.d@x.com.cn谢谢", "mail", "abc.d@x.com.cn"),
        ("电话13812345678吧", "phone", "13812345678"),
        ("ring 415-555-2671 now", "phone", "415-555-2671"),
        ("身份证11010519491231002X。", "identity", "11010519491231002X"),
        ("HKID A123456(3) was shown", "identity", "A123456(3)"),
        ("證 A123456789", "identity", "A123456789"),
        ("SSN 078-05-1120", "identity", "078-05-1120"),
        ("passport no. E12345678", "identity", "E12345678"),
        ("卡号6222020200112230038已冻结", "card", "6222020200112230038"),
        ("from 203.0.113.9 it came", "ip", "203.0.113.9"),
        ("at 2001:db8::ff00:42:8329 now", "ip", "2001:db8::ff00:42:8329"),
        ("see https://u:pw1@h.example/x?y", "link", "https://u:pw1@h.example/x?y"),
        ("把https://h.example/a?b=1&token=abcDEF1贴出", "link", "https://h.example/a?b=1&token=abcDEF1"),
        ("password: hunter2!", "secret", "hunter2!"),
        ("密码是Abc12345，", "secret", "Abc12345"),
        ("key " + "ab" * 32, "secret", "ab" * 32),
        ("把ghp_" + "a1B2" * 9 + "提交", "secret", "ghp_" + "a1B2" * 9),
        ("KwDiBf89QgGbjEhKnhXJuH7LrciVrZi3qYjgd9M7rFU73sVHnoWn", "secret", "KwDiBf89QgGbjEhKnhXJuH7LrciVrZi3qYjgd9M7rFU73sVHnoWn"),
        ("TJRabPrwbZy45sbavfcjinPJC18kjpRTv8 got it", "wallet", "TJRabPrwbZy45sbavfcjinPJC18kjpRTv8"),
        ("words: " + "abandon " * 11 + "about.", "seed", ("abandon " * 11 + "about")),
        ("1\u200b3\u200b812345678", "phone", "1\u200b3\u200b812345678"),  # hidden by what nobody sees
        ("\uff11\uff13812345678", "phone", "\uff11\uff13812345678"),
    ],
)  # fmt: skip
def test_find__personal_data__is_found_where_it_stands(text: str, kind: str, data: str) -> None:
    assert shown(text) == [(kind, data)]


@pytest.mark.parametrize(
    "text",
    [
        "11010519491231002Y and 110105194912310021",  # the check digit
        "11010519491331002X",  # the thirteenth month
        "A123456(4) A123456788",
        "4111 1111 1111 1112",
        "000-12-3456 and 666-12-3456",
        "version 1.2.3.4, at 127.0.0.1 or ::1, 999.1.1.1",
        "transaction hash 0x" + "ab" * 32,
        "交易哈希" + "0x" + "ab" * 32,
        "abandon " * 12,  # the checksum of the words
        "https://h.example/a?page=token",
        "the password is wrong, and the password is hidden",
        "Order 12345678 of 2024-05-06 costs 1,234.56 and 20,000.",
        "The Golden Gate Bridge is in the United States, and May comes after April.",
        "我们的方法很简单，成功率高于预期，江苏省的金额为三万元。",
        "第二张图会误导读者，马路上有很多白色的汽车。",
        "[NAME] wrote to [MAIL-0123456789] at [ADDRESS]; tel [PHONE-1234567890]",
        "",
        "a",
    ],
)
def test_find__what_only_looks_alike__is_left(text: str) -> None:
    assert shown(text) == []


@pytest.mark.parametrize(
    ("field", "text", "kind"),
    [
        ("name", "xiu mei o", "name"),
        ("患者姓名", "阿依古丽", "name"),
        ("home_address", "the old mill", "address"),
        ("phone", "5552671", "phone"),
        ("api_key", "zzzz", "secret"),
        ("ssn", "078051120", "identity"),
    ],
)
def test_find__a_field_that_says_what_it_holds__is_taken_whole(field: str, text: str, kind: str) -> None:
    assert shown(text, field) == [(kind, text)]
    assert shown(text) == []


@pytest.mark.parametrize(
    "piece",
    ["Aa ", "A.", "1 ", "1-", "a@", "a.", "://x:", "?a=&", "token=", "王", "区路", "0:", "f:", "Smith, ", "abandon "],
)
def test_find__twenty_thousand_hostile_characters__takes_no_time(piece: str) -> None:
    before = time.process_time()
    find((piece * 20_000)[:20_000])
    assert time.process_time() - before < 5


@settings(max_examples=200, deadline=None)
@given(st.text(alphabet=st.characters(codec="utf-8"), max_size=200), st.sampled_from(["", "name", "phone", "地址"]))
def test_find__any_text__spans_lie_in_it_in_order_and_apart(text: str, field: str) -> None:
    found = find(text, field)
    assert all(one.kind in KINDS and 0 <= one.start < one.end <= len(text) for one in found)
    assert all(a.end <= b.start for a, b in pairwise(found))


def test_privacy__made_sentences__all_bounds_are_met() -> None:
    pytest.importorskip("faker")
    found = privacy.privacy(400, 5)
    assert found["ok"]
    assert found["planted"] > 600


def test_privacy__recognisers_that_see_nothing__meet_no_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("faker")
    monkeypatch.setattr(privacy, "find", lambda text, field: [])
    assert not privacy.privacy(40, 5)["ok"]


def test_find__a_text_in_another_normal_form__has_the_offsets_of_the_given_one() -> None:
    text = unicodedata.normalize("NFD", "José Müller wrote to josé@x.example")
    assert shown(text)[0] == ("name", unicodedata.normalize("NFD", "José Müller"))
