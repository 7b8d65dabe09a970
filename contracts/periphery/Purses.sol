// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IMarket, Terms} from "../interfaces/IMarket.sol";
import {Authorization, Permit2Signature, Purse} from "./Purse.sol";
import {Clones} from "@openzeppelin/contracts/proxy/Clones.sol";

/// @title Purses: makes each owner's purse for one Market, at an address that can be signed for before it is there
/// @notice Holds nothing and may do nothing: what it passes on, each purse checks.
contract Purses {
    /// @notice What each purse is a clone of.
    address public immutable implementation;

    event PurseMade(address indexed owner, address purse);

    error PursesOwnerMissing();

    constructor(IMarket market) {
        implementation = address(new Purse(market));
    }

    function purseOf(address owner) public view returns (address) {
        return Clones.predictDeterministicAddressWithImmutableArgs(implementation, abi.encodePacked(owner), 0);
    }

    /// @notice The owner's purse, which is made unless it is there.
    function make(address owner) public returns (Purse) {
        require(owner != address(0), PursesOwnerMissing());
        address purse = purseOf(owner);
        if (purse.code.length == 0) {
            emit PurseMade(owner, purse);
            // slither-disable-next-line unused-return (it is the one that was foretold)
            Clones.cloneDeterministicWithImmutableArgs(implementation, abi.encodePacked(owner), 0);
        }
        return Purse(payable(purse));
    }

    function openWithPermit2(address owner, Terms calldata terms, uint64 deadline, Permit2Signature calldata permit)
        external
        returns (uint32 job)
    {
        return make(owner).openWithPermit2(terms, deadline, permit);
    }

    function openWithAuthorization(address owner, Terms calldata terms, uint64 deadline, Authorization calldata given)
        external
        returns (uint32 job)
    {
        return make(owner).openWithAuthorization(terms, deadline, given);
    }
}
