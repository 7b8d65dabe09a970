"""python -m tests.campaign --kills 300 --seed 1: demos under kills until so many have struck, a line of JSON each, then a summary.

A run with a fault keeps its folder, and its line says how to play it again.
"""

import argparse
import json
import shutil
import sys
import tempfile
from pathlib import Path

from tests.campaign.running import Campaign, replay


def main() -> int:
    words = argparse.ArgumentParser(prog="python -m tests.campaign", description=__doc__)
    words.add_argument("--kills", type=int, default=300)
    words.add_argument("--seed", type=int, default=1)
    words.add_argument("--jobs", type=int, default=1)
    words.add_argument("--naive", action="store_true", help="the control: nonces from the chain")
    words.add_argument("--folder", type=Path, help="where the runs lie [a temporary folder]")
    words.add_argument("--replay", type=Path, help="the kills.json of a run that failed")
    given = words.parse_args()
    folder = given.folder or Path(tempfile.mkdtemp(prefix="crowdproof-campaign-"))
    campaign = Campaign(folder, given.seed, given.naive, lambda line: print(json.dumps(line), flush=True))
    summary = replay(campaign, given.replay) if given.replay else campaign.run(given.kills, given.jobs)
    print(json.dumps(summary), flush=True)
    if summary["ok"]:
        shutil.rmtree(folder, ignore_errors=True)
    return 0 if summary["ok"] else 1


if __name__ == "__main__":
    sys.exit(main())
