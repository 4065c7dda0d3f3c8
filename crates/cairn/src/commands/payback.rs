//! `cairn payback`: how long would a device at a place take to pay for itself, by what devices there really earned? `never` is an answer.
//!
//! Source of every number is the ledger: rewards and scores of its last final epochs, the day's budget, the bond and the price.
//! `cairn join` shows the same card before anything is paid.

use std::collections::BTreeMap;

use cairn_client::{BlockTag, GovernanceReads as _, Reads as _};
use cairn_economy::{Card, Costs, Income, Payback, card, cell_budget, need_share, percentiles};
use cairn_primitives::{CELL_RESOLUTION, Cell, DeviceId, Epoch, MicroUsd, Position, Stones};
use eyre::{Result, eyre};
use serde_json::{Value, json};

use crate::{
    cli::{HardwareArgs, PaybackArgs},
    output::{fixed_point, parse_usd, stones, usd},
    session::{SECTOR, Session},
};

/// Final epochs that the medians look back on.
const LOOK_BACK_EPOCHS: u64 = 24;
/// What locking the bond costs over the time considered, ppm of it.
const OPPORTUNITY_PPM: u32 = 50_000;

/// Shows the payback card of one more device in a cell.
pub async fn payback(args: &PaybackArgs) -> Result<()> {
    let cell = place(args)?;
    let session = Session::open(&args.network).await?;
    let outlook = outlook(&session, &args.hardware, cell).await?;
    session.output.answer(&outlook.to_json(), || outlook.to_text());
    Ok(())
}

/// The cell that was named, or that holds the place.
fn place(args: &PaybackArgs) -> Result<Cell> {
    let resolution = u64::from(u8::from(CELL_RESOLUTION));
    if let Some(text) = &args.cell {
        let number = u64::from_str_radix(text.trim_start_matches("0x"), 16).ok();
        // Mode 1 is a cell; the next bits are its resolution.
        let fits = |number: &u64| number >> 59 == 1 && (number >> 52) & 0xf == resolution;
        let cell = number.filter(fits).ok_or_else(|| {
            eyre!("--cell is `{text}`: write the 15 hex digits of an H3 cell of resolution {resolution}, or --lat and --lon")
        })?;
        return Ok(Cell(cell));
    }
    let degrees = |flag: &str, text: &Option<String>| {
        let text = text.as_deref().unwrap_or_default();
        let value = fixed_point(text, 7).and_then(|value| i32::try_from(value).ok());
        value.ok_or_else(|| eyre!("{flag} is `{text}`: write degrees with at most 7 decimals"))
    };
    let (lat_e7, lon_e7) = (degrees("--lat", &args.lat)?, degrees("--lon", &args.lon)?);
    Ok(Cell::at(Position { lat_e7, lon_e7, elevation_dm: 0 })?)
}

/// What the medians of actual income say about one more device in a cell.
pub struct Outlook {
    cell: Cell,
    costs: Costs,
    income: Income,
    card: Card,
    /// Share of the cell's budget of the device after this one, permille.
    next_permille: u16,
    epochs: u64,
    /// What registering costs now.
    pub bond: Stones,
    price: MicroUsd,
}

/// What devices earned and scored in the last final epochs.
struct Past {
    epochs: u64,
    /// Earned, subsidy and score of each device, summed.
    sums: BTreeMap<DeviceId, (u64, u64, u64)>,
}

async fn past(session: &Session) -> Result<Past> {
    let mut past = Past { epochs: 0, sums: BTreeMap::new() };
    let Some(last) = session.last_final().await? else { return Ok(past) };
    for epoch in (last.back(LOOK_BACK_EPOCHS - 1).0..=last.0).map(Epoch) {
        past.epochs += 1;
        for reward in session.rewards(epoch).await? {
            let entry = past.sums.entry(reward.device).or_default();
            entry.0 += reward.earned.0;
            entry.1 += reward.subsidy.0;
        }
        for score in session.scores(epoch).await? {
            past.sums.entry(score.device).or_default().2 += u64::from(score.score);
        }
    }
    Ok(past)
}

