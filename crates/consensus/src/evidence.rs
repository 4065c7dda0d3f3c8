//! Equivocation: two votes of one validator that exclude each other, kept until someone takes them to the ledger.
//!
//! ```text
//! votes ─► simplex ─► Witness ─► both signatures valid? ─► this node's disk (fsync) ─► ValidatorHandle::evidence
//! ```
//! One pair a validator and term is kept, the first that came: one is enough to slash. Overflow policy: while [`QUEUE`]
//! pairs wait, more are dropped, because who votes twice does it again; beyond [`EVIDENCE_MAX`] pairs those of the oldest
//! terms go. The bytes are those of docs/spec/finality.md.

use bytes::Bytes;
use commonware_actor::Feedback;
use commonware_codec::{Encode as _, ReadExt as _};
use commonware_consensus::{
    Reporter,
    simplex::types::{Activity, Finalize, Notarize, Nullify},
    types::{Participant, Round},
};
use commonware_cryptography::{Verifier as _, certificate::Attestation, ed25519, sha256::Digest};
use commonware_runtime::Spawner;
use commonware_storage::{
    Context as StorageContext,
    metadata::{Config, Metadata},
};
use commonware_utils::sequence::FixedBytes;
use tokio::sync::{mpsc, watch};

use crate::{scheme::Scheme, terms::Terms};

/// Pairs that may wait to be checked.
const QUEUE: usize = 64;
/// Pairs kept: every validator of two terms.
const EVIDENCE_MAX: usize = 256;
/// Most bytes of a pair; the longest has 286.
const BYTES_MAX: usize = 512;

/// What a vote is; the number is its first byte.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// For a proposal.
    Notarize = 0,
    /// That the round brings no block.
    Nullify = 1,
    /// That a proposal is final.
    Finalize = 2,
}

impl Kind {
    /// What the library appends to the network's domain.
    const fn suffix(self) -> &'static [u8] {
        match self {
            Self::Notarize => b"_NOTARIZE",
            Self::Nullify => b"_NULLIFY",
            Self::Finalize => b"_FINALIZE",
        }
    }
}

/// A vote: what was signed without its domain, and the signature.
struct Signed {
    kind: Kind,
    message: Vec<u8>,
    signature: ed25519::Signature,
}

/// A vote with its round and its signer's number in the term's set.
type Voted = (Round, Participant, Signed);

impl Signed {
    /// Reads a vote from the library's bytes.
    fn read(kind: Kind, bytes: &mut Bytes) -> Option<Voted> {
        let (round, message, Attestation::<Scheme> { signer, signature }) = match kind {
            Kind::Notarize => {
                let vote = Notarize::<Scheme, Digest>::read(bytes).ok()?;
                (vote.proposal.round, vote.proposal.encode(), vote.attestation)
            }
            Kind::Nullify => {
                let vote = Nullify::<Scheme>::read(bytes).ok()?;
                (vote.round, vote.round.encode(), vote.attestation)
            }
            Kind::Finalize => {
                let vote = Finalize::<Scheme, Digest>::read(bytes).ok()?;
                (vote.proposal.round, vote.proposal.encode(), vote.attestation)
            }
        };
        let signature = signature.get()?.clone();
        Some((round, signer, Self { kind, message: message.into(), signature }))
    }
}

/// Two votes of one validator of one round.
pub(crate) struct Equivocation {
    term: u64,
    /// Its number in the term's set.
    signer: usize,
    votes: [Signed; 2],
}

impl Equivocation {
    /// The pair that an activity of the engine shows, if it does.
    fn of(activity: &Activity<Scheme, Digest>) -> Option<Self> {
        // The library shows its pairs as bytes only: the first vote, then the second.
        let (first, second, mut bytes) = match activity {
            Activity::ConflictingNotarize(pair) => (Kind::Notarize, Kind::Notarize, pair.encode()),
            Activity::ConflictingFinalize(pair) => (Kind::Finalize, Kind::Finalize, pair.encode()),
            Activity::NullifyFinalize(pair) => (Kind::Nullify, Kind::Finalize, pair.encode()),
            _ => return None,
        };
        let (round, signer, first) = Signed::read(first, &mut bytes)?;
        let (_, _, second) = Signed::read(second, &mut bytes)?;
        let signer = usize::try_from(signer.get()).ok()?;
        Some(Self { term: round.epoch().get(), signer, votes: [first, second] })
    }

