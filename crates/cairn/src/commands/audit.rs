//! `cairn audit`: recompute epochs from their public files and compare every root with the ledger.
//!
//! Each epoch is recomputed once; the epoch folders of all validators are compared with what came out.

use std::{path::Path, process::ExitCode, sync::Arc, time::Duration};

use cairn_client::{BlockTag, LedgerClient, LedgerRead, Reads as _};
use cairn_evidence::{
    archive::Archive,
    audit::{AuditError, AuditReport, Auditor, Difference},
    verifier::{Network, Sources},
};
use cairn_node::{disk::FILE, offline::OfflineLedger};
use cairn_primitives::{Digest, Epoch, Genesis};
use eyre::{Result, WrapErr as _, eyre};
use indicatif::{ProgressBar, ProgressStyle};
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
            let sources = Sources::http(peers)?;
            let copies = [sources.clone()];
            Audit { ledger: &client, network: &network, sources, copies: &copies, output }
                .run(args.epoch)
                .await
        }
        (None, dir) => {
            let folder = Folder::new(dir.as_deref().unwrap_or(Path::new("cairn-data")));
            let (_, text) = folder.read_genesis()?;
            let network = network_of(&text)?;
            let archives = every_archive(&folder);
            let sources = Sources::folders(archives.clone())?;
            let copies: Vec<Sources> =
                archives.into_iter().map(Sources::folder).collect::<Result<_, _>>()?;
            let (network, copies) = (&network, &copies[..]);
            if !check_files(&folder, output)? {
                return Ok(ExitCode::FAILURE);
            }
            // A running network's disk is in use; its node answers instead.
            if let Ok(endpoints) = folder.read_endpoints()
                && let Some(client) =
                    endpoints.rpc.first().and_then(|url| LedgerClient::new(url).ok())
                && client.chain_id().await.is_ok_and(|id| id == network.genesis.chain_id)
            {
                return Audit { ledger: &client, network, sources, copies, output }
                    .run(args.epoch)
                    .await;
            }
            let ledger = OfflineLedger::open(
                &folder.validator(0),
                Arc::new(network.genesis.clone()),
                network.hash,
            )
            .wrap_err("opening the ledger of validator 0")?;
            Audit { ledger: &ledger, network, sources, copies, output }.run(args.epoch).await
        }
    }
}

fn network_of(text: &str) -> Result<Network> {
    let genesis: Genesis = toml::from_str(text).wrap_err("parsing genesis")?;
    genesis.check()?;
    Ok(Network { hash: Genesis::hash_of_text(text), genesis, sector: SECTOR })
}

/// The archive of every validator: each keeps all files, and a changed byte in any of them shall be found.
fn every_archive(folder: &Folder) -> Vec<Archive> {
    let folders = (0..VALIDATORS).map(|index| folder.validator(index));
    let present = folders.filter(|folder| folder.join(FILE).exists());
    present.map(|folder| Archive::new(folder.join("archive"))).collect()
}

/// What is audited, and where the answer goes.
struct Audit<'a, L> {
    ledger: &'a L,
    network: &'a Network,
    sources: Sources,
    copies: &'a [Sources],
    output: Output,
}

/// What was found over all epochs.
#[derive(Default)]
struct Findings {
    different: bool,
    /// Folders that a copy has not written: its validator was behind.
    gaps: usize,
    first: Option<(Epoch, usize, Difference)>,
}

impl<L: LedgerRead> Audit<'_, L> {
    async fn run(&self, epoch: Option<u64>) -> Result<ExitCode> {
        let next = self.ledger.next_epoch(SECTOR, BlockTag::Latest).await?;
        let epochs = epoch.map_or(0..next.0, |epoch| epoch..epoch.saturating_add(1));
        if epochs.is_empty() {
            return Err(eyre!("no epoch is final yet"));
        }
        let bar = progress(self.output, epochs.end - epochs.start, "epochs");
        let mut auditor = Auditor::new(self.ledger, self.network, &self.sources, self.copies);
        let mut findings = Findings::default();
        for epoch in epochs.clone().map(Epoch) {
            match auditor.audit(epoch).await {
                Ok(report) => findings.add(&report, || {
                    bar.suspend(|| tell(&report, self.output));
                }),
                Err(error @ AuditError::NotFinal { .. }) => return Err(error.into()),
                Err(error) => {
                    findings.different = true;
                    let reason = format!("{:#}", eyre::Report::new(error));
                    let value = json!({ "epoch": epoch.0, "equal": false, "error": reason });
                    let text = || format!("epoch {epoch}: {reason}");
                    bar.suspend(|| self.output.answer(&value, text));
                }
            }
            bar.inc(1);
        }
        bar.finish_and_clear();
        Ok(self.conclude(epochs.end - epochs.start, &findings))
    }

    fn conclude(&self, epochs: u64, findings: &Findings) -> ExitCode {
        let first = findings
            .first
            .as_ref()
            .map(|(epoch, copy, leaf)| json!({ "epoch": epoch.0, "copy": copy, "leaf": leaf }));
        let copies = self.copies.len();
        let value = json!({
            "epochs": epochs, "copies": copies, "gaps": findings.gaps,
            "equal": !findings.different, "first_difference": first,
        });
        self.output.answer(&value, || {
            let verdict = if findings.different {
                "NOT equal with the ledger"
            } else {
                "every root is bit-equal with the ledger"
            };
            let mut text = format!("{epochs} epochs, {copies} copies of their files: {verdict}");
            if findings.gaps > 0 {
                text.push_str(&format!(
                    "\n{} epoch folders are not written yet: their validators were behind",
                    findings.gaps
                ));
            }
            if let Some((epoch, copy, leaf)) = &findings.first {
                text.push_str(&format!(
                    "\nfirst difference: epoch {epoch}, copy {copy}, {} {}",
                    leaf.tree, leaf.index
                ));
            }
            text
        });
        if findings.different { ExitCode::FAILURE } else { ExitCode::SUCCESS }
    }
}

