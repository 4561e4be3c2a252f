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

/// Who asks: the planner, without a session or in one of two.
const PLANNER: &str = "planner";
const SESSION_1: &str = "planner:1";
const SESSION_2: &str = "planner:2";
/// What most steps are declared to come to.
const OK: Declared = Declared::Permit(StatusCode::OK);

/// How a gateway names what it delivered.
const DELIVERED: &str = "delivery from ";

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
    let (read, named) = labels(world, report).await?;
    others(world, report).await?;
    let clean = calls(world, report, &read).await?;
    let events = stream(world, report).await?;
    reset(world, report).await?;

    report.heading("And:");
    report.check("each refusal named what had raised the label", named);
    report.check("no name of the patient came out of the capability", clean);
    report.check("every event of the stream arrived", events == VITALS);
    counts(world, report).await?;
    silver(world, report).await
}

/// What is read follows the reader, into another agent too; sessions and guards are ways of living with that. Returns the record, and
/// whether the refusals named what they came of.
async fn labels(world: &World, report: &mut Report) -> anyhow::Result<(Bytes, bool)> {
    let told = planner(world, search(None)).await?;
    report.step(&step("the agent asks the open search", PLANNER, "search", "POST /v1/search", &told, &OK));

    let (first, told) = session(world).await?;
    let (second, _) = session(world).await?;
    let why = format!("two sessions, each with a label of its own: {}", text(&told.json()["label"]));
    let declared = Declared::Permit(StatusCode::CREATED);
    report.step(&step("it opens two sessions", PLANNER, "gateway", "POST /v1/handles", &told, &declared).because(why));

    let read = planner(world, Ask { handle: Some(&first), ..get("records", "/v1/patients/4711") }).await?;
    let request = header(&read, "bellgate-request-id");
    let why = format!("session 1 is now {} (request {request})", header(&read, "bellgate-label"));
    let sent = "GET /v1/patients/4711";
    report.step(&step("one reads a patient's record", SESSION_1, "records", sent, &read, &OK).because(why));

    let no = Declared::Refused("no-write-down");
    let told = planner(world, search(Some(&first))).await?;
    let mut named = told.json()["decision"]["cause"]["request_id"].as_str() == Some(request.as_str());
    report.step(&step("the same search as before", SESSION_1, "search", "POST /v1/search", &told, &no));

    let told = planner(world, search(Some(&second))).await?;
    let why = "session 2 has not read it".to_owned();
    report.step(&step("the other session", SESSION_2, "search", "POST /v1/search", &told, &OK).because(why));

    let query = "treatment of hypertension for A. Example, born 1957-03-14";
    let body = json!({"manifest_version": "1.0.0", "query": query});
    let ask = Ask { handle: Some(&first), ..json_ask("search", "/v1/careful-search", &body) };
    let told = planner(world, ask).await?;
    let why = format!("through a guard: the search was asked for {}", told.json()["asked"]);
    let sent = "POST /v1/careful-search";
    report.step(&step("the same through a guard", SESSION_1, "search", sent, &told, &OK).because(why));

    let ask = Ask { handle: Some(&first), body: Some(read.body.clone()), ..get("summariser", "/v1/summaries") };
    let told = planner(world, Ask { method: Method::POST, ..ask }).await?;
    let why = "the record handed on; the summariser is now what it was told".to_owned();
    let sent = "POST /v1/summaries";
    report.step(&step("it hands the record to another agent", SESSION_1, "summariser", sent, &told, &OK).because(why));

    let second_hand = search_of_the_summariser(&told.json());
    let cause = format!("{DELIVERED}{}", spiffe_id("planner")?.as_str());
    named &= second_hand.json()["decision"]["cause"]["object"].as_str() == Some(cause.as_str());
    report.step(&step("which looks it up, too", "summariser", "search", "POST /v1/search", &second_hand, &no));
    Ok((read.body, named))
}

/// What the summariser's own gateway answered, as the summariser tells it.
fn search_of_the_summariser(summary: &Value) -> Told {
    let search = &summary["search"];
    let status = search["status"].as_u64().and_then(|status| u16::try_from(status).ok());
    Told {
        status: status.and_then(|status| StatusCode::from_u16(status).ok()).unwrap_or(StatusCode::BAD_GATEWAY),
        headers: http::HeaderMap::new(),
        body: Bytes::from(search["answer"].to_string()),
        took: Duration::from_micros(search["microseconds"].as_u64().unwrap_or_default()),
    }
}

/// Opens a session at the planner's own gateway.
async fn session(world: &World) -> anyhow::Result<(String, Told)> {
    let told = planner(world, json_ask("bellgate", "/v1/handles", &json!({"life": "10m"}))).await?;
    let handle = told.json()["handle"].as_str().context("a handle from the planner's gateway")?.to_owned();
    Ok((handle, told))
}

/// What else is refused, and the way upwards that stays.
async fn others(world: &World, report: &mut Report) -> anyhow::Result<()> {
    let told = planner(world, get("vault", "/v1/settlements")).await?;
    let no = Declared::Refused("no-read-up");
    report.step(&step("something above its clearance", PLANNER, "vault", "GET /v1/settlements", &told, &no));

    let told = stranger(world).await?;
    let no = Declared::Refused("not-granted");
    let title = "a workload that nobody granted anything";
    report.step(&step(title, "stranger", "records", "GET /v1/patients/4711", &told, &no));

    let note = json!({"author": "planner", "text": 7, "urgency": "whenever"});
    let told = planner(world, json_ask("records", "/v1/patients/4711/notes", &note)).await?;
    let no = Declared::Refused("manifest");
    let title = "a note that is not what the schema asks for";
    report.step(&step(title, PLANNER, "records", "POST …/4711/notes", &told, &no));

    let note = json!({"author": "planner", "text": "4711 needs a second opinion."});
    let told = planner(world, json_ask("vault", "/v1/reports", &note)).await?;
    let why = "a blind write-up: taken, and nothing ever comes back".to_owned();
    let accepted = Declared::Permit(StatusCode::ACCEPTED);
    report.step(
        &step("it may still report upwards", PLANNER, "vault", "POST /v1/reports", &told, &accepted).because(why),
    );
    Ok(())
}

