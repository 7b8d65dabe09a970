// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {DemoToken} from "../../../contracts/DemoToken.sol";
import {IMarket, Permit} from "../../../contracts/interfaces/IMarket.sol";
import {Fixture} from "../support/Fixture.sol";
import {TestToken} from "../support/Tokens.sol";
import {IERC20Errors} from "@openzeppelin/contracts/interfaces/draft-IERC6093.sol";
import {MessageHashUtils} from "@openzeppelin/contracts/utils/cryptography/MessageHashUtils.sol";

contract OpenJobWithPermitTest is Fixture {
    uint256 private constant KEY = 77;
    DemoToken private _demo;
    address private _owner;

    function setUp() public {
        vm.warp(START);
        _deployWith(new TestToken(6));
        _demo = new DemoToken(1e18);
        token = TestToken(address(_demo));
        market = _newMarket(token, WINDOW);
        _owner = vm.addr(KEY);
        _demo.transfer(_owner, 1e9);
    }

    function test_openJobWithPermit__bad_permit_and_no_allowance__reverts() public {
        Permit memory permit = _permit(ESCROW - 1, DEADLINE);
        vm.expectRevert(_missing());
        _open(permit);
        permit = _permit(ESCROW, START - 1);
        vm.expectRevert(_missing());
        _open(permit);
    }

    function test_openJobWithPermit__terms_out_of_range__reverts() public {
        Permit memory permit = _permit(ESCROW, DEADLINE);
        vm.expectRevert(abi.encodeWithSelector(IMarket.MarketDeadlineOutOfRange.selector, START, START));
        vm.prank(_owner);
        market.openJobWithPermit(_terms(), uint64(START), permit);
    }

    function test_openJobWithPermit__no_allowance__opens() public {
        Permit memory permit = _permit(ESCROW, START);
        bytes32 termsHash = _termsHash();
        _emitted(address(market));
        emit IMarket.JobOpened(1, _owner, termsHash, _terms(), DEADLINE, ESCROW);
        vm.assertEq(_open(permit), 1);
        vm.assertEq(_demo.balanceOf(address(market)), ESCROW);
        vm.assertEq(_demo.allowance(_owner, address(market)), 0);
    }

    /// @dev Hazard: a front-run permit makes the funding revert.
    function test_openJobWithPermit__permit_was_sent_ahead__opens() public {
        Permit memory permit = _permit(ESCROW, DEADLINE);
        vm.prank(STRANGER);
        _demo.permit(_owner, address(market), ESCROW, permit.deadline, permit.v, permit.r, permit.s);
        vm.assertEq(_open(permit), 1);
        vm.assertEq(_demo.balanceOf(address(market)), ESCROW);
    }

    function test_openJobWithPermit__allowed_before_and_token_without_permit__opens() public {
        token = new TestToken(6);
        market = _newMarket(token, WINDOW);
        _fund(_owner);
        vm.assertEq(_open(_permit(ESCROW, DEADLINE)), 1);
        vm.assertEq(token.balanceOf(address(market)), ESCROW);
    }

    function _open(Permit memory permit) private returns (uint32) {
        vm.prank(_owner);
        return market.openJobWithPermit(_terms(), DEADLINE, permit);
    }

    function _missing() private view returns (bytes memory) {
        return abi.encodeWithSelector(IERC20Errors.ERC20InsufficientAllowance.selector, address(market), 0, ESCROW);
    }

    function _permit(uint256 value, uint256 deadline) private view returns (Permit memory permit) {
        bytes32 type_ = keccak256("Permit(address owner,address spender,uint256 value,uint256 nonce,uint256 deadline)");
        bytes32 message = keccak256(abi.encode(type_, _owner, address(market), value, _demo.nonces(_owner), deadline));
        bytes32 digest = MessageHashUtils.toTypedDataHash(_demo.DOMAIN_SEPARATOR(), message);
        permit.deadline = deadline;
        (permit.v, permit.r, permit.s) = vm.sign(KEY, digest);
    }
}
