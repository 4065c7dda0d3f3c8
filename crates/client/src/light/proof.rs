//! The proof's bytes, and what they prove.
//!
//! Each kind of evidence leads from a root of the proven block's header to one fact. A proof never says that something is
//! absent: neither the state tree nor a receipt can show that.

use alloy_consensus::{Header, ReceiptEnvelope};
use alloy_eips::Decodable2718 as _;
use alloy_primitives::{Address, B256, U256, keccak256};
use cairn_primitives::{
    Digest, Epoch, MerkleProof,
    abi::{BATCHES, REWARDS},
    leaf_hash, node_hash,
};

use super::{
    ANCESTORS_MAX, HANDOVERS_MAX, LightError, PROOF_BYTES_MAX, Trust,
    certificate::{check_certificate, header},
    claim::{Block, Claim, LogClaim, Proven, REWARD_BYTES, reward},
    codec::{Reader, put_bytes, put_list, put_varint},
    slots::{batch_slots, included_in, reward_root_slot},
    state::{Entry, check_state},
    trie::{trie_key, trie_value},
};

/// First byte of a proof.
const VERSION: u8 = 2;
/// Most bytes of a state proof: 128 digests and less than 256 bytes beside them.
const STATE_BYTES_MAX: usize = 128 * 32 + 256;
/// Most nodes of a trie proof; a block has at most 10,000 transactions, so a path has five.
const NODES_MAX: usize = 16;
/// Most levels of a Merkle tree, as the contracts allow.
const LEVELS_MAX: usize = 32;

/// Where a sibling stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// Left of the path.
    Left = 0,
    /// Right of the path.
    Right = 1,
}

/// The siblings from a leaf to the root of a Merkle tree, bottom up.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Path(pub Vec<(Side, Digest)>);

/// What leads from a header to a fact.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Evidence {
    /// An account or a slot, and its state proof.
    State(Entry, Vec<u8>),
    /// A transaction and its receipt: number in the block, trie nodes of both.
    Receipt {
        /// Number of the transaction in its block.
        index: u32,
        /// Nodes from `transactionsRoot`.
        transaction: Vec<Vec<u8>>,
        /// Nodes from `receiptsRoot`.
        receipt: Vec<Vec<u8>>,
    },
    /// One log of a receipt.
    Log {
        /// Number of the transaction in its block.
        index: u32,
        /// Number of the log in the receipt.
        position: u32,
        /// Nodes from `receiptsRoot`.
        receipt: Vec<Vec<u8>>,
    },
    /// A device's reward of a final epoch.
    Reward {
        /// The leaf: 93 bytes.
        leaf: [u8; REWARD_BYTES],
        /// From the leaf to the reward root.
        path: Path,
        /// State proof of the slot of the reward root.
        root: Vec<u8>,
    },
    /// A batch in a commitment that is in its epoch's set.
    Batch {
        /// The epoch.
        epoch: Epoch,
        /// The sector's number.
        sector: u8,
        /// Number of the commitment.
        commitment: u8,
        /// The batch: SHA-256(0x00 ‖ envelope).
        leaf: Digest,
        /// From the leaf to the commitment's root.
        path: Path,
        /// State proof of the slot of that root.
        root: Vec<u8>,
        /// Value and state proof of the round's first slot.
        round: (U256, Vec<u8>),
        /// Value and state proof of the slot that says which commitments are in.
        included: (U256, Vec<u8>),
    },
}

/// A self-contained proof, unchecked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LightProof {
    /// The certificates of the last blocks of the terms between what the reader knows and the certificate's term.
    pub handovers: Vec<Vec<u8>>,
    /// The certificate of the proven block or of a descendant.
    pub certificate: Vec<u8>,
    /// RLP of the headers from the proven block to the parent of the certified one; empty when that is the proven one.
    pub ancestors: Vec<Vec<u8>>,
    /// What leads from the proven block to the fact.
    pub evidence: Evidence,
}

