//! The Workload API as a stranger's client would meet it, and the socket in front of it.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use tokio::io::AsyncReadExt;
use tokio::net::UnixStream;
use tokio::time::timeout;
use tonic::client::Grpc;
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Request, Status};
use tonic_prost::ProstCodec;

use super::messages::{X509BundlesRequest, X509BundlesResponse, X509SvidRequest, X509SvidResponse};
use super::*;

const PATIENCE: Duration = Duration::from_secs(30);

fn planner() -> SpiffeId {
    SpiffeId::parse("spiffe://a.test/planner").unwrap()
}

fn private_folder() -> tempfile::TempDir {
    tempfile::Builder::new().permissions(fs::Permissions::from_mode(0o700)).tempdir().unwrap()
}

/// A served authority; ends with the sender.
fn served(authority: &DevelopmentAuthority, socket: &Path) -> watch::Sender<bool> {
    let bound = WorkloadApiSocket::bind(socket).unwrap();
    let (stop, stopped) = watch::channel(false);
    let authority = authority.clone();
    tokio::spawn(async move { bound.serve(&authority, planner(), stopped).await });
    stop
}

fn authority() -> DevelopmentAuthority {
    DevelopmentAuthority::new("a.test", Options::default()).unwrap()
}

async fn channel(socket: &Path) -> Channel {
    let endpoint = format!("unix://{}", socket.display());
    Endpoint::from_shared(endpoint).unwrap().connect().await.unwrap()
}

fn request<T>(message: T, metadata: Option<&'static str>) -> Request<T> {
    let mut request = Request::new(message);
    if let Some(value) = metadata {
        request.metadata_mut().insert("workload.spiffe.io", value.parse().unwrap());
    }
    request
}

