//! Every metric of an ingest.

use cairn_kit::metrics::{Counter, Gauge, Metrics};
use cairn_primitives::Epoch;

use super::Outcome;

/// Handles of the ingest's metrics.
#[derive(Clone, Debug)]
pub struct IngestMetrics {
    accepted: Counter,
    refused: Counter,
    repeated: Counter,
    /// Requests refused because the queue was full.
    pub busy: Counter,
    /// Commitments on the ledger.
    pub committed: Counter,
    /// Epochs whose commit window closed before their commitment was on the ledger.
    pub missed: Counter,
    /// Batches that were committed later than in their own epoch.
    pub carried: Counter,
    epoch: Gauge,
    batches: Gauge,
    readings: Gauge,
}

impl IngestMetrics {
    /// Registers them.
    #[must_use]
    pub fn new(metrics: &Metrics) -> Self {
        Self {
            accepted: metrics.counter("cairn_ingest_accepted_batches_total", "Batches accepted."),
            refused: metrics
                .counter("cairn_ingest_refused_batches_total", "Batches refused, for any reason."),
            repeated: metrics
                .counter("cairn_ingest_repeated_batches_total", "Batches that were held already."),
            busy: metrics.counter(
                "cairn_ingest_busy_requests_total",
                "Requests refused because the queue was full.",
            ),
            committed: metrics
                .counter("cairn_ingest_commitments_total", "Epochs committed to the ledger."),
            missed: metrics.counter(
                "cairn_ingest_missed_epochs_total",
                "Epochs whose commit window was missed.",
            ),
            carried: metrics.counter(
                "cairn_ingest_carried_batches_total",
                "Batches committed in a later epoch because the window of their own was missed.",
            ),
            epoch: metrics.gauge("cairn_ingest_open_epoch", "The epoch that takes batches."),
            batches: metrics.gauge("cairn_ingest_open_batches", "Batches in the open epoch."),
            readings: metrics.gauge("cairn_ingest_open_readings", "Readings in the open epoch."),
        }
    }

    pub(super) fn batch(&self, outcome: &Outcome) {
        match (outcome.held, outcome.rejection) {
            (Some(_), None) => self.accepted.inc(),
            (Some(_), Some(_)) => self.repeated.inc(),
            (None, _) => self.refused.inc(),
        }
    }

    pub(super) fn epoch(&self, epoch: Epoch, batches: usize, readings: u64) {
        self.epoch.set(epoch.0);
        self.batches.set(batches as u64);
        self.readings.set(readings);
    }
}
