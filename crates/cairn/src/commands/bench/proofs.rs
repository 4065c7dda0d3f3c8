//! `cairn bench proofs`: bytes of a light proof, and the time to check one beside its signatures alone.

use alloy_primitives::{B256, Bytes};
use cairn_client::light::{LightError, Trust, bench::Sample};
use cairn_primitives::Digest;
use eyre::{Result, WrapErr as _, eyre};
use serde::Deserialize;

use super::{Figure, REPEATS, cpu_seconds};

/// Checks of one light proof that are timed together, so that the clock's steps do not matter.
const CHECKS: u32 = 400;
/// The proofs that are checked: the golden vectors, signed by three or four of four validators.
const VECTORS: &str = include_str!("../../../../../examples/light-client/vectors.json");

/// The golden vectors, as far as they are measured.
#[derive(Deserialize)]
struct Vectors {
    trust: VectorTrust,
    valid: Vec<VectorProof>,
}

#[derive(Deserialize)]
struct VectorTrust {
    genesis: Digest,
    validators: Vec<B256>,
}

#[derive(Deserialize)]
struct VectorProof {
    name: String,
    object: VectorObject,
}

#[derive(Deserialize)]
struct VectorObject {
    proof: Bytes,
}

/// Light proofs of each kind: their bytes, and the time to check one beside its signatures alone.
pub fn proofs() -> Result<Vec<Figure>> {
    let Vectors { trust, valid } =
        serde_json::from_str(VECTORS).wrap_err("reading the golden vectors")?;
    let trust = Trust::new(trust.genesis, trust.validators);
    let mut figures = Vec::new();
    for VectorProof { name, object } in valid {
        let sample = Sample::new(&object.proof, &trust)?;
        let bytes = object.proof.len();
        figures.push(Figure {
            name: format!("{name}: proof"),
            value: bytes as f64,
            unit: "bytes",
            reference: "certificate and headers alone, bytes",
            reference_value: sample.finality_bytes() as f64,
            ratio: bytes as f64 / sample.finality_bytes() as f64,
        });
        let check = micros(|| sample.check())?;
        let alone = micros(|| sample.signatures_alone())?;
        figures.push(Figure {
            name: format!("{name}: check, {} signatures", sample.signatures()),
            value: check,
            unit: "CPU us",
            reference: "its signatures alone, plain Ed25519, CPU us",
            reference_value: alone,
            ratio: check / alone,
        });
    }
    Ok(figures)
}

/// CPU time of one call in microseconds: the median of `REPEATS` runs of many.
fn micros(work: impl Fn() -> Result<(), LightError>) -> Result<f64> {
    let mut runs = Vec::new();
    for _ in 0..REPEATS {
        let begun = cpu_seconds();
        for _ in 0..CHECKS {
            work()?;
        }
        runs.push((cpu_seconds() - begun) * 1e6 / f64::from(CHECKS));
    }
    runs.sort_by(f64::total_cmp);
    runs.get(REPEATS / 2).copied().ok_or_else(|| eyre!("nothing was measured"))
}
