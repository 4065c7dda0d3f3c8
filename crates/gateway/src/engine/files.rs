//! The readings file of a commitment, column by column. Layout: docs/spec/sealed-files.md.
//!
//! The bytes are read only after their digest matched: more than two thirds of the validators opened the same bytes
//! with the strict reader of `evidence`, so a file that got here is well formed; what is not is still only an error.

use std::{fs::File, path::Path};

use cairn_primitives::WEATHER;
use datafusion::arrow::{
    array::{AsArray as _, PrimitiveArray, RecordBatch},
    datatypes::{ArrowPrimitiveType, Int32Type, UInt32Type, UInt64Type},
};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

use super::TableError;

/// The rows of one batch, in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct RawBatch {
    /// Time of each row, in ms.
    pub times_ms: Vec<u64>,
    /// Values in row-major order, as wide as the weather schema.
    pub values: Vec<Option<i32>>,
}

/// Reads the rows of `count` batches of the weather schema.
pub(crate) fn read_batches(path: &Path, count: usize) -> Result<Vec<RawBatch>, TableError> {
    let reader = ParquetRecordBatchReaderBuilder::try_new(File::open(path)?)?.build()?;
    let mut batches = vec![RawBatch::default(); count];
    for rows in reader {
        let rows = rows?;
        let index = column::<UInt32Type>(&rows, "batch")?;
        let times = column::<UInt64Type>(&rows, "time_ms")?;
        let fields = WEATHER
            .fields
            .iter()
            .map(|field| column::<Int32Type>(&rows, field.name))
            .collect::<Result<Vec<_>, _>>()?;
        for row in 0..rows.num_rows() {
            let batch =
                batches.get_mut(index.value(row) as usize).ok_or(TableError::OtherColumns)?;
            batch.times_ms.push(times.value(row));
            let cells = fields.iter().map(|field| field.iter_value(row));
            batch.values.extend(cells);
        }
    }
    Ok(batches)
}

fn column<'a, T: ArrowPrimitiveType>(
    rows: &'a RecordBatch,
    name: &str,
) -> Result<&'a PrimitiveArray<T>, TableError> {
    rows.column_by_name(name)
        .and_then(|column| column.as_primitive_opt::<T>())
        .ok_or(TableError::OtherColumns)
}

/// A cell that may be empty.
trait Cell {
    fn iter_value(&self, row: usize) -> Option<i32>;
}

impl Cell for PrimitiveArray<Int32Type> {
    fn iter_value(&self, row: usize) -> Option<i32> {
        use datafusion::arrow::array::Array as _;
        self.is_valid(row).then(|| self.value(row))
    }
}
