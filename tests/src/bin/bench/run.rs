//! The rounds.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context as _;
use tokio::io::{AsyncBufReadExt as _, BufReader, Lines};
use tokio::process::{ChildStdout, Command};
use tokio::time::timeout;

use crate::cores::{self, Core};
use crate::identities::Authority;
use crate::load::{Line, Measured};
use crate::process::{Meter, Process};
use crate::proxies::{Places, Proxy};
use crate::report::{Sample, table};
use crate::rows::Row;
use crate::scrape;

/// For the processes around one window to start and to end.
const OVERHEAD: Duration = Duration::from_secs(40);

/// How each window is measured.
#[derive(clap::Args)]
pub(crate) struct Windows {
    /// Seconds of each window.
    #[arg(long, default_value_t = 10.0)]
    pub(crate) seconds: f64,
    /// Seconds of load before each window.
    #[arg(long, default_value_t = 1.0)]
    pub(crate) warm_up: f64,
    /// Connections at once.
    #[arg(long, default_value_t = 32)]
    pub(crate) connections: usize,
    /// The release build of the gateway.
    #[arg(long, default_value = "target/release/bellgate")]
    pub(crate) bellgate: PathBuf,
    /// Envoy.
    #[arg(long, default_value = "envoy")]
    pub(crate) envoy: PathBuf,
    /// Keep the run's folder (configs, policy, Parquet files) and say where it is.
    #[arg(long)]
    keep: bool,
}

/// What `run` is told.
#[derive(clap::Args)]
pub(crate) struct Options {
    #[command(flatten)]
    windows: Windows,
    /// How often every row is measured.
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// Only these rows, comma-separated; the ratios need `envoy` among them. All where nothing is given.
    #[arg(long, value_enum, value_delimiter = ',')]
    rows: Vec<Row>,
}

impl Windows {
    fn check(&self) -> anyhow::Result<()> {
        anyhow::ensure!(self.seconds > 0.0 && self.seconds <= 600.0, "--seconds must lie between 0 and 600");
        anyhow::ensure!((0.0..=60.0).contains(&self.warm_up), "--warm-up must lie between 0 and 60 seconds");
        anyhow::ensure!((1..=1024).contains(&self.connections), "--connections must lie between 1 and 1024");
        cores::check()?;
        cores::pin(Core::Rest)
    }

    /// Checks the options, and does `work` in a folder of its own.
    pub(crate) async fn in_folder<T>(&self, work: impl AsyncFnOnce(&Path) -> anyhow::Result<T>) -> anyhow::Result<T> {
        self.check()?;
        let folder =
            tempfile::Builder::new().prefix("bellgate-bench-").permissions(Permissions::from_mode(0o700)).tempdir()?;
        let result = work(folder.path()).await;
        if self.keep {
            eprintln!("kept: {}", folder.keep().display());
        }
        result
    }
}

/// Measures every row in every round and prints the table.
pub(crate) async fn run(options: Options) -> anyhow::Result<()> {
    anyhow::ensure!((1..=100).contains(&options.rounds), "--rounds must lie between 1 and 100");
    let windows = &options.windows;
    let rounds = windows.in_folder(async |folder| rounds(&options, folder).await).await?;
    println!(
        "Medians over {} round(s) of {} s, {} connections, HTTP/1.1 kept alive, TLS 1.3 with client certificates, 1 KiB up and down.\n",
        options.rounds, windows.seconds, windows.connections
    );
    println!("{}", table(&rounds));
    Ok(())
}

async fn rounds(options: &Options, folder: &Path) -> anyhow::Result<Vec<Vec<Sample>>> {
    let bench = Bench::start(&options.windows, folder).await?;
    let mut rounds = Vec::new();
    for round in 0..options.rounds {
        let mut rows: Vec<Row> = if options.rows.is_empty() { Row::ALL.to_vec() } else { options.rows.clone() };
        let first = round.checked_rem(rows.len()).unwrap_or(0);
        rows.rotate_left(first);
        let mut samples = Vec::new();
        for row in rows {
            eprint!("round {} of {}, ", round.saturating_add(1), options.rounds);
            samples.push(bench.measure(row, None).await?);
        }
        rounds.push(samples);
    }
    Ok(rounds)
}

