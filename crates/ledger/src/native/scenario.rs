//! What the tests of batches, rewards and market share: devices, a consumer that can sign, and whole epochs.

use alloy_primitives::{Address, B256, FixedBytes, TxKind, U256, keccak256};
use alloy_sol_types::SolValue;
use cairn_economy::{
    Distribution, EarnedLine, Pool, Reward, ScoredDevice, distribute, reward_tree,
};
use cairn_primitives::{
    Anchor, Batch, Cell, DeviceId, Digest, EconomyParams, Envelope, Epoch, MerkleProof, MerkleTree,
    MicroUsd, Position, Rows, STONE, SecretKey, Sector, Seq, Stones, Stream, TimeMs, WEATHER,
    abi::{
        BATCHES, CREDITS, GOVERNANCE, IBatches, ICredits, IGovernance, IMarket, IRegistry,
        IRewards, MARKET, REGISTRY, REWARDS,
    },
    registration_call,
};
use cairn_sectors::{Rejection, VerdictLeaf};
use k256::ecdsa::SigningKey;

use super::market::receipt_hash;
use crate::fixture::{ALICE, BOB, CAROL, Chain, INGESTS, Sent, VALIDATORS, stones};

/// The sector of all tests.
pub const S: u8 = 1;
/// Offset of a time in the commit window.
pub const COMMITTING: u64 = 60_000;
/// Offset of a time in the attest window.
pub const ATTESTING: u64 = 900_000;
/// Offset of a time after both windows.
pub const LATE: u64 = 1_800_000;

/// A network with three devices of three owners in one cell, and a consumer with a key.
pub struct World {
    pub chain: Chain,
    pub key: SigningKey,
    pub consumer: Address,
    pub devices: [FixedBytes<16>; 3],
}

impl World {
    pub fn new() -> Self {
        Self::on(Chain::new())
    }

    /// On another chain of the same people.
    pub fn on(mut chain: Chain) -> Self {
        let key = SigningKey::from_slice(&[7; 32]).expect("a key");
        let consumer = Address::from_private_key(&key);
        chain.send_raw(BOB, TxKind::Call(consumer), stones(100_000), Default::default());
        let devices = [(1, ALICE), (2, BOB), (3, CAROL)]
            .map(|(seed, owner)| register(&mut chain, seed, owner));
        Self { chain, key, consumer, devices }
    }

    /// With an offer by `CAROL` and a lease on it with this escrow.
    pub fn with_lease(escrow: u64) -> Self {
        let mut world = Self::new();
        world.sell(escrow);
        world
    }

    /// The first offer, by `CAROL`, and a lease on it with this escrow.
    pub fn sell(&mut self, escrow: u64) {
        self.mint(2 * escrow);
        let sent = self.chain.send(CAROL, MARKET, Stones::ZERO, &offer());
        assert_eq!(sent.events::<IMarket::OfferPosted>()[0].id, 1);
        let sent = self.open(escrow, 100);
        assert_eq!(sent.events::<IMarket::LeaseOpened>()[0].id, 1);
    }

    /// Buys credits for the consumer.
    pub fn mint(&mut self, credits: u64) -> Sent {
        let cost = MicroUsd(credits).to_stones_floor(MicroUsd(50_000));
        self.chain.send(self.consumer, CREDITS, Stones(cost.0 + 1), &ICredits::mintCall {})
    }

    pub fn open(&mut self, escrow: u64, expiry: u64) -> Sent {
        let call = IMarket::openLeaseCall { offer: 1, escrow, expiryEpoch: expiry };
        self.chain.send(self.consumer, MARKET, Stones::ZERO, &call)
    }

    /// A settlement signed by the consumer. `shares` are totals of (device number, micro-dollars).
    pub fn settlement(
        &self,
        lease: u64,
        units: u64,
        shares: &[(usize, u64)],
    ) -> IMarket::settleCall {
        settlement(&self.key, lease, units, &self.shares(shares))
    }

