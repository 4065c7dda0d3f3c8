//! Every command with its flags, help and an example. What a command does lives in `commands/` and `up/`.

mod govern;
mod price;
mod reality;
mod signer;
mod simulate;
mod stake;

use std::path::PathBuf;

use alloy_primitives::{Address, B256, U256};
use clap::{ArgGroup, Args, Parser, Subcommand, ValueEnum};

pub use govern::{GovernCommand, IdArgs, LockArgs, ProposeArgs, TreasuryCommand, VoteArgs};
pub use price::{FeedArgs, PriceArgs, PriceCommand, SwapArgs};
pub use reality::{RealityArgs, WhyArgs};
pub use signer::{SignerCommand, SignerInitArgs, SignerRunArgs, SignerStatusArgs};
pub use simulate::SimulateArgs;
pub use stake::{
    CommissionArgs, DelegateArgs, IncomeArgs, OperatorArgs, PayerArgs, RaiseArgs, RotateKeyArgs,
    SeatArgs, SlashCommand, StakeCommand,
};

/// Build and run real infrastructure together, and be paid for it.
///
/// Exit codes: 0 done; 1 failed, or a check found a difference; 2 wrong usage.
#[derive(Parser)]
#[command(name = "cairn", version, about, propagate_version = true)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The commands.
#[derive(Subcommand)]
pub enum Command {
    /// Start a whole network on this machine: validators, ingest, devices, gateway and a paying consumer.
    #[command(
        after_help = "Example:\n  cairn up\n  cairn up --replay my-stations.csv --epoch-seconds 5 --until epoch:24 --json\n  cairn up --dev"
    )]
    Up(UpArgs),
    /// Show the network: height, epoch, validators, supply, what was earned and what was subsidised.
    #[command(after_help = "Example:\n  cairn status --json")]
    Status(NetworkArgs),
    /// List devices, or show one.
    #[command(subcommand)]
    Devices(DevicesCommand),
    /// Register a device you own: key, proof of possession, payback card, bond.
    #[command(
        after_help = "Example:\n  cairn join --lat 40.6413 --lon -73.7781 --elevation-m 4 --hardware-usd 120 --power-w 3 --kwh-usd 0.20\n  cairn join --lat 40.64 --lon -73.78 --elevation-m 4 --hardware-usd 120 --yes"
    )]
    Join(JoinArgs),
    /// How long a device at a place takes to pay for itself, by what devices there really earned.
    #[command(
        after_help = "Example:\n  cairn payback --service sensing --lat 40.6413 --lon -73.7781 --hardware-usd 120 --power-w 3 --kwh-usd 0.20\n  cairn payback --cell 872a100d8ffffff --json"
    )]
    Payback(PaybackArgs),
    /// Explain the income of a device or a provider: this period against another, each cause in dollars, with its verdict.
    #[command(
        after_help = "Example:\n  cairn why 0x3f2a…\n  cairn why JFK-2 --epoch 12 --json\n  cairn why owner-JFK-2 --epochs 24"
    )]
    Why(WhyArgs),
    /// Twenty honest figures of the network, their index, and the seven questions of a buyer, answered by them.
    #[command(
        after_help = "Example:\n  cairn reality\n  cairn reality --from 150 --to 199 --verify\n  cairn reality --rpc http://127.0.0.1:8545 --verify --genesis genesis.toml --json\n  cairn reality --history history.json"
    )]
    Reality(RealityArgs),
    /// Claim rewards that are unlocked, with their Merkle proofs.
    #[command(
        after_help = "Example:\n  cairn claim --account owner-EWR-1\n  cairn claim --all --json"
    )]
    Claim(ClaimArgs),
    /// What a stone is worth: last, both means, health, depth, and how much may be minted; or feed a validator's view of it.
    #[command(
        after_help = "Example:\n  cairn price\n  cairn price --json\n  cairn price feed 0.25 --validator ./validator"
    )]
    Price(PriceArgs),
    /// Swap dollars for stones, or stones for dollars, in the network's own pool.
    #[command(
        after_help = "Example:\n  cairn swap --usd 5 --faucet\n  cairn swap --stones 100 --account owner-EWR-1\n  cairn swap --usd 5 --quote --json"
    )]
    Swap(SwapArgs),
    /// Buy credits, the unit in which services are paid.
    #[command(subcommand)]
    Credits(CreditsCommand),
    /// Ask the gateway a SQL question over verified readings, and pay for the rows it used.
    #[command(
        after_help = "Example:\n  cairn query \"SELECT device, avg(temperature_c) FROM readings GROUP BY device\" --max-spend 0.05"
    )]
    Query(QueryArgs),
    /// Recompute an epoch's verdicts, scores and rewards from public files and compare with the ledger.
    #[command(
        after_help = "Example:\n  cairn audit\n  cairn audit --rpc http://127.0.0.1:8545 --epoch 7 --json"
    )]
    Audit(AuditArgs),
    /// Proofs of single values that hold against the validators' keys alone, without trust in any node.
    #[command(subcommand)]
    Proof(ProofCommand),
    /// Check the invariants of the ledger on disk: money conserved, escrow covered, rewards funded.
    #[command(name = "check-state", after_help = "Example:\n  cairn check-state --dir cairn-data")]
    CheckState(CheckStateArgs),
    /// Try genesis parameters in advance: incomes, payback, supply and attacks over years, in seconds, with a report.
    #[command(
        after_help = "Example:\n  cairn simulate network.toml --out study --runs 1000\n  cairn simulate --preset founder --out study\n  cairn simulate network.toml --history history.json --out study\n  cairn simulate network.toml --attacks --json\n  cairn simulate network.toml --attacks --devnet\n  cairn simulate network.toml --sweep economy.grant_stones=10000000,40000000\n  cairn simulate network.toml --solve economy.grant_stones --to 600000000 --step 100000 --keep 'payback_median_days<=548'"
    )]
    Simulate(Box<SimulateArgs>),
    /// Found a network on many hosts, or look at what one was founded with.
    #[command(subcommand)]
    Genesis(GenesisCommand),
    /// A validator on a host of its own.
    #[command(subcommand)]
    Validator(ValidatorCommand),
    /// A validator's consensus key in a process of its own.
    #[command(subcommand)]
    Signer(SignerCommand),
    /// Candidates for validators' seats, and what people delegate to them.
    #[command(subcommand)]
    Stake(StakeCommand),
    /// What validators lose stake for: report, appeal, execute.
    #[command(subcommand)]
    Slash(SlashCommand),
    /// Votes of locked stones: on parameters, on the treasury's streams, on the guardian.
    #[command(subcommand)]
    Govern(GovernCommand),
    /// The treasury and its streams.
    #[command(subcommand)]
    Treasury(TreasuryCommand),
    /// A node without a vote: JSON-RPC and archive, or an ingest for devices' evidence.
    #[command(subcommand)]
    Node(NodeCommand),
    /// Measure, each figure beside the ceiling of the same run.
    #[command(after_help = "Example:\n  cairn bench evidence\n  cairn bench ledger --json")]
    Bench(BenchArgs),
}

