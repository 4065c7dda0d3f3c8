//! A validator without peers is given whole blocks: it takes what certificates prove, and nothing else.

use bytes::Bytes;
use commonware_runtime::{Runner as _, Supervisor as _, deterministic};

use super::{
    fixture::MemoryDisk,
    power_cut::{TERM_BLOCKS, alone, without_peers},
};
use crate::{
    backfill::{BACKFILL_MAX, BackfillError, give, take},
    ports::Disk as _,
    sync::{list, read_list},
    votes::VoteLog,
};

/// Blocks that there are to take, over the ends of two terms.
const BLOCKS: u64 = 2 * TERM_BLOCKS + 5;

fn items(answer: &[u8]) -> Vec<Bytes> {
    read_list(answer, 1_000).unwrap()
}

fn flipped(item: &Bytes, at: usize) -> Bytes {
    let mut bytes = item.to_vec();
    bytes[at] ^= 1;
    bytes.into()
}

#[test]
fn whole_blocks_are_taken_up_to_what_certificates_prove() {
    deterministic::Runner::default().start(|mut context| async move {
        let made = MemoryDisk::default();
        let (giver, mut heights) =
            alone(context.child("giver"), made.clone(), VoteLog::memory(), None).await;
        heights.wait_for(|height| *height >= BLOCKS).await.unwrap();
        let disk = MemoryDisk::default();
        let (mut taker, mut taken, chain) =
            without_peers(context.child("taker"), 1, disk.clone(), VoteLog::memory(), None).await;

        let honest = give(&giver.marshal, 1, BACKFILL_MAX).await;
        let all = items(&honest);
        assert!(all.len() as u64 >= 2 * BLOCKS);
        assert_eq!(items(&give(&giver.marshal, 3, 2).await), all[4..8]);
        assert_eq!(items(&give(&giver.marshal, 1_000_000, 5).await).len(), 0);

        // Whatever else comes, nothing of it is used.
        let with = |at: usize, item: Bytes| {
            let mut lie = all.clone();
            lie[at] = item;
            lie
        };
        let last = all[1].len() - 1;
        let lies = [
            ("noise", vec![Bytes::from_static(b"noise"), Bytes::new()]),
            ("a block alone", all[..1].to_vec()),
            ("a gap", all[2..].to_vec()),
            ("another order", [&all[2..4], &all[..2]].concat()),
            ("a changed signature", with(1, flipped(&all[1], last))),
            ("a certificate of another block", with(1, all[3].clone())),
            ("a changed block", with(2, flipped(&all[2], all[2].len() - 1))),
        ];
        for (what, lie) in lies {
            let refused = take(&chain, &mut taker.marshal, &list(&lie), &mut context).await;
            assert!(refused.is_err(), "{what}: {refused:?}");
        }
        let most = usize::try_from(2 * BACKFILL_MAX).unwrap();
        let many = list(&vec![Bytes::new(); most + 2]);
        let refused = take(&chain, &mut taker.marshal, &many, &mut context).await;
        assert!(matches!(refused, Err(BackfillError::Malformed)), "{refused:?}");
        // Without certificates nothing is proven, and nobody lied.
        let bare: Vec<Bytes> = (0..all.len())
            .map(|at| if at % 2 == 0 { all[at].clone() } else { Bytes::new() })
            .collect();
        assert_eq!(take(&chain, &mut taker.marshal, &list(&bare), &mut context).await.unwrap(), 0);
        assert_eq!(disk.height(), 0);

        // Of two terms who validates is known; their last block says who does in the next.
        let known = take(&chain, &mut taker.marshal, &honest, &mut context).await.unwrap();
        assert_eq!(known, 2 * TERM_BLOCKS - 1);
        taken.wait_for(|height| *height >= known).await.unwrap();
        let rest = give(&giver.marshal, known + 1, BACKFILL_MAX).await;
        let end = take(&chain, &mut taker.marshal, &rest, &mut context).await.unwrap();
        assert!(end >= BLOCKS, "{end}");
        taken.wait_for(|height| *height >= end).await.unwrap();
        for height in 1..=end {
            let (theirs, ours) = (made.block(height).unwrap(), disk.block(height).unwrap());
            assert_eq!((theirs.header, theirs.digest), (ours.header, ours.digest));
        }
        // What it has it takes no second time.
        let again = take(&chain, &mut taker.marshal, &honest, &mut context).await;
        assert!(matches!(again, Err(BackfillError::NotNext { .. })), "{again:?}");
        assert_eq!(disk.head().unwrap().map(|head| head.number), Some(end));
    });
}
