//! All that is wrong with a config and with the files that it names, told together.

use std::fmt;
use std::path::{Path, PathBuf};

use bellgate_policy::{Diagnostic, Diagnostics};

/// Every mistake that was found. Never empty where it is an error.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Report(Vec<Mistake>);

/// One thing that is wrong.
#[derive(Clone, PartialEq, Eq, Debug)]
enum Mistake {
    /// At a place of a YAML file.
    Placed(Diagnostic),
    /// Of a file as a whole, or of one whose places are not lines and columns.
    Of {
        /// The file.
        file: PathBuf,
        /// What is wrong, and what to do.
        message: String,
    },
}

impl Report {
    /// A report without a mistake so far.
    pub(super) fn empty() -> Self {
        Self(Vec::new())
    }

    /// A report of one file that can't be used at all.
    pub(super) fn of_file(file: &Path, message: impl fmt::Display) -> Self {
        Self(vec![Mistake::Of { file: file.to_owned(), message: message.to_string() }])
    }

    /// Adds what is wrong with a YAML file.
    pub(super) fn add(&mut self, mistakes: Diagnostics) {
        self.0.extend(mistakes.0.into_iter().map(Mistake::Placed));
    }

    /// Adds what is wrong with a file as a whole.
    pub(super) fn add_of(&mut self, file: &Path, message: impl fmt::Display) {
        self.0.push(Mistake::Of { file: file.to_owned(), message: message.to_string() });
    }

    /// Adds another report's mistakes.
    pub(super) fn append(&mut self, other: Self) {
        self.0.extend(other.0);
    }

    /// What to return where `value` could be made of it all.
    pub(super) fn unless_empty<T>(self, value: Option<T>) -> Result<T, Self> {
        match value {
            Some(value) if self.0.is_empty() => Ok(value),
            Some(_) | None => Err(self),
        }
    }

    /// How many mistakes there are.
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, mistake) in self.0.iter().enumerate() {
            if number > 0 {
                f.write_str("\n")?;
            }
            match mistake {
                Mistake::Placed(diagnostic) => write!(f, "{diagnostic}")?,
                Mistake::Of { file, message } => write!(f, "{}: {message}", file.display())?,
            }
        }
        Ok(())
    }
}

impl std::error::Error for Report {}