    /// Shares as the contract wants them, in order of device.
    pub fn shares(&self, shares: &[(usize, u64)]) -> Vec<IMarket::Share> {
        let mut shares: Vec<_> = shares
            .iter()
            .map(|&(n, amount)| IMarket::Share { device: self.devices[n], amount })
            .collect();
        shares.sort_by_key(|share| share.device);
        shares
    }

    pub fn settle(&mut self, lease: u64, units: u64, shares: &[(usize, u64)]) -> Sent {
        let call = self.settlement(lease, units, shares);
        self.chain.send(ALICE, MARKET, Stones::ZERO, &call)
    }

    pub fn credits(&self, account: Address) -> u64 {
        self.chain.call(account, CREDITS, &ICredits::balanceOfCall { account }).to()
    }

    pub fn commit(&mut self, ingest: usize, epoch: u64) -> Sent {
        self.chain.system(INGESTS[ingest], BATCHES, &commit(epoch)).expect("included")
    }

    pub fn attest(&mut self, validator: usize, epoch: u64, held: u64) -> Sent {
        let call = IBatches::attestCall { epoch, sector: S, held: U256::from(held) };
        self.chain.system(VALIDATORS[validator], BATCHES, &call).expect("included")
    }

    pub fn vote(
        &mut self,
        validator: usize,
        epoch: u64,
        round: u32,
        result: &IRewards::Result,
    ) -> Sent {
        let (result, salt) = (result.clone(), B256::ZERO);
        let call = IRewards::voteCall { epoch, sector: S, round, result, salt };
        self.chain.system(VALIDATORS[validator], REWARDS, &call).expect("included")
    }

    pub fn status(&self, epoch: u64) -> IBatches::Status {
        self.chain.call(ALICE, BATCHES, &IBatches::statusCall { epoch, sector: S })
    }

    pub fn pool(&self, epoch: u64) -> IRewards::Pool {
        self.chain.call(ALICE, REWARDS, &IRewards::poolCall { epoch, sector: S })
    }

    pub fn next_epoch(&self) -> u64 {
        self.chain.call(ALICE, REWARDS, &IRewards::nextEpochCall { sector: S })
    }

    /// What an honest validator computes for `epoch`, every device with a score of 1000.
    pub fn compute(&self, epoch: u64) -> Computed {
        let pool = self.pool(epoch);
        let page = IMarket::earnedCall { epoch, sector: S, from: 0, limit: 256 };
        let lines: Vec<_> = self
            .chain
            .call(ALICE, MARKET, &page)
            .iter()
            .map(|line| EarnedLine {
                device: DeviceId(line.device.0),
                paid: MicroUsd(line.microUsd),
            })
            .collect();
        let devices: Vec<_> = self
            .chain
            .call(ALICE, REGISTRY, &IRegistry::pageCall { from: 0, limit: 256 })
            .iter()
            .map(|device| ScoredDevice {
                device: DeviceId(device.id.0),
                owner: device.owner,
                cell: Cell(device.cell),
                index: device.index,
                score_permille: 1_000,
            })
            .collect();
        let pool = Pool {
            epoch: Epoch(epoch),
            sector: Sector::Sensing,
            price: MicroUsd(pool.priceMicroUsd),
            earned: MicroUsd(pool.earnedMicroUsd),
            earned_stones: Stones(pool.earnedStones.to()),
            usage: MicroUsd(pool.usageSubsidyMicroUsd),
            need: MicroUsd(pool.needSubsidyMicroUsd),
        };
        let split = distribute(&self.params(epoch), &pool, &devices, &lines).expect("distributes");
        let tree = reward_tree(&split.rewards);
        Computed { split, tree }
    }

    /// The parameters in force in an epoch, as a validator reads them.
    pub fn params(&self, epoch: u64) -> EconomyParams {
        let genesis = self.chain.ledger.genesis();
        if genesis.governance.is_none() {
            return genesis.economy.clone();
        }
        let call = IGovernance::parametersOfCall { epoch };
        self.chain.call(ALICE, GOVERNANCE, &call).over(&genesis.economy)
    }

