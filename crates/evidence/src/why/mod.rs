//! Why devices earned more or less than in another period: causes in money, each with the verdicts that it rests on.
//!
//! ```text
//! inputs, verdicts, scores, rewards of an epoch ─► EpochView ─┐
//!                               the same of an earlier one ───┴─► cairn_economy::why, per device ─► Waterfall
//! ```
//! A period of several epochs is compared epoch by epoch with the one that stands at the same place in the other period, so
//! that the parts of all causes still add up to the difference exactly. What a cause changed most is shown with its epoch,
//! device, file and hash, and with the numbered rejection where there is one. Nothing here knows a sector: what the parts of a
//! score are called comes from the sector table.

mod epoch;
#[cfg(test)]
mod tests;
mod waterfall;

pub use epoch::{EpochView, ViewError};
pub use waterfall::{Batch, CauseSum, GROUNDS_MAX, Ground, Refused, Waterfall};
