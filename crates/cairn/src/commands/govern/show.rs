//! `cairn govern show`: the rules and the latest proposals, or one proposal with its diff beside the bounds of genesis.

use cairn_client::{BlockTag, GovernanceReads as _, LedgerClient, Reads as _};
use cairn_primitives::{
    MicroUsd, Parameter, TimeMs,
    abi::IGovernance::{self, Bound, Change, Proposal},
};
use eyre::Result;
use serde_json::{Value, json};

use super::governed;
use crate::{
    cli::NetworkArgs,
    commands::stake::{amount, worth},
    output::{stones, table, when},
    session::Session,
};

/// Proposals that the overview shows.
const SHOWN: u64 = 20;

/// What a proposal is about.
const fn kind(number: u8) -> &'static str {
    match number {
        1 => "parameters",
        2 => "stream",
        3 => "milestone",
        4 => "end of a stream",
        _ => "guardian",
    }
}

/// Where it stands.
const fn status(number: u8) -> &'static str {
    match number {
        1 => "voting",
        2 => "rejected",
        3 => "without quorum",
        4 => "timelocked",
        5 => "ready",
        6 => "expired",
        7 => "executed",
        _ => "closed",
    }
}

/// Shows what may be moved, what a proposal needs, and the latest ones.
pub async fn rules(args: &NetworkArgs) -> Result<()> {
    let session = Session::open(args).await?;
    let client = &session.client;
    let (_, rules) = governed(client).await?;
    let at = BlockTag::Number(client.latest().await?.number);
    let price = client.price(at).await?;
    let bounds = client.governance(IGovernance::boundsCall {}, at).await?;
    let needed = client.governance(IGovernance::quorumCall {}, at).await?;
    let guardian = client.governance(IGovernance::guardianCall {}, at).await?;
    let locked = client.locked(at).await?;
    let proposals = client.proposals(SHOWN, at).await?;
    let (quorum, most) = (amount(needed.stones), amount(needed.captureStones));
    let dollars = |stones: cairn_primitives::Stones| stones.to_micro_usd_floor(price).to_string();
    let value = json!({
        "locked_usd": dollars(locked), "locked_stones": locked.to_string(),
        "quorum_usd": dollars(quorum), "quorum_stones": quorum.to_string(),
        "capture_usd": dollars(most), "capture_stones": most.to_string(),
        "deposit_usd": dollars(rules.deposit()), "deposit_stones": rules.deposit().to_string(),
        "voting_ms": rules.voting_ms, "timelock_ms": rules.timelock_ms,
        "guardian": guardian.to_string(), "guardian_delay_ms": rules.guardian_delay_ms,
        "fees_ppm_max": rules.fees_ppm_max,
        "parameters": bounds.iter().map(bound_json).collect::<Vec<_>>(),
        "proposals": proposals.iter().map(|one| proposal_json(one, price)).collect::<Vec<_>>(),
    });
    session.output.answer(&value, || {
        let mut rows =
            vec![["parameter", "value", "low", "high", "a month"].map(str::to_owned).to_vec()];
        rows.extend(bounds.iter().map(|bound| {
            let numbers = [bound.value, bound.low, bound.high].map(|n| n.to_string());
            let step = format!("± {}", bound.step);
            [vec![bound.name.clone()], numbers.to_vec(), vec![step]].concat()
        }));
        let mut list =
            vec![["", "about", "status", "for it", "needed", "until"].map(str::to_owned).to_vec()];
        list.extend(proposals.iter().map(|one| {
            vec![
                one.id.to_string(),
                kind(one.kind).to_owned(),
                status(one.status).to_owned(),
                worth(amount(one.yesStones), price),
                worth(amount(one.quorum), price),
                when(TimeMs(if one.status == 1 { one.votingEndMs } else { one.readyMs })),
            ]
        }));
        format!(
            "locked {}\na proposal needs {} for it: a captured vote takes {} at most\n{}\n\n{}",
            worth(locked, price),
            worth(quorum, price),
            worth(most, price),
            table(&rows),
            if proposals.is_empty() { "no proposals yet".to_owned() } else { table(&list) }
        )
    });
    Ok(())
}

fn bound_json(bound: &Bound) -> Value {
    json!({
        "parameter": bound.name, "value": bound.value, "low": bound.low, "high": bound.high,
        "step": bound.step,
    })
}