/// Flags of `up`.
#[derive(Args)]
pub struct UpArgs {
    /// Folder of the network; the next `up` goes on from it.
    #[arg(long, default_value = "cairn-data")]
    pub dir: PathBuf,
    /// Station log to replay (docs/spec/replay-csv.md); without it, nine stations at three New York airports.
    #[arg(long, value_name = "FILE.csv")]
    pub replay: Option<PathBuf>,
    /// Wall seconds of one epoch (one network hour).
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u64).range(1..=3600))]
    pub epoch_seconds: u64,
    /// Wall seconds that time stands still for the slowest part of an epoch, before it goes on without it.
    #[arg(long, default_value_t = 45, value_parser = clap::value_parser!(u64).range(1..=86_400))]
    pub patience_seconds: u64,
    /// Stop with exit code 0 once reached: `first-reward` or `epoch:N`.
    #[arg(long, value_name = "first-reward|epoch:N", value_parser = parse_until)]
    pub until: Option<Until>,
    /// A chain for contract authors instead: a block for each transaction, time travel, ten funded accounts; no devices.
    #[arg(long, conflicts_with_all = ["replay", "until"])]
    pub dev: bool,
    /// Seed of every key and of the instruments' noise; equal seeds give equal networks.
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// Port of the first validator's JSON-RPC; 0 picks a free one.
    #[arg(long, default_value_t = 8545)]
    pub rpc_port: u16,
    /// One JSON object a line instead of text.
    #[arg(long)]
    pub json: bool,
}

/// When `up` stops by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Until {
    /// The first reward has been verified, voted and paid to its owner.
    FirstReward,
    /// This many epochs are final.
    Epochs(u64),
}

