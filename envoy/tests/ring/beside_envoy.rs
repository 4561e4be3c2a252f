//! The real Envoy 1.40 in front, filled in from `bootstraps/ext-authz.yaml`: clients with certificates, a workload
//! behind it, the check between.

use std::os::unix::fs::PermissionsExt as _;

use crate::support::Gateway;
use crate::support::envoy::find;
use crate::support::h2c::H2cGateway;
use crate::support::mesh::Mesh;

const GET: &str = "GET /patients/7 HTTP/1.1\r\nhost: records";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn peers_through_envoy() {
    let Some(envoy) = find() else { return };
    let gateway = Gateway::beside("records");
    let serving = gateway.serve(gateway.context());
    serving.client().await;
    let mesh = Mesh::start(&envoy, "ext-authz", "records", &gateway.socket()).await;

    let forged = format!(
        "{GET}\r\nbellgate-label: PUBLIC\r\nbellgate-label: STANDARD\r\nbellgate-declare: PUBLIC\r\nx-http-method-override: DELETE\r\n\
         x-forwarded-client-cert: URI=spiffe://demo.bellgate.test/nobody"
    );
    let answer = mesh.http1("planner", &forged, b"").await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(mesh.workload.last("bellgate-label"), ["RESTRICTED:clinical"], "overwritten on the way in");
    assert_eq!(mesh.workload.last("bellgate-declare"), [""; 0]);
    assert_eq!(mesh.workload.last("x-http-method-override"), [""; 0]);
    assert_eq!(answer.all("bellgate-label"), ["RESTRICTED:clinical"], "overwritten on the way out");
    assert_eq!(answer.all("bellgate-request-id"), [gateway.last_seen().request_id]);
    assert_eq!(mesh.workload.last("bellgate-request-id"), [gateway.last_seen().request_id]);

    let claim = format!("{GET}\r\nx-forwarded-client-cert: URI=spiffe://demo.bellgate.test/planner");
    for (who, head, status, reason) in [
        ("auditor", GET, 403, "no-read-up"),
        ("reporter", GET, 403, "not-granted"),
        ("nobody", GET, 403, "unknown-subject"),
        ("nobody", claim.as_str(), 403, "unknown-subject"),
        ("planner+auditor", GET, 403, "untrusted-peer"),
        ("auditor+planner", GET, 403, "untrusted-peer"),
        ("planner", "GET /patients/7 HTTP/1.1\r\nhost: a%b", 400, "bad-authority"),
        ("planner", "GET /patients//7 HTTP/1.1\r\nhost: records", 400, "ambiguous-path"),
        ("planner", "POST /drop HTTP/1.1\r\nhost: records\r\ncontent-length: 0", 403, "unsupported-here"),
    ] {
        let before = mesh.workload.seen().len();
        let answer = mesh.http1(who, head, b"").await;
        assert_eq!((answer.status, answer.reason().as_str()), (status, reason), "{who} {head}");
        assert_eq!(answer.all("content-type"), ["application/problem+json"]);
        assert_eq!(mesh.workload.seen().len(), before, "{who} {head}: the workload saw it");
    }
    // A gRPC client is told in gRPC's own way: PERMISSION_DENIED.
    let grpc = "POST /x HTTP/1.1\r\nhost: records\r\ncontent-type: application/grpc\r\ncontent-length: 0";
    assert_eq!(mesh.http1("planner", grpc, b"").await.all("grpc-status"), ["7"]);
    assert_eq!(gateway.last_seen().code, "unsupported-here");
    // Envoy refuses by itself what the gateway would.
    assert_eq!(mesh.http1("planner", "GET /patients%2F7 HTTP/1.1\r\nhost: records", b"").await.status, 400);
    // Envoy makes normal what can be made so, before it asks.
    assert_eq!(mesh.http1("planner", "GET /x/../patients/./7 HTTP/1.1\r\nhost: records", b"").await.status, 200);

    let admin = std::fs::metadata(mesh.folder.path().join("envoy-admin.sock")).unwrap().permissions().mode();
    assert_eq!(admin & 0o777, 0o600);
    serving.stop().await.unwrap();

    let answer = mesh.http1("planner", GET, b"").await;
    assert_eq!(answer.status, 503, "nobody to ask is a refusal: {answer:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bodies_through_envoy() {
    let Some(envoy) = find() else { return };
    let gateway = Gateway::beside("records");
    let serving = gateway.serve(gateway.context());
    serving.client().await;
    let mesh = Mesh::start(&envoy, "ext-authz", "records", &gateway.socket()).await;
    let post = |header: &str| format!("POST /orders HTTP/1.1\r\nhost: records\r\n{header}");
    let limit = 1 << 20;

    for (what, header, body, status) in [
        ("a length", "content-length: 4".to_owned(), b"good".to_vec(), 200),
        ("a length, not conforming", "content-length: 3".to_owned(), b"bad".to_vec(), 422),
        ("chunked", "transfer-encoding: chunked".to_owned(), b"4\r\ngood\r\n0\r\n\r\n".to_vec(), 200),
        (
            "chunked, not conforming",
            "transfer-encoding: chunked".to_owned(),
            b"2\r\nba\r\n1\r\nd\r\n0\r\n\r\n".to_vec(),
            422,
        ),
        (
            "a peer's own word on its completeness is dropped",
            "transfer-encoding: chunked\r\nx-envoy-auth-partial-body: true".to_owned(),
            b"4\r\ngood\r\n0\r\n\r\n".to_vec(),
            200,
        ),
        ("at Envoy's limit", format!("content-length: {limit}"), vec![b'x'; limit], 200),
        ("beyond it", format!("content-length: {}", limit + 1), vec![b'x'; limit + 1], 413),
    ] {
        let answer = mesh.http1("planner", &post(&header), &body).await;
        assert_eq!(answer.status, status, "{what}: {answer:?}");
    }
    serving.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_local_workload_through_envoy_over_http2() {
    let Some(envoy) = find() else { return };
    let gateway = Gateway::beside("planner");
    let serving = gateway.serve(gateway.context());
    serving.client().await;
    let mesh = Mesh::start(&envoy, "ext-authz", "planner", &gateway.socket()).await;

    for (what, method, url, body, status) in [
        ("no body, and Envoy knows", "GET", "https://search/x", None, 200),
        ("a body of unknown length, buffered whole", "POST", "https://search/x", Some("query"), 200),
        ("a GET with a body is a write", "GET", "https://search/x", Some("query"), 200),
        ("a record", "GET", "https://records/patients/7", None, 200),
        ("and the search is closed", "GET", "https://search/x", None, 403),
    ] {
        let answer = mesh.http2("planner", method, url, body).await;
        assert_eq!(answer.status, status, "{what}: {answer:?}");
    }
    assert_eq!(gateway.last_seen().code, "no-write-down");
    assert_eq!(gateway.label(), "RESTRICTED:clinical");
    assert_eq!(mesh.workload.seen().len(), 4);
    serving.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_data_path_names_the_peer_once() {
    let Some(envoy) = find() else { return };
    let folder = tempfile::tempdir().unwrap();
    let gateway = H2cGateway::start(&folder.path().join("gateway.sock"));
    let mesh = Mesh::start(&envoy, "data-path", "records", &folder.path().join("gateway.sock")).await;

    let forged = "x-forwarded-client-cert: Hash=00;URI=spiffe://demo.bellgate.test/nobody";
    for (what, head) in [
        ("none sent", GET.to_owned()),
        ("one forged", format!("{GET}\r\n{forged}")),
        ("two forged", format!("{GET}\r\n{forged}\r\n{forged},{}", &forged[25..])),
    ] {
        assert_eq!(mesh.http1("planner", &head, b"").await.status, 204, "{what}");
        let elements = gateway.last("x-forwarded-client-cert");
        assert_eq!(elements.len(), 1, "{what}: {elements:?}");
        let uris: Vec<_> = elements[0].split([';', ',']).filter(|pair| pair.starts_with("URI=")).collect();
        assert_eq!(uris, ["URI=spiffe://demo.bellgate.test/planner"], "{what}: {elements:?}");
    }
    assert_eq!(gateway.last(":path"), ["/patients/7"]);
    assert_eq!(gateway.last(":authority"), ["records"]);
    assert_eq!(mesh.http2("auditor", "GET", "https://records/x/../y", None).await.status, 204);
    assert_eq!(gateway.last(":path"), ["/y"]);
    assert_eq!(mesh.http1("planner", "GET /a%2Fb HTTP/1.1\r\nhost: records", b"").await.status, 400);
}
