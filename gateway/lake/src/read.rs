//! Reading rows back, with polars: what is in the files, and nothing that is still in memory.
//!
//! The files of a table are one hive-partitioned set: `label` and `date` come from the names of the folders. A table
//! without files is empty, and not an error.

use std::fmt::{self, Write as _};
use std::io;
use std::path::{Path, PathBuf};

use bellgate_policy::Timestamp;
use bellgate_telemetry::Table;
use polars::prelude::*;
use serde_json::{Map, Value};

use crate::partition::table_folder;

/// The longest text in a cell of the printed table, in characters.
const CELL: usize = 40;

/// The first rows of a table, by time.
#[derive(Clone, Debug, PartialEq)]
pub struct Preview {
    /// The table.
    pub table: Table,
    /// Each row as a JSON object with all columns: UUIDs as canonical text, times as RFC 3339 in UTC, lists as arrays.
    pub rows: Vec<Value>,
}

/// Why rows could not be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// A folder could not be listed.
    #[error("the folder `{}` can't be read ({source}), check the path and the rights", folder.display())]
    Folder {
        /// The folder.
        folder: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A path that polars can't be told.
    #[error("the path `{}` is not UTF-8, move the lake to one that is", .0.display())]
    Path(PathBuf),
    /// The files could not be read.
    #[error("the table `{table}` can't be read: {source}")]
    Files {
        /// The table.
        table: &'static str,
        /// What polars said.
        source: PolarsError,
    },
}

/// The first `n` rows of a table of the lake at `root`, by time; none if nothing was written to it yet.
///
/// # Errors
/// [`ReadError`]
pub fn preview(root: &Path, table: Table, n: u32) -> Result<Preview, ReadError> {
    if files(root, table)?.is_empty() {
        return Ok(Preview { table, rows: Vec::new() });
    }
    let failed = |source| ReadError::Files { table: table.as_str(), source };
    let first_rows = scan(root, table)?
        .sort([time_column(table), "entity_uuid"], SortMultipleOptions::default())
        .limit(n)
        .collect()
        .map_err(failed)?;
    Ok(Preview { table, rows: objects(&first_rows).map_err(failed)? })
}

/// All files of a table, sorted by path.
///
/// # Errors
/// [`ReadError::Folder`]
pub fn files(root: &Path, table: Table) -> Result<Vec<PathBuf>, ReadError> {
    let mut files = Vec::new();
    let mut folders = vec![table_folder(root, table)];
    while let Some(folder) = folders.pop() {
        let failed = |source| ReadError::Folder { folder: folder.clone(), source };
        let entries = match std::fs::read_dir(&folder) {
            Err(none) if none.kind() == io::ErrorKind::NotFound => continue,
            listed => listed.map_err(failed)?,
        };
        for entry in entries {
            let entry = entry.map_err(failed)?;
            let path = entry.path();
            if entry.file_type().map_err(failed)?.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "parquet") {
                files.push(path);
            }
        }
    }
    files.sort();
    Ok(files)
}

/// A table as one frame, with the columns that its folders name. Given the folder and not the files, polars begins to
/// read names of folders below it, so that the lake may itself lie in a folder called `label=..`.
fn scan(root: &Path, table: Table) -> Result<LazyFrame, ReadError> {
    let folder = table_folder(root, table);
    let Some(path) = folder.to_str() else { return Err(ReadError::Path(folder)) };
    let by_folder =
        Schema::from_iter([Field::new("label".into(), DataType::String), Field::new("date".into(), DataType::Date)]);
    let options = ScanArgsParquet {
        glob: false,
        hive_options: HiveOptions { schema: Some(by_folder.into()), ..HiveOptions::new_enabled() },
        ..ScanArgsParquet::default()
    };
    LazyFrame::scan_parquet(PlRefPath::new(path), options)
        .map_err(|source| ReadError::Files { table: table.as_str(), source })
}

fn time_column(table: Table) -> &'static str {
    match table {
        Table::Entities => "first_seen",
        Table::Events | Table::Decisions | Table::StreamTokens | Table::CapabilityCalls | Table::Quarantine => {
            "occurred_at"
        }
    }
}

fn objects(frame: &DataFrame) -> PolarsResult<Vec<Value>> {
    (0..frame.height())
        .map(|row| {
            let mut object = Map::new();
            for column in frame.columns() {
                object.insert(column.name().to_string(), json(&column.get(row)?)?);
            }
            Ok(Value::Object(object))
        })
        .collect()
}

