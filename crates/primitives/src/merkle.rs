//! Binary Merkle trees over SHA-256 (RFC 6962 shape): leaf = H(0x00 ‖ bytes), node = H(0x01 ‖ left ‖ right),
//! the last node of an odd level moves up unchanged. The root of no leaves is 32 zero bytes.
//!
//! The two prefixes keep a node from being presented as a leaf.

use serde::{Deserialize, Serialize};

use crate::Digest;

/// Hash of one leaf.
#[must_use]
pub fn leaf_hash(bytes: &[u8]) -> Digest {
    Digest::of(&[&[0x00], bytes])
}

/// Hash of an inner node.
#[must_use]
pub fn node_hash(left: &Digest, right: &Digest) -> Digest {
    Digest::of(&[&[0x01], &left.0, &right.0])
}

/// A tree with all its levels, leaves first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MerkleTree {
    levels: Vec<Vec<Digest>>,
}

/// The siblings from a leaf to the root, bottom up; levels where the node moved up alone have none.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MerkleProof {
    /// Position of the leaf, from 0.
    pub index: u32,
    /// Number of leaves of the tree.
    pub count: u32,
    /// Siblings, bottom up.
    pub siblings: Vec<Digest>,
}

impl MerkleTree {
    /// Builds the tree over already hashed leaves.
    #[must_use]
    pub fn from_hashes(leaves: Vec<Digest>) -> Self {
        let mut levels = vec![leaves];
        while let Some(level) = levels.last().filter(|level| level.len() > 1) {
            let next = level
                .chunks(2)
                .map(|pair| match pair {
                    [left, right] => node_hash(left, right),
                    [alone] => *alone,
                    _ => unreachable!("chunks of two"),
                })
                .collect();
            levels.push(next);
        }
        Self { levels }
    }

    /// Builds the tree over leaf bytes.
    #[must_use]
    pub fn new<'a>(leaves: impl IntoIterator<Item = &'a [u8]>) -> Self {
        Self::from_hashes(leaves.into_iter().map(leaf_hash).collect())
    }

    /// The root; zero for an empty tree.
    #[must_use]
    pub fn root(&self) -> Digest {
        self.levels.last().and_then(|level| level.first()).copied().unwrap_or(Digest::ZERO)
    }

    /// Number of leaves.
    #[must_use]
    pub fn len(&self) -> usize {
        self.levels.first().map_or(0, Vec::len)
    }

    /// Whether there is no leaf.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The proof of the leaf at `index`; `None` when there is no such leaf.
    #[must_use]
    pub fn proof(&self, index: usize) -> Option<MerkleProof> {
        if index >= self.len() {
            return None;
        }
        let mut siblings = Vec::new();
        let mut at = index;
        for level in &self.levels[..self.levels.len() - 1] {
            if let Some(sibling) = level.get(at ^ 1) {
                siblings.push(*sibling);
            }
            at /= 2;
        }
        Some(MerkleProof {
            index: u32::try_from(index).ok()?,
            count: u32::try_from(self.len()).ok()?,
            siblings,
        })
    }
}

/// Whether `leaf` is leaf number `proof.index` of the tree with `proof.count` leaves and this `root`.
#[must_use]
pub fn verify_proof(root: &Digest, leaf: &Digest, proof: &MerkleProof) -> bool {
    let (mut at, mut width) = (proof.index, proof.count);
    if at >= width {
        return false;
    }
    let mut hash = *leaf;
    let mut siblings = proof.siblings.iter();
    while width > 1 {
        if at % 2 == 1 {
            let Some(left) = siblings.next() else { return false };
            hash = node_hash(left, &hash);
        } else if at + 1 < width {
            let Some(right) = siblings.next() else { return false };
            hash = node_hash(&hash, right);
        }
        at /= 2;
        width = width.div_ceil(2);
    }
    siblings.next().is_none() && hash == *root
}
