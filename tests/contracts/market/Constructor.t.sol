// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Committee} from "../../../contracts/Committee.sol";
import {Market} from "../../../contracts/Market.sol";
import {IMarket} from "../../../contracts/interfaces/IMarket.sol";
import {Fixture} from "../support/Fixture.sol";
import {TestToken} from "../support/Tokens.sol";

contract PatientCommittee {
    uint64 public constant delay = 7 days + 1;
}

contract MarketConstructorTest is Fixture {
    function setUp() public {
        _deploy();
    }

    function test_constructor__window_out_of_range__reverts() public {
        _refuseWindow(0);
        _refuseWindow(7 days + 1);
        committee = Committee(address(new PatientCommittee()));
        _newMarket(token, 7 days);
        _newMarket(token, 1);
    }

    function test_constructor__window_as_long_as_the_committees_delay__reverts() public {
        uint64 delay = committee.delay();
        vm.expectRevert(abi.encodeWithSelector(IMarket.MarketWindowTooLong.selector, delay, delay));
        this.make(token, delay);
        _newMarket(token, delay - 1);
    }

    function test_constructor__too_many_decimals__reverts() public {
        TestToken fine = new TestToken(37);
        vm.expectRevert(abi.encodeWithSelector(IMarket.MarketDecimalsUnsupported.selector, 37));
        this.make(fine, WINDOW);
    }

    function test_constructor__decimals__give_the_unit() public {
        vm.assertEq(_newMarket(new TestToken(0), WINDOW).unit(), 1);
        vm.assertEq(_newMarket(new TestToken(6), WINDOW).unit(), 1);
        vm.assertEq(_newMarket(new TestToken(7), WINDOW).unit(), 10);
        vm.assertEq(_newMarket(new TestToken(18), WINDOW).unit(), 1e12);
        vm.assertEq(_newMarket(new TestToken(36), WINDOW).unit(), 1e30);
    }

    function test_constructor__parameters__are_kept_and_hashed_into_the_first_head() public view {
        vm.assertEq(address(market.token()), address(token));
        vm.assertEq(address(market.workers()), address(workers));
        vm.assertEq(address(market.committee()), address(committee));
        vm.assertEq(market.referee(), REFEREE);
        vm.assertEq(market.disputes(), DISPUTES);
        vm.assertEq(market.hatch(), HATCH);
        vm.assertEq(market.window(), WINDOW);
        bytes32 deployment = keccak256(
            abi.encode(
                keccak256("crowdproof.deployment"),
                block.chainid,
                address(market),
                address(workers),
                address(committee),
                REFEREE,
                DISPUTES,
                HATCH,
                address(token),
                UNIT,
                uint256(WINDOW)
            )
        );
        vm.assertEq(market.deploymentDigest(), deployment);
        vm.assertEq(market.head(), deployment);
        vm.assertEq(
            market.configuration(),
            keccak256(abi.encode(keccak256("crowdproof.configuration"), deployment, committee.digest()))
        );
    }

    function test_eip712Domain__names_the_market() public view {
        (, string memory name, string memory version, uint256 chainId, address verifier,,) = market.eip712Domain();
        vm.assertEq(name, "crowdproof");
        vm.assertEq(version, "0");
        vm.assertEq(chainId, block.chainid);
        vm.assertEq(verifier, address(market));
    }

    function test_views__nothing_posted__are_empty() public view {
        (uint32 epoch, uint64 postedAt, uint64 reserved) = market.pending();
        vm.assertEq(uint256(epoch) + postedAt + reserved, 0);
        vm.assertEq(market.claimRoot(), 0);
        vm.assertEq(uint256(market.claimSize()) + market.finalTotal() + market.totalClaimed() + market.frozen(), 0);
        vm.assertEq(uint256(market.lastEpoch()) + market.lastStrike() + market.jobCount(), 0);
    }

    /// @dev In a call of its own: a revert of `new` in the test itself would end the test there, and pass it.
    function make(TestToken token_, uint64 window) external returns (Market) {
        return _newMarket(token_, window);
    }

    function _refuseWindow(uint64 window) private {
        vm.expectRevert(abi.encodeWithSelector(IMarket.MarketWindowOutOfRange.selector, window));
        this.make(token, window);
    }
}
