//! The evidence loop on a simulated network: devices that sign, an ingest that commits, and on every validator the verifier
//! of the product, which fetches, attests, recomputes and votes.
//!
//! ```text
//! Device ─envelopes─► Ingest ─commit─► pools ─► chain ─► Verifier (one a validator) ─attest, vote─► pool, gossip ─► chain
//!                        └─────files─► Wires ─► Archive (one a validator) ─► Wires ─► the other verifiers
//! ```
//! Imitated is what carries files between machines (`Wires`). An hour, which is an epoch, passes in ten seconds.

mod ingest;
mod tests;
mod view;
mod wires;

use std::{
    collections::BTreeMap,
    path::Path,
    sync::{Arc, Mutex},
    time::Duration,
};

use alloy_consensus::{TxEnvelope, transaction::Recovered};
use bytes::Bytes;
use cairn_agent::sensing::StationLog;
use cairn_client::{BlockTag, DevKeys, Fees, Reads as _, Role};
use cairn_evidence::{
    archive::Archive,
    audit::{Auditor, CopyReport},
    verifier::{self, Sources, Verifier},
};
use cairn_ledger::{Ledger, decode_transaction};
use cairn_primitives::{
    Digest, Epoch, Genesis, GenesisAccount, STONE, Sector, StakeParams, Stones, TimeMs,
};
use cairn_sim::sensing::{EPOCH_MS, fleet, genesis, made_up, validator};
use commonware_codec::{Copying, DecodeExt as _};
use commonware_cryptography::ed25519;
use commonware_runtime::{Clock as _, Supervisor as _, deterministic};
use tempfile::TempDir;

use super::fixture::{CHAIN_ID, MemoryDisk, MemoryPool, START_MS, spender_address};
use crate::{NetworkIdentity, TermRules, gossip::Gossip};

pub use ingest::Ingest;
pub use view::{Desk, View};
use wires::Wires;

/// The sector that is simulated.
const SECTOR: Sector = Sector::Sensing;
/// Network milliseconds in a virtual millisecond.
pub const TIME_SCALE: u64 = 360;
/// Weather stations, each of its own owner.
const STATIONS: usize = 4;
/// Hours of weather: more than any scenario lasts.
const HOURS: u64 = 120;
/// How often a verifier or the ingest looks at the ledger.
const LOOK: Duration = Duration::from_millis(400);
/// Stones of the account whose transfers every scenario pays.
const SPENDER_STONES: u64 = 1_000;
/// Gas limit of a registration.
const GAS_LIMIT: u64 = 8_000_000;
/// Most that a registration offers per gas, in base units.
const MAX_FEE: u128 = 1_000_000_000_000;

/// How the ingest behaves in odd epochs; in even ones it is honest.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum IngestConduct {
    /// By the rules.
    #[default]
    Honest,
    /// It commits, and gives the files to none of the validators whose bit is set.
    Withholds {
        /// Bit `i`: validator `i`.
        from: u64,
    },
    /// It signs two commitments over different evidence, sends each to half of the validators, and gives each half the files
    /// of its own, whichever is asked for.
    Equivocates,
}

/// Devices, ingest, archives and genesis of a sensing network.
#[derive(Clone)]
pub struct Sensing {
    shared: Arc<Shared>,
    /// The ingest's conduct.
    pub ingest: IngestConduct,
    /// This validator votes for another result than it computed.
    pub dissenter: Option<usize>,
}

struct Shared {
    network: verifier::Network,
    ledger: Ledger,
    keys: DevKeys,
    log: StationLog,
    /// What a registration of each device looks like, in bytes.
    registrations: Vec<Recovered<TxEnvelope>>,
    disks: Vec<MemoryDisk>,
    archives: Vec<Archive>,
    /// Of the validators that run: what an RPC server would put transactions into.
    pools: Mutex<BTreeMap<usize, MemoryPool>>,
    /// What the ingest has to give, by digest: for each half of the validators, in odd epochs.
    files: Mutex<BTreeMap<Digest, Served>>,
    _folder: TempDir,
}

