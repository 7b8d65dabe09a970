// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {DemoToken} from "../../contracts/DemoToken.sol";
import {Balance, Header, Permit} from "../../contracts/interfaces/IMarket.sol";
import {Registration} from "../../contracts/interfaces/IWorkers.sol";
import {Leaves} from "../../contracts/libraries/Leaves.sol";
import {Messages} from "../../contracts/libraries/Messages.sol";
import {Debit, Fixture} from "./support/Fixture.sol";
import {TestToken} from "./support/Tokens.sol";
import {TreeBuilder} from "./support/TreeBuilder.sol";
import {MessageHashUtils} from "@openzeppelin/contracts/utils/cryptography/MessageHashUtils.sol";

/// @title What each transaction costs in the steady state, base fee and calldata included; figures in gas/
/// forge-config: default.isolate = true
contract GasTest is Fixture {
    uint32 private _job;
    uint32 private _other;
    uint64 private _each;
    uint256 private _people;

    function setUp() public {
        _deploy();
        _job = _openJob();
        _other = _openJob();
        (Header memory header,) = _postPaying(_job, 10, 1);
        _finalise(header);
        market.claim(_balance(1), _proof(1));
        _people = 1024;
        vm.prank(REQUESTER);
        market.topUp(_job, 20_000);
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
        vm.warp(DEADLINE + 4 * WINDOW);
        _refund(_job);
        vm.snapshotGasLastCall("Market", "refund");
    }

    function test_gas__openJobWithPermit() public {
        DemoToken demo = new DemoToken(1e18);
        token = TestToken(address(demo));
        market = _newMarket(token, WINDOW);
        address owner = vm.addr(77);
        demo.transfer(owner, 1e9);
        demo.transfer(address(market), 1);
        Permit memory permit = _permit(demo, owner);
        vm.prank(owner);
        market.openJobWithPermit(_terms(), DEADLINE, permit);
        vm.snapshotGasLastCall("Market", "openJobWithPermit_first_of_the_market");
        permit = _permit(demo, owner);
        vm.prank(owner);
        market.openJobWithPermit(_terms(), DEADLINE, permit);
        vm.snapshotGasLastCall("Market", "openJobWithPermit");
    }

    function test_gas__topUp() public {
        vm.prank(REQUESTER);
        market.topUp(_job, 100);
        vm.snapshotGasLastCall("Market", "topUp");
    }

    function test_gas__disputes_and_hatch() public {
        (Header memory header,) = _postPaying(_job, 10, 1);
        _finalise(header);
        vm.prank(DISPUTES);
        market.freeze(1, 5);
        vm.snapshotGasLastCall("Market", "freeze");
        vm.prank(DISPUTES);
        market.forfeit(1, 4, _job);
        vm.snapshotGasLastCall("Market", "forfeit");
        vm.prank(DISPUTES);
        market.thaw(1, 1);
        vm.snapshotGasLastCall("Market", "thaw");
        vm.prank(DISPUTES);
        market.reserve(_job, 6);
        vm.snapshotGasLastCall("Market", "reserve");
        vm.prank(DISPUTES);
        market.release(_job, 1);
        vm.snapshotGasLastCall("Market", "release");
        vm.prank(DISPUTES);
        market.award(_job, _wallet(1), 5);
        vm.snapshotGasLastCall("Market", "award");
    }

    /// @dev 50 neighbours among 128, the worst alignment: their counters stand in 13 slots, and 14 hashes prove them.
    function test_gas__claimMany_50_of_128() public {
        _people = 128;
        _allEarn();
        _claimSome(_neighbours(37));
        vm.snapshotGasLastCall("Market", "claimMany_50_of_128_new");
        _allEarn();
        _claimSome(_neighbours(37));
        vm.snapshotGasLastCall("Market", "claimMany_50_of_128_steady");
    }

    function test_gas__claimMany_50_of_128_existing() public {
        _people = 128;
        for (uint256 i = 0; i < _people; ++i) {
            token.mint(_payee(i), 1);
        }
        _allEarn();
        _claimSome(_neighbours(37));
        vm.snapshotGasLastCall("Market", "claimMany_50_of_128_existing");
    }

    function test_gas__claimMany_50_random_of_4096() public {
        _people = 4096;
        uint256[] memory some = new uint256[](50);
        for (uint256 i = 0; i < 50; ++i) {
            some[i] = 4096 * i / 50 + uint256(keccak256(abi.encode(i))) % 81;
        }
        _allEarn();
        _claimSome(some);
        _allEarn();
        _claimSome(some);
        vm.snapshotGasLastCall("Market", "claimMany_50_random_of_4096_steady");
    }

    function test_gas__claimMany_200_of_1024() public {
        _allEarn();
        uint256[] memory some = new uint256[](200);
        for (uint256 i = 0; i < 200; ++i) {
            some[i] = 5 * i;
        }
        _claimSome(some);
        vm.snapshotGasLastCall("Market", "claimMany_200_scattered_of_1024_new");
    }

    function test_gas__claim_1024_leaves() public {
        for (uint256 i = 0; i < 2; ++i) {
            _allEarn();
            bytes32[] memory leaves = _peoplesLeaves();
            market.claim(_peoplesBalance(300), TreeBuilder.proof(leaves, 300));
            vm.snapshotGasLastCall("Market", i == 0 ? "claim_1024_leaves_new" : "claim_1024_leaves_steady");
        }
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

    /// @dev One more unit for each worker.
    function _allEarn() private {
        ++_each;
        Debit[] memory debits = _debit(_job, uint64(_people));
        Header memory header = _header(debits);
        (header.balances, header.balancesSize) = (TreeBuilder.root(_peoplesLeaves()), uint32(_people));
        _post(header, debits);
        _finalise(header);
    }

    function _claimSome(uint256[] memory indexes) private {
        Balance[] memory balances = new Balance[](indexes.length);
        for (uint256 i = 0; i < indexes.length; ++i) {
            balances[i] = _peoplesBalance(indexes[i]);
        }
        market.claimMany(balances, TreeBuilder.multiproof(_peoplesLeaves(), indexes));
    }

    function _neighbours(uint256 first) private pure returns (uint256[] memory indexes) {
        indexes = new uint256[](50);
        for (uint256 i = 0; i < 50; ++i) {
            indexes[i] = first + i;
        }
    }

    function _payee(uint256 worker) private pure returns (address) {
        return address(uint160(uint256(keccak256(abi.encode("payee", worker)))));
    }

    function _peoplesBalance(uint256 worker) private view returns (Balance memory) {
        return Balance(uint32(worker), _payee(worker), _each, _earnings(worker));
    }

    function _peoplesLeaves() private view returns (bytes32[] memory leaves) {
        leaves = new bytes32[](_people);
        for (uint256 i = 0; i < _people; ++i) {
            leaves[i] = Leaves.balance(uint32(i), _payee(i), _each, _earnings(i));
        }
    }

    function _permit(DemoToken demo, address owner) private view returns (Permit memory permit) {
        bytes32 message = keccak256(
            abi.encode(
                keccak256("Permit(address owner,address spender,uint256 value,uint256 nonce,uint256 deadline)"),
                owner,
                address(market),
                ESCROW,
                demo.nonces(owner),
                DEADLINE
            )
        );
        permit.deadline = DEADLINE;
        (permit.v, permit.r, permit.s) = vm.sign(77, MessageHashUtils.toTypedDataHash(demo.DOMAIN_SEPARATOR(), message));
    }
}
