"""Every external function of every contract that holds money or rights, by every role (threats, row 14).

The table must name each function: one that is new fails here until somebody says who may call it. There is no owner anywhere.
"""

from collections.abc import Callable

import pytest

from tests.model.machine import compiled
from tests.model.play import Move
from tests.model.scene import Scene

ANYONE = "anyone"  # the effect is the same whoever calls
SELF = "self"  # only touches what is the caller's own

WHO = {
    "Market": {
        **dict.fromkeys(["openJob", "openJobWithPermit", "topUp"], SELF),
        **dict.fromkeys(["refund", "postEpoch", "finaliseEpoch", "claim", "claimMany"], ANYONE),
        "closeJob": SELF,
        "strike": "referee",
        **dict.fromkeys(["freeze", "thaw", "forfeit"], "disputes"),
        **dict.fromkeys(["reserve", "release", "award"], "satellites"),
    },
    "Committee": {
        **dict.fromkeys(["stake", "withdraw", "collect"], SELF),
        **dict.fromkeys(["proposeChange", "enactChange"], ANYONE),
        "slash": "referee",
    },
    "Workers": {
        **dict.fromkeys(["register", "addKey", "revokeKey"], SELF),
        **dict.fromkeys(["registerMany", "addKeySigned"], ANYONE),
    },
    "DemoToken": dict.fromkeys(["approve", "permit", "transfer", "transferFrom"], SELF),
    # The satellites have no rights of their own beyond being named in the Market: anybody brings them proofs.
    "Referee": dict.fromkeys(["verdict", "pay", "dropped", "withheld", "trace"], ANYONE),
    "Demands": {**dict.fromkeys(["demand", "reply", "release"], ANYONE), "collect": SELF},
    "Hatch": {**dict.fromkeys(["file", "void", "pay", "trace"], ANYONE), "withdraw": SELF},
    "Disputes": {
        **dict.fromkeys(["confirm", "submitEvidence", "settle", "raise", "appeal"], ANYONE),
        **dict.fromkeys(["contestPay", "contestRejection", "withdraw"], SELF),
        "rule": "arbitrator",
    },
    "Court": {
        **dict.fromkeys(["sit", "stand", "withdraw", "commitVote", "revealVote"], SELF),
        **dict.fromkeys(["createDispute", "appeal", "draw", "redraw", "announce", "execute"], ANYONE),
    },
}

ALLOWED = {"referee": {"referee"}, "disputes": {"disputes"}, "satellites": {"disputes", "hatch"}}
REFUSED = {
    "referee": {"MarketNotReferee", "CommitteeNotReferee"},
    "disputes": {"MarketNotDisputes"},
    "satellites": {"MarketNotSatellite", "MarketAwardTooLarge"},
}


def _changing(name: str) -> set[str]:
    abi, _ = compiled()[name]
    return {e["name"] for e in abi if e["type"] == "function" and e["stateMutability"] in ("nonpayable", "payable")}


@pytest.mark.parametrize("name", [name for name in compiled() if name != "PlayToken"])
def test_table__names_every_function(name: str) -> None:
    assert set(WHO[name]) == _changing(name)


def test_functions__none_is_an_owners() -> None:
    words = ("owner", "admin", "pause", "upgrade", "initialize", "setimplementation", "sweep", "rescue", "selfdestruct")
    names = {function.lower() for name in compiled() if name != "PlayToken" for function in _changing(name)}
    assert [name for name in names if any(word in name for word in words)] == []


def _scene() -> Scene:
    """Something to claim, to refund, to strike, to settle and to award, all at once."""
    scene = Scene()
    scene.do(scene.opening(0), scene.opening(1, days=30))
    scene.epoch({1: 900, 2: 700}, [0, 800, 800])
    disputes = scene.satellites[1].address
    scene.do(Move(disputes, scene.market, "freeze", (2, 100), lambda rules: rules.freeze(disputes, 2, 100)))
    scene.do(Move(disputes, scene.market, "reserve", (2, 50), lambda rules: rules.reserve(disputes, 2, 50)))
    scene.wait(86_400 + 2 * scene.rules.window)
    hatch = scene.satellites[2].address
    scene.do(Move(hatch, scene.market, "reserve", (1, 50), lambda rules: rules.reserve(hatch, 1, 50)))
    scene.do(scene.posting({2: 1000}, [0, 1300, 1300]))
    return scene


