//! The upstreams of the mesh: each proves its identity, and is behind a gateway exactly where the policy says so.
//!
//! Each is asked `OPTIONS *`, which a gateway answers itself and no workload hears of. What a gateway answers has the name that it gave the
//! exchange.

use std::net::ToSocketAddrs as _;
use std::time::Duration;

use anyhow::Context as _;
use bellgate_policy::{Server, Subject};
use bellgate_spire::client_config;
use bytes::Bytes;
use http::{Method, Request, Uri};
use http_body_util::Empty;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::Loaded;
use super::finding::Finding;
use super::svid::Own;
use crate::config::UpstreamSettings;

/// For connection, handshake and answer together.
const PATIENCE: Duration = Duration::from_secs(3);

/// What a peer turned out to be.
enum Peer {
    Gateway,
    NoGateway,
    /// Nobody answered there.
    Away(String),
    /// It could not prove that it is who it should be.
    Stranger(String),
}

/// One finding for each upstream of the mesh that this gateway calls.
pub(super) async fn checks(loaded: &Loaded, own: &Own) -> Vec<Finding> {
    let mut findings = Vec::new();
    for upstream in loaded.policy.upstreams() {
        let (Server::Workload(subject), Some(settings)) =
            (&upstream.server, loaded.config.upstreams.get(&upstream.name))
        else {
            continue;
        };
        if own.id.is_none() {
            findings.push(Finding::unseen(
                "peer",
                format!("who answers as `{}` at {}: there is no svid to ask with", subject.name, settings.address),
                "",
            ));
            continue;
        }
        if own.id.as_ref() == Some(&subject.id) {
            continue;
        }
        let peer = match timeout(PATIENCE, ask(own, subject, settings)).await {
            Ok(peer) => peer,
            Err(_) => Peer::Away(format!("no answer within {} s", PATIENCE.as_secs())),
        };
        findings.push(judged(subject, &settings.address.to_string(), &peer));
    }
    findings
}

fn judged(subject: &Subject, address: &str, peer: &Peer) -> Finding {
    let name = &subject.name;
    match (peer, subject.gateway) {
        (Peer::Gateway, true) => {
            Finding::ok("peer", format!("`{name}` at {address}: a gateway, proven as `{}`", subject.id))
        }
        (Peer::NoGateway, false) => Finding::ok(
            "peer",
            format!("`{name}` at {address}: proven as `{}`, without a gateway, as the policy says", subject.id),
        ),
        (Peer::NoGateway, true) => Finding::fail(
            "peer",
            format!("`{name}` at {address} holds the svid of `{}`, and what answers there is no gateway", subject.id),
            "a gateway, since the policy has `gateway: true` and so believes the labels that it states",
            "put a gateway before it and give that the svid, or take `gateway: true` out of the policy",
        ),
        (Peer::Gateway, false) => Finding::warn(
            "peer",
            format!("`{name}` at {address} is behind a gateway, and the policy does not say so"),
            "`gateway: true`",
            "add it, or its clearance counts as its current label",
        ),
        (Peer::Stranger(why), _) => Finding::fail(
            "peer",
            format!("what answers at {address} did not prove to be `{}`: {why}", subject.id),
            format!("the svid of `{name}`"),
            "correct the address in `upstreams`, or the registration of that workload",
        ),
        (Peer::Away(why), _) => Finding::warn(
            "peer",
            format!("`{name}` at {address}: {why}"),
            "an answer",
            "start it, or correct its address in `upstreams`",
        ),
    }
}

async fn ask(own: &Own, subject: &Subject, settings: &UpstreamSettings) -> Peer {
    let address = &settings.address;
    let found = (address.host(), address.port()).to_socket_addrs().ok().and_then(|mut all| all.next());
    let Some(socket) = found else { return Peer::Away(String::from("its name has no address")) };
    let stream = match TcpStream::connect(socket).await {
        Ok(stream) => stream,
        Err(error) => return Peer::Away(error.to_string()),
    };
    let tls = client_config(&own.identity, &subject.id, &[b"http/1.1"]);
    let Ok(name) = "spiffe.invalid".try_into() else { return Peer::Away(String::from("no server name")) };
    let stream = match tokio_rustls::TlsConnector::from(tls).connect(name, stream).await {
        Ok(stream) => stream,
        Err(error) => return Peer::Stranger(error.to_string()),
    };
    match options(stream).await {
        Ok(true) => Peer::Gateway,
        Ok(false) => Peer::NoGateway,
        Err(error) => Peer::Away(format!("{error:#}")),
    }
}

/// Whether what answers names the exchange, as gateways do.
async fn options(stream: tokio_rustls::client::TlsStream<TcpStream>) -> anyhow::Result<bool> {
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    let driver = tokio::spawn(connection);
    let request = Request::builder()
        .method(Method::OPTIONS)
        .uri(Uri::from_static("*"))
        .header("host", "bellgate-doctor")
        .body(Empty::<Bytes>::new())?;
    let response = sender.send_request(request).await.context("it broke off")?;
    driver.abort();
    Ok(response.headers().contains_key("bellgate-request-id"))
}

#[cfg(test)]
mod tests {
    use bellgate_policy::Policy;

    use super::super::finding::Status;
    use super::*;

    #[test]
    fn a_peer_is_what_the_policy_says() {
        let text = "version: 1\nsubjects:\n  with: { id: spiffe://td.test/with, clearance: PUBLIC, gateway: true }\n  without: { id: spiffe://td.test/without, clearance: PUBLIC }\n";
        let policy = Policy::parse("policy.yaml", text).unwrap();
        let of = |name: &str, peer: &Peer| judged(policy.subject_named(name).unwrap(), "127.0.0.1:1", peer).status;
        for (peer, with, without) in [
            (Peer::Gateway, Status::Ok, Status::Warn),
            (Peer::NoGateway, Status::Fail, Status::Ok),
            (Peer::Stranger("why".into()), Status::Fail, Status::Fail),
            (Peer::Away("why".into()), Status::Warn, Status::Warn),
        ] {
            assert_eq!(of("with", &peer), with);
            assert_eq!(of("without", &peer), without);
        }
    }
}
