//! A small registry of counters and gauges in Prometheus' text format. There are no labels, so no id can become one.

use std::{
    fmt::Write as _,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

/// The metrics of one service; clones share them.
#[derive(Clone, Debug, Default)]
pub struct Metrics(Arc<Mutex<Vec<Entry>>>);

#[derive(Debug)]
struct Entry {
    name: &'static str,
    help: &'static str,
    kind: &'static str,
    value: Arc<AtomicU64>,
}

/// Only rises.
#[derive(Clone, Debug)]
pub struct Counter(Arc<AtomicU64>);

/// Rises and falls.
#[derive(Clone, Debug)]
pub struct Gauge(Arc<AtomicU64>);

impl Metrics {
    /// No metrics yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The counter of this name, new or known. Names: `cairn_component_thing_unit_total`.
    pub fn counter(&self, name: &'static str, help: &'static str) -> Counter {
        Counter(self.entry(name, help, "counter"))
    }

    /// The gauge of this name, new or known.
    pub fn gauge(&self, name: &'static str, help: &'static str) -> Gauge {
        Gauge(self.entry(name, help, "gauge"))
    }

    fn entry(&self, name: &'static str, help: &'static str, kind: &'static str) -> Arc<AtomicU64> {
        let mut entries = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = entries.iter().find(|entry| entry.name == name) {
            return known.value.clone();
        }
        let value = Arc::new(AtomicU64::new(0));
        entries.push(Entry { name, help, kind, value: value.clone() });
        value
    }

    /// The page that Prometheus reads.
    #[must_use]
    pub fn render(&self) -> String {
        let mut page = String::new();
        for Entry { name, help, kind, value } in
            self.0.lock().unwrap_or_else(PoisonError::into_inner).iter()
        {
            let value = value.load(Ordering::Relaxed);
            // Writing to a string cannot fail.
            let _ = write!(page, "# HELP {name} {help}\n# TYPE {name} {kind}\n{name} {value}\n");
        }
        page
    }
}

impl Counter {
    /// Counts one.
    pub fn inc(&self) {
        self.add(1);
    }
    /// Counts `n`.
    pub fn add(&self, n: u64) {
        self.0.fetch_add(n, Ordering::Relaxed);
    }
    /// The count.
    #[must_use]
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

impl Gauge {
    /// Sets the value.
    pub fn set(&self, value: u64) {
        self.0.store(value, Ordering::Relaxed);
    }
    /// The value.
    #[must_use]
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_is_prometheus_text() {
        let metrics = Metrics::new();
        metrics.counter("cairn_test_batches_total", "Batches seen.").add(2);
        metrics.counter("cairn_test_batches_total", "Batches seen.").inc();
        metrics.gauge("cairn_test_spool_rows", "Rows waiting.").set(7);
        assert_eq!(
            metrics.render(),
            "# HELP cairn_test_batches_total Batches seen.\n# TYPE cairn_test_batches_total counter\ncairn_test_batches_total 3\n\
             # HELP cairn_test_spool_rows Rows waiting.\n# TYPE cairn_test_spool_rows gauge\ncairn_test_spool_rows 7\n"
        );
    }
}
