//! Evidence from this node's disk and archive: state entries, trie nodes, Merkle paths, certificates.

use alloy_eips::eip2718::Encodable2718 as _;
use alloy_primitives::{B256, U256};
use cairn_client::light::{
    ANCESTORS_MAX, BatchSlots, Certificate, Entry, Evidence, HANDOVERS_MAX, Path, Trust,
    batch_slots, commitment_count_slot, included_in, reward_root_slot, trie_nodes,
};
use cairn_consensus::{StateKey, StateProofs};
use cairn_evidence::{
    archive::{Archive, EpochFile, LeafLine},
    sealed,
};
use cairn_ledger::State;
use cairn_primitives::{
    DeviceId, Digest, Epoch, MerkleTree, Sector, Sidecar,
    abi::{BATCHES, REWARDS},
};
use cairn_sectors::VerdictLeaf;

use crate::rpc::{
    Node,
    errors::{Answer, Failure, NOT_FOUND, SERVER, error, internal},
};

/// Blocks behind the head that the state tree may be; it is one at most while a block is committed.
const TREE_BEHIND_MAX: u64 = 16;
/// Length of a reward leaf, and where it names its device (docs/spec/rewards.md §3).
const REWARD_BYTES: usize = 93;
const REWARD_DEVICE: std::ops::Range<usize> = 9..25;

/// State entries of one block with their proofs; `None` where the state has nothing.
pub(super) struct Entries {
    height: u64,
    entries: Vec<Option<(Entry, Vec<u8>)>>,
}

impl Entries {
    /// The values that `proofs` prove, from the block that has their root; `None` while the disk has no such block.
    pub(super) fn read(
        node: &Node,
        keys: &[StateKey],
        proofs: StateProofs,
    ) -> Answer<Option<Self>> {
        let snapshot = node.disk.snapshot();
        let head = snapshot.height();
        let mut found = None;
        for height in (head.saturating_sub(TREE_BEHIND_MAX)..=head).rev() {
            let header = snapshot.header(height)?;
            if header.is_some_and(|(_, header)| header.state_root == proofs.state_root) {
                found = Some(height);
                break;
            }
        }
        let Some(height) = found else { return Ok(None) };
        let state = snapshot.at(height)?;
        let mut entries = Vec::with_capacity(keys.len());
        for (key, proof) in keys.iter().zip(proofs.proofs) {
            let entry = match *key {
                StateKey::Account(address) => {
                    let account = state.account(address)?;
                    account.map(|account| Entry::Account {
                        address,
                        nonce: account.nonce,
                        balance: account.balance,
                        code_hash: account.code_hash,
                    })
                }
                StateKey::Slot(address, slot) => {
                    let value = state.slot(address, slot)?;
                    (!value.is_zero()).then_some(Entry::Slot { address, slot, value })
                }
            };
            entries.push(entry.zip(proof));
        }
        Ok(Some(Self { height, entries }))
    }

    /// The evidence of one entry that was asked for by itself.
    pub(super) fn state(self, key: StateKey) -> Answer<(u64, Evidence)> {
        let height = self.height;
        let Some((entry, proof)) = self.entries.into_iter().next().flatten() else {
            let what = match key {
                StateKey::Account(address) => format!("`account` is {address}: it does not exist"),
                StateKey::Slot(address, slot) => format!("`slot` is {slot} of {address}: it is 0"),
            };
            let message = format!("{what} at block {height}; a proof only shows what is there");
            return Err(error(NOT_FOUND, message).into());
        };
        Ok((height, Evidence::State(entry, proof)))
    }

    /// Values and proofs of the slots that were asked for; zero without a proof where there is nothing.
    fn slots<const N: usize>(self) -> [(U256, Vec<u8>); N] {
        let mut entries = self.entries.into_iter();
        std::array::from_fn(|_| match entries.next().flatten() {
            Some((Entry::Slot { value, .. }, proof)) => (value, proof),
            Some((Entry::Account { .. }, _)) | None => (U256::ZERO, Vec::new()),
        })
    }
}

