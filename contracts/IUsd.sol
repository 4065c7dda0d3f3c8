// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.24;

/// USD: 1 unit = 1 micro-dollar. An ERC-20 token of development networks whose genesis has a pool. Nobody redeems it: a faucet
/// hands it out, so many a day.
interface IUsd {
    event Transfer(address indexed from, address indexed to, uint256 value);
    event Approval(address indexed owner, address indexed spender, uint256 value);

    error InsufficientBalance(address account, uint256 balance, uint256 needed);
    error InsufficientAllowance(address spender, uint256 allowance, uint256 needed);
    /// Tokens sent to nobody would be lost.
    error BadReceiver(address to);
    /// `left` is what the account may still take today, as far as all accounts together have left something.
    error FaucetEmpty(uint256 asked, uint64 left);

    function name() external view returns (string memory);
    function symbol() external view returns (string memory);
    function decimals() external view returns (uint8);
    function totalSupply() external view returns (uint256);
    function balanceOf(address account) external view returns (uint256);
    function allowance(address owner, address spender) external view returns (uint256);
    function transfer(address to, uint256 value) external returns (bool);
    function approve(address spender, uint256 value) external returns (bool);
    function transferFrom(address from, address to, uint256 value) external returns (bool);

    /// Makes `microUsd` for the caller.
    function faucet(uint64 microUsd) external;
    function faucetLeft(address account) external view returns (uint64 microUsd);
}