impl Findings {
    fn add(&mut self, report: &AuditReport, tell: impl FnOnce()) {
        self.different |= !report.equal;
        self.gaps += report.copies.iter().filter(|copy| !copy.whole).count();
        if let (None, Some((copy, leaf))) = (&self.first, report.first_difference()) {
            self.first = Some((report.epoch, copy, leaf.clone()));
        }
        tell();
    }
}

/// A bar for who watches; hidden for programs.
fn progress(output: Output, length: u64, what: &str) -> ProgressBar {
    if !output.interactive() {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::new(length);
    let template = format!("{{bar:40}} {{pos}} of {{len}} {what}, {{eta}} left");
    if let Ok(style) = ProgressStyle::with_template(&template) {
        bar.set_style(style);
    }
    bar.enable_steady_tick(Duration::from_millis(200));
    bar
}

/// Compares every batch file of every validator with the hash that is its name; `false` when one was changed.
fn check_files(folder: &Folder, output: Output) -> Result<bool> {
    let mut paths = Vec::new();
    for index in 0..VALIDATORS {
        let files = folder.validator(index).join("archive").join("files");
        let Ok(entries) = std::fs::read_dir(&files) else { continue };
        for entry in entries {
            paths.push(entry.wrap_err_with(|| format!("reading {}", files.display()))?.path());
        }
    }
    let bar = progress(output, paths.len() as u64, "batch files");
    let mut sound = true;
    for path in paths {
        bar.inc(1);
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned());
        // Files that are just being written have other names.
        let Some(expected) = name.and_then(|name| name.parse::<Digest>().ok()) else { continue };
        let content =
            std::fs::read(&path).wrap_err_with(|| format!("reading {}", path.display()))?;
        let found = Digest::of(&[&content]);
        if found != expected {
            sound = false;
            let value = json!({ "file": path, "equal": false, "found": found });
            let text = || format!("{} was changed: its content is {found}", path.display());
            bar.suspend(|| output.answer(&value, text));
        }
    }
    bar.finish_and_clear();
    Ok(sound)
}

fn tell(report: &AuditReport, output: Output) {
    let value = serde_json::to_value(report).unwrap_or_default();
    output.answer(&value, || {
        let head = format!(
            "epoch {}: {} batches, {} readings, {} devices",
            report.epoch, report.batches, report.readings, report.devices
        );
        if report.equal {
            return format!("{head}: verdicts, scores and rewards recomputed, all roots equal");
        }
        let mut lines = vec![format!("{head}: DIFFERENT")];
        for root in report.compared.iter().filter(|root| !root.equal) {
            lines.push(format!(
                "  {}: ledger {}, recomputed {}",
                root.name, root.ledger, root.recomputed
            ));
        }
        if report.copies.iter().all(|copy| !copy.whole) {
            lines.push("  no copy of its files is complete".to_owned());
        }
        for copy in &report.copies {
            let number = copy.copy;
            for file in copy.files.iter().filter(|file| !file.equal) {
                lines.push(format!("  copy {number}: {} is not what the epoch gives", file.name));
            }
            lines.extend(copy.first_difference.as_ref().map(difference));
        }
        lines.join("\n")
    });
}

fn difference(first: &Difference) -> String {
    let shown = |side: &Option<String>| side.clone().unwrap_or_else(|| "nothing".to_owned());
    format!(
        "  first differing leaf: {} {}\n    archived   {}\n    recomputed {}",
        first.tree,
        first.index,
        shown(&first.archived),
        shown(&first.recomputed)
    )
}
