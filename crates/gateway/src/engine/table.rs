//! An epoch's readings in columns, and the record of which of its rows a query used.

use std::{collections::BTreeMap, fs::File, io, path::Path, sync::Arc};

use cairn_client::api::Origin;
use cairn_primitives::{DeviceId, Epoch, WEATHER};
use datafusion::arrow::{
    array::{
        ArrayRef, Float64Array, Int64Array, RecordBatch, StringArray, TimestampMillisecondArray,
    },
    compute::concat_batches,
    datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit},
    error::ArrowError,
};
use parquet::{
    arrow::{ArrowWriter, arrow_reader::ParquetRecordBatchReaderBuilder},
    basic::{Compression, ZstdLevel},
    errors::ParquetError,
    file::properties::WriterProperties,
};

use crate::catalog::Reading;

/// The columns of `readings`: what people query.
pub(crate) fn readings_schema() -> SchemaRef {
    let text = |name: &str| Field::new(name, DataType::Utf8, false);
    let float = |name: &str, nullable| Field::new(name, DataType::Float64, nullable);
    let mut fields = vec![
        text("device"),
        Field::new("epoch", DataType::Int64, false),
        Field::new("time", DataType::Timestamp(TimeUnit::Millisecond, None), false),
        Field::new("seq", DataType::Int64, false),
        text("cell"),
        float("lat", false),
        float("lon", false),
    ];
    fields.extend(WEATHER.fields.iter().map(|field| float(field.name, true)));
    Arc::new(Schema::new(fields))
}

/// The rows of one epoch that may be sold, sorted by device, time and sequence number.
#[derive(Debug)]
pub struct EpochTable {
    pub(crate) epoch: Epoch,
    pub(crate) rows: RecordBatch,
    /// Where each device's rows begin, in order of the devices.
    spans: Vec<(DeviceId, usize)>,
}

