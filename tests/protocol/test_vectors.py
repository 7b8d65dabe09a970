"""The vector file against what other implementations make of the same values: eth-abi, eth-utils, eth-account."""

import json
from itertools import pairwise
from typing import Any

import pytest
from eth_abi.abi import encode as abi_encode
from eth_abi.packed import encode_packed
from eth_account import Account
from eth_account.messages import _hash_eip191_message, encode_typed_data
from eth_utils.address import to_checksum_address
from eth_utils.crypto import keccak

from oracle.protocol import deployment, heads, messages
from oracle.protocol.keys import address_of, checksum, recover, sign
from oracle.protocol.messages import Domain, digest, typed_data
from scripts import vectors
from tests.protocol.test_trees import naive_root
from tests.support.epochs import fill, person

V: dict[str, Any] = json.loads(vectors.FILE.read_text())
LEAVES, TERMS, DEPLOYMENT, COMMITTEE = V["leaves"], V["terms"], V["deployment"], V["committee"]
KINDS: dict[str, Any] = {kind.__name__: kind for kind in messages.Message.__args__}
DOMAIN_TYPE = "EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"


def raw(text: str) -> bytes:
    return bytes.fromhex(text.removeprefix("0x"))


def tag(name: str) -> bytes:
    return keccak(text="crowdproof." + name)


def once(name: str, types: list[str], values: list[Any]) -> str:
    given = [raw(v) if t == "bytes32" else v for t, v in zip(types, values, strict=True)]
    return "0x" + keccak(abi_encode(["bytes32", *types], [tag(name), *given])).hex()


def twice(name: str, types: list[str], values: list[Any]) -> str:
    return "0x" + keccak(raw(once(name, types, values))).hex()


def hashed(text: str) -> str:
    return "0x" + keccak(raw(text)).hex()


def eip712_digest(vector: dict[str, Any]) -> str:
    """By hand with eth-abi, from the type's text alone."""
    members = [part.split(" ") for part in vector["type"].split("(")[1].rstrip(")").split(",")]
    values = [raw(vector["values"][n]) if t == "bytes32" else vector["values"][n] for t, n in members]
    struct = keccak(abi_encode(["bytes32", *(t for t, _ in members)], [keccak(text=vector["type"]), *values]))
    domain = abi_encode(
        ["bytes32", "bytes32", "bytes32", "uint256", "address"],
        [keccak(text=DOMAIN_TYPE), keccak(text="crowdproof"), keccak(text="0"), V["chainId"], vector["contract"]],
    )
    return "0x" + keccak(b"\x19\x01" + keccak(domain) + struct).hex()


def message_of(vector: dict[str, Any]) -> messages.Message:
    values = [raw(v) if isinstance(v, str) else v for v in vector["values"].values()]
    message: messages.Message = KINDS[vector["kind"]](*values)
    return message


# ---------------------------------------------------------------------------------------------------------------- file


def test_vectors__the_file__is_what_the_script_writes() -> None:
    assert vectors.FILE.read_text() == json.dumps(vectors.vectors(), indent=1) + "\n"


def test_main__with_check__tells_a_stale_file_from_a_fresh_one(tmp_path: Any, monkeypatch: Any) -> None:
    monkeypatch.setattr("sys.argv", ["vectors", "--check"])
    with pytest.raises(SystemExit) as fresh:
        vectors.main()
    assert fresh.value.code == 0
    stale = tmp_path / "protocol.json"
    stale.write_text(vectors.FILE.read_text().replace("31337", "31338"))
    monkeypatch.setattr(vectors, "FILE", stale)
    with pytest.raises(SystemExit, match="stale"):
        vectors.main()


# ------------------------------------------------------------------------------------------------ hashes, independently


@pytest.mark.parametrize("name", V["tags"])
def test_tag__each_name__is_the_keccak_of_its_text(name: str) -> None:
    assert V["tags"][name] == "0x" + tag(name).hex()


def test_terms_hash__the_vector__is_abi_encoded() -> None:
    types = ["uint8", "uint32", "uint8", "uint64", "uint64", "uint16", "uint32", "uint32"]
    types += ["bytes32", "bytes32", "uint32", "bool"]
    *values, given, escrow = TERMS.values()
    assert given == once("terms", types, values)
    pay = TERMS["tasks"] * TERMS["answers"] * (TERMS["base"] + TERMS["bonus"])
    assert escrow == pay + pay * TERMS["feeBps"] // 10_000


def test_committee_digest__dynamic_arrays__are_encoded_as_solidity_does() -> None:
    types = ["bytes32", "address[]", "bytes32[]", "uint8"]
    values = [tag("committee"), COMMITTEE["members"], [raw(k) for k in COMMITTEE["sealKeys"]], COMMITTEE["quorum"]]
    assert COMMITTEE["digest"] == "0x" + keccak(abi_encode(types, values)).hex()


