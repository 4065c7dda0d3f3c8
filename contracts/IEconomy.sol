// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.24;

/// Supply, reserve and the day's budget (docs/spec/economy.md).
interface IEconomy {
    struct Day {
        uint64 day;
        uint64 usageSubsidyMicroUsd;
        uint64 needSubsidyMicroUsd;
        uint64 incomeMicroUsd;
        uint64 burnMicroUsd;
        uint256 grantLeftStones;
        uint64 settledTodayMicroUsd;
    }

    event DayOpened(uint64 indexed day, uint8 indexed sector, uint64 usageSubsidyMicroUsd, uint64 needSubsidyMicroUsd, uint256 reserve);
    event Burned(uint256 stones, bytes32 indexed cause);

    /// Micro-dollars per STONE.
    function price() external view returns (uint64);
    /// Stones not yet issued.
    function reserve() external view returns (uint256);
    /// Stones burned since genesis, base fees included.
    function burned() external view returns (uint256);
    /// Hard cap less burned.
    function supply() external view returns (uint256);
    function today(uint8 sector) external view returns (Day memory);
    function epoch() external view returns (uint64);
    /// For what is sampled in an epoch: unknown to everyone until the epoch two before it has ended; zero while it is not drawn
    /// (docs/spec/beacon.md). On a chain without consensus (`cairn up --dev`) anyone can compute it.
    function randomness(uint64 epoch) external view returns (bytes32);
    function networkTimeMs() external view returns (uint64);
}
