//! `cairn price`: what a stone is worth, whether that can be trusted, and what may be minted; `price feed`: a validator's view of it.

use cairn_client::{
    BlockTag, ClientError, HEALTH, NativeError, PriceReads as _, Reads as _, has_pool,
};
use cairn_node::price::PRICE_MAX;
use cairn_primitives::{
    MicroUsd, TimeMs,
    abi::{ICredits::Limits, IPool::IPoolErrors},
};
use eyre::{Report, Result, bail, eyre};
use serde_json::{Value, json};

use crate::{
    cli::{FeedArgs, NetworkArgs, PriceArgs, PriceCommand},
    commands::stake::open_payer,
    output::{parse_usd, percent, stones, usd, when},
    session::Session,
};

/// Shows the price, or feeds one.
pub async fn price(args: &PriceArgs) -> Result<()> {
    match &args.command {
        None => show(&args.network).await,
        Some(PriceCommand::Feed(args)) => feed(args).await,
    }
}

/// Feeds a validator's view.
async fn feed(args: &FeedArgs) -> Result<()> {
    let price = parse_usd("USD", &args.usd).map_err(|reason| eyre!(reason))?;
    if price == MicroUsd::ZERO || price > PRICE_MAX {
        bail!("USD is {price}: from 0.000001 to {PRICE_MAX} dollars per STONE");
    }
    let (sender, output) = open_payer(&args.payer).await?;
    if !has_pool(&sender.client().limits(BlockTag::Latest).await?) {
        bail!(
            "this network has no pool: its genesis has no [pool] table, and its price needs no feed"
        );
    }
    let fed = sender.feed_price(price).await.map_err(refused)?;
    let median = (fed.medianMicroUsd > 0).then_some(MicroUsd(fed.medianMicroUsd));
    let health = sender.client().limits(BlockTag::Latest).await?.health;
    let value = json!({
        "validator": fed.validator.to_string(), "price_usd": price.to_string(), "feeds": fed.feeds,
        "median_usd": median.map(|price| price.to_string()),
        "health": health, "health_name": name(health),
    });
    output.answer(&value, || {
        let of_all = median.map_or_else(
            || "no quorum feeds yet".to_owned(),
            |price| format!("the median is {}", usd(price)),
        );
        let minting = match health {
            0 => "credits are minted at it".to_owned(),
            _ => "no credits are minted, `cairn price` shows what differs".to_owned(),
        };
        format!(
            "{} says {} per STONE; {} validators feed, {of_all}\n\
             the price is {}: {minting}",
            fed.validator,
            usd(price),
            fed.feeds,
            name(health),
        )
    });
    Ok(())
}

/// The error with the fix where the pool refused.
fn refused(error: ClientError) -> Report {
    let native = error.revert().and_then(|revert| revert.error.clone());
    match native {
        Some(NativeError::Pool(IPoolErrors::NotSeated(e))) => Report::new(error).wrap_err(format!(
            "{} has no seat in this term: only seated validators feed, `cairn validator status` shows them",
            e.caller
        )),
        _ => error.into(),
    }
}

/// Shows the price.
async fn show(args: &NetworkArgs) -> Result<()> {
    let session = Session::open(args).await?;
    let limits = session.client.limits(BlockTag::Latest).await?;
    if !has_pool(&limits) {
        let price = session.client.price(BlockTag::Latest).await?;
        let value = json!({ "price_usd": price.to_string(), "pool": null, "credits": null });
        session.output.answer(&value, || {
            format!("{} per STONE, by genesis: this network has no pool", usd(price))
        });
        return Ok(());
    }
    let pool = session.client.price_pool(BlockTag::Latest).await?;
    let value = json!({
        "price_usd": pool.last.to_string(),
        "half_hour_usd": pool.half_hour.to_string(),
        "day_usd": pool.day.to_string(),
        "settle_usd": MicroUsd(limits.settlePriceMicroUsd).to_string(),
        "mint_usd": MicroUsd(limits.mintPriceMicroUsd).to_string(),
        "health": limits.health, "health_name": name(limits.health),
        "feeds_usd": pool.feeds.map(|price| price.to_string()),
        "pool": { "usd": pool.usd.to_string(), "stones": pool.stones.to_string(), "fee_ppm": pool.fee_ppm },
        "credits": credits(&limits),
    });
    session.output.answer(&value, || {
        let feeds = pool.feeds.map_or_else(
            || "no quorum of validators feeds one".to_owned(),
            |price| format!("validators say {}", usd(price)),
        );
        format!(
            "{} per STONE; half an hour {}, a day {}: {}; {feeds}\n\
             depth      {} and {}, a swap leaves {}\n\
             settling   at {}\n{}",
            usd(pool.last),
            usd(pool.half_hour),
            usd(pool.day),
            name(limits.health),
            usd(pool.usd),
            stones(pool.stones),
            percent(pool.fee_ppm),
            usd(MicroUsd(limits.settlePriceMicroUsd)),
            minting(&limits),
        )
    });
    Ok(())
}

fn name(health: u8) -> &'static str {
    HEALTH.get(usize::from(health)).copied().unwrap_or("unknown")
}

fn credits(limits: &Limits) -> Value {
    let dollars = |micro: u64| MicroUsd(micro).to_string();
    json!({
        "room_usd": dollars(limits.roomMicroUsd),
        "window_usd": dollars(limits.windowMicroUsd),
        "window_left_usd": dollars(limits.windowLeftMicroUsd),
        "window_end_ms": limits.windowEndMs,
        "outstanding_usd": dollars(limits.outstandingMicroUsd),
        "outstanding_max_usd": dollars(limits.outstandingMaxMicroUsd),
        "coverage_ppm": limits.coveragePpm, "warned": limits.warned,
    })
}

fn minting(limits: &Limits) -> String {
    let dollars = |micro: u64| usd(MicroUsd(micro));
    let cover = percent(u32::try_from(limits.coveragePpm).unwrap_or(u32::MAX));
    let care = if limits.warned { ": take care" } else { "" };
    let room = if limits.roomMicroUsd == 0 {
        "minting    paused, or nothing left".to_owned()
    } else {
        format!(
            "minting    at {}, {} now",
            dollars(limits.mintPriceMicroUsd),
            dollars(limits.roomMicroUsd)
        )
    };
    format!(
        "{room}: {} left of {} until {}\n\
         credits    {} outstanding of at most {}, the vault covers {cover}{care}",
        dollars(limits.windowLeftMicroUsd),
        dollars(limits.windowMicroUsd),
        when(TimeMs(limits.windowEndMs)),
        dollars(limits.outstandingMicroUsd),
        dollars(limits.outstandingMaxMicroUsd),
    )
}
