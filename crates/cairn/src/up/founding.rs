//! The first half of `cairn up`: the folder's network, made now or found from an earlier run.

use std::{fs, path::Path};

use cairn_agent::sensing::{Noise, RowError, StationLog};
use cairn_client::DevKeys;
use cairn_kit::NetworkClock;
use cairn_node::disk::RedbDisk;
use cairn_primitives::{Digest, Genesis, TimeMs};
use eyre::{Result, WrapErr as _, bail, eyre};
use serde::{Deserialize, Serialize};

use crate::{
    cli::UpArgs,
    network::{EPOCH_MS, Folder, Founding, VALIDATORS, write_keys},
};

/// Real observations of three airports, January to March 2013; see data/README.md.
const OBSERVATIONS: &[u8] = include_bytes!("../../../../data/nyc-weather-2013-q1.csv");

/// What the folder's fleet was made from; equal foundings give equal networks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Origin {
    seed: u64,
    /// Three devices with their own instrument noise at each station of the log.
    copies: bool,
    /// SHA-256 of the log.
    log: Digest,
}

/// A network that is ready to start.
pub struct Founded {
    /// Its folder.
    pub folder: Folder,
    /// Genesis.
    pub genesis: Genesis,
    /// The exact text of genesis.
    pub text: String,
    /// Its fleet.
    pub log: StationLog,
    /// Its keys.
    pub keys: DevKeys,
    /// Whether it was made just now.
    pub is_new: bool,
    /// The seat whose node runs consensus and neither attests nor votes, because somebody else does so with its key.
    pub idle_seat: Option<usize>,
}

/// Makes the network that `args` describe, or finds the one in the folder.
pub fn found(args: &UpArgs) -> Result<Founded> {
    let folder = Folder::new(&args.dir);
    if folder.genesis().exists() { reopen(args, folder) } else { create(args, folder) }
}

fn create(args: &UpArgs, folder: Folder) -> Result<Founded> {
    let (text, copies) = match &args.replay {
        Some(path) => (
            fs::read(path).wrap_err_with(|| format!("reading --replay {}", path.display()))?,
            false,
        ),
        None => (OBSERVATIONS.to_vec(), true),
    };
    let origin = Origin { seed: args.seed, copies, log: Digest::of(&[&text]) };
    make(folder, &text, &origin, args.epoch_seconds, &|_, _| Ok(()))
}

/// A new network of the bundled observations in an empty folder, whose genesis is changed before it is written.
pub fn found_changed(
    root: &Path,
    epoch_seconds: u64,
    change: &dyn Fn(&mut Genesis, &DevKeys) -> Result<()>,
) -> Result<Founded> {
    let origin = Origin { seed: 1, copies: true, log: Digest::of(&[OBSERVATIONS]) };
    make(Folder::new(root), OBSERVATIONS, &origin, epoch_seconds, change)
}

/// Makes a network and writes its folder.
fn make(
    folder: Folder,
    text: &[u8],
    origin: &Origin,
    epoch_seconds: u64,
    change: &dyn Fn(&mut Genesis, &DevKeys) -> Result<()>,
) -> Result<Founded> {
    let log = read_log(text, origin)?;
    if log.stations.is_empty() {
        bail!(
            "the station log has no usable row{}",
            log.errors.first().map_or_else(String::new, |e| format!(": {}", describe(e)))
        );
    }
    let first = log.first_time().ok_or_else(|| eyre!("the station log has no reading"))?;
    let keys = dev_keys(origin);
    let founding = Founding {
        stations: &log.stations,
        start_ms: first.0 / EPOCH_MS * EPOCH_MS,
        epoch_seconds,
        keys: &keys,
    };
    let mut genesis = founding.genesis()?;
    change(&mut genesis, &keys)?;
    genesis.check()?;
    let genesis_text = toml::to_string(&genesis).wrap_err("writing genesis as TOML")?;
    fs::create_dir_all(folder.root())
        .wrap_err_with(|| format!("making --dir {}", folder.root().display()))?;
    write_keys(&folder, &keys, &log.stations)?;
    write(&folder.replay(), text)?;
    write(&folder.origin(), serde_json::to_string_pretty(origin)?.as_bytes())?;
    // Genesis last: a folder without it is no network yet, and the next `up` begins again.
    write(&folder.genesis(), genesis_text.as_bytes())?;
    Ok(Founded { folder, genesis, text: genesis_text, log, keys, is_new: true, idle_seat: None })
}

