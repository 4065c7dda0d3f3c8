//! `cairn bench NAME`: each figure beside the ceiling of the same run, in CPU time.

mod finality;
mod lab;
mod proofs;
mod rpc;
mod simulate;
mod sync;

use std::time::Duration;

use cairn_consensus::bench::{Prepared, Spent, Workload, gas_table, measure, prepare};
use cairn_kit::cpu;
use eyre::{Result, WrapErr as _};
use serde_json::{Value, json};

use crate::{
    cli::{BenchArgs, BenchName},
    output::Output,
};

/// Stations of the evidence benchmark, and how often it is repeated: the median is shown.
const EVIDENCE_STATIONS: u64 = 512;
const REPEATS: usize = 3;
/// Devices of the score benchmark.
const SCORE_DEVICES: usize = 100_000;
/// Blocks of the ledger benchmark and transactions in each: native contract calls by as many senders as a block has calls.
const LEDGER_BLOCKS: u64 = 10;
const LEDGER_BLOCK_TXS: u64 = 1_000;

/// One measured figure beside what it is compared with.
struct Figure {
    name: String,
    value: f64,
    unit: &'static str,
    reference: &'static str,
    reference_value: f64,
    ratio: f64,
}

/// Runs one benchmark.
pub fn bench(args: &BenchArgs) -> Result<()> {
    let output = Output { json: args.json };
    let (name, figures) = match args.name {
        BenchName::Evidence => ("evidence", evidence()?),
        BenchName::Finality => ("finality", finality::finality()?),
        BenchName::Gas => ("gas", gas()?),
        BenchName::Ledger => ("ledger", ledger()?),
        BenchName::Proofs => ("proofs", proofs::proofs()?),
        BenchName::Rpc => ("rpc", rpc::rpc()?),
        BenchName::Score => ("score", score()?),
        BenchName::Simulate => ("simulate", simulate::simulate()?),
        BenchName::Sync => ("sync", sync::sync(args.accounts)?),
    };
    let value = json!({ "bench": name, "figures": figures.iter().map(Figure::to_json).collect::<Vec<_>>() });
    let line = |f: &Figure| {
        format!(
            "{:<66} {:>12} {:<16} {}: {}   ratio {:.3}",
            f.name,
            number(f.value),
            f.unit,
            f.reference,
            number(f.reference_value),
            f.ratio
        )
    };
    output.answer(&value, || {
        format!("{}\n{value}", figures.iter().map(line).collect::<Vec<_>>().join("\n"))
    });
    Ok(())
}

impl Figure {
    fn to_json(&self) -> Value {
        json!({
            "name": self.name, "value": self.value, "unit": self.unit, "reference": self.reference,
            "reference_value": self.reference_value, "ratio": self.ratio,
        })
    }
}

fn number(value: f64) -> String {
    if value >= 100.0 { format!("{value:.0}") } else { format!("{value:.3}") }
}

/// Readings from envelope bytes to sealed file, beside raw Ed25519 verification of the same batches.
fn evidence() -> Result<Vec<Figure>> {
    let mut runs = Vec::new();
    for _ in 0..REPEATS {
        let folder = std::env::temp_dir().join(format!("cairn-bench-{}", std::process::id()));
        std::fs::create_dir_all(&folder).wrap_err("making a folder for the journal")?;
        let run = cairn_evidence::bench::evidence(EVIDENCE_STATIONS, &folder);
        std::fs::remove_dir_all(&folder).wrap_err("removing the journal's folder")?;
        runs.push(run?);
    }
    runs.sort_by(|a, b| a.ratio.total_cmp(&b.ratio));
    let run = &runs[REPEATS / 2];
    Ok(vec![
        Figure {
            name: "readings, batches of 64, bytes to sealed file".to_owned(),
            value: run.readings_per_second,
            unit: "per CPU second",
            reference: "raw Ed25519 verification",
            reference_value: run.ceiling_per_second,
            ratio: run.ratio,
        },
        Figure {
            name: "bytes of a reading on disk".to_owned(),
            value: run.bytes_per_reading,
            unit: "bytes",
            reference: "most allowed",
            reference_value: 6.0,
            ratio: run.bytes_per_reading / 6.0,
        },
    ])
}

