"""What goes wrong: wallets, chains, servers, deadlines, tabs, sizes, and content that means harm."""

import os
import signal
import time
from typing import Any

import httpx
import pytest
from coincurve import PrivateKey
from playwright.sync_api import Route, expect

from oracle.adapters import anvil
from oracle.adapters.satellites import disputes_of
from tests.browser.conftest import CATS, LONG_MS, Person, Site, wait

pytestmark = [pytest.mark.browser, pytest.mark.sockets]

EVIL = '<img src=x onerror="window.pwned=1"><script>window.pwned=1</script><svg onload="window.pwned=1">'


def test_wallet__refuses_to_sign__says_so_and_nothing_is_sent(site: Site) -> None:
    with site.person(9) as person:
        page = person.page
        person.go("#/work")
        person.connect()
        page.evaluate("window.walletRefuses = true")
        page.get_by_role("button", name="Register").click()
        expect(page.locator("#notice")).to_have_text("You declined in your wallet. Nothing was signed or sent.Dismiss")
        page.evaluate("window.walletRefuses = false")
        expect(page.get_by_role("button", name="Register")).to_be_enabled()


def test_wallet__on_another_chain__is_asked_to_switch_and_nothing_is_signed_there(site: Site) -> None:
    with site.person(9) as person:
        page = person.page
        person.go("#/work")
        person.connect()
        page.evaluate("window.walletChain = '0x1'; window.walletStays = true")
        page.get_by_role("button", name="Register").click()
        expect(page.locator("#notice")).to_contain_text("Your wallet is on another network. Switch it to chain")
        assert "eth_signTypedData_v4" not in page.evaluate("window.walletAsked")
        page.evaluate("window.walletStays = false")
        page.get_by_role("button", name="Register").click()
        expect(page.locator("#beginning")).to_contain_text("registered", timeout=LONG_MS)
        assert page.evaluate("window.walletChain") is None


def test_sign_in__while_an_older_look_at_the_session_is_under_way__stays(site: Site) -> None:
    with site.person(1) as person:
        page, held = person.page, list[Route]()

        def hold(route: Route) -> None:
            held.append(route)

        person.go("#/earnings")
        page.route("**/auth/session", hold)
        page.get_by_role("button", name="Connect wallet").first.click()
        page.get_by_role("button", name="Test wallet").click()
        while len(held) < 2:
            page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")  # the page looks again
            page.wait_for_timeout(100)
        held[0].continue_()
        expect(page.locator("#me")).to_be_visible()
        page.goto(f"{site.api}/#/jobs/1")
        page.get_by_role("button", name="Sign in").click()
        expect(page.locator("#controls")).to_be_visible()
        with page.expect_response("**/auth/session"):
            held[1].fulfill(json={"wallet": None})
        page.wait_for_timeout(200)
        expect(page.locator("#controls")).to_be_visible()
        assert person.errors == []


def test_assignment__expired__is_said_and_nothing_is_sent(site: Site, worker: Person) -> None:
    job = site.publish(1, {**CATS, "allow": [worker.wallet], "assignmentSeconds": 60}, [{"text": "It purrs."}])
    site.employ(worker)
    page = worker.page
    page.locator(f"a[href^='#/work/{job}/']", has_text="Start").click(timeout=LONG_MS)
    page.get_by_label("cat").check()
    page.clock.install()

    def over() -> int:
        page.clock.fast_forward(600_000)  # again where the page has just asked the server for the time
        return page.locator("#over").count()

    wait(over, "the end of the task's time")
    expect(page.locator("#over")).to_contain_text("The time for this task is over")
    expect(page.get_by_role("button", name="Send answer")).to_be_hidden()


