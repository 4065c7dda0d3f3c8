//! Every number of consensus: unit, meaning, reason.

use std::{
    num::{NonZeroU64, NonZeroUsize},
    time::Duration,
};

use commonware_utils::{NZU64, NZUsize};

/// How far a block's time may run ahead of a validator's own clock before it waits, in wall ms.
pub const CLOCK_DRIFT_MS: u64 = 500;
/// How far a block's time may run ahead of its parent's, in wall ms (times `time_scale` of network time). It bounds how
/// long a leader can make others wait; after an outage the chain's time catches up by this much a block.
pub const BLOCK_STEP_MS: u64 = 10_000;
/// How often a waiting proposer or verifier looks again.
pub const POLL: Duration = Duration::from_millis(10);
/// Added to the idle pause: how long a leader may take before its view is given up.
pub const LEADER_GRACE: Duration = Duration::from_millis(1_000);
/// After a view was nullified, how long until votes are sent again.
pub const TIMEOUT_RETRY: Duration = Duration::from_millis(1_000);
/// A leader silent for so long is skipped at once until it is heard again.
pub const SKIP_AFTER: Duration = Duration::from_secs(5);
/// Deadline of a request to a peer.
pub const FETCH_TIMEOUT: Duration = Duration::from_secs(2);
/// Pause before the next peer is asked.
pub const FETCH_RETRY: Duration = Duration::from_millis(100);
/// Messages that an actor of the engine may have waiting.
pub const MAILBOX: NonZeroUsize = NZUsize!(1024);
/// Views kept behind the last finalised one.
pub const VIEWS_KEPT: u64 = 64;
/// Terms whose votes are looked for when old ones are removed: more than a validator leaves behind in one absence.
pub const JOURNALS_SWEPT: u64 = 64;
/// Blocks between two looks at what a pruned validator's archives may drop; they drop whole sections of 1,024.
pub const PRUNE_EVERY: u64 = 64;
/// Finalised blocks that may wait for the application; below `WRITES_KEPT`, which the disk keeps for replay.
pub const PENDING_ACKS: NonZeroUsize = NZUsize!(16);
/// Missing blocks fetched at once.
pub const REPAIR_MAX: NonZeroUsize = NZUsize!(32);
/// Operations in one answer of state sync.
pub const SYNC_BATCH: NonZeroU64 = NZU64!(256);
/// Read and write buffer of each file.
pub const STORAGE_BUFFER: NonZeroUsize = NZUsize!(1 << 18);
/// Entries of one file of the state tree.
pub const ITEMS_PER_BLOB: NonZeroU64 = NZU64!(1 << 20);
/// Most digests of a state proof: enough for 2^64 operations.
pub const PROOF_DIGESTS_MAX: usize = 128;
/// Bytes of gossiped transactions in one message.
pub const GOSSIP_BYTES_MAX: usize = 256 * 1024;
/// Transactions in one gossip message.
pub const GOSSIP_TXS_MAX: usize = 512;
/// Pause after a gossip message, so that bursts share messages and the channel's quota (64 a second) is kept.
pub const GOSSIP_PAUSE: Duration = Duration::from_millis(20);
/// Own transactions that may wait to be gossiped; more are dropped (the pool still proposes them).
pub const GOSSIP_QUEUE: usize = 4_096;
/// Gossiped transactions remembered, so that the pool is asked once about each.
pub const GOSSIP_SEEN: usize = 32_768;
/// How long they are remembered.
pub const GOSSIP_SEEN_FOR: Duration = Duration::from_secs(4);

/// How long parts of a stopping validator may take to write what they hold.
pub(crate) const STOP_WITHIN: Duration = Duration::from_secs(2);
/// Threads of a validator's runtime.
pub(crate) const WORKERS: usize = 2;
/// Stack of the validator's thread.
pub(crate) const STACK_BYTES: usize = 8 << 20;
/// Partition prefix of the state tree of a node without a vote.
pub(crate) const FOLLOWER: &str = "follower";
