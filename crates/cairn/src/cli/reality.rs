//! Flags of `reality` and `why`.

use std::path::PathBuf;

use clap::Args;

use super::NetworkArgs;

/// Flags of `reality`.
#[derive(Args)]
#[command(group(clap::ArgGroup::new("recomputed").args(["verify", "history"])))]
pub struct RealityArgs {
    /// First epoch; by default 30 days before --to, or a quarter of a younger network's life.
    #[arg(long, value_name = "EPOCH")]
    pub from: Option<u64>,
    /// Last epoch; the last final one by default.
    #[arg(long, value_name = "EPOCH")]
    pub to: Option<u64>,
    /// Recompute every number from blocks and evidence and compare; exits 1 on any difference.
    #[arg(long)]
    pub verify: bool,
    /// The genesis file that --verify and --history trust; by default the folder's, else what the node says.
    #[arg(long, value_name = "FILE", requires = "recomputed")]
    pub genesis: Option<PathBuf>,
    /// Write one page for a browser as well, without links to anywhere.
    #[arg(long, value_name = "FILE")]
    pub html: Option<PathBuf>,
    /// Write the ledger's days instead of the page, recomputed from blocks that its validators signed: `cairn simulate --history`
    /// goes on from them.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["from", "to", "html"])]
    pub history: Option<PathBuf>,
    #[command(flatten)]
    pub network: NetworkArgs,
}

/// Flags of `why`.
#[derive(Args)]
pub struct WhyArgs {
    /// Device id or the name of its station; or a provider: an owner's address or the name of its account.
    pub device: String,
    /// The last epoch of the period to explain; the last final one by default.
    #[arg(long)]
    pub epoch: Option<u64>,
    /// The last epoch of the period that it is compared with; the one before the period by default.
    #[arg(long, value_name = "EPOCH")]
    pub against: Option<u64>,
    /// Epochs in a period.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..=8_784))]
    pub epochs: u64,
    #[command(flatten)]
    pub network: NetworkArgs,
}
