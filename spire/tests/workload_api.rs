//! The client of the Workload API against the development authority, over a real socket. Every wait is for an event.
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

use std::path::{Path, PathBuf};
use std::time::Duration;

use bellgate_policy::{SpiffeId, Timestamp};
use bellgate_spire::authority::{AuthorityError, DevelopmentAuthority, Options, WorkloadApiSocket};
use bellgate_spire::{Identity, Readiness, SourceEvent, check_endpoint, follow_workload_api, wall_clock};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::timeout;

const PATIENCE: Duration = Duration::from_secs(30);

fn planner() -> SpiffeId {
    SpiffeId::parse("spiffe://a.test/planner").unwrap()
}

fn authority(svid_ttl: Duration) -> DevelopmentAuthority {
    let options = Options { svid_ttl, ..Options::default() };
    DevelopmentAuthority::new("a.test", options).unwrap()
}

/// A served socket that goes when it is told to.
struct Served {
    stop: watch::Sender<bool>,
    task: JoinHandle<Result<(), AuthorityError>>,
}

impl Served {
    fn start(authority: &DevelopmentAuthority, socket: &Path) -> Self {
        let bound = WorkloadApiSocket::bind(socket).unwrap();
        let (stop, stopped) = watch::channel(false);
        let authority = authority.clone();
        let task = tokio::spawn(async move { bound.serve(&authority, planner(), stopped).await });
        Self { stop, task }
    }

    async fn end(self) {
        self.stop.send_replace(true);
        let ended = timeout(PATIENCE, self.task).await;
        ended.expect("it ends").unwrap().unwrap();
    }
}

/// A follower and what it tells.
struct Follower {
    identity: Identity,
    events: mpsc::UnboundedReceiver<SourceEvent>,
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
}

impl Follower {
    fn start(socket: &Path) -> Self {
        let identity = Identity::empty();
        let (tell, events) = mpsc::unbounded_channel();
        let (stop, stopped) = watch::channel(false);
        let endpoint = format!("unix://{}", socket.display());
        let followed = identity.clone();
        let task = tokio::spawn(async move {
            let tell = move |event| drop(tell.send(event));
            follow_workload_api(&endpoint, followed, tell, stopped).await;
        });
        Self { identity, events, stop, task }
    }

    /// The next event that `wanted` says something of; others are passed over.
    async fn next<T>(&mut self, mut wanted: impl FnMut(&SourceEvent) -> Option<T>) -> T {
        let seen = async {
            loop {
                let event = self.events.recv().await.expect("the follower lives");
                if let Some(found) = wanted(&event) {
                    return found;
                }
            }
        };
        timeout(PATIENCE, seen).await.expect("the event comes")
    }

    async fn updated(&mut self) -> (Timestamp, u64) {
        self.next(|event| {
            let SourceEvent::Updated { not_after, generation } = event else {
                return None;
            };
            Some((*not_after, *generation))
        })
        .await
    }

    async fn lost(&mut self) -> String {
        self.next(|event| {
            let SourceEvent::Lost { why, .. } = event else {
                return None;
            };
            Some(why.clone())
        })
        .await
    }

    async fn end(self) {
        self.stop.send_replace(true);
        let ended = timeout(PATIENCE, self.task).await;
        ended.expect("it ends").unwrap();
    }
}

fn run_folder() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("spire/agent.sock");
    (folder, socket)
}

#[tokio::test]
async fn the_first_svid_makes_it_ready() {
    let (_folder, socket) = run_folder();
    let served = Served::start(&authority(Duration::from_secs(60)), &socket);
    let mut follower = Follower::start(&socket);
    assert_eq!(follower.identity.readiness(wall_clock()), Readiness::NoSvid);
    let connected = follower.next(|event| Some(*event == SourceEvent::Connected)).await;
    assert!(connected, "the first event");
    let (not_after, generation) = follower.updated().await;
    assert_eq!(generation, 1);

    let identity = follower.identity.clone();
    let svid = identity.svid().unwrap();
    assert_eq!(svid.id, planner());
    assert_eq!(svid.not_after, not_after);
    assert_eq!(identity.bundles().trust_domains().collect::<Vec<_>>(), ["a.test"]);
    // From here on time is passed in.
    let life = not_after.0 - svid.not_before.0;
    let at = |left: u64| identity.readiness(Timestamp(not_after.0 - left));
    assert_eq!(at(life / 2), Readiness::Ready);
    assert_eq!(at(life / 5), Readiness::Ready);
    assert_eq!(at(life / 5 - 1), Readiness::ExpiresSoon);
    assert_eq!(at(0), Readiness::ExpiresSoon);
    assert_eq!(identity.readiness(Timestamp(not_after.0 + 1)), Readiness::Expired);
    assert_eq!(at(life / 2), Readiness::Expired, "a step back revives nothing");
    follower.end().await;
    served.end().await;
}

#[tokio::test]
async fn an_svid_is_replaced_before_it_expires() {
    let (_folder, socket) = run_folder();
    let served = Served::start(&authority(Duration::from_secs(2)), &socket);
    let mut follower = Follower::start(&socket);
    let mut seen = Vec::new();
    for _ in 0..4 {
        let (_, generation) = follower.updated().await;
        assert_eq!(generation, 1, "the bundles stayed as they were");
        let now = wall_clock();
        assert!(follower.identity.valid_svid(now).is_some(), "no gap");
        seen.push(follower.identity.svid().unwrap().serial_hash);
    }
    seen.sort_unstable();
    seen.dedup();
    assert_eq!(seen.len(), 4, "each one new");
    follower.end().await;
    served.end().await;
}