impl LightProof {
    /// The proof with these bytes, unchecked.
    ///
    /// # Errors
    /// `Malformed` when they are not the one encoding of a proof.
    pub fn decode(bytes: &[u8]) -> Result<Self, LightError> {
        if bytes.len() > PROOF_BYTES_MAX {
            return Err(LightError::Malformed("more bytes than a proof may have"));
        }
        let mut reader = Reader::new(bytes);
        if reader.byte()? != VERSION {
            return Err(LightError::Malformed("an unknown version"));
        }
        let kind = reader.byte()?;
        let handovers = list(&mut reader, HANDOVERS_MAX)?;
        let certificate = reader.bytes(PROOF_BYTES_MAX)?.to_vec();
        let ancestors = list(&mut reader, ANCESTORS_MAX)?;
        let evidence = Evidence::decode(kind, &mut reader)?;
        reader.finish()?;
        Ok(Self { handovers, certificate, ancestors, evidence })
    }

    /// Its bytes.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut out = vec![VERSION, self.evidence.kind()];
        put_list(&mut out, &self.handovers);
        put_bytes(&mut out, &self.certificate);
        put_list(&mut out, &self.ancestors);
        self.evidence.encode(&mut out);
        out
    }

    /// Checks an encoded proof and returns what it proves.
    ///
    /// # Errors
    /// Says why it proves nothing.
    pub fn verify(bytes: &[u8], trust: &Trust) -> Result<Proven, LightError> {
        Self::verify_and_learn(bytes, &mut trust.clone())
    }

    /// The same; `trust` keeps the validators that the proof leads through, so that the next proof need not.
    ///
    /// # Errors
    /// Says why it proves nothing.
    pub fn verify_and_learn(bytes: &[u8], trust: &mut Trust) -> Result<Proven, LightError> {
        let proof = Self::decode(bytes)?;
        for handover in &proof.handovers {
            trust.learn(handover)?;
        }
        let certified = check_certificate(&proof.certificate, trust)?;
        let signatures = certified.number;
        let proven = descend(certified, &proof.ancestors)?;
        let claim = proof.evidence.claim(&proven)?;
        Ok(Proven { block: Block::of(&proven), certified: signatures, claim })
    }
}

/// From the certified header down its ancestors to the proven one.
fn descend(certified: Header, ancestors: &[Vec<u8>]) -> Result<Header, LightError> {
    let mut child = certified;
    for rlp in ancestors.iter().rev() {
        if keccak256(rlp) != child.parent_hash {
            return Err(LightError::Ancestors);
        }
        child = header(rlp)?;
    }
    Ok(child)
}

impl Evidence {
    const fn kind(&self) -> u8 {
        match self {
            Self::State(Entry::Account { .. }, _) => 1,
            Self::State(Entry::Slot { .. }, _) => 2,
            Self::Receipt { .. } => 3,
            Self::Log { .. } => 4,
            Self::Reward { .. } => 5,
            Self::Batch { .. } => 6,
        }
    }

    fn decode(kind: u8, reader: &mut Reader<'_>) -> Result<Self, LightError> {
        match kind {
            1 => {
                let address = Address::from(reader.array()?);
                let nonce = u64::from_be_bytes(reader.array()?);
                let (balance, code_hash) = (word(reader)?, B256::from(reader.array()?));
                let entry = Entry::Account { address, nonce, balance, code_hash };
                Ok(Self::State(entry, state(reader)?))
            }
            2 => {
                let address = Address::from(reader.array()?);
                let (slot, value) = (word(reader)?, word(reader)?);
                Ok(Self::State(Entry::Slot { address, slot, value }, state(reader)?))
            }
            3 => Ok(Self::Receipt {
                index: number(reader)?,
                transaction: list(reader, NODES_MAX)?,
                receipt: list(reader, NODES_MAX)?,
            }),
            4 => Ok(Self::Log {
                index: number(reader)?,
                position: number(reader)?,
                receipt: list(reader, NODES_MAX)?,
            }),
            5 => Ok(Self::Reward {
                leaf: reader.array()?,
                path: Path::decode(reader)?,
                root: state(reader)?,
            }),
            6 => Ok(Self::Batch {
                epoch: Epoch(reader.varint()?),
                sector: reader.byte()?,
                commitment: reader.byte()?,
                leaf: Digest(reader.array()?),
                path: Path::decode(reader)?,
                root: state(reader)?,
                round: (word(reader)?, state(reader)?),
                included: (word(reader)?, state(reader)?),
            }),
            _ => Err(LightError::Malformed("an unknown kind")),
        }
    }