fn proposal_json(one: &Proposal, price: MicroUsd) -> Value {
    let (yes, quorum) = (amount(one.yesStones), amount(one.quorum));
    json!({
        "id": one.id, "proposer": one.proposer.to_string(), "kind": kind(one.kind),
        "status": status(one.status), "simulation": one.simulation.to_string(),
        "start_ms": one.startMs, "voting_end_ms": one.votingEndMs, "ready_ms": one.readyMs,
        "expires_ms": one.expiresMs, "delayed": one.delayed,
        "yes_usd": yes.to_micro_usd_floor(price).to_string(), "yes_stones": yes.to_string(),
        "no_stones": amount(one.noStones).to_string(), "quorum_stones": quorum.to_string(),
        "quorum_usd": quorum.to_micro_usd_floor(price).to_string(),
        "yes_weight": one.yesWeight.to_string(), "no_weight": one.noWeight.to_string(),
        "deposit_stones": amount(one.deposit).to_string(),
    })
}

/// Shows one proposal.
pub async fn proposal(id: u64, args: &NetworkArgs) -> Result<()> {
    let session = Session::open(args).await?;
    let client = &session.client;
    governed(client).await?;
    let at = BlockTag::Number(client.latest().await?.number);
    let price = client.price(at).await?;
    let one =
        client.governance(IGovernance::proposalCall { id }, at).await.map_err(super::refused)?;
    let (about, lines) = subject(client, &one, price, at).await?;
    let mut value = proposal_json(&one, price);
    value["about"] = about;
    session.output.answer(&value, || {
        let delayed = if one.delayed { ", delayed by the guardian" } else { "" };
        format!(
            "proposal {id}: {}, {}{delayed}\nby {}, simulation {}\n\
             voted on until {}, carried out from {} until {}\n\
             for it {} of {} needed; weight {} for, {} against\n{lines}",
            kind(one.kind),
            status(one.status),
            one.proposer,
            one.simulation,
            when(TimeMs(one.votingEndMs)),
            when(TimeMs(one.readyMs)),
            when(TimeMs(one.expiresMs)),
            worth(amount(one.yesStones), price),
            worth(amount(one.quorum), price),
            stones(amount(one.yesWeight)),
            stones(amount(one.noWeight)),
        )
    });
    Ok(())
}

/// What a proposal would do, for programs and people.
async fn subject(
    client: &LedgerClient,
    one: &Proposal,
    price: MicroUsd,
    at: BlockTag,
) -> Result<(Value, String)> {
    let id = one.id;
    Ok(match one.kind {
        1 => {
            let changes = client.governance(IGovernance::changesOfCall { id }, at).await?;
            let bounds = client.governance(IGovernance::boundsCall {}, at).await?;
            diff(&changes, &bounds)
        }
        2 => {
            let terms = client.governance(IGovernance::termsOfCall { id }, at).await?;
            let total = amount(terms.stones);
            let days = terms.lengthMs / cairn_primitives::EpochSchedule::DAY_MS;
            let who = if terms.insider { " (an insider)" } else { "" };
            let text = format!(
                "streams {} to {}{who} over {days} days, {} milestone(s)",
                worth(total, price),
                terms.recipient,
                terms.milestones
            );
            let value = json!({
                "recipient": terms.recipient.to_string(), "insider": terms.insider,
                "usd": total.to_micro_usd_floor(price).to_string(), "stones": total.to_string(),
                "start_ms": terms.startMs, "length_ms": terms.lengthMs, "milestones": terms.milestones,
            });
            (value, text)
        }
        3 => (
            json!({ "stream": one.subject, "milestone": one.index }),
            format!("releases milestone {} of stream {}", one.index, one.subject),
        ),
        4 => (json!({ "stream": one.subject }), format!("ends stream {}", one.subject)),
        _ => (
            json!({ "guardian": one.nominee.to_string() }),
            format!("makes {} the guardian", one.nominee),
        ),
    })
}

/// The new values beside what is in force and what genesis allows.
fn diff(changes: &[Change], bounds: &[Bound]) -> (Value, String) {
    let mut rows = vec![
        ["parameter", "now", "", "proposed", "low", "high", "a month"].map(str::to_owned).to_vec(),
    ];
    let mut lines = Vec::new();
    for change in changes {
        let name = Parameter::from_number(change.parameter).map_or("?", Parameter::name);
        let bound = bounds.iter().find(|bound| bound.parameter == change.parameter);
        lines.push(json!({
            "parameter": name, "value": bound.map(|bound| bound.value), "proposed": change.value,
            "low": bound.map(|bound| bound.low), "high": bound.map(|bound| bound.high),
            "step": bound.map(|bound| bound.step),
        }));
        let show = |of: fn(&Bound) -> u64| {
            bound.map_or_else(|| "-".to_owned(), |bound| of(bound).to_string())
        };
        rows.push(vec![
            name.to_owned(),
            show(|bound| bound.value),
            "→".to_owned(),
            change.value.to_string(),
            show(|bound| bound.low),
            show(|bound| bound.high),
            format!("± {}", show(|bound| bound.step)),
        ]);
    }
    (Value::Array(lines), table(&rows))
}
