//! The state tree: an operation of its log, live, under a header's `stateRoot` (docs/spec/state-root.md).
//!
//! A second implementation of `consensus::StateProof::check`. Only what a proof of one operation needs: the mountain of
//! the operation is rebuilt from its siblings, the other mountains come as digests, those before it that are inactive and
//! those after it that are active folded into one digest each.

use alloy_primitives::{Address, B256, U256};

use super::{LightError, codec::Reader, ed25519::sha256};

/// Most digests of a proof, as the reference.
const DIGESTS_MAX: usize = 128;
/// Most operations of a log.
const LEAVES_MAX: u64 = 1 << 62;
/// Bytes of a chunk of the bitmap.
const CHUNK_BYTES: usize = 32;
/// Operations under one chunk: 2^8.
const CHUNK_HEIGHT: u32 = 8;
/// First byte of an operation that sets a key.
const UPDATE: u8 = 0xd2;
/// First bytes of a root: the tree is a Merkle mountain range, its active mountains are folded backward.
const ROOT_DOMAIN: [u8; 2] = [0, 1];

type Hash = [u8; 32];

/// An entry of the state tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Entry {
    /// An account without its storage.
    Account {
        /// Its address.
        address: Address,
        /// Transactions it has sent, or contracts it has made.
        nonce: u64,
        /// Its balance, base units of STONE.
        balance: U256,
        /// Keccak-256 of its code.
        code_hash: B256,
    },
    /// A storage slot.
    Slot {
        /// The contract.
        address: Address,
        /// The slot.
        slot: U256,
        /// Its value, not zero.
        value: U256,
    },
}

impl Entry {
    /// The operation that put it into the tree.
    fn operation(&self) -> Vec<u8> {
        let (key, value) = match self {
            Self::Account { address, nonce, balance, code_hash } => (
                sha256(&[b"cairn/state/account/v1", address.as_slice()]),
                sha256(&[&nonce.to_be_bytes(), &balance.to_be_bytes::<32>(), code_hash.as_slice()]),
            ),
            Self::Slot { address, slot, value } => (
                sha256(&[b"cairn/state/slot/v1", address.as_slice(), &slot.to_be_bytes::<32>()]),
                sha256(&[&value.to_be_bytes::<32>()]),
            ),
        };
        [&[UPDATE][..], &key, &value].concat()
    }
}

/// A proof's parts, as its bytes say.
struct Parts {
    location: u64,
    chunk: [u8; CHUNK_BYTES],
    leaves: u64,
    inactive: u64,
    digests: Vec<Hash>,
    partial: Option<Hash>,
    log_root: Hash,
}

/// One mountain: a perfect tree over `1 << height` operations from `first` on.
#[derive(Clone, Copy)]
struct Mountain {
    first: u64,
    height: u32,
}

/// Whether `proof` shows that `entry` is in the tree under `root`.
///
/// # Errors
/// `Malformed`, `State`.
pub fn check_state(root: &B256, entry: &Entry, proof: &[u8]) -> Result<(), LightError> {
    let parts = Parts::decode(proof)?;
    match parts.root(&entry.operation()) {
        Some(found) if found == root.0 => Ok(()),
        _ => Err(LightError::State),
    }
}

impl Parts {
    fn decode(bytes: &[u8]) -> Result<Self, LightError> {
        let mut reader = Reader::new(bytes);
        let location = reader.varint()?;
        let chunk = reader.array()?;
        let (leaves, inactive) = (reader.varint()?, reader.varint()?);
        let count = reader.count(DIGESTS_MAX)?;
        let digests = (0..count).map(|_| reader.array()).collect::<Result<_, _>>()?;
        let partial = if reader.flag()? { Some(reader.array()?) } else { None };
        let log_root = reader.array()?;
        reader.finish()?;
        if leaves > LEAVES_MAX || location >= leaves {
            return Err(LightError::Malformed("a location beyond the log"));
        }
        Ok(Self { location, chunk, leaves, inactive, digests, partial, log_root })
    }

