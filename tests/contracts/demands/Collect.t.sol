// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IDemands, Pending, Tree} from "../../../contracts/interfaces/IDemands.sol";
import {DemandsFixture} from "./DemandsFixture.sol";

contract CollectTest is DemandsFixture {
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
