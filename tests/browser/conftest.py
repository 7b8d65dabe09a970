"""The page in a real Chromium against a real deployment: `crowdproof up` in processes of its own, its chain, members and roles.

A person is a browser context with a wallet of its own: ten lines of EIP-6963 over one of Anvil's accounts.
"""

import json
import os
import shutil
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import httpx
import pytest
from coincurve import PrivateKey
from playwright.sync_api import Browser, BrowserContext, Page, Playwright, expect, sync_playwright

from oracle import publishing
from oracle.adapters import anvil
from oracle.adapters.signer import KeySigner
from oracle.bootstrap import Oracle, open_oracle
from oracle.config import Home
from oracle.demo import crowd
from oracle.protocol.keys import Address, address_of, checksum
from oracle.protocol.leaves import Task
from oracle.protocol.manifest import check_manifest
from oracle.services import outbox, verify
from tests.support.commands import begin

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
ABSENT = "no Chromium on PATH: install Debian's chromium, then run the tests again"
QUIET = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
WINDOW_S = 8
START_S = 150
expect.set_options(timeout=20_000)  # a busy machine is slow, and nothing waits longer than it must
PURSE = 1_000 * 10**6  # of play money
LONG_MS = 60_000  # an epoch: proposed, signed, posted, final
CATS = {
    "title": "Cat or dog?",
    "instructions": "Say which animal the text describes.",
    "answer": {"type": "choice", "classes": ["cat", "dog"]},
    "redundancy": {"most": 1},
    "reward": {"base": "10000", "bonus": "2500"},
    "feeBps": 250,
}
WALLET = Path(__file__).with_name("wallet.js").read_text("utf-8")


@dataclass
class Person:
    """A browser with a wallet on a page of the site."""

    page: Page
    context: BrowserContext
    wallet: str
    site: "Site"
    errors: list[str]

    def go(self, hash_: str) -> None:
        self.page.goto(f"{self.site.api}/{hash_}")

    def connect(self) -> None:
        self.page.get_by_role("button", name="Connect wallet").first.click()
        self.page.get_by_role("button", name="Test wallet").click()
        expect(self.page.locator("#me")).to_be_visible()

    def manage(self, job: int) -> None:
        """On the page of a job of its own, connected and signed in. A click that the page moved away from is made again."""
        page = self.page
        self.go(f"#/jobs/{job}")
        expect(page.locator("#connect, #me").first).to_be_visible()
        if page.locator("#connect").is_visible():
            self.connect()
        for _ in range(3):
            expect(page.locator("#controls, #sign-in").first).to_be_visible()
            if page.locator("#controls").is_visible():
                return
            page.locator("#sign-in").click()
            page.wait_for_timeout(1_000)
        expect(page.locator("#controls")).to_be_visible()


