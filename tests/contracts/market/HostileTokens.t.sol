// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Market} from "../../../contracts/Market.sol";
import {Header, IMarket, Terms} from "../../../contracts/interfaces/IMarket.sol";
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
        vm.expectRevert(problem);
        market.claim(_balance(1), _proof(1));
        _emitted(address(market));
        emit IMarket.ClaimFailed(1, _wallet(1), 1000, 1000);
        _claimMany(1, 1);
        vm.assertEq(market.claimedOf(1), 0);
        vm.warp(DEADLINE + 4 * WINDOW);
        vm.expectRevert(problem);
        _refund(_job);
        vm.assertEq(market.job(_job).refunded, 0);

        liar.lie(false);
        market.claim(_balance(1), _proof(1));
        _refund(_job);
    }

    function test_no_return_value__works() public {
        _deployWith(TestToken(address(new SilentToken())));
        _final();
        _claimMany(1, 1);
        market.claim(_balance(0), _proof(0));
        vm.warp(DEADLINE + 4 * WINDOW);
        _refund(_job);
        vm.assertEq(token.balanceOf(_wallet(1)), 1000);
        vm.assertEq(token.balanceOf(address(market)), ESCROW);
    }

    function test_reentrant__every_way_that_moves_money_is_shut_during_a_transfer() public {
        ReentrantToken again = new ReentrantToken();
        _deployWith(again);
        _final();
        vm.prank(DISPUTES);
        market.reserve(_job, 2);
        vm.warp(DEADLINE + 4 * WINDOW);
        bytes[] memory calls = new bytes[](6);
        calls[0] = abi.encodeCall(Market.claim, (_balance(1), _proof(1)));
        calls[1] = abi.encodeCall(Market.claimMany, (_balances(1, 1), _proofs(1, 1)));
        calls[2] = abi.encodeCall(Market.refund, (_job, REQUESTER, _termsHash()));
        calls[3] = abi.encodeCall(Market.openJob, (_terms(), DEADLINE * 2));

        calls[4] = abi.encodeCall(Market.topUp, (_job, 1));
        calls[5] = abi.encodeCall(Market.award, (_job, STRANGER, 1));

        again.arm(address(market), calls[5]);
        vm.prank(DISPUTES);
        market.award(_job, STRANGER, 1);
        _refused(again);
        again.arm(address(market), calls[1]);
        market.claim(_balance(0), _proof(0));
        _refused(again);
        again.arm(address(market), calls[0]);
        _claimMany(1, 1);
        _refused(again);
        again.arm(address(market), calls[3]);
        _refund(_job);
        _refused(again);
        again.arm(address(market), calls[2]);
        vm.prank(REQUESTER);
        market.openJob(_terms(), DEADLINE * 2);
        _refused(again);
        again.arm(address(market), calls[4]);
        vm.prank(REQUESTER);
        market.topUp(3, 1);
        _refused(again);
        vm.assertEq(token.balanceOf(_wallet(1)), 1000);
        vm.assertEq(token.balanceOf(address(market)), 2 * ESCROW + 2);
    }

    function test_most_money__a_job_of_all_units__works() public {
        _deployWith(new TestToken(36));
        token.mint(REQUESTER, uint256(type(uint64).max) * 1e30);
        vm.prank(REQUESTER);
        _job = market.openJob(_largest(), DEADLINE);
        (Header memory header,) = _postPaying(_job, type(uint64).max, 1);
        _finalise(header);
        market.claim(_balance(1), _proof(1));
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
