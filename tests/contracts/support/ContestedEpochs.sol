// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Disputes} from "../../../contracts/Disputes.sol";
import {Hatch} from "../../../contracts/Hatch.sol";
import {Market} from "../../../contracts/Market.sol";
import {IArbitrator} from "../../../contracts/interfaces/IArbitrator.sol";
import {Pending} from "../../../contracts/interfaces/IDemands.sol";
import {Header} from "../../../contracts/interfaces/IMarket.sol";
import {BalanceLeaf, BalanceStub, JobTerms, Link, VerdictLeaf} from "../../../contracts/interfaces/IReferee.sol";
import {Leaves} from "../../../contracts/libraries/Leaves.sol";
import {Fixture} from "./Fixture.sol";
import {TreeBuilder} from "./TreeBuilder.sol";

/// @title Epochs whose leaves can be proven, in a Market with disputes and a hatch
/// @dev Each epoch decides two new tasks of job 1. In the first, workers 1 and 2 are counted, 1 alone with the verdict, and 3
/// is rejected; in the second, 1 and 2 are counted and right, and 4 is unopened.
abstract contract ContestedEpochs is Fixture {
    uint64 internal constant PAY = 550;
    uint64 internal constant DEBIT_FEE = 13;

    Disputes internal disputes;
    Hatch internal hatch;
    uint32 internal job;

    /// @dev Of the last epoch posted: its header, and what its leaves are made of.
    Header internal posted;
    uint32 internal firstTask;
    /// @dev What the claim root holds.
    uint64[] internal finalCumulative;
    bytes[] internal finalEarnings;

    function _deployContested(IArbitrator arbitrator, uint256 fee, uint256 bond, uint64 patience) internal {
        _deploy();
        for (uint256 i = 1; i < WORKERS; ++i) {
            vm.prank(_wallet(i));
            workers.register();
        }
        disputes = new Disputes(arbitrator, "court", fee, bond, patience, "ipfs://pay", "ipfs://rejection");
        hatch = new Hatch(0.1 ether);
        market = new Market(token, workers, committee, REFEREE, address(disputes), address(hatch), WINDOW);
        _fund(REQUESTER);
        job = _openJob();
        // Another party's money in the pool.
        _openJob();
    }

    // ------------------------------------------------------------------ posting

    function _postEpoch() internal {
        cumulative[1] += 300;
        cumulative[2] += 250;
        cumulative[0] += DEBIT_FEE;
        _postWith(_packedDebit(PAY), finalTotalAfter(PAY + DEBIT_FEE));
    }

    function finalTotalAfter(uint64 more) internal view returns (uint64) {
        return market.finalTotal() + more;
    }

    function _postWith(bytes memory debits, uint64 total) internal {
        Header memory header = _headerWith(debits, total);
        market.postEpoch(header, debits, _signatures(_digest(header), 3));
        posted = header;
    }

    function _headerWith(bytes memory debits, uint64 total) internal view returns (Header memory header) {
        bytes32[] memory balances = _balanceLeaves();
        header = Header({
            epoch: market.lastEpoch() + 1,
            previous: market.head(),
            validUntil: uint64(block.timestamp),
            configuration: market.configuration(),
            balances: TreeBuilder.root(balances),
            balancesSize: uint32(balances.length),
            weights: keccak256("weights"),
            weightsSize: 2,
            verdicts: TreeBuilder.root(_verdictLeaves()),
            verdictsSize: 2,
            assignments: keccak256("assignments"),
            assignmentsSize: 4,
            debits: keccak256(debits),
            total: total,
            content: keccak256("content"),
            model: keccak256("model")
        });
    }

    /// @dev Nothing for anybody: it only follows.
    function _postEmpty() internal {
        _postWith("", market.finalTotal());
    }

    function _finaliseEpoch() internal {
        (, uint64 postedAt,) = market.pending();
        if (block.timestamp < postedAt + WINDOW) vm.warp(postedAt + WINDOW);
        market.finaliseEpoch(posted, SIGNERS);
        finalCumulative = cumulative;
        delete finalEarnings;
        for (uint256 i = 0; i < WORKERS; ++i) {
            finalEarnings.push(_earningsOf(i));
        }
        firstTask += 2;
    }

    function _strikeEpoch() internal {
        vm.prank(REFEREE);
        market.strike(posted, SIGNERS, _packedDebit(PAY));
        for (uint256 i = 0; i < WORKERS; ++i) {
            cumulative[i] = finalCumulative.length == 0 ? 0 : finalCumulative[i];
        }
    }

    function _packedDebit(uint64 pay) internal view returns (bytes memory) {
        return abi.encodePacked(job, pay, uint32(1));
    }

    // ------------------------------------------------------------------ leaves

    function _core(uint32 worker, uint8 label, uint8 status) private pure returns (bytes memory) {
        return abi.encodePacked(worker, uint16(0), label, status, uint32(0), uint32(1), uint32(0));
    }

    function _coresOf(uint256 verdict) internal pure returns (bytes memory) {
        if (verdict == 0) return bytes.concat(_core(1, 1, 0), _core(2, 0, 0), _core(3, 255, 2));
        return bytes.concat(_core(1, 0, 0), _core(2, 0, 0), _core(4, 255, 1));
    }

    function _verdict(uint32 index) internal view returns (VerdictLeaf memory leaf) {
        leaf.index = index;
        leaf.job = job;
        leaf.task = firstTask + index;
        leaf.label = index == 0 ? 1 : 0;
        leaf.prior = new bytes(8);
        leaf.pay = index == 0 ? 250 : PAY;
        leaf.cores = _coresOf(index);
        leaf.openings = new bytes(96);
        leaf.proof = TreeBuilder.proof(_verdictLeaves(), index);
    }

    function _verdictLeaves() internal view returns (bytes32[] memory leaves) {
        leaves = new bytes32[](2);
        for (uint32 i = 0; i < 2; ++i) {
            bytes32 list = Leaves.list(_coresOf(i), new bytes(96));
            leaves[i] = Leaves.verdict(job, firstTask + i, i == 0 ? 1 : 0, new bytes(8), i == 0 ? 250 : PAY, list);
        }
    }

    function _earningsOf(uint256 worker) internal pure returns (bytes memory) {
        if (worker == 0) return abi.encodePacked(uint32(1), DEBIT_FEE);
        if (worker == 1) return abi.encodePacked(uint32(0), uint64(150), uint32(1), uint64(150));
        if (worker == 2) return abi.encodePacked(uint32(0), uint64(100), uint32(1), uint64(150));
        return "";
    }

    function _balanceLeaves() internal view returns (bytes32[] memory leaves) {
        leaves = new bytes32[](WORKERS);
        for (uint256 i = 0; i < WORKERS; ++i) {
            leaves[i] = Leaves.balance(uint32(i), _wallet(i), cumulative[i], keccak256(_earningsOf(i)));
        }
    }

    function _balanceLeaf(uint32 worker) internal view returns (BalanceLeaf memory leaf) {
        leaf.index = worker;
        leaf.worker = worker;
        leaf.wallet = _wallet(worker);
        leaf.cumulative = cumulative[worker];
        leaf.earnings = _earningsOf(worker);
        leaf.proof = TreeBuilder.proof(_balanceLeaves(), worker);
    }

    /// @dev Of the claim root; empty before the first final epoch.
    function _before(uint32 worker) internal view returns (BalanceStub memory stub) {
        if (finalCumulative.length == 0) return stub;
        bytes32[] memory leaves = new bytes32[](WORKERS);
        for (uint256 i = 0; i < WORKERS; ++i) {
            leaves[i] = Leaves.balance(uint32(i), _wallet(i), finalCumulative[i], keccak256(finalEarnings[i]));
        }
        stub.worker = worker;
        stub.wallet = _wallet(worker);
        stub.cumulative = finalCumulative[worker];
        stub.earningsHash = keccak256(finalEarnings[worker]);
        stub.proof = TreeBuilder.proof(leaves, worker);
    }

    function _pending() internal view returns (Pending memory) {
        return Pending({market: market, header: posted, signers: SIGNERS});
    }

    function _jobTerms() internal pure returns (JobTerms memory) {
        return JobTerms({requester: REQUESTER, terms: _terms()});
    }

    function _link(bool struck) internal view returns (Link[] memory links) {
        links = new Link[](1);
        links[0] = Link({digest: _digest(posted), signers: SIGNERS, struck: struck});
    }

    receive() external payable {}
}
