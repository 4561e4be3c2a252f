//! Where a registry is: an `https://` URL that names a host and, where it is shared, a path under which the interface lies.
//!
//! Plain HTTP is refused everywhere: the digest would still be proved, but who asks for what would be told to the network, and an answer
//! could be withheld by anyone on the way.

use std::fmt;
use std::str::FromStr;

use reqwest::Url;

use crate::Urn;

/// The base URL of a registry.
#[derive(Clone, PartialEq, Eq)]
pub struct Base(String);

impl Base {
    /// Reads `https://host[:port][/path]`.
    ///
    /// # Errors
    /// [`BaseError`]: no URL, another scheme, credentials, a query or a fragment in it.
    pub fn parse(text: &str) -> Result<Self, BaseError> {
        let url = Url::parse(text).map_err(|_| BaseError::NotUrl(text.to_owned()))?;
        if url.scheme() != "https" {
            return Err(BaseError::NotHttps(text.to_owned()));
        }
        if !url.username().is_empty() || url.password().is_some() {
            // The text is not repeated: it may hold a password.
            return Err(BaseError::Credentials);
        }
        if url.query().is_some() || url.fragment().is_some() {
            return Err(BaseError::MoreThanPath(text.to_owned()));
        }
        Ok(Self(url.as_str().trim_end_matches('/').to_owned()))
    }

    /// Where the bytes of `urn` are.
    pub(crate) fn download(&self, urn: &Urn) -> String {
        format!("{}{CAPABILITIES}{}{DOWNLOAD}", self.0, urn.path_segment())
    }
}

/// What stands before a capability's name in a path.
pub(crate) const CAPABILITIES: &str = "/api/v1/registry/capabilities/";
/// What stands after it.
pub(crate) const DOWNLOAD: &str = "/download";

impl fmt::Display for Base {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for Base {
    type Err = BaseError;

    fn from_str(text: &str) -> Result<Self, BaseError> {
        Self::parse(text)
    }
}

/// Why a text can't be the base URL of a registry.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BaseError {
    /// No URL at all.
    #[error("`{0}` is not a URL; write https://host:port")]
    NotUrl(String),
    /// `http://` or another scheme.
    #[error("`{0}` is not https; a registry is reached over mutual TLS alone, so write https://host:port")]
    NotHttps(String),
    /// `user:password@`.
    #[error("the registry's url holds credentials; take them out, the gateway shows its SVID")]
    Credentials,
    /// `?` or `#`.
    #[error("`{0}` has a query or a fragment; write https://host:port and at most a path")]
    MoreThanPath(String),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_a_capability_is() {
        let urn = Urn::parse("urn:x:a/../b?c").unwrap();
        for (base, url) in [
            ("https://r.test", "https://r.test/api/v1/registry/capabilities/urn:x:a%2F..%2Fb%253Fc/download"),
            ("https://R.test:443/", "https://r.test/api/v1/registry/capabilities/urn:x:a%2F..%2Fb%253Fc/download"),
            (
                "https://[::1]:9/mirror/",
                "https://[::1]:9/mirror/api/v1/registry/capabilities/urn:x:a%2F..%2Fb%253Fc/download",
            ),
        ] {
            let built = Base::parse(base).unwrap().download(&urn);
            assert_eq!(built, url);
            assert_eq!(Url::parse(&built).unwrap().as_str(), url, "the URL parser changes nothing");
        }
    }

    #[test]
    fn refused() {
        for (text, error) in [
            ("r.test", BaseError::NotUrl("r.test".into())),
            ("http://127.0.0.1:1", BaseError::NotHttps("http://127.0.0.1:1".into())),
            ("file:///etc", BaseError::NotHttps("file:///etc".into())),
            ("https://u:p@r.test", BaseError::Credentials),
            ("https://r.test/?x", BaseError::MoreThanPath("https://r.test/?x".into())),
            ("https://r.test/#x", BaseError::MoreThanPath("https://r.test/#x".into())),
        ] {
            assert_eq!(Base::parse(text).err(), Some(error));
        }
    }
}