def test_job__paused_by_its_requester__says_so_to_all_and_goes_on_when_resumed(site: Site) -> None:
    job = site.publish(1, CATS, [{"text": "It purrs."}])
    with site.person(1) as person:
        page = person.page
        person.manage(job)
        page.get_by_role("button", name="Pause").click()
        expect(page.locator("#phase")).to_have_text("paused")
        assert str(job) in {one.name for one in site.oracle.database.kept_of("paused")}
        page.get_by_role("button", name="Resume").click()
        expect(page.locator("#phase")).to_have_text("open")
        expect(page.get_by_role("button", name="Pause")).to_be_visible()
        assert str(job) not in {one.name for one in site.oracle.database.kept_of("paused")}
        assert person.errors == []


def test_job__whose_manifest_nobody_has__keeps_nobody_from_work(site: Site, worker: Person) -> None:
    lost = site.publish(1, CATS, [{"text": "It purrs."}], kept=False)
    job = site.publish(1, {**CATS, "allow": [worker.wallet]}, [{"text": "It purrs."}])
    site.employ(worker)
    page = worker.page
    expect(page.locator(f"a[href^='#/work/{job}/']", has_text="Start")).to_be_visible(timeout=LONG_MS)
    expect(page.locator(f"a[href='#/work/{lost}']")).to_have_count(0)
    worker.go("#/jobs")
    expect(page.get_by_role("link", name=f"Job {lost}", exact=True)).to_be_visible()
    for address in (f"#/jobs/{lost}", f"#/work/{lost}"):
        worker.go(address)
        expect(page.locator("main")).to_contain_text("not in the store")
        expect(page.locator("main")).not_to_contain_text(str(site.home))  # whose server it is, is nobody's business
    assert worker.errors == []


def test_contest__of_an_answer_that_does_not_count__is_filed_with_its_deposit(site: Site) -> None:
    """The members cannot read its label as a class: its worker says why it counts, while the epoch is pending."""
    key = PrivateKey(anvil.dev_key(3))
    number = site.enrol(key)
    with site.person(3) as person:
        page = person.page
        person.go("#/earnings")
        person.connect()
        page.get_by_role("button", name="Sign in").click()
        expect(page.locator("#no-answers")).to_be_visible()
        disputes = disputes_of(site.oracle.chain, site.oracle.deployment)
        before = disputes.ask("contestCount")
        job = site.publish(1, {**CATS, "allow": [person.wallet]}, [{"text": "It purrs."}])
        with site.standing():
            site.answer(key, number, job, 9)
            page.get_by_role("button", name="Contest (").click(timeout=LONG_MS)
            expect(page.locator("main")).to_contain_text("the committee could not open the sealed answer")
            page.get_by_label("Why it counts").fill("I said cat, and cat it is.")
            page.get_by_role("button", name="File the contest").click()
            expect(page.locator("#notice")).to_contain_text("Your contest is filed.")
        assert disputes.ask("contestCount") == before + 1
        contest = disputes.struct("contestOf", before + 1)
        assert "0x" + contest["contester"].hex() == person.wallet.lower(), contest
        assert person.errors == []


def test_two_tabs__of_one_worker__show_one_answer(site: Site, worker: Person) -> None:
    job = site.publish(1, {**CATS, "allow": [worker.wallet]}, [{"text": "It purrs."}])
    site.employ(worker)
    other = worker.context.new_page()
    for tab in (worker.page, other):
        tab.goto(f"{site.api}/#/work/{job}/0")
    expect(worker.page.get_by_label("cat")).to_be_visible(timeout=LONG_MS)
    worker.page.reload()
    worker.page.get_by_label("cat").check()
    other.reload()
    expect(other.get_by_label("cat")).to_be_checked()  # the draft is there, too
    worker.page.get_by_role("button", name="Send answer").click()
    expect(worker.page.locator("#sent")).to_be_visible(timeout=LONG_MS)
    expect(other.locator("#sent")).to_be_visible(timeout=LONG_MS)


