//! The scan of `readings`: it applies every filter itself, so that it knows exactly which rows it hands to the plan.
//!
//! ```text
//! epochs that can match ─► table from the cache ─► filters ─► limit ─► mark as used ─► projection ─► the plan above
//! ```
//! Invariant: a row is marked if and only if it left this scan. All filters that are functions of the row alone come
//! here (`Exact`); the optimizer keeps only those that need other rows.

use std::{
    any::Any,
    fmt,
    sync::{Arc, Mutex, PoisonError},
};

use datafusion::{
    arrow::{
        array::{Array as _, BooleanArray, RecordBatch, RecordBatchOptions, UInt32Array},
        compute::{and, prep_null_mask_filter, take_record_batch},
        datatypes::SchemaRef,
    },
    catalog::{Session, TableProvider},
    common::{DFSchema, tree_node::TreeNodeRecursion},
    error::{DataFusionError, Result},
    execution::{SendableRecordBatchStream, TaskContext},
    logical_expr::{Expr, TableProviderFilterPushDown, TableType},
    physical_expr::{EquivalenceProperties, PhysicalExpr},
    physical_plan::{
        DisplayAs, DisplayFormatType, ExecutionPlan, Partitioning, PlanProperties,
        execution_plan::{Boundedness, EmissionType},
        stream::RecordBatchStreamAdapter,
    },
};
use futures::{
    future::{BoxFuture, ready},
    stream,
};

use super::{
    range::Wanted,
    table::{EpochTable, Usage, readings_schema},
};
use crate::{catalog::Snapshot, params::SCAN_ROWS_MAX};

/// What is shared between a query and its scans.
#[derive(Clone)]
pub(super) struct Source {
    pub snapshot: Arc<Snapshot>,
    pub usage: Arc<Mutex<Usage>>,
}

impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("readings")
    }
}

/// The table `readings` of one query.
#[derive(Debug)]
pub(super) struct ReadingsTable(pub Source);

impl TableProvider for ReadingsTable {
    fn schema(&self) -> SchemaRef {
        readings_schema()
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    fn supports_filters_pushdown(
        &self,
        filters: &[&Expr],
    ) -> Result<Vec<TableProviderFilterPushDown>> {
        Ok(filters
            .iter()
            .map(|filter| {
                if super::guard::needs_other_rows(filter) {
                    TableProviderFilterPushDown::Unsupported
                } else {
                    TableProviderFilterPushDown::Exact
                }
            })
            .collect())
    }

    /// Written out, and not an `async fn` under `#[async_trait]`: that one has the compiler prove the whole tree of `Expr` to be
    /// `Send` again and again, in every build.
    fn scan<'a, 'b, 'c, 'd, 'f>(
        &'a self,
        state: &'b dyn Session,
        projection: Option<&'c Vec<usize>>,
        filters: &'d [Expr],
        limit: Option<usize>,
    ) -> BoxFuture<'f, Result<Arc<dyn ExecutionPlan>>>
    where
        'a: 'f,
        'b: 'f,
        'c: 'f,
        'd: 'f,
        Self: 'f,
    {
        let scan = self.scan_of(state, projection, filters, limit);
        Box::pin(ready(scan.map(|scan| -> Arc<dyn ExecutionPlan> { Arc::new(scan) })))
    }
}

impl ReadingsTable {
    fn scan_of(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> Result<ReadingsScan> {
        let schema = readings_schema();
        let columns = DFSchema::try_from(Arc::clone(&schema))?;
        let physical = filters
            .iter()
            .map(|filter| state.create_physical_expr(filter.clone(), &columns))
            .collect::<Result<Vec<_>>>()?;
        let projection =
            projection.cloned().unwrap_or_else(|| (0..schema.fields().len()).collect());
        let output = Arc::new(schema.project(&projection)?);
        Ok(ReadingsScan {
            source: self.0.clone(),
            wanted: Wanted::of(filters),
            filters: physical,
            projection,
            fetch: limit,
            properties: Arc::new(PlanProperties::new(
                EquivalenceProperties::new(output),
                Partitioning::UnknownPartitioning(1),
                EmissionType::Incremental,
                Boundedness::Bounded,
            )),
        })
    }
}

/// One scan of one plan.
#[derive(Clone, Debug)]
struct ReadingsScan {
    source: Source,
    wanted: Wanted,
    filters: Vec<Arc<dyn PhysicalExpr>>,
    projection: Vec<usize>,
    fetch: Option<usize>,
    properties: Arc<PlanProperties>,
}

impl DisplayAs for ReadingsScan {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ReadingsScan: fetch={:?}", self.fetch)
    }
}

