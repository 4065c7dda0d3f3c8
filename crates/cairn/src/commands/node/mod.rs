//! `cairn node …`: a node without a vote: JSON-RPC and archive, or an ingest on top of them.

mod init;
mod run;

use eyre::Result;

use crate::cli::NodeCommand;

/// Makes or runs a node.
pub async fn node(command: &NodeCommand) -> Result<()> {
    match command {
        NodeCommand::Init(args) => init::init(args),
        NodeCommand::Run(args) => run::run(args).await,
    }
}
