// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IArbitrable} from "./interfaces/IArbitrable.sol";
import {IArbitrator} from "./interfaces/IArbitrator.sol";
import {Case, ICourt, Round, Vote} from "./interfaces/ICourt.sol";
import {Address} from "@openzeppelin/contracts/utils/Address.sol";
import {BlockHeader} from "@openzeppelin/contracts/utils/BlockHeader.sol";
import {Blockhash} from "@openzeppelin/contracts/utils/Blockhash.sol";
import {Memory} from "@openzeppelin/contracts/utils/Memory.sol";
import {SafeCast} from "@openzeppelin/contracts/utils/math/SafeCast.sol";

/// @title Court: the default arbitrator
/// @dev What it promises, and what it assumes, is written in ICourt. What it owes: the free seats, the seats that serve,
/// the fees of unsettled disputes, the credits, and what was burnt; invariants hold the balance to the sum.
contract Court is ICourt {
    using SafeCast for uint256;

    uint256 private constant FIRST_SEATS = 3;
    uint256 private constant APPEAL_SEATS = 7;
    /// @dev Blocks between asking for a round and its drawing block: nobody knows that randomness yet (EIP-4399 advises four
    /// epochs less one for full safety; a proposer's one bit is the same at any distance beyond its look-ahead).
    uint256 private constant DRAW_DELAY = 8;
    /// @dev What an arbitrable may use to take a ruling. Bounded, so that none can make `execute` too dear.
    uint256 private constant RULE_GAS = 500_000;

    /// @inheritdoc ICourt
    uint256 public immutable seatPrice;
    /// @inheritdoc ICourt
    uint256 public immutable fine;
    /// @inheritdoc ICourt
    uint256 public immutable fee;
    /// @inheritdoc ICourt
    uint64 public immutable commitTime;
    /// @inheritdoc ICourt
    uint64 public immutable revealTime;
    /// @inheritdoc ICourt
    uint64 public immutable appealTime;

    /// @inheritdoc ICourt
    uint256 public burnt;
    /// @inheritdoc ICourt
    mapping(address account => uint256) public creditOf;

    address[] private _bench;
    /// @dev Free seats that waiting rounds will need.
    uint256 private _promised;
    /// @dev Disputes whose last round waits, from `_next` on, in the order in which they were asked for.
    uint256[] private _queue;
    uint256 private _next;

    Case[] private _cases;
    mapping(uint256 dispute => mapping(uint256 round => Round)) private _rounds;
    mapping(uint256 dispute => mapping(uint256 round => mapping(address juror => Vote))) private _votes;

    constructor(
        uint256 seatPrice_,
        uint256 fine_,
        uint256 fee_,
        uint64 commitTime_,
        uint64 revealTime_,
        uint64 appealTime_
    ) {
        require(fine_ != 0 && fee_ != 0, CourtParameterMissing());
        require(commitTime_ != 0 && revealTime_ != 0 && appealTime_ != 0, CourtParameterMissing());
        require(fine_ <= seatPrice_, CourtFineTooLarge(fine_, seatPrice_));
        seatPrice = seatPrice_;
        fine = fine_;
        fee = fee_;
        commitTime = commitTime_;
        revealTime = revealTime_;
        appealTime = appealTime_;
    }

    /// @dev Between asking for a round and drawing it nobody moves a seat: the randomness alone decides.
    modifier whenNotQuiet() {
        require(waiting() == 0, CourtBenchQuiet(waiting()));
        _;
    }

    // ------------------------------------------------------------------ the bench

    /// @inheritdoc ICourt
    function sit(uint256 seats) external payable whenNotQuiet {
        uint256 credit = creditOf[msg.sender] + msg.value;
        uint256 price = seats * seatPrice;
        require(price <= credit, CourtCreditShort(msg.sender, credit, price));
        creditOf[msg.sender] = credit - price;
        for (uint256 i = 0; i < seats; ++i) {
            _bench.push(msg.sender);
        }
        emit SeatsTaken(msg.sender, seats);
    }

    /// @inheritdoc ICourt
    function stand(uint256[] calldata positions) external whenNotQuiet {
        for (uint256 i = 0; i < positions.length; ++i) {
            uint256 position = positions[i];
            require(position < _bench.length && _bench[position] == msg.sender, CourtNotYourSeat(position, msg.sender));
            // slither-disable-next-line unused-return (the caller is who leaves)
            _leave(position);
        }
        creditOf[msg.sender] += positions.length * seatPrice;
        emit SeatsLeft(msg.sender, positions.length);
    }

    /// @inheritdoc ICourt
    function withdraw() external {
        uint256 amount = creditOf[msg.sender];
        require(amount != 0, CourtNothingToWithdraw(msg.sender));
        creditOf[msg.sender] = 0;
        emit Withdrawn(msg.sender, amount);
        Address.sendValue(payable(msg.sender), amount);
    }

    // ------------------------------------------------------------------ opening rounds

    /// @inheritdoc IArbitrator
    function createDispute(uint256 choices, bytes calldata) external payable returns (uint256 dispute) {
        require(choices != 0 && choices <= type(uint8).max, CourtChoicesOutOfRange(choices));
        dispute = _cases.length;
        _cases.push(
            Case({
                arbitrable: IArbitrable(msg.sender),
                choices: choices.toUint8(),
                rounds: 0,
                ruling: 0,
                announced: false,
                settled: false,
                delivered: false
            })
        );
        emit DisputeCreation(dispute, IArbitrable(msg.sender));
        _open(dispute, FIRST_SEATS);
    }

    /// @inheritdoc IArbitrator
    function appeal(uint256 dispute, bytes calldata) external payable {
        require(disputeStatus(dispute) == DisputeStatus.Appealable, CourtNotAppealable(dispute));
        emit AppealDecision(dispute, _cases[dispute].arbitrable);
        _open(dispute, APPEAL_SEATS);
    }

    // ------------------------------------------------------------------ voting

    /// @inheritdoc ICourt
    function draw(bytes calldata header) external {
        (uint256 dispute, uint256 number) = _oldest();
        Round storage round = _rounds[dispute][number];
        Memory.Slice[] memory fields = BlockHeader.parseHeader(header);
        uint256 given = BlockHeader.getNumber(fields);
        require(given == round.drawBlock, CourtHeaderMismatch(given, round.drawBlock));
        require(BlockHeader.verifyBlockHeader(fields, keccak256(header)), CourtHeaderUnknown(given));

        ++_next;
        round.drawnAt = block.timestamp.toUint64();
        uint256 seats = _seatsOf(number);
        _promised -= seats;
        bytes32 seed = keccak256(abi.encode(BlockHeader.getPrevRandao(fields), dispute, number));
        for (uint256 i = 0; i < seats; ++i) {
            address juror = _leave(uint256(keccak256(abi.encode(seed, i))) % _bench.length);
            round.seats.push(juror);
            ++_votes[dispute][number][juror].seats;
        }
        emit JurorsDrawn(dispute, number, round.seats);
    }

    /// @inheritdoc ICourt
    function redraw() external {
        (uint256 dispute, uint256 number) = _oldest();
        Round storage round = _rounds[dispute][number];
        uint256 drawBlock = round.drawBlock;
        require(block.number > drawBlock && Blockhash.blockHash(drawBlock) == 0, CourtDrawStillPossible(drawBlock));
        round.drawBlock = (block.number + DRAW_DELAY).toUint64();
        emit RoundOpened(dispute, number, round.drawBlock);
    }

    /// @inheritdoc ICourt
    function commitVote(uint256 dispute, bytes32 commitment) external {
        uint256 number = _lastRound(dispute);
        uint256 drawnAt = _rounds[dispute][number].drawnAt;
        require(drawnAt != 0 && block.timestamp < drawnAt + commitTime, CourtNotCommitting(dispute));
        Vote storage vote = _votes[dispute][number][msg.sender];
        require(vote.seats != 0, CourtNotDrawn(dispute, msg.sender));
        require(commitment != 0, CourtCommitmentMissing());
        require(vote.commitment == 0, CourtCommitted(dispute, msg.sender));
        vote.commitment = commitment;
        emit VoteCommitted(dispute, number, msg.sender, commitment);
    }

    /// @inheritdoc ICourt
    function revealVote(uint256 dispute, uint256 choice, bytes32 salt) external {
        uint256 number = _lastRound(dispute);
        uint256 drawnAt = _rounds[dispute][number].drawnAt;
        require(
            drawnAt != 0 && block.timestamp >= drawnAt + commitTime && block.timestamp < _endOf(drawnAt),
            CourtNotRevealing(dispute)
        );
        Vote storage vote = _votes[dispute][number][msg.sender];
        require(!vote.revealed, CourtRevealed(dispute, msg.sender));
        bytes32 given = keccak256(abi.encode(dispute, number, msg.sender, choice, salt));
        require(given == vote.commitment, CourtVoteMismatch(given, vote.commitment));
        uint256 choices = _cases[dispute].choices;
        require(choice <= choices, CourtChoiceUnknown(choice, choices));
        vote.choice = choice.toUint8();
        vote.revealed = true;
        emit VoteRevealed(dispute, number, msg.sender, choice);
    }

    // ------------------------------------------------------------------ the ruling

    /// @inheritdoc ICourt
    function announce(uint256 dispute) external {
        require(disputeStatus(dispute) == DisputeStatus.Appealable, CourtNotAppealable(dispute));
        Case storage theCase = _cases[dispute];
        require(!theCase.announced, CourtAnnounced(dispute));
        theCase.announced = true;
        emit AppealPossible(dispute, theCase.arbitrable);
    }

    /// @inheritdoc ICourt
    function execute(uint256 dispute) external {
        require(disputeStatus(dispute) == DisputeStatus.Solved, CourtNotOver(dispute));
        Case storage theCase = _cases[dispute];
        require(!theCase.delivered, CourtDelivered(dispute));
        if (!theCase.settled) _settle(dispute, theCase);
        _deliver(dispute, theCase);
    }

    // ------------------------------------------------------------------ views

    /// @inheritdoc IArbitrator
    function arbitrationCost(bytes calldata) external view returns (uint256) {
        return FIRST_SEATS * fee;
    }

    /// @inheritdoc IArbitrator
    function appealCost(uint256, bytes calldata) external view returns (uint256) {
        return APPEAL_SEATS * fee;
    }

    /// @inheritdoc IArbitrator
    function appealPeriod(uint256 dispute) public view returns (uint256 start, uint256 end) {
        Case storage theCase = _existing(dispute);
        uint256 drawnAt = _rounds[dispute][0].drawnAt;
        if (theCase.rounds != 1 || drawnAt == 0) return (0, 0);
        start = _endOf(drawnAt);
        end = start + appealTime;
    }

    /// @inheritdoc IArbitrator
    function disputeStatus(uint256 dispute) public view returns (DisputeStatus) {
        uint256 number = _lastRound(dispute);
        uint256 drawnAt = _rounds[dispute][number].drawnAt;
        if (drawnAt == 0 || block.timestamp < _endOf(drawnAt)) return DisputeStatus.Waiting;
        (, uint256 end) = appealPeriod(dispute);
        return block.timestamp < end ? DisputeStatus.Appealable : DisputeStatus.Solved;
    }

    /// @inheritdoc IArbitrator
    /// @dev That of the last round whose votes are known and in which anybody voted: a round without votes decides nothing.
    function currentRuling(uint256 dispute) public view returns (uint256) {
        for (uint256 number = _existing(dispute).rounds; number > 0; --number) {
            uint256 drawnAt = _rounds[dispute][number - 1].drawnAt;
            if (drawnAt == 0 || block.timestamp < _endOf(drawnAt)) continue;
            (uint256 ruling, uint256 votes) = _count(dispute, number - 1);
            if (votes != 0) return ruling;
        }
        return 0;
    }

    /// @inheritdoc ICourt
    function seatCount() external view returns (uint256) {
        return _bench.length;
    }

    /// @inheritdoc ICourt
    function seatAt(uint256 position) external view returns (address) {
        return _bench[position];
    }

    /// @inheritdoc ICourt
    function waiting() public view returns (uint256) {
        return _queue.length - _next;
    }

    /// @inheritdoc ICourt
    function disputeCount() external view returns (uint256) {
        return _cases.length;
    }

    /// @inheritdoc ICourt
    function caseOf(uint256 dispute) external view returns (Case memory) {
        return _existing(dispute);
    }

    /// @inheritdoc ICourt
    function roundOf(uint256 dispute, uint256 round) external view returns (Round memory) {
        return _rounds[dispute][round];
    }

    /// @inheritdoc ICourt
    function voteOf(uint256 dispute, uint256 round, address juror) external view returns (Vote memory) {
        return _votes[dispute][round][juror];
    }

    // ------------------------------------------------------------------ inside

    function _open(uint256 dispute, uint256 seats) private {
        uint256 cost = seats * fee;
        require(msg.value == cost, CourtFeeMismatch(msg.value, cost));
        uint256 free = _bench.length - _promised;
        require(seats <= free, CourtSeatsShort(free, seats));
        _promised += seats;
        uint256 number = _cases[dispute].rounds++;
        Round storage round = _rounds[dispute][number];
        round.drawBlock = (block.number + DRAW_DELAY).toUint64();
        round.fees = cost.toUint128();
        _queue.push(dispute);
        emit RoundOpened(dispute, number, round.drawBlock);
    }

    /// @dev Takes the seat at this position from the bench; the last one moves into its place.
    function _leave(uint256 position) private returns (address juror) {
        juror = _bench[position];
        _bench[position] = _bench[_bench.length - 1];
        _bench.pop();
    }

    /// @dev Whose vote is the last word shares, whose vote is not pays, and so does the silent. Dust is burnt.
    // slither-disable-next-line divide-before-multiply (what the division leaves is burnt)
    function _settle(uint256 dispute, Case storage theCase) private {
        uint256 ruling = currentRuling(dispute);
        (uint256 pot, uint256 right) = _pot(dispute, theCase.rounds, ruling);
        uint256 share = right == 0 ? 0 : pot / right;
        theCase.settled = true;
        theCase.ruling = ruling.toUint8();
        for (uint256 number = 0; number < theCase.rounds; ++number) {
            address[] storage seats = _rounds[dispute][number].seats;
            for (uint256 i = 0; i < seats.length; ++i) {
                _return(dispute, seats[i], _isRight(_votes[dispute][number][seats[i]], ruling), share);
            }
        }
        uint256 rest = pot - share * right;
        burnt += rest;
        emit DisputeSettled(dispute, ruling, rest);
    }

    function _return(uint256 dispute, address juror, bool right, uint256 share) private {
        if (right) {
            creditOf[juror] += seatPrice + share;
            emit JurorPaid(dispute, juror, share);
        } else {
            creditOf[juror] += seatPrice - fine;
            emit JurorFined(dispute, juror, fine);
        }
    }

    /// @dev A call with bounded gas, whose failure changes nothing. The caller cannot make it fail by giving too little.
    // slither-disable-next-line reentrancy-no-eth (only the outcome of this very call is written after it)
    function _deliver(uint256 dispute, Case storage theCase) private {
        uint256 needed = RULE_GAS + RULE_GAS / 32;
        require(gasleft() >= needed, CourtGasShort(gasleft(), needed));
        uint256 ruling = theCase.ruling;
        theCase.delivered = true;
        // slither-disable-next-line low-level-calls
        (bool taken,) =
            address(theCase.arbitrable).call{gas: RULE_GAS}(abi.encodeCall(IArbitrable.rule, (dispute, ruling)));
        if (taken) {
            emit RulingDelivered(dispute, ruling);
        } else {
            theCase.delivered = false;
            emit RulingRefused(dispute, ruling);
        }
    }

    /// @return pot Fees, and fines of who was not right.
    /// @return right Seats that share it.
    function _pot(uint256 dispute, uint256 rounds, uint256 ruling) private view returns (uint256 pot, uint256 right) {
        for (uint256 number = 0; number < rounds; ++number) {
            Round storage round = _rounds[dispute][number];
            pot += round.fees;
            for (uint256 i = 0; i < round.seats.length; ++i) {
                if (_isRight(_votes[dispute][number][round.seats[i]], ruling)) ++right;
                else pot += fine;
            }
        }
    }

    /// @dev A ruling of 0 says that the jurors did not agree, not that any of them was wrong.
    function _isRight(Vote storage vote, uint256 ruling) private view returns (bool) {
        return vote.revealed && (ruling == 0 || vote.choice == ruling);
    }

    /// @return ruling The choice with most votes; 0 if two have as many.
    function _count(uint256 dispute, uint256 number) private view returns (uint256 ruling, uint256 votes) {
        uint256[] memory tally = new uint256[](uint256(_cases[dispute].choices) + 1);
        address[] storage seats = _rounds[dispute][number].seats;
        uint256 most = 0;
        for (uint256 i = 0; i < seats.length; ++i) {
            Vote storage vote = _votes[dispute][number][seats[i]];
            if (!vote.revealed) continue;
            ++votes;
            uint256 count = ++tally[vote.choice];
            if (count > most) (most, ruling) = (count, vote.choice);
            else if (count == most) ruling = 0;
        }
    }

    function _oldest() private view returns (uint256 dispute, uint256 number) {
        require(waiting() != 0, CourtNothingToDraw());
        dispute = _queue[_next];
        number = _lastRound(dispute);
    }

    function _existing(uint256 dispute) private view returns (Case storage) {
        require(dispute < _cases.length, CourtDisputeUnknown(dispute));
        return _cases[dispute];
    }

    function _lastRound(uint256 dispute) private view returns (uint256) {
        return _existing(dispute).rounds - 1;
    }

    /// @return The first second after the votes of a round are known.
    function _endOf(uint256 drawnAt) private view returns (uint256) {
        return drawnAt + commitTime + revealTime;
    }

    function _seatsOf(uint256 round) private pure returns (uint256) {
        return round == 0 ? FIRST_SEATS : APPEAL_SEATS;
    }
}
