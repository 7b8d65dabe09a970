// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ICommittee} from "./interfaces/ICommittee.sol";
import {Leaves} from "./libraries/Leaves.sol";
import {Messages} from "./libraries/Messages.sol";
import {Address} from "@openzeppelin/contracts/utils/Address.sol";
import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";
import {EIP712} from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";
import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";
import {SafeCast} from "@openzeppelin/contracts/utils/math/SafeCast.sol";

/// @title Committee: the members whose quorum speaks for the oracle, and their stakes
/// @dev What it promises, and what it assumes, is written in ICommittee. Its balance is never asked for: what it owes are
/// the stakes, the rewards and what was burnt, and coin that was forced upon it belongs to nobody.
contract Committee is ICommittee, EIP712 {
    using SafeCast for uint256;

    /// @dev One slot, so that `check` reads one a signer and no other. `place` is 1 + the position of a member, 0 of
    /// anybody else; `quorum` repeats that of the committee while the account is a member.
    struct Account {
        uint96 stake;
        uint64 releasesAt;
        uint8 place;
        uint8 quorum;
    }

    uint256 private constant LEAST_MEMBERS = 4;
    uint256 private constant MOST_MEMBERS = 31;
    uint256 private constant SIGNATURE = 65;
    uint256 private constant LONGEST_DELAY = 365 days;

    /// @inheritdoc ICommittee
    address public immutable referee;
    /// @inheritdoc ICommittee
    uint256 public immutable unit;
    /// @inheritdoc ICommittee
    uint64 public immutable delay;

    /// @inheritdoc ICommittee
    bytes32 public digest;
    /// @dev Zero while no change waits.
    bytes32 private _proposed;
    // One slot.
    /// @inheritdoc ICommittee
    uint8 public quorum;
    /// @inheritdoc ICommittee
    uint32 public lastChange;
    uint64 private _enactsAt;
    /// @inheritdoc ICommittee
    uint128 public burnt;

    address[] private _members;
    bytes32[] private _sealKeys;
    mapping(address account => Account) private _accounts;

    /// @inheritdoc ICommittee
    mapping(address beneficiary => uint256) public rewardOf;

    /// @param referee_ Zero if nobody is ever slashed.
    /// @dev The value sent is divided evenly among the members as their first stakes.
    // slither-disable-next-line msg-value-loop (each takes its share of it)
    constructor(
        address[] memory members_,
        bytes32[] memory sealKeys_,
        uint8 quorum_,
        address referee_,
        uint256 unit_,
        uint64 delay_
    ) payable EIP712(Messages.NAME, Messages.VERSION) {
        uint256 n = members_.length;
        _checkShape(members_, sealKeys_, quorum_);
        require(unit_ != 0, CommitteeUnitMissing());
        require(delay_ != 0 && delay_ <= LONGEST_DELAY, CommitteeDelayOutOfRange(delay_));
        require(msg.value % n == 0 && msg.value / n >= unit_, CommitteeFirstStakesMismatch(msg.value, n, unit_));

        // slither-disable-next-line missing-zero-check (no referee: nobody is slashed)
        referee = referee_;
        unit = unit_;
        delay = delay_;
        for (uint256 i = 0; i < n; ++i) {
            _stake(members_[i], msg.value / n);
        }
        _appoint(members_, sealKeys_, quorum_, Leaves.committee(members_, sealKeys_, quorum_));
    }

    // ------------------------------------------------------------------ the members

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
        return _check(digest_, signatures, unit);
    }

    /// @inheritdoc ICommittee
    function membership(bytes32 digest_, bytes calldata signatures) external view returns (uint256 signers) {
        return _check(digest_, signatures, 0);
    }

    // ------------------------------------------------------------------ changing them

    /// @inheritdoc ICommittee
    function pendingChange() external view returns (uint32 number, bytes32 digest_, uint64 enactsAt) {
        if (_proposed == 0) return (0, 0, 0);
        return (lastChange, _proposed, _enactsAt);
    }

    /// @inheritdoc ICommittee
    function proposeChange(
        address[] calldata members_,
        bytes32[] calldata sealKeys_,
        uint8 quorum_,
        uint64 validUntil,
        bytes calldata signatures
    ) external {
        require(block.timestamp <= validUntil, CommitteeChangeExpired(validUntil, block.timestamp));
        _checkShape(members_, sealKeys_, quorum_);
        bytes32 proposed = Leaves.committee(members_, sealKeys_, quorum_);
        uint32 number = lastChange + 1;
        _check(_hashTypedDataV4(Messages.change(number, proposed, validUntil)), signatures, unit);

        uint64 enactsAt = uint64(block.timestamp) + delay;
        (_proposed, lastChange, _enactsAt) = (proposed, number, enactsAt);
        emit ChangeProposed(number, members_, sealKeys_, quorum_, proposed, validUntil, enactsAt, signatures);
    }

    /// @inheritdoc ICommittee
    function enactChange(address[] calldata members_, bytes32[] calldata sealKeys_, uint8 quorum_) external {
        bytes32 given = Leaves.committee(members_, sealKeys_, quorum_);
        // The hash of a committee is never zero: nothing fits while no change waits.
        require(given == _proposed, CommitteeChangeMismatch(given, _proposed));
        require(block.timestamp >= _enactsAt, CommitteeChangeTooEarly(_enactsAt, block.timestamp));

        _proposed = 0;
        _dismiss();
        _appoint(members_, sealKeys_, quorum_, given);
    }

    // ------------------------------------------------------------------ stakes

    /// @inheritdoc ICommittee
    function stakeOf(address member) external view returns (uint256) {
        return _accounts[member].stake;
    }

    /// @inheritdoc ICommittee
    function releasesAt(address member) external view returns (uint256) {
        return _releasesAt(_accounts[member]);
    }

    /// @inheritdoc ICommittee
    function stake(address member) external payable {
        require(msg.value != 0 && member != address(0), CommitteeStakeMissing(member));
        _stake(member, msg.value);
    }

    /// @inheritdoc ICommittee
    function withdraw() external {
        Account storage account = _accounts[msg.sender];
        uint256 opensAt = _releasesAt(account);
        require(block.timestamp >= opensAt, CommitteeStakeLocked(msg.sender, opensAt));
        uint256 amount = account.stake;
        require(amount != 0, CommitteeStakeMissing(msg.sender));

        account.stake = 0;
        emit Withdrawn(msg.sender, amount);

        Address.sendValue(payable(msg.sender), amount);
    }

    // ------------------------------------------------------------------ slashing

    /// @inheritdoc ICommittee
    function slash(address[] calldata signers, address beneficiary) external {
        require(msg.sender == referee, CommitteeNotReferee(msg.sender));
        address previous = address(0);
        uint256 rewards = 0;
        uint256 taken = 0;
        for (uint256 i = 0; i < signers.length; ++i) {
            address signer = signers[i];
            require(signer > previous, CommitteeSignersUnordered(previous, signer));
            previous = signer;

            Account storage account = _accounts[signer];
            uint256 held = account.stake;
            uint256 amount = Math.min(held, unit);
            if (amount == 0) continue;
            // No more than the 96 bits that there were, and sums of them: nothing here overflows.
            unchecked {
                // forge-lint: disable-next-line(unsafe-typecast)
                account.stake = uint96(held - amount);
                taken += amount;
                rewards += amount / 2;
            }
            emit Slashed(signer, beneficiary, amount, amount / 2);
        }
        burnt += (taken - rewards).toUint128();
        rewardOf[beneficiary] += rewards;
    }

    /// @inheritdoc ICommittee
    function collect() external {
        uint256 amount = rewardOf[msg.sender];
        require(amount != 0, CommitteeNothingToCollect(msg.sender));
        rewardOf[msg.sender] = 0;
        emit RewardCollected(msg.sender, amount);

        Address.sendValue(payable(msg.sender), amount);
    }

    // ------------------------------------------------------------------ inside

    /// @dev Each signer's own account says how many there must be; without any, one is missing.
    function _check(bytes32 digest_, bytes calldata signatures, uint256 leastStake)
        private
        view
        returns (uint256 signers)
    {
        require(signatures.length % SIGNATURE == 0, CommitteeSignaturesMisaligned(signatures.length));
        uint256 count = signatures.length / SIGNATURE;
        uint256 required = 1;
        address previous = address(0);
        for (uint256 i = 0; i < count; ++i) {
            address signer = _recover(digest_, i, signatures[i * SIGNATURE:(i + 1) * SIGNATURE]);
            require(signer > previous, CommitteeSignersUnordered(previous, signer));
            Account memory account = _accounts[signer];
            require(account.place != 0, CommitteeSignerUnknown(signer));
            require(account.stake >= leastStake, CommitteeStakeTooSmall(signer, account.stake, leastStake));
            // forge-lint: disable-next-line(incorrect-shift)
            signers |= 1 << (account.place - 1);
            required = account.quorum;
            previous = signer;
        }
        require(count >= required, CommitteeQuorumMissing(count, required));
    }

    function _recover(bytes32 digest_, uint256 position, bytes calldata signature) private pure returns (address) {
        // slither-disable-next-line unused-return (the third value only repeats what is wrong)
        (address signer, ECDSA.RecoverError problem,) = ECDSA.tryRecoverCalldata(digest_, signature);
        require(problem == ECDSA.RecoverError.NoError, CommitteeSignatureInvalid(position));
        return signer;
    }

    function _checkShape(address[] memory members_, bytes32[] memory sealKeys_, uint8 quorum_) private pure {
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
        }
    }

    /// @dev Everybody leaves; who is appointed again stays locked by its new place.
    function _dismiss() private {
        uint64 opensAt = uint64(block.timestamp) + delay;
        for (uint256 i = 0; i < _members.length; ++i) {
            Account storage account = _accounts[_members[i]];
            (account.place, account.quorum, account.releasesAt) = (0, 0, opensAt);
        }
    }

    /// @dev The caller has checked the shape, and given its hash.
    function _appoint(address[] memory members_, bytes32[] memory sealKeys_, uint8 quorum_, bytes32 digest_) private {
        for (uint256 i = 0; i < members_.length; ++i) {
            Account storage account = _accounts[members_[i]];
            require(account.stake >= unit, CommitteeStakeTooSmall(members_[i], account.stake, unit));
            // forge-lint: disable-next-line(unsafe-typecast)
            (account.place, account.quorum) = (uint8(i + 1), quorum_);
        }
        (_members, _sealKeys, quorum, digest) = (members_, sealKeys_, quorum_, digest_);
        emit ChangeEnacted(lastChange, members_, sealKeys_, quorum_, digest_);
    }

    function _stake(address member, uint256 amount) private {
        _accounts[member].stake += amount.toUint96();
        emit Staked(member, msg.sender, amount);
    }

    function _releasesAt(Account storage account) private view returns (uint256) {
        return account.place == 0 ? account.releasesAt : type(uint256).max;
    }
}
