// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Counters} from "../../../contracts/libraries/Counters.sol";
import {Debits} from "../../../contracts/libraries/Debits.sol";
import {Escrow} from "../../../contracts/libraries/Escrow.sol";
import {Scoring} from "../../../contracts/libraries/Scoring.sol";
import {Trees} from "../../../contracts/libraries/Trees.sol";
import {Symbolic} from "./Symbolic.sol";

/// @dev Libraries take their bytes from call data.
contract Calls {
    function decide(bytes calldata prior, bytes calldata rows) external pure returns (uint256) {
        return Scoring.decide(prior, rows);
    }

    function beyond(bytes calldata row, uint256 cap) external pure returns (bool) {
        return Scoring.beyond(row, cap);
    }

    function againstItself(bytes calldata row, uint8 label) external pure returns (bool) {
        return Scoring.againstItself(row, label);
    }

    function read(bytes calldata debits) external pure returns (uint32, uint64, uint32) {
        return Debits.read(debits, 16);
    }

    function contains(bytes32 root, uint256 size, bytes32 leaf, uint256 index, bytes32[] calldata proof)
        external
        pure
        returns (bool)
    {
        return Trees.contains(root, size, leaf, index, proof);
    }
}

/// @title A correct verdict cannot be refuted as wrong: the decision is the lowest argmax of the sums, and there is one
/// @dev Bounds: every int32 there is, for 2 answers x 2 classes and 1 answer x 3 classes; ties of 3 and 4 classes.
contract ScoringProof is Symbolic {
    Calls internal calls;

    function setUp() public {
        calls = new Calls();
    }

    function check_decide__2_answers_2_classes__is_the_lowest_argmax(
        int32[2] memory b,
        int32[2] memory v,
        int32[2] memory w
    ) public view {
        bytes memory rows = abi.encodePacked(
            bytes4(uint32(v[0])), bytes4(uint32(v[1])), bytes4(uint32(w[0])), bytes4(uint32(w[1]))
        );
        bytes memory prior = abi.encodePacked(bytes4(uint32(b[0])), bytes4(uint32(b[1])));
        int256 zero = int256(b[0]) + v[0] + w[0];
        int256 one = int256(b[1]) + v[1] + w[1];
        assert(calls.decide(prior, rows) == (one > zero ? 1 : 0));
    }

    function check_decide__1_answer_3_classes__is_the_lowest_argmax(int32[3] memory b, int32[3] memory w) public view {
        bytes memory rows = abi.encodePacked(bytes4(uint32(w[0])), bytes4(uint32(w[1])), bytes4(uint32(w[2])));
        bytes memory prior = abi.encodePacked(bytes4(uint32(b[0])), bytes4(uint32(b[1])), bytes4(uint32(b[2])));
        int256 zero = int256(b[0]) + w[0];
        int256 one = int256(b[1]) + w[1];
        int256 two = int256(b[2]) + w[2];
        uint256 best = one > zero ? (two > one ? 2 : 1) : (two > zero ? 2 : 0);
        assert(calls.decide(prior, rows) == best);
    }

    function check_decide__a_tie__goes_to_the_lowest(int32 tied, int32 below) public view {
        vm.assume(below < tied);
        bytes4 one = bytes4(uint32(tied));
        assert(calls.decide(abi.encodePacked(one, one, one, one), "") == 0);
        assert(calls.decide(abi.encodePacked(bytes4(uint32(below)), one, one), "") == 1);
    }

    /// @dev Within the caps nothing leaves int32, whatever 65 numbers are summed: 65 x 2^20 < 2^31.
    function check_caps__65_numbers__fit_int32(int32 number, uint8 count) public view {
        vm.assume(count <= 65);
        vm.assume(!calls.beyond(abi.encodePacked(bytes4(uint32(number))), 16 * 2 ** 16));
        int256 sum = int256(number) * int256(uint256(count));
        assert(sum <= type(int32).max && sum >= type(int32).min);
    }

    function check_beyond__is_the_cap_on_both_sides(int32 one, int32 two, uint32 cap) public view {
        vm.assume(cap <= 16 * 2 ** 16);
        bool outside = one > int256(uint256(cap)) || one < -int256(uint256(cap)) || two > int256(uint256(cap))
            || two < -int256(uint256(cap));
        assert(calls.beyond(abi.encodePacked(bytes4(uint32(one)), bytes4(uint32(two))), cap) == outside);
    }

    function check_againstItself__is_another_class_above_its_own(int32 one, int32 two, bool second) public view {
        bytes memory row = abi.encodePacked(bytes4(uint32(one)), bytes4(uint32(two)));
        assert(calls.againstItself(row, second ? 1 : 0) == (second ? one > two : two > one));
    }
}

/// @title The arithmetic under the Market
contract ArithmeticProof is Symbolic {
    Calls internal calls;

    function setUp() public {
        calls = new Calls();
    }

    function check_counters__one_raised__others_stay(uint256 word, uint8 place, uint8 other, uint64 amount)
        public
        pure
    {
        vm.assume(place < 4 && other < 4 && place != other);
        uint64 before = Counters.read(word, place);
        vm.assume(amount <= type(uint64).max - before);
        uint256 raised = Counters.raised(word, place, amount);
        assert(Counters.read(raised, place) == before + amount);
        assert(Counters.read(raised, other) == Counters.read(word, other));
        assert(Counters.lowered(raised, place, amount) == word);
    }

    function check_debits__read_is_what_was_packed(uint32 job, uint64 pay, uint32 last, bytes16 before) public view {
        (uint32 job_, uint64 pay_, uint32 last_) = calls.read(abi.encodePacked(before, job, pay, last));
        assert(job_ == job && pay_ == pay && last_ == last);
    }

    /// @dev Bounds: no fee. (Solvers cannot divide; the other fees are fuzzed.)
    function check_withFee__without_a_fee__is_the_pay(uint64 pay) public pure {
        assert(Escrow.withFee(pay, 0) == pay);
    }

    function check_contains__wrong_length_or_outside__is_false(bytes32 root, bytes32 leaf, uint256 index, bytes32 step)
        public
        view
    {
        bytes32[] memory one = new bytes32[](1);
        one[0] = step;
        assert(!calls.contains(root, 1, leaf, index, one));
        assert(!calls.contains(root, 3, leaf, index, one));
        assert(index < 2 || !calls.contains(root, 2, leaf, index, one));
        assert(index == 0 || !calls.contains(root, 1, leaf, index, new bytes32[](0)));
    }

    /// @dev A leaf has one place only: what is proven at 0 with some proof is not proven at 1 with any that is different leaves.
    function check_contains__position__is_bound(bytes32 left, bytes32 right, bytes32 step) public view {
        vm.assume(left != right);
        bytes32[] memory one = new bytes32[](1);
        one[0] = step;
        bytes32 root = keccak256(abi.encodePacked(left, right));
        assert(!calls.contains(root, 2, left, 1, one));
        assert(calls.contains(root, 2, left, 0, one) == (step == right));
    }
}