    /// Takes the oldest epoch that is not final, which is over, from commitment to its last vote.
    pub fn finish_epoch(&mut self) -> Computed {
        let epoch = self.next_epoch();
        self.chain.go_to(epoch + 1, COMMITTING);
        self.commit(0, epoch);
        self.commit(1, epoch);
        for validator in 0..4 {
            self.attest(validator, epoch, 0b11);
        }
        let computed = self.compute(epoch);
        for validator in 0..3 {
            self.vote(validator, epoch, 0, &computed.result());
        }
        assert_eq!(self.next_epoch(), epoch + 1);
        computed
    }

    /// Makes the oldest epoch that is not final final, late and without commitments, with this verdict root.
    pub fn finish_with(&mut self, verdict_root: Digest) -> Computed {
        let epoch = self.next_epoch();
        self.chain.go_to(epoch + 1, LATE);
        let computed = self.compute(epoch);
        let verdict_root = B256::from(verdict_root.0);
        let result = IRewards::Result { verdictRoot: verdict_root, ..computed.result() };
        for validator in 0..3 {
            self.vote(validator, epoch, 0, &result);
        }
        assert_eq!(self.next_epoch(), epoch + 1);
        computed
    }

    /// Lets whole epochs pass without commitments and makes them final, up to but without `until`.
    pub fn finish_until(&mut self, until: u64) {
        while self.next_epoch() < until {
            let epoch = self.next_epoch();
            self.chain.go_to(epoch + 1, LATE);
            let result = self.compute(epoch).result();
            for validator in 0..3 {
                self.vote(validator, epoch, 0, &result);
            }
            assert_eq!(self.next_epoch(), epoch + 1);
        }
    }
}

/// Batches of an epoch with the verdicts on them.
pub struct Verdicts {
    pub envelopes: Vec<Envelope>,
    pub leaves: Vec<VerdictLeaf>,
}

impl Verdicts {
    /// A batch of two readings by each of the devices with these seeds; those at the places of `refused` are not accepted.
    /// The temperature of row r of device n is 100·n + r hundredths of a degree; the second row has no humidity.
    pub fn new(world: &World, epoch: u64, seeds: &[u8], refused: &[usize]) -> Self {
        let start = world.chain.ledger.genesis().schedule().start_of(Epoch(epoch));
        let envelopes: Vec<_> = seeds
            .iter()
            .map(|&seed| Envelope::sign(batch(seed, start), &device_key(seed)).expect("signs"))
            .collect();
        let leaves = envelopes.iter().enumerate().map(|(n, envelope)| VerdictLeaf {
            epoch: Epoch(epoch),
            sector: Sector::Sensing,
            batch: envelope.leaf(),
            device: envelope.batch().device,
            stream: envelope.batch().stream,
            first_seq: envelope.batch().first_seq,
            rows: 2,
            rejection: refused.contains(&n).then_some(Rejection::BadSignature),
        });
        Self { leaves: leaves.collect(), envelopes }
    }

    pub fn root(&self) -> Digest {
        self.tree().root()
    }

    pub fn proof(&self, n: usize) -> MerkleProof {
        self.tree().proof(n).expect("a leaf")
    }

    fn tree(&self) -> MerkleTree {
        MerkleTree::from_hashes(self.leaves.iter().map(VerdictLeaf::hash).collect())
    }
}

fn batch(seed: u8, start: TimeMs) -> Batch {
    let row = |r: i32| {
        let humidity = (r == 0).then_some(5_000);
        [Some(100 * i32::from(seed) + r), humidity, Some(3), Some(90), Some(101_300), Some(0), None]
    };
    Batch {
        device: DeviceId::of(&device_key(seed).public()),
        stream: Stream(0),
        first_seq: Seq(u64::from(seed) * 1_000),
        base_time: start,
        anchor: Anchor { epoch: Epoch(0), root_prefix: [7; 8] },
        position: None,
        schema: WEATHER.id,
        rows: Rows { offsets_ms: vec![10, 20], values: [row(0), row(1)].concat() },
    }
}

/// An epoch's rewards with their tree.
pub struct Computed {
    pub split: Distribution,
    pub tree: MerkleTree,
}

