"""What the commands share: options, output, and the keys that sign."""

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from oracle.adapters.signer import KeySigner


HomeOption = Annotated[
    Path | None, typer.Option("--home", help="Folder of the deployment [CROWDPROOF_HOME, ~/.crowdproof].")
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]
PortOption = Annotated[int, typer.Option(min=0, max=65535, help="0 takes a free one.")]
DatabaseOption = Annotated[str, typer.Option(help="postgresql://... [files in the home; CROWDPROOF_DATABASE].")]
IpfsOption = Annotated[str, typer.Option(help="RPC of a Kubo, like /ip4/127.0.0.1/tcp/5001 [a folder in the home].")]
KeyOption = Annotated[str | None, typer.Option("--key", help="Name of a keystore in HOME/keys.")]
ApiOption = Annotated[str, typer.Option("--api", help="Address of the API [that of the home].")]
SenderOption = Annotated[
    str, typer.Option("--key", help="Who sends: a keystore in HOME/keys, or member-N of the home.")
]

ComputeOption = Annotated[
    str,
    typer.Option(
        "--compute", help="local, torch (under torchrun), ray (two workers on this machine) or ray://host:port."
    ),
]

DeviceOption = Annotated[str, typer.Option("--device", help="cpu, or one of torch's: cuda, cuda:1.")]


def show(document: dict[str, Any], as_json: bool, text: Callable[[dict[str, Any]], str]) -> None:
    for note in document.get("notes", []) if as_json else []:
        print(f"crowdproof: {note}", file=sys.stderr)
    print(json.dumps(document) if as_json else text(document))


def answer(document: dict[str, Any], as_json: bool, text: Callable[[dict[str, Any]], str], ok: bool) -> None:
    """Prints, and ends with exit code 1 where the answer is no."""
    show(document, as_json, text)
    if not ok:
        raise typer.Exit(1)


def password(confirm: bool = False) -> str:
    given = os.environ.get("CROWDPROOF_PASSWORD")
    return given or str(typer.prompt("password", hide_input=True, confirmation_prompt=confirm, err=True))


def signer_of(home: Path | None, name: str) -> "KeySigner":
    from oracle.adapters.signer import load_keystore
    from oracle.bootstrap import load_key
    from oracle.config import Home

    if Path(name).is_file():
        return load_keystore(Path(name), password())
    return load_key(Home.at(home), name, password)


def alone(device: str, compute: str) -> str:
    """The device, which is here. Raises BadInput where work would also be done elsewhere."""
    from oracle.compute import device_of
    from oracle.protocol.errors import BadInput

    if device != "cpu" and compute != "local":
        raise BadInput(
            f"--device {device[:40]} with --compute {compute[:80]}: a device is of this process; give one of them"
        )
    return device_of(device)
