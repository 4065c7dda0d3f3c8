//! A network to test: genesis of some validators, a ledger disk in memory, a pool, transfers.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    num::NonZeroU64,
    sync::{
        Arc, Mutex, MutexGuard,
        atomic::{AtomicU64, Ordering},
    },
};

use alloy_consensus::{
    Header, SignableTransaction as _, Transaction as _, TxEip1559, TxEnvelope,
    transaction::Recovered,
};
use alloy_primitives::{Address, B256, Bytes, KECCAK256_EMPTY, Signature, TxKind, U256, keccak256};
use cairn_consensus::{
    Disk, Entry, FinalBlock, Import, ImportEnd, NetworkIdentity, Pool, Seating, StateDisk,
    TermRules, WRITES_KEPT,
};
use cairn_ledger::{Account, Ledger, Memory, Seat, State, StateError, Writes, decode_transaction};
use cairn_primitives::{
    Digest, EconomyParams, Genesis, GenesisAccount, GenesisValidator, StakeParams,
};
use commonware_codec::Encode as _;
use commonware_cryptography::{Signer as _, ed25519};

/// Network time of block 0.
pub const START_MS: u64 = 1_356_998_400_000;
/// Chain id of the test network.
pub const CHAIN_ID: u64 = 7_331;
/// Base fee that transfers offer to pay.
const FEE: u128 = 1_000_000_000_000;

/// Consensus keys of `n` validators.
pub fn keys(n: u64) -> Vec<ed25519::PrivateKey> {
    (0..n).map(ed25519::PrivateKey::from_seed).collect()
}

/// The account that spends in tests.
pub fn spender() -> k256::ecdsa::SigningKey {
    k256::ecdsa::SigningKey::from_slice(&[7; 32]).unwrap()
}

/// Address of the spender.
pub fn spender_address() -> Address {
    Address::from_private_key(&spender())
}

/// The network of `n` validators, paced at 250 ms and 1 s unless a test changes it.
pub fn identity(n: u64, busy_ms: u64, idle_ms: u64) -> NetworkIdentity {
    let validators = keys(n)
        .iter()
        .enumerate()
        .map(|(i, key)| GenesisValidator {
            name: format!("v{i}"),
            operator: Address::repeat_byte(0xa0 + u8::try_from(i).unwrap()),
            consensus_key: B256::from_slice(&key.public_key().encode()),
            bond_stones: 1_000,
        })
        .collect();
    let genesis = Genesis {
        start_ms: START_MS,
        commit_window_ms: 600_000,
        attest_window_ms: 600_000,
        block_busy_ms: busy_ms,
        block_idle_ms: idle_ms,
        economy: EconomyParams {
            price_micro_usd: 1_000_000,
            cap_stones: 1_000_000 + 1_000 * n + 1_000,
            reserve_stones: 1_000_000,
            grant_stones: 1_000,
            cell_target: 1,
            device_cost_micro_usd_day: 100_000,
            target_cells: 10,
            device_bond_stones: 1,
            vesting_epochs: 2,
            ..EconomyParams::default()
        },
        stake: StakeParams { seats_max: 8, ..StakeParams::default() },
        validators,
        accounts: vec![GenesisAccount {
            name: "spender".to_owned(),
            address: spender_address(),
            stones: 1_000,
        }],
        ..Genesis::empty("test", CHAIN_ID)
    };
    genesis.check().unwrap();
    let hash = Digest::of(&[b"test network", &n.to_be_bytes()]);
    let genesis = Arc::new(genesis);
    let ledger = Ledger::new(Arc::clone(&genesis), hash);
    NetworkIdentity { terms: TermRules::of(&ledger), ledger, genesis, hash }
}

/// The seat of validator `i`, whether genesis knows it or not.
pub fn seat(i: usize) -> Seat {
    let key = ed25519::PrivateKey::from_seed(i as u64).public_key();
    Seat {
        operator: Address::repeat_byte(0xa0 + u8::try_from(i).unwrap()),
        consensus_key: B256::from_slice(&key.encode()),
    }
}

/// Who has a seat when, by the number of the term.
struct Rota<F>(F);

impl<F: Fn(u64) -> Vec<Seat> + Send + Sync + 'static> Seating for Rota<F> {
    fn seats(&self, _: &dyn State, term: u64) -> Result<Option<Vec<Seat>>, StateError> {
        Ok(Some((self.0)(term)))
    }
}

/// Rules by which `seats` says who validates from term 2 on; before it are genesis' validators.
pub fn rota(
    identity: &NetworkIdentity,
    blocks: u64,
    seats: impl Fn(u64) -> Vec<Seat> + Send + Sync + 'static,
) -> TermRules {
    let founders = identity.genesis.validators.len();
    let rota = move |term| if term < 2 { (0..founders).map(seat).collect() } else { seats(term) };
    TermRules::new(NonZeroU64::new(blocks).unwrap(), 8, Arc::new(Rota(rota)))
}

