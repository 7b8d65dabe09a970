// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IWorkers, Registration} from "../interfaces/IWorkers.sol";

/// @title Registrar: registers contract wallets that are not deployed yet (ERC-6492)
/// @notice A wrapped signature says how its wallet is made. The wallet is made, and is registered by the signature inside, which
/// Workers checks as always: the wallet of record is the one that signed.
/// @dev It calls whom it is told to, so it must never hold or be allowed anything; it calls Workers for nobody but signers.
contract Registrar {
    /// @dev Ends every wrapped signature; fixed by ERC-6492.
    bytes32 private constant WRAPPED = 0x6492649264926492649264926492649264926492649264926492649264926492;

    IWorkers public immutable workers;

    error RegistrarFactoryRefused(uint256 position, address factory);
    error RegistrarWalletMissing(uint256 position, address wallet);

    constructor(IWorkers workers_) {
        workers = workers_;
    }

    // slither-disable-start calls-loop (each is asked about itself, and who fails the batch pays for it)

    /// @notice Registers each wallet, as `Workers.registerMany` does, wrapped signatures among the plain ones.
    /// @param registrations A wrapped signature is abi.encode(factory, its calldata, the signature inside), then the mark.
    function register(Registration[] calldata registrations) external {
        for (uint256 i = 0; i < registrations.length; ++i) {
            Registration memory entry = registrations[i];
            if (workers.isRegistered(entry.wallet)) continue;
            if (_isWrapped(registrations[i].signature)) _registerWrapped(entry, registrations[i].signature, i);
            else workers.registerMany(_one(entry));
        }
    }

    /// @dev A wallet that is there is asked first: somebody may have made it ahead. If it says no, the call may be what it lacks.
    function _registerWrapped(Registration memory entry, bytes calldata wrapped, uint256 position) private {
        address factory;
        bytes memory call;
        (factory, call, entry.signature) = abi.decode(wrapped[:wrapped.length - 32], (address, bytes, bytes));
        require(factory != address(workers), RegistrarFactoryRefused(position, factory));
        if (entry.wallet.code.length != 0) {
            try workers.registerMany(_one(entry)) {
                return;
            } catch {}
        }
        // slither-disable-next-line low-level-calls (what it made is looked at, not what it says)
        (bool made,) = factory.call(call);
        require(made && entry.wallet.code.length != 0, RegistrarWalletMissing(position, entry.wallet));
        workers.registerMany(_one(entry));
    }

    // slither-disable-end calls-loop

    function _isWrapped(bytes calldata signature) private pure returns (bool) {
        uint256 length = signature.length;
        return length >= 32 && bytes32(signature[length - 32:]) == WRAPPED;
    }

    function _one(Registration memory entry) private pure returns (Registration[] memory one) {
        one = new Registration[](1);
        one[0] = entry;
    }
}
