//! For tests: a ledger on a real disk with a pool, and blocks made by hand from it. No consensus, no sockets.

use std::{sync::Arc, time::Duration};

use alloy_consensus::Header;
use alloy_primitives::{Address, B256, Bytes, U256};
use cairn_client::{Call, DevKeys, Fees, Role, Wallet};
use cairn_consensus::{Disk as _, FinalBlock, Pool as _};
use cairn_kit::{NetworkClock, metrics::Metrics};
use cairn_ledger::Ledger;
use cairn_primitives::{
    EconomyParams, Genesis, GenesisAccount, GenesisIngest, GenesisValidator, SecretKey, TimeMs,
};
use tempfile::TempDir;

use crate::{
    disk::{DiskConfig, RedbDisk},
    pool::{Rejection, TxPool},
    rpc::{Patience, RpcConfig, RpcParts},
};

pub(crate) const CHAIN_ID: u64 = 7_777;
pub(crate) const GWEI: u128 = 1_000_000_000;
const START_MS: u64 = 1_357_000_000_000;

pub(crate) struct TestChain {
    pub(crate) folder: TempDir,
    pub(crate) ledger: Ledger,
    pub(crate) genesis: Arc<Genesis>,
    pub(crate) disk: RedbDisk,
    pub(crate) pool: TxPool,
    pub(crate) clock: NetworkClock,
    pub(crate) alice: Wallet,
    pub(crate) bob: Wallet,
    pub(crate) validator: Wallet,
    pub(crate) ingest: Wallet,
    /// The validator's consensus key.
    pub(crate) seat: SecretKey,
}

pub(crate) fn genesis(keys: &DevKeys) -> Genesis {
    let account = |label: &str| GenesisAccount {
        name: label.to_owned(),
        address: keys.wallet(Role::Owner, label).address(),
        stones: 1_000_000,
    };
    Genesis {
        start_ms: START_MS,
        time_scale: 180,
        economy: EconomyParams {
            price_micro_usd: 500_000,
            cap_stones: 12_010_000,
            reserve_stones: 10_000_000,
            fee_burn_ppm: 40_000,
            fee_treasury_ppm: 10_000,
            fee_insurance_ppm: 5_000,
            match_ppm: 800_000,
            grant_stones: 1_000_000,
            device_cost_micro_usd_day: 500_000,
            target_cells: 10,
            device_bond_stones: 50,
            vesting_epochs: 4,
            ..EconomyParams::default()
        },
        validators: vec![GenesisValidator {
            name: "v0".to_owned(),
            operator: keys.wallet(Role::Validator, "v0").address(),
            consensus_key: B256::from_slice(
                keys.ed25519(Role::Validator, "v0").public().as_bytes(),
            ),
            bond_stones: 10_000,
        }],
        ingests: vec![GenesisIngest {
            operator: keys.wallet(Role::Ingest, "i0").address(),
            receipt_key: B256::from_slice(keys.ed25519(Role::Ingest, "i0").public().as_bytes()),
            url: "http://127.0.0.1:8600".to_owned(),
        }],
        accounts: vec![account("alice"), account("bob")],
        ..Genesis::empty("test", CHAIN_ID)
    }
}

impl TestChain {
    pub(crate) fn new() -> Self {
        let keys = DevKeys::new("node tests");
        let genesis = Arc::new(genesis(&keys));
        genesis.check().unwrap();
        let hash = Genesis::hash_of_text("test");
        let ledger = Ledger::new(Arc::clone(&genesis), hash);
        let folder = TempDir::new().unwrap();
        let disk = RedbDisk::open(folder.path(), hash, DiskConfig::default()).unwrap();
        disk.commit(FinalBlock {
            header: ledger.genesis_header(B256::ZERO),
            digest: [0; 32],
            transactions: Vec::new(),
            receipts: Vec::new(),
            gas_used: Vec::new(),
            writes: ledger.genesis_writes().unwrap(),
            certificate: Vec::new(),
        })
        .unwrap();
        let clock = NetworkClock::manual(START_MS);
        let pool = TxPool::open(
            folder.path(),
            ledger.clone(),
            disk.clone(),
            clock.clone(),
            &Metrics::new(),
        )
        .unwrap();
        Self {
            folder,
            ledger,
            genesis,
            disk,
            pool,
            clock,
            alice: keys.wallet(Role::Owner, "alice"),
            bob: keys.wallet(Role::Owner, "bob"),
            validator: keys.wallet(Role::Validator, "v0"),
            ingest: keys.wallet(Role::Ingest, "i0"),
            seat: keys.ed25519(Role::Validator, "v0"),
        }
    }

