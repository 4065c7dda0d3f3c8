//! Every limit of an ingest. What has no limit will be attacked there.

/// Requests that wait for the journal; the next one is answered with 429.
pub const QUEUE_REQUESTS: usize = 256;
/// Requests that share one write to disk.
pub const GROUP_REQUESTS: usize = 128;
/// Batches a device may deliver in one epoch: a spool of seven days drains in a few epochs.
pub const DEVICE_BATCHES_MAX: u32 = 1_024;
/// Contradicting batches kept of a device in one epoch; one is enough to slash it.
pub const DEVICE_EQUIVOCATIONS_MAX: usize = 4;
/// Devices whose rejections are remembered; the least recently rejected is forgotten first.
pub const REJECTED_DEVICES_MAX: usize = 65_536;
/// Rejections remembered with their batch, per device.
pub const REJECTIONS_KEPT: usize = 8;
/// Equivocation proofs kept in memory; all of them stay in the journal.
pub const PROOFS_KEPT: usize = 1_024;
/// Largest request body: the most envelopes of ordinary size, not the most of the largest size.
pub const REQUEST_BYTES_MAX: usize = 4 << 20;
