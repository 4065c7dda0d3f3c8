//! `cairn govern vote|delay|execute|close`.

use cairn_client::{BlockTag, Call, GovernanceReads as _, Reads as _};
use cairn_primitives::abi::{GOVERNANCE, IGovernance};
use eyre::{Result, bail};
use serde_json::json;

use super::{open, refused};
use crate::{
    cli::{IdArgs, VoteArgs},
    commands::stake::{amount, worth},
    output::{stones, when},
};

/// Locks of one vote.
const LOCKS_MAX: usize = 32;

/// Votes with the named locks, or with all of the account's that can.
pub async fn vote(args: &VoteArgs) -> Result<()> {
    let (sender, output, _) = open(&args.payer).await?;
    let (client, me, id) = (sender.client(), sender.address(), args.id);
    let locks = if args.locks.is_empty() {
        let mut able = Vec::new();
        for lock in client.locks(me, BlockTag::Latest).await? {
            let call = IGovernance::voteCall { id, yes: args.yes, lockIds: vec![lock.id] };
            let call = Call::new(GOVERNANCE, &call);
            if client.simulate(me, &call, BlockTag::Latest).await.is_ok() {
                able.push(lock.id);
            }
        }
        if able.is_empty() {
            bail!(
                "{me} has no lock that can vote on proposal {id}: `cairn govern locks` shows them, older than the proposal and with 180 days left they could"
            );
        }
        able
    } else {
        args.locks.clone()
    };
    for some in locks.chunks(LOCKS_MAX) {
        sender.vote_on(id, args.yes, some.to_vec()).await.map_err(refused)?;
    }
    let seen = client.governance(IGovernance::proposalCall { id }, BlockTag::Latest).await?;
    let price = client.price(BlockTag::Latest).await?;
    let (yes, quorum) = (amount(seen.yesStones), amount(seen.quorum));
    let value = json!({
        "id": id, "yes": args.yes, "locks": locks, "yes_stones": yes.to_string(),
        "yes_usd": yes.to_micro_usd_floor(price).to_string(), "quorum_stones": quorum.to_string(),
        "yes_weight": seen.yesWeight.to_string(), "no_weight": seen.noWeight.to_string(),
    });
    output.answer(&value, || {
        format!(
            "voted {} on proposal {id} with {} lock(s)\nfor it {} of {} needed; weight {} for, {} against",
            if args.yes { "yes" } else { "no" },
            locks.len(),
            worth(yes, price),
            worth(quorum, price),
            stones(amount(seen.yesWeight)),
            stones(amount(seen.noWeight))
        )
    });
    Ok(())
}

/// The guardian's delay.
pub async fn delay(args: &IdArgs) -> Result<()> {
    let (sender, output, _) = open(&args.payer).await?;
    let ready = sender.delay_proposal(args.id).await.map_err(refused)?;
    let value = json!({ "id": args.id, "ready_ms": ready.0 });
    output.answer(&value, || {
        format!(
            "proposal {} can be carried out from {} of the network's time",
            args.id,
            when(ready)
        )
    });
    Ok(())
}

/// Carries a proposal out.
pub async fn execute(args: &IdArgs) -> Result<()> {
    let (sender, output, _) = open(&args.payer).await?;
    let sent = sender.execute_proposal(args.id).await.map_err(refused)?;
    let set = sent.event::<IGovernance::ParametersSet>().ok();
    let value = json!({
        "id": args.id, "transaction": sent.hash.to_string(), "from_day": set.as_ref().map(|set| set.fromDay),
    });
    output.answer(&value, || {
        let from = set.map_or_else(String::new, |set| {
            format!("; its parameters are in force from day {} of the network on", set.fromDay)
        });
        format!("proposal {} was carried out{from}", args.id)
    });
    Ok(())
}

/// Ends a proposal that failed.
pub async fn close(args: &IdArgs) -> Result<()> {
    let (sender, output, _) = open(&args.payer).await?;
    let closed = sender.close_proposal(args.id).await.map_err(refused)?;
    let price = sender.client().price(BlockTag::Latest).await?;
    let (returned, burned) = (amount(closed.returned), amount(closed.burned));
    let value = json!({
        "id": args.id, "returned_stones": returned.to_string(), "burned_stones": burned.to_string(),
        "returned_usd": returned.to_micro_usd_floor(price).to_string(),
        "burned_usd": burned.to_micro_usd_floor(price).to_string(),
    });
    output.answer(&value, || {
        format!(
            "proposal {} is closed: {} returned, {} burned",
            args.id,
            worth(returned, price),
            worth(burned, price)
        )
    });
    Ok(())
}
