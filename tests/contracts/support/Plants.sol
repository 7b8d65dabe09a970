// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {
    AssignmentLeaf,
    Evidence,
    Fault,
    IReferee,
    Posted,
    WeightLeaf
} from "../../../contracts/interfaces/IReferee.sol";
import {Epoch, Epochs} from "./Epochs.sol";
import {Debit} from "./Fixture.sol";

/// @dev A fault, and where it is: the leaf (or the debit) and the position in its list.
/// @param beside A second leaf that its proof needs: the verdict of an earning, of a debit, before a verdict.
struct Plant {
    string what;
    Fault fault;
    uint256 leaf;
    uint256 position;
    uint256 beside;
}

/// @title Every way to break the first epoch that one proof about it alone shows
/// @dev What needs an epoch before it (pointers, tasks decided twice, the claim root) is planted where it is tested.
abstract contract Plants is Epochs {
    uint256 internal constant VERDICT_PLANTS = 50;
    uint256 internal constant PAY_PLANTS = 25;

    /// @dev Breaks the epoch in the n-th way; the first VERDICT_PLANTS are for `verdict`, the others for `pay`.
    function _plant(Epoch memory e, uint256 n) internal view returns (Plant memory) {
        if (n < 14) return _plantScore(e, n);
        if (n < 24) return _plantAnswer(e, n - 14);
        if (n < 34) return _plantTree(e, n - 24);
        if (n < VERDICT_PLANTS) return _plantList(e, n - 34);
        if (n < VERDICT_PLANTS + 7) return _plantDebit(e, n - VERDICT_PLANTS);
        return _plantBalance(e, n - VERDICT_PLANTS - 7);
    }

    /// @dev Posts a broken epoch, and gives the call that strikes it.
    function _accuse(Epoch memory e, Plant memory p) internal returns (Posted memory posted, bytes memory call) {
        posted = _posted(e);
        call = _call(posted, e, p);
    }

    function _call(Posted memory posted, Epoch memory e, Plant memory p) internal pure returns (bytes memory) {
        Evidence memory shown = _evidence(e, p);
        return p.fault < Fault.RunningPay
            ? abi.encodeCall(IReferee.verdict, (posted, p.fault, shown))
            : abi.encodeCall(IReferee.pay, (posted, p.fault, shown));
    }

    /// @dev Shows the evidence of each broken epoch about the correct one: with the broken one's proofs, and with the right ones.
    function _accuseWrongly(uint256 first, uint256 end) internal {
        Epoch memory right = _first();
        Posted memory posted = _posted(right);
        for (uint256 n = first; n < end; ++n) {
            Epoch memory broken = _first();
            Plant memory plant = _plant(broken, n);
            _sealed(broken);
            _fail(_call(posted, broken, plant), plant.what);
            _takeProofs(broken, right);
            _fail(_call(posted, broken, plant), plant.what);
        }
        _assertStands();
    }

    function _fail(bytes memory call, string memory what) private {
        (bool done,) = address(referee).call(call);
        vm.assertTrue(!done, what);
    }

    function _takeProofs(Epoch memory broken, Epoch memory right) private pure {
        for (uint256 i = 0; i < broken.verdicts.length && i < right.verdicts.length; ++i) {
            broken.verdicts[i].proof = right.verdicts[i].proof;
        }
        for (uint256 i = 0; i < broken.weights.length && i < right.weights.length; ++i) {
            broken.weights[i].proof = right.weights[i].proof;
        }
        for (uint256 i = 0; i < broken.assignments.length && i < right.assignments.length; ++i) {
            broken.assignments[i].proof = right.assignments[i].proof;
        }
        for (uint256 i = 0; i < broken.balances.length && i < right.balances.length; ++i) {
            broken.balances[i].proof = right.balances[i].proof;
        }
    }

    // ------------------------------------------------------------------ R1

    function _plantScore(Epoch memory e, uint256 n) private pure returns (Plant memory) {
        if (n == 0) {
            e.verdicts[0].label = 0;
            return Plant("wrong label", Fault.WrongLabel, 0, 0, 0);
        }
        if (n == 1) {
            // Without counted answers the prior alone decides, and a tie goes to the lowest class.
            e.verdicts[1].cores = _cut(e.verdicts[1].cores, 20, 60);
            (e.verdicts[1].prior, e.verdicts[1].label) = (new bytes(8), 1);
            return Plant("wrong label of a tie", Fault.WrongLabel, 1, 0, 0);
        }
        if (n == 2) {
            // Beyond every cap the sums do not wrap: 3 x (2^31 - 1) is more than 0.
            for (uint256 i = 0; i < e.weights.length; ++i) {
                if (e.weights[i].job == WEIGHTED) e.weights[i].row = abi.encodePacked(type(int32).max, int32(0));
            }
            return Plant("wrong label over overflowing rows", Fault.WrongLabel, 0, 0, 0);
        }
        if (n == 3) {
            e.verdicts[0].label = 2;
            return Plant("label beyond", Fault.LabelBeyond, 0, 0, 0);
        }
        if (n == 4) {
            e.verdicts[0].prior = new bytes(12);
            return Plant("prior length", Fault.PriorLength, 0, 0, 0);
        }
        if (n == 5) {
            e.verdicts[2].prior = abi.encodePacked(int32(0), int32(1), int32(0));
            return Plant("prior where the vote is fixed", Fault.PriorBeyondCap, 2, 0, 0);
        }
        return _plantRow(e, n - 6);
    }

    function _plantRow(Epoch memory e, uint256 n) private pure returns (Plant memory) {
        WeightLeaf memory row = e.weights[0];
        if (n == 0) {
            row.job = 0;
            return Plant("row of job 0", Fault.RowOfNoJob, 0, 0, 0);
        }
        if (n == 1) {
            row.job = 3;
            return Plant("row of no job", Fault.RowOfNoJob, 0, 0, 0);
        }
        if (n == 2) {
            row.label = 2;
            return Plant("row label", Fault.RowLabel, 0, 0, 0);
        }
        if (n == 3) {
            row.row = new bytes(7);
            return Plant("row length", Fault.RowLength, 0, 0, 0);
        }
        if (n == 4) {
            row.row = abi.encodePacked(int32(0), int32(-6 * 65_536 - 1));
            return Plant("row beyond its cap", Fault.RowBeyondCap, 0, 0, 0);
        }
        if (n == 5) {
            row.row = abi.encodePacked(int32(1), int32(2));
            return Plant("row against itself", Fault.RowAgainstItself, 0, 0, 0);
        }
        if (n == 6) {
            uint256 last = e.weights.length - 1;
            e.weights[last].row = abi.encodePacked(int32(0), int32(65_536), int32(-1));
            return Plant("row that is no vote", Fault.RowNotVote, last, 0, 0);
        }
        e.verdicts[0].prior = abi.encodePacked(int32(65_537), int32(0));
        return Plant("prior beyond its cap", Fault.PriorBeyondCap, 0, 0, 0);
    }

    // ------------------------------------------------------------------ R2

    function _plantAnswer(Epoch memory e, uint256 n) private view returns (Plant memory) {
        if (n == 0) {
            _sign(e, 0, 0, _walletKey(2));
            return Plant("signature of another key", Fault.SignatureForged, 0, 0, 0);
        }
        if (n == 1) {
            e.openings[0][1].signature = _cut(e.openings[0][1].signature, 0, 64);
            return Plant("signature malformed", Fault.SignatureForged, 0, 1, 0);
        }
        if (n == 2) {
            e.openings[0][1].signature = _withHighS(e.openings[0][1].signature);
            return Plant("signature with a high s", Fault.SignatureForged, 0, 1, 0);
        }
        if (n == 3) {
            // A signature counts for the key that the core names.
            _set(e.verdicts[0].cores, 4, hex"0001");
            return Plant("signature of the worker's other key", Fault.SignatureForged, 0, 0, 0);
        }
        if (n == 4) {
            e.openings[0][0].salt = keccak256("other");
            return Plant("commitment of another salt", Fault.CommitmentMismatch, 0, 0, 0);
        }
        if (n == 5) {
            e.openings[1][2].salt = 0;
            return Plant("commitment without salt", Fault.CommitmentMismatch, 1, 2, 0);
        }
        if (n == 6) {
            e.openings[0][0].payloadHash = keccak256(hex"00");
            return Plant("payload of another label", Fault.PayloadMismatch, 0, 0, 0);
        }
        if (n == 7) {
            e.openings[1][1].salt = keccak256("salt");
            return Plant("unopened with a salt", Fault.UnopenedWithOpening, 1, 1, 0);
        }
        if (n == 8) {
            e.openings[1][1].payloadHash = keccak256("payload");
            return Plant("unopened with a payload", Fault.UnopenedWithOpening, 1, 1, 0);
        }
        e.openings[1][2].reason = 0;
        return Plant("rejected without a reason", Fault.ReasonMismatch, 1, 2, 0);
    }

    // ------------------------------------------------------------------ R4

    function _plantTree(Epoch memory e, uint256 n) private pure returns (Plant memory) {
        if (n == 0) {
            e.openings[1][0].reason = keccak256("reason");
            return Plant("counted with a reason", Fault.ReasonMismatch, 1, 0, 0);
        }
        if (n == 1) {
            (e.weights[1], e.weights[2]) = (e.weights[2], e.weights[1]);
            _number(e);
            return Plant("weights unordered", Fault.WeightsUnordered, 1, 0, 0);
        }
        if (n == 2) {
            (e.weights[1].worker, e.weights[1].label) = (e.weights[2].worker, e.weights[2].label);
            return Plant("weights twice", Fault.WeightsUnordered, 1, 0, 0);
        }
        if (n == 3) {
            e.verdicts[1].task = 0;
            return Plant("verdicts unordered", Fault.VerdictsUnordered, 0, 0, 0);
        }
        if (n == 4) {
            e.assignments[5].worker = 1;
            return Plant("assignments unordered", Fault.AssignmentsUnordered, 4, 0, 0);
        }
        if (n == 5) {
            e.assignments[0].job = 3;
            return Plant("assignment of no job", Fault.AssignmentOfNoJob, 0, 0, 0);
        }
        if (n == 6) {
            e.assignments[0].terms = _hashOf(VOTED);
            return Plant("assignment terms", Fault.AssignmentTerms, 0, 0, 0);
        }
        if (n == 7) {
            e.assignments[0].task = 10;
            return Plant("assignment task", Fault.AssignmentTask, 0, 0, 0);
        }
        e.assignments[0].worker = n == 8 ? 0 : uint32(WORKERS);
        return Plant(n == 8 ? "assignment of the treasury" : "of nobody", Fault.AssignmentWorker, 0, 0, 0);
    }

    function _plantList(Epoch memory e, uint256 n) private view returns (Plant memory) {
        bytes memory cores = e.verdicts[0].cores;
        if (n == 0) {
            e.verdicts[2].job = 3;
            return Plant("verdict of no job", Fault.VerdictOfNoJob, 2, 0, 0);
        }
        if (n == 1) {
            e.verdicts[2].task = 10;
            return Plant("verdict task", Fault.VerdictTask, 2, 0, 0);
        }
        if (n == 2) {
            e.verdicts[0].cores = _cut(cores, 0, 59);
            return Plant("cores misshapen", Fault.ListMisshapen, 0, 0, 0);
        }
        if (n == 3) {
            e.verdicts[0].openings = new bytes(64);
            return Plant("openings misshapen", Fault.ListMisshapen, 0, 0, 0);
        }
        if (n == 4) {
            e.verdicts[0].cores = "";
            return Plant("list empty", Fault.ListEmpty, 0, 0, 0);
        }
        if (n == 5) {
            e.verdicts[0].cores = bytes.concat(cores, new bytes(20));
            return Plant("list too long", Fault.ListTooLong, 0, 0, 0);
        }
        if (n == 6) {
            _set(e.verdicts[1].cores, 26, hex"00");
            return Plant("uncounted with a label", Fault.UncountedWithLabel, 1, 1, 0);
        }
        if (n == 7) {
            _set(e.verdicts[1].cores, 28, hex"00000000");
            return Plant("uncounted with a row", Fault.UncountedWithLabel, 1, 1, 0);
        }
        return _plantCore(e, cores, n - 8);
    }

    /// @dev One field of one of the 20-byte cores of the first verdict.
    function _plantCore(Epoch memory e, bytes memory cores, uint256 n) private view returns (Plant memory) {
        if (n == 0) {
            _set(cores, 23, hex"01");
            return Plant("list unordered", Fault.ListUnordered, 0, 0, 0);
        }
        if (n == 1) {
            _set(cores, 47, hex"03");
            return Plant("status unknown", Fault.StatusUnknown, 0, 2, 0);
        }
        if (n == 2) {
            _set(cores, 3, hex"00");
            return Plant("the treasury answers", Fault.WorkerUnknown, 0, 0, 0);
        }
        if (n == 3) {
            _set(cores, 43, hex"06");
            return Plant("worker unknown", Fault.WorkerUnknown, 0, 2, 0);
        }
        if (n == 4) {
            _set(cores, 4, hex"0002");
            return Plant("key unknown", Fault.KeyUnknown, 0, 0, 0);
        }
        if (n == 5) {
            _set(cores, 15, hex"00");
            return Plant("pointer to epoch 0", Fault.PointerEpoch, 0, 0, 0);
        }
        if (n == 6) {
            _set(cores, 12, abi.encodePacked(market.lastEpoch() + 2));
            return Plant("pointer to an epoch to come", Fault.PointerEpoch, 0, 0, 0);
        }
        _set(cores, 11, abi.encodePacked(uint8(e.weights.length)));
        return Plant("row pointer beyond", Fault.RowPointerBeyond, 0, 0, 0);
    }

    // ------------------------------------------------------------------ R3

    function _plantDebit(Epoch memory e, uint256 n) private pure returns (Plant memory) {
        if (n == 0) {
            e.verdicts[0].pay += 1;
            return Plant("pay of the first verdict", Fault.RunningPay, 0, 0, 0);
        }
        if (n == 1) {
            e.verdicts[1].pay -= 1;
            return Plant("pay of a later verdict", Fault.RunningPay, 1, 0, 0);
        }
        if (n == 2) {
            // Each job starts anew.
            e.verdicts[2].pay += e.verdicts[1].pay;
            return Plant("pay that goes on in another job", Fault.RunningPay, 2, 0, 1);
        }
        if (n == 3) {
            e.debits[1].last = 3;
            return Plant("debit beyond", Fault.DebitBeyond, 0, 1, 0);
        }
        if (n == 4) {
            e.debits[0].pay += 1;
            return Plant("debit of another pay", Fault.DebitMismatch, 0, 0, 1);
        }
        if (n == 5) {
            e.debits[1].last = 1;
            return Plant("debit of another job", Fault.DebitMismatch, 0, 1, 1);
        }
        (e.debits[0].last, e.debits[0].pay) = (0, e.verdicts[0].pay);
        return Plant("debit not the last", Fault.DebitNotLast, 0, 0, 1);
    }

    function _plantBalance(Epoch memory e, uint256 n) private pure returns (Plant memory) {
        bytes memory earned = e.balances[1].earnings;
        if (n == 0) {
            Debit[] memory one = new Debit[](1);
            (one[0], e.debits) = (e.debits[0], one);
            return Plant("debit missing", Fault.DebitMissing, 0, 0, 2);
        }
        if (n == 1) {
            e.balances[3].worker = 4;
            return Plant("balance of another worker", Fault.BalanceWorker, 3, 0, 0);
        }
        if (n == 2) {
            e.balances[3].wallet = STRANGER;
            return Plant("balance of another wallet", Fault.BalanceWallet, 3, 0, 0);
        }
        if (n == 3) {
            e.balances[1].earnings = bytes.concat(earned, hex"00");
            return Plant("earnings misshapen", Fault.EarningsMisshapen, 1, 0, 0);
        }
        if (n == 4) {
            e.balances[1].earnings = new bytes(4097 * 12);
            return Plant("earnings too many", Fault.EarningsTooMany, 1, 0, 0);
        }
        if (n == 5) {
            e.balances[1].earnings = bytes.concat(_cut(earned, 12, 24), _cut(earned, 0, 12));
            return Plant("earnings unordered", Fault.EarningsUnordered, 1, 0, 0);
        }
        if (n == 6) {
            e.balances[1].earnings = bytes.concat(earned, _cut(earned, 12, 24));
            return Plant("earning twice", Fault.EarningsUnordered, 1, 1, 0);
        }
        if (n == 7) {
            _set(earned, 15, hex"03");
            return Plant("earning beyond", Fault.EarningBeyond, 1, 1, 0);
        }
        if (n == 8) {
            e.balances[1].cumulative += 1;
            return Plant("cumulative of a new index", Fault.CumulativeMismatch, 1, 0, 0);
        }
        return _plantEarning(e, earned, n - 9);
    }

    function _plantEarning(Epoch memory e, bytes memory earned, uint256 n) private pure returns (Plant memory) {
        bytes memory fees = e.balances[0].earnings;
        if (n == 0) {
            _set(earned, 11, hex"97");
            return Plant("earning of another amount", Fault.EarningUnfounded, 1, 0, 0);
        }
        if (n == 1) {
            e.balances[5].earnings = abi.encodePacked(uint32(0), uint64(150), e.balances[5].earnings);
            return Plant("earning of an unlisted worker", Fault.EarningUnfounded, 5, 0, 0);
        }
        if (n == 2) {
            e.balances[4].earnings = abi.encodePacked(uint32(1), uint64(100));
            return Plant("earning of a rejected answer", Fault.EarningUnfounded, 4, 0, 1);
        }
        if (n == 3) {
            _set(fees, 11, hex"ff");
            return Plant("fee of another amount", Fault.FeeUnfounded, 0, 0, 0);
        }
        if (n == 4) {
            _set(fees, 3, hex"00");
            return Plant("fee at another verdict", Fault.FeeUnfounded, 0, 0, 0);
        }
        if (n == 5) {
            e.balances[0].earnings = abi.encodePacked(uint32(0), uint64(0), fees);
            return Plant("fee of nothing", Fault.FeeUnfounded, 0, 0, 0);
        }
        if (n == 6) {
            e.balances[1].earnings = _cut(earned, 12, 24);
            return Plant("earning missing", Fault.EarningMissing, 1, 0, 0);
        }
        if (n == 7) {
            // 2.5 % of 1 is nothing, and nothing is no earning.
            e.debits[0].pay = 1;
            e.balances[0].earnings = abi.encodePacked(e.debits[0].last, uint64(0), _cut(fees, 12, 24));
            return Plant("fee of nothing where there is none", Fault.FeeUnfounded, 0, 0, 0);
        }
        e.balances[0].earnings = _cut(fees, 0, 12);
        return Plant("fee missing", Fault.FeeMissing, 0, 1, 0);
    }

    // ------------------------------------------------------------------ the proof

    /// @dev Of leaves whose proofs are filled in: the epoch is posted.
    function _evidence(Epoch memory e, Plant memory p) private pure returns (Evidence memory shown) {
        Fault f = p.fault;
        if (f >= Fault.RowOfNoJob && f <= Fault.RowNotVote) {
            (shown.weights, shown.jobs) = (_weights(e.weights[p.leaf]), _jobs(e.weights[p.leaf].job));
        } else if (f >= Fault.WeightsUnordered && f <= Fault.AssignmentsUnordered) {
            _addNeighbours(shown, e, p);
        } else if (f >= Fault.AssignmentOfNoJob && f <= Fault.AssignmentWorker) {
            shown.assignments = _assignments(e.assignments[p.leaf]);
            shown.jobs = _jobs(e.assignments[p.leaf].job);
        } else if (f <= Fault.UncountedWithLabel || f == Fault.RunningPay) {
            shown = _about(e, p.leaf, p.position);
            shown.stubs = _stubs(e.verdicts[f == Fault.RunningPay ? p.beside : p.leaf]);
        } else if (f <= Fault.DebitMissing) {
            (shown.position, shown.stubs) = (p.position, _stubs(e.verdicts[p.beside]));
        } else {
            if (f == Fault.EarningUnfounded || f == Fault.EarningMissing) shown = _about(e, p.beside, p.position);
            (shown.position, shown.balances) = (p.position, _balancesOf(e.balances[p.leaf]));
        }
    }

    function _addNeighbours(Evidence memory shown, Epoch memory e, Plant memory p) private pure {
        if (p.fault == Fault.WeightsUnordered) {
            shown.weights = new WeightLeaf[](2);
            (shown.weights[0], shown.weights[1]) = (e.weights[p.leaf], e.weights[p.leaf + 1]);
        } else if (p.fault == Fault.VerdictsUnordered) {
            shown.stubs = _stubs(e.verdicts[p.leaf], e.verdicts[p.leaf + 1]);
        } else {
            shown.assignments = new AssignmentLeaf[](2);
            (shown.assignments[0], shown.assignments[1]) = (e.assignments[p.leaf], e.assignments[p.leaf + 1]);
        }
    }

    /// @dev The other s of the same point recovers to the same key: refused, as everywhere.
    function _withHighS(bytes memory signature) private pure returns (bytes memory) {
        bytes32 s;
        for (uint256 i = 0; i < 32; ++i) {
            s |= bytes32(signature[32 + i]) >> (8 * i);
        }
        uint256 order = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141;
        return
            bytes.concat(
                _cut(signature, 0, 32), bytes32(order - uint256(s)), bytes1(uint8(signature[64]) == 27 ? 28 : 27)
            );
    }

    function _sign(Epoch memory e, uint256 verdict, uint256 position, uint256 key) internal view {
        (uint32 worker,,) = _core(e.verdicts[verdict].cores, position);
        e.openings[verdict][position].signature = _signature(
            key,
            _answerDigest(
                e.verdicts[verdict].job,
                e.verdicts[verdict].task,
                worker,
                e.openings[verdict][position].commitment,
                e.openings[verdict][position].sealHash
            )
        );
    }
}