/// A value of a table in JSON. A type that no table has is an error: printing it could need more of polars than is
/// built in.
fn json(value: &AnyValue<'_>) -> PolarsResult<Value> {
    if let Some(text) = value.extract_str() {
        return Ok(Value::from(text));
    }
    if let Some(bytes) = value.extract_bytes() {
        let uuid = uuid::Uuid::from_slice(bytes);
        return uuid.map(|uuid| Value::from(uuid.to_string())).map_err(|error| polars_err!(ComputeError: "{error}"));
    }
    #[expect(clippy::wildcard_enum_match_arm, reason = "polars has many types, and the tables use these")]
    match value {
        AnyValue::Null => Ok(Value::Null),
        AnyValue::Boolean(truth) => Ok(Value::from(*truth)),
        AnyValue::UInt32(count) => Ok(Value::from(*count)),
        AnyValue::UInt64(count) => Ok(Value::from(*count)),
        AnyValue::Date(days) => {
            let text = time(i64::from(*days).saturating_mul(86_400_000));
            Ok(Value::from(text.split('T').next().unwrap_or_default()))
        }
        AnyValue::Datetime(ms, TimeUnit::Milliseconds, _) | AnyValue::DatetimeOwned(ms, TimeUnit::Milliseconds, _) => {
            Ok(Value::from(time(*ms)))
        }
        AnyValue::List(items) => items.iter().map(|item| json(&item)).collect(),
        other => Err(polars_err!(ComputeError: "a column of type {:?}, which no silver table has", other.dtype())),
    }
}

/// RFC 3339. Nothing in the lake is before 1970.
fn time(ms: i64) -> String {
    Timestamp(u64::try_from(ms).unwrap_or_default()).to_string()
}

/// The columns that are printed: who, what, how it went.
fn headline(table: Table) -> &'static [&'static str] {
    match table {
        Table::Events => &[
            "entity_uuid",
            "occurred_at",
            "listener",
            "subject",
            "object",
            "mode",
            "verdict",
            "reason",
            "status",
            "label",
        ],
        Table::Decisions => &[
            "entity_uuid",
            "occurred_at",
            "point",
            "subject",
            "object",
            "mode",
            "permit",
            "reasons",
            "current",
            "label",
        ],
        Table::StreamTokens => {
            &["entity_uuid", "occurred_at", "stream_id", "stream_offset", "event_type", "data_bytes", "label"]
        }
        Table::CapabilityCalls => &[
            "entity_uuid",
            "occurred_at",
            "capability",
            "outcome",
            "input_bytes",
            "output_bytes",
            "duration_us",
            "label",
        ],
        Table::Entities => &["entity_uuid", "first_seen", "last_seen", "kind", "name", "label"],
        Table::Quarantine => &["entity_uuid", "occurred_at", "event_kind", "request_id", "why", "label"],
    }
}

/// The main columns as a table of text; long texts are cut, all of them are in [`Preview::rows`].
impl fmt::Display for Preview {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = headline(self.table);
        let lines: Vec<Vec<String>> = self
            .rows
            .iter()
            .map(|row| names.iter().map(|name| cell(row.get(name).unwrap_or(&Value::Null))).collect())
            .collect();
        let heads = names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        let widths: Vec<usize> = (0..names.len())
            .map(|column| {
                let cells = lines.iter().chain([&heads]).filter_map(|line| line.get(column));
                cells.map(|cell| cell.chars().count()).max().unwrap_or_default()
            })
            .collect();
        for line in std::iter::once(&heads).chain(&lines) {
            let mut text = String::new();
            for (cell, width) in line.iter().zip(&widths) {
                write!(text, "{cell:<width$}  ")?;
            }
            writeln!(f, "{}", text.trim_end())?;
        }
        Ok(())
    }
}

fn cell(value: &Value) -> String {
    let text = match value {
        Value::Null => "-".to_owned(),
        Value::String(text) => text.clone(),
        Value::Array(items) if items.is_empty() => "-".to_owned(),
        Value::Array(items) => items.iter().map(cell).collect::<Vec<_>>().join(","),
        Value::Bool(_) | Value::Number(_) | Value::Object(_) => value.to_string(),
    };
    if text.chars().count() <= CELL { text } else { text.chars().take(CELL - 1).chain(['\u{2026}']).collect() }
}
