// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IMarket} from "../../../contracts/interfaces/IMarket.sol";
import {Fixture} from "../support/Fixture.sol";

contract CloseJobTest is Fixture {
    uint32 private _job;

    function setUp() public {
        _deploy();
        _job = _openJob();
    }

    function test_closeJob__not_the_requester__reverts() public {
        bytes32 termsHash = _termsHash();
        vm.expectRevert(abi.encodeWithSelector(IMarket.MarketIdentityMismatch.selector, _job, STRANGER, termsHash));
        vm.prank(STRANGER);
        market.closeJob(_job, termsHash);
        vm.expectRevert(abi.encodeWithSelector(IMarket.MarketIdentityMismatch.selector, _job, REQUESTER, bytes32(0)));
        vm.prank(REQUESTER);
        market.closeJob(_job, 0);
    }

    function test_closeJob__unknown__reverts() public {
        vm.expectRevert(abi.encodeWithSelector(IMarket.MarketJobUnknown.selector, 9));
        vm.prank(REQUESTER);
        market.closeJob(9, 0);
    }

    function test_closeJob__at_the_deadline__reverts() public {
        vm.warp(DEADLINE);
        vm.expectRevert(abi.encodeWithSelector(IMarket.MarketJobOver.selector, _job, DEADLINE));
        vm.prank(REQUESTER);
        market.closeJob(_job, _termsHash());
    }

    function test_closeJob__twice__reverts() public {
        _close();
        vm.expectRevert(abi.encodeWithSelector(IMarket.MarketJobOver.selector, _job, START));
        _close();
    }

    function test_closeJob__last_second__brings_the_deadline_forward() public {
        vm.warp(DEADLINE - 1);
        _emitted(address(market));
        emit IMarket.JobClosed(_job, DEADLINE - 1);
        _close();
        vm.assertEq(market.job(_job).deadline, DEADLINE - 1);
        vm.assertEq(market.refundOpensAt(_job), DEADLINE - 1 + 4 * WINDOW);
    }

    function _close() private {
        vm.prank(REQUESTER);
        market.closeJob(_job, _termsHash());
    }
}
