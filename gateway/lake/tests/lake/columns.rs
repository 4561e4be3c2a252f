//! `COLUMNS.md` and the files say the same.

use bellgate_lake::Table;
use bellgate_lake::read::files;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

use crate::happenings::{some_of_each, write};

const DOCUMENT: &str = include_str!("../../COLUMNS.md");

/// The rows of the tables in the section of that title: column, type, meaning.
fn documented(title: &str) -> Vec<(String, String)> {
    let section = DOCUMENT.split("\n## ").find(|section| section.starts_with(title)).unwrap();
    section
        .lines()
        .filter_map(|line| line.strip_prefix("| "))
        .map(|line| line.split(" | ").map(str::trim).collect::<Vec<_>>())
        .filter(|cells| !matches!(cells[0], "column" | "---"))
        .map(|cells| {
            assert!(cells[2].len() > 5, "a meaning for `{}`", cells[0]);
            let mut kind = cells[1].to_owned();
            if cells[2].contains("null") {
                kind.push_str(" or null");
            }
            (cells[0].to_owned(), kind)
        })
        .collect()
}

#[expect(clippy::wildcard_enum_match_arm, reason = "Arrow has many types, and the tables use these")]
fn name_of(kind: &arrow::datatypes::DataType) -> &'static str {
    use arrow::datatypes::DataType;
    match kind {
        DataType::FixedSizeBinary(16) => "uuid",
        DataType::Utf8 => "text",
        DataType::UInt32 => "uint32",
        DataType::UInt64 => "uint64",
        DataType::Boolean => "boolean",
        DataType::Timestamp(arrow::datatypes::TimeUnit::Millisecond, Some(zone)) if &**zone == "UTC" => "timestamp",
        DataType::List(item) if *item.data_type() == DataType::Utf8 => "list of text",
        other => panic!("{other} is not documented"),
    }
}

#[test]
fn every_column_is_documented_with_its_type() {
    let root = tempfile::tempdir().unwrap();
    write(root.path(), 1000, &some_of_each(2));
    let every_table = [("entity_uuid".to_owned(), "uuid".to_owned()), ("tenant".to_owned(), "text".to_owned())];
    for table in Table::ALL {
        let file = std::fs::File::open(&files(root.path(), table).unwrap()[0]).unwrap();
        let reader = ParquetRecordBatchReaderBuilder::try_new(file).unwrap();
        let columns: Vec<_> = reader
            .schema()
            .fields()
            .iter()
            .map(|field| {
                let or_null = if field.is_nullable() { " or null" } else { "" };
                (field.name().clone(), format!("{}{or_null}", name_of(field.data_type())))
            })
            .collect();
        let expected: Vec<_> =
            every_table.iter().cloned().chain(documented(&format!("{}\n", table.as_str()))).collect();
        assert_eq!(columns, expected, "{}", table.as_str());
    }
}

#[test]
fn the_identity_column_is_a_uuid_for_parquet() {
    use parquet::basic::LogicalType;
    let root = tempfile::tempdir().unwrap();
    write(root.path(), 1000, &some_of_each(1));
    let file = std::fs::File::open(&files(root.path(), Table::Events).unwrap()[0]).unwrap();
    let reader = ParquetRecordBatchReaderBuilder::try_new(file).unwrap();
    let metadata = reader.metadata();
    let column = metadata.file_metadata().schema_descr().column(0);
    assert_eq!(column.logical_type_ref(), Some(&LogicalType::Uuid));
    let group = metadata.row_group(0);
    assert!(group.columns().iter().all(|column| column.statistics().is_some()));
    assert_eq!(group.sorting_columns().unwrap()[0].column_idx, 2);
    assert_eq!(metadata.file_metadata().schema_descr().column(2).name(), "occurred_at");
}
