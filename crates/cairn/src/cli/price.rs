//! Flags of `price` and `swap`.

use clap::{ArgGroup, Args, Subcommand};

use super::{NetworkArgs, PayerArgs};

/// Flags of `price`.
#[derive(Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct PriceArgs {
    /// What to do; without it the price is shown.
    #[command(subcommand)]
    pub command: Option<PriceCommand>,
    #[command(flatten)]
    pub network: NetworkArgs,
}

/// `price …`
#[derive(Subcommand)]
pub enum PriceCommand {
    /// Feed a validator's view of the price, once and by hand; `[price]` in its node.toml does it for good.
    #[command(
        after_help = "Example:\n  cairn price feed 0.25 --validator ./validator\n  cairn price feed 0.25 --account validator-0 --json"
    )]
    Feed(FeedArgs),
}

/// Flags of `price feed`.
#[derive(Args)]
pub struct FeedArgs {
    /// Dollars per STONE, with at most six decimals.
    pub usd: String,
    #[command(flatten)]
    pub payer: PayerArgs,
}

/// Flags of `swap`.
#[derive(Args)]
#[command(group = ArgGroup::new("what").required(true).args(["usd", "stones"]))]
pub struct SwapArgs {
    /// Dollars to spend for stones.
    #[arg(long, value_name = "USD")]
    pub usd: Option<String>,
    /// Stones to sell for dollars.
    #[arg(long, value_name = "STONES")]
    pub stones: Option<String>,
    /// Take the dollars that are missing from the faucet of a development network.
    #[arg(long, requires = "usd")]
    pub faucet: bool,
    /// Most that the answer may be below today's quote, in millionths.
    #[arg(long, value_name = "PPM", default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(0..=1_000_000))]
    pub slip_ppm: u32,
    /// Only show what it would give.
    #[arg(long)]
    pub quote: bool,
    /// Name of the account that pays and receives.
    #[arg(long, default_value = "consumer")]
    pub account: String,
    #[command(flatten)]
    pub network: NetworkArgs,
}
