//! The ingest of a simulated network: takes what the devices sign, seals every epoch, commits it, and serves the files.

use std::collections::BTreeMap;

use bytes::Bytes;
use cairn_client::{BlockTag, Call, ClientError, Fees, Reads as _, Role, SYSTEM_GAS, Wallet};
use cairn_evidence::sealed::{Commitment, Entry, Sealed, seal};
use cairn_ledger::time_of;
use cairn_primitives::{
    Anchor, Epoch, EpochSchedule,
    abi::{BATCHES, IBatches},
};
use cairn_sim::sensing::{Device, fleet};
use commonware_runtime::{Clock as _, deterministic};

use super::{IngestConduct, LOOK, SECTOR, Sensing, Served, View};
use crate::ports::{Disk as _, Pool as _};
use crate::tests::fixture::CHAIN_ID;

/// The ingest's process.
pub struct Ingest {
    sensing: Sensing,
    schedule: EpochSchedule,
    wallet: Wallet,
    devices: Vec<Device>,
    /// The first epoch whose evidence is not sealed.
    next: Epoch,
    /// What is to be committed; the second is for the other half of the validators.
    waiting: BTreeMap<Epoch, Vec<Commitment>>,
}

impl Ingest {
    pub fn new(sensing: Sensing) -> Self {
        let shared = &sensing.shared;
        let schedule = shared.network.genesis.schedule();
        Self {
            devices: fleet(&shared.log, &[], &shared.keys, &schedule),
            wallet: shared.keys.wallet(Role::Ingest, "ingest"),
            schedule,
            sensing,
            next: Epoch(0),
            waiting: BTreeMap::new(),
        }
    }

    /// Works until the end of the scenario.
    pub async fn run(mut self, context: deterministic::Context) {
        loop {
            context.sleep(LOOK).await;
            let Some(view) = self.highest() else { continue };
            if let Err(error) = self.turn(&view).await {
                tracing::debug!(?error, "the ingest tries again");
            }
        }
    }

    /// The ledger of the validator that has most of it.
    fn highest(&self) -> Option<View> {
        let disks = &self.sensing.shared.disks;
        let begun = (0..disks.len()).filter(|i| disks[*i].head().is_ok_and(|head| head.is_some()));
        begun.max_by_key(|i| disks[*i].height()).map(|i| self.sensing.view(i))
    }

    async fn turn(&mut self, view: &View) -> Result<(), ClientError> {
        let current = view.current_epoch(BlockTag::Latest).await?;
        while self.next < current {
            let anchor = self.anchor(view).await?;
            self.seal(anchor);
            self.next = self.next.next();
        }
        let now = time_of(&view.header());
        let window = self.sensing.shared.network.genesis.commit_window_ms;
        let schedule = self.schedule;
        self.waiting.retain(|epoch, _| now.0 < schedule.end_of(*epoch).0 + window);
        for (epoch, commitments) in &self.waiting {
            if view.commitments(*epoch, SECTOR, BlockTag::Latest).await?.is_empty() {
                self.commit(view, *epoch, commitments)?;
            }
        }
        Ok(())
    }

    /// What devices of the next epoch sign to show when they measured: the newest final result they can know.
    async fn anchor(&self, view: &View) -> Result<Anchor, ClientError> {
        let epoch = self.next.back(1).min(view.next_epoch(SECTOR, BlockTag::Latest).await?);
        let root = match epoch.previous() {
            None => self.sensing.shared.network.hash,
            Some(before) => view.reward_root(before, SECTOR, BlockTag::Latest).await?,
        };
        Ok(Anchor { epoch, root_prefix: root.prefix() })
    }

    fn seal(&mut self, anchor: Anchor) {
        let (epoch, schedule) = (self.next, self.schedule);
        let deliver =
            |device: &mut Device| device.deliver(epoch, &schedule, anchor).expect("it signs");
        let mut entries: Vec<Entry> =
            self.devices.iter_mut().flat_map(deliver).map(Entry::from).collect();
        entries.sort_by_cached_key(Entry::order);
        let whole = seal(epoch, SECTOR, &entries).expect("evidence is sealed");
        let mut commitments = vec![commitment(&whole)];
        if self.sensing.ingest == IngestConduct::Equivocates && epoch.0 % 2 == 1 {
            let other = seal(epoch, SECTOR, &entries[1..]).expect("evidence is sealed");
            commitments.push(commitment(&other));
            self.publish(&other, Some(&whole));
            self.publish(&whole, Some(&other));
        } else {
            self.publish(&whole, None);
        }
        self.waiting.insert(epoch, commitments);
    }

    fn publish(&self, sealed: &Sealed, other: Option<&Sealed>) {
        let mut files = self.sensing.shared.files.lock().unwrap();
        let file = |content: &[u8], twin: Option<&Vec<u8>>| Served {
            epoch: self.next,
            content: Bytes::copy_from_slice(content),
            twin: twin.map(|twin| Bytes::copy_from_slice(twin)),
        };
        files.insert(sealed.digest, file(&sealed.sidecar, other.map(|other| &other.sidecar)));
        let readings = file(&sealed.readings, other.map(|other| &other.readings));
        files.insert(sealed.readings_digest, readings);
    }

    /// Sends each commitment to its half of the validators, all with the same nonce.
    fn commit(
        &self,
        view: &View,
        epoch: Epoch,
        commitments: &[Commitment],
    ) -> Result<(), ClientError> {
        let nonce = view.nonce(self.wallet.address());
        let pools = self.sensing.shared.pools.lock().unwrap().clone();
        let mut raw: Vec<Bytes> = Vec::new();
        for Commitment { root, digest, count, size } in commitments.iter().copied() {
            let (root, digest) = (root.0.into(), digest.0.into());
            let (epoch, sector) = (epoch.0, SECTOR.number());
            let call = IBatches::commitCall { epoch, sector, root, digest, count, size };
            let (call, fees) = (Call::new(BATCHES, &call), Fees::default());
            let signed = self.wallet.sign_transaction(CHAIN_ID, nonce, SYSTEM_GAS, fees, &call)?;
            raw.push(signed.raw.into());
        }
        for (index, pool) in pools {
            pool.gossiped(std::slice::from_ref(&raw[index % raw.len()]));
        }
        Ok(())
    }
}

fn commitment(sealed: &Sealed) -> Commitment {
    let Sealed { root, digest, count, size, .. } = *sealed;
    Commitment { root, digest, count, size }
}