/// Capabilities, one of use and two that misbehave. Returns whether the patient's name stayed in.
async fn calls(world: &World, report: &mut Report, record: &Bytes) -> anyhow::Result<bool> {
    let told = planner(world, call("/deidentify", record.clone())).await?;
    let clean = !String::from_utf8_lossy(&told.body).contains("A. Example");
    let why = format!("from its own process: {}", shortened(&told.body, 96));
    let title = "a capability takes the direct identifiers out";
    report.step(&step(title, PLANNER, "enclave", "call deidentify", &told, &OK).because(why));

    let no = Declared::Refused("capability");
    let told = planner(world, call("/spin", Bytes::from_static(b"{}"))).await?;
    report.step(&step("a capability that never ends", PLANNER, "enclave", "call spin", &told, &no));
    let told = planner(world, call("/flood", Bytes::from_static(b"{}"))).await?;
    report.step(&step("a capability that returns 11 MiB", PLANNER, "enclave", "call flood", &told, &no));
    Ok(clean)
}

/// Server-sent events. Returns how many arrived.
async fn stream(world: &World, report: &mut Report) -> anyhow::Result<usize> {
    let told = planner(world, get("records", "/v1/patients/4711/vitals")).await?;
    let events = String::from_utf8_lossy(&told.body).matches("event: vitals").count();
    let why = format!("{events} server-sent events passed through as they came, and teed");
    report.step(&step("a stream", PLANNER, "records", "GET …/4711/vitals", &told, &OK).because(why));
    Ok(events)
}

/// An operator lets the planner start anew, with the command that operators have.
async fn reset(world: &World, report: &mut Report) -> anyhow::Result<()> {
    let began = Instant::now();
    let own = std::env::current_exe().context("finding this program")?;
    let output = tokio::process::Command::new(own)
        .args(["label", "reset", "--format", "json", "--reason", "the tour starts anew", "--config"])
        .arg(world.config())
        .output()
        .await
        .context("running `bellgate label reset`")?;
    let told = Told {
        status: if output.status.success() { StatusCode::OK } else { StatusCode::BAD_GATEWAY },
        headers: http::HeaderMap::new(),
        body: Bytes::from(output.stdout),
        took: began.elapsed(),
    };
    let done = told.json();
    let why =
        format!("{} -> {}, {} sessions closed", text(&done["before"]), text(&done["label"]), done["handles_closed"]);
    report.step(&step("an operator's reset", "operator", "planner", "label reset", &told, &OK).because(why));

    let told = planner(world, search(None)).await?;
    report.step(&step("the search once more", PLANNER, "search", "POST /v1/search", &told, &OK));
    Ok(())
}

/// A workload with a valid SVID and no grant, straight at the gateway beside `records`.
async fn stranger(world: &World) -> anyhow::Result<Told> {
    let identity = world.identity("stranger")?;
    let tls = client_config(&identity, &spiffe_id("records")?, &[b"http/1.1"]);
    client::ask_directly(world.records_ingress(), tls, get("records", "/v1/patients/4711")).await
}

/// A step as it went, beside what was declared of it.
fn step(
    title: &'static str,
    from: &'static str,
    to: &'static str,
    sent: &'static str,
    told: &Told,
    declared: &Declared,
) -> Step {
    let (verdict, why) = verdict(told);
    let (as_declared, declared) = match declared {
        Declared::Permit(status) => {
            (verdict == "permit" && told.status == *status, format!("permit ({})", status.as_u16()))
        }
        Declared::Refused(code) => (verdict == *code, (*code).to_owned()),
    };
    let status = told.status.as_u16();
    Step { title, from, to, sent, verdict, why, took: told.took, status, as_declared, declared }
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
        let (object, at, request) = (part("object"), part("at"), part("request_id"));
        let read = match object.strip_prefix(DELIVERED) {
            Some(caller) => format!("of what {} handed on", caller.rsplit('/').next().unwrap_or(caller)),
            None => format!("{object} was read"),
        };
        why = format!("because {read} at {} (request {request})", clock(&at));
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
    Ask { method: Method::GET, host, path, body: None, handle: None }
}

fn json_ask<'a>(host: &'a str, path: &'a str, body: &Value) -> Ask<'a> {
    Ask { method: Method::POST, body: Some(Bytes::from(body.to_string())), ..get(host, path) }
}

/// The question of which the story is about.
fn search(handle: Option<&str>) -> Ask<'_> {
    let body = json!({"manifest_version": "1.0.0", "query": "treatment of hypertension"});
    Ask { handle, ..json_ask("search", "/v1/search", &body) }
}

fn call(path: &'static str, body: Bytes) -> Ask<'static> {
    Ask { method: Method::POST, body: Some(body), ..get("enclave", path) }
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or("(not said)")
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
    const SHOWN: [&str; 6] = [
        "bellgate_decisions_total",
        "bellgate_watermark_raises_total",
        "bellgate_label_resets_total",
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
            18,
            &["entity_uuid", "listener", "subject", "object", "mode", "verdict", "reason", "status", "label"],
        ),
        (
            Table::Decisions,
            18,
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
