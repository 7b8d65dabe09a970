// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Contest, IDisputes, Stage} from "../../../contracts/interfaces/IDisputes.sol";
import {Link} from "../../../contracts/interfaces/IReferee.sol";
import {DisputesFixture, TestArbitrator} from "../disputes/DisputesFixture.sol";

/// @title Everybody who acts on contests, and what each worker must have in the end, kept without asking the contracts
contract Parties is DisputesFixture {
    uint256 private constant MOST_EPOCHS = 30;

    Link[] private _links;
    /// @dev The position in `_links` of each contest's epoch.
    mapping(uint256 contest => uint256) private _epochOf;
    uint256[WORKERS] public lostByRuling;
    uint256[WORKERS] public awarded;
    uint256 public coinsIn;
    uint256 public coinsToArbitrator;
    uint256 public settled;

    constructor() {
        _deployDisputes();
        vm.prank(REQUESTER);
        job = market.openJob(_terms(), uint64(START + 36_500 days));
        vm.prank(REQUESTER);
        market.topUp(job, 1e6);
        _postNext();
    }

    // ------------------------------------------------------------------ epochs

    function post() external {
        (uint32 epoch,,) = market.pending();
        if (epoch == 0 && _links.length < MOST_EPOCHS) _postNext();
    }

    function finalise(bool later) external {
        (uint32 epoch,,) = market.pending();
        if (epoch == 0) return;
        if (later) vm.warp(block.timestamp + WINDOW / 2);
        _finaliseEpoch();
    }

    function strike() external {
        (uint32 epoch, uint64 postedAt,) = market.pending();
        if (epoch == 0 || block.timestamp >= postedAt + WINDOW) return;
        _strikeEpoch();
        _links[_links.length - 1].struck = true;
    }

    function claim(uint256 worker) public {
        if (finalCumulative.length != 0) _claimFinal(uint32(worker % WORKERS));
    }

    // ------------------------------------------------------------------ contests

    function contestPay(uint256 worker, uint256 verdict) external {
        uint32 who = uint32(1 + worker % 2);
        _try(CONTESTER, _payCall(who, uint32(verdict % 2)));
    }

    function contestRejection(bool rejected) external {
        uint32 who = rejected ? 3 : 4;
        _try(_wallet(who), _rejectionCall(who));
    }

    function confirm(uint256 pick) public {
        if (disputes.contestCount() == 0) return;
        uint256 id = 1 + pick % disputes.contestCount();
        uint256 place = _epochOf[id];
        Link[] memory later = new Link[](_links.length - place - 1);
        for (uint256 i = 0; i < later.length; ++i) {
            later[i] = _links[place + 1 + i];
        }
        // The wrong end is never taken.
        (bool wrong,) = address(disputes).call(abi.encodeCall(IDisputes.confirm, (id, !_links[place].struck, later)));
        vm.assertTrue(!wrong, "the wrong end");
        (bool done,) = address(disputes).call(abi.encodeCall(IDisputes.confirm, (id, _links[place].struck, later)));
        done;
    }

    function raise(uint256 pick, uint256 mood) external {
        if (disputes.contestCount() == 0) return;
        uint256 id = 1 + pick % disputes.contestCount();
        if (_stage(id) == Stage.Filed) confirm(pick);
        arbitrator.setMood(TestArbitrator.Mood(mood % 12 < 6 ? mood % 6 : 0));
        uint256 before = address(arbitrator).balance;
        (bool done,) = address(disputes).call(abi.encodeCall(IDisputes.raise, (id)));
        done;
        coinsToArbitrator += address(arbitrator).balance - before;
    }

    function rule(uint256 pick, uint256 ruling) external {
        if (disputes.contestCount() == 0) return;
        uint256 dispute = disputes.contestOf(1 + pick % disputes.contestCount()).dispute;
        (bool done,) = address(arbitrator).call(abi.encodeCall(TestArbitrator.rule, (disputes, dispute, ruling % 4)));
        done;
    }

    function settle(uint256 pick) public {
        if (disputes.contestCount() == 0) return;
        uint256 id = 1 + pick % disputes.contestCount();
        Contest memory contest = disputes.contestOf(id);
        (bool done,) = address(disputes).call(abi.encodeCall(IDisputes.settle, (id)));
        if (!done) return;
        ++settled;
        bool raised = contest.stage != Stage.Confirmed;
        bool toJob = contest.ruling == 2 || (contest.rejection && !raised && !contest.refused);
        if (contest.rejection && !toJob) awarded[contest.worker] += contest.amount;
        if (!contest.rejection && toJob) {
            vm.assertTrue(contest.stage == Stage.Ruled, "pay was lost without a ruling");
            lostByRuling[contest.worker] += contest.amount;
        }
    }

    function withdraw(uint256 who) external {
        address account = who % 7 < WORKERS ? _wallet(who % 7) : CONTESTER;
        uint256 credit = disputes.creditOf(account);
        if (credit == 0) return;
        vm.prank(account);
        disputes.withdraw();
        coinsIn -= credit;
    }

    function pass(uint256 time) external {
        vm.warp(block.timestamp + time % (2 * WINDOW));
    }

    function passPatience() external {
        vm.warp(block.timestamp + PATIENCE / 2);
    }

    // ------------------------------------------------------------------ checks

    /// @dev The end of every run: everything is settled, and everybody has exactly what is theirs.
    function finish() external {
        (uint32 epoch,,) = market.pending();
        if (epoch != 0) _finaliseEpoch();
        for (uint256 i = 0; i < disputes.contestCount(); ++i) {
            confirm(i);
        }
        vm.warp(block.timestamp + PATIENCE + 3 * WINDOW);
        for (uint256 i = 0; i < disputes.contestCount(); ++i) {
            settle(i);
            _checkStage(i + 1, Stage.Over);
        }
        vm.assertEq(market.frozen(), 0, "frozen for ever");
        vm.assertEq(market.reservedOf(address(disputes), job), 0, "reserved for ever");
        for (uint256 i = 0; i < WORKERS && finalCumulative.length != 0; ++i) {
            claim(i);
            uint256 due = finalCumulative[i] - lostByRuling[i] + awarded[i];
            vm.assertEq(token.balanceOf(_wallet(i)), due * UNIT, "a worker has what it earned");
        }
        check();
    }

    function check() public view {
        uint256 frozen;
        uint256 reserved;
        uint256 deposits;
        for (uint256 id = 1; id <= disputes.contestCount(); ++id) {
            Contest memory contest = disputes.contestOf(id);
            if (contest.stage == Stage.Over) continue;
            if (contest.rejection) reserved += contest.amount;
            else frozen += contest.amount;
            bool paid = contest.stage == Stage.Raised || contest.stage == Stage.Ruled;
            deposits += BOND + (paid ? 0 : FEE);
        }
        vm.assertEq(market.frozen(), frozen, "frozen = open contests of pay");
        vm.assertEq(market.reservedOf(address(disputes), job), reserved, "reserved = open contests of rejections");
        _checkConserved(deposits);
        vm.assertEq(address(disputes).balance + coinsToArbitrator, coinsIn, "coins in = coins out + held");
        for (uint256 i = 0; i < WORKERS; ++i) {
            vm.assertTrue(market.claimedOf(uint32(i)) <= _most(i), "frozen exceeds earned");
        }
    }

    /// @dev All that a worker's epochs, struck ones with contests not confirmed yet included, can have given it.
    function _most(uint256 worker) private view returns (uint256 most) {
        most = cumulative[worker];
        for (uint256 id = 1; id <= disputes.contestCount(); ++id) {
            Contest memory contest = disputes.contestOf(id);
            bool stale = contest.stage == Stage.Filed && _links[_epochOf[id]].struck;
            if (stale && !contest.rejection && contest.worker == worker) most += contest.amount;
        }
    }

    function _postNext() private {
        _postEpoch();
        _links.push(_link(false)[0]);
    }

    function _try(address caller, bytes memory call_) private {
        vm.deal(caller, caller.balance + FEE + BOND);
        vm.prank(caller);
        (bool done, bytes memory answer) = address(disputes).call{value: FEE + BOND}(call_);
        if (!done) return;
        _epochOf[abi.decode(answer, (uint256))] = _links.length - 1;
        coinsIn += FEE + BOND;
    }
}
