//! The finality certificate: from the validators' signatures to an Ethereum header (docs/spec/finality.md).
//!
//! A second implementation of `consensus::FinalityProof::check` without the engine's library; a test of `consensus`
//! holds the two against each other.

use alloy_consensus::Header;
use alloy_primitives::B256;
use alloy_rlp::{Decodable as _, Encodable as _};

use super::{
    LightError, Trust, VALIDATORS_MAX,
    codec::{Reader, put_bytes},
    ed25519::{Key, sha256},
};

/// Most bytes of a header's RLP.
const HEADER_BYTES_MAX: usize = 2_048;
/// The block's part in the randomness, which a certificate covers and no proof needs.
const REVEAL_BYTES: usize = 80;
/// Most leaves of the operations log that the library counts to.
const LOCATION_MAX: u64 = 1 << 62;

/// A certificate as its bytes say, unchecked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Certificate {
    /// The header that the signatures lead to.
    pub header: Header,
    /// The term whose validators signed.
    pub term: u64,
    /// The next term's validators, ascending; only the last block of a term names them.
    pub next: Vec<B256>,
    /// Whether the signed digest is that of the preamble and body.
    of_this_block: bool,
    /// Term, view, parent view and block digest as they are signed.
    vote: Vec<u8>,
    /// Validators that the bitmap counts.
    pub seats: usize,
    /// Numbers of those that signed, ascending.
    signers: Vec<usize>,
    /// Their signatures, in that order.
    signatures: Vec<[u8; 64]>,
}

impl Certificate {
    /// Reads a certificate.
    ///
    /// # Errors
    /// `Malformed`.
    pub fn decode(bytes: &[u8]) -> Result<Self, LightError> {
        let mut reader = Reader::new(bytes);
        let Preamble { term: built_in, next, header } = preamble(&mut reader)?;
        let preamble = &bytes[..bytes.len() - reader.left().len()];
        let body = reader.array::<32>()?;
        let digest = sha256(&[b"cairn/block/v1", preamble, &body]);
        let voted = reader.left();
        let term = reader.varint()?;
        for _ in 0..2 {
            reader.varint()?;
        }
        let signed = reader.array::<32>()?;
        let vote = voted[..voted.len() - reader.left().len()].to_vec();
        let (seats, signers) = signers(&mut reader)?;
        let count = reader.count(signers.len())?;
        if count != signers.len() || count == 0 {
            return Err(LightError::Malformed("another number of signatures than of signers"));
        }
        let signatures = (0..count).map(|_| reader.array()).collect::<Result<_, _>>()?;
        reader.finish()?;
        let of_this_block = signed == digest && term == built_in;
        Ok(Self { header, term, next, of_this_block, vote, seats, signers, signatures })
    }

    /// How many validators signed.
    #[must_use]
    pub fn signers(&self) -> usize {
        self.signers.len()
    }

    /// Every signature with its signer's number, and the signed message: what a check cannot avoid.
    pub(super) fn signed(&self, trust: &Trust) -> (Vec<u8>, Vec<(usize, [u8; 64])>) {
        let mut domain = b"cairn/consensus/v1/".to_vec();
        domain.extend_from_slice(&trust.genesis.0);
        domain.extend_from_slice(b"_FINALIZE");
        let mut message = Vec::with_capacity(domain.len() + self.vote.len() + 1);
        put_bytes(&mut message, &domain);
        message.extend_from_slice(&self.vote);
        (message, self.signers.iter().copied().zip(self.signatures.iter().copied()).collect())
    }

    pub(super) fn check(&self, trust: &Trust) -> Result<(), LightError> {
        if !self.of_this_block {
            return Err(LightError::OtherBlock);
        }
        let keys = validators(trust, self.term)?;
        if self.seats != keys.len() || self.signers.len() < quorum(keys.len()) {
            return Err(LightError::NotFinal);
        }
        let (message, signed) = self.signed(trust);
        let valid = |(seat, signature): &(usize, [u8; 64])| {
            keys.get(*seat).is_some_and(|key| key.verify(&message, signature))
        };
        if signed.iter().all(valid) { Ok(()) } else { Err(LightError::NotFinal) }
    }
}