fn parse_until(text: &str) -> Result<Until, String> {
    match text.split_once(':') {
        None if text == "first-reward" => Ok(Until::FirstReward),
        Some(("epoch", number)) => match number.parse() {
            Ok(count) if count > 0 => Ok(Until::Epochs(count)),
            _ => Err(format!("`{number}` is no number of epochs: write epoch:24")),
        },
        _ => Err(format!("`{text}` is neither `first-reward` nor `epoch:N`")),
    }
}

/// Which network a command talks to.
#[derive(Args, Clone)]
pub struct NetworkArgs {
    /// Folder of a network on this machine; its endpoints and keys are found there.
    #[arg(long, default_value = "cairn-data")]
    pub dir: PathBuf,
    /// JSON-RPC of a node, instead of the folder's.
    #[arg(long, value_name = "URL")]
    pub rpc: Option<String>,
    /// JSON instead of text.
    #[arg(long)]
    pub json: bool,
}

/// `devices …`
#[derive(Subcommand)]
pub enum DevicesCommand {
    /// Every registered device with its last score and income.
    #[command(after_help = "Example:\n  cairn devices list --json")]
    List(NetworkArgs),
    /// One device: place, owner, bond, last verdicts and rewards.
    #[command(after_help = "Example:\n  cairn devices show 0x3f2a…\n  cairn devices show EWR-1")]
    Show {
        /// Device id, or the name of its station.
        device: String,
        #[command(flatten)]
        network: NetworkArgs,
    },
}

/// Flags of `join`.
#[derive(Args)]
pub struct JoinArgs {
    /// Latitude in degrees.
    #[arg(long, allow_hyphen_values = true)]
    pub lat: String,
    /// Longitude in degrees.
    #[arg(long, allow_hyphen_values = true)]
    pub lon: String,
    /// Height above sea level in metres.
    #[arg(long, allow_hyphen_values = true, default_value = "0")]
    pub elevation_m: String,
    /// The service the device offers.
    #[arg(long, value_enum, default_value_t = Service::Sensing)]
    pub service: Service,
    /// Name of the account that will own the device; a key is made when there is none.
    #[arg(long, default_value = "me")]
    pub account: String,
    #[command(flatten)]
    pub hardware: HardwareArgs,
    /// Pay the bond and register; without it only the payback card is shown.
    #[arg(long)]
    pub yes: bool,
    #[command(flatten)]
    pub network: NetworkArgs,
}

/// What a device costs its owner.
#[derive(Args)]
pub struct HardwareArgs {
    /// What the hardware costs, in dollars.
    #[arg(long, default_value = "100")]
    pub hardware_usd: String,
    /// What its installation costs, in dollars.
    #[arg(long, default_value = "0")]
    pub install_usd: String,
    /// Power it draws, in watts.
    #[arg(long, default_value = "3")]
    pub power_w: String,
    /// Price of a kilowatt-hour, in dollars.
    #[arg(long, default_value = "0.20")]
    pub kwh_usd: String,
}

/// Flags of `payback`.
#[derive(Args)]
#[command(group(ArgGroup::new("place").required(true).args(["cell", "lat"])))]
pub struct PaybackArgs {
    /// The service the device offers.
    #[arg(long, value_enum, default_value_t = Service::Sensing)]
    pub service: Service,
    /// The H3 cell, as `cairn devices list` shows it.
    #[arg(long, value_name = "H3")]
    pub cell: Option<String>,
    /// Latitude in degrees, instead of a cell.
    #[arg(long, allow_hyphen_values = true, requires = "lon")]
    pub lat: Option<String>,
    /// Longitude in degrees.
    #[arg(long, allow_hyphen_values = true, requires = "lat")]
    pub lon: Option<String>,
    #[command(flatten)]
    pub hardware: HardwareArgs,
    #[command(flatten)]
    pub network: NetworkArgs,
}

/// Services a device can offer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Service {
    /// Weather and other sensors.
    Sensing,
}

/// Flags of `claim`.
#[derive(Args)]
pub struct ClaimArgs {
    /// Name of the account (see `keys/` in the folder) whose rewards to claim.
    #[arg(long, required_unless_present = "all")]
    pub account: Option<String>,
    /// Claim for every account whose key is in the folder.
    #[arg(long, conflicts_with = "account")]
    pub all: bool,
    #[command(flatten)]
    pub network: NetworkArgs,
}

