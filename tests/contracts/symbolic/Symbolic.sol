// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title The cheatcodes that halmos understands
interface Cheats {
    function assume(bool condition) external pure;
    function prank(address sender) external;
    function warp(uint256 time) external;
    function deal(address who, uint256 amount) external;
}

/// @title What halmos adds: values that stand for every value at once
interface Symbols {
    function createUint(uint256 bits, string calldata name) external pure returns (uint256);

    function createBytes32(string calldata name) external pure returns (bytes32);
    function createBytes(uint256 size, string calldata name) external pure returns (bytes memory);
    function enableSymbolicStorage(address who) external;
}

abstract contract Symbolic {
    Cheats internal constant vm = Cheats(address(uint160(uint256(keccak256("hevm cheat code")))));
    Symbols internal constant svm = Symbols(0xF3993A62377BCd56AE39D773740A5390411E8BC9);

    function _amount(string memory name) internal pure returns (uint64) {
        return uint64(svm.createUint(64, name));
    }
}

/// @title A token of 6 decimals, so that a unit is 1, that does what it is told, and whose balances a proof can set
contract PlainToken {
    mapping(address who => uint256) public balanceOf;

    function decimals() external pure returns (uint8) {
        return 6;
    }

    function set(address who, uint256 amount) external {
        balanceOf[who] = amount;
    }

    function transfer(address to, uint256 amount) external returns (bool) {
        return _move(msg.sender, to, amount);
    }

    /// @dev Whoever pays has allowed it.
    function transferFrom(address from, address to, uint256 amount) external returns (bool) {
        return _move(from, to, amount);
    }

    function permit(address, address, uint256, uint256, uint8, bytes32, bytes32) external {}

    function _move(address from, address to, uint256 amount) private returns (bool) {
        balanceOf[from] -= amount;
        balanceOf[to] += amount;
        return true;
    }
}

/// @title A committee that signs whatever is put before it
contract YesCommittee {
    bytes32 public constant digest = keccak256("committee");
    uint64 public constant delay = 365 days;

    function check(bytes32, bytes calldata) external pure returns (uint256) {
        return 7;
    }
}
