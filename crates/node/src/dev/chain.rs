//! The chain itself: blocks on demand, time at will, states to come back to.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{SystemTime, UNIX_EPOCH},
};

use alloy_consensus::{
    Header, SignableTransaction as _, TxEip1559, TxEnvelope, transaction::Recovered,
};
use alloy_eips::eip2718::Encodable2718 as _;
use alloy_primitives::{Address, B256, Bytes, Signature, TxKind, U256};
use alloy_rpc_types_eth::TransactionRequest;
use cairn_client::{Wallet, WalletError};
use cairn_consensus::{Disk as _, FinalBlock, Pool as _};
use cairn_ledger::{
    Account, CallError, Ledger, State as _, StateError, TxError, Writes, params::BLOCK_TXS_MAX,
    time_of,
};
use cairn_primitives::TimeMs;
use tokio::sync::{broadcast, watch};

use crate::{
    disk::{DiskError, RedbDisk},
    pool::{Rejection, TxPool},
};

/// States that can be remembered at once.
const SNAPSHOTS_MAX: usize = 4_096;
/// Blocks of one `hardhat_mine`.
pub(super) const MINE_MAX: u64 = 100_000;
/// Gas of the smallest block: one transfer, which costs this much.
const BLOCK_GAS_MIN: u64 = 21_000;

