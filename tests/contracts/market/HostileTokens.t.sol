// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Market} from "../../../contracts/Market.sol";
import {Claim, Header, IMarket, Terms} from "../../../contracts/interfaces/IMarket.sol";
import {Fixture} from "../support/Fixture.sol";
import {FalseToken, FeeToken, ReentrantToken, SilentToken, TestToken} from "../support/Tokens.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";

contract HostileTokensTest is Fixture {
    uint32 private _job;

    function setUp() public {
        vm.warp(START);
    }

    function test_fee_on_transfer__funding_reverts() public {
        _deployWith(new FeeToken());
        vm.expectRevert(abi.encodeWithSelector(IMarket.MarketReceivedOther.selector, ESCROW - ESCROW / 100, ESCROW));
        _openJob();
        vm.assertEq(market.jobCount(), 0);
    }

    function test_false_return__funding_and_refund_revert_and_claims_wait() public {
        FalseToken liar = new FalseToken();
        _deployWith(liar);
        liar.lie(true);
        bytes memory problem = abi.encodeWithSelector(SafeERC20.SafeERC20FailedOperation.selector, address(liar));
        vm.expectRevert(problem);
        _openJob();

        liar.lie(false);
        _final();
        liar.lie(true);
        Claim[] memory claims = _claims(1, 1);
        vm.expectRevert(problem);
        market.claim(claims[0]);
        _emitted(address(market));
        emit IMarket.ClaimFailed(1, _wallet(1), 1000, 1000);
        market.claimMany(claims);
        vm.assertEq(market.claimedOf(1), 0);
        vm.warp(DEADLINE + 3 * WINDOW);
        vm.expectRevert(problem);
        market.refund(_job);
        vm.assertEq(market.job(_job).refunded, 0);

        liar.lie(false);
        market.claim(claims[0]);
        market.refund(_job);
    }

    function test_no_return_value__works() public {
        _deployWith(TestToken(address(new SilentToken())));
        _final();
        market.claimMany(_claims(1, 1));
        market.claim(_claim(0));
        vm.warp(DEADLINE + 3 * WINDOW);
        market.refund(_job);
        vm.assertEq(token.balanceOf(_wallet(1)), 1000);
        vm.assertEq(token.balanceOf(address(market)), ESCROW);
    }

    function test_reentrant__every_way_that_moves_money_is_shut_during_a_transfer() public {
        ReentrantToken again = new ReentrantToken();
        _deployWith(again);
        _final();
        vm.warp(DEADLINE + 3 * WINDOW);
        bytes[] memory calls = new bytes[](4);
        calls[0] = abi.encodeCall(Market.claim, (_claim(1)));
        calls[1] = abi.encodeCall(Market.claimMany, (_claims(1, 1)));
        calls[2] = abi.encodeCall(Market.refund, (_job));
        calls[3] = abi.encodeCall(Market.openJob, (_terms(), DEADLINE * 2));

        again.arm(address(market), calls[1]);
        market.claim(_claim(0));
        _refused(again);
        again.arm(address(market), calls[0]);
        market.claimMany(_claims(1, 1));
        _refused(again);
        again.arm(address(market), calls[3]);
        market.refund(_job);
        _refused(again);
        again.arm(address(market), calls[2]);
        vm.prank(REQUESTER);
        market.openJob(_terms(), DEADLINE * 2);
        _refused(again);
        vm.assertEq(token.balanceOf(_wallet(1)), 1000);
        vm.assertEq(token.balanceOf(address(market)), 2 * ESCROW);
    }

    function test_most_money__a_job_of_all_units__works() public {
        _deployWith(new TestToken(36));
        token.mint(REQUESTER, uint256(type(uint64).max) * 1e30);
        vm.prank(REQUESTER);
        _job = market.openJob(_largest(), DEADLINE);
        (Header memory header,) = _postPaying(_job, type(uint64).max, 1);
        _finalise(header);
        market.claim(_claim(1));
        vm.assertEq(token.balanceOf(_wallet(1)), uint256(type(uint64).max) * 1e30);
    }

    function _final() private {
        _job = _openJob();
        _openJob();
        (Header memory header,) = _postPaying(_job, 1000, 1);
        _finalise(header);
    }

    function _largest() private pure returns (Terms memory terms) {
        terms = _terms();
        (terms.tasks, terms.answers, terms.base, terms.bonus, terms.feeBps) = (1, 1, type(uint64).max, 0, 0);
    }

    function _refused(ReentrantToken again) private view {
        vm.assertTrue(!again.entered() && again.target() == address(0), "entered");
        vm.assertEq(
            keccak256(again.problem()),
            keccak256(abi.encodeWithSelector(ReentrancyGuardTransient.ReentrancyGuardReentrantCall.selector))
        );
    }
}
