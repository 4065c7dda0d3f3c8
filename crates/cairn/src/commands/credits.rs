//! `cairn credits buy`: stones burned into the vault for the unit in which services are paid.

use cairn_client::{BlockTag, PriceReads as _, Sender, has_pool};
use cairn_economy::credit_cost;
use cairn_primitives::{MicroUsd, Stones};
use eyre::{Result, WrapErr as _, eyre};
use serde_json::json;

use crate::{
    cli::CreditsCommand,
    output::{parse_usd, stones, usd},
    session::Session,
};

/// A two-hundredth: half a percent more stones than the price asks for, where it can move. What they mint beyond is the buyer's.
const SLIP_DIVISOR: u64 = 200;

/// Buys credits worth the asked dollars, at today's price.
pub async fn credits(command: &CreditsCommand) -> Result<()> {
    let CreditsCommand::Buy { usd: asked, account, network } = command;
    let asked = parse_usd("--usd", asked).map_err(|reason| eyre!(reason))?;
    let session = Session::open(network).await?;
    let sender = session.sender(account)?;
    let Bought { credits: bought, cost, price } = buy_credits(&sender, asked).await?;
    let value = json!({
        "account": account, "address": sender.address().to_string(), "credits_usd": bought.to_string(),
        "stones": cost.to_string(), "price_usd": price.to_string(),
    });
    session.output.answer(&value, || {
        format!(
            "{account} bought {} of credits for {} at {} per STONE",
            usd(bought),
            stones(cost),
            usd(price)
        )
    });
    Ok(())
}

/// Credits that were bought.
pub struct Bought {
    /// The credits.
    pub credits: MicroUsd,
    /// What they cost.
    pub cost: Stones,
    /// Micro-dollars per STONE before it.
    pub price: MicroUsd,
}

/// Buys at least `amount` of credits.
pub async fn buy_credits(sender: &Sender, amount: MicroUsd) -> Result<Bought> {
    let limits = sender.client().limits(BlockTag::Latest).await?;
    let price = MicroUsd(limits.mintPriceMicroUsd);
    // A pool's price may fall until the block comes.
    let slip = if has_pool(&limits) { amount.0 / SLIP_DIVISOR } else { 0 };
    let cost = credit_cost(MicroUsd(amount.0.saturating_add(slip)), price);
    let credits = sender.mint_at_least(cost, amount).await.wrap_err("buying credits")?;
    Ok(Bought { credits, cost, price })
}
