// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IDemands, Pending, Tree} from "../../../contracts/interfaces/IDemands.sol";
import {Header} from "../../../contracts/interfaces/IMarket.sol";
import {Epoch} from "../support/Epochs.sol";
import {TreeBuilder} from "../support/TreeBuilder.sol";
import {DemandsFixture} from "./DemandsFixture.sol";

contract ReplyTest is DemandsFixture {
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
