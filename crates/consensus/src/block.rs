//! The block: what consensus orders, hashes and sends.
//!
//! A block is an Ethereum header and raw EIP-2718 transactions inside a consensus envelope. Its one byte form is
//! docs/spec/consensus.md §2. Its name is `SHA-256(domain ‖ preamble ‖ SHA-256(body))`: everything but the transactions
//! is in the preamble, so that a finality proof needs the preamble and 32 bytes, not the megabyte.
//!
//! Invariants: `decode(encode(b)) == b`, no byte string has two decodings, every length is bounded, decoding never panics.

use alloy_consensus::Header;
use alloy_primitives::B256;
use alloy_rlp::{Decodable as _, Encodable as _};
use bytes::Bytes;
use cairn_ledger::params::{BLOCK_BYTES_MAX, BLOCK_TXS_MAX, TX_BYTES_MAX};
use cairn_primitives::TimeMs;
use commonware_codec::{
    Buf, Copying, DecodeExt as _, Encode, EncodeSize, Error as CodecError, FixedSize as _,
    MaxEncodeSize as _, RangeCfg, Read, ReadExt as _, Write,
};
use commonware_consensus::{
    Block as ConsensusBlock, BoundedBlock, CertifiableBlock, Heightable,
    simplex::types::Context,
    types::{Epoch as Term, Height, Round, View},
};
use commonware_cryptography::{
    Digest as _, Digestible, Hasher as _, Sha256, Signer as _, ed25519, sha256,
};
use commonware_runtime::BufMut;
use commonware_storage::mmr::Location;
use commonware_utils::range::NonEmptyRange;

use crate::beacon::Reveal;

/// Bytes of the longest length prefix.
const PREFIX_BYTES: usize = 5;
/// Most bytes of a block's transactions with their length prefixes: what the ledger lets a block have.
pub const BODY_BYTES_MAX: usize = BLOCK_BYTES_MAX + PREFIX_BYTES * (BLOCK_TXS_MAX + 1);
/// Most validators of a term, and so most that a block names.
pub const VALIDATORS_MAX: usize = 128;
/// Most bytes of a header's RLP; ours has about 620.
pub const HEADER_BYTES_MAX: usize = 2_048;

const DIGEST_DOMAIN: &[u8] = b"cairn/block/v1";

/// Consensus context of a block: round, leader and parent.
pub type BlockContext = Context<sha256::Digest, ed25519::PublicKey>;

/// Everything of a block but its transactions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Preamble {
    /// Round, leader and parent, as consensus gave them to the proposer.
    pub context: BlockContext,
    /// Digest of the parent block.
    pub parent: sha256::Digest,
    /// Height, 0 for genesis.
    pub height: Height,
    /// Root of the state tree's operations log after this block: the target of state sync.
    pub log_root: sha256::Digest,
    /// Operations of that log which are still live after this block.
    pub log_range: NonEmptyRange<Location>,
    /// In the last block of a term the validators of the next, ascending; in every other block none.
    pub next_validators: Vec<ed25519::PublicKey>,
    /// What its leader's key has for its round: the block's part in the randomness (docs/spec/beacon.md).
    pub reveal: Reveal,
    /// The Ethereum header; `state_root` is the state tree's root (docs/spec/state-root.md).
    pub header: Header,
}

/// A block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Block {
    /// Everything but the transactions.
    pub preamble: Preamble,
    /// Raw EIP-2718 transactions, in order.
    pub transactions: Vec<Bytes>,
}

/// Bytes that a raw transaction of `length` bytes takes in a body.
#[must_use]
pub fn body_bytes(length: usize) -> usize {
    length + length.encode_size()
}

/// Network time of a header: the eight big-endian bytes of `extra_data`, in ms; `None` when they are not there or
/// disagree with the header's seconds.
#[must_use]
pub fn header_time(header: &Header) -> Option<TimeMs> {
    let ms = u64::from_be_bytes(header.extra_data.as_ref().try_into().ok()?);
    (ms / 1_000 == header.timestamp).then_some(TimeMs(ms))
}

impl Block {
    /// Block 0 with this header. `log_root` and `log_range` are those of an empty tree: the genesis state enters the
    /// tree together with block 1.
    #[must_use]
    pub fn genesis(
        header: Header,
        log_root: sha256::Digest,
        log_range: NonEmptyRange<Location>,
    ) -> Self {
        let context = Context {
            round: Round::new(Term::zero(), View::zero()),
            leader: ed25519::PrivateKey::from_seed(0).public_key(),
            parent: (View::zero(), sha256::Digest::EMPTY),
        };
        let preamble = Preamble {
            context,
            parent: sha256::Digest::EMPTY,
            height: Height::zero(),
            log_root,
            log_range,
            next_validators: Vec::new(),
            reveal: Reveal::NONE,
            header,
        };
        Self { preamble, transactions: Vec::new() }
    }

    /// The block with these bytes.
    ///
    /// # Errors
    /// When they are not the one encoding of a block within all bounds.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, CodecError> {
        Self::decode(Copying(bytes))
    }

    /// Its bytes.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        Encode::encode(self).into()
    }

    /// SHA-256 of the encoded transactions.
    #[must_use]
    pub fn body_digest(&self) -> sha256::Digest {
        Sha256::hash(&[&Encode::encode(&self.transactions)])
    }

    /// The Ethereum hash of the block.
    #[must_use]
    pub fn hash(&self) -> B256 {
        self.preamble.header.hash_slow()
    }
}

impl Preamble {
    /// The block's name, from its preamble and the digest of its body.
    #[must_use]
    pub fn block_digest(&self, body: &sha256::Digest) -> sha256::Digest {
        Sha256::hash(&[DIGEST_DOMAIN, &Encode::encode(self), body.as_ref()])
    }

