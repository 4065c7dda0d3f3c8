//! BFT ordering around the ledger: Commonware simplex, peer-to-peer and block sync.
