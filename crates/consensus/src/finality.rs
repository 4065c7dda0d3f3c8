//! Proof that a block is final, for everyone outside consensus (docs/spec/finality.md).
//!
//! More than two thirds of the validators signed the block's round, parent view and digest with Ed25519. The certificate
//! lists who signed: a validator that signs two blocks of one round convicts itself. With the block's preamble and the
//! digest of its body the proof leads from those signatures to the Ethereum header and its roots.

use alloy_primitives::B256;
use cairn_primitives::Digest;
use commonware_codec::{
    Buf, Copying, DecodeExt as _, Encode, EncodeSize, Error as CodecError, Read, ReadExt as _,
    Write,
};
use commonware_consensus::simplex::types::{Finalization, Proposal};
use commonware_cryptography::{certificate::Verifier as _, ed25519, sha256};
use commonware_parallel::Sequential;
use commonware_runtime::BufMut;
use commonware_utils::{TryCollect as _, ordered::Set};
use rand_core::CryptoRng;

use crate::{block::Preamble, block::public_key, scheme::Scheme};

/// Why a proof of finality proves nothing.
#[derive(Debug, thiserror::Error)]
pub enum FinalityError {
    /// The bytes are no proof.
    #[error("the bytes are no finality proof")]
    Malformed(#[source] CodecError),
    /// A validator of the set is no key, or is there twice.
    #[error("the validator set is not a list of distinct ed25519 keys")]
    Validators,
    /// The certificate is about another block than the preamble.
    #[error("the certificate is about another block")]
    OtherBlock,
    /// The set of the certificate's term is not known here.
    #[error("the validators of term {0} are not known")]
    UnknownTerm(u64),
    /// Too few validators signed, or a signature is wrong.
    #[error("the certificate is not signed by more than two thirds of the validators")]
    NotFinal,
}

/// A block's preamble, the digest of its body, and the certificate over both.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FinalityProof {
    /// Everything of the block but its transactions.
    pub preamble: Preamble,
    /// SHA-256 of the encoded transactions.
    pub body: sha256::Digest,
    /// Round, parent view and digest, with the signatures.
    pub finalization: Finalization<Scheme, sha256::Digest>,
}

/// The domain of every consensus signature of the network with this genesis.
#[must_use]
pub fn namespace(genesis: &Digest) -> Vec<u8> {
    let mut namespace = b"cairn/consensus/v1/".to_vec();
    namespace.extend_from_slice(genesis.as_bytes());
    namespace
}

/// The validators' keys as the set that consensus orders them in: ascending.
///
/// # Errors
/// When a key is no Ed25519 key or appears twice.
pub fn validator_set(keys: &[B256]) -> Result<Set<ed25519::PublicKey>, FinalityError> {
    let keys = keys.iter().map(|key| public_key(&key.0).map_err(|_| FinalityError::Validators));
    keys.collect::<Result<Vec<_>, _>>()?
        .into_iter()
        .try_collect()
        .map_err(|_| FinalityError::Validators)
}

impl FinalityProof {
    /// The proof with these bytes, unchecked.
    ///
    /// # Errors
    /// When they are not the one encoding of a proof.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, FinalityError> {
        Self::decode(Copying(bytes)).map_err(FinalityError::Malformed)
    }

    /// Its bytes.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        Encode::encode(self).into()
    }

    /// The term whose validators signed.
    #[must_use]
    pub const fn term(&self) -> u64 {
        self.finalization.proposal.round.epoch().get()
    }

    /// The keys of the next term's validators, ascending: the last block of a term names them, no other block does.
    #[must_use]
    pub fn next_validators(&self) -> Vec<B256> {
        self.preamble.next_validators.iter().map(|key| B256::from_slice(key.as_ref())).collect()
    }

    /// Checks an encoded proof against the validators of its term in the network with this genesis; then its header is final.
    /// `rng` only blinds batch verification; it never decides the answer.
    ///
    /// # Errors
    /// Says why the proof proves nothing.
    pub fn check(
        bytes: &[u8],
        genesis: &Digest,
        validators_of: impl FnOnce(u64) -> Option<Vec<B256>>,
        rng: &mut impl CryptoRng,
    ) -> Result<Self, FinalityError> {
        let proof = Self::from_bytes(bytes)?;
        let validators =
            validators_of(proof.term()).ok_or(FinalityError::UnknownTerm(proof.term()))?;
        proof.check_by(&Scheme::verifier(&namespace(genesis), validator_set(&validators)?), rng)?;
        Ok(proof)
    }

    /// Checks it by the scheme of its term.
    pub(crate) fn check_by(
        &self,
        scheme: &Scheme,
        rng: &mut impl CryptoRng,
    ) -> Result<(), FinalityError> {
        let Proposal { round, payload, .. } = self.finalization.proposal;
        if payload != self.preamble.block_digest(&self.body)
            || round.epoch() != self.preamble.context.round.epoch()
        {
            return Err(FinalityError::OtherBlock);
        }
        if !self.finalization.verify(rng, scheme, &Sequential) {
            return Err(FinalityError::NotFinal);
        }
        Ok(())
    }
}

impl Write for FinalityProof {
    fn write(&self, buf: &mut impl BufMut) {
        self.preamble.write(buf);
        self.body.write(buf);
        self.finalization.write(buf);
    }
}

impl EncodeSize for FinalityProof {
    fn encode_size(&self) -> usize {
        self.preamble.encode_size() + self.body.encode_size() + self.finalization.encode_size()
    }
}

impl Read for FinalityProof {
    type Cfg = ();
    fn read_cfg(buf: &mut impl Buf, (): &()) -> Result<Self, CodecError> {
        Ok(Self {
            preamble: Preamble::read(buf)?,
            body: sha256::Digest::read(buf)?,
            finalization: Finalization::read_cfg(
                buf,
                &Scheme::certificate_codec_config_unbounded(),
            )?,
        })
    }
}
