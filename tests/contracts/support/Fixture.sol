// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Committee} from "../../../contracts/Committee.sol";
import {Market} from "../../../contracts/Market.sol";
import {Workers} from "../../../contracts/Workers.sol";
import {Balance, Header, Terms} from "../../../contracts/interfaces/IMarket.sol";
import {Leaves} from "../../../contracts/libraries/Leaves.sol";
import {Messages} from "../../../contracts/libraries/Messages.sol";
import {TestToken} from "./Tokens.sol";
import {TreeBuilder} from "./TreeBuilder.sol";
import {Vm} from "./Vm.sol";
import {IERC20Metadata} from "@openzeppelin/contracts/token/ERC20/extensions/IERC20Metadata.sol";
import {MessageHashUtils} from "@openzeppelin/contracts/utils/cryptography/MessageHashUtils.sol";

/// @dev A debit before it is packed.
struct Debit {
    uint32 job;
    uint64 pay;
    uint32 last;
}

/// @title One deployment with four members, a referee and the other satellites, a treasury and five workers, and an honest committee's arithmetic
/// @dev The token has 8 decimals, so a unit is 100 of its smallest: a forgotten unit shows.
abstract contract Fixture {
    Vm internal constant vm = Vm(address(uint160(uint256(keccak256("hevm cheat code")))));

    uint256 internal constant START = 1_700_000_000;
    uint64 internal constant WINDOW = 1 hours;
    uint64 internal constant DELAY = 2 hours;
    uint256 internal constant STAKE = 1 ether;
    uint64 internal constant DEADLINE = uint64(START + 1 days);
    uint256 internal constant UNIT = 100;
    uint256 internal constant WORKERS = 6;
    address internal constant REFEREE = address(0xBEEF);
    address internal constant DISPUTES = address(0xD15);
    address internal constant HATCH = address(0x4A7C4);
    address internal constant STRANGER = address(0xBAD);
    address internal constant REQUESTER = address(0xCAFE);

    TestToken internal token;
    Workers internal workers;
    Committee internal committee;
    Market internal market;

    /// @dev Ascending by address.
    uint256[] internal memberKeys;
    /// @dev What each worker has earned up to the next epoch, worker 0 being the treasury.
    uint64[] internal cumulative;
    address[] private _wallets;

    function _deploy() internal {
        vm.warp(START);
        _deployWith(new TestToken(8));
    }

    function _deployWith(TestToken token_) internal {
        memberKeys = _sortedKeys(4);
        for (uint256 i = _wallets.length; i < WORKERS; ++i) {
            _wallets.push(vm.addr(_walletKey(i)));
        }
        token = token_;
        workers = new Workers(_wallet(0));
        committee = _committee(memberKeys, 3);
        market = _newMarket(token, WINDOW);
        cumulative = new uint64[](WORKERS);
        _fund(REQUESTER);
    }

    /// @dev Everybody begins with one unit at stake.
    function _committee(uint256[] memory keys, uint8 quorum) internal returns (Committee) {
        uint256 stakes = keys.length * STAKE;
        vm.deal(address(this), address(this).balance + stakes);
        return new Committee{value: stakes}(_addresses(keys), _sealKeys(keys.length), quorum, _referee(), STAKE, DELAY);
    }

    function _newMarket(TestToken token_, uint64 window) internal returns (Market) {
        return new Market(token_, workers, committee, _referee(), DISPUTES, HATCH, window);
    }

    /// @dev Who may strike and slash.
    function _referee() internal view virtual returns (address) {
        return REFEREE;
    }

    function _fund(address requester) internal {
        token.mint(requester, 1e30);
        vm.prank(requester);
        IERC20Metadata(address(token)).approve(address(market), type(uint256).max);
    }

    // ------------------------------------------------------------------ people

    function _walletKey(uint256 worker) internal pure returns (uint256) {
        return 1000 + worker;
    }

    /// @dev Remembered, because deriving an address is most of what a long campaign would do.
    function _wallet(uint256 worker) internal view returns (address) {
        return worker < _wallets.length ? _wallets[worker] : vm.addr(_walletKey(worker));
    }

    function _sortedKeys(uint256 count) internal pure returns (uint256[] memory keys) {
        keys = new uint256[](count);
        for (uint256 i = 0; i < count; ++i) {
            uint256 key = 1 + i;
            uint256 place = i;
            for (; place > 0 && vm.addr(keys[place - 1]) > vm.addr(key); --place) {
                keys[place] = keys[place - 1];
            }
            keys[place] = key;
        }
    }

    function _addresses(uint256[] memory keys) internal pure returns (address[] memory members) {
        members = new address[](keys.length);
        for (uint256 i = 0; i < keys.length; ++i) {
            members[i] = vm.addr(keys[i]);
        }
    }

    function _sealKeys(uint256 count) internal pure returns (bytes32[] memory keys) {
        keys = new bytes32[](count);
        for (uint256 i = 0; i < count; ++i) {
            keys[i] = keccak256(abi.encode("seal", i));
        }
    }

    // ------------------------------------------------------------------ jobs

    /// @dev 10 x 3 x (100 + 50) = 4,500, and a fee of 2.5 % = 112.5, rounded down.
    function _terms() internal pure virtual returns (Terms memory) {
        return Terms({
            classes: 2,
            tasks: 10,
            answers: 3,
            base: 100,
            bonus: 50,
            feeBps: 250,
            weightCap: 6 * 2 ** 16,
            priorCap: 2 ** 16,
            taskRoot: keccak256("tasks"),
            manifest: keccak256("manifest"),
            parent: 0,
            free: false
        });
    }

    uint64 internal constant ESCROW = 4612;

    function _termsHash() internal pure returns (bytes32) {
        return keccak256(abi.encode(Leaves.TERMS, _terms()));
    }

    function _refund(uint32 job) internal {
        market.refund(job, REQUESTER, _termsHash());
    }

    function _openJob() internal returns (uint32) {
        vm.prank(REQUESTER);
        return market.openJob(_terms(), DEADLINE);
    }

    // ------------------------------------------------------------------ epochs

    function _withFee(uint256 pay, uint256 feeBps) internal pure returns (uint256) {
        return pay + pay * feeBps / 10_000;
    }

    function _debit(uint32 job, uint64 pay) internal pure returns (Debit[] memory debits) {
        debits = new Debit[](1);
        debits[0] = Debit({job: job, pay: pay, last: 0});
    }

    function _packed(Debit[] memory debits) internal pure returns (bytes memory packed) {
        for (uint256 i = 0; i < debits.length; ++i) {
            packed = bytes.concat(packed, abi.encodePacked(debits[i].job, debits[i].pay, debits[i].last));
        }
    }

    function _leaf(uint256 worker) internal view returns (bytes32) {
        return Leaves.balance(uint32(worker), _wallet(worker), cumulative[worker], _earnings(worker));
    }

    function _earnings(uint256 worker) internal pure returns (bytes32) {
        return keccak256(abi.encodePacked(uint32(worker), uint64(7)));
    }

    function _leaves() internal view returns (bytes32[] memory leaves) {
        leaves = new bytes32[](cumulative.length);
        for (uint256 i = 0; i < leaves.length; ++i) {
            leaves[i] = _leaf(i);
        }
    }

    /// @dev An honest header over `cumulative` and these debits, which must be good.
    function _header(Debit[] memory debits) internal view returns (Header memory) {
        uint256 total = market.finalTotal();
        for (uint256 i = 0; i < debits.length; ++i) {
            total += _withFee(debits[i].pay, market.job(debits[i].job).feeBps);
        }
        return Header({
            epoch: market.lastEpoch() + 1,
            previous: market.head(),
            validUntil: uint64(block.timestamp),
            configuration: market.configuration(),
            balances: TreeBuilder.root(_leaves()),
            balancesSize: uint32(cumulative.length),
            weights: keccak256("weights"),
            weightsSize: 2,
            verdicts: keccak256("verdicts"),
            verdictsSize: 3,
            assignments: keccak256("assignments"),
            assignmentsSize: 4,
            debits: keccak256(_packed(debits)),
            total: uint64(total),
            content: keccak256(abi.encode("content", block.timestamp)),
            model: keccak256("model")
        });
    }

    function _digest(Header memory header) internal view returns (bytes32) {
        return
            MessageHashUtils.toTypedDataHash(_domain(address(market)), keccak256(abi.encode(Messages.HEADER, header)));
    }

    function _domain(address verifier) internal view returns (bytes32) {
        return keccak256(
            abi.encode(
                keccak256("EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"),
                keccak256("crowdproof"),
                keccak256("0"),
                block.chainid,
                verifier
            )
        );
    }

    function _signature(uint256 key, bytes32 digest) internal pure returns (bytes memory) {
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(key, digest);
        return abi.encodePacked(r, s, v);
    }

    /// @dev Signatures of the first `count` members.
    function _signatures(bytes32 digest, uint256 count) internal view returns (bytes memory signatures) {
        for (uint256 i = 0; i < count; ++i) {
            signatures = bytes.concat(signatures, _signature(memberKeys[i], digest));
        }
    }

    /// @dev The bitmap of the first three members, who sign everything here.
    uint256 internal constant SIGNERS = 7;

    function _post(Header memory header, Debit[] memory debits) internal {
        market.postEpoch(header, _packed(debits), _signatures(_digest(header), 3));
    }

    /// @dev Posts an epoch in which `worker` earns `pay` from `job`, and the treasury the fee.
    function _postPaying(uint32 job, uint64 pay, uint256 worker)
        internal
        returns (Header memory header, Debit[] memory debits)
    {
        uint256 amount = _withFee(pay, market.job(job).feeBps);
        cumulative[worker] += pay;
        cumulative[0] += uint64(amount - pay);
        debits = _debit(job, pay);
        header = _header(debits);
        _post(header, debits);
    }

    function _finalise(Header memory header) internal {
        vm.warp(block.timestamp + WINDOW);
        market.finaliseEpoch(header, SIGNERS);
    }

    function _strike(Header memory header, Debit[] memory debits) internal {
        vm.prank(REFEREE);
        market.strike(header, SIGNERS, _packed(debits));
    }

    // ------------------------------------------------------------------ claims

    function _balance(uint256 worker) internal view returns (Balance memory) {
        return Balance({
            worker: uint32(worker), wallet: _wallet(worker), cumulative: cumulative[worker], earnings: _earnings(worker)
        });
    }

    /// @dev Of the worker's balance among those of `cumulative`.
    function _proof(uint256 worker) internal view returns (bytes32[] memory) {
        return TreeBuilder.proof(_leaves(), worker);
    }

    function _balances(uint256 first, uint256 count) internal view returns (Balance[] memory balances) {
        balances = new Balance[](count);
        for (uint256 i = 0; i < count; ++i) {
            balances[i] = _balance(first + i);
        }
    }

    /// @dev Of the same neighbours together.
    function _proofs(uint256 first, uint256 count) internal view returns (bytes32[] memory) {
        uint256[] memory indexes = new uint256[](count);
        for (uint256 i = 0; i < count; ++i) {
            indexes[i] = first + i;
        }
        return TreeBuilder.multiproof(_leaves(), indexes);
    }

    function _claimMany(uint256 first, uint256 count) internal {
        market.claimMany(_balances(first, count), _proofs(first, count));
    }

    function _emitted(address emitter) internal {
        vm.expectEmit(true, true, true, true, emitter);
    }
}
