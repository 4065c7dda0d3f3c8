//! `cairn node run`: follows the network, serves JSON-RPC and the archive; with `[ingest]` also takes devices' evidence.

use cairn_client::{LedgerClient, Sender};
use cairn_evidence::ingest::{Ingest, IngestConfig};
use cairn_kit::{NetworkClock, Shutdown};
use cairn_node::{
    follower::{FollowConfig, FollowerNode},
    validator::Network,
};
use eyre::{Result, WrapErr as _, bail, eyre};
use serde_json::json;

use crate::{
    cli::RunArgs,
    commands::node::init::IngestKeys,
    host::{Life, Role, Settings, event, read_network, refetch, start_clock},
    output::Output,
    session::SECTOR,
};

/// Runs the node in `--dir`.
pub async fn run(args: &RunArgs) -> Result<()> {
    let settings = Settings::open(&args.dir, Role::Rpc)?;
    let network = read_network(&args.dir, args.genesis.as_ref(), settings.genesis_hash)?;
    let keys = match &settings.ingest {
        Some(_) => Some(ingest_keys(args, &network)?),
        None => None,
    };
    let follow = settings.follow.clone().ok_or_else(|| eyre!("[follow] is missing"))?;
    let mut archives = settings.archive.peers.clone();
    archives.extend(network.genesis.ingests.iter().map(|ingest| ingest.url.clone()));
    let config = FollowConfig {
        folder: settings.data(&args.dir),
        rpc: settings.rpc(),
        http: settings.http.listen,
        http_url: settings.http.public_url.clone(),
        upstream: follow.upstream,
        archives,
        state_window: settings.data.state_window_blocks,
        blocks_kept: settings.data.blocks_kept(),
        sync: settings.sync.config(),
    };

    let life = Life { output: Output { json: args.json } };
    refetch(args, &config.folder, life.output)?;
    let shutdown = Shutdown::new();
    let Some(clock) = start_clock(&network.genesis, &life, &shutdown).await else { return Ok(()) };
    let mut node =
        FollowerNode::start(config, &network, SECTOR, clock.clone(), shutdown.clone()).await?;
    let mut value = json!({
        "role": "rpc", "genesis": network.hash.to_string(),
        "rpc": node.endpoints().rpc_url(), "http": node.endpoints().http_url(), "settings": settings.shown()?,
    });
    if let Some(keys) = keys {
        let ingest = start_ingest(args, &settings, &network, keys, clock, &mut node)?;
        value["role"] = json!("ingest");
        value["ingest"] = json!(format!("http://{}", ingest.http));
        value["mqtt"] = json!(ingest.mqtt.map(|at| format!("mqtt://{at}")));
    }
    let text = |key: &str| value[key].as_str().unwrap_or("-").to_owned();
    let line = format!(
        "{} of \"{}\" (genesis {})\n\n{}\nJSON-RPC {}, archive {}, devices {} {}\n",
        text("role"),
        network.genesis.name,
        network.hash,
        text("settings"),
        text("rpc"),
        text("http"),
        text("ingest"),
        text("mqtt"),
    );
    event(life.output, "ready", value, || line);
    life.run(node.run(), shutdown).await
}

/// The ingest's keys, which genesis must list.
fn ingest_keys(args: &RunArgs, network: &Network) -> Result<IngestKeys> {
    let keys = IngestKeys::load(&args.dir)
        .wrap_err("the keys of this ingest: `cairn node init --role ingest` makes them")?;
    let (operator, key) = (keys.operator.address(), keys.receipt_key());
    let listed = network.genesis.ingests.iter().find(|ingest| ingest.operator == operator);
    match listed {
        None => bail!(
            "the operator {operator} is no ingest of genesis {}: run with the genesis that lists it, or without [ingest]",
            network.hash
        ),
        Some(ingest) if ingest.receipt_key != key => bail!(
            "genesis gives {operator} the receipt key {}, and keys/receipts.json is {key}: put the right key there",
            ingest.receipt_key
        ),
        Some(_) => Ok(keys),
    }
}

fn start_ingest(
    args: &RunArgs,
    settings: &Settings,
    network: &Network,
    keys: IngestKeys,
    clock: NetworkClock,
    node: &mut FollowerNode,
) -> Result<Ingest> {
    let door = settings.ingest.as_ref().ok_or_else(|| eyre!("[ingest] is missing"))?;
    let folder = settings.data(&args.dir).join("ingest");
    let mut config =
        IngestConfig::of_genesis(&network.genesis, network.hash, folder, keys.receipts, clock);
    (config.http, config.mqtt) = (door.http, door.mqtt);
    let client = LedgerClient::new(node.endpoints().rpc_url())?;
    let desk = Sender::new(client.clone(), keys.operator);
    Ingest::start(config, client, desk, node.tasks()).wrap_err("starting the ingest")
}
