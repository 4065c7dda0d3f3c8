//! Every metric of the gateway.

use cairn_kit::metrics::{Counter, Gauge, Metrics};

/// The gateway's counters and gauges.
#[derive(Clone, Debug)]
pub(crate) struct GatewayMetrics {
    pub answers: Counter,
    pub refusals: Counter,
    pub rows_sold: Counter,
    pub receipts: Counter,
    pub epochs: Gauge,
    pub rows: Gauge,
}

impl GatewayMetrics {
    pub fn new(metrics: &Metrics) -> Self {
        Self {
            answers: metrics.counter("cairn_gateway_answers_total", "Queries answered."),
            refusals: metrics.counter("cairn_gateway_refusals_total", "Requests refused."),
            rows_sold: metrics
                .counter("cairn_gateway_rows_answered_total", "Rows of readings used by answers."),
            receipts: metrics.counter("cairn_gateway_receipts_total", "Receipts accepted."),
            epochs: metrics.gauge("cairn_gateway_epochs", "Final epochs that can be queried."),
            rows: metrics.gauge("cairn_gateway_rows", "Rows of readings that can be queried."),
        }
    }
}
