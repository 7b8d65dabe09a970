// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Balance, Header, IMarket} from "../../../contracts/interfaces/IMarket.sol";
import {Debit, Fixture} from "../support/Fixture.sol";
import {BlocklistToken} from "../support/Tokens.sol";
import {TreeBuilder} from "../support/TreeBuilder.sol";

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
        vm.expectRevert(abi.encodeWithSelector(IMarket.MarketClaimsTooMany.selector, 201));
        market.claimMany(new Balance[](201), new bytes32[](0));
        _refuse(new Balance[](200), new bytes32[](0));
    }

    function test_claimMany__none__reverts() public {
        _refuse(new Balance[](0), new bytes32[](0));
    }

    function test_claimMany__one_unproven__reverts_all() public {
        Balance[] memory balances = _balances(1, 5);
        balances[3].wallet = STRANGER;
        _refuse(balances, _proofs(1, 5));
        balances = _balances(1, 5);
        balances[4].cumulative += 1;
        _refuse(balances, _proofs(1, 5));
    }

    function test_claimMany__not_ascending_or_twice__reverts() public {
        Balance[] memory balances = _balances(1, 2);
        (balances[0], balances[1]) = (balances[1], balances[0]);
        _refuse(balances, _proofs(1, 2));
        balances[1] = balances[0];
        _refuse(balances, _proofs(2, 1));
    }

    function test_claimMany__proof_changed__reverts() public {
        bytes32[] memory proof = _proofs(1, 3);
        proof[1] ^= bytes32(uint256(1));
        _refuse(_balances(1, 3), proof);
        _refuse(_balances(1, 3), new bytes32[](0));
        _refuse(_balances(1, 3), _proofs(1, 2));
    }

    function test_claimMany__everyone__pays_each_and_packs_the_counters() public {
        for (uint256 i = 0; i < WORKERS; ++i) {
            _emitted(address(market));
            emit IMarket.Claimed(uint32(i), cumulative[i]);
        }
        vm.prank(STRANGER);
        _claimMany(0, WORKERS);
        for (uint32 i = 0; i < WORKERS; ++i) {
            vm.assertEq(token.balanceOf(_wallet(i)), cumulative[i]);
            vm.assertEq(market.claimedOf(i), cumulative[i]);
        }
        vm.assertEq(market.totalClaimed(), 1537);
    }

    function test_claimMany__twice__pays_once() public {
        _claimMany(1, 2);
        _claimMany(1, 2);
        vm.assertEq(token.balanceOf(_wallet(1)), 100);
        vm.assertEq(market.totalClaimed(), 300);
    }

    function test_claimMany__one_was_claimed_before__passes_over_it() public {
        market.claim(_balance(2), _proof(2));
        vm.expectCall(address(token), abi.encodeCall(token.transfer, (_wallet(2), 0)), 0);
        _claimMany(1, 3);
        vm.assertEq(token.balanceOf(_wallet(1)) + token.balanceOf(_wallet(3)), 400);
        vm.assertEq(token.balanceOf(_wallet(2)), 200);
    }

    function test_claimMany__token_refuses_a_payee__it_alone_waits() public {
        _blocklist.setBlocked(_wallet(2), true);
        _emitted(address(market));
        emit IMarket.ClaimFailed(2, 200);
        _emitted(address(market));
        emit IMarket.Claimed(3, 300);
        _claimMany(1, 3);
        vm.assertEq(market.claimedOf(2), 0);
        vm.assertEq(market.totalClaimed(), 400);

        vm.expectRevert(abi.encodeWithSelector(BlocklistToken.Blocked.selector, _wallet(2)));
        market.claim(_balance(2), _proof(2));

        _blocklist.setBlocked(_wallet(2), false);
        _claimMany(1, 3);
        vm.assertEq(token.balanceOf(_wallet(2)), 200);
        vm.assertEq(market.totalClaimed(), 600);
    }

    function test_claimMany__failed_after_an_earlier_claim__keeps_the_earlier_counter() public {
        market.claim(_balance(2), _proof(2));
        (Header memory header,) = _postPaying(_job, 10, 2);
        _finalise(header);
        _blocklist.setBlocked(_wallet(2), true);
        _claimMany(2, 1);
        vm.assertEq(market.claimedOf(2), 200);
        vm.assertEq(market.totalClaimed(), 200);
    }

    function test_claimMany__root_that_gives_more_than_was_debited__stops_at_the_total() public {
        Debit[] memory none;
        cumulative[1] = 1000;
        Header memory header = _header(none);
        _post(header, none);
        _finalise(header);
        vm.expectRevert(abi.encodeWithSelector(IMarket.MarketClaimsExceedTotal.selector, 2437, 1537));
        _claimMany(0, WORKERS);
    }

    /// @dev What a dishonest committee takes back from one is not paid to it, nor by it to others.
    function test_claimMany__root_that_gives_less_than_was_claimed__passes_over_it() public {
        _claimMany(1, 3);
        Debit[] memory none;
        (cumulative[1], cumulative[2]) = (150, 50);
        Header memory header = _header(none);
        _post(header, none);
        _finalise(header);
        _claimMany(1, 3);
        vm.assertEq(token.balanceOf(_wallet(1)), 150);
        vm.assertEq(token.balanceOf(_wallet(2)), 200);
        vm.assertEq(market.claimedOf(2), 200);
        vm.assertEq(market.totalClaimed(), 650);
    }

    function testFuzz_claimMany__any_choice_after_any_claims__pays_each_once(uint8 choice, uint8 before) public {
        uint256 due;
        for (uint256 i = 0; i < WORKERS; ++i) {
            if (before >> i & 1 == 1) market.claim(_balance(i), _proof(i));
            if ((before | choice) >> i & 1 == 1) due += cumulative[i];
        }
        uint256[] memory indexes = _chosen(choice);
        Balance[] memory balances = new Balance[](indexes.length);
        for (uint256 i = 0; i < indexes.length; ++i) {
            balances[i] = _balance(indexes[i]);
        }
        if (indexes.length == 0) return;
        market.claimMany(balances, TreeBuilder.multiproof(_leaves(), indexes));
        vm.assertEq(market.totalClaimed(), due);
        for (uint256 i = 0; i < WORKERS; ++i) {
            vm.assertEq(token.balanceOf(_wallet(i)), (before | choice) >> i & 1 == 1 ? cumulative[i] : 0);
            vm.assertEq(market.claimedOf(uint32(i)), token.balanceOf(_wallet(i)));
        }
    }

    function _chosen(uint8 choice) private pure returns (uint256[] memory indexes) {
        uint256 count;
        for (uint256 i = 0; i < WORKERS; ++i) {
            count += choice >> i & 1;
        }
        indexes = new uint256[](count);
        for (uint256 i = WORKERS; i > 0; --i) {
            if (choice >> (i - 1) & 1 == 1) indexes[--count] = i - 1;
        }
    }

    function _refuse(Balance[] memory balances, bytes32[] memory proof) private {
        vm.expectRevert(abi.encodeWithSelector(IMarket.MarketBalancesUnproven.selector, balances.length));
        market.claimMany(balances, proof);
    }
}
