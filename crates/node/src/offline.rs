//! The ledger of a stopped node, read from its folder: what `cairn audit --dir` and `cairn check-state` need.
//!
//! It answers the same questions as a node over JSON-RPC (`client::LedgerRead`), from the same files, with the same code.
//! It never writes; a folder that a running node uses is refused.

use std::{path::Path, sync::Arc};

use alloy_primitives::{Address, Bytes};
use alloy_rpc_types_eth::{Filter, FilterSet, TransactionRequest};
use cairn_client::{BlockTag, ClientError, Head, LedgerRead, LogFilter, LogRecord, Revert};
use cairn_ledger::{CallError, CallOutcome, Ledger, State as _, StateError, Violation, time_of};
use cairn_primitives::{Digest, Genesis, Stones};

use crate::{
    disk::{DiskError, RedbDisk, Snapshot},
    rpc::logs_of,
};

/// A stopped node's ledger.
#[derive(Clone, Debug)]
pub struct OfflineLedger {
    ledger: Ledger,
    disk: RedbDisk,
}

impl OfflineLedger {
    /// Opens the data folder of a stopped node of the network with this genesis; `hash` is the hash of its text.
    ///
    /// # Errors
    /// When there is no ledger, it is another network's, is damaged, or the node runs.
    pub fn open(folder: &Path, genesis: Arc<Genesis>, hash: Digest) -> Result<Self, DiskError> {
        let disk = RedbDisk::open_stopped(folder, Some(hash))?;
        Ok(Self { ledger: Ledger::new(genesis, hash), disk })
    }

    /// The disk itself: blocks, receipts, certificates.
    #[must_use]
    pub const fn disk(&self) -> &RedbDisk {
        &self.disk
    }

    /// Looks for broken invariants in the state after the last block; none found means a sound ledger.
    ///
    /// # Errors
    /// When the state cannot be read.
    pub fn check(&self) -> Result<Vec<Violation>, StateError> {
        let snapshot = self.disk.snapshot();
        match snapshot.head() {
            Some((_, head)) => self.ledger.check(&*snapshot, time_of(head)),
            None => Ok(Vec::new()),
        }
    }

    fn height(snapshot: &Snapshot, at: BlockTag) -> u64 {
        match at {
            BlockTag::Latest => snapshot.height(),
            BlockTag::Number(height) => height,
        }
    }

    fn call(&self, to: Address, data: Bytes, at: BlockTag) -> Result<Bytes, ClientError> {
        let snapshot = self.disk.snapshot();
        let height = Self::height(&snapshot, at);
        let state = snapshot.at(height).map_err(store)?;
        let (_, header) = snapshot.header(height).map_err(store)?.ok_or_else(|| missing(height))?;
        let request = TransactionRequest::default().to(to).input(data.into());
        match self.ledger.call(&state, &self.ledger.env_of(&header), &request, None) {
            Ok(CallOutcome::Success { output, .. }) => Ok(output),
            Ok(CallOutcome::Revert { output, .. }) => {
                Err(ClientError::Reverted(Box::new(Revert::decode(Some(to), output))))
            }
            Ok(CallOutcome::Halt { reason, .. }) => {
                Err(refused(format!("execution halted: {reason:?}")))
            }
            Err(CallError::State(error)) => Err(store(error)),
            Err(error) => Err(refused(error.to_string())),
        }
    }

    fn find_head(&self, at: BlockTag) -> Result<Option<Head>, ClientError> {
        let snapshot = self.disk.snapshot();
        let found = snapshot.header(Self::height(&snapshot, at)).map_err(store)?;
        Ok(found.map(|(hash, header)| Head {
            number: header.number,
            hash,
            time: time_of(&header),
            base_fee: header.base_fee_per_gas.unwrap_or_default(),
            state_root: header.state_root,
            gas_used: header.gas_used,
        }))
    }

    fn find_balance(&self, account: Address, at: BlockTag) -> Result<Stones, ClientError> {
        let snapshot = self.disk.snapshot();
        let state = snapshot.at(Self::height(&snapshot, at)).map_err(store)?;
        let balance = state.account(account).map_err(store)?.unwrap_or_default().balance;
        u128::try_from(balance)
            .map(Stones)
            .map_err(|_| refused(format!("a balance of {balance} is above any cap")))
    }

