//! The pool's invariants, for `check::check`.

use cairn_primitives::{Epoch, abi::POOL};

use super::state::{HOLDERS, PRICED, SHARES, TOTAL, pool};
use crate::{
    check::Violation,
    native::{Ctx, Res, usd},
};

/// Both balances cover the reserves, shares add up, the reserves are not empty, and rows of epochs ascend.
pub fn check(c: &mut Ctx<'_>, found: &mut Vec<Violation>) -> Res<()> {
    if !super::exists(c) {
        return Ok(());
    }
    let (pool, held) = (pool(c)?, c.balance(POOL)?);
    if held < pool.stones {
        found.push(Violation::BalanceShort { account: POOL, held, owed: pool.stones });
    }
    let mut other = |what: String| found.push(Violation::Other { contract: "pool", what });
    let dollars = usd::balance(c, POOL)?;
    if dollars < pool.usd {
        other(format!("holds {dollars} micro-dollars, its reserve is {}", pool.usd));
    }
    if pool.stones.0 == 0 || pool.usd.0 == 0 {
        other(format!("a reserve is empty: {} stones, {} micro-dollars", pool.stones, pool.usd));
    }
    let mut shares = 0_u128;
    for i in 0..HOLDERS.len(c)? {
        let holder = HOLDERS.at(i).get(c)?;
        shares = shares.saturating_add(SHARES.at(&holder).get(c)?.shares);
    }
    let total = TOTAL.get(c)?;
    if shares != total {
        other(format!("shares add up to {shares}, the total is {total}"));
    }
    let mut next = Epoch(0);
    for i in 0..PRICED.len(c)? {
        let row = PRICED.at(i).get(c)?;
        if row.until < next || row.price.0 == 0 {
            other(format!("row {i} of epochs is {row:?}, epoch {next} is the first it may end"));
        }
        next = row.until.next();
    }
    Ok(())
}
