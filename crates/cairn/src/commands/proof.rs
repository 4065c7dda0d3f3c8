//! `cairn proof …`: a value of the ledger that needs no trust in the node it came from.

use std::{path::Path, process::ExitCode};

use cairn_client::light::{Claim, Proven, Trust, check_object};
use cairn_primitives::{MicroUsd, Stones};
use eyre::{Result, WrapErr as _, bail};
use serde_json::{Value, json};

use crate::{
    cli::{ProofCheckArgs, ProofCommand, ProofGetArgs},
    host::read_genesis,
    output::{Output, stones, usd},
    session::{SECTOR, Session},
};

/// Gets or checks a proof; exits 1 when one does not hold.
pub async fn proof(command: &ProofCommand) -> Result<ExitCode> {
    match command {
        ProofCommand::Get(args) => get(args).await,
        ProofCommand::Check(args) => check(args),
    }
}

async fn get(args: &ProofGetArgs) -> Result<ExitCode> {
    let session = Session::open(&args.network).await?;
    let sector = SECTOR.name();
    let asked = match args {
        ProofGetArgs { account: Some(account), .. } => json!({ "account": account }),
        ProofGetArgs { slot: Some(slot), address, .. } => {
            json!({ "address": address, "slot": slot })
        }
        ProofGetArgs { transaction: Some(hash), log: Some(log), .. } => {
            json!({ "transaction": hash, "log": log })
        }
        ProofGetArgs { transaction: Some(hash), log: None, .. } => json!({ "transaction": hash }),
        ProofGetArgs { device: Some(device), epoch, .. } => {
            let device = session.device(device).await?.record.id;
            json!({ "epoch": epoch, "sector": sector, "device": device })
        }
        ProofGetArgs { batch, epoch, .. } => {
            json!({ "epoch": epoch, "sector": sector, "batch": batch })
        }
    };
    let object = session.client.proof(&asked).await.wrap_err("asking for the proof")?;
    let text = serde_json::to_string_pretty(&object).wrap_err("writing the proof as JSON")?;
    match &args.out {
        None => session.output.answer(&object, || text),
        Some(path) => {
            std::fs::write(path, text + "\n")
                .wrap_err_with(|| format!("writing --out {}", path.display()))?;
            let value = json!({ "file": path, "bytes": bytes_of(&object) });
            session.output.answer(&value, || {
                format!(
                    "{}: a proof of {} bytes; `cairn proof check {} --genesis FILE` checks it",
                    path.display(),
                    bytes_of(&object),
                    path.display()
                )
            });
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Bytes of an object's proof.
fn bytes_of(object: &Value) -> usize {
    object["proof"].as_str().map_or(0, |hex| hex.len().saturating_sub(2) / 2)
}

fn check(args: &ProofCheckArgs) -> Result<ExitCode> {
    let output = Output { json: args.json };
    let (genesis, text) = read_genesis(&args.genesis)?;
    let trust = Trust::of(&genesis, &text);
    let object = read(&args.proof)?;
    match check_object(&object, &trust) {
        Ok(proven) => {
            let value = json!({ "holds": true, "network": genesis.name, "genesis": trust.genesis, "proven": proven });
            output.answer(&value, || {
                format!(
                    "{}\nproven on \"{}\", genesis {}",
                    tell(&proven),
                    genesis.name,
                    trust.genesis
                )
            });
            Ok(ExitCode::SUCCESS)
        }
        Err(wrong) => {
            let value = json!({ "holds": false, "network": genesis.name, "genesis": trust.genesis, "reason": wrong.to_string() });
            output.answer(&value, || format!("refused: {wrong}"));
            Ok(ExitCode::FAILURE)
        }
    }
}

fn read(path: &Path) -> Result<Value> {
    let text = std::fs::read_to_string(path)
        .wrap_err_with(|| format!("reading the proof {}", path.display()))?;
    let object: Value = serde_json::from_str(&text)
        .wrap_err_with(|| format!("parsing {}: a proof is a JSON object", path.display()))?;
    if !object.is_object() {
        bail!("{} holds no JSON object: `cairn proof get --out FILE` writes one", path.display());
    }
    Ok(object)
}

/// What was proven, for people.
fn tell(proven: &Proven) -> String {
    let block = &proven.block;
    let by = if proven.certified == block.number {
        "signed itself".to_owned()
    } else {
        format!("through block {}", proven.certified)
    };
    let claim = match &proven.claim {
        Claim::Account { address, nonce, balance, code_hash } => {
            let amount = u128::try_from(*balance)
                .map_or_else(|_| format!("{balance} base units"), |amount| stones(Stones(amount)));
            format!(
                "account {address}\n  balance {amount}\n  nonce {nonce}\n  code hash {code_hash}"
            )
        }
        Claim::Slot { address, slot, value } => {
            format!("slot {slot} of {address}\n  value {value}")
        }
        Claim::Receipt { transaction, index, success, cumulative_gas_used, logs } => {
            let word = if *success { "succeeded" } else { "reverted" };
            format!(
                "transaction {transaction}, number {index} of its block, {word}\n  {} logs, {cumulative_gas_used} gas so far in the block",
                logs.len()
            )
        }
        Claim::Log { index, position, log } => {
            let topics: Vec<String> = log.topics.iter().map(ToString::to_string).collect();
            format!(
                "log {position} of transaction number {index}, by {}\n  topics {}\n  data {}",
                log.address,
                topics.join(", "),
                log.data
            )
        }
        Claim::Reward {
            epoch,
            sector: _,
            device,
            owner,
            earned,
            earned_stones,
            subsidy,
            subsidy_stones,
        } => format!(
            "reward of device {device} for epoch {epoch}, owned by {owner}\n  earned {} ({})\n  subsidy {} ({})",
            usd(MicroUsd(*earned)),
            stones(Stones(*earned_stones)),
            usd(MicroUsd(*subsidy)),
            stones(Stones(*subsidy_stones))
        ),
        Claim::Batch { epoch, sector: _, commitment, leaf } => {
            format!("batch {leaf}\n  counts in epoch {epoch}, in commitment {commitment}")
        }
    };
    format!("{claim}\nafter block {} ({}), {by}", block.number, block.hash)
}
