// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Claim, Debit, Header, IMarket} from "../../../contracts/interfaces/IMarket.sol";
import {Fixture} from "../support/Fixture.sol";
import {BlocklistToken} from "../support/Tokens.sol";

contract ClaimManyTest is Fixture {
    uint32 private _job;
    BlocklistToken private _blocklist;

    function setUp() public {
        vm.warp(START);
        _blocklist = new BlocklistToken();
        _deployWith(_blocklist);
        _job = _openJob();
        _openJob();
        Debit[] memory debits = _debit(_job, 1500);
        for (uint64 i = 1; i < WORKERS; ++i) {
            cumulative[i] = 100 * i;
        }
        cumulative[0] = 37;
        Header memory header = _header(debits);
        _post(header, debits);
        _finalise(header);
    }

    function test_claimMany__too_many__reverts() public {
        Claim[] memory claims = new Claim[](201);
        vm.expectRevert(abi.encodeWithSelector(IMarket.MarketClaimsTooMany.selector, 201));
        market.claimMany(claims);
        market.claimMany(new Claim[](200));
    }

    function test_claimMany__one_unproven__reverts_all() public {
        Claim[] memory claims = _claims(1, 5);
        claims[3].wallet = STRANGER;
        vm.expectRevert(abi.encodeWithSelector(IMarket.MarketBalanceUnproven.selector, 4));
        market.claimMany(claims);
    }

    function test_claimMany__everyone__pays_each_and_packs_the_counters() public {
        Claim[] memory claims = _claims(0, WORKERS);
        for (uint256 i = 0; i < WORKERS; ++i) {
            _emitted(address(market));
            emit IMarket.Claimed(uint32(i), _wallet(i), cumulative[i], cumulative[i]);
        }
        vm.prank(STRANGER);
        market.claimMany(claims);
        for (uint32 i = 0; i < WORKERS; ++i) {
            vm.assertEq(token.balanceOf(_wallet(i)), cumulative[i]);
            vm.assertEq(market.claimedOf(i), cumulative[i]);
        }
        vm.assertEq(market.totalClaimed(), 1537);
    }

    function test_claimMany__twice_and_the_same_twice__pays_once() public {
        Claim[] memory claims = _claims(1, 2);
        claims[1] = claims[0];
        market.claimMany(claims);
        market.claimMany(claims);
        vm.assertEq(token.balanceOf(_wallet(1)), 100);
        vm.assertEq(market.totalClaimed(), 100);
    }

    function test_claimMany__one_was_claimed_before__passes_over_it() public {
        market.claim(_claim(2));
        market.claimMany(_claims(1, 3));
        vm.assertEq(token.balanceOf(_wallet(1)) + token.balanceOf(_wallet(3)), 400);
        vm.assertEq(token.balanceOf(_wallet(2)), 200);
    }

    function test_claimMany__token_refuses_a_payee__it_alone_waits() public {
        _blocklist.setBlocked(_wallet(2), true);
        Claim[] memory claims = _claims(1, 3);
        _emitted(address(market));
        emit IMarket.ClaimFailed(2, _wallet(2), 200, 200);
        _emitted(address(market));
        emit IMarket.Claimed(3, _wallet(3), 300, 300);
        market.claimMany(claims);
        vm.assertEq(market.claimedOf(2), 0);
        vm.assertEq(market.totalClaimed(), 400);

        vm.expectRevert(abi.encodeWithSelector(BlocklistToken.Blocked.selector, _wallet(2)));
        market.claim(claims[1]);

        _blocklist.setBlocked(_wallet(2), false);
        market.claimMany(claims);
        vm.assertEq(token.balanceOf(_wallet(2)), 200);
        vm.assertEq(market.totalClaimed(), 600);
    }

    function test_claimMany__failed_after_an_earlier_claim__keeps_the_earlier_counter() public {
        market.claim(_claim(2));
        (Header memory header,) = _postPaying(_job, 10, 2);
        _finalise(header);
        _blocklist.setBlocked(_wallet(2), true);
        market.claimMany(_claims(2, 1));
        vm.assertEq(market.claimedOf(2), 200);
        vm.assertEq(market.totalClaimed(), 200);
    }

    function testFuzz_claimMany__any_order_and_repetition__pays_each_once(uint8[] memory order) public {
        uint256 count = order.length < 50 ? order.length : 50;
        Claim[] memory claims = new Claim[](count);
        uint256 due;
        bool[] memory seen = new bool[](WORKERS);
        for (uint256 i = 0; i < count; ++i) {
            uint256 worker = order[i] % WORKERS;
            claims[i] = _claim(worker);
            if (!seen[worker]) due += cumulative[worker];
            seen[worker] = true;
        }
        market.claimMany(claims);
        vm.assertEq(market.totalClaimed(), due);
        for (uint256 i = 0; i < WORKERS; ++i) {
            vm.assertEq(token.balanceOf(_wallet(i)), seen[i] ? cumulative[i] : 0);
        }
    }
}
