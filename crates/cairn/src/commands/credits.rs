//! `cairn credits buy`: stones burned into the vault for the unit in which services are paid.

use cairn_client::{BlockTag, PriceReads as _, Sender, has_pool};
use cairn_primitives::{MicroUsd, STONE, Stones, mul_div_floor};
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
    let cost = stones_for(MicroUsd(amount.0.saturating_add(slip)), price)
        .ok_or_else(|| eyre!("credits of {amount} dollars cost more than there are stones"))?;
    let credits = sender.mint_at_least(cost, amount).await.wrap_err("buying credits")?;
    Ok(Bought { credits, cost, price })
}

/// The fewest stones that mint at least `amount`.
fn stones_for(amount: MicroUsd, price: MicroUsd) -> Option<Stones> {
    let floor = mul_div_floor(u128::from(amount.0), STONE, u128::from(price.0))?;
    let exact = mul_div_floor(floor, u128::from(price.0), STONE)? == u128::from(amount.0);
    Some(Stones(if exact { floor } else { floor.checked_add(1)? }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buys_no_less_than_was_asked() {
        for (amount, price) in [(1, 3), (5_000_000, 250_000), (7, 250_000), (999_999, 333_333)] {
            let cost = stones_for(MicroUsd(amount), MicroUsd(price)).expect("small amounts");
            assert!(cost.to_micro_usd_floor(MicroUsd(price)).0 >= amount);
            assert!(Stones(cost.0 - 1).to_micro_usd_floor(MicroUsd(price)).0 < amount);
        }
    }
}
