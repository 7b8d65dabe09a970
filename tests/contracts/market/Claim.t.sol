// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Balance, Header, IMarket} from "../../../contracts/interfaces/IMarket.sol";
import {Debit, Fixture} from "../support/Fixture.sol";

contract ClaimTest is Fixture {
    uint32 private _job;

    function setUp() public {
        _deploy();
        _job = _openJob();
        _openJob();
        (Header memory header,) = _postPaying(_job, 1000, 3);
        _finalise(header);
    }

    function test_claim__nothing_new__reverts() public {
        market.claim(_balance(3), _proof(3));
        vm.expectRevert(abi.encodeWithSelector(IMarket.MarketNothingToClaim.selector, 3, 1000));
        market.claim(_balance(3), _proof(3));
        vm.expectRevert(abi.encodeWithSelector(IMarket.MarketNothingToClaim.selector, 4, 0));
        market.claim(_balance(4), _proof(4));
    }

    function test_claim__leaf_changed_in_any_field__reverts() public {
        Balance memory mine = _balance(3);
        mine.wallet = STRANGER;
        _refuse(mine, _proof(3));
        mine = _balance(3);
        mine.cumulative += 1;
        _refuse(mine, _proof(3));
        mine = _balance(3);
        mine.earnings = 0;
        _refuse(mine, _proof(3));
        mine = _balance(3);
        mine.worker = 4;
        _refuse(mine, _proof(3));
        mine = _balance(3);
        mine.worker = 3 + 8;
        _refuse(mine, _proof(3));
    }

    function test_claim__proof_changed__reverts() public {
        bytes32[] memory proof = _proof(3);
        proof[1] = 0;
        _refuse(_balance(3), proof);
        _refuse(_balance(3), new bytes32[](2));
        _refuse(_balance(3), new bytes32[](0));
    }

    function test_claim__before_anything_is_final__reverts() public {
        _deploy();
        _job = _openJob();
        _postPaying(_job, 1000, 3);
        _refuse(_balance(3), _proof(3));
    }

    function test_claim__struck_balances__reverts() public {
        (Header memory header, Debit[] memory debits) = _postPaying(_job, 10, 3);
        _strike(header, debits);
        _refuse(_balance(3), _proof(3));
    }

    function test_claim__root_that_gives_more_than_was_debited__stops_at_the_total() public {
        Debit[] memory none;
        cumulative[1] = 26;
        Header memory header = _header(none);
        _post(header, none);
        _finalise(header);
        market.claim(_balance(3), _proof(3));
        vm.expectRevert(abi.encodeWithSelector(IMarket.MarketClaimsExceedTotal.selector, 1026, 1025));
        market.claim(_balance(1), _proof(1));
    }

    function test_claim__relayed__pays_the_wallet_of_the_leaf() public {
        _emitted(address(market));
        emit IMarket.Claimed(3, _wallet(3), 1000, 1000);
        vm.prank(STRANGER);
        market.claim(_balance(3), _proof(3));
        vm.assertEq(token.balanceOf(_wallet(3)), 1000 * UNIT);
        vm.assertEq(token.balanceOf(STRANGER), 0);
        vm.assertEq(market.claimedOf(3), 1000);
        vm.assertEq(market.totalClaimed(), 1000);
        market.claim(_balance(0), _proof(0));
        vm.assertEq(token.balanceOf(_wallet(0)), 25 * UNIT);
        vm.assertEq(market.totalClaimed(), market.finalTotal());
    }

    function test_claim__after_later_epochs__pays_the_difference() public {
        market.claim(_balance(3), _proof(3));
        (Header memory header,) = _postPaying(_job, 200, 3);
        _finalise(header);
        (header,) = _postPaying(_job, 30, 3);
        _finalise(header);
        _emitted(address(market));
        emit IMarket.Claimed(3, _wallet(3), 230, 1230);
        market.claim(_balance(3), _proof(3));
        vm.assertEq(token.balanceOf(_wallet(3)), 1230 * UNIT);
    }

    function test_claim__years_later_and_all_refunded__still_pays() public {
        vm.warp(DEADLINE + 3650 days);
        _refund(_job);
        market.claim(_balance(3), _proof(3));
        vm.assertEq(token.balanceOf(_wallet(3)), 1000 * UNIT);
    }

    function testFuzz_claim__any_split__pays_each_exactly(uint16[6] memory parts) public {
        uint64 pay;
        for (uint256 i = 1; i < WORKERS; ++i) {
            uint64 part = parts[i] % 600;
            cumulative[i] += part;
            pay += part;
        }
        cumulative[0] += uint64(_withFee(pay, 250)) - pay;
        Debit[] memory debits = _debit(_job, pay);
        Header memory header = _header(debits);
        _post(header, debits);
        _finalise(header);
        for (uint256 i = 0; i < WORKERS; ++i) {
            if (cumulative[i] == 0) continue;
            market.claim(_balance(i), _proof(i));
            vm.assertEq(token.balanceOf(_wallet(i)), cumulative[i] * UNIT);
        }
        vm.assertEq(market.totalClaimed(), market.finalTotal());
    }

    function _refuse(Balance memory balance, bytes32[] memory proof) private {
        vm.expectRevert(abi.encodeWithSelector(IMarket.MarketBalanceUnproven.selector, balance.worker));
        market.claim(balance, proof);
    }
}
