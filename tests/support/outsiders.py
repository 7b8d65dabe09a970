"""Who holds no office: a key with coin, a copy of the data, and the command."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from oracle.adapters import anvil
from oracle.adapters.compiler import artefacts
from oracle.adapters.content import FolderStore
from oracle.adapters.deployer import write_deployment
from oracle.adapters.signer import create_keystore
from oracle.protocol.cids import parse
from oracle.protocol.messages import Answer, digest
from tests.support.commands import Run
from tests.support.stage import COIN, Stage


@dataclass
class Outsider:
    """`secret`: of the wallet; a fresh one where there is none."""

    world: Stage
    folder: Path
    run: Run
    secret: bytes | None = None

    def __post_init__(self) -> None:
        self.folder.mkdir()
        keys = self.folder / "keys"
        _, self.signer = create_keystore(keys, "me", "secret", *([self.secret] if self.secret else []), light=True)
        anvil.fund(self.world.url, self.signer.address, 10 * COIN)
        write_deployment(self.folder / "deployment.json", self.world.deployment, artefacts())

    def copy(self, without: frozenset[str] = frozenset()) -> Path:
        """The content as it can be had."""
        store = FolderStore(self.folder / "store")
        for cid, data in self.world.blocks.items():
            if cid not in without:
                store.put(data, parse(cid)[0])
        return self.folder / "store"

    def do(self, *words: object, code: int = 0, key: bool = True) -> dict[str, Any]:
        """The document that a command printed; "" where it printed none."""
        ended = self.say(*words, key=key)
        assert ended.code == code, ended.err
        self.world.sync()
        return ended.document

    def say(self, *words: object, key: bool = True) -> Any:
        outside = ("--rpc", self.world.url, "--store", self.folder / "store")
        place = ("--deployment", self.folder / "deployment.json", "--home", self.folder)
        return self.run(*words, *outside, *place, *(("--key", "me") if key else ()), "--json")

    def coin(self) -> int:
        return self.world.chain.native_balance(self.signer.address)


def receipt_file(world: Stage, answers: Sequence[Answer], folder: Path) -> Path:
    """Answers as they were sent with the receipt as it came."""
    receipt = world.receipt(answers, 0)
    signatures = [receipt.signatures[i : i + 65] for i in range(0, len(receipt.signatures), 65)]
    sent = [
        {
            "job": a.job,
            "task": a.task,
            "worker": a.worker,
            "commitment": "0x" + a.commitment.hex(),
            "sealHash": "0x" + a.seal_hash.hex(),
        }
        for a in answers
    ]
    named = ["0x" + digest(world.deployment.domain(), a).hex() for a in answers]
    came = {"root": "0x" + receipt.root.hex(), "size": len(answers), "answers": named}
    file = folder / "receipt.json"
    came_signed = came | {"signatures": ["0x" + one.hex() for one in signatures]}
    file.write_text(json.dumps({"answers": sent, "receipt": came_signed}))
    return file