def test_draft_and_return__of_a_task__survive_and_cost_nothing(site: Site, worker: Person) -> None:
    job = site.publish(1, {**CATS, "allow": [worker.wallet]}, [{"text": "It purrs."}, {"text": "It barks."}])
    site.employ(worker)
    page = worker.page
    page.goto(f"{site.api}/#/work/{job}/0")
    page.get_by_label("dog").check(timeout=LONG_MS)
    page.get_by_role("link", name="Skip", exact=True).click()
    expect(page.locator(".task")).to_contain_text("It barks.")
    page.goto(f"{site.api}/#/work/{job}/0")
    expect(page.get_by_label("dog")).to_be_checked()
    page.get_by_role("button", name="Give back").click()
    expect(page.locator("#notice")).to_contain_text("does not count against you")
    page.get_by_role("navigation").get_by_role("link", name="Earnings").click()
    expect(page.get_by_text("given back").first).to_be_visible()


def test_content__that_means_harm__is_text_and_nothing_else(site: Site, worker: Person) -> None:
    """In a task's text, its field names, a label, a title, instructions, an image and a block's bytes."""
    evil = {
        **CATS,
        "title": EVIL,
        "instructions": EVIL,
        "answer": {"type": "choice", "classes": sorted([EVIL, "javascript:alert(1)"])},
        "allow": [worker.wallet],
    }
    svg = "data:image/svg+xml,<svg xmlns='http://www.w3.org/2000/svg' onload='window.pwned=1'/>"
    job = site.publish(1, evil, [{"text": EVIL, EVIL: EVIL, "image": svg, "question": EVIL}])
    site.employ(worker)
    page = worker.page
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.on("dialog", lambda dialog: asked.append(f"dialog {dialog.message}"))
    for hash_ in ("#/work", f"#/work/{job}", f"#/work/{job}/practice", f"#/jobs/{job}", "#/jobs", f"#/work/{job}/0"):
        worker.go(hash_)
        expect(page.locator("main")).to_contain_text("<script>window.pwned=1</script>", timeout=LONG_MS)
    page.get_by_role("radio").first.check()
    page.get_by_role("button", name="Send answer").click()
    expect(page.locator("#sent")).to_be_visible(timeout=LONG_MS)
    page.goto(f"{site.api}/#/audit/verdicts/{job}/0")
    expect(page.locator("#sum")).to_be_visible(timeout=LONG_MS)
    assert page.evaluate("window.pwned") is None
    assert page.locator("main script, main img[src='x'], main svg[onload]").count() == 0
    assert all(url.startswith((site.api, site.rpc, "blob:", "data:")) for url in asked)
    response = worker.context.request.get(f"{site.api}/ipfs/{_manifest(site, job)}")
    assert response.headers["x-content-type-options"] == "nosniff"
    assert "html" not in response.headers["content-type"]
    ran = """() => {
      const script = document.createElement('script')
      try { script.textContent = 'window.ran = 1' } catch { return 'refused' }
      document.body.append(script)
      return window.ran ?? 'refused'
    }"""
    assert page.evaluate(ran) == "refused"  # the policy lets no text run, even if it came so far


def _manifest(site: Site, job: int) -> str:
    return str(httpx.get(f"{site.api}/jobs/{job}", trust_env=False).json()["manifest"])


def test_lists__of_ten_thousand_tasks__are_shown_at_once(site: Site) -> None:
    with site.person(1) as requester:
        page = requester.page
        requester.go("#/jobs/new")
        page.get_by_label("Title").fill("Ten thousand")
        page.get_by_label("Instructions").fill("Say it.")
        page.get_by_label("Possible answers").fill("yes\nno")
        rows = "".join(f'{{"task": "{n}", "payload": {{"text": "Sentence number {n}."}}}}\n' for n in range(10_000))
        file = {"name": "tasks.jsonl", "mimeType": "application/jsonl", "buffer": rows.encode()}
        page.get_by_label("A file").set_input_files(files=[file])  # type: ignore[list-item]
        expect(page.locator("#task-count")).to_have_text("10,000 tasks", timeout=LONG_MS)
        began = time.monotonic()
        page.get_by_role("button", name="Next task").click()
        expect(page.locator("#preview")).to_contain_text("Sentence number 1.")
        assert time.monotonic() - began < 3
        page.get_by_role("button", name="Check and price").click()
        expect(page.locator("#escrow")).to_have_text("768.75 DEMO", timeout=LONG_MS)
        assert requester.errors == []


