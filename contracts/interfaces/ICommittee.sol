// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title The members whose quorum speaks for the oracle
/// @notice With n members, f = (n - 1) / 3 may be dishonest. The quorum is at least n - f, so that two quorums share at
/// least f + 1 members: one of them honest.
///
/// Breaks safety:
/// - more than f dishonest members: they can sign a header that breaks the rules. It stays refutable for a window, and a
///   Market never lets it reach the money of a job that it does not debit.
/// - an honest member's key in other hands counts as a dishonest member.
///
/// Breaks liveness:
/// - fewer than `quorum` members that sign. Refunds and claims of final pay go on without them.
///
/// This version has fixed members. A later one adds stakes, joining, leaving and slashing behind the same functions:
/// whoever uses a committee must ask for `digest()` at each use, and never keep it.
interface ICommittee {
    error CommitteeSizeOutOfRange(uint256 members);
    error CommitteeSealKeysMismatch(uint256 members, uint256 sealKeys);
    error CommitteeSealKeyMissing(uint256 position);
    error CommitteeMembersUnordered(address previous, address member);
    error CommitteeQuorumOutOfRange(uint256 quorum, uint256 least, uint256 members);
    error CommitteeSignaturesMisaligned(uint256 length);
    error CommitteeSignatureInvalid(uint256 position);
    error CommitteeSignersUnordered(address previous, address signer);
    error CommitteeSignerUnknown(address signer);
    error CommitteeQuorumMissing(uint256 signers, uint256 quorum);

    /// @notice Hash of members, seal keys and quorum (docs/protocol.md, Heads).
    function digest() external view returns (bytes32);

    /// @notice Ascending by address; a member's position here is its bit in `signers`.
    function members() external view returns (address[] memory);

    /// @notice X25519 public keys to which answers are sealed, in the order of the members.
    function sealKeys() external view returns (bytes32[] memory);

    function quorum() external view returns (uint8);

    /// @notice Reverts unless `signatures` are those of at least a quorum of distinct members over `digest_`.
    /// @param digest_ The EIP-712 digest that the members signed.
    /// @param signatures 65 bytes (r, s, v) each, ascending by signer, low s.
    /// @return signers Bitmap of the positions of the members that signed.
    function check(bytes32 digest_, bytes calldata signatures) external view returns (uint256 signers);
}
