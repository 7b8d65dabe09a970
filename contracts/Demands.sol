// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {
    Demand,
    IDemands,
    Pending,
    RevealedAssignment,
    RevealedBalance,
    RevealedVerdict,
    RevealedWeight,
    Tree
} from "./interfaces/IDemands.sol";
import {IMarket} from "./interfaces/IMarket.sol";
import {Domains} from "./libraries/Domains.sol";
import {Leaves} from "./libraries/Leaves.sol";
import {Proofs} from "./libraries/Proofs.sol";
import {Trees} from "./libraries/Trees.sol";
import {SafeCast} from "@openzeppelin/contracts/utils/math/SafeCast.sol";

/// @title Demands: data of a pending epoch that must be shown on chain, or the epoch falls
/// @dev What it promises, and what it assumes, is written in IDemands. It knows no Referee: who strikes asks it.
contract Demands is IDemands {
    using SafeCast for uint256;

    uint256 private constant MOST_LEAF = 50_000;

    /// @inheritdoc IDemands
    uint256 public immutable price;

    /// @inheritdoc IDemands
    mapping(address account => uint256) public creditOf;
    mapping(bytes32 id => Demand) private _demands;
    /// @dev Demands of an epoch that wait for their reply.
    mapping(IMarket market => mapping(bytes32 head => uint256)) private _open;

    constructor(uint256 price_) {
        price = price_;
    }

    /// @inheritdoc IDemands
    function demand(Pending calldata pending, Tree tree, uint32 index) external payable returns (bytes32 id) {
        (bytes32 head, uint256 postedAt) = _checkPending(pending);
        uint256 window = pending.market.window();
        // Both parts are rounded up: nobody who demands or replies has less than its third.
        uint256 demandsEnd = postedAt + (window + 2) / 3;
        require(block.timestamp < demandsEnd, DemandsDemandTooLate(demandsEnd));
        // slither-disable-next-line unused-return (what is left out is not asked for)
        (, uint256 size) = Proofs.rootOf(pending.header, tree);
        require(index < size, DemandsLeafBeyond(index, size));
        id = demandId(pending.market, head, tree, index);
        require(_demands[id].repliesEnd == 0, DemandsDemanded(id));
        uint256 bond = priceOf(pending.market, head);
        require(msg.value >= bond, DemandsBondTooLow(msg.value, bond));

        ++_open[pending.market][head];
        uint48 repliesEnd = (postedAt + (2 * window + 2) / 3).toUint48();
        _demands[id] = Demand({demander: msg.sender, bond: bond.toUint96(), repliesEnd: repliesEnd, answered: false});
        creditOf[msg.sender] += msg.value - bond;
        emit LeafDemanded(pending.market, pending.header.epoch, tree, index, msg.sender, bond);
    }

    /// @inheritdoc IDemands
    function reply(Pending calldata pending, Tree tree, uint32 index, bytes calldata leaf, bytes32[] calldata proof)
        external
    {
        bytes32 head = Domains.head(pending.market, pending.header, pending.signers);
        bytes32 id = demandId(pending.market, head, tree, index);
        Demand storage entry = _unanswered(id);
        require(block.timestamp < entry.repliesEnd, DemandsReplyTooLate(entry.repliesEnd));
        require(leaf.length <= MOST_LEAF, DemandsLeafTooLarge(leaf.length));
        (bytes32 root, uint256 size) = Proofs.rootOf(pending.header, tree);
        require(
            Trees.contains(root, size, _revealed(tree, leaf), index, proof) && _isPadded(size, index, proof),
            DemandsLeafUnproven(tree, index)
        );

        --_open[pending.market][head];
        entry.answered = true;
        creditOf[msg.sender] += entry.bond;
        entry.bond = 0;
        emit LeafRevealed(pending.market, pending.header.epoch, tree, index, leaf);
    }

    /// @inheritdoc IDemands
    function release(bytes32 id) external {
        Demand storage entry = _unanswered(id);
        require(block.timestamp >= entry.repliesEnd, DemandsReplyPending(entry.repliesEnd));
        uint256 bond = entry.bond;
        if (bond == 0) return;
        entry.bond = 0;
        creditOf[entry.demander] += bond;
        emit BondReleased(id, entry.demander, bond);
    }

    /// @inheritdoc IDemands
    function collect() external {
        uint256 amount = creditOf[msg.sender];
        require(amount != 0, DemandsNothingToCollect(msg.sender));
        creditOf[msg.sender] = 0;
        emit Collected(msg.sender, amount);
        // slither-disable-next-line low-level-calls (the caller takes what is its own)
        (bool paid,) = msg.sender.call{value: amount}("");
        require(paid, DemandsPaymentFailed(msg.sender));
    }

    // ------------------------------------------------------------------ views

    /// @inheritdoc IDemands
    function priceOf(IMarket market, bytes32 head) public view returns (uint256) {
        return price * (_open[market][head] + 1);
    }

    /// @inheritdoc IDemands
    function demandOf(bytes32 id) external view returns (Demand memory) {
        return _demands[id];
    }

    /// @inheritdoc IDemands
    function demandId(IMarket market, bytes32 head, Tree tree, uint32 index) public pure returns (bytes32) {
        return keccak256(abi.encode(market, head, tree, index));
    }

    // ------------------------------------------------------------------ inside

    function _checkPending(Pending calldata pending) private view returns (bytes32 head, uint256 postedAt) {
        head = Domains.head(pending.market, pending.header, pending.signers);
        bytes32 expected = pending.market.head();
        require(head == expected, DemandsNotPending(head, expected));
        // slither-disable-next-line unused-return (the head fixes the number; what it reserves does not matter here)
        (, postedAt,) = pending.market.pending();
        // A final epoch leaves its head, and no time of posting.
        require(postedAt != 0, DemandsNotPending(head, expected));
    }

    function _unanswered(bytes32 id) private view returns (Demand storage entry) {
        entry = _demands[id];
        require(entry.repliesEnd != 0, DemandsNotDemanded(id));
        require(!entry.answered, DemandsAnswered(id));
    }

    /// @dev The hash of a leaf that was given in full.
    function _revealed(Tree tree, bytes calldata leaf) private pure returns (bytes32) {
        if (tree == Tree.Balances) {
            RevealedBalance memory b = abi.decode(leaf, (RevealedBalance));
            return Leaves.balance(b.worker, b.wallet, b.cumulative, keccak256(b.earnings));
        }
        if (tree == Tree.Weights) {
            RevealedWeight memory w = abi.decode(leaf, (RevealedWeight));
            return Leaves.weight(w.job, w.worker, w.label, w.row);
        }
        if (tree == Tree.Assignments) {
            RevealedAssignment memory a = abi.decode(leaf, (RevealedAssignment));
            return Leaves.assignment(a.job, a.task, a.worker, a.expiry, a.terms);
        }
        RevealedVerdict memory v = abi.decode(leaf, (RevealedVerdict));
        bytes32[] memory hashes = new bytes32[](v.openings.length);
        for (uint256 i = 0; i < hashes.length; ++i) {
            hashes[i] = Proofs.openingHash(v.openings[i]);
        }
        bytes32 list = Leaves.list(v.cores, abi.encodePacked(hashes));
        return Leaves.verdict(v.job, v.task, v.label, v.prior, v.pay, list);
    }

    /// @dev Whether each step of a good proof is zero where the tree has no sibling: if those of the last leaf are, the
    /// leaves give the root, and nothing hides beyond them.
    function _isPadded(uint256 size, uint256 index, bytes32[] calldata proof) private pure returns (bool) {
        for (uint256 i = 0; i < proof.length; ++i) {
            if (index & 1 == 0 && index + 1 == size && proof[i] != 0) return false;
            index >>= 1;
            size = (size + 1) >> 1;
        }
        return true;
    }
}