impl Computed {
    pub fn result(&self) -> IRewards::Result {
        IRewards::Result {
            verdictRoot: B256::repeat_byte(1),
            scoreRoot: B256::repeat_byte(2),
            rewardRoot: self.tree.root().0.into(),
            devices: self.split.rewards.len().try_into().expect("few"),
            earnedStones: U256::from(self.split.earned_stones.0),
            subsidyStones: U256::from(self.split.subsidy_stones.0),
            usageMicroUsd: self.split.usage.0,
            needMicroUsd: self.split.need.0,
        }
    }

    pub fn reward(&self, device: FixedBytes<16>) -> Reward {
        self.split.rewards[self.index(device)]
    }

    fn index(&self, device: FixedBytes<16>) -> usize {
        self.split.rewards.iter().position(|r| r.device.0 == device.0).expect("a reward")
    }

    pub fn claim(&self, device: FixedBytes<16>) -> IRewards::claimCall {
        let index = self.index(device);
        let proof = self.tree.proof(index).expect("a proof");
        IRewards::claimCall {
            reward: to_abi(&self.split.rewards[index]),
            index: proof.index,
            proof: proof.siblings.iter().map(|sibling| sibling.0.into()).collect(),
        }
    }
}

pub fn to_abi(reward: &Reward) -> IRewards::Reward {
    IRewards::Reward {
        epoch: reward.epoch.0,
        sector: reward.sector.number(),
        device: FixedBytes(reward.device.0),
        owner: reward.owner,
        earnedMicroUsd: reward.earned.0,
        earnedStones: U256::from(reward.earned_stones.0),
        subsidyMicroUsd: reward.subsidy.0,
        subsidyStones: U256::from(reward.subsidy_stones.0),
    }
}

pub fn offer() -> IMarket::postOfferCall {
    IMarket::postOfferCall {
        sector: S,
        microUsdPerKiloUnit: 1_000,
        endpoint: "http://gateway.test".to_owned(),
    }
}

pub fn commit(epoch: u64) -> IBatches::commitCall {
    IBatches::commitCall {
        epoch,
        sector: S,
        root: B256::repeat_byte(3),
        digest: B256::repeat_byte(4),
        count: 5,
        size: 6,
    }
}

pub fn device_key(seed: u8) -> SecretKey {
    SecretKey::ed25519([seed; 32])
}

fn register(chain: &mut Chain, seed: u8, owner: Address) -> FixedBytes<16> {
    let sent = chain.send(owner, REGISTRY, stones(100), &registration(seed, owner));
    sent.events::<IRegistry::DeviceRegistered>()[0].id
}

/// The registration of the device with this seed by `owner`.
pub fn registration(seed: u8, owner: Address) -> IRegistry::registerCall {
    let position = Position { lat_e7: 406_895_000, lon_e7: -741_745_000, elevation_dm: 20 };
    registration_call(7_777, owner, S, &device_key(seed), position).expect("signs")
}

/// A receipt over these shares, signed.
pub fn settlement(
    key: &SigningKey,
    lease: u64,
    units: u64,
    shares: &[IMarket::Share],
) -> IMarket::settleCall {
    let receipt = IMarket::Receipt {
        lease,
        units,
        amount: shares.iter().map(|share| share.amount).sum(),
        shares: keccak256(shares.to_vec().abi_encode()),
    };
    let signature = sign(key, &receipt).to_vec().into();
    IMarket::settleCall { receipt, shares: shares.to_vec(), signature }
}

pub fn sign(key: &SigningKey, receipt: &IMarket::Receipt) -> [u8; 65] {
    let hash = receipt_hash(7_777, receipt);
    let (signature, recovery) = key.sign_prehash_recoverable(hash.as_slice()).expect("signs");
    let mut bytes = [0; 65];
    bytes[..64].copy_from_slice(&signature.to_bytes());
    bytes[64] = 27 + recovery.to_byte();
    bytes
}

/// `n` micro-dollars in base units at the test's price.
pub fn worth(micro_usd: u64) -> u128 {
    u128::from(micro_usd) * STONE / 50_000
}