    /// Network time of the block; blocks with a malformed time are refused on decoding.
    ///
    /// # Panics
    /// Never for a decoded or built block.
    #[must_use]
    pub fn time(&self) -> TimeMs {
        header_time(&self.header).expect("decoding and building check the header's time")
    }
}

impl Write for Preamble {
    fn write(&self, buf: &mut impl BufMut) {
        self.context.write(buf);
        self.parent.write(buf);
        self.height.write(buf);
        self.log_root.write(buf);
        self.log_range.write(buf);
        self.next_validators.write(buf);
        self.reveal.write(buf);
        let mut rlp = Vec::with_capacity(self.header.length());
        self.header.encode(&mut rlp);
        rlp.write(buf);
    }
}

impl EncodeSize for Preamble {
    fn encode_size(&self) -> usize {
        self.context.encode_size()
            + self.parent.encode_size()
            + self.height.encode_size()
            + self.log_root.encode_size()
            + self.log_range.encode_size()
            + self.next_validators.encode_size()
            + Reveal::SIZE
            + body_bytes(self.header.length())
    }
}

impl Read for Preamble {
    type Cfg = ();
    fn read_cfg(buf: &mut impl Buf, (): &()) -> Result<Self, CodecError> {
        Ok(Self {
            context: Context::read(buf)?,
            parent: sha256::Digest::read(buf)?,
            height: Height::read(buf)?,
            log_root: sha256::Digest::read(buf)?,
            log_range: NonEmptyRange::read(buf)?,
            next_validators: read_validators(buf)?,
            reveal: Reveal::read(buf)?,
            header: decode_header(&Bytes::read_cfg(buf, &RangeCfg::from(0..=HEADER_BYTES_MAX))?)?,
        })
    }
}

/// Reads keys that ascend, each more than the one before.
fn read_validators(buf: &mut impl Buf) -> Result<Vec<ed25519::PublicKey>, CodecError> {
    let limit = (RangeCfg::from(0..=VALIDATORS_MAX), ());
    let keys = Vec::<ed25519::PublicKey>::read_cfg(buf, &limit)?;
    if keys.is_sorted_by(|a, b| a < b) {
        Ok(keys)
    } else {
        Err(CodecError::Invalid("cairn::Preamble", "the validators do not ascend"))
    }
}

/// Decodes a header strictly: canonical RLP, nothing after it, and a well-formed time.
pub(crate) fn decode_header(rlp: &[u8]) -> Result<Header, CodecError> {
    let mut rest = rlp;
    let header = Header::decode(&mut rest)
        .map_err(|_| CodecError::Invalid("cairn::Header", "not the RLP of a header"))?;
    let mut again = Vec::with_capacity(rlp.len());
    header.encode(&mut again);
    if again != rlp {
        return Err(CodecError::Invalid("cairn::Header", "not canonical"));
    }
    if header_time(&header).is_none() {
        return Err(CodecError::Invalid("cairn::Header", "extra data is not the block's time"));
    }
    Ok(header)
}

impl Write for Block {
    fn write(&self, buf: &mut impl BufMut) {
        self.preamble.write(buf);
        Encode::encode(&self.transactions).write(buf);
    }
}

impl EncodeSize for Block {
    fn encode_size(&self) -> usize {
        self.preamble.encode_size() + body_bytes(self.transactions.encode_size())
    }
}

impl Read for Block {
    type Cfg = ();
    fn read_cfg(buf: &mut impl Buf, (): &()) -> Result<Self, CodecError> {
        let preamble = Preamble::read(buf)?;
        let body = Bytes::read_cfg(buf, &RangeCfg::from(0..=BODY_BYTES_MAX))?;
        let limits = (RangeCfg::from(0..=BLOCK_TXS_MAX), RangeCfg::from(1..=TX_BYTES_MAX));
        let mut rest = body;
        let transactions = Vec::<Bytes>::read_cfg(&mut rest, &limits)?;
        if rest.is_empty() {
            Ok(Self { preamble, transactions })
        } else {
            Err(CodecError::ExtraData(rest.len()))
        }
    }
}

impl Digestible for Block {
    type Digest = sha256::Digest;
    fn digest(&self) -> sha256::Digest {
        self.preamble.block_digest(&self.body_digest())
    }
}

impl Heightable for Block {
    fn height(&self) -> Height {
        self.preamble.height
    }
}

impl ConsensusBlock for Block {
    fn parent(&self) -> sha256::Digest {
        self.preamble.parent
    }
}

impl CertifiableBlock for Block {
    type Context = BlockContext;
    fn context(&self) -> BlockContext {
        self.preamble.context.clone()
    }
}

impl BoundedBlock for Block {
    fn max_encode_size((): &()) -> usize {
        BlockContext::MAX_ENCODE_SIZE
            + 2 * sha256::Digest::SIZE
            + Height::MAX_ENCODE_SIZE
            + NonEmptyRange::<Location>::MAX_ENCODE_SIZE
            + body_bytes(VALIDATORS_MAX * ed25519::PublicKey::SIZE)
            + Reveal::SIZE
            + body_bytes(HEADER_BYTES_MAX)
            + body_bytes(BODY_BYTES_MAX)
    }
}

/// Decodes the public key of a validator.
///
/// # Errors
/// When the bytes are no Ed25519 public key.
pub(crate) fn public_key(bytes: &[u8; 32]) -> Result<ed25519::PublicKey, CodecError> {
    ed25519::PublicKey::decode(Copying(bytes))
}

#[cfg(test)]
mod tests;
