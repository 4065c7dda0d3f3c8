//! A validator that comes back with nothing, and takes another's state.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

use alloy_eips::Encodable2718 as _;
use commonware_runtime::deterministic;

use super::{fixture::MemoryDisk, simulated::Network};
use crate::{
    sync::{StateSync, Taker, lab::Lab},
    tree::SharedTree,
};

/// State trees by validator. They are open while their validators run, and no longer.
#[derive(Clone, Default)]
pub(super) struct Trees(Arc<Mutex<BTreeMap<usize, SharedTree<deterministic::Context>>>>);

/// Takes a tree away with the task that owns this.
pub(super) struct Shown(Trees, usize);

impl Trees {
    pub(super) fn show(&self, index: usize, tree: SharedTree<deterministic::Context>) -> Shown {
        self.0.lock().unwrap().insert(index, tree);
        Shown(self.clone(), index)
    }
}

impl Drop for Shown {
    fn drop(&mut self) {
        self.0.0.lock().unwrap().remove(&self.1);
    }
}

impl Network {
    /// Fills the disk of a validator, and the engine's storage under `prefix`, with the state of another's last block; of nobody's where none
    /// that runs has executed everything and has a certificate.
    pub(super) async fn take_state(
        &self,
        context: deterministic::Context,
        disk: &MemoryDisk,
        prefix: String,
    ) {
        let gives = |disk: &MemoryDisk| {
            let height = disk.height();
            disk.taken() == 0 && disk.block(height).is_some_and(|head| !head.certificate.is_empty())
        };
        let giver = self.trees.0.lock().unwrap().iter().find_map(|(index, tree)| {
            let disk = &self.disks[*index];
            gives(disk).then(|| (disk, tree.clone()))
        });
        let Some((giver, tree)) = giver else { return };
        let height = giver.height();
        let block = |height| giver.block(height).expect("it has executed everything");
        let headers = (0..=height).map(|height| block(height).header).collect();
        let terms = &self.identity.terms;
        let lasts = (0..terms.term_of(height)).map(|term| terms.last_of(term));
        let proofs = lasts.chain([height]).map(|height| block(height).certificate.into()).collect();
        let body = block(height).transactions.iter().map(|tx| tx.encoded_2718().into()).collect();
        let sync = StateSync {
            identity: self.identity.clone(),
            trusted: None,
            taker: Taker::Validator,
            prefix,
            disk: Arc::new(disk.clone()),
        };
        let lab = Lab::of(tree, giver.state(), headers, proofs, body);
        let synced =
            sync.run(context, Arc::new(lab)).await.expect("an honest peer gives its state");
        assert_eq!(synced.height, height);
    }
}
