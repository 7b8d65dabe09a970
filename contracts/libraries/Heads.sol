// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Link} from "../interfaces/IReferee.sol";
import {Leaves} from "./Leaves.sol";

/// @title The head chain of a Market
library Heads {
    /// @notice The head that an epoch left for good, and then those of the epochs after it.
    /// @param head The one that the epoch's post left.
    function follow(bytes32 head, bool struck, Link[] calldata links) internal pure returns (bytes32) {
        if (struck) head = Leaves.struck(head);
        for (uint256 i = 0; i < links.length; ++i) {
            head = Leaves.head(head, links[i].digest, links[i].signers);
            if (links[i].struck) head = Leaves.struck(head);
        }
        return head;
    }
}
