//! Asks a running gateway on its admin socket.
//!
//! What holds: one request on one connection; every way in which it can fail has a message of its own that says what to do.
//! What is bounded: the wait, [`PATIENCE`], and the answer, [`MOST`]. Absent on purpose: TCP, and anything that asks a second time.

use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, StatusCode};
use http_body_util::{BodyExt, Full, Limited};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::UnixStream;
use tokio::time::timeout;

use super::exit;
use crate::config;

/// An answer takes a file sync at most.
const PATIENCE: Duration = Duration::from_secs(10);
/// A chain of 2,000 observations with long labels fits.
const MOST: usize = 16 << 20;

/// Which gateway: by its config, or by its socket.
#[derive(clap::Args)]
#[group(id = "place", required = true, multiple = false)]
pub(crate) struct Place {
    /// The config of the gateway; its `admin.listen` is asked.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The admin socket itself.
    #[arg(long, value_name = "PATH")]
    socket: Option<PathBuf>,
}

/// What the gateway answered.
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) body: Value,
    /// The uid that the gateway's process runs as, by the kernel's word.
    pub(crate) uid: u32,
}

/// Why there is no answer that can be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AdminError {
    #[error(
        "{0}\n\nthe config could not be read, so neither could the place of its socket; `--socket` asks without it"
    )]
    Config(config::Report),
    #[error("`{}` has no `admin` section, so its gateway can't be asked; add one, with the uids of its operators", .0.display())]
    NoSection(PathBuf),
    #[error("there is no socket at `{}`; start the gateway, or name the config or socket of the one that runs", .0.display())]
    Absent(PathBuf),
    #[error("nobody listens at `{}` any more: the gateway that made it has ended; start it again", .0.display())]
    Left(PathBuf),
    #[error("uid {uid} may not open `{}`; run this as root, or as a user that its folder and mode let in", socket.display())]
    Closed { socket: PathBuf, uid: u32 },
    #[error(
        "the gateway refused uid {0}, which `admin.uids` of its config does not name; run this as a user that it names"
    )]
    Uid(u32),
    #[error("no answer from `{}` within {} s; look at the gateway's log", .0.display(), PATIENCE.as_secs())]
    Slow(PathBuf),
    #[error("talking to `{}` failed: {why}; look at the gateway's log", socket.display())]
    Broken { socket: PathBuf, why: String },
    #[error("the gateway answered {status}: {detail}")]
    Said { status: u16, detail: String },
    #[error("`{}` answered {what}, which is not what this version's gateways answer; is it the admin socket of one?", socket.display())]
    Foreign { socket: PathBuf, what: String },
}

impl AdminError {
    /// The status to end with.
    pub(crate) fn exit(&self) -> ExitCode {
        ExitCode::from(match self {
            Self::Config(_) | Self::NoSection(_) => exit::CONFIG,
            Self::Absent(_) | Self::Left(_) | Self::Slow(_) | Self::Broken { .. } => exit::UNAVAILABLE,
            Self::Closed { .. } | Self::Uid(_) => exit::NO_PERMISSION,
            Self::Said { status: 500.., .. } => exit::UNAVAILABLE,
            Self::Said { .. } => exit::USAGE,
            Self::Foreign { .. } => exit::PROTOCOL,
        })
    }
}

impl Place {
    /// The socket to ask.
    ///
    /// # Errors
    ///
    /// When the config can't be read, or has no admin listener.
    pub(crate) fn socket(&self) -> Result<PathBuf, AdminError> {
        let Some(file) = &self.config else { return Ok(self.socket.clone().unwrap_or_default()) };
        let loaded = config::load(file).map_err(AdminError::Config)?;
        loaded.config.admin.map(|admin| admin.socket).ok_or_else(|| AdminError::NoSection(file.clone()))
    }

    /// The flags that name the same gateway again, for a hint.
    pub(crate) fn flags(&self) -> String {
        match (&self.config, &self.socket) {
            (Some(file), _) => format!("--config {}", file.display()),
            (None, Some(socket)) => format!("--socket {}", socket.display()),
            (None, None) => String::new(),
        }
    }
}

/// Asks once, from a thread of its own making; a status other than 200 is an error with the gateway's own words.
///
/// # Errors
///
/// [`AdminError`], for every way in which this can fail.
pub(crate) fn ask(socket: &Path, method: Method, path: &str, body: Option<&Value>) -> Result<Answer, AdminError> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| AdminError::Broken { socket: socket.to_owned(), why: error.to_string() })?;
    runtime.block_on(ask_within(socket, method, path, body))
}

/// The same, on the runtime that there is.
///
/// # Errors
///
/// As [`ask`].
pub(crate) async fn ask_within(
    socket: &Path,
    method: Method,
    path: &str,
    body: Option<&Value>,
) -> Result<Answer, AdminError> {
    let answer = timeout(PATIENCE, exchange(socket, method, path, body))
        .await
        .map_err(|_| AdminError::Slow(socket.to_owned()))??;
    let detail = || answer.body.get("detail").and_then(Value::as_str).unwrap_or("and nothing more").to_owned();
    match answer.status {
        StatusCode::OK => Ok(answer),
        StatusCode::FORBIDDEN => Err(AdminError::Uid(own_uid())),
        status => Err(AdminError::Said { status: status.as_u16(), detail: detail() }),
    }
}

async fn exchange(socket: &Path, method: Method, path: &str, body: Option<&Value>) -> Result<Answer, AdminError> {
    let stream = UnixStream::connect(socket).await.map_err(|error| unreachable_because(socket, &error))?;
    let uid = stream.peer_cred().map_err(|error| broken(socket, &error))?.uid();
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(|error| broken(socket, &error))?;
    let driver = tokio::spawn(connection);
    let mut request = Request::builder().method(method).uri(path).header("host", "admin");
    if body.is_some() {
        request = request.header("content-type", "application/json");
    }
    let bytes = body.map(Value::to_string).unwrap_or_default();
    let request = request.body(Full::new(Bytes::from(bytes))).map_err(|error| broken(socket, &error))?;
    let response = sender.send_request(request).await.map_err(|error| broken(socket, &error))?;
    let (head, body) = response.into_parts();
    let body = Limited::new(body, MOST).collect().await.map_err(|error| broken(socket, &*error))?.to_bytes();
    driver.abort();
    let body = serde_json::from_slice(&body).map_err(|_| AdminError::Foreign {
        socket: socket.to_owned(),
        what: format!("{} without JSON", head.status),
    })?;
    Ok(Answer { status: head.status, body, uid })
}

fn unreachable_because(socket: &Path, error: &io::Error) -> AdminError {
    let path = socket.to_owned();
    let is = |kind| error.kind() == kind;
    if is(io::ErrorKind::NotFound) {
        AdminError::Absent(path)
    } else if is(io::ErrorKind::ConnectionRefused) {
        AdminError::Left(path)
    } else if is(io::ErrorKind::PermissionDenied) {
        AdminError::Closed { socket: path, uid: own_uid() }
    } else {
        AdminError::Broken { socket: path, why: error.to_string() }
    }
}

fn broken(socket: &Path, error: &(impl std::error::Error + ?Sized)) -> AdminError {
    AdminError::Broken { socket: socket.to_owned(), why: error.to_string() }
}

fn own_uid() -> u32 {
    rustix::process::geteuid().as_raw()
}
