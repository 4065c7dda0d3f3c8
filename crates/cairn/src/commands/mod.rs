//! The commands, one file each.

mod claim;
mod credits;
mod devices;
mod join;
mod status;

pub use claim::{claim, claim_unlocked};
pub use credits::credits;
pub use devices::devices;
pub use join::join;
pub use status::status;
