// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.24;

import {ICredits} from "./ICredits.sol";
import {IRegistry} from "./IRegistry.sol";
import {IBatches} from "./IBatches.sol";
import {IRewards} from "./IRewards.sol";
import {IMarket} from "./IMarket.sol";
import {IStake} from "./IStake.sol";
import {IEconomy} from "./IEconomy.sol";
import {IPool} from "./IPool.sol";
import {IUsd} from "./IUsd.sol";
import {IGovernance} from "./IGovernance.sol";
import {ITreasury} from "./ITreasury.sol";

/// Where the native contracts live; the same on every Cairn network.
library Cairn {
    ICredits internal constant CREDITS = ICredits(0xCa14000000000000000000000000000000000001);
    IRegistry internal constant REGISTRY = IRegistry(0xCa14000000000000000000000000000000000002);
    IBatches internal constant BATCHES = IBatches(0xCA14000000000000000000000000000000000003);
    IRewards internal constant REWARDS = IRewards(0xCA14000000000000000000000000000000000004);
    IMarket internal constant MARKET = IMarket(0xCa14000000000000000000000000000000000005);
    IStake internal constant STAKE = IStake(0xca14000000000000000000000000000000000006);
    IEconomy internal constant ECONOMY = IEconomy(0xca14000000000000000000000000000000000007);
    /// The next two only where genesis has a [pool] table.
    IPool internal constant POOL = IPool(0xCA14000000000000000000000000000000000008);
    IUsd internal constant USD = IUsd(0xCA14000000000000000000000000000000000009);
    /// The next two only where genesis has a [governance] table.
    IGovernance internal constant GOVERNANCE = IGovernance(0xca1400000000000000000000000000000000000A);
    ITreasury internal constant TREASURY = ITreasury(0xCa14000000000000000000000000000000000010);

    /// Number of the sector of environmental sensing.
    uint8 internal constant SENSING = 1;
}
