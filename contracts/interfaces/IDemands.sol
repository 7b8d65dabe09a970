// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Header, IMarket} from "./IMarket.sol";

enum Tree {
    Balances,
    Weights,
    Verdicts,
    Assignments
}

/// @notice What an opening hash stands for.
struct OpeningFields {
    bytes32 commitment;
    bytes32 sealHash;
    bytes32 payloadHash;
    bytes32 salt;
    bytes32 reason;
    bytes signature;
}

/// @notice A pending epoch, without what striking it needs.
struct Pending {
    IMarket market;
    Header header;
    uint256 signers;
}

/// @notice A verdict leaf as a reply must give it: nothing in it stays behind a hash but the payload, of which a
/// refuter only needs the hash.
struct RevealedVerdict {
    uint32 job;
    uint32 task;
    uint8 label;
    bytes prior;
    uint64 pay;
    bytes cores;
    OpeningFields[] openings;
}

struct RevealedWeight {
    uint32 job;
    uint32 worker;
    uint8 label;
    bytes row;
}

struct RevealedAssignment {
    uint32 job;
    uint32 task;
    uint32 worker;
    uint64 expiry;
    bytes32 terms;
}

struct RevealedBalance {
    uint32 worker;
    address wallet;
    uint64 cumulative;
    bytes earnings;
}

/// @param bond What replying earns, in wei; 0 once it went to the replier or back to the demander.
/// @param repliesEnd First second at which it is too late to reply; 0: never demanded.
struct Demand {
    address demander;
    uint96 bond;
    uint48 repliesEnd;
    bool answered;
}

/// @title Demands: data of a pending epoch that must be shown on chain, or the epoch falls
/// @notice The window has three parts. In the first anyone demands a leaf and lays down a bond; until the end of the second
/// anyone gives it and earns the bond; in the third the Referee strikes an epoch of which a demanded leaf was not given.
///
/// Guaranteed:
/// - a bond goes to who gave the leaf, or back to who demanded it; nobody else can have it;
/// - a leaf that was given is in an event, in full, and no refutation of it needs more.
///
/// Breaks liveness:
/// - demands at a price that outruns who replies: the bond of each is earned by replying, and grows with those still open.
interface IDemands {
    event LeafDemanded(
        IMarket indexed market, uint32 indexed epoch, Tree tree, uint32 index, address demander, uint256 bond
    );
    event LeafRevealed(IMarket indexed market, uint32 indexed epoch, Tree tree, uint32 index, bytes leaf);
    event BondReleased(bytes32 indexed demand, address indexed demander, uint256 bond);
    event Collected(address indexed account, uint256 amount);

    error DemandsNotPending(bytes32 head, bytes32 expected);
    error DemandsDemandTooLate(uint256 end);
    error DemandsDemanded(bytes32 demand);
    error DemandsNotDemanded(bytes32 demand);
    error DemandsBondTooLow(uint256 given, uint256 price);
    error DemandsReplyTooLate(uint256 end);
    error DemandsReplyPending(uint256 end);
    error DemandsLeafBeyond(uint256 index, uint256 size);
    error DemandsLeafUnproven(Tree tree, uint256 index);
    error DemandsLeafTooLarge(uint256 length);
    error DemandsAnswered(bytes32 demand);
    error DemandsNothingToCollect(address account);
    error DemandsPaymentFailed(address account);

    /// @notice Asks for a leaf of the pending epoch, in the first third of its window, with at least `priceOf` in wei;
    /// what is more can be collected again. Each leaf is demanded once.
    /// @return id Identifies the demand.
    function demand(Pending calldata pending, Tree tree, uint32 index) external payable returns (bytes32 id);

    /// @notice Gives a demanded leaf, before two thirds of the window are over, and earns the bond (`collect`). Anyone
    /// may.
    /// @param leaf `abi.encode` of the tree's struct (RevealedBalance, RevealedWeight, RevealedVerdict,
    /// RevealedAssignment), at most 50,000 bytes. The event repeats it.
    /// @param proof Of the leaf; where a sibling does not exist it must be zero, so that the leaves give the root.
    function reply(Pending calldata pending, Tree tree, uint32 index, bytes calldata leaf, bytes32[] calldata proof)
        external;

    /// @notice Credits the bond of a demand that was not answered in time to its demander. The demand still proves
    /// that the leaf was withheld. Reverts for a leaf that was given, was never demanded or still has time. Anyone may call it, again too.
    function release(bytes32 id) external;

    /// @notice Pays the caller all bonds and change that are its own.
    function collect() external;

    /// @notice The bond of an epoch's first open demand, in wei; the next one costs twice, the third three times as
    /// much.
    function price() external view returns (uint256);

    /// @notice The bond of the next demand for the epoch that left this head.
    function priceOf(IMarket market, bytes32 head) external view returns (uint256);

    /// @param head The one that the epoch's post left.
    function demandId(IMarket market, bytes32 head, Tree tree, uint32 index) external pure returns (bytes32);

    /// @notice Zeros if it was never demanded.
    function demandOf(bytes32 id) external view returns (Demand memory);

    /// @notice What an account can collect, in wei.
    function creditOf(address account) external view returns (uint256);
}
