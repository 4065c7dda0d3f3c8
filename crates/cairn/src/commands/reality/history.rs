//! `--history`: the ledger's days, from blocks that its validators signed, as a file that `cairn simulate` goes on from.

use std::{path::Path, process::ExitCode};

use eyre::{Result, WrapErr as _};
use serde_json::json;

use super::verify::{Opened, open, progress};
use crate::{cli::RealityArgs, session::Session};

/// Checks every block and writes the days that are over.
pub async fn write(session: &Session, args: &RealityArgs, path: &Path) -> Result<ExitCode> {
    let bar = progress(session);
    let Opened { auditor, trusted } = open(session, args, &bar).await?;
    bar.finish_and_clear();
    let history = auditor.history()?;
    let text = serde_json::to_vec_pretty(&history).wrap_err("writing the days as JSON")?;
    cairn_sim::economy::files::write_whole(path, &text)
        .wrap_err_with(|| format!("writing --history {}", path.display()))?;
    let days = history.days.len();
    let value = json!({
        "network": history.network, "days": days, "digest": history.digest().to_string(),
        "blocks_checked": auditor.blocks(), "genesis_trusted": trusted, "file": path,
    });
    session.output.answer(&value, || {
        let word = if days == 1 { "day" } else { "days" };
        let genesis = if trusted { "your genesis file" } else { "the node's word for genesis" };
        format!(
            "{days} {word} of {} from {} blocks, checked against {genesis}: {}\nGo on from them: cairn simulate network.toml --history {} --out study",
            history.network,
            auditor.blocks(),
            path.display(),
            path.display()
        )
    });
    Ok(ExitCode::SUCCESS)
}
