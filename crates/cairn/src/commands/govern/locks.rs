//! `cairn govern locks|lock|extend|release`.

use cairn_client::{BlockTag, GovernanceReads as _, Reads as _};
use cairn_primitives::{EpochSchedule, MicroUsd, Stones, TimeMs, abi::IGovernance};
use eyre::{Result, eyre};
use serde_json::{Value, json};

use super::{open, refused};
use crate::{
    cli::{IdArgs, LockArgs, PayerArgs},
    commands::stake::{amount, worth},
    output::{parse_stones, stones, table, when},
};

/// A minute, by which a lock is longer than asked: the block that makes it is later than the one that was read.
const MARGIN_MS: u64 = 60_000;

/// So many days after `now`. The longest lock ends no later than that, the shortest a little.
fn until(now: TimeMs, days: u64) -> TimeMs {
    let ms = days.saturating_mul(EpochSchedule::DAY_MS);
    let margin = if days < cairn_economy::LOCK_DAYS_MAX { MARGIN_MS } else { 0 };
    TimeMs(now.0.saturating_add(ms).saturating_add(margin))
}

/// Shows an account's locks.
pub async fn list(args: &PayerArgs) -> Result<()> {
    let (sender, output, _) = open(args).await?;
    let (client, me) = (sender.client(), sender.address());
    let head = client.latest().await?;
    let at = BlockTag::Number(head.number);
    let (price, locks) = (client.price(at).await?, client.locks(me, at).await?);
    let held = locks.iter().filter(|lock| !lock.released).map(|lock| amount(lock.stones).0).sum();
    let held = Stones(held);
    let value = json!({
        "account": me.to_string(), "locked_usd": held.to_micro_usd_floor(price).to_string(),
        "locked_stones": held.to_string(),
        "locks": locks.iter().map(|lock| line(lock, price)).collect::<Vec<_>>(),
    });
    output.answer(&value, || {
        if locks.is_empty() {
            return format!("{me} has locked nothing: `cairn govern lock` does");
        }
        let mut rows = vec![["lock", "worth", "weight", "until"].map(str::to_owned).to_vec()];
        for lock in &locks {
            let end = TimeMs(lock.untilMs);
            let until = match lock.released {
                true => "paid back".to_owned(),
                false if head.time >= end => "over: `cairn govern release`".to_owned(),
                false => when(end),
            };
            rows.push(vec![
                lock.id.to_string(),
                worth(amount(lock.stones), price),
                stones(amount(lock.weight)),
                until,
            ]);
        }
        format!("{}\nlocked {}", table(&rows), worth(held, price))
    });
    Ok(())
}

fn line(lock: &IGovernance::Lock, price: MicroUsd) -> Value {
    let held = amount(lock.stones);
    json!({
        "id": lock.id, "usd": held.to_micro_usd_floor(price).to_string(),
        "stones": held.to_string(), "weight": lock.weight.to_string(), "until_ms": lock.untilMs,
        "released": lock.released,
    })
}

/// Locks stones, or adds them to a lock.
pub async fn lock(args: &LockArgs) -> Result<()> {
    let value = parse_stones("STONES", &args.stones).map_err(|reason| eyre!(reason))?;
    let (sender, output, _) = open(&args.payer).await?;
    let client = sender.client();
    let id = match (args.add_to, args.days) {
        (Some(id), _) => {
            sender.add_to_lock(id, value).await.map_err(refused)?;
            id
        }
        (None, days) => {
            let now = client.latest().await?.time;
            sender.lock(value, until(now, days.unwrap_or_default())).await.map_err(refused)?
        }
    };
    shown(&sender, output, id).await
}

/// Moves the end of a lock away.
pub async fn extend(id: u64, days: u64, payer: &PayerArgs) -> Result<()> {
    let (sender, output, _) = open(payer).await?;
    let now = sender.client().latest().await?.time;
    sender.extend_lock(id, until(now, days)).await.map_err(refused)?;
    shown(&sender, output, id).await
}

async fn shown(
    sender: &cairn_client::Sender,
    output: crate::output::Output,
    id: u64,
) -> Result<()> {
    let client = sender.client();
    let price = client.price(BlockTag::Latest).await?;
    let lock = client.governance(IGovernance::lockOfCall { id }, BlockTag::Latest).await?;
    output.answer(&line(&lock, price), || {
        format!(
            "lock {id}: {} until {} of the network's time; it weighs {} on a proposal made now",
            worth(amount(lock.stones), price),
            when(TimeMs(lock.untilMs)),
            stones(amount(lock.weight))
        )
    });
    Ok(())
}

/// Pays an ended lock back.
pub async fn release(args: &IdArgs) -> Result<()> {
    let (sender, output, _) = open(&args.payer).await?;
    let paid = sender.release_lock(args.id).await.map_err(refused)?;
    let price = sender.client().price(BlockTag::Latest).await?;
    let value = json!({
        "id": args.id, "usd": paid.to_micro_usd_floor(price).to_string(), "stones": paid.to_string(),
    });
    output.answer(&value, || format!("lock {}: {} paid back", args.id, worth(paid, price)));
    Ok(())
}