/// `credits …`
#[derive(Subcommand)]
pub enum CreditsCommand {
    /// Burn stones into the vault for credits.
    #[command(after_help = "Example:\n  cairn credits buy --usd 5 --account consumer")]
    Buy {
        /// Dollars of credits to buy.
        #[arg(long)]
        usd: String,
        /// Name of the account that pays and receives.
        #[arg(long, default_value = "consumer")]
        account: String,
        #[command(flatten)]
        network: NetworkArgs,
    },
}

/// Flags of `query`.
#[derive(Args)]
pub struct QueryArgs {
    /// The question, over the tables `readings` and `devices`.
    pub sql: String,
    /// The most this answer may cost, in dollars.
    #[arg(long, value_name = "USD")]
    pub max_spend: String,
    /// Name of the account that pays.
    #[arg(long, default_value = "consumer")]
    pub account: String,
    #[command(flatten)]
    pub network: NetworkArgs,
}

/// Flags of `audit`.
#[derive(Args)]
pub struct AuditArgs {
    /// Folder of a running or stopped network.
    #[arg(long, conflicts_with = "rpc")]
    pub dir: Option<PathBuf>,
    /// JSON-RPC of a node; files come from the validators over HTTP.
    #[arg(long, value_name = "URL")]
    pub rpc: Option<String>,
    /// The epoch; every final one by default.
    #[arg(long)]
    pub epoch: Option<u64>,
    /// JSON instead of text.
    #[arg(long)]
    pub json: bool,
}

/// `proof …`
#[derive(Subcommand)]
pub enum ProofCommand {
    /// Ask a node for a proof of an account, a slot, a transaction, a log, a reward or a batch.
    #[command(
        after_help = "Example:\n  cairn proof get --epoch 12 --device JFK-2 --out reward.json\n  cairn proof get --account 0x3f2a… --rpc http://127.0.0.1:8545 --json"
    )]
    Get(Box<ProofGetArgs>),
    /// Check a proof against a genesis file; exits 0 only if it holds. No network is used.
    #[command(
        after_help = "Example:\n  cairn proof check reward.json --genesis cairn-data/genesis.toml --json"
    )]
    Check(ProofCheckArgs),
}

/// Flags of `proof get`.
#[derive(Args)]
#[command(group(ArgGroup::new("what").required(true).args(["account", "slot", "transaction", "device", "batch"])))]
pub struct ProofGetArgs {
    /// An account: nonce, balance, hash of its code.
    #[arg(long, value_name = "ADDRESS")]
    pub account: Option<Address>,
    /// The contract whose slot is asked for.
    #[arg(long, value_name = "ADDRESS", requires = "slot")]
    pub address: Option<Address>,
    /// A storage slot of --address.
    #[arg(long, value_name = "SLOT", requires = "address")]
    pub slot: Option<U256>,
    /// A transaction with its receipt.
    #[arg(long, value_name = "HASH")]
    pub transaction: Option<B256>,
    /// Only this log of the transaction, counted from 0.
    #[arg(long, value_name = "N", requires = "transaction")]
    pub log: Option<u32>,
    /// The epoch of --device or --batch.
    #[arg(long, conflicts_with_all = ["account", "slot", "transaction"])]
    pub epoch: Option<u64>,
    /// The reward of a device: its id, or the name of its station.
    #[arg(long, value_name = "DEVICE", requires = "epoch")]
    pub device: Option<String>,
    /// A batch that counts in the epoch, by its Merkle leaf.
    #[arg(long, value_name = "LEAF", requires = "epoch")]
    pub batch: Option<B256>,
    /// Where to write the proof; it is printed by default.
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
    #[command(flatten)]
    pub network: NetworkArgs,
}

/// Flags of `proof check`.
#[derive(Args)]
pub struct ProofCheckArgs {
    /// The proof, as `proof get` or `cairn_getProof` gave it.
    #[arg(value_name = "FILE")]
    pub proof: PathBuf,
    /// The genesis file of the network, from somebody you trust: it says who the validators are.
    #[arg(long, value_name = "FILE")]
    pub genesis: PathBuf,
    /// JSON instead of text.
    #[arg(long)]
    pub json: bool,
}

/// Flags of `check-state`.
#[derive(Args)]
pub struct CheckStateArgs {
    /// Folder of a stopped network.
    #[arg(long, default_value = "cairn-data")]
    pub dir: PathBuf,
    /// JSON instead of text.
    #[arg(long)]
    pub json: bool,
}