    /// The root that the proof leads to; `None` when its parts do not fit each other.
    fn root(&self, operation: &[u8]) -> Option<Hash> {
        let bit = self.location % (1 << CHUNK_HEIGHT);
        let byte = self.chunk[usize::try_from(bit / 8).ok()?];
        let tail = self.leaves % (1 << CHUNK_HEIGHT);
        if byte >> (bit % 8) & 1 == 0 || self.partial.is_some() != (tail != 0) {
            return None;
        }
        let in_tail = self.location >> CHUNK_HEIGHT == self.leaves >> CHUNK_HEIGHT;
        if in_tail && self.partial != Some(sha256(&[&self.chunk])) {
            return None;
        }
        let grafted = self.grafted_root(operation)?;
        Some(match &self.partial {
            None => sha256(&[&self.log_root, &grafted]),
            Some(partial) => sha256(&[&self.log_root, &grafted, &tail.to_be_bytes(), partial]),
        })
    }

    /// The root of the mountains, in which a whole chunk of the bitmap is hashed into the node above its operations.
    fn grafted_root(&self, operation: &[u8]) -> Option<Hash> {
        let mountains = mountains(self.leaves);
        let own = mountains.iter().position(|m| self.location - m.first < 1 << m.height)?;
        let inactive = usize::try_from(self.inactive).ok().filter(|n| *n <= mountains.len())?;
        // Which mountains the proof lists one by one: active ones before its own, inactive ones after it.
        let (folded, after) = (inactive.min(own), mountains.len() - own - 1);
        let listed_after = inactive.saturating_sub(own + 1);
        let before = usize::from(folded > 0) + own - folded;
        let others = before + listed_after + usize::from(after > listed_after);
        let (others, siblings) = self.digests.split_at_checked(others)?;
        let mut peaks = others.to_vec();
        peaks.insert(before, self.mountain(mountains[own], operation, siblings)?);
        // The mountains folded by the prover count as one.
        let to_fold = if folded > 0 { inactive - folded + 1 } else { inactive };
        let folded = fold(&peaks, to_fold.max(1))?;
        let leaves = self.leaves.to_be_bytes();
        Some(match self.inactive {
            0 => sha256(&[&ROOT_DOMAIN, &leaves, &folded]),
            some => sha256(&[&ROOT_DOMAIN, &leaves, &some.to_be_bytes(), &folded]),
        })
    }

    /// The peak of the operation's mountain. Siblings: those left of the path from the top down, then those right of it
    /// from the bottom up; none may be left over.
    fn mountain(&self, peak: Mountain, operation: &[u8], siblings: &[Hash]) -> Option<Hash> {
        let count = usize::try_from(peak.height).ok()?;
        if siblings.len() != count {
            return None;
        }
        let within = self.location - peak.first;
        let lefts = usize::try_from(within.count_ones()).ok()?;
        let (left, right) = siblings.split_at(lefts);
        let (mut left, mut right) = (left.iter().rev(), right.iter());
        let mut hash = sha256(&[&position(self.location, 0).to_be_bytes(), operation]);
        for height in 1..=peak.height {
            let first = self.location >> height << height;
            let at = position(first, height).to_be_bytes();
            hash = if within >> (height - 1) & 1 == 1 {
                sha256(&[&at, left.next()?, &hash])
            } else {
                sha256(&[&at, &hash, right.next()?])
            };
            if height == CHUNK_HEIGHT {
                hash = sha256(&[&self.chunk, &hash]);
            }
        }
        Some(hash)
    }
}

/// The mountains over `leaves` operations, the largest first.
fn mountains(leaves: u64) -> Vec<Mountain> {
    let mut first = 0;
    let mut out = Vec::new();
    for height in (0..u64::BITS).rev().filter(|height| leaves >> height & 1 == 1) {
        out.push(Mountain { first, height });
        first += 1 << height;
    }
    out
}

/// Number of the node over the `1 << height` operations from `first` on, in the order in which nodes come to be.
fn position(first: u64, height: u32) -> u64 {
    2 * first - u64::from(first.count_ones()) + (1 << (height + 1)) - 2
}

/// Folds the first `count` peaks forward, the others backward, and both together.
fn fold(peaks: &[Hash], count: usize) -> Option<Hash> {
    let (inactive, active) = peaks.split_at_checked(count)?;
    let inactive = inactive.iter().copied().reduce(|acc, peak| sha256(&[&acc, &peak]))?;
    let active = active.iter().rev().copied().reduce(|acc, peak| sha256(&[&peak, &acc]));
    Some(active.map_or(inactive, |active| sha256(&[&inactive, &active])))
}
