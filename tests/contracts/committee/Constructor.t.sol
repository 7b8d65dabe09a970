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
        this.make(4 * STAKE, members, _sealKeys(3), 3, STAKE, DELAY);
        bytes32[] memory keys = _sealKeys(4);
        keys[2] = 0;
        vm.expectRevert(abi.encodeWithSelector(ICommittee.CommitteeSealKeyMissing.selector, 2));
        this.make(4 * STAKE, members, keys, 3, STAKE, DELAY);
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
            vm.assertEq(_committee(_sortedKeys(n), least).quorum(), least);
            _committee(_sortedKeys(n), uint8(n));
        }
    }

    function test_constructor__parameters__are_kept_and_hashed() public {
        address[] memory members = _addresses(_sortedKeys(5));
        bytes32[] memory keys = _sealKeys(5);
        Committee five = new Committee{value: 5 * STAKE}(members, keys, 4, REFEREE, STAKE, DELAY);
        vm.assertEq(keccak256(abi.encode(five.members())), keccak256(abi.encode(members)));
        vm.assertEq(keccak256(abi.encode(five.sealKeys())), keccak256(abi.encode(keys)));
        vm.assertEq(five.digest(), keccak256(abi.encode(keccak256("crowdproof.committee"), members, keys, uint8(4))));
    }

    function test_constructor__first_stakes_uneven_or_too_small__reverts() public {
        _refuseValue(0);
        _refuseValue(4 * STAKE - 4);
        _refuseValue(4 * STAKE + 1);
    }

    function test_constructor__unit_or_delay_out_of_range__reverts() public {
        address[] memory members = _addresses(_sortedKeys(4));
        bytes32[] memory keys = _sealKeys(4);
        vm.expectRevert(ICommittee.CommitteeUnitMissing.selector);
        this.make(4 * STAKE, members, keys, 3, 0, DELAY);
        vm.expectRevert(abi.encodeWithSelector(ICommittee.CommitteeDelayOutOfRange.selector, 0));
        this.make(4 * STAKE, members, keys, 3, STAKE, 0);
        vm.expectRevert(abi.encodeWithSelector(ICommittee.CommitteeDelayOutOfRange.selector, 365 days + 1));
        this.make(4 * STAKE, members, keys, 3, STAKE, 365 days + 1);
        this.make(4 * STAKE, members, keys, 3, STAKE, 365 days);
    }

    function test_constructor__more_than_a_unit_each__is_divided_evenly() public {
        address[] memory members = _addresses(_sortedKeys(4));
        committee = new Committee{value: 12 * STAKE}(members, _sealKeys(4), 3, address(0), STAKE, DELAY);
        for (uint256 i = 0; i < 4; ++i) {
            vm.assertEq(committee.stakeOf(members[i]), 3 * STAKE);
            vm.assertEq(committee.releasesAt(members[i]), type(uint256).max);
        }
        vm.assertEq(address(committee).balance, 12 * STAKE);
        vm.assertEq(committee.referee(), address(0));
    }

    function test_constructor__parameters__are_kept_and_nothing_waits() public {
        committee = _committee(_sortedKeys(4), 3);
        vm.assertEq(committee.unit(), STAKE);
        vm.assertEq(committee.delay(), DELAY);
        vm.assertEq(committee.referee(), REFEREE);
        (uint32 number, bytes32 proposed, uint64 enactsAt) = committee.pendingChange();
        vm.assertEq(uint256(number) + uint256(proposed) + enactsAt, 0);
        vm.assertEq(uint256(committee.lastChange()) + committee.burnt() + committee.rewardOf(STRANGER), 0);
    }

    function test_eip712Domain__names_the_committee() public {
        committee = _committee(_sortedKeys(4), 3);
        (bytes1 fields, string memory name, string memory version, uint256 chainId, address verifier,,) =
            committee.eip712Domain();
        vm.assertEq(uint8(fields), 0x0f);
        vm.assertEq(name, "crowdproof");
        vm.assertEq(version, "0");
        vm.assertEq(chainId, block.chainid);
        vm.assertEq(verifier, address(committee));
    }

    /// @dev In a call of its own: a revert of `new` in the test itself would end the test there, and pass it.
    function make(
        uint256 value,
        address[] memory members,
        bytes32[] memory keys,
        uint8 quorum,
        uint256 unit,
        uint64 delay
    ) external returns (Committee) {
        vm.deal(address(this), address(this).balance + value);
        return new Committee{value: value}(members, keys, quorum, REFEREE, unit, delay);
    }

    function _refuseValue(uint256 value) private {
        address[] memory members = _addresses(_sortedKeys(4));
        bytes32[] memory keys = _sealKeys(4);
        vm.expectRevert(abi.encodeWithSelector(ICommittee.CommitteeFirstStakesMismatch.selector, value, 4, STAKE));
        this.make(value, members, keys, 3, STAKE, DELAY);
    }

    function _refuse(uint256 count, uint8 quorum, bytes memory problem) private {
        address[] memory members = _addresses(_sortedKeys(count));
        bytes32[] memory keys = _sealKeys(count);
        vm.expectRevert(problem);
        this.make(count * STAKE, members, keys, quorum, STAKE, DELAY);
    }

    function _refuseUnordered(address[] memory members, address previous, address member) private {
        bytes32[] memory keys = _sealKeys(4);
        vm.expectRevert(abi.encodeWithSelector(ICommittee.CommitteeMembersUnordered.selector, previous, member));
        this.make(4 * STAKE, members, keys, 3, STAKE, DELAY);
    }
}