/// The outlook of one more device with this hardware in `cell`.
///
/// # Errors
/// When the ledger or the archive cannot be read, or a number is none.
pub async fn outlook(session: &Session, hardware: &HardwareArgs, cell: Cell) -> Result<Outlook> {
    let bond = session.client.bond_required(SECTOR).await?;
    let price = session.client.price(BlockTag::Latest).await?;
    let costs = costs(hardware, bond.to_micro_usd_floor(price))?;
    let (genesis, _) = session.folder.read_genesis()?;
    let epoch = session.client.current_epoch(BlockTag::Latest).await?;
    let params = &session.client.parameters(&genesis, epoch, BlockTag::Latest).await?;
    let per_day = genesis.schedule().epochs_per_day();
    let devices = session.devices().await?;
    let in_cell: Vec<DeviceId> =
        devices.iter().filter(|d| d.record.cell == cell).map(|d| d.record.id).collect();
    let Past { epochs, sums } = past(session).await?;
    let daily = |sum: u64| MicroUsd(sum.saturating_mul(per_day) / epochs.max(1));
    let chosen: Vec<_> = sums
        .iter()
        .filter(|(id, _)| in_cell.is_empty() || in_cell.contains(id))
        .map(|(_, sums)| *sums)
        .collect();
    let median = |values: Vec<MicroUsd>| percentiles(&values).map_or(MicroUsd::ZERO, |p| p.p50);
    let earned_per_day = median(chosen.iter().map(|s| daily(s.0)).collect());
    let score = median(chosen.iter().map(|s| MicroUsd(s.2 / epochs.max(1))).collect());
    let neighbours: Vec<_> = chosen.iter().map(|s| daily(s.0 + s.1)).collect();

    // The subsidy of a newcomer follows its rank, not its neighbours' subsidies; a cell that is no target gets none.
    let day = session.client.economy_day(SECTOR, BlockTag::Latest).await?;
    let budget = cell_budget(params, MicroUsd(day.needSubsidyMicroUsd));
    let held = u32::try_from(in_cell.len()).unwrap_or(u32::MAX);
    let score = u16::try_from(score.0.min(1_000)).unwrap_or(1_000);
    let subsidy_per_day = if in_cell.is_empty() {
        MicroUsd::ZERO
    } else {
        need_share(params, budget, held.saturating_add(1), score)
    };
    let income = Income { earned_per_day, subsidy_per_day };
    let card_of = |held: u32| card(&costs, &income, &neighbours, held, params.cell_target);
    Ok(Outlook {
        cell,
        costs,
        income,
        card: card_of(held),
        next_permille: card_of(held.saturating_add(1)).rank_share_permille,
        epochs,
        bond,
        price,
    })
}

fn costs(args: &HardwareArgs, bond: MicroUsd) -> Result<Costs> {
    let money = |flag, text: &str| parse_usd(flag, text).map_err(|reason| eyre!(reason));
    let kwh = money("--kwh-usd", &args.kwh_usd)?;
    let milliwatts = fixed_point(&args.power_w, 3).and_then(|value| u64::try_from(value).ok());
    let milliwatts = milliwatts.ok_or_else(|| {
        eyre!("--power-w is `{}`: write watts with at most three decimals", args.power_w)
    })?;
    Ok(Costs {
        hardware: money("--hardware-usd", &args.hardware_usd)?,
        install: money("--install-usd", &args.install_usd)?,
        bond,
        opportunity_ppm: OPPORTUNITY_PPM,
        opex_per_day: MicroUsd(kwh.0.saturating_mul(milliwatts) / 1_000 * 24 / 1_000),
    })
}

impl Outlook {
    /// The card for programs.
    pub fn to_json(&self) -> Value {
        json!({
            "cell": self.cell.to_string(), "epochs_looked_at": self.epochs, "costs": self.costs, "income": self.income,
            "card": self.card, "next_rank_share_permille": self.next_permille,
            "bond_stones": self.bond.to_string(), "bond_usd": self.bond.to_micro_usd_floor(self.price).to_string(),
        })
    }

    /// The card for people.
    pub fn to_text(&self) -> String {
        let card = &self.card;
        let days = |payback: Payback| match payback {
            Payback::Never => "never".to_owned(),
            Payback::Days(days) => format!("{days} days"),
        };
        let percent = |permille: u16| format!("{}.{} %", permille / 10, permille % 10);
        let neighbours = card.neighbours.map_or_else(
            || "no income is on the ledger yet".to_owned(),
            |p| format!("P10 {}, P50 {}, P90 {} a day", usd(p.p10), usd(p.p50), usd(p.p90)),
        );
        format!(
            "PAYBACK of a sensing device in cell {}, from the last {} final epochs\n\
             costs      hardware {}, installation {}, power {} a day, bond {} = {} (it comes back)\n\
             rank       {} in its cell, worth {} of the cell's budget; one more device after it would get {}\n\
             neighbours {neighbours}\n\
             income     earned {} a day, subsidy {} a day\n\
             pays back  {} today; {} without subsidy; {} at a price 80 % lower",
            self.cell,
            self.epochs,
            usd(self.costs.hardware),
            usd(self.costs.install),
            usd(self.costs.opex_per_day),
            stones(self.bond),
            usd(self.bond.to_micro_usd_floor(self.price)),
            card.rank,
            percent(card.rank_share_permille),
            percent(self.next_permille),
            usd(self.income.earned_per_day),
            usd(self.income.subsidy_per_day),
            days(card.today),
            days(card.zero_subsidy),
            days(card.price_minus_80),
        )
    }
}