/// What makes a block final: a certificate, and the headers from the block to the parent of the certified one.
pub(super) struct Finality {
    pub(super) certificate: Vec<u8>,
    pub(super) ancestors: Vec<Vec<u8>>,
}

/// A certificate of block `height` or of the first descendant that has one, with the headers between; `None` while there
/// is none yet.
pub(super) fn certificate(node: &Node, height: u64) -> Answer<Option<Finality>> {
    let snapshot = node.disk.snapshot();
    let mut ancestors = Vec::new();
    while ancestors.len() <= ANCESTORS_MAX {
        let at = height + ancestors.len() as u64;
        match snapshot.certificate(at)? {
            Some(certificate) if !certificate.is_empty() => {
                return Ok(Some(Finality { certificate: certificate.to_vec(), ancestors }));
            }
            Some(_) | None => {}
        }
        let Some((_, header)) = snapshot.header(at)? else { return Ok(None) };
        ancestors.push(alloy_rlp::encode(&header));
    }
    let message = format!(
        "block {height} cannot be proven: neither it nor one of the {ANCESTORS_MAX} after it has a certificate"
    );
    Err(error(SERVER, message).into())
}

/// What leads a reader from the validators of term `known` to those of a certificate's term, and what such a reader trusts.
pub(super) fn handovers(
    node: &Node,
    certificate: &[u8],
    known: u64,
) -> Answer<(Vec<Vec<u8>>, Trust)> {
    let decoded =
        |bytes: &[u8]| Certificate::decode(bytes).map_err(|wrong| Failure(internal(&wrong)));
    let term = decoded(certificate)?.term;
    let known = known.clamp(node.trust.newest(), term.max(node.trust.newest()));
    let missing = usize::try_from(term.saturating_sub(known)).unwrap_or(usize::MAX);
    if missing > HANDOVERS_MAX {
        let message = format!(
            "the certificate is {missing} terms after term {known}, and a proof leads through {HANDOVERS_MAX} at most: \
             learn the validators of a later `term` from cairn_getCertificate of the blocks that end the terms before it"
        );
        return Err(error(SERVER, message).into());
    }
    let snapshot = node.disk.snapshot();
    let last_of = |term: u64| -> Answer<Vec<u8>> {
        let certificate = snapshot.certificate(node.terms.last_of(term))?.unwrap_or_default();
        if certificate.is_empty() {
            let message = format!("the certificate of the block that ends term {term} is not here");
            return Err(error(SERVER, message).into());
        }
        Ok(certificate.to_vec())
    };
    let trust = match known.checked_sub(1) {
        // Everyone knows genesis.
        Some(before) if known > node.trust.newest() => {
            Trust::at(node.trust.genesis, known, decoded(&last_of(before)?)?.next)
        }
        _ => node.trust.clone(),
    };
    Ok(((known..term).map(last_of).collect::<Answer<_>>()?, trust))
}

/// A receipt with its transaction, or one log of it.
pub(super) fn receipt(node: &Node, transaction: B256, log: Option<u32>) -> Answer<(u64, Evidence)> {
    let snapshot = node.disk.snapshot();
    let Some((height, index)) = snapshot.position(transaction)? else {
        let message =
            format!("`transaction` is {transaction}: it is in no final block of this node");
        return Err(error(NOT_FOUND, message).into());
    };
    let receipts = snapshot.receipts(height)?;
    let raw: Vec<Vec<u8>> = receipts.iter().map(|receipt| receipt.receipt.encoded_2718()).collect();
    let receipt = trie_nodes(&raw, index);
    let evidence = match log {
        Some(position) => {
            let at = usize::try_from(index).ok();
            let logs = at.and_then(|at| receipts.get(at)).map_or(0, |it| it.receipt.logs().len());
            if usize::try_from(position).is_ok_and(|position| position >= logs) {
                let message =
                    format!("`log` is {position}: the receipt has {logs} logs, counted from 0");
                return Err(error(NOT_FOUND, message).into());
            }
            Evidence::Log { index, position, receipt }
        }
        None => {
            let block = snapshot.block(height)?;
            let transactions = block.map(|block| block.transactions).unwrap_or_default();
            let raw: Vec<Vec<u8>> =
                transactions.iter().map(|tx| tx.inner().encoded_2718()).collect();
            Evidence::Receipt { index, transaction: trie_nodes(&raw, index), receipt }
        }
    };
    Ok((height, evidence))
}

