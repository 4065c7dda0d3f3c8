//! The checks of the house: who may import whom, what the core must not reach, how files begin and how long they get.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

use cargo_metadata::{DependencyKind, Metadata, MetadataCommand, PackageId};
use eyre::{Result, WrapErr as _, bail};

/// Crates of ours that each crate may use in its product code (dev-dependencies may reach further).
const EDGES: &[(&str, &[&str])] = &[
    ("cairn-primitives", &[]),
    ("cairn-economy", &["cairn-primitives"]),
    ("cairn-sectors", &["cairn-primitives", "cairn-economy"]),
    ("cairn-ledger", &["cairn-primitives", "cairn-economy", "cairn-sectors"]),
    ("cairn-kit", &[]),
    ("cairn-client", &["cairn-primitives", "cairn-economy", "cairn-sectors"]),
    ("cairn-consensus", &["cairn-primitives", "cairn-ledger", "cairn-kit"]),
    (
        "cairn-evidence",
        &["cairn-primitives", "cairn-economy", "cairn-sectors", "cairn-client", "cairn-kit"],
    ),
    (
        "cairn-node",
        &[
            "cairn-primitives",
            "cairn-economy",
            "cairn-sectors",
            "cairn-ledger",
            "cairn-consensus",
            "cairn-evidence",
            "cairn-client",
            "cairn-kit",
        ],
    ),
    ("cairn-agent", &["cairn-primitives", "cairn-sectors", "cairn-client", "cairn-kit"]),
    ("cairn-gateway", &["cairn-primitives", "cairn-sectors", "cairn-client", "cairn-kit"]),
    (
        "cairn-sim",
        &[
            "cairn-primitives",
            "cairn-economy",
            "cairn-sectors",
            "cairn-ledger",
            "cairn-client",
            "cairn-evidence",
            "cairn-agent",
            "cairn-kit",
        ],
    ),
    (
        "cairn",
        &[
            "cairn-primitives",
            "cairn-economy",
            "cairn-sectors",
            "cairn-ledger",
            "cairn-consensus",
            "cairn-evidence",
            "cairn-node",
            "cairn-agent",
            "cairn-gateway",
            "cairn-sim",
            "cairn-client",
            "cairn-kit",
        ],
    ),
    ("xtask", &[]),
];

/// The deterministic core, which must not reach an async runtime, a socket or a random source of its own.
const CORE: &[&str] = &["cairn-primitives", "cairn-economy", "cairn-sectors", "cairn-ledger"];
/// `tracing-subscriber` is not among them: arkworks, which the EVM's curve precompiles use, names it, and it does nothing
/// until somebody installs it.
const IMPURE: &[&str] = &["tokio", "async-std", "smol", "mio", "hyper", "reqwest", "axum", "redb"];

/// Longest file before it must be split, in lines.
const LINES_MAX: usize = 1_000;
/// Longest block of tests inside a file of product code.
const INLINE_TEST_LINES_MAX: usize = 150;

/// Runs every check and lists all that is wrong.
pub fn run() -> Result<()> {
    let metadata = MetadataCommand::new().exec().wrap_err("reading cargo metadata")?;
    let mut wrong = edges(&metadata);
    wrong.extend(purity(&metadata));
    wrong.extend(production(metadata.workspace_root.as_std_path())?);
    for package in metadata.workspace_packages() {
        let root = package.manifest_path.parent().map(|p| p.join("src")).unwrap_or_default();
        let files = rust_files(root.as_std_path())?;
        wrong.extend(dead_files(root.as_std_path(), &files)?);
        for file in &files {
            wrong.extend(file_rules(file, package.name.as_str())?);
        }
    }
    if !wrong.is_empty() {
        bail!("{} rules of the house are broken:\n  {}", wrong.len(), wrong.join("\n  "));
    }
    println!("tidy: {} crates in order", metadata.workspace_packages().len());
    Ok(())
}

fn edges(metadata: &Metadata) -> Vec<String> {
    let allowed: BTreeMap<&str, &[&str]> = EDGES.iter().copied().collect();
    let mut wrong = Vec::new();
    for package in metadata.workspace_packages() {
        let Some(may_use) = allowed.get(package.name.as_str()) else {
            wrong.push(format!(
                "{}: a new crate needs its line in xtask's EDGES and in ARCHITECTURE.md",
                package.name
            ));
            continue;
        };
        for dependency in &package.dependencies {
            let ours = dependency.name.starts_with("cairn");
            if ours
                && dependency.kind == DependencyKind::Normal
                && !may_use.contains(&dependency.name.as_str())
            {
                wrong.push(format!("{} must not use {}", package.name, dependency.name));
            }
        }
    }
    wrong
}

