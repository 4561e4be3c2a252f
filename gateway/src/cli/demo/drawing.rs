//! The story as a picture: a sequence diagram made of what the gateways of the demo wrote: their audit logs (decisions,
//! rises, resets) and the lake (how each exchange ended).
//!
//! Nothing of the story is known here: who takes part, what flows, which label it carries, what was refused and because of what is read off
//! the records; the policy gives names, floors and clearances. The same records give the same picture, byte for byte.

mod layout;
mod story;
mod svg;
#[cfg(test)]
mod tests;

use std::path::Path;

use anyhow::Context as _;
use bellgate_lake::Table;
use bellgate_lake::read::preview;
use bellgate_policy::Policy;
use serde_json::Value;
use story::{Outcome, Outcomes};

use crate::cli::audit_log::{self, Record};
use crate::config;

/// Many times what a tour makes.
const MOST_ROWS: u32 = 10_000;

/// Draws the run in `folder` into `file`. `sidecars` name the gateways; each has its audit log in `state-<name>`.
///
/// # Errors
///
/// When policy or logs can't be read, or the file not written.
pub(super) fn draw(folder: &Path, sidecars: &[String], file: &Path) -> anyhow::Result<()> {
    let policy = config::load_policy(&folder.join("policy.yaml")).map_err(|report| anyhow::anyhow!("{report}"))?;
    let mut logs = Vec::new();
    for name in sidecars {
        let log = folder.join(format!("state-{name}/audit.jsonl"));
        let mut records = Vec::new();
        audit_log::read(&log, |record| records.push(record)).with_context(|| format!("reading `{}`", log.display()))?;
        logs.push((name.clone(), records));
    }
    let outcomes = outcomes(&folder.join("lake")).context("reading the lake")?;
    std::fs::write(file, picture(&policy, &logs, &outcomes)).with_context(|| format!("writing `{}`", file.display()))
}

/// How exchanges ended, from the rows of all gateways.
fn outcomes(lake: &Path) -> anyhow::Result<Outcomes> {
    let rows = preview(lake, Table::Events, MOST_ROWS)?.rows;
    let outcome = |row: &Value| {
        let text = |name: &str| row.get(name).and_then(Value::as_str).map(str::to_owned);
        let outcome = Outcome {
            method: text("method")?,
            refused: text("reason"),
            milliseconds: row.get("duration_us").and_then(Value::as_u64)? / 1000,
        };
        Some((text("request_id")?, outcome))
    };
    Ok(rows.iter().filter_map(outcome).collect())
}

/// The picture of what the records say.
fn picture(policy: &Policy, logs: &[(String, Vec<Record>)], outcomes: &Outcomes) -> String {
    layout::draw(policy, &story::read(policy, logs, outcomes))
}
