//! The commands, one file each.

mod audit;
mod bench;
mod check_state;
mod claim;
mod credits;
mod devices;
mod genesis;
mod govern;
mod join;
mod node;
mod payback;
mod price;
mod proof;
mod query;
mod signer;
mod simulate;
mod slash;
mod stake;
mod status;
mod swap;
pub mod validator;
mod why;

pub use audit::audit;
pub use bench::bench;
pub use check_state::check_state;
pub use claim::{Paid, claim, claim_for_all};
pub use credits::{buy_credits, credits};
pub use devices::devices;
pub use genesis::genesis;
#[cfg(test)]
pub use genesis::genesis_example;
pub use govern::{govern, treasury::treasury};
pub use join::join;
pub use node::node;
pub use payback::payback;
pub use price::price;
pub use proof::proof;
pub use query::query;
pub use signer::signer;
pub use simulate::simulate;
pub use slash::slash;
pub use stake::stake;
pub use status::status;
pub use swap::swap;
pub use validator::validator;
pub use why::why;
