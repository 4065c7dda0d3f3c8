//! The events of the native contracts that the book notes, typed; everything else in a block is nobody's fact.

use alloy_primitives::{Address, Log, U256};
use alloy_sol_types::SolEvent as _;
use cairn_primitives::abi::{
    CREDITS, ECONOMY, GOVERNANCE, ICredits, IEconomy, IGovernance, IMarket, IPool, IRegistry,
    IRewards, IStake, MARKET, POOL, REGISTRY, REWARDS, STAKE,
};

/// One event of the ledger.
#[derive(Clone, Debug)]
pub(super) enum Event {
    Minted(ICredits::Minted),
    OfferPosted(IMarket::OfferPosted),
    LeaseOpened(IMarket::LeaseOpened),
    DevicePaid(IMarket::DevicePaid),
    Settled(IMarket::Settled),
    Registered(IRegistry::DeviceRegistered),
    Left(IRegistry::DeviceLeft),
    DeviceSlashed(IRegistry::DeviceSlashed),
    EpochFinal(IRewards::EpochFinal),
    Forfeited(IRewards::SubsidyForfeited),
    Delegated(IStake::Delegated),
    SlashPending,
    SlashAnnulled,
    SlashExecuted(IStake::SlashExecuted),
    Burned(IEconomy::Burned),
    DayOpened(IEconomy::DayOpened),
    Bought(IPool::Bought),
    Sold(IPool::Sold),
    LiquidityAdded(IPool::LiquidityAdded),
    LiquidityRemoved(IPool::LiquidityRemoved),
    Fed(IPool::Fed),
    EpochSettled(IPool::EpochSettled),
    ParametersSet(IGovernance::ParametersSet),
}

impl Event {
    /// The event of a log; `None` for any other.
    pub(super) fn of(log: &Log) -> Option<Self> {
        let topic = *log.topics().first()?;
        macro_rules! one_of {
            ($($event:path => $variant:ident),* $(,)?) => {
                match topic {
                    $(<$event>::SIGNATURE_HASH => {
                        <$event>::decode_log_data(&log.data).ok().map(Self::$variant)
                    })*
                    _ => None,
                }
            };
        }
        match log.address {
            CREDITS => one_of!(ICredits::Minted => Minted),
            MARKET => one_of!(
                IMarket::OfferPosted => OfferPosted,
                IMarket::LeaseOpened => LeaseOpened,
                IMarket::DevicePaid => DevicePaid,
                IMarket::Settled => Settled,
            ),
            REGISTRY => one_of!(
                IRegistry::DeviceRegistered => Registered,
                IRegistry::DeviceLeft => Left,
                IRegistry::DeviceSlashed => DeviceSlashed,
            ),
            REWARDS => one_of!(
                IRewards::EpochFinal => EpochFinal,
                IRewards::SubsidyForfeited => Forfeited,
            ),
            STAKE => match topic {
                IStake::SlashPending::SIGNATURE_HASH => Some(Self::SlashPending),
                IStake::SlashAnnulled::SIGNATURE_HASH => Some(Self::SlashAnnulled),
                _ => one_of!(
                    IStake::Delegated => Delegated,
                    IStake::SlashExecuted => SlashExecuted,
                ),
            },
            ECONOMY => one_of!(IEconomy::Burned => Burned, IEconomy::DayOpened => DayOpened),
            POOL => one_of!(
                IPool::Bought => Bought,
                IPool::Sold => Sold,
                IPool::LiquidityAdded => LiquidityAdded,
                IPool::LiquidityRemoved => LiquidityRemoved,
                IPool::Fed => Fed,
                IPool::EpochSettled => EpochSettled,
            ),
            GOVERNANCE => one_of!(IGovernance::ParametersSet => ParametersSet),
            _ => None,
        }
    }
}

/// Stones of an event; the cap of all stones is far below 128 bits.
pub(super) fn stones(value: U256) -> u128 {
    value.saturating_to()
}

/// Whether an account is a native contract or one of its funds: those pay, they do not fund.
pub(super) fn is_native(account: Address) -> bool {
    account.as_slice().starts_with(&[0xca, 0x14]) && account.as_slice()[2..18] == [0; 16]
}
