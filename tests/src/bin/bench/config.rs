//! What the proxies are told. Each piece of the gateway's config is a function of its own, so that a change of its
//! format is a change in one place.

use std::path::Path;

use crate::identities::{CALLER, GATEWAY};
use crate::message::{KIND, PATH};
use crate::proxies::Places;
use crate::rows::Row;

/// The policy: one caller, one upstream, one grant. The route names its manifest where the row validates.
pub(crate) fn policy(row: Row) -> String {
    let manifest = if row.validates() { format!(", manifest: {KIND}") } else { String::new() };
    let floating = "floor: PUBLIC, gateway: true, holds_no_data: \"answers from memory\"";
    let more = match row {
        Row::Envoy | Row::Decision | Row::Validation | Row::Events | Row::Parquet => String::new(),
        Row::Static => ", gateway: true".to_owned(),
        Row::Floating => format!(", {floating}"),
        Row::Handles => format!(", {floating}, handles: {{ reason: \"one thread for each request\", limit: 1024 }}"),
    };
    format!(
        "version: 1
subjects:
  planner: {{ id: \"{CALLER}\", clearance: STANDARD{more} }}
  orders: {{ id: \"{GATEWAY}\", clearance: STANDARD{more} }}
upstreams:
  orders:
    workload: orders
    label: STANDARD
    routes:
      place: {{ methods: [POST], path: {PATH}{manifest} }}
grants:
  - {{ subject: planner, object: orders, modes: [alter] }}
"
    )
}

/// The gateway's config: an ingress, and what the row adds.
pub(crate) fn gateway(row: Row, places: &Places, folder: &Path, ingress: u16, metrics: u16) -> String {
    let mut out = format!(
        "version: 1
policy: policy.yaml
identity: {{ workload_api: \"unix:{}\" }}
state: {{ directory: \"{}\", missing: floor }}
ingress: {{ listen: \"127.0.0.1:{ingress}\", workload: \"{}\" }}
",
        places.authority.gateway_socket().display(),
        folder.join("state").display(),
        places.upstream,
    );
    if row.validates() {
        out.push_str(&format!("manifests: {{ {KIND}: {{ schema: schema.json }} }}\n"));
    }
    if row.observes() {
        out.push_str(&format!("metrics: {{ listen: \"127.0.0.1:{metrics}\" }}\n"));
        out.push_str(&telemetry(row));
    }
    out
}

/// Where rows are not stored within the window, they are held until far behind it.
fn telemetry(row: Row) -> String {
    let flush = if row.stores() { "rows: 10000, interval: 1s" } else { "rows: 1000000, interval: 1h" };
    format!("telemetry: {{ lake: lake, queue: 65536, flush: {{ {flush} }} }}\n")
}

/// Envoy: mTLS as the gateway does it, RBAC on the URI SAN, XFCC, no access log, no body check.
pub(crate) fn envoy(places: &Places, listen: u16) -> String {
    format!(
        r#"static_resources:
  listeners:
  - name: ingress
    address: {{ socket_address: {{ address: 127.0.0.1, port_value: {listen} }} }}
    filter_chains:
    - transport_socket:
        name: envoy.transport_sockets.tls
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext
          require_client_certificate: true
          disable_stateless_session_resumption: true
          disable_stateful_session_resumption: true
          common_tls_context:
            alpn_protocols: ["http/1.1"]
            tls_params: {{ tls_minimum_protocol_version: TLSv1_3, tls_maximum_protocol_version: TLSv1_3 }}
            tls_certificates:
            - {{ certificate_chain: {{ filename: "{certificate}" }}, private_key: {{ filename: "{key}" }} }}
            validation_context: {{ trusted_ca: {{ filename: "{bundle}" }} }}
      filters:
      - name: envoy.filters.network.http_connection_manager
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
          stat_prefix: ingress
          codec_type: HTTP1
          generate_request_id: false
          forward_client_cert_details: SANITIZE_SET
          set_current_client_cert_details: {{ uri: true }}
          route_config:
            virtual_hosts:
            - name: workload
              domains: ["*"]
              routes: [ {{ match: {{ prefix: "/" }}, route: {{ cluster: workload }} }} ]
          http_filters:
          - name: envoy.filters.http.rbac
            typed_config:
              "@type": type.googleapis.com/envoy.extensions.filters.http.rbac.v3.RBAC
              rules:
                action: ALLOW
                policies:
                  caller:
                    permissions: [ {{ any: true }} ]
                    principals: [ {{ authenticated: {{ principal_name: {{ exact: "{CALLER}" }} }} }} ]
          - name: envoy.filters.http.router
            typed_config: {{ "@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router }}
  clusters:
  - name: workload
    type: STATIC
    connect_timeout: 2s
    load_assignment:
      cluster_name: workload
      endpoints: [ {{ lb_endpoints: [ {{ endpoint: {{ address: {{ socket_address: {{ address: {ip}, port_value: {port} }} }} }} }} ] }} ]
"#,
        certificate = places.envoy.certificate.display(),
        key = places.envoy.key.display(),
        bundle = places.envoy.bundle.display(),
        ip = places.upstream.ip(),
        port = places.upstream.port(),
    )
}
