"""solc through py-solc-x: cached, reproducible, the same bytes as forge's settings ask for, and clear about what is wrong."""

import json
import shutil
from pathlib import Path

import pytest

from oracle.adapters import compiler
from oracle.adapters.compiler import ROOT, artefacts, source_hash, standard_input
from oracle.protocol.errors import BadInput

SMALL = 'pragma solidity 0.8.37;\nimport {B} from "./inner/B.sol";\ncontract A is B { error No(uint256 why); }\n'
BASE = "pragma solidity 0.8.37;\nabstract contract B { event Done(uint32 indexed job); }\n"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A repository of two small contracts that shares our compiler."""
    (tmp_path / "contracts" / "inner").mkdir(parents=True)
    (tmp_path / "contracts" / "A.sol").write_text(SMALL)
    (tmp_path / "contracts" / "inner" / "B.sol").write_text(BASE)
    shutil.copy(ROOT / "foundry.toml", tmp_path)
    (tmp_path / "hardhat-free-local-chain").symlink_to(ROOT / "hardhat-free-local-chain")
    return tmp_path


def test_artefacts__our_contracts__have_code_and_the_protocols_events() -> None:
    found = artefacts()
    assert set(found) >= {"Market", "Workers", "Committee", "DemoToken"}
    assert all(artefact.bytecode for artefact in found.values())
    names = {entry.get("name") for entry in found["Market"].abi}
    assert {"postEpoch", "EpochPosted", "MarketRefundClosed"} <= names


def test_artefacts__kept_file__is_read_instead_of_compiling(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = artefacts(project)
    compiler._artefacts.cache_clear()
    monkeypatch.setattr(compiler, "_compile", lambda *_: pytest.fail("compiled again"))
    assert artefacts(project) == first


def test_artefacts__compiled_twice__give_the_same_file_byte_for_byte(project: Path) -> None:
    artefacts(project)
    (kept,) = (project / "build" / "contracts").iterdir()
    before = kept.read_bytes()
    kept.write_bytes(before[: len(before) // 2])  # a damaged file is compiled anew
    compiler._artefacts.cache_clear()
    artefacts(project)
    assert kept.read_bytes() == before
    assert [p.name for p in kept.parent.iterdir()] == [kept.name]


def test_artefacts__an_error_in_a_source__is_bad_input_with_file_line_and_column(project: Path) -> None:
    (project / "contracts" / "A.sol").write_text(SMALL.replace("uint256 why", "uint257 why"))
    with pytest.raises(BadInput, match=r"contracts/A\.sol:3:\d+"):
        artefacts(project)


def test_artefacts__a_missing_import__names_the_file(project: Path) -> None:
    (project / "contracts" / "inner" / "B.sol").unlink()
    with pytest.raises(BadInput, match=r"B\.sol is missing"):
        artefacts(project)


def test_artefacts__tools_not_installed__asks_for_make_setup(project: Path) -> None:
    (project / "hardhat-free-local-chain").unlink()
    (project / "hardhat-free-local-chain").mkdir()
    with pytest.raises(BadInput, match="make setup"):
        artefacts(project)


def test_source_hash__any_byte_of_a_source_or_setting__changes_it(project: Path) -> None:
    before = source_hash(standard_input(project), project)
    (project / "contracts" / "inner" / "B.sol").write_text(BASE + " ")
    changed = source_hash(standard_input(project), project)
    (project / "foundry.toml").write_text(
        (ROOT / "foundry.toml").read_text().replace("optimizer_runs = ", "optimizer_runs = 1")
    )
    assert len({before, changed, source_hash(standard_input(project), project)}) == 3


def test_standard_input__settings__are_those_of_forge() -> None:
    settings = standard_input()["settings"]
    assert settings["evmVersion"] == "osaka"
    assert settings["metadata"] == {"bytecodeHash": "none", "appendCBOR": False}
    assert settings["optimizer"]["enabled"] is True
    assert json.dumps(standard_input()) == json.dumps(standard_input())
