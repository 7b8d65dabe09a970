// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IMarket, Terms} from "../../../contracts/interfaces/IMarket.sol";
import {Permit2Signature, Purse} from "../../../contracts/periphery/Purse.sol";
import {Purses} from "../../../contracts/periphery/Purses.sol";
import {ContractWallet} from "../support/ContractWallet.sol";
import {Permit2} from "../support/Permit2.sol";
import {PurseFixture} from "./PurseFixture.sol";

contract OpenWithPermit2Test is PurseFixture {
    function test_openWithPermit2__signed_by_another__reverts() public {
        Permit2Signature memory permit = _permit(7, 0);
        vm.expectRevert(Permit2.InvalidSigner.selector);
        purses.openWithPermit2(owner, _terms(), DEADLINE, permit);
    }

    /// @dev The witness binds the terms and the deadline, the spender the purse, and with it owner and Market.
    function test_openWithPermit2__any_other_opening__reverts() public {
        Permit2Signature memory permit = _permit(OWNER_KEY, 0);
        Terms memory terms = _terms();
        terms.manifest = keccak256("another");
        _refuse(owner, terms, DEADLINE, permit);
        _refuse(owner, _terms(), DEADLINE - 1, permit);
        _refuse(STRANGER, _terms(), DEADLINE, permit);
        Purses others = new Purses(_newMarket(token, WINDOW));
        vm.expectRevert(Permit2.InvalidSigner.selector);
        others.openWithPermit2(owner, _terms(), DEADLINE, permit);
    }

    function test_openWithPermit2__another_amount__reverts() public {
        _refuse(owner, _terms(), DEADLINE, _permitOf(OWNER_KEY, 0, _terms(), DEADLINE, COST + 1));
        _refuse(owner, _terms(), DEADLINE, _permitOf(OWNER_KEY, 0, _terms(), DEADLINE, COST - 1));
    }

    function test_openWithPermit2__late__reverts() public {
        Permit2Signature memory permit = _permit(OWNER_KEY, 0);
        vm.warp(START + 1);
        vm.expectRevert(abi.encodeWithSelector(Permit2.SignatureExpired.selector, START));
        purses.openWithPermit2(owner, _terms(), DEADLINE, permit);
    }

    function test_openWithPermit2__twice__reverts() public {
        Permit2Signature memory permit = _permit(OWNER_KEY, 300);
        purses.openWithPermit2(owner, _terms(), DEADLINE, permit);
        vm.expectRevert(Permit2.InvalidNonce.selector);
        purses.openWithPermit2(owner, _terms(), DEADLINE, permit);
        _assertOpened(1, COST);
    }

    /// @dev What lies in the purse does not pay for a job that nobody signed for.
    function test_openWithPermit2__refused_by_the_market__leaves_the_owner_whole() public {
        token.mint(address(_purse()), COST);
        Permit2Signature memory permit = _permitOf(OWNER_KEY, 0, _terms(), uint64(START), COST);
        vm.expectRevert(abi.encodeWithSelector(IMarket.MarketDeadlineOutOfRange.selector, START, START));
        purses.openWithPermit2(owner, _terms(), uint64(START), permit);
        vm.assertEq(token.balanceOf(owner), 10 * COST);
    }

    function test_openWithPermit2__carried_by_anyone__opens_for_the_owners_purse() public {
        Permit2Signature memory permit = _permit(OWNER_KEY, 0);
        bytes32 termsHash = _termsHash();
        _emitted(address(market));
        emit IMarket.JobOpened(1, address(_purse()), termsHash, _terms(), DEADLINE, ESCROW);
        vm.prank(STRANGER);
        vm.assertEq(purses.openWithPermit2(owner, _terms(), DEADLINE, permit), 1);
        _assertOpened(1, COST);
    }

    function test_openWithPermit2__second_job__opens_at_the_purse_alone() public {
        purses.openWithPermit2(owner, _terms(), DEADLINE, _permit(OWNER_KEY, 1));
        Permit2Signature memory permit = _permit(OWNER_KEY, 0);
        vm.prank(STRANGER);
        vm.assertEq(_purse().openWithPermit2(_terms(), DEADLINE, permit), 2);
        _assertOpened(2, 2 * COST);
    }

    function test_openWithPermit2__contract_wallet__opens() public {
        owner = address(new ContractWallet(vm.addr(OWNER_KEY)));
        token.mint(owner, 10 * COST);
        vm.prank(owner);
        token.approve(address(PERMIT2), COST);
        purses.openWithPermit2(owner, _terms(), DEADLINE, _permit(OWNER_KEY, 0));
        _assertOpened(1, COST);
    }

    function _refuse(address of_, Terms memory terms, uint64 deadline, Permit2Signature memory permit) private {
        vm.expectRevert(Permit2.InvalidSigner.selector);
        purses.openWithPermit2(of_, terms, deadline, permit);
        Purse purse = purses.make(of_);
        vm.expectRevert(Permit2.InvalidSigner.selector);
        purse.openWithPermit2(terms, deadline, permit);
    }
}
