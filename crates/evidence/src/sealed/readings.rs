//! The readings file: Parquet, one row per reading, integers only. Layout: docs/spec/sealed-files.md.
//!
//! The same rows always give the same bytes: encodings, page and row group sizes are fixed here, `created_by` is a
//! constant, and nothing depends on time or machine.

use std::{panic::AssertUnwindSafe, sync::Arc};

use bytes::Bytes;
use cairn_primitives::{
    BATCH_BYTES_MAX, Batch, Envelope, Rows, Schema, SchemaId, Sidecar, SidecarError,
};
use parquet::{
    basic::{Compression, Encoding, LogicalType, Repetition, Type as Physical, ZstdLevel},
    column::reader::get_typed_column_reader,
    data_type::{
        ByteArray, DataType, FixedLenByteArray, FixedLenByteArrayType, Int32Type, Int64Type,
    },
    errors::ParquetError,
    file::{
        properties::{EnabledStatistics, WriterProperties, WriterPropertiesPtr},
        reader::{FileReader, RowGroupReader},
        serialized_reader::SerializedFileReader,
        writer::SerializedFileWriter,
    },
    schema::types::{ColumnPath, Type, TypePtr},
};

use super::{OpenError, SealError, walk};

/// Rows of a row group: what is held in memory at a time, on both sides.
pub(super) const GROUP_ROWS_MAX: usize = 65_536;

/// Columns before the fields of the schemas.
const FIXED: [&str; 5] = ["batch", "device", "stream", "seq", "time_ms"];

/// The field columns of a file: which schema each belongs to, and its place in that schema's row.
fn fields(schemas: &[SchemaId]) -> Option<Vec<(&'static Schema, usize)>> {
    let mut columns = Vec::new();
    for id in schemas {
        let schema = Schema::get(*id)?;
        columns.extend((0..schema.fields.len()).map(|i| (schema, i)));
    }
    Some(columns)
}

fn file_schema(schemas: &[SchemaId]) -> Result<TypePtr, ParquetError> {
    let unsigned = |bits| LogicalType::integer(bits, false);
    let plain = |name: &str, physical, logical| {
        Type::primitive_type_builder(name, physical)
            .with_repetition(Repetition::REQUIRED)
            .with_logical_type(logical)
            .build()
    };
    let mut columns = vec![
        plain(FIXED[0], Physical::INT32, Some(unsigned(32)))?,
        Type::primitive_type_builder(FIXED[1], Physical::FIXED_LEN_BYTE_ARRAY)
            .with_repetition(Repetition::REQUIRED)
            .with_length(16)
            .build()?,
        plain(FIXED[2], Physical::INT32, Some(unsigned(16)))?,
        plain(FIXED[3], Physical::INT64, Some(unsigned(64)))?,
        plain(FIXED[4], Physical::INT64, Some(unsigned(64)))?,
    ];
    for (schema, i) in fields(schemas).unwrap_or_default() {
        columns.push(
            Type::primitive_type_builder(schema.fields[i].name, Physical::INT32)
                .with_repetition(Repetition::OPTIONAL)
                .build()?,
        );
    }
    let columns = columns.into_iter().map(Arc::new).collect();
    Type::group_type_builder("readings").with_fields(columns).build().map(Arc::new)
}

fn properties() -> Result<WriterPropertiesPtr, ParquetError> {
    let device = ColumnPath::from(FIXED[1]);
    let properties = WriterProperties::builder()
        .set_created_by("cairn".to_owned())
        .set_compression(Compression::ZSTD(ZstdLevel::try_new(3)?))
        .set_encoding(Encoding::DELTA_BINARY_PACKED)
        .set_dictionary_enabled(false)
        .set_column_encoding(device.clone(), Encoding::PLAIN)
        .set_column_dictionary_enabled(device, true)
        .set_column_dictionary_enabled(ColumnPath::from("rain_mm"), true)
        .set_statistics_enabled(EnabledStatistics::Chunk)
        .set_offset_index_disabled(true)
        .build();
    Ok(Arc::new(properties))
}

/// Rows of the group that is being filled, column by column.
#[derive(Default)]
struct Group {
    batch: Vec<i32>,
    device: Vec<FixedLenByteArray>,
    stream: Vec<i32>,
    seq: Vec<i64>,
    time_ms: Vec<i64>,
    /// Per field column: the values that are present, and for each row whether one is.
    values: Vec<Vec<i32>>,
    present: Vec<Vec<i16>>,
}

/// Writes readings in the order in which they come.
pub(super) struct Writer {
    file: SerializedFileWriter<Vec<u8>>,
    fields: Vec<(&'static Schema, usize)>,
    group: Group,
}

impl Writer {
    pub fn new(schemas: &[SchemaId]) -> Result<Self, SealError> {
        let fields = fields(schemas).unwrap_or_default();
        let file = SerializedFileWriter::new(Vec::new(), file_schema(schemas)?, properties()?)?;
        let mut writer = Self { file, fields, group: Group::default() };
        writer.group.values.resize(writer.fields.len(), Vec::new());
        writer.group.present.resize(writer.fields.len(), Vec::new());
        Ok(writer)
    }

