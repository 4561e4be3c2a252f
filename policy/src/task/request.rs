//! What an orchestrator asks for, as it comes in.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::time::Duration;

use serde::de::{Error as _, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

use super::{Grant, MAX_TASK_BYTES, MAX_TASK_GRANTS, MAX_TASK_VALUES, TaskError};
use crate::document::duration_of;
use crate::mode::Mode;
use crate::pointer::Pointer;

/// What an orchestrator asks for (`Bellgate-Task`).
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TaskRequest {
    /// What the task may do.
    pub grants: Vec<TaskGrant>,
    /// How long, such as `10m`; the rule's own `life` where it is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub life: Option<String>,
}

/// One grant of a task.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TaskGrant {
    /// An object of the policy; what is under it is meant, too.
    pub object: String,
    /// Access modes; those of the rule where they are left out.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub modes: Vec<Mode>,
    /// By JSON Pointer into the body: the strings that may stand there.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty", deserialize_with = "each_key_once")]
    pub values: BTreeMap<String, Vec<String>>,
}

/// The least that a task can live.
const LEAST_LIFE: Duration = Duration::from_secs(1);

impl TaskRequest {
    /// Reads a request.
    pub(super) fn parse(text: &str) -> Result<Self, TaskError> {
        if text.len() > MAX_TASK_BYTES {
            return Err(TaskError::TooLong(text.len()));
        }
        serde_json::from_str(text).map_err(|error| TaskError::Malformed(error.to_string()))
    }

    /// How long it is to live, where it says so.
    pub(super) fn life(&self) -> Result<Option<Duration>, TaskError> {
        let Some(text) = &self.life else {
            return Ok(None);
        };
        match duration_of(text) {
            Ok(life) if life >= LEAST_LIFE => Ok(Some(life)),
            Ok(_) => Err(TaskError::Life(format!("`{}` is less than a second", crate::name::shortened(text)))),
            Err(help) => Err(TaskError::Life(format!(
                "`{}` is not a duration such as `10m`: {help}",
                crate::name::shortened(text)
            ))),
        }
    }
}

/// Holds the limits of this module.
pub(super) fn check_numbers(grants: &[TaskGrant]) -> Result<(), TaskError> {
    if grants.is_empty() {
        return Err(TaskError::NoGrants);
    }
    if grants.len() > MAX_TASK_GRANTS {
        return Err(TaskError::TooManyGrants(grants.len()));
    }
    for (index, grant) in grants.iter().enumerate() {
        // A pointer counts as well, so that empty lists cost something, too.
        let given: usize = grant.values.values().map(|texts| texts.len().max(1)).sum();
        if given > MAX_TASK_VALUES {
            return Err(TaskError::TooManyValues { at: format!("grants[{index}]"), given });
        }
    }
    Ok(())
}

/// Reads one grant, whatever the policy says of it.
pub(super) fn read(at: &str, asked: &TaskGrant) -> Result<Grant, TaskError> {
    let mut pins = Vec::new();
    for (pointer, texts) in &asked.values {
        let pointer = Pointer::parse(pointer).map_err(|error| TaskError::Pointer { at: at.to_owned(), error })?;
        pins.push((pointer, texts.iter().cloned().collect::<BTreeSet<_>>()));
    }
    for (index, mode) in asked.modes.iter().enumerate() {
        if asked.modes.iter().take(index).any(|before| before == mode) {
            return Err(TaskError::ModeTwice { at: at.to_owned(), mode: *mode });
        }
    }
    Ok(Grant { object: asked.object.clone(), modes: asked.modes.clone(), pins })
}

/// Names for a person: quoted, each once, at most 16 of them.
pub(super) fn listed<'a>(names: impl Iterator<Item = &'a str>) -> String {
    const SHOWN: usize = 16;
    let names: BTreeSet<&str> = names.collect();
    let mut text = names.iter().take(SHOWN).map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
    if names.len() > SHOWN {
        text.push_str(&format!(" and {} more", names.len() - SHOWN));
    }
    text
}

/// Of a key that stands twice, nobody can say which was meant.
fn each_key_once<'de, D: Deserializer<'de>>(deserializer: D) -> Result<BTreeMap<String, Vec<String>>, D::Error> {
    struct EachOnce;
    impl<'de> Visitor<'de> for EachOnce {
        type Value = BTreeMap<String, Vec<String>>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("JSON Pointers with lists of texts")
        }

        fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Self::Value, A::Error> {
            let mut values = BTreeMap::new();
            while let Some((pointer, texts)) = members.next_entry::<String, Vec<String>>()? {
                if values.insert(pointer, texts).is_some() {
                    return Err(A::Error::custom("a pointer stands twice in `values`"));
                }
            }
            Ok(values)
        }
    }
    deserializer.deserialize_map(EachOnce)
}
