"""`crowdproof court`: the default arbitrator's jurors sit, are drawn, commit and reveal; anyone draws, executes and looks.

A juror's salt follows from its key, the court, the dispute and the round: nothing is kept between commit and reveal, and
nobody without the key can tell the vote from its commitment.
"""

from typing import Any

from oracle.adapters.satellites import Satellite, court_of, disputes_of, header_of
from oracle.commands.satellites import Place, Scene, opened_scene
from oracle.ports import Signer
from oracle.protocol.errors import BadInput
from oracle.protocol.hashing import keccak, tagged, words
from oracle.protocol.keys import Address, checksum

KIND = "court"
STATUS = ("waiting", "appealable", "solved")
SEATS = 3, 7  # of the first round, of the appeal
DRAWABLE = 8_191  # blocks that a drawing block can be proven


def show(place: Place, dispute: int | None) -> dict[str, Any]:
    """A dispute, or the court as it is."""
    with opened_scene(place, None, "look") as scene:
        court = court_of(scene.chain, scene.refuter.deployment)
        if dispute is not None:
            return _dispute(scene, court, dispute)
        names = ("seatPrice", "fine", "fee", "commitTime", "revealTime", "appealTime", "seatCount", "waiting", "burnt")
        holders = _bench(court)
        return {
            "address": checksum(court.address),
            **dict(zip(names, court.ask_all(*((name,) for name in names)), strict=True)),
            "disputes": court.ask("disputeCount"),
            "bench": [{"juror": checksum(juror), "seats": holders.count(juror)} for juror in dict.fromkeys(holders)],
        }


def sit(place: Place, signer: Signer | None, seats: int) -> dict[str, Any]:
    """Takes seats, from the juror's credit first."""
    with opened_scene(place, signer, "seat") as scene:
        court = _court(scene)
        price = max(0, seats * court.ask("seatPrice") - court.ask("creditOf", scene.signer.address))
        scene.send(court.call(f"take {seats} seats", "sit", seats, value=price), KIND)
        return _juror(scene, court)


def stand(place: Place, signer: Signer | None, seats: int) -> dict[str, Any]:
    """Leaves the last of the juror's seats, so that no other position of its own moves meanwhile."""
    with opened_scene(place, signer, "seat") as scene:
        court = _court(scene)
        mine = _seats(court, scene.signer.address)
        if not 0 < seats <= len(mine):
            raise BadInput(f"--seats {seats}: this key has {len(mine)} free seats")
        scene.send(court.call(f"leave {seats} seats", "stand", sorted(mine, reverse=True)[:seats]), KIND)
        return _juror(scene, court)


def withdraw(place: Place, signer: Signer | None) -> dict[str, Any]:
    with opened_scene(place, signer, "withdrawal") as scene:
        amount = scene.withdraw(_court(scene), KIND)
        return {"withdrawn": amount, "sent": scene.sent}


def draw(place: Place, signer: Signer | None) -> dict[str, Any]:
    """Draws the oldest round that waits; fixes another block where that of its own is too old to be proven."""
    with opened_scene(place, signer, "draw") as scene:
        court = _court(scene)
        dispute = _oldest(court)
        if dispute is None:
            raise BadInput("no round waits to be drawn")
        number = court.struct("caseOf", dispute)["rounds"] - 1
        block, newest = court.struct("roundOf", dispute, number)["draw_block"], scene.chain.latest().number
        if newest < block:
            raise BadInput(f"the jurors are drawn by block {block}; the chain is at block {newest}")
        if newest - block >= DRAWABLE:
            scene.send(court.call(f"draw dispute {dispute} anew", "redraw"), KIND)
        else:
            scene.send(court.call(f"draw dispute {dispute}", "draw", header_of(scene.chain, block)), KIND)
        return _dispute(scene, court, dispute)


def commit(place: Place, signer: Signer | None, dispute: int, choice: int) -> dict[str, Any]:
    with opened_scene(place, signer, "vote") as scene:
        court = _court(scene)
        case = _case(court, dispute)
        if not 0 <= choice <= case["choices"]:
            raise BadInput(f"--choice {choice}: from 0 (no decision) to {case['choices']}")
        vote = _commitment(scene, court, dispute, case["rounds"] - 1, choice)
        scene.send(court.call(f"commit to a vote on dispute {dispute}", "commitVote", dispute, vote), KIND)
        return _dispute(scene, court, dispute)


