// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Committee} from "../../../contracts/Committee.sol";
import {ICommittee} from "../../../contracts/interfaces/ICommittee.sol";
import {Fixture} from "../support/Fixture.sol";

contract CommitteeConstructorTest is Fixture {
    function test_constructor__size_out_of_range__reverts() public {
        _refuse(3, 3, abi.encodeWithSelector(ICommittee.CommitteeSizeOutOfRange.selector, 3));
        _refuse(32, 32, abi.encodeWithSelector(ICommittee.CommitteeSizeOutOfRange.selector, 32));
    }

    function test_constructor__seal_keys_missing__reverts() public {
        address[] memory members = _addresses(_sortedKeys(4));
        vm.expectRevert(abi.encodeWithSelector(ICommittee.CommitteeSealKeysMismatch.selector, 4, 3));
        new Committee(members, _sealKeys(3), 3);
        bytes32[] memory keys = _sealKeys(4);
        keys[2] = 0;
        vm.expectRevert(abi.encodeWithSelector(ICommittee.CommitteeSealKeyMissing.selector, 2));
        new Committee(members, keys, 3);
    }

    function test_constructor__members_unordered_twice_or_zero__reverts() public {
        address[] memory members = _addresses(_sortedKeys(4));
        (members[1], members[2]) = (members[2], members[1]);
        _refuseUnordered(members, members[1], members[2]);
        members[2] = members[1];
        _refuseUnordered(members, members[1], members[1]);
        members = _addresses(_sortedKeys(4));
        members[0] = address(0);
        _refuseUnordered(members, address(0), address(0));
    }

    /// @dev Two quorums must share an honest member: 2 quorum - n >= f + 1, with n >= 3f + 1.
    function test_constructor__quorum_of_every_size__lets_two_quorums_share_an_honest_member() public {
        for (uint256 n = 4; n <= 31; ++n) {
            uint256 f = (n - 1) / 3;
            uint8 least = uint8(n - f);
            vm.assertTrue(2 * uint256(least) - n >= f + 1, "intersection");
            _refuse(
                n, least - 1, abi.encodeWithSelector(ICommittee.CommitteeQuorumOutOfRange.selector, least - 1, least, n)
            );
            _refuse(
                n, uint8(n + 1), abi.encodeWithSelector(ICommittee.CommitteeQuorumOutOfRange.selector, n + 1, least, n)
            );
            vm.assertEq(new Committee(_addresses(_sortedKeys(n)), _sealKeys(n), least).quorum(), least);
            new Committee(_addresses(_sortedKeys(n)), _sealKeys(n), uint8(n));
        }
    }

    function test_constructor__parameters__are_kept_and_hashed() public {
        address[] memory members = _addresses(_sortedKeys(5));
        bytes32[] memory keys = _sealKeys(5);
        Committee five = new Committee(members, keys, 4);
        vm.assertEq(keccak256(abi.encode(five.members())), keccak256(abi.encode(members)));
        vm.assertEq(keccak256(abi.encode(five.sealKeys())), keccak256(abi.encode(keys)));
        vm.assertEq(five.digest(), keccak256(abi.encode(keccak256("crowdproof.committee"), members, keys, uint8(4))));
    }

    function _refuse(uint256 count, uint8 quorum, bytes memory problem) private {
        address[] memory members = _addresses(_sortedKeys(count));
        bytes32[] memory keys = _sealKeys(count);
        vm.expectRevert(problem);
        new Committee(members, keys, quorum);
    }

    function _refuseUnordered(address[] memory members, address previous, address member) private {
        vm.expectRevert(abi.encodeWithSelector(ICommittee.CommitteeMembersUnordered.selector, previous, member));
        new Committee(members, _sealKeys(4), 3);
    }
}
