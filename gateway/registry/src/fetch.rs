//! From a name and a digest to proved bytes in memory.
//!
//! What holds:
//! - bytes are returned only when their SHA-256 is the pinned one; it is computed while they stream in;
//! - no file is written, no redirect followed, no proxy of the environment used, no connection kept: every fetch proves the registry's
//!   SVID anew against the bundle of that moment;
//! - concurrent fetches of one capability are one fetch, which outlives a caller that stops waiting.
//!
//! Bounded: bytes of one capability, fetches at once, the whole duration of a fetch, the cache.
//!
//! Absent on purpose, for now: retries, a breaker, signatures, OCI registries. Interface: `GET
//! /api/v1/registry/capabilities/{urn}/download`, the name escaped as one path segment.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use parking_lot::Mutex;
use reqwest::{Client, StatusCode, redirect};
use sha2::{Digest as _, Sha256};
use tokio::sync::{Semaphore, watch};

use crate::cache::Cache;
use crate::{Base, Digest, FetchError, Urn};

/// The bounds of a [`Registry`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FetchLimits {
    /// Bytes of one capability; 10,485,760, as the runtimes that publish there allow.
    pub capability_bytes: usize,
    /// Bytes of all capabilities kept in memory; 64 MiB: some dozens of ordinary modules.
    pub cache_bytes: usize,
    /// Until the TCP and TLS handshakes are done; 3 s.
    pub connect_timeout: Duration,
    /// For the whole fetch, waiting for a place included; 10 s.
    pub deadline: Duration,
    /// Fetches at once; 4: with the first limit, at most 40 MiB of bytes that are not proved yet.
    pub concurrent: usize,
}

impl Default for FetchLimits {
    fn default() -> Self {
        Self {
            capability_bytes: 10_485_760,
            cache_bytes: 64 << 20,
            connect_timeout: Duration::from_secs(3),
            deadline: Duration::from_secs(10),
            concurrent: 4,
        }
    }
}

/// One registry, and what was fetched from it. Cheap to clone; clones share everything.
#[derive(Clone)]
pub struct Registry(Arc<Inner>);

struct Inner {
    base: Base,
    client: Client,
    limits: FetchLimits,
    places: Semaphore,
    cache: Mutex<Cache>,
    flights: Mutex<HashMap<(Urn, Digest), Flight>>,
}

type Outcome = Result<Bytes, FetchError>;
type Flight = watch::Receiver<Option<Outcome>>;

impl Registry {
    /// A registry at `base`, reached with `tls`: our SVID, and a verifier that accepts the registry's exact SPIFFE ID. Connects to nothing yet.
    ///
    /// # Errors
    /// [`SetupError`] where no client can be made of `tls`.
    pub fn new(base: Base, tls: rustls::ClientConfig, limits: FetchLimits) -> Result<Self, SetupError> {
        let client = Client::builder()
            .tls_backend_preconfigured(tls)
            .https_only(true)
            .redirect(redirect::Policy::none())
            .no_proxy()
            .referer(false)
            .pool_max_idle_per_host(0)
            .connect_timeout(limits.connect_timeout)
            .timeout(limits.deadline)
            .build()
            .map_err(|error| SetupError(error.to_string()))?;
        Ok(Self(Arc::new(Inner {
            base,
            client,
            places: Semaphore::new(limits.concurrent.max(1)),
            cache: Mutex::new(Cache::new(limits.cache_bytes)),
            flights: Mutex::new(HashMap::new()),
            limits,
        })))
    }

    /// The bytes of `urn`, whose SHA-256 is `digest`. Bytes that are in memory already are returned without asking the registry, under whatever
    /// name they came: the digest says what they are.
    ///
    /// Must be called within a tokio runtime. Dropping the future does not end a fetch that others wait for.
    ///
    /// # Errors
    /// [`FetchError`]; nothing is kept of a fetch that failed.
    pub async fn fetch(&self, urn: &Urn, digest: &Digest) -> Result<Bytes, FetchError> {
        let mut flight = match self.find(urn, digest) {
            Found::Here(bytes) => return Ok(bytes),
            Found::Flying(flight) => flight,
        };
        match flight.wait_for(Option::is_some).await {
            Ok(outcome) => outcome.clone().unwrap_or(Err(FetchError::Interrupted)),
            // The task ended without an outcome: the runtime is being shut down.
            Err(_) => Err(FetchError::Interrupted),
        }
    }

