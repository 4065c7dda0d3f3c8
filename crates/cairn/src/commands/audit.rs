//! `cairn audit`: recompute epochs from their public files and compare every root with the ledger.

use std::{path::Path, process::ExitCode, sync::Arc};

use cairn_client::{BlockTag, LedgerClient, LedgerRead, Reads as _};
use cairn_evidence::{
    archive::{Archive, EpochFile},
    audit::{AuditError, AuditReport, audit as audit_epoch},
    verifier::{GatherError, Network, SourceError, Sources},
};
use cairn_node::{disk::FILE, offline::OfflineLedger};
use cairn_primitives::{Digest, Epoch, Genesis};
use eyre::{Result, WrapErr as _, eyre};
use indicatif::ProgressBar;
use serde_json::json;

use crate::{
    cli::AuditArgs,
    network::{Folder, VALIDATORS},
    output::Output,
    session::SECTOR,
};

/// Audits the asked epoch, or every final one; exits 1 at the first that differs.
pub async fn audit(args: &AuditArgs) -> Result<ExitCode> {
    let output = Output { json: args.json };
    match (&args.rpc, &args.dir) {
        (Some(url), _) => {
            let client = LedgerClient::new(url)?;
            let text =
                client.genesis().await.wrap_err_with(|| format!("asking {url} for genesis"))?;
            let network = network_of(&text)?;
            let mut peers: Vec<String> = network.ingest_urls().into_values().collect();
            peers.extend(client.archive_url().await?);
            audit_all(&client, &[Sources::http(peers)?], &network, args.epoch, output).await
        }
        (None, dir) => {
            let folder = Folder::new(dir.as_deref().unwrap_or(Path::new("cairn-data")));
            let (_, text) = folder.read_genesis()?;
            let network = network_of(&text)?;
            let sources = every_archive(&folder)?;
            if !check_files(&folder, output)? {
                return Ok(ExitCode::FAILURE);
            }
            // A running network's disk is in use; its node answers instead.
            if let Ok(endpoints) = folder.read_endpoints()
                && let Some(client) =
                    endpoints.rpc.first().and_then(|url| LedgerClient::new(url).ok())
                && client.chain_id().await.is_ok_and(|id| id == network.genesis.chain_id)
            {
                return audit_all(&client, &sources, &network, args.epoch, output).await;
            }
            let ledger = OfflineLedger::open(
                &folder.validator(0),
                Arc::new(network.genesis.clone()),
                network.hash,
            )
            .wrap_err("opening the ledger of validator 0")?;
            audit_all(&ledger, &sources, &network, args.epoch, output).await
        }
    }
}

fn network_of(text: &str) -> Result<Network> {
    let genesis: Genesis = toml::from_str(text).wrap_err("parsing genesis")?;
    genesis.check()?;
    Ok(Network { hash: Genesis::hash_of_text(text), genesis, sector: SECTOR })
}

/// The archive of every validator: each keeps all files, and a changed byte in any of them shall be found.
fn every_archive(folder: &Folder) -> Result<Vec<Sources>> {
    let folders = (0..VALIDATORS).map(|index| folder.validator(index));
    let present = folders.filter(|folder| folder.join(FILE).exists());
    present
        .map(|folder| Sources::folder(Archive::new(folder.join("archive"))).map_err(Into::into))
        .collect()
}