/// Checks an encoded certificate and returns the final header.
///
/// # Errors
/// Says why it proves nothing.
pub fn check_certificate(bytes: &[u8], trust: &Trust) -> Result<Header, LightError> {
    let certificate = Certificate::decode(bytes)?;
    certificate.check(trust)?;
    Ok(certificate.header)
}

/// Signatures that make a block of `n` validators final.
pub(super) const fn quorum(n: usize) -> usize {
    n - (n - 1) / 3
}

/// A term's validators' keys in the order of their numbers: ascending.
pub(super) fn validators(trust: &Trust, term: u64) -> Result<Vec<Key>, LightError> {
    let mut sorted = trust.validators(term).ok_or(LightError::UnknownTerm(term))?.to_vec();
    sorted.sort_unstable();
    let distinct = sorted.windows(2).all(|pair| pair[0] != pair[1]);
    if !distinct || sorted.is_empty() || sorted.len() > VALIDATORS_MAX {
        return Err(LightError::Validators);
    }
    sorted.iter().map(|bytes| Key::new(&bytes.0).ok_or(LightError::Validators)).collect()
}

/// What of a block's preamble matters here.
struct Preamble {
    term: u64,
    next: Vec<B256>,
    header: Header,
}

/// Reads a block's preamble.
fn preamble(reader: &mut Reader<'_>) -> Result<Preamble, LightError> {
    let term = reader.varint()?;
    reader.varint()?; // view
    Key::new(&reader.array()?).ok_or(LightError::Malformed("the leader is no key"))?;
    reader.varint()?; // parent view
    reader.take(32 + 32)?; // parent digest, twice
    reader.varint()?; // height
    reader.take(32)?; // log root
    let (start, end) = (reader.varint()?, reader.varint()?);
    if start >= end || end > LOCATION_MAX {
        return Err(LightError::Malformed("the log range"));
    }
    let count = reader.count(VALIDATORS_MAX)?;
    let next = (0..count).map(|_| reader.array::<32>().map(B256::from));
    let next = next.collect::<Result<Vec<B256>, _>>()?;
    if !next.is_sorted_by(|a, b| a < b) || next.iter().any(|key| Key::new(&key.0).is_none()) {
        return Err(LightError::Malformed("the next validators"));
    }
    reader.take(REVEAL_BYTES)?;
    Ok(Preamble { term, next, header: header(reader.bytes(HEADER_BYTES_MAX)?)? })
}

/// Reads a header strictly: canonical RLP, nothing after it, and a well-formed time.
pub(super) fn header(rlp: &[u8]) -> Result<Header, LightError> {
    let malformed = LightError::Malformed("the header");
    let mut rest = rlp;
    let header = Header::decode(&mut rest).map_err(|_| malformed)?;
    let mut again = Vec::with_capacity(rlp.len());
    header.encode(&mut again);
    let time = <[u8; 8]>::try_from(header.extra_data.as_ref()).ok().map(u64::from_be_bytes);
    if again != rlp || time.map(|ms| ms / 1_000) != Some(header.timestamp) {
        return Err(malformed);
    }
    Ok(header)
}

/// Reads the bitmap: number of validators, and the numbers of those whose bit is set.
fn signers(reader: &mut Reader<'_>) -> Result<(usize, Vec<usize>), LightError> {
    let seats = usize::try_from(u64::from_be_bytes(reader.array()?))
        .ok()
        .filter(|seats| *seats <= VALIDATORS_MAX)
        .ok_or(LightError::Malformed("a certificate of too many validators"))?;
    let bitmap = reader.take(seats.div_ceil(8))?;
    let set = |seat: usize| bitmap[seat / 8] >> (seat % 8) & 1 == 1;
    if (seats..bitmap.len() * 8).any(set) {
        return Err(LightError::Malformed("a signer beyond the validators"));
    }
    Ok((seats, (0..seats).filter(|seat| set(*seat)).collect()))
}
