//! Where a row lies: its table, its label, its day.

use std::path::{Path, PathBuf};

use bellgate_policy::Timestamp;
use bellgate_telemetry::{Key, Table, Tenant, entity};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

/// What stands in the name of a folder as it is: RFC 3986's unreserved characters.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

/// File systems take names of up to 255 bytes.
const LONGEST_NAME: usize = 255;

const MS_PER_DAY: u64 = 86_400_000;

/// A day in UTC, counted from 1970-01-01.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Day(u64);

impl Day {
    pub(crate) fn of(at: Timestamp) -> Self {
        Self(at.0 / MS_PER_DAY)
    }

    /// `YYYY-MM-DD`
    fn text(self) -> String {
        let mut text = Timestamp(self.0 * MS_PER_DAY).to_string();
        text.truncate("YYYY-MM-DD".len());
        text
    }
}

/// The folder of a table.
pub(crate) fn table_folder(root: &Path, table: Table) -> PathBuf {
    root.join("silver").join(table.as_str())
}

/// The folder of the rows of one table, label and day.
pub(crate) fn folder(root: &Path, tenant: &Tenant, table: Table, label: &str, day: Day) -> PathBuf {
    table_folder(root, table).join(label_folder(tenant, label)).join(format!("date={}", day.text()))
}

/// `label=` and the label, percent-encoded. A label with so many categories that no folder can have its name gets a
/// folder `label=long~<uuid>`, made from it; the files in it say the whole label in their footer, as all do.
fn label_folder(tenant: &Tenant, label: &str) -> String {
    let name = format!("label={}", utf8_percent_encode(label, ENCODED));
    if name.len() <= LONGEST_NAME {
        return name;
    }
    let mut identity = Vec::new();
    entity::write_name([Key::text("label"), Key::text(label)].map(|key| key.unwrap_or(Key::MISSING)), &mut identity);
    format!("label=long~{}", entity::entity_uuid(tenant, &identity))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tenant() -> Tenant {
        Tenant::parse("demo").unwrap()
    }

    #[test]
    fn a_partition_is_a_hive_path() {
        let at = Timestamp(1_767_225_599_999);
        let path = folder(Path::new("lake"), &tenant(), Table::Decisions, "RESTRICTED:a,clinical", Day::of(at));
        assert_eq!(path, Path::new("lake/silver/decisions/label=RESTRICTED%3Aa%2Cclinical/date=2025-12-31"));
        assert_eq!(Day::of(Timestamp(0)).text(), "1970-01-01");
        assert_eq!(Day::of(Timestamp(1_767_225_600_000)).text(), "2026-01-01");
        assert_eq!(Day::of(Timestamp(253_402_300_799_999)).text(), "9999-12-31");
    }

    #[test]
    fn a_label_that_no_folder_can_be_named_after_gets_a_name_made_from_it() {
        for (length, long) in [(248, false), (249, false), (250, true), (8192, true)] {
            let label = "c".repeat(length);
            let folder = label_folder(&tenant(), &label);
            assert!(folder.len() <= LONGEST_NAME);
            assert_eq!(folder.starts_with("label=long~"), long, "{length}");
            assert_eq!(folder, label_folder(&tenant(), &label));
        }
        assert_ne!(label_folder(&tenant(), &"a".repeat(300)), label_folder(&tenant(), &"b".repeat(300)));
    }
}