#[tokio::test]
async fn a_missing_socket_is_waited_for() {
    let (_folder, socket) = run_folder();
    let mut follower = Follower::start(&socket);
    for _ in 0..3 {
        let why = follower.lost().await;
        assert!(!why.is_empty());
        assert_eq!(follower.identity.readiness(wall_clock()), Readiness::NoSvid);
    }
    let served = Served::start(&authority(Duration::from_secs(60)), &socket);
    follower.updated().await;
    assert_eq!(follower.identity.readiness(wall_clock()), Readiness::Ready);
    follower.end().await;
    served.end().await;
}

#[tokio::test]
async fn what_came_last_stays_while_the_agent_is_away() {
    let (_folder, socket) = run_folder();
    let authority = authority(Duration::from_secs(60));
    let served = Served::start(&authority, &socket);
    let mut follower = Follower::start(&socket);
    let (not_after, _) = follower.updated().await;
    let before = follower.identity.svid().unwrap().serial_hash;
    served.end().await;
    follower.lost().await;
    assert!(!socket.exists(), "the socket goes with its server");
    follower.lost().await;
    assert_eq!(follower.identity.svid().unwrap().serial_hash, before);
    assert_eq!(follower.identity.readiness(wall_clock()), Readiness::Ready);

    let served = Served::start(&authority, &socket);
    let (newer, generation) = follower.updated().await;
    assert!(newer >= not_after);
    assert_eq!(generation, 1, "the same bundles are no new generation");
    assert_ne!(follower.identity.svid().unwrap().serial_hash, before);
    follower.end().await;
    served.end().await;
}

#[tokio::test]
async fn a_new_root_and_a_federated_bundle_reach_every_stream_at_once() {
    let (_folder, socket) = run_folder();
    // Long enough that half of a life never passes here: what comes, comes because of the change.
    let authority = authority(Duration::from_secs(3600));
    let served = Served::start(&authority, &socket);
    let mut followers = [Follower::start(&socket), Follower::start(&socket)];
    for follower in &mut followers {
        assert_eq!(follower.updated().await.1, 1);
    }
    let old = authority.roots();

    authority.rotate_root().unwrap();
    for follower in &mut followers {
        assert_eq!(follower.updated().await.1, 2);
        let bundles = follower.identity.bundles();
        assert_eq!(bundles.authorities("a.test").len(), 2);
        assert!(bundles.authorities("a.test").contains(&old[0]));
    }

    authority.retire_old_roots();
    for follower in &mut followers {
        assert_eq!(follower.updated().await.1, 3);
        let bundles = follower.identity.bundles();
        assert_eq!(bundles.authorities("a.test"), authority.roots());
        assert!(!bundles.authorities("a.test").contains(&old[0]));
    }

    let guests = DevelopmentAuthority::new("b.test", Options::default()).unwrap();
    authority.federate("b.test", guests.roots()).unwrap();
    for follower in &mut followers {
        assert_eq!(follower.updated().await.1, 4);
        let bundles = follower.identity.bundles();
        assert_eq!(bundles.trust_domains().collect::<Vec<_>>(), ["a.test", "b.test"]);
        assert_eq!(bundles.authorities("b.test"), guests.roots());
    }
    for follower in followers {
        follower.end().await;
    }
    served.end().await;
}

#[tokio::test]
async fn subscribers_hear_of_each_publication() {
    let authority = authority(Duration::from_secs(60));
    let identity = Identity::empty();
    let mut heard = identity.subscribe();
    for round in 1..=3 {
        let svid = authority.issue(&planner()).unwrap();
        identity.publish(svid, authority.trust_bundles().unwrap());
        timeout(PATIENCE, heard.changed()).await.unwrap().unwrap();
        assert_eq!(*heard.borrow_and_update(), round);
    }
    assert!(!heard.has_changed().unwrap());
}

#[test]
fn an_authority_issues_for_its_own_workloads_alone() {
    let authority = authority(Duration::from_secs(60));
    let id = |text| SpiffeId::parse(text).unwrap();
    assert!(authority.issue(&planner()).is_ok());
    for foreign in ["spiffe://b.test/planner", "spiffe://a.test"] {
        let refused = authority.issue(&id(foreign));
        assert!(matches!(refused, Err(AuthorityError::Foreign { .. })), "{foreign}");
    }
    for name in ["", "A.test", "a.test/x"] {
        let refused = DevelopmentAuthority::new(name, Options::default());
        assert!(matches!(refused, Err(AuthorityError::TrustDomain { .. })), "{name}");
    }
    let short = Options { svid_ttl: Duration::from_millis(999), ..Options::default() };
    let refused = DevelopmentAuthority::new("a.test", short);
    assert!(matches!(refused, Err(AuthorityError::TooShort { .. })));
}

#[test]
fn endpoints_are_absolute_unix_paths() {
    for (endpoint, good) in [
        ("unix:///run/spire/agent.sock", true),
        ("unix:/run/spire/agent.sock", true),
        ("unix://run/agent.sock", false),
        ("unix:agent.sock", false),
        ("unix:///", false),
        ("/run/spire/agent.sock", false),
        ("tcp://127.0.0.1:8081", false),
        ("https://agent.test", false),
        ("", false),
    ] {
        let checked = check_endpoint(endpoint);
        assert_eq!(checked.is_ok(), good, "{endpoint}");
        if let Err(error) = checked {
            assert!(error.to_string().contains(&format!("`{endpoint}`")), "{error}");
        }
    }
}