/// The canonical leaves of one of an epoch's files.
fn leaves(archive: &Archive, epoch: Epoch, file: EpochFile) -> Answer<Vec<Vec<u8>>> {
    let content = archive.get_epoch(epoch, file).map_err(|cause| internal(&cause))?;
    let Some(content) = content else {
        let message = format!(
            "`epoch` is {epoch}: this node's archive does not have it; wait until it is final, or ask another node"
        );
        return Err(error(SERVER, message).into());
    };
    LeafLine::bytes_of(&content).map_err(|cause| internal(&cause).into())
}

/// The archive and the ledger contradict each other: the reader can ask another node.
fn other_files(epoch: Epoch) -> Failure {
    error(
        SERVER,
        format!("`epoch` is {epoch}: this node's files are not the ledger's; ask another node"),
    )
    .into()
}

/// A reward leaf and its way to the epoch's root.
pub(super) struct Reward {
    epoch: Epoch,
    sector: Sector,
    leaf: [u8; REWARD_BYTES],
    path: Path,
    root: Digest,
}

impl Reward {
    pub(super) fn find(
        archive: &Archive,
        epoch: Epoch,
        sector: Sector,
        device: DeviceId,
    ) -> Answer<Self> {
        let leaves = leaves(archive, epoch, EpochFile::Rewards)?;
        let of_device = |leaf: &Vec<u8>| leaf.get(REWARD_DEVICE) == Some(&device.0[..]);
        let found = leaves.iter().position(of_device).and_then(|index| {
            Some((index, <[u8; REWARD_BYTES]>::try_from(&leaves[index][..]).ok()?))
        });
        let Some((index, leaf)) = found else {
            let message = format!("`device` is {device}: it has no reward in epoch {epoch}");
            return Err(error(NOT_FOUND, message).into());
        };
        let tree = MerkleTree::new(leaves.iter().map(Vec::as_slice));
        let proof = tree.proof(index).expect("the leaf was found in this tree");
        Ok(Self { epoch, sector, leaf, path: Path::of(&proof), root: tree.root() })
    }

    /// The slot that holds the root.
    pub(super) fn keys(&self) -> Vec<StateKey> {
        vec![StateKey::Slot(REWARDS, reward_root_slot(self.epoch, self.sector.number()))]
    }

    pub(super) fn evidence(self, entries: Entries) -> Answer<(u64, Evidence)> {
        let height = entries.height;
        let [(value, root)] = entries.slots();
        if value != U256::from_be_bytes(self.root.0) {
            return Err(other_files(self.epoch));
        }
        Ok((height, Evidence::Reward { leaf: self.leaf, path: self.path, root }))
    }
}

/// A batch, the commitment that holds it, and its way to that commitment's root.
pub(super) struct Batch {
    epoch: Epoch,
    sector: Sector,
    commitment: u8,
    leaf: Digest,
    path: Path,
    root: Digest,
}