@pytest.mark.parametrize("members", [0, 1, 2, 7, 31])
def test_committee_digest__any_size__is_encoded_as_solidity_does(members: int) -> None:
    addresses = tuple(fill(f"member {i}")[12:] for i in range(members))
    keys = tuple(fill(f"key {i}") for i in range(members))
    expected = abi_encode(["bytes32", "address[]", "bytes32[]", "uint8"], [tag("committee"), addresses, keys, 3])
    assert deployment.Committee(bytes(20), addresses, keys, 3).digest() == keccak(expected)


def test_deployment_digest__the_vector__is_abi_encoded() -> None:
    d = DEPLOYMENT
    places = [d["market"], d["workers"], COMMITTEE["address"], d["referee"], d["disputes"], d["hatch"], d["token"]]
    types = ["uint256", *["address"] * 7, "uint256", "uint64"]
    assert d["digest"] == once("deployment", types, [V["chainId"], *places, d["unit"], d["window"]])
    assert d["configuration"] == once("configuration", ["bytes32"] * 2, [d["digest"], COMMITTEE["digest"]])


def test_debits_hash__the_vector__is_that_of_the_packed_records() -> None:
    items = list(zip(*[V["debits"][k] for k in ("jobs", "pays", "lasts")], strict=True))
    packed = b"".join(encode_packed(["uint32", "uint64", "uint32"], item) for item in items)
    assert V["debits"]["packed"] == "0x" + packed.hex()
    assert V["debits"]["hash"] == "0x" + keccak(packed).hex()
    assert heads.unpack_debits(packed) == [heads.Debit(*item) for item in items]
    assert heads.debits_hash([]) == keccak(b"")


def test_unpack_debits__no_whole_records__is_refused() -> None:
    with pytest.raises(ValueError, match="17 bytes are no debits"):
        heads.unpack_debits(bytes(17))


@pytest.mark.parametrize(
    ("name", "types"),
    [
        ("balance", ["uint32", "address", "uint64", "bytes32"]),
        ("weight", ["uint32", "uint32", "uint8", "bytes32"]),
        ("assignment", ["uint32", "uint32", "uint32", "uint64", "bytes32"]),
        ("task", ["uint32", "bytes32"]),
        ("receipt", ["bytes32"]),
    ],
)
def test_leaf__each_simple_kind__is_typed_and_hashed_twice(name: str, types: list[str]) -> None:
    *values, given = LEAVES[name].values()
    if name in ("balance", "weight"):  # the record holds the bytes, the leaf their hash
        values[-1] = hashed(values[-1])
    assert given == twice(name, types, values)


def test_verdict_leaf__the_vector__binds_prior_and_list() -> None:
    v = LEAVES["verdict"]
    listed = once("list", ["bytes32"] * 2, [hashed(LEAVES["cores"]), hashed(LEAVES["openings"])])
    assert LEAVES["listHash"] == listed
    types = ["uint32", "uint32", "uint8", "bytes32", "uint64", "bytes32"]
    values = [v["job"], v["task"], v["label"], hashed(v["prior"]), v["pay"], listed]
    assert v["leaf"] == twice("verdict", types, values)


def test_core__the_vector__is_packed_as_solidity_packs() -> None:
    types = ["uint32", "uint16", "uint8", "uint8", "uint32", "uint32", "uint32"]
    none = 2**32 - 1
    packed = encode_packed(types, [7, 1, 2, 0, 5, 1, 9]) + encode_packed(types, [8, 0, 255, 1, none, 1, 10])
    assert LEAVES["cores"] == "0x" + packed.hex()


def test_opening_and_commitment__the_vectors__are_abi_encoded() -> None:
    *values, given = LEAVES["commitment"].values()
    assert given == once("commitment", ["uint32", "uint32", "uint32", "bytes32", "bytes32"], values)
    *parts, signature, given = LEAVES["opening"].values()
    assert given == once("opening", ["bytes32"] * 6, [*parts, hashed(signature)])
    zero = "0x" + "00" * 32
    closed = ["0x" + fill("closed").hex(), LEAVES["opening"]["sealHash"], zero, zero, zero, hashed(signature)]
    assert LEAVES["unopenedHash"] == once("opening", ["bytes32"] * 6, closed)
    assert LEAVES["openings"] == LEAVES["opening"]["hash"] + LEAVES["unopenedHash"][2:]


def test_row_and_prior__the_vectors__are_packed_int32() -> None:
    assert LEAVES["weight"]["row"] == "0x" + encode_packed(["int32"] * 3, [-100, -65536, 65636]).hex()
    assert LEAVES["verdict"]["prior"] == "0x" + encode_packed(["int32"] * 3, V["decision"]["prior"]).hex()
    earnings = encode_packed(["uint32", "uint64"] * 2, [0, 12_500, 3, 10_000])
    assert LEAVES["balance"]["earnings"] == "0x" + earnings.hex()


