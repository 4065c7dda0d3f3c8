//! `cairn bench finality`: four validators, each a process, on this machine.

use std::time::{Duration, Instant};

use cairn_kit::cpu;
use eyre::{Result, WrapErr as _, eyre};
use futures::{StreamExt as _, TryStreamExt as _, stream};
use serde_json::json;

use super::{
    Figure,
    lab::{Lab, Rpc},
};

const VALIDATORS: usize = 4;
const SENDERS: usize = 64;
/// Transactions one after the other while nothing else happens.
const IDLE: u64 = 60;
/// Transactions of each sender in the flood: less than a node keeps of one sender.
const FLOOD_EACH: u64 = 160;
/// Transactions in a request of the flood, and requests at once.
const FLOOD_BATCH: usize = 200;
const FLOOD_REQUESTS: usize = 8;
/// For how long transactions come at half load, and how often some do.
const HALF_FOR: Duration = Duration::from_secs(6);
const HALF_EVERY: Duration = Duration::from_millis(100);
/// Most transactions of each sender at half load: with those of the flood, less than its nonce may be ahead.
const HALF_EACH: u64 = 160;
/// The first senders, one for each validator, whose transactions are timed at half load; the others are the load.
const TIMED: usize = VALIDATORS;
/// What p50 at idle must stay under.
const TARGET_MS: f64 = 500.0;

/// Time to finality at idle and at half load, transactions per second, memory of a node.
pub fn finality() -> Result<Vec<Figure>> {
    tokio::runtime::Handle::current().block_on(async {
        let (lab, rpc) = (Lab::start(VALIDATORS, SENDERS).await?, Rpc::new()?);
        let idle = idle(&lab, &rpc).await?;
        let (per_second, recover) = flood(&lab, &rpc).await?;
        let half = half_load(&lab, &rpc, per_second / 2.0).await?;
        let mut memory = Vec::new();
        for node in &lab.nodes {
            memory.push(node.memory()? as f64 / f64::from(1 << 20));
        }
        let largest = memory.iter().copied().fold(0.0, f64::max);
        let cores = std::thread::available_parallelism().map_or(1.0, |n| n.get() as f64);
        let ceiling = cores / (VALIDATORS as f64 * recover);
        let figure = |name: &str, value, unit, reference, reference_value| Figure {
            name: name.to_owned(),
            value,
            unit,
            reference,
            reference_value,
            ratio: value / reference_value,
        };
        let target = "target of p50 at idle";
        Ok(vec![
            figure("finality at idle, p50", at(&idle, 50), "ms", target, TARGET_MS),
            figure("finality at idle, p95", at(&idle, 95), "ms", target, TARGET_MS),
            figure("finality at half load, p50", at(&half, 50), "ms", target, TARGET_MS),
            figure("finality at half load, p95", at(&half, 95), "ms", target, TARGET_MS),
            figure(
                "transfers, four validators and the client on this machine",
                per_second,
                "per second",
                "what decoding and sender recovery by four validators alone would allow its cores",
                ceiling,
            ),
            figure("resident memory, largest of the nodes", largest, "MiB", "of 1 GiB", 1_024.0),
        ])
    })
}

/// A percentile of sorted milliseconds.
fn at(sorted: &[f64], percent: usize) -> f64 {
    sorted[(sorted.len() - 1) * percent / 100]
}

/// From sending to the final receipt, one transaction after the other, at one node after the other.
async fn idle(lab: &Lab, rpc: &Rpc) -> Result<Vec<f64>> {
    let mut times = Vec::new();
    // All senders go on with the same nonce afterwards.
    let rounds = IDLE.div_ceil(SENDERS as u64);
    for (number, (_, raw)) in lab.transfers(0, rounds)?.iter().enumerate() {
        let url = &lab.nodes[number % lab.nodes.len()].url;
        times.push(confirm(rpc, url, raw).await?);
        // Not in step with the blocks.
        tokio::time::sleep(Duration::from_millis(number as u64 * 37 % 100)).await;
    }
    times.sort_by(f64::total_cmp);
    Ok(times)
}