async fn audit_all<L: LedgerRead>(
    ledger: &L,
    sources: &[Sources],
    network: &Network,
    epoch: Option<u64>,
    output: Output,
) -> Result<ExitCode> {
    let next = ledger.next_epoch(SECTOR, BlockTag::Latest).await?;
    let epochs: Vec<Epoch> = match epoch {
        Some(epoch) => vec![Epoch(epoch)],
        None => (0..next.0).map(Epoch).collect(),
    };
    if epochs.is_empty() {
        return Err(eyre!("no epoch is final yet"));
    }
    let bar = if output.interactive() {
        ProgressBar::new(epochs.len() as u64)
    } else {
        ProgressBar::hidden()
    };
    let mut all_equal = true;
    for epoch in &epochs {
        let (mut told, mut complete) = (false, false);
        for (copy, source) in sources.iter().enumerate() {
            let equal = match audit_epoch(ledger, source, network, *epoch).await {
                Ok(report) if is_incomplete(source, *epoch).await => {
                    tracing::debug!(
                        copy,
                        epoch = report.epoch.0,
                        "a copy without this epoch's leaves"
                    );
                    continue;
                }
                Ok(report) => {
                    let equal = report.equal;
                    if !told || !equal {
                        bar.suspend(|| tell(&report, copy, output));
                        told = true;
                    }
                    equal
                }
                Err(error @ AuditError::NotFinal { .. }) => return Err(error.into()),
                // A validator that was away when an epoch became final has not written its leaves; the others have.
                Err(AuditError::Gather(GatherError::Source(SourceError::Missing { .. })))
                    if copy + 1 < sources.len() || complete =>
                {
                    continue;
                }
                Err(error) => {
                    let reason = format!("{:#}", eyre::Report::new(error));
                    let value =
                        json!({ "epoch": epoch.0, "copy": copy, "equal": false, "error": reason });
                    bar.suspend(|| {
                        output.answer(&value, || format!("epoch {epoch}, copy {copy}: {reason}"))
                    });
                    false
                }
            };
            complete = true;
            all_equal &= equal;
        }
        if !complete {
            all_equal = false;
            let value = json!({ "epoch": epoch.0, "equal": false, "error": "no copy is complete" });
            bar.suspend(|| {
                output.answer(&value, || format!("epoch {epoch}: no copy of its files is complete"))
            });
        }
        bar.inc(1);
    }
    bar.finish_and_clear();
    let value = json!({ "epochs": epochs.len(), "copies": sources.len(), "equal": all_equal });
    output.answer(&value, || {
        let verdict = if all_equal {
            "every root is bit-equal with the ledger"
        } else {
            "NOT equal with the ledger"
        };
        format!("{} epochs, {} copies of their files: {verdict}", epochs.len(), sources.len())
    });
    Ok(if all_equal { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Whether a copy lacks the epoch's own leaves.
async fn is_incomplete(source: &Sources, epoch: Epoch) -> bool {
    matches!(source.epoch_file(epoch, EpochFile::Result).await, Err(SourceError::Missing { .. }))
}

/// Compares every batch file of every validator with the hash that is its name; `false` when one was changed.
fn check_files(folder: &Folder, output: Output) -> Result<bool> {
    let mut sound = true;
    for index in 0..VALIDATORS {
        let files = folder.validator(index).join("archive").join("files");
        let Ok(entries) = std::fs::read_dir(&files) else { continue };
        for entry in entries {
            let path = entry.wrap_err_with(|| format!("reading {}", files.display()))?.path();
            let name = path.file_name().map(|name| name.to_string_lossy().into_owned());
            let Some(expected) = name.and_then(|name| name.parse::<Digest>().ok()) else {
                continue;
            };
            let content =
                std::fs::read(&path).wrap_err_with(|| format!("reading {}", path.display()))?;
            let found = Digest::of(&[&content]);
            if found != expected {
                sound = false;
                let value = json!({ "file": path, "equal": false, "found": found });
                output.answer(&value, || {
                    format!("{} was changed: its content is {found}", path.display())
                });
            }
        }
    }
    Ok(sound)
}

fn tell(report: &AuditReport, copy: usize, output: Output) {
    let mut value = serde_json::to_value(report).unwrap_or_default();
    value["copy"] = json!(copy);
    output.answer(&value, || {
        let head = format!(
            "epoch {}: {} batches, {} readings, {} devices",
            report.epoch, report.batches, report.readings, report.devices
        );
        if report.equal {
            return format!("{head}: verdicts, scores and rewards recomputed, all roots equal");
        }
        let mut lines = vec![format!("{head}: DIFFERENT (copy {copy})")];
        for root in report.compared.iter().filter(|root| !root.equal) {
            lines.push(format!(
                "  {}: ledger {}, recomputed {}",
                root.name, root.ledger, root.recomputed
            ));
        }
        for file in report.files.iter().filter(|file| !file.equal) {
            lines.push(format!("  {} is not what the epoch gives", file.name));
        }
        if let Some(first) = &report.first_difference {
            let none = "nothing".to_owned();
            lines.push(format!(
                "  first differing leaf: {} {}\n    archived   {}\n    recomputed {}",
                first.tree,
                first.index,
                first.archived.as_ref().unwrap_or(&none),
                first.recomputed.as_ref().unwrap_or(&none)
            ));
        }
        lines.join("\n")
    });
}
