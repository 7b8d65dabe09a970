// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ICommittee} from "./interfaces/ICommittee.sol";
import {Leaves} from "./libraries/Leaves.sol";
import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";

/// @title Committee: the members whose quorum speaks for the oracle
/// @dev What it promises, and what it assumes, is written in ICommittee.
contract Committee is ICommittee {
    uint256 private constant LEAST_MEMBERS = 4;
    uint256 private constant MOST_MEMBERS = 31;
    uint256 private constant SIGNATURE = 65;

    /// @inheritdoc ICommittee
    bytes32 public immutable digest;
    /// @inheritdoc ICommittee
    uint8 public immutable quorum;

    address[] private _members;
    bytes32[] private _sealKeys;
    /// @dev The bit of a member's position; 0 for everybody else.
    mapping(address member => uint256) private _bit;

    constructor(address[] memory members_, bytes32[] memory sealKeys_, uint8 quorum_) {
        uint256 n = members_.length;
        require(n >= LEAST_MEMBERS && n <= MOST_MEMBERS, CommitteeSizeOutOfRange(n));
        require(sealKeys_.length == n, CommitteeSealKeysMismatch(n, sealKeys_.length));
        uint256 least = n - (n - 1) / 3;
        require(quorum_ >= least && quorum_ <= n, CommitteeQuorumOutOfRange(quorum_, least, n));

        address previous = address(0);
        for (uint256 i = 0; i < n; ++i) {
            require(members_[i] > previous, CommitteeMembersUnordered(previous, members_[i]));
            require(sealKeys_[i] != 0, CommitteeSealKeyMissing(i));
            previous = members_[i];
            _bit[previous] = 2 ** i;
        }
        _members = members_;
        _sealKeys = sealKeys_;
        quorum = quorum_;
        digest = Leaves.committee(members_, sealKeys_, quorum_);
    }

    /// @inheritdoc ICommittee
    function members() external view returns (address[] memory) {
        return _members;
    }

    /// @inheritdoc ICommittee
    function sealKeys() external view returns (bytes32[] memory) {
        return _sealKeys;
    }

    /// @inheritdoc ICommittee
    function check(bytes32 digest_, bytes calldata signatures) external view returns (uint256 signers) {
        require(signatures.length % SIGNATURE == 0, CommitteeSignaturesMisaligned(signatures.length));
        uint256 count = signatures.length / SIGNATURE;
        require(count >= quorum, CommitteeQuorumMissing(count, quorum));

        address previous = address(0);
        for (uint256 i = 0; i < count; ++i) {
            address signer = _recover(digest_, i, signatures[i * SIGNATURE:(i + 1) * SIGNATURE]);
            require(signer > previous, CommitteeSignersUnordered(previous, signer));
            uint256 bit = _bit[signer];
            require(bit != 0, CommitteeSignerUnknown(signer));
            signers |= bit;
            previous = signer;
        }
    }

    function _recover(bytes32 digest_, uint256 position, bytes calldata signature) private pure returns (address) {
        // slither-disable-next-line unused-return (the third value only repeats what is wrong)
        (address signer, ECDSA.RecoverError problem,) = ECDSA.tryRecoverCalldata(digest_, signature);
        require(problem == ECDSA.RecoverError.NoError, CommitteeSignatureInvalid(position));
        return signer;
    }
}
