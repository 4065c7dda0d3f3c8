// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.24;

/// CREDIT: 1 unit = 1 micro-dollar. Account-bound, minted only by burning stones into the vault, spent only on services.
/// ERC-20 views, so that wallets show the balance; transfers revert.
interface ICredits {
    /// What may be minted now (docs/spec/price.md). Where there is no pool nothing is limited: the bounds are 2^64 - 1.
    struct Limits {
        /// At which stones become credits.
        uint64 mintPriceMicroUsd;
        /// At which work is settled.
        uint64 settlePriceMicroUsd;
        /// 0 healthy, 1 shallow, 2 gap, 3 feeds apart: IPool.health. Nothing is minted unless 0.
        uint8 health;
        /// When the window ends in which `windowMicroUsd` may be minted by all together, network ms.
        uint64 windowEndMs;
        uint64 windowMicroUsd;
        uint64 windowLeftMicroUsd;
        uint64 outstandingMicroUsd;
        uint64 outstandingMaxMicroUsd;
        /// vault * settle price / outstanding, millionths. Below 950,000 take care, below 900,000 nothing is minted.
        uint64 coveragePpm;
        bool warned;
        /// Most that could be minted now.
        uint64 roomMicroUsd;
    }

    event Transfer(address indexed from, address indexed to, uint256 value);
    /// `stones` went into the vault for `credits` at `priceMicroUsd` per STONE.
    event Minted(address indexed account, uint256 stones, uint256 credits, uint64 priceMicroUsd);

    /// Credits cannot be moved between accounts.
    error AccountBound();
    /// The stones sent buy less than one micro-dollar.
    error MintTooSmall(uint256 stones, uint64 priceMicroUsd);
    /// The price has fallen, or somebody moved it, since the caller looked.
    error MintBelow(uint256 credits, uint256 minCredits);
    /// The price is not healthy: 1 shallow, 2 gap, 3 feeds apart. Pay in stones, or wait.
    error MintPaused(uint8 health);
    /// The half hour has no room for this: the whole mint is refused.
    error MintWindowFull(uint256 credits, uint64 left, uint64 windowMicroUsd, uint64 windowEndMs);
    /// More credits than settled work and the supply can stand for.
    error OutstandingFull(uint256 credits, uint64 left, uint64 outstandingMaxMicroUsd);
    /// The vault covers too little of what is outstanding.
    error CoverTooLow(uint64 coveragePpm, uint64 leastPpm);
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
    /// The same, refused when it would be less than `minCredits`.
    function mintAtLeast(uint256 minCredits) external payable returns (uint256 credits);
    function limits() external view returns (Limits memory);
    /// Credits that `stones` would mint now.
    function quote(uint256 stones) external view returns (uint256 credits);
    /// Stones held against outstanding credits.
    function vault() external view returns (uint256 stones);
}