/// Why a development chain refuses.
#[derive(Debug, thiserror::Error)]
pub enum DevError {
    /// The store.
    #[error(transparent)]
    Disk(#[from] DiskError),
    /// The state.
    #[error(transparent)]
    State(#[from] StateError),
    /// The pool refuses the transaction.
    #[error(transparent)]
    Pool(#[from] Rejection),
    /// No block may include the transaction.
    #[error(transparent)]
    Dropped(#[from] TxError),
    /// The request cannot run.
    #[error(transparent)]
    Call(#[from] CallError),
    /// The key cannot sign.
    #[error(transparent)]
    Wallet(#[from] WalletError),
    /// Nobody's key is here.
    #[error("no key of {0} is here: use one of eth_accounts, or hardhat_impersonateAccount first")]
    UnknownAccount(Address),
    /// Typed data that is not of its types.
    #[error("typed data: {0}")]
    TypedData(String),
    /// A block in which nothing fits.
    #[error("the block gas limit is {asked}: at least {least}", least = BLOCK_GAS_MIN)]
    BlockGas {
        /// What was asked for.
        asked: u64,
    },
    /// A time before the last block's.
    #[error("timestamp is {asked}: it must be above the last block's, {last}")]
    TimeInThePast {
        /// Seconds asked for.
        asked: u64,
        /// Seconds of the last block.
        last: u64,
    },
    /// Too much at once.
    #[error("{what} is {value}: at most {most}")]
    TooMany {
        /// What.
        what: &'static str,
        /// How many.
        value: u64,
        /// How many may be.
        most: u64,
    },
}

/// A state to come back to.
struct Remembered {
    id: u64,
    height: u64,
    offset_ms: i64,
}

struct Inner {
    automine: bool,
    /// Network time is wall time plus this.
    offset_ms: i64,
    /// Time, base fee and `prevrandao` of the next block only.
    next_time: Option<TimeMs>,
    next_base_fee: Option<u64>,
    next_prevrandao: Option<B256>,
    /// Gas of each block from now on, else genesis'.
    block_gas: Option<u64>,
    coinbase: Address,
    remembered: Vec<Remembered>,
    next_id: u64,
    impersonated: BTreeSet<Address>,
    impersonate_all: bool,
}

/// A development chain; clones share it.
#[derive(Clone)]
pub struct DevChain {
    ledger: Ledger,
    disk: RedbDisk,
    pool: TxPool,
    wallets: Arc<[Wallet]>,
    inner: Arc<Mutex<Inner>>,
    interval: watch::Sender<u64>,
}

impl DevChain {
    pub(super) fn new(ledger: Ledger, disk: RedbDisk, pool: TxPool, wallets: Vec<Wallet>) -> Self {
        let inner = Inner {
            automine: true,
            offset_ms: 0,
            next_time: None,
            next_base_fee: None,
            next_prevrandao: None,
            block_gas: None,
            coinbase: Address::ZERO,
            remembered: Vec::new(),
            next_id: 1,
            impersonated: BTreeSet::new(),
            impersonate_all: false,
        };
        let inner = Arc::new(Mutex::new(inner));
        Self { ledger, disk, pool, wallets: wallets.into(), inner, interval: watch::Sender::new(0) }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // Settings are plain values, whole after every step.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The accounts whose keys are here.
    #[must_use]
    pub fn accounts(&self) -> Vec<Address> {
        self.wallets.iter().map(Wallet::address).collect()
    }

    pub(super) fn wallets(&self) -> &[Wallet] {
        &self.wallets
    }

    /// Genesis' chain id.
    pub(super) fn chain_id(&self) -> u64 {
        self.ledger.genesis().chain_id
    }

    /// Wall milliseconds between blocks that come by themselves; 0: none do.
    pub(super) fn interval(&self) -> watch::Receiver<u64> {
        self.interval.subscribe()
    }

    pub(super) fn set_interval(&self, every_ms: u64) {
        self.interval.send_replace(every_ms);
    }

    /// Makes a block of what waits.
    ///
    /// # Errors
    /// When the store cannot be used.
    pub fn mine(&self) -> Result<u64, DevError> {
        let mut inner = self.lock();
        Ok(self.block(&mut inner, Vec::new(), Writes::default())?.number)
    }

    /// Makes a block if something waits for one and blocks are not to wait; the height.
    pub(super) fn mine_waiting(&self) -> Result<u64, DevError> {
        let mut inner = self.lock();
        if !inner.automine || self.pool.is_empty() {
            return Ok(self.head()?.number);
        }
        Ok(self.block(&mut inner, Vec::new(), Writes::default())?.number)
    }

    /// Tells of each transaction that comes into the pool.
    pub(super) fn inserted(&self) -> broadcast::Receiver<Bytes> {
        self.pool.on_insert()
    }

    /// Makes `count` blocks, each `interval_s` seconds after the one before.
    pub(super) fn mine_many(&self, count: u64, interval_s: u64) -> Result<(), DevError> {
        if count > MINE_MAX {
            return Err(DevError::TooMany { what: "blocks", value: count, most: MINE_MAX });
        }
        let mut inner = self.lock();
        for done in 0..count {
            if done > 0 && inner.next_time.is_none() {
                let last = time_of(&self.head()?);
                inner.next_time = Some(TimeMs(last.0.saturating_add(interval_s * 1_000)));
            }
            self.block(&mut inner, Vec::new(), Writes::default())?;
        }
        Ok(())
    }

    /// A block with state changes that no transaction made: `hardhat_setBalance` and the like.
    pub(super) fn change(
        &self,
        change: impl FnOnce(&RedbDisk, &mut Writes) -> Result<(), StateError>,
    ) -> Result<(), DevError> {
        let mut inner = self.lock();
        let mut writes = Writes::default();
        change(&self.disk, &mut writes)?;
        self.block(&mut inner, Vec::new(), writes).map(|_| ())
    }

    /// Changes one account's fields.
    pub(super) fn change_account(
        &self,
        address: Address,
        change: impl FnOnce(&mut Account),
    ) -> Result<(), DevError> {
        self.change(|state, writes| {
            let mut account = state.account(address)?.unwrap_or_default();
            change(&mut account);
            writes.accounts.insert(address, Some(account));
            Ok(())
        })
    }

    /// Takes a signed transaction, and makes a block unless blocks wait to be asked for.
    pub(super) fn send_raw(&self, raw: &[u8]) -> Result<B256, DevError> {
        let hash = self.pool.submit(raw)?;
        let mut inner = self.lock();
        if inner.automine {
            self.block(&mut inner, Vec::new(), Writes::default())?;
        }
        Ok(hash)
    }

    /// Fills, signs and sends the request of an account whose key is here, or that is impersonated.
    pub(super) fn send(&self, request: &TransactionRequest) -> Result<B256, DevError> {
        let from = request.from.unwrap_or_else(|| self.wallets[0].address());
        let transaction = self.fill(request, from)?;
        if let Some(wallet) = self.wallets.iter().find(|wallet| wallet.address() == from) {
            let signature = wallet.sign_hash(&transaction.signature_hash())?;
            let signed = TxEnvelope::Eip1559(transaction.into_signed(signature));
            return self.send_raw(&signed.encoded_2718());
        }
        let mut inner = self.lock();
        if !inner.impersonate_all && !inner.impersonated.contains(&from) {
            return Err(DevError::UnknownAccount(from));
        }
        // Nobody can sign for it: the signature only makes the hash its own.
        let signature = Signature::new(from.into_word().into(), U256::ONE, false);
        let signed = TxEnvelope::Eip1559(transaction.into_signed(signature));
        let hash = *signed.tx_hash();
        self.block(&mut inner, vec![Recovered::new_unchecked(signed, from)], Writes::default())?;
        Ok(hash)
    }

    fn fill(&self, request: &TransactionRequest, from: Address) -> Result<TxEip1559, DevError> {
        let head = self.head()?;
        let env = self.ledger.next_env(&head, time_of(&head), Address::ZERO);
        let request = TransactionRequest { from: Some(from), ..request.clone() };
        let waiting = self.pool.next_nonce(from);
        let nonce = self.disk.account(from)?.unwrap_or_default().nonce;
        let gas_limit = match request.gas {
            Some(gas) => gas,
            None => self.ledger.estimate_gas(&self.disk, &env, &request, None)?,
        };
        let base_fee = u128::from(self.lock().next_base_fee.unwrap_or(env.base_fee));
        let tip = request.max_priority_fee_per_gas.or(request.gas_price.map(|_| 0)).unwrap_or(1);
        Ok(TxEip1559 {
            chain_id: self.chain_id(),
            nonce: request.nonce.unwrap_or(waiting.unwrap_or_default().max(nonce)),
            gas_limit,
            max_fee_per_gas: request
                .max_fee_per_gas
                .or(request.gas_price)
                .unwrap_or(base_fee * 2 + tip),
            max_priority_fee_per_gas: tip,
            to: request.to.unwrap_or(TxKind::Create),
            value: request.value.unwrap_or_default(),
            access_list: request.access_list.unwrap_or_default(),
            input: request.input.into_input().unwrap_or_default(),
        })
    }

    /// Remembers the state and returns its number.
    pub(super) fn snapshot(&self) -> Result<u64, DevError> {
        let height = self.head()?.number;
        let mut inner = self.lock();
        if inner.remembered.len() >= SNAPSHOTS_MAX {
            inner.remembered.remove(0);
        }
        let (id, offset_ms) = (inner.next_id, inner.offset_ms);
        inner.next_id += 1;
        inner.remembered.push(Remembered { id, height, offset_ms });
        Ok(id)
    }

    /// Goes back to a remembered state; it and all later ones are forgotten. Whether there was one.
    pub(super) fn revert(&self, id: u64) -> Result<bool, DevError> {
        let mut inner = self.lock();
        let Some(at) = inner.remembered.iter().position(|state| state.id == id) else {
            return Ok(false);
        };
        let Remembered { height, offset_ms, .. } = inner.remembered.swap_remove(at);
        inner.remembered.truncate(at);
        self.disk.rewind(height)?;
        self.forget(&mut inner, offset_ms);
        Ok(true)
    }

    /// Goes back to block 0.
    pub(super) fn reset(&self) -> Result<(), DevError> {
        let mut inner = self.lock();
        self.disk.rewind(0)?;
        inner.remembered.clear();
        inner.automine = true;
        inner.block_gas = None;
        self.forget(&mut inner, 0);
        Ok(())
    }

    fn forget(&self, inner: &mut Inner, offset_ms: i64) {
        inner.offset_ms = offset_ms;
        inner.next_time = None;
        inner.next_base_fee = None;
        inner.next_prevrandao = None;
        // What waits in the pool was meant for blocks that are gone.
        self.pool.clear();
    }

    /// Moves time forward, from the last block's on where several in one second are ahead of the wall's: the next block is at
    /// least so much later. Seconds by which it differs from the wall's afterwards.
    pub(super) fn increase_time(&self, seconds: u64) -> Result<i64, DevError> {
        let mut inner = self.lock();
        let (wall, head) = (wall_ms(), time_of(&self.head()?).0);
        let now = wall.saturating_add_signed(inner.offset_ms).max(head);
        let then = now.saturating_add(seconds.saturating_mul(1_000));
        inner.offset_ms = difference(then, wall);
        Ok(inner.offset_ms / 1_000)
    }

    /// Sets the time of the next block; time goes on from there.
    pub(super) fn set_next_time(&self, seconds: u64) -> Result<(), DevError> {
        let last = time_of(&self.head()?).0;
        let asked = seconds.saturating_mul(1_000);
        if asked <= last {
            return Err(DevError::TimeInThePast { asked: seconds, last: last / 1_000 });
        }
        self.lock().next_time = Some(TimeMs(asked));
        Ok(())
    }

    pub(super) fn set_next_base_fee(&self, fee: u64) {
        self.lock().next_base_fee = Some(fee);
    }
    pub(super) fn set_next_prevrandao(&self, value: B256) {
        self.lock().next_prevrandao = Some(value);
    }
    /// Sets the gas of every block from now on.
    pub(super) fn set_block_gas(&self, asked: u64) -> Result<(), DevError> {
        if asked < BLOCK_GAS_MIN {
            return Err(DevError::BlockGas { asked });
        }
        self.lock().block_gas = Some(asked);
        Ok(())
    }
    /// Whether this transaction waited; it does not any more.
    pub(super) fn drop_transaction(&self, hash: B256) -> bool {
        self.pool.remove(hash)
    }
    pub(super) fn set_coinbase(&self, account: Address) {
        self.lock().coinbase = account;
    }
    pub(super) fn set_automine(&self, on: bool) {
        self.lock().automine = on;
    }
    pub(super) fn automine(&self) -> bool {
        self.lock().automine
    }
    pub(super) fn impersonate(&self, account: Address, on: bool) {
        let mut inner = self.lock();
        if on {
            inner.impersonated.insert(account);
        } else {
            inner.impersonated.remove(&account);
        }
    }
    pub(super) fn impersonate_all(&self, on: bool) {
        self.lock().impersonate_all = on;
    }

    /// What tells this chain from every other: block 0's hash.
    pub(super) fn instance(&self) -> B256 {
        self.ledger.genesis_header(B256::ZERO).hash_slow()
    }

    /// The last block's header.
    pub(super) fn head(&self) -> Result<Header, DevError> {
        let snapshot = self.disk.snapshot();
        let head = snapshot.head().map(|(_, header)| header.clone());
        head.ok_or(DevError::Disk(DiskError::UnknownBlock { height: 0 }))
    }

    /// Builds and keeps a block of `first`, what waits in the pool, and `more` state changes.
    fn block(
        &self,
        inner: &mut Inner,
        first: Vec<Recovered<TxEnvelope>>,
        more: Writes,
    ) -> Result<Header, DevError> {
        let parent = self.head()?;
        let time = self.time(inner, time_of(&parent));
        let mut env = self.ledger.next_env(&parent, time, inner.coinbase);
        env.base_fee = inner.next_base_fee.take().unwrap_or(env.base_fee);
        env.prevrandao = inner.next_prevrandao.take().unwrap_or(env.prevrandao);
        env.gas_limit = inner.block_gas.unwrap_or(env.gas_limit);
        let asked: Vec<B256> = first.iter().map(|tx| *tx.tx_hash()).collect();
        let waiting = self.pool.candidates(env.base_fee, BLOCK_TXS_MAX);
        let mut built = self.ledger.build(&self.disk, &env, first.into_iter().chain(waiting))?;
        let refused = built.dropped.iter().position(|(hash, _)| asked.contains(hash));
        if let Some(at) = refused {
            return Err(built.dropped.swap_remove(at).1.into());
        }
        built.writes.merge(more);
        let header = built.header(&env, B256::ZERO);
        let hashes: Vec<B256> = built.transactions.iter().map(|tx| *tx.tx_hash()).collect();
        self.disk.commit(FinalBlock {
            header: header.clone(),
            digest: header.hash_slow().0,
            transactions: built.transactions,
            receipts: built.receipts,
            gas_used: built.gas_used,
            writes: built.writes,
            certificate: Vec::new(),
        })?;
        self.pool.finalized(&hashes);
        Ok(header)
    }

    /// The time of the next block: what was asked for, else the wall's with its offset, at least one second after the parent's:
    /// contract tests count on seconds that grow.
    fn time(&self, inner: &mut Inner, parent: TimeMs) -> TimeMs {
        let wall = wall_ms();
        if let Some(asked) = inner.next_time.take() {
            inner.offset_ms = difference(asked.0, wall);
            return asked;
        }
        let next_second = (parent.0 / 1_000 + 1) * 1_000;
        TimeMs(wall.saturating_add_signed(inner.offset_ms).max(next_second))
    }
}

fn wall_ms() -> u64 {
    let wall = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
    u64::try_from(wall).unwrap_or(u64::MAX)
}

fn difference(time: u64, wall: u64) -> i64 {
    i64::try_from(i128::from(time) - i128::from(wall)).unwrap_or(i64::MAX)
}
