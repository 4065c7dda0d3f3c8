//! Arrow to JSON, and the free table `devices`.

use std::sync::Arc;

use datafusion::{
    arrow::{
        array::{ArrayRef, AsArray as _, Float64Array, RecordBatch, StringArray},
        datatypes::{
            DataType, Field, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type,
            Schema, SchemaRef, UInt8Type, UInt16Type, UInt32Type, UInt64Type,
        },
        error::ArrowError,
        util::display::{ArrayFormatter, FormatOptions},
    },
    datasource::MemTable,
    error::DataFusionError,
};
use serde_json::Value;

use crate::catalog::Device;

/// A type's name in SQL.
pub(super) fn type_name(kind: &DataType) -> &'static str {
    match kind {
        DataType::Utf8 => "TEXT",
        DataType::Int64 => "BIGINT",
        DataType::Float64 => "DOUBLE",
        DataType::Timestamp(..) => "TIMESTAMP",
        _ => "OTHER",
    }
}

/// The columns of `devices`.
pub(super) fn devices_schema() -> SchemaRef {
    let text = |name| Field::new(name, DataType::Utf8, false);
    let float = |name| Field::new(name, DataType::Float64, false);
    Arc::new(Schema::new(vec![
        text("device"),
        text("owner"),
        text("cell"),
        float("lat"),
        float("lon"),
        float("elevation_m"),
    ]))
}

/// The registered devices as a table.
pub(super) fn devices_table(devices: &[Device]) -> Result<MemTable, DataFusionError> {
    let text = |f: fn(&Device) -> String| -> ArrayRef {
        Arc::new(StringArray::from_iter_values(devices.iter().map(f)))
    };
    let float = |f: fn(&Device) -> f64| -> ArrayRef {
        Arc::new(Float64Array::from_iter_values(devices.iter().map(f)))
    };
    let columns = vec![
        text(|d| d.id.to_string()),
        text(|d| d.owner.to_string()),
        text(|d| d.cell.to_string()),
        float(|d| f64::from(d.position.lat_e7) / 1e7),
        float(|d| f64::from(d.position.lon_e7) / 1e7),
        float(|d| f64::from(d.position.elevation_dm) / 10.0),
    ];
    let batch = RecordBatch::try_new(devices_schema(), columns)?;
    MemTable::try_new(devices_schema(), vec![vec![batch]])
}

/// Appends the rows of a batch as JSON values. Numbers stay numbers, times become RFC 3339, what JSON has no word for
/// (NaN, infinity) becomes null, everything else its usual text.
pub(super) fn push_rows(batch: &RecordBatch, rows: &mut Vec<Vec<Value>>) -> Result<(), ArrowError> {
    let start = rows.len();
    rows.resize_with(start + batch.num_rows(), || Vec::with_capacity(batch.num_columns()));
    for column in batch.columns() {
        let read = reader(column)?;
        for (i, row) in rows[start..].iter_mut().enumerate() {
            row.push(if column.is_null(i) { Value::Null } else { read(i) });
        }
    }
    Ok(())
}

type Reader<'a> = Box<dyn Fn(usize) -> Value + 'a>;

fn reader(column: &ArrayRef) -> Result<Reader<'_>, ArrowError> {
    macro_rules! number {
        ($kind:ty) => {{
            let array = column.as_primitive::<$kind>();
            Box::new(move |i| Value::from(array.value(i)))
        }};
    }
    Ok(match column.data_type() {
        DataType::Boolean => {
            let array = column.as_boolean();
            Box::new(move |i| Value::from(array.value(i)))
        }
        DataType::Int8 => number!(Int8Type),
        DataType::Int16 => number!(Int16Type),
        DataType::Int32 => number!(Int32Type),
        DataType::Int64 => number!(Int64Type),
        DataType::UInt8 => number!(UInt8Type),
        DataType::UInt16 => number!(UInt16Type),
        DataType::UInt32 => number!(UInt32Type),
        DataType::UInt64 => number!(UInt64Type),
        DataType::Float32 => number!(Float32Type),
        DataType::Float64 => number!(Float64Type),
        DataType::Utf8 => {
            let array = column.as_string::<i32>();
            Box::new(move |i| Value::from(array.value(i)))
        }
        _ => {
            let format = FormatOptions::default();
            let formatter = ArrayFormatter::try_new(column.as_ref(), &format)?;
            // The formatter borrows its options, so each cell is rendered here and now.
            let texts: Vec<String> =
                (0..column.len()).map(|i| formatter.value(i).to_string()).collect();
            Box::new(move |i| Value::from(texts[i].clone()))
        }
    })
}