/// One epoch of 100,000 devices, beside hashing the inputs once.
fn score() -> Result<Vec<Figure>> {
    let network = cairn_sectors::sensing::support::bench_input(SCORE_DEVICES, 1);
    let input = network.input();
    let mut seconds = Vec::new();
    for _ in 0..REPEATS {
        let begun = cpu_seconds();
        let output = cairn_sectors::sensing::score_epoch(&input);
        seconds.push(cpu_seconds() - begun);
        assert_eq!(output.leaves.len(), SCORE_DEVICES, "every device is scored");
    }
    seconds.sort_by(f64::total_cmp);
    let begun = cpu_seconds();
    let mut checksum = 0_u8;
    for device in input.devices {
        for hour in 0..48_u64 {
            let bytes = [&device.id.0[..], &hour.to_be_bytes(), &[checksum]].concat();
            checksum ^= cairn_primitives::leaf_hash(&bytes).0[0];
        }
    }
    let hashing = cpu_seconds() - begun;
    let value = seconds[REPEATS / 2];
    // The checksum is shown so that the hashing cannot be left out.
    tracing::debug!(checksum, "hashed");
    Ok(vec![Figure {
        name: "one epoch of 100,000 devices scored".to_owned(),
        value,
        unit: "CPU seconds",
        reference: "SHA-256 of every device-hour in the window, CPU seconds",
        reference_value: hashing,
        ratio: value / hashing,
    }])
}

/// CPU time of this thread.
fn cpu_seconds() -> f64 {
    cpu::of_thread().as_secs_f64()
}

/// Transactions of each kind from raw bytes to receipts and state root, beside raw sender recovery of the same ones.
fn ledger() -> Result<Vec<Figure>> {
    let mut figures = Vec::new();
    for workload in [Workload::Mint, Workload::Register, Workload::Lease, Workload::Token] {
        let folder = std::env::temp_dir().join(format!("cairn-bench-{}", std::process::id()));
        std::fs::create_dir_all(&folder).wrap_err("making a folder for the state tree")?;
        let Prepared { ledger, state, parent, blocks } =
            prepare(workload, LEDGER_BLOCKS, LEDGER_BLOCK_TXS);
        let measured = measure(&ledger, state, parent, &blocks, &folder);
        std::fs::remove_dir_all(&folder).wrap_err("removing the state tree's folder")?;
        let measured = measured?;
        let per_tx = |spent: Spent| spent.cpu.as_secs_f64() * 1e6 / measured.transactions as f64;
        let raw = per_tx(measured.raw);
        let figure = |part: &str, spent| Figure {
            name: format!("{}: {part}", workload.name()),
            value: per_tx(spent),
            unit: "CPU us per tx",
            reference: "raw secp256k1 sender recovery, CPU us per tx",
            reference_value: raw,
            ratio: per_tx(spent) / raw,
        };
        figures.extend([
            figure("bytes to receipts and state root", measured.total()),
            figure("of which decoding and recovery", measured.recover),
            figure("of which execution, receipts and roots", measured.execute),
            figure("of which the state tree", measured.tree),
        ]);
        if measured.carried.cpu > Duration::ZERO {
            // Its floor is two signatures: the sender's, and the device's proof of possession.
            let both = raw + per_tx(measured.carried);
            figures.push(Figure {
                reference: "raw secp256k1 recovery and raw Ed25519 verification, CPU us per tx",
                reference_value: both,
                ratio: per_tx(measured.total()) / both,
                ..figure("the same beside both signatures it carries", measured.total())
            });
        }
    }
    Ok(figures)
}

/// The gas of each kind of call beside the gas that its CPU time buys as ECRECOVER.
fn gas() -> Result<Vec<Figure>> {
    let rows = gas_table(LEDGER_BLOCKS, LEDGER_BLOCK_TXS).wrap_err("measuring gas")?;
    Ok(rows
        .iter()
        .map(|row| Figure {
            name: format!("{} ({} CPU ns)", row.workload.name(), row.cpu_ns),
            value: row.gas as f64,
            unit: "gas",
            reference: "gas of ECRECOVERs that take the same CPU time",
            reference_value: row.worth_gas as f64,
            ratio: row.gas as f64 / row.worth_gas.max(1) as f64,
        })
        .collect())
}
