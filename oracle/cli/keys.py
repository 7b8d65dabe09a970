"""Encrypted keystores."""

import sys

import typer

from oracle.cli.options import HomeOption, JsonOption, password, show

app = typer.Typer(no_args_is_help=True, help="Encrypted keystores.")


@app.command("new")
def key_new(name: str, home: HomeOption = None, as_json: JsonOption = False) -> None:
    """Make a key, encrypted with a password (CROWDPROOF_PASSWORD, or asked for)."""
    from oracle.commands import keyring

    show(keyring.new(home, name, password(confirm=True)), as_json, keyring.text)


@app.command("import")
def key_import(name: str, home: HomeOption = None, as_json: JsonOption = False) -> None:
    """Encrypt a private key that is read, as hex, from standard input (the password: CROWDPROOF_PASSWORD)."""
    from oracle.commands import keyring

    secret = sys.stdin.readline(200).strip()
    show(keyring.new(home, name, password(confirm=True), secret), as_json, keyring.text)


@app.command("show")
def key_show(name: str, home: HomeOption = None, as_json: JsonOption = False) -> None:
    """Print a key's address and seal key: what a committee needs to know of a member."""
    from oracle.commands import keyring

    show(keyring.show(home, name, password()), as_json, keyring.text)


@app.command("list")
def key_list(home: HomeOption = None, as_json: JsonOption = False) -> None:
    """List the keystores of the home."""
    from oracle.commands import keyring

    show(keyring.listed(home), as_json, keyring.list_text)
