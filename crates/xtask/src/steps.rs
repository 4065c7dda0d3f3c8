//! The steps of `cargo xtask test`, in the order in which they fail fastest. Each says what it runs and how long it took.
//!
//! Lints and documentation are checked beside the others, with what those leave idle: two cores compile and test an hour, and a fifth
//! of it they wait. The last steps mostly wait (for packages, for epochs): they run at the same time.

use std::{
    os::unix::process::CommandExt as _,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
    thread::{self, JoinHandle},
    time::Instant,
};

use eyre::{Result, WrapErr as _, bail, eyre};

struct Step {
    name: &'static str,
    what: &'static str,
    run: fn(&Path) -> Result<()>,
    when: When,
}

/// When a step runs.
#[derive(Clone, Copy, PartialEq, Eq)]
enum When {
    /// One after the other.
    InTurn,
    /// From the start, at the lowest priority, in a target folder of its own.
    Beside,
    /// At the end and all at the same time: they mostly wait, and have everything of their own.
    Together,
}

/// Where what runs beside the others puts its metadata: cargo lets one command into a target folder.
const LINTS: &str = "target/lints";

const STEPS: &[Step] = &[
    Step { name: "fmt", what: "every file is formatted", run: fmt, when: When::InTurn },
    Step {
        name: "tidy",
        what: "the rules of the house",
        run: |_| crate::tidy::run(),
        when: When::InTurn,
    },
    Step { name: "clippy", what: "lints are errors", run: clippy, when: When::Beside },
    Step {
        name: "rust",
        what: "unit, property and simulation tests",
        run: rust,
        when: When::InTurn,
    },
    Step {
        name: "network",
        what: "the command on real networks: killed, restarted, audited, tampered with",
        run: network,
        when: When::InTurn,
    },
    Step {
        name: "docs",
        what: "documentation builds without warnings",
        run: docs,
        when: When::Beside,
    },
    Step {
        name: "clients",
        what: "unmodified viem and cast against a running network",
        run: clients,
        when: When::Together,
    },
    Step {
        name: "contracts",
        what: "the example contracts under Hardhat and mocha against a development chain",
        run: contracts,
        when: When::Together,
    },
    Step {
        name: "recompute",
        what: "the second implementations agree on light proofs and on one epoch",
        run: recompute,
        when: When::Together,
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
    let chosen: Vec<&Step> =
        STEPS.iter().skip(first).filter(|step| only.is_none_or(|name| name == step.name)).collect();
    let of = |when: When| -> Vec<&Step> {
        let mut steps = chosen.clone();
        steps.retain(|step| if only.is_some() { when == When::InTurn } else { step.when == when });
        steps
    };
    let beside = Beside::start(&root, &of(When::Beside))?;
    for step in of(When::InTurn) {
        println!("── {}: {}", step.name, step.what);
        let begun = Instant::now();
        (step.run)(&root).wrap_err_with(|| format!("step `{}` failed", step.name))?;
        println!("── {}: passed in {:.0} s", step.name, begun.elapsed().as_secs_f64());
    }
    together(&root, &of(When::Together))?;
    beside.end()?;
    println!("all steps passed in {:.1} min", started.elapsed().as_secs_f64() / 60.0);
    Ok(())
}

/// Steps that run beside the others; they end with it.
struct Beside(Vec<Running>);

struct Running {
    name: &'static str,
    /// Of it and everything that it started.
    group: u32,
    output: JoinHandle<Result<Output>>,
}

impl Beside {
    fn start(root: &Path, steps: &[&'static Step]) -> Result<Self> {
        let mut running = Self(Vec::new());
        for Step { name, what, .. } in steps {
            println!("── {name}: {what}; beside the others, told at the end");
            let mut command = again(root, name, &["nice", "-n", "19"])?;
            command.stdout(Stdio::piped()).stderr(Stdio::piped()).process_group(0);
            let child = command.spawn().wrap_err_with(|| format!("starting step `{name}`"))?;
            let group = child.id();
            let wait = || child.wait_with_output().wrap_err("waiting for a step");
            running.0.push(Running { name, group, output: thread::spawn(wait) });
        }
        Ok(running)
    }

    /// Waits for all of them, and shows what they printed.
    fn end(mut self) -> Result<()> {
        let join = |step: Running| {
            let output = step.output.join().unwrap_or_else(|_| Err(eyre!("a step panicked")));
            (step.name, output)
        };
        report(std::mem::take(&mut self.0).into_iter().map(join).collect())
    }
}

impl Drop for Beside {
    /// Where another step failed.
    fn drop(&mut self) {
        for step in &self.0 {
            let group = format!("-{}", step.group);
            let _ = Command::new("kill").args(["-s", "TERM", "--", &group]).status();
        }
    }
}

/// This program again, with one step; `with` comes before it.
fn again(root: &Path, step: &str, with: &[&str]) -> Result<Command> {
    let this = std::env::current_exe().wrap_err("finding this program")?;
    let mut words = with.iter().map(Path::new).chain([this.as_path()]);
    let mut command = crate::clean(words.next().unwrap_or(&this));
    command.args(words).args(["test", "--only", step]).current_dir(root);
    Ok(command)
}

/// Runs steps at the same time, each in a process of its own; all of them, even when one fails.
fn together(root: &Path, steps: &[&Step]) -> Result<()> {
    if steps.is_empty() {
        return Ok(());
    }
    let run = |step: &Step| -> Result<Output> {
        let output = again(root, step.name, &[])?.output();
        output.wrap_err_with(|| format!("starting step `{}`", step.name))
    };
    let names: Vec<_> = steps.iter().map(|step| step.name).collect();
    println!("── at the same time: {}", names.join(", "));
    let ended = thread::scope(|scope| {
        let running: Vec<_> = steps.iter().map(|step| scope.spawn(|| run(step))).collect();
        let end = |step: thread::ScopedJoinHandle<'_, Result<Output>>| {
            step.join().unwrap_or_else(|_| Err(eyre!("a step panicked")))
        };
        running.into_iter().map(end).collect::<Vec<_>>()
    });
    report(names.into_iter().zip(ended).collect())
}

/// Shows what steps printed. What a failed one printed comes last, where people and the ends of logs look.
fn report(ended: Vec<(&'static str, Result<Output>)>) -> Result<()> {
    let mut failed = Vec::new();
    for (name, output) in ended {
        let output = output?;
        if output.status.success() {
            show(&output);
        } else {
            failed.push((name, output));
        }
    }
    for (name, output) in &failed {
        println!("── {name}: failed ({})", output.status);
        show(output);
    }
    let names: Vec<_> = failed.iter().map(|(name, _)| *name).collect();
    if names.is_empty() { Ok(()) } else { bail!("failed: {}", names.join(", ")) }
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
    let status = crate::clean(program)
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
        &[("CARGO_TARGET_DIR", LINTS)],
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
        &[("RUSTDOCFLAGS", "-D warnings"), ("CARGO_TARGET_DIR", LINTS)],
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
