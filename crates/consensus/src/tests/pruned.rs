//! A validator whose archives keep a window of blocks: they stay bounded, and it starts again from what is left.

use commonware_consensus::types::Height;
use commonware_runtime::{Supervisor as _, deterministic};

use super::{
    fixture::MemoryDisk,
    power_cut::{TERM_BLOCKS, alone},
};
use crate::{application::Marshal, votes::VoteLog};

/// Blocks of one section of an archive, which goes as a whole.
const SECTION: u64 = 1_024;
const KEPT: u64 = 100;

/// Heights whose block or certificate the archives still have.
async fn held(marshal: &Marshal, heights: impl Iterator<Item = u64>) -> Vec<u64> {
    let mut held = Vec::new();
    for height in heights.map(Height::new) {
        let certified = marshal.get_finalization(height).await.is_some();
        if certified || marshal.get_block(height).await.is_some() {
            held.push(height.get());
        }
    }
    held
}

/// Makes blocks up to `until`, then looks at the archives.
async fn run(context: deterministic::Context, disk: MemoryDisk, votes: VoteLog, until: u64) {
    let kept = Some(KEPT);
    let (running, mut heights) = alone(context.child("alone"), disk, votes, kept).await;
    heights.wait_for(|height| *height >= until).await.unwrap();
    let height = *heights.borrow();
    // The window, up to a section more, and what came since the last look.
    let first = (height - KEPT - 2 * TERM_BLOCKS - 64) / SECTION * SECTION;
    assert_eq!(held(&running.marshal, 1..first).await, [0; 0], "at height {height}");
    let window = height - KEPT..height;
    assert_eq!(held(&running.marshal, window.clone()).await, window.collect::<Vec<_>>());
    drop(running);
}

#[test]
fn a_pruned_validators_archives_are_bounded_and_it_starts_again() {
    let (disk, votes) = (MemoryDisk::default(), VoteLog::memory());
    let runner = deterministic::Runner::new(deterministic::Config::default().with_seed(1));
    let begin = |until| {
        let (disk, votes) = (disk.clone(), votes.clone());
        move |context| run(context, disk, votes, until)
    };
    let ((), stopped) = runner.start_and_recover(begin(SECTION + KEPT + 200));
    let before = disk.height();
    let runner = deterministic::Runner::from(stopped);
    let ((), _) = runner.start_and_recover(begin(2 * SECTION + KEPT + 200));
    assert!(before > SECTION && disk.height() > 2 * SECTION);
}
