//! CREDIT: micro-dollars that buy services. Minted only by burning stones into the vault, bound to their account,
//! spent only in settlements.
//!
//! The stones behind all credits are the balance of this contract (the *vault*).
//!
//! **Invariant:** the sum of all balances is the total supply. The balances are the only hashed slots of this contract,
//! so that the sum over its storage can be checked without a list of holders.

mod limits;

use alloy_primitives::{Address, Bytes, U256};
use cairn_primitives::{
    MicroUsd, Stones,
    abi::{CREDITS, ICredits},
};

use super::{Ctx, Res, Value, balances::Balances, decode, pool, revert};
use crate::check::Violation;

/// `mapping(address => uint256)` at slot 0.
const BALANCES: Balances = Balances::new(CREDITS, 0);
/// `uint256` at slot 1.
const SUPPLY: Value<u64> = Value::new(CREDITS, 1);

/// The dispatch table.
pub(super) fn call(c: &mut Ctx<'_>, data: &[u8]) -> Res<Bytes> {
    use ICredits::ICreditsCalls as F;
    match decode(data)? {
        F::name(q) => c.view(q, |_, _| Ok("Cairn credit".to_owned())),
        F::symbol(q) => c.view(q, |_, _| Ok("CREDIT".to_owned())),
        F::decimals(q) => c.view(q, |_, _| Ok(6)),
        F::totalSupply(q) => c.view(q, |c, _| Ok(U256::from(supply(c)?.0))),
        F::balanceOf(q) => c.view(q, |c, q| Ok(U256::from(balance(c, q.account)?.0))),
        F::allowance(q) => c.view(q, |_, _| Ok(U256::ZERO)),
        F::transfer(q) => c.mutate(q, |_, _| revert(ICredits::AccountBound {})),
        F::approve(q) => c.mutate(q, |_, _| revert(ICredits::AccountBound {})),
        F::transferFrom(q) => c.mutate(q, |_, _| revert(ICredits::AccountBound {})),
        F::mint(q) => c.mutate_payable(q, |c, _| mint(c, U256::ZERO)),
        F::mintAtLeast(q) => c.mutate_payable(q, |c, q| mint(c, q.minCredits)),
        F::limits(q) => c.view(q, |c, _| limits::view(c)),
        F::quote(q) => c.view(q, |c, q| {
            let stones = Stones(u128::try_from(q.stones).unwrap_or(u128::MAX));
            Ok(U256::from(stones.to_micro_usd_floor(mint_price(c)?).0))
        }),
        F::vault(q) => c.view(q, |c, _| Ok(U256::from(vault(c)?.0))),
    }
}

/// Credits of `account`.
///
/// # Errors
/// Out of gas, or disk trouble; so for the functions below.
pub fn balance(c: &mut Ctx<'_>, account: Address) -> Res<MicroUsd> {
    BALANCES.of(c, account)
}

/// Credits outstanding.
///
/// # Errors
/// See `balance`.
pub fn supply(c: &mut Ctx<'_>) -> Res<MicroUsd> {
    SUPPLY.get(c).map(MicroUsd)
}

/// Stones behind the outstanding credits.
///
/// # Errors
/// See `balance`.
pub fn vault(c: &mut Ctx<'_>) -> Res<Stones> {
    c.balance(CREDITS)
}

/// Moves credits between an account and the market's escrow; nothing moves, and the answer is what `from` holds, when that is
/// less. Only native contracts call this: credits are account-bound.
///
/// # Errors
/// See `balance`.
pub fn shift(
    c: &mut Ctx<'_>,
    from: Address,
    to: Address,
    amount: MicroUsd,
) -> Res<Result<(), MicroUsd>> {
    if let Err(held) = BALANCES.debit(c, from, amount)? {
        return Ok(Err(held));
    }
    BALANCES.credit(c, to, amount)?;
    c.emit(CREDITS, &ICredits::Transfer { from, to, value: U256::from(amount.0) })?;
    Ok(Ok(()))
}

/// Destroys credits that a settlement spent; the caller releases the vault's stones.
///
/// # Errors
/// `InsufficientCredits`.
pub fn spend(c: &mut Ctx<'_>, from: Address, amount: MicroUsd) -> Res<()> {
    if let Err(held) = BALANCES.debit(c, from, amount)? {
        return short(from, held, amount);
    }
    let rest = supply(c)?.0.saturating_sub(amount.0);
    SUPPLY.set(c, &rest)?;
    c.emit(CREDITS, &ICredits::Transfer { from, to: Address::ZERO, value: U256::from(amount.0) })
}

/// Reverts with `InsufficientCredits`.
///
/// # Errors
/// Always.
pub fn short<T>(account: Address, held: MicroUsd, needed: MicroUsd) -> Res<T> {
    let (balance, needed) = (U256::from(held.0), U256::from(needed.0));
    revert(ICredits::InsufficientCredits { account, balance, needed })
}

/// At which stones become credits now.
fn mint_price(c: &mut Ctx<'_>) -> Res<MicroUsd> {
    if pool::exists(c) { Ok(pool::prices(c)?.mint().floor()) } else { Ok(c.genesis().price()) }
}

fn mint(c: &mut Ctx<'_>, least: U256) -> Res<U256> {
    let limits = limits::limits(c)?;
    let price = limits.as_ref().map_or(c.genesis().price(), |limits| limits.price);
    let (account, stones) = (c.caller(), c.value());
    let credits = stones.to_micro_usd_floor(price);
    let minted = supply(c)?.0.checked_add(credits.0);
    let (Some(minted), true) = (minted, credits > MicroUsd::ZERO) else {
        let stones = U256::from(stones.0);
        return revert(ICredits::MintTooSmall { stones, priceMicroUsd: price.0 });
    };
    if U256::from(credits.0) < least {
        let credits = U256::from(credits.0);
        return revert(ICredits::MintBelow { credits, minCredits: least });
    }
    if let Some(limits) = &limits {
        limits.admit(c, credits)?;
    }
    BALANCES.credit(c, account, credits)?;
    SUPPLY.set(c, &minted)?;
    let (value, stones) = (U256::from(credits.0), U256::from(stones.0));
    c.emit(CREDITS, &ICredits::Transfer { from: Address::ZERO, to: account, value })?;
    c.emit(CREDITS, &ICredits::Minted { account, stones, credits: value, priceMicroUsd: price.0 })?;
    Ok(value)
}

/// Sum of balances against the supply: `sum` is over every slot of this contract but the supply's.
pub(crate) fn check_sum(c: &mut Ctx<'_>, sum: U256, found: &mut Vec<Violation>) -> Res<()> {
    let supply = U256::from(supply(c)?.0);
    if sum != supply {
        found.push(Violation::CreditsNotConserved { sum, supply });
    }
    Ok(())
}

/// Slot of the total supply, which is no balance.
pub(crate) const SUPPLY_SLOT: U256 = SUPPLY.slot();

pub(super) fn check(c: &mut Ctx<'_>, found: &mut Vec<Violation>) -> Res<()> {
    if supply(c)? > MicroUsd::ZERO && vault(c)? == Stones::ZERO {
        found.push(Violation::BalanceShort {
            account: CREDITS,
            held: Stones::ZERO,
            owed: Stones(1),
        });
    }
    Ok(())
}

#[cfg(test)]
mod tests;
