//! `cairn genesis …`: founding a network, and looking at what one was founded with.

mod founding;

use std::{
    fs, io,
    path::{Path, PathBuf},
    time::SystemTime,
};

use cairn_primitives::{Genesis, MicroUsd};
use eyre::{Result, WrapErr as _, bail};
use serde_json::{Value, json};

use crate::{
    cli::{GenesisCommand, GenesisFile},
    host::read_genesis,
    output::{Output, usd},
};
pub use founding::EXAMPLE;
use founding::Founding;

/// Founds, shows or hashes.
pub fn genesis(command: &GenesisCommand) -> Result<()> {
    match command {
        GenesisCommand::Example { json } => {
            let output = Output { json: *json };
            output.answer(&json!({ "toml": EXAMPLE }), || EXAMPLE.trim_end().to_owned());
            Ok(())
        }
        GenesisCommand::New { from, out, json } => new(from, out, Output { json: *json }),
        GenesisCommand::Show(file) => show(file),
        GenesisCommand::Hash(file) => hash(file),
    }
}

fn new(from: &Path, out: &Path, output: Output) -> Result<()> {
    let text = fs::read_to_string(from).wrap_err_with(|| {
        format!("reading --from {}: `cairn genesis example` prints one", from.display())
    })?;
    let (genesis, text) = found(&from.display().to_string(), &text)?;
    fs::create_dir_all(out).wrap_err_with(|| format!("making --out {}", out.display()))?;
    let path = out.join("genesis.toml");
    write_new(&path, &text)?;
    let hash = Genesis::hash_of_text(&text);
    let value = json!({ "genesis": path, "hash": hash.to_string(), "validators": genesis.validators.len() });
    output.answer(&value, || {
        format!(
            "{}: genesis of \"{}\" with {} validators\nhash {hash}\nSend the file to every node; each checks it with `cairn genesis hash`.",
            path.display(),
            genesis.name,
            genesis.validators.len()
        )
    });
    Ok(())
}

/// The genesis that a founder's file describes, and its exact text. `name` is for errors.
pub fn found(name: &str, text: &str) -> Result<(Genesis, String)> {
    let genesis = Founding::parse(name, text)?.genesis(SystemTime::now())?;
    let body = toml::to_string(&genesis).wrap_err("writing genesis as TOML")?;
    let text = format!(
        "# Genesis of the network \"{}\". Every byte of this file counts: its hash names the network.\n\n{body}",
        genesis.name
    );
    Ok((genesis, text))
}

/// Writes a file that must not be there yet: a network is founded once.
fn write_new(path: &PathBuf, text: &str) -> Result<()> {
    let file = fs::OpenOptions::new().write(true).create_new(true).open(path);
    match file {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            bail!(
                "{} is there already: a genesis never changes; choose another --out",
                path.display()
            )
        }
        other => {
            let mut file = other.wrap_err_with(|| format!("writing {}", path.display()))?;
            io::Write::write_all(&mut file, text.as_bytes())
                .and_then(|()| file.sync_all())
                .wrap_err_with(|| format!("writing {}", path.display()))
        }
    }
}

fn hash(file: &GenesisFile) -> Result<()> {
    let (_, text) = read_genesis(&file.genesis)?;
    let hash = Genesis::hash_of_text(&text).to_string();
    Output { json: file.json }.answer(&json!({ "hash": hash }), || hash.clone());
    Ok(())
}

fn show(file: &GenesisFile) -> Result<()> {
    let (genesis, text) = read_genesis(&file.genesis)?;
    let hash = Genesis::hash_of_text(&text);
    let mut value = serde_json::to_value(&genesis).wrap_err("writing genesis as JSON")?;
    value["hash"] = json!(hash.to_string());
    Output { json: file.json }.answer(&value, || shown(&genesis, &value));
    Ok(())
}

fn shown(genesis: &Genesis, value: &Value) -> String {
    let mut lines = vec![
        format!("network    {} (chain id {})", genesis.name, genesis.chain_id),
        format!("hash       {}", value["hash"].as_str().unwrap_or_default()),
        format!("begins     {} ms since 1970, time scale {}", genesis.start_ms, genesis.time_scale),
        format!(
            "epoch      {} ms; commit within {}, attest within {} more",
            genesis.epoch_ms, genesis.commit_window_ms, genesis.attest_window_ms
        ),
        format!(
            "stones     cap {}, reserve {}, price {}",
            genesis.economy.cap_stones,
            genesis.economy.reserve_stones,
            usd(MicroUsd(genesis.economy.price_micro_usd))
        ),
        format!("quorum     {} of {} validators", genesis.quorum(), genesis.validators.len()),
    ];
    for v in &genesis.validators {
        lines.push(format!("validator  {:<16} {} key {}", v.name, v.operator, v.consensus_key));
    }
    for ingest in &genesis.ingests {
        lines.push(format!("ingest     {:<16} {}", ingest.url, ingest.operator));
    }
    for account in &genesis.accounts {
        lines.push(format!(
            "account    {:<16} {} {}",
            account.name, account.address, account.stones
        ));
    }
    lines.join("\n")
}

/// The genesis of the example, for tests of other parts.
#[cfg(test)]
pub fn genesis_example() -> Genesis {
    let founding = Founding::parse("example", EXAMPLE).expect("the example parses");
    founding.genesis(SystemTime::now()).expect("the example is sound")
}
