"""A requester: `python examples/requester.py http://127.0.0.1:PORT RPC KEYFILE manifest.json tasks.csv` opens a job and waits.

The file is read and checked before anything is funded; one permit and one transaction escrow exactly what was quoted.
"""

import json
import sys
import time
from pathlib import Path
from typing import Any

from coincurve import PrivateKey
from eth_account import Account
from web3 import Web3

from api.client import Client


def open_job(api: Client, web3: Web3, key: PrivateKey, manifest: dict[str, Any], name: str, data: bytes) -> int:
    """The job's number. `api`: signed in as the key's wallet, which holds the tokens and coin for gas."""
    imported = api.upload("/jobs/import", data, name=name)
    checked = (
        api.post("/jobs/check", {"manifest": manifest, "tasks": imported["tasks"]}) if imported["ok"] else imported
    )
    for flaw in checked["flaws"]:
        sys.exit(f"{name}, row {flaw['row']}, {flaw['field']}: {flaw['what']}")
    draft = api.post("/jobs/drafts", {"manifest": manifest, "tasks": imported["tasks"]}, key=name)
    print(f"escrow {draft['quote']['escrow']} = pay {draft['quote']['pay']} + fee {draft['quote']['fee']}")
    signed = Account.sign_typed_data(key.secret, full_message=draft["permit"])
    permit = {"deadline": draft["deadline"], "signature": "0x" + signed.signature.hex()}
    sendable = api.post("/transactions/open", {"terms": draft["terms"], "permit": permit})
    account = Account.from_key(key.secret)
    for call in sendable["calls"]:
        fields = {"to": Web3.to_checksum_address(call["to"]), "data": call["data"], "value": int(call["value"], 16)}
        nonce, chain = web3.eth.get_transaction_count(account.address), int(sendable["chainId"], 16)
        gas = web3.eth.estimate_gas({**fields, "from": account.address}) + 50_000
        price = {"maxFeePerGas": 2 * web3.eth.gas_price, "maxPriorityFeePerGas": web3.eth.max_priority_fee}
        raw = account.sign_transaction(
            {**fields, **price, "nonce": nonce, "chainId": chain, "gas": gas}
        ).raw_transaction
        web3.eth.wait_for_transaction_receipt(web3.eth.send_raw_transaction(raw))
    while (job := api.get(f"/jobs/drafts/{draft['terms']}")["job"]) is None:
        time.sleep(1)
    return int(job)


if __name__ == "__main__":
    url, rpc, keyfile, manifest_file, tasks_file = sys.argv[1:]
    wallet = PrivateKey(bytes.fromhex(Path(keyfile).read_text().strip()))
    with Client(url) as anybody:
        mine, tasks = anybody.sign_in(wallet), Path(tasks_file)
        asked = json.loads(Path(manifest_file).read_text())
        number = open_job(mine, Web3(Web3.HTTPProvider(rpc)), wallet, asked, tasks.name, tasks.read_bytes())
        print(f"job {number}")
        while (progress := anybody.get(f"/jobs/{number}/progress"))["final"] < progress["tasks"]:
            print(f"{progress['answered']} of {progress['wanted']} answers, {progress['final']} tasks final")
            time.sleep(10)
        Path(f"job-{number}.jsonl").write_bytes(mine.download(f"/jobs/{number}/export", format="jsonl"))
