//! `cairn query`: a SQL question over verified readings, paid for exactly the rows that the answer used.

use cairn_client::{BlockTag, Reads as _, api::QueryAnswer};
use cairn_gateway::consumer::{Consumer, Totals};
use cairn_primitives::{
    Epoch, MicroUsd,
    abi::{CREDITS, ICredits},
};
use eyre::{Result, WrapErr as _, eyre};
use serde_json::{Value, json};

use crate::{
    cli::QueryArgs,
    commands::buy_credits,
    output::{parse_usd, table, usd},
    session::Session,
};

/// Epochs that the lease of one query lives: long enough to be settled.
const LEASE_EPOCHS: u64 = 24;

/// Asks, pays, and shows rows, price and origins.
pub async fn query(args: &QueryArgs) -> Result<()> {
    let max_spend = parse_usd("--max-spend", &args.max_spend).map_err(|reason| eyre!(reason))?;
    let session = Session::open(&args.network).await?;
    let endpoints = session
        .endpoints
        .as_ref()
        .ok_or_else(|| eyre!("--rpc alone names no gateway: use --dir"))?;
    let wallet = session.folder.wallet(&args.account)?;
    let consumer = Consumer::new(&endpoints.gateway, wallet)?;
    let quote = consumer.quote(&args.sql).await.wrap_err("asking for the price")?;
    if quote.amount > max_spend {
        return Err(eyre!(
            "--max-spend is {}: the answer costs {} for {} rows; nothing was spent",
            usd(max_spend),
            usd(quote.amount),
            quote.units
        ));
    }
    let offer = consumer.offer().await?;
    let lease = if quote.amount == MicroUsd::ZERO {
        0
    } else {
        open_lease(&session, args, offer.offer, quote.amount).await?
    };
    let mut totals = Totals { lease, ..Totals::default() };
    let answer = consumer.query(&offer, &mut totals, &args.sql, Some(max_spend)).await?;
    tell(&session, &answer, lease);
    Ok(())
}

/// A lease with just enough escrow; credits are bought when the account has too few.
async fn open_lease(
    session: &Session,
    args: &QueryArgs,
    offer: u64,
    amount: MicroUsd,
) -> Result<u64> {
    let sender = session.sender(&args.account)?;
    let call = ICredits::balanceOfCall { account: sender.address() };
    let held = session.client.view(CREDITS, call, BlockTag::Latest).await?;
    let held = MicroUsd(u64::try_from(held).unwrap_or(u64::MAX));
    if held < amount {
        buy_credits(&sender, MicroUsd(amount.0 - held.0)).await?;
    }
    let now = session.client.current_epoch(BlockTag::Latest).await?;
    sender.open_lease(offer, amount, Epoch(now.0 + LEASE_EPOCHS)).await.wrap_err("opening a lease")
}

fn tell(session: &Session, answer: &QueryAnswer, lease: u64) {
    let value = json!({
        "columns": answer.columns, "rows": answer.rows, "origins": answer.origins, "units": answer.query_units,
        "price_usd": answer.query_amount.to_string(), "lease": lease, "shares": answer.shares,
    });
    session.output.answer(&value, || {
        let mut rows = vec![answer.columns.clone()];
        rows.extend(answer.rows.iter().map(|row| row.iter().map(cell).collect()));
        let mut devices: Vec<_> = answer.origins.iter().map(|origin| origin.device).collect();
        devices.dedup();
        format!(
            "{}\n\n{} rows of {} devices used, {} paid under lease {lease}; each device's share is in the signed receipt",
            table(&rows), answer.query_units, devices.len(), usd(answer.query_amount)
        )
    });
}

fn cell(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => String::new(),
        other => other.to_string(),
    }
}
