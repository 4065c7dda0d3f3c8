//! `cairn why DEVICE`: this epoch's income against the last, each cause in money, each score part with its verdict.

use cairn_economy::{ScoredDevice, WhyInput, distribute, why as causes_of};
use cairn_evidence::{archive::EpochFile, recompute::Inputs};
use cairn_primitives::{DeviceId, Epoch, MicroUsd};
use cairn_sectors::{Rejection, ScoreLeaf};
use eyre::{Result, WrapErr as _, eyre};
use serde_json::json;

use crate::{
    cli::WhyArgs,
    output::{table, usd},
    session::Session,
};

/// Everything that made a device's income in one epoch.
struct Income {
    epoch: Epoch,
    input: WhyInput,
    score: Option<ScoreLeaf>,
    inputs: Inputs,
    refused_batches: Vec<&'static str>,
}

/// Explains an epoch against the one before.
pub async fn why(args: &WhyArgs) -> Result<()> {
    let session = Session::open(&args.network).await?;
    let device = session.device(&args.device).await?;
    let id = device.record.id;
    let last = session.last_final().await?.ok_or_else(|| eyre!("no epoch is final yet"))?;
    let epoch = args.epoch.map_or(last, Epoch);
    if epoch > last {
        return Err(eyre!("--epoch is {epoch}: the last final epoch is {last}"));
    }
    let after = income(&session, id, epoch).await?;
    let before = match epoch.previous() {
        Some(previous) => Some(income(&session, id, previous).await?),
        None => None,
    };
    let nothing = WhyInput { price: after.input.price, ..WhyInput::default() };
    let base = before.as_ref().map_or(nothing, |income| income.input);
    let causes = causes_of(&after.inputs.economy, &base, &after.input);
    let total = |input: &WhyInput| MicroUsd(input.earned.0 + input.subsidy.0);
    let (then, now) = (total(&base), total(&after.input));

    let rejection = after.score.as_ref().and_then(|leaf| leaf.rejection);
    let value = json!({
        "device": id.to_string(), "station": session.station_of(id), "epoch": after.epoch.0, "against": before.as_ref().map(|b| b.epoch.0),
        "earned_usd": after.input.earned.to_string(), "subsidy_usd": after.input.subsidy.to_string(),
        "total_usd": now.to_string(), "before_usd": then.to_string(),
        "causes": causes.iter().map(|c| json!({ "name": c.name, "micro_usd": i64::try_from(c.micro_usd).ok() })).collect::<Vec<_>>(),
        "score_permille": after.score.as_ref().map(|s| s.score), "rank": after.input.rank, "rejection": rejection.map(Rejection::name),
        "rejection_code": rejection.map(|r| Rejection::code_of(Some(r))), "detail": after.score.as_ref().and_then(|s| s.detail.clone()),
        "refused_batches": after.refused_batches,
    });
    session.output.answer(&value, || {
        let mut rows = vec![vec!["epoch before".to_owned(), usd(then)]];
        for cause in causes.iter().filter(|cause| cause.micro_usd != 0) {
            rows.push(vec![format!("  {}", cause.name), signed(cause.micro_usd)]);
        }
        rows.push(vec![format!("epoch {}", after.epoch), usd(now)]);
        format!(
            "{}{} in epoch {}: earned {} from consumers, subsidy {}\n{}\n\n{}",
            id,
            session.station_of(id).map_or_else(String::new, |s| format!(" ({s})")),
            after.epoch,
            usd(after.input.earned),
            usd(after.input.subsidy),
            score_line(&after),
            table(&rows),
        )
    });
    Ok(())
}

async fn income(session: &Session, id: DeviceId, epoch: Epoch) -> Result<Income> {
    let file = session.epoch_file(epoch, EpochFile::Inputs).await?;
    let inputs: Inputs = serde_json::from_slice(&file)
        .wrap_err_with(|| format!("parsing inputs.json of epoch {epoch}"))?;
    let scores = session.scores(epoch).await?;
    let rewards = session.rewards(epoch).await?;
    let registry = inputs.registry()?;
    let scored: Vec<ScoredDevice> = scores
        .iter()
        .filter_map(|leaf| {
            let record = registry.get(&leaf.device)?;
            Some(ScoredDevice {
                device: leaf.device,
                owner: record.owner,
                cell: record.cell,
                index: record.index,
                score_permille: leaf.score,
            })
        })
        .collect();
    let distribution = distribute(&inputs.economy, &inputs.pool, &scored, &inputs.earned)?;
    let rank =
        scored.iter().position(|device| device.device == id).map_or(0, |i| distribution.ranks[i]);
    let score = scores.into_iter().find(|leaf| leaf.device == id);
    let reward = rewards.iter().find(|reward| reward.device == id);
    let paid = |of: Option<DeviceId>| {
        let lines = inputs.earned.iter().filter(|line| of.is_none_or(|id| line.device == id));
        MicroUsd(lines.map(|line| line.paid.0).sum())
    };
    let input = WhyInput {
        earned: reward.map_or(MicroUsd::ZERO, |r| r.earned),
        subsidy: reward.map_or(MicroUsd::ZERO, |r| r.subsidy),
        paid: paid(Some(id)),
        paid_sum: paid(None),
        parts_permille: score.as_ref().map_or([0; 4], parts),
        rank,
        price: inputs.pool.price,
        usage_pool: inputs.pool.usage,
        need_pool: inputs.pool.need,
    };
    let verdicts = session.verdicts(epoch).await?;
    let refused =
        verdicts.iter().filter(|leaf| leaf.device == id).filter_map(|leaf| leaf.rejection);
    let refused_batches = refused.map(Rejection::name).collect();
    Ok(Income { epoch, input, score, inputs, refused_batches })
}

/// The parts of a score; a gated one counts as nothing, whatever its parts say.
fn parts(leaf: &ScoreLeaf) -> [u16; 4] {
    if leaf.score == 0 && leaf.rejection.is_some() {
        return [0; 4];
    }
    [leaf.availability, leaf.neighbour, leaf.deployment, leaf.location]
}

fn score_line(income: &Income) -> String {
    let Some(leaf) = &income.score else { return "not scored in this epoch".to_owned() };
    let rank = if income.input.rank == 0 {
        "no rank".to_owned()
    } else {
        format!("rank {}", income.input.rank)
    };
    let mut line = format!(
        "score {} = availability {} · neighbours {} · deployment {} · location {}; {rank} in its cell",
        leaf.score, leaf.availability, leaf.neighbour, leaf.deployment, leaf.location
    );
    if let Some(reason) = leaf.rejection {
        line.push_str(&format!(
            "\nthe hour was refused: {} ({})",
            reason.name(),
            Rejection::code_of(Some(reason))
        ));
        if let Some(detail) = &leaf.detail {
            line.push_str(&format!(
                ", found {} where {} is allowed (field {})",
                detail.value, detail.limit, detail.field
            ));
            if let Some(other) = detail.other {
                line.push_str(&format!(", compared with {other}"));
            }
        }
    }
    if !income.refused_batches.is_empty() {
        line.push_str(&format!("\nrefused batches: {}", income.refused_batches.join(", ")));
    }
    line
}

fn signed(micro_usd: i128) -> String {
    let sign = if micro_usd < 0 { "-" } else { "+" };
    format!("{sign}{}", usd(MicroUsd(u64::try_from(micro_usd.unsigned_abs()).unwrap_or(u64::MAX))))
}
