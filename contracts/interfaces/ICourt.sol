// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IArbitrable} from "./IArbitrable.sol";
import {IArbitrator} from "./IArbitrator.sol";

/// @notice A dispute as the court keeps it.
/// @param choices Rulings are 1..choices, and 0.
/// @param rounds 1, or 2 after an appeal.
/// @param settled Whether the jurors were paid; then `ruling` is the last word.
/// @param delivered Whether the arbitrable took the ruling.
struct Case {
    IArbitrable arbitrable;
    uint8 choices;
    uint8 rounds;
    uint8 ruling;
    bool announced;
    bool settled;
    bool delivered;
}

/// @param drawBlock The block whose randomness draws the jurors.
/// @param drawnAt When they were drawn; 0 while the round waits.
/// @param fees What was paid for this round.
/// @param seats The jurors drawn, one entry a seat.
struct Round {
    uint64 drawBlock;
    uint64 drawnAt;
    uint128 fees;
    address[] seats;
}

/// @param commitment keccak256(abi.encode(dispute, round, juror, choice, salt)).
/// @param seats Seats of the round that this juror holds: each is a vote.
struct Vote {
    bytes32 commitment;
    uint8 seats;
    uint8 choice;
    bool revealed;
}

/// @title A small court: staked jurors, drawn at random, who commit and reveal
/// @notice A seat is a fixed stake; who has many seats is drawn more often, and votes with each. Three seats decide, seven
/// after the one appeal. Seats whose vote is the last word share the fees of all rounds and what the others and the silent
/// lose. Who voted in a dispute that ends with 0 is never fined for it. A seat that served does not return to the
/// bench by itself: nothing but its juror puts it there.
///
/// Randomness. A round is drawn by the prevrandao of one block that was fixed when the round was asked for, proven by
/// its header. The bench cannot change between the two, and rounds are drawn in the order in which they were asked for, so that
/// nobody chooses anything once the number is known, and whoever calls `draw` changes nothing.
///
/// Breaks safety:
/// - jurors who vote together with most of the seats on the bench. The stake is what a wrong vote costs them when the appeal
///   draws honest ones.
/// - a block proposer in the last slots before the drawing block: by missing its own it draws again, one bit each,
///   at the price of the block.
/// - a juror who shows its vote before the time of commitments is over: others can copy it.
///
/// Breaks liveness:
/// - fewer free seats than a round needs: `createDispute` and `appeal` revert.
/// - nobody calls `draw` in 8,191 blocks: `redraw` fixes another block.
/// - an arbitrable that reverts: its ruling waits, to be delivered by anyone; the jurors are paid all the same.
interface ICourt is IArbitrator {
    event SeatsTaken(address indexed juror, uint256 seats);
    event SeatsLeft(address indexed juror, uint256 seats);
    event RoundOpened(uint256 indexed dispute, uint256 indexed round, uint256 drawBlock);
    event JurorsDrawn(uint256 indexed dispute, uint256 indexed round, address[] seats);
    event VoteCommitted(uint256 indexed dispute, uint256 indexed round, address indexed juror, bytes32 commitment);
    event VoteRevealed(uint256 indexed dispute, uint256 indexed round, address indexed juror, uint256 choice);
    event JurorPaid(uint256 indexed dispute, address indexed juror, uint256 reward);
    event JurorFined(uint256 indexed dispute, address indexed juror, uint256 fine);
    event DisputeSettled(uint256 indexed dispute, uint256 ruling, uint256 burnt);
    event RulingDelivered(uint256 indexed dispute, uint256 ruling);
    event RulingRefused(uint256 indexed dispute, uint256 ruling);
    event Withdrawn(address indexed account, uint256 amount);

    error CourtParameterMissing();
    error CourtFineTooLarge(uint256 fine, uint256 seat);
    error CourtBenchQuiet(uint256 waiting);
    error CourtCreditShort(address juror, uint256 credit, uint256 price);
    error CourtNotYourSeat(uint256 position, address caller);
    error CourtNothingToWithdraw(address account);
    error CourtChoicesOutOfRange(uint256 choices);
    error CourtFeeMismatch(uint256 given, uint256 cost);
    error CourtSeatsShort(uint256 free, uint256 needed);
    error CourtDisputeUnknown(uint256 dispute);
    error CourtNotAppealable(uint256 dispute);
    error CourtNothingToDraw();
    error CourtHeaderMismatch(uint256 number, uint256 drawBlock);
    error CourtHeaderUnknown(uint256 number);
    error CourtDrawStillPossible(uint256 drawBlock);
    error CourtNotDrawn(uint256 dispute, address juror);
    error CourtNotCommitting(uint256 dispute);
    error CourtNotRevealing(uint256 dispute);
    error CourtCommitmentMissing();
    error CourtCommitted(uint256 dispute, address juror);
    error CourtRevealed(uint256 dispute, address juror);
    error CourtVoteMismatch(bytes32 given, bytes32 commitment);
    error CourtChoiceUnknown(uint256 choice, uint256 choices);
    error CourtAnnounced(uint256 dispute);
    error CourtNotOver(uint256 dispute);
    error CourtDelivered(uint256 dispute);
    error CourtGasShort(uint256 gas, uint256 needed);

    // ------------------------------------------------------------------ the bench

    /// @notice Takes seats, paid by the value sent and the caller's credit. Not while a round waits to be drawn.
    function sit(uint256 seats) external payable;

    /// @notice Leaves these seats of the bench, one after the other: the last seat moves into the place of each.
    function stand(uint256[] calldata positions) external;

    /// @notice Pays the caller its credit.
    function withdraw() external;

    // ------------------------------------------------------------------ a dispute

    /// @notice Draws the oldest waiting round.
    /// @param header The RLP of its drawing block's header.
    function draw(bytes calldata header) external;

    /// @notice Fixes another block for the oldest waiting round, if that of its drawing block is too old to be proven.
    function redraw() external;

    function commitVote(uint256 dispute, bytes32 commitment) external;
    function revealVote(uint256 dispute, uint256 choice, bytes32 salt) external;

    /// @notice Tells the world (`AppealPossible`) that the first round was revealed. It changes nothing else.
    function announce(uint256 dispute) external;

    /// @notice Pays the jurors, once, and delivers the ruling. Anyone may call it, again if the arbitrable reverted.
    function execute(uint256 dispute) external;

    // ------------------------------------------------------------------ views

    /// @notice Wei of a seat, of a fine (at most a seat), and of one vote.
    function seatPrice() external view returns (uint256);
    function fine() external view returns (uint256);
    function fee() external view returns (uint256);

    /// @notice Seconds to commit, to reveal, and to appeal.
    function commitTime() external view returns (uint64);
    function revealTime() external view returns (uint64);
    function appealTime() external view returns (uint64);

    /// @notice Free seats; `seatAt` gives who holds each.
    function seatCount() external view returns (uint256);
    function seatAt(uint256 position) external view returns (address);
    function creditOf(address account) external view returns (uint256);

    /// @notice Rounds that wait to be drawn; while there is one, the bench is quiet.
    function waiting() external view returns (uint256);

    /// @notice Wei that nobody can ever have.
    function burnt() external view returns (uint256);
    function disputeCount() external view returns (uint256);
    function caseOf(uint256 dispute) external view returns (Case memory);
    function roundOf(uint256 dispute, uint256 round) external view returns (Round memory);
    function voteOf(uint256 dispute, uint256 round, address juror) external view returns (Vote memory);
}
