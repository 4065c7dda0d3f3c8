//! How fast one core turns signed batches into sealed files, beside the ceiling: verifying the same signatures alone.
//!
//! The measured path is the ingest's own: decode, strict verification and every other check, duplicates, the journal
//! with its write to disk, and sealing with the Merkle tree. Time is CPU time of the process, so that a busy machine
//! measures the same; run it with nothing else in the process.

use std::{collections::BTreeMap, fs, io, path::Path, sync::Arc};

use alloy_primitives::Address;
use cairn_kit::cpu;
use cairn_primitives::{
    Assurance, Cell, CellError, Digest, Envelope, Epoch, EpochSchedule, KeyError, Position,
    PublicKey, Sector, TimeMs,
};
use cairn_sectors::{DeviceRecord, EpochContext};

use crate::{
    ingest::{Edge, JournalError, View, check},
    sealed::{SealError, seal},
    workload::{CADENCE_MS, START_MS, Station},
};

/// Rows of every batch.
pub const ROWS: u64 = 64;
/// Batches a station delivers in the measured epoch: at 16 s a reading, about an hour.
pub const BATCHES_PER_STATION: u64 = 4;
/// Requests that share one write to disk are as large as the ingest's: this many batches.
const GROUP: usize = 256;

/// What was measured.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct EvidenceBench {
    /// Readings in the run.
    pub readings: u64,
    /// Batches in the run.
    pub batches: u64,
    /// Readings per CPU second, from envelope bytes to sealed files on disk.
    pub readings_per_second: f64,
    /// Readings per CPU second when only the signatures are verified.
    pub ceiling_per_second: f64,
    /// The first as a share of the second.
    pub ratio: f64,
    /// Bytes on disk per reading: sidecar and readings file.
    pub bytes_per_reading: f64,
}

/// Why nothing was measured.
#[derive(Debug, thiserror::Error)]
pub enum BenchError {
    /// The workload cannot be signed.
    #[error("the workload cannot be made")]
    Key(#[from] KeyError),
    /// The stations' place.
    #[error(transparent)]
    Place(#[from] CellError),
    /// The journal.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// Sealing.
    #[error(transparent)]
    Seal(#[from] SealError),
    /// CPU time or the files.
    #[error("cannot {action}")]
    Io {
        /// What was tried.
        action: &'static str,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// A batch of the workload was refused: the bench measures something else than it says.
    #[error("{0} batches of the workload were refused")]
    Refused(usize),
}

/// The made-up network: registry and signed batches.
struct Workload {
    view: View,
    envelopes: Vec<Vec<u8>>,
}

fn workload(stations: u64) -> Result<Workload, BenchError> {
    let position = Position { lat_e7: 407_000_000, lon_e7: -740_000_000, elevation_dm: 30 };
    let epoch_ms = ROWS * BATCHES_PER_STATION * CADENCE_MS;
    let schedule = EpochSchedule { start: TimeMs(START_MS), epoch_ms };
    let mut devices = BTreeMap::new();
    let mut envelopes = Vec::new();
    for index in 0..stations {
        let mut station = Station::new(index);
        let record = DeviceRecord {
            id: station.device,
            owner: Address::with_last_byte(1),
            sector: Sector::Sensing,
            key: station.key.public(),
            assurance: Assurance::Bare,
            index,
            registered: Epoch(0),
            end: None,
            position,
            cell: Cell::at(position)?,
        };
        devices.insert(record.id, record);
        for _ in 0..BATCHES_PER_STATION {
            envelopes.push(station.envelope(ROWS)?.bytes().to_vec());
        }
    }
    let anchors = BTreeMap::from([(Epoch(0), Digest::of(&[b"genesis"]).prefix())]);
    let context = EpochContext { epoch: Epoch(0), schedule, anchors };
    Ok(Workload { view: View { context, devices: Arc::new(devices) }, envelopes })
}

/// Measures with `stations` stations in a journal under `folder`, which is left empty.
///
/// # Errors
/// See `BenchError`.
pub fn evidence(stations: u64, folder: &Path) -> Result<EvidenceBench, BenchError> {
    let Workload { view, envelopes } = workload(stations)?;
    let signed: Vec<(Envelope, PublicKey)> = envelopes
        .iter()
        .filter_map(|bytes| {
            let envelope = Envelope::decode(bytes).ok()?;
            let key = view.devices.get(&envelope.batch().device)?.key.clone();
            Some((envelope, key))
        })
        .collect();
    let started = cpu_seconds();
    let valid = signed.iter().filter(|(envelope, key)| envelope.verify(key)).count();
    let ceiling = cpu_seconds() - started;
    if valid != envelopes.len() {
        return Err(BenchError::Refused(envelopes.len() - valid));
    }
    drop(signed);

    let journal = folder.join("journal");
    let io = |action| move |source| BenchError::Io { action, source };
    let started = cpu_seconds();
    let (mut edge, _) = Edge::open(&journal, Epoch(0))?;
    let mut refused = 0;
    for group in envelopes.chunks(GROUP) {
        for bytes in group {
            let outcome = edge.admit(&view, check(&view, bytes), TimeMs(START_MS));
            refused += usize::from(outcome.held.is_none());
        }
        edge.sync()?;
    }
    let closed = edge.close(Epoch(1))?;
    let sealed = seal(closed.epoch, Sector::Sensing, &closed.entries)?;
    for (name, content) in [("sidecar", &sealed.sidecar), ("readings", &sealed.readings)] {
        fs::write(folder.join(name), content).map_err(io("write the sealed files"))?;
    }
    let whole = cpu_seconds() - started;
    fs::remove_dir_all(&journal).map_err(io("remove the journal"))?;
    for name in ["sidecar", "readings"] {
        fs::remove_file(folder.join(name)).map_err(io("remove the sealed files"))?;
    }
    if refused > 0 {
        return Err(BenchError::Refused(refused));
    }
    let batches = envelopes.len() as u64;
    let readings = batches * ROWS;
    let rate = |seconds: f64| readings as f64 / seconds.max(f64::MIN_POSITIVE);
    Ok(EvidenceBench {
        readings,
        batches,
        readings_per_second: rate(whole),
        ceiling_per_second: rate(ceiling),
        ratio: ceiling / whole.max(f64::MIN_POSITIVE),
        bytes_per_reading: sealed.size as f64 / readings as f64,
    })
}

/// CPU time of this thread in seconds.
fn cpu_seconds() -> f64 {
    cpu::of_thread().as_secs_f64()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bench_measures_and_stays_below_six_bytes_a_reading() {
        let folder = tempfile::tempdir().unwrap();
        let measured = evidence(256, folder.path()).unwrap();
        println!("{measured:?}");
        assert_eq!((measured.batches, measured.readings), (1_024, 65_536));
        assert!(measured.bytes_per_reading <= 6.0, "{measured:?}");
        assert!(measured.ratio > 0.0 && measured.ratio < 1.0, "{measured:?}");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }
}
