//! What a block does outside its transactions: it draws randomness, begins a term, counts its proposer, divides its base fees.
//!
//! ```text
//! open ─► (first turn after a boundary) epochs are drawn ─► the price of epochs that ended is fixed ─► (first block of a term) the next set is fixed
//! close ─► proposer counted; base fees: part to it, the rest burned
//! ```
//! Logs need receipts, and these have none: what was fixed here is announced by the next transaction that can
//! (`stake::announce`).

use alloy_primitives::U256;
use cairn_economy::part;
use cairn_primitives::{
    Stones,
    abi::{ECONOMY, STAKE},
};

use crate::{
    Env, Ledger, StateError,
    database::BlockDb,
    native::{Between, Ctx, Host as _, Res, Stop, beacon, economy, pool, stake},
};

/// Before the first transaction.
pub(crate) fn open(ledger: &Ledger, env: &Env, db: &mut BlockDb<'_>) -> Result<(), StateError> {
    run(ledger, env, db, |c| beacon::draw(c, env.turn, env.prevrandao))?;
    run(ledger, env, db, pool::tick)?;
    let genesis = ledger.genesis();
    if env.number != genesis.term_start(genesis.term_of(env.number)) {
        return Ok(());
    }
    run(ledger, env, db, stake::begin_term)
}

/// After the last transaction; `fees` are the base fees of all of them, which are in no balance any more.
pub(crate) fn close(
    ledger: &Ledger,
    env: &Env,
    db: &mut BlockDb<'_>,
    fees: U256,
) -> Result<(), StateError> {
    let fees = Stones(fees.saturating_to());
    let share = part(fees, ledger.genesis().stake.proposer_fee_ppm);
    let mut paid = Stones::ZERO;
    run(ledger, env, db, |c| {
        if stake::proposed(c, env.proposer, share)? {
            paid = share;
        }
        Ok(())
    })?;
    if paid > Stones::ZERO {
        let mut host = Between(db);
        let held = host.balance(STAKE).map_err(stopped)?.data;
        host.set_balance(STAKE, held.saturating_add(U256::from(paid.0))).map_err(stopped)?;
    }
    let burned = U256::from(fees.0.saturating_sub(paid.0));
    db.add_to_slot(ECONOMY, economy::BURNED_SLOT, burned)
}

fn run(
    ledger: &Ledger,
    env: &Env,
    db: &mut BlockDb<'_>,
    f: impl FnOnce(&mut Ctx<'_>) -> Res<()>,
) -> Result<(), StateError> {
    let facts = ledger.facts(env);
    let mut host = Between(db);
    f(&mut Ctx::free(&mut host, &facts)).map_err(stopped)
}

fn stopped(stop: Stop) -> StateError {
    match stop {
        Stop::Fatal(reason) => StateError(reason.into()),
        Stop::OutOfGas => StateError("a block's own duty ran out of its unlimited gas".into()),
        Stop::Revert(bytes) => {
            StateError(format!("a block's own duty reverted with {bytes}").into())
        }
    }
}
