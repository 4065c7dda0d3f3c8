//! What every service needs: config, clock, CPU time, tasks, telemetry, the HTTP shell and free ports; and seeded chance, for what is
//! simulated or made up. Nothing here knows what Cairn is.
//!
//! Architecture invariant: this crate depends on no other crate of the workspace, so that any of them may use it.

pub mod chance;
pub mod clock;
pub mod config;
pub mod cpu;
pub mod http;
pub mod loopback;
pub mod metrics;
pub mod tasks;
pub mod telemetry;
pub mod tls;

pub use clock::NetworkClock;
pub use tasks::{Shutdown, Tasks};
