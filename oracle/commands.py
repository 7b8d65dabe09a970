"""What stands behind the smaller commands: each takes arguments and gives one JSON document."""

import os
import shutil
import socket
import sys
from pathlib import Path
from typing import Any

import numpy as np

from oracle import labels as lb
from oracle.adapters import anvil
from oracle.adapters.chain import Interfaces, RpcChain, decode_post
from oracle.adapters.compiler import artefacts
from oracle.adapters.content import FolderStore, GatewayStore
from oracle.adapters.deployer import read_deployment_file
from oracle.adapters.signer import create_keystore, list_keystores
from oracle.config import Home
from oracle.ports import ContentStore
from oracle.protocol.errors import BadInput
from oracle.protocol.keys import checksum
from oracle.services import audit as auditing
from oracle.verification.infer import dawid_skene, vote
from oracle.verification.record import proba as proba_of_record
from oracle.verification.record import record

METHODS = ("auto", "vote", "dawid-skene")


def audit(home: Path | None, rpc: str | None, store: str | None, deployment: Path | None) -> dict[str, Any]:
    """Audits a home (its saved chain is started if none runs), or a deployment from outside by --rpc and --store."""
    place = Home.at(home)
    if (rpc is None) != (store is None):
        raise BadInput("--rpc and --store go together: an endpoint and a copy of the content")
    found, abis = read_deployment_file(deployment or place.deployment)
    content: ContentStore
    if rpc is not None and store is not None:
        url, started = rpc, False
        content = GatewayStore(store) if store.startswith(("http://", "https://")) else FolderStore(Path(store))
    else:
        content, settings = FolderStore(place.store), place.settings()
        url, started = _endpoint(place, settings.rpc)
    try:
        interfaces = Interfaces(abis)
        chain = RpcChain(url, interfaces, found.chain_id)
        report = auditing.run(chain, content, found, lambda data: decode_post(interfaces, data))
    finally:
        if started:
            anvil.stop(place.chain)
    counts = {
        name: getattr(report, name)
        for name in ("epochs", "verdicts", "answers", "assignments", "balances", "jobs", "blocks")
    }
    faults = [{"epoch": f.epoch, "tree": f.tree, "index": f.index, "what": f.what} for f in report.faults]
    money = {"earned": report.total * found.unit, "claimed": report.claimed * found.unit}
    return {"ok": report.ok, **counts, **money, "faults": faults, "lines": [str(f) for f in report.faults]}


def _endpoint(home: Home, rpc: str) -> tuple[str, bool]:
    """(endpoint, whether the local chain was started for this)."""
    if not (home.chain / "chain.json").exists():
        return rpc, False
    running = anvil.status(home.chain)
    return (running or anvil.start(home.chain)).url, running is None


def audit_text(document: dict[str, Any]) -> str:
    if document["ok"]:
        return (
            f"  ok: {document['epochs']} epochs, {document['verdicts']} verdicts, {document['answers']} answers, "
            f"{document['balances']} balances and {document['blocks']} blocks recomputed; no fault"
        )
    return "\n".join(["  the audit FAILED:", *(f"  - {line}" for line in document["lines"])])


def infer(labels: Path, out: Path, gold: Path | None, method: str, proba: bool, of_record: bool) -> dict[str, Any]:
    """Verdicts of a label file into `out`; `gold` holds known labels fixed."""
    if method not in METHODS:
        raise BadInput(f"--method {method}: it is one of {', '.join(METHODS)}")
    answers, notes = lb.read_answers(labels)
    known = None
    if gold is not None:
        truth, more = lb.read_truth(gold)
        answers = lb.add_classes(answers, truth.labels.values())
        known, unmatched = lb.align_truth(answers, truth, str(gold))
        notes = [*notes, *more, *unmatched]
    sizes = (len(answers.tasks), len(answers.workers), len(answers.classes))
    fit = None if method == "vote" else dawid_skene(answers.task, answers.worker, answers.label, *sizes, gold=known)
    posterior = vote(answers.task, answers.label, sizes[0], sizes[2]) if fit is None else fit.posterior
    if of_record:
        cap = {} if fit else {"weight_cap": 0}
        found = record(answers.task, answers.worker, answers.label, sizes[0], sizes[2], fit, **cap)
        posterior = proba_of_record(found.scores)
    labels_found = posterior.argmax(1).astype(np.int32)
    confidence = posterior.max(1)
    lb.write_verdicts(out, answers.tasks, answers.classes, labels_found, confidence, posterior if proba else None)
    for note in notes:
        print(f"crowdproof: {note}", file=sys.stderr)
    return {
        "tasks": sizes[0],
        "workers": sizes[1],
        "answers": len(answers.label),
        "classes": list(answers.classes),
        "method": "vote" if fit is None else "dawid-skene",
        "of_record": of_record,
        "mean_confidence": float(confidence.mean()),
        "out": str(out),
        "notes": notes,
    }


