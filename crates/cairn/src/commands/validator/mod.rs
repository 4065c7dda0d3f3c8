//! `cairn validator …`: a validator on a host of its own.

mod init;
mod run;
mod status;

use std::process::ExitCode;

use eyre::Result;

use crate::cli::ValidatorCommand;
pub use init::write_settings;

/// Makes, runs or shows a validator.
pub async fn validator(command: &ValidatorCommand) -> Result<ExitCode> {
    match command {
        ValidatorCommand::Init(args) => init::init(args)?,
        ValidatorCommand::Run(args) => run::run(args).await?,
        ValidatorCommand::Status(args) => return status::status(args).await,
    }
    Ok(ExitCode::SUCCESS)
}