/// Why an epoch's table cannot be kept or read.
#[derive(Debug, thiserror::Error)]
pub enum TableError {
    /// The file cannot be opened or written.
    #[error("cannot open the table")]
    Io(#[from] io::Error),
    /// Not Parquet.
    #[error("cannot read or write the table's columns")]
    Parquet(#[from] ParquetError),
    /// The columns do not fit together.
    #[error("cannot build the table's columns")]
    Arrow(#[from] ArrowError),
    /// Another schema than this version's.
    #[error("the table has other columns")]
    OtherColumns,
}

impl EpochTable {
    /// Sorts `readings` and puts them into columns.
    ///
    /// # Errors
    /// When the columns do not fit together, which would be a bug.
    pub fn new(epoch: Epoch, mut readings: Vec<Reading>) -> Result<Self, TableError> {
        readings.sort_unstable_by_key(|r| (r.device, r.time, r.seq));
        let signed = |value: u64| value.cast_signed();
        let degrees = |e7: i32| f64::from(e7) / 1e7;
        let text = |f: fn(&Reading) -> String| -> ArrayRef {
            Arc::new(StringArray::from_iter_values(readings.iter().map(f)))
        };
        let float = |f: &dyn Fn(&Reading) -> f64| -> ArrayRef {
            Arc::new(Float64Array::from_iter_values(readings.iter().map(f)))
        };
        let number = |f: &dyn Fn(&Reading) -> i64| -> ArrayRef {
            Arc::new(Int64Array::from_iter_values(readings.iter().map(f)))
        };
        let times = readings.iter().map(|r| signed(r.time.0));
        let mut columns = vec![
            text(|r| r.device.to_string()),
            number(&|_| signed(epoch.0)),
            Arc::new(TimestampMillisecondArray::from_iter_values(times)),
            number(&|r| signed(r.seq.0)),
            text(|r| r.cell.to_string()),
            float(&|r| degrees(r.position.lat_e7)),
            float(&|r| degrees(r.position.lon_e7)),
        ];
        for (i, field) in WEATHER.fields.iter().enumerate() {
            let scale = f64::from(field.scale);
            columns.push(Arc::new(Float64Array::from_iter(
                readings.iter().map(|r| r.values[i].map(|v| f64::from(v) / scale)),
            )));
        }
        Self::from_rows(epoch, RecordBatch::try_new(readings_schema(), columns)?)
    }

    fn from_rows(epoch: Epoch, rows: RecordBatch) -> Result<Self, TableError> {
        let devices = rows.column(0).as_any().downcast_ref::<StringArray>();
        let devices = devices.ok_or(TableError::OtherColumns)?;
        let mut spans: Vec<(DeviceId, usize)> = Vec::new();
        let mut last = None;
        for (i, text) in devices.iter().enumerate() {
            if last != text {
                let id = text.and_then(|t| t.parse().ok()).ok_or(TableError::OtherColumns)?;
                spans.push((id, i));
                last = text;
            }
        }
        Ok(Self { epoch, rows, spans })
    }

    /// Writes the table to a file that appears whole or not at all, and is on the disk when this returns.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn write(&self, path: &Path) -> Result<(), TableError> {
        let partial = path.with_extension("partial");
        let file = File::create(&partial)?;
        let properties = WriterProperties::builder()
            .set_compression(Compression::ZSTD(ZstdLevel::try_new(3)?))
            .build();
        let mut writer = ArrowWriter::try_new(&file, self.rows.schema(), Some(properties))?;
        writer.write(&self.rows)?;
        writer.close()?;
        file.sync_all()?;
        std::fs::rename(&partial, path)?;
        Ok(())
    }

    /// Reads what `write` wrote.
    ///
    /// # Errors
    /// When the file is missing, damaged or of another version.
    pub fn read(epoch: Epoch, path: &Path) -> Result<Self, TableError> {
        let reader = ParquetRecordBatchReaderBuilder::try_new(File::open(path)?)?
            .with_batch_size(crate::params::SCAN_ROWS_MAX)
            .build()?;
        let batches = reader.collect::<Result<Vec<_>, _>>()?;
        let schema = readings_schema();
        if batches.iter().any(|batch| batch.schema().fields() != schema.fields()) {
            return Err(TableError::OtherColumns);
        }
        Self::from_rows(epoch, concat_batches(&schema, &batches)?)
    }

    /// Number of rows.
    #[must_use]
    pub fn len(&self) -> usize {
        self.rows.num_rows()
    }

    /// Whether there is no row.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Bytes in memory.
    #[must_use]
    pub fn size_bytes(&self) -> usize {
        self.rows.get_array_memory_size()
    }

    /// First and last time in the table, in ms.
    pub(crate) fn time_range(&self) -> Option<(i64, i64)> {
        let times = self.rows.column(2).as_any().downcast_ref::<TimestampMillisecondArray>()?;
        let (low, high) = (times.values().iter().min()?, times.values().iter().max()?);
        Some((*low, *high))
    }
}

/// The rows of `readings` that a query used: each row once, however often the plan looked at it.
#[derive(Debug, Default)]
pub(crate) struct Usage {
    epochs: BTreeMap<Epoch, Used>,
}

#[derive(Debug)]
struct Used {
    table: Arc<EpochTable>,
    /// Bit i: row i was used.
    bits: Vec<u64>,
}

impl Usage {
    /// Marks rows of a table as used.
    pub fn mark(&mut self, table: &Arc<EpochTable>, rows: impl Iterator<Item = usize>) {
        let used = self.epochs.entry(table.epoch).or_insert_with(|| Used {
            table: Arc::clone(table),
            bits: vec![0; table.len().div_ceil(64)],
        });
        for row in rows {
            used.bits[row / 64] |= 1 << (row % 64);
        }
    }

    /// How many rows of each device and epoch are marked, sorted by device, then epoch.
    pub fn origins(&self) -> Vec<Origin> {
        let mut origins = Vec::new();
        for (epoch, used) in &self.epochs {
            let spans = &used.table.spans;
            for (i, (device, start)) in spans.iter().enumerate() {
                let end = spans.get(i + 1).map_or(used.table.len(), |(_, next)| *next);
                let rows = (*start..end)
                    .filter(|row| used.bits[row / 64] >> (row % 64) & 1 == 1)
                    .count() as u64;
                if rows > 0 {
                    origins.push(Origin { device: *device, epoch: *epoch, rows });
                }
            }
        }
        origins.sort_unstable();
        origins
    }
}
