//! `cairn validator run`: consensus, verifier, archive and JSON-RPC of one validator, until a signal.

use cairn_consensus::VoteStart;
use cairn_kit::Shutdown;
use cairn_node::validator::{Network, NodeConfig, NodeKeys, VOTES, ValidatorNode};
use cairn_primitives::TimeMs;
use eyre::{Result, bail, eyre};
use serde_json::json;

use crate::{
    cli::ValidatorRunArgs,
    host::{Life, Role, Settings, event, read_network, refetch, start_clock},
    output::Output,
    session::SECTOR,
};

/// How far the clocks of validators that can talk to each other may be apart, doubled: wall ms.
const RESTORED_MARGIN_MS: u64 = 10_000;

/// Runs the validator in `--dir`.
pub async fn run(args: &ValidatorRunArgs) -> Result<()> {
    let ValidatorRunArgs { run: args, restored } = args;
    let settings = Settings::open(&args.dir, Role::Validator)?;
    let network = read_network(&args.dir, args.genesis.as_ref(), settings.genesis_hash)?;
    let keys = settings.keys(&args.dir)?;
    let name = name(&network, &keys)?;
    let p2p = settings.p2p.as_ref().ok_or_else(|| eyre!("[p2p] is missing"))?;
    let mut config = NodeConfig {
        votes: args.dir.join("keys").join(VOTES),
        votes_start: VoteStart::Known,
        folder: settings.data(&args.dir),
        rpc: settings.rpc(),
        http: settings.http.listen,
        http_url: settings.http.public_url.clone(),
        p2p: p2p.listen,
        dialable: p2p.dialable.0.clone(),
        bootstrap: p2p.bootstrap.iter().map(|peer| (peer.0.key, peer.0.at.clone())).collect(),
        reach: p2p.reach.into(),
        state_window: settings.data.state_window_blocks,
        blocks_kept: settings.data.blocks_kept(),
        sync: settings.sync.config(),
    };

    let life = Life { output: Output { json: args.json } };
    refetch(args, &config.folder, life.output)?;
    let shutdown = Shutdown::new();
    let Some(clock) = start_clock(&network.genesis, &life, &shutdown).await else { return Ok(()) };
    if *restored {
        let margin = RESTORED_MARGIN_MS.saturating_mul(network.genesis.time_scale);
        config.votes_start = VoteStart::Restored(TimeMs(clock.now_ms().saturating_add(margin)));
    }
    let mut node = ValidatorNode::start(config, &network, &keys, clock, shutdown.clone()).await?;
    let mut peers = settings.archive.peers.clone();
    let ingests = network.genesis.ingests.iter().map(|ingest| ingest.url.clone());
    peers.extend(ingests.filter(|url| !url.is_empty()));
    let sender = node.verify(&network, SECTOR, keys.operator.clone(), peers)?;
    match &settings.price {
        Some(price) if network.genesis.pool.is_some() => {
            node.feed_price(price.feed(&args.dir)?, sender, &network.genesis);
        }
        Some(_) => tracing::warn!("[price] feeds nothing: this network's genesis has no pool"),
        None => {}
    }

    let endpoints = node.endpoints();
    let effective = settings.shown()?;
    let value = json!({
        "role": "validator", "name": name, "operator": keys.operator.address().to_string(), "genesis": network.hash.to_string(),
        "rpc": endpoints.rpc_url(), "http": endpoints.http_url(), "p2p": endpoints.p2p.to_string(), "settings": effective,
    });
    event(life.output, "ready", value, || {
        format!(
            "validator {} of \"{}\" (genesis {})\n\n{effective}\nJSON-RPC {}, archive {}, peers {}\n",
            name.as_deref().unwrap_or("without a seat in genesis"),
            network.genesis.name,
            network.hash,
            endpoints.rpc_url(),
            endpoints.http_url(),
            endpoints.p2p
        )
    });
    life.run(node.run(), shutdown).await
}

/// The name of these keys in genesis. A validator that is not among the founders has none: it follows, and votes in the terms
/// in which the ledger gives its key a seat.
fn name(network: &Network, keys: &NodeKeys) -> Result<Option<String>> {
    let (key, operator) = (keys.consensus_key(), keys.operator.address());
    let seats = &network.genesis.validators;
    let Some(seat) = seats.iter().find(|seat| seat.consensus_key == key) else {
        return Ok(None);
    };
    if seat.operator != operator {
        bail!(
            "genesis gives the seat of {key} to the operator {}, and keys/operator.json is {operator}: put the operator's key there",
            seat.operator
        );
    }
    Ok(Some(seat.name.clone()))
}
