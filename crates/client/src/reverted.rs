//! Reverts of native contracts as typed errors, so that a message names the custom error and its fields.

use std::fmt;

use alloy_primitives::{Address, Bytes};
use alloy_sol_types::{Revert as SolRevert, SolError as _, SolInterface as _};
use cairn_primitives::abi::{
    self, IBatches::IBatchesErrors, ICredits::ICreditsErrors, IGovernance::IGovernanceErrors,
    IKernel::IKernelErrors, IMarket::IMarketErrors, IPool::IPoolErrors, IRegistry::IRegistryErrors,
    IRewards::IRewardsErrors, IStake::IStakeErrors, ITreasury::ITreasuryErrors, IUsd::IUsdErrors,
};

/// An error that a native contract declares in `contracts/`.
#[derive(Clone, Debug, PartialEq)]
pub enum NativeError {
    /// Of every contract.
    Kernel(IKernelErrors),
    /// Of credits.
    Credits(ICreditsErrors),
    /// Of the registry.
    Registry(IRegistryErrors),
    /// Of batches.
    Batches(IBatchesErrors),
    /// Of rewards.
    Rewards(IRewardsErrors),
    /// Of the market.
    Market(IMarketErrors),
    /// Of stake.
    Stake(IStakeErrors),
    /// Of the pool.
    Pool(IPoolErrors),
    /// Of the pool's dollars.
    Usd(IUsdErrors),
    /// Of governance.
    Governance(IGovernanceErrors),
    /// Of the treasury, which governance calls.
    Treasury(ITreasuryErrors),
    /// A Solidity `revert("reason")` of somebody's contract.
    Reason(String),
}

/// A call that reverted.
#[derive(Clone, Debug, PartialEq)]
pub struct Revert {
    /// The contract that was called.
    pub to: Option<Address>,
    /// The decoded error; `None` when the data is no error we know.
    pub error: Option<NativeError>,
    /// The raw data.
    pub data: Bytes,
}

impl Revert {
    /// Decodes `data`, looking first at the errors of the contract that was called: two contracts may share a selector.
    #[must_use]
    pub fn decode(to: Option<Address>, data: Bytes) -> Self {
        let of = |contract: Address| match contract {
            abi::CREDITS => ICreditsErrors::abi_decode(&data).ok().map(NativeError::Credits),
            abi::REGISTRY => IRegistryErrors::abi_decode(&data).ok().map(NativeError::Registry),
            abi::BATCHES => IBatchesErrors::abi_decode(&data).ok().map(NativeError::Batches),
            abi::REWARDS => IRewardsErrors::abi_decode(&data).ok().map(NativeError::Rewards),
            abi::MARKET => IMarketErrors::abi_decode(&data).ok().map(NativeError::Market),
            abi::STAKE => IStakeErrors::abi_decode(&data).ok().map(NativeError::Stake),
            abi::POOL => IPoolErrors::abi_decode(&data).ok().map(NativeError::Pool),
            abi::USD => IUsdErrors::abi_decode(&data).ok().map(NativeError::Usd),
            abi::GOVERNANCE => {
                IGovernanceErrors::abi_decode(&data).ok().map(NativeError::Governance)
            }
            abi::TREASURY => ITreasuryErrors::abi_decode(&data).ok().map(NativeError::Treasury),
            _ => None,
        };
        let mut known = abi::CONTRACTS.into_iter();
        let error = to
            .and_then(of)
            .or_else(|| IKernelErrors::abi_decode(&data).ok().map(NativeError::Kernel))
            .or_else(|| known.find_map(|(contract, _)| of(contract)))
            .or_else(|| {
                SolRevert::abi_decode(&data).ok().map(|revert| NativeError::Reason(revert.reason))
            });
        Self { to, error, data }
    }

    /// The name of the error: `BondTooLow`.
    #[must_use]
    pub fn name(&self) -> String {
        let text = self.to_string();
        let end = text.find(|c: char| !c.is_alphanumeric()).unwrap_or(text.len());
        text[..end].to_owned()
    }
}

