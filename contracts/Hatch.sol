// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Pending} from "./interfaces/IDemands.sol";
import {Filing, IHatch} from "./interfaces/IHatch.sol";
import {IMarket} from "./interfaces/IMarket.sol";
import {AnswerFields, JobTerms, Link, ReceiptFields, VerdictLeaf} from "./interfaces/IReferee.sol";
import {Domains} from "./libraries/Domains.sol";
import {Heads} from "./libraries/Heads.sol";
import {Leaves} from "./libraries/Leaves.sol";
import {Lists} from "./libraries/Lists.sol";
import {Messages} from "./libraries/Messages.sol";
import {Proofs} from "./libraries/Proofs.sol";
import {Trees} from "./libraries/Trees.sol";
import {Address} from "@openzeppelin/contracts/utils/Address.sol";
import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";

/// @title Hatch: base pay where the committee is gone
/// @dev What it promises, and what it assumes, is written in IHatch. A false Market can only play with its own claims and
/// the bonds of those who filed with it.
contract Hatch is IHatch, ReentrancyGuardTransient {
    /// @inheritdoc IHatch
    uint256 public immutable bond;
    /// @inheritdoc IHatch
    uint256 public burnt;
    /// @inheritdoc IHatch
    mapping(address account => uint256) public creditOf;
    /// @inheritdoc IHatch
    mapping(IMarket market => mapping(bytes32 head => bool)) public isTraced;

    mapping(bytes32 claim => Filing) private _filings;

    constructor(uint256 bond_) {
        require(bond_ > 1, HatchBondMissing());
        bond = bond_;
    }

    /// @inheritdoc IHatch
    function file(IMarket market, AnswerFields calldata answer, JobTerms calldata terms, ReceiptFields calldata receipt)
        external
        payable
        nonReentrant
    {
        require(market.hatch() == address(this), HatchForeignMarket(market));
        require(msg.value == bond, HatchBondMismatch(msg.value, bond));
        uint256 closesAt = market.refundOpensAt(answer.job);
        uint256 opensAt = closesAt - market.window();
        require(block.timestamp >= opensAt && block.timestamp < closesAt, HatchClosed(answer.job, opensAt, closesAt));
        uint64 amount = _base(market, answer, terms);
        _checkReceipt(market, answer, receipt);
        bytes32 claim = claimId(market, answer.job, answer.task, answer.worker);
        require(_filings[claim].amount == 0, HatchFiledBefore(claim));

        _filings[claim] = Filing({filer: msg.sender, amount: amount, over: false});
        emit HatchFiled(market, answer.job, answer.worker, answer.task, amount, msg.sender);
        market.reserve(answer.job, amount);
    }

    /// @inheritdoc IHatch
    function void(Pending calldata epoch, Link[] calldata links, VerdictLeaf calldata verdict, uint32 worker)
        external
        nonReentrant
    {
        IMarket market = epoch.market;
        Filing memory filing = _end(claimId(market, verdict.job, verdict.task, worker));
        _checkFinal(market, Domains.head(market, epoch.header, epoch.signers), links);
        Proofs.verdict(epoch.header, verdict);
        require(Lists.lists(verdict.cores, worker), HatchNotListed(worker));

        uint256 share = bond / 2;
        creditOf[msg.sender] += share;
        burnt += bond - share;
        emit HatchVoided(market, verdict.job, worker, verdict.task, msg.sender);
        market.release(verdict.job, filing.amount);
    }

    /// @inheritdoc IHatch
    function pay(IMarket market, uint32 job, uint32 task, uint32 worker) external nonReentrant {
        Filing memory filing = _end(claimId(market, job, task, worker));
        uint256 opensAt = market.refundOpensAt(job) + market.window();
        require(block.timestamp >= opensAt, HatchTooEarly(job, opensAt));

        creditOf[filing.filer] += bond;
        emit HatchPaid(market, job, worker, task, filing.amount);
        market.award(job, market.workers().walletOf(worker), filing.amount);
    }

    /// @inheritdoc IHatch
    function trace(IMarket market, bytes32 from, Link[] calldata links) external {
        // With a post after it, it stands for good: the last one could still be struck.
        require(links.length != 0, HatchNothingTraced());
        bytes32 head = Heads.follow(from, false, links);
        require(head == market.head() || isTraced[market][head], HatchHeadUnlinked(head));
        isTraced[market][from] = true;
        emit HeadTraced(market, from);
    }

    /// @inheritdoc IHatch
    function withdraw() external {
        uint256 amount = creditOf[msg.sender];
        require(amount != 0, HatchNothingToWithdraw(msg.sender));
        creditOf[msg.sender] = 0;
        emit Withdrawn(msg.sender, amount);
        Address.sendValue(payable(msg.sender), amount);
    }

    /// @inheritdoc IHatch
    function claimId(IMarket market, uint32 job, uint32 task, uint32 worker) public pure returns (bytes32) {
        return keccak256(abi.encode(market, job, task, worker));
    }

    /// @inheritdoc IHatch
    function filingOf(bytes32 claim) external view returns (Filing memory) {
        return _filings[claim];
    }

    // ------------------------------------------------------------------ checks

    function _base(IMarket market, AnswerFields calldata answer, JobTerms calldata terms)
        private
        view
        returns (uint64)
    {
        bytes32 termsHash = Leaves.terms(terms.terms);
        require(
            answer.terms == termsHash && market.job(answer.job).identity == Leaves.identity(terms.requester, termsHash),
            HatchTermsMismatch(answer.job)
        );
        require(answer.task < terms.terms.tasks, HatchTaskUnknown(answer.task, terms.terms.tasks));
        require(terms.terms.base != 0, HatchBaseMissing(answer.job));
        return terms.terms.base;
    }

    /// @dev The worker must be registered: else nobody could be paid, and the money would stay reserved.
    function _checkReceipt(IMarket market, AnswerFields calldata answer, ReceiptFields calldata receipt) private view {
        require(answer.worker != 0, HatchTreasury());
        // slither-disable-next-line unused-return (it reverts for an index that nobody has)
        market.workers().walletOf(answer.worker);
        // slither-disable-next-line unused-return (it reverts unless a quorum signed; who exactly does not matter)
        market.committee()
            .membership(Domains.digest(market, Messages.receipt(receipt.root, receipt.size)), receipt.signatures);
        bytes32 message =
            Messages.answer(answer.job, answer.terms, answer.task, answer.worker, answer.commitment, answer.sealHash);
        bytes32 leaf = Leaves.receipt(Domains.digest(market, message));
        require(
            Trees.contains(receipt.root, receipt.size, leaf, receipt.index, receipt.proof),
            HatchReceiptUnproven(receipt.index)
        );
    }

    /// @dev A traced head has a post after it, so it was made final. The Market's last one is, if nothing is pending: had
    /// it been struck, the head would be another.
    function _checkFinal(IMarket market, bytes32 posted, Link[] calldata links) private view {
        bytes32 head = Heads.follow(posted, false, links);
        bool last = head == market.head();
        require(last || isTraced[market][head], HatchHeadUnlinked(head));
        if (!last || links.length != 0) return;
        // slither-disable-next-line unused-return (what is left out is not asked for)
        (uint32 pending,,) = market.pending();
        require(pending == 0, HatchNotFinal(posted));
    }

    /// @dev Each claim ends once.
    function _end(bytes32 claim) private returns (Filing memory filing) {
        filing = _filings[claim];
        require(filing.amount != 0 && !filing.over, HatchNotOpen(claim));
        _filings[claim].over = true;
    }
}
