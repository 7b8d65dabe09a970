// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Claim, Debit, Header} from "../../contracts/interfaces/IMarket.sol";
import {Registration} from "../../contracts/interfaces/IWorkers.sol";
import {Leaves} from "../../contracts/libraries/Leaves.sol";
import {Messages} from "../../contracts/libraries/Messages.sol";
import {Fixture} from "./support/Fixture.sol";
import {TreeBuilder} from "./support/TreeBuilder.sol";
import {MessageHashUtils} from "@openzeppelin/contracts/utils/cryptography/MessageHashUtils.sol";

/// @title What each transaction costs in the steady state, base fee and calldata included; figures in gas/
/// forge-config: default.isolate = true
contract GasTest is Fixture {
    uint256 private constant PEOPLE = 1024;
    uint32 private _job;
    uint32 private _other;
    uint64 private _each;

    function setUp() public {
        _deploy();
        _job = _openJob();
        _other = _openJob();
        (Header memory header,) = _postPaying(_job, 10, 1);
        _finalise(header);
        market.claim(_claim(1));
    }

    function test_gas__openJob() public {
        _openJob();
        vm.snapshotGasLastCall("Market", "openJob");
    }

    function test_gas__postEpoch() public {
        (Header memory header,) = _postPaying(_job, 100, 1);
        vm.snapshotGasLastCall("Market", "postEpoch_3_signatures");
        _finalise(header);
        vm.snapshotGasLastCall("Market", "finaliseEpoch");
        Debit[] memory debits = new Debit[](2);
        debits[0] = Debit({job: _job, pay: 10, last: 0});
        debits[1] = Debit({job: _other, pay: 10, last: 1});
        _post(_header(debits), debits);
        vm.snapshotGasLastCall("Market", "postEpoch_3_signatures_2_jobs");
    }

    function test_gas__strike() public {
        (Header memory header, Debit[] memory debits) = _postPaying(_job, 100, 1);
        _strike(header, debits);
        vm.snapshotGasLastCall("Market", "strike");
    }

    function test_gas__refund() public {
        vm.warp(DEADLINE + 3 * WINDOW);
        market.refund(_job);
        vm.snapshotGasLastCall("Market", "refund");
    }

    function test_gas__claims() public {
        _allEarn();
        market.claimMany(_some(100));
        vm.snapshotGasLastCall("Market", "claimMany_50_new");
        market.claim(_some(300)[0]);
        vm.snapshotGasLastCall("Market", "claim_1024_leaves_new");
        _allEarn();
        market.claimMany(_some(100));
        vm.snapshotGasLastCall("Market", "claimMany_50_steady");
        market.claim(_some(300)[0]);
        vm.snapshotGasLastCall("Market", "claim_1024_leaves_steady");
    }

    function test_gas__registerMany() public {
        Registration[] memory entries = new Registration[](50);
        for (uint256 i = 0; i < 50; ++i) {
            bytes32 message = Messages.register(_wallet(10 + i), _wallet(10 + i), 0, DEADLINE);
            bytes32 digest = MessageHashUtils.toTypedDataHash(_domain(address(workers)), message);
            entries[i] = Registration({
                wallet: _wallet(10 + i),
                key: _wallet(10 + i),
                validUntil: DEADLINE,
                signature: _signature(_walletKey(10 + i), digest)
            });
        }
        workers.registerMany(entries);
        vm.snapshotGasLastCall("Workers", "registerMany_50");
    }

    /// @dev One more unit for each of 1,024 workers of a job that pays no fee.
    function _allEarn() private {
        ++_each;
        Debit[] memory debits = _debit(_job, uint64(PEOPLE));
        Header memory header = _header(debits);
        (header.balances, header.balancesSize) = (TreeBuilder.root(_people()), uint32(PEOPLE));
        _post(header, debits);
        _finalise(header);
    }

    /// @dev The proofs of 50 neighbours, each level of the tree being built once.
    function _proofs(uint256 first) private view returns (bytes32[][] memory proofs) {
        proofs = new bytes32[][](50);
        for (uint256 i = 0; i < 50; ++i) {
            proofs[i] = new bytes32[](10);
        }
        bytes32[] memory level = _people();
        for (uint256 step = 0; step < 10; ++step) {
            for (uint256 i = 0; i < 50; ++i) {
                proofs[i][step] = TreeBuilder.node(level, ((first + i) >> step) ^ 1);
            }
            level = TreeBuilder.above(level);
        }
    }

    function _people() private view returns (bytes32[] memory leaves) {
        leaves = new bytes32[](PEOPLE);
        for (uint256 i = 0; i < PEOPLE; ++i) {
            leaves[i] = Leaves.balance(uint32(i), address(uint160(0x10000 + i)), _each, _earnings(i));
        }
    }

    function _some(uint256 first) private view returns (Claim[] memory claims) {
        bytes32[][] memory proofs = _proofs(first);
        claims = new Claim[](50);
        for (uint256 i = 0; i < 50; ++i) {
            uint256 worker = first + i;
            claims[i] = Claim({
                worker: uint32(worker),
                wallet: address(uint160(0x10000 + worker)),
                cumulative: _each,
                earnings: _earnings(worker),
                proof: proofs[i]
            });
        }
    }
}
