"""A bot that works for pay: `python examples/bot.py http://127.0.0.1:PORT KEYFILE` (a private key in hex, made when absent).

It registers its wallet without gas, answers whatever it is offered by a rule of its own, keeps the receipts, and claims its pay.
"""

import json
import secrets
import sys
import time
from pathlib import Path
from typing import Any

from coincurve import PrivateKey

from api.client import Client, Worker, register
from oracle.protocol.errors import CrowdproofError
from oracle.protocol.keys import address_of, checksum


def label_of(payload: Any, classes: list[str]) -> int:
    """Put your model here. This one counts words that occur in the name of a class."""
    text = json.dumps(payload).lower()
    return max(range(len(classes)), key=lambda c: sum(text.count(word) for word in classes[c].lower().split()))


def run(url: str, key: PrivateKey, rounds: int, pause: float = 2.0) -> int:
    """How many answers have a receipt."""
    with Client(url) as anybody:
        deployment = anybody.deployment()
        wallet, done = checksum(address_of(key)), 0
        for _ in range(rounds):
            try:
                until = int(anybody.get("/node")["now"]) + 86_400
                mine = anybody.sign_in(key)
                number = mine.get("/auth/session")["worker"]
                if number is None:
                    register(anybody, deployment, key, until)
                    print(f"{wallet} asks to be registered")
                else:
                    worker = Worker(mine, deployment, key, number)
                    for task in mine.get("/me/assignments"):
                        if task["state"] in ("RESERVED", "ACTIVE"):
                            shown = mine.get(f"/me/assignments/{task['job']}/{task['task']}")
                            answer = worker.answer(task, label_of(shown["payload"], shown["classes"]))
                            worker.send([task], [answer])
                            done += 1
                    if amount := worker.claim(until):
                        print(f"worker {number} claims {amount}")
            except CrowdproofError as problem:  # busy, or decided meanwhile: the next round sees
                print(problem, file=sys.stderr)
            time.sleep(pause)
        return done


if __name__ == "__main__":
    file = Path(sys.argv[2])
    if not file.exists():
        file.touch(0o600)
        file.write_text(secrets.token_hex(32))
    run(sys.argv[1], PrivateKey(bytes.fromhex(file.read_text().strip())), sys.maxsize)
