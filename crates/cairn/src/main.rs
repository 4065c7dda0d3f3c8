//! `cairn`: one binary with every role.

mod cli;
mod commands;
mod dev;
mod host;
mod network;
mod output;
mod session;
mod up;

use std::process::ExitCode;

use clap::Parser as _;
use eyre::Result;

use crate::cli::{Cli, Command, NodeCommand, ValidatorCommand};

/// What is logged when `CAIRN_LOG` says nothing.
const LOG_FILTER: &str = "error,cairn=warn";

fn main() -> ExitCode {
    let cli = Cli::parse();
    // Roles on a host of their own log as their settings say.
    let own_log = matches!(
        cli.command,
        Command::Validator(ValidatorCommand::Run(_)) | Command::Node(NodeCommand::Run(_))
    );
    if !own_log
        && let Err(error) =
            cairn_kit::telemetry::init(LOG_FILTER, cairn_kit::telemetry::Format::Text)
    {
        eprintln!("error: CAIRN_LOG: {error}");
        return ExitCode::from(2);
    }
    let done = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .thread_stack_size(cairn_gateway::QUERY_STACK_BYTES)
        .build()
        .map_err(Into::into)
        .and_then(|runtime| runtime.block_on(run(&cli.command)));
    match done {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run(command: &Command) -> Result<ExitCode> {
    match command {
        Command::Up(args) if args.dev => dev::dev(args).await?,
        Command::Up(args) => up::up(args).await?,
        Command::Status(args) => commands::status(args).await?,
        Command::Devices(command) => commands::devices(command).await?,
        Command::Join(args) => commands::join(args).await?,
        Command::Payback(args) => commands::payback(args).await?,
        Command::Claim(args) => commands::claim(args).await?,
        Command::Price(args) => commands::price(args).await?,
        Command::Swap(args) => commands::swap(args).await?,
        Command::Credits(command) => commands::credits(command).await?,
        Command::Why(args) => commands::why(args).await?,
        Command::Reality(args) => return commands::reality(args).await,
        Command::Query(args) => commands::query(args).await?,
        Command::Audit(args) => return commands::audit(args).await,
        Command::Proof(command) => return commands::proof(command).await,
        Command::CheckState(args) => return commands::check_state(args),
        Command::Simulate(args) => return tokio::task::block_in_place(|| commands::simulate(args)),
        Command::Genesis(command) => commands::genesis(command)?,
        Command::Validator(command) => return commands::validator(command).await,
        Command::Signer(command) => return commands::signer(command).await,
        Command::Stake(command) => commands::stake(command).await?,
        Command::Govern(command) => commands::govern(command).await?,
        Command::Treasury(command) => commands::treasury(command).await?,
        Command::Slash(command) => commands::slash(command).await?,
        Command::Node(command) => commands::node(command).await?,
        // A benchmark may start a runtime of its own, which is not allowed inside one.
        Command::Bench(args) => tokio::task::block_in_place(|| commands::bench(args))?,
    }
    Ok(ExitCode::SUCCESS)
}