@pytest.mark.parametrize("tree", V["trees"], ids=lambda t: f"size {t['size']}")
def test_tree__each_vector__has_the_naive_root(tree: dict[str, Any]) -> None:
    assert len(tree["leaves"]) == len(tree["proofs"]) == tree["size"]
    assert raw(tree["root"]) == naive_root([raw(leaf) for leaf in tree["leaves"]])
    for index, proof in enumerate(tree["proofs"]):
        node = raw(tree["leaves"][index])
        for level, step in enumerate(map(raw, proof)):
            node = keccak(step + node) if (index >> level) % 2 else keccak(node + step)
        assert node == raw(tree["root"])


def test_decision__the_vector__is_the_sum() -> None:
    d = V["decision"]
    assert d["scores"] == [sum(column) for column in zip(d["prior"], *d["rows"], strict=True)]
    assert d["label"] == d["scores"].index(max(d["scores"]))


# ------------------------------------------------------------------------------------------------------------ messages


def test_messages__the_vectors__hold_every_kind() -> None:
    assert sorted(v["kind"] for v in V["messages"]) == sorted(KINDS)


@pytest.mark.parametrize("vector", V["messages"], ids=lambda v: v["kind"])
def test_digest__each_kind__is_that_of_eip712(vector: dict[str, Any]) -> None:
    domain = Domain(V["chainId"], raw(vector["contract"]))
    data = typed_data(domain, message_of(vector))
    encoded = encode_typed_data(full_message=data)
    theirs = "0x" + _hash_eip191_message(encoded).hex()
    assert vector["digest"] == eip712_digest(vector) == theirs == "0x" + digest(domain, message_of(vector)).hex()
    assert json.loads(json.dumps(data)) == data  # it travels as JSON


@pytest.mark.parametrize("vector", V["messages"], ids=lambda v: v["kind"])
def test_sign__each_kind__gives_the_signature_of_eth_account(vector: dict[str, Any]) -> None:
    key = person("worker")
    data = typed_data(Domain(V["chainId"], raw(vector["contract"])), message_of(vector))
    theirs = Account.sign_typed_data(key.secret, full_message=data)
    assert vector["signature"] == "0x" + theirs.signature.hex() == "0x" + sign(key, raw(vector["digest"])).hex()
    assert vector["signer"] == Account.from_key(key.secret).address
    assert Account.recover_message(encode_typed_data(full_message=data), signature=theirs.signature) == vector["signer"]


@pytest.mark.parametrize("vector", V["messages"], ids=lambda v: v["kind"])
def test_digest__any_field_or_domain_changed__differs(vector: dict[str, Any]) -> None:
    message, domain = message_of(vector), Domain(V["chainId"], raw(vector["contract"]))
    values, kind = messages.values(message), KINDS[vector["kind"]]
    others = [digest(Domain(1, domain.contract), message), digest(Domain(domain.chain_id, bytes(20)), message)]
    for i, value in enumerate(values):
        other = value + 1 if isinstance(value, int) else value[:-1] + bytes([value[-1] ^ 1])
        others.append(digest(domain, kind(*values[:i], other, *values[i + 1 :])))
    assert len({raw(vector["digest"]), *others}) == len(values) + 3


def test_digest__the_same_values_in_two_kinds__differ() -> None:
    domain = Domain(1, bytes(20))
    assert digest(domain, messages.Receipt(bytes(32), 5)) != digest(domain, messages.Claim(0, 5, 0))


def test_checksum__many_addresses__is_eip55() -> None:
    for i in range(200):
        address = fill(f"address {i}")[12:]
        assert checksum(address) == to_checksum_address(address)


# --------------------------------------------------------------------------------------------------------------- heads


def test_heads__the_vectors__link() -> None:
    h = V["heads"]
    header = next(v for v in V["messages"] if v["kind"] == "Header")
    assert h["first"] == DEPLOYMENT["digest"] == header["values"]["previous"]
    assert h["headerDigest"] == header["digest"]
    types = ["bytes32", "bytes32", "uint256"]
    assert h["posted"] == once("head", types, [h["first"], h["headerDigest"], h["signers"]])
    assert h["struck"] == once("struck", ["bytes32"], [h["posted"]])


def test_heads__the_signatures__are_of_the_members_in_the_bitmap_ascending() -> None:
    h = V["heads"]
    parts = [raw(h["signatures"])[i : i + 65] for i in range(0, 195, 65)]
    signers = [recover(raw(h["headerDigest"]), part) for part in parts]
    assert all(one < two for one, two in pairwise(signers))
    members = [raw(member) for member in COMMITTEE["members"]]
    assert members == sorted(members) == sorted(address_of(person(f"member {i}")) for i in range(4))
    assert sum(1 << members.index(signer) for signer in signers) == h["signers"]
