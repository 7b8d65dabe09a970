// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Committee} from "../../../contracts/Committee.sol";
import {ICommittee} from "../../../contracts/interfaces/ICommittee.sol";
import {Fixture} from "../support/Fixture.sol";

contract CheckTest is Fixture {
    bytes32 private constant DIGEST = keccak256("digest");
    uint256 private constant CURVE = 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141;

    function setUp() public {
        _deploy();
    }

    function test_check__length_not_of_whole_signatures__reverts() public {
        bytes memory signatures = bytes.concat(_signatures(DIGEST, 3), hex"00");
        vm.expectRevert(abi.encodeWithSelector(ICommittee.CommitteeSignaturesMisaligned.selector, 196));
        committee.check(DIGEST, signatures);
        vm.expectRevert(abi.encodeWithSelector(ICommittee.CommitteeQuorumMissing.selector, 0, 1));
        committee.check(DIGEST, "");
    }

    function test_check__one_below_the_quorum__reverts() public {
        vm.expectRevert(abi.encodeWithSelector(ICommittee.CommitteeQuorumMissing.selector, 2, 3));
        committee.check(DIGEST, _signatures(DIGEST, 2));
    }

    function test_check__the_same_member_twice__reverts() public {
        bytes memory last = _signature(memberKeys[1], DIGEST);
        address signer = vm.addr(memberKeys[1]);
        vm.expectRevert(abi.encodeWithSelector(ICommittee.CommitteeSignersUnordered.selector, signer, signer));
        committee.check(DIGEST, bytes.concat(_signatures(DIGEST, 2), last));
    }

    function test_check__descending__reverts() public {
        bytes memory signatures = bytes.concat(
            _signature(memberKeys[0], DIGEST), _signature(memberKeys[2], DIGEST), _signature(memberKeys[1], DIGEST)
        );
        vm.expectRevert(
            abi.encodeWithSelector(
                ICommittee.CommitteeSignersUnordered.selector, vm.addr(memberKeys[2]), vm.addr(memberKeys[1])
            )
        );
        committee.check(DIGEST, signatures);
    }

    function test_check__a_stranger_among_them__reverts() public {
        uint256 key = 50;
        while (vm.addr(key) < vm.addr(memberKeys[1])) ++key;
        bytes memory signatures = bytes.concat(_signatures(DIGEST, 2), _signature(key, DIGEST));
        vm.expectRevert(abi.encodeWithSelector(ICommittee.CommitteeSignerUnknown.selector, vm.addr(key)));
        committee.check(DIGEST, signatures);
    }

    function test_check__another_digest__reverts() public {
        bytes memory signatures = _signatures(DIGEST, 3);
        vm.expectRevert();
        committee.check(keccak256("other"), signatures);
    }

    function test_check__high_s_or_other_v__reverts() public {
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(memberKeys[2], DIGEST);
        bytes memory two = _signatures(DIGEST, 2);
        bytes memory problem = abi.encodeWithSelector(ICommittee.CommitteeSignatureInvalid.selector, 2);

        vm.expectRevert(problem);
        committee.check(DIGEST, bytes.concat(two, abi.encodePacked(r, CURVE - uint256(s), v == 27 ? 28 : 27)));
        vm.expectRevert(problem);
        committee.check(DIGEST, bytes.concat(two, abi.encodePacked(r, s, v - 27)));
        vm.expectRevert(problem);
        committee.check(DIGEST, bytes.concat(two, new bytes(65)));
    }

    function test_check__compact_signatures__reverts() public {
        bytes memory signatures;
        for (uint256 i = 0; i < 3; ++i) {
            (uint8 v, bytes32 r, bytes32 s) = vm.sign(memberKeys[i], DIGEST);
            signatures = bytes.concat(signatures, r, bytes32(uint256(s) | uint256(v - 27) << 255));
        }
        vm.expectRevert(abi.encodeWithSelector(ICommittee.CommitteeSignaturesMisaligned.selector, 192));
        committee.check(DIGEST, signatures);
    }

    function test_check__every_subset__passes_from_the_quorum_on_with_its_bitmap() public {
        for (uint256 subset = 0; subset < 16; ++subset) {
            (bytes memory signatures, uint256 count) = _subset(subset);
            if (count < 3) {
                uint256 required = count == 0 ? 1 : 3;
                vm.expectRevert(abi.encodeWithSelector(ICommittee.CommitteeQuorumMissing.selector, count, required));
                committee.check(DIGEST, signatures);
            } else {
                vm.assertEq(committee.check(DIGEST, signatures), subset);
            }
        }
    }

    function test_check__thirty_one_members__passes() public {
        memberKeys = _sortedKeys(31);
        committee = _committee(memberKeys, 21);
        vm.assertEq(committee.check(DIGEST, _signatures(DIGEST, 31)), 2 ** 31 - 1);
        vm.assertEq(committee.check(DIGEST, _signatures(DIGEST, 21)), 2 ** 21 - 1);
        vm.expectRevert(abi.encodeWithSelector(ICommittee.CommitteeQuorumMissing.selector, 20, 21));
        committee.check(DIGEST, _signatures(DIGEST, 20));
    }

    /// @dev Whatever is signed by whom: it passes only with a quorum of distinct members in order.
    function testFuzz_check__any_signers__passes_only_a_quorum_in_order(uint8[] memory picks) public {
        bytes memory signatures;
        uint256 bitmap;
        bool good = picks.length >= 3;
        for (uint256 i = 0; i < picks.length; ++i) {
            uint256 pick = picks[i] % 5;
            signatures = bytes.concat(signatures, _signature(pick == 4 ? 99 : memberKeys[pick], DIGEST));
            good = good && pick != 4 && (i == 0 || pick > picks[i - 1] % 5);
            bitmap |= 2 ** pick;
        }
        if (!good) vm.expectRevert();
        uint256 signers = committee.check(DIGEST, signatures);
        if (good) vm.assertEq(signers, bitmap);
    }

    function _subset(uint256 subset) private view returns (bytes memory signatures, uint256 count) {
        for (uint256 i = 0; i < 4; ++i) {
            if (subset >> i & 1 == 0) continue;
            signatures = bytes.concat(signatures, _signature(memberKeys[i], DIGEST));
            ++count;
        }
    }
}
