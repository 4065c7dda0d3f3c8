//! `cairn signer …`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

/// What holds a validator's consensus key in a process of its own.
#[derive(Subcommand)]
pub enum SignerCommand {
    /// Make a consensus key and its log of votes.
    #[command(after_help = "Example:\n  cairn signer init --dir signer")]
    Init(SignerInitArgs),
    /// Sign for the validator that asks at the socket, until Ctrl-C or SIGTERM: nothing that contradicts what the key has signed.
    #[command(
        after_help = "Example:\n  cairn signer run --dir signer --genesis genesis.toml --socket /run/cairn/signer.sock"
    )]
    Run(SignerRunArgs),
    /// How the signer at a socket is: since when it runs, what it signed last, what it refused. Exit code 1 when it cannot sign.
    #[command(
        after_help = "Example:\n  cairn signer status --socket /run/cairn/signer.sock --json"
    )]
    Status(SignerStatusArgs),
}

/// Flags of `signer init`.
#[derive(Args)]
pub struct SignerInitArgs {
    /// Folder of the key; it is no part of any backup of the node.
    #[arg(long)]
    pub dir: PathBuf,
    /// JSON instead of text.
    #[arg(long)]
    pub json: bool,
}

/// Flags of `signer run`.
#[derive(Args)]
pub struct SignerRunArgs {
    /// Folder of the key.
    #[arg(long)]
    pub dir: PathBuf,
    /// The network's genesis: it signs for no other.
    #[arg(long, value_name = "FILE")]
    pub genesis: PathBuf,
    /// The Unix socket that the validator's node.toml names as signer.socket; only this user may open it.
    #[arg(long, value_name = "PATH")]
    pub socket: PathBuf,
    /// JSON instead of text.
    #[arg(long)]
    pub json: bool,
}

/// Flags of `signer status`.
#[derive(Args)]
pub struct SignerStatusArgs {
    /// The Unix socket that it listens at.
    #[arg(long, value_name = "PATH")]
    pub socket: PathBuf,
    /// JSON instead of text.
    #[arg(long)]
    pub json: bool,
}