def reveal(place: Place, signer: Signer | None, dispute: int) -> dict[str, Any]:
    """The choice is the one whose commitment is on chain."""
    with opened_scene(place, signer, "vote") as scene:
        court = _court(scene)
        case = _case(court, dispute)
        number = case["rounds"] - 1
        committed = court.struct("voteOf", dispute, number, scene.signer.address)["commitment"]
        choices = range(case["choices"] + 1)
        made = [c for c in choices if _commitment(scene, court, dispute, number, c) == committed]
        if not made:
            raise BadInput(f"dispute {dispute}, round {number}: this key committed to no vote that this command made")
        salt = _salt(scene, court, dispute, number)
        scene.send(court.call(f"reveal a vote on dispute {dispute}", "revealVote", dispute, made[0], salt), KIND)
        return _dispute(scene, court, dispute)


def execute(place: Place, signer: Signer | None, dispute: int) -> dict[str, Any]:
    """Pays the jurors and delivers the ruling, once the last round and the time to appeal are over."""
    with opened_scene(place, signer, "ruling") as scene:
        court = _court(scene)
        _case(court, dispute)
        scene.send(court.call(f"execute dispute {dispute}", "execute", dispute), KIND)
        return _dispute(scene, court, dispute)


# ------------------------------------------------------------------------------------------------------------- inside


def _court(scene: Scene) -> Satellite:
    return court_of(scene.chain, scene.refuter.deployment)


def _case(court: Satellite, dispute: int) -> dict[str, Any]:
    count = court.ask("disputeCount")
    if not 0 <= dispute < count:
        raise BadInput(f"dispute {dispute}: the court has had {count}, numbered from 0")
    return court.struct("caseOf", dispute)


def _oldest(court: Satellite) -> int | None:
    """Rounds are drawn in the order in which they were opened; a drawing block that is fixed anew keeps the place."""
    drawn = {(e["dispute"], e["round"]) for e in court.events("JurorsDrawn")}
    opened = dict.fromkeys((e["dispute"], e["round"]) for e in court.events("RoundOpened"))
    return next((dispute for dispute, number in opened if (dispute, number) not in drawn), None)


def _bench(court: Satellite) -> list[Address]:
    """Who holds each free seat."""
    return court.ask_all(*(("seatAt", i) for i in range(court.ask("seatCount"))))


def _seats(court: Satellite, juror: Address) -> list[int]:
    return [i for i, holder in enumerate(_bench(court)) if holder == juror]


def _salt(scene: Scene, court: Satellite, dispute: int, number: int) -> bytes:
    place = (scene.refuter.deployment.chain_id, court.address, dispute, number)
    return keccak(scene.signer.sign(tagged("court.salt", *place)))


def _commitment(scene: Scene, court: Satellite, dispute: int, number: int, choice: int) -> bytes:
    salt = _salt(scene, court, dispute, number)
    return keccak(words(dispute, number, scene.signer.address, choice, salt))


def _juror(scene: Scene, court: Satellite) -> dict[str, Any]:
    juror = scene.signer.address
    return {
        "juror": checksum(juror),
        "seats": len(_seats(court, juror)),
        "credit": court.ask("creditOf", juror),
        "sent": scene.sent,
    }


def _dispute(scene: Scene, court: Satellite, dispute: int) -> dict[str, Any]:
    case = _case(court, dispute)
    start, end = court.ask("appealPeriod", dispute)
    contest = disputes_of(scene.chain, scene.refuter.deployment).ask("contestOfDispute", dispute)
    return {
        "dispute": dispute,
        "contest": contest or None,
        "status": STATUS[court.ask("disputeStatus", dispute)],
        "ruling": court.ask("currentRuling", dispute),
        "choices": case["choices"],
        "settled": case["settled"],
        "delivered": case["delivered"],
        "appeal_from": start,
        "appeal_until": end,
        "now": scene.now,
        "rounds": [_round(court, dispute, number) for number in range(case["rounds"])],
        "sent": scene.sent,
    }


def _round(court: Satellite, dispute: int, number: int) -> dict[str, Any]:
    found = court.struct("roundOf", dispute, number)
    drawn = found["drawn_at"]
    commit_until = drawn + court.ask("commitTime") if drawn else None
    return {
        "draw_block": found["draw_block"],
        "commit_until": commit_until,
        "reveal_until": commit_until + court.ask("revealTime") if commit_until else None,
        "jurors": [_vote(court, dispute, number, juror) for juror in dict.fromkeys(found["seats"])],
    }


def _vote(court: Satellite, dispute: int, number: int, juror: Address) -> dict[str, Any]:
    vote = court.struct("voteOf", dispute, number, juror)
    stage = "revealed" if vote["revealed"] else "committed" if any(vote["commitment"]) else "drawn"
    return {
        "juror": checksum(juror),
        "seats": vote["seats"],
        "vote": stage,
        "choice": vote["choice"] if vote["revealed"] else None,
    }
