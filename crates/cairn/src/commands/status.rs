//! `cairn status`: one screen of the whole network.

use cairn_client::{BlockTag, PriceReads as _, Reads as _};
use cairn_primitives::{MicroUsd, Stones};
use eyre::Result;
use serde_json::json;

use crate::{
    cli::NetworkArgs,
    output::{stones, usd},
    session::{SECTOR, Session},
};

/// Height, epoch, supply, and the last epoch's earned and subsidised income.
pub async fn status(args: &NetworkArgs) -> Result<()> {
    let session = Session::open(args).await?;
    let client = &session.client;
    let head = client.latest().await?;
    let epoch = client.current_epoch(BlockTag::Latest).await?;
    let finalised = session.last_final().await?;
    let devices = session.devices().await?;
    let validators = client.validators(BlockTag::Latest).await?;
    let (price, price_of) = client.price_now(BlockTag::Latest).await?;
    let [reserve, burned, supply] = client.supply(BlockTag::Latest).await?;
    let (earned, subsidy) = match finalised {
        None => (MicroUsd::ZERO, MicroUsd::ZERO),
        Some(last) => {
            let rewards = session.rewards(last).await?;
            let sum = |part: fn(&cairn_economy::Reward) -> MicroUsd| {
                MicroUsd(rewards.iter().map(|r| part(r).0).sum())
            };
            (sum(|r| r.earned), sum(|r| r.subsidy))
        }
    };
    let share = subsidy_share(earned, subsidy);
    let value = json!({
        "height": head.number, "network_time_ms": head.time.0, "epoch": epoch.0, "last_final_epoch": finalised.map(|e| e.0),
        "devices": devices.len(), "validators": validators.len(), "sector": SECTOR.name(),
        "price_usd": price.to_string(), "price_of": price_of.name(), "last_epoch": { "earned_usd": earned.to_string(), "subsidy_usd": subsidy.to_string(), "subsidy_permille": share },
        "reserve_stones": reserve.to_string(), "burned_stones": burned.to_string(), "supply_stones": supply.to_string(),
    });
    session.output.answer(&value, || {
        let last = finalised.map_or_else(|| "none yet".to_owned(), |e| e.to_string());
        format!(
            "height {}, epoch {epoch}, last final epoch {last}\n{} devices, {} validators\n\
             last epoch: earned {}, subsidy {}{}\nprice {} per STONE by {}, reserve {}, burned {}",
            head.number,
            devices.len(),
            validators.len(),
            usd(earned),
            usd(subsidy),
            share.map_or_else(String::new, |s| format!(" ({}.{} % of income)", s / 10, s % 10)),
            usd(price),
            price_of.name(),
            whole(reserve),
            stones(burned),
        )
    });
    Ok(())
}

fn subsidy_share(earned: MicroUsd, subsidy: MicroUsd) -> Option<u64> {
    (subsidy.0 * 1_000).checked_div(earned.0 + subsidy.0)
}

fn whole(amount: Stones) -> String {
    format!("{} STONE", amount.0 / cairn_primitives::STONE)
}
