// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {OpeningFields, Pending, RevealedBalance, RevealedVerdict, Tree} from "../../contracts/interfaces/IDemands.sol";
import {Header, IMarket} from "../../contracts/interfaces/IMarket.sol";
import {BalanceLeaf, Evidence, Fault, Link, Posted, VerdictLeaf} from "../../contracts/interfaces/IReferee.sol";
import {Leaves} from "../../contracts/libraries/Leaves.sol";
import {Epochs} from "./support/Epochs.sol";
import {Debit} from "./support/Fixture.sol";

/// @title What a refutation costs, strike and slash, base fee and calldata included; figures in gas/Referee.json
/// @dev Only the leaves of the evidence are real, the other nodes of the trees are any hashes.
/// forge-config: default.isolate = true
contract RefereeGasTest is Epochs {
    uint256 private constant LIMIT = 6_000_000;

    function setUp() public {
        _deployReferee();
    }

    /// @dev The first strike of all opens two slots of the Committee, what is burnt and what its refuter may collect.
    function test_gas__r1_10x2() public {
        _wrongLabel(10, 2, 1000, 200, "verdict_r1_10x2_1000_tasks_first_strike");
        for (uint256 i = 0; i < 3; ++i) {
            committee.stake{value: STAKE}(vm.addr(memberKeys[i]));
        }
        uint256 spent = _wrongLabel(10, 2, 1000, 200, "verdict_r1_10x2_1000_tasks");
        vm.assertTrue(spent <= 230_000, "R1 is dearer than the issue allows");
    }

    function test_gas__r1_10x2_many_rows() public {
        _wrongLabel(10, 2, 1000, 2000, "verdict_r1_10x2_1000_tasks_2000_rows");
    }

    function test_gas__r1_20x8() public {
        _wrongLabel(20, 8, 10_000, 8000, "verdict_r1_20x8_10000_tasks");
    }

    function test_gas__r1_at_the_limits() public {
        uint256 spent = _wrongLabel(64, 64, 2 ** 24, 2 ** 24, "verdict_r1_64x64_depth_24");
        vm.assertTrue(spent <= LIMIT, "beyond the limit");
    }

    /// @dev The dearest of those that an epoch of whole lists and proper debits can need: what is struck gives 512 jobs their
    /// debits back besides.
    function test_gas__r1_at_the_limits_of_512_jobs() public {
        Debit[] memory debits = _most(0);
        Header memory header = _header(debits);
        Evidence memory e = _mislabelled(header, 64, 64, 2 ** 24, 2 ** 24);
        Posted memory posted = _postedOf(header, debits);
        referee.verdict(posted, Fault.WrongLabel, e);
        _assertUnder(vm.snapshotGasLastCall("Referee", "verdict_r1_64x64_depth_24_512_jobs"));
    }

    /// @dev Every debit says the same last verdict, so that each could be the one that the fee is for.
    function test_gas__fee_unfounded_at_the_limits_of_512_jobs() public {
        Debit[] memory debits = _most(0x01010101);
        Header memory header = _header(debits);
        Evidence memory e;
        e.balances = new BalanceLeaf[](1);
        e.balances[0] = BalanceLeaf(0, 0, _wallet(0), 5, _earned(4096), new bytes32[](0));
        (header.balances, e.balances[0].proof) = _single(_hashOf(e.balances[0]), 0);
        header.balancesSize = 2 ** 24;
        Posted memory posted = _postedOf(header, debits);
        referee.pay(posted, Fault.FeeUnfounded, e);
        _assertUnder(vm.snapshotGasLastCall("Referee", "pay_fee_unfounded_4096_earnings_512_jobs"));
    }

    function test_gas__earning_missing_at_the_limits() public {
        Header memory header = _header(new Debit[](0));
        Evidence memory e;
        e.verdicts = new VerdictLeaf[](1);
        e.verdicts[0] = _verdict(64, 64, 2 ** 24, 2 ** 24);
        (header.verdicts, e.verdicts[0].proof) = _single(_hashOf(e.verdicts[0]), e.verdicts[0].index);
        header.verdictsSize = 2 ** 24;
        e.balances = new BalanceLeaf[](1);
        e.balances[0] = BalanceLeaf(1, 1, _wallet(1), 5, _earned(4096), new bytes32[](0));
        (header.balances, e.balances[0].proof) = _single(_hashOf(e.balances[0]), 1);
        header.balancesSize = 2 ** 24;
        Posted memory posted = _postedWith(header);
        referee.pay(posted, Fault.EarningMissing, e);
        _assertUnder(vm.snapshotGasLastCall("Referee", "pay_missing_4096_earnings_depth_24"));
    }

    function test_gas__cumulative_at_the_limits() public {
        Header memory header = _header(new Debit[](0));
        Evidence memory e;
        e.balances = new BalanceLeaf[](1);
        e.balances[0] = BalanceLeaf(1, 1, _wallet(1), 5, _earned(4096), new bytes32[](0));
        (header.balances, e.balances[0].proof) = _single(_hashOf(e.balances[0]), 1);
        header.balancesSize = 2 ** 24;
        Posted memory posted = _postedWith(header);
        referee.pay(posted, Fault.CumulativeMismatch, e);
        _assertUnder(vm.snapshotGasLastCall("Referee", "pay_cumulative_4096_earnings_depth_24"));
    }

    function test_gas__trace_1000() public {
        Link[] memory links = new Link[](1000);
        bytes32 head = keccak256("from");
        for (uint256 i = 0; i < links.length; ++i) {
            links[i] = Link({digest: keccak256(abi.encode("digest", i)), signers: 7, struck: i % 2 == 0});
            head = Leaves.head(head, links[i].digest, 7);
            if (links[i].struck) head = Leaves.struck(head);
        }
        IMarket old = IMarket(address(new Heads(head)));
        referee.trace(old, keccak256("from"), links);
        _assertUnder(vm.snapshotGasLastCall("Referee", "trace_1000"));
    }

    function test_gas__demands() public {
        Header memory header = _header(new Debit[](0));
        RevealedBalance memory balance = RevealedBalance(1, _wallet(1), 5, _earned(4096));
        bytes32[] memory proof;
        bytes32 hash = Leaves.balance(1, _wallet(1), 5, keccak256(balance.earnings));
        (header.balances, proof) = _single(hash, 1);
        header.balancesSize = 2 ** 24;
        RevealedVerdict memory verdict = _full();
        bytes32[] memory verdictProof;
        (header.verdicts, verdictProof) = _single(_hashOf(_leafOf(verdict)), 5);
        header.verdictsSize = 2 ** 24;
        Pending memory pending = Pending({market: market, header: header, signers: SIGNERS});
        _post(header, new Debit[](0));
        demands.demand{value: PRICE}(pending, Tree.Balances, 1);
        vm.snapshotGasLastCall("Demands", "demand");
        demands.reply(pending, Tree.Balances, 1, abi.encode(balance), proof);
        _assertUnder(vm.snapshotGasLastCall("Demands", "reply_4096_earnings_depth_24"));
        demands.demand{value: PRICE}(pending, Tree.Verdicts, 5);
        demands.reply(pending, Tree.Verdicts, 5, abi.encode(verdict), verdictProof);
        _assertUnder(vm.snapshotGasLastCall("Demands", "reply_64_answers_depth_24"));
    }

    function _assertUnder(uint256 spent) private pure {
        vm.assertTrue(spent <= LIMIT, "beyond the limit");
    }

    /// @dev Strikes for a label that no score gives.
    function _wrongLabel(uint256 answers, uint256 classes, uint256 tasks, uint256 rows, string memory name)
        private
        returns (uint256)
    {
        Header memory header = _header(new Debit[](0));
        Evidence memory e = _mislabelled(header, answers, classes, tasks, rows);
        Posted memory posted = _postedWith(header);
        referee.verdict(posted, Fault.WrongLabel, e);
        return vm.snapshotGasLastCall("Referee", name);
    }

    /// @dev The trees go into the header.
    function _mislabelled(Header memory header, uint256 answers, uint256 classes, uint256 tasks, uint256 rows)
        private
        pure
        returns (Evidence memory e)
    {
        e.verdicts = new VerdictLeaf[](1);
        e.verdicts[0] = _verdict(answers, classes, tasks, rows);
        (header.verdicts, e.verdicts[0].proof) = _sparse(_one(_hashOf(e.verdicts[0])), _index(tasks / 2), tasks);
        header.verdictsSize = uint32(tasks);
        bytes32[] memory level = new bytes32[](answers);
        uint256[] memory indexes = new uint256[](answers);
        for (uint256 i = 0; i < answers; ++i) {
            bytes memory row = _numbers(classes, int32(int256(i)));
            e.rows = bytes.concat(e.rows, row);
            indexes[i] = i * (rows / answers);
            level[i] = Leaves.weight(1, uint32(i + 1), uint8(i % classes), row);
        }
        (header.weights, e.rowsProof) = _sparse(level, indexes, rows);
        header.weightsSize = uint32(rows);
    }

    /// @dev As many jobs as one epoch may debit.
    function _most(uint32 last) private returns (Debit[] memory debits) {
        debits = new Debit[](512);
        for (uint32 job = 1; job <= 512; ++job) {
            if (job > 2) _openJob();
            debits[job - 1] = Debit({job: job, pay: 1000, last: last});
        }
    }

    function _postedWith(Header memory header) private returns (Posted memory) {
        return _postedOf(header, new Debit[](0));
    }

    function _postedOf(Header memory header, Debit[] memory debits) private returns (Posted memory) {
        _post(header, debits);
        return Posted({
            market: market,
            header: header,
            signers: SIGNERS,
            debits: _packed(debits),
            signatures: _signatures(_digest(header), 3),
            members: _addresses(memberKeys),
            sealKeys: _sealKeys(4),
            quorum: 3,
            beneficiary: BENEFICIARY
        });
    }

    function _verdict(uint256 answers, uint256 classes, uint256 tasks, uint256 rows)
        private
        pure
        returns (VerdictLeaf memory leaf)
    {
        (leaf.index, leaf.job, leaf.task, leaf.label, leaf.pay) = (uint32(tasks / 2), 1, 500, 255, 12_345);
        leaf.prior = _numbers(classes, 77);
        for (uint256 i = 0; i < answers; ++i) {
            leaf.cores = bytes.concat(
                leaf.cores,
                abi.encodePacked(
                    uint32(i + 1),
                    uint16(0),
                    uint8(i % classes),
                    uint8(0),
                    uint32(i * (rows / answers)),
                    uint32(1),
                    uint32(i)
                )
            );
            leaf.openings = bytes.concat(leaf.openings, keccak256(abi.encode("opening", i)));
        }
    }

    /// @dev Numbers without zero bytes, which calldata would have cheaper.
    function _numbers(uint256 classes, int32 salt) private pure returns (bytes memory row) {
        for (uint256 c = 0; c < classes; ++c) {
            row = bytes.concat(row, bytes4(keccak256(abi.encode("number", c, salt))) | 0x01010101);
        }
    }

    function _earned(uint256 count) private pure returns (bytes memory earnings) {
        earnings = new bytes(12 * count);
        for (uint256 i = 0; i < count; ++i) {
            _set(earnings, 12 * i, abi.encodePacked(uint32(i + 0x01010101), uint64(0x0101010101010101)));
        }
    }

    function _full() private pure returns (RevealedVerdict memory v) {
        (v.job, v.task, v.label, v.prior) = (1, 2, 3, _numbers(64, 1));
        v.openings = new OpeningFields[](64);
        for (uint256 i = 0; i < 64; ++i) {
            v.cores = bytes.concat(v.cores, bytes20(keccak256(abi.encode("core", i))));
            OpeningFields memory o = v.openings[i];
            (o.commitment, o.sealHash, o.payloadHash) = (keccak256("c"), keccak256("s"), keccak256("p"));
            (o.salt, o.reason) = (keccak256("salt"), keccak256("reason"));
            o.signature = bytes.concat(keccak256("r"), keccak256("s"), hex"1b");
        }
    }

    function _leafOf(RevealedVerdict memory v) private pure returns (VerdictLeaf memory leaf) {
        (leaf.job, leaf.task, leaf.label, leaf.prior, leaf.pay) = (v.job, v.task, v.label, v.prior, v.pay);
        leaf.cores = v.cores;
        for (uint256 i = 0; i < v.openings.length; ++i) {
            leaf.openings = bytes.concat(leaf.openings, _openingHash(v.openings[i]));
        }
    }

    function _hashOf(VerdictLeaf memory v) private pure returns (bytes32) {
        return Leaves.verdict(v.job, v.task, v.label, v.prior, v.pay, Leaves.list(v.cores, v.openings));
    }

    function _hashOf(BalanceLeaf memory b) private pure returns (bytes32) {
        return Leaves.balance(b.worker, b.wallet, b.cumulative, keccak256(b.earnings));
    }

    // ------------------------------------------------------------------ trees of which only a part is known

    function _one(bytes32 leaf) private pure returns (bytes32[] memory leaves) {
        leaves = new bytes32[](1);
        leaves[0] = leaf;
    }

    function _index(uint256 index) private pure returns (uint256[] memory indexes) {
        indexes = new uint256[](1);
        indexes[0] = index;
    }

    function _single(bytes32 leaf, uint256 index) private pure returns (bytes32, bytes32[] memory) {
        return _sparse(_one(leaf), _index(index), 2 ** 24);
    }

    /// @dev Root and multiproof of a tree whose other nodes are any hashes.
    function _sparse(bytes32[] memory leaves, uint256[] memory indexes, uint256 size)
        private
        pure
        returns (bytes32, bytes32[] memory)
    {
        bytes32[] memory proof = new bytes32[](24 * leaves.length);
        uint256 used = 0;
        uint256 known = leaves.length;
        for (uint256 width = size; width > 1; width = (width + 1) / 2) {
            uint256 above = 0;
            for (uint256 i = 0; i < known; ++i) {
                uint256 index = indexes[i];
                bytes32 node = leaves[i];
                bool pair = index % 2 == 0 && i + 1 < known && indexes[i + 1] == index + 1;
                bytes32 sibling = pair ? leaves[i + 1] : keccak256(abi.encode("node", width, index));
                if (pair) ++i;
                else proof[used++] = sibling;
                leaves[above] = keccak256(index % 2 == 1 ? bytes.concat(sibling, node) : bytes.concat(node, sibling));
                indexes[above++] = index / 2;
            }
            known = above;
        }
        bytes32[] memory cut = new bytes32[](used);
        for (uint256 i = 0; i < used; ++i) {
            cut[i] = proof[i];
        }
        return (leaves[0], cut);
    }
}

/// @dev A Market of which only the head matters.
contract Heads {
    bytes32 public immutable head;

    constructor(bytes32 head_) {
        head = head_;
    }
}
