// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Market} from "../../../contracts/Market.sol";
import {ICommittee} from "../../../contracts/interfaces/ICommittee.sol";
import {Balance, Header, Job} from "../../../contracts/interfaces/IMarket.sol";
import {IWorkers} from "../../../contracts/interfaces/IWorkers.sol";
import {PlainToken, Symbolic, YesCommittee} from "./Symbolic.sol";
import {IERC20Metadata} from "@openzeppelin/contracts/token/ERC20/extensions/IERC20Metadata.sol";

/// @title A Market in any state at all that keeps its promises, with two parties' jobs in the pool
/// @dev Every slot of its storage is a free variable, so that one call from here on proves the step for every history. Job 1
/// and job 2 are what is in the pool besides what is final; the committee signs anything.
abstract contract MarketProof is Symbolic {
    uint64 internal constant WINDOW = 1 hours;
    address internal constant REFEREE = address(0xBEEF);
    address internal constant DISPUTES = address(0xD15);
    address internal constant HATCH = address(0x4A7C4);
    address internal constant PAYER = address(0xCAFE);

    PlainToken internal token;
    Market internal market;

    function setUp() public {
        token = new PlainToken();
        ICommittee committee = ICommittee(address(new YesCommittee()));
        IERC20Metadata token_ = IERC20Metadata(address(token));
        market = new Market(token_, IWorkers(address(1)), committee, REFEREE, DISPUTES, HATCH, WINDOW);
        svm.enableSymbolicStorage(address(market));
    }

    /// @dev At any time of the next centuries, with a pool that fits the invariant. (In setUp it could not branch.)
    modifier inAnyState() {
        _begin();
        _;
    }

    function _begin() private {
        uint256 time = svm.createUint(40, "time");
        vm.assume(time > 0);
        vm.warp(time);
        vm.assume(market.lastStrike() <= time);
        vm.assume(market.totalClaimed() <= market.finalTotal());
        _sound(1);
        _sound(2);
        (, uint64 postedAt,) = market.pending();
        vm.assume(postedAt <= time);
        token.set(address(market), _owed());
        token.set(PAYER, svm.createUint(128, "purse"));
    }

    function _sound(uint32 number) private view {
        Job memory job = market.job(number);
        unchecked {
            vm.assume(uint256(job.debited) + job.refunded <= job.funded);
        }
    }

    /// @dev In units: all that the Market's balance has to cover.
    function _owed() internal view returns (uint256) {
        (,, uint64 reserved) = market.pending();
        // No sum of so few uint64 overflows, and a difference that would is caught by the comparison.
        unchecked {
            return _inside(1) + _inside(2) + reserved + market.finalTotal() - market.totalClaimed();
        }
    }

    /// @dev What is locked in a job, and what satellites set aside in it.
    function _inside(uint32 number) internal view returns (uint256) {
        unchecked {
            return _locked(number) + market.reservedOf(DISPUTES, number) + market.reservedOf(HATCH, number);
        }
    }

    function _locked(uint32 number) internal view returns (uint256) {
        Job memory job = market.job(number);
        unchecked {
            return uint256(job.funded) - job.debited - job.refunded;
        }
    }

    /// @dev The parts that what is owed is made of.
    struct Parts {
        uint256 held;
        uint256 inOne;
        uint256 inTwo;
        uint256 reserved;
        uint256 total;
        uint256 claimed;
    }

    function _parts() internal view returns (Parts memory) {
        (,, uint64 reserved) = market.pending();
        return Parts({
            held: token.balanceOf(address(market)),
            inOne: _inside(1),
            inTwo: _inside(2),
            reserved: reserved,
            total: market.finalTotal(),
            claimed: market.totalClaimed()
        });
    }

    /// @dev The promise, after any call.
    function _assertSound() internal view {
        assert(token.balanceOf(address(market)) == _owed());
    }

    function _assumeFree(uint32 number) internal view {
        vm.assume(market.job(number).feeBps == 0);
    }

    function _assumeNothingPending() internal view {
        (, uint64 postedAt,) = market.pending();
        vm.assume(postedAt == 0);
    }

    /// @dev An epoch of these debits, built on what is final. (What a Market keeps as total cannot be read while nothing is
    /// pending; it is this in every state that it reaches, and a header that builds on another is refused.)
    function _headerOn(bytes memory debits, uint256 amount) internal view returns (Header memory header) {
        header = _header(debits);
        vm.assume(header.total == market.finalTotal() + amount);
    }

    function _debit(uint32 number, uint64 pay) internal pure returns (bytes memory) {
        return abi.encodePacked(number, pay, uint32(0));
    }

    /// @dev A balances tree of one leaf is that leaf.
    function _alone(Balance memory balance) internal pure returns (bytes32) {
        bytes32 tag = keccak256("crowdproof.balance");
        bytes32 once = keccak256(abi.encode(tag, balance.worker, balance.wallet, balance.cumulative, balance.earnings));
        return keccak256(bytes.concat(once));
    }

    function _anyBalance() internal pure returns (Balance memory) {
        return Balance({worker: 0, wallet: PAYER, cumulative: _amount("cumulative"), earnings: bytes32(uint256(7))});
    }

    function _header(bytes memory debits) internal view returns (Header memory header) {
        header.epoch = uint32(svm.createUint(32, "epoch"));
        header.previous = svm.createBytes32("previous");
        header.validUntil = _amount("validUntil");
        header.configuration = market.configuration();
        header.balances = svm.createBytes32("balances");
        header.balancesSize = uint32(svm.createUint(32, "balancesSize"));
        header.debits = keccak256(debits);
        header.total = _amount("total");
        header.content = svm.createBytes32("content");
    }
}
