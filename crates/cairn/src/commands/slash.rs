//! `cairn slash …`: what validators lost stake for, and the steps of a slash: report, appeal, reclaim, execute.

use std::path::Path;

use alloy_primitives::{Address, Bytes};
use cairn_client::{BlockTag, LedgerClient, Reads as _, StakeReads as _};
use cairn_primitives::{MicroUsd, Stones, TimeMs, abi::IStake};
use eyre::{Result, WrapErr as _, bail};
use serde_json::{Value, json};

use crate::{
    cli::{NetworkArgs, PayerArgs, SlashCommand},
    commands::stake::{amount, open_payer, refused, worth},
    output::{table, when},
    session::{SECTOR, Session},
};

/// Slashes that `list` shows.
const LISTED_MAX: u64 = 256;
/// Evidence has at most 286 bytes; a file of it in hexadecimal, with room for spaces, fits in this.
const EVIDENCE_FILE_MAX: u64 = 4_096;

/// Shows slashes, or does one of their steps.
pub async fn slash(command: &SlashCommand) -> Result<()> {
    match command {
        SlashCommand::List(args) => list(args).await,
        SlashCommand::Show { id, network } => show(*id, network).await,
        SlashCommand::ReportAbsence { term, operator, payer } => {
            let (sender, output) = open_payer(payer).await?;
            let opened = sender.report_absence(*term, *operator).await.map_err(refused)?;
            told(sender.client(), output, &opened).await
        }
        SlashCommand::ReportVote { epoch, operator, payer } => {
            let (sender, output) = open_payer(payer).await?;
            let opened = sender.report_wrong_vote(*epoch, SECTOR, *operator).await;
            told(sender.client(), output, &opened.map_err(refused)?).await
        }
        SlashCommand::ReportEquivocation { evidence, payer } => {
            let evidence = read_evidence(evidence)?;
            let (sender, output) = open_payer(payer).await?;
            let opened = sender.report_equivocation(evidence).await.map_err(refused)?;
            told(sender.client(), output, &opened).await
        }
        SlashCommand::Appeal { id, payer } => appeal(*id, payer).await,
        SlashCommand::Reclaim { id, owner, payer } => reclaim(*id, *owner, payer).await,
        SlashCommand::Execute { id, payer } => execute(*id, payer).await,
    }
}

/// Evidence from a file of bytes, a file of hexadecimal, or hexadecimal on the command line.
fn read_evidence(text: &str) -> Result<Bytes> {
    let path = Path::new(text);
    if let Ok(metadata) = path.metadata() {
        if metadata.len() > EVIDENCE_FILE_MAX {
            bail!("{text} has {} bytes: evidence has at most 286", metadata.len());
        }
        let content = std::fs::read(path).wrap_err_with(|| format!("reading {text}"))?;
        let parsed = std::str::from_utf8(&content).ok().and_then(|text| hex(text.trim()));
        return Ok(parsed.unwrap_or_else(|| content.into()));
    }
    match hex(text) {
        Some(bytes) => Ok(bytes),
        None => bail!("`{text}` is neither a file nor evidence in hexadecimal, like 0x8a3f…"),
    }
}

fn hex(text: &str) -> Option<Bytes> {
    let digits = text.strip_prefix("0x").unwrap_or(text);
    (!digits.is_empty()).then(|| hex::decode(digits).ok().map(Bytes::from)).flatten()
}

async fn told(
    client: &LedgerClient,
    output: crate::output::Output,
    opened: &IStake::SlashPending,
) -> Result<()> {
    let price = client.price(BlockTag::Latest).await?;
    let (stones, until) = (amount(opened.stones), TimeMs(opened.appealUntilMs));
    let value = json!({
        "id": opened.id, "operator": opened.operator.to_string(), "reason": reason(opened.reason),
        "term": opened.term, "place": opened.place, "stones": stones.to_string(),
        "usd": stones.to_micro_usd_floor(price).to_string(), "appeal_until_ms": until.0,
    });
    output.answer(&value, || {
        format!(
            "slash {}: {} of {} held for {}\nvalidators can annul it until {}; then `cairn slash execute {}` pays your part",
            opened.id,
            worth(stones, price),
            opened.operator,
            reason(opened.reason),
            when(until),
            opened.id
        )
    });
    Ok(())
}

