// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.24;

/// CREDIT: 1 unit = 1 micro-dollar. Account-bound, minted only by burning stones into the vault, spent only on services.
/// ERC-20 views, so that wallets show the balance; transfers revert.
interface ICredits {
    event Transfer(address indexed from, address indexed to, uint256 value);
    /// `stones` went into the vault for `credits` at `priceMicroUsd` per STONE.
    event Minted(address indexed account, uint256 stones, uint256 credits, uint64 priceMicroUsd);

    /// Credits cannot be moved between accounts.
    error AccountBound();
    /// The stones sent buy less than one micro-dollar.
    error MintTooSmall(uint256 stones, uint64 priceMicroUsd);
    error InsufficientCredits(address account, uint256 balance, uint256 needed);

    function name() external view returns (string memory);
    function symbol() external view returns (string memory);
    function decimals() external view returns (uint8);
    function totalSupply() external view returns (uint256);
    function balanceOf(address account) external view returns (uint256);
    function allowance(address owner, address spender) external view returns (uint256);
    function transfer(address to, uint256 value) external returns (bool);
    function approve(address spender, uint256 value) external returns (bool);
    function transferFrom(address from, address to, uint256 value) external returns (bool);

    /// Burns the stones sent and mints their worth in credits to the caller, rounded down.
    function mint() external payable returns (uint256 credits);
    /// Credits that `stones` would mint now.
    function quote(uint256 stones) external view returns (uint256 credits);
    /// Stones held against outstanding credits.
    function vault() external view returns (uint256 stones);
}
