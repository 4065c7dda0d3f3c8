//! `cargo xtask sim`: seeded networks of validators, in the test program of `consensus`, which has the engine compiled on
//! the deterministic runtime already.
//!
//! Every seed is a scenario (`consensus/src/tests/scenario.rs`): its size, links, faults and liars are drawn from it, and the
//! same seed always gives the same trace.

use std::{
    io::{BufRead as _, BufReader},
    process::Stdio,
};

use eyre::{Result, WrapErr as _, bail, eyre};
use serde_json::{Value, json};

/// What begins each line about one seed.
const LINE: &str = "sim ";

/// Runs `seeds` scenarios from `from` on, tells each, and fails when one failed.
pub fn run(from: u64, seeds: u64, json: bool, log: Option<String>) -> Result<()> {
    let test = ["test", "--release", "--quiet", "--package", "cairn-consensus", "--lib"];
    let filter = ["tests::scenario::seeds", "--", "--exact", "--nocapture"];
    let mut child = crate::clean("cargo")
        .args(test)
        .args(filter)
        .env("CAIRN_SIM_FROM", from.to_string())
        .env("CAIRN_SIM_SEEDS", seeds.to_string())
        .envs(log.map(|filter| ("CAIRN_SIM_LOG", filter)))
        .stdout(Stdio::piped())
        .spawn()
        .wrap_err("starting `cargo test`")?;
    let output = child.stdout.take().ok_or_else(|| eyre!("the output of `cargo test` is gone"))?;
    let (mut done, mut violations) = (0_u64, Vec::new());
    for line in BufReader::new(output).lines() {
        let line = line.wrap_err("reading the output of `cargo test`")?;
        let Some(told) = line.strip_prefix(LINE) else { continue };
        let told: Value =
            serde_json::from_str(told).wrap_err_with(|| format!("a scenario told `{told}`"))?;
        done += 1;
        if told.get("violation").is_some() {
            println!("{told}");
            violations.push(told);
        } else if !json {
            println!("{told}");
        }
    }
    let status = child.wait().wrap_err("waiting for `cargo test`")?;
    if json {
        println!("{}", json!({ "from": from, "seeds": done, "violations": violations }));
    }
    if let Some(first) = violations.first() {
        let seed = &first["seed"];
        bail!(
            "{} of {done} scenarios failed; to see one again: cargo xtask sim --from {seed} --seeds 1",
            violations.len()
        );
    }
    if !status.success() || done < seeds {
        bail!("only {done} of {seeds} scenarios ran: `cargo test` ended with {status}");
    }
    if !json {
        println!("{done} scenarios: one chain each, money conserved, all recovered");
    }
    Ok(())
}
