//! A role's life in a process of its own: until SIGINT or SIGTERM, or until a part fails.

use std::path::Path;

use cairn_kit::{Shutdown, tasks::TasksError};
use cairn_node::mend;
use eyre::{Result, WrapErr as _, bail};
use serde_json::{Value, json};

use crate::{cli::RunArgs, output::Output};

/// One line about something that happened.
pub fn event(output: Output, name: &str, mut value: Value, text: impl FnOnce() -> String) {
    value["event"] = json!(name);
    output.answer(&value, text);
}

/// With `--refetch`: what other nodes have too goes out of the way before the node starts.
pub fn refetch(args: &RunArgs, data: &Path, output: Output) -> Result<()> {
    if !args.refetch {
        return Ok(());
    }
    let aside =
        mend::set_aside(data).wrap_err_with(|| format!("moving files in {}", data.display()))?;
    event(output, "refetch", json!({ "aside": aside }), || {
        format!(
            "what was in {} is in {} now: the ledger is fetched again",
            data.display(),
            aside.display()
        )
    });
    Ok(())
}

/// A role that runs in the foreground.
pub struct Life {
    /// Where it tells.
    pub output: Output,
}

impl Life {
    /// Runs a role that stops when `shutdown` is requested.
    pub async fn run(
        &self,
        role: impl Future<Output = Result<(), TasksError>>,
        shutdown: Shutdown,
    ) -> Result<()> {
        tokio::pin!(role);
        tokio::select! {
            ended = &mut role => {
                ended.wrap_err("a part of the node stopped")?;
                bail!("the node stopped by itself");
            }
            signal = signalled() => signal?,
        }
        shutdown.request();
        role.await.wrap_err("stopping the node")?;
        event(self.output, "stopped", json!({}), || "stopped".to_owned());
        Ok(())
    }
}

/// Resolves at SIGINT or SIGTERM.
async fn signalled() -> Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut end = signal(SignalKind::terminate()).wrap_err("waiting for SIGTERM")?;
    tokio::select! {
        interrupted = tokio::signal::ctrl_c() => interrupted.wrap_err("waiting for Ctrl-C"),
        _ = end.recv() => Ok(()),
    }
}
