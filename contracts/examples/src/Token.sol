// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.24;

import {ERC20} from "@openzeppelin/contracts/token/ERC20/ERC20.sol";
import {ERC20Permit} from "@openzeppelin/contracts/token/ERC20/extensions/ERC20Permit.sol";

/// OpenZeppelin's ERC-20 as everybody deploys it, with permits: the whole supply is the deployer's.
contract Token is ERC20, ERC20Permit {
    constructor(uint256 supply) ERC20("Example", "EXA") ERC20Permit("Example") {
        _mint(msg.sender, supply);
    }
}
