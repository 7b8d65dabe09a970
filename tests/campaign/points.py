"""The named fail points: every place where something becomes durable or leaves a process, before and after.

A point is a passing of a function of the product by processes of a role; tests/campaign/inject/failpoints.py kills there.
"""

from dataclasses import dataclass

STAGES = ("deploy", "start", "fund", "register", "assign", "answer", "close", "settle", "pay", "refund", "audit")
KINDS = ("setup", "deploy", "open", "register", "close", "post", "finalise", "claim", "refund")
DATABASE, STORE, OUTBOX = (
    "oracle.adapters.database:SqlDatabase",
    "oracle.adapters.content:FolderStore",
    "oracle.services.outbox",
)
MEMBER, SETTLE, CROWD = "oracle.services.member:Member", "oracle.services.settle", "oracle.demo.crowd"
JOURNAL = "api.journal:Journal"
REPLY, RENAME = "starlette.responses:Response.__call__", "pathlib:Path.replace"
ANVIL = "anvil"
BOTH = ("before", "after")


@dataclass(frozen=True, slots=True)
class Point:
    """`victim`: who dies, the passing process itself or Anvil; `match`: words that the arguments must hold."""

    name: str
    at: str
    when: str
    role: str
    match: str = ""
    victim: str = "self"


def _around(name: str, at: str, role: str, match: str = "", whens: tuple[str, ...] = BOTH) -> list[Point]:
    return [Point(f"{name}.{when}", at, when, role, match) for when in whens]


def _outbox() -> list[Point]:
    """Each kind of transaction: before it is written, written and not sent, sent and nothing known of it."""
    points = []
    for kind in KINDS:
        said = f"kind={kind!r}"
        points += _around(f"demo.outbox.{kind}.write", f"{DATABASE}.add_sent", "demo", said)
        points += _around(f"demo.outbox.{kind}.sent", f"{OUTBOX}:submit", "demo", f"'{kind}'){{}}", ("after",))
    return [
        *points,
        *_around("demo.outbox.send", "oracle.adapters.chain:RpcChain.send", "demo"),
        *_around("demo.outbox.outcome", f"{DATABASE}.set_outcome", "demo"),
    ]


def _setting_up() -> list[Point]:
    return [
        *_around("demo.home", "oracle.config:Home.create", "demo"),
        *_around("demo.demo.json", "oracle.demo.play:Begun.save", "demo"),
        *_around("demo.demo.json.rename", RENAME, "demo", "/demo.json"),
        *_around("demo.chain.start", "oracle.adapters.anvil:start", "demo"),
        *_around("demo.keystore", "oracle.local:create_keystore", "demo"),
        *_around("demo.deploying.json", "oracle.config:write_atomically", "demo", "deploying.json"),
        *_around("demo.deploying.json.rename", RENAME, "demo", "/deploying.json"),
        *_around("demo.deployment.json", "oracle.adapters.deployer:write_deployment", "demo"),
        *_around("demo.deployment.json.rename", RENAME, "demo", "/deployment.json"),
        *_around("demo.settings.json", "oracle.local:write_settings", "demo"),
        *_around("demo.settings.json.rename", RENAME, "demo", "/settings.json"),
        *_around("demo.spawn", "oracle.adapters.processes:_run", "demo"),
        *_around("demo.chain.warp", "oracle.adapters.anvil:warp", "demo"),
    ]


def _storing() -> list[Point]:
    points = []
    for role, name in (("demo", "demo"), ("member-*", "member")):
        points += _around(f"{name}.store", f"{STORE}.put_many", role)
        points += _around(f"{name}.store.rename", RENAME, role, "/store/")
        points += _around(f"{name}.index.extend", f"{DATABASE}.extend", role)
        points += _around(f"{name}.assignments", f"{DATABASE}.add_assignments", role)
    return [*points, *_around("api.index.extend", f"{DATABASE}.extend", "api")]


