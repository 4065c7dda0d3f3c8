//! Proof that an account or a slot has a value under a state root (docs/spec/state-root.md).
//!
//! The tree is unordered: it proves what is there, never that something is not there.

use alloy_primitives::{Address, B256, U256};
use cairn_ledger::Account;
use commonware_codec::{Copying, Decode as _, Encode as _};
use commonware_cryptography::sha256::Digest;
use commonware_runtime::Spawner;
use commonware_storage::{
    Context as StorageContext, mmr, qmdb::current::unordered::proof::constant::KeyValueProof,
};

use crate::{
    params::PROOF_DIGESTS_MAX,
    tree::{
        BITMAP_CHUNK, SharedTree, account_key, account_value, check_value, slot_key, slot_value,
    },
};

type TreeProof = KeyValueProof<mmr::Family, Digest, BITMAP_CHUNK>;

/// What a proof is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StateKey {
    /// An account without its storage.
    Account(Address),
    /// A storage slot.
    Slot(Address, U256),
}

/// What it is said to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StateValue {
    /// An account without its storage.
    Account(Account),
    /// The value of a slot, not zero.
    Slot(U256),
}

/// A proof under one state root.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StateProof {
    /// The root that it leads to; some block's header carries it.
    pub state_root: B256,
    /// The proof, encoded as in docs/spec/state-root.md.
    pub proof: Vec<u8>,
}

/// Proofs of several keys under one state root.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StateProofs {
    /// The root that they lead to.
    pub state_root: B256,
    /// One for each key, in the order in which they were asked; `None` where the tree has nothing.
    pub proofs: Vec<Option<Vec<u8>>>,
}

impl StateProofs {
    /// The proof of the first key.
    pub(crate) fn first(self) -> Option<StateProof> {
        let proof = self.proofs.into_iter().next()??;
        Some(StateProof { state_root: self.state_root, proof })
    }
}

impl StateKey {
    fn digest(self) -> Digest {
        match self {
            Self::Account(address) => account_key(address),
            Self::Slot(address, slot) => slot_key(address, slot),
        }
    }
}

impl StateProof {
    /// Whether the proof shows that `key` has `value` under its state root.
    #[must_use]
    pub fn check(&self, key: StateKey, value: &StateValue) -> bool {
        let value = match value {
            StateValue::Account(account) => account_value(account),
            StateValue::Slot(value) => slot_value(*value),
        };
        let root = Digest::from(self.state_root.0);
        TreeProof::decode_cfg(Copying(&self.proof), &PROOF_DIGESTS_MAX)
            .is_ok_and(|proof| check_value(key.digest(), value, &proof, &root))
    }
}

/// Proofs of what `keys` have now in `tree`, all under its one root.
pub(crate) async fn prove<E: Spawner + StorageContext>(
    tree: &SharedTree<E>,
    keys: &[StateKey],
) -> StateProofs {
    let tree = tree.read().await;
    let mut proofs = Vec::with_capacity(keys.len());
    for key in keys {
        let proof = tree.key_value_proof(key.digest()).await.ok();
        proofs.push(proof.map(|proof| proof.encode().into()));
    }
    StateProofs { state_root: B256::from(tree.root().0), proofs }
}