fn reopen(args: &UpArgs, folder: Folder) -> Result<Founded> {
    let (genesis, text) = folder.read_genesis()?;
    let path = folder.origin();
    let origin = fs::read(&path).wrap_err_with(|| format!("reading {}", path.display()))?;
    let origin: Origin =
        serde_json::from_slice(&origin).wrap_err_with(|| format!("parsing {}", path.display()))?;
    let log = fs::read(folder.replay())
        .wrap_err_with(|| format!("reading {}", folder.replay().display()))?;
    if Digest::of(&[&log]) != origin.log {
        bail!("{} was changed after the network was made from it", folder.replay().display());
    }
    if let Some(asked) = &args.replay {
        let asked_log =
            fs::read(asked).wrap_err_with(|| format!("reading --replay {}", asked.display()))?;
        if Digest::of(&[&asked_log]) != origin.log {
            bail!(
                "--dir {} holds a network of another station log: give a new --dir for {}",
                folder.root().display(),
                asked.display()
            );
        }
    }
    if genesis.time_scale != time_scale(args.epoch_seconds) {
        let seconds = EPOCH_MS / 1_000 / genesis.time_scale;
        bail!(
            "--epoch-seconds is {}: genesis in {} fixes {seconds}",
            args.epoch_seconds,
            folder.root().display()
        );
    }
    let log = read_log(&log, &origin)?;
    let keys = dev_keys(&origin);
    Ok(Founded { genesis, text, log, keys, folder, is_new: false, idle_seat: None })
}

/// Network milliseconds in a wall millisecond when an epoch lasts this long.
pub fn time_scale(epoch_seconds: u64) -> u64 {
    (EPOCH_MS / (epoch_seconds * 1_000)).max(1)
}

fn read_log(text: &[u8], origin: &Origin) -> Result<StationLog> {
    let log = StationLog::read(text).wrap_err("reading the station log")?;
    Ok(if origin.copies { log.with_copies(&Noise::new(origin.seed.to_string())) } else { log })
}

fn dev_keys(origin: &Origin) -> DevKeys {
    DevKeys::new(origin.seed.to_be_bytes().to_vec())
}

fn write(path: &Path, content: &[u8]) -> Result<()> {
    let draft = path.with_extension("draft");
    fs::write(&draft, content).wrap_err_with(|| format!("writing {}", draft.display()))?;
    fs::File::open(&draft)?.sync_all()?;
    fs::rename(&draft, path).wrap_err_with(|| format!("writing {}", path.display()))
}

/// A row error in one line.
pub fn describe(error: &RowError) -> String {
    format!("line {}: {} is `{}`: {}", error.line, error.field, error.value, error.reason)
}

impl Founded {
    /// The clock of the network: it stands still at first, and goes on from the last block of an earlier run.
    pub fn clock(&self) -> Result<NetworkClock> {
        let mut time = TimeMs(self.genesis.start_ms);
        for index in 0..VALIDATORS {
            let folder = self.folder.validator(index);
            if !folder.join(cairn_node::disk::FILE).exists() {
                continue;
            }
            let disk = RedbDisk::open_stopped(&folder, Some(Genesis::hash_of_text(&self.text)))
                .wrap_err_with(|| format!("opening the ledger of validator {index}: is another `cairn up` running here?"))?;
            let snapshot = disk.snapshot();
            if let Some((_, header)) = snapshot.header(snapshot.height())? {
                time = time.max(cairn_ledger::time_of(&header));
            }
        }
        Ok(NetworkClock::running(time.0, self.genesis.time_scale).with_limit(time.0))
    }
}
