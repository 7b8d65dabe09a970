// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Committee} from "../../../contracts/Committee.sol";
import {CommitteeFixture} from "../committee/CommitteeFixture.sol";

/// @title Everybody who acts on a Committee, and what each of them must have, kept without asking the contract
/// @dev Each action says beforehand whether the Committee must take it; `_must` holds it to that in both directions.
contract Stakes is CommitteeFixture {
    uint256 public constant PEOPLE = 8;

    uint256[PEOPLE] public stakes;
    uint256[PEOPLE] public releases;
    uint256[PEOPLE] public rewards;
    bool[PEOPLE] public isMember;
    uint256 public burnt;
    uint256 public paidIn;
    uint256 public paidOut;
    uint256 public forced;
    uint256 public enacted;

    Wanted private _waiting;
    bool private _waits;
    uint256 private _opensAt;
    /// @dev Everybody's key, ascending by address.
    uint256[] private _order;
    address[PEOPLE] private _people;
    /// @dev A change that was taken or replaced, with good signatures, to be tried again.
    bytes private _old;

    constructor() {
        _deploy();
        paidIn = 4 * STAKE;
        _order = _sortedKeys(PEOPLE);
        for (uint256 i = 0; i < PEOPLE; ++i) {
            _people[i] = vm.addr(i + 1);
        }
        for (uint256 i = 0; i < 4; ++i) {
            (stakes[_index(memberKeys[i])], isMember[_index(memberKeys[i])]) = (STAKE, true);
        }
    }

    function account(uint256 index) public view returns (address) {
        return _people[index];
    }

    function parts() external view returns (Committee, uint256[] memory) {
        return (committee, memberKeys);
    }

    // ------------------------------------------------------------------ stakes

    function stake(uint256 who, uint96 amount) external {
        who %= PEOPLE;
        _stakeOne(who, amount % 5 == 0 ? amount % 4 * STAKE : amount % (3 * STAKE));
    }

    function withdraw(uint256 who) external {
        who %= PEOPLE;
        uint256 amount = stakes[who];
        bool right = !isMember[who] && block.timestamp >= releases[who] && amount != 0;
        uint256 before = account(who).balance;
        vm.prank(account(who));
        _must(right, 0, abi.encodeCall(Committee.withdraw, ()));
        vm.assertEq(account(who).balance - before, right ? amount : 0);
        if (right) (stakes[who], paidOut) = (0, paidOut + amount);
    }

    function force(uint64 amount) external {
        vm.deal(address(committee), address(committee).balance + amount);
        forced += amount;
    }

    // ------------------------------------------------------------------ slashing

    /// @param crowd Bit i: person i is named.
    function slash(uint8 crowd, uint256 beneficiary, uint8 fault) external {
        beneficiary %= PEOPLE;
        crowd &= crowd >> 2;
        address[] memory named = _addresses(_keysOf(crowd));
        bool byStranger = fault % 8 == 0;
        bool twists = fault % 8 == 1 && named.length > 1;
        if (twists) named[0] = named[1];
        bool right = !byStranger && !twists;
        vm.prank(byStranger ? STRANGER : REFEREE);
        _must(right, 0, abi.encodeCall(Committee.slash, (named, account(beneficiary))));
        if (!right) return;
        for (uint256 i = 0; i < PEOPLE; ++i) {
            if (crowd >> i & 1 == 0) continue;
            uint256 loss = stakes[i] < STAKE ? stakes[i] : STAKE;
            stakes[i] -= loss;
            rewards[beneficiary] += loss / 2;
            burnt += loss - loss / 2;
        }
    }

    function collect(uint256 who) external {
        who %= PEOPLE;
        uint256 amount = rewards[who];
        uint256 before = account(who).balance;
        vm.prank(account(who));
        _must(amount != 0, 0, abi.encodeCall(Committee.collect, ()));
        vm.assertEq(account(who).balance - before, amount);
        (rewards[who], paidOut) = (0, paidOut + amount);
    }

    // ------------------------------------------------------------------ changes

    /// @param signers Bit i: the member at position i signs; often all do.
    function propose(uint8 crowd, uint8 signers, uint8 fault) external {
        bool another = fault % 8 == 0;
        if (fault % 2 == 1) signers = type(uint8).max;
        uint256[] memory keys = _keysOf(crowd);
        if (keys.length < 4) keys = _keysOf(~crowd);
        Wanted memory wanted = _wanted(keys, uint8(keys.length - (keys.length - 1) / 3));
        uint64 validUntil = uint64(block.timestamp);
        uint32 number = committee.lastChange() + (another ? 2 : 1);
        bytes memory call = _proposal(wanted, validUntil, _signedBy(signers, _changeDigest(number, wanted, validUntil)));
        bool right = !another && _isQuorum(signers, STAKE);
        _must(right, 0, call);
        if (!right) return;
        (_waiting, _waits, _opensAt, _old) = (wanted, true, block.timestamp + DELAY, call);
    }

    function replay() external {
        if (_old.length != 0) _must(false, 0, _old);
    }

    /// @param how Mostly the right change, at the right time, with everybody's stake in place.
    function enact(uint8 how) external {
        Wanted memory wanted = how % 8 == 0 || !_waits ? _wanted(_keysOf(0xf0), 3) : _waiting;
        if (how % 4 != 1 && block.timestamp < _opensAt) vm.warp(_opensAt - (how % 8 == 2 ? 1 : 0));
        for (uint256 i = 0; i < wanted.keys.length && how % 4 != 3; ++i) {
            _stakeOne(_index(wanted.keys[i]), STAKE);
        }
        bool right = _waits && _digestOf(wanted) == _digestOf(_waiting) && block.timestamp >= _opensAt;
        for (uint256 i = 0; i < wanted.keys.length; ++i) {
            right = right && stakes[_index(wanted.keys[i])] >= STAKE;
        }
        _must(right, 0, abi.encodeCall(Committee.enactChange, (wanted.members, wanted.sealKeys, wanted.quorum)));
        if (!right) return;
        for (uint256 i = 0; i < memberKeys.length; ++i) {
            (isMember[_index(memberKeys[i])], releases[_index(memberKeys[i])]) = (false, block.timestamp + DELAY);
        }
        for (uint256 i = 0; i < wanted.keys.length; ++i) {
            isMember[_index(wanted.keys[i])] = true;
        }
        (memberKeys, _waits) = (wanted.keys, false);
        ++enacted;
    }

    // ------------------------------------------------------------------ signing

    /// @param crowd Bit i: person i signs, member or not.
    function sign(uint8 crowd, bytes32 digest) external {
        uint256[] memory keys = crowd % 4 == 0 ? memberKeys : _keysOf(crowd);
        bytes memory signatures;
        bool members = keys.length >= memberKeys.length - (memberKeys.length - 1) / 3;
        bool staked = true;
        for (uint256 i = 0; i < keys.length; ++i) {
            signatures = bytes.concat(signatures, _signature(keys[i], digest));
            members = members && isMember[_index(keys[i])];
            staked = staked && stakes[_index(keys[i])] >= STAKE;
        }
        _must(members && staked, 0, abi.encodeCall(Committee.check, (digest, signatures)));
        _must(members, 0, abi.encodeCall(Committee.membership, (digest, signatures)));
    }

    function pass(uint256 time) external {
        vm.warp(block.timestamp + 1 + time % DELAY);
    }

    // ------------------------------------------------------------------ inside

    function _index(uint256 key) private pure returns (uint256) {
        return key - 1;
    }

    function _keysOf(uint8 crowd) private view returns (uint256[] memory keys) {
        uint256 count;
        for (uint256 i = 0; i < PEOPLE; ++i) {
            count += crowd >> i & 1;
        }
        keys = new uint256[](count);
        for (uint256 i = PEOPLE; i > 0; --i) {
            if (crowd >> _index(_order[i - 1]) & 1 == 1) keys[--count] = _order[i - 1];
        }
    }

    function _stakeOne(uint256 who, uint256 value) private {
        vm.deal(address(this), value);
        _must(value != 0, value, abi.encodeCall(Committee.stake, (account(who))));
        stakes[who] += value;
        paidIn += value;
    }

    function _signedBy(uint8 signers, bytes32 digest) private view returns (bytes memory signatures) {
        for (uint256 i = 0; i < memberKeys.length; ++i) {
            if (signers >> i & 1 == 1) signatures = bytes.concat(signatures, _signature(memberKeys[i], digest));
        }
    }

    function _isQuorum(uint8 signers, uint256 least) private view returns (bool) {
        uint256 count;
        for (uint256 i = 0; i < memberKeys.length; ++i) {
            if (signers >> i & 1 == 0) continue;
            if (stakes[_index(memberKeys[i])] < least) return false;
            ++count;
        }
        return count >= memberKeys.length - (memberKeys.length - 1) / 3;
    }

    function _must(bool right, uint256 value, bytes memory call) private {
        (bool done,) = address(committee).call{value: value}(call);
        vm.assertTrue(done == right, right ? "must be taken" : "must be refused");
    }
}
