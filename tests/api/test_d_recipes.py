"""The recipes of examples/ and the typed client, each run as a reader would, against a deployment that settles."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest
from coincurve import PrivateKey
from web3 import Web3

from examples import auditor, bot, requester
from oracle.protocol.keys import address_of
from scripts import clients
from tests.api import town
from tests.api.conftest import Market
from tests.api.town import Requester

pytestmark = pytest.mark.sockets
ROOT = Path(__file__).parent.parent.parent
TASKS = b"task,text\none,good morning\ntwo,bad weather\n"


def test_recipes__requester_bot_and_auditor__a_job_from_file_to_proof(settled: Market) -> None:
    owner = Requester(settled)
    asked = town.manifest(
        settled, title="by recipe", answer={"type": "choice", "classes": ["bad", "good"]}, redundancy={"most": 1}
    )
    web3 = Web3(Web3.HTTPProvider(settled.demo._url))
    job = requester.open_job(owner.client, web3, owner.key, asked, "tasks.csv", TASKS)
    one = settled.demo.numbers[0]
    town.offer(settled, job, [one])
    url = str(settled.client.base_url)
    offered = town.worker(settled, one).client.get("/me/assignments")
    waiting = [a["job"] for a in offered if a["state"] in {"RESERVED", "ACTIVE"}]
    assert waiting.count(job) == 2
    assert bot.run(url, settled.key(one), rounds=1, pause=0) == len(waiting)
    town.decide(settled)
    rows = [json.loads(line) for line in owner.client.download(f"/jobs/{job}/export", format="jsonl").splitlines()]
    assert [row["label"] for row in rows] == ["good", "bad"]
    checked, wrong = auditor.audit(url)
    assert (checked, wrong) == (sum(1 for _ in all_verdicts(settled)), [])


def test_bot__a_new_wallet__asks_to_be_registered(settled: Market) -> None:
    key = PrivateKey(b"\x77" * 32)
    assert bot.run(str(settled.client.base_url), key, rounds=1, pause=0) == 0
    assert address_of(key) in {wish.wallet for wish in settled.oracle.database.registrations()}


def all_verdicts(market: Market) -> list[object]:
    visitor = town.client(market)
    return [v for job in visitor.pages("/jobs") for v in visitor.pages(f"/jobs/{job['job']}/verdicts", limit=3)]


@pytest.mark.parametrize("file", ["bot.py", "requester.py", "auditor.py"])
def test_recipes__each__under_sixty_lines(file: str) -> None:
    assert len((ROOT / "examples" / file).read_text().splitlines()) <= 61


def test_client__typed__is_fresh_and_speaks_to_the_server(settled: Market, tmp_path: Path) -> None:
    assert clients.main(check=True) == 0
    node = shutil.which("node")
    if node is None:
        pytest.skip("node: not installed")
    script = f"""
    import {{ Crowdproof, Refusal }} from "{(ROOT / "api" / "clients" / "crowdproof.js").as_uri()}";
    const api = new Crowdproof("{settled.client.base_url}");
    const logs = [];
    for await (const log of api.pages("/logs?limit=5")) logs.push(log.cursor);
    const streamed = [];
    for await (const log of api.follow("-1.-1")) {{ streamed.push(log.cursor); if (streamed.length === logs.length) break; }}
    let code = null;
    try {{ await api.stats(1) }} catch (error) {{ code = error instanceof Refusal && error.problem.title }}
    const job = await api.job(1);
    console.log(JSON.stringify({{ logs, streamed, code, job: job.job }}));
    process.exit(0);
    """
    (tmp_path / "try.mjs").write_text(script)
    found = subprocess.run([node, tmp_path / "try.mjs"], capture_output=True, text=True, timeout=60, check=False)  # noqa: S603
    assert found.returncode == 0, found.stderr
    document = json.loads(found.stdout)
    assert document["logs"] == document["streamed"]
    assert (document["code"], document["job"]) == ("no-session", 1)