    /// Adds the rows of batch number `index`.
    pub fn push(&mut self, index: u32, batch: &Batch) -> Result<(), SealError> {
        let rows = batch.rows.len();
        let width = batch.rows.values.len() / rows.max(1);
        let device = FixedLenByteArray::from(ByteArray::from(batch.device.0.to_vec()));
        let mut done = 0;
        while done < rows {
            let take = (rows - done).min(GROUP_ROWS_MAX - self.group.batch.len());
            self.append(index, batch, &device, width, done..done + take);
            done += take;
            if self.group.batch.len() == GROUP_ROWS_MAX {
                self.flush()?;
            }
        }
        Ok(())
    }

    fn append(
        &mut self,
        index: u32,
        batch: &Batch,
        device: &FixedLenByteArray,
        width: usize,
        range: std::ops::Range<usize>,
    ) {
        let group = &mut self.group;
        let end = group.batch.len() + range.len();
        group.batch.resize(end, index.cast_signed());
        group.device.resize(end, device.clone());
        group.stream.resize(end, i32::from(batch.stream.0));
        for i in range.clone() {
            group.seq.push((batch.first_seq.0 + i as u64).cast_signed());
            group.time_ms.push(batch.time_of(i).0.cast_signed());
        }
        let cells = &batch.rows.values[range.start * width..range.end * width];
        for (column, (schema, at)) in self.fields.iter().enumerate() {
            let (values, present) = (&mut group.values[column], &mut group.present[column]);
            if schema.id == batch.schema {
                for value in cells.iter().skip(*at).step_by(width) {
                    present.push(i16::from(value.is_some()));
                    values.extend(value);
                }
            } else {
                present.resize(end, 0);
            }
        }
    }

    fn flush(&mut self) -> Result<(), SealError> {
        if self.group.batch.is_empty() {
            return Ok(());
        }
        let group = &mut self.group;
        let mut rows = self.file.next_row_group()?;
        let mut column = 0;
        while let Some(mut writer) = rows.next_column()? {
            match column {
                0 => writer.typed::<Int32Type>().write_batch(&group.batch, None, None)?,
                1 => writer.typed::<FixedLenByteArrayType>().write_batch(
                    &group.device,
                    None,
                    None,
                )?,
                2 => writer.typed::<Int32Type>().write_batch(&group.stream, None, None)?,
                3 => writer.typed::<Int64Type>().write_batch(&group.seq, None, None)?,
                4 => writer.typed::<Int64Type>().write_batch(&group.time_ms, None, None)?,
                n => {
                    let (values, present) =
                        (&group.values[n - FIXED.len()], &group.present[n - FIXED.len()]);
                    writer.typed::<Int32Type>().write_batch(values, Some(present), None)?
                }
            };
            writer.close()?;
            column += 1;
        }
        rows.close()?;
        group.batch.clear();
        group.device.clear();
        group.stream.clear();
        group.seq.clear();
        group.time_ms.clear();
        group.values.iter_mut().for_each(Vec::clear);
        group.present.iter_mut().for_each(Vec::clear);
        Ok(())
    }

