// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IMarket, Job, Terms} from "../../../contracts/interfaces/IMarket.sol";
import {Fixture} from "../support/Fixture.sol";
import {IERC20Errors} from "@openzeppelin/contracts/interfaces/draft-IERC6093.sol";

contract OpenJobTest is Fixture {
    function setUp() public {
        _deploy();
    }

    function test_openJob__terms_out_of_range__reverts() public {
        Terms memory terms = _terms();
        terms.classes = 1;
        _refuse(terms, abi.encodeWithSelector(IMarket.MarketClassesOutOfRange.selector, 1));
        terms.classes = 65;
        _refuse(terms, abi.encodeWithSelector(IMarket.MarketClassesOutOfRange.selector, 65));

        terms = _terms();
        terms.tasks = 0;
        _refuse(terms, abi.encodeWithSelector(IMarket.MarketTasksOutOfRange.selector, 0));
        terms.tasks = 2 ** 24 + 1;
        _refuse(terms, abi.encodeWithSelector(IMarket.MarketTasksOutOfRange.selector, 2 ** 24 + 1));

        terms = _terms();
        terms.answers = 0;
        _refuse(terms, abi.encodeWithSelector(IMarket.MarketAnswersOutOfRange.selector, 0));
        terms.answers = 65;
        _refuse(terms, abi.encodeWithSelector(IMarket.MarketAnswersOutOfRange.selector, 65));

        terms = _terms();
        (terms.base, terms.bonus) = (0, 0);
        _refuse(terms, abi.encodeWithSelector(IMarket.MarketRewardMissing.selector));

        terms = _terms();
        terms.feeBps = 10_001;
        _refuse(terms, abi.encodeWithSelector(IMarket.MarketFeeOutOfRange.selector, 10_001));

        terms = _terms();
        terms.weightCap = 2 ** 20 + 1;
        _refuse(terms, abi.encodeWithSelector(IMarket.MarketCapsOutOfRange.selector, terms.weightCap, terms.priorCap));
        terms = _terms();
        terms.priorCap = 2 ** 20 + 1;
        _refuse(terms, abi.encodeWithSelector(IMarket.MarketCapsOutOfRange.selector, terms.weightCap, terms.priorCap));
        terms = _terms();
        terms.weightCap = 0;
        _refuse(terms, abi.encodeWithSelector(IMarket.MarketCapsOutOfRange.selector, 0, terms.priorCap));
    }

    function test_openJob__terms_at_the_limits__opens() public {
        Terms memory terms = _terms();
        (terms.classes, terms.tasks, terms.answers, terms.feeBps) = (64, 2 ** 24, 64, 10_000);
        (terms.weightCap, terms.priorCap) = (2 ** 20, 2 ** 20);
        (terms.base, terms.bonus) = (0, 1);
        vm.assertEq(market.job(_open(terms)).funded, 2 ** 31);
        (terms.classes, terms.tasks, terms.answers, terms.feeBps) = (2, 1, 1, 0);
        (terms.weightCap, terms.priorCap) = (0, 0);
        vm.assertEq(market.job(_open(terms)).funded, 1);
    }

    function test_openJob__escrow_does_not_fit__reverts() public {
        Terms memory terms = _terms();
        (terms.tasks, terms.answers, terms.base, terms.bonus, terms.feeBps) = (1, 1, type(uint64).max, 0, 0);
        vm.assertEq(market.job(_open(terms)).funded, type(uint64).max);
        terms.bonus = 1;
        _refuse(terms, abi.encodeWithSelector(IMarket.MarketEscrowTooLarge.selector, 2 ** 64));
        (terms.bonus, terms.feeBps) = (0, 1);
        _refuse(
            terms,
            abi.encodeWithSelector(
                IMarket.MarketEscrowTooLarge.selector, uint256(type(uint64).max) + type(uint64).max / 10_000
            )
        );
    }

    function test_openJob__deadline_not_ahead__reverts() public {
        vm.expectRevert(abi.encodeWithSelector(IMarket.MarketDeadlineOutOfRange.selector, START, START));
        market.openJob(_terms(), uint64(START));
        vm.expectRevert(abi.encodeWithSelector(IMarket.MarketDeadlineOutOfRange.selector, 2 ** 48, START));
        market.openJob(_terms(), 2 ** 48);

        vm.prank(REQUESTER);
        vm.assertEq(market.job(market.openJob(_terms(), uint64(START) + 1)).deadline, START + 1);
    }

    function test_openJob__parent_not_earlier__reverts() public {
        Terms memory terms = _terms();
        terms.parent = 1;
        vm.expectRevert(abi.encodeWithSelector(IMarket.MarketParentUnknown.selector, 1, 1));
        _open(terms);
        terms.parent = 0;
        _open(terms);
        terms.parent = 3;
        vm.expectRevert(abi.encodeWithSelector(IMarket.MarketParentUnknown.selector, 3, 2));
        _open(terms);
        terms.parent = 1;
        bytes32 termsHash = keccak256(abi.encode(keccak256("crowdproof.terms"), terms));
        vm.assertEq(market.job(_open(terms)).identity, keccak256(abi.encode(REQUESTER, termsHash)));
    }

    function test_openJob__no_allowance__reverts() public {
        vm.expectRevert(
            abi.encodeWithSelector(
                IERC20Errors.ERC20InsufficientAllowance.selector, address(market), 0, uint256(ESCROW) * UNIT
            )
        );
        market.openJob(_terms(), DEADLINE);
    }

    function test_openJob__unknown_job__has_no_views() public {
        _openJob();
        for (uint32 job = 0; job <= 2; job += 2) {
            vm.expectRevert(abi.encodeWithSelector(IMarket.MarketJobUnknown.selector, job));
            market.job(job);
            vm.expectRevert(abi.encodeWithSelector(IMarket.MarketJobUnknown.selector, job));
            market.refundOpensAt(job);
        }
    }

    function test_openJob__funded__pulls_the_escrow_and_keeps_the_account() public {
        uint256 before = token.balanceOf(REQUESTER);
        bytes32 termsHash = keccak256(abi.encode(keccak256("crowdproof.terms"), _terms()));
        _emitted(address(market));
        emit IMarket.JobOpened(1, REQUESTER, termsHash, _terms(), DEADLINE, ESCROW);
        vm.assertEq(_openJob(), 1);

        vm.assertEq(before - token.balanceOf(REQUESTER), uint256(ESCROW) * UNIT);
        vm.assertEq(token.balanceOf(address(market)), uint256(ESCROW) * UNIT);
        Job memory account = market.job(1);
        vm.assertEq(account.funded, ESCROW);
        vm.assertEq(uint256(account.debited) + account.refunded, 0);
        vm.assertEq(account.deadline, DEADLINE);
        vm.assertEq(account.feeBps, 250);
        vm.assertEq(account.identity, keccak256(abi.encode(REQUESTER, termsHash)));
        vm.assertEq(market.refundOpensAt(1), DEADLINE + 4 * WINDOW);

        vm.assertEq(_openJob(), 2);
        vm.assertEq(market.jobCount(), 2);
    }

    function testFuzz_escrowOf__any_terms__covers_every_pay_and_its_fee(Terms memory terms, uint64 tasks, uint64 pay)
        public
        view
    {
        terms.classes = 2;
        terms.tasks = uint32(1 + tasks % 2 ** 24);
        terms.answers = uint8(1 + terms.answers % 64);
        terms.base %= 2 ** 30;
        terms.bonus = 1 + terms.bonus % 2 ** 30;
        terms.feeBps %= 10_001;
        (terms.weightCap, terms.priorCap) = (1, 0);
        uint256 most = uint256(terms.tasks) * terms.answers * (terms.base + terms.bonus);
        uint256 escrow = market.escrowOf(terms);
        vm.assertEq(escrow, _withFee(most, terms.feeBps));
        // Paid in two parts, the two floors never cost more than the one.
        uint256 part = pay % (most + 1);
        vm.assertTrue(_withFee(part, terms.feeBps) + _withFee(most - part, terms.feeBps) <= escrow, "fees");
    }

    function _open(Terms memory terms) private returns (uint32) {
        vm.prank(REQUESTER);
        return market.openJob(terms, DEADLINE);
    }

    function _refuse(Terms memory terms, bytes memory problem) private {
        vm.expectRevert(problem);
        _open(terms);
        vm.expectRevert(problem);
        market.escrowOf(terms);
    }
}
