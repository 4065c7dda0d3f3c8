//! Only what the ledger's roots vouch for is taken in, and a restart finds it again.

use cairn_primitives::{Digest, Epoch};

use super::*;
use crate::testkit::{SCHEDULE, four_epochs};

#[tokio::test]
async fn a_restart_continues_from_the_disk() {
    let dir = tempfile::tempdir().unwrap();
    let network = four_epochs(0);
    let rows = network.catalog(dir.path()).await.snapshot().rows();
    assert_eq!(rows, 435);
    let catalog = Catalog::open(dir.path(), SCHEDULE).unwrap();
    assert_eq!(catalog.next(), Epoch(4));
    // Nothing is fetched again: the archive may be gone.
    network.state().files.clear();
    assert_eq!(catalog.catch_up(&network, &network).await.unwrap(), 0);
    let snapshot = catalog.snapshot();
    assert_eq!((snapshot.rows(), snapshot.devices().len()), (435, 4));
    assert_eq!(snapshot.table(Epoch(2)).unwrap().len(), 105);
    assert_eq!(snapshot.until(Some(Epoch(1))).rows(), 210);
}

#[tokio::test]
async fn a_damaged_table_is_not_served() {
    let dir = tempfile::tempdir().unwrap();
    let network = four_epochs(0);
    drop(network.catalog(dir.path()).await);
    let path = dir.path().join("epochs/1.parquet");
    let mut bytes = std::fs::read(&path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&path, bytes).unwrap();
    let snapshot = Catalog::open(dir.path(), SCHEDULE).unwrap().snapshot();
    assert!(matches!(snapshot.table(Epoch(1)), Err(StoreError::Damaged { .. })));
    assert!(snapshot.table(Epoch(0)).is_ok());
}

#[tokio::test]
async fn what_the_roots_do_not_vouch_for_is_refused() {
    type Change = fn(&mut crate::testkit::State);
    let changes: [(Change, &str); 4] = [
        (|s| s.finals[1].verdict_root = Digest([1; 32]), "verdicts.jsonl has the root"),
        (|s| s.finals[1].score_root = Digest([1; 32]), "scores.jsonl has the root"),
        (
            |s| {
                let digest = s.finals[1].included[0].0;
                s.files.get_mut(&digest).unwrap()[40] ^= 1;
            },
            "a file is",
        ),
        (
            |s| {
                let verdicts = s.leaves.get_mut(&(Epoch(1), "verdicts.jsonl")).unwrap();
                *verdicts = verdicts.split_off(verdicts.iter().position(|b| *b == b'\n').unwrap());
            },
            "verdicts.jsonl has the root",
        ),
    ];
    for (change, message) in changes {
        let dir = tempfile::tempdir().unwrap();
        let network = four_epochs(0);
        change(&mut network.state());
        let catalog = Catalog::open(dir.path(), SCHEDULE).unwrap();
        let error = catalog.catch_up(&network, &network).await.unwrap_err();
        let text = crate::chain(&error);
        assert!(text.contains(message), "{text}");
        assert_eq!(catalog.next(), Epoch(1), "what came before stays");
    }
}
