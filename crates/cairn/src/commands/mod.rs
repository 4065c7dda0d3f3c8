//! The commands, one file each.

mod claim;
mod credits;
mod devices;
mod join;
mod status;

pub use claim::{Paid, claim, claim_for_all};
pub use credits::{credits, stones_for};
pub use devices::devices;
pub use join::join;
pub use status::status;
