// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IWorkers} from "../../../contracts/interfaces/IWorkers.sol";
import {WorkersFixture} from "./WorkersFixture.sol";

contract AddKeyTest is WorkersFixture {
    function test_addKey__not_registered__reverts() public {
        vm.expectRevert(abi.encodeWithSelector(IWorkers.WorkersWalletUnknown.selector, STRANGER));
        vm.prank(STRANGER);
        workers.addKey(KEY);
    }

    function test_addKey__zero__reverts() public {
        vm.expectRevert(abi.encodeWithSelector(IWorkers.WorkersKeyMissing.selector, 0));
        vm.prank(_wallet(0));
        workers.addKey(address(0));
    }

    function test_addKey__more_keys__are_numbered_and_never_replaced() public {
        for (uint16 number = 1; number < 4; ++number) {
            address key = address(uint160(number));
            _emitted(address(workers));
            emit IWorkers.KeyAdded(0, number, key);
            vm.prank(_wallet(0));
            vm.assertEq(workers.addKey(key), number);
            vm.assertEq(workers.keyOf(0, number), key);
        }
        vm.assertEq(workers.keyCount(0), 4);
        vm.assertEq(workers.keyOf(0, 0), _wallet(0));
        vm.assertEq(workers.keyOf(0, 1), address(1));
    }
}
