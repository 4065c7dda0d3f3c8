//! `cairn govern propose`.

use alloy_primitives::{Address, B256, U256};
use cairn_client::{BlockTag, Reads as _, Sender};
use cairn_primitives::{
    EpochSchedule, GovernanceParams, Parameter, Stones, TimeMs,
    abi::IGovernance::{Proposed, Terms},
};
use eyre::{Result, bail, eyre};
use serde_json::json;

use super::{open, refused};
use crate::{
    cli::ProposeArgs,
    commands::stake::{amount, worth},
    output::{parse_stones, when},
};

/// Puts something to the vote.
pub async fn propose(args: &ProposeArgs) -> Result<()> {
    if args.simulation == B256::ZERO {
        bail!("--simulation is zero: give the hash that `cairn simulate` printed");
    }
    let changes = changes(&args.set)?;
    let (sender, output, rules) = open(&args.payer).await?;
    check(&changes, &rules)?;
    let deposit = match &args.deposit {
        Some(text) => parse_stones("--deposit", text).map_err(|reason| eyre!(reason))?,
        None => rules.deposit(),
    };
    let opened = send(args, &sender, &changes, deposit).await?;
    let price = sender.client().price(BlockTag::Latest).await?;
    let (quorum, end) = (amount(opened.quorum), TimeMs(opened.votingEndMs));
    let value = json!({
        "id": opened.id, "simulation": opened.simulation.to_string(), "voting_end_ms": end.0,
        "quorum_usd": quorum.to_micro_usd_floor(price).to_string(), "quorum_stones": quorum.to_string(),
        "deposit_usd": deposit.to_micro_usd_floor(price).to_string(), "deposit_stones": deposit.to_string(),
    });
    output.answer(&value, || {
        format!(
            "proposal {}: locks older than it vote until {} of the network's time\n\
             it needs {} for it, and more weight for it than against it\n\
             the deposit of {} is burned if too few vote",
            opened.id,
            when(end),
            worth(quorum, price),
            worth(deposit, price)
        )
    });
    Ok(())
}

async fn send(
    args: &ProposeArgs,
    sender: &Sender,
    changes: &[(Parameter, u64)],
    deposit: Stones,
) -> Result<Proposed> {
    let run = args.simulation;
    let opened = if let Some(recipient) = args.stream {
        let text = args.stones.as_deref().unwrap_or_default();
        let total = parse_stones("--stones", text).map_err(|reason| eyre!(reason))?;
        let days = args.days.unwrap_or_default();
        let terms = Terms {
            recipient,
            insider: args.insider,
            stones: U256::from(total.0),
            // Now or later: a stream begins when it is opened.
            startMs: 0,
            lengthMs: days.saturating_mul(EpochSchedule::DAY_MS),
            milestones: args.milestones,
        };
        sender.propose_stream(run, terms, deposit).await
    } else if let Some(text) = &args.milestone {
        let wrong = || eyre!("--milestone is `{text}`: write STREAM:NUMBER, like 2:1");
        let (stream, number) = text.split_once(':').ok_or_else(wrong)?;
        let (stream, number) =
            (stream.parse().map_err(|_| wrong())?, number.parse().map_err(|_| wrong())?);
        sender.propose_milestone(run, stream, number, deposit).await
    } else if let Some(stream) = args.end {
        sender.propose_end(run, stream, deposit).await
    } else if let Some(text) = &args.guardian {
        let guardian = match text.as_str() {
            "none" => Address::ZERO,
            text => text.parse().map_err(|_| {
                eyre!("--guardian is `{text}`: write an account, like 0x3f2a…, or none")
            })?,
        };
        sender.propose_guardian(run, guardian, deposit).await
    } else {
        sender.propose_parameters(run, changes, deposit).await
    };
    opened.map_err(refused)
}

/// `KEY=VALUE` in order of the parameters' numbers.
fn changes(set: &[String]) -> Result<Vec<(Parameter, u64)>> {
    let mut changes = Vec::new();
    for text in set {
        let wrong = || eyre!("--set is `{text}`: write KEY=VALUE, like taper_ppm=600000");
        let (key, value) = text.split_once('=').ok_or_else(wrong)?;
        let parameter = Parameter::from_name(key.trim()).ok_or_else(|| {
            let known: Vec<_> = Parameter::ALL.iter().map(|parameter| parameter.name()).collect();
            eyre!("--set is `{text}`: no vote moves {key}; one of {}", known.join(", "))
        })?;
        changes.push((parameter, value.trim().parse().map_err(|_| wrong())?));
    }
    changes.sort_unstable();
    if let Some(twice) = changes.windows(2).find(|pair| pair[0].0 == pair[1].0) {
        bail!("--set names {} twice", twice[0].0.name());
    }
    Ok(changes)
}

/// The bounds of genesis, before a fee is paid.
fn check(changes: &[(Parameter, u64)], rules: &GovernanceParams) -> Result<()> {
    for (parameter, value) in changes {
        let name = parameter.name();
        let Some(bound) = rules.bounds.get(parameter) else {
            bail!("--set {name}: genesis gives it no bounds, so no vote moves it");
        };
        if !(bound.low..=bound.high).contains(value) {
            bail!("--set {name}={value}: genesis allows {} to {}", bound.low, bound.high);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_are_parsed_and_sorted() {
        let set = |texts: &[&str]| {
            changes(&texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>())
        };
        assert_eq!(
            set(&["taper_ppm=600000", "fee_burn_ppm = 40000"]).expect("two"),
            [(Parameter::FeeBurnPpm, 40_000), (Parameter::TaperPpm, 600_000)]
        );
        for (texts, word) in [
            (&["cap_stones=1"][..], "no vote moves"),
            (&["taper_ppm"], "KEY=VALUE"),
            (&["taper_ppm=-1"], "KEY=VALUE"),
            (&["taper_ppm=1", "taper_ppm=2"], "twice"),
        ] {
            let error = set(texts).expect_err(word).to_string();
            assert!(error.contains(word), "{error}");
        }
        let error = check(&[(Parameter::TaperPpm, 1)], &GovernanceParams::default());
        assert!(error.expect_err("none").to_string().contains("no bounds"));
    }
}
