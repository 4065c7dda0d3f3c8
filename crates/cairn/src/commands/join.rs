//! `cairn join`: what would a device of yours earn? Then, and only with `--yes`, its key, its bond and its registration.

use std::collections::BTreeMap;

use cairn_client::{
    BlockTag, Call, KeyFile, LedgerRead as _, NewDevice, Reads as _, StoredKey, Wallet,
};
use cairn_economy::{Card, Costs, Income, Payback, card, cell_budget, need_share, percentiles};
use cairn_primitives::{Cell, DeviceId, Epoch, MicroUsd, Position, STONE, Stones};
use eyre::{Result, WrapErr as _, eyre};
use serde_json::{Value, json};

use crate::{
    cli::JoinArgs,
    output::{fixed_point, parse_usd, stones, usd},
    session::{SECTOR, Session},
};

/// Final epochs that the medians look back on.
const LOOK_BACK_EPOCHS: u64 = 24;
/// Stones beyond the bond that a new account needs for fees.
const FEE_STONES: u128 = STONE;

/// Shows the payback card; with `--yes` registers the device.
pub async fn join(args: &JoinArgs) -> Result<()> {
    let position = position(args)?;
    let session = Session::open(&args.network).await?;
    let bond = session.client.bond_required(SECTOR).await?;
    let price = session.client.price(BlockTag::Latest).await?;
    let outlook = outlook(&session, args, position, bond.to_micro_usd_floor(price)).await?;
    let joined =
        if args.yes { Some(register(&session, args, position, bond).await?) } else { None };

    let mut value = outlook.to_json();
    value["bond_stones"] = json!(bond.to_string());
    value["bond_usd"] = json!(bond.to_micro_usd_floor(price).to_string());
    value["device"] = json!(joined.as_ref().map(|(id, _)| id.to_string()));
    session.output.answer(&value, || {
        let card = outlook.to_text(bond, price);
        match &joined {
            None => format!("{card}\n\nNothing was paid. Add --yes to lock the bond and register."),
            Some((id, key)) => format!("{card}\n\nregistered device {id}\nits key is in {key}; its evidence counts from this epoch on"),
        }
    });
    Ok(())
}

fn position(args: &JoinArgs) -> Result<Position> {
    let number = |flag: &str, text: &str, decimals| {
        let value = fixed_point(text, decimals).and_then(|value| i32::try_from(value).ok());
        value.ok_or_else(|| {
            eyre!("{flag} is `{text}`: write a decimal number with at most {decimals} decimals")
        })
    };
    let position = Position {
        lat_e7: number("--lat", &args.lat, 7)?,
        lon_e7: number("--lon", &args.lon, 7)?,
        elevation_dm: number("--elevation-m", &args.elevation_m, 1)?,
    };
    if !position.is_valid() {
        return Err(eyre!(
            "--lat {} --lon {} --elevation-m {}: outside ±90, ±180 or −500…9,000",
            args.lat,
            args.lon,
            args.elevation_m
        ));
    }
    Ok(position)
}

/// What the medians of actual income say about one more device at a place.
struct Outlook {
    cell: Cell,
    costs: Costs,
    income: Income,
    card: Card,
    epochs: u64,
}