impl Batch {
    /// The verdicts say whose batch it is, sidecars which commitments have one with its place; only those are opened.
    pub(super) fn find(
        node: &Node,
        archive: &Archive,
        epoch: Epoch,
        sector: Sector,
        leaf: Digest,
    ) -> Answer<Self> {
        let verdict = leaves(archive, epoch, EpochFile::Verdicts)?
            .iter()
            .filter_map(|bytes| VerdictLeaf::from_bytes(bytes).ok())
            .find(|verdict| verdict.batch == leaf);
        let Some(verdict) = verdict else {
            let message = format!("`batch` is {leaf}: no such batch was judged in epoch {epoch}");
            return Err(error(NOT_FOUND, message).into());
        };
        let snapshot = node.disk.snapshot();
        let state = snapshot.at(snapshot.height())?;
        let slot = |slot| State::slot(&state, BATCHES, slot);
        let count: u64 = slot(commitment_count_slot(epoch, sector.number()))?.saturating_to();
        for commitment in 0..=u8::MAX {
            if u64::from(commitment) >= count {
                break;
            }
            let at = batch_slots(epoch, sector.number(), commitment);
            if !included_in(slot(at.round)?, slot(at.included)?, commitment) {
                continue;
            }
            let committed = commitment_of(&at, slot)?;
            let leaves = envelopes(archive, &committed, &verdict)?;
            if let Some(index) = leaves.iter().position(|it| *it == leaf) {
                let tree = MerkleTree::from_hashes(leaves);
                let proof = tree.proof(index).expect("the leaf was found in this tree");
                let (path, root) = (Path::of(&proof), committed.root);
                return Ok(Self { epoch, sector, commitment, leaf, path, root });
            }
        }
        Err(other_files(epoch))
    }

    /// The commitment's root, the round, and what the round includes.
    pub(super) fn keys(&self) -> Vec<StateKey> {
        let BatchSlots { root, round, included } =
            batch_slots(self.epoch, self.sector.number(), self.commitment);
        [root, round, included].map(|slot| StateKey::Slot(BATCHES, slot)).to_vec()
    }

    pub(super) fn evidence(self, entries: Entries) -> Answer<(u64, Evidence)> {
        let height = entries.height;
        let [(value, root), round, included] = entries.slots();
        if value != U256::from_be_bytes(self.root.0)
            || !included_in(round.0, included.0, self.commitment)
        {
            return Err(other_files(self.epoch));
        }
        let Self { epoch, sector, commitment, leaf, path, .. } = self;
        let sector = sector.number();
        let evidence =
            Evidence::Batch { epoch, sector, commitment, leaf, path, root, round, included };
        Ok((height, evidence))
    }
}

/// What the ledger says of a commitment: ingest 20, count 4, size 8 ‖ root ‖ digest (docs/spec/batches.md).
fn commitment_of<E: Into<Failure>>(
    at: &BatchSlots,
    slot: impl Fn(U256) -> Result<U256, E>,
) -> Answer<sealed::Commitment> {
    let read = |at| slot(at).map_err(Into::into);
    let numbers: U256 = read(at.root - U256::ONE)?;
    let count: U256 = (numbers >> 160_usize) & U256::from(u32::MAX);
    let size: U256 = (numbers >> 192_usize) & U256::from(u64::MAX);
    Ok(sealed::Commitment {
        root: Digest(read(at.root)?.to_be_bytes()),
        digest: Digest(read(at.root + U256::ONE)?.to_be_bytes()),
        count: count.saturating_to(),
        size: size.saturating_to(),
    })
}

/// Leaves of a commitment's envelopes in sealed order; none when its sidecar has no batch with the verdict's place.
fn envelopes(
    archive: &Archive,
    commitment: &sealed::Commitment,
    verdict: &VerdictLeaf,
) -> Answer<Vec<Digest>> {
    let file = |digest: &Digest| {
        let content = archive.get(digest).map_err(|cause| internal(&cause))?;
        content.ok_or_else(|| other_files(verdict.epoch))
    };
    let bytes = file(&commitment.digest)?;
    let sidecar = Sidecar::decode(&bytes).map_err(|cause| internal(&cause))?;
    let device = sidecar.devices.iter().position(|device| *device == verdict.device);
    let has = sidecar.batches.iter().any(|batch| {
        usize::try_from(batch.device).ok() == device
            && (batch.stream, batch.first_seq) == (verdict.stream, verdict.first_seq)
    });
    if !has {
        return Ok(Vec::new());
    }
    let opened = sealed::open(commitment, &bytes, file(&sidecar.readings)?)
        .map_err(|cause| internal(&cause))?;
    Ok(opened.envelopes.iter().map(cairn_primitives::Envelope::leaf).collect())
}
