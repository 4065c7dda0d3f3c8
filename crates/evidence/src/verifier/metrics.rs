//! Every metric of a validator's verifier.

use cairn_kit::metrics::{Counter, Gauge, Metrics};

/// Handles of the verifier's metrics.
#[derive(Clone, Debug)]
pub struct VerifierMetrics {
    /// Votes sent.
    pub votes: Counter,
    /// Final epochs whose own result is another than the ledger's.
    pub differing: Counter,
    /// Final epochs that this archive holds whole.
    pub archived: Gauge,
    /// Final epochs that this archive lacks, in whole or in part.
    pub missing: Gauge,
}

impl VerifierMetrics {
    /// Registers them.
    #[must_use]
    pub fn new(metrics: &Metrics) -> Self {
        Self {
            votes: metrics.counter("cairn_verifier_votes_total", "Votes sent."),
            differing: metrics.counter(
                "cairn_verifier_differing_epochs_total",
                "Final epochs that this validator computes otherwise than the ledger: look at once.",
            ),
            archived: metrics.gauge(
                "cairn_verifier_archived_epochs",
                "Final epochs whose files this archive holds whole.",
            ),
            missing: metrics.gauge(
                "cairn_verifier_missing_epochs",
                "Final epochs whose files this archive lacks; tried again.",
            ),
        }
    }
}
