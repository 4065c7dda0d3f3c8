//! BFT ordering around the ledger: Commonware simplex, peer-to-peer and block sync.

mod ports;

pub use ports::{Disk, FinalBlock, Pool, WRITES_KEPT};
