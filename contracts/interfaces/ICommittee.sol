// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title The members whose quorum speaks for the oracle, and what they stake on it
/// @notice With n members, f = (n - 1) / 3 may be dishonest. The quorum is at least n - f, so that two quorums share at
/// least f + 1 members: one of them honest. A member stakes native coin; it signs while it has one `unit`, and loses one
/// for each epoch that it signed and that a Market struck. The members change by their own quorum, after `delay`. There
/// is no owner, nothing is paused, and nobody but an account itself takes its stake out.
///
/// Breaks safety:
/// - more than f dishonest members: they can sign a header that breaks the rules. It stays refutable for a window, and a
///   Market never lets it reach the money of a job that it does not debit. A dishonest quorum can also appoint its
///   successors: whoever watches has `delay` to see it before they sign anything.
/// - an honest member's key in other hands counts as a dishonest member.
/// - a `delay` that is not longer than a Market's window: who leaves could be gone before it is slashed. A Market refuses
///   such a committee when it is deployed.
/// - a `referee` that is not the Referee: it can burn every stake, and give away at most half. It cannot change members.
///
/// Breaks liveness:
/// - fewer than `quorum` members that sign, as when more than n - quorum were slashed below a unit. Anyone may top up
///   anyone's stake. Refunds and claims of final pay go on without them.
/// - a change whose members do not all have their unit cannot be enacted; the quorum replaces it with another.
///
/// Members change and stakes shrink: whoever uses a committee asks for `digest()` at each use, and never keeps it.
interface ICommittee {
    /// @param number 0 for the first members, then that of the change that appointed these.
    event ChangeEnacted(uint32 indexed number, address[] members, bytes32[] sealKeys, uint8 quorum, bytes32 digest);
    /// @dev With the signatures: who knows the members of before can tell from the log alone that they appointed these.
    event ChangeProposed(
        uint32 indexed number,
        address[] members,
        bytes32[] sealKeys,
        uint8 quorum,
        bytes32 digest,
        uint64 validUntil,
        uint64 enactsAt,
        bytes signatures
    );
    event Staked(address indexed member, address indexed payer, uint256 amount);
    event Withdrawn(address indexed member, uint256 amount);
    /// @param reward The part of `amount` that `beneficiary` may collect; the rest is burnt.
    event Slashed(address indexed member, address indexed beneficiary, uint256 amount, uint256 reward);
    event RewardCollected(address indexed beneficiary, uint256 amount);

    error CommitteeSizeOutOfRange(uint256 members);
    error CommitteeSealKeysMismatch(uint256 members, uint256 sealKeys);
    error CommitteeSealKeyMissing(uint256 position);
    error CommitteeMembersUnordered(address previous, address member);
    error CommitteeQuorumOutOfRange(uint256 quorum, uint256 least, uint256 members);
    error CommitteeUnitMissing();
    error CommitteeDelayOutOfRange(uint64 delay);
    error CommitteeFirstStakesMismatch(uint256 given, uint256 members, uint256 unit);

    error CommitteeSignaturesMisaligned(uint256 length);
    error CommitteeSignatureInvalid(uint256 position);
    error CommitteeSignersUnordered(address previous, address signer);
    error CommitteeSignerUnknown(address signer);
    error CommitteeQuorumMissing(uint256 signers, uint256 quorum);
    error CommitteeStakeTooSmall(address member, uint256 stake, uint256 unit);

    error CommitteeChangeExpired(uint64 validUntil, uint256 nowTs);
    error CommitteeChangeMismatch(bytes32 given, bytes32 proposed);
    error CommitteeChangeTooEarly(uint256 enactsAt, uint256 nowTs);
    error CommitteeStakeMissing(address member);
    error CommitteeStakeLocked(address member, uint256 releasesAt);
    error CommitteeNothingToCollect(address beneficiary);
    error CommitteeNotReferee(address caller);

    // ------------------------------------------------------------------ the members