    /// Whether the validator signed both: the engine reports votes that it has not checked, and a peer may invent them.
    fn check(&self, domain: &[u8], key: &ed25519::PublicKey) -> bool {
        self.votes.iter().all(|vote| {
            let domain = [domain, vote.kind.suffix()].concat();
            key.verify(&domain, &vote.message, &vote.signature)
        })
    }

    fn to_bytes(&self, key: &ed25519::PublicKey) -> Vec<u8> {
        let mut bytes = key.as_ref().to_vec();
        for vote in &self.votes {
            bytes.push(vote.kind as u8);
            bytes.extend_from_slice(&vote.message);
            bytes.extend_from_slice(&vote.signature.encode());
        }
        bytes
    }
}

/// The engine's reporter: it picks out equivocations, and everything goes on to `inner`.
#[derive(Clone)]
pub(crate) struct Witness<R> {
    pub(crate) inner: R,
    pub(crate) found: mpsc::Sender<Equivocation>,
}

impl<R: Reporter<Activity = Activity<Scheme, Digest>>> Reporter for Witness<R> {
    type Activity = Activity<Scheme, Digest>;
    fn report(&mut self, activity: Self::Activity) -> Feedback {
        if let Some(pair) = Equivocation::of(&activity) {
            let _ = self.found.try_send(pair);
        }
        self.inner.report(activity)
    }
}

/// Term, big-endian, and key: what a pair is kept under, so that the oldest comes first.
type Name = FixedBytes<40>;

fn name(term: u64, key: &ed25519::PublicKey) -> Name {
    let mut bytes = [0; 40];
    bytes[..8].copy_from_slice(&term.to_be_bytes());
    bytes[8..].copy_from_slice(key.as_ref());
    Name::new(bytes)
}

/// Keeps evidence in `partition`; returns where witnesses send it, and what is kept.
///
/// # Panics
/// When the evidence cannot be read or written: this node's disk is broken.
pub(crate) async fn keep<E: StorageContext + Spawner>(
    context: E,
    partition: String,
    terms: Terms,
) -> (mpsc::Sender<Equivocation>, watch::Receiver<Vec<Bytes>>) {
    let config = Config { partition, codec_config: ((0..=BYTES_MAX).into(), ()) };
    let mut store = Metadata::<E, Name, Vec<u8>>::init(context.child("store"), config)
        .await
        .expect("this validator's evidence can be read");
    let (found, mut pairs) = mpsc::channel::<Equivocation>(QUEUE);
    let (kept, evidence) = watch::channel(all(&store));
    context.spawn(move |_| async move {
        while let Some(pair) = pairs.recv().await {
            let Some(set) = terms.get(pair.term) else { continue };
            let Some(key) = set.keys.get(pair.signer) else { continue };
            let name = name(pair.term, key);
            if store.get(&name).is_some() || !pair.check(terms.domain(), key) {
                continue;
            }
            tracing::warn!(term = pair.term, validator = %key, "a validator voted twice: evidence kept");
            store.put(name, pair.to_bytes(key));
            let mut names: Vec<Name> = store.keys().cloned().collect();
            names.sort_unstable();
            for oldest in names.iter().take(names.len().saturating_sub(EVIDENCE_MAX)) {
                store.remove(oldest);
            }
            store = store.sync().await.expect("this validator's evidence can be written");
            kept.send_replace(all(&store));
        }
    });
    (found, evidence)
}

/// Every pair, the oldest term first.
fn all<E: StorageContext>(store: &Metadata<E, Name, Vec<u8>>) -> Vec<Bytes> {
    let mut names: Vec<&Name> = store.keys().collect();
    names.sort_unstable();
    names.into_iter().filter_map(|name| store.get(name).cloned().map(Bytes::from)).collect()
}
