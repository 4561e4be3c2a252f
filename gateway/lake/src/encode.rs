//! A batch as the bytes of a Parquet file, and a name for it that follows from them.

use std::fmt::Write as _;

use arrow::array::RecordBatch;
use bellgate_policy::Timestamp;
use bellgate_telemetry::Table;
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_writer::ArrowWriterOptions;
use parquet::basic::{Compression, ZstdLevel};
use parquet::errors::ParquetError;
use parquet::file::metadata::{KeyValue, SortingColumn};
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use parquet::schema::types::ColumnPath;
use sha2::{Digest as _, Sha256};

/// The version of the tables' columns; `bellgate.schema` in every footer.
pub(crate) const SCHEMA_VERSION: &str = "2";

/// The third column of every table is the time by which it is sorted, after `entity_uuid` and `tenant`.
const TIME_COLUMN: i32 = 2;

const ROW_GROUP_ROWS: usize = 128 * 1024;

/// One file.
pub(crate) struct Encoded {
    /// `part-<time of the first row in ms>-<digest of the bytes>.parquet`
    pub(crate) name: String,
    pub(crate) bytes: Vec<u8>,
}

/// Encodes a batch: zstd, statistics for each page, sorted by time; the footer says the table, the version of its
/// columns and the label of all its rows. The same batch gives the same bytes.
pub(crate) fn encode(
    table: Table,
    label: &str,
    batch: &RecordBatch,
    first: Timestamp,
) -> Result<Encoded, ParquetError> {
    let note = |key: &str, value: &str| KeyValue::new(format!("bellgate.{key}"), value.to_owned());
    let properties = WriterProperties::builder()
        .set_created_by(concat!("bellgate-lake ", env!("CARGO_PKG_VERSION")).to_owned())
        .set_compression(Compression::ZSTD(ZstdLevel::default()))
        .set_statistics_enabled(EnabledStatistics::Page)
        .set_max_row_group_row_count(Some(ROW_GROUP_ROWS))
        .set_column_dictionary_enabled(ColumnPath::from("entity_uuid"), false)
        .set_sorting_columns(Some(vec![SortingColumn {
            column_idx: TIME_COLUMN,
            descending: false,
            nulls_first: false,
        }]))
        .set_key_value_metadata(Some(vec![
            note("schema", SCHEMA_VERSION),
            note("table", table.as_str()),
            note("label", label),
        ]))
        .build();
    // Without Arrow's own copy of the schema the types are those of Parquet, which every reader knows.
    let options = ArrowWriterOptions::new().with_properties(properties).with_skip_arrow_metadata(true);
    let mut writer = ArrowWriter::try_new_with_options(Vec::new(), batch.schema(), options)?;
    writer.write(batch)?;
    let bytes = writer.into_inner()?;
    Ok(Encoded { name: name(first, &bytes), bytes })
}

fn name(first: Timestamp, bytes: &[u8]) -> String {
    let mut name = format!("part-{:013}-", first.0);
    for byte in Sha256::digest(bytes).iter().take(16) {
        let _ = write!(name, "{byte:02x}"); // writing to a String does not fail
    }
    name.push_str(".parquet");
    name
}
