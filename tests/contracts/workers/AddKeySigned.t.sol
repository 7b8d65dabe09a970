// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IWorkers, Registration} from "../../../contracts/interfaces/IWorkers.sol";
import {WorkersFixture} from "./WorkersFixture.sol";

contract AddKeySignedTest is WorkersFixture {
    function test_addKeySigned__not_registered__reverts() public {
        Registration memory entry = _registration(1, KEY, 0);
        vm.expectRevert(abi.encodeWithSelector(IWorkers.WorkersWalletUnknown.selector, _wallet(1)));
        workers.addKeySigned(entry);
    }

    function test_addKeySigned__number_not_the_key_count__reverts() public {
        _refuse(_registration(0, KEY, 0));
        _refuse(_registration(0, KEY, 2));
    }

    function test_addKeySigned__replayed__reverts() public {
        Registration memory entry = _registration(0, KEY, 1);
        workers.addKeySigned(entry);
        _refuse(entry);
    }

    function test_addKeySigned__another_signer_or_key__reverts() public {
        _refuse(_signedBy(_walletKey(1), _wallet(0), KEY, 1));
        Registration memory entry = _registration(0, KEY, 1);
        entry.key = STRANGER;
        _refuse(entry);
    }

    function test_addKeySigned__zero_key__reverts() public {
        Registration memory entry = _registration(0, address(0), 1);
        vm.expectRevert(abi.encodeWithSelector(IWorkers.WorkersKeyMissing.selector, 0));
        workers.addKeySigned(entry);
    }

    function test_addKeySigned__expired__reverts() public {
        Registration memory entry = _registration(0, KEY, 1);
        vm.warp(UNTIL + 1);
        vm.expectRevert(abi.encodeWithSelector(IWorkers.WorkersSignatureExpired.selector, 0, UNTIL));
        workers.addKeySigned(entry);
        vm.warp(UNTIL);
        workers.addKeySigned(entry);
    }

    function test_addKeySigned__relayed__adds_the_key() public {
        _emitted(address(workers));
        emit IWorkers.KeyAdded(0, 1, KEY);
        vm.prank(STRANGER);
        vm.assertEq(workers.addKeySigned(_registration(0, KEY, 1)), 1);
        vm.assertEq(workers.keyOf(0, 1), KEY);
        vm.assertEq(workers.addKeySigned(_registration(0, STRANGER, 2)), 2);
    }

    function _refuse(Registration memory entry) private {
        vm.expectRevert(abi.encodeWithSelector(IWorkers.WorkersSignatureInvalid.selector, 0, _wallet(0)));
        workers.addKeySigned(entry);
    }
}
