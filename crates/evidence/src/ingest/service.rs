//! Starts an ingest: the edge from its journal, the follower of the ledger, the sealer, and the doors.

use std::{net::SocketAddr, path::PathBuf, sync::Arc};

use cairn_client::LedgerRead;
use cairn_kit::{
    Tasks,
    clock::NetworkClock,
    http::{HttpError, Limits, Listener, Readiness, operations},
    metrics::Metrics,
    tls::Tls,
};
use cairn_primitives::{Digest, EpochSchedule, Genesis, SecretKey, Sector, TimeMs};
use tokio::sync::{mpsc, watch};

use super::{
    Edge, JournalError,
    door::{Signer, door},
    facts::{self, Facts},
    http,
    metrics::IngestMetrics,
    mqtt::{self, MqttError},
    params::REQUEST_BYTES_MAX,
    sealer::{QUEUE_EPOCHS, Sealer},
};
use crate::{
    archive::{self, Archive},
    desk::Desk,
};

/// What an ingest needs to run.
pub struct IngestConfig {
    /// Its own folder: journals and notes.
    pub folder: PathBuf,
    /// Where its public files go.
    pub archive: Archive,
    /// Where to listen for HTTP(S); port 0 takes a free one.
    pub http: SocketAddr,
    /// Where to listen for MQTT 5; none when absent, port 0 takes a free one.
    pub mqtt: Option<SocketAddr>,
    /// Certificate of the HTTP listener; plain when absent.
    pub tls: Option<Tls>,
    /// EIP-155 chain id of the network.
    pub chain_id: u64,
    /// Hash of the network's genesis.
    pub genesis: Digest,
    /// Where epochs begin and end.
    pub schedule: EpochSchedule,
    /// After an epoch's end, how long it may be committed.
    pub commit_window_ms: u64,
    /// What the network measures here.
    pub sector: Sector,
    /// Ed25519 key that signs receipts.
    pub receipt_key: SecretKey,
    /// Network time.
    pub clock: NetworkClock,
}

impl IngestConfig {
    /// The parts that genesis fixes; ports are free ones until they are set.
    #[must_use]
    pub fn of_genesis(
        genesis: &Genesis,
        hash: Digest,
        folder: PathBuf,
        receipt_key: SecretKey,
        clock: NetworkClock,
    ) -> Self {
        let any = SocketAddr::from(([127, 0, 0, 1], 0));
        Self {
            archive: Archive::new(folder.join("archive")),
            folder,
            http: any,
            mqtt: Some(any),
            tls: None,
            chain_id: genesis.chain_id,
            genesis: hash,
            schedule: genesis.schedule(),
            commit_window_ms: genesis.commit_window_ms,
            sector: Sector::Sensing,
            receipt_key,
            clock,
        }
    }
}

/// Why an ingest does not start.
#[derive(Debug, thiserror::Error)]
pub enum IngestError {
    /// The journal.
    #[error("the journal cannot be opened")]
    Journal(#[from] JournalError),
    /// The HTTP listener.
    #[error(transparent)]
    Http(#[from] HttpError),
    /// The MQTT listener.
    #[error(transparent)]
    Mqtt(#[from] MqttError),
}

/// A running ingest: where it listens.
#[derive(Clone, Debug)]
pub struct Ingest {
    /// HTTP(S).
    pub http: SocketAddr,
    /// MQTT 5.
    pub mqtt: Option<SocketAddr>,
    /// Whether it can work.
    pub readiness: Readiness,
}

impl Ingest {
    /// Starts an ingest as tasks of `tasks`; they stop with it.
    ///
    /// # Errors
    /// When the journal cannot be opened or an address is taken.
    pub fn start<L, D>(
        config: IngestConfig,
        ledger: L,
        desk: D,
        tasks: &mut Tasks,
    ) -> Result<Self, IngestError>
    where
        L: LedgerRead + Clone + 'static,
        D: Desk,
    {
        let IngestConfig { folder, archive, schedule, sector, clock, receipt_key, .. } = config;
        let epoch = schedule.epoch_at(TimeMs(clock.now_ms()));
        let (edge, closed) = Edge::open(&folder.join("journal"), epoch)?;
        let listener = Listener::bind(config.http)?;
        let (metrics, readiness) = (Metrics::new(), Readiness::default());
        let counters = IngestMetrics::new(&metrics);

        let (facts, watched) = watch::channel(Arc::new(Facts::new(schedule, config.genesis)));
        let follow = (ledger.clone(), clock.clone(), readiness.clone(), sector);
        let (to_sealer, sealing) = mpsc::channel(QUEUE_EPOCHS.max(closed.len() + 1));
        for epoch in closed {
            to_sealer.try_send(epoch).expect("the queue holds every epoch that was left open");
        }
        let sealer = Sealer {
            ledger,
            desk,
            archive: archive.clone(),
            folder,
            sector,
            schedule,
            commit_window_ms: config.commit_window_ms,
            metrics: counters.clone(),
        };
        let signer = Signer {
            chain_id: config.chain_id,
            key: receipt_key,
            schedule,
            commit_window_ms: config.commit_window_ms,
        };
        let (door, keeper) =
            door(edge, watched, to_sealer, signer, clock.clone(), counters.clone());
        let (http, limits) =
            (listener.addr(), Limits { body_bytes_max: REQUEST_BYTES_MAX, ..Limits::default() });
        let router = http::router(door.clone(), counters)
            .merge(archive::router(archive.clone()))
            .merge(operations(readiness.clone(), metrics));

        tasks.spawn("ingest.facts", |shutdown| async move {
            let (ledger, clock, readiness, sector) = follow;
            facts::follow(ledger, sector, clock, facts, readiness, shutdown).await;
            Ok::<(), JournalError>(())
        });
        tasks.spawn("ingest.sealer", |shutdown| sealer.run(sealing, shutdown));
        tasks.spawn("ingest.keeper", |shutdown| keeper.run(shutdown));
        let mqtt = match config.mqtt {
            Some(addr) => Some(mqtt::start(addr, door, tasks)?),
            None => None,
        };
        let tls = config.tls;
        tasks.spawn("ingest.http", |shutdown| listener.serve(router, limits, tls, shutdown));
        Ok(Self { http, mqtt, readiness })
    }
}