/// Milliseconds from sending to the final receipt.
async fn confirm(rpc: &Rpc, url: &str, raw: &str) -> Result<f64> {
    let begun = Instant::now();
    let receipt = rpc.call(url, "eth_sendRawTransactionSync", json!([raw])).await?;
    if receipt["status"] != json!("0x1") {
        return Err(eyre!("a transfer failed: {receipt}"));
    }
    Ok(begun.elapsed().as_secs_f64() * 1e3)
}

/// Transactions per second when all come at once, and CPU seconds of decoding one and recovering its sender.
async fn flood(lab: &Lab, rpc: &Rpc) -> Result<(f64, f64)> {
    let first = IDLE.div_ceil(SENDERS as u64);
    let transfers = lab.transfers(first, FLOOD_EACH)?;
    let begun = cpu::of_thread();
    for (_, raw) in &transfers {
        let bytes = hex::decode(&raw[2..]).wrap_err("a transaction is hex")?;
        cairn_ledger::decode_transaction(&bytes).map_err(|error| eyre!("decoding: {error}"))?;
    }
    let spent = cpu::of_thread() - begun;
    let recover = spent.as_secs_f64() / transfers.len() as f64;

    let begun = Instant::now();
    stream::iter(transfers.chunks(FLOOD_BATCH).enumerate())
        .map(|(number, chunk)| async move {
            let url = &lab.nodes[number % lab.nodes.len()].url;
            hand_in(rpc, url, chunk.iter().map(|(_, raw)| raw)).await
        })
        .buffer_unordered(FLOOD_REQUESTS)
        .try_collect::<()>()
        .await?;
    lab.settled(rpc, &lab.nodes[0].url, first + FLOOD_EACH).await?;
    Ok((transfers.len() as f64 / begun.elapsed().as_secs_f64(), recover))
}

/// Times to finality while `rate` transactions come every second, as many at each node: those of one sender at every node, one
/// after the other. The load comes in batches like the flood, so that the client's part of this machine's cores is as small as there.
async fn half_load(lab: &Lab, rpc: &Rpc, rate: f64) -> Result<Vec<f64>> {
    let first = IDLE.div_ceil(SENDERS as u64) + FLOOD_EACH;
    let wanted = rate * HALF_FOR.as_secs_f64();
    let each = (wanted / (SENDERS - TIMED) as f64).ceil().clamp(1.0, HALF_EACH as f64) as u64;
    let mut timed = vec![Vec::new(); VALIDATORS];
    let mut load = vec![Vec::new(); VALIDATORS];
    for (sender, raw) in lab.transfers(first, each)? {
        // A sender keeps to one node, so that its nonces arrive in order.
        let of = if sender < TIMED { &mut timed } else { &mut load };
        of[sender % VALIDATORS].push(raw);
    }
    let urls: Vec<&str> = lab.nodes.iter().map(|node| node.url.as_str()).collect();
    let begun = tokio::time::Instant::now();
    let loads = urls.iter().zip(&load).map(|(url, raws)| async move {
        let per_batch = rate / VALIDATORS as f64 * HALF_EVERY.as_secs_f64();
        let chunks = raws.chunks(per_batch.round().max(1.0) as usize);
        for (number, chunk) in (0_u32..).zip(chunks) {
            tokio::time::sleep_until(begun + HALF_EVERY * number).await;
            hand_in(rpc, url, chunk.iter()).await?;
        }
        Ok::<_, eyre::Report>(())
    });
    let probes = urls.iter().zip(&timed).map(|(url, raws)| async move {
        let mut times = Vec::new();
        for raw in raws.iter().take_while(|_| begun.elapsed() < HALF_FOR) {
            times.push(confirm(rpc, url, raw).await?);
        }
        Ok(times)
    });
    let (_, times) = futures::try_join!(
        futures::future::try_join_all(loads),
        futures::future::try_join_all(probes)
    )?;
    let mut times = times.concat();
    times.sort_by(f64::total_cmp);
    Ok(times)
}

/// Gives a node transactions in one request; all must be taken.
async fn hand_in(rpc: &Rpc, url: &str, raws: impl Iterator<Item = &String>) -> Result<()> {
    let requests: Vec<_> = raws.map(|raw| ("eth_sendRawTransaction", json!([raw]))).collect();
    for answer in rpc.batch(url, &requests).await? {
        if !answer["error"].is_null() {
            return Err(eyre!("a transfer is refused: {}", answer["error"]));
        }
    }
    Ok(())
}
