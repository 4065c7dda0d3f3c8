//! Flags of `price` and `swap`.

use clap::{ArgGroup, Args};

use super::NetworkArgs;

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
