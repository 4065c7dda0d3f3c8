//! `cairn validator …`: a validator on a host of its own, and its operator's seat.

mod candidacy;
mod init;
mod join;
mod operator;
mod rotate;
mod run;
mod seats;
mod status;

use std::process::ExitCode;

use eyre::Result;

use crate::cli::ValidatorCommand;
pub use init::write_settings;

/// Makes, runs or shows a validator, or changes its candidacy.
pub async fn validator(command: &ValidatorCommand) -> Result<ExitCode> {
    match command {
        ValidatorCommand::Init(args) => init::init(args)?,
        ValidatorCommand::Run(args) => run::run(args).await?,
        ValidatorCommand::Status(args) => return status::status(args).await,
        ValidatorCommand::Join(args) => join::join(args).await?,
        ValidatorCommand::Raise(args) => candidacy::raise(args).await?,
        ValidatorCommand::Leave(args) => candidacy::leave(args).await?,
        ValidatorCommand::Exit(args) => candidacy::exit(args).await?,
        ValidatorCommand::RotateKey(args) => rotate::rotate(args).await?,
        ValidatorCommand::Commission(args) => candidacy::commission(args).await?,
        ValidatorCommand::Income(args) => candidacy::income(args).await?,
        ValidatorCommand::Unjail(args) => candidacy::unjail(args).await?,
    }
    Ok(ExitCode::SUCCESS)
}
