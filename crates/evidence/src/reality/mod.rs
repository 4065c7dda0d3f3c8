//! The facts behind the reality page, from blocks and from the evidence of final epochs.
//!
//! ```text
//! blocks ──────────────► Book (rows by epoch) ─────┐
//! rewards, scores, verdicts of final epochs ─► Judged ─┴─► Facts ─► cairn_economy::reality::report
//! ```
//! A node folds its own blocks and reads its own archive; an auditor folds blocks whose hashes lead to a certificate, and
//! leaves whose roots stand in those blocks. Both call the same functions, so equal blocks give equal reports, and an altered
//! number shows. Invariant: what a report of the epochs up to `to` says never changes once `to` is final, whatever the head.

mod audit;
mod block;
mod book;
mod compare;
mod event;
mod history;
mod judged;
mod period;
mod prices;
mod rows;
#[cfg(test)]
mod tests;

pub use audit::{AuditError, Auditor, Progress};
pub use block::{BlockError, CheckedBlock};
pub use book::{Book, BookError, FinalEpoch};
pub use compare::{Difference, differences};
pub use history::{HISTORY_DAYS_MAX, HISTORY_FORMAT, History, HistoryDay, HistoryError};
pub use judged::{Judged, JudgedError};
pub use period::{PERIOD_DAYS, PERIOD_EPOCHS_MAX, Period, PeriodError};
