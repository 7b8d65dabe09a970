"""The tour of docs/tour.md, step by step: three people do their whole job on the page. One story, so the tests keep their order."""

import ast
import csv
import io
import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import LONG_MS, Person, Site

pytestmark = [pytest.mark.browser, pytest.mark.sockets]

TOUR = Path(__file__).parents[2] / "docs" / "tour.md"
REQUESTER, WORKER = 7, 8  # of the tour alone: the first has no money yet


@contextmanager
def step(what: str) -> Iterator[None]:
    """A step of the tour, in the words of docs/tour.md."""
    try:
        yield
    except AssertionError as failed:
        raise AssertionError(f"in the step {what!r}: {failed}") from failed


@pytest.fixture(scope="module")
def story() -> dict[str, Any]:
    return {}


@pytest.fixture(scope="module")
def requester(site: Site) -> Iterator[Person]:
    with site.person(REQUESTER) as person:
        yield person


def test_requester__with_a_template__opens_a_funded_job(site: Site, requester: Person, story: dict[str, Any]) -> None:
    page = requester.page
    requester.go("")
    with step("Press **Connect wallet** and choose a wallet."):
        requester.connect()
    with step("Open **Jobs** and press **New job**."):
        page.get_by_role("navigation").get_by_role("link", name="Jobs").click()
        page.get_by_role("link", name="New job").click()
    with step("Choose the template **Is the review positive or negative?** and see a task as a worker will see it."):
        page.get_by_label("Template").select_option(label="Is the review positive or negative?")
        expect(page.locator("#preview")).to_contain_text("Broke after a week.")
        expect(page.locator("#preview").get_by_role("radio")).to_have_count(4)
    with step("Set **Answers a task** to 2, and **At least** to 1."):
        page.get_by_label("Answers a task").fill("2")
        page.get_by_label("At least").fill("1")
    with step("Press **Check and price**: the escrow is exact to the unit."):
        page.get_by_role("button", name="Check and price").click()
        expect(page.locator("#escrow")).to_have_text("0.15375 DEMO")  # 3 x 2 x (0.02 + 0.005) and 2.5 %
    with step("Press **Sign in to fund it** and sign: it costs nothing."):
        page.get_by_role("button", name="Sign in to fund it").click()
    with step("Press **Get play money**, if the wallet holds too little."):
        expect(page.locator("#too-poor")).to_be_visible()
        page.get_by_role("button", name="Get play money").click()
        expect(page.locator("#too-poor")).to_be_hidden(timeout=LONG_MS)
    with step("Press **Fund with ...**: one signature and one transaction, and the job is open."):
        before = token_balance(site, requester.wallet)
        page.get_by_role("button", name="Fund with").click()
        expect(page.locator("#phase")).to_have_text("open", timeout=LONG_MS)
        story["job"] = int(page.url.rsplit("/", 1)[1])
        assert before - token_balance(site, requester.wallet) == 153_750
        asked = page.evaluate("window.walletAsked")
        assert asked.count("eth_sendTransaction") == 1 and asked.count("eth_signTypedData_v4") == 1
    assert requester.errors == []


@pytest.fixture(scope="module")
def worker(site: Site) -> Iterator[Person]:
    with site.person(WORKER) as person:
        yield person


def test_worker__registers_and_answers__holds_receipts(worker: Person, story: dict[str, Any]) -> None:
    page = worker.page
    with step("In another browser, connect a wallet and open **Work**: the job is there, with its pay."):
        worker.go("#/work")
        worker.connect()
        expect(page.get_by_role("row", name="Is the review positive or negative?").first).to_contain_text("0.02 DEMO")
    with step("Open the job, read its instructions and press **Practise first**."):
        page.get_by_role("link", name="Is the review positive or negative?").first.click()
        expect(page.locator("main")).to_contain_text("Irony counts as what it means.")
        page.get_by_role("link", name="Practise first").click()
        page.get_by_label("negative").check()
        page.get_by_role("button", name="Check").click()
        expect(page.locator("#feedback")).to_contain_text("You would answer: negative")
    with step("Go back to **Work** and press **Register**: two signatures, no transaction to pay."):
        page.get_by_role("navigation").get_by_role("link", name="Work").click()
        page.get_by_role("button", name="Register").click()
        expect(page.get_by_role("button", name="Sign in")).to_be_visible(timeout=LONG_MS)
        asked = page.evaluate("window.walletAsked")
        assert asked.count("personal_sign") == 1 and asked.count("eth_signTypedData_v4") == 1
        assert "eth_sendTransaction" not in asked
    with step("Press **Sign in**, and then **Start** when the first task is offered."):
        page.get_by_role("button", name="Sign in").click()
        page.locator(f"a[href^='#/work/{story['job']}/']", has_text="Start").click(timeout=LONG_MS)
    with step("Choose an answer and press **Send answer**: members of the committee sign that it is stored."):
        page.get_by_label("positive").check()
        page.get_by_role("button", name="Send answer").click()
        expect(page.locator("#sent")).to_contain_text("committee members signed", timeout=LONG_MS)
    with step("Answer the other tasks, with the keys 1 to 4 and Enter if you like."):
        for _ in range(2):
            page.locator("#next-task").click()
            expect(page.locator("#send")).to_be_visible()
            page.keyboard.press("4")  # the classes stand in the order of their bytes
            expect(page.get_by_label("positive")).to_be_checked()
            page.keyboard.press("Enter")
            expect(page.locator("#sent")).to_be_visible(timeout=LONG_MS)
    assert worker.errors == []