/// The first message of a method's stream.
async fn first<Q, A>(channel: &Channel, path: &'static str, request: Request<Q>) -> Result<A, Status>
where
    Q: prost::Message + 'static,
    A: prost::Message + Default + 'static,
{
    let mut client = Grpc::new(channel.clone());
    client.ready().await.unwrap();
    let path = http::uri::PathAndQuery::from_static(path);
    let codec = ProstCodec::<Q, A>::default();
    let mut answers = client.server_streaming(request, path, codec).await?.into_inner();
    answers.message().await?.ok_or_else(|| Status::unknown("no message"))
}

#[tokio::test]
async fn it_answers_as_the_standard_says() {
    let folder = private_folder();
    let socket = folder.path().join("api.sock");
    let authority = authority();
    let guests = DevelopmentAuthority::new("b.test", Options::default()).unwrap();
    authority.federate("b.test", guests.roots()).unwrap();
    let _stop = served(&authority, &socket);
    let channel = channel(&socket).await;

    let path = "/SpiffeWorkloadAPI/FetchX509SVID";
    let answer: X509SvidResponse = first(&channel, path, request(X509SvidRequest {}, Some("true"))).await.unwrap();
    let [svid] = answer.svids.as_slice() else {
        panic!("{} svids", answer.svids.len());
    };
    assert_eq!(svid.spiffe_id, planner().as_str());
    assert_eq!(svid.bundle, authority.roots()[0].to_vec());
    assert_eq!(
        answer.federated_bundles.into_iter().collect::<Vec<_>>(),
        [("spiffe://b.test".to_owned(), guests.roots()[0].to_vec())]
    );
    let key = rustls_pki_types::PrivatePkcs8KeyDer::from(svid.x509_svid_key.clone());
    let pair = Svid::from_der(vec![svid.x509_svid.clone().into()], PrivateKeyDer::Pkcs8(key));
    assert_eq!(pair.unwrap().id, planner());

    let path = "/SpiffeWorkloadAPI/FetchX509Bundles";
    let answer: X509BundlesResponse =
        first(&channel, path, request(X509BundlesRequest {}, Some("true"))).await.unwrap();
    assert_eq!(answer.bundles.len(), 2);
    assert_eq!(answer.bundles["spiffe://a.test"], authority.roots()[0].to_vec());
    assert_eq!(answer.bundles["spiffe://b.test"], guests.roots()[0].to_vec());
}

#[tokio::test]
async fn it_refuses_requests_without_the_metadata_and_other_methods() {
    let folder = private_folder();
    let socket = folder.path().join("api.sock");
    let _stop = served(&authority(), &socket);
    let channel = channel(&socket).await;
    let rows = [
        ("/SpiffeWorkloadAPI/FetchX509SVID", None, Code::InvalidArgument),
        ("/SpiffeWorkloadAPI/FetchX509SVID", Some("false"), Code::InvalidArgument),
        ("/SpiffeWorkloadAPI/FetchX509SVID", Some("TRUE"), Code::InvalidArgument),
        ("/SpiffeWorkloadAPI/FetchX509Bundles", None, Code::InvalidArgument),
        ("/SpiffeWorkloadAPI/FetchJWTSVID", Some("true"), Code::Unimplemented),
        ("/SpiffeWorkloadAPI/FetchJWTBundles", Some("true"), Code::Unimplemented),
        ("/SpiffeWorkloadAPI/ValidateJWTSVID", Some("true"), Code::Unimplemented),
        ("/other.Service/Method", Some("true"), Code::Unimplemented),
    ];
    for (path, metadata, code) in rows {
        let answer: Result<X509SvidResponse, Status> =
            first(&channel, path, request(X509SvidRequest {}, metadata)).await;
        assert_eq!(answer.map(|_| ()).unwrap_err().code(), code, "{path} {metadata:?}");
    }
}

#[tokio::test]
async fn another_user_is_hung_up_on_unanswered() {
    let folder = private_folder();
    let socket = folder.path().join("api.sock");
    let mut bound = WorkloadApiSocket::bind(&socket).unwrap();
    bound.uid = bound.uid.wrapping_add(1);
    let (_stop, stopped) = watch::channel(false);
    let authority = authority();
    tokio::spawn(async move { bound.serve(&authority, planner(), stopped).await });
    let mut stream = UnixStream::connect(&socket).await.unwrap();
    let mut answer = Vec::new();
    // A server of HTTP/2 speaks first; this one closes, at once or by a reset.
    let read = timeout(PATIENCE, stream.read_to_end(&mut answer)).await;
    assert!(read.is_ok(), "the connection is closed");
    assert!(answer.is_empty(), "{} bytes", answer.len());
}

#[tokio::test]
async fn the_socket_is_this_users_alone() {
    let folder = private_folder();
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;

    let socket = folder.path().join("new/api.sock");
    let bound = WorkloadApiSocket::bind(&socket).unwrap();
    assert_eq!(mode(&socket), 0o600);
    assert_eq!(mode(socket.parent().unwrap()), 0o700);
    assert_eq!(bound.path(), socket);
    assert_eq!(bound.endpoint(), format!("unix://{}", socket.display()));

    let taken = WorkloadApiSocket::bind(&socket).map(|_| ());
    assert!(matches!(taken, Err(AuthorityError::PathTaken { .. })));
    drop(bound);
    assert!(!socket.exists(), "the file goes with the socket");

    for (open, refused) in [(0o700, false), (0o710, true), (0o701, true), (0o755, true)] {
        let parent = folder.path().join(format!("{open:o}"));
        fs::create_dir(&parent).unwrap();
        fs::set_permissions(&parent, fs::Permissions::from_mode(open)).unwrap();
        let bound = WorkloadApiSocket::bind(&parent.join("api.sock")).map(|_| ());
        let is_refused = matches!(bound, Err(AuthorityError::FolderOpen { .. }));
        assert_eq!(is_refused, refused, "{open:o}: {bound:?}");
    }
}

#[tokio::test]
async fn a_dead_socket_is_replaced_and_anything_else_is_left_alone() {
    let folder = private_folder();
    let socket = folder.path().join("dead.sock");
    drop(std::os::unix::net::UnixListener::bind(&socket).unwrap());
    assert!(socket.exists());
    assert!(WorkloadApiSocket::bind(&socket).is_ok());

    let file = folder.path().join("file");
    fs::write(&file, "precious").unwrap();
    let refused = WorkloadApiSocket::bind(&file).map(|_| ());
    assert!(matches!(refused, Err(AuthorityError::PathTaken { .. })));
    assert_eq!(fs::read_to_string(&file).unwrap(), "precious");

    let long = folder.path().join("x".repeat(120));
    let refused = WorkloadApiSocket::bind(&long).map(|_| ());
    assert!(matches!(refused, Err(AuthorityError::Socket { .. })));
}

#[tokio::test]
async fn an_id_of_another_trust_domain_is_not_served() {
    let folder = private_folder();
    let bound = WorkloadApiSocket::bind(&folder.path().join("api.sock")).unwrap();
    let (_stop, stopped) = watch::channel(false);
    let authority = authority();
    let foreign = SpiffeId::parse("spiffe://b.test/planner").unwrap();
    let served = timeout(PATIENCE, bound.serve(&authority, foreign, stopped));
    assert!(matches!(served.await.unwrap(), Err(AuthorityError::Foreign { .. })));
}