def _assignment(task: int) -> dict[str, Any]:
    return {"job": 1, "task": task, "id": f"task-{task}", "state": "ACCEPTED", "expiry": 2_000_000_000, "paid": "10000"}


def test_earnings__with_ten_thousand_answers__stay_usable(site: Site, worker: Person) -> None:
    site.employ(worker)
    page = worker.page
    page.route("**/me/assignments", lambda route: route.fulfill(json=[_assignment(n) for n in range(10_000)]))
    began = time.monotonic()
    worker.go("#/earnings")
    expect(page.locator("tbody tr").first).to_contain_text("task-9999")
    assert time.monotonic() - began < 10
    assert page.locator("tbody tr").count() <= 300


def test_wrong_file__imported__names_its_rows_before_any_funding(site: Site) -> None:
    with site.person(1) as requester:
        page = requester.page
        requester.go("#/jobs/new")
        page.get_by_label("A file").set_input_files(
            {"name": "tasks.csv", "mimeType": "text/csv", "buffer": b"task,text\na,one\na,two\n,three\n"}
        )
        expect(page.locator("#row-flaws")).to_contain_text("Row")
        expect(page.get_by_role("button", name="Fund with")).to_have_count(0)


def test_damaged_block__in_the_store__is_named_and_nothing_verifies(site: Site) -> None:
    """The auditor's browser hashes what it is given: one changed byte and the step that reads it fails."""
    with site.person(3) as auditor:
        page = auditor.page

        def damage(route: Route) -> None:
            response = route.fetch()
            body = bytearray(response.body())
            body[len(body) // 2] ^= 1
            route.fulfill(response=response, body=bytes(body))

        page.route("**/ipfs/**", damage)
        auditor.go("#/audit/epochs/1")
        page.get_by_role("button", name="Verify this epoch").click()
        expect(page.locator("#steps li.wrong")).to_contain_text("the store gave other bytes", timeout=LONG_MS)
        expect(page.locator("#refuted")).to_be_visible()


def test_lying_endpoint__with_other_signatures__is_caught(site: Site) -> None:
    with site.person(3) as auditor:
        page = auditor.page

        def lie(route: Route) -> None:
            if "eth_getTransactionByHash" not in (route.request.post_data or ""):
                return route.continue_()
            document = route.fetch().json()
            data = document["result"]["input"]
            document["result"]["input"] = data[:200] + ("1" if data[200] == "0" else "0") + data[201:]
            return route.fulfill(json=document, headers={"access-control-allow-origin": "*"})

        page.route(f"{site.rpc}/**", lie)
        auditor.go("#/audit/epochs/1")
        page.get_by_role("button", name="Verify this epoch").click()
        expect(page.locator("#steps li.wrong")).to_be_visible(timeout=LONG_MS)
        expect(page.locator("#verified")).to_be_hidden()


def test_api__down_and_back__keeps_the_page_and_goes_on(site: Site) -> None:
    """The last: it kills the server of all the others."""
    with site.person(3) as person:
        page = person.page
        person.go("#/jobs")
        expect(page.get_by_role("heading", name="Jobs")).to_be_visible()
        page.route("**/jobs*", lambda route: route.abort())  # also while it is back already
        os.kill(site.pids["api"], signal.SIGKILL)  # whoever keeps it alive starts it again
        expect(page.locator("#offline")).to_contain_text("tries again by itself", timeout=LONG_MS)
        expect(page.get_by_role("heading", name="Jobs")).to_be_visible()
        page.unroute("**/jobs*")
        expect(page.locator("#offline")).to_be_hidden(timeout=LONG_MS)