def test_requester__closes_early__gets_verdicts(requester: Person, story: dict[str, Any]) -> None:
    page = requester.page
    with step("Look at the job: three of six answers are in."):
        requester.go(f"#/jobs/{story['job']}")
        expect(page.get_by_role("progressbar", name="Answers")).to_have_attribute("value", "3")
    with step("Press **Pause**: nobody new is asked, until you press **Resume**."):
        page.get_by_role("button", name="Pause").click()
        expect(page.locator("#phase")).to_have_text("paused")
        page.get_by_role("button", name="Resume").click()
        expect(page.locator("#phase")).to_have_text("open")
    with step("Press **Close early** and confirm: what is answered is decided now."):
        page.get_by_role("button", name="Close early").click()
        page.get_by_role("button", name="Yes, close it now").click()
        expect(page.get_by_role("progressbar", name="Verdicts")).to_have_attribute("value", "3", timeout=LONG_MS)
        expect(page.get_by_role("img", name=re.compile("^Confidence"))).to_be_visible()
    with step("Press **CSV** to take the results along."):
        with page.expect_download() as download:
            page.locator("#exports").get_by_role("link", name="CSV").click()
        rows = list(csv.DictReader(io.StringIO(Path(download.value.path()).read_text("utf-8"))))
        assert [row["label"] for row in rows] == ["positive"] * 3
    assert requester.errors == []


def test_worker__after_the_window__is_paid(site: Site, worker: Person) -> None:
    page = worker.page
    with step("Open **Earnings**: the pay is pending, and claimable when its window is over."):
        page.get_by_role("navigation").get_by_role("link", name="Earnings").click()
        expect(page.locator("#money")).to_contain_text("Pending")
        expect(page.get_by_role("button", name="Claim 0.075 DEMO")).to_be_enabled(timeout=2 * LONG_MS)
    with step("Press **Claim ...**: the relayer pays it to the wallet."):
        page.get_by_role("button", name="Claim 0.075 DEMO").click()
        expect(page.get_by_role("button", name="Nothing to claim")).to_be_visible(timeout=LONG_MS)
        assert token_balance(site, worker.wallet) == 75_000
    with step("Press **Download my record**."):
        with page.expect_download() as download:
            page.get_by_role("button", name="Download my record").click()
        record = json.loads(Path(download.value.path()).read_text("utf-8"))["record"]
        assert (record["counted"], record["agreed"]) == (3, 3)
    assert worker.errors == []


def test_auditor__without_an_account__recomputes_everything(site: Site, story: dict[str, Any]) -> None:
    with site.person(3) as auditor:
        page = auditor.page
        with step("Without a wallet, open **Audit** and the newest epoch."):
            auditor.go("")
            page.get_by_role("navigation").get_by_role("link", name="Audit").click()
            page.get_by_role("link", name=re.compile("^Epoch")).first.click()
        with step("Press **Verify this epoch**: every step says what it compared, and holds."):
            page.get_by_role("button", name="Verify this epoch").click()
            expect(page.locator("#verified")).to_be_visible(timeout=LONG_MS)
            expect(page.locator("#steps li.ok")).to_have_count(6)
        with step("Open a verdict from its job and see the sum from which it follows, and its proof."):
            page.get_by_role("navigation").get_by_role("link", name="Jobs").click()
            auditor.go(f"#/jobs/{story['job']}")
            page.get_by_role("link", name="Check the verdict on example-1").click()
            expect(page.locator("#included")).to_contain_text("In the verdict tree")
            expect(page.locator("#sum")).to_contain_text("said “positive”")
        with step("Open **Audit** again and download the events as CSV."):
            page.get_by_role("navigation").get_by_role("link", name="Audit").click()
            with page.expect_download() as download:
                page.get_by_role("button", name="Download as CSV").click()
            rows = list(csv.DictReader(io.StringIO(Path(download.value.path()).read_text("utf-8"))))
            assert {"JobOpened", "EpochPosted", "EpochFinalised", "Claimed"} <= {row["event"] for row in rows}
        assert auditor.errors == []


def test_requester__after_the_last_windows__takes_the_rest_back(site: Site, requester: Person) -> None:
    page = requester.page
    with step("Back at the job, press **Take back ...** when the last windows are over: what nobody earned returns."):
        before = token_balance(site, requester.wallet)
        page.get_by_role("button", name="Take back 0.076875 DEMO").click(timeout=2 * LONG_MS)
        expect(page.get_by_role("button", name="Nothing to take back")).to_be_visible(timeout=LONG_MS)
        assert token_balance(site, requester.wallet) - before == 76_875  # escrowed = paid + fee + refund, to the unit
    assert requester.errors == []


def test_tour__its_steps__are_those_of_the_tests() -> None:
    source = ast.parse(Path(__file__).read_text("utf-8"))
    calls = [node for node in ast.walk(source) if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "step"]
    tested = [
        call.args[0].value
        for call in sorted(calls, key=lambda call: call.lineno)
        if isinstance(call.args[0], ast.Constant)
    ]
    told = re.findall(r"^\d+\. (.*)$", TOUR.read_text("utf-8"), re.MULTILINE)
    assert told == tested and len(told) > 20


def token_balance(site: Site, wallet: str) -> int:
    deployment = json.loads((site.home / "deployment.json").read_text("utf-8"))
    data = "0x70a08231" + wallet[2:].rjust(64, "0")
    return int(site.ask("eth_call", {"to": deployment["token"], "data": data}, "latest"), 16)
