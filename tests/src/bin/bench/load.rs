//! The load generator: kept-alive connections with client certificates, in a closed loop or, with `--rate`, an open one.
//!
//! Every connection is open and has had an answer before the window begins. Only what was both sent and answered inside
//! the window counts. In the open loop each connection sends at times that were fixed before, whatever came of the request
//! before, and a latency counts from when a request was due: what waits for a slow one is not left out (coordinated
//! omission). Timers tick once in a millisecond, which is the resolution of its latencies.

use std::io::Write as _;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use bellgate_policy::SpiffeId;
use rustls_pki_types::ServerName;
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::{Instant as Tick, Interval, MissedTickBehavior, interval_at};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::{identities, message};

/// For a proxy to start and have its identity.
const READY_WITHIN: Duration = Duration::from_secs(20);

/// What `load` is told.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// The proxy's listener.
    #[arg(long)]
    target: SocketAddr,
    /// The SPIFFE ID that the proxy must prove.
    #[arg(long)]
    expect: String,
    /// The Workload API that gives this process its SVID, as unix:///path.
    #[arg(long)]
    workload_api: String,
    /// The authority that signed Envoy's certificate, DER.
    #[arg(long)]
    envoy_authority: PathBuf,
    /// Connections at once.
    #[arg(long)]
    connections: usize,
    /// Seconds before the window.
    #[arg(long)]
    warm_up: f64,
    /// Seconds of the window.
    #[arg(long)]
    seconds: f64,
    /// Requests a second over all connections, due at fixed times; as many as are answered where left out.
    #[arg(long)]
    rate: Option<f64>,
    /// The label that every request states.
    #[arg(long)]
    label: Option<String>,
}

/// What the load generator says, one JSON object a line: first `Window`, then `Done`.
#[derive(Serialize, Deserialize)]
#[serde(tag = "phase", rename_all = "snake_case")]
pub(crate) enum Line {
    /// The window begins now.
    Window,
    /// The window is over.
    Done(Measured),
}

/// One window.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Measured {
    /// Requests answered with 200.
    pub(crate) answered: u64,
    /// Connections that broke and answers other than 200.
    pub(crate) failed: u64,
    /// Length of the window, in seconds, as measured.
    pub(crate) seconds: f64,
    /// Median latency in microseconds.
    pub(crate) p50_us: u32,
    /// 99th percentile in microseconds.
    pub(crate) p99_us: u32,
    /// The first failure, in words.
    pub(crate) first_failure: Option<String>,
}

/// Where the run is; every connection looks.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Phase {
    WarmUp,
    Window,
    Over,
}

/// Runs one window and prints its lines.
pub(crate) async fn run(options: Options) -> anyhow::Result<()> {
    let identity = identities::load_generator(&options.workload_api, &options.envoy_authority).await?;
    let expected = SpiffeId::parse(&options.expect).context("--expect is no SPIFFE ID")?;
    let tls = TlsConnector::from(bellgate_spire::client_config(&identity, &expected, &[b"http/1.1"]));
    let request: Arc<[u8]> = message::request("orders", options.label.as_deref())?.into();

    let (phase, phases) = watch::channel(Phase::WarmUp);
    let first = Connection::open_once_ready(&tls, options.target, &request).await?;
    let mut open = vec![first];
    for _ in 1..options.connections {
        open.push(Connection::open(&tls, options.target, Arc::clone(&request)).await?);
    }
    let turns = Turns::of(options.rate, options.connections);
    let connections: Vec<_> = (0_u32..)
        .zip(open)
        .map(|(number, connection)| tokio::spawn(connection.drive(phases.clone(), turns.of_connection(number))))
        .collect();
    tokio::time::sleep(Duration::from_secs_f64(options.warm_up)).await;
    say(&Line::Window)?;
    let began = Instant::now();
    phase.send_replace(Phase::Window);
    tokio::time::sleep(Duration::from_secs_f64(options.seconds)).await;
    phase.send_replace(Phase::Over);
    let seconds = began.elapsed().as_secs_f64();

    let mut tally = Tally::default();
    for connection in connections {
        tally.add(connection.await?);
    }
    say(&Line::Done(tally.measured(seconds)))
}

fn say(line: &Line) -> anyhow::Result<()> {
    let mut out = std::io::stdout();
    writeln!(out, "{}", serde_json::to_string(line)?)?;
    Ok(out.flush()?)
}

/// What one connection, or all of them, saw in the window.
#[derive(Default)]
struct Tally {
    latencies: Vec<u32>,
    failed: u64,
    first_failure: Option<String>,
}

impl Tally {
    fn add(&mut self, other: Self) {
        self.latencies.extend(other.latencies);
        self.failed += other.failed;
        self.first_failure = self.first_failure.take().or(other.first_failure);
    }

