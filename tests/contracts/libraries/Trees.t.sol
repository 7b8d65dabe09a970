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

    function containsMany(
        bytes32 root,
        uint256 size,
        uint256[] memory indexes,
        bytes32[] memory leaves,
        bytes32[] calldata proof
    ) external pure returns (bool) {
        return Trees.containsMany(root, size, indexes, leaves, proof);
    }

    function test_containsMany__empty_tree_or_no_indexes__is_refused() public view {
        vm.assertTrue(!this.containsMany(0, 0, new uint256[](0), new bytes32[](0), new bytes32[](0)), "empty");
        vm.assertTrue(!this.containsMany(0, 0, new uint256[](1), new bytes32[](1), new bytes32[](0)), "beyond");
        bytes32[] memory root = new bytes32[](1);
        vm.assertTrue(!this.containsMany(0, 2, new uint256[](0), new bytes32[](0), root), "none");
        vm.assertTrue(!this.containsMany(0, 2, new uint256[](2), root, root), "lengths");
    }

    function test_containsMany__every_choice_in_every_small_tree__is_proven() public view {
        for (uint256 size = 1; size <= 9; ++size) {
            bytes32[] memory leaves = _some(size);
            bytes32 root = TreeBuilder.root(leaves);
            for (uint256 choice = 1; choice < 2 ** size; ++choice) {
                uint256[] memory indexes = _chosen(choice, size);
                bytes32[] memory proof = TreeBuilder.multiproof(leaves, indexes);
                bytes32[] memory known = _at(leaves, indexes);
                vm.assertTrue(this.containsMany(root, size, indexes, known, proof), "proven");
            }
        }
    }

    /// @dev One index: what `contains` takes.
    function testFuzz_containsMany__one_index__is_contains(uint8 size, uint8 index, bytes32 change) public view {
        vm.assume(size != 0);
        bytes32[] memory leaves = _some(size);
        uint256[] memory indexes = new uint256[](1);
        indexes[0] = index % size;
        bytes32[] memory proof = TreeBuilder.proof(leaves, index % size);
        bytes32[] memory known = _at(leaves, indexes);
        known[0] ^= change;
        bool held = this.containsMany(TreeBuilder.root(leaves), size, indexes, known, proof);
        vm.assertTrue(held == (change == 0), "held");
        vm.assertTrue(held == this.contains(TreeBuilder.root(leaves), size, known[0], index % size, proof), "same");
    }

    function testFuzz_containsMany__anything_changed__is_refused(uint256 choice, uint8 size, uint8 pick, bytes32 change)
        public
        view
    {
        vm.assume(change != 0 && size > 1 && choice << (256 - uint256(size)) != 0);
        bytes32[] memory leaves = _some(size);
        bytes32 root = TreeBuilder.root(leaves);
        uint256[] memory indexes = _chosen(choice, size);
        bytes32[] memory proof = TreeBuilder.multiproof(leaves, indexes);
        bytes32[] memory known = _at(leaves, indexes);
        vm.assertTrue(this.containsMany(root, size, indexes, known, proof), "good");
        vm.assertTrue(!this.containsMany(root ^ change, size, indexes, known, proof), "root");
        vm.assertTrue(!this.containsMany(root, size, indexes, known, _longer(proof)), "longer");
        if (proof.length != 0) {
            vm.assertTrue(!this.containsMany(root, size, indexes, known, _shorter(proof)), "shorter");
            proof[pick % proof.length] ^= change;
            vm.assertTrue(!this.containsMany(root, size, indexes, known, proof), "proof");
            proof[pick % proof.length] ^= change;
        }
        known[pick % known.length] ^= change;
        vm.assertTrue(!this.containsMany(root, size, indexes, known, proof), "leaf");
        known[pick % known.length] ^= change;
        indexes[pick % indexes.length] = uint256(change) % (2 * uint256(size));
        bool same = keccak256(abi.encode(_chosen(choice, size))) == keccak256(abi.encode(indexes));
        vm.assertTrue(same || !this.containsMany(root, size, indexes, known, proof), "index");
    }

    function testFuzz_containsMany__twice_or_out_of_order__is_refused(uint8 size, uint8 pick) public view {
        vm.assume(size > 1);
        bytes32[] memory leaves = _some(size);
        bytes32 root = TreeBuilder.root(leaves);
        uint256[] memory two = new uint256[](2);
        two[0] = pick % (size - 1);
        two[1] = two[0] + 1;
        bytes32[] memory proof = TreeBuilder.multiproof(leaves, two);
        vm.assertTrue(this.containsMany(root, size, two, _at(leaves, two), proof), "good");
        (two[0], two[1]) = (two[1], two[0]);
        vm.assertTrue(!this.containsMany(root, size, two, _at(leaves, two), proof), "order");
        two[0] = two[1];
        vm.assertTrue(!this.containsMany(root, size, two, _at(leaves, two), proof), "twice");
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

    function _chosen(uint256 choice, uint256 size) private pure returns (uint256[] memory indexes) {
        uint256 count;
        for (uint256 i = 0; i < size; ++i) {
            count += choice >> i & 1;
        }
        indexes = new uint256[](count);
        for (uint256 i = size; i > 0; --i) {
            if (choice >> (i - 1) & 1 == 1) indexes[--count] = i - 1;
        }
    }

    function _at(bytes32[] memory leaves, uint256[] memory indexes) private pure returns (bytes32[] memory known) {
        known = new bytes32[](indexes.length);
        for (uint256 i = 0; i < indexes.length; ++i) {
            known[i] = indexes[i] < leaves.length ? leaves[indexes[i]] : bytes32(0);
        }
    }

    function _longer(bytes32[] memory proof) private pure returns (bytes32[] memory longer) {
        longer = new bytes32[](proof.length + 1);
        for (uint256 i = 0; i < proof.length; ++i) {
            longer[i] = proof[i];
        }
    }

    function _shorter(bytes32[] memory proof) private pure returns (bytes32[] memory shorter) {
        shorter = new bytes32[](proof.length - 1);
        for (uint256 i = 0; i < shorter.length; ++i) {
            shorter[i] = proof[i];
        }
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
