//! One validator alone is a network: for trying clients against. Prints its JSON-RPC and the key of a funded account.
//!
//! `cargo run --release -p cairn-node --example validator -- 8545`, then `npm test` in tests/clients.

#[path = "../tests/support/mod.rs"]
mod support;

use std::{error::Error, net::SocketAddr};

use cairn_client::{DevKeys, Role};
use cairn_kit::{NetworkClock, Shutdown};
use cairn_node::validator::ValidatorNode;
use support::{Devnet, START_MS};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let port: u16 = std::env::args().nth(1).as_deref().unwrap_or("0").parse()?;
    let folder = tempfile::tempdir()?;
    let devnet = Devnet::new(1);
    let mut config = devnet.config(folder.path(), 0);
    config.rpc.listen = SocketAddr::from(([127, 0, 0, 1], port));
    let (clock, shutdown) = (NetworkClock::running(START_MS, 180), Shutdown::new());
    let node = ValidatorNode::start(
        config,
        &devnet.network,
        &devnet.validators[0].2,
        clock,
        shutdown.clone(),
    )
    .await?;
    let key = folder.path().join("alice.json");
    DevKeys::new("node").wallet(Role::Owner, "alice").save(&key)?;
    println!("CAIRN_RPC={} CAIRN_KEY_FILE={}", node.endpoints().rpc_url(), key.display());
    let stopped = tokio::spawn(node.run());
    tokio::signal::ctrl_c().await?;
    shutdown.request();
    Ok(stopped.await??)
}
