"""An auditor: `python examples/auditor.py http://127.0.0.1:PORT` recomputes every verdict from its evidence, believing nothing.

What it takes from the API on trust is the digest of each epoch's header and the members: compare them with any node of the chain
(EpochPosted, Committee.members), or let `crowdproof audit --rpc` do so.
"""

import sys
from typing import Any

from api.client import Client, check_evidence
from oracle.protocol.cids import cid_of, parse
from oracle.protocol.errors import Fatal


def audit(url: str) -> tuple[int, list[str]]:
    """(verdicts, what is wrong with them)."""
    with Client(url) as api:
        deployment, seen, wrong = api.deployment(), 0, []
        posted = {log["fields"]["epoch"]: log["fields"]["digest"] for log in api.pages("/logs", kind="EpochPosted")}
        for job in api.pages("/jobs"):
            for verdict in api.pages(f"/jobs/{job['job']}/verdicts"):
                evidence = api.get(f"/jobs/{job['job']}/verdicts/{verdict['task']}/evidence")
                seen += 1
                try:
                    check_evidence(deployment, evidence, posted[verdict["epoch"]])
                    check_block(api, evidence)
                except Fatal as problem:
                    wrong.append(f"task {verdict['task']} of job {job['job']}: {problem}")
        return seen, wrong


def check_block(api: Client, evidence: dict[str, Any]) -> None:
    """The epoch's own block lies in the store under the digest that the members signed."""
    name = evidence["verdict"]["content"]
    codec, digest = parse(name)
    if "0x" + digest.hex() != evidence["header"]["content"] or cid_of(api.download(f"/ipfs/{name}"), codec) != name:
        raise Fatal(f"the block {name} is not what was signed")


if __name__ == "__main__":
    checked, faults = audit(sys.argv[1])
    print(f"{checked} verdicts, {len(faults)} wrong", *faults, sep="\n")
    sys.exit(bool(faults))
