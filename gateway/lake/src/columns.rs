//! A record batch, put together column by column from rows of one kind.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, BinaryBuilder, BooleanArray, ListBuilder, RecordBatch, StringArray, StringBuilder,
    TimestampMillisecondArray, UInt32Array, UInt64Array,
};
use arrow::datatypes::{DataType, Field, Schema};
use arrow::error::ArrowError;
use bellgate_policy::Timestamp;
use bellgate_telemetry::Tenant;

use crate::uuid5;

/// Where a field names its extension type. `arrow.uuid` becomes the UUID logical type of Parquet.
const EXTENSION_NAME: &str = "ARROW:extension:name";

/// The columns so far. All rows are there from the beginning, so all columns have one length.
pub(crate) struct Columns<'a, R> {
    rows: &'a [R],
    fields: Vec<Field>,
    arrays: Vec<ArrayRef>,
}

impl<'a, R> Columns<'a, R> {
    /// Begins with the two columns that every table has: `entity_uuid`, hashed in bulk, and `tenant`.
    pub(crate) fn identified(
        rows: &'a [R],
        tenant: &Tenant,
        name: impl Fn(&'a R) -> &'a [u8],
    ) -> Result<Self, ArrowError> {
        let bytes = rows.iter().map(|row| name(row).len()).sum();
        let mut names = BinaryBuilder::with_capacity(rows.len(), bytes);
        for row in rows {
            names.append_value(name(row));
        }
        let uuids: ArrayRef = Arc::new(uuid5::column(tenant.namespace(), &names.finish())?);
        let field = Field::new("entity_uuid", uuids.data_type().clone(), false)
            .with_metadata([(EXTENSION_NAME.to_owned(), "arrow.uuid".to_owned())].into());
        let columns = Self { rows, fields: vec![field], arrays: vec![uuids] };
        Ok(columns.text("tenant", |_| tenant.as_str()))
    }

    pub(crate) fn text<'r>(self, name: &str, value: impl Fn(&'a R) -> &'r str) -> Self {
        let array = StringArray::from_iter_values(self.rows.iter().map(value));
        self.with(name, false, Arc::new(array))
    }

    pub(crate) fn optional_text(self, name: &str, value: impl Fn(&'a R) -> Option<&'a str>) -> Self {
        let array: StringArray = self.rows.iter().map(value).collect();
        self.with(name, true, Arc::new(array))
    }

    pub(crate) fn texts(self, name: &str, value: impl Fn(&'a R) -> &'a [String]) -> Self {
        let item = Field::new("element", DataType::Utf8, false);
        let mut lists = ListBuilder::new(StringBuilder::new()).with_field(item);
        for row in self.rows {
            for text in value(row) {
                lists.values().append_value(text);
            }
            lists.append(true);
        }
        let array = lists.finish();
        self.with(name, false, Arc::new(array))
    }

    pub(crate) fn count(self, name: &str, value: impl Fn(&'a R) -> u64) -> Self {
        let array = UInt64Array::from_iter_values(self.rows.iter().map(value));
        self.with(name, false, Arc::new(array))
    }

    pub(crate) fn small_count(self, name: &str, value: impl Fn(&'a R) -> u32) -> Self {
        let array = UInt32Array::from_iter_values(self.rows.iter().map(value));
        self.with(name, false, Arc::new(array))
    }

    pub(crate) fn truth(self, name: &str, value: impl Fn(&'a R) -> bool) -> Self {
        let array = BooleanArray::from_iter(self.rows.iter().map(|row| Some(value(row))));
        self.with(name, false, Arc::new(array))
    }

    pub(crate) fn time(self, name: &str, value: impl Fn(&'a R) -> Timestamp) -> Self {
        let array = TimestampMillisecondArray::from_iter_values(self.rows.iter().map(|row| milliseconds(value(row))));
        self.with(name, false, Arc::new(array.with_timezone("UTC")))
    }

    pub(crate) fn optional_time(self, name: &str, value: impl Fn(&'a R) -> Option<Timestamp>) -> Self {
        let array: TimestampMillisecondArray = self.rows.iter().map(|row| value(row).map(milliseconds)).collect();
        self.with(name, true, Arc::new(array.with_timezone("UTC")))
    }

    fn with(mut self, name: &str, nullable: bool, array: ArrayRef) -> Self {
        self.fields.push(Field::new(name, array.data_type().clone(), nullable));
        self.arrays.push(array);
        self
    }

    /// The batch.
    pub(crate) fn batch(self) -> Result<RecordBatch, ArrowError> {
        RecordBatch::try_new(Arc::new(Schema::new(self.fields)), self.arrays)
    }
}

/// Refinement lets no time pass that is later than the year 9999.
fn milliseconds(at: Timestamp) -> i64 {
    i64::try_from(at.0).unwrap_or(i64::MAX)
}
