//! The economy's state in slots of `ECONOMY`, and the day's budget as the ABI shows it.
//!
//! ```text
//! slot 16  day 8 │ emission 16                               (low end first)
//! slot 17  drawn today
//! slot 18  mapping(uint8 => Service):  income 8 │ burn 8 │ settled today 8  ‖  usage budget 8 │ need budget 8 │ grant 16
//! slot 19  Iou[]:                      epoch 8 │ providers 16              ‖  insurance 16 │ treasury 16
//! ```
//! The reserve is the balance of `ECONOMY` and stored nowhere else: who changes it moves stones.

use alloy_primitives::U256;
use cairn_economy::{Dues, EconomyState, Iou, Service};
use cairn_primitives::{
    Epoch, MicroUsd, Sector, Stones,
    abi::{ECONOMY, IEconomy},
};

use super::{Ctx, List, Mapping, Packer, Res, Stored, Unpacker, Value, out_of_range};

const OPEN_DAY: Value<OpenDay> = Value::new(ECONOMY, 16);
const DRAWN: Value<Stones> = Value::new(ECONOMY, 17);
const SERVICES: Mapping<u8, Value<Service>> = Mapping::new(ECONOMY, 18);
const IOUS: List<Iou> = List::new(ECONOMY, 19);

/// The open day and what it may emit.
struct OpenDay {
    day: u64,
    emission: Stones,
}

impl Stored for OpenDay {
    const SLOTS: usize = 1;
    fn to_words(&self, words: &mut [U256]) {
        words[0] = Packer::new().u64(self.day).u128(self.emission.0).word();
    }
    fn from_words(words: &[U256]) -> Self {
        let mut word = Unpacker::new(words[0]);
        Self { day: word.u64(), emission: Stones(word.u128()) }
    }
}

impl Stored for Service {
    const SLOTS: usize = 2;
    fn to_words(&self, words: &mut [U256]) {
        words[0] = Packer::new()
            .u64(self.income.0)
            .u64(self.burn.0)
            .u64(self.settled_today.0)
            .u64(self.matched_today.0)
            .word();
        words[1] = Packer::new()
            .u64(self.usage_budget.0)
            .u64(self.need_budget.0)
            .u128(self.grant_left.0)
            .word();
    }
    fn from_words(words: &[U256]) -> Self {
        let (mut a, mut b) = (Unpacker::new(words[0]), Unpacker::new(words[1]));
        Self {
            income: MicroUsd(a.u64()),
            burn: MicroUsd(a.u64()),
            settled_today: MicroUsd(a.u64()),
            matched_today: MicroUsd(a.u64()),
            usage_budget: MicroUsd(b.u64()),
            need_budget: MicroUsd(b.u64()),
            grant_left: Stones(b.u128()),
        }
    }
}

impl Stored for Iou {
    const SLOTS: usize = 2;
    fn to_words(&self, words: &mut [U256]) {
        words[0] = Packer::new().u64(self.epoch.0).u128(self.dues.providers.0).word();
        words[1] = Packer::new().u128(self.dues.insurance.0).u128(self.dues.treasury.0).word();
    }
    fn from_words(words: &[U256]) -> Self {
        let (mut a, mut b) = (Unpacker::new(words[0]), Unpacker::new(words[1]));
        let (epoch, providers) = (Epoch(a.u64()), Stones(a.u128()));
        Self {
            epoch,
            dues: Dues { providers, insurance: Stones(b.u128()), treasury: Stones(b.u128()) },
        }
    }
}

/// Opens day 0.
pub(super) fn genesis(c: &mut Ctx<'_>) -> Res<()> {
    let state = EconomyState::genesis(&c.genesis().economy);
    save(c, &state)
}

/// Reads the economy's state.
///
/// # Errors
/// Out of gas, or disk trouble; so for the functions below.
pub fn load(c: &mut Ctx<'_>) -> Res<EconomyState> {
    let open = OPEN_DAY.get(c)?;
    let mut state = EconomyState {
        reserve: c.balance(ECONOMY)?,
        day: open.day,
        emission: open.emission,
        drawn_today: DRAWN.get(c)?,
        ..EconomyState::default()
    };
    for sector in Sector::ALL {
        state.services.insert(sector, SERVICES.at(&sector.number()).get(c)?);
    }
    for i in 0..IOUS.len(c)? {
        state.ious.push(IOUS.at(i).get(c)?);
    }
    Ok(state)
}

/// Writes the economy's state, but for the reserve: the caller moves its stones.
///
/// # Errors
/// See `load`.
pub fn save(c: &mut Ctx<'_>, state: &EconomyState) -> Res<()> {
    OPEN_DAY.set(c, &OpenDay { day: state.day, emission: state.emission })?;
    DRAWN.set(c, &state.drawn_today)?;
    for (sector, service) in &state.services {
        SERVICES.at(&sector.number()).set(c, service)?;
    }
    if IOUS.len(c)? > 0 || !state.ious.is_empty() {
        IOUS.clear(c)?;
        for iou in &state.ious {
            IOUS.push(c, iou)?;
        }
    }
    Ok(())
}

/// Most that the reserve emits in the open day.
///
/// # Errors
/// See `load`.
pub fn emission(c: &mut Ctx<'_>) -> Res<Stones> {
    Ok(OPEN_DAY.get(c)?.emission)
}

/// The sector with this number.
///
/// # Errors
/// `OutOfRange`.
pub fn sector(number: u8) -> Res<Sector> {
    match Sector::from_u8(number) {
        Some(sector) => Ok(sector),
        None => out_of_range("sector", U256::from(number), U256::from(Sector::ALL.len())),
    }
}

/// The open day of a sector, as `IEconomy.today` shows it.
///
/// # Errors
/// `OutOfRange` for an unknown sector.
pub fn today(c: &mut Ctx<'_>, number: u8) -> Res<IEconomy::Day> {
    let service = SERVICES.at(&sector(number)?.number()).get(c)?;
    Ok(IEconomy::Day {
        day: OPEN_DAY.get(c)?.day,
        usageSubsidyMicroUsd: service.usage_budget.0,
        needSubsidyMicroUsd: service.need_budget.0,
        incomeMicroUsd: service.income.0,
        burnMicroUsd: service.burn.0,
        grantLeftStones: U256::from(service.grant_left.0),
        settledTodayMicroUsd: service.settled_today.0,
    })
}

/// Announces the budgets of a day that was just opened.
pub(super) fn announce(c: &mut Ctx<'_>, state: &EconomyState) -> Res<()> {
    for (sector, service) in &state.services {
        let event = IEconomy::DayOpened {
            day: state.day,
            sector: sector.number(),
            usageSubsidyMicroUsd: service.usage_budget.0,
            needSubsidyMicroUsd: service.need_budget.0,
            reserve: U256::from(state.reserve.0),
        };
        c.emit(ECONOMY, &event)?;
    }
    Ok(())
}
