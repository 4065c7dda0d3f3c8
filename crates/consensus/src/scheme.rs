//! The engine's signature scheme, Ed25519 one signature a validator, behind the log of votes: this validator's key signs nothing that the
//! log does not allow.
//!
//! Everything but signing is the library's own, so certificates and votes have its bytes.

use commonware_consensus::simplex::{
    scheme::ed25519,
    types::{Proposal, Subject},
};
#[cfg(test)]
use commonware_cryptography::ed25519::PrivateKey;
use commonware_cryptography::{
    Digest, Hasher as _, Sha256, Signer as _,
    certificate::{
        AssemblyError, Attestation, Membership, Verification, Verifier, verify_then_assemble,
    },
    ed25519::PublicKey,
};
use commonware_parallel::Strategy;
use commonware_utils::{
    N3f1, Participant,
    iter::NonEmpty,
    ordered::{Quorum as _, Set},
};
use rand_core::CryptoRng;

use crate::{
    signer::{Key, Proposed, VoteAsk},
    votes::{Vote, VoteKind, VoteLog},
};

type Inner = ed25519::Scheme;

/// Checks votes of one set of validators, and signs those that the log allows.
#[derive(Clone, Debug)]
pub struct Scheme {
    inner: Inner,
    hand: Hand,
}

/// What signs.
#[derive(Clone, Debug)]
enum Hand {
    /// Nothing.
    Still,
    /// The key of this seat, what the log allows.
    Careful(Participant, Key, VoteLog),
    /// The key, anything: a simulation's liar.
    #[cfg(test)]
    Free,
}

impl Scheme {
    /// Signs with `key` what `votes` allows; `None` when it is not in the set.
    pub(crate) fn signer(
        domain: &[u8],
        set: Set<PublicKey>,
        key: Key,
        votes: VoteLog,
    ) -> Option<Self> {
        let seat = set.index(&key.public_key())?;
        Some(Self { inner: Inner::verifier(domain, set), hand: Hand::Careful(seat, key, votes) })
    }

    /// Signs nothing.
    pub(crate) fn verifier(domain: &[u8], set: Set<PublicKey>) -> Self {
        Self { inner: Inner::verifier(domain, set), hand: Hand::Still }
    }

    /// The log that its votes go through; of a verifier one that is never open.
    pub(crate) fn votes(&self) -> VoteLog {
        match &self.hand {
            Hand::Careful(_, _, votes) => votes.clone(),
            _ => VoteLog::closed(),
        }
    }

    /// Signs anything.
    #[cfg(test)]
    pub(crate) fn liar(domain: &[u8], set: Set<PublicKey>, key: PrivateKey) -> Option<Self> {
        Some(Self { inner: Inner::signer(domain, set, key)?, hand: Hand::Free })
    }
}

/// The same signature, seen by the other scheme.
fn outer(attestation: Attestation<Inner>) -> Attestation<Scheme> {
    Attestation { signer: attestation.signer, signature: attestation.signature }
}

fn inner(attestation: Attestation<Scheme>) -> Attestation<Inner> {
    Attestation { signer: attestation.signer, signature: attestation.signature }
}

/// What is signed, as the log keeps it.
pub(crate) fn vote<D: Digest>(subject: &Subject<'_, D>) -> Vote {
    let (kind, round, proposal) = match subject {
        Subject::Notarize { proposal } => (VoteKind::Notarize, proposal.round, Some(proposal)),
        Subject::Nullify { round } => (VoteKind::Nullify, *round, None),
        Subject::Finalize { proposal } => (VoteKind::Finalize, proposal.round, Some(proposal)),
    };
    let message = proposal
        .map_or([0; 32], |proposal| message_of(proposal.parent.get(), proposal.payload.as_ref()));
    Vote { term: round.epoch().get(), view: round.view().get(), kind, message }
}

/// What stands in the log for a proposal.
pub(crate) fn message_of(parent: u64, payload: &[u8]) -> [u8; 32] {
    Sha256::hash(&[&parent.to_be_bytes(), payload]).0
}

/// What the holder of the key is asked for; `None` of a digest that is no block's.
fn ask<D: Digest>(subject: &Subject<'_, D>) -> Option<VoteAsk> {
    let proposed = |proposal: &Proposal<D>| {
        Some(Proposed {
            term: proposal.round.epoch().get(),
            view: proposal.round.view().get(),
            parent: proposal.parent.get(),
            block: proposal.payload.as_ref().try_into().ok()?,
        })
    };
    Some(match subject {
        Subject::Notarize { proposal } => VoteAsk::Notarize(proposed(proposal)?),
        Subject::Nullify { round } => {
            VoteAsk::Nullify { term: round.epoch().get(), view: round.view().get() }
        }
        Subject::Finalize { proposal } => VoteAsk::Finalize(proposed(proposal)?),
    })
}

