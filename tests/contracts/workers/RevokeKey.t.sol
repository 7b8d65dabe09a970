// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IWorkers} from "../../../contracts/interfaces/IWorkers.sol";
import {WorkersFixture} from "./WorkersFixture.sol";

contract RevokeKeyTest is WorkersFixture {
    function test_revokeKey__not_registered__reverts() public {
        vm.expectRevert(abi.encodeWithSelector(IWorkers.WorkersWalletUnknown.selector, STRANGER));
        vm.prank(STRANGER);
        workers.revokeKey(0);
    }

    function test_revokeKey__never_given__reverts() public {
        vm.expectRevert(abi.encodeWithSelector(IWorkers.WorkersKeyUnknown.selector, 0, 1));
        _revoke(1);
    }

    function test_revokeKey__twice__reverts() public {
        _revoke(0);
        vm.expectRevert(abi.encodeWithSelector(IWorkers.WorkersKeyRevoked.selector, 0, 0));
        _revoke(0);
    }

    function test_revokeKey__the_wallet_itself__stays_readable() public {
        _emitted(address(workers));
        emit IWorkers.KeyRevoked(0, 0);
        _revoke(0);
        vm.assertEq(workers.revokedAt(0, 0), START);
        vm.assertEq(workers.keyOf(0, 0), _wallet(0));
        vm.assertEq(workers.keyCount(0), 1);
    }

    function test_revokeKey__one_of_two__leaves_the_other() public {
        vm.prank(_wallet(0));
        workers.addKey(KEY);
        vm.warp(START + 5);
        _revoke(1);
        vm.assertEq(workers.revokedAt(0, 1), START + 5);
        vm.assertEq(workers.keyOf(0, 1), KEY);
        vm.assertEq(workers.revokedAt(0, 0), 0);
    }

    function _revoke(uint16 number) private {
        vm.prank(_wallet(0));
        workers.revokeKey(number);
    }
}
