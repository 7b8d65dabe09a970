// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {DemoToken} from "../../contracts/DemoToken.sol";
import {Fixture} from "./support/Fixture.sol";

contract DemoTokenTest is Fixture {
    function test_constructor__supply__goes_to_the_deployer() public {
        DemoToken demo = new DemoToken(1e15);
        vm.assertEq(demo.decimals(), 6);
        vm.assertEq(demo.totalSupply(), 1e15);
        vm.assertEq(demo.balanceOf(address(this)), 1e15);
    }

    function test_permit__signed__allows() public {
        DemoToken demo = new DemoToken(1);
        bytes32 message = keccak256(
            abi.encode(
                keccak256("Permit(address owner,address spender,uint256 value,uint256 nonce,uint256 deadline)"),
                _wallet(1),
                STRANGER,
                5,
                0,
                block.timestamp
            )
        );
        (uint8 v, bytes32 r, bytes32 s) =
            vm.sign(_walletKey(1), keccak256(abi.encodePacked("\x19\x01", demo.DOMAIN_SEPARATOR(), message)));
        demo.permit(_wallet(1), STRANGER, 5, block.timestamp, v, r, s);
        vm.assertEq(demo.allowance(_wallet(1), STRANGER), 5);
    }
}
