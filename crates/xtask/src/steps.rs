//! The steps of `cargo xtask test`, in the order in which they fail fastest. Each says what it runs and how long it took.
//!
//! The last ones mostly wait (for packages, for epochs): they run at the same time, and each shows what it printed when it ends.

use std::{
    path::{Path, PathBuf},
    process::{Command, Output},
    thread,
    time::Instant,
};

use eyre::{Result, WrapErr as _, bail, eyre};

struct Step {
    name: &'static str,
    what: &'static str,
    run: fn(&Path) -> Result<()>,
    /// Mostly waits, and has everything of its own: runs beside the others of this kind.
    waits: bool,
}

const STEPS: &[Step] = &[
    Step { name: "fmt", what: "every file is formatted", run: fmt, waits: false },
    Step {
        name: "tidy",
        what: "the rules of the house",
        run: |_| crate::tidy::run(),
        waits: false,
    },
    Step { name: "clippy", what: "lints are errors", run: clippy, waits: false },
    Step { name: "rust", what: "unit, property and simulation tests", run: rust, waits: false },
    Step {
        name: "network",
        what: "the command on real networks: killed, restarted, audited, tampered with",
        run: network,
        waits: false,
    },
    Step { name: "docs", what: "documentation builds without warnings", run: docs, waits: false },
    Step {
        name: "clients",
        what: "unmodified viem and cast against a running network",
        run: clients,
        waits: true,
    },
    Step {
        name: "contracts",
        what: "the example contracts under Hardhat and mocha against a development chain",
        run: contracts,
        waits: true,
    },
    Step {
        name: "recompute",
        what: "the second implementations agree on light proofs and on one epoch",
        run: recompute,
        waits: true,
    },
];

/// Runs all steps, or those from `from` on, or `only` one.
pub fn run(from: Option<&str>, only: Option<&str>) -> Result<()> {
    let root = workspace_root()?;
    for name in [from, only].into_iter().flatten() {
        if !STEPS.iter().any(|step| step.name == name) {
            let names: Vec<_> = STEPS.iter().map(|step| step.name).collect();
            bail!("there is no step `{name}`: the steps are {}", names.join(", "));
        }
    }
    let first = from.and_then(|name| STEPS.iter().position(|step| step.name == name)).unwrap_or(0);
    let started = Instant::now();
    let chosen = STEPS.iter().skip(first).filter(|step| only.is_none_or(|name| name == step.name));
    let (waiting, working): (Vec<&Step>, Vec<&Step>) =
        chosen.partition(|step| step.waits && only.is_none());
    for step in working {
        println!("── {}: {}", step.name, step.what);
        let begun = Instant::now();
        (step.run)(&root).wrap_err_with(|| format!("step `{}` failed", step.name))?;
        println!("── {}: passed in {:.0} s", step.name, begun.elapsed().as_secs_f64());
    }
    together(&root, &waiting)?;
    println!("all steps passed in {:.1} min", started.elapsed().as_secs_f64() / 60.0);
    Ok(())
}

/// Runs steps at the same time, each in a process of its own; all of them, even when one fails. What a failed one printed comes
/// last, where people and the ends of logs look.
fn together(root: &Path, steps: &[&Step]) -> Result<()> {
    if steps.is_empty() {
        return Ok(());
    }
    let this = std::env::current_exe().wrap_err("finding this program")?;
    let run = |step: &Step| -> Result<Output> {
        let output = Command::new(&this)
            .args(["test", "--only", step.name])
            .current_dir(root)
            .output()
            .wrap_err_with(|| format!("starting step `{}`", step.name))?;
        if output.status.success() {
            show(&output);
        } else {
            println!(
                "── {}: failed; what it printed follows when the others have ended",
                step.name
            );
        }
        Ok(output)
    };
    let names: Vec<_> = steps.iter().map(|step| step.name).collect();
    println!("── at the same time: {}", names.join(", "));
    let ended: Vec<Result<Output>> = thread::scope(|scope| {
        let running: Vec<_> = steps.iter().map(|step| scope.spawn(|| run(step))).collect();
        let end = |step: thread::ScopedJoinHandle<'_, Result<Output>>| {
            step.join().unwrap_or_else(|_| Err(eyre!("a step panicked")))
        };
        running.into_iter().map(end).collect()
    });
    let mut failed = Vec::new();
    for (name, output) in names.into_iter().zip(ended) {
        let output = output?;
        if !output.status.success() {
            println!("── {name}: failed ({})", output.status);
            show(&output);
            failed.push(name);
        }
    }
    match failed.as_slice() {
        [] => Ok(()),
        [name] => bail!("step `{name}` failed"),
        names => bail!("steps `{}` failed", names.join("`, `")),
    }
}

/// What a step printed.
fn show(output: &Output) {
    print!("{}", String::from_utf8_lossy(&output.stdout));
    eprint!("{}", String::from_utf8_lossy(&output.stderr));
}

fn workspace_root() -> Result<PathBuf> {
    let manifest = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    manifest
        .ancestors()
        .nth(2)
        .map(Path::to_path_buf)
        .ok_or_else(|| eyre!("xtask is not inside a workspace"))
}

fn command(root: &Path, program: &str, arguments: &[&str], env: &[(&str, &str)]) -> Result<()> {
    let status = Command::new(program)
        .args(arguments)
        .envs(env.iter().copied())
        .current_dir(root)
        .status()
        .wrap_err_with(|| format!("starting `{program}`: is it installed?"))?;
    if !status.success() {
        bail!("`{program} {}` ended with {status}", arguments.join(" "));
    }
    Ok(())
}

fn fmt(root: &Path) -> Result<()> {
    command(root, "cargo", &["fmt", "--all", "--check"], &[])
}

fn clippy(root: &Path) -> Result<()> {
    command(
        root,
        "cargo",
        &["clippy", "--release", "--workspace", "--all-targets", "--", "-D", "warnings"],
        &[],
    )
}

fn rust(root: &Path) -> Result<()> {
    let all =
        ["test", "--release", "--workspace", "--exclude", "cairn", "--lib", "--bins", "--tests"];
    command(root, "cargo", &all, &[])
}

fn network(root: &Path) -> Result<()> {
    command(root, "cargo", &["test", "--release", "--package", "cairn", "--bins", "--tests"], &[])
}

fn docs(root: &Path) -> Result<()> {
    command(
        root,
        "cargo",
        &["doc", "--release", "--workspace", "--no-deps"],
        &[("RUSTDOCFLAGS", "-D warnings")],
    )
}

fn clients(root: &Path) -> Result<()> {
    command(root, "bash", &["tests/clients/run.sh"], &[])
}

fn contracts(root: &Path) -> Result<()> {
    command(root, "bash", &["contracts/examples/run.sh"], &[])
}

fn recompute(root: &Path) -> Result<()> {
    command(root, "bash", &["examples/light-client/run.sh"], &[])?;
    command(root, "bash", &["examples/recompute/run.sh"], &[])
}