def _wishes_and_answers() -> list[Point]:
    return [
        *_around("api.registrations", f"{DATABASE}.add_registrations", "api"),
        *_around("api.claims", f"{DATABASE}.add_claims", "api"),
        *_around("api.receipt", f"{DATABASE}.add_receipt", "api"),
        *_around("member.answers", f"{DATABASE}.add_answers", "member-*"),
        *_around("member.accept", f"{MEMBER}.accept", "member-*"),
        *_around("demo.worker.answer", f"{CROWD}:Api.post", "demo", "/answers"),
        *_around("demo.worker.journal", f"{JOURNAL}.sign", "demo"),
        *_around("demo.worker.receipt", f"{JOURNAL}.receive", "demo"),
        *_around("demo.worker.register", f"{CROWD}:Api.post", "demo", "/registrations"),
        *_around("demo.worker.claim", f"{CROWD}:Api.post", "demo", "/claims"),
    ]


def _epochs() -> list[Point]:
    return [
        *_around("member.propose", f"{MEMBER}.propose", "member-*"),
        *_around("member.review", f"{MEMBER}.review", "member-*"),
        *_around("member.signed", f"{DATABASE}.add_signed", "member-*"),
        *_around("member.approve", f"{MEMBER}.approve", "member-*"),
        *_around("demo.settle.agree", f"{SETTLE}:agree", "demo"),
        *_around("demo.settle.review", f"{SETTLE}:_review", "demo"),
        *_around("demo.settle.sign", f"{SETTLE}:_sign", "demo"),
        *_around("demo.settle.post", f"{SETTLE}:post_next", "demo"),
        *_around("demo.settle.finalise", f"{SETTLE}:finalise_pending", "demo"),
        *_around("demo.settle.register", f"{SETTLE}:register", "demo"),
        *_around("demo.settle.pay", f"{SETTLE}:pay", "demo"),
    ]


def _replies() -> list[Point]:
    """What was asked is done, and nobody hears of it."""
    of_member = ("/assignments", "/answers", "/proposals", "/reviews", "/signatures", "/blocks")
    of_api = ("/registrations", "/answers", "/claims")
    return [
        *[Point(f"member.reply.{path[1:]}", REPLY, "before", "member-*", f"'path': '{path}") for path in of_member],
        *[Point(f"api.reply.{path[1:]}", REPLY, "before", "api", f"'path': '{path}'") for path in of_api],
    ]


def _stages() -> list[Point]:
    at = "oracle.demo.run:Demo.play"
    return [
        *[Point(f"demo.stage.{stage}", at, "before", "demo", f"'{stage}'") for stage in STAGES],
        *[Point(f"anvil.stage.{stage}", at, "before", "demo", f"'{stage}'", ANVIL) for stage in STAGES],
    ]


def _chain() -> list[Point]:
    """Anvil, at the worst moments of those who use it: what it mined last may be gone with it."""
    kinds = [(f"anvil.sent.{kind}", f"{OUTBOX}:submit", f"'{kind}'){{}}") for kind in KINDS]
    return [
        *[Point(name, at, "after", "demo", match, ANVIL) for name, at, match in kinds],
        Point("anvil.outcome", f"{DATABASE}.set_outcome", "after", "demo", "", ANVIL),
        Point("anvil.warp", "oracle.adapters.anvil:warp", "after", "demo", "", ANVIL),
        Point("anvil.member.approve", f"{MEMBER}.approve", "after", "member-*", "", ANVIL),
        Point("anvil.member.accept", f"{MEMBER}.accept", "before", "member-*", "", ANVIL),
    ]


POINTS: tuple[Point, ...] = (
    *_setting_up(),
    *_outbox(),
    *_storing(),
    *_wishes_and_answers(),
    *_epochs(),
    *_replies(),
    *_stages(),
    *_chain(),
)
RANDOM = ("demo", "api", "member-1", "member-2", "member-3", "member-4", "forkserver", "anvil", "keeper")