async fn appeal(id: u64, payer: &PayerArgs) -> Result<()> {
    let (sender, output) = open_payer(payer).await?;
    let counted = sender.appeal(id).await.map_err(refused)?;
    let annulled = counted.votes >= counted.needed;
    let value = json!({
        "id": id, "validator": counted.validator.to_string(), "votes": counted.votes,
        "needed": counted.needed, "annulled": annulled,
    });
    output.answer(&value, || {
        let end = if annulled { ": it is annulled" } else { "" };
        format!("slash {id}: {} of {} appeals needed{end}", counted.votes, counted.needed)
    });
    Ok(())
}

async fn reclaim(id: u64, owner: Option<Address>, payer: &PayerArgs) -> Result<()> {
    let (sender, output) = open_payer(payer).await?;
    let owner = owner.unwrap_or_else(|| sender.address());
    let given = sender.reclaim(id, owner).await.map_err(refused)?;
    let price = sender.client().price(BlockTag::Latest).await?;
    let [delegated, unbonding] = [given.delegated, given.unbonding].map(amount);
    let value = json!({
        "id": id, "owner": owner.to_string(), "delegated_stones": delegated.to_string(),
        "delegated_usd": delegated.to_micro_usd_floor(price).to_string(),
        "unbonding_stones": unbonding.to_string(),
        "unbonding_usd": unbonding.to_micro_usd_floor(price).to_string(),
    });
    output.answer(&value, || {
        format!(
            "slash {id} gave {owner} back: {} delegated, {} that unbond\n`cairn stake mine` shows both",
            worth(delegated, price),
            worth(unbonding, price)
        )
    });
    Ok(())
}

async fn execute(id: u64, payer: &PayerArgs) -> Result<()> {
    let (sender, output) = open_payer(payer).await?;
    let done = sender.execute_slash(id).await.map_err(refused)?;
    let price = sender.client().price(BlockTag::Latest).await?;
    let [burned, reporter, insurance] =
        [done.burned, done.toReporter, done.toInsurance].map(amount);
    let value = json!({
        "id": id, "operator": done.operator.to_string(), "burned_stones": burned.to_string(),
        "reporter_stones": reporter.to_string(), "insurance_stones": insurance.to_string(),
        "burned_usd": burned.to_micro_usd_floor(price).to_string(),
    });
    output.answer(&value, || {
        format!(
            "slash {id} of {} executed: {} burned, {} to the reporter, {} to insurance",
            done.operator,
            worth(burned, price),
            worth(reporter, price),
            worth(insurance, price)
        )
    });
    Ok(())
}

async fn list(args: &NetworkArgs) -> Result<()> {
    let session = Session::open(args).await?;
    let client = &session.client;
    let at = BlockTag::Number(client.latest().await?.number);
    let price = client.price(at).await?;
    let count = client.slash_count(at).await?;
    let mut lines = Vec::new();
    let head = ["id", "operator", "for", "held", "status", "can be annulled until"];
    let mut rows = vec![head.map(str::to_owned).to_vec()];
    for id in (count.saturating_sub(LISTED_MAX)..count).rev() {
        let slash = client.slash(id, at).await?;
        rows.push(vec![
            id.to_string(),
            slash.operator.to_string(),
            what_for(&slash),
            worth(total(&slash), price),
            status(slash.status).to_owned(),
            when(TimeMs(slash.appealUntilMs)),
        ]);
        lines.push(line(id, &slash, price));
    }
    session.output.answer(&json!({ "count": count, "slashes": lines }), || {
        if count == 0 { "nobody was ever slashed".to_owned() } else { table(&rows) }
    });
    Ok(())
}

