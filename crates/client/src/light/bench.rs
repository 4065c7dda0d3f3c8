//! What a check costs, beside the signature checks in it that nothing can avoid. The caller measures the time.

use ed25519_dalek::{Signature, Verifier as _, VerifyingKey};

use super::{Certificate, LightError, LightProof, Trust};

/// A valid proof, and its signatures alone with their keys decoded.
pub struct Sample {
    bytes: Vec<u8>,
    trust: Trust,
    finality_bytes: usize,
    message: Vec<u8>,
    signatures: Vec<(VerifyingKey, Signature)>,
}

impl Sample {
    /// Takes a proof apart.
    ///
    /// # Errors
    /// Why the proof proves nothing.
    pub fn new(bytes: &[u8], trust: &Trust) -> Result<Self, LightError> {
        let proof = LightProof::decode(bytes)?;
        let mut known = trust.clone();
        LightProof::verify_and_learn(bytes, &mut known)?;
        let certificate = Certificate::decode(&proof.certificate)?;
        let (message, signed) = certificate.signed(trust);
        let validators = known.validators(certificate.term);
        let mut sorted = validators.ok_or(LightError::Validators)?.to_vec();
        sorted.sort_unstable();
        let mut signatures = Vec::with_capacity(signed.len());
        for (seat, signature) in signed {
            let key = sorted.get(seat).and_then(|key| VerifyingKey::from_bytes(&key.0).ok());
            signatures
                .push((key.ok_or(LightError::Validators)?, Signature::from_bytes(&signature)));
        }
        let headers: usize = proof.ancestors.iter().chain(&proof.handovers).map(Vec::len).sum();
        Ok(Self {
            bytes: bytes.to_vec(),
            trust: trust.clone(),
            finality_bytes: proof.certificate.len() + headers,
            message,
            signatures,
        })
    }

    /// Bytes of the certificate, of those of earlier terms, and of the ancestors' headers.
    #[must_use]
    pub const fn finality_bytes(&self) -> usize {
        self.finality_bytes
    }

    /// Signatures of the certificate.
    #[must_use]
    pub const fn signatures(&self) -> usize {
        self.signatures.len()
    }

    /// Checks the whole proof once, from its bytes.
    ///
    /// # Errors
    /// Why it proves nothing.
    pub fn check(&self) -> Result<(), LightError> {
        LightProof::verify(&self.bytes, &self.trust).map(|_| ())
    }

    /// Checks its signatures by the library's plain verification and does nothing else.
    ///
    /// # Errors
    /// `NotFinal`, when one is wrong.
    pub fn signatures_alone(&self) -> Result<(), LightError> {
        let valid = |(key, signature): &(VerifyingKey, Signature)| {
            key.verify(&self.message, signature).is_ok()
        };
        if self.signatures.iter().all(valid) { Ok(()) } else { Err(LightError::NotFinal) }
    }
}