    /// Capabilities in memory, and their bytes together.
    #[must_use]
    pub fn held(&self) -> (usize, usize) {
        self.0.cache.lock().held()
    }

    /// The bytes, or the flight that brings them, started if there is none. Both are looked up under the lock of the flights, which a flight
    /// leaves only after its bytes are in the cache: so nobody starts a second one.
    fn find(&self, urn: &Urn, digest: &Digest) -> Found {
        let key = (urn.clone(), *digest);
        let mut flights = self.0.flights.lock();
        if let Some(bytes) = self.0.cache.lock().get(digest) {
            return Found::Here(bytes);
        }
        // A flight whose task has gone without landing (its runtime ended) is not joined but replaced.
        if let Some(flight) = flights.get(&key).filter(|flight| flight.has_changed().is_ok()) {
            return Found::Flying(flight.clone());
        }
        let (land, flight) = watch::channel(None);
        flights.insert(key.clone(), flight.clone());
        let inner = Arc::clone(&self.0);
        tokio::spawn(async move {
            let outcome = inner.fetch_within_deadline(&key.0, &key.1).await;
            if let Ok(bytes) = &outcome {
                inner.cache.lock().keep(key.1, bytes.clone());
            }
            inner.flights.lock().remove(&key);
            land.send_replace(Some(outcome));
        });
        Found::Flying(flight)
    }
}

enum Found {
    Here(Bytes),
    Flying(Flight),
}

impl Inner {
    async fn fetch_within_deadline(&self, urn: &Urn, digest: &Digest) -> Outcome {
        let whole = async {
            // Never closed, so a place always comes, or the deadline does.
            let _place = self.places.acquire().await.map_err(|_| FetchError::Interrupted)?;
            self.stream(urn, digest).await
        };
        match tokio::time::timeout(self.limits.deadline, whole).await {
            Ok(outcome) => outcome,
            Err(_) => Err(self.timed_out()),
        }
    }

    async fn stream(&self, urn: &Urn, digest: &Digest) -> Outcome {
        let limit = self.limits.capability_bytes;
        let mut answer =
            self.client.get(self.base.download(urn)).send().await.map_err(|error| self.no_answer(&error))?;
        match answer.status() {
            StatusCode::OK => {}
            StatusCode::NOT_FOUND | StatusCode::GONE => return Err(FetchError::UnknownUrn),
            other => {
                return Err(FetchError::Status { status: other.as_u16() });
            }
        }
        let told = answer.content_length().map(|length| usize::try_from(length).unwrap_or(usize::MAX));
        if told.is_some_and(|length| length > limit) {
            return Err(FetchError::TooLarge { limit });
        }
        let mut bytes = BytesMut::with_capacity(told.unwrap_or_default());
        let mut hash = Sha256::new();
        while let Some(piece) = answer.chunk().await.map_err(|error| self.broken(&error))? {
            if piece.len() > limit - bytes.len() {
                return Err(FetchError::TooLarge { limit });
            }
            hash.update(&piece);
            bytes.extend_from_slice(&piece);
        }
        let actual = Digest::finish(hash);
        if actual == *digest {
            Ok(bytes.freeze())
        } else {
            Err(FetchError::DigestMismatch { expected: *digest, actual })
        }
    }

    /// Before the answer: with TLS 1.3 a server that refuses our certificate says so only after the client's handshake is done, so
    /// that is not told from a connection that could not be made.
    fn no_answer(&self, error: &reqwest::Error) -> FetchError {
        if error.is_timeout() && !error.is_connect() { self.timed_out() } else { FetchError::Unreachable }
    }

    /// Within the answer.
    fn broken(&self, error: &reqwest::Error) -> FetchError {
        if error.is_timeout() { self.timed_out() } else { FetchError::Interrupted }
    }

    fn timed_out(&self) -> FetchError {
        FetchError::TimedOut { milliseconds: u64::try_from(self.limits.deadline.as_millis()).unwrap_or(u64::MAX) }
    }
}

/// No HTTP client could be made.
#[derive(Clone, Debug, thiserror::Error)]
#[error("no client for the registry can be made: {0}; this is a mistake of the program, report it")]
pub struct SetupError(String);
