//! The whole economy and the whole network in one process: seeded, without sockets, disks or wall clocks.
//!
//! ```text
//! sensing::Fleet ─signed envelopes─► sealed::seal ─► sealed::open ─► recompute ─► Outcome ─┐
//!      ▲ anchors                        │ commit                                           │ votes
//!      └──────────────── network::Chain (the real ledger, every transaction signed) ◄──────┘
//! ```
//! Nothing is imitated: the functions are those of devices, ingests, validators and the ledger. Left out is what carries
//! bytes between them: HTTP, MQTT, consensus and disks. Invariants: the same seed gives the same bytes, and every epoch
//! ends with `Ledger::check`.

pub mod economy;
pub mod network;
pub mod sensing;
