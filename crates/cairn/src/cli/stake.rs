//! Flags of everything about validators' seats: `validator join` and what follows it, `stake`, `slash`.

use std::path::PathBuf;

use alloy_primitives::Address;
use clap::{Args, Subcommand};

use super::NetworkArgs;

/// Whose validator, and which node is asked.
#[derive(Args, Clone)]
pub struct OperatorArgs {
    /// Folder of the validator: its keys, and in node.toml where its node answers.
    #[arg(long, default_value = ".")]
    pub dir: PathBuf,
    /// JSON-RPC of a node, instead of the folder's.
    #[arg(long, value_name = "URL")]
    pub rpc: Option<String>,
    /// Folder of a network on this machine: its first node is asked, and its founder pays what the operator lacks.
    #[arg(long, value_name = "DIR", conflicts_with = "rpc")]
    pub network: Option<PathBuf>,
    /// JSON instead of text.
    #[arg(long)]
    pub json: bool,
}

/// Flags of `validator join`.
#[derive(Args)]
pub struct SeatArgs {
    /// Bond in stones; at least a seat's.
    #[arg(long, value_name = "STONES")]
    pub bond: String,
    /// Pay the bond and stand; without it only the outlook is shown.
    #[arg(long)]
    pub yes: bool,
    #[command(flatten)]
    pub operator: OperatorArgs,
}

/// Flags of `validator raise`.
#[derive(Args)]
pub struct RaiseArgs {
    /// Stones to add to the bond.
    pub stones: String,
    #[command(flatten)]
    pub operator: OperatorArgs,
}

/// Flags of `validator rotate-key`.
#[derive(Args)]
pub struct RotateKeyArgs {
    /// Put the new key in place of the old one, once the ledger gives it the seat; then restart the node.
    #[arg(long)]
    pub finish: bool,
    /// The new key is in another process: the socket of a running `cairn signer run`.
    #[arg(long, value_name = "PATH", conflicts_with = "finish")]
    pub signer: Option<PathBuf>,
    #[command(flatten)]
    pub operator: OperatorArgs,
}

/// Flags of `validator commission`.
#[derive(Args)]
pub struct CommissionArgs {
    /// Part of delegators' income that the operator keeps: `50000` millionths, or `5%`.
    #[arg(value_name = "PPM|PERCENT%")]
    pub commission: String,
    #[command(flatten)]
    pub operator: OperatorArgs,
}

/// Flags of `validator income`.
#[derive(Args)]
pub struct IncomeArgs {
    /// Pay it out to the operator's account; without it the income is only shown.
    #[arg(long)]
    pub claim: bool,
    #[command(flatten)]
    pub operator: OperatorArgs,
}

/// Who sends: an account of a network's folder, or a validator's operator.
#[derive(Args, Clone)]
pub struct PayerArgs {
    /// Name of the account that sends (see `keys/` in the folder).
    #[arg(long, default_value = "me")]
    pub account: String,
    /// Folder of a validator: its operator sends, and its node is asked.
    #[arg(long, value_name = "DIR", conflicts_with = "account")]
    pub validator: Option<PathBuf>,
    #[command(flatten)]
    pub network: NetworkArgs,
}

/// `stake …`
#[derive(Subcommand)]
pub enum StakeCommand {
    /// Every candidate: bond, delegations, commission, seats, presence in this term.
    #[command(
        after_help = "Example:\n  cairn stake list\n  cairn stake list --rpc http://127.0.0.1:8545 --json"
    )]
    List(NetworkArgs),
    /// Delegate stones to a candidate; they share its income and its slashes.
    #[command(after_help = "Example:\n  cairn stake delegate 0x3f2a… 100 --account me")]
    Delegate(DelegateArgs),
    /// Take a delegation back, or part of it; it unbonds, then `withdraw` pays it.
    #[command(
        after_help = "Example:\n  cairn stake undelegate 0x3f2a… 40.5 --account me\n  cairn stake undelegate 0x3f2a… all --account me"
    )]
    Undelegate(DelegateArgs),
    /// Pay out what has unbonded, at most 32 at once.
    #[command(
        after_help = "Example:\n  cairn stake withdraw --account me --json\n  cairn stake withdraw --validator ./validator"
    )]
    Withdraw(PayerArgs),
    /// My delegations and what they are worth; what unbonds, and until when.
    #[command(after_help = "Example:\n  cairn stake mine --account me")]
    Mine(PayerArgs),
}

/// Flags of `stake delegate` and `stake undelegate`.
#[derive(Args)]
pub struct DelegateArgs {
    /// The candidate's operator account.
    pub operator: Address,
    /// How many; `all` takes a whole delegation back.
    pub stones: String,
    #[command(flatten)]
    pub payer: PayerArgs,
}

/// `slash …`
#[derive(Subcommand)]
pub enum SlashCommand {
    /// Every slash, the newest first.
    #[command(after_help = "Example:\n  cairn slash list --json")]
    List(NetworkArgs),
    /// One slash: what for, what was taken, until when it can be annulled.
    #[command(after_help = "Example:\n  cairn slash show 0")]
    Show {
        /// Its number.
        id: u64,
        #[command(flatten)]
        network: NetworkArgs,
    },
    /// Report a validator that did less than its duty in a term that is over.
    #[command(after_help = "Example:\n  cairn slash report-absence 12 0x3f2a… --account me")]
    ReportAbsence {
        /// The term.
        term: u64,
        /// The validator's operator account.
        operator: Address,
        #[command(flatten)]
        payer: PayerArgs,
    },
    /// Report a vote for another result of an epoch than the one that became final.
    #[command(after_help = "Example:\n  cairn slash report-vote 40 0x3f2a… --account me")]
    ReportVote {
        /// The epoch.
        epoch: u64,
        /// The validator's operator account.
        operator: Address,
        #[command(flatten)]
        payer: PayerArgs,
    },
    /// Report two votes of one validator that exclude each other; nodes do it by themselves with what they see.
    #[command(
        after_help = "Example:\n  cairn slash report-equivocation evidence.hex --account me\n  cairn slash report-equivocation 0x8a3f…"
    )]
    ReportEquivocation {
        /// The evidence (docs/spec/stake.md): a file of its bytes or their hexadecimal, or the hexadecimal itself.
        #[arg(value_name = "FILE|HEX")]
        evidence: String,
        #[command(flatten)]
        payer: PayerArgs,
    },
    /// Vote to annul a slash, as a validator with a seat in this term.
    #[command(after_help = "Example:\n  cairn slash appeal 0 --validator ./validator")]
    Appeal {
        /// Its number.
        id: u64,
        #[command(flatten)]
        payer: PayerArgs,
    },
    /// Take back your part of an annulled slash, where stake came or went before it was annulled.
    #[command(
        after_help = "Example:\n  cairn slash reclaim 0 --account me\n  cairn slash reclaim 0 --owner 0x3f2a… --account me"
    )]
    Reclaim {
        /// Its number.
        id: u64,
        /// For whom, if not for the account that sends.
        #[arg(long, value_name = "ADDRESS")]
        owner: Option<Address>,
        #[command(flatten)]
        payer: PayerArgs,
    },
    /// Execute a slash whose appeal window is over: burn it and pay the reporter.
    #[command(after_help = "Example:\n  cairn slash execute 0 --account me")]
    Execute {
        /// Its number.
        id: u64,
        #[command(flatten)]
        payer: PayerArgs,
    },
}
