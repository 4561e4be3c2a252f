//! Real sidecars between real clients and real upstreams; see `bellgate_tests` for the harness.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod answers;
mod append;
mod between;
mod bodies;
mod egress;
mod flows;
mod guards;
mod handles;
mod ingress;
mod labels;
mod objects;
mod operations;
mod protocols;
mod read_down;
mod requests;
mod reset;
mod state;
mod tasks;

use bellgate_spire::server_config;
use bellgate_tests::{Mesh, Recorder, Running, ok_response, spiffe_id};
use serde_json::{Value, json};

/// A body that the route `ask` takes.
fn query() -> Value {
    json!({"version": "1", "query": "hypertension"})
}

/// What stands where the gateway of `name` should, with an SVID of `name`, and answers 200 with its label.
async fn peer(mesh: &Mesh, name: &str, label: &'static str) -> Recorder {
    let settings = server_config(&mesh.identity(name), &[b"http/1.1"]);
    Recorder::tls(settings, move |_| ok_response(&format!("Bellgate-Label: {label}\r\n"), "{}")).await
}

/// The floating planner's sidecar, which reaches `search` and `records` at peers that stand in for their gateways.
async fn planner(mesh: &Mesh, search: &Recorder, records: &Recorder) -> Running {
    mesh.sidecar("planner").calls("search", search.address).calls("records", records.address).start().await
}

/// A mesh with the policy of sessions, tasks and rules, `rules.yaml`.
fn rules() -> Mesh {
    let mesh = Mesh::new();
    mesh.write("rules.yaml", include_str!("rules.yaml"));
    mesh
}

/// The path of the SPIFFE ID of `name`, as text.
fn id(name: &str) -> String {
    spiffe_id(name).as_str().to_owned()
}
