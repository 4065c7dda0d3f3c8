//! `cairn check-state`: the ledger's invariants over every validator's disk.

use std::{process::ExitCode, sync::Arc};

use cairn_node::{disk::FILE, offline::OfflineLedger};
use cairn_primitives::Genesis;
use eyre::{Result, WrapErr as _, bail};
use serde_json::json;

use crate::{
    cli::CheckStateArgs,
    network::{Folder, VALIDATORS},
    output::Output,
};

/// Checks every validator's ledger; exits 1 when an invariant is broken or two ledgers contradict each other.
pub fn check_state(args: &CheckStateArgs) -> Result<ExitCode> {
    let output = Output { json: args.json };
    let folder = Folder::new(&args.dir);
    let (genesis, text) = folder.read_genesis()?;
    let (genesis, hash) = (Arc::new(genesis), Genesis::hash_of_text(&text));
    let mut ledgers = Vec::new();
    for index in (0..VALIDATORS).filter(|index| folder.validator(*index).join(FILE).exists()) {
        let ledger = OfflineLedger::open(&folder.validator(index), Arc::clone(&genesis), hash)
            .wrap_err_with(|| {
                format!("opening the ledger of validator {index}: stop the network first")
            })?;
        ledgers.push((index, ledger));
    }
    if ledgers.is_empty() {
        bail!("{} holds no ledger", folder.root().display());
    }
    let mut broken = 0;
    for (index, ledger) in &ledgers {
        let violations: Vec<String> = ledger.check()?.iter().map(ToString::to_string).collect();
        broken += violations.len();
        let height = ledger.disk().snapshot().height();
        let value = json!({ "validator": index, "height": height, "violations": violations });
        output.answer(&value, || {
            let found = if violations.is_empty() {
                "every invariant holds".to_owned()
            } else {
                violations.join("; ")
            };
            format!("validator {index}, height {height}: {found}")
        });
    }
    let common =
        ledgers.iter().map(|(_, ledger)| ledger.disk().snapshot().height()).min().unwrap_or(0);
    let mut hashes = Vec::new();
    for (_, ledger) in &ledgers {
        hashes.push(ledger.disk().snapshot().header(common)?.map(|(hash, _)| hash));
    }
    let agree = hashes.windows(2).all(|pair| pair[0] == pair[1]);
    output.answer(
        &json!({ "common_height": common, "agree": agree, "violations": broken }),
        || {
            let word = if agree { "agree" } else { "DISAGREE" };
            format!(
                "{} ledgers {word} on block {common}; {broken} broken invariants",
                ledgers.len()
            )
        },
    );
    Ok(if agree && broken == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