/// A transfer of one base unit by the spender to `to`.
pub fn transfer(nonce: u64, to: Address) -> Recovered<TxEnvelope> {
    let tx = TxEip1559 {
        chain_id: CHAIN_ID,
        nonce,
        gas_limit: 21_000,
        max_fee_per_gas: FEE,
        max_priority_fee_per_gas: 1,
        to: TxKind::Call(to),
        value: U256::ONE,
        ..TxEip1559::default()
    };
    let (signature, recovery) =
        spender().sign_prehash_recoverable(tx.signature_hash().as_slice()).unwrap();
    let signed = tx.into_signed(Signature::from((signature, recovery)));
    Recovered::new_unchecked(TxEnvelope::Eip1559(signed), spender_address())
}

#[derive(Default)]
struct Inner {
    state: Memory,
    head: Option<Header>,
    blocks: BTreeMap<u64, FinalBlock>,
    recent: VecDeque<([u8; 32], Header, Writes)>,
    import: Option<Import>,
    /// Those that came with an imported state.
    certificates: BTreeMap<u64, Vec<u8>>,
    /// Height of the imported state.
    taken: u64,
}

/// A ledger disk in memory that survives its validator, as a disk survives its process.
#[derive(Clone, Default)]
pub struct MemoryDisk {
    inner: Arc<Mutex<Inner>>,
    /// How often consensus asked for a block that was committed already and got it.
    pub replayed: Arc<AtomicU64>,
}

impl MemoryDisk {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap()
    }
    /// The final block at `height`.
    pub fn block(&self, height: u64) -> Option<FinalBlock> {
        self.lock().blocks.get(&height).cloned()
    }
    /// Height of the head.
    pub fn height(&self) -> u64 {
        self.lock().head.as_ref().map_or(0, |head| head.number)
    }
    /// What the spender paid so far to `address`.
    pub fn balance(&self, address: Address) -> U256 {
        self.lock().state.account(address).unwrap().unwrap_or_default().balance
    }
    /// The certificate that came with an imported state for the last block of a term.
    pub fn handover(&self, height: u64) -> Option<Vec<u8>> {
        self.lock().certificates.get(&height).cloned()
    }
    /// Height of the state that was imported; 0 of a disk that has executed everything.
    pub fn taken(&self) -> u64 {
        self.lock().taken
    }
    /// The whole state.
    pub fn state(&self) -> Memory {
        self.lock().state.clone()
    }
    /// Nothing is on it any more.
    pub fn empty(&self) {
        *self.lock() = Inner::default();
    }
    /// Goes back to what a backup taken at `height` holds.
    pub fn restore(&self, height: u64) {
        let blocks = std::mem::take(&mut *self.lock()).blocks;
        for (_, block) in blocks.into_iter().take_while(|(number, _)| *number <= height) {
            self.commit(block).unwrap();
        }
    }
}

impl State for MemoryDisk {
    fn account(&self, address: Address) -> Result<Option<Account>, StateError> {
        self.lock().state.account(address)
    }
    fn slot(&self, address: Address, slot: U256) -> Result<U256, StateError> {
        self.lock().state.slot(address, slot)
    }
    fn code(&self, hash: B256) -> Result<Bytes, StateError> {
        self.lock().state.code(hash)
    }
    fn block_hash(&self, number: u64) -> Result<B256, StateError> {
        self.lock().state.block_hash(number)
    }
}

impl Disk for MemoryDisk {
    fn head(&self) -> Result<Option<Header>, StateError> {
        Ok(self.lock().head.clone())
    }

    fn writes_of(&self, digest: [u8; 32]) -> Result<Option<(Header, Writes)>, StateError> {
        let inner = self.lock();
        let found = inner.recent.iter().find(|(other, _, _)| *other == digest);
        let found = found.map(|(_, header, writes)| (header.clone(), writes.clone()));
        self.replayed.fetch_add(u64::from(found.is_some()), Ordering::Relaxed);
        Ok(found)
    }

    fn digest_at(&self, height: u64) -> Result<Option<[u8; 32]>, StateError> {
        let inner = self.lock();
        let kept = inner.recent.iter().find(|(_, header, _)| header.number == height);
        Ok(kept.map(|(digest, _, _)| *digest))
    }

    fn certificate(&self, height: u64) -> Result<Option<Vec<u8>>, StateError> {
        let inner = self.lock();
        let block = inner.blocks.get(&height).map(|block| block.certificate.clone());
        Ok(block.or_else(|| inner.certificates.get(&height).cloned()))
    }

