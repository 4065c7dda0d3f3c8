//! The query engine: SQL in, rows and their origins out. The only module that knows DataFusion.
//!
//! ```text
//! sql ─guard::parse─► one query ─plan─► guard::check ─► ReadingsScan marks rows ─► answer (JSON) + origins
//! ```
//! *Used* means: the row passed the filters of at least one scan of `readings` in the optimized plan, and left that
//! scan. Filters that concern one row alone (time, device, cell, epoch, any field) always run inside the scan. A row
//! that several scans of one query read counts once. Exact definition: docs/spec/gateway.md §3.
//!
//! Plans run in one partition, without dynamic filters and with stable functions only: the same query over the same
//! epochs gives the same rows and the same origins, on every machine.

mod files;
mod guard;
mod range;
mod render;
mod scan;
mod table;
#[cfg(test)]
mod tests;

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use cairn_client::api::Origin;
use cairn_primitives::Epoch;
use datafusion::{
    common::tree_node::{Transformed, TreeNode as _},
    error::DataFusionError,
    execution::{
        disk_manager::{DiskManagerBuilder, DiskManagerMode},
        memory_pool::GreedyMemoryPool,
        runtime_env::RuntimeEnvBuilder,
        session_state::{SessionState, SessionStateBuilder},
    },
    physical_plan::{ExecutionPlan, coop::CooperativeExec, execute_stream},
    prelude::{SessionConfig, SessionContext},
    sql::{parser::Statement, resolve::resolve_table_references},
};
use futures::StreamExt as _;
use serde_json::Value;
use tokio::sync::Semaphore;

pub(crate) use files::{RawBatch, read_batches};
pub(crate) use range::Wanted;
use table::Usage;
pub use table::{EpochTable, TableError};

use crate::{
    catalog::Snapshot,
    params,
    refusal::{Reason, Refusal},
};

/// The tables that can be queried, with their columns and types, for people.
#[must_use]
pub fn tables() -> Vec<String> {
    let describe = |name: &str, schema: datafusion::arrow::datatypes::SchemaRef| {
        let columns: Vec<String> = schema
            .fields()
            .iter()
            .map(|field| format!("{} {}", field.name(), render::type_name(field.data_type())))
            .collect();
        format!("{name}({})", columns.join(", "))
    };
    vec![
        describe("readings", table::readings_schema()),
        describe("devices", render::devices_schema()),
    ]
}

/// Bounds on one query and on all together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QueryLimits {
    /// Most rows of an answer.
    pub answer_rows_max: usize,
    /// Most bytes of an answer's columns.
    pub answer_bytes_max: usize,
    /// Memory of one query.
    pub memory_bytes_max: usize,
    /// Longest run.
    pub time_max: Duration,
    /// Queries at once.
    pub queries_max: usize,
}

impl Default for QueryLimits {
    fn default() -> Self {
        Self {
            answer_rows_max: params::ANSWER_ROWS_MAX,
            answer_bytes_max: params::ANSWER_BYTES_MAX,
            memory_bytes_max: params::QUERY_MEMORY_BYTES_MAX,
            time_max: params::QUERY_TIME_MAX,
            queries_max: params::QUERIES_MAX,
        }
    }
}

/// The answer to a query.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    /// Names of the columns.
    pub columns: Vec<String>,
    /// The rows.
    pub rows: Vec<Vec<Value>>,
    /// The rows of `readings` that were used, sorted by device and epoch.
    pub origins: Vec<Origin>,
    /// The last epoch that the query could see.
    pub through: Option<Epoch>,
}

impl Answer {
    /// Rows of `readings` that were used: the units of the market.
    #[must_use]
    pub fn units(&self) -> u64 {
        self.origins.iter().map(|origin| origin.rows).sum()
    }
}

/// Runs queries within limits.
#[derive(Debug)]
pub struct Engine {
    limits: QueryLimits,
    permits: Semaphore,
}

impl Engine {
    /// An engine with these limits.
    #[must_use]
    pub fn new(limits: QueryLimits) -> Self {
        Self { limits, permits: Semaphore::new(limits.queries_max) }
    }

    /// Runs one query over a snapshot.
    ///
    /// # Errors
    /// Reasons 2 to 14.
    pub async fn run(&self, snapshot: Arc<Snapshot>, sql: &str) -> Result<Answer, Refusal> {
        let _permit = self.permits.try_acquire().map_err(|_| Refusal::from(Reason::Busy))?;
        let statement = guard::parse(sql)?;
        tokio::time::timeout(self.limits.time_max, self.execute(snapshot, statement))
            .await
            .unwrap_or_else(|_| {
                let detail = format!("longer than {} s", self.limits.time_max.as_secs());
                Err(Refusal::new(Reason::TimedOut, detail))
            })
    }

