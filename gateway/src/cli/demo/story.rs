//! The story: what nothing else in a mesh can do, step by step.
#![expect(clippy::indexing_slicing, reason = "a `serde_json::Value` gives null where it has no such member")]

use std::time::{Duration, Instant};

use anyhow::Context as _;
use bellgate_lake::Table;
use bellgate_lake::read::preview;
use bellgate_spire::client_config;
use bytes::Bytes;
use http::{Method, StatusCode};
use serde_json::{Value, json};

use super::client::{self, Ask, Told};
use super::report::{Report, Step};
use super::tools::VITALS;
use super::world::{World, spiffe_id};

/// How many rows of each silver table are shown.
const ROWS: usize = 3;
/// How long the lake may take to write what the tour made.
const LAKE_WITHIN: Duration = Duration::from_secs(10);

/// What a step is declared to come to.
enum Declared {
    /// This status, permitted.
    Permit(StatusCode),
    /// Refused with this reason or problem code.
    Refused(&'static str),
}

/// Drives the story.
pub(super) async fn tell(world: &World, report: &mut Report) -> anyhow::Result<()> {
    report.heading("The tour:");
    let search = || {
        json_ask("search", "/v1/search", &json!({"manifest_version": "1.0.0", "query": "treatment of hypertension"}))
    };

    let told = planner(world, search()).await?;
    step(
        report,
        "an agent asks the open search",
        "search",
        "POST /v1/search",
        &told,
        &Declared::Permit(StatusCode::OK),
        None,
    );

    let read = planner(world, get("records", "/v1/patients/4711")).await?;
    let request = header(&read, "bellgate-request-id");
    let why = format!("the planner is now {} (request {request})", header(&read, "bellgate-label"));
    step(
        report,
        "it reads a patient's record",
        "records",
        "GET /v1/patients/4711",
        &read,
        &Declared::Permit(StatusCode::OK),
        Some(why),
    );

    let told = planner(world, search()).await?;
    step(
        report,
        "the same search as before",
        "search",
        "POST /v1/search",
        &told,
        &Declared::Refused("no-write-down"),
        None,
    );
    let named = told.json()["decision"]["cause"]["request_id"].as_str() == Some(request.as_str());

    let told = planner(world, get("vault", "/v1/settlements")).await?;
    step(
        report,
        "something above its clearance",
        "vault",
        "GET /v1/settlements",
        &told,
        &Declared::Refused("no-read-up"),
        None,
    );

    let told = stranger(world).await?;
    direct(report, &told);

    let note = json!({"author": "planner", "text": 7, "urgency": "whenever"});
    let told = planner(world, json_ask("records", "/v1/patients/4711/notes", &note)).await?;
    step(
        report,
        "a note that is not what the schema asks for",
        "records",
        "POST …/4711/notes",
        &told,
        &Declared::Refused("manifest"),
        None,
    );

    let note = json!({"author": "planner", "text": "4711 needs a second opinion."});
    let told = planner(world, json_ask("vault", "/v1/reports", &note)).await?;
    let why = "a blind write-up: taken, and nothing ever comes back".to_owned();
    step(
        report,
        "it may still report upwards",
        "vault",
        "POST /v1/reports",
        &told,
        &Declared::Permit(StatusCode::ACCEPTED),
        Some(why),
    );

    let told = planner(world, call("deidentify", read.body.clone())).await?;
    let clean = !String::from_utf8_lossy(&told.body).contains("A. Example");
    let why = format!("from its own process: {}", shortened(&told.body, 96));
    step(
        report,
        "a capability takes the direct identifiers out",
        "enclave",
        "call deidentify",
        &told,
        &Declared::Permit(StatusCode::OK),
        Some(why),
    );

    let told = planner(world, call("spin", Bytes::from_static(b"{}"))).await?;
    step(report, "a capability that never ends", "enclave", "call spin", &told, &Declared::Refused("capability"), None);

    let told = planner(world, call("flood", Bytes::from_static(b"{}"))).await?;
    step(
        report,
        "a capability that returns 11 MiB",
        "enclave",
        "call flood",
        &told,
        &Declared::Refused("capability"),
        None,
    );

    let told = planner(world, get("records", "/v1/patients/4711/vitals")).await?;
    let events = String::from_utf8_lossy(&told.body).matches("event: vitals").count();
    let why = format!("{events} server-sent events passed through as they came, and teed");
    step(report, "a stream", "records", "GET …/4711/vitals", &told, &Declared::Permit(StatusCode::OK), Some(why));

    report.heading("And:");
    report.check("the refusal named the very request that read the record", named);
    report.check("no name of the patient came out of the capability", clean);
    report.check("every event of the stream arrived", events == VITALS);
    counts(world, report).await?;
    silver(world, report).await
}

/// A workload with a valid SVID and no grant, straight at the gateway beside `records`.
async fn stranger(world: &World) -> anyhow::Result<Told> {
    let identity = world.identity("stranger")?;
    let tls = client_config(&identity, &spiffe_id("records")?, &[b"http/1.1"]);
    client::ask_directly(world.records_ingress(), tls, get("records", "/v1/patients/4711")).await
}

fn direct(report: &mut Report, told: &Told) {
    let (verdict, why) = verdict(told);
    report.step(&Step {
        title: "a workload that nobody granted anything",
        from: "stranger",
        to: "records",
        sent: "GET /v1/patients/4711".into(),
        as_declared: verdict == "not-granted",
        declared: "not-granted".into(),
        status: told.status.as_u16(),
        took: told.took,
        verdict,
        why,
    });
}

fn step(
    report: &mut Report,
    title: &'static str,
    to: &'static str,
    sent: &str,
    told: &Told,
    declared: &Declared,
    why: Option<String>,
) {
    let (verdict, reason) = verdict(told);
    let (as_declared, declared) = match declared {
        Declared::Permit(status) => {
            (verdict == "permit" && told.status == *status, format!("permit ({})", status.as_u16()))
        }
        Declared::Refused(code) => (verdict == *code, (*code).to_owned()),
    };
    report.step(&Step {
        title,
        from: "planner",
        to,
        sent: sent.to_owned(),
        // What was expected to be permitted and was refused is explained by the refusal.
        why: if verdict == "permit" { why.unwrap_or(reason) } else { reason },
        verdict,
        took: told.took,
        status: told.status.as_u16(),
        as_declared,
        declared,
    });
}

/// The verdict as the caller hears it, and why.
fn verdict(told: &Told) -> (String, String) {
    if told.status.is_success() {
        return ("permit".into(), format!("what came back is {}", header(told, "bellgate-label")));
    }
    let problem = told.json();
    let code = problem["reason"].as_str().unwrap_or("no problem+json").to_owned();
    let mut why = problem["detail"].as_str().unwrap_or_default().to_owned();
    if let Some(cause) = problem["decision"]["cause"].as_object() {
        let part = |name: &str| cause.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
        why = format!("because {} was read at {} (request {})", part("object"), clock(&part("at")), part("request_id"));
    } else if let Some(cause) = problem["cause"].as_str() {
        why = format!("{}, cause {cause}", problem["error"].as_str().unwrap_or_default());
    }
    for violation in problem["violations"].as_array().into_iter().flatten() {
        let part = |name: &str| violation[name].as_str().unwrap_or_default().to_owned();
        why += &format!("\n      {} {}", part("instance_path"), part("message"));
    }
    (code, why)
}

/// The time of day of an RFC 3339 timestamp.
fn clock(at: &str) -> &str {
    at.split('T').nth(1).and_then(|time| time.split('.').next()).unwrap_or(at)
}

async fn planner(world: &World, ask: Ask<'_>) -> anyhow::Result<Told> {
    client::ask(world.egress(), ask).await
}

fn get<'a>(host: &'a str, path: &'a str) -> Ask<'a> {
    Ask { method: Method::GET, host, path, body: None }
}

fn json_ask<'a>(host: &'a str, path: &'a str, body: &Value) -> Ask<'a> {
    Ask { method: Method::POST, host, path, body: Some(Bytes::from(body.to_string())) }
}

fn call(capability: &'static str, body: Bytes) -> Ask<'static> {
    let path = match capability {
        "deidentify" => "/deidentify",
        "spin" => "/spin",
        _ => "/flood",
    };
    Ask { method: Method::POST, host: "enclave", path, body: Some(body) }
}

fn header(told: &Told, name: &str) -> String {
    told.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or("(not said)").to_owned()
}

fn shortened(body: &[u8], characters: usize) -> String {
    let text = String::from_utf8_lossy(body);
    let short: String = text.chars().take(characters).collect();
    if short.len() < text.len() { format!("{short}…") } else { short }
}

/// The counts that a Prometheus would see.
async fn counts(world: &World, report: &mut Report) -> anyhow::Result<()> {
    report.heading("From the /metrics of the planner's gateway:");
    let told = client::get(world.metrics(), "/metrics").await?;
    let text = String::from_utf8_lossy(&told.body).into_owned();
    const SHOWN: [&str; 5] = [
        "bellgate_decisions_total",
        "bellgate_watermark_raises_total",
        "bellgate_capability_calls_total",
        "bellgate_manifests_total",
        "bellgate_stream_events_total",
    ];
    for line in text.lines().filter(|line| SHOWN.iter().any(|name| line.starts_with(name))) {
        if let Some((name, value)) = line.rsplit_once(' ') {
            report.count(name, value);
        }
    }
    let teed = text.lines().any(|line| line == format!("bellgate_stream_events_total {VITALS}"));
    report.check("every event of the stream was teed", teed);
    Ok(())
}

/// Seconds until the SVID of the planner's gateway expires, as its metrics say.
pub(super) async fn svid_seconds_left(world: &World) -> Option<f64> {
    let told = client::get(world.metrics(), "/metrics").await.ok()?;
    let text = String::from_utf8_lossy(&told.body);
    text.lines().find_map(|line| line.strip_prefix("bellgate_svid_expiry_seconds ")?.parse().ok())
}

/// The first silver rows, read back from Parquet.
async fn silver(world: &World, report: &mut Report) -> anyhow::Result<()> {
    report.heading("The first silver rows, read back from Parquet:");
    let lake = world.folder().join("lake");
    let shown: [(Table, usize, &[&str]); 4] = [
        (
            Table::Events,
            11,
            &["entity_uuid", "listener", "subject", "object", "mode", "verdict", "reason", "status", "label"],
        ),
        (
            Table::Decisions,
            11,
            &["entity_uuid", "object", "reasons", "current", "object_label", "cause_object", "cause_at"],
        ),
        (Table::StreamTokens, VITALS, &["entity_uuid", "stream_offset", "event_type", "data_bytes", "label"]),
        (
            Table::CapabilityCalls,
            3,
            &["entity_uuid", "capability", "outcome", "input_bytes", "output_bytes", "duration_us"],
        ),
    ];
    for (table, least, columns) in shown {
        let rows = wait_for_rows(&lake, table, least).await.with_context(|| format!("reading `{}`", table.as_str()))?;
        let first: Vec<Value> = telling(table, &rows).into_iter().take(ROWS).map(|row| chosen(row, columns)).collect();
        report.rows(table.as_str(), &first, columns);
        report.check(&format!("`{}` has at least {least} rows", table.as_str()), rows.len() >= least);
    }
    Ok(())
}

/// The rows that say most: of decisions the refusals, of a stream its beginning.
fn telling(table: Table, rows: &[Value]) -> Vec<&Value> {
    let mut rows: Vec<&Value> = rows.iter().filter(|row| table != Table::Decisions || row["permit"] == false).collect();
    if table == Table::StreamTokens {
        rows.sort_by_key(|row| row["stream_offset"].as_u64());
    }
    rows
}

fn chosen(row: &Value, columns: &[&str]) -> Value {
    columns.iter().map(|column| ((*column).to_owned(), row[*column].clone())).collect::<serde_json::Map<_, _>>().into()
}

/// Reads a table until it has at least `least` rows: the gateways write every quarter of a second.
async fn wait_for_rows(lake: &std::path::Path, table: Table, least: usize) -> anyhow::Result<Vec<Value>> {
    let deadline = Instant::now() + LAKE_WITHIN;
    loop {
        let (lake, most) = (lake.to_owned(), u32::try_from(least * 4)?);
        // Polars has threads of its own and must not hold ours.
        let rows = tokio::task::spawn_blocking(move || preview(&lake, table, most)).await??.rows;
        if rows.len() >= least || Instant::now() >= deadline {
            return Ok(rows);
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