    fn commit(&self, block: FinalBlock) -> Result<(), StateError> {
        let mut inner = self.lock();
        let next = inner.head.as_ref().map_or(0, |head| head.number + 1);
        assert_eq!(block.header.number, next, "blocks are committed once and in order");
        if let Some(head) = &inner.head {
            assert_eq!(block.header.parent_hash, head.hash_slow(), "a block extends the head");
        }
        inner.state.apply(&block.writes);
        inner.state.hashes.insert(block.header.number, block.header.hash_slow());
        inner.recent.push_back((block.digest, block.header.clone(), block.writes.clone()));
        if inner.recent.len() as u64 > WRITES_KEPT {
            inner.recent.pop_front();
        }
        inner.head = Some(block.header.clone());
        inner.blocks.insert(block.header.number, block);
        Ok(())
    }
}

impl StateDisk for MemoryDisk {
    fn import(&self) -> Result<Option<Import>, StateError> {
        Ok(self.lock().import.clone())
    }
    fn import_begin(&self, anchor: &[u8]) -> Result<(), StateError> {
        let mut inner = self.lock();
        assert!(inner.head.is_none(), "a state is taken into an empty disk");
        let import = Import { anchor: anchor.to_vec(), after: Vec::new(), entries: 0 };
        (inner.state, inner.import) = (Memory::default(), Some(import));
        Ok(())
    }
    fn import_entries(&self, page: &[Entry], after: &[u8], entries: u64) -> Result<(), StateError> {
        let mut inner = self.lock();
        for entry in page {
            let twice = match entry {
                Entry::Account(address, account) => {
                    inner.state.accounts.insert(*address, *account).is_some()
                }
                Entry::Slot(address, slot, value) => {
                    inner.state.slots.insert((*address, *slot), *value).is_some()
                }
            };
            assert!(!twice, "an entry is taken once");
        }
        let import = inner.import.as_mut().expect("an import has begun");
        (import.after, import.entries) = (after.to_vec(), entries);
        Ok(())
    }
    fn import_codes_missing(&self) -> Result<Vec<B256>, StateError> {
        let inner = self.lock();
        let used = inner.state.accounts.values().map(|account| account.code_hash);
        let missing: std::collections::BTreeSet<B256> = used
            .filter(|hash| *hash != KECCAK256_EMPTY && !inner.state.codes.contains_key(hash))
            .collect();
        Ok(missing.into_iter().collect())
    }
    fn import_codes(&self, codes: &[bytes::Bytes]) -> Result<(), StateError> {
        for code in codes {
            self.lock().state.codes.insert(keccak256(code), code.clone().into());
        }
        Ok(())
    }
    fn import_end(&self, end: ImportEnd) -> Result<(), StateError> {
        let mut inner = self.lock();
        for header in &end.headers {
            inner.state.hashes.insert(header.number, header.hash_slow());
        }
        inner.certificates = end.handovers.into_iter().collect();
        let head = end.headers.last().map_or(0, |head| head.number);
        inner.certificates.insert(head, end.certificate);
        inner.taken = head;
        inner.head = end.headers.last().cloned();
        inner.import = None;
        Ok(())
    }
}

/// A pool in memory: first come, first tried.
#[derive(Clone, Default)]
pub struct MemoryPool(Arc<Mutex<Vec<Recovered<TxEnvelope>>>>);

impl MemoryPool {
    /// Adds a transaction.
    pub fn push(&self, tx: Recovered<TxEnvelope>) {
        self.0.lock().unwrap().push(tx);
    }
}

impl Pool for MemoryPool {
    fn candidates(&self, _: u64, limit: usize) -> Vec<Recovered<TxEnvelope>> {
        self.0.lock().unwrap().iter().take(limit).cloned().collect()
    }
    fn is_empty(&self) -> bool {
        self.0.lock().unwrap().is_empty()
    }
    fn gossiped(&self, raws: &[bytes::Bytes]) {
        for raw in raws {
            let tx = decode_transaction(raw).unwrap();
            let known = self.0.lock().unwrap().iter().any(|other| other.tx_hash() == tx.tx_hash());
            if !known {
                self.push(tx);
            }
        }
    }
    fn waiting(&self, hash: &B256) -> Option<Recovered<TxEnvelope>> {
        self.0.lock().unwrap().iter().find(|tx| tx.tx_hash() == hash).cloned()
    }
    /// What the same sender signed with the same nonce is gone as well.
    fn finalized(&self, transactions: &[B256]) {
        let mut waiting = self.0.lock().unwrap();
        let used: BTreeSet<(Address, u64)> = waiting
            .iter()
            .filter(|tx| transactions.contains(tx.tx_hash()))
            .map(|tx| (tx.signer(), tx.nonce()))
            .collect();
        waiting.retain(|tx| !used.contains(&(tx.signer(), tx.nonce())));
    }
}