    async fn execute(
        &self,
        snapshot: Arc<Snapshot>,
        statement: Statement,
    ) -> Result<Answer, Refusal> {
        check_tables(&statement)?;
        let usage = Arc::new(Mutex::new(Usage::default()));
        let through = snapshot.through();
        let state = self.session(snapshot, &usage).map_err(|error| refuse(&error))?;
        let plan = state.statement_to_plan(statement).await.map_err(|error| refuse(&error))?;
        guard::check(&plan)?;
        let physical = state.create_physical_plan(&plan).await.map_err(|error| refuse(&error))?;
        let physical = interruptible(physical).map_err(|error| refuse(&error))?;
        let columns = physical.schema().fields().iter().map(|f| f.name().clone()).collect();
        let mut stream =
            execute_stream(physical, state.task_ctx()).map_err(|error| refuse(&error))?;
        let (mut rows, mut bytes) = (Vec::new(), 0);
        while let Some(batch) = stream.next().await {
            let batch = batch.map_err(|error| refuse(&error))?;
            bytes += batch.get_array_memory_size().min(batch.num_rows().saturating_mul(1 << 16));
            if rows.len() + batch.num_rows() > self.limits.answer_rows_max {
                let detail = format!("at most {} are allowed", self.limits.answer_rows_max);
                return Err(Refusal::new(Reason::TooManyRows, detail));
            }
            if bytes > self.limits.answer_bytes_max {
                let detail = format!("at most {} are allowed", self.limits.answer_bytes_max);
                return Err(Refusal::new(Reason::TooManyBytes, detail));
            }
            render::push_rows(&batch, &mut rows).map_err(|error| refuse(&error.into()))?;
            tokio::task::yield_now().await;
        }
        drop(stream);
        let origins = usage.lock().unwrap_or_else(PoisonError::into_inner).origins();
        Ok(Answer { columns, rows, origins, through })
    }

    /// A session of its own for each query: nothing is shared but the cached epochs.
    fn session(
        &self,
        snapshot: Arc<Snapshot>,
        usage: &Arc<Mutex<Usage>>,
    ) -> Result<SessionState, DataFusionError> {
        let config = SessionConfig::new()
            .with_target_partitions(1)
            .with_batch_size(params::SCAN_ROWS_MAX)
            .with_information_schema(false)
            .set_bool("datafusion.optimizer.enable_dynamic_filter_pushdown", false);
        let runtime = RuntimeEnvBuilder::new()
            .with_memory_pool(Arc::new(GreedyMemoryPool::new(self.limits.memory_bytes_max)))
            .with_disk_manager_builder(
                DiskManagerBuilder::default().with_mode(DiskManagerMode::Disabled),
            )
            .build_arc()?;
        let state = SessionStateBuilder::new()
            .with_config(config)
            .with_runtime_env(runtime)
            .with_default_features()
            .build();
        let context = SessionContext::new_with_state(state);
        let devices = render::devices_table(snapshot.devices())?;
        let usage = Arc::clone(usage);
        let source = scan::Source { snapshot, usage };
        context.register_table("readings", Arc::new(scan::ReadingsTable(source)))?;
        context.register_table("devices", Arc::new(devices))?;
        Ok(context.state())
    }
}

/// Makes joins give way now and then. From a few rows they can make millions without ever waiting for anything, and a
/// query that never waits cannot be timed out.
fn interruptible(plan: Arc<dyn ExecutionPlan>) -> Result<Arc<dyn ExecutionPlan>, DataFusionError> {
    let wrapped = plan.transform_up(|node| {
        Ok(if node.name().contains("Join") {
            Transformed::yes(Arc::new(CooperativeExec::new(node)) as Arc<dyn ExecutionPlan>)
        } else {
            Transformed::no(node)
        })
    })?;
    Ok(wrapped.data)
}

fn check_tables(statement: &Statement) -> Result<(), Refusal> {
    let (tables, _ctes) =
        resolve_table_references(statement, true).map_err(|error| refuse(&error))?;
    for table in tables {
        let known = table.schema().is_none() && matches!(table.table(), "readings" | "devices");
        // Functions in FROM are listed by their name too; they read nothing, and the planner knows them.
        if !known && !matches!(table.table(), "generate_series" | "range") {
            return Err(Refusal::new(Reason::UnknownTable, table.to_string()));
        }
    }
    Ok(())
}

/// The reason behind an error of the engine.
fn refuse(error: &DataFusionError) -> Refusal {
    let detail = guard::first_line(error);
    let reason = match error.find_root() {
        DataFusionError::ResourcesExhausted(_) => Reason::OutOfMemory,
        DataFusionError::SQL(..) => Reason::SqlSyntax,
        DataFusionError::Plan(_)
        | DataFusionError::SchemaError(..)
        | DataFusionError::NotImplemented(_)
        | DataFusionError::Configuration(_) => Reason::BadQuery,
        DataFusionError::Execution(_) | DataFusionError::ArrowError(..) => Reason::QueryFailed,
        DataFusionError::External(_) | DataFusionError::IoError(_) => {
            tracing::error!(error = detail, "query failed inside the gateway");
            return Reason::Internal.into();
        }
        _ => Reason::BadQuery,
    };
    Refusal::new(reason, detail)
}