fn purity(metadata: &Metadata) -> Vec<String> {
    let Some(resolve) = &metadata.resolve else {
        return vec!["cargo metadata resolved nothing".into()];
    };
    let nodes: BTreeMap<&PackageId, _> =
        resolve.nodes.iter().map(|node| (&node.id, node)).collect();
    let mut wrong = Vec::new();
    for package in metadata.workspace_packages() {
        if !CORE.contains(&package.name.as_str()) {
            continue;
        }
        let (mut seen, mut todo) = (BTreeSet::new(), vec![&package.id]);
        while let Some(id) = todo.pop() {
            let Some(node) = nodes.get(id) else { continue };
            for dep in &node.deps {
                if dep.dep_kinds.iter().any(|k| k.kind == DependencyKind::Normal)
                    && seen.insert(&dep.pkg)
                {
                    todo.push(&dep.pkg);
                }
            }
        }
        for id in seen {
            let name = metadata[id].name.as_str();
            if IMPURE.contains(&name) {
                wrong.push(format!(
                    "{} reaches {name}: the core stays below the purity line",
                    package.name
                ));
            }
        }
    }
    wrong
}

/// What Cargo.toml compiles lightly, production.toml optimises, and nothing else.
fn production(root: &Path) -> Result<Vec<String>> {
    let levels = |name: &str| -> Result<BTreeMap<String, String>> {
        let text =
            fs::read_to_string(root.join(name)).wrap_err_with(|| format!("reading {name}"))?;
        let level = |line: &str| {
            let (krate, level) = line.split_once(".opt-level = ")?;
            Some((krate.to_owned(), level.to_owned()))
        };
        Ok(text.lines().filter_map(level).collect())
    };
    let (usual, full) = (levels("Cargo.toml")?, levels("production.toml")?);
    let mut wrong = Vec::new();
    for krate in usual.keys().filter(|krate| full.get(*krate).is_none_or(|level| level != "3")) {
        wrong.push(format!("production.toml must optimise {krate}: `{krate}.opt-level = 3`"));
    }
    for krate in full.keys().filter(|krate| !usual.contains_key(*krate)) {
        wrong.push(format!("production.toml names {krate}, which Cargo.toml optimises already"));
    }
    Ok(wrong)
}

fn rust_files(root: &Path) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    let mut folders = vec![root.to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in
            fs::read_dir(&folder).wrap_err_with(|| format!("reading {}", folder.display()))?
        {
            let path = entry?.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|e| e == "rs") {
                files.push(path);
            }
        }
    }
    files.sort();
    Ok(files)
}

/// Files that no `mod` line names.
fn dead_files(root: &Path, files: &[PathBuf]) -> Result<Vec<String>> {
    let mut declared = BTreeSet::new();
    for file in files {
        for line in fs::read_to_string(file)?.lines() {
            let line = line.trim().trim_start_matches("pub(crate) ").trim_start_matches("pub ");
            if let Some(name) = line.strip_prefix("mod ").and_then(|rest| rest.strip_suffix(';')) {
                declared.insert(name.to_owned());
            }
        }
    }
    let dead = files.iter().filter(|file| {
        let stem = file.file_stem().and_then(|s| s.to_str()).unwrap_or_default();
        let name = if stem == "mod" {
            file.parent().and_then(Path::file_name).and_then(|s| s.to_str()).unwrap_or_default()
        } else {
            stem
        };
        let is_root = file.parent() == Some(root) && matches!(stem, "lib" | "main");
        !is_root && !file.starts_with(root.join("bin")) && !declared.contains(name)
    });
    Ok(dead.map(|file| format!("{}: no module line names this file", file.display())).collect())
}

fn file_rules(file: &Path, krate: &str) -> Result<Vec<String>> {
    let text = fs::read_to_string(file).wrap_err_with(|| format!("reading {}", file.display()))?;
    let name = file.display();
    let mut wrong = Vec::new();
    if !text.starts_with("//!") {
        wrong.push(format!(
            "{name}: a file opens with //!: what it is, why it exists, what it keeps"
        ));
    }
    let lines: Vec<&str> = text.lines().collect();
    let is_tests = file.file_stem().is_some_and(|s| s == "tests")
        || file.components().any(|c| c.as_os_str() == "tests");
    if lines.len() > LINES_MAX && !is_tests {
        wrong.push(format!(
            "{name}: {} lines; look for the second noun (limit {LINES_MAX})",
            lines.len()
        ));
    }
    if let Some(start) = lines.iter().position(|line| line.starts_with("mod tests {"))
        && lines.len() - start > INLINE_TEST_LINES_MAX
    {
        wrong.push(format!("{name}: {} lines of tests belong in tests.rs", lines.len() - start));
    }
    for (number, line) in lines.iter().enumerate() {
        let role = |other: &str| {
            krate != other && line.contains(&format!("use {}", other.replace('-', "_")))
        };
        let sibling = match krate {
            "cairn-agent" => role("cairn_gateway") || role("cairn_node") || role("cairn_ledger"),
            "cairn-gateway" => role("cairn_agent") || role("cairn_node") || role("cairn_ledger"),
            "cairn-node" => role("cairn_agent") || role("cairn_gateway"),
            _ => false,
        };
        if sibling {
            wrong.push(format!("{name}:{}: roles never import one another", number + 1));
        }
        if !is_tests
            && ["todo!(", "unimplemented!(", "#[ignore", "dbg!("].iter().any(|w| line.contains(w))
            && krate != "xtask"
        {
            wrong.push(format!("{name}:{}: unfinished or disabled code", number + 1));
        }
    }
    Ok(wrong)
}
