// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {
    Pending,
    RevealedAssignment,
    RevealedBalance,
    RevealedVerdict,
    RevealedWeight,
    Tree
} from "../../../contracts/interfaces/IDemands.sol";
import {AssignmentLeaf, BalanceLeaf, Posted, VerdictLeaf, WeightLeaf} from "../../../contracts/interfaces/IReferee.sol";
import {Epoch, Epochs} from "../support/Epochs.sol";

/// @dev A pending epoch, and the leaves of its trees as replies give them.
abstract contract DemandsFixture is Epochs {
    bytes private _encoded;

    function setUp() public virtual {
        _deployReferee();
        Epoch memory epoch = _first();
        Posted memory posted = _posted(epoch);
        _encoded = abi.encode(epoch, _pending(posted));
        vm.deal(STRANGER, 100 ether);
    }

    function _load() internal view returns (Epoch memory, Pending memory) {
        return abi.decode(_encoded, (Epoch, Pending));
    }

    function _id(Tree tree, uint32 index) internal view returns (bytes32) {
        return demands.demandId(market, market.head(), tree, index);
    }

    function _demand(Tree tree, uint32 index) internal {
        (, Pending memory pending) = _load();
        uint256 bond = demands.priceOf(market, market.head());
        vm.prank(STRANGER);
        demands.demand{value: bond}(pending, tree, index);
    }

    function _revealed(Epoch memory epoch, Tree tree, uint32 i)
        internal
        pure
        returns (bytes memory leaf, bytes32[] memory proof)
    {
        if (tree == Tree.Balances) {
            BalanceLeaf memory b = epoch.balances[i];
            return (abi.encode(RevealedBalance(b.worker, b.wallet, b.cumulative, b.earnings)), b.proof);
        }
        if (tree == Tree.Weights) {
            WeightLeaf memory w = epoch.weights[i];
            return (abi.encode(RevealedWeight(w.job, w.worker, w.label, w.row)), w.proof);
        }
        if (tree == Tree.Assignments) {
            AssignmentLeaf memory a = epoch.assignments[i];
            return (abi.encode(RevealedAssignment(a.job, a.task, a.worker, a.expiry, a.terms)), a.proof);
        }
        VerdictLeaf memory v = epoch.verdicts[i];
        RevealedVerdict memory full =
            RevealedVerdict(v.job, v.task, v.label, v.prior, v.pay, v.cores, epoch.openings[i]);
        return (abi.encode(full), v.proof);
    }
}
