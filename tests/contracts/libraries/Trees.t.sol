// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Trees} from "../../../contracts/libraries/Trees.sol";
import {Fixture} from "../support/Fixture.sol";
import {TreeBuilder} from "../support/TreeBuilder.sol";

contract TreesTest is Fixture {
    function contains(bytes32 root, uint256 size, bytes32 leaf, uint256 index, bytes32[] calldata proof)
        external
        pure
        returns (bool)
    {
        return Trees.contains(root, size, leaf, index, proof);
    }

    function test_contains__empty_tree__holds_nothing() public view {
        vm.assertTrue(!this.contains(0, 0, 0, 0, new bytes32[](0)), "empty");
    }

    function test_contains__every_size_and_index__only_its_own_leaf_at_its_own_place() public view {
        for (uint256 size = 1; size <= 17; ++size) {
            bytes32[] memory leaves = _some(size);
            bytes32 root = TreeBuilder.root(leaves);
            for (uint256 index = 0; index < size; ++index) {
                bytes32[] memory proof = TreeBuilder.proof(leaves, index);
                vm.assertEq(proof.length, _depth(size));
                for (uint256 place = 0; place < 2 * size + 2; ++place) {
                    bool held = this.contains(root, size, leaves[index], place, proof);
                    vm.assertTrue(held == (place == index), "place");
                }
            }
        }
    }

    function test_contains__padding__is_not_a_leaf() public view {
        bytes32[] memory leaves = _some(3);
        bytes32[] memory four = new bytes32[](4);
        (four[0], four[1], four[2]) = (leaves[0], leaves[1], leaves[2]);
        bytes32 root = TreeBuilder.root(leaves);
        vm.assertTrue(!this.contains(root, 3, 0, 3, TreeBuilder.proof(four, 3)), "beyond the size");
    }

    function testFuzz_contains__anything_changed__is_refused(uint8 size, uint8 index, uint8 step, bytes32 change)
        public
        view
    {
        vm.assume(change != 0 && size > 1);
        bytes32[] memory leaves = _some(size);
        bytes32 root = TreeBuilder.root(leaves);
        uint256 at_ = index % size;
        bytes32[] memory proof = TreeBuilder.proof(leaves, at_);
        vm.assertTrue(this.contains(root, size, leaves[at_], at_, proof), "good");
        vm.assertTrue(!this.contains(root, size, leaves[at_] ^ change, at_, proof), "leaf");
        vm.assertTrue(!this.contains(root ^ change, size, leaves[at_], at_, proof), "root");
        proof[step % proof.length] ^= change;
        vm.assertTrue(!this.contains(root, size, leaves[at_], at_, proof), "proof");
    }

    function testFuzz_contains__proof_of_another_length__is_refused(bytes32[] memory proof, uint24 size) public view {
        vm.assume(size != 0 && proof.length != _depth(size));
        bytes32 node = proof.length == 0 ? bytes32("leaf") : proof[0];
        bytes32 root = node;
        for (uint256 i = 0; i < proof.length; ++i) {
            root = keccak256(bytes.concat(root, proof[i]));
        }
        vm.assertTrue(!this.contains(root, size, node, 0, proof), "length");
    }

    /// @dev ceil(log2 size), counted out.
    function _depth(uint256 size) private pure returns (uint256 depth) {
        while (2 ** depth < size) ++depth;
    }

    function _some(uint256 size) private pure returns (bytes32[] memory leaves) {
        leaves = new bytes32[](size);
        for (uint256 i = 0; i < size; ++i) {
            leaves[i] = keccak256(abi.encode(i));
        }
    }
}
