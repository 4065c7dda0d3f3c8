//! `cairn stake …`: who stands for a seat, and stones that people put behind them.

mod delegate;
mod list;
mod mine;
mod payer;
mod refused;

use eyre::Result;

use crate::cli::StakeCommand;
pub use list::Table;
pub use payer::{amount, open_payer, worth};
pub use refused::refused;

/// Shows candidates and delegations, or changes a delegation.
pub async fn stake(command: &StakeCommand) -> Result<()> {
    match command {
        StakeCommand::List(args) => list::list(args).await,
        StakeCommand::Delegate(args) => delegate::delegate(args).await,
        StakeCommand::Undelegate(args) => delegate::undelegate(args).await,
        StakeCommand::Withdraw(args) => delegate::withdraw(args).await,
        StakeCommand::Mine(args) => mine::mine(args).await,
    }
}
