//! What the evidence loop comes to when the ingest or a validator misbehaves.

use std::time::Duration;

use cairn_client::{BlockTag, Reads as _};
use cairn_primitives::Epoch;
use commonware_glue::simulate::{exit::ProcessedHeightAtLeast, plan::PlanBuilder};

use super::{IngestConduct, SECTOR, Sensing};
use crate::tests::{
    one_chain::OneChain,
    simulated::{Network, link},
};

/// Blocks of a run: some sixty seconds, in which six hours pass.
const BLOCKS: u64 = 60;

/// Runs an honest network but for `change`, checks that it is one chain that recomputes, and returns its evidence.
fn run(seed: u64, change: impl FnOnce(&mut Sensing)) -> Sensing {
    let mut network = Network::sensing(4, seed);
    change(network.sensing.as_mut().unwrap());
    PlanBuilder::new(network.clone())
        .link(link())
        .seed(seed)
        .exit_condition(ProcessedHeightAtLeast::new(BLOCKS))
        .timeout(Duration::from_secs(300))
        .property(OneChain::of(&network))
        .run()
        .unwrap_or_else(|error| panic!("seed {seed}: {error}"));
    network.sensing.unwrap()
}

/// Of each final epoch: how many batches were committed, how many counted, how many devices were paid.
fn epochs(sensing: &Sensing) -> Vec<(usize, usize, u32)> {
    futures::executor::block_on(async {
        let view = sensing.view(0);
        let next = view.next_epoch(SECTOR, BlockTag::Latest).await.unwrap();
        let mut told = Vec::new();
        for epoch in (0..next.0).map(Epoch) {
            let status = view.batch_status(epoch, SECTOR, BlockTag::Latest).await.unwrap();
            let committed = view.commitments(epoch, SECTOR, BlockTag::Latest).await.unwrap().len();
            let result = view.result(epoch, SECTOR, BlockTag::Latest).await.unwrap();
            told.push((committed, status.included.count_ones(), result.devices));
        }
        told
    })
}

#[test]
fn evidence_becomes_rewards_on_four_validators() {
    let told = epochs(&run(1, |_| ()));
    assert!(told.len() >= 3, "{told:?}");
    assert!(
        told.iter().all(|(committed, included, _)| (*committed, *included) == (1, 1)),
        "{told:?}"
    );
    assert!(told.iter().any(|(_, _, devices)| *devices == 4), "{told:?}");
}

#[test]
fn a_batch_that_is_withheld_from_all_does_not_count() {
    let told =
        epochs(&run(2, |sensing| sensing.ingest = IngestConduct::Withholds { from: 0b1111 }));
    assert!(told.len() >= 3, "{told:?}");
    let included = |epoch: usize| told[epoch].1;
    assert_eq!((included(0), included(1), included(2)), (1, 0, 1), "{told:?}");
}

#[test]
fn a_batch_that_one_validator_has_reaches_all() {
    let told =
        epochs(&run(3, |sensing| sensing.ingest = IngestConduct::Withholds { from: 0b1110 }));
    assert!(told.len() >= 3, "{told:?}");
    assert!(told.iter().all(|(_, included, _)| *included == 1), "{told:?}");
}

#[test]
fn an_ingest_that_commits_twice_is_believed_once() {
    let told = epochs(&run(4, |sensing| sensing.ingest = IngestConduct::Equivocates));
    assert!(told.len() >= 3, "{told:?}");
    assert!(
        told.iter().all(|(committed, included, _)| (*committed, *included) == (1, 1)),
        "{told:?}"
    );
}

#[test]
fn one_validator_that_votes_for_another_result_changes_none() {
    let told = epochs(&run(5, |sensing| sensing.dissenter = Some(2)));
    let honest = epochs(&run(5, |_| ()));
    let both = told.len().min(honest.len());
    assert!(both >= 3, "{told:?}");
    assert_eq!(told[..both], honest[..both]);
}