async fn show(id: u64, args: &NetworkArgs) -> Result<()> {
    let session = Session::open(args).await?;
    let client = &session.client;
    let head = client.latest().await?;
    let at = BlockTag::Number(head.number);
    let slash = client.slash(id, at).await.map_err(refused)?;
    let price = client.price(at).await?;
    let until = TimeMs(slash.appealUntilMs);
    let next = match slash.status {
        1 if head.time < until => format!("validators can annul it until {}", when(until)),
        1 => format!("its appeal window is over: `cairn slash execute {id}`"),
        3 => format!("annulled: `cairn slash reclaim {id}`, if stake came or went in between"),
        _ => "it is over".to_owned(),
    };
    session.output.answer(&line(id, &slash, price), || {
        let part = |value| worth(amount(value), price);
        format!(
            "slash {id}: {}, {}\noperator   {}\nreporter   {}\nheld       {}\n\
             of         bond {}, delegations {}, unbonding {}\nnext       {next}",
            what_for(&slash),
            status(slash.status),
            slash.operator,
            slash.reporter,
            worth(total(&slash), price),
            part(slash.bond),
            part(slash.delegated),
            part(slash.unbonding),
        )
    });
    Ok(())
}

fn line(id: u64, slash: &IStake::Slash, price: MicroUsd) -> Value {
    let all = total(slash);
    let (epoch, sector) = (slash.place / 256, slash.place % 256);
    let is_vote = slash.reason == 2;
    json!({
        "id": id, "operator": slash.operator.to_string(), "reason": reason(slash.reason), "status": status(slash.status),
        "term": (!is_vote).then_some(slash.term), "view": (slash.reason == 1).then_some(slash.place),
        "epoch": is_vote.then_some(epoch), "sector": is_vote.then_some(sector),
        "reporter": slash.reporter.to_string(), "appeal_until_ms": slash.appealUntilMs,
        "usd": all.to_micro_usd_floor(price).to_string(), "stones": all.to_string(),
        "bond_stones": slash.bond.to_string(), "delegated_stones": slash.delegated.to_string(),
        "unbonding_stones": slash.unbonding.to_string(),
    })
}

fn total(slash: &IStake::Slash) -> Stones {
    amount(slash.bond.saturating_add(slash.delegated).saturating_add(slash.unbonding))
}

fn what_for(slash: &IStake::Slash) -> String {
    match slash.reason {
        1 => format!("equivocation in term {}, view {}", slash.term, slash.place),
        2 => format!("wrong vote in epoch {}", slash.place / 256),
        3 => format!("absence in term {}", slash.term),
        other => format!("reason {other}"),
    }
}

const fn reason(number: u8) -> &'static str {
    match number {
        1 => "equivocation",
        2 => "wrong_vote",
        3 => "absence",
        _ => "unknown",
    }
}

const fn status(number: u8) -> &'static str {
    match number {
        1 => "pending",
        2 => "executed",
        3 => "annulled",
        _ => "unknown",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn evidence_is_read_from_bytes_from_hex_and_from_the_command_line() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = |name: &str, content: &[u8]| {
            let path = folder.path().join(name);
            std::fs::write(&path, content).expect("a file");
            path.to_str().expect("text").to_owned()
        };
        let bytes = Bytes::from(vec![0x8a, 0xff, 0x00]);
        for given in [
            file("raw", &bytes),
            file("hex", b"0x8aff00\n"),
            file("plain", b"8aff00"),
            "0x8aff00".to_owned(),
            "8aff00".to_owned(),
        ] {
            assert_eq!(read_evidence(&given).expect("evidence"), bytes, "{given}");
        }
        for wrong in ["", "0x", "no-such-file", "0x8"] {
            assert!(read_evidence(wrong).is_err(), "{wrong}");
        }
        assert!(read_evidence(&file("large", &[0; 5_000])).is_err());
    }
}
