// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IDemands, Pending, Tree} from "../../../contracts/interfaces/IDemands.sol";
import {Epoch} from "../support/Epochs.sol";
import {DemandsFixture} from "./DemandsFixture.sol";

contract ReleaseTest is DemandsFixture {
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