    fn encode(&self, out: &mut Vec<u8>) {
        match self {
            Self::State(Entry::Account { address, nonce, balance, code_hash }, proof) => {
                out.extend_from_slice(address.as_slice());
                out.extend_from_slice(&nonce.to_be_bytes());
                out.extend_from_slice(&balance.to_be_bytes::<32>());
                out.extend_from_slice(code_hash.as_slice());
                put_bytes(out, proof);
            }
            Self::State(Entry::Slot { address, slot, value }, proof) => {
                out.extend_from_slice(address.as_slice());
                out.extend_from_slice(&slot.to_be_bytes::<32>());
                put_value(out, *value, proof);
            }
            Self::Receipt { index, transaction, receipt } => {
                put_varint(out, u64::from(*index));
                put_list(out, transaction);
                put_list(out, receipt);
            }
            Self::Log { index, position, receipt } => {
                put_varint(out, u64::from(*index));
                put_varint(out, u64::from(*position));
                put_list(out, receipt);
            }
            Self::Reward { leaf, path, root } => {
                out.extend_from_slice(leaf);
                path.encode(out);
                put_bytes(out, root);
            }
            Self::Batch { epoch, sector, commitment, leaf, path, root, round, included } => {
                put_varint(out, epoch.0);
                out.extend_from_slice(&[*sector, *commitment]);
                out.extend_from_slice(&leaf.0);
                path.encode(out);
                put_bytes(out, root);
                put_value(out, round.0, &round.1);
                put_value(out, included.0, &included.1);
            }
        }
    }

    /// What the evidence proves under `header`.
    fn claim(&self, header: &Header) -> Result<Claim, LightError> {
        let state = &header.state_root;
        let slot = |address, slot, value, proof: &[u8]| {
            check_state(state, &Entry::Slot { address, slot, value }, proof)
        };
        match self {
            Self::State(entry, proof) => {
                check_state(state, entry, proof)?;
                Ok(Claim::from(*entry))
            }
            Self::Receipt { index, transaction, receipt } => {
                let transaction = item(&header.transactions_root, *index, transaction)?;
                let receipt = decode_receipt(&item(&header.receipts_root, *index, receipt)?)?;
                Ok(Claim::Receipt {
                    transaction: keccak256(transaction),
                    index: *index,
                    success: receipt.status(),
                    cumulative_gas_used: receipt.cumulative_gas_used(),
                    logs: receipt.logs().iter().map(LogClaim::from).collect(),
                })
            }
            Self::Log { index, position, receipt } => {
                let receipt = decode_receipt(&item(&header.receipts_root, *index, receipt)?)?;
                let at = usize::try_from(*position).map_err(|_| LightError::Trie)?;
                let log = receipt.logs().get(at).ok_or(LightError::Trie)?;
                Ok(Claim::Log { index: *index, position: *position, log: log.into() })
            }
            Self::Reward { leaf, path, root } => {
                let (epoch, sector, claim) = reward(leaf);
                let value = U256::from_be_bytes(path.root(leaf_hash(leaf)).0);
                slot(REWARDS, reward_root_slot(epoch, sector), value, root)?;
                Ok(claim)
            }
            Self::Batch { epoch, sector, commitment, leaf, path, root, round, included } => {
                let slots = batch_slots(*epoch, *sector, *commitment);
                let value = U256::from_be_bytes(path.root(*leaf).0);
                slot(BATCHES, slots.root, value, root)?;
                slot(BATCHES, slots.round, round.0, &round.1)?;
                slot(BATCHES, slots.included, included.0, &included.1)?;
                if !included_in(round.0, included.0, *commitment) {
                    return Err(LightError::NotIncluded);
                }
                let (epoch, sector, leaf) = (epoch.0, *sector, B256::from(leaf.0));
                Ok(Claim::Batch { epoch, sector, commitment: *commitment, leaf })
            }
        }
    }
}