/// A file of the ingest.
struct Served {
    epoch: Epoch,
    content: Bytes,
    /// What takes its place for validators with an odd number, when the ingest equivocates.
    twin: Option<Bytes>,
}

impl Sensing {
    /// `disks.len()` validators; everything else follows from the seed.
    pub fn new(seed: u64, disks: Vec<MemoryDisk>) -> Self {
        let keys = DevKeys::new(seed.to_be_bytes());
        let log = made_up(seed, STATIONS, HOURS, TimeMs(START_MS));
        let genesis = founded(&log, &keys, disks.len());
        let hash = Digest::of(&[b"test network that senses", &seed.to_be_bytes()]);
        let ledger = Ledger::new(Arc::new(genesis.clone()), hash);
        let folder = folder();
        let archive = |index| Archive::new(folder.path().join(format!("{index}")));
        let shared = Shared {
            registrations: registrations(&log, &keys, &genesis),
            network: verifier::Network { genesis, hash, sector: SECTOR },
            ledger,
            keys,
            log,
            archives: (0..disks.len()).map(archive).collect(),
            disks,
            pools: Mutex::default(),
            files: Mutex::default(),
            _folder: folder,
        };
        Self { shared: Arc::new(shared), ingest: IngestConduct::Honest, dissenter: None }
    }

    /// What every validator knows.
    pub fn identity(&self) -> NetworkIdentity {
        let Shared { network, ledger, .. } = &*self.shared;
        NetworkIdentity {
            genesis: Arc::new(network.genesis.clone()),
            hash: network.hash,
            ledger: ledger.clone(),
            terms: TermRules::of(ledger),
        }
    }

    /// The validators' consensus keys, then the key by which the ingest is a peer.
    pub fn keys(&self) -> Vec<ed25519::PrivateKey> {
        let Shared { keys, disks, .. } = &*self.shared;
        let seats = (0..disks.len()).map(|n| keys.ed25519_seed(Role::Validator, &validator(n)));
        let ingest = keys.ed25519_seed(Role::Ingest, "a peer");
        let private = |seed: [u8; 32]| ed25519::PrivateKey::decode(Copying(&seed)).expect("a key");
        seats.chain([ingest]).map(private).collect()
    }

    /// The place of the ingest among the processes.
    pub fn ingest_index(&self) -> usize {
        self.shared.disks.len()
    }

    /// What the pool of a validator that starts holds, and where the ingest finds that pool.
    pub fn fill(&self, index: usize, pool: &MemoryPool) {
        for registration in &self.shared.registrations {
            pool.push(registration.clone());
        }
        self.shared.pools.lock().unwrap().insert(index, pool.clone());
    }

    /// The ledger as validator `index` sees it.
    pub fn view(&self, index: usize) -> View {
        self.view_of(&self.shared.disks[index])
    }

    fn view_of(&self, disk: &MemoryDisk) -> View {
        View::new(self.shared.ledger.clone(), disk.clone())
    }

    /// Verifies as validator `index` does, until it crashes.
    pub async fn verify(self, index: usize, gossip: Gossip, context: deterministic::Context) {
        let Shared { network, keys, archives, pools, .. } = &*self.shared;
        let pool = pools.lock().unwrap()[&index].clone();
        let desk = Desk {
            wallet: keys.wallet(Role::Validator, &validator(index)),
            view: self.view(index),
            pool,
            gossip,
            clock: Arc::new(context.child("desk")),
            dissents: self.dissenter == Some(index),
        };
        let wires = Wires::new(index, self.clone(), context.child("wires"));
        let peers = (0..archives.len()).filter(|peer| *peer != index).map(wires::url).collect();
        let sources = Sources::over(Arc::new(wires), archives[index].clone(), peers);
        let mut verifier = Verifier::new(self.view(index), desk, sources, network.clone());
        loop {
            context.sleep(LOOK).await;
            if let Err(error) = verifier.turn().await {
                tracing::debug!(index, ?error, "verification is tried again");
            }
        }
    }

