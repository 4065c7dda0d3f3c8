//! `cairn bench rpc`: what a transaction costs the server that takes it over JSON-RPC, beside anvil on the same bytes.

use std::{env, path::PathBuf, process::Command};

use cairn_kit::loopback::free_address;
use eyre::{Result, WrapErr as _, bail, eyre};
use futures::{StreamExt as _, TryStreamExt as _, stream};
use serde_json::{Value, json};

use super::{
    Figure,
    lab::{Lab, Process, Rpc, until},
};

const VALIDATORS: usize = 4;
const SENDERS: usize = 64;
/// Transactions of each sender.
const EACH: u64 = 100;
/// Requests at once, each with one transaction: what wallets do.
const REQUESTS: usize = 32;
/// Balance of each sender on anvil, base units: 1,000 ether.
const BALANCE: &str = "0x3635c9adc5dea00000";

/// CPU of one of four validators for each transfer, and of anvil for the same, with a block a second: with a block for each, its
/// default, release 1.7.1 keeps a transaction that it mined as pending, spins and mines no more.
pub fn rpc() -> Result<Vec<Figure>> {
    tokio::runtime::Handle::current().block_on(async {
        let (lab, rpc) = (Lab::start(VALIDATORS, SENDERS).await?, Rpc::new()?);
        let transfers = lab.transfers(0, EACH)?;
        let ours = spent(&lab, &rpc, &lab.nodes[0], &transfers).await?;
        let anvil = anvil(&lab, &rpc).await?;
        let theirs = spent(&lab, &rpc, &anvil, &transfers).await?;
        Ok(vec![Figure {
            name: "a transfer from request to finality, one of four validators".to_owned(),
            value: ours,
            unit: "CPU us",
            reference: "anvil, from request to its own block, CPU us",
            reference_value: theirs,
            ratio: ours / theirs,
        }])
    })
}

/// CPU microseconds of `server` for each transaction, from the first request until all are in blocks.
async fn spent(
    lab: &Lab,
    rpc: &Rpc,
    server: &Process,
    transfers: &[(usize, String)],
) -> Result<f64> {
    let begun = server.cpu()?;
    stream::iter(transfers)
        .map(|(_, raw)| async move {
            let hash = rpc.call(&server.url, "eth_sendRawTransaction", json!([raw])).await?;
            if hash.is_string() { Ok(()) } else { Err(eyre!("no hash but {hash}")) }
        })
        .buffered(REQUESTS)
        .try_collect::<()>()
        .await?;
    lab.settled(rpc, &server.url, EACH).await?;
    Ok((server.cpu()? - begun).as_secs_f64() * 1e6 / transfers.len() as f64)
}

/// An anvil on which the same transactions are good.
async fn anvil(lab: &Lab, rpc: &Rpc) -> Result<Process> {
    let address = free_address()?;
    let program = env::var_os("CAIRN_ANVIL").map_or_else(|| PathBuf::from("anvil"), PathBuf::from);
    let mut command = Command::new(&program);
    command.args(["--silent", "--accounts", "1", "--chain-id", &lab.chain_id.to_string()]);
    command.args(["--host", "127.0.0.1", "--port", &address.port().to_string()]);
    // As much room in a block as a network of `lab` has.
    command.args(["--block-time", "1", "--gas-limit", "60000000"]);
    let anvil = Process::spawn(command, format!("http://{address}")).wrap_err(
        "anvil is what `cairn bench rpc` compares with: `npm install @foundry-rs/anvil-linux-amd64`, and name its bin/anvil in \
         CAIRN_ANVIL",
    )?;
    until("anvil", async || Ok(rpc.call(&anvil.url, "eth_chainId", json!([])).await.is_ok()))
        .await?;
    let fund: Vec<(&str, Value)> = lab
        .senders
        .iter()
        .map(|wallet| ("anvil_setBalance", json!([wallet.address(), BALANCE])))
        .collect();
    for answer in rpc.batch(&anvil.url, &fund).await? {
        if !answer["error"].is_null() {
            bail!("anvil does not fund an account: {}", answer["error"]);
        }
    }
    Ok(anvil)
}
