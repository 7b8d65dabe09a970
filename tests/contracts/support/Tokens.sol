// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ERC20} from "@openzeppelin/contracts/token/ERC20/ERC20.sol";

/// @title An honest token of any decimals
contract TestToken is ERC20 {
    uint8 private immutable _DECIMALS;

    constructor(uint8 decimals_) ERC20("Test", "TEST") {
        _DECIMALS = decimals_;
    }

    function decimals() public view virtual override returns (uint8) {
        return _DECIMALS;
    }

    function mint(address to, uint256 amount) external {
        _mint(to, amount);
    }
}

/// @dev Keeps 1 % of each transfer.
contract FeeToken is TestToken(6) {
    function _update(address from, address to, uint256 amount) internal override {
        if (from == address(0)) return super._update(from, to, amount);
        super._update(from, to, amount - amount / 100);
        super._update(from, address(this), amount / 100);
    }
}

/// @dev Answers false, and moves nothing, once `lying` is set.
contract FalseToken is TestToken(6) {
    bool public lying;

    function lie(bool on) external {
        lying = on;
    }

    function transfer(address to, uint256 amount) public override returns (bool) {
        return !lying && super.transfer(to, amount);
    }

    function transferFrom(address from, address to, uint256 amount) public override returns (bool) {
        return !lying && super.transferFrom(from, to, amount);
    }
}

/// @dev Refuses the blocked, as the large dollar tokens do.
contract BlocklistToken is TestToken(6) {
    error Blocked(address who);

    mapping(address who => bool) public blocked;

    function setBlocked(address who, bool on) external {
        blocked[who] = on;
    }

    function _update(address from, address to, uint256 amount) internal override {
        require(!blocked[to], Blocked(to));
        super._update(from, to, amount);
    }
}

/// @dev Calls back into `target` in the middle of each transfer, and remembers how that ended.
contract ReentrantToken is TestToken(6) {
    address public target;
    bytes public call;
    bool public entered;
    bytes public problem;

    function arm(address target_, bytes calldata call_) external {
        target = target_;
        call = call_;
    }

    function _update(address from, address to, uint256 amount) internal override {
        super._update(from, to, amount);
        if (target == address(0)) return;
        address armed = target;
        target = address(0);
        (entered, problem) = armed.call(call);
    }
}

/// @dev An old token whose transfers return nothing.
contract SilentToken {
    mapping(address who => uint256) public balanceOf;
    mapping(address owner => mapping(address spender => uint256)) public allowance;

    function decimals() external pure returns (uint8) {
        return 6;
    }

    function mint(address to, uint256 amount) external {
        balanceOf[to] += amount;
    }

    function approve(address spender, uint256 amount) external returns (bool) {
        allowance[msg.sender][spender] = amount;
        return true;
    }

    function transfer(address to, uint256 amount) external {
        balanceOf[msg.sender] -= amount;
        balanceOf[to] += amount;
    }

    function transferFrom(address from, address to, uint256 amount) external {
        allowance[from][msg.sender] -= amount;
        balanceOf[from] -= amount;
        balanceOf[to] += amount;
    }
}
