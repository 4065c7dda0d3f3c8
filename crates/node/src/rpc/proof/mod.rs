//! `cairn_getProof`: what a light client checks against the validators' keys alone (docs/spec/proofs.md).
//!
//! ```text
//! asked ─► leaf and path from the archive ─► state proofs from consensus ─► their block ─► its certificate, or a later one
//!      └─► trie nodes from the disk ────────────────────────────────────────────┘                  └► ProofObject
//! ```
//! Consensus proves the state of its tree's last block, which may be one before or after the disk's head: the root says
//! which, and that block is the proven one. Invariant: an answer has been checked here as its reader will check it.

mod asked;
mod evidence;

use std::{fmt, sync::Arc, time::Duration};

use cairn_client::light::{Evidence, LightProof, ProofObject};
use cairn_consensus::{FollowerHandle, StateKey, StateProofs, ValidatorHandle};
use cairn_evidence::archive::Archive;
use jsonrpsee::{
    core::{RpcResult, async_trait},
    proc_macros::rpc,
};
use serde_json::Value;
use tokio::{
    sync::watch,
    time::{Instant, timeout_at},
};

use asked::{Asked, known_term};
use evidence::{Entries, Finality};

use super::{
    Rpc,
    errors::{Failure, LIMIT, NOT_SUPPORTED, SERVER, error, internal},
};

/// Longest wait for the block of a state proof, or for a certificate that reaches the proven block.
const WAIT: Duration = Duration::from_secs(5);

/// What only a running consensus can show.
#[async_trait]
pub trait Prover: Send + Sync + 'static {
    /// Proofs of what `keys` have in the state tree now, all under one root; `None` when consensus has ended.
    async fn prove(&self, keys: Vec<StateKey>) -> Option<StateProofs>;
}

#[async_trait]
impl Prover for ValidatorHandle {
    async fn prove(&self, keys: Vec<StateKey>) -> Option<StateProofs> {
        self.state_proofs(keys).await
    }
}

#[async_trait]
impl Prover for FollowerHandle {
    async fn prove(&self, keys: Vec<StateKey>) -> Option<StateProofs> {
        self.state_proofs(keys).await
    }
}

/// Where proofs come from, beside the disk.
#[derive(Clone)]
pub struct ProofParts {
    /// The state tree.
    pub prover: Arc<dyn Prover>,
    /// Leaves of final epochs.
    pub archive: Archive,
}

impl fmt::Debug for ProofParts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ProofParts").field("archive", &self.archive).finish_non_exhaustive()
    }
}

/// Proofs.
#[rpc(server)]
pub trait ProofApi {
    /// A proof of an account, a slot, a receipt, a log, a reward or a batch.
    #[method(name = "cairn_getProof")]
    async fn proof(&self, asked: Value) -> RpcResult<ProofObject>;
}

#[async_trait]
impl ProofApiServer for Rpc {
    async fn proof(&self, asked: Value) -> RpcResult<ProofObject> {
        let (known, asked) = (known_term(&asked)?, Asked::parse(&asked)?);
        let ProofParts { prover, archive } = self.node().proofs.clone().ok_or_else(|| {
            error(
                NOT_SUPPORTED,
                "cairn_getProof is not supported here: this chain has no consensus, and nothing on it is signed; \
                 ask a node of a network",
            )
        })?;
        let until = Instant::now() + WAIT;
        let (height, evidence) = match asked {
            Asked::State(key) => {
                let entries = self.entries(&*prover, vec![key], until).await?;
                entries.state(key)?
            }
            Asked::Receipt { transaction, log } => {
                self.heavy(move |node| evidence::receipt(node, transaction, log)).await?
            }
            Asked::Reward { epoch, sector, device } => {
                let reward = self
                    .heavy(move |_| evidence::Reward::find(&archive, epoch, sector, device))
                    .await?;
                let entries = self.entries(&*prover, reward.keys(), until).await?;
                reward.evidence(entries)?
            }
            Asked::Batch { epoch, sector, leaf } => {
                let batch = self
                    .heavy(move |node| evidence::Batch::find(node, &archive, epoch, sector, leaf))
                    .await?;
                let entries = self.entries(&*prover, batch.keys(), until).await?;
                batch.evidence(entries)?
            }
        };
        self.certified(height, evidence, known, until).await
    }
}

impl Rpc {
    /// What `keys` have in the state of one final block, with proofs of it.
    async fn entries(
        &self,
        prover: &dyn Prover,
        keys: Vec<StateKey>,
        until: Instant,
    ) -> RpcResult<Entries> {
        let mut heights = self.node().disk.heights();
        let proofs = match timeout_at(until, prover.prove(keys.clone())).await {
            Ok(Some(proofs)) => proofs,
            Ok(None) => return Err(error(SERVER, "consensus has stopped on this node")),
            Err(_) => return Err(error(LIMIT, "request timed out")),
        };
        loop {
            heights.borrow_and_update();
            let (keys, proofs) = (keys.clone(), proofs.clone());
            if let Some(entries) =
                self.heavy(move |node| Entries::read(node, &keys, proofs)).await?
            {
                return Ok(entries);
            }
            // The tree is one block ahead of the disk, or still empty.
            next_block(&mut heights, until, "no final block has this node's state tree yet")
                .await?;
        }
    }

    /// The proof that leads from the validators of term `known` to a certificate, from it to block `height` and on to the
    /// evidence.
    async fn certified(
        &self,
        height: u64,
        evidence: Evidence,
        known: u64,
        until: Instant,
    ) -> RpcResult<ProofObject> {
        let mut heights = self.node().disk.heights();
        let Finality { certificate, ancestors } = loop {
            heights.borrow_and_update();
            if let Some(found) = self.heavy(move |node| evidence::certificate(node, height)).await?
            {
                break found;
            }
            next_block(&mut heights, until, "no certificate reaches the block yet").await?;
        };
        self.heavy(move |node| {
            let (handovers, trust) = evidence::handovers(node, &certificate, known)?;
            let proof = LightProof { handovers, certificate, ancestors, evidence };
            ProofObject::new(&proof, &trust).map_err(|wrong| Failure(internal(&wrong)))
        })
        .await
    }
}

/// Waits for the next block; the error says what was waited for.
async fn next_block(
    heights: &mut watch::Receiver<u64>,
    until: Instant,
    missing: &str,
) -> RpcResult<()> {
    match timeout_at(until, heights.changed()).await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(_)) | Err(_) => Err(error(SERVER, format!("{missing}: try again"))),
    }
}
