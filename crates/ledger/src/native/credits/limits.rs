//! What may be minted: at which price, how much in half an hour, how much in all, and when nothing.
//!
//! ```text
//! health ─► cover ─► price (lowest of three) ─► half hour's window ─► outstanding
//! ```
//! Nothing is limited where there is no pool: nobody can push a price that genesis gave. Rules: docs/spec/price.md.
//!
//! **Invariant:** a half hour of the network's time mints at most 0.95·φ·y, whoever mints and in however many transactions.

use alloy_primitives::U256;
use cairn_economy::{
    COVERAGE_PAUSE_PPM, Coverage, MINT_WINDOW_MS, PPM, coverage, coverage_ppm, mint_window,
    outstanding_bound,
};
use cairn_primitives::{EconomyParams, MicroUsd, Sector, Stones, abi::ICredits};

use super::{supply, vault};
use crate::native::{
    Ctx, Res, economy, economy_state, governance,
    pool::{self, Health, MINTED, Minted, Quote},
    revert,
};

/// Everything that a mint is measured by.
pub(super) struct Limits {
    pub price: MicroUsd,
    settle: MicroUsd,
    health: Health,
    window: u64,
    window_max: MicroUsd,
    minted: MicroUsd,
    outstanding: MicroUsd,
    outstanding_max: MicroUsd,
    coverage_ppm: u64,
}

/// The limits now; none where there is no pool.
pub(super) fn limits(c: &mut Ctx<'_>) -> Res<Option<Limits>> {
    if !pool::exists(c) {
        return Ok(None);
    }
    let Quote { prices, health, settle } = pool::quote(c)?;
    let (price, settle) = (prices.mint().floor(), settle.floor());
    let fees = fees(c)?;
    let window = c.now().0 / MINT_WINDOW_MS;
    let window_max = mint_window(pool::counted_depth(c)?, fees);
    let last = MINTED.get(c)?;
    let minted = if last.window == window { last.credits } else { MicroUsd::ZERO };
    let (outstanding, issued) = (supply(c)?, economy::issued(c)?);
    let settled = settled_a_day(c, fees)?;
    Ok(Some(Limits {
        price,
        settle,
        health,
        window,
        window_max,
        minted,
        outstanding,
        outstanding_max: outstanding_bound(settled, issued, price, window_max),
        coverage_ppm: coverage_ppm(vault_before(c)?, settle, outstanding),
    }))
}

/// The vault without the stones that the present call brings.
fn vault_before(c: &mut Ctx<'_>) -> Res<Stones> {
    let (vault, sent) = (vault(c)?, c.value());
    Ok(Stones(vault.0.saturating_sub(sent.0)))
}

/// φ: what a credit that is minted now loses at least when it is spent, today or by the fees that a vote has set.
fn fees(c: &mut Ctx<'_>) -> Res<u32> {
    let day = c.genesis().schedule().day_of(c.epoch());
    let (today, next) = (governance::in_force(c, day)?, governance::latest(c)?);
    Ok(fees_ppm(&today).min(fees_ppm(&next)))
}

fn fees_ppm(params: &EconomyParams) -> u32 {
    let EconomyParams { fee_burn_ppm, fee_treasury_ppm, fee_insurance_ppm, .. } = params;
    fee_burn_ppm.saturating_add(*fee_treasury_ppm).saturating_add(*fee_insurance_ppm)
}

/// An average day's paid work of all sectors, before fees: the state has it after fees.
fn settled_a_day(c: &mut Ctx<'_>, fees: u32) -> Res<MicroUsd> {
    let state = economy_state::load(c)?;
    let kept = PPM.saturating_sub(fees.into());
    let mut sum = 0_u128;
    for sector in Sector::ALL {
        let income = state.services.get(&sector).map_or(0, |service| service.income.0);
        sum = sum.saturating_add(u128::from(income));
    }
    let gross = sum.saturating_mul(u128::from(PPM)).checked_div(u128::from(kept)).unwrap_or(0);
    Ok(MicroUsd(u64::try_from(gross).unwrap_or(u64::MAX)))
}

impl Limits {
    const fn window_left(&self) -> MicroUsd {
        MicroUsd(self.window_max.0.saturating_sub(self.minted.0))
    }

    const fn outstanding_left(&self) -> MicroUsd {
        MicroUsd(self.outstanding_max.0.saturating_sub(self.outstanding.0))
    }

    const fn window_end_ms(&self) -> u64 {
        self.window.saturating_add(1).saturating_mul(MINT_WINDOW_MS)
    }

    /// Refuses a mint that is not allowed, in full, and books one that is.
    pub fn admit(&self, c: &mut Ctx<'_>, credits: MicroUsd) -> Res<()> {
        let word = U256::from(credits.0);
        if self.health != Health::Healthy {
            return revert(ICredits::MintPaused { health: self.health.number() });
        }
        if coverage(self.coverage_ppm) == Coverage::Paused {
            let least = u64::from(COVERAGE_PAUSE_PPM);
            return revert(ICredits::CoverTooLow {
                coveragePpm: self.coverage_ppm,
                leastPpm: least,
            });
        }
        if credits > self.window_left() {
            return revert(ICredits::MintWindowFull {
                credits: word,
                left: self.window_left().0,
                windowMicroUsd: self.window_max.0,
                windowEndMs: self.window_end_ms(),
            });
        }
        if credits > self.outstanding_left() {
            return revert(ICredits::OutstandingFull {
                credits: word,
                left: self.outstanding_left().0,
                outstandingMaxMicroUsd: self.outstanding_max.0,
            });
        }
        let credits = MicroUsd(self.minted.0.saturating_add(credits.0));
        MINTED.set(c, &Minted { window: self.window, credits })
    }

    fn to_abi(&self) -> ICredits::Limits {
        let meaning = coverage(self.coverage_ppm);
        let open = self.health == Health::Healthy && meaning != Coverage::Paused;
        let room = self.window_left().min(self.outstanding_left());
        ICredits::Limits {
            mintPriceMicroUsd: self.price.0,
            settlePriceMicroUsd: self.settle.0,
            health: self.health.number(),
            windowEndMs: self.window_end_ms(),
            windowMicroUsd: self.window_max.0,
            windowLeftMicroUsd: self.window_left().0,
            outstandingMicroUsd: self.outstanding.0,
            outstandingMaxMicroUsd: self.outstanding_max.0,
            coveragePpm: self.coverage_ppm,
            warned: meaning != Coverage::Sound,
            roomMicroUsd: if open { room.0 } else { 0 },
        }
    }
}

/// `ICredits.limits`.
pub(super) fn view(c: &mut Ctx<'_>) -> Res<ICredits::Limits> {
    if let Some(limits) = limits(c)? {
        return Ok(limits.to_abi());
    }
    let (price, outstanding) = (c.genesis().price(), supply(c)?);
    let covered = coverage_ppm(vault(c)?, price, outstanding);
    Ok(ICredits::Limits {
        mintPriceMicroUsd: price.0,
        settlePriceMicroUsd: price.0,
        health: Health::Healthy.number(),
        windowEndMs: u64::MAX,
        windowMicroUsd: u64::MAX,
        windowLeftMicroUsd: u64::MAX,
        outstandingMicroUsd: outstanding.0,
        outstandingMaxMicroUsd: u64::MAX,
        coveragePpm: covered,
        warned: coverage(covered) != Coverage::Sound,
        roomMicroUsd: u64::MAX.saturating_sub(outstanding.0),
    })
}