def infer_text(d: dict[str, Any]) -> str:
    return (
        f"  {d['answers']:,} answers by {d['workers']:,} workers on {d['tasks']:,} tasks, {len(d['classes'])} classes: "
        f"{d['method']}, mean confidence {d['mean_confidence']:.3f} -> {d['out']}"
    )


def key_new(home: Path | None, name: str, password: str, secret: str | None = None) -> dict[str, Any]:
    key = None
    if secret is not None:
        try:
            key = bytes.fromhex(secret.removeprefix("0x"))
        except ValueError:
            raise BadInput("standard input: a private key is 64 hex digits") from None
    file, signer = create_keystore(Home.at(home).keys, name, password, key)
    return {"name": name, "address": checksum(signer.address), "file": str(file)}


def key_list(home: Path | None) -> dict[str, Any]:
    found = list_keystores(Home.at(home).keys)
    return {"keys": [{"name": name, "address": checksum(address)} for name, address in found]}


def faucet(home: Path | None, address: str, tokens: int) -> dict[str, Any]:
    """Native coin for any address on the home's local chain."""
    place = Home.at(home)
    try:
        wallet = bytes.fromhex(address.removeprefix("0x"))
    except ValueError:
        wallet = b""
    if len(wallet) != 20:
        raise BadInput(f"{address[:60]!r} is no address: 0x and 40 hex digits")
    if not 0 < tokens <= 1_000_000:
        raise BadInput(f"--coin {tokens}: from 1 to 1,000,000")
    running = anvil.status(place.chain)
    if running is None:
        raise BadInput(f"no chain runs in {place.chain}: crowdproof chain start --home {place.path}")
    anvil.fund(running.url, wallet, tokens * 10**18)
    return {"address": checksum(wallet), "coin": tokens, "rpc": running.url}


def doctor(home: Path | None) -> dict[str, Any]:
    """Each check: name, ok, what was found or how to mend it."""
    checks = [_python(), _node(), _anvil(), _solc(), _port()]
    place = Home.at(home)
    if (place.path / "settings.json").exists():
        checks += [_deployment(place), _store(place), _rpc(place)]
    return {"ok": all(check["ok"] for check in checks), "checks": checks}


def doctor_text(document: dict[str, Any]) -> str:
    return "\n".join(f"  {'ok  ' if c['ok'] else 'FAIL'}  {c['name']}: {c['what']}" for c in document["checks"])


def _check(name: str, ok: bool, what: str) -> dict[str, Any]:
    return {"name": name, "ok": ok, "what": what}


def _python() -> dict[str, Any]:
    version = ".".join(map(str, sys.version_info[:3]))
    return _check("Python", sys.version_info >= (3, 11), f"{version} (3.11 or newer is needed)")


def _node() -> dict[str, Any]:
    found = shutil.which("node")
    return _check("Node", found is not None, found or "not found: install Node 20 or newer")


def _anvil() -> dict[str, Any]:
    try:
        return _check("Anvil", True, str(anvil.anvil_binary()))
    except BadInput as problem:
        return _check("Anvil", False, str(problem))


def _solc() -> dict[str, Any]:
    try:
        return _check("contracts", True, f"{len(artefacts())} compile")
    except BadInput as problem:
        return _check("contracts", False, str(problem))


def _port() -> dict[str, Any]:
    try:
        with socket.create_server(("127.0.0.1", 0)) as server:
            return _check("loopback", True, f"free ports can be had ({server.getsockname()[1]})")
    except OSError as problem:
        return _check("loopback", False, f"no port on 127.0.0.1: {os.strerror(problem.errno or 0)}")


def _deployment(home: Home) -> dict[str, Any]:
    try:
        found, _ = read_deployment_file(home.deployment)
        return _check("deployment", True, f"Market {checksum(found.market)} on chain {found.chain_id}")
    except BadInput as problem:
        return _check("deployment", False, str(problem))


def _store(home: Home) -> dict[str, Any]:
    broken = [f"{file}: {what}" for file, what in FolderStore(home.store).verify_all()]
    return _check("store", not broken, "; ".join(broken[:3]) or "every block is what its name says")


def _rpc(home: Home) -> dict[str, Any]:
    settings = home.settings()
    if anvil.status(home.chain) if (home.chain / "chain.json").exists() else True:
        found, abis = read_deployment_file(home.deployment)
        try:
            number = RpcChain(settings.rpc, Interfaces(abis), found.chain_id).latest().number
            return _check("chain", True, f"{settings.rpc} is at block {number}")
        except Exception as problem:
            return _check("chain", False, str(problem))
    return _check("chain", True, "the home's local chain is stopped; audit starts it when it needs it")