    /// The bytes of the file.
    pub fn finish(mut self) -> Result<Vec<u8>, SealError> {
        self.flush()?;
        Ok(self.file.into_inner()?)
    }
}

/// Reads every batch that `sidecar` announces, in order.
///
/// The library is kept behind `walk`, which bounds what it may reserve, and behind `catch_unwind`: a panic of a decoder
/// on a hostile file becomes an error like any other.
pub(super) fn read(
    sidecar: &Sidecar,
    file: Bytes,
    each: &mut dyn FnMut(Envelope) -> Result<(), OpenError>,
) -> Result<(), OpenError> {
    std::panic::catch_unwind(AssertUnwindSafe(|| read_checked(sidecar, file, each)))
        .unwrap_or(Err(OpenError::Readings("a decoder gave up on a page")))
}

fn read_checked(
    sidecar: &Sidecar,
    file: Bytes,
    each: &mut dyn FnMut(Envelope) -> Result<(), OpenError>,
) -> Result<(), OpenError> {
    walk::footer(&file)?;
    let fields = fields(&sidecar.schemas)
        .ok_or(SidecarError::Malformed("a schema that is not registered"))?;
    let reader = SerializedFileReader::new(file.clone())?;
    let expected = file_schema(&sidecar.schemas)?;
    if reader.metadata().file_metadata().schema() != expected.as_ref() {
        return Err(OpenError::Readings("other columns than its schemas have"));
    }
    let mut builder = Builder { sidecar, next: 0, rows: Rows::default(), each };
    for g in 0..reader.num_row_groups() {
        let group = read_group(&*reader.get_row_group(g)?, &file, fields.len())?;
        builder.group(&group, &fields)?;
    }
    builder.finish()
}

fn read_group(
    reader: &dyn RowGroupReader,
    file: &Bytes,
    fields: usize,
) -> Result<Group, OpenError> {
    let rows =
        usize::try_from(reader.metadata().num_rows()).ok().filter(|rows| *rows <= GROUP_ROWS_MAX);
    let rows = rows.ok_or(OpenError::Readings("a row group with an impossible number of rows"))?;
    for column in reader.metadata().columns() {
        let start = column.dictionary_page_offset().unwrap_or_else(|| column.data_page_offset());
        let chunk = usize::try_from(start).ok().zip(usize::try_from(column.compressed_size()).ok());
        let chunk = chunk.and_then(|(start, length)| file.get(start..start.checked_add(length)?));
        walk::pages(chunk.ok_or(OpenError::Readings("a column outside of the file"))?)?;
    }
    let mut group = Group {
        batch: column::<Int32Type>(reader, 0, rows)?.0,
        device: column::<FixedLenByteArrayType>(reader, 1, rows)?.0,
        stream: column::<Int32Type>(reader, 2, rows)?.0,
        seq: column::<Int64Type>(reader, 3, rows)?.0,
        time_ms: column::<Int64Type>(reader, 4, rows)?.0,
        ..Group::default()
    };
    for i in 0..fields {
        let (values, present) = column::<Int32Type>(reader, FIXED.len() + i, rows)?;
        group.values.push(values);
        group.present.push(present);
    }
    Ok(group)
}

/// Values and definition levels of one column; the latter are empty where every row must have a value.
fn column<T: DataType>(
    reader: &dyn RowGroupReader,
    index: usize,
    rows: usize,
) -> Result<(Vec<T::T>, Vec<i16>), OpenError> {
    let optional = index >= FIXED.len();
    let mut column = get_typed_column_reader::<T>(reader.get_column_reader(index)?);
    let (mut values, mut levels) = (Vec::new(), Vec::new());
    let (records, count, _) =
        column.read_records(rows, optional.then_some(&mut levels), None, &mut values)?;
    let whole = records == rows
        && if optional {
            levels.len() == rows && values.len() == count
        } else {
            values.len() == rows
        };
    if !whole {
        return Err(OpenError::Readings("a column shorter than its row group"));
    }
    Ok((values, levels))
}

/// Puts rows back into batches.
struct Builder<'a> {
    sidecar: &'a Sidecar,
    /// The batch that is being filled.
    next: usize,
    rows: Rows,
    each: &'a mut dyn FnMut(Envelope) -> Result<(), OpenError>,
}

impl Builder<'_> {
    fn group(
        &mut self,
        group: &Group,
        fields: &[(&'static Schema, usize)],
    ) -> Result<(), OpenError> {
        let mut taken = vec![0_usize; fields.len()];
        for row in 0..group.batch.len() {
            let header = self
                .sidecar
                .batches
                .get(self.next)
                .ok_or(OpenError::Row("more rows than batches"))?;
            let done = self.rows.len() as u64;
            let device = self.sidecar.devices[header.device as usize];
            if group.batch[row].cast_unsigned() as usize != self.next
                || group.device[row].data() != device.0
                || group.stream[row] != i32::from(header.stream.0)
                || group.seq[row].cast_unsigned() != header.first_seq.0 + done
            {
                return Err(OpenError::Row("a row that is not its batch's next"));
            }
            let offset = group.time_ms[row].cast_unsigned().checked_sub(header.base_time.0);
            let offset = offset.and_then(|offset| u32::try_from(offset).ok());
            let offset = offset
                .filter(|offset| self.rows.offsets_ms.last().is_none_or(|last| last < offset));
            self.rows.offsets_ms.push(offset.ok_or(OpenError::Row("times out of range or order"))?);
            for (column, (schema, _)) in fields.iter().enumerate() {
                let value = if group.present[column][row] == 1 {
                    let value = group.values[column].get(taken[column]).copied();
                    taken[column] += 1;
                    Some(value.ok_or(OpenError::Readings("fewer values than rows"))?)
                } else {
                    None
                };
                if schema.id == header.schema {
                    self.rows.values.push(value);
                } else if value.is_some() {
                    return Err(OpenError::Row("a value of another schema"));
                }
            }
            if self.rows.len() == header.rows as usize {
                self.close()?;
            }
        }
        Ok(())
    }

    fn close(&mut self) -> Result<(), OpenError> {
        let rows = std::mem::take(&mut self.rows);
        let envelope = self.sidecar.envelope(self.next, rows);
        let envelope = envelope.ok_or(OpenError::Row("more rows than batches"))?;
        if envelope.bytes().len() > BATCH_BYTES_MAX {
            return Err(OpenError::Row("a batch larger than an envelope may be"));
        }
        self.next += 1;
        (self.each)(envelope)
    }

    fn finish(self) -> Result<(), OpenError> {
        if self.next == self.sidecar.batches.len() && self.rows.is_empty() {
            Ok(())
        } else {
            Err(OpenError::Row("fewer rows than the batches have"))
        }
    }
}
