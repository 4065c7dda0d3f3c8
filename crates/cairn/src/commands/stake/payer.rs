//! Who sends a transaction about stake, and how its amounts are shown.

use alloy_primitives::U256;
use cairn_client::{LedgerClient, Sender};
use cairn_node::validator::NodeKeys;
use cairn_primitives::{MicroUsd, Stones};
use eyre::{Result, WrapErr as _};

use crate::{
    cli::PayerArgs,
    host::{ENV_PREFIX, Settings, open_url, settings_path},
    output::{Output, stones, usd},
    session::Session,
};

/// The account that `args` name at its node: a validator's operator, or an account of a network's folder.
pub async fn open_payer(args: &PayerArgs) -> Result<(Sender, Output)> {
    let Some(dir) = &args.validator else {
        let session = Session::open(&args.network).await?;
        return Ok((session.sender(&args.account)?, session.output));
    };
    let keys = NodeKeys::load(dir)
        .wrap_err_with(|| format!("--validator is {}: its operator's key", dir.display()))?;
    let url = match &args.network.rpc {
        Some(url) => url.clone(),
        None => {
            let settings: Settings = cairn_kit::config::load(&settings_path(dir), ENV_PREFIX)?;
            open_url(settings.rpc.listen)
        }
    };
    let client = LedgerClient::new(&url)?;
    client.chain_id().await.wrap_err_with(|| format!("asking {url}: does the node run?"))?;
    Ok((Sender::new(client, keys.operator), Output { json: args.network.json }))
}

/// A contract's 256-bit amount; the cap is far below 128 bits.
pub fn amount(value: U256) -> Stones {
    Stones(value.saturating_to())
}

/// Dollars first, stones second.
pub fn worth(value: Stones, price: MicroUsd) -> String {
    format!("{} ({})", usd(value.to_micro_usd_floor(price)), stones(value))
}
