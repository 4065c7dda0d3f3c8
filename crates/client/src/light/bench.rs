//! How long a check takes, beside the signature checks in it that nothing can avoid.

use std::time::{Duration, Instant};

use ed25519_dalek::{Signature, VerifyingKey};

use super::{Certificate, LightError, LightProof, Trust, proof::Evidence};

/// What checking one proof costs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cost {
    /// Bytes of the proof.
    pub bytes: usize,
    /// Of which the certificate and the ancestors' headers.
    pub finality_bytes: usize,
    /// Signatures of the certificate.
    pub signatures: usize,
    /// One check of the whole proof, wall time of one thread; the median.
    pub check: Duration,
    /// The same signatures alone, by `ed25519-dalek`'s plain verification, keys decoded beforehand; the median.
    pub raw: Duration,
}

/// Checks a valid proof `rounds` times, and its signatures alone as often.
///
/// # Errors
/// Why the proof proves nothing.
pub fn measure(bytes: &[u8], trust: &Trust, rounds: usize) -> Result<Cost, LightError> {
    let proof = LightProof::decode(bytes)?;
    let certificate = Certificate::decode(&proof.certificate)?;
    let (message, signed) = certificate.signed(trust);
    let mut sorted = trust.validators.clone();
    sorted.sort_unstable();
    let mut pairs = Vec::with_capacity(signed.len());
    for (seat, signature) in signed {
        let key = sorted.get(seat).and_then(|key| VerifyingKey::from_bytes(&key.0).ok());
        pairs.push((key.ok_or(LightError::Validators)?, Signature::from_bytes(&signature)));
    }
    let check = median(rounds, || LightProof::verify(bytes, trust).map(|_| ()))?;
    let raw = median(rounds, || {
        let valid = pairs.iter().all(|(key, signature)| {
            ed25519_dalek::Verifier::verify(key, &message, signature).is_ok()
        });
        if valid { Ok(()) } else { Err(LightError::NotFinal) }
    })?;
    let headers: usize = proof.ancestors.iter().map(Vec::len).sum();
    Ok(Cost {
        bytes: bytes.len(),
        finality_bytes: proof.certificate.len() + headers,
        signatures: pairs.len(),
        check,
        raw,
    })
}

/// Name of a kind of proof, as in its JSON.
#[must_use]
pub const fn kind(evidence: &Evidence) -> &'static str {
    match evidence {
        Evidence::State(super::Entry::Account { .. }, _) => "account",
        Evidence::State(super::Entry::Slot { .. }, _) => "slot",
        Evidence::Receipt { .. } => "receipt",
        Evidence::Log { .. } => "log",
        Evidence::Reward { .. } => "reward",
        Evidence::Batch { .. } => "batch",
    }
}

fn median(
    rounds: usize,
    mut work: impl FnMut() -> Result<(), LightError>,
) -> Result<Duration, LightError> {
    let mut times = Vec::with_capacity(rounds.max(1));
    for _ in 0..rounds.max(1) {
        let begun = Instant::now();
        work()?;
        times.push(begun.elapsed());
    }
    times.sort_unstable();
    Ok(times[times.len() / 2])
}
