// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Counters} from "./Counters.sol";

/// @notice A job's account in one word: three counters, funded, debited and refunded, then deadline u48 and feeBps u16. A word
/// by hand, because a struct of the same slot costs each debit 1,400 gas more.
type Account is uint256;

using Accounts for Account global;

library Accounts {
    uint256 private constant FUNDED = 0;
    uint256 private constant DEBITED = 1;
    uint256 private constant REFUNDED = 2;
    uint256 private constant DEADLINE_BIT = 192;
    uint256 private constant FEE_BIT = 240;

    function create(uint64 funded_, uint48 deadline_, uint16 feeBps_) internal pure returns (Account) {
        return Account.wrap(funded_ | uint256(deadline_) << DEADLINE_BIT | uint256(feeBps_) << FEE_BIT);
    }

    function funded(Account account) internal pure returns (uint64) {
        return Counters.read(Account.unwrap(account), FUNDED);
    }

    function debited(Account account) internal pure returns (uint64) {
        return Counters.read(Account.unwrap(account), DEBITED);
    }

    function refunded(Account account) internal pure returns (uint64) {
        return Counters.read(Account.unwrap(account), REFUNDED);
    }

    function deadline(Account account) internal pure returns (uint48) {
        // forge-lint: disable-next-line(unsafe-typecast)
        return uint48(Account.unwrap(account) >> DEADLINE_BIT);
    }

    function feeBps(Account account) internal pure returns (uint16) {
        // forge-lint: disable-next-line(unsafe-typecast)
        return uint16(Account.unwrap(account) >> FEE_BIT);
    }

    /// @notice What no epoch, no award and no refund has taken.
    function locked(Account account) internal pure returns (uint64) {
        return account.funded() - account.debited() - account.refunded();
    }

    function fund(Account account, uint64 amount) internal pure returns (Account) {
        return Account.wrap(Counters.raised(Account.unwrap(account), FUNDED, amount));
    }

    /// @notice At most what is locked: the caller has seen to it.
    function debit(Account account, uint256 amount) internal pure returns (Account) {
        return Account.wrap(Account.unwrap(account) + Counters.placed(amount, DEBITED));
    }

    function credit(Account account, uint64 amount) internal pure returns (Account) {
        return Account.wrap(Counters.lowered(Account.unwrap(account), DEBITED, amount));
    }

    /// @notice At most what is locked: the caller has seen to it.
    function refund(Account account, uint256 amount) internal pure returns (Account) {
        return Account.wrap(Account.unwrap(account) + Counters.placed(amount, REFUNDED));
    }

    function close(Account account, uint48 deadline_) internal pure returns (Account) {
        uint256 moved = uint256(account.deadline() ^ deadline_) << DEADLINE_BIT;
        return Account.wrap(Account.unwrap(account) ^ moved);
    }
}
