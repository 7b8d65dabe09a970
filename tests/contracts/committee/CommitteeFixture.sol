// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Committee} from "../../../contracts/Committee.sol";
import {Leaves} from "../../../contracts/libraries/Leaves.sol";
import {Messages} from "../../../contracts/libraries/Messages.sol";
import {Fixture} from "../support/Fixture.sol";
import {MessageHashUtils} from "@openzeppelin/contracts/utils/cryptography/MessageHashUtils.sol";

/// @title Changes of the committee: who is wanted, the signatures for it, and the way there
abstract contract CommitteeFixture is Fixture {
    /// @dev A committee that is to be; `keys` ascend by address.
    struct Wanted {
        uint256[] keys;
        address[] members;
        bytes32[] sealKeys;
        uint8 quorum;
    }

    uint256 internal constant NEWCOMER = 5;

    function _wanted(uint256[] memory keys, uint8 quorum) internal pure returns (Wanted memory wanted) {
        keys = _sorted(keys);
        wanted = Wanted({keys: keys, members: _addresses(keys), sealKeys: _sealKeys(keys.length), quorum: quorum});
    }

    /// @dev The members of now, with NEWCOMER in the place of the one at `leaver`.
    function _replacing(uint256 leaver) internal view returns (Wanted memory) {
        uint256[] memory keys = memberKeys;
        keys[leaver] = NEWCOMER;
        return _wanted(keys, 3);
    }

    function _unchanged() internal view returns (Wanted memory) {
        return _wanted(memberKeys, 3);
    }

    function _sorted(uint256[] memory keys) internal pure returns (uint256[] memory sorted) {
        sorted = new uint256[](keys.length);
        for (uint256 i = 0; i < keys.length; ++i) {
            uint256 place = i;
            for (; place > 0 && vm.addr(sorted[place - 1]) > vm.addr(keys[i]); --place) {
                sorted[place] = sorted[place - 1];
            }
            sorted[place] = keys[i];
        }
    }

    function _digestOf(Wanted memory wanted) internal pure returns (bytes32) {
        return Leaves.committee(wanted.members, wanted.sealKeys, wanted.quorum);
    }

    /// @dev What the members sign for it.
    function _changeDigest(uint32 number, Wanted memory wanted, uint64 validUntil) internal view returns (bytes32) {
        return MessageHashUtils.toTypedDataHash(
            _domain(address(committee)), Messages.change(number, _digestOf(wanted), validUntil)
        );
    }

    function _proposal(Wanted memory wanted, uint64 validUntil, bytes memory signatures)
        internal
        pure
        returns (bytes memory)
    {
        return abi.encodeCall(
            Committee.proposeChange, (wanted.members, wanted.sealKeys, wanted.quorum, validUntil, signatures)
        );
    }

    function _proposeWith(Wanted memory wanted, uint64 validUntil, bytes memory signatures) internal {
        committee.proposeChange(wanted.members, wanted.sealKeys, wanted.quorum, validUntil, signatures);
    }

    /// @dev Signed by the first three members, for now.
    function _propose(Wanted memory wanted) internal {
        uint64 validUntil = uint64(block.timestamp);
        bytes32 digest = _changeDigest(committee.lastChange() + 1, wanted, validUntil);
        _proposeWith(wanted, validUntil, _signatures(digest, 3));
    }

    function _enact(Wanted memory wanted) internal {
        committee.enactChange(wanted.members, wanted.sealKeys, wanted.quorum);
    }

    /// @dev Stakes for all, proposes, waits and enacts.
    function _change(Wanted memory wanted) internal {
        for (uint256 i = 0; i < wanted.members.length; ++i) {
            if (committee.stakeOf(wanted.members[i]) < STAKE) _stakeFor(wanted.members[i], STAKE);
        }
        _propose(wanted);
        vm.warp(block.timestamp + DELAY);
        _enact(wanted);
        memberKeys = wanted.keys;
    }

    function _stakeFor(address member, uint256 amount) internal {
        vm.deal(address(this), address(this).balance + amount);
        committee.stake{value: amount}(member);
    }

    function _member(uint256 position) internal view returns (address) {
        return vm.addr(memberKeys[position]);
    }

    function _one(address account) internal pure returns (address[] memory accounts) {
        accounts = new address[](1);
        accounts[0] = account;
    }

    function _slash(address[] memory signers, address beneficiary) internal {
        vm.prank(REFEREE);
        committee.slash(signers, beneficiary);
    }
}

/// @dev Takes coin once; in the middle of that it calls back, and remembers how that ended.
contract Reentrant {
    bytes public problem;
    bool public entered;
    bytes private _again;
    address private _committee;

    function act(address committee, bytes calldata call, bytes calldata again) external {
        (_committee, _again) = (committee, again);
        (bool done, bytes memory said) = committee.call(call);
        require(done, string(said));
    }

    receive() external payable {
        (entered, problem) = _committee.call(_again);
    }
}

/// @dev Takes no coin.
contract Unpayable {
    function act(address committee, bytes calldata call) external returns (bool done) {
        (done,) = committee.call(call);
    }
}
