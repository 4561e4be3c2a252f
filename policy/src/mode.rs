//! Access modes: which ways information flows in a request. Source: Bell & LaPadula's `read`, `append`, `write`, `execute`.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::name::shortened;

/// How a subject reaches an object.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mode {
    /// Object to subject; and, since a target and headers are sent, subject to object.
    Observe,
    /// Subject to object, and nothing back.
    Append,
    /// Both ways.
    Alter,
    /// Arguments into a capability and its result back: both ways.
    Execute,
}

/// A text that names no access mode.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not an access mode: write `observe`, `append`, `alter` or `execute`")]
pub struct UnknownMode(String);

impl Mode {
    /// All modes, in the order of their declaration.
    pub const ALL: [Self; 4] = [Self::Observe, Self::Append, Self::Alter, Self::Execute];

    /// The mode as policy files, records and metrics spell it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Observe => "observe",
            Self::Append => "append",
            Self::Alter => "alter",
            Self::Execute => "execute",
        }
    }

    /// Whether information flows from the object to the subject, so that simple security must hold.
    #[must_use]
    pub fn reads(self) -> bool {
        match self {
            Self::Observe | Self::Alter | Self::Execute => true,
            Self::Append => false,
        }
    }
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Mode {
    type Err = UnknownMode;

    fn from_str(text: &str) -> Result<Self, UnknownMode> {
        Self::ALL.into_iter().find(|mode| mode.as_str() == text).ok_or_else(|| UnknownMode(shortened(text)))
    }
}
