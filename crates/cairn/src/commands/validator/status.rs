//! `cairn validator status`: is it level, who is it connected to, and does it do its duties?
//!
//! Duties are read from the ledger, where everybody sees them; peers and proposals from the node itself.

use std::{collections::BTreeSet, ops::RangeInclusive, process::ExitCode, time::Duration};

use alloy_primitives::{Address, B256};
use alloy_sol_types::SolEvent;
use cairn_client::{
    BlockTag, ClientError, LedgerClient, LedgerRead as _, LogFilter, LogRecord, Reads as _,
};
use cairn_node::{
    report::{NodeReport, Seat},
    signer::{SignerStatus, SocketSigner},
};
use cairn_primitives::{
    Genesis,
    abi::{BATCHES, IBatches, IRewards, REWARDS},
};
use eyre::{Result, WrapErr as _, eyre};
use serde_json::json;

use super::seats::Seats;
use crate::{
    cli::StatusArgs,
    commands::signer_line,
    host::{ENV_PREFIX, Settings, open_url, settings_path},
    output::Output,
    session::SECTOR,
};

/// Blocks in which duties are looked for: what a node answers in one request.
const DUTY_BLOCKS: u64 = 9_000;
/// A node whose last block is older, in wall time, does not follow.
const LEVEL: Duration = Duration::from_secs(15);
const TIMEOUT: Duration = Duration::from_secs(10);

/// What a validator did in the epochs that became final lately.
#[derive(Debug, Default, PartialEq, Eq)]
struct Duties {
    /// Epochs that became final in the blocks looked at.
    epochs: BTreeSet<u64>,
    attested: BTreeSet<u64>,
    voted: BTreeSet<u64>,
}

