// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Workers} from "../../../contracts/Workers.sol";
import {IWorkers} from "../../../contracts/interfaces/IWorkers.sol";
import {WorkersFixture} from "./WorkersFixture.sol";

contract RegisterTest is WorkersFixture {
    function test_constructor__no_treasury__reverts() public {
        vm.expectRevert(IWorkers.WorkersWalletMissing.selector);
        new Workers(address(0));
    }

    function test_constructor__treasury__is_index_zero() public view {
        vm.assertEq(workers.count(), 1);
        vm.assertEq(workers.walletOf(0), _wallet(0));
        vm.assertEq(workers.indexOf(_wallet(0)), 0);
        vm.assertTrue(workers.isRegistered(_wallet(0)), "treasury");
    }

    function test_register__registered__reverts() public {
        vm.prank(STRANGER);
        workers.register();
        vm.expectRevert(abi.encodeWithSelector(IWorkers.WorkersWalletRegistered.selector, STRANGER));
        vm.prank(STRANGER);
        workers.register();
        vm.expectRevert(abi.encodeWithSelector(IWorkers.WorkersWalletRegistered.selector, _wallet(0)));
        vm.prank(_wallet(0));
        workers.register();
    }

    function test_views__unknown__revert() public {
        vm.expectRevert(abi.encodeWithSelector(IWorkers.WorkersIndexUnknown.selector, 1));
        workers.walletOf(1);
        vm.expectRevert(abi.encodeWithSelector(IWorkers.WorkersIndexUnknown.selector, 1));
        workers.keyCount(1);
        vm.expectRevert(abi.encodeWithSelector(IWorkers.WorkersWalletUnknown.selector, STRANGER));
        workers.indexOf(STRANGER);
        vm.expectRevert(abi.encodeWithSelector(IWorkers.WorkersKeyUnknown.selector, 0, 1));
        workers.keyOf(0, 1);
        vm.expectRevert(abi.encodeWithSelector(IWorkers.WorkersKeyUnknown.selector, 0, 1));
        workers.revokedAt(0, 1);
    }

    function test_register__new__gets_the_next_index_and_its_wallet_as_key() public {
        for (uint32 worker = 1; worker < 4; ++worker) {
            _emitted(address(workers));
            emit IWorkers.WorkerRegistered(worker, _wallet(worker));
            _emitted(address(workers));
            emit IWorkers.KeyAdded(worker, 0, _wallet(worker));
            vm.prank(_wallet(worker));
            vm.assertEq(workers.register(), worker);
            vm.assertEq(workers.walletOf(worker), _wallet(worker));
            vm.assertEq(workers.indexOf(_wallet(worker)), worker);
            vm.assertEq(workers.keyCount(worker), 1);
            vm.assertEq(workers.keyOf(worker, 0), _wallet(worker));
            vm.assertEq(workers.revokedAt(worker, 0), 0);
        }
        vm.assertEq(workers.count(), 4);
    }

    function test_eip712Domain__names_workers() public view {
        (, string memory name, string memory version,, address verifier,,) = workers.eip712Domain();
        vm.assertEq(name, "crowdproof");
        vm.assertEq(version, "0");
        vm.assertEq(verifier, address(workers));
    }
}
