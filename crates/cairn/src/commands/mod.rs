//! The commands, one file each.

mod audit;
mod bench;
mod check_state;
mod claim;
mod credits;
mod devices;
mod join;
mod query;
mod status;
mod why;

pub use audit::audit;
pub use bench::bench;
pub use check_state::check_state;
pub use claim::{Paid, claim, claim_for_all};
pub use credits::{credits, stones_for};
pub use devices::devices;
pub use join::join;
pub use query::query;
pub use status::status;
pub use why::why;
