//! `cairn reality`: the honest figures of a network, as a node serves them; with --verify as blocks and evidence give them; with
//! --history the days of its ledger instead.

mod history;
mod page;
mod screen;
mod verify;

use std::{
    process::ExitCode,
    time::{Duration, Instant},
};

use cairn_client::ClientError;
use cairn_economy::reality::Report;
use eyre::{Result, WrapErr as _};
use serde_json::{Value, json};

use crate::{cli::RealityArgs, session::Session};

/// JSON-RPC's word for a limit: the node is still reading its ledger.
const UNFINISHED: i64 = -32005;
/// JSON-RPC's word for what is not here: a node's archive is a moment behind its ledger.
const NOT_YET: i64 = -32001;
/// How long it may be behind.
const FILES_PATIENCE: Duration = Duration::from_secs(300);
/// How long a node may read its ledger before it is given up.
const PATIENCE: Duration = Duration::from_secs(1_800);
/// Pause between two questions to a node that is reading.
const POLL: Duration = Duration::from_millis(200);

/// Shows the page; exits 1 when it was to be verified and a number differs.
pub async fn reality(args: &RealityArgs) -> Result<ExitCode> {
    let session = Session::open(&args.network).await?;
    if let Some(path) = &args.history {
        return history::write(&session, args, path).await;
    }
    let served = served(&session, args).await?;
    let report: Report =
        serde_json::from_value(served.clone()).wrap_err("reading the node's page")?;
    let name = network_name(&session).await?;
    let verified = match args.verify {
        true => Some(verify::verify(&session, args, &served, &report).await?),
        false => None,
    };
    if let Some(path) = &args.html {
        std::fs::write(path, page::html(&name, &report, verified.as_ref()))
            .wrap_err_with(|| format!("writing --html {}", path.display()))?;
    }
    let value = json!({
        "network": name, "report": served, "verified": verified.as_ref().map(verify::Verified::equal),
        "differences": verified.as_ref().map(|verified| &verified.differences),
        "blocks_checked": verified.as_ref().map(|verified| verified.blocks),
        "genesis_trusted": verified.as_ref().map(|verified| verified.trusted),
    });
    session.output.answer(&value, || screen::text(&name, &report, verified.as_ref()));
    let sound = verified.is_none_or(|verified| verified.equal());
    Ok(if sound { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The page as the node serves it. A node that reads its ledger for the first time is asked again.
async fn served(session: &Session, args: &RealityArgs) -> Result<Value> {
    let begun = Instant::now();
    loop {
        let error = match session.client.reality(args.from, args.to).await {
            Ok(served) => return Ok(served),
            Err(error) => error,
        };
        let patience = match &error {
            ClientError::Rpc { code: UNFINISHED, .. } => PATIENCE,
            ClientError::Rpc { code: NOT_YET, .. } => FILES_PATIENCE,
            _ => Duration::ZERO,
        };
        if begun.elapsed() >= patience {
            return Err(error).wrap_err("asking for the page");
        }
        tokio::time::sleep(POLL).await;
    }
}

/// The network's name, as the node tells it.
async fn network_name(session: &Session) -> Result<String> {
    let text = session.client.genesis().await?;
    let genesis: cairn_primitives::Genesis = toml::from_str(&text).wrap_err("parsing genesis")?;
    Ok(genesis.name)
}
