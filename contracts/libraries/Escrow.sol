// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IMarket, Terms} from "../interfaces/IMarket.sol";
import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";

/// @title What a job costs, and the bounds of its terms (docs/protocol.md, Terms)
library Escrow {
    uint256 internal constant MOST_CLASSES = 64;
    uint256 internal constant MOST_ANSWERS = 64;
    uint256 internal constant MOST_TASKS = 2 ** 24;
    /// @dev 16 nats: odds of nine million to one, and 65 of them still fit int32 with room to spare.
    uint256 internal constant MOST_CAP = 16 * 2 ** 16;
    uint256 internal constant BPS = 10_000;
    uint256 private constant UNIT_DECIMALS = 6;
    /// @dev A unit of 10^30 times any uint64 amount still fits uint256.
    uint256 private constant MOST_DECIMALS = 36;

    /// @notice A token's smallest units in one unit of the protocol.
    function unitOf(uint8 decimals) internal pure returns (uint256) {
        require(decimals <= MOST_DECIMALS, IMarket.MarketDecimalsUnsupported(decimals));
        return 10 ** Math.saturatingSub(decimals, UNIT_DECIMALS);
    }

    /// @notice In units; reverts for terms out of bounds.
    function total(Terms calldata terms) internal pure returns (uint64) {
        uint256 reward = uint256(terms.base) + terms.bonus;
        require(terms.classes >= 2 && terms.classes <= MOST_CLASSES, IMarket.MarketClassesOutOfRange(terms.classes));
        require(terms.tasks != 0 && terms.tasks <= MOST_TASKS, IMarket.MarketTasksOutOfRange(terms.tasks));
        require(terms.answers != 0 && terms.answers <= MOST_ANSWERS, IMarket.MarketAnswersOutOfRange(terms.answers));
        require(reward != 0, IMarket.MarketRewardMissing());
        require(terms.feeBps <= BPS, IMarket.MarketFeeOutOfRange(terms.feeBps));
        require(
            terms.weightCap <= MOST_CAP && terms.priorCap <= MOST_CAP && (terms.weightCap != 0 || terms.priorCap == 0),
            IMarket.MarketCapsOutOfRange(terms.weightCap, terms.priorCap)
        );
        uint256 escrow = withFee(reward * terms.tasks * terms.answers, terms.feeBps);
        require(escrow <= type(uint64).max, IMarket.MarketEscrowTooLarge(escrow));
        // forge-lint: disable-next-line(unsafe-typecast)
        return uint64(escrow);
    }

    /// @notice `pay`, and the fee on it, rounded down. Of pay below 2^128 and a fee in range: every pay that there is.
    function withFee(uint256 pay, uint256 feeBps) internal pure returns (uint256) {
        unchecked {
            return pay + pay * feeBps / BPS;
        }
    }
}