impl ExecutionPlan for ReadingsScan {
    fn name(&self) -> &'static str {
        "ReadingsScan"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        Vec::new()
    }

    fn apply_expressions(
        &self,
        f: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        for filter in &self.filters {
            if f(filter)? == TreeNodeRecursion::Stop {
                return Ok(TreeNodeRecursion::Stop);
            }
        }
        Ok(TreeNodeRecursion::Continue)
    }

    fn with_new_children(
        self: Arc<Self>,
        _: Vec<Arc<dyn ExecutionPlan>>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        Ok(self)
    }

    /// A limit right above the scan becomes the scan's own, so that what it cuts off is not marked.
    fn with_fetch(&self, limit: Option<usize>) -> Option<Arc<dyn ExecutionPlan>> {
        Some(Arc::new(Self { fetch: limit, ..self.clone() }))
    }

    fn fetch(&self) -> Option<usize> {
        self.fetch
    }

    fn execute(&self, _: usize, _: Arc<TaskContext>) -> Result<SendableRecordBatchStream> {
        let epochs = self.source.snapshot.epochs_in(&self.wanted);
        let cursor = Cursor {
            left: self.fetch.unwrap_or(usize::MAX),
            epochs: epochs.into_iter(),
            current: None,
            scan: self.clone(),
        };
        let batches = stream::try_unfold(cursor, Cursor::next);
        Ok(Box::pin(RecordBatchStreamAdapter::new(self.schema(), batches)))
    }
}

/// Where a scan stands.
struct Cursor {
    scan: ReadingsScan,
    epochs: std::vec::IntoIter<cairn_primitives::Epoch>,
    current: Option<(Arc<EpochTable>, usize)>,
    left: usize,
}

impl Cursor {
    async fn next(mut self) -> Result<Option<(RecordBatch, Self)>> {
        loop {
            if self.left == 0 {
                return Ok(None);
            }
            let (table, start) = match self.current.take() {
                Some(current) => current,
                None => match self.epochs.next() {
                    None => return Ok(None),
                    Some(epoch) => (self.load(epoch).await?, 0),
                },
            };
            if start >= table.len() {
                continue;
            }
            let count = SCAN_ROWS_MAX.min(table.len() - start);
            self.current = Some((Arc::clone(&table), start + count));
            let batch = self.select(&table, start, count)?;
            if batch.num_rows() > 0 {
                self.left -= batch.num_rows();
                return Ok(Some((batch, self)));
            }
        }
    }

    async fn load(&self, epoch: cairn_primitives::Epoch) -> Result<Arc<EpochTable>> {
        let snapshot = Arc::clone(&self.scan.source.snapshot);
        tokio::task::spawn_blocking(move || snapshot.table(epoch))
            .await
            .map_err(|error| DataFusionError::External(Box::new(error)))?
            .map_err(|error| DataFusionError::External(Box::new(error)))
    }

    /// The rows of `start..start + count` that pass, marked as used, in the columns that the plan wants.
    fn select(&self, table: &Arc<EpochTable>, start: usize, count: usize) -> Result<RecordBatch> {
        let rows = table.rows.slice(start, count);
        let mut keep: Option<BooleanArray> = None;
        for filter in &self.scan.filters {
            let value = filter.evaluate(&rows)?.into_array(count)?;
            let pass = boolean(value.as_any())?;
            let pass =
                if pass.null_count() > 0 { prep_null_mask_filter(pass) } else { pass.clone() };
            keep = Some(match keep {
                None => pass,
                Some(earlier) => and(&earlier, &pass)?,
            });
        }
        let chosen: Vec<u32> = (0_u32..)
            .take(count)
            .filter(|i| keep.as_ref().is_none_or(|keep| keep.value(*i as usize)))
            .take(self.left)
            .collect();
        self.scan
            .source
            .usage
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .mark(table, chosen.iter().map(|i| start + *i as usize));
        let projected = rows.project(&self.scan.projection)?;
        if projected.num_columns() == 0 {
            // `count(*)` wants rows without columns.
            let options = RecordBatchOptions::new().with_row_count(Some(chosen.len()));
            return Ok(RecordBatch::try_new_with_options(
                projected.schema(),
                Vec::new(),
                &options,
            )?);
        }
        Ok(take_record_batch(&projected, &UInt32Array::from(chosen))?)
    }
}

fn boolean(array: &dyn Any) -> Result<&BooleanArray> {
    array
        .downcast_ref()
        .ok_or_else(|| DataFusionError::Internal("a filter that is not boolean".to_owned()))
}