impl Verifier for Scheme {
    type Subject<'a, D: Digest> = Subject<'a, D>;
    type Faults = N3f1;
    type PublicKey = PublicKey;
    type Certificate = <Inner as Verifier>::Certificate;

    fn verify_certificate<R, D>(
        &self,
        rng: &mut R,
        subject: Self::Subject<'_, D>,
        certificate: &Self::Certificate,
        strategy: &impl Strategy,
    ) -> bool
    where
        R: CryptoRng,
        D: Digest,
    {
        self.inner.verify_certificate(rng, subject, certificate, strategy)
    }

    fn verify_certificates<'a, R, D, I>(
        &self,
        rng: &mut R,
        certificates: NonEmpty<I>,
        strategy: &impl Strategy,
    ) -> bool
    where
        R: CryptoRng,
        D: Digest,
        I: Iterator<Item = (Self::Subject<'a, D>, &'a Self::Certificate)>,
    {
        self.inner.verify_certificates::<R, D, I>(rng, certificates, strategy)
    }

    fn is_batchable() -> bool {
        Inner::is_batchable()
    }

    fn max_certificate_size(participants: u32) -> usize {
        Inner::max_certificate_size(participants)
    }

    fn certificate_codec_config(&self) -> <Self::Certificate as commonware_codec::Read>::Cfg {
        self.inner.certificate_codec_config()
    }

    fn certificate_codec_config_unbounded() -> <Self::Certificate as commonware_codec::Read>::Cfg {
        Inner::certificate_codec_config_unbounded()
    }
}

impl commonware_cryptography::certificate::Scheme for Scheme {
    type Signature = <Inner as commonware_cryptography::certificate::Scheme>::Signature;

    fn me(&self) -> Option<Membership> {
        match &self.hand {
            Hand::Careful(seat, ..) => Some(Membership::Signer(*seat)),
            _ => self.inner.me(),
        }
    }

    fn participants(&self) -> &Set<PublicKey> {
        self.inner.participants()
    }

    fn sign<D: Digest>(&self, subject: Self::Subject<'_, D>) -> Option<Attestation<Self>> {
        match &self.hand {
            Hand::Still => None,
            Hand::Careful(seat, key, votes) => {
                if !votes.allow(&vote(&subject)) {
                    return None;
                }
                let signature = key.vote(&ask(&subject)?)?;
                Some(Attestation { signer: *seat, signature: signature.into() })
            }
            #[cfg(test)]
            Hand::Free => self.inner.sign(subject).map(outer),
        }
    }

    fn verify_attestation<R, D>(
        &self,
        rng: &mut R,
        subject: Self::Subject<'_, D>,
        attestation: &Attestation<Self>,
        strategy: &impl Strategy,
    ) -> bool
    where
        R: CryptoRng,
        D: Digest,
    {
        self.inner.verify_attestation(rng, subject, &inner(attestation.clone()), strategy)
    }

    fn verify_attestations<R, D, I>(
        &self,
        rng: &mut R,
        subject: Self::Subject<'_, D>,
        attestations: I,
        strategy: &impl Strategy,
    ) -> Verification<Self>
    where
        R: CryptoRng,
        D: Digest,
        I: IntoIterator<Item = Attestation<Self>>,
        I::IntoIter: Send,
    {
        let attestations = attestations.into_iter().map(inner);
        let Verification { verified, invalid } =
            self.inner.verify_attestations::<_, D, _>(rng, subject, attestations, strategy);
        Verification::new(verified.into_iter().map(outer).collect(), invalid)
    }

    fn optimistic_assemble<'a, R, D, I, J>(
        &self,
        rng: &mut R,
        subject: Self::Subject<'_, D>,
        pending: I,
        verified: J,
        strategy: &impl Strategy,
    ) -> Result<Self::Certificate, Verification<Self>>
    where
        R: CryptoRng,
        D: Digest,
        I: IntoIterator<Item = Attestation<Self>>,
        I::IntoIter: ExactSizeIterator + Send,
        J: IntoIterator<Item = &'a Attestation<Self>>,
        J::IntoIter: Send,
    {
        // As the library does for an attributable scheme: who signed falsely must be told.
        verify_then_assemble::<_, _, D, _, _>(self, rng, subject, pending, verified, strategy)
    }

    fn assemble<I>(
        &self,
        attestations: NonEmpty<I>,
        strategy: &impl Strategy,
    ) -> Result<Self::Certificate, AssemblyError>
    where
        I: Iterator<Item = Attestation<Self>> + Send,
    {
        let attestations = NonEmpty::try_new(attestations.into_iter().map(inner))
            .expect("as many come out as went in");
        self.inner.assemble(attestations, strategy)
    }

    fn is_attributable() -> bool {
        Inner::is_attributable()
    }
}
