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
} from "../../../contracts/interfaces/IDemands.sol";
import {Header} from "../../../contracts/interfaces/IMarket.sol";
import {AssignmentLeaf, BalanceLeaf, Posted, VerdictLeaf, WeightLeaf} from "../../../contracts/interfaces/IReferee.sol";
import {Epoch, Epochs} from "../support/Epochs.sol";
import {TreeBuilder} from "../support/TreeBuilder.sol";

/// @dev A pending epoch, and the leaves of its trees as replies give them.
abstract contract Demanded is Epochs {
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

contract DemandTest is Demanded {
    function test_demand__not_the_head__reverts() public {
        (, Pending memory pending) = _load();
        pending.signers = 3;
        vm.expectPartialRevert(IDemands.DemandsNotPending.selector);
        demands.demand{value: PRICE}(pending, Tree.Weights, 0);
    }

    function test_demand__final__reverts() public {
        (, Pending memory pending) = _load();
        _finalise(pending.header);
        vm.expectPartialRevert(IDemands.DemandsNotPending.selector);
        demands.demand{value: PRICE}(pending, Tree.Weights, 0);
    }

    function test_demand__leaf_beyond_the_tree__reverts() public {
        (, Pending memory pending) = _load();
        vm.expectRevert(abi.encodeWithSelector(IDemands.DemandsLeafBeyond.selector, 3, 3));
        demands.demand{value: PRICE}(pending, Tree.Verdicts, 3);
    }

    function test_demand__second_third__reverts() public {
        (, Pending memory pending) = _load();
        vm.warp(START + WINDOW / 3);
        vm.expectRevert(abi.encodeWithSelector(IDemands.DemandsDemandTooLate.selector, START + WINDOW / 3));
        demands.demand{value: PRICE}(pending, Tree.Verdicts, 0);
        vm.warp(START + WINDOW / 3 - 1);
        demands.demand{value: PRICE}(pending, Tree.Verdicts, 0);
    }

    function test_demand__twice__reverts() public {
        (, Pending memory pending) = _load();
        _demand(Tree.Verdicts, 0);
        vm.expectRevert(abi.encodeWithSelector(IDemands.DemandsDemanded.selector, _id(Tree.Verdicts, 0)));
        demands.demand{value: 2 * PRICE}(pending, Tree.Verdicts, 0);
    }

    function test_demand__bond_too_low__reverts() public {
        (, Pending memory pending) = _load();
        vm.expectRevert(abi.encodeWithSelector(IDemands.DemandsBondTooLow.selector, PRICE - 1, PRICE));
        demands.demand{value: PRICE - 1}(pending, Tree.Verdicts, 0);
        _demand(Tree.Verdicts, 0);
        vm.expectRevert(abi.encodeWithSelector(IDemands.DemandsBondTooLow.selector, PRICE, 2 * PRICE));
        demands.demand{value: PRICE}(pending, Tree.Verdicts, 1);
    }

    function test_demand__many__each_costs_more_until_they_are_answered() public {
        (Epoch memory epoch, Pending memory pending) = _load();
        for (uint32 i = 0; i < 3; ++i) {
            vm.assertEq(demands.priceOf(market, market.head()), PRICE * (i + 1));
            _demand(Tree.Balances, i);
        }
        (bytes memory leaf, bytes32[] memory proof) = _revealed(epoch, Tree.Balances, 0);
        demands.reply(pending, Tree.Balances, 0, leaf, proof);
        vm.assertEq(demands.priceOf(market, market.head()), PRICE * 3);
    }

    function test_demand__is_kept_with_its_bond_and_the_change_credited() public {
        (, Pending memory pending) = _load();
        _emitted(address(demands));
        emit IDemands.LeafDemanded(market, 1, Tree.Assignments, 2, STRANGER, PRICE);
        vm.prank(STRANGER);
        bytes32 id = demands.demand{value: PRICE + 5}(pending, Tree.Assignments, 2);
        vm.assertEq(id, _id(Tree.Assignments, 2));
        Demand memory entry = demands.demandOf(id);
        vm.assertEq(entry.demander, STRANGER);
        vm.assertEq(entry.bond, PRICE);
        vm.assertEq(entry.repliesEnd, START + 2 * WINDOW / 3);
        vm.assertTrue(!entry.answered, "answered");
        vm.assertEq(demands.creditOf(STRANGER), 5);
    }
}

contract ReplyTest is Demanded {
    function test_reply__not_demanded__reverts() public {
        (Epoch memory epoch, Pending memory pending) = _load();
        (bytes memory leaf, bytes32[] memory proof) = _revealed(epoch, Tree.Weights, 0);
        vm.expectRevert(abi.encodeWithSelector(IDemands.DemandsNotDemanded.selector, _id(Tree.Weights, 0)));
        demands.reply(pending, Tree.Weights, 0, leaf, proof);
    }

    function test_reply__too_late__reverts() public {
        (Epoch memory epoch, Pending memory pending) = _load();
        _demand(Tree.Weights, 0);
        (bytes memory leaf, bytes32[] memory proof) = _revealed(epoch, Tree.Weights, 0);
        vm.warp(START + 2 * WINDOW / 3);
        vm.expectRevert(abi.encodeWithSelector(IDemands.DemandsReplyTooLate.selector, START + 2 * WINDOW / 3));
        demands.reply(pending, Tree.Weights, 0, leaf, proof);
        vm.warp(START + 2 * WINDOW / 3 - 1);
        demands.reply(pending, Tree.Weights, 0, leaf, proof);
    }

    function test_reply__twice__reverts() public {
        (Epoch memory epoch, Pending memory pending) = _load();
        _demand(Tree.Weights, 0);
        (bytes memory leaf, bytes32[] memory proof) = _revealed(epoch, Tree.Weights, 0);
        demands.reply(pending, Tree.Weights, 0, leaf, proof);
        vm.expectRevert(abi.encodeWithSelector(IDemands.DemandsAnswered.selector, _id(Tree.Weights, 0)));
        demands.reply(pending, Tree.Weights, 0, leaf, proof);
    }

    function test_reply__another_leaf__reverts() public {
        (Epoch memory epoch, Pending memory pending) = _load();
        _demand(Tree.Weights, 0);
        (bytes memory leaf, bytes32[] memory proof) = _revealed(epoch, Tree.Weights, 1);
        vm.expectRevert(abi.encodeWithSelector(IDemands.DemandsLeafUnproven.selector, Tree.Weights, 0));
        demands.reply(pending, Tree.Weights, 0, leaf, proof);
    }

    function test_reply__leaf_too_large__reverts() public {
        (, Pending memory pending) = _load();
        _demand(Tree.Weights, 0);
        vm.expectRevert(abi.encodeWithSelector(IDemands.DemandsLeafTooLarge.selector, 50_001));
        demands.reply(pending, Tree.Weights, 0, new bytes(50_001), new bytes32[](0));
    }

    /// @dev Where the tree has no sibling a proof holds zero: else something hides beyond the last leaf.
    function test_reply__tree_with_more_than_its_size__reverts() public {
        (Epoch memory epoch, Pending memory pending) = _load();
        vm.prank(address(referee));
        market.strike(pending.header, SIGNERS, _packed(epoch.debits));
        Header memory header = _sealed(epoch);
        bytes32[] memory level = _verdictLevel(epoch);
        bytes32[] memory hidden = new bytes32[](4);
        (hidden[0], hidden[1], hidden[2], hidden[3]) = (level[0], level[1], level[2], keccak256("hidden"));
        header.verdicts = TreeBuilder.root(hidden);
        _postedWith(header, epoch);
        pending.header = header;
        demands.demand{value: PRICE}(pending, Tree.Verdicts, 2);
        (bytes memory leaf,) = _revealed(epoch, Tree.Verdicts, 2);
        bytes32[] memory proof = TreeBuilder.proof(hidden, 2);
        vm.expectRevert(abi.encodeWithSelector(IDemands.DemandsLeafUnproven.selector, Tree.Verdicts, 2));
        demands.reply(pending, Tree.Verdicts, 2, leaf, proof);
    }

    /// @dev Every leaf of every tree can be given, by anybody, and earns its bond once.
    function test_reply__each_leaf__is_shown_and_earns_the_bond() public {
        (Epoch memory epoch, Pending memory pending) = _load();
        uint256 earned = 0;
        for (uint256 t = 0; t < 4; ++t) {
            uint256 size =
                [epoch.balances.length, epoch.weights.length, epoch.verdicts.length, epoch.assignments.length][t];
            for (uint32 i = 0; i < size; ++i) {
                _demand(Tree(t), i);
                (bytes memory leaf, bytes32[] memory proof) = _revealed(epoch, Tree(t), i);
                _emitted(address(demands));
                emit IDemands.LeafRevealed(market, 1, Tree(t), i, leaf);
                vm.prank(REQUESTER);
                demands.reply(pending, Tree(t), i, leaf, proof);
                earned += PRICE;
                vm.assertTrue(demands.demandOf(_id(Tree(t), i)).answered, "not answered");
                vm.assertEq(demands.demandOf(_id(Tree(t), i)).bond, 0);
            }
        }
        vm.assertEq(demands.creditOf(REQUESTER), earned);
        vm.assertEq(address(demands).balance, earned);
    }

    function test_reply__damaged__reverts(uint256 tree, uint256 index, uint256 place, bytes1 flip) public {
        (Epoch memory epoch, Pending memory pending) = _load();
        vm.assume(flip != 0);
        Tree of_ = Tree(tree % 4);
        uint32 i = uint32(index % 3);
        _demand(of_, i);
        (bytes memory leaf, bytes32[] memory proof) = _revealed(epoch, of_, i);
        bytes memory damaged = bytes.concat(leaf);
        damaged[place % leaf.length] ^= flip;
        (bool done,) = address(demands).call(abi.encodeCall(IDemands.reply, (pending, of_, i, damaged, proof)));
        // What abi.decode passes over (padding, a shared offset) does not change the leaf.
        if (done) vm.assertTrue(demands.demandOf(_id(of_, i)).answered, "not answered");
        else demands.reply(pending, of_, i, leaf, proof);
    }
}

contract ReleaseTest is Demanded {
    function test_release__not_demanded__reverts() public {
        bytes32 id = _id(Tree.Weights, 0);
        vm.expectRevert(abi.encodeWithSelector(IDemands.DemandsNotDemanded.selector, id));
        demands.release(id);
    }

    function test_release__too_early__reverts() public {
        _demand(Tree.Weights, 0);
        bytes32 id = _id(Tree.Weights, 0);
        vm.warp(START + 2 * WINDOW / 3 - 1);
        vm.expectRevert(abi.encodeWithSelector(IDemands.DemandsReplyPending.selector, START + 2 * WINDOW / 3));
        demands.release(id);
    }

    function test_release__answered__reverts() public {
        (Epoch memory epoch, Pending memory pending) = _load();
        _demand(Tree.Weights, 0);
        (bytes memory leaf, bytes32[] memory proof) = _revealed(epoch, Tree.Weights, 0);
        demands.reply(pending, Tree.Weights, 0, leaf, proof);
        bytes32 id = _id(Tree.Weights, 0);
        vm.warp(START + WINDOW);
        vm.expectRevert(abi.encodeWithSelector(IDemands.DemandsAnswered.selector, id));
        demands.release(id);
    }

    function test_release__too_late_to_reply__returns_the_bond_once() public {
        _demand(Tree.Weights, 0);
        bytes32 id = _id(Tree.Weights, 0);
        vm.warp(START + 2 * WINDOW / 3);
        _emitted(address(demands));
        emit IDemands.BondReleased(id, STRANGER, PRICE);
        demands.release(id);
        demands.release(id);
        vm.assertEq(demands.creditOf(STRANGER), PRICE);
    }
}

contract CollectTest is Demanded {
    bool private _refusing;
    bool private _greedy;
    bytes private _problem;

    receive() external payable {
        require(!_refusing);
        if (!_greedy) return;
        bool again;
        (again, _problem) = address(demands).call(abi.encodeCall(IDemands.collect, ()));
    }

    function test_collect__nothing__reverts() public {
        vm.expectRevert(abi.encodeWithSelector(IDemands.DemandsNothingToCollect.selector, STRANGER));
        vm.prank(STRANGER);
        demands.collect();
    }

    function test_collect__pays_once() public {
        _demand(Tree.Weights, 0);
        vm.warp(START + WINDOW);
        demands.release(_id(Tree.Weights, 0));
        _emitted(address(demands));
        emit IDemands.Collected(STRANGER, PRICE);
        vm.prank(STRANGER);
        demands.collect();
        vm.assertEq(STRANGER.balance, 100 ether);
        vm.assertEq(address(demands).balance, 0);
    }

    function test_collect__payee_that_refuses__keeps_its_credit() public {
        (, Pending memory pending) = _load();
        demands.demand{value: PRICE + 1}(pending, Tree.Weights, 0);
        _refusing = true;
        vm.expectRevert(abi.encodeWithSelector(IDemands.DemandsPaymentFailed.selector, address(this)));
        demands.collect();
        vm.assertEq(demands.creditOf(address(this)), 1);
    }

    function test_collect__payee_that_calls_again__gets_its_own_once() public {
        (, Pending memory pending) = _load();
        demands.demand{value: PRICE + 1}(pending, Tree.Weights, 0);
        _greedy = true;
        uint256 before = address(this).balance;
        demands.collect();
        vm.assertEq(address(this).balance, before + 1);
        vm.assertEq(bytes32(bytes4(_problem)), bytes32(IDemands.DemandsNothingToCollect.selector));
    }
}
