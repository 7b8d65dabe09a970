// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Evidence, Fault, IReferee, Posted} from "../../../contracts/interfaces/IReferee.sol";
import {Epoch} from "../support/Epochs.sol";
import {Plant, Plants} from "../support/Plants.sol";

/// @title A committee that posts correct and broken epochs, and refuters who try everything on the real Referee
/// @dev A broken epoch never gets final here: there is one honest watcher, and the clock stops for it. After two final epochs there
/// is no work left.
contract Trial is Plants {
    uint256 private constant FAULTS = uint256(Fault.FeeMissing) + 1;
    uint256 private constant NONE = type(uint256).max;

    /// @dev Which plant the pending epoch has, and the call that must strike it.
    uint256 public planted = NONE;
    bytes private _accusation;
    bytes private _epoch;
    bytes private _posted_;
    uint256 public finals;
    uint256 public posts;
    /// @dev By the rules: strikes of broken epochs. Against them: of correct ones, and proofs that were refused.
    uint256 public struck;
    uint256 public wronged;
    uint256 public refused;
    uint256 public tried;

    constructor() {
        _deployReferee();
    }

    // ------------------------------------------------------------------ the committee

    function post(uint256 n, bool broken) external {
        if (_isPending() || finals == 2) return;
        Epoch memory epoch = finals == 0 ? _first() : _second();
        planted = NONE;
        if (broken && finals == 0) {
            planted = n % (VERDICT_PLANTS + PAY_PLANTS);
            Plant memory plant = _plant(epoch, planted);
            (Posted memory posted, bytes memory call) = _accuse(epoch, plant);
            (_accusation, _posted_) = (call, abi.encode(posted));
        } else {
            _posted_ = abi.encode(_posted(epoch));
        }
        _epoch = abi.encode(epoch);
        ++posts;
    }

    /// @dev Rarely, so that much is tried on each epoch.
    function finalise(uint256 luck) external {
        if (!_isPending() || planted != NONE || luck % 8 != 0) return;
        Posted memory posted = abi.decode(_posted_, (Posted));
        Epoch memory epoch = abi.decode(_epoch, (Epoch));
        _finalise(posted.header);
        for (uint256 w = 0; w < WORKERS; ++w) {
            cumulative[w] = epoch.balances[w].cumulative;
        }
        ++finals;
    }

    function pass(uint256 time) external {
        (, uint64 postedAt,) = market.pending();
        // The jobs stay open.
        if (block.timestamp > START + 20 hours) return;
        if (postedAt == 0) vm.warp(block.timestamp + time % WINDOW);
        else vm.warp(block.timestamp + time % (postedAt + WINDOW - block.timestamp));
    }

    // ------------------------------------------------------------------ refuters

    /// @dev The proof of the fault that was planted.
    function refute() external {
        if (!_isPending() || planted == NONE) return;
        (bool done,) = address(referee).call(_accusation);
        if (done) _afterStrike();
        else ++refused;
    }

    /// @dev Any fault at all, with all the evidence that there is about one answer.
    function accuse(uint256 fault, uint256 verdict, uint256 position) external {
        if (_isPending()) _try(_anything(fault % FAULTS, verdict, position));
    }

    /// @dev The same, or the right proof, with one other byte.
    function accuseWrongly(uint256 fault, uint256 verdict, uint256 position, uint256 place, bytes1 flip, bool small)
        external
    {
        if (!_isPending()) return;
        bytes memory call =
            planted != NONE && fault % 2 == 0 ? _accusation : _anything(fault % FAULTS, verdict, position);
        _damage(call, place, flip, small);
        _try(call);
    }

    function burnt() external view returns (uint256) {
        return committee.burnt();
    }

    function stakeUnit() external pure returns (uint256) {
        return STAKE;
    }

    // ------------------------------------------------------------------ inside

    function _isPending() private view returns (bool) {
        (uint32 epoch,,) = market.pending();
        return epoch != 0;
    }

    function _try(bytes memory call) private {
        ++tried;
        (bool done,) = address(referee).call(call);
        if (!done) return;
        (uint32 epoch,,) = market.pending();
        // What only looks like the Market falls, and nobody pays.
        if (epoch != 0) return;
        if (planted == NONE) ++wronged;
        else _afterStrike();
    }

    function _afterStrike() private {
        ++struck;
        for (uint256 i = 0; i < 3; ++i) {
            vm.deal(address(this), STAKE);
            committee.stake{value: STAKE}(vm.addr(memberKeys[i]));
        }
    }

    function _anything(uint256 fault, uint256 verdict, uint256 position) private view returns (bytes memory) {
        Posted memory posted = abi.decode(_posted_, (Posted));
        Epoch memory epoch = abi.decode(_epoch, (Epoch));
        verdict %= epoch.verdicts.length;
        Evidence memory e = _about(epoch, verdict, position % 3);
        e.stubs = _stubs(epoch.verdicts[verdict], epoch.verdicts[(verdict + 1) % epoch.verdicts.length]);
        e.weights = _weights(epoch.weights[position % epoch.weights.length]);
        e.assignments = _assignments(epoch.assignments[position % epoch.assignments.length]);
        e.balances = _balancesOf(epoch.balances[position % epoch.balances.length]);
        return fault < uint256(Fault.RunningPay)
            ? abi.encodeCall(IReferee.verdict, (posted, Fault(fault), e))
            : abi.encodeCall(IReferee.pay, (posted, Fault(fault), e));
    }
}