def _calls(scene: Scene) -> dict[str, Callable[[str], tuple[object, ...]]]:
    """Right arguments for now; what goes to a wallet goes to the caller, as a thief would have it."""
    strike = scene.striking().args
    post = scene.posting({2: 10}, [0, 1300, 1310]).args
    opening = scene.opening(0).args
    job = scene.rules.state.jobs[2]
    s = scene.rules.state
    member = s.members[0]
    return {
        "Market.openJob": lambda who: opening,
        "Market.openJobWithPermit": lambda who: (*opening, (0, 27, bytes(32), bytes(32))),
        "Market.topUp": lambda who: (2, 5),
        "Market.closeJob": lambda who: (2, job.terms),
        "Market.refund": lambda who: (2, job.requester, job.terms),
        "Market.postEpoch": lambda who: post,
        "Market.finaliseEpoch": lambda who: strike[:2],
        "Market.strike": lambda who: strike,
        "Market.claim": lambda who: scene.claiming(1).args,
        "Market.claimMany": lambda who: scene.claiming_many([1, 2]).args,
        "Market.freeze": lambda who: (1, 5),
        "Market.thaw": lambda who: (2, 5),
        "Market.forfeit": lambda who: (2, 5, 1),
        "Market.reserve": lambda who: (1, 5),
        "Market.release": lambda who: (1 if who == scene.satellites[2].address else 2, 5),
        "Market.award": lambda who: (1 if who == scene.satellites[2].address else 2, who, 5),
        "Committee.stake": lambda who: (who,),
        "Committee.withdraw": lambda who: (),
        "Committee.collect": lambda who: (),
        "Committee.slash": lambda who: ([member], who),
        "Committee.proposeChange": lambda who: (s.members, s.seal_keys, s.quorum, s.now, b""),
        "Committee.enactChange": lambda who: (s.members, s.seal_keys, s.quorum),
        "Workers.register": lambda who: (),
        "Workers.registerMany": lambda who: ([],),
        "Workers.addKey": lambda who: (who,),
        "Workers.addKeySigned": lambda who: ((s.workers[0].wallet, who, s.now, bytes(65)),),
        "Workers.revokeKey": lambda who: (0,),
    }


SCENE = _scene()
CALLS = _calls(SCENE)
ROLES = {
    **{name: key.address for name, key in zip(("referee", "disputes", "hatch"), SCENE.satellites, strict=True)},
    "treasury": SCENE.wallets[0].address,
    "worker": SCENE.wallets[1].address,
    "requester": SCENE.requesters[0].address,
    "other requester": SCENE.requesters[1].address,
    "member": SCENE.members[0].address,
    "stranger": SCENE.stranger.address,
}


def _wealth(scene: Scene) -> dict[str, tuple[int, int, int]]:
    """Token, coin and stake of each."""
    stake = scene.committee
    return {
        key.address: (
            scene.tokens(key.address),
            scene.machine.wei(key.address),
            int(str(scene.machine.read(stake, "stakeOf", key.address)[0])),
        )
        for key in scene.people
    }


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("function", [name for name in CALLS if not name.endswith("slash")])
def test_function__by_role__only_who_may_and_nobody_loses(function: str, role: str) -> None:
    contract_name, name = function.split(".")
    who, rule = ROLES[role], WHO[contract_name][name]
    contract = {"Market": SCENE.market, "Committee": SCENE.committee, "Workers": SCENE.workers}[contract_name]
    with SCENE.tried():
        before = _wealth(SCENE)
        value = 10**18 if name == "stake" else 0
        done = SCENE.machine.send(who, contract, name, CALLS[function](who), value)
        after = _wealth(SCENE)
    if rule in ALLOWED:
        assert (done.error in REFUSED[rule]) != (role in ALLOWED[rule]), done.error
    others = [person for person in before if person != who]
    assert [other for other in others if any(x < y for x, y in zip(after[other], before[other], strict=True))] == []
    if rule not in ALLOWED and (name not in ("claim", "claimMany") or role != "worker"):
        assert after[who][0] <= before[who][0]


@pytest.mark.parametrize("role", ROLES)
def test_slash__by_role__only_the_referee(role: str) -> None:
    with SCENE.tried():
        done = SCENE.machine.send(ROLES[role], SCENE.committee, "slash", CALLS["Committee.slash"](ROLES[role]))
    assert done.error == ("" if role == "referee" else "CommitteeNotReferee")


def test_every_function_of_the_core__is_tried() -> None:
    assert {f"{name}.{function}" for name in ("Market", "Committee", "Workers") for function in WHO[name]} == set(CALLS)
