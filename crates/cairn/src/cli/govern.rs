//! Flags of `govern` and `treasury`.

use alloy_primitives::{Address, B256};
use clap::{ArgGroup, Args, Subcommand};

use super::{NetworkArgs, PayerArgs};

/// `govern …`
#[derive(Subcommand)]
pub enum GovernCommand {
    /// What may be moved and how far, what a proposal needs, and the latest proposals; or one proposal beside its bounds.
    #[command(after_help = "Example:\n  cairn govern show\n  cairn govern show 3 --json")]
    Show {
        /// A proposal.
        id: Option<u64>,
        #[command(flatten)]
        network: NetworkArgs,
    },
    /// The locks of an account, and what they weigh.
    #[command(after_help = "Example:\n  cairn govern locks --account me")]
    Locks(PayerArgs),
    /// Lock stones for 180 to 1,461 days, or add them to a lock: they vote, with up to four times their weight.
    #[command(
        after_help = "Example:\n  cairn govern lock 1000 --days 365 --account me\n  cairn govern lock 500 --add-to 4 --account me"
    )]
    Lock(LockArgs),
    /// Move the end of a lock away: so many days from now.
    #[command(after_help = "Example:\n  cairn govern extend 4 --days 1461 --account me")]
    Extend {
        /// The lock.
        id: u64,
        /// Days from now.
        #[arg(long)]
        days: u64,
        #[command(flatten)]
        payer: PayerArgs,
    },
    /// Pay an ended lock back to its owner.
    #[command(after_help = "Example:\n  cairn govern release 4 --account me")]
    Release(IdArgs),
    /// Put something to the vote; the run hash of a simulation of it is required.
    #[command(
        after_help = "Example:\n  cairn govern propose --set taper_ppm=600000 --set fee_burn_ppm=45000 --simulation 0x51c2…\n  cairn govern propose --stream 0x3f2a… --stones 50000 --days 365 --milestones 4 --simulation 0x51c2…\n  cairn govern propose --milestone 2:1 --simulation 0x51c2…\n  cairn govern propose --guardian none --simulation 0x51c2…"
    )]
    Propose(Box<ProposeArgs>),
    /// Vote, once and for good, with locks that are older than the proposal: all of the account's unless named.
    #[command(
        after_help = "Example:\n  cairn govern vote 3 --yes --account me\n  cairn govern vote 3 --no --lock 4 --lock 7"
    )]
    Vote(VoteArgs),
    /// Delay a proposal, as the guardian: once, and by what genesis says.
    #[command(after_help = "Example:\n  cairn govern delay 3 --account guardian")]
    Delay(IdArgs),
    /// Carry out a proposal that passed, after its timelock.
    #[command(after_help = "Example:\n  cairn govern execute 3 --account me")]
    Execute(IdArgs),
    /// End a proposal that failed: its deposit comes back, unless too few voted.
    #[command(after_help = "Example:\n  cairn govern close 3 --account me")]
    Close(IdArgs),
}

/// `treasury …`
#[derive(Subcommand)]
pub enum TreasuryCommand {
    /// What it holds, what is promised, what it may pay now; streams, and what insiders got.
    #[command(after_help = "Example:\n  cairn treasury show --json")]
    Show(NetworkArgs),
    /// Pay a stream's recipient what is unlocked.
    #[command(after_help = "Example:\n  cairn treasury claim 2 --account me")]
    Claim(IdArgs),
    /// Give stones to the treasury.
    #[command(after_help = "Example:\n  cairn treasury fund 100 --account me")]
    Fund {
        /// Stones to give.
        stones: String,
        #[command(flatten)]
        payer: PayerArgs,
    },
}

/// A lock, a proposal or a stream.
#[derive(Args)]
pub struct IdArgs {
    /// Its number.
    pub id: u64,
    #[command(flatten)]
    pub payer: PayerArgs,
}

/// Flags of `govern lock`.
#[derive(Args)]
#[command(group = ArgGroup::new("end").required(true))]
pub struct LockArgs {
    /// Stones to lock.
    pub stones: String,
    /// For how many days: 180 to 1461.
    #[arg(long, group = "end")]
    pub days: Option<u64>,
    /// Add to this lock, until it ends.
    #[arg(long, value_name = "LOCK", group = "end")]
    pub add_to: Option<u64>,
    #[command(flatten)]
    pub payer: PayerArgs,
}

/// Flags of `govern vote`.
#[derive(Args)]
#[command(group = ArgGroup::new("side").required(true))]
pub struct VoteArgs {
    /// The proposal.
    pub id: u64,
    /// For it.
    #[arg(long, group = "side")]
    pub yes: bool,
    /// Against it.
    #[arg(long, group = "side")]
    pub no: bool,
    /// Vote with this lock; may be repeated.
    #[arg(long = "lock", value_name = "LOCK")]
    pub locks: Vec<u64>,
    #[command(flatten)]
    pub payer: PayerArgs,
}

/// Flags of `govern propose`.
#[derive(Args)]
#[command(group = ArgGroup::new("what").required(true))]
pub struct ProposeArgs {
    /// A parameter and its new value; may be repeated. `cairn govern show` lists them.
    #[arg(long, value_name = "KEY=VALUE", group = "what")]
    pub set: Vec<String>,
    /// Open a stream of the treasury to this account.
    #[arg(long, value_name = "RECIPIENT", group = "what", requires = "stones")]
    pub stream: Option<Address>,
    /// Release a milestone of a stream.
    #[arg(long, value_name = "STREAM:NUMBER", group = "what")]
    pub milestone: Option<String>,
    /// End a stream; what is unlocked stays its recipient's.
    #[arg(long, value_name = "STREAM", group = "what")]
    pub end: Option<u64>,
    /// Another guardian, or `none`.
    #[arg(long, value_name = "ACCOUNT|none", group = "what")]
    pub guardian: Option<String>,
    /// Stones of the stream.
    #[arg(long, requires = "stream", requires = "days")]
    pub stones: Option<String>,
    /// Days over which the stream pays.
    #[arg(long, requires = "stream")]
    pub days: Option<u64>,
    /// Milestones of the stream, each released by a vote; 0: time alone.
    #[arg(long, default_value_t = 0, requires = "stream")]
    pub milestones: u8,
    /// The recipient is an insider; shown with every payment.
    #[arg(long, requires = "stream")]
    pub insider: bool,
    /// Run hash of a simulation of the network after the proposal: what `cairn simulate` prints as `hash`.
    #[arg(long, value_name = "RUN_HASH")]
    pub simulation: B256,
    /// Deposit in stones, instead of the least.
    #[arg(long, value_name = "STONES")]
    pub deposit: Option<String>,
    #[command(flatten)]
    pub payer: PayerArgs,
}
