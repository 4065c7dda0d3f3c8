//! What a simulation leaves on disk: rows as CSV and Parquet, the summary as JSON, and never half a file.
//!
//! Every file is written beside its place and renamed into it. A missing number (a payback that never comes) is an empty
//! field, or null.

use std::{
    fs::{self, File},
    io::{self, Write as _},
    path::Path,
    sync::Arc,
};

use arrow::{
    array::{ArrayRef, Int64Array, RecordBatch, UInt32Array},
    datatypes::{DataType, Field, Schema},
};
use parquet::arrow::ArrowWriter;

use super::{montecarlo::Outcome, row::COLUMNS};

/// Writes a file whole: a reader sees the old one or the new one.
///
/// # Errors
/// The disk's.
pub fn write_whole(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let beside = path.with_extension("partial");
    let mut file = File::create(&beside)?;
    // Before the name moves: a power cut would else leave the name with nothing behind it.
    file.write_all(bytes).and_then(|()| file.sync_all())?;
    fs::rename(&beside, path)
}

/// Every kept row of every run: `run` and the columns of `row::COLUMNS`.
#[must_use]
pub fn csv(runs: &[Outcome]) -> String {
    let mut text = format!("run,{}\n", COLUMNS.join(","));
    for run in runs {
        for row in &run.rows {
            text.push_str(&run.number.to_string());
            for value in row.values() {
                text.push(',');
                if let Some(value) = value {
                    text.push_str(&value.to_string());
                }
            }
            text.push('\n');
        }
    }
    text
}

/// The same as a Parquet file; its columns are 64-bit integers, `run` has 32 bits.
///
/// # Errors
/// Of the encoder: a bug, or memory.
pub fn parquet(runs: &[Outcome]) -> Result<Vec<u8>, parquet::errors::ParquetError> {
    let mut fields = vec![Field::new("run", DataType::UInt32, false)];
    fields.extend(COLUMNS.iter().map(|name| Field::new(*name, DataType::Int64, true)));
    let schema = Arc::new(Schema::new(fields));
    let mut numbers = Vec::new();
    let mut columns: Vec<Vec<Option<i64>>> = vec![Vec::new(); COLUMNS.len()];
    for run in runs {
        for row in &run.rows {
            numbers.push(run.number);
            for (column, value) in columns.iter_mut().zip(row.values()) {
                column.push(value);
            }
        }
    }
    let mut arrays: Vec<ArrayRef> = vec![Arc::new(UInt32Array::from(numbers))];
    arrays.extend(columns.into_iter().map(|c| Arc::new(Int64Array::from(c)) as ArrayRef));
    let batch = RecordBatch::try_new(schema.clone(), arrays)?;
    let mut bytes = Vec::new();
    let mut writer = ArrowWriter::try_new(&mut bytes, schema, None)?;
    writer.write(&batch)?;
    writer.close()?;
    Ok(bytes)
}
