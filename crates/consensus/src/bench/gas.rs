//! Is the gas of native calls what they cost? CPU time above a plain transfer, per gas above a plain transfer, beside
//! ECRECOVER, whose price everybody knows, and beside Solidity on this same machine.

use alloy_primitives::Address;
use bytes::Bytes;
use cairn_ledger::{BlockError, Executed};

use super::{BenchError, Stopwatch, workloads};
use crate::application::recover;

pub use workloads::Workload;

/// One kind of call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GasRow {
    /// What is called.
    pub workload: Workload,
    /// Gas of one, above that of a transfer of stones.
    pub gas: u64,
    /// CPU nanoseconds of one, above those of a transfer of stones; execution alone, without recovery and state tree.
    pub cpu_ns: u64,
    /// Gas that the same CPU time costs as ECRECOVER, the reference: 3,000 for one.
    pub worth_gas: u64,
}

impl GasRow {
    /// Gas charged per gas that the CPU time is worth, in thousandths: below 1,000 a call is too cheap.
    #[must_use]
    pub const fn charged_permille(&self) -> u64 {
        match (self.gas * 1_000).checked_div(self.worth_gas) {
            Some(permille) => permille,
            None => u64::MAX,
        }
    }
}

/// Measures every workload over `blocks` blocks of `per_block` transactions.
///
/// # Errors
/// When the system does not tell CPU time.
pub fn gas_table(blocks: u64, per_block: u64) -> Result<Vec<GasRow>, BenchError> {
    let base = execute(Workload::Transfer, blocks, per_block)?;
    let mut rows = Vec::new();
    for workload in Workload::ALL.into_iter().skip(1) {
        let (gas, ns) = execute(workload, blocks, per_block)?;
        let (gas, cpu_ns) = (gas.saturating_sub(base.0), ns.saturating_sub(base.1));
        rows.push(GasRow { workload, gas, cpu_ns, worth_gas: 0 });
    }
    let reference = rows.iter().find(|row| row.workload == Workload::Recover).copied();
    let (gas, ns) = reference.map_or((1, 1), |row| (row.gas, row.cpu_ns.max(1)));
    for row in &mut rows {
        row.worth_gas = row.cpu_ns.saturating_mul(gas) / ns;
    }
    Ok(rows)
}

/// Gas and CPU nanoseconds of one transaction's execution.
fn execute(workload: Workload, blocks: u64, per_block: u64) -> Result<(u64, u64), BenchError> {
    let mut prepared = workloads::prepare(workload, blocks, per_block);
    let (mut gas, mut nanos, mut count) = (0_u64, 0_u128, 0_u64);
    for (number, raw) in prepared.blocks.iter().enumerate() {
        let raw: Vec<Bytes> = raw.iter().map(|raw| Bytes::copy_from_slice(raw)).collect();
        let transactions = recover(&raw).ok_or(BenchError::Malformed(number))?;
        let parent = &prepared.parent;
        let env = prepared.ledger.next_env(parent, cairn_ledger::time_of(parent), Address::ZERO);
        let watch = Stopwatch::start();
        let executed: Result<Executed, BlockError> =
            prepared.ledger.verify(&prepared.state, &env, transactions);
        let spent = watch.stop();
        let executed = executed.map_err(|source| BenchError::Block { block: number, source })?;
        nanos += spent.cpu.as_nanos();
        gas += executed.gas_used.iter().sum::<u64>();
        count += executed.gas_used.len() as u64;
        prepared.state.apply(&executed.writes);
        prepared.parent = executed.header(&env, alloy_primitives::B256::ZERO);
        let head = &prepared.parent;
        prepared.state.hashes.insert(head.number, head.hash_slow());
    }
    let nanos = u64::try_from(nanos).unwrap_or(u64::MAX);
    Ok((gas / count.max(1), nanos / count.max(1)))
}
