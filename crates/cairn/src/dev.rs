//! `cairn up --dev`: a chain for contract authors, on the port where a network's first node would be.

use std::{
    fs,
    net::SocketAddr,
    time::{SystemTime, UNIX_EPOCH},
};

use cairn_client::{DevKeys, Wallet};
use cairn_kit::Shutdown;
use cairn_node::{
    dev::{DevNode, wallets},
    rpc::RpcConfig,
    validator::Network,
};
use cairn_primitives::Genesis;
use eyre::{Result, WrapErr as _, bail};
use serde_json::json;

use crate::{
    cli::UpArgs,
    network::{Folder, funded_genesis},
    output::Output,
};

/// Cells in which stations are wanted: devices that a suite registers earn from the first epoch on.
const TARGET_CELLS: u32 = 100;

/// Runs the chain until Ctrl-C. It lives in `DIR/dev`, and the next start goes on from there.
pub async fn dev(args: &UpArgs) -> Result<()> {
    let output = Output { json: args.json };
    let folder = args.dir.join("dev");
    let accounts = wallets();
    let signers: Vec<Wallet> = accounts.iter().map(|(_, wallet)| wallet.clone()).collect();
    let (genesis, text) = genesis(args, &Folder::new(&folder), &signers)?;
    if genesis.accounts.iter().all(|account| account.address != signers[0].address()) {
        bail!("{} holds another network's genesis: give a new --dir", folder.display());
    }
    let chain_id = genesis.chain_id;
    let network = Network::new(genesis, &text);
    let config = RpcConfig::at(SocketAddr::from(([127, 0, 0, 1], args.rpc_port)));
    let node = DevNode::start(folder, &network, signers, config)
        .await
        .wrap_err("starting the development chain")?;

    let listed: Vec<_> = accounts
        .iter()
        .map(|(secret, wallet)| json!({ "address": wallet.address(), "secret": secret }))
        .collect();
    let value = json!({ "event": "ready", "rpc": node.rpc_url(), "chain_id": chain_id, "accounts": listed });
    output.answer(&value, || {
        let lines = accounts
            .iter()
            .map(|(secret, wallet)| format!("  {}   {secret}", wallet.address()));
        format!(
            "a development chain: a block for each transaction, evm_* and hardhat_* methods\n\n  JSON-RPC   {}   (chain id {chain_id})\n\n\
             accounts that everybody knows, and their keys:\n{}\n",
            node.rpc_url(),
            lines.collect::<Vec<_>>().join("\n"),
        )
    });
    let shutdown = Shutdown::new();
    let running = node.run(shutdown.clone());
    tokio::pin!(running);
    tokio::select! {
        () = &mut running => bail!("the development chain stopped by itself"),
        interrupted = tokio::signal::ctrl_c() => interrupted.wrap_err("waiting for Ctrl-C")?,
    }
    shutdown.request();
    running.await;
    Ok(())
}

/// The folder's genesis, made now if there is none.
fn genesis(args: &UpArgs, folder: &Folder, signers: &[Wallet]) -> Result<(Genesis, String)> {
    if folder.genesis().exists() {
        return folder.read_genesis();
    }
    let now = SystemTime::now().duration_since(UNIX_EPOCH).wrap_err("reading the clock")?;
    let start_ms = now.as_secs() * 1_000;
    let keys = DevKeys::new(args.seed.to_be_bytes().to_vec());
    let mut genesis = funded_genesis(&keys, signers, start_ms)?;
    // No station is there yet: without places to fill there would be no subsidy, and nothing for a device to earn.
    genesis.economy.target_cells = TARGET_CELLS;
    // A suite votes for all validators itself: nothing is there to hide from anybody.
    genesis.stake.seal_window_ms = 0;
    genesis.check()?;
    let text = toml::to_string(&genesis).wrap_err("writing genesis as TOML")?;
    fs::create_dir_all(folder.root())
        .wrap_err_with(|| format!("making {}", folder.root().display()))?;
    fs::write(folder.genesis(), &text).wrap_err("writing genesis.toml")?;
    Ok((genesis, text))
}
