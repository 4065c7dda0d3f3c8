//! Who holds a validator's consensus key: this process, or another that it asks ([`ConsensusSigner`]).
//!
//! ```text
//! handshake ─► Key ─hello──┐
//! vote ──────► Scheme ─────┼─► dyn ConsensusSigner ─► LocalSigner: the key
//! reveal ────► Beacon ─────┘                      └─► another process ─► Guard: its own log of votes, the key
//! ```
//! Nothing asks for a signature over bytes of its own choice: a vote is asked for by its parts, and what a handshake signs cannot be a
//! vote, because the domains of votes are refused (`Guard`). docs/spec/signer.md has the bytes between processes.
//!
//! Invariant: a holder that cannot answer costs votes, never safety.

use std::{fmt::Debug, sync::Arc};

use cairn_primitives::{Digest as Hash, SecretKey, candidacy_message};
use commonware_codec::{Copying, DecodeExt as _, Encode as _, Write as _};
use commonware_consensus::{
    simplex::{scheme::Namespace, types::Proposal},
    types::{Epoch as Term, Round, View},
};
use commonware_cryptography::{Signer, ed25519, sha256::Digest};
use commonware_math::algebra::Random;
use rand_core::CryptoRng;
use zeroize::Zeroizing;

use crate::{
    beacon::{self, Reveal},
    finality::namespace,
    scheme::message_of,
    votes::{Vote, VoteKind, VoteLog},
};

/// Bytes of the digest that a handshake signs.
const HANDSHAKE_BYTES: usize = 32;

/// A vote to be signed, in its parts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum VoteAsk {
    /// For a block as the one of its view.
    Notarize(Proposed),
    /// For no block in this view.
    Nullify {
        /// The term.
        term: u64,
        /// The view.
        view: u64,
    },
    /// For a block for good.
    Finalize(Proposed),
}

/// What a leader proposed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Proposed {
    /// The term.
    pub term: u64,
    /// The view.
    pub view: u64,
    /// The view of its parent.
    pub parent: u64,
    /// The block's digest.
    pub block: [u8; 32],
}

/// Holds a validator's consensus key. Calls block the caller until they are answered: an implementation that asks another process
/// answers `None` after a short wait.
pub trait ConsensusSigner: Debug + Send + Sync + 'static {
    /// The key's public half.
    fn public_key(&self) -> [u8; 32];
    /// The signature of a vote; `None` when the holder refuses or is away.
    fn vote(&self, ask: &VoteAsk) -> Option<[u8; 64]>;
    /// The signature of what a peer must see to believe that this node has the key.
    fn hello(&self, namespace: &[u8], message: &[u8]) -> Option<[u8; 64]>;
    /// What the key has for its turn as the leader of a view.
    fn reveal(&self, term: u64, view: u64) -> Option<Reveal>;
}

/// A consensus secret that is no Ed25519 key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the consensus secret is no ed25519 key")]
pub struct BadSecret;

/// The key in this process. It signs whatever it is asked: the log of votes is its owner's.
#[derive(Clone)]
pub struct LocalSigner {
    key: ed25519::PrivateKey,
    genesis: Hash,
    domains: Arc<Namespace>,
}

impl Debug for LocalSigner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("LocalSigner").field(&self.key.public_key()).finish()
    }
}

impl LocalSigner {
    /// The key of this seed, in the network of this genesis.
    ///
    /// # Errors
    /// When the seed is none.
    pub fn new(secret: &[u8; 32], genesis: Hash) -> Result<Self, BadSecret> {
        let key = ed25519::PrivateKey::decode(Copying(secret)).map_err(|_| BadSecret)?;
        Ok(Self::of(key, genesis))
    }

    pub(crate) fn of(key: ed25519::PrivateKey, genesis: Hash) -> Self {
        Self { key, genesis, domains: Arc::new(Namespace::new(&namespace(&genesis))) }
    }

