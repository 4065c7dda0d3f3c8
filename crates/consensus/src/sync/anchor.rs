//! The block whose state is taken: proven from genesis' validators, over one handover a term, by its own certificate.

use alloy_consensus::Header;
use alloy_primitives::B256;
use bytes::Bytes;
use commonware_codec::{Copying, Decode as _, Encode, RangeCfg};
use rand_core::CryptoRng;

use crate::{
    block::Preamble,
    finality::{FinalityError, FinalityProof},
    genesis::NetworkIdentity,
    ports::ImportEnd,
};

/// Most proofs in one answer.
pub(crate) const PROOFS_MAX: usize = 1_024;
/// Most proofs of an anchor: as many terms as a chain of 4 blocks a second has in a century with an hour a term.
const CHAIN_MAX: usize = 1 << 20;
/// Most bytes of one item of a list.
const ITEM_BYTES_MAX: usize = 4 << 20;

/// A block that the operator knows to be on the chain: the last one of a term. Old validators can sign a false past once their
/// stake is free; with this they cannot, from this term on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Trusted {
    /// The term that the block ends.
    pub term: u64,
    /// Its hash.
    pub hash: B256,
}

/// Why a chain of proofs does not lead to a block.
#[derive(Debug, thiserror::Error)]
pub enum AnchorError {
    /// The bytes are no list of proofs, or an empty one.
    #[error("it is no list of proofs")]
    Malformed,
    /// A proof proves nothing.
    #[error("proof {index} of the chain proves nothing")]
    Proof {
        /// From 0.
        index: usize,
        /// Why.
        #[source]
        source: FinalityError,
    },
    /// A block that ends no term was given as a handover.
    #[error("block {0} ends no term")]
    NotLast(u64),
    /// The chain does not have the block that the operator trusts.
    #[error("it ends term {term} with block {found}, and the settings trust {trusted}")]
    NotTrusted {
        /// The term.
        term: u64,
        /// Of the peer.
        found: B256,
        /// Of the settings.
        trusted: B256,
    },
    /// The chain ends before the term that the operator trusts.
    #[error("it ends before term {0}, whose last block the settings trust")]
    TooOld(u64),
}

/// A proven block with the way to it.
#[derive(Clone, Debug)]
pub struct Anchor {
    proofs: Vec<u8>,
    handovers: Vec<(FinalityProof, Bytes)>,
    proof: FinalityProof,
    bytes: Bytes,
}

impl Anchor {
    /// The anchor of a list of proofs: the handovers of all terms before the block's, then the certificate of the block itself.
    ///
    /// # Errors
    /// When they do not lead from genesis to the block.
    pub fn of_proofs(
        network: &NetworkIdentity,
        trusted: Option<Trusted>,
        proofs: Vec<u8>,
        rng: &mut impl CryptoRng,
    ) -> Result<Self, AnchorError> {
        let mut items = read_list(&proofs, CHAIN_MAX).ok_or(AnchorError::Malformed)?;
        let bytes = items.pop().ok_or(AnchorError::Malformed)?;
        let mut walk = Walk::new(network, trusted);
        let mut handovers = Vec::with_capacity(items.len());
        for item in items {
            handovers.push((walk.handover(&item, rng)?, item));
        }
        let proof = walk.end(&bytes, rng)?;
        Ok(Self { proofs, handovers, proof, bytes })
    }

    /// The list that it was read from.
    #[must_use]
    pub fn proofs(&self) -> &[u8] {
        &self.proofs
    }

    /// The block's own proof.
    pub(crate) const fn proof(&self) -> &FinalityProof {
        &self.proof
    }

    pub(crate) const fn preamble(&self) -> &Preamble {
        &self.proof.preamble
    }

    /// The block's header.
    #[must_use]
    pub const fn header(&self) -> &Header {
        &self.proof.preamble.header
    }

    /// What ends the import: this block, the headers before it, and the handovers, which other nodes will ask for.
    pub(crate) fn ending(&self, headers: Vec<Header>) -> ImportEnd {
        let handover =
            |(proof, bytes): &(FinalityProof, Bytes)| (proof.preamble.height.get(), bytes.to_vec());
        ImportEnd {
            headers,
            digest: self.proof.finalization.proposal.payload.0,
            certificate: self.bytes.to_vec(),
            handovers: self.handovers.iter().map(handover).collect(),
        }
    }
}

/// Going from term to term.
#[derive(Clone)]
pub(crate) struct Walk<'a> {
    network: &'a NetworkIdentity,
    trusted: Option<Trusted>,
    /// The newest term whose validators are known, and who they are.
    pub(crate) term: u64,
    keys: Vec<B256>,
}

impl<'a> Walk<'a> {
    /// Begins with genesis' validators.
    pub(crate) fn new(network: &'a NetworkIdentity, trusted: Option<Trusted>) -> Self {
        let keys = network.genesis.validators.iter().map(|v| v.consensus_key).collect();
        Self { network, trusted, term: 0, keys }
    }

    fn check(
        &self,
        index: usize,
        bytes: &[u8],
        rng: &mut impl CryptoRng,
    ) -> Result<FinalityProof, AnchorError> {
        let keys = |term: u64| (term == self.term).then(|| self.keys.clone());
        FinalityProof::check(bytes, &self.network.hash, keys, rng)
            .map_err(|source| AnchorError::Proof { index, source })
    }

    /// Takes the proof of the block that ends the known term; its successors' keys are known then.
    pub(crate) fn handover(
        &mut self,
        bytes: &[u8],
        rng: &mut impl CryptoRng,
    ) -> Result<FinalityProof, AnchorError> {
        let index = usize::try_from(self.term).unwrap_or(usize::MAX);
        let proof = self.check(index, bytes, rng)?;
        let height = proof.preamble.height.get();
        if proof.term() != self.term || height != self.network.terms.last_of(self.term) {
            return Err(AnchorError::NotLast(height));
        }
        if let Some(Trusted { term, hash }) =
            self.trusted.filter(|trusted| trusted.term == self.term)
            && proof.preamble.header.hash_slow() != hash
        {
            let found = proof.preamble.header.hash_slow();
            return Err(AnchorError::NotTrusted { term, found, trusted: hash });
        }
        (self.term, self.keys) = (self.term.saturating_add(1), proof.next_validators());
        Ok(proof)
    }

    /// Takes the proof of the block itself.
    pub(crate) fn end(
        &self,
        bytes: &[u8],
        rng: &mut impl CryptoRng,
    ) -> Result<FinalityProof, AnchorError> {
        if let Some(trusted) = self.trusted.filter(|trusted| trusted.term >= self.term) {
            return Err(AnchorError::TooOld(trusted.term));
        }
        self.check(usize::try_from(self.term).unwrap_or(usize::MAX), bytes, rng)
    }
}

/// The bytes of a list: varint count, and for each item a varint length and its bytes.
#[must_use]
pub fn list(items: &[Bytes]) -> Vec<u8> {
    Encode::encode(&items.to_vec()).into()
}

/// The items of a list of at most `most`; `None` when the bytes are not the one encoding of one.
#[must_use]
pub fn read_list(bytes: &[u8], most: usize) -> Option<Vec<Bytes>> {
    let limits = (RangeCfg::from(0..=most), RangeCfg::from(0..=ITEM_BYTES_MAX));
    Vec::<Bytes>::decode_cfg(Copying(bytes), &limits).ok()
}