async fn outlook(
    session: &Session,
    args: &JoinArgs,
    position: Position,
    bond: MicroUsd,
) -> Result<Outlook> {
    let money = |flag, text: &str| parse_usd(flag, text).map_err(|reason| eyre!(reason));
    let hardware = money("--hardware-usd", &args.hardware_usd)?;
    let kwh = money("--kwh-usd", &args.kwh_usd)?;
    let milliwatts = fixed_point(&args.power_w, 3).and_then(|value| u64::try_from(value).ok());
    let milliwatts = milliwatts.ok_or_else(|| {
        eyre!("--power-w is `{}`: write watts with at most three decimals", args.power_w)
    })?;
    let opex_per_day = MicroUsd(kwh.0.saturating_mul(milliwatts) / 1_000 * 24 / 1_000);

    let (genesis, _) = session.folder.read_genesis()?;
    let params = &genesis.economy;
    let per_day = genesis.schedule().epochs_per_day();
    let cell = Cell::at(position)?;
    let devices = session.devices().await?;
    let in_cell: Vec<DeviceId> =
        devices.iter().filter(|d| d.record.cell == cell).map(|d| d.record.id).collect();
    let new_cell = !devices.iter().any(|d| d.record.cell == cell);

    // Daily income of every device, from what the ledger made final.
    let mut sums = BTreeMap::<DeviceId, (u64, u64, u64)>::new();
    let mut epochs = 0;
    if let Some(last) = session.last_final().await? {
        for epoch in (last.back(LOOK_BACK_EPOCHS - 1).0..=last.0).map(Epoch) {
            epochs += 1;
            for reward in session.rewards(epoch).await? {
                let entry = sums.entry(reward.device).or_default();
                entry.0 += reward.earned.0;
                entry.1 += reward.subsidy.0;
            }
            for score in session.scores(epoch).await? {
                sums.entry(score.device).or_default().2 += u64::from(score.score);
            }
        }
    }
    let daily = |sum: u64| MicroUsd(sum.saturating_mul(per_day) / epochs.max(1));
    let chosen: Vec<_> = sums
        .iter()
        .filter(|(id, _)| in_cell.is_empty() || in_cell.contains(id))
        .map(|(_, s)| *s)
        .collect();
    let median = |values: Vec<MicroUsd>| percentiles(&values).map_or(MicroUsd::ZERO, |p| p.p50);
    let earned_per_day = median(chosen.iter().map(|s| daily(s.0)).collect());
    let score = median(chosen.iter().map(|s| MicroUsd(s.2 / epochs.max(1))).collect());
    let neighbours: Vec<_> = chosen.iter().map(|s| daily(s.0 + s.1)).collect();

    // The subsidy of a newcomer follows its rank, not its neighbours' subsidies; a cell that is no target gets none.
    let day = session.client.economy_day(SECTOR, BlockTag::Latest).await?;
    let budget = cell_budget(params, MicroUsd(day.needSubsidyMicroUsd));
    let rank = u32::try_from(in_cell.len()).unwrap_or(u32::MAX).saturating_add(1);
    let subsidy_per_day = if new_cell {
        MicroUsd::ZERO
    } else {
        need_share(params, budget, rank, u16::try_from(score.0.min(1_000)).unwrap_or(1_000))
    };
    let costs =
        Costs { hardware, install: MicroUsd::ZERO, bond, opportunity_ppm: 50_000, opex_per_day };
    let income = Income { earned_per_day, subsidy_per_day };
    let card = card(&costs, &income, &neighbours, rank - 1, params.cell_target);
    Ok(Outlook { cell, costs, income, card, epochs })
}

impl Outlook {
    fn to_json(&self) -> Value {
        json!({ "cell": self.cell.to_string(), "epochs_looked_at": self.epochs, "costs": self.costs, "income": self.income, "card": self.card })
    }

    fn to_text(&self, bond: Stones, price: MicroUsd) -> String {
        let card = &self.card;
        let days = |payback: Payback| match payback {
            Payback::Never => "never".to_owned(),
            Payback::Days(days) => format!("{days} days"),
        };
        let neighbours = card.neighbours.map_or_else(
            || "no income is on the ledger yet".to_owned(),
            |p| format!("P10 {}, P50 {}, P90 {} a day", usd(p.p10), usd(p.p50), usd(p.p90)),
        );
        format!(
            "PAYBACK of a sensing device in cell {}, from the last {} final epochs\n\
             costs      hardware {}, power {} a day, bond {} = {} (it comes back)\n\
             rank       {} in its cell, worth {}.{} % of the cell's budget\n\
             neighbours {neighbours}\n\
             income     earned {} a day, subsidy {} a day\n\
             pays back  {} today; {} without subsidy; {} at a price 80 % lower",
            self.cell,
            self.epochs,
            usd(self.costs.hardware),
            usd(self.costs.opex_per_day),
            stones(bond),
            usd(bond.to_micro_usd_floor(price)),
            card.rank,
            card.rank_share_permille / 10,
            card.rank_share_permille % 10,
            usd(self.income.earned_per_day),
            usd(self.income.subsidy_per_day),
            days(card.today),
            days(card.zero_subsidy),
            days(card.price_minus_80),
        )
    }
}

async fn register(
    session: &Session,
    args: &JoinArgs,
    position: Position,
    bond: Stones,
) -> Result<(DeviceId, String)> {
    let wallet = Wallet::load_or_create(&session.folder.key(&args.account))?;
    let owner = wallet.address();
    let needed = Stones(bond.0 + FEE_STONES);
    let held = session.client.balance(owner, BlockTag::Latest).await?;
    if held < needed {
        // Only a local network has its founder's key in the folder; elsewhere this names what is missing.
        let founder = session.sender("founder").wrap_err_with(|| {
            format!(
                "{owner} holds {} and needs {}: send it the difference",
                stones(held),
                stones(needed)
            )
        })?;
        founder.send_and_wait(&Call::transfer(owner, Stones(needed.0 - held.0))).await?;
    }
    let count = session.devices().await?.len();
    let path = session.folder.key(&format!("device-{}-{count}", args.account));
    let StoredKey::Ed25519(key) = KeyFile::Ed25519.load_or_create(&path)? else {
        return Err(eyre!("{} is no device key", path.display()));
    };
    let device = NewDevice { key: &key, sector: SECTOR, position, bond };
    let id = session.sender_of(wallet).register_device(&device).await?;
    Ok((id, path.display().to_string()))
}