/// Shows one validator; exits 1 when it does not follow the network, is connected to too few or its signer cannot sign.
pub async fn status(args: &StatusArgs) -> Result<ExitCode> {
    let (url, feed, signer) = match &args.rpc {
        Some(url) => (url.clone(), None, None),
        None => {
            let settings: Settings =
                cairn_kit::config::load(&settings_path(&args.dir), ENV_PREFIX)?;
            let (rpc, feed) = (open_url(settings.rpc.listen), open_url(settings.http.listen));
            (rpc, Some(feed), settings.signer)
        }
    };
    // Of the signer itself, on this machine: what a node tells everybody has nothing of it.
    let signer = signer.map(|signer| SocketSigner::status(&signer.socket));
    let client = LedgerClient::new(&url)?;
    let named =
        client.archive_url().await.wrap_err_with(|| format!("asking {url}: does the node run?"))?;
    let feed =
        feed.or(named).ok_or_else(|| eyre!("{url} does not say where its HTTP server is"))?;
    let report = report(&feed).await?;
    let text = client.genesis().await?;
    let genesis: Genesis = toml::from_str(&text).wrap_err("parsing the node's genesis")?;
    let begin = genesis.start_ms;
    let (mut duties, mut seats) = (None, None);
    if let Some(seat) = &report.seat {
        let from = report.height.saturating_sub(DUTY_BLOCKS).max(report.blocks_from);
        duties = Some(done(&client, from..=report.height, seat.operator).await?);
        seats = Some(Seats::read(&client, genesis, seat.operator).await?);
    }
    let level = report.behind_ms <= u64::try_from(LEVEL.as_millis()).unwrap_or(u64::MAX);
    // Peers are needed, and come, around the terms in which it has a seat.
    let seated = seats.as_ref().is_some_and(Seats::any);
    let connected = !seated || report.seat.as_ref().is_none_or(is_connected);
    let synced = synced_permille(begin, report.block_time_ms, report.network_time_ms);
    let next = client.next_epoch(SECTOR, BlockTag::Latest).await?;

    let mut value = serde_json::to_value(&report).wrap_err("writing the report as JSON")?;
    value["level"] = json!(level);
    value["connected"] = json!(connected);
    value["synced_permille"] = json!(synced);
    value["next_epoch"] = json!(next.0);
    if let Some(duties) = &duties {
        value["duties"] = json!({
            "epochs": duties.epochs.len(),
            "attested": duties.done(&duties.attested), "voted": duties.done(&duties.voted),
            "missed_attestations": duties.missed(&duties.attested), "missed_votes": duties.missed(&duties.voted),
        });
    }
    if let Some(seats) = &seats {
        value["seats"] = seats.to_json();
    }
    let signs =
        signer.as_ref().is_none_or(|signer| signer.as_ref().is_ok_and(SignerStatus::is_well));
    if let Some(signer) = &signer {
        value["signer"] = match signer {
            Ok(status) => serde_json::to_value(status).wrap_err("writing the signer as JSON")?,
            Err(error) => json!({ "error": error.to_string() }),
        };
        value["signer"]["well"] = json!(signs);
    }
    Output { json: args.json }.answer(&value, || {
        let mut text = shown(&report, duties.as_ref(), synced, level, seated);
        match &signer {
            Some(Ok(status)) => text = format!("{text}\nsigner     {}", signer_line(status)),
            Some(Err(error)) => text = format!("{text}\nsigner     AWAY: {error}"),
            None => {}
        }
        if let Some(seats) = &seats {
            text = format!("{text}\n{}", seats.to_text());
        }
        text
    });
    Ok(if level && connected && signs { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

async fn report(feed: &str) -> Result<NodeReport> {
    let url = format!("{}/v1/node", feed.trim_end_matches('/'));
    let http = reqwest::Client::builder().timeout(TIMEOUT).build()?;
    let answer = http.get(&url).send().await.wrap_err_with(|| format!("asking {url}"))?;
    answer.error_for_status()?.json().await.wrap_err_with(|| format!("reading {url}"))
}

/// More than two thirds, itself among them, can make blocks.
fn is_connected(seat: &Seat) -> bool {
    (seat.peers.len() + 1) * 3 > seat.validators * 2
}

/// Share of the network's time that this node's ledger covers.
fn synced_permille(begin: u64, block: u64, now: u64) -> u64 {
    let (done, all) = (block.saturating_sub(begin), now.saturating_sub(begin));
    done.saturating_mul(1_000).checked_div(all).unwrap_or(1_000).min(1_000)
}

/// What an operator did of its duties in these blocks.
async fn done(
    client: &LedgerClient,
    blocks: RangeInclusive<u64>,
    operator: Address,
) -> Result<Duties, ClientError> {
    let (from, to) = (*blocks.start(), *blocks.end());
    if from > to {
        return Ok(Duties::default());
    }
    let me = B256::left_padding_from(operator.as_slice());
    let logs = |address, topics| {
        client.logs(LogFilter { address: Some(address), topics, from, to: Some(to) })
    };
    let by_me = |signature| vec![Some(signature), None, None, Some(me)];
    let epochs = logs(REWARDS, vec![Some(IRewards::EpochFinal::SIGNATURE_HASH)]).await?;
    let attested = logs(BATCHES, by_me(IBatches::Attested::SIGNATURE_HASH)).await?;
    let voted = logs(REWARDS, by_me(IRewards::Voted::SIGNATURE_HASH)).await?;
    let of = |logs: Vec<LogRecord>| logs.iter().filter_map(epoch_of).collect::<BTreeSet<_>>();
    let mut duties = Duties { epochs: of(epochs), attested: of(attested), voted: of(voted) };
    // The first one's attestation may lie before the blocks looked at.
    if from > 0 {
        duties.epochs.pop_first();
    }
    Ok(duties)
}

/// The epoch is the first indexed field of all three events.
fn epoch_of(log: &LogRecord) -> Option<u64> {
    let topic = log.topics.get(1)?;
    topic.0[24..].try_into().ok().map(u64::from_be_bytes)
}

impl Duties {
    fn done(&self, set: &BTreeSet<u64>) -> usize {
        self.epochs.intersection(set).count()
    }
    fn missed<'a>(&'a self, set: &'a BTreeSet<u64>) -> Vec<u64> {
        self.epochs.difference(set).copied().collect()
    }
}

fn shown(
    report: &NodeReport,
    duties: Option<&Duties>,
    synced: u64,
    level: bool,
    seated: bool,
) -> String {
    let mut lines = vec![
        format!("network    {} (genesis {})", report.network, report.genesis),
        format!(
            "ledger     height {}, {} ({}.{} % of the network's time, {} ms behind)",
            report.height,
            if level { "level" } else { "NOT LEVEL" },
            synced / 10,
            synced % 10,
            report.behind_ms
        ),
    ];
    let Some(seat) = &report.seat else {
        lines.push("seat       none: this node has no vote".to_owned());
        return lines.join("\n");
    };
    let enough = match (is_connected(seat), seated) {
        (true, _) => "",
        (false, true) => ": TOO FEW to make blocks",
        (false, false) => "; none is needed without a seat",
    };
    lines.push(format!("validator  {} ({})", seat.name, seat.operator));
    lines.push(format!(
        "peers      {} of {} others connected{enough}",
        seat.peers.len(),
        seat.validators - 1
    ));
    lines.push(format!(
        "blocks     proposed {} of the last {}; an equal share is {}",
        seat.proposed,
        seat.blocks,
        seat.blocks / seat.validators.max(1) as u64
    ));
    if let Some(duties) = duties {
        let list = |set: &BTreeSet<u64>| match duties.missed(set).as_slice() {
            [] => String::new(),
            missed => format!(", missed {missed:?}"),
        };
        lines.push(format!(
            "epochs     {} became final lately: attested {}{}, voted {}{}",
            duties.epochs.len(),
            duties.done(&duties.attested),
            list(&duties.attested),
            duties.done(&duties.voted),
            list(&duties.voted)
        ));
    }
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_missed_is_named() {
        let duties = Duties {
            epochs: [3, 4, 5].into(),
            attested: [2, 3, 5].into(),
            voted: [3, 4, 5].into(),
        };
        assert_eq!(duties.done(&duties.attested), 2);
        assert_eq!(duties.missed(&duties.attested), [4]);
        assert!(duties.missed(&duties.voted).is_empty());
    }

    #[test]
    fn sync_is_a_share_of_time() {
        assert_eq!(synced_permille(100, 100, 100), 1_000);
        assert_eq!(synced_permille(100, 150, 200), 500);
        assert_eq!(synced_permille(100, 300, 200), 1_000);
    }
}
