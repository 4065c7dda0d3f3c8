//! `--verify`: blocks that lead to a certificate, leaves that have the roots in them, and the same formulas once more.

use cairn_economy::reality::Report;
use cairn_evidence::{
    reality::{Auditor, Difference, Progress, differences},
    verifier::Sources,
};
use cairn_primitives::{Epoch, Genesis};
use eyre::{Result, WrapErr as _};
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::Value;

use crate::{cli::RealityArgs, host::read_genesis, session::Session};

/// What a verification found.
pub struct Verified {
    /// Every number that is not what it should be.
    pub differences: Vec<Difference>,
    /// Blocks whose transactions and receipts were checked.
    pub blocks: u64,
    /// Whether the genesis was the reader's own; otherwise the node said who the validators are.
    pub trusted: bool,
}

impl Verified {
    /// Whether the node serves what blocks and evidence give.
    pub fn equal(&self) -> bool {
        self.differences.is_empty()
    }
}

/// A ledger whose blocks were checked.
pub struct Opened {
    /// What reads it.
    pub auditor: Auditor,
    /// See `Verified::trusted`.
    pub trusted: bool,
}

/// Fetches and checks every block.
pub async fn open(session: &Session, args: &RealityArgs, bar: &ProgressBar) -> Result<Opened> {
    let (genesis, text, trusted) = genesis(session, args).await?;
    let told = |progress| show(bar, progress);
    let auditor = Auditor::open(&session.client, &genesis, &text, &told)
        .await
        .wrap_err("checking the node's blocks")?;
    Ok(Opened { auditor, trusted })
}

/// Shows how far an audit is.
fn show(bar: &ProgressBar, progress: Progress) {
    let (what, at, of) = match progress {
        Progress::Blocks(at, of) => ("blocks", at, of),
        Progress::Epochs(at, of) => ("epochs", at, of),
    };
    bar.set_length(of);
    bar.set_position(at);
    bar.set_message(what);
}

/// Recomputes the page that the node served and compares every value.
pub async fn verify(
    session: &Session,
    args: &RealityArgs,
    served: &Value,
    report: &Report,
) -> Result<Verified> {
    let bar = progress(session);
    let told = |progress| show(&bar, progress);
    let Opened { auditor, trusted } = open(session, args, &bar).await?;
    // What was asked for; only where nobody said an end, the node's own: epochs become final meanwhile.
    let to = args.to.map_or(report.to, Epoch);
    let period = auditor.period(args.from.map(Epoch), Some(to))?;
    let mut peers: Vec<String> =
        session.endpoints.iter().flat_map(|e| e.archives.iter().cloned()).collect();
    peers.extend(session.client.archive_url().await?);
    let recomputed = auditor
        .report(period, &Sources::http(peers)?, &told)
        .await
        .wrap_err("recomputing the page")?;
    bar.finish_and_clear();
    let recomputed = serde_json::to_value(&recomputed).wrap_err("writing the page as JSON")?;
    let differences = differences(served, &recomputed);
    Ok(Verified { differences, blocks: auditor.blocks(), trusted })
}

/// The genesis that decides who the validators are, its text, and whether it is the reader's own.
async fn genesis(session: &Session, args: &RealityArgs) -> Result<(Genesis, String, bool)> {
    if let Some(path) = &args.genesis {
        let (genesis, text) = read_genesis(path)?;
        return Ok((genesis, text, true));
    }
    if args.network.rpc.is_none() {
        let (genesis, text) = session.folder.read_genesis()?;
        return Ok((genesis, text, true));
    }
    let text = session.client.genesis().await?;
    let genesis: Genesis = toml::from_str(&text).wrap_err("parsing the node's genesis")?;
    genesis.check()?;
    Ok((genesis, text, false))
}

/// A bar for who watches; hidden for programs.
pub fn progress(session: &Session) -> ProgressBar {
    if !session.output.interactive() {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::new(1);
    if let Ok(style) = ProgressStyle::with_template("{bar:40} {pos} of {len} {msg}, {eta} left") {
        bar.set_style(style);
    }
    bar
}
