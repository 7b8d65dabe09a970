// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Committee} from "../../contracts/Committee.sol";
import {Deployment, Header, Terms} from "../../contracts/interfaces/IMarket.sol";
import {Leaves} from "../../contracts/libraries/Leaves.sol";
import {Messages} from "../../contracts/libraries/Messages.sol";
import {Trees} from "../../contracts/libraries/Trees.sol";
import {Debit, Fixture} from "./support/Fixture.sol";
import {TreeBuilder} from "./support/TreeBuilder.sol";
import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";
import {MessageHashUtils} from "@openzeppelin/contracts/utils/cryptography/MessageHashUtils.sol";

/// @title The contracts' encodings against tests/vectors/protocol.json, which Python writes
contract VectorsTest is Fixture {
    string private _json;

    function setUp() public {
        _deploy();
        _json = vm.readFile("tests/vectors/protocol.json");
        vm.chainId(_uint(".chainId"));
    }

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

    function termsHash(Terms calldata terms) external pure returns (bytes32) {
        return Leaves.terms(terms);
    }

    function headerHash(Header calldata header) external pure returns (bytes32) {
        return Messages.header(header);
    }

    function test_tags() public view {
        _tag("terms", Leaves.TERMS);
        _tag("balance", Leaves.BALANCE);
        _tag("weight", Leaves.WEIGHT);
        _tag("verdict", Leaves.VERDICT);
        _tag("assignment", Leaves.ASSIGNMENT);
        _tag("task", Leaves.TASK);
        _tag("receipt", Leaves.RECEIPT);
        _tag("list", Leaves.LIST);
        _tag("opening", Leaves.OPENING);
        _tag("commitment", Leaves.COMMITMENT);
        _tag("committee", Leaves.COMMITTEE);
        _tag("deployment", Leaves.DEPLOYMENT);
        _tag("configuration", Leaves.CONFIGURATION);
        _tag("head", Leaves.HEAD);
        _tag("struck", Leaves.STRUCK);
        vm.assertEq(vm.parseJsonKeys(_json, ".tags").length, 15);
    }

    function test_terms() public view {
        Terms memory terms = Terms({
            classes: uint8(_uint(".terms.classes")),
            tasks: uint32(_uint(".terms.tasks")),
            answers: uint8(_uint(".terms.answers")),
            base: uint64(_uint(".terms.base")),
            bonus: uint64(_uint(".terms.bonus")),
            feeBps: uint16(_uint(".terms.feeBps")),
            weightCap: uint32(_uint(".terms.weightCap")),
            priorCap: uint32(_uint(".terms.priorCap")),
            taskRoot: _word(".terms.taskRoot"),
            manifest: _word(".terms.manifest"),
            parent: uint32(_uint(".terms.parent")),
            free: vm.parseJsonBool(_json, ".terms.free")
        });
        vm.assertEq(this.termsHash(terms), _word(".terms.hash"));
        vm.assertEq(market.escrowOf(terms), _uint(".terms.escrow"));
    }

    function test_answers() public view {
        vm.assertEq(
            Leaves.commitment(
                _u32(".leaves.commitment.job"),
                _u32(".leaves.commitment.task"),
                _u32(".leaves.commitment.worker"),
                _word(".leaves.commitment.payloadHash"),
                _word(".leaves.commitment.salt")
            ),
            _word(".leaves.commitment.hash")
        );
        vm.assertEq(
            Leaves.opening(
                _word(".leaves.opening.commitment"),
                _word(".leaves.opening.sealHash"),
                _word(".leaves.opening.payloadHash"),
                _word(".leaves.opening.salt"),
                _word(".leaves.opening.reason"),
                _bytes(".leaves.opening.signature")
            ),
            _word(".leaves.opening.hash")
        );
        vm.assertEq(
            keccak256(_bytes(".leaves.openings")),
            keccak256(bytes.concat(_word(".leaves.opening.hash"), _word(".leaves.unopenedHash")))
        );
        vm.assertEq(Leaves.list(_bytes(".leaves.cores"), _bytes(".leaves.openings")), _word(".leaves.listHash"));
    }

    function test_leaves() public view {
        vm.assertEq(
            Leaves.balance(
                _u32(".leaves.balance.worker"),
                _address(".leaves.balance.wallet"),
                uint64(_uint(".leaves.balance.cumulative")),
                keccak256(_bytes(".leaves.balance.earnings"))
            ),
            _word(".leaves.balance.leaf")
        );
        vm.assertEq(
            Leaves.weight(
                _u32(".leaves.weight.job"),
                _u32(".leaves.weight.worker"),
                uint8(_uint(".leaves.weight.label")),
                _bytes(".leaves.weight.row")
            ),
            _word(".leaves.weight.leaf")
        );
        vm.assertEq(
            Leaves.verdict(
                _u32(".leaves.verdict.job"),
                _u32(".leaves.verdict.task"),
                uint8(_uint(".leaves.verdict.label")),
                _bytes(".leaves.verdict.prior"),
                uint64(_uint(".leaves.verdict.pay")),
                _word(".leaves.listHash")
            ),
            _word(".leaves.verdict.leaf")
        );
        vm.assertEq(
            Leaves.assignment(
                _u32(".leaves.assignment.job"),
                _u32(".leaves.assignment.task"),
                _u32(".leaves.assignment.worker"),
                uint64(_uint(".leaves.assignment.expiry")),
                _word(".leaves.assignment.terms")
            ),
            _word(".leaves.assignment.leaf")
        );
        vm.assertEq(Leaves.task(_u32(".leaves.task.task"), _word(".leaves.task.hash")), _word(".leaves.task.leaf"));
        vm.assertEq(Leaves.receipt(_word(".leaves.receipt.answer")), _word(".leaves.receipt.leaf"));
    }

    function test_trees() public view {
        uint8[11] memory sizes = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 17];
        for (uint256 i = 0; i < sizes.length; ++i) {
            string memory tree = string.concat(".trees[", vm.toString(i), "]");
            bytes32 root = _word(string.concat(tree, ".root"));
            bytes32[] memory leaves = _words(string.concat(tree, ".leaves"));
            vm.assertEq(_uint(string.concat(tree, ".size")), sizes[i]);
            vm.assertEq(leaves.length, sizes[i]);
            vm.assertEq(TreeBuilder.root(leaves), root);
            for (uint256 k = 0; k < sizes[i]; ++k) {
                bytes32[] memory proof = _words(string.concat(tree, ".proofs[", vm.toString(k), "]"));
                vm.assertTrue(this.contains(root, sizes[i], leaves[k], k, proof), tree);
                vm.assertEq(keccak256(abi.encode(proof)), keccak256(abi.encode(TreeBuilder.proof(leaves, k))));
            }
        }
    }

    function test_multiproofs() public view {
        uint256 count = _uint(".multiproofs.count");
        for (uint256 i = 0; i < count; ++i) {
            string memory one = string.concat(".multiproofs.cases[", vm.toString(i), "]");
            bytes32[] memory leaves =
                _words(string.concat(".trees[", vm.toString(_uint(string.concat(one, ".tree"))), "].leaves"));
            uint256[] memory indexes = vm.parseJsonUintArray(_json, string.concat(one, ".indexes"));
            bytes32[] memory known = new bytes32[](indexes.length);
            for (uint256 k = 0; k < indexes.length; ++k) {
                known[k] = leaves[indexes[k]];
            }
            bytes32[] memory proof = _words(string.concat(one, ".proof"));
            vm.assertEq(keccak256(abi.encode(proof)), keccak256(abi.encode(TreeBuilder.multiproof(leaves, indexes))));
            vm.assertTrue(this.containsMany(TreeBuilder.root(leaves), leaves.length, indexes, known, proof), one);
        }
    }

    function test_committee() public {
        address[] memory members = vm.parseJsonAddressArray(_json, ".committee.members");
        bytes32[] memory keys = _words(".committee.sealKeys");
        uint8 quorum = uint8(_uint(".committee.quorum"));
        vm.assertEq(Leaves.committee(members, keys, quorum), _word(".committee.digest"));
        committee = new Committee{value: members.length * STAKE}(members, keys, quorum, REFEREE, STAKE, DELAY);
        vm.assertEq(committee.digest(), _word(".committee.digest"));
        vm.assertEq(committee.check(_word(".heads.headerDigest"), _bytes(".heads.signatures")), _uint(".heads.signers"));
    }

    function test_heads() public view {
        bytes32 deployment = Leaves.deployment(
            Deployment({
                chainId: block.chainid,
                market: _address(".deployment.market"),
                workers: _address(".deployment.workers"),
                committee: _address(".committee.address"),
                referee: _address(".deployment.referee"),
                disputes: _address(".deployment.disputes"),
                hatch: _address(".deployment.hatch"),
                token: _address(".deployment.token"),
                unit: _uint(".deployment.unit"),
                window: uint64(_uint(".deployment.window"))
            })
        );
        vm.assertEq(deployment, _word(".deployment.digest"));
        vm.assertEq(Leaves.configuration(deployment, _word(".committee.digest")), _word(".deployment.configuration"));
        vm.assertEq(_word(".heads.first"), deployment);
        bytes32 posted = Leaves.head(deployment, _word(".heads.headerDigest"), _uint(".heads.signers"));
        vm.assertEq(posted, _word(".heads.posted"));
        vm.assertEq(Leaves.struck(posted), _word(".heads.struck"));
    }

    function test_debits() public view {
        uint256[] memory jobs = vm.parseJsonUintArray(_json, ".debits.jobs");
        uint256[] memory pays = vm.parseJsonUintArray(_json, ".debits.pays");
        uint256[] memory lasts = vm.parseJsonUintArray(_json, ".debits.lasts");
        Debit[] memory debits = new Debit[](jobs.length);
        for (uint256 i = 0; i < jobs.length; ++i) {
            debits[i] = Debit({job: uint32(jobs[i]), pay: uint64(pays[i]), last: uint32(lasts[i])});
        }
        vm.assertEq(keccak256(_packed(debits)), _word(".debits.hash"));
    }

    function test_messages() public view {
        string[7] memory kinds = ["Assignment", "Answer", "Receipt", "Register", "Claim", "Header", "Change"];
        bytes32[7] memory types = [
            Messages.ASSIGNMENT,
            Messages.ANSWER,
            Messages.RECEIPT,
            Messages.REGISTER,
            Messages.CLAIM,
            Messages.HEADER,
            Messages.CHANGE
        ];
        bytes32[7] memory structs = [
            _assignment(".messages[0].values"),
            _answer(".messages[1].values"),
            Messages.receipt(_word(".messages[2].values.root"), _u32(".messages[2].values.size")),
            _register(".messages[3].values"),
            _claimMessage(".messages[4].values"),
            this.headerHash(_headerOf(".messages[5].values")),
            Messages.change(
                _u32(".messages[6].values.number"),
                _word(".messages[6].values.committee"),
                uint64(_uint(".messages[6].values.validUntil"))
            )
        ];
        for (uint256 i = 0; i < 7; ++i) {
            string memory message = string.concat(".messages[", vm.toString(i), "]");
            vm.assertEq(vm.parseJsonString(_json, string.concat(message, ".kind")), kinds[i]);
            vm.assertEq(keccak256(bytes(vm.parseJsonString(_json, string.concat(message, ".type")))), types[i]);
            bytes32 domain = _domain(_address(string.concat(message, ".contract")));
            bytes32 digest = MessageHashUtils.toTypedDataHash(domain, structs[i]);
            vm.assertEq(digest, _word(string.concat(message, ".digest")), kinds[i]);
            vm.assertEq(
                ECDSA.recover(digest, _bytes(string.concat(message, ".signature"))),
                _address(string.concat(message, ".signer"))
            );
        }
    }

    // ------------------------------------------------------------------ messages

    function _assignment(string memory at_) private view returns (bytes32) {
        return Messages.assignment(
            _u32(string.concat(at_, ".job")),
            _word(string.concat(at_, ".terms")),
            _u32(string.concat(at_, ".task")),
            _u32(string.concat(at_, ".worker")),
            uint64(_uint(string.concat(at_, ".expiry")))
        );
    }

    function _answer(string memory at_) private view returns (bytes32) {
        return Messages.answer(
            _u32(string.concat(at_, ".job")),
            _word(string.concat(at_, ".terms")),
            _u32(string.concat(at_, ".task")),
            _u32(string.concat(at_, ".worker")),
            _word(string.concat(at_, ".commitment")),
            _word(string.concat(at_, ".sealHash"))
        );
    }

    function _register(string memory at_) private view returns (bytes32) {
        return Messages.register(
            _address(string.concat(at_, ".wallet")),
            _address(string.concat(at_, ".key")),
            uint16(_uint(string.concat(at_, ".number"))),
            uint64(_uint(string.concat(at_, ".validUntil")))
        );
    }

    function _claimMessage(string memory at_) private view returns (bytes32) {
        return Messages.claim(
            _u32(string.concat(at_, ".worker")),
            uint64(_uint(string.concat(at_, ".cumulative"))),
            uint64(_uint(string.concat(at_, ".validUntil")))
        );
    }

    function _headerOf(string memory at_) private view returns (Header memory) {
        return Header({
            epoch: _u32(string.concat(at_, ".epoch")),
            previous: _word(string.concat(at_, ".previous")),
            validUntil: uint64(_uint(string.concat(at_, ".validUntil"))),
            configuration: _word(string.concat(at_, ".configuration")),
            balances: _word(string.concat(at_, ".balances")),
            balancesSize: _u32(string.concat(at_, ".balancesSize")),
            weights: _word(string.concat(at_, ".weights")),
            weightsSize: _u32(string.concat(at_, ".weightsSize")),
            verdicts: _word(string.concat(at_, ".verdicts")),
            verdictsSize: _u32(string.concat(at_, ".verdictsSize")),
            assignments: _word(string.concat(at_, ".assignments")),
            assignmentsSize: _u32(string.concat(at_, ".assignmentsSize")),
            debits: _word(string.concat(at_, ".debits")),
            total: uint64(_uint(string.concat(at_, ".total"))),
            content: _word(string.concat(at_, ".content")),
            model: _word(string.concat(at_, ".model"))
        });
    }

    // ------------------------------------------------------------------ reading

    function _tag(string memory name, bytes32 tag) private view {
        vm.assertEq(_word(string.concat(".tags.", name)), tag, name);
    }

    function _uint(string memory key) private view returns (uint256) {
        return vm.parseJsonUint(_json, key);
    }

    function _u32(string memory key) private view returns (uint32) {
        return uint32(_uint(key));
    }

    function _word(string memory key) private view returns (bytes32) {
        return vm.parseJsonBytes32(_json, key);
    }

    function _words(string memory key) private view returns (bytes32[] memory) {
        return vm.parseJsonBytes32Array(_json, key);
    }

    function _bytes(string memory key) private view returns (bytes memory) {
        return vm.parseJsonBytes(_json, key);
    }

    function _address(string memory key) private view returns (address) {
        return vm.parseJsonAddress(_json, key);
    }
}
