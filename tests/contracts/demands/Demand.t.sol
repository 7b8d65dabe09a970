// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Demand, IDemands, Pending, Tree} from "../../../contracts/interfaces/IDemands.sol";
import {Epoch} from "../support/Epochs.sol";
import {DemandsFixture} from "./DemandsFixture.sol";

contract DemandTest is DemandsFixture {
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
