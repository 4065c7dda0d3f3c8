//! The rulebook: what counts as work in each sector, and what it is worth.
//!
//! Everything decides and nothing talks: pure functions of values, integers only, the same bytes on every machine.
//! `verify` judges signed batches (all sectors), `sensing` scores devices, `lease` is the machine that consumer and
//! gateway both run, `leaf` is what validators vote on, `profile` what pages know of a sector.

mod leaf;
pub mod lease;
pub mod place;
mod profile;
mod rejection;
pub mod sensing;
mod verify;

pub use leaf::{Detail, LeafError, ScoreLeaf, VerdictLeaf};
pub use profile::{Profile, profile};
pub use rejection::Rejection;
pub use verify::{
    ANCHOR_WINDOW_EPOCHS, DeviceRecord, EpochContext, LATE_WINDOW_MS, MOVED_LIMIT_M, SeqCursor,
    batch_order, check_batch, verify_batch,
};