    /// The proof that the key is this operator's (docs/spec/stake.md).
    #[must_use]
    pub fn possession(&self, operator: alloy_primitives::Address) -> [u8; 64] {
        let message = candidacy_message(self.genesis, operator, &self.public_key());
        let signed = SecretKey::ed25519(*self.seed()).sign(&message);
        signed.expect("an ed25519 key signs everything").0
    }

    fn seed(&self) -> Zeroizing<[u8; 32]> {
        let mut seed = Zeroizing::new([0; 32]);
        self.key.write(&mut seed.as_mut_slice());
        seed
    }
}

impl ConsensusSigner for LocalSigner {
    fn public_key(&self) -> [u8; 32] {
        raw(&self.key.public_key())
    }

    fn vote(&self, ask: &VoteAsk) -> Option<[u8; 64]> {
        let proposal = |p: &Proposed| {
            let round = Round::new(Term::new(p.term), View::new(p.view));
            Proposal::new(round, View::new(p.parent), Digest(p.block)).encode()
        };
        let (domain, message) = match ask {
            VoteAsk::Notarize(proposed) => (&self.domains.notarize, proposal(proposed)),
            VoteAsk::Nullify { term, view } => {
                let round = Round::new(Term::new(*term), View::new(*view));
                (&self.domains.nullify, round.encode())
            }
            VoteAsk::Finalize(proposed) => (&self.domains.finalize, proposal(proposed)),
        };
        Some(raw(&self.key.sign(domain, &message)))
    }

    fn hello(&self, namespace: &[u8], message: &[u8]) -> Option<[u8; 64]> {
        Some(raw(&self.key.sign(namespace, message)))
    }

    fn reveal(&self, term: u64, view: u64) -> Option<Reveal> {
        let round = Round::new(Term::new(term), View::new(view));
        Some(beacon::prove(&self.seed(), &self.genesis, round))
    }
}

/// The bytes of a key or a signature, whose size is fixed.
fn raw<const N: usize>(value: &impl AsRef<[u8]>) -> [u8; N] {
    let mut bytes = [0; N];
    bytes.copy_from_slice(value.as_ref());
    bytes
}

/// Why a guard does not sign. The numbers are stable.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[repr(u8)]
pub enum Refusal {
    /// It contradicts what the key has signed, or is of a term that is over.
    #[error("the key has signed otherwise in this view, or later ones")]
    Contradiction = 1,
    /// The log of votes cannot be written.
    #[error("the log of votes cannot be written")]
    Log = 2,
    /// A handshake that would be a vote, or of another network.
    #[error("a handshake in the domain of votes, or of another network")]
    Domain = 3,
    /// A request that cannot be read.
    #[error("the request cannot be read")]
    Malformed = 4,
}

/// The key with a log of its own, for a process that signs for a node: whatever the node asks, nothing that convicts is signed.
///
/// It believes the node's terms, which only rise. What it has no log of it does not sign, so a key is never used with a log from a backup:
/// a new key takes its place (`IStake.rotateKey`).
#[derive(Debug)]
pub struct Guard {
    key: LocalSigner,
    votes: VoteLog,
}

impl Guard {
    /// Guards `key` with the log of everything that it ever signed.
    #[must_use]
    pub const fn new(key: LocalSigner, votes: VoteLog) -> Self {
        Self { key, votes }
    }

    /// The key's public half.
    #[must_use]
    pub fn public_key(&self) -> [u8; 32] {
        self.key.public_key()
    }

    /// The network that it signs for.
    #[must_use]
    pub const fn genesis(&self) -> Hash {
        self.key.genesis
    }

    /// Signs a vote, once it is in the log.
    ///
    /// # Errors
    /// `Contradiction`, `Log`.
    pub fn vote(&self, ask: &VoteAsk) -> Result<[u8; 64], Refusal> {
        let vote = ask.vote();
        self.votes.follow(vote.term);
        if !self.votes.allow(&vote) {
            return Err(Refusal::Contradiction);
        }
        if !self.votes.sent(&vote) {
            return Err(Refusal::Log);
        }
        self.key.vote(ask).ok_or(Refusal::Malformed)
    }

