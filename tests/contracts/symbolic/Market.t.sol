// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Header} from "../../../contracts/interfaces/IMarket.sol";
import {MarketProof} from "./MarketProof.sol";

/// @title Conservation: whatever is called, the balance covers exactly what is owed
contract ConservationProof is MarketProof {
    function check_refund__conserves(bytes32 termsHash, bool second) public inAnyState {
        try market.refund(second ? 2 : 1, PAYER, termsHash) {
            _assertSound();
        } catch {}
    }

    function check_topUp__conserves(bool second) public inAnyState {
        vm.prank(PAYER);
        try market.topUp(second ? 2 : 1, _amount("amount")) {
            _assertSound();
        } catch {}
    }

    function check_postEpoch__two_debits__conserves() public inAnyState {
        bytes memory debits = abi.encodePacked(uint32(1), _amount("pay"), uint32(0), uint32(2), _amount("pay 2"), uint32(1));
        try market.postEpoch(_header(debits), debits, "") {
            _assertSound();
        } catch {}
    }
}