    pub(crate) fn parts(&self) -> RpcParts {
        RpcParts {
            ledger: self.ledger.clone(),
            genesis: Arc::clone(&self.genesis),
            genesis_text: "test".into(),
            disk: self.disk.clone(),
            pool: self.pool.clone(),
            clock: self.clock.clone(),
            archive: None,
            proofs: None,
        }
    }

    /// The usual bounds; nothing is given up because the machine is slow.
    pub(crate) fn config() -> RpcConfig {
        let long = Duration::from_secs(1_200);
        let patience = Patience { head: long, request: long, stall: long, ping: long };
        RpcConfig { deadline: long, patience, ..RpcConfig::at(([127, 0, 0, 1], 0).into()) }
    }

    /// The node's pool after a kill -9: a new one on the same folder.
    pub(crate) fn reopen_pool(&mut self) {
        let (ledger, disk) = (self.ledger.clone(), self.disk.clone());
        self.pool =
            TxPool::open(self.folder.path(), ledger, disk, self.clock.clone(), &Metrics::new())
                .unwrap();
    }

    /// Closes everything; the folder is left.
    pub(crate) fn stop(self) -> TempDir {
        self.folder
    }

    pub(crate) fn nonce(&self, account: Address) -> u64 {
        cairn_ledger::State::account(&self.disk, account).unwrap().unwrap_or_default().nonce
    }

    pub(crate) fn sign(&self, wallet: &Wallet, nonce: u64, call: &Call) -> Bytes {
        let fees = Fees { max_fee: 4 * GWEI, tip: GWEI };
        wallet.sign_transaction(CHAIN_ID, nonce, 1_000_000, fees, call).unwrap().raw.into()
    }

    pub(crate) fn sign_system(&self, wallet: &Wallet, nonce: u64, call: &Call) -> Bytes {
        wallet
            .sign_transaction(CHAIN_ID, nonce, 5_000_000, Fees::default(), call)
            .unwrap()
            .raw
            .into()
    }

    /// Signs with the next nonce and submits.
    pub(crate) fn send(&self, wallet: &Wallet, call: &Call) -> Result<B256, Rejection> {
        let queued = self.pool.next_nonce(wallet.address()).unwrap_or_default();
        let nonce = self.nonce(wallet.address()).max(queued);
        self.pool.submit(&self.sign(wallet, nonce, call))
    }

    /// Makes a block of what the pool offers; returns how many transactions it has.
    pub(crate) fn mine(&self) -> usize {
        self.mine_with(B256::repeat_byte(1), |_| vec![1, 2, 3])
    }

    /// The same with this state root, and the certificate that `certify` makes of the header.
    pub(crate) fn mine_with(
        &self,
        state_root: B256,
        certify: impl FnOnce(&Header) -> Vec<u8>,
    ) -> usize {
        let parent = self.disk.head().unwrap().unwrap();
        self.clock.advance(250);
        let env =
            self.ledger.next_env(&parent, TimeMs(self.clock.now_ms()), Address::repeat_byte(0xbb));
        let candidates = self.pool.candidates(env.base_fee, 1_000);
        let executed = self.ledger.build(&self.disk, &env, candidates).unwrap();
        let header = executed.header(&env, state_root);
        let certificate = certify(&header);
        let mut digest = [9; 32];
        digest[..8].copy_from_slice(&header.number.to_be_bytes());
        let hashes: Vec<B256> =
            executed.transactions.iter().map(|tx| *tx.inner().tx_hash()).collect();
        self.disk
            .commit(FinalBlock {
                header,
                digest,
                transactions: executed.transactions,
                receipts: executed.receipts,
                gas_used: executed.gas_used,
                writes: executed.writes,
                certificate,
            })
            .unwrap();
        self.pool.finalized(&hashes);
        let broken =
            self.ledger.check(&*self.disk.snapshot(), TimeMs(self.clock.now_ms())).unwrap();
        assert_eq!(broken, []);
        hashes.len()
    }
}

/// One STONE in base units.
pub(crate) fn stones(n: u64) -> U256 {
    U256::from(n) * U256::from(cairn_primitives::STONE)
}