    /// Signs what a peer must see: the digest of a handshake, in no domain, or what this node tells of itself, in a domain that begins
    /// with the network's. Neither is a vote, and neither has the 32 bytes that a reveal hashes, so the two never share a nonce
    /// (docs/spec/beacon.md).
    ///
    /// # Errors
    /// `Domain` of everything else.
    pub fn hello(&self, domain: &[u8], message: &[u8]) -> Result<[u8; 64], Refusal> {
        let Namespace { notarize, nullify, finalize, seed } = &*self.key.domains;
        let is_vote = [notarize, nullify, finalize, seed].into_iter().any(|votes| votes == domain);
        let is_handshake = domain.is_empty() && message.len() == HANDSHAKE_BYTES;
        let is_own = domain.starts_with(&namespace(&self.key.genesis)) && !is_vote;
        if !is_handshake && !is_own {
            return Err(Refusal::Domain);
        }
        self.key.hello(domain, message).ok_or(Refusal::Malformed)
    }

    /// What the key has for a turn: it is the same whenever it is asked.
    ///
    /// # Errors
    /// None today.
    pub fn reveal(&self, term: u64, view: u64) -> Result<Reveal, Refusal> {
        self.key.reveal(term, view).ok_or(Refusal::Malformed)
    }

    /// The proof that the key is this operator's.
    #[must_use]
    pub fn possession(&self, operator: alloy_primitives::Address) -> [u8; 64] {
        self.key.possession(operator)
    }
}

impl VoteAsk {
    /// As the log keeps it.
    fn vote(&self) -> Vote {
        let (kind, term, view, message) = match self {
            Self::Notarize(p) => {
                (VoteKind::Notarize, p.term, p.view, message_of(p.parent, &p.block))
            }
            Self::Nullify { term, view } => (VoteKind::Nullify, *term, *view, [0; 32]),
            Self::Finalize(p) => {
                (VoteKind::Finalize, p.term, p.view, message_of(p.parent, &p.block))
            }
        };
        Vote { term, view, kind, message }
    }
}

/// A validator's consensus key, wherever it is.
#[derive(Clone, Debug)]
pub(crate) struct Key(Arc<Held>);

#[derive(Debug)]
struct Held {
    public: ed25519::PublicKey,
    holder: Arc<dyn ConsensusSigner>,
}

impl Key {
    /// The key that `holder` has.
    pub(crate) fn held(holder: Arc<dyn ConsensusSigner>) -> Result<Self, BadSecret> {
        let public = ed25519::PublicKey::decode(Copying(&holder.public_key()));
        Ok(Self(Arc::new(Held { public: public.map_err(|_| BadSecret)?, holder })))
    }

    /// A key in this process.
    pub(crate) fn local(key: ed25519::PrivateKey, genesis: Hash) -> Self {
        let public = key.public_key();
        Self(Arc::new(Held { public, holder: Arc::new(LocalSigner::of(key, genesis)) }))
    }

    pub(crate) fn vote(&self, ask: &VoteAsk) -> Option<ed25519::Signature> {
        let signature = self.0.holder.vote(ask)?;
        ed25519::Signature::decode(Copying(&signature)).ok()
    }

    pub(crate) fn reveal(&self, round: Round) -> Option<Reveal> {
        self.0.holder.reveal(round.epoch().get(), round.view().get())
    }
}

impl Random for Key {
    /// A new key in this process, of no network: handshakes only.
    fn random(rng: impl CryptoRng) -> Self {
        Self::local(ed25519::PrivateKey::random(rng), Hash::ZERO)
    }
}

impl Signer for Key {
    type Signature = ed25519::Signature;
    type PublicKey = ed25519::PublicKey;

    fn public_key(&self) -> ed25519::PublicKey {
        self.0.public.clone()
    }

    /// A signature by nobody when the holder is away: the handshake fails, and is tried again.
    fn sign(&self, namespace: &[u8], message: &[u8]) -> ed25519::Signature {
        let signed = self.0.holder.hello(namespace, message).unwrap_or([0; 64]);
        ed25519::Signature::decode(Copying(&signed)).expect("64 bytes are a signature")
    }
}
