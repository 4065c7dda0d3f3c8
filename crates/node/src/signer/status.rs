//! What a signer tells of itself to whoever may open its socket: how long it runs, what it signed last, what it refused.
//!
//! It is counted from the signer's start and read by nothing that signs. Durations, not moments: the one who asks may have another clock.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use alloy_primitives::B256;
use cairn_consensus::{Refusal, VoteAsk};
use cairn_primitives::Digest;
use serde::Serialize;

use super::wire::Fields;

/// A signer, as it describes itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SignerStatus {
    /// The key.
    pub consensus_key: B256,
    /// The network that it signs for.
    pub genesis: Digest,
    /// How long it has been running, ms.
    pub running_ms: u64,
    /// Votes that it signed since it started.
    pub votes: u64,
    /// What it refused since it started.
    pub refused: Refused,
    /// The last vote that it signed since it started.
    pub last: Option<LastVote>,
}

/// Requests that were refused, by reason (docs/spec/signer.md).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Refused {
    /// They contradicted what the key has signed, or were of a term that is over.
    pub contradiction: u64,
    /// The log of votes could not be written: nothing more is signed.
    pub log: u64,
    /// A handshake that would be a vote, or of another network.
    pub domain: u64,
    /// They could not be read.
    pub malformed: u64,
}

/// A vote that was signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct LastVote {
    /// What it says.
    pub kind: SignedKind,
    /// Its term.
    pub term: u64,
    /// Its view.
    pub view: u64,
    /// How long ago it was signed, ms.
    pub ago_ms: u64,
}

/// Kinds of votes, by their numbers in a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[repr(u8)]
pub enum SignedKind {
    /// For a block as the one of its view.
    Notarize = 0,
    /// For no block in this view.
    Nullify = 1,
    /// For a block for good.
    Finalize = 2,
}

impl SignedKind {
    fn of(number: u8) -> Option<Self> {
        [Self::Notarize, Self::Nullify, Self::Finalize]
            .into_iter()
            .find(|kind| *kind as u8 == number)
    }
}

impl SignerStatus {
    /// Whether it can sign: a log that cannot be written ends that until the signer is started again.
    #[must_use]
    pub const fn is_well(&self) -> bool {
        self.refused.log == 0
    }

    /// Its bytes in an answer.
    pub(super) fn to_bytes(&self) -> Vec<u8> {
        let Refused { contradiction, log, domain, malformed } = self.refused;
        let mut bytes = [self.consensus_key.0, self.genesis.0].concat();
        for number in [self.running_ms, self.votes, contradiction, log, domain, malformed] {
            bytes.extend_from_slice(&number.to_be_bytes());
        }
        let Some(LastVote { kind, term, view, ago_ms }) = self.last else {
            bytes.push(0);
            return bytes;
        };
        bytes.extend_from_slice(&[1, kind as u8]);
        for number in [term, view, ago_ms] {
            bytes.extend_from_slice(&number.to_be_bytes());
        }
        bytes
    }

    /// The status of an answer; `None` when it is none.
    pub(super) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let mut fields = Fields(bytes);
        let mut status = Self {
            consensus_key: B256::from(fields.take().ok()?),
            genesis: Digest(fields.take().ok()?),
            running_ms: fields.number().ok()?,
            votes: fields.number().ok()?,
            refused: Refused {
                contradiction: fields.number().ok()?,
                log: fields.number().ok()?,
                domain: fields.number().ok()?,
                malformed: fields.number().ok()?,
            },
            last: None,
        };
        let [has_last] = fields.take().ok()?;
        if has_last == 1 {
            let [kind] = fields.take().ok()?;
            status.last = Some(LastVote {
                kind: SignedKind::of(kind)?,
                term: fields.number().ok()?,
                view: fields.number().ok()?,
                ago_ms: fields.number().ok()?,
            });
        }
        fields.end().ok()?;
        (has_last <= 1).then_some(status)
    }
}

/// What is counted.
#[derive(Debug)]
pub(super) struct Tally {
    started: Instant,
    counts: Mutex<Counts>,
}

#[derive(Debug, Default)]
struct Counts {
    votes: u64,
    refused: Refused,
    last: Option<(VoteAsk, Instant)>,
}

fn ms(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

impl Tally {
    /// Nothing yet; the signer starts now.
    pub(super) fn new() -> Self {
        Self { started: Instant::now(), counts: Mutex::default() }
    }

    fn counts(&self) -> MutexGuard<'_, Counts> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A vote was signed.
    pub(super) fn signed(&self, ask: VoteAsk) {
        let mut counts = self.counts();
        counts.votes += 1;
        counts.last = Some((ask, Instant::now()));
    }

    /// A request was refused.
    pub(super) fn refused(&self, refusal: Refusal) {
        let refused = &mut self.counts().refused;
        *match refusal {
            Refusal::Contradiction => &mut refused.contradiction,
            Refusal::Log => &mut refused.log,
            Refusal::Domain => &mut refused.domain,
            Refusal::Malformed => &mut refused.malformed,
        } += 1;
    }

    /// The status of the signer of this key.
    pub(super) fn status(&self, consensus_key: [u8; 32], genesis: Digest) -> SignerStatus {
        let counts = self.counts();
        SignerStatus {
            consensus_key: consensus_key.into(),
            genesis,
            running_ms: ms(self.started.elapsed()),
            votes: counts.votes,
            refused: counts.refused,
            last: counts.last.map(|(ask, at)| {
                let (kind, term, view) = match ask {
                    VoteAsk::Notarize(p) => (SignedKind::Notarize, p.term, p.view),
                    VoteAsk::Nullify { term, view } => (SignedKind::Nullify, term, view),
                    VoteAsk::Finalize(p) => (SignedKind::Finalize, p.term, p.view),
                };
                LastVote { kind, term, view, ago_ms: ms(at.elapsed()) }
            }),
        }
    }
}
