//! Validators' seats from outside: who stands, who sits, what is delegated, what was slashed (docs/spec/stake.md).
//!
//! ```text
//! StakeReads ─► any LedgerRead       Sender ─► candidacy · delegation · slashes
//! ```

mod read;
mod write;

pub use read::{StakeReads, Standing};
pub use write::Possession;
