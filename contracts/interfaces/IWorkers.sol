// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @param wallet Who is registered, and is paid.
/// @param key The answer key: the wallet itself, or any other key that will sign its answers.
/// @param validUntil Last second at which the signature is good.
/// @param signature EIP-712 `Register`, by the wallet: 65 bytes, or whatever a contract wallet accepts (ERC-1271).
struct Registration {
    address wallet;
    address key;
    uint64 validUntil;
    bytes signature;
}

/// @title One dense index for each wallet, and its answer keys
/// @notice Indexes and keys are append-only: what an index or a key number meant once, it means for ever. Index 0 is the
/// treasury. Revoking a key stops new receipts; answers that it signed before stay valid.
///
/// Breaks safety:
/// - a wallet's key in other hands: its owner can add answer keys, but never move the wallet's earnings elsewhere.
/// - a contract wallet whose `isValidSignature` says yes to everyone: anyone can add keys to it.
///
/// Breaks liveness:
/// - nothing: registering needs nobody's permission. Being assigned a task is the committee's choice.
interface IWorkers {
    event WorkerRegistered(uint32 indexed worker, address indexed wallet);
    event KeyAdded(uint32 indexed worker, uint16 number, address key);
    event KeyRevoked(uint32 indexed worker, uint16 number);

    error WorkersWalletMissing();
    error WorkersWalletRegistered(address wallet);
    error WorkersWalletUnknown(address wallet);
    error WorkersIndexUnknown(uint256 worker);
    error WorkersKeyMissing(uint256 position);
    error WorkersKeyUnknown(uint256 worker, uint256 number);
    error WorkersKeyRevoked(uint256 worker, uint256 number);
    error WorkersSignatureExpired(uint256 position, uint64 validUntil);
    error WorkersSignatureInvalid(uint256 position, address wallet);

    /// @notice Registers the caller; key 0 is the caller itself.
    function register() external returns (uint32 worker);

    /// @notice Registers many wallets by their signatures (`Register` with number 0). A wallet that is registered already
    /// is skipped, so that nobody can stop a batch by registering one of its wallets first.
    function registerMany(Registration[] calldata registrations) external;

    /// @notice Adds an answer key to the caller's index.
    function addKey(address key) external returns (uint16 number);

    /// @notice Adds an answer key by the wallet's signature: `Register` whose number is the wallet's key count, so a
    /// signature works once.
    function addKeySigned(Registration calldata registration) external returns (uint16 number);

    /// @notice Revokes one of the caller's answer keys, for ever.
    function revokeKey(uint16 number) external;

    /// @notice How many indexes are taken, the treasury's included.
    function count() external view returns (uint32);

    function walletOf(uint32 worker) external view returns (address);

    /// @notice Reverts for a wallet that is not registered.
    function indexOf(address wallet) external view returns (uint32);

    function isRegistered(address wallet) external view returns (bool);

    /// @notice The key, revoked or not. Reverts for a number that was never given.
    function keyOf(uint32 worker, uint16 number) external view returns (address);

    function keyCount(uint32 worker) external view returns (uint16);

    /// @notice When the key was revoked; 0 if it is good.
    function revokedAt(uint32 worker, uint16 number) external view returns (uint64);
}
