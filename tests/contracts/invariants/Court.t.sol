// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Vm} from "../support/Vm.sol";
import {Jurors} from "./Jurors.sol";

/// @title Coins in = coins out + burnt, whatever jurors, parties and callbacks do
contract CourtInvariants {
    Vm private constant vm = Vm(address(uint160(uint256(keccak256("hevm cheat code")))));
    Jurors private _jurors;

    function setUp() public {
        _jurors = new Jurors();
    }

    function targetContracts() external view returns (address[] memory targets) {
        targets = new address[](1);
        targets[0] = address(_jurors);
    }

    struct FuzzSelector {
        address addr;
        bytes4[] selectors;
    }

    function targetSelectors() external view returns (FuzzSelector[] memory targets) {
        bytes4[11] memory actions = [
            Jurors.sit.selector,
            Jurors.stand.selector,
            Jurors.withdraw.selector,
            Jurors.open.selector,
            Jurors.draw.selector,
            Jurors.vote.selector,
            Jurors.revealAll.selector,
            Jurors.appeal.selector,
            Jurors.execute.selector,
            Jurors.pass.selector,
            Jurors.passPhase.selector
        ];
        targets = new FuzzSelector[](1);
        targets[0] = FuzzSelector({addr: address(_jurors), selectors: new bytes4[](11)});
        for (uint256 i = 0; i < 11; ++i) {
            targets[0].selectors[i] = actions[i];
        }
    }

    function invariant_court_conserves_coins() external view {
        (uint256 balance, uint256 owed) = _jurors.held();
        vm.assertEq(balance, owed, "what it holds is what it owes");
        vm.assertEq(_jurors.paidIn(), _jurors.paidOut() + balance, "coins in = coins out + held");
        _jurors.checkNobodyLostMore();
        _jurors.checkRulings();
    }
}
