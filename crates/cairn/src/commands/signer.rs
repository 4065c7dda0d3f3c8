//! `cairn signer …`: a validator's consensus key in a process of its own, whose log of votes no backup of the node brings back.

use std::process::ExitCode;

use cairn_consensus::{Guard, LocalSigner, VoteLog, VoteStart};
use cairn_kit::{Shutdown, Tasks};
use cairn_node::{
    signer::{SignerStatus, SocketSigner, serve},
    validator::{NodeKeys, VOTES},
};
use eyre::{Result, WrapErr as _};
use serde_json::json;

use crate::{
    cli::{SignerCommand, SignerInitArgs, SignerRunArgs, SignerStatusArgs},
    host::{Life, event, read_network},
    output::Output,
};

/// Makes or runs a signer, or shows one; the last exits 1 when it cannot sign.
pub async fn signer(command: &SignerCommand) -> Result<ExitCode> {
    match command {
        SignerCommand::Init(args) => init(args)?,
        SignerCommand::Run(args) => run(args).await?,
        SignerCommand::Status(args) => return status(args),
    }
    Ok(ExitCode::SUCCESS)
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

fn status(args: &SignerStatusArgs) -> Result<ExitCode> {
    let status = SocketSigner::status(&args.socket)?;
    let mut value = serde_json::to_value(&status).wrap_err("writing the status as JSON")?;
    value["well"] = json!(status.is_well());
    Output { json: args.json }.answer(&value, || {
        let refused = status.refused;
        format!(
            "signer     {}\nruns       for {}, and signed {} votes\nkey        {}\nnetwork    genesis {}\n\
             refused    {} that contradict, {} for its log, {} of another domain, {} unreadable",
            line(&status),
            shown(status.running_ms),
            status.votes,
            status.consensus_key,
            status.genesis,
            refused.contradiction,
            refused.log,
            refused.domain,
            refused.malformed,
        )
    });
    Ok(if status.is_well() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// A signer in one line: `well, last vote term 3 view 17, 0.4 s ago`.
pub fn line(status: &SignerStatus) -> String {
    let health =
        if status.is_well() { "well" } else { "IT SIGNS NOTHING: its log cannot be written" };
    match &status.last {
        Some(last) => format!(
            "{health}, last vote term {} view {}, {} ago",
            last.term,
            last.view,
            shown(last.ago_ms)
        ),
        None => format!("{health}, no vote since it started"),
    }
}

/// A time as people read it, rounded down: `0.4 s`, `12 min`, `3 h 5 min`.
fn shown(ms: u64) -> String {
    match ms / 60_000 {
        0 => format!("{}.{} s", ms / 1_000, ms % 1_000 / 100),
        minutes @ 1..60 => format!("{minutes} min"),
        minutes => format!("{} h {} min", minutes / 60, minutes % 60),
    }
}

#[cfg(test)]
mod tests {
    use cairn_node::signer::{LastVote, Refused, SignedKind};

    use super::*;

    #[test]
    fn a_signer_in_one_line() {
        let mut status = SignerStatus {
            consensus_key: alloy_primitives::B256::ZERO,
            genesis: cairn_primitives::Digest::ZERO,
            running_ms: 11_100_000,
            votes: 1,
            refused: Refused::default(),
            last: None,
        };
        assert_eq!(line(&status), "well, no vote since it started");
        let kind = SignedKind::Finalize;
        status.last = Some(LastVote { kind, term: 3, view: 17, ago_ms: 449 });
        assert_eq!(line(&status), "well, last vote term 3 view 17, 0.4 s ago");
        status.refused.log = 1;
        assert!(line(&status).starts_with("IT SIGNS NOTHING"));
        assert_eq!(
            [shown(59_999), shown(60_000), shown(status.running_ms)],
            ["59.9 s", "1 min", "3 h 5 min"]
        );
    }
}
