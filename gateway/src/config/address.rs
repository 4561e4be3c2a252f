//! The forms of address that a config file knows: `host:port`, `ip:port`, `unix:/path`.
//!
//! Refused on purpose: relative socket paths (they depend on where the program was started), paths that `sockaddr_un` can't hold
//! (`unix(7)`: 108 bytes with the closing NUL), abstract sockets (no file mode protects them), port 0 where others have to find the port.

use std::fmt;
use std::net::SocketAddr;
use std::path::{Component, Path, PathBuf};

/// The longest socket path in bytes: `sun_path` less the closing NUL.
pub(crate) const SOCKET_PATH_BYTES: usize = 107;

/// A host to resolve, or an address, with its port.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct HostPort {
    host: String,
    port: u16,
}

impl HostPort {
    /// Reads `host:port`, `1.2.3.4:port` or `[::1]:port`.
    pub(crate) fn parse(text: &str) -> Result<Self, AddressError> {
        if let Ok(address) = text.parse::<SocketAddr>() {
            return Self::new(address.ip().to_string(), address.port(), text);
        }
        let (host, port) = text.rsplit_once(':').ok_or_else(|| AddressError::NoPort(text.to_owned()))?;
        if !is_host_name(host) {
            return Err(AddressError::BadHost(host.to_owned()));
        }
        let port = port.parse::<u16>().map_err(|_| AddressError::BadPort(port.to_owned()))?;
        Self::new(host.to_ascii_lowercase(), port, text)
    }

    /// A DNS name that the policy has checked, with a port.
    pub(crate) fn of_name(name: &str, port: u16) -> Self {
        Self { host: name.to_ascii_lowercase(), port }
    }

    fn new(host: String, port: u16, text: &str) -> Result<Self, AddressError> {
        if port == 0 {
            return Err(AddressError::PortZero(text.to_owned()));
        }
        Ok(Self { host, port })
    }

    /// The host without brackets: a name in lower case, or an address.
    pub(crate) fn host(&self) -> &str {
        &self.host
    }

    /// The port, never 0.
    pub(crate) fn port(&self) -> u16 {
        self.port
    }
}

impl fmt::Display for HostPort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

/// A TCP address or a Unix socket to connect to.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum TcpOrUnix {
    /// `127.0.0.1:9000`.
    Tcp(SocketAddr),
    /// `unix:/run/app.sock`.
    Unix(PathBuf),
}

impl TcpOrUnix {
    /// Reads `ip:port` or `unix:/path`.
    pub(crate) fn parse(text: &str) -> Result<Self, AddressError> {
        if text.starts_with("unix:") { parse_unix(text).map(Self::Unix) } else { parse_tcp(text).map(Self::Tcp) }
    }
}

impl fmt::Display for TcpOrUnix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => write!(f, "{address}"),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

/// Reads `ip:port`. Names are refused: a listener that depends on a resolver opens where the resolver says.
pub(crate) fn parse_tcp(text: &str) -> Result<SocketAddr, AddressError> {
    let address = text.parse::<SocketAddr>().map_err(|_| AddressError::NotTcp(text.to_owned()))?;
    if address.port() == 0 { Err(AddressError::PortZero(text.to_owned())) } else { Ok(address) }
}

/// Reads `unix:/path` or `unix:///path` to the path.
pub(crate) fn parse_unix(text: &str) -> Result<PathBuf, AddressError> {
    let rest = text.strip_prefix("unix:").ok_or_else(|| AddressError::NotUnix(text.to_owned()))?;
    let path = match rest.strip_prefix("//") {
        Some(path) if path.starts_with('/') => path,
        Some(_) => return Err(AddressError::Relative(text.to_owned())),
        None => rest,
    };
    if !path.starts_with('/') {
        return Err(AddressError::Relative(text.to_owned()));
    }
    if path.contains('\0')
        || path.ends_with('/')
        || Path::new(path).components().any(|part| part == Component::ParentDir)
    {
        return Err(AddressError::BadPath(text.to_owned()));
    }
    if path.len() > SOCKET_PATH_BYTES {
        return Err(AddressError::PathTooLong { length: path.len() });
    }
    Ok(PathBuf::from(path))
}

/// RFC 1123 section 2.1: labels of letters, digits and hyphens, at most 63 bytes each and 253 together.
fn is_host_name(host: &str) -> bool {
    host.len() <= 253
        && host.split('.').all(|label| {
            (1..=63).contains(&label.len())
                && !label.starts_with('-')
                && !label.ends_with('-')
                && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
        })
}

/// Why an address can't be used. Each says what to write instead.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub(crate) enum AddressError {
    /// Neither an address nor `host:port`.
    #[error("`{0}` has no port; write host:port, as in \"search.example.com:8443\"")]
    NoPort(String),
    /// Not a DNS name.
    #[error("`{0}` is neither a DNS name nor an IP address; an IPv6 address stands in brackets")]
    BadHost(String),
    /// Not 1 to 65535.
    #[error("`{0}` is not a port; write a number from 1 to 65535")]
    BadPort(String),
    /// Nobody could find it.
    #[error("`{0}` has port 0, which nobody could find; write a port from 1 to 65535")]
    PortZero(String),
    /// Not `ip:port`.
    #[error("`{0}` is not an IP address with a port; write ip:port, as in \"127.0.0.1:9000\"")]
    NotTcp(String),
    /// Not `unix:/path`.
    #[error("`{0}` is not a Unix socket; write unix: and an absolute path, as in \"unix:/run/bellgate/admin.sock\"")]
    NotUnix(String),
    /// A path that depends on the working directory, or an abstract socket.
    #[error("`{0}` has no absolute path; write unix: and a path that begins with /")]
    Relative(String),
    /// `..`, a trailing slash or a NUL.
    #[error("`{0}` has `..`, a trailing slash or a NUL in its path; write the path of the socket itself")]
    BadPath(String),
    /// `sun_path` can't hold it.
    #[error("the socket's path has {length} bytes, and the kernel holds {SOCKET_PATH_BYTES}; use a shorter folder")]
    PathTooLong {
        /// Bytes of the path.
        length: usize,
    },
}