    /// @notice Hash of members, seal keys and quorum (docs/protocol.md, Heads).
    function digest() external view returns (bytes32);

    /// @notice Ascending by address; a member's position here is its bit in `signers`.
    function members() external view returns (address[] memory);

    /// @notice X25519 public keys to which answers are sealed, in the order of the members.
    function sealKeys() external view returns (bytes32[] memory);

    function quorum() external view returns (uint8);

    /// @notice Reverts unless `signatures` are those of at least a quorum of distinct members over `digest_`, each of
    /// whom has a unit at stake.
    /// @param digest_ The EIP-712 digest that the members signed.
    /// @param signatures 65 bytes (r, s, v) each, ascending by signer, low s. A signature has this one form: what a
    /// transaction carries then has one reading for everybody. The compact form (EIP-2098) is refused.
    /// @return signers Bitmap of the positions of the members that signed.
    function check(bytes32 digest_, bytes calldata signatures) external view returns (uint256 signers);

    /// @notice As `check`, whatever the members have at stake: for words that they gave before, such as receipts.
    function membership(bytes32 digest_, bytes calldata signatures) external view returns (uint256 signers);

    // ------------------------------------------------------------------ changing them

    /// @notice Number of the last change that was proposed; the next one must be signed with the number after it.
    function lastChange() external view returns (uint32);

    /// @notice The change that waits, all zero where none does.
    function pendingChange() external view returns (uint32 number, bytes32 digest_, uint64 enactsAt);

    /// @notice Seconds between proposing and enacting a change, and between leaving and taking one's stake.
    function delay() external view returns (uint64);

    /// @notice Proposes other members, seal keys or another quorum, in the place of what may be waiting: to take a change
    /// back, the committee proposes itself as it is. By anyone who has the signatures.
    /// @param validUntil Last second in which this may be proposed.
    /// @param signatures Of `Change(uint32 number,bytes32 committee,uint64 validUntil)` in this contract's domain, as
    /// `check` takes them; `number` is `lastChange() + 1`, so that no signature serves twice.
    function proposeChange(
        address[] calldata members_,
        bytes32[] calldata sealKeys_,
        uint8 quorum_,
        uint64 validUntil,
        bytes calldata signatures
    ) external;

    /// @notice Appoints the proposed members once `delay` has passed and each of them has a unit at stake. By anyone. What
    /// the former members signed and did not post is void, for `digest()` is another; what is pending stays as it is.
    function enactChange(address[] calldata members_, bytes32[] calldata sealKeys_, uint8 quorum_) external;

    // ------------------------------------------------------------------ stakes

    /// @notice Wei that a member must have at stake to sign, and what it loses when an epoch that it signed is struck.
    function unit() external view returns (uint256);

    function stakeOf(address member) external view returns (uint256);

    /// @notice When `withdraw` opens to this account; the largest uint256 for a member.
    function releasesAt(address member) external view returns (uint256);

    /// @notice Adds to a member's stake, or to that of one who wants to become one. Anyone may pay; it is `member`'s from
    /// then on.
    function stake(address member) external payable;

    /// @notice Pays the caller its whole stake: at any time if it never was a member, else from `delay` after it left on.
    function withdraw() external;

    // ------------------------------------------------------------------ slashing

    /// @notice The only account that may slash; zero if nobody can.
    function referee() external view returns (address);

    /// @notice Wei that slashing took and nobody can ever have.
    function burnt() external view returns (uint128);

    /// @notice Wei that this account may `collect`.
    function rewardOf(address beneficiary) external view returns (uint256);

    /// @notice Takes min(stake, unit) from each of these accounts, members or not. Half, rounded down, is the
    /// beneficiary's to collect. Nothing is sent, and an account without stake is passed over: nobody can make it revert.
    /// @param signers Ascending, so that nobody loses twice.
    function slash(address[] calldata signers, address beneficiary) external;

    /// @notice Pays the caller what it was rewarded with.
    function collect() external;
}
