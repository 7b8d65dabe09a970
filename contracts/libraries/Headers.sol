// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Header, IMarket} from "../interfaces/IMarket.sol";
import {Debits} from "./Debits.sol";

/// @title What must hold of a header by itself, and of the debits that come with it
library Headers {
    uint256 internal constant MOST_LEAVES = 2 ** 24;
    uint256 internal constant MOST_DEBITS = 512;

    /// @dev The balances tree always holds the treasury, so that the claim root is never empty.
    function checkTrees(Header calldata header) internal pure {
        require(header.balances != 0 && header.balancesSize != 0, IMarket.MarketBalancesMissing());
        require(header.balancesSize <= MOST_LEAVES, IMarket.MarketTreeTooLarge(header.balancesSize));
        require(header.weightsSize <= MOST_LEAVES, IMarket.MarketTreeTooLarge(header.weightsSize));
        require(header.verdictsSize <= MOST_LEAVES, IMarket.MarketTreeTooLarge(header.verdictsSize));
        require(header.assignmentsSize <= MOST_LEAVES, IMarket.MarketTreeTooLarge(header.assignmentsSize));
    }

    function checkDebits(Header calldata header, bytes calldata debits) internal pure {
        uint256 length = debits.length;
        require(length % Debits.SIZE == 0, IMarket.MarketDebitsMisaligned(length));
        require(length <= MOST_DEBITS * Debits.SIZE, IMarket.MarketDebitsTooMany(length / Debits.SIZE));
        bytes32 given = keccak256(debits);
        require(given == header.debits, IMarket.MarketDebitsMismatch(given, header.debits));
    }
}