    fn measured(mut self, seconds: f64) -> Measured {
        self.latencies.sort_unstable();
        Measured {
            answered: u64::try_from(self.latencies.len()).unwrap_or(u64::MAX),
            failed: self.failed,
            seconds,
            p50_us: quantile(&self.latencies, 50),
            p99_us: quantile(&self.latencies, 99),
            first_failure: self.first_failure,
        }
    }
}

/// The nearest-rank quantile of sorted values; 0 of none.
fn quantile(sorted: &[u32], percent: usize) -> u32 {
    let rank = sorted.len().saturating_mul(percent).div_ceil(100).saturating_sub(1);
    sorted.get(rank).copied().unwrap_or(0)
}

/// When requests are due.
#[derive(Clone, Copy)]
struct Turns {
    /// Between two requests of one connection; `None` in a closed loop.
    every: Option<Duration>,
    /// Between the first requests of two connections.
    apart: Duration,
}

impl Turns {
    #[expect(clippy::cast_precision_loss, reason = "at most 1,024 connections")]
    fn of(rate: Option<f64>, connections: usize) -> Self {
        let apart = rate.map_or(Duration::ZERO, |rate| Duration::from_secs_f64(1.0 / rate));
        Self { every: rate.map(|rate| Duration::from_secs_f64(connections as f64 / rate)), apart }
    }

    /// The turns of one connection, as an interval that begins with its own first turn.
    fn of_connection(self, number: u32) -> Option<Interval> {
        let mut interval = interval_at(Tick::now() + self.apart * number, self.every?);
        interval.set_missed_tick_behavior(MissedTickBehavior::Burst);
        Some(interval)
    }
}

struct Connection {
    stream: TlsStream<TcpStream>,
    request: Arc<[u8]>,
    buffer: Vec<u8>,
}

impl Connection {
    /// Connects as soon as the proxy lets it: a sidecar listens, or answers, only once it has its SVID.
    async fn open_once_ready(tls: &TlsConnector, target: SocketAddr, request: &Arc<[u8]>) -> anyhow::Result<Self> {
        let deadline = Instant::now() + READY_WITHIN;
        loop {
            match Self::open(tls, target, Arc::clone(request)).await {
                Err(error) if Instant::now() > deadline => {
                    return Err(error.context(format!("the proxy is not ready after {} s", READY_WITHIN.as_secs())));
                }
                Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
                ready => return ready,
            }
        }
    }

    /// Connects and has one answer.
    async fn open(tls: &TlsConnector, target: SocketAddr, request: Arc<[u8]>) -> anyhow::Result<Self> {
        let stream = TcpStream::connect(target).await.with_context(|| format!("{target} does not accept"))?;
        stream.set_nodelay(true)?;
        let name = ServerName::try_from("bench.invalid")?;
        let stream = tls.connect(name, stream).await.context("the TLS handshake failed")?;
        let mut connection = Self { stream, request, buffer: Vec::with_capacity(8 * 1024) };
        connection.exchange().await.context("the first request failed")?;
        Ok(connection)
    }

    /// Sends and waits, again and again, until the window is over or something fails: a broken connection is told, not
    /// opened anew.
    async fn drive(mut self, phases: watch::Receiver<Phase>, mut turns: Option<Interval>) -> Tally {
        let mut tally = Tally::default();
        loop {
            let due = match &mut turns {
                Some(turns) => Some(turns.tick().await.into_std()),
                None => None,
            };
            let before = *phases.borrow();
            if before == Phase::Over {
                return tally;
            }
            let began = due.unwrap_or_else(Instant::now);
            let result = self.exchange().await;
            let took = began.elapsed();
            match result {
                Ok(()) if before == Phase::Window && *phases.borrow() == Phase::Window => {
                    tally.latencies.push(u32::try_from(took.as_micros()).unwrap_or(u32::MAX));
                }
                Ok(()) => {}
                Err(error) => {
                    tally.failed = 1;
                    tally.first_failure = Some(format!("{error:#}"));
                    return tally;
                }
            }
        }
    }

    async fn exchange(&mut self) -> anyhow::Result<()> {
        self.stream.write_all(&self.request).await?;
        self.stream.flush().await?;
        self.buffer.clear();
        loop {
            anyhow::ensure!(self.stream.read_buf(&mut self.buffer).await? > 0, "the connection was closed");
            let Some(length) = message::length(&self.buffer)? else { continue };
            if self.buffer.len() >= length {
                break;
            }
        }
        let ok = self.buffer.starts_with(b"HTTP/1.1 200 ");
        anyhow::ensure!(
            ok,
            "an answer other than 200: {}",
            String::from_utf8_lossy(self.buffer.get(..300).unwrap_or(&self.buffer))
        );
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_by_nearest_rank() {
        let values: Vec<u32> = (1..=100).collect();
        for (values, percent, expected) in [
            (&values[..], 50, 50),
            (&values[..], 99, 99),
            (&values[..1], 99, 1),
            (&values[..2], 50, 1),
            (&values[..0], 50, 0),
        ] {
            assert_eq!(quantile(values, percent), expected);
        }
    }
}
