//! USD: the pool's dollars on networks whose genesis has a pool. An ERC-20 token with a faucet: nobody redeems it.
//!
//! **Invariant:** the balances add up to the total supply, which only the faucet and genesis raise. The balances are the only
//! hashed slots of this contract, so that the sum over its storage can be checked; what else is kept by account is in `pool`.

use alloy_primitives::{Address, Bytes, U256};
use cairn_primitives::{
    MicroUsd,
    abi::{IUsd, USD},
};

use super::{
    Ctx, Res, Stop, Value,
    balances::Balances,
    decode,
    pool::{ALLOWANCES, DRAWN, DRAWN_ALL, Drawn},
    revert,
};
use crate::check::Violation;

/// `mapping(address => uint256)` at slot 0.
const BALANCES: Balances = Balances::new(USD, 0);
/// `uint256` at slot 1.
const SUPPLY: Value<u64> = Value::new(USD, 1);
/// Slot of the total supply, which is no balance.
pub(crate) const SUPPLY_SLOT: U256 = SUPPLY.slot();
/// Milliseconds of the faucet's day.
const DAY_MS: u64 = 86_400_000;

/// The dispatch table.
pub(super) fn call(c: &mut Ctx<'_>, data: &[u8]) -> Res<Bytes> {
    use IUsd::IUsdCalls as F;
    match decode(data)? {
        F::name(q) => c.view(q, |_, _| Ok("Cairn development dollar".to_owned())),
        F::symbol(q) => c.view(q, |_, _| Ok("USD".to_owned())),
        F::decimals(q) => c.view(q, |_, _| Ok(6)),
        F::totalSupply(q) => c.view(q, |c, _| Ok(U256::from(SUPPLY.get(c)?))),
        F::balanceOf(q) => c.view(q, |c, q| Ok(U256::from(balance(c, q.account)?.0))),
        F::allowance(q) => c.view(q, |c, q| ALLOWANCES.at(&q.owner).at(&q.spender).get(c)),
        F::transfer(q) => c.mutate(q, |c, q| {
            let from = c.caller();
            transfer(c, from, q.to, q.value)
        }),
        F::approve(q) => c.mutate(q, |c, q| {
            let (owner, spender, value) = (c.caller(), q.spender, q.value);
            ALLOWANCES.at(&owner).at(&spender).set(c, &value)?;
            c.emit(USD, &IUsd::Approval { owner, spender, value })?;
            Ok(true)
        }),
        F::transferFrom(q) => c.mutate(q, |c, q| {
            allow(c, q.from, q.value)?;
            transfer(c, q.from, q.to, q.value)
        }),
        F::faucet(q) => c.mutate_void(q, |c, q| faucet(c, MicroUsd(q.microUsd))),
        F::faucetLeft(q) => c.view(q, |c, q| {
            let (own, all) = faucet_left(c, q.account)?;
            Ok(own.min(all).0)
        }),
    }
}

/// Dollars of `account`.
///
/// # Errors
/// Out of gas, or disk trouble.
pub fn balance(c: &mut Ctx<'_>, account: Address) -> Res<MicroUsd> {
    BALANCES.of(c, account)
}

/// Moves dollars.
///
/// # Errors
/// `InsufficientBalance`; out of gas, or disk trouble.
pub(super) fn shift(c: &mut Ctx<'_>, from: Address, to: Address, amount: MicroUsd) -> Res<()> {
    if let Err(held) = BALANCES.debit(c, from, amount)? {
        let (balance, needed) = (U256::from(held.0), U256::from(amount.0));
        return revert(IUsd::InsufficientBalance { account: from, balance, needed });
    }
    BALANCES.credit(c, to, amount)?;
    c.emit(USD, &IUsd::Transfer { from, to, value: U256::from(amount.0) })
}

fn transfer(c: &mut Ctx<'_>, from: Address, to: Address, value: U256) -> Res<bool> {
    if to == Address::ZERO || to == USD {
        return revert(IUsd::BadReceiver { to });
    }
    let Ok(amount) = u64::try_from(value) else {
        let balance = U256::from(balance(c, from)?.0);
        return revert(IUsd::InsufficientBalance { account: from, balance, needed: value });
    };
    shift(c, from, to, MicroUsd(amount))?;
    Ok(true)
}

/// Uses up an allowance; that of 2^256 - 1 is endless, as usual.
fn allow(c: &mut Ctx<'_>, owner: Address, value: U256) -> Res<()> {
    let spender = c.caller();
    let place = ALLOWANCES.at(&owner).at(&spender);
    let allowance = place.get(c)?;
    let Some(rest) = allowance.checked_sub(value) else {
        return revert(IUsd::InsufficientAllowance { spender, allowance, needed: value });
    };
    if allowance == U256::MAX { Ok(()) } else { place.set(c, &rest) }
}

/// Makes dollars for an account: genesis and the faucet.
pub(super) fn create(c: &mut Ctx<'_>, to: Address, amount: MicroUsd) -> Res<()> {
    let Some(supply) = SUPPLY.get(c)?.checked_add(amount.0) else {
        return Err(Stop::Fatal("the faucet made more than 2^64 micro-dollars".into()));
    };
    SUPPLY.set(c, &supply)?;
    BALANCES.credit(c, to, amount)?;
    c.emit(USD, &IUsd::Transfer { from: Address::ZERO, to, value: U256::from(amount.0) })
}

fn faucet(c: &mut Ctx<'_>, asked: MicroUsd) -> Res<()> {
    let (account, day) = (c.caller(), c.now().0 / DAY_MS);
    let (own, all) = faucet_left(c, account)?;
    let left = own.min(all);
    if asked > left || asked == MicroUsd::ZERO {
        return revert(IUsd::FaucetEmpty { asked: U256::from(asked.0), left: left.0 });
    }
    for (place, left, limit) in
        [(DRAWN.at(&account), own, limits(c).0), (DRAWN_ALL, all, limits(c).1)]
    {
        // `asked` ≤ `left` ≤ `limit`.
        let usd = MicroUsd(limit.0.saturating_sub(left.0).saturating_add(asked.0));
        place.set(c, &Drawn { day, usd })?;
    }
    create(c, account, asked)
}

/// What an account, and what all accounts together, may still take today.
fn faucet_left(c: &mut Ctx<'_>, account: Address) -> Res<(MicroUsd, MicroUsd)> {
    let day = c.now().0 / DAY_MS;
    let (most, most_all) = limits(c);
    let left = |drawn: Drawn, most: MicroUsd| {
        let taken = if drawn.day == day { drawn.usd.0 } else { 0 };
        MicroUsd(most.0.saturating_sub(taken))
    };
    let (own, all) = (DRAWN.at(&account).get(c)?, DRAWN_ALL.get(c)?);
    Ok((left(own, most), left(all, most_all)))
}

fn limits(c: &Ctx<'_>) -> (MicroUsd, MicroUsd) {
    c.genesis().pool.as_ref().map_or((MicroUsd::ZERO, MicroUsd::ZERO), |pool| pool.faucet())
}

/// Sum of balances against the supply: `sum` is over every slot of this contract but the supply's.
pub(crate) fn check_sum(c: &mut Ctx<'_>, sum: U256, found: &mut Vec<Violation>) -> Res<()> {
    let supply = U256::from(SUPPLY.get(c)?);
    if sum != supply {
        found.push(Violation::UsdNotConserved { sum, supply });
    }
    Ok(())
}
