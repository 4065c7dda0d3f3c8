//! Whatever a stranger posts to a node's JSON-RPC: the server's own parsing, batches and methods on a small chain. An answer or an error,
//! never a panic and never an internal error.
#![no_main]

#[path = "../network.rs"]
mod network;

use std::sync::{Arc, LazyLock};

use alloy_primitives::B256;
use cairn_consensus::{Disk as _, FinalBlock};
use cairn_kit::{NetworkClock, metrics::Metrics};
use cairn_ledger::Ledger;
use cairn_node::{
    disk::{DiskConfig, RedbDisk},
    pool::TxPool,
    rpc::{Door, RpcConfig, RpcParts},
};
use cairn_primitives::Genesis;
use libfuzzer_sys::fuzz_target;
use serde_json::Value;
use tokio::runtime::{Builder, Runtime};

/// Stack of the threads that run calls, as a node's.
const STACK_BYTES: usize = 8 << 20;
/// What no stranger may cause.
const INTERNAL: i64 = -32603;

static NODE: LazyLock<(Runtime, Door)> = LazyLock::new(|| {
    let mut runtime = Builder::new_current_thread();
    let runtime = runtime.thread_stack_size(STACK_BYTES).enable_all().build().expect("a runtime");
    let folder = std::env::temp_dir().join(format!("cairn-fuzz-rpc-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a folder");
    let (genesis, text) = (Arc::new(network::genesis()), "fuzz");
    genesis.check().expect("sound");
    let hash = Genesis::hash_of_text(text);
    let ledger = Ledger::new(Arc::clone(&genesis), hash);
    let disk = RedbDisk::open(&folder, hash, DiskConfig::default()).expect("a disk");
    disk.commit(FinalBlock {
        header: ledger.genesis_header(B256::ZERO),
        digest: [0; 32],
        transactions: Vec::new(),
        receipts: Vec::new(),
        gas_used: Vec::new(),
        writes: ledger.genesis_writes().expect("genesis"),
        certificate: Vec::new(),
    })
    .expect("block 0");
    let clock = NetworkClock::manual(genesis.start_ms);
    let pool = TxPool::open(&folder, ledger.clone(), disk.clone(), clock.clone(), &Metrics::new());
    let parts = RpcParts {
        ledger,
        genesis,
        genesis_text: text.into(),
        disk,
        pool: pool.expect("a journal"),
        clock,
        archive: None,
        proofs: None,
    };
    let door = Door::new(parts, RpcConfig::at(([127, 0, 0, 1], 0).into()));
    (runtime, door)
});

fn check(answer: &Value) {
    assert!(answer["error"]["code"] != INTERNAL, "an internal error: {answer}");
}

fuzz_target!(|bytes: &[u8]| {
    let (runtime, door) = &*NODE;
    let answer = runtime.block_on(door.post(bytes.to_vec().into())).expect("the server answers");
    match serde_json::from_slice(&answer) {
        Ok(Value::Array(answers)) => answers.iter().for_each(check),
        Ok(answer) => check(&answer),
        // Words of a body that was refused unread, or nothing for notifications.
        Err(_) => {}
    }
});
