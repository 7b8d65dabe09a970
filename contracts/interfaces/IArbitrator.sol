// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IArbitrable} from "./IArbitrable.sol";

/// @title ERC-792: who gives rulings
/// @notice Parameters are named as in the standard. A ruling is 0 (refused, a tie, nobody voted) or one of 1..choices.
interface IArbitrator {
    enum DisputeStatus {
        Waiting,
        Appealable,
        Solved
    }

    event DisputeCreation(uint256 indexed _disputeID, IArbitrable indexed _arbitrable);
    event AppealPossible(uint256 indexed _disputeID, IArbitrable indexed _arbitrable);
    event AppealDecision(uint256 indexed _disputeID, IArbitrable indexed _arbitrable);

    /// @notice Opens a dispute for the calling arbitrable, at `arbitrationCost(_extraData)`.
    function createDispute(uint256 _choices, bytes calldata _extraData) external payable returns (uint256 disputeID);

    /// @notice Asks for another round, at `appealCost(_disputeID, _extraData)`, inside `appealPeriod(_disputeID)`.
    function appeal(uint256 _disputeID, bytes calldata _extraData) external payable;

    function arbitrationCost(bytes calldata _extraData) external view returns (uint256 cost);
    function appealCost(uint256 _disputeID, bytes calldata _extraData) external view returns (uint256 cost);

    /// @notice First second of the appeal period, and the first one after it; zeros if there is none.
    function appealPeriod(uint256 _disputeID) external view returns (uint256 start, uint256 end);
    function disputeStatus(uint256 _disputeID) external view returns (DisputeStatus status);
    function currentRuling(uint256 _disputeID) external view returns (uint256 ruling);
}
