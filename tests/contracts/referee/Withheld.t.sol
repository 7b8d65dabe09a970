// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IDemands, RevealedWeight, Tree} from "../../../contracts/interfaces/IDemands.sol";
import {IMarket} from "../../../contracts/interfaces/IMarket.sol";
import {Fault, IReferee, Posted} from "../../../contracts/interfaces/IReferee.sol";
import {Epoch, Epochs} from "../support/Epochs.sol";

contract WithheldTest is Epochs {
    bytes private _encoded;
    bytes32 private _id;

    function setUp() public {
        _deployReferee();
        Epoch memory epoch = _first();
        Posted memory posted = _posted(epoch);
        _encoded = abi.encode(epoch, posted);
        _id = demands.demandId(market, market.head(), Tree.Weights, 1);
    }

    function _load() private view returns (Epoch memory, Posted memory) {
        return abi.decode(_encoded, (Epoch, Posted));
    }

    function test_withheld__never_demanded__reverts() public {
        (, Posted memory posted) = _load();
        vm.warp(START + WINDOW - 1);
        vm.expectRevert(abi.encodeWithSelector(IDemands.DemandsNotDemanded.selector, _id));
        referee.withheld(posted, Tree.Weights, 1);
    }

    function test_withheld__another_leaf__reverts() public {
        (, Posted memory posted) = _load();
        demands.demand{value: PRICE}(_pending(posted), Tree.Weights, 1);
        vm.warp(START + WINDOW - 1);
        bytes32 id = demands.demandId(market, market.head(), Tree.Weights, 2);
        vm.expectRevert(abi.encodeWithSelector(IDemands.DemandsNotDemanded.selector, id));
        referee.withheld(posted, Tree.Weights, 2);
    }

    function test_withheld__answered__reverts() public {
        (Epoch memory epoch, Posted memory posted) = _load();
        demands.demand{value: PRICE}(_pending(posted), Tree.Weights, 1);
        demands.reply(
            _pending(posted),
            Tree.Weights,
            1,
            abi.encode(
                RevealedWeight(
                    epoch.weights[1].job, epoch.weights[1].worker, epoch.weights[1].label, epoch.weights[1].row
                )
            ),
            epoch.weights[1].proof
        );
        vm.warp(START + WINDOW - 1);
        vm.expectRevert(abi.encodeWithSelector(IDemands.DemandsAnswered.selector, _id));
        referee.withheld(posted, Tree.Weights, 1);
        _assertStands();
    }

    function test_withheld__a_second_early__reverts() public {
        (, Posted memory posted) = _load();
        demands.demand{value: PRICE}(_pending(posted), Tree.Weights, 1);
        vm.warp(START + 2 * WINDOW / 3 - 1);
        vm.expectRevert(abi.encodeWithSelector(IDemands.DemandsReplyPending.selector, START + 2 * WINDOW / 3));
        referee.withheld(posted, Tree.Weights, 1);
    }

    function test_withheld__window_over__reverts() public {
        (, Posted memory posted) = _load();
        demands.demand{value: PRICE}(_pending(posted), Tree.Weights, 1);
        vm.warp(START + WINDOW);
        vm.expectRevert(abi.encodeWithSelector(IMarket.MarketWindowOver.selector, START + WINDOW));
        referee.withheld(posted, Tree.Weights, 1);
    }

    function test_withheld__in_the_last_third__strikes_and_returns_the_bond() public {
        (, Posted memory posted) = _load();
        vm.deal(STRANGER, 1 ether);
        vm.prank(STRANGER);
        demands.demand{value: PRICE}(_pending(posted), Tree.Weights, 1);
        vm.warp(START + 2 * WINDOW / 3);
        _emitted(address(referee));
        emit IReferee.EpochRefuted(market, posted.header.epoch, Fault.Withheld, BENEFICIARY);
        referee.withheld(posted, Tree.Weights, 1);
        _assertStruck();
        vm.assertEq(demands.creditOf(STRANGER), PRICE);
    }

    /// @dev Whoever demanded cannot undo that the leaf was withheld by taking the bond.
    function test_withheld__after_the_bond_was_released__strikes() public {
        (, Posted memory posted) = _load();
        demands.demand{value: PRICE}(_pending(posted), Tree.Weights, 1);
        vm.warp(START + WINDOW - 1);
        demands.release(_id);
        referee.withheld(posted, Tree.Weights, 1);
        _assertStruck();
        vm.assertEq(demands.creditOf(address(this)), PRICE, "returned once");
    }

    /// @dev Words that do not even form a leaf cannot be shown: whatever cannot be proven otherwise falls here.
    function test_withheld__signers_of_another_post__reverts() public {
        (, Posted memory posted) = _load();
        demands.demand{value: PRICE}(_pending(posted), Tree.Weights, 1);
        vm.warp(START + WINDOW - 1);
        posted.signers = 3;
        vm.expectPartialRevert(IDemands.DemandsNotDemanded.selector);
        referee.withheld(posted, Tree.Weights, 1);
    }
}