/// `genesis …`
#[derive(Subcommand)]
pub enum GenesisCommand {
    /// Print a commented example of what a network is founded from.
    #[command(after_help = "Example:\n  cairn genesis example > network.toml")]
    Example {
        /// JSON instead of TOML.
        #[arg(long)]
        json: bool,
    },
    /// Make genesis.toml, the same on every node for ever, from the founder's file.
    #[command(after_help = "Example:\n  cairn genesis new --from network.toml --out my-network")]
    New {
        /// The founder's file; `cairn genesis example` prints one.
        #[arg(long, value_name = "FILE.toml")]
        from: PathBuf,
        /// Folder for genesis.toml, which must not be there yet.
        #[arg(long, value_name = "DIR")]
        out: PathBuf,
        /// JSON instead of text.
        #[arg(long)]
        json: bool,
    },
    /// Show a genesis and check it.
    #[command(after_help = "Example:\n  cairn genesis show my-network/genesis.toml --json")]
    Show(GenesisFile),
    /// Print the hash that names the network, after checking the file.
    #[command(after_help = "Example:\n  cairn genesis hash my-network/genesis.toml")]
    Hash(GenesisFile),
}

/// A genesis file.
#[derive(Args)]
pub struct GenesisFile {
    /// The file.
    #[arg(value_name = "genesis.toml")]
    pub genesis: PathBuf,
    /// JSON instead of text.
    #[arg(long)]
    pub json: bool,
}

/// `validator …`
#[derive(Subcommand)]
pub enum ValidatorCommand {
    /// Make keys and settings; print what the founder needs.
    #[command(after_help = "Example:\n  cairn validator init --dir validator --name alice")]
    Init(ValidatorInitArgs),
    /// Run it: consensus, verification, archive and JSON-RPC, until Ctrl-C or SIGTERM.
    #[command(
        after_help = "Example:\n  cairn validator run --dir validator --genesis genesis.toml\n  CAIRN__RPC__LISTEN=127.0.0.1:9545 cairn validator run --dir validator --json"
    )]
    Run(ValidatorRunArgs),
    /// Show height, sync, peers and duties; exits 1 when it does not follow or has too few peers.
    #[command(after_help = "Example:\n  cairn validator status --dir validator --json")]
    Status(StatusArgs),
    /// Stand for a seat: the outlook, and with --yes the bond and the key's proof.
    #[command(
        after_help = "Example:\n  cairn validator join --dir validator --bond 100000\n  cairn validator join --dir validator --bond 100000 --yes --json"
    )]
    Join(SeatArgs),
    /// Add to the bond.
    #[command(after_help = "Example:\n  cairn validator raise 5000 --dir validator --json")]
    Raise(RaiseArgs),
    /// Take no further seat; the seats of this term and the next are served out.
    #[command(after_help = "Example:\n  cairn validator leave --dir validator --json")]
    Leave(OperatorArgs),
    /// After the last seat: the bond begins to unbond.
    #[command(after_help = "Example:\n  cairn validator exit --dir validator --json")]
    Exit(OperatorArgs),
    /// Make another consensus key and tell the ledger; with --finish put it in place.
    #[command(
        after_help = "Example:\n  cairn validator rotate-key --dir validator\n  cairn validator rotate-key --dir validator --finish --json"
    )]
    RotateKey(RotateKeyArgs),
    /// Set the part of delegators' income that the operator keeps, from the term after the next.
    #[command(
        after_help = "Example:\n  cairn validator commission 5% --dir validator\n  cairn validator commission 50000 --dir validator --json"
    )]
    Commission(CommissionArgs),
    /// Show what the seat earned and is not paid out; with --claim pay it out.
    #[command(
        after_help = "Example:\n  cairn validator income --dir validator\n  cairn validator income --dir validator --claim --json"
    )]
    Income(IncomeArgs),
    /// Stand again after an absence, from the term after the report.
    #[command(after_help = "Example:\n  cairn validator unjail --dir validator --json")]
    Unjail(OperatorArgs),
}

/// Flags of `validator init`.
#[derive(Args)]
pub struct ValidatorInitArgs {
    /// Folder of the validator.
    #[arg(long)]
    pub dir: PathBuf,
    /// Name for people in genesis.
    #[arg(long, default_value = "validator")]
    pub name: String,
    /// The consensus key is in another process: the socket of its `cairn signer run`.
    #[arg(long, value_name = "PATH", requires = "consensus_key")]
    pub signer: Option<PathBuf>,
    /// The key that `cairn signer init` told.
    #[arg(long, value_name = "0xKEY", requires = "signer")]
    pub consensus_key: Option<B256>,
    /// Bond that the founder's lines ask for, in whole stones.
    #[arg(long, default_value_t = 100_000)]
    pub bond_stones: u64,
    /// JSON instead of text.
    #[arg(long)]
    pub json: bool,
}

