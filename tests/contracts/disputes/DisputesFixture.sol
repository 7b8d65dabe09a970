// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IArbitrable} from "../../../contracts/interfaces/IArbitrable.sol";
import {IArbitrator} from "../../../contracts/interfaces/IArbitrator.sol";
import {IDisputes, Stage} from "../../../contracts/interfaces/IDisputes.sol";
import {JobTerms, Link} from "../../../contracts/interfaces/IReferee.sol";
import {ContestedEpochs} from "../support/ContestedEpochs.sol";

/// @title Rules as it is told, or fails in one of the ways that an arbitrator can
contract TestArbitrator {
    enum Mood {
        Works,
        CostReverts,
        CostShort,
        CreateReverts,
        BurnsGas,
        AnswersShort
    }

    Mood public mood;
    uint256 public cost = 0.03 ether;
    uint256 public disputes;
    uint256 public appeals;
    bytes public extraData;

    function setMood(Mood mood_) external {
        mood = mood_;
    }

    function setCost(uint256 cost_) external {
        cost = cost_;
    }

    function arbitrationCost(bytes calldata) external view returns (uint256) {
        require(mood != Mood.CostReverts, "no");
        if (mood == Mood.CostShort) {
            assembly {
                return(0, 3)
            }
        }
        return cost;
    }

    function createDispute(uint256 choices, bytes calldata extraData_) external payable returns (uint256) {
        require(mood != Mood.CreateReverts && choices == 2 && msg.value == cost, "no");
        while (mood == Mood.BurnsGas) ++disputes;
        if (mood == Mood.AnswersShort) {
            assembly {
                return(0, 0)
            }
        }
        extraData = extraData_;
        return 100 + disputes++;
    }

    function appeal(uint256, bytes calldata) external payable {
        appeals += msg.value;
    }

    function rule(IArbitrable arbitrable, uint256 dispute, uint256 ruling) external {
        arbitrable.rule(dispute, ruling);
    }
}

abstract contract DisputesFixture is ContestedEpochs {
    uint256 internal constant FEE = 0.03 ether;
    uint256 internal constant BOND = 0.05 ether;
    uint64 internal constant PATIENCE = 30 days;
    address internal constant CONTESTER = address(0xC0);

    TestArbitrator internal arbitrator;

    function _deployDisputes() internal {
        arbitrator = new TestArbitrator();
        _deployContested(IArbitrator(address(arbitrator)), FEE, BOND, PATIENCE);
        vm.deal(CONTESTER, 100 ether);
        vm.deal(STRANGER, 100 ether);
        for (uint256 i = 1; i < WORKERS; ++i) {
            vm.deal(_wallet(i), 100 ether);
        }
    }

    /// @dev Worker 1 earns 150 by verdict 0 and 150 by verdict 1; worker 2 earns 100 and 150.
    function _contestPay(uint32 worker, uint32 verdict) internal returns (uint256) {
        bytes memory call_ = _payCall(worker, verdict);
        return abi.decode(_must(CONTESTER, FEE + BOND, call_), (uint256));
    }

    function _payCall(uint32 worker, uint32 verdict) internal view returns (bytes memory) {
        return abi.encodeCall(
            IDisputes.contestPay,
            (
                _pending(),
                _verdict(verdict),
                _balanceLeaf(worker),
                verdict,
                _before(worker),
                _packedDebit(PAY),
                0,
                "ipfs://why"
            )
        );
    }

    /// @dev Worker 3 is rejected in verdict 0, worker 4 unopened in verdict 1; both stand at position 2.
    function _contestRejection(uint32 worker) internal returns (uint256) {
        return abi.decode(_must(_wallet(worker), FEE + BOND, _rejectionCall(worker)), (uint256));
    }

    function _rejectionCall(uint32 worker) internal view returns (bytes memory) {
        return abi.encodeCall(
            IDisputes.contestRejection, (_pending(), _verdict(worker == 3 ? 0 : 1), 2, _jobTerms(), "ipfs://why")
        );
    }

    function _must(address caller, uint256 value, bytes memory call_) internal returns (bytes memory answer) {
        bool done;
        vm.prank(caller);
        (done, answer) = address(disputes).call{value: value}(call_);
        vm.assertTrue(done, "refused");
    }

    function _refused(address caller, uint256 value, bytes memory call_, bytes memory problem) internal {
        vm.prank(caller);
        (bool done, bytes memory answer) = address(disputes).call{value: value}(call_);
        vm.assertTrue(!done, "taken");
        vm.assertEq(keccak256(answer), keccak256(problem), "another problem");
    }

    function _confirm(uint256 id) internal {
        disputes.confirm(id, false, new Link[](0));
    }

    /// @dev The epoch is final, the contest before the arbitrator.
    function _raised(uint256 id) internal returns (uint256 dispute) {
        _finaliseEpoch();
        _confirm(id);
        disputes.raise(id);
        return disputes.contestOf(id).dispute;
    }

    function _rule(uint256 dispute, uint256 ruling) internal {
        arbitrator.rule(disputes, dispute, ruling);
    }

    function _stage(uint256 id) internal view returns (Stage) {
        return disputes.contestOf(id).stage;
    }

    function _checkStage(uint256 id, Stage stage) internal view {
        vm.assertEq(uint256(_stage(id)), uint256(stage), "stage");
    }

    function _claimFinal(uint32 worker) internal returns (uint256 paid) {
        uint256 before = token.balanceOf(_wallet(worker));
        (bool done,) = address(market)
            .call(
                abi.encodeWithSignature(
                    "claim((uint32,address,uint64,bytes32),bytes32[])",
                    worker,
                    _wallet(worker),
                    finalCumulative[worker],
                    keccak256(finalEarnings[worker]),
                    _before(worker).proof
                )
            );
        done;
        return (token.balanceOf(_wallet(worker)) - before) / UNIT;
    }

    /// @dev Coins in = fees paid out + credits + deposits of open contests + burnt.
    function _checkConserved(uint256 open) internal view {
        uint256 credits = disputes.creditOf(CONTESTER) + disputes.creditOf(STRANGER) + disputes.creditOf(REQUESTER)
            + disputes.creditOf(address(this));
        for (uint256 i = 0; i < WORKERS; ++i) {
            credits += disputes.creditOf(_wallet(i));
        }
        vm.assertEq(address(disputes).balance, credits + open + disputes.burnt(), "coins in = coins out + burnt");
    }
}
