//! `cairn_getReality` where there is nothing to say yet; whole pages are in the simulator's tests, served ones in `cairn`'s.

use std::sync::Arc;

use cairn_consensus::{StateKey, StateProofs};
use cairn_evidence::archive::Archive;

use super::*;

/// A consensus that has ended.
struct Ended;

#[jsonrpsee::core::async_trait]
impl Prover for Ended {
    async fn prove(&self, _: Vec<StateKey>) -> Option<StateProofs> {
        None
    }
}

#[tokio::test]
async fn a_page_needs_evidence_and_final_epochs() {
    let (code, message, _) = Client::new().err("cairn_getReality", json!([])).await;
    assert_eq!(code, -32004, "{message}");

    let files = tempfile::tempdir().unwrap();
    let archive = Archive::new(files.path());
    let proofs = ProofParts { prover: Arc::new(Ended), archive };
    let client = Client::with(|parts| RpcParts { proofs: Some(proofs), ..parts });
    client.send(&mint()).await;
    for _ in 0..3 {
        client.chain.mine();
    }
    for asked in [json!([]), json!([null, null]), json!(["0x0", "0x5"])] {
        let (code, message, _) = client.err("cairn_getReality", asked).await;
        assert_eq!((code, message.as_str()), (-32602, "no epoch is final yet"));
    }
    let (code, ..) = client.err("cairn_getReality", json!(["soon"])).await;
    assert_eq!(code, -32602);
}