/// Flags of `validator run` and `node run`.
#[derive(Args)]
pub struct RunArgs {
    /// Folder of the node, with node.toml in it.
    #[arg(long)]
    pub dir: PathBuf,
    /// The network's genesis; genesis.toml in the folder by default.
    #[arg(long, value_name = "FILE")]
    pub genesis: Option<PathBuf>,
    /// Files of the ledger are damaged, or its disk was rolled back: move them to data/damaged and fetch the ledger again from other
    /// nodes. Keys, votes, waiting transactions, archive and an ingest's batches stay.
    #[arg(long)]
    pub refetch: bool,
    /// One JSON object a line instead of text.
    #[arg(long)]
    pub json: bool,
}

/// Flags of `validator run`.
#[derive(Args)]
pub struct ValidatorRunArgs {
    /// Those of every node.
    #[command(flatten)]
    pub run: RunArgs,
    /// The data or the keys come from a backup, or from another machine, which no longer runs: sign nothing before a term begins that
    /// this key cannot have voted in. Say it once; it is kept.
    #[arg(long)]
    pub restored: bool,
}

/// Flags of `validator status`.
#[derive(Args)]
pub struct StatusArgs {
    /// Folder of the node on this machine; its settings name the JSON-RPC.
    #[arg(long, default_value = ".")]
    pub dir: PathBuf,
    /// JSON-RPC of the node, instead of the folder's.
    #[arg(long, value_name = "URL")]
    pub rpc: Option<String>,
    /// JSON instead of text.
    #[arg(long)]
    pub json: bool,
}

/// `node …`
#[derive(Subcommand)]
pub enum NodeCommand {
    /// Make settings, and for an ingest its keys; print what the founder needs.
    #[command(
        after_help = "Example:\n  cairn node init --dir rpc\n  cairn node init --dir ingest --role ingest --url http://203.0.113.7:8600 --json"
    )]
    Init(NodeInitArgs),
    /// Run it until Ctrl-C or SIGTERM: it follows, checks and executes every block. With an `ingest` section in node.toml it takes evidence.
    #[command(after_help = "Example:\n  cairn node run --dir rpc --genesis genesis.toml --json")]
    Run(RunArgs),
}

/// Flags of `node init`.
#[derive(Args)]
pub struct NodeInitArgs {
    /// Folder of the node.
    #[arg(long)]
    pub dir: PathBuf,
    /// What it is for.
    #[arg(long, value_enum, default_value_t = NodeRole::Rpc)]
    pub role: NodeRole,
    /// Where an ingest is reached, as genesis will say.
    #[arg(long, default_value = "http://203.0.113.7:8600")]
    pub url: String,
    /// JSON instead of text.
    #[arg(long)]
    pub json: bool,
}

/// Nodes without a vote.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum NodeRole {
    /// JSON-RPC and archive.
    Rpc,
    /// Takes devices' evidence, too.
    Ingest,
}

/// Flags of `bench`.
#[derive(Args)]
pub struct BenchArgs {
    /// What to measure.
    #[arg(value_enum)]
    pub name: BenchName,
    /// Accounts of `sync`.
    #[arg(long, default_value_t = 1_000_000, value_parser = clap::value_parser!(u64).range(1..=10_000_000))]
    pub accounts: u64,
    /// Only the JSON line.
    #[arg(long)]
    pub json: bool,
}

/// The benchmarks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum BenchName {
    /// Four validators as processes: time to finality, transactions per second, memory.
    Finality,
    /// Readings from bytes to sealed file, beside raw Ed25519 verification of the same batches.
    Evidence,
    /// What native calls charge, beside the gas that their CPU time buys elsewhere.
    Gas,
    /// Transactions from bytes to receipts, beside raw sender recovery of the same transactions.
    Ledger,
    /// Light proofs: bytes, and the time to check one beside its signatures alone.
    Proofs,
    /// Server CPU of a transaction through JSON-RPC, beside anvil (`CAIRN_ANVIL`, or in PATH) on the same transactions.
    Rpc,
    /// One epoch of 100,000 devices scored.
    Score,
    /// Days of the economy a CPU second, beside radCAD, cadCAD and plain Python (PyPI, in a virtual environment made for it).
    Simulate,
    /// State sync, restart, bytes on disk: beside hashing and writing the same bytes.
    Sync,
}
