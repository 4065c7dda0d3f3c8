//! The JSON form: the bytes, and in words what they prove.

use alloy_primitives::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{LightError, LightProof, Proven, Trust};

/// What `cairn_getProof` answers. `proof` alone decides; the rest is for readers and must agree with it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProofObject {
    /// What the bytes prove.
    #[serde(flatten)]
    pub proven: Proven,
    /// The bytes.
    pub proof: Bytes,
}

impl ProofObject {
    /// The object of a proof that verifies under `trust`.
    ///
    /// # Errors
    /// Says why the proof proves nothing.
    pub fn new(proof: &LightProof, trust: &Trust) -> Result<Self, LightError> {
        let bytes = proof.encode();
        Ok(Self { proven: LightProof::verify(&bytes, trust)?, proof: bytes.into() })
    }
}

/// Checks a proof object in its JSON form and returns what it proves.
///
/// # Errors
/// `OtherClaim` when the words are not what the bytes prove; else why the bytes prove nothing.
pub fn check_object(object: &Value, trust: &Trust) -> Result<Proven, LightError> {
    let malformed = LightError::Malformed("the object has no `proof` of hex digits");
    let proof = object.get("proof").and_then(Value::as_str).ok_or(malformed)?;
    let bytes: Bytes = proof.parse().map_err(|_| malformed)?;
    let proven = LightProof::verify(&bytes, trust)?;
    let right = ProofObject { proven, proof: bytes };
    match serde_json::to_value(&right) {
        Ok(words) if words == *object => Ok(right.proven),
        _ => Err(LightError::OtherClaim),
    }
}
