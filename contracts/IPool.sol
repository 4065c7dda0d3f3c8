// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.24;

/// The pool of stones and dollars: the network's own price (docs/spec/price.md). Only where genesis has a pool.
/// Dollars are IUsd's micro-dollars, taken from the caller without an allowance. Deadlines are network ms.
interface IPool {
    event Bought(address indexed account, uint64 microUsd, uint256 stones, uint64 priceMicroUsd);
    event Sold(address indexed account, uint256 stones, uint64 microUsd, uint64 priceMicroUsd);
    event LiquidityAdded(address indexed account, uint256 stones, uint64 microUsd, uint256 shares);
    event LiquidityRemoved(address indexed account, uint256 stones, uint64 microUsd, uint256 shares);
    /// medianMicroUsd is 0 while fewer than a quorum of seats have fed.
    event Fed(address indexed validator, uint64 priceMicroUsd, uint64 medianMicroUsd, uint32 feeds);

    /// What an epoch of a sector that became final was settled at.
    event EpochSettled(uint64 indexed epoch, uint8 indexed sector, uint64 priceMicroUsd, uint8 health);

    error Expired(uint64 deadlineMs, uint64 nowMs);
    /// The caller would get less than it asks for, or nothing.
    error TooLittle(uint256 out, uint256 minOut);
    /// The stones that were sent ask for more dollars beside them than the caller allows.
    error TooMuch(uint64 microUsd, uint64 maxMicroUsd);
    error NotEnoughShares(address account, uint256 shares, uint256 asked);
    /// A pool is never emptied.
    error PoolFloor(uint64 leftMicroUsd, uint64 leastMicroUsd);
    error NotSeated(address caller);

    /// Puts dollars in and takes stones out.
    function buy(uint64 microUsd, uint256 minStones, uint64 deadlineMs) external returns (uint256 stones);
    /// Puts the stones sent in and takes dollars out.
    function sell(uint64 minMicroUsd, uint64 deadlineMs) external payable returns (uint64 microUsd);
    /// Puts the stones sent in with as many dollars as the pool holds for them, rounded up; shares are rounded down.
    function addLiquidity(uint64 maxMicroUsd, uint256 minShares, uint64 deadlineMs)
        external
        payable
        returns (uint64 microUsd, uint256 shares);
    function removeLiquidity(uint256 shares, uint256 minStones, uint64 minMicroUsd, uint64 deadlineMs)
        external
        returns (uint256 stones, uint64 microUsd);
    /// A seated validator's own view of the price, micro-dollars per STONE. Feeds can only pause, never set a price.
    function feed(uint64 priceMicroUsd) external;

    function reserves() external view returns (uint256 stones, uint64 microUsd, uint256 shares);
    function feePpm() external view returns (uint32);
    function sharesOf(address account) external view returns (uint256);
    function quoteBuy(uint64 microUsd) external view returns (uint256 stones);
    function quoteSell(uint256 stones) external view returns (uint64 microUsd);

    /// Micro-dollars per STONE in 2^-32, now.
    function price() external view returns (uint128);
    /// Geometric means over half an hour and a day, in the same unit.
    function twaps() external view returns (uint128 halfHour, uint128 day);
    /// The lowest of the three: at which stones become credits. Whole micro-dollars.
    function mintPrice() external view returns (uint64);
    /// The mean of half an hour: at which work is settled and paid. Whole micro-dollars.
    function settlePrice() external view returns (uint64);
    /// reason: 0 healthy, 1 shallow, 2 gap, 3 feeds apart. The median of the feeds (0: there is none), and how many it is of.
    function health() external view returns (uint8 reason, uint64 medianMicroUsd, uint32 feeds);
    /// What an epoch is settled at, and its health: fixed once the epoch is over, a preview before.
    function epochPrice(uint64 epoch) external view returns (uint64 priceMicroUsd, uint8 reason, bool isFixed);
    function feedOf(address validator) external view returns (uint64 priceMicroUsd, uint64 timeMs);
}