    /// The first epoch that is not final on this disk.
    pub async fn next_epoch(&self, disk: &MemoryDisk) -> Epoch {
        let next = self.view_of(disk).next_epoch(SECTOR, BlockTag::Latest).await;
        next.unwrap_or(Epoch(0))
    }

    /// The epoch at this virtual time.
    pub fn epoch_at(&self, elapsed: Duration) -> Epoch {
        let passed = u64::try_from(elapsed.as_millis()).unwrap() * TIME_SCALE;
        self.shared.network.genesis.schedule().epoch_at(TimeMs(START_MS + passed))
    }

    /// Recomputes every final epoch as an outsider does, from the ledger of one validator's disk and the files of all: what the
    /// ledger says, and what every validator archived, is what comes out.
    ///
    /// # Errors
    /// What differs, or what nobody has.
    pub async fn check(&self, disk: &MemoryDisk) -> Result<(), String> {
        let Shared { network, archives, .. } = &*self.shared;
        let view = self.view_of(disk);
        let folders = |archives| Sources::folders(archives).map_err(|error| error.to_string());
        let sources = folders(archives.clone())?;
        let copies: Vec<Sources> =
            archives.iter().map(|copy| folders(vec![copy.clone()])).collect::<Result<_, _>>()?;
        let mut auditor = Auditor::new(&view, network, &sources, &copies);
        let next = self.next_epoch(disk).await;
        for epoch in (0..next.0).map(Epoch) {
            let report = auditor.audit(epoch).await;
            let report = report.map_err(|error| format!("epoch {epoch}: {error:?}"))?;
            let wrong = report.compared.iter().any(|line| !line.equal)
                || report.copies.iter().any(|copy| copy.whole && !CopyReport::equal(copy));
            if wrong {
                return Err(format!("epoch {epoch} recomputes to something else: {report:?}"));
            }
        }
        Ok(())
    }
}

/// A folder whose files need not reach a disk, where the system has one: no scenario cuts the power of the whole machine.
fn folder() -> TempDir {
    let memory = Path::new("/dev/shm");
    let folder = if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() };
    folder.expect("a folder")
}

fn founded(log: &StationLog, keys: &DevKeys, seats: usize) -> Genesis {
    let mut genesis = genesis(log, keys, seats).expect("a genesis");
    genesis.chain_id = CHAIN_ID;
    genesis.time_scale = TIME_SCALE;
    genesis.block_busy_ms = 250;
    genesis.stake = StakeParams { seats_max: 8, ..StakeParams::default() };
    let founder = genesis.accounts.iter_mut().find(|account| account.name == "founder");
    founder.expect("somebody holds the rest").stones -= SPENDER_STONES;
    genesis.accounts.push(GenesisAccount {
        name: "spender".to_owned(),
        address: spender_address(),
        stones: SPENDER_STONES,
    });
    genesis.check().unwrap();
    assert_eq!((genesis.start_ms, genesis.epoch_ms), (START_MS, EPOCH_MS));
    genesis
}

fn registrations(
    log: &StationLog,
    keys: &DevKeys,
    genesis: &Genesis,
) -> Vec<Recovered<TxEnvelope>> {
    let bond = Stones(u128::from(genesis.economy.device_bond_stones) * STONE);
    let devices = fleet(log, &[], keys, &genesis.schedule());
    let registration = |device: &cairn_sim::sensing::Device| {
        let call = device.registration(CHAIN_ID, bond).expect("a device signs");
        let fees = Fees { max_fee: MAX_FEE, tip: 1 };
        let signed = device.owner().sign_transaction(CHAIN_ID, 0, GAS_LIMIT, fees, &call);
        decode_transaction(&signed.expect("an owner signs").raw).expect("a transaction")
    };
    devices.iter().map(registration).collect()
}
