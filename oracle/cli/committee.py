"""The members, their stakes, and how they change."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from oracle.cli.options import HomeOption, JsonOption, SenderOption, show, signer_of

if TYPE_CHECKING:
    from oracle.adapters.signer import KeySigner

app = typer.Typer(no_args_is_help=True, help="The members, their stakes, and how they change.")

MembersOption = Annotated[Path | None, typer.Option(help="The committee that is to be: CSV address,seal_key.")]
MemberOption = Annotated[list[str] | None, typer.Option(help="One of it: ADDRESS:SEALKEY.")]
QuorumOption = Annotated[int, typer.Option(help="Signatures that make a header.")]
UntilOption = Annotated[int, typer.Option(help="Block time until which the change may be proposed.")]


def _committee_key(home: Path | None, name: str) -> "KeySigner":
    from oracle.commands import committee

    return committee.key(home, name, lambda name: signer_of(home, name))


@app.command("show")
def committee_show(home: HomeOption = None, as_json: JsonOption = False) -> None:
    """Print members, stakes and the change that waits, as the chain has them."""
    from oracle.commands import committee

    show(committee.show(home), as_json, committee.text)


@app.command("stake")
def committee_stake(
    address: Annotated[str, typer.Argument(help="Whose stake: a member, or who wants to become one.")],
    gwei: Annotated[int, typer.Option(help="How much.")],
    key: SenderOption,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Add coin to a stake; anyone may."""
    from oracle.commands import chains, committee

    document = committee.stake(home, chains.read_address(address), gwei, _committee_key(home, key))
    show(document, as_json, committee.text)


@app.command("sign")
def committee_sign(
    until: UntilOption,
    key: SenderOption,
    members: MembersOption = None,
    member: MemberOption = None,
    quorum: QuorumOption = 3,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Print a member's signature for another committee; nothing is sent."""
    from oracle.commands import committee, deployments

    wanted = deployments.members(members, member or [])
    show(committee.sign(home, wanted, quorum, until, _committee_key(home, key)), as_json, committee.text)


@app.command("propose")
def committee_propose(
    until: UntilOption,
    key: SenderOption,
    members: MembersOption = None,
    member: MemberOption = None,
    quorum: QuorumOption = 3,
    signature: Annotated[list[str] | None, typer.Option(help="Of a member elsewhere (`committee sign`).")] = None,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Propose another committee, with the signatures of a quorum of this one."""
    from oracle.commands import committee, deployments

    wanted = deployments.members(members, member or [])
    document = committee.propose(home, wanted, quorum, until, signature or [], _committee_key(home, key))
    show(document, as_json, committee.text)


@app.command("enact")
def committee_enact(
    key: SenderOption,
    members: MembersOption = None,
    member: MemberOption = None,
    quorum: QuorumOption = 3,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Appoint the committee that was proposed, once its delay is over; anyone may."""
    from oracle.commands import committee, deployments

    wanted = deployments.members(members, member or [])
    show(committee.enact(home, wanted, quorum, _committee_key(home, key)), as_json, committee.text)


@app.command("withdraw")
def committee_withdraw(key: SenderOption, home: HomeOption = None, as_json: JsonOption = False) -> None:
    """Take the stake of an account that is no member, once its delay is over."""
    from oracle.commands import committee

    show(committee.withdraw(home, _committee_key(home, key)), as_json, committee.text)


@app.command("collect")
def committee_collect(key: SenderOption, home: HomeOption = None, as_json: JsonOption = False) -> None:
    """Take what an account was rewarded with for refuting epochs."""
    from oracle.commands import committee

    show(committee.collect(home, _committee_key(home, key)), as_json, committee.text)