@dataclass
class Site:
    """A deployment under way."""

    api: str
    rpc: str
    home: Path
    pids: dict[str, int]  # by role; "up" is the one that looks after all, and makes a block a second
    browser: Browser
    oracle: Oracle
    job: int = 0

    def ask(self, method: str, *params: Any) -> Any:
        body = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
        return httpx.post(self.rpc, json=body, trust_env=False).json()["result"]

    @contextmanager
    def person(self, number: int, **options: Any) -> Iterator[Person]:
        """With Anvil's account of that number: 0 is the deployment's own."""
        wallet = self.ask("eth_accounts")[number]
        context = self.browser.new_context(**{"viewport": {"width": 1200, "height": 900}, **options})
        context.set_default_timeout(40_000)
        context.add_init_script(_wallet(self.rpc, wallet))
        page, errors = context.new_page(), []
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.on("console", lambda line: errors.append(line.text) if _is_ours(line.text, line.type) else None)
        try:
            yield Person(page, context, wallet, self, errors)
        finally:
            context.close()

    def publish(self, requester: int, document: dict[str, Any], payloads: list[Any], kept: bool = True) -> int:
        """A job as the command line opens one; its number. Where it is not `kept`, nobody has its manifest."""
        oracle, signer = self.oracle, KeySigner(anvil.dev_key(requester))
        whole = {"version": 1, "deadline": oracle.chain.latest().timestamp + 86_400, **document}
        tasks = [Task(number, f"task-{number}", payload) for number, payload in enumerate(payloads)]
        terms = publishing.store(oracle, check_manifest(whole), tasks, "the test's manifest")
        terms = terms if kept else replace(terms, manifest=os.urandom(32))
        if oracle.chain.token_balance(oracle.deployment.token, signer.address) < PURSE // 2:
            self.give(signer.address)
        return publishing.fund(oracle, signer, terms, whole["deadline"])

    def employ(self, person: Person) -> None:
        """Connected, registered and signed in, on the page of work: whatever of it is still to do."""
        page = person.page
        person.go("#/work")
        person.connect()
        there = page.locator("#yours, #no-tasks").first
        steps = page.locator("#register, #make-key, #sign-in")
        for _ in range(3):
            expect(steps.or_(there).first).to_be_visible(timeout=LONG_MS)
            if there.is_visible():
                break
            name = str(steps.first.get_attribute("id"))
            steps.first.click()
            expect(page.locator(f"#{name}")).to_be_hidden(timeout=LONG_MS)
        expect(there).to_be_visible(timeout=LONG_MS)

    def enrol(self, key: PrivateKey) -> int:
        """A bot, whose wallet also signs its answers; its number, once it is registered."""
        with self._bots() as bots:
            crowd.register(bots, [key], lambda *_: None)
            return int(wait(lambda: self.oracle.index.advance().worker_of.get(address_of(key)), "the registration"))

    def answer(self, key: PrivateKey, number: int, job: int, said: int | str) -> None:
        """That bot's answer to the only task of a job."""
        wait(lambda: self.oracle.database.assignments(job, number), "the bot's assignment")
        journal = crowd.Journal(self.home / f"bot-{number}")
        with self._bots() as bots:
            crowd.answer_all(bots, [key], [number], {(0, 0): said}, job, journal, lambda *_: None)

    @contextmanager
    def _bots(self) -> Iterator[crowd.Api]:
        with httpx.Client(base_url=self.api, trust_env=False, timeout=60) as client:
            until = self.oracle.chain.latest().timestamp + crowd.FAR
            yield crowd.Api(client, self.oracle.deployment, until)

    @contextmanager
    def standing(self, *roles: str) -> Iterator[None]:
        """Block time moves by a second a transaction, however long a step takes; these roles stand still."""
        pids = [self.pids[role] for role in ("up", *roles)]
        self.ask("anvil_setBlockTimestampInterval", 1)
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)
        try:
            yield
        finally:
            for pid in pids:
                os.kill(pid, signal.SIGCONT)
            self.ask("anvil_removeBlockTimestampInterval")

    def warm(self) -> None:
        """A first epoch, by a bot: each member loads its engine for it, which takes long on a busy machine."""
        key = crowd.wallet("browser", "bot")
        job = self.publish(1, {**CATS, "allow": [checksum(address_of(key))]}, [{"text": "It purrs."}])
        self.answer(key, self.enrol(key), job, 0)
        wait(lambda: self.oracle.index.advance().final(), "the first epoch")

    def give(self, wallet: Address) -> None:
        """Play money, from the deployer."""
        oracle, giver = self.oracle, KeySigner(anvil.dev_key(0))
        purpose = f"play money {len(oracle.database.sent(giver.address))}"
        call = oracle.calls.transfer(oracle.deployment.token, wallet, PURSE, purpose)
        outbox.run(oracle.database, oracle.chain, giver, call, "tests")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """The last word of a run, whatever became of it."""
    marked = [
        (outcome, report)
        for outcome in ("passed", "failed", "error", "skipped")
        for report in terminalreporter.stats.get(outcome, ())
    ]
    ours = [(outcome, report) for outcome, report in marked if "browser" in getattr(report, "keywords", {})]
    count = {
        outcome: len({report.nodeid for found, report in ours if found == outcome})
        for outcome in ("passed", "failed", "error", "skipped")
    }
    why = "" if CHROMIUM else f" ({ABSENT})"
    terminalreporter.write_line(
        f"browser: {count['passed']} passed, {count['failed'] + count['error']} failed, {count['skipped']} skipped{why}"
    )


@pytest.fixture(scope="package")
def chromium() -> str:
    if CHROMIUM is None:
        pytest.skip(ABSENT)
    return CHROMIUM


@pytest.fixture(scope="package")
def playwright() -> Iterator[Playwright]:
    with sync_playwright() as started:
        yield started


@pytest.fixture(scope="package")
def site(chromium: str, playwright: Playwright, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """One deployment for all of these tests: each brings its own job and its own people."""
    folder = tmp_path_factory.mktemp("browser")
    said, home = folder / "said.jsonl", folder / "home"
    verify.believe(2, [(0, 1, 0)])  # compiled and kept on disk once, rather than by four members at a time
    process = begin(said, "up", "--home", home, "--window", WINDOW_S, "--json")
    try:
        facts = _wait_up(said, process.poll)
        browser = playwright.chromium.launch(executable_path=chromium, args=QUIET)
        with closing(open_oracle(Home(home))) as oracle:
            started = Site(facts["api"], facts["rpc"], home, {**facts["pids"], "up": process.pid}, browser, oracle)
            started.warm()
            yield started
        browser.close()
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(60)


def wait(look: Callable[[], Any], what: str) -> Any:
    end = time.monotonic() + START_S
    while time.monotonic() < end:
        if found := look():
            return found
        time.sleep(0.3)
    raise AssertionError(f"{what} does not come")


def _wait_up(said: Path, ended: Callable[[], int | None]) -> dict[str, Any]:
    end = time.monotonic() + START_S
    while time.monotonic() < end and ended() is None:
        for line in said.read_text().splitlines() if said.exists() else ():
            if line.startswith('{"event": "up"'):
                found: dict[str, Any] = json.loads(line)
                return found
        time.sleep(0.2)
    raise AssertionError(f"the deployment did not start: {said.read_text()[-2000:]}")


@pytest.fixture
def worker(site: Site) -> Iterator[Person]:
    with site.person(2) as person:
        yield person


def _is_ours(text: str, kind: str) -> bool:
    """A wallet that nobody registered is asked for and not found: the browser says so by itself."""
    return kind == "error" and not text.startswith("Failed to load resource")


def _wallet(rpc: str, account: str) -> str:
    source = WALLET[WALLET.index("*/") + 2 :].strip()
    return f"({source})({json.dumps([rpc, account])})"
