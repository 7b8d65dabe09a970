// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Court} from "../../../contracts/Court.sol";
import {ICourt} from "../../../contracts/interfaces/ICourt.sol";
import {CourtFixture} from "./CourtFixture.sol";

contract ConstructorTest is CourtFixture {
    function test_constructor__a_parameter_missing__reverts() public {
        for (uint256 i = 0; i < 5; ++i) {
            vm.expectRevert(ICourt.CourtParameterMissing.selector);
            this.make(SEAT, i == 0 ? 0 : FINE, i == 1 ? 0 : FEE, i == 2 ? 0 : 1, i == 3 ? 0 : 1, i == 4 ? 0 : 1);
        }
    }

    function test_constructor__a_fine_above_the_seat__reverts() public {
        vm.expectRevert(abi.encodeWithSelector(ICourt.CourtFineTooLarge.selector, SEAT + 1, SEAT));
        this.make(SEAT, SEAT + 1, FEE, 1, 1, 1);
        this.make(SEAT, SEAT, FEE, 1, 1, 1);
    }

    function test_constructor__good__keeps_its_parameters() public {
        _deploy();
        vm.assertEq(court.seatPrice(), SEAT);
        vm.assertEq(court.fine(), FINE);
        vm.assertEq(court.fee(), FEE);
        vm.assertEq(court.commitTime(), COMMIT);
        vm.assertEq(court.revealTime(), REVEAL);
        vm.assertEq(court.appealTime(), APPEAL);
        vm.assertEq(court.arbitrationCost(""), 3 * FEE);
        vm.assertEq(court.appealCost(0, ""), 7 * FEE);
    }

    /// @dev In a call of its own: a revert of `new` in the test itself would end the test there, and pass it.
    function make(uint256 seat, uint256 fine, uint256 fee, uint64 commitTime, uint64 revealTime, uint64 appealTime)
        external
        returns (Court)
    {
        return new Court(seat, fine, fee, commitTime, revealTime, appealTime);
    }
}
