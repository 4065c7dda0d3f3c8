//! `cairn govern …`: locks, proposals, votes; and what the treasury streams.

mod ballot;
mod locks;
mod propose;
mod refused;
mod show;
pub mod treasury;

use cairn_client::{LedgerClient, Sender};
use cairn_primitives::{Genesis, GovernanceParams};
use eyre::{Result, WrapErr as _, eyre};

use crate::{
    cli::{GovernCommand, PayerArgs},
    commands::stake::open_payer,
    output::Output,
};
use refused::refused;

/// Shows governance, or takes part in it.
pub async fn govern(command: &GovernCommand) -> Result<()> {
    match command {
        GovernCommand::Show { id: None, network } => show::rules(network).await,
        GovernCommand::Show { id: Some(id), network } => show::proposal(*id, network).await,
        GovernCommand::Locks(args) => locks::list(args).await,
        GovernCommand::Lock(args) => locks::lock(args).await,
        GovernCommand::Extend { id, days, payer } => locks::extend(*id, *days, payer).await,
        GovernCommand::Release(args) => locks::release(args).await,
        GovernCommand::Propose(args) => propose::propose(args).await,
        GovernCommand::Vote(args) => ballot::vote(args).await,
        GovernCommand::Delay(args) => ballot::delay(args).await,
        GovernCommand::Execute(args) => ballot::execute(args).await,
        GovernCommand::Close(args) => ballot::close(args).await,
    }
}

/// The network's genesis and its table of governance.
async fn governed(client: &LedgerClient) -> Result<(Genesis, GovernanceParams)> {
    let genesis: Genesis =
        toml::from_str(&client.genesis().await?).wrap_err("parsing the node's genesis")?;
    let rules = genesis.governance.clone().ok_or_else(|| {
        eyre!("this network has no governance: its genesis has no [governance] table")
    })?;
    Ok((genesis, rules))
}

/// Who sends, on a network that is governed.
async fn open(args: &PayerArgs) -> Result<(Sender, Output, GovernanceParams)> {
    let (sender, output) = open_payer(args).await?;
    let (_, rules) = governed(sender.client()).await?;
    Ok((sender, output, rules))
}
