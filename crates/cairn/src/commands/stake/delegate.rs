//! `cairn stake delegate|undelegate|withdraw`.

use cairn_client::{BlockTag, Reads as _, StakeReads as _};
use cairn_primitives::TimeMs;
use eyre::{Result, eyre};
use serde_json::json;

use super::{open_payer, refused, worth};
use crate::{
    cli::{DelegateArgs, PayerArgs},
    output::{parse_stones, when},
};

/// Puts stones behind a candidate.
pub async fn delegate(args: &DelegateArgs) -> Result<()> {
    let stones = parse_stones("STONES", &args.stones).map_err(|reason| eyre!(reason))?;
    let (sender, output) = open_payer(&args.payer).await?;
    let sent = sender.delegate(args.operator, stones).await.map_err(refused)?;
    let client = sender.client();
    let price = client.price(BlockTag::Latest).await?;
    let (held, _) = client.delegation(args.operator, sender.address(), BlockTag::Latest).await?;
    let value = json!({
        "operator": args.operator.to_string(), "delegator": sender.address().to_string(),
        "stones": stones.to_string(), "usd": stones.to_micro_usd_floor(price).to_string(),
        "delegation_stones": held.to_string(), "transaction": sent.hash.to_string(),
    });
    output.answer(&value, || {
        format!(
            "delegated {} to {}\nyour delegation there is worth {}; it counts in sets that are fixed from now on",
            worth(stones, price),
            args.operator,
            worth(held, price)
        )
    });
    Ok(())
}

/// Takes stones back; they unbond first.
pub async fn undelegate(args: &DelegateArgs) -> Result<()> {
    let asked = match args.stones.as_str() {
        "all" => None,
        text => Some(parse_stones("STONES", text).map_err(|reason| eyre!("{reason}, or `all`"))?),
    };
    let (sender, output) = open_payer(&args.payer).await?;
    let client = sender.client();
    let stones = match asked {
        Some(stones) => stones,
        None => {
            let me = sender.address();
            let (held, shares) = client.delegation(args.operator, me, BlockTag::Latest).await?;
            if shares.is_zero() {
                return Err(eyre!(
                    "{me} has no delegation at {}: `cairn stake mine` shows yours",
                    args.operator
                ));
            }
            held
        }
    };
    let ready = sender.undelegate(args.operator, stones).await.map_err(refused)?;
    let price = client.price(BlockTag::Latest).await?;
    let value = json!({
        "operator": args.operator.to_string(), "delegator": sender.address().to_string(),
        "stones": stones.to_string(), "usd": stones.to_micro_usd_floor(price).to_string(),
        "ready_ms": ready.0,
    });
    output.answer(&value, || {
        format!(
            "{} unbond from {} until {} of the network's time; then `cairn stake withdraw` pays\n\
             until it is withdrawn, a slash of the operator takes its part",
            worth(stones, price),
            args.operator,
            when(ready)
        )
    });
    Ok(())
}

/// Pays out what has unbonded.
pub async fn withdraw(args: &PayerArgs) -> Result<()> {
    let (sender, output) = open_payer(args).await?;
    let paid = sender.withdraw_stake().await.map_err(refused)?;
    let client = sender.client();
    let price = client.price(BlockTag::Latest).await?;
    let left = client.unbondings(sender.address(), BlockTag::Latest).await?;
    let next = left.first().map(|unbonding| TimeMs(unbonding.readyMs));
    let value = json!({
        "account": sender.address().to_string(), "stones": paid.to_string(),
        "usd": paid.to_micro_usd_floor(price).to_string(), "next_ready_ms": next.map(|next| next.0),
    });
    output.answer(&value, || {
        let next = next.map_or_else(String::new, |next| {
            format!("; more is ready at {} of the network's time", when(next))
        });
        format!("{} paid to {}{next}", worth(paid, price), sender.address())
    });
    Ok(())
}