    fn find_logs(&self, wanted: &LogFilter) -> Result<Vec<LogRecord>, ClientError> {
        let snapshot = self.disk.snapshot();
        let last = wanted.to.unwrap_or(u64::MAX).min(snapshot.height());
        let mut filter = Filter::new();
        if let Some(address) = wanted.address {
            filter = filter.address(address);
        }
        for (slot, topic) in filter.topics.iter_mut().zip(&wanted.topics) {
            if let Some(topic) = topic {
                *slot = FilterSet::from(*topic);
            }
        }
        let mut records = Vec::new();
        for height in wanted.from..=last {
            for log in logs_of(&snapshot, &filter, height).map_err(store)? {
                records.push(LogRecord {
                    address: log.inner.address,
                    topics: log.inner.data.topics().to_vec(),
                    data: log.inner.data.data.clone(),
                    block: height,
                    transaction: log.transaction_hash.unwrap_or_default(),
                    index: log.log_index.unwrap_or_default(),
                });
            }
        }
        Ok(records)
    }
}

impl LedgerRead for OfflineLedger {
    async fn eth_call(&self, to: Address, data: Bytes, at: BlockTag) -> Result<Bytes, ClientError> {
        self.call(to, data, at)
    }
    async fn head(&self, at: BlockTag) -> Result<Option<Head>, ClientError> {
        self.find_head(at)
    }
    async fn balance(&self, account: Address, at: BlockTag) -> Result<Stones, ClientError> {
        self.find_balance(account, at)
    }
    async fn logs(&self, filter: LogFilter) -> Result<Vec<LogRecord>, ClientError> {
        self.find_logs(&filter)
    }
}

/// The whole chain of an error in one line: `ClientError::Store` has no source.
fn store(error: impl std::error::Error) -> ClientError {
    let mut reason = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        reason = format!("{reason}: {cause}");
        next = cause.source();
    }
    ClientError::Store { reason }
}

fn refused(reason: String) -> ClientError {
    ClientError::Store { reason }
}

fn missing(height: u64) -> ClientError {
    refused(format!("there is no block {height}"))
}

#[cfg(test)]
mod tests {
    use alloy_primitives::U256;
    use cairn_client::{Call, NativeError, Reads as _};
    use cairn_primitives::abi::{CREDITS, ICredits};

    use super::*;
    use crate::chain::{TestChain, stones};

    #[tokio::test]
    async fn a_stopped_node_answers_as_a_running_one() {
        let chain = TestChain::new();
        let mint =
            Call::new(CREDITS, &ICredits::mintCall {}).with_value(Stones(cairn_primitives::STONE));
        let hash = chain.send(&chain.alice, &mint).unwrap();
        chain.mine();
        chain.mine();
        let (alice, genesis) = (chain.alice.address(), Arc::clone(&chain.genesis));
        let refused =
            OfflineLedger::open(chain.folder.path(), Arc::clone(&genesis), chain.disk.genesis());
        assert!(matches!(refused, Err(DiskError::InUse { .. })));
        let folder = chain.stop();
        let ledger =
            OfflineLedger::open(folder.path(), genesis, Genesis::hash_of_text("test")).unwrap();
        assert_eq!(ledger.check().unwrap(), []);
        assert_eq!(ledger.latest().await.unwrap().number, 2);
        let balance = ICredits::balanceOfCall { account: alice };
        for (at, expected) in [(BlockTag::Latest, 500_000), (BlockTag::Number(0), 0)] {
            let credits = ledger.view(CREDITS, balance.clone(), at).await.unwrap();
            assert_eq!(credits, U256::from(expected));
        }
        assert!(ledger.head(BlockTag::Number(3)).await.unwrap().is_none());
        assert_eq!(
            U256::from(ledger.balance(alice, BlockTag::Number(0)).await.unwrap().0),
            stones(1_000_000)
        );
        let minted = <ICredits::Minted as alloy_sol_types::SolEvent>::SIGNATURE_HASH;
        let filter = LogFilter { topics: vec![Some(minted)], ..LogFilter::default() };
        let logs = ledger.logs(filter).await.unwrap();
        assert_eq!((logs.len(), logs[0].transaction, logs[0].block), (1, hash, 1));
        let forbidden = ICredits::transferCall { to: alice, value: U256::from(1) };
        let reverted = ledger.view(CREDITS, forbidden, BlockTag::Latest).await.unwrap_err();
        let ClientError::Reverted(revert) = reverted else { panic!("{reverted}") };
        assert!(matches!(revert.error, Some(NativeError::Credits(_))), "{revert}");
    }
}