/// Item `index` of the trie with this root.
fn item(root: &B256, index: u32, nodes: &[Vec<u8>]) -> Result<Vec<u8>, LightError> {
    let nodes: Vec<&[u8]> = nodes.iter().map(Vec::as_slice).collect();
    trie_value(root, &trie_key(index), &nodes)
}

fn decode_receipt(bytes: &[u8]) -> Result<ReceiptEnvelope, LightError> {
    let mut rest = bytes;
    let receipt = ReceiptEnvelope::decode_2718(&mut rest);
    receipt.ok().filter(|_| rest.is_empty()).ok_or(LightError::Malformed("the receipt"))
}

fn word(reader: &mut Reader<'_>) -> Result<U256, LightError> {
    Ok(U256::from_be_bytes(reader.array::<32>()?))
}

fn state(reader: &mut Reader<'_>) -> Result<Vec<u8>, LightError> {
    Ok(reader.bytes(STATE_BYTES_MAX)?.to_vec())
}

fn put_value(out: &mut Vec<u8>, value: U256, proof: &[u8]) {
    out.extend_from_slice(&value.to_be_bytes::<32>());
    put_bytes(out, proof);
}

fn number(reader: &mut Reader<'_>) -> Result<u32, LightError> {
    u32::try_from(reader.varint()?).map_err(|_| LightError::Malformed("a number beyond 32 bits"))
}

fn list(reader: &mut Reader<'_>, most: usize) -> Result<Vec<Vec<u8>>, LightError> {
    let count = reader.count(most)?;
    (0..count).map(|_| Ok(reader.bytes(PROOF_BYTES_MAX)?.to_vec())).collect()
}

impl Path {
    /// The path of a proof that names its siblings by the leaf's number.
    #[must_use]
    pub fn of(proof: &MerkleProof) -> Self {
        let (mut at, mut width) = (proof.index, proof.count);
        let mut siblings = proof.siblings.iter();
        let mut path = Vec::new();
        while width > 1 {
            let side = if at % 2 == 1 { Side::Left } else { Side::Right };
            if (at % 2 == 1 || at + 1 < width)
                && let Some(sibling) = siblings.next()
            {
                path.push((side, *sibling));
            }
            at /= 2;
            width = width.div_ceil(2);
        }
        Self(path)
    }

    /// The root above a leaf.
    fn root(&self, leaf: Digest) -> Digest {
        self.0.iter().fold(leaf, |hash, (side, sibling)| match side {
            Side::Left => node_hash(sibling, &hash),
            Side::Right => node_hash(&hash, sibling),
        })
    }

    fn decode(reader: &mut Reader<'_>) -> Result<Self, LightError> {
        let levels = reader.count(LEVELS_MAX)?;
        let level = |_| {
            let side = if reader.flag()? { Side::Right } else { Side::Left };
            Ok((side, Digest(reader.array()?)))
        };
        (0..levels).map(level).collect::<Result<_, _>>().map(Self)
    }

    fn encode(&self, out: &mut Vec<u8>) {
        put_varint(out, self.0.len() as u64);
        for (side, sibling) in &self.0 {
            out.push(*side as u8);
            out.extend_from_slice(&sibling.0);
        }
    }
}
