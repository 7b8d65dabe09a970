// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ICommittee} from "../../../contracts/interfaces/ICommittee.sol";
import {CommitteeFixture} from "./CommitteeFixture.sol";

contract MembershipTest is CommitteeFixture {
    bytes32 private constant DIGEST = keccak256("digest");

    function setUp() public {
        _deploy();
    }

    function test_membership__what_check_refuses_for_its_signers__reverts() public {
        vm.expectRevert(abi.encodeWithSelector(ICommittee.CommitteeQuorumMissing.selector, 0, 1));
        committee.membership(DIGEST, "");
        vm.expectRevert(abi.encodeWithSelector(ICommittee.CommitteeQuorumMissing.selector, 2, 3));
        committee.membership(DIGEST, _signatures(DIGEST, 2));
        bytes memory twice = bytes.concat(_signatures(DIGEST, 3), _signature(memberKeys[2], DIGEST));
        vm.expectRevert(abi.encodeWithSelector(ICommittee.CommitteeSignersUnordered.selector, _member(2), _member(2)));
        committee.membership(DIGEST, twice);
        memberKeys[3] = 99;
        memberKeys = _sorted(memberKeys);
        vm.expectRevert(abi.encodeWithSelector(ICommittee.CommitteeSignerUnknown.selector, vm.addr(99)));
        committee.membership(DIGEST, _signatures(DIGEST, 4));
    }

    function test_membership__nothing_at_stake__passes() public {
        _slash(_addresses(memberKeys), STRANGER);
        vm.assertEq(committee.membership(DIGEST, _signatures(DIGEST, 4)), 15);
        vm.assertEq(committee.membership(DIGEST, _signatures(DIGEST, 3)), 7);
    }
}