/// `registry: BondTooLow { sent: 5, required: 10 }` without the contract, which the caller knows.
impl fmt::Display for Revert {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let debug = match &self.error {
            None if self.data.is_empty() => return f.write_str("reverted without data"),
            None => return write!(f, "reverted with {}", self.data),
            Some(NativeError::Reason(reason)) => return f.write_str(reason),
            Some(NativeError::Kernel(error)) => format!("{error:?}"),
            Some(NativeError::Credits(error)) => format!("{error:?}"),
            Some(NativeError::Registry(error)) => format!("{error:?}"),
            Some(NativeError::Batches(error)) => format!("{error:?}"),
            Some(NativeError::Rewards(error)) => format!("{error:?}"),
            Some(NativeError::Market(error)) => format!("{error:?}"),
            Some(NativeError::Stake(error)) => format!("{error:?}"),
            Some(NativeError::Pool(error)) => format!("{error:?}"),
            Some(NativeError::Usd(error)) => format!("{error:?}"),
            Some(NativeError::Governance(error)) => format!("{error:?}"),
            Some(NativeError::Treasury(error)) => format!("{error:?}"),
        };
        // The generated enums print `BondTooLow(BondTooLow { … })`: the inner part says it all.
        let inner = debug
            .split_once('(')
            .map_or(debug.as_str(), |(_, rest)| rest.strip_suffix(')').unwrap_or(rest));
        f.write_str(inner)
    }
}

#[cfg(test)]
mod tests {
    use alloy_primitives::U256;
    use cairn_primitives::abi::{IBatches, IKernel, IPool, IRegistry, IRewards, IStake, IUsd};

    use super::*;

    #[test]
    fn custom_errors_are_named_with_their_fields() {
        let low =
            IRegistry::BondTooLow { sent: U256::from(5), required: U256::from(10) }.abi_encode();
        let revert = Revert::decode(Some(abi::REGISTRY), low.into());
        assert_eq!(revert.to_string(), "BondTooLow { sent: 5, required: 10 }");
        assert_eq!(revert.name(), "BondTooLow");
        let low = IStake::BondTooLow { bond: U256::from(5), required: U256::from(10) }.abi_encode();
        let revert = Revert::decode(Some(abi::STAKE), low.into());
        assert_eq!(revert.to_string(), "BondTooLow { bond: 5, required: 10 }");

        let full = IPool::PoolFloor { leftMicroUsd: 3, leastMicroUsd: 4 }.abi_encode();
        let revert = Revert::decode(Some(abi::POOL), full.into());
        assert_eq!(revert.to_string(), "PoolFloor { leftMicroUsd: 3, leastMicroUsd: 4 }");
        // The pool takes dollars, and their contract says what is missing.
        let (account, amount) = (Address::ZERO, U256::from(1));
        let poor = IUsd::InsufficientBalance { account, balance: amount, needed: amount };
        let revert = Revert::decode(Some(abi::POOL), poor.abi_encode().into());
        assert!(matches!(revert.error, Some(NativeError::Usd(_))), "{revert}");

        let kernel = IKernel::NonPayable {}.abi_encode();
        assert_eq!(Revert::decode(Some(abi::STAKE), kernel.into()).name(), "NonPayable");
        // One selector, two contracts: the one that was called decides.
        let caller = Address::ZERO;
        assert_eq!(IBatches::NotValidator::SELECTOR, IRewards::NotValidator::SELECTOR);
        let shared = Bytes::from(IRewards::NotValidator { caller }.abi_encode());
        let from_rewards = Revert::decode(Some(abi::REWARDS), shared.clone());
        assert!(matches!(from_rewards.error, Some(NativeError::Rewards(_))));
        assert!(matches!(
            Revert::decode(Some(abi::BATCHES), shared).error,
            Some(NativeError::Batches(_))
        ));

        assert_eq!(Revert::decode(None, Bytes::new()).to_string(), "reverted without data");
        assert_eq!(
            Revert::decode(None, Bytes::from(vec![1, 2])).to_string(),
            "reverted with 0x0102"
        );
        let reason = SolRevert::from("too late").abi_encode();
        assert_eq!(Revert::decode(None, reason.into()).to_string(), "too late");
    }
}
