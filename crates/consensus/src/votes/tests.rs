//! The log of votes: which pairs it refuses, and that it survives crashes, restores and full disks.

use super::*;

fn vote(term: u64, view: u64, kind: VoteKind, message: u8) -> Vote {
    let message = if kind == VoteKind::Nullify { [0; 32] } else { [message; 32] };
    Vote { term, view, kind, message }
}

/// Signs and sends, if the log lets it.
fn cast(log: &VoteLog, vote: &Vote) -> bool {
    log.allow(vote) && log.sent(vote)
}

use VoteKind::{Finalize, Notarize, Nullify};

#[test]
fn pairs_that_convict_are_never_signed() {
    for (first, second, allowed) in [
        ((Notarize, 1), (Notarize, 1), true),
        ((Notarize, 1), (Notarize, 2), false),
        ((Notarize, 1), (Nullify, 0), true),
        ((Notarize, 1), (Finalize, 1), true),
        ((Notarize, 1), (Finalize, 2), false),
        ((Nullify, 0), (Nullify, 0), true),
        ((Nullify, 0), (Notarize, 1), true),
        ((Nullify, 0), (Finalize, 1), false),
        ((Finalize, 1), (Nullify, 0), false),
        ((Finalize, 1), (Finalize, 1), true),
        ((Finalize, 1), (Finalize, 2), false),
        ((Finalize, 1), (Notarize, 2), false),
    ] {
        let log = VoteLog::memory();
        log.begin(3, TimeMs(1));
        assert!(cast(&log, &vote(3, 7, first.0, first.1)));
        assert_eq!(cast(&log, &vote(3, 7, second.0, second.1)), allowed, "{first:?} {second:?}");
        assert!(cast(&log, &vote(3, 8, second.0, second.1)), "another view is another matter");
    }
}

#[test]
fn what_was_signed_survives_a_crash_and_a_cut_record() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("keys").join("votes.log");
    assert!(matches!(VoteLog::open(&path, VoteStart::Known), Err(VoteLogError::Missing { .. })));
    let log = VoteLog::open(&path, VoteStart::New).unwrap();
    log.begin(0, TimeMs(0));
    assert!(cast(&log, &vote(0, 5, Notarize, 1)));
    assert!(matches!(VoteLog::open(&path, VoteStart::Known), Err(VoteLogError::InUse { .. })));
    drop(log);

    // Power fails while the next vote is written.
    let whole = fs::read(&path).unwrap();
    let next = vote(0, 6, Notarize, 1).to_bytes();
    fs::write(&path, [&whole[..], &next[..20]].concat()).unwrap();
    let log = VoteLog::open(&path, VoteStart::Known).unwrap();
    log.begin(0, TimeMs(0));
    assert!(!cast(&log, &vote(0, 5, Notarize, 2)));
    assert!(cast(&log, &vote(0, 5, Notarize, 1)));
    assert!(cast(&log, &vote(0, 6, Notarize, 2)), "it was never sent");
    drop(log);

    // A record in the middle that is not as it was written is no crash.
    let mut bytes = fs::read(&path).unwrap();
    bytes[HEAD_BYTES + 20] ^= 1;
    fs::write(&path, &bytes).unwrap();
    let error = VoteLog::open(&path, VoteStart::Known).unwrap_err();
    assert!(matches!(&error, VoteLogError::Damaged { .. }));
    assert!(error.to_string().contains("votes.log is damaged: move it away"), "{error}");
    bytes[HEAD_BYTES + 20] ^= 1;
    bytes[9] ^= 1;
    fs::write(&path, &bytes).unwrap();
    assert!(matches!(VoteLog::open(&path, VoteStart::New), Err(VoteLogError::Damaged { .. })));
}

#[test]
fn a_restored_key_waits_for_a_term_that_begins_later() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("votes.log");
    for start in [VoteStart::Restored(TimeMs(1_000)), VoteStart::Known, VoteStart::Known] {
        let log = VoteLog::open(&path, start).unwrap();
        assert!(!cast(&log, &vote(4, 1, Notarize, 1)), "before any term");
        for (term, began) in [(4, 900), (5, 1_000)] {
            log.begin(term, TimeMs(began));
            assert!(!cast(&log, &vote(term, 1, Notarize, 1)));
        }
        log.begin(6, TimeMs(1_001));
        assert!(!cast(&log, &vote(5, 1, Notarize, 1)));
        assert!(cast(&log, &vote(6, 1, Notarize, 1)));
    }
}

#[test]
fn the_file_stays_short_and_forgets_no_limit() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("votes.log");
    let log = VoteLog::open(&path, VoteStart::New).unwrap();
    log.begin(1, TimeMs(1));
    // Without a sync for each it would take minutes on a slow disk.
    let views = (VIEWS_KEPT + 50) as u64;
    for view in 1..=views {
        assert!(cast(&log, &vote(1, view, Nullify, 0)));
    }
    assert!(!cast(&log, &vote(1, 50, Notarize, 1)), "forgotten views are closed");
    drop(log);
    let log = VoteLog::open(&path, VoteStart::Known).unwrap();
    log.begin(1, TimeMs(1));
    assert!(!cast(&log, &vote(1, 50, Notarize, 1)));
    assert!(!cast(&log, &vote(1, views, Finalize, 1)), "nullified");
    assert!(fs::metadata(&path).unwrap().len() <= (HEAD_BYTES + VIEWS_KEPT * VOTE_BYTES) as u64);
}

#[test]
fn a_vote_that_cannot_be_written_is_not_signed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("votes.log");
    let log = VoteLog::open(&path, VoteStart::New).unwrap();
    log.begin(0, TimeMs(0));
    // A file that takes nothing, as a full disk.
    let full = OpenOptions::new().write(true).open("/dev/full").unwrap();
    log.lock().file.as_mut().unwrap().file = full;
    assert!(!cast(&log, &vote(0, 1, Notarize, 1)));
    assert!(!cast(&log, &vote(0, 2, Notarize, 1)), "and nothing later either");
}
