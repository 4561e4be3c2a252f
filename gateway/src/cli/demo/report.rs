//! What the demo prints: one line a step, for people or as JSON lines.

use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};

use super::world::World;

/// One step of the story as it went.
pub(super) struct Step {
    /// What the step shows.
    pub(super) title: &'static str,
    /// Who sent it, and to whom.
    pub(super) from: &'static str,
    pub(super) to: &'static str,
    /// Method and path, or what was called.
    pub(super) sent: &'static str,
    /// `permit`, or the reason code or problem that refused.
    pub(super) verdict: String,
    /// Why, in words.
    pub(super) why: String,
    /// How long the caller waited.
    pub(super) took: Duration,
    /// The HTTP status that the caller saw.
    pub(super) status: u16,
    /// Whether it went as declared.
    pub(super) as_declared: bool,
    /// What was declared, said where it did not go so.
    pub(super) declared: String,
}

impl Step {
    /// Says `why` where it was permitted; what was refused says so itself.
    pub(super) fn because(mut self, why: String) -> Self {
        if self.verdict == "permit" {
            self.why = why;
        }
        self
    }
}

/// The printer.
pub(super) struct Report {
    json: bool,
    steps: usize,
    failed: usize,
}

impl Report {
    pub(super) fn new(json: bool) -> Self {
        Self { json, steps: 0, failed: 0 }
    }

    /// Something that is being started.
    pub(super) fn starting(&self, what: &str) {
        if self.json {
            println!("{}", json!({"kind": "starting", "what": what}));
        } else {
            println!("  {what}");
        }
    }

    pub(super) fn heading(&self, text: &str) {
        if !self.json {
            println!("\n{text}");
        }
    }

    pub(super) fn step(&mut self, step: &Step) {
        self.steps += 1;
        if !step.as_declared {
            self.failed += 1;
        }
        let millis = step.took.as_secs_f64() * 1000.0;
        if self.json {
            println!(
                "{}",
                json!({"kind": "step", "step": self.steps, "title": step.title, "from": step.from, "to": step.to,
                       "sent": step.sent, "status": step.status, "verdict": step.verdict, "why": step.why,
                       "milliseconds": (millis * 10.0).round() / 10.0, "as_declared": step.as_declared})
            );
            return;
        }
        let verdict = if step.verdict == "permit" { "permit".to_owned() } else { format!("REFUSED {}", step.verdict) };
        println!(
            "{:>2}  {:<10} -> {:<10}  {:<24}  {verdict:<21}  {millis:>6.1} ms  {}",
            self.steps, step.from, step.to, step.sent, step.why
        );
        if !step.as_declared {
            println!("    NOT AS DECLARED: expected {}, got {} ({})", step.declared, step.verdict, step.status);
        }
    }

    /// A count from /metrics.
    pub(super) fn count(&self, name: &str, value: &str) {
        if self.json {
            println!("{}", json!({"kind": "metric", "name": name, "value": value.parse::<f64>().ok()}));
        } else {
            println!("  {value:>6}  {name}");
        }
    }

    /// Rows of a silver table.
    pub(super) fn rows(&self, table: &str, rows: &[Value], columns: &[&str]) {
        if self.json {
            for row in rows {
                println!("{}", json!({"kind": "silver", "table": table, "row": row}));
            }
            return;
        }
        let cell = |row: &Value, column: &str| match &row[column] {
            Value::String(text) => text.clone(),
            Value::Null => "-".to_owned(),
            other @ (Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_)) => other.to_string(),
        };
        let widths: Vec<usize> = columns
            .iter()
            .map(|column| rows.iter().map(|row| cell(row, column).chars().count()).fold(column.len(), usize::max))
            .collect();
        let line = |cells: Vec<String>| {
            let padded: Vec<String> =
                cells.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
            println!("    {}", padded.join("  ").trim_end());
        };
        println!("  {table}");
        line(columns.iter().map(|column| (*column).to_owned()).collect());
        for row in rows {
            line(columns.iter().map(|column| cell(row, column)).collect());
        }
    }

    /// Something in the whole that was declared and is not so.
    pub(super) fn check(&mut self, what: &str, holds: bool) {
        if !holds {
            self.failed += 1;
        }
        if self.json {
            println!("{}", json!({"kind": "check", "what": what, "holds": holds}));
        } else {
            println!("  {}  {what}", if holds { "ok     " } else { "NOT SO " });
        }
    }

    pub(super) fn stays_up(&self, world: &World) {
        if self.json {
            println!(
                "{}",
                json!({"kind": "up", "egress": world.egress(), "metrics": world.metrics_url(), "run_folder": world.folder()})
            );
            return;
        }
        println!("\nEverything stays up until Ctrl-C. You are the planner; try it:");
        println!("  curl -s http://{}/v1/patients/4711 -H 'Host: records'", world.egress());
        println!("  bellgate label show --config {}", world.config().display());
        println!("  curl -s {} | grep ^bellgate_decisions", world.metrics_url());
        println!("  policy, configs, logs and lake: {}", world.folder().display());
    }

    /// The story is in a file.
    pub(super) fn drawn(&self, file: &Path) {
        if self.json {
            println!("{}", json!({"kind": "drawn", "file": file}));
        } else {
            println!("\nDrawn into {}.", file.display());
        }
    }

    /// The planner's gateway has a new SVID.
    pub(super) fn rotated(&self, seconds: f64) {
        if self.json {
            println!("{}", json!({"kind": "rotated", "seconds_left": seconds.round()}));
        } else {
            println!("  the planner's gateway has a new SVID, valid for {seconds:.0} s; no connection was lost");
        }
    }

    pub(super) fn all_as_declared(&self) -> bool {
        if self.json {
            println!("{}", json!({"kind": "end", "steps": self.steps, "not_as_declared": self.failed}));
        } else if self.failed == 0 {
            println!("\nAll {} steps went as declared.", self.steps);
        } else {
            println!("\n{} of {} steps and checks did not go as declared.", self.failed, self.steps);
        }
        self.failed == 0
    }
}