/// What all windows share: the upstream, the authority, the options.
pub(crate) struct Bench<'a> {
    windows: &'a Windows,
    places: Places,
    _upstream: Process,
}

impl<'a> Bench<'a> {
    /// Starts what all windows share in `folder`.
    pub(crate) async fn start(windows: &'a Windows, folder: &Path) -> anyhow::Result<Self> {
        let authority = Authority::start(folder).await?;
        let (upstream_process, upstream) = start_upstream().await?;
        let places = Places::new(folder, &windows.bellgate, &windows.envoy, upstream, authority)?;
        Ok(Self { windows, places, _upstream: upstream_process })
    }

    /// Measures one row once: in a closed loop, or at `rate` requests a second.
    pub(crate) async fn measure(&self, row: Row, rate: Option<f64>) -> anyhow::Result<Sample> {
        eprint!("{} ... ", row.name());
        let limit = Duration::from_secs_f64(self.windows.seconds + self.windows.warm_up) + OVERHEAD;
        let sample = timeout(limit, measure(self.windows, &self.places, row, rate))
            .await
            .with_context(|| format!("{}: no result within {limit:?}", row.name()))??;
        eprintln!("{} requests", sample.measured.answered);
        if let Some(failure) = &sample.measured.first_failure {
            eprintln!("  {} failures; the first: {failure}", sample.measured.failed);
        }
        Ok(sample)
    }
}

/// One proxy, one window, and the end of both.
async fn measure(options: &Windows, places: &Places, row: Row, rate: Option<f64>) -> anyhow::Result<Sample> {
    let Proxy { mut process, address, id, metrics } = Proxy::start(places, row)?;
    let mut command = Command::new(std::env::current_exe()?);
    command
        .arg("load")
        .args(["--target", &address.to_string(), "--expect", id])
        .args(["--workload-api", places.authority.caller_endpoint()])
        .arg("--envoy-authority")
        .arg(&places.envoy.authority)
        .args(["--connections", &options.connections.to_string()])
        .args(["--warm-up", &options.warm_up.to_string()])
        .args(["--seconds", &options.seconds.to_string()]);
    if let Some(rate) = rate {
        command.args(["--rate", &rate.to_string()]);
    }
    if let Some(label) = row.stated() {
        command.args(["--label", label]);
    }
    let mut load = Process::start("bellgate-bench load", command, Core::Rest, true)?;
    let mut lines = BufReader::new(load.stdout()?).lines();
    let meter = process.meter()?;
    let (measured, cpu_seconds) = tokio::select! {
        biased;
        error = process.ended() => return Err(error.context(row.name())),
        outcome = window(&mut lines, &meter) => outcome.with_context(|| format!("{}: the load generator failed", row.name()))?,
    };
    anyhow::ensure!(
        measured.answered > 0,
        "{}: not one request was answered; {:?}",
        row.name(),
        measured.first_failure
    );
    let events_dropped = match metrics {
        Some(listener) => scrape::events_dropped(listener).await?,
        None => 0,
    };
    process.stop().await?;
    load.stop().await?;
    Ok(Sample { row, measured, cpu_seconds, events_dropped })
}

async fn window(lines: &mut Lines<BufReader<ChildStdout>>, proxy: &Meter) -> anyhow::Result<(Measured, f64)> {
    let mut before = None;
    while let Some(line) = lines.next_line().await? {
        match serde_json::from_str(&line)? {
            Line::Window => before = Some(proxy.cpu_seconds()?),
            Line::Done(measured) => {
                let before = before.context("a result before its window")?;
                return Ok((measured, proxy.cpu_seconds()? - before));
            }
        }
    }
    anyhow::bail!("it ended without a result; see its messages above")
}

async fn start_upstream() -> anyhow::Result<(Process, std::net::SocketAddr)> {
    let mut command = Command::new(std::env::current_exe()?);
    command.arg("upstream");
    let mut process = Process::start("bellgate-bench upstream", command, Core::Rest, true)?;
    let mut lines = BufReader::new(process.stdout()?).lines();
    let line = lines.next_line().await?.context("the upstream said nothing")?;
    let address = line.strip_prefix("listening ").with_context(|| format!("the upstream said `{line}`"))?.parse()?;
    Ok((process, address))
}
