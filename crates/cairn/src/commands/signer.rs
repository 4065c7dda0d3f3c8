//! `cairn signer …`: a validator's consensus key in a process of its own, whose log of votes no backup of the node brings back.

use cairn_consensus::{Guard, LocalSigner, VoteLog, VoteStart};
use cairn_kit::{Shutdown, Tasks};
use cairn_node::{
    signer::serve,
    validator::{NodeKeys, VOTES},
};
use eyre::{Result, WrapErr as _};
use serde_json::json;

use crate::{
    cli::{SignerCommand, SignerInitArgs, SignerRunArgs},
    host::{Life, event, read_network},
    output::Output,
};

/// Makes or runs a signer.
pub async fn signer(command: &SignerCommand) -> Result<()> {
    match command {
        SignerCommand::Init(args) => init(args),
        SignerCommand::Run(args) => run(args).await,
    }
}

fn init(args: &SignerInitArgs) -> Result<()> {
    NodeKeys::make_consensus(&args.dir)?;
    let key = NodeKeys::load_consensus(&args.dir)?;
    let key = cairn_primitives::SecretKey::ed25519(key).public();
    let key = alloy_primitives::B256::from_slice(key.as_bytes());
    let value = json!({ "dir": args.dir, "consensus_key": key.to_string() });
    Output { json: args.json }.answer(&value, || {
        format!(
            "key        {} (mode 0600), beside the log of what it signed: back up neither; a lost key is replaced with `cairn validator rotate-key`\n\
             consensus  {key}\n\nThen: cairn signer run --dir {} --genesis genesis.toml --socket PATH",
            args.dir.join("keys").display(),
            args.dir.display(),
        )
    });
    Ok(())
}

async fn run(args: &SignerRunArgs) -> Result<()> {
    let network = read_network(&args.dir, Some(&args.genesis), None)?;
    let secret = NodeKeys::load_consensus(&args.dir)
        .wrap_err("the key of this signer: `cairn signer init` makes it")?;
    let votes = VoteLog::open(&args.dir.join("keys").join(VOTES), VoteStart::Known)?;
    let guard = Guard::new(LocalSigner::new(&secret, network.hash)?, votes);
    let key = alloy_primitives::B256::from(guard.public_key());
    let output = Output { json: args.json };
    let (socket, shutdown) = (args.socket.clone(), Shutdown::new());
    let value = json!({
        "role": "signer", "consensus_key": key.to_string(), "genesis": network.hash.to_string(), "socket": socket,
    });
    let ready = move || {
        event(output, "ready", value, || {
            format!("signs with {key} for whoever asks at {}", socket.display())
        });
    };
    let mut tasks = Tasks::new(shutdown.clone());
    let socket = args.socket.clone();
    tasks.spawn("signer", |stop| async move { serve(guard, &socket, ready, stop).await });
    Life { output }.run(tasks.run(), shutdown).await
}
