//! Balances of a native token: whole numbers by account in one mapping, as Solidity lays out an ERC-20's.

use alloy_primitives::Address;
use cairn_primitives::MicroUsd;

use super::{Ctx, Mapping, Res, Value};

/// `mapping(address => uint256)` of micro-dollars. Their sum is the token's supply, a checked `u64`, so that no balance overflows.
pub(super) struct Balances(Mapping<Address, Value<u64>>);

impl Balances {
    /// The balances at `slot` of `contract`.
    pub(super) const fn new(contract: Address, slot: u64) -> Self {
        Self(Mapping::new(contract, slot))
    }

    /// What an account holds.
    ///
    /// # Errors
    /// Out of gas, or disk trouble; so for the functions below.
    pub(super) fn of(&self, c: &mut Ctx<'_>, account: Address) -> Res<MicroUsd> {
        self.0.at(&account).get(c).map(MicroUsd)
    }

    /// Takes from an account, or says what it holds when that is less.
    pub(super) fn debit(
        &self,
        c: &mut Ctx<'_>,
        account: Address,
        amount: MicroUsd,
    ) -> Res<Result<(), MicroUsd>> {
        let place = self.0.at(&account);
        let held = MicroUsd(place.get(c)?);
        let Ok(rest) = held.sub(amount) else { return Ok(Err(held)) };
        place.set(c, &rest.0).map(Ok)
    }

    /// Gives to an account.
    pub(super) fn credit(&self, c: &mut Ctx<'_>, account: Address, amount: MicroUsd) -> Res<()> {
        let place = self.0.at(&account);
        let held = place.get(c)?;
        place.set(c, &held.saturating_add(amount.0))
    }
}
