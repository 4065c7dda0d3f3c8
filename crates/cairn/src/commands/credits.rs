//! `cairn credits buy`: stones burned into the vault for the unit in which services are paid.

use cairn_client::{BlockTag, Reads as _};
use cairn_primitives::{MicroUsd, STONE, Stones, mul_div_floor};
use eyre::{Result, eyre};
use serde_json::json;

use crate::{
    cli::CreditsCommand,
    output::{parse_usd, stones, usd},
    session::Session,
};

/// Buys credits worth the asked dollars, at today's price.
pub async fn credits(command: &CreditsCommand) -> Result<()> {
    let CreditsCommand::Buy { usd: asked, account, network } = command;
    let asked = parse_usd("--usd", asked).map_err(|reason| eyre!(reason))?;
    let session = Session::open(network).await?;
    let sender = session.sender(account)?;
    let price = session.client.price(BlockTag::Latest).await?;
    let cost = stones_for(asked, price)
        .ok_or_else(|| eyre!("--usd is {asked}: more than there are stones"))?;
    let bought = sender.mint_credits(cost).await?;
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

/// The fewest stones that mint at least `amount`.
pub fn stones_for(amount: MicroUsd, price: MicroUsd) -> Option<Stones> {
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
