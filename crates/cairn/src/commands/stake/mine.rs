//! `cairn stake mine`: an account's delegations, what of it unbonds, and what it can take back of annulled slashes.

use cairn_client::{BlockTag, Reads as _, StakeReads as _};
use cairn_primitives::{Stones, TimeMs};
use eyre::Result;
use serde_json::json;

use super::{amount, open_payer, worth};
use crate::{
    cli::PayerArgs,
    output::{table, when},
};

/// Slashes, from the last, that are looked through for something to take back.
const SLASHES_MAX: u64 = 64;
/// Status of a slash that was annulled.
const ANNULLED: u8 = 3;

/// Shows what an account has with every candidate.
pub async fn mine(args: &PayerArgs) -> Result<()> {
    let (sender, output) = open_payer(args).await?;
    let (client, me) = (sender.client(), sender.address());
    let head = client.latest().await?;
    let at = BlockTag::Number(head.number);
    let price = client.price(at).await?;
    let (mut delegations, mut unbonds) = (Vec::new(), Vec::new());
    let mut rows = vec![vec!["operator".to_owned(), "worth".to_owned(), String::new()]];
    let mut total = Stones::ZERO;
    for candidate in client.candidates(at).await? {
        if candidate.shares.is_zero() {
            continue;
        }
        let (held, shares) = client.delegation(candidate.operator, me, at).await?;
        if shares.is_zero() {
            continue;
        }
        total = total.add(held)?;
        delegations.push(json!({
            "operator": candidate.operator.to_string(), "stones": held.to_string(),
            "usd": held.to_micro_usd_floor(price).to_string(), "banned": candidate.banned, "status": candidate.status,
        }));
        rows.push(vec![candidate.operator.to_string(), worth(held, price), "delegated".to_owned()]);
    }
    for unbonding in client.unbondings(me, at).await? {
        let (held, ready) = (amount(unbonding.stones), TimeMs(unbonding.readyMs));
        let is_ready = head.time >= ready;
        total = total.add(held)?;
        unbonds.push(json!({
            "operator": unbonding.operator.to_string(), "stones": held.to_string(),
            "usd": held.to_micro_usd_floor(price).to_string(), "ready_ms": ready.0, "ready": is_ready,
        }));
        let until = if is_ready {
            "ready: `cairn stake withdraw`".to_owned()
        } else {
            format!("unbonds until {}", when(ready))
        };
        rows.push(vec![unbonding.operator.to_string(), worth(held, price), until]);
    }
    let mut reclaimable = Vec::new();
    let count = client.slash_count(at).await?;
    for id in (count.saturating_sub(SLASHES_MAX)..count).rev() {
        let slash = client.slash(id, at).await?;
        if slash.status != ANNULLED {
            continue;
        }
        let [delegated, unbonding] = client.reclaimable(id, me, at).await?;
        let held = delegated.add(unbonding)?;
        if held == Stones::ZERO {
            continue;
        }
        total = total.add(held)?;
        reclaimable.push(json!({
            "slash": id, "operator": slash.operator.to_string(), "stones": held.to_string(),
            "usd": held.to_micro_usd_floor(price).to_string(),
        }));
        let how = format!("was slashed and annulled: `cairn slash reclaim {id}`");
        rows.push(vec![slash.operator.to_string(), worth(held, price), how]);
    }
    let value = json!({
        "account": me.to_string(), "delegations": delegations, "unbondings": unbonds,
        "reclaimable": reclaimable,
        "total_stones": total.to_string(), "total_usd": total.to_micro_usd_floor(price).to_string(),
    });
    output.answer(&value, || {
        if rows.len() == 1 {
            return format!("{me} has delegated nothing, and nothing of it unbonds");
        }
        format!("{}\ntotal {}", table(&rows), worth(total, price))
    });
    Ok(())
}
