// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Market} from "../../../contracts/Market.sol";
import {Balance, Header, Terms} from "../../../contracts/interfaces/IMarket.sol";
import {Leaves} from "../../../contracts/libraries/Leaves.sol";
import {Debit, Fixture} from "../support/Fixture.sol";
import {TreeBuilder} from "../support/TreeBuilder.sol";

/// @title Everybody who acts on a Market, and a ledger of what each of them must have, kept without asking the contract
/// @dev Each action says beforehand, from the ledger alone, whether the Market must take it; `_must` holds it to that in
/// both directions. A hostile committee signs whatever balances it likes; the chain's own rules must then still hold.
contract Ledger is Fixture {
    struct Account {
        address requester;
        bytes32 termsHash;
        uint256 feeBps;
        uint256 funded;
        uint256 debited;
        uint256 refunded;
        uint256 deadline;
    }

    uint256 private constant MOST_JOBS = 12;
    address public constant PAYEE = address(0xF000);
    bool private immutable _HOSTILE;

    Account[] public accounts;
    uint256 public lastStrike;
    uint256 public finalTotal;
    uint256 public totalClaimed;
    uint256 public donated;
    uint256 public strikes;
    uint256 public finals;
    uint256[WORKERS] public claimed;
    uint256[WORKERS] public frozen;
    uint256[WORKERS] public settled;
    uint256 public awarded;
    /// @dev Reserved by a satellite in a job, and in all.
    mapping(address satellite => mapping(uint256 job => uint256)) public aside;
    uint256 public setAside;
    /// @dev Final pay that a ruling gave back to jobs.
    uint256 public returned;
    uint256 public paidBySatellites;

    /// @dev Balances of the last final epoch, and of the pending one.
    uint64[] private _final;
    uint64[] private _pendingBalances;
    bool public pending;
    uint256 public reserved;
    uint256 public postedAt;
    uint256 public posts;
    Header private _header_;
    Debit[] private _debits;
    /// @dev A header that is over, with good signatures, to be tried again.
    Header private _old;
    Debit[] private _oldDebits;
    bytes private _oldSignatures;

    uint256[4] private _grown;

    constructor(bool hostile) {
        _HOSTILE = hostile;
        _deploy();
        for (uint256 i = 0; i < 3; ++i) {
            _fund(requester(i));
        }
        _final = new uint64[](WORKERS);
        openJob(0, 5, 3, 200);
        openJob(1, 9, 1, 90);
    }

    /// @dev What only ever grows is compared around each action.
    modifier growing() {
        _;
        uint256[4] memory now_ =
            [market.jobCount(), market.lastEpoch(), uint256(market.finalTotal()), uint256(market.totalClaimed())];
        for (uint256 i = 0; i < 4; ++i) {
            vm.assertTrue(now_[i] >= _grown[i], "a counter fell");
            _grown[i] = now_[i];
        }
    }

    // ------------------------------------------------------------------ requesters

    function openJob(uint256 who, uint256 tasks, uint256 reward, uint256 hoursAhead) public growing {
        if (accounts.length == MOST_JOBS) return;
        Terms memory terms = _terms();
        terms.tasks = uint32(1 + tasks % 20);
        terms.base = uint64(1 + reward % 1000);
        terms.feeBps = uint16(reward % 10_001);
        uint256 escrow = _withFee(uint256(terms.tasks) * terms.answers * (terms.base + terms.bonus), terms.feeBps);
        uint64 deadline = uint64(block.timestamp + (1 + hoursAhead % 240) * 10 minutes);
        uint256 before = token.balanceOf(requester(who));

        vm.prank(requester(who));
        uint32 job = market.openJob(terms, deadline);
        accounts.push(
            Account(requester(who), keccak256(abi.encode(Leaves.TERMS, terms)), terms.feeBps, escrow, 0, 0, deadline)
        );
        vm.assertEq(job, accounts.length);
        vm.assertEq(before - token.balanceOf(requester(who)), escrow * UNIT);
    }

    function closeJob(uint256 pick, bool byStranger) external growing {
        (uint32 job, Account storage account) = _pick(pick);
        address caller = byStranger ? STRANGER : account.requester;
        bool right = !byStranger && block.timestamp < account.deadline;
        vm.prank(caller);
        _must(right, abi.encodeCall(Market.closeJob, (job, account.termsHash)));
        if (right) account.deadline = block.timestamp;
    }

    function refund(uint256 pick) external growing {
        (uint32 job, Account storage account) = _pick(pick);
        uint256 rest = locked(account);
        uint256 before = token.balanceOf(account.requester);
        bool right = rest != 0 && block.timestamp >= _opensAt(account);
        _must(right, abi.encodeCall(Market.refund, (job, account.requester, account.termsHash)));
        if (right) account.refunded += rest;
        vm.assertEq(token.balanceOf(account.requester) - before, right ? rest * UNIT : 0);
    }

    // ------------------------------------------------------------------ committee

    /// @dev Debits what it may from a random choice of jobs, and divides it among the workers.
    function post(uint256 choice, uint256 share) external growing {
        (Debit[] memory debits, uint256 amount) = _drawDebits(choice, share);
        Header memory header = _headerAfter(debits, amount, _divide(debits, amount, share));
        bool right = !pending;
        bytes memory signatures = _signatures(_digest(header), 3);
        _must(right, abi.encodeCall(Market.postEpoch, (header, _packed(debits), signatures)));
        if (!right) return;
        _keepPosted(header, debits, amount);
        _oldSignatures = signatures;
    }

    /// @dev A posted header is never taken again, whatever happened to it.
    function replay() external growing {
        if (_oldSignatures.length == 0) return;
        _must(false, abi.encodeCall(Market.postEpoch, (_old, _packed(_oldDebits), _oldSignatures)));
    }

    /// @dev A correct header but for one thing that no quorum can change: total, a debit beyond the job, or a signature less.
    function postWrong(uint256 choice, uint256 share, uint256 fault) external growing {
        (Debit[] memory debits, uint256 amount) = _drawDebits(choice, share);
        fault %= 4;
        if (fault == 0) amount += 1 + share % 1e6;
        if (fault == 1) {
            debits = _debit(uint32(1 + choice % accounts.length), 0);
            Account storage account = accounts[debits[0].job - 1];
            debits[0].pay = uint64(locked(account) + 1 + share % 1e6);
            amount = _withFee(debits[0].pay, account.feeBps);
        }
        if (fault == 2 && amount > 0) amount -= 1;
        else if (fault == 2) fault = 3;
        Header memory header = _headerAfter(debits, amount, _final);
        bytes memory signatures = _signatures(_digest(header), fault == 3 ? 2 : 3);
        _must(false, abi.encodeCall(Market.postEpoch, (header, _packed(debits), signatures)));
    }

    function finalise(bool otherSigners) external growing {
        bool right = pending && !otherSigners && block.timestamp >= postedAt + WINDOW;
        _must(right, abi.encodeCall(Market.finaliseEpoch, (_header_, otherSigners ? 15 : SIGNERS)));
        if (!right) return;
        (pending, _final) = (false, _pendingBalances);
        (finalTotal, reserved) = (finalTotal + reserved, 0);
        ++finals;
    }

    // ------------------------------------------------------------------ referee

    function strike(bool byStranger) external growing {
        bool right = pending && !byStranger && block.timestamp < postedAt + WINDOW;
        vm.prank(byStranger ? STRANGER : REFEREE);
        _must(right, abi.encodeCall(Market.strike, (_header_, SIGNERS, _packed(_debits))));
        if (!right) return;
        for (uint256 i = 0; i < _debits.length; ++i) {
            Account storage account = accounts[_debits[i].job - 1];
            account.debited -= _withFee(_debits[i].pay, account.feeBps);
        }
        (pending, reserved, lastStrike) = (false, 0, block.timestamp);
        ++strikes;
    }

    // ------------------------------------------------------------------ disputes and the hatch

    function freeze(uint256 worker, uint256 amount, bool byStranger) external growing {
        worker %= WORKERS;
        uint256 entitled_ = pending ? _pendingBalances[worker] : _final[worker];
        uint256 open = entitled_ > counterOf(worker) ? entitled_ - counterOf(worker) : 0;
        // Honest disputes freeze no more than the worker will have; others anything.
        amount %= _HOSTILE ? 2 * finalTotal + 10 : open + 1;
        vm.prank(byStranger ? STRANGER : DISPUTES);
        _must(!byStranger, abi.encodeCall(Market.freeze, (uint32(worker), uint64(amount))));
        if (!byStranger) frozen[worker] += amount;
    }

    /// @dev And, in vain, more than is frozen of anybody.
    function thaw(uint256 worker, uint256 share) external growing {
        worker %= WORKERS;
        uint256 amount = frozen[worker] * (share % 101) / 100;
        vm.prank(DISPUTES);
        _must(true, abi.encodeCall(Market.thaw, (uint32(worker), uint64(amount))));
        frozen[worker] -= amount;
        vm.prank(DISPUTES);
        _must(false, abi.encodeCall(Market.thaw, (uint32(worker), uint64(frozenAll() + 1))));
    }

    /// @dev A part of what is frozen, as a right ruling would, to a job whose final pay it was.
    function forfeit(uint256 worker, uint256 share, uint256 pick) external growing {
        worker %= WORKERS;
        (uint32 job, Account storage account) = _pick(pick);
        uint256 amount = frozen[worker] * (share % 101) / 100;
        // Honest disputes wait until the epoch is final.
        if (!_HOSTILE && amount + claimed[worker] + settled[worker] > _final[worker]) return;
        if (amount > account.debited - _reservedOf(job) - aside[DISPUTES][job] - aside[HATCH][job]) return;
        bool right = totalClaimed + amount <= finalTotal;
        vm.prank(DISPUTES);
        _must(right, abi.encodeCall(Market.forfeit, (uint32(worker), uint64(amount), job)));
        if (!right) return;
        frozen[worker] -= amount;
        settled[worker] += amount;
        totalClaimed += amount;
        account.debited -= amount;
        returned += amount;
    }

    function reserve(uint256 pick, uint256 share, uint256 who) external growing {
        (uint32 job, Account storage account) = _pick(pick);
        uint256 amount = locked(account) * (share % 111) / 100;
        address caller = _satellite(who);
        bool right = amount <= locked(account) && block.timestamp < _opensAt(account)
            && (caller == DISPUTES || (caller == HATCH && block.timestamp >= _opensAt(account) - WINDOW));
        vm.prank(caller);
        _must(right, abi.encodeCall(Market.reserve, (job, uint64(amount))));
        if (!right) return;
        account.debited += amount;
        aside[caller][job] += amount;
        setAside += amount;
    }

    /// @dev A part of what the caller reserved there, or more.
    function release(uint256 pick, uint256 share, uint256 who) public growing {
        (uint32 job, Account storage account) = _pick(pick);
        address caller = _satellite(who);
        uint256 amount = aside[caller][job] * (share % 101) / 100 + (share % 13 == 0 ? aside[caller][job] + 1 : 0);
        bool right = amount <= aside[caller][job];
        vm.prank(caller);
        _must(right, abi.encodeCall(Market.release, (job, uint64(amount))));
        if (!right) return;
        account.debited -= amount;
        aside[caller][job] -= amount;
        setAside -= amount;
    }

    function award(uint256 pick, uint256 share, uint256 who) external growing {
        (uint32 job,) = _pick(pick);
        address caller = _satellite(who);
        uint256 amount = aside[caller][job] * (share % 101) / 100 + (share % 13 == 0 ? aside[caller][job] + 1 : 0);
        bool right = amount <= aside[caller][job];
        vm.prank(caller);
        _must(right, abi.encodeCall(Market.award, (job, PAYEE, uint64(amount))));
        if (!right) return;
        aside[caller][job] -= amount;
        setAside -= amount;
        awarded += amount;
        paidBySatellites += amount;
    }

    function topUp(uint256 pick, uint256 amount) external growing {
        (uint32 job, Account storage account) = _pick(pick);
        amount %= 1e6;
        bool right = block.timestamp < account.deadline;
        vm.prank(requester(pick));
        _must(right, abi.encodeCall(Market.topUp, (job, uint64(amount))));
        if (right) account.funded += amount;
    }

    // ------------------------------------------------------------------ workers and their relayers

    function claim(uint256 worker) external growing {
        worker %= WORKERS;
        uint256 amount = _due(worker);
        bool right = amount != 0 && totalClaimed + amount <= finalTotal;
        uint256 before = token.balanceOf(_wallet(worker));
        _must(right, abi.encodeCall(Market.claim, (finalBalance(worker), finalProof(worker))));
        if (right) _keepClaimed(worker, amount);
        vm.assertEq(token.balanceOf(_wallet(worker)) - before, right ? amount * UNIT : 0);
    }

    function claimMany(uint256 choice) external growing {
        choice %= WORKERS - 2;
        Balance[] memory balances = new Balance[](3);
        uint256[] memory indexes = new uint256[](3);
        uint256 sum;
        for (uint256 i = 0; i < 3; ++i) {
            (balances[i], indexes[i]) = (finalBalance(choice + i), choice + i);
            sum += _due(choice + i);
        }
        bool right = finals != 0 && totalClaimed + sum <= finalTotal;
        bytes32[] memory proof = TreeBuilder.multiproof(_leavesOf(_final), indexes);
        _must(right, abi.encodeCall(Market.claimMany, (balances, proof)));
        for (uint256 i = 0; right && i < 3; ++i) {
            _keepClaimed(choice + i, _due(choice + i));
        }
    }

    /// @dev A leaf that is not in the final tree: another's wallet, or more than it says.
    function claimWrong(uint256 worker, uint64 more, bool otherWallet) external growing {
        worker %= WORKERS;
        Balance memory wrong = finalBalance(worker);
        if (otherWallet) wrong.wallet = STRANGER;
        else wrong.cumulative += 1 + more % 1e6;
        _must(false, abi.encodeCall(Market.claim, (wrong, finalProof(worker))));
    }

    // ------------------------------------------------------------------ the world

    function pass(uint256 time) external growing {
        vm.warp(block.timestamp + time % (2 * WINDOW));
    }

    /// @dev To a boundary, or a second before it.
    function passTo(uint256 pick, bool before) external growing {
        (, Account storage account) = _pick(pick);
        uint256 edge = pick % 2 == 0 && pending ? postedAt + WINDOW : _opensAt(account);
        if (before) edge -= 1;
        if (edge > block.timestamp) vm.warp(edge);
    }

    function donate(uint256 amount) external growing {
        amount %= 1e6;
        token.mint(address(market), amount);
        donated += amount;
    }

    /// @dev The end of every run: no committee any more, time has passed, everybody takes what is theirs.
    function settle() external {
        if (pending) {
            vm.warp(postedAt + WINDOW);
            this.finalise(false);
        }
        uint256 last = block.timestamp;
        for (uint256 i = 0; i < accounts.length; ++i) {
            if (_opensAt(accounts[i]) > last) last = _opensAt(accounts[i]);
        }
        vm.warp(last);
        for (uint256 i = 0; i < WORKERS; ++i) {
            this.thaw(i, 100);
        }
        for (uint256 i = 0; i < accounts.length; ++i) {
            release(i, 100, 0);
            release(i, 100, 1);
        }
        for (uint256 i = 0; i < accounts.length; ++i) {
            this.refund(i);
        }
        for (uint256 i = 0; i < WORKERS; ++i) {
            this.claim(i);
        }
    }

    // ------------------------------------------------------------------ reading

    function requester(uint256 who) public pure returns (address) {
        return address(uint160(0xA000 + who % 3));
    }

    function parts() external view returns (Market, uint256 held, uint256 jobs) {
        return (market, token.balanceOf(address(market)), accounts.length);
    }

    function balanceOf(address who) external view returns (uint256) {
        return token.balanceOf(who);
    }

    function walletOf(uint256 worker) external view returns (address) {
        return _wallet(worker);
    }

    function entitled(uint256 worker) external view returns (uint256) {
        return _final[worker];
    }

    function finalBalance(uint256 worker) public view returns (Balance memory) {
        return Balance({
            worker: uint32(worker), wallet: _wallet(worker), cumulative: _final[worker], earnings: _earnings(worker)
        });
    }

    function finalProof(uint256 worker) public view returns (bytes32[] memory) {
        return TreeBuilder.proof(_leavesOf(_final), worker);
    }

    function counterOf(uint256 worker) public view returns (uint256) {
        return claimed[worker] + frozen[worker] + settled[worker];
    }

    function frozenAll() public view returns (uint256 sum) {
        for (uint256 i = 0; i < WORKERS; ++i) {
            sum += frozen[i];
        }
    }

    function locked(Account memory account) public pure returns (uint256) {
        return account.funded - account.debited - account.refunded;
    }

    function lockedAt(uint256 index) external view returns (uint256) {
        return locked(accounts[index]);
    }

    // ------------------------------------------------------------------ inside

    function _must(bool right, bytes memory call_) private {
        (bool done,) = address(market).call(call_);
        vm.assertTrue(done == right, right ? "a right call was refused" : "a wrong call was taken");
    }

    function _satellite(uint256 who) private pure returns (address) {
        return who % 3 == 0 ? DISPUTES : who % 3 == 1 ? HATCH : STRANGER;
    }

    function _pick(uint256 pick) private view returns (uint32, Account storage) {
        uint256 index = pick % accounts.length;
        return (uint32(index + 1), accounts[index]);
    }

    function _opensAt(Account storage account) private view returns (uint256) {
        return (account.deadline > lastStrike ? account.deadline : lastStrike) + 4 * WINDOW;
    }

    function _reservedOf(uint32 job) private view returns (uint256) {
        for (uint256 i = 0; pending && i < _debits.length; ++i) {
            if (_debits[i].job == job) return _withFee(_debits[i].pay, accounts[job - 1].feeBps);
        }
        return 0;
    }

    function _due(uint256 worker) private view returns (uint256) {
        uint256 counter = counterOf(worker);
        return _final[worker] > counter ? _final[worker] - counter : 0;
    }

    function _keepClaimed(uint256 worker, uint256 amount) private {
        claimed[worker] += amount;
        totalClaimed += amount;
    }

    function _keepPosted(Header memory header, Debit[] memory debits, uint256 amount) private {
        (pending, reserved, postedAt) = (true, amount, block.timestamp);
        ++posts;
        (_header_, _old) = (header, header);
        delete _debits;
        delete _oldDebits;
        for (uint256 i = 0; i < debits.length; ++i) {
            Account storage account = accounts[debits[i].job - 1];
            account.debited += _withFee(debits[i].pay, account.feeBps);
            _debits.push(debits[i]);
            _oldDebits.push(debits[i]);
        }
        _pendingBalances = cumulative;
    }

    function _drawDebits(uint256 choice, uint256 share) private view returns (Debit[] memory debits, uint256 amount) {
        Debit[] memory drawn = new Debit[](accounts.length);
        uint256 count;
        for (uint256 i = 0; i < accounts.length; ++i) {
            Account storage account = accounts[i];
            if (choice >> i & 1 == 0 || block.timestamp >= _opensAt(account) - WINDOW) continue;
            // The largest pay whose fee still fits, or a part of it.
            uint256 pay = locked(account) * 10_000 / (10_000 + account.feeBps);
            if (choice >> 100 + i & 1 == 0) pay = pay * (share % 101) / 100;
            drawn[count++] = Debit({job: uint32(i + 1), pay: uint64(pay), last: uint32(i)});
            amount += _withFee(pay, account.feeBps);
        }
        debits = new Debit[](count);
        for (uint256 i = 0; i < count; ++i) {
            debits[i] = drawn[i];
        }
    }

    /// @dev Leaves the balances of the next epoch in `cumulative`. An honest committee gives out exactly the amount; a
    /// hostile one anything at all, also less than before.
    function _divide(Debit[] memory debits, uint256 amount, uint256 share) private returns (uint64[] memory) {
        cumulative = _final;
        if (_HOSTILE && share % 2 == 0) {
            for (uint256 i = 0; i < WORKERS; ++i) {
                cumulative[i] = uint64(uint256(keccak256(abi.encode(share, i))) % (finalTotal + amount + 100));
            }
            return cumulative;
        }
        uint256 pay;
        for (uint256 i = 0; i < debits.length; ++i) {
            pay += debits[i].pay;
        }
        uint256 first = pay * (share % 17) / 17;
        cumulative[0] += uint64(amount - pay);
        cumulative[1 + share % 5] += uint64(first);
        cumulative[1 + share / 5 % 5] += uint64(pay - first);
        return cumulative;
    }

    function _headerAfter(Debit[] memory debits, uint256 amount, uint64[] memory balances)
        private
        view
        returns (Header memory)
    {
        return Header({
            epoch: uint32(posts + 1),
            previous: market.head(),
            validUntil: uint64(block.timestamp),
            configuration: market.configuration(),
            balances: TreeBuilder.root(_leavesOf(balances)),
            balancesSize: uint32(WORKERS),
            weights: 0,
            weightsSize: 0,
            verdicts: 0,
            verdictsSize: 0,
            assignments: 0,
            assignmentsSize: 0,
            debits: keccak256(_packed(debits)),
            total: uint64(finalTotal + amount),
            content: keccak256(abi.encode(posts)),
            model: 0
        });
    }

    function _leavesOf(uint64[] memory balances) private view returns (bytes32[] memory leaves) {
        leaves = new bytes32[](balances.length);
        for (uint256 i = 0; i < leaves.length; ++i) {
            leaves[i] = Leaves.balance(uint32(i), _wallet(i), balances[i], _earnings(i));
        }
    }
}
