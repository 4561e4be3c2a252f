//! The offline questions: what `bellgate policy decide` answers, for authors, CI and comparison with other programs.
//!
//! **What holds.** The verdict is [`crate::decide`]'s own, as the caller's gateway would ask; with `rule`, as the other one
//! would. A current label that is given must lie between floor and clearance like one that a gateway states, whether or not
//! the policy says that a gateway speaks for the subject; where none is given, a fresh instance is meant, whose current
//! label is the floor. Without a body, what depends on it is taken to hold, as a gateway does before it reads one; with a
//! body, an object that names others by its values is resolved by it. The body is taken as validated.
//!
//! **What is bounded.** A line: [`MAX_LINE_BYTES`].
//!
//! **What is absent on purpose.** Reading and printing: texts and the time come in, texts go out.

mod explanation;
mod line;

use std::sync::Arc;

use serde_json::Value;

use crate::content::Content;
use crate::decide::{Asked, Question, Standing, suppose};
use crate::document::closest;
use crate::downgrade::{RuleKind, UnknownRuleKind};
use crate::lattice::LabelError;
use crate::mode::{Mode, UnknownMode};
use crate::name::{Name, shortened};
use crate::object::Object;
use crate::objects::Objects;
use crate::policy::Policy;
use crate::record::VerdictRecord;
use crate::spiffe_id::{SpiffeId, SpiffeIdError};
use crate::task::{Task, TaskError};
use crate::timestamp::{NoInstant, Timestamp};
use crate::verdict::Verdict;

pub use explanation::explain;
pub use line::{LineAnswer, LineError, MAX_LINE_BYTES, answer_line, summary};

/// A question in words.
#[derive(Clone, PartialEq, Eq, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Inquiry {
    /// A subject's name in the policy, or a SPIFFE ID.
    pub subject: String,
    /// An object's name: `upstream`, `upstream/route`, `upstream/route/case` or `capability`.
    pub object: String,
    /// An access mode.
    pub mode: String,
    /// The current label, categories in any order; the floor where it is left out.
    #[serde(default)]
    pub current: Option<String>,
    /// The target, path with query, for rules with path templates.
    #[serde(default)]
    pub target: Option<String>,
    /// The body, for objects that it names and values that a task pins.
    #[serde(default)]
    pub body: Option<Value>,
    /// The kind of rule under which another gateway states `current`.
    #[serde(default)]
    pub rule: Option<String>,
    /// Who gave the task: a subject's name or a SPIFFE ID. With `task`, and only with it.
    #[serde(default)]
    pub orchestrator: Option<String>,
    /// The task, as `Bellgate-Task` has it.
    #[serde(default)]
    pub task: Option<Value>,
    /// The time of the question, RFC 3339 in UTC; the one that is passed in where it is left out.
    #[serde(default)]
    pub at: Option<String>,
}

/// Why a question can't be understood.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InquiryError {
    /// Neither a name of the policy nor a SPIFFE ID.
    #[error("`{given}` is not a subject of the policy{meant}: give a name of it, or a SPIFFE ID")]
    Subject {
        /// What was given.
        given: String,
        /// `, did you mean ..`, or nothing.
        meant: String,
    },
    /// Begins like a SPIFFE ID and is none.
    #[error(transparent)]
    SpiffeId(#[from] SpiffeIdError),
    /// No access mode.
    #[error(transparent)]
    Mode(#[from] UnknownMode),
    /// No label of the policy.
    #[error("current label: {0}")]
    Current(#[from] LabelError),
    /// No kind of rule.
    #[error(transparent)]
    Rule(#[from] UnknownRuleKind),
    /// No time.
    #[error(transparent)]
    At(#[from] NoInstant),
    /// One of the two without the other.
    #[error("`task` and `orchestrator` go together: give both, or neither")]
    TaskOfNobody,
    /// A task that the policy does not accept.
    #[error("task: {0}")]
    Task(#[from] TaskError),
}

/// Answers a question. An object that the policy does not have is `not-granted`, a SPIFFE ID that it does not have
/// `unknown-subject`: both are verdicts and no errors.
///
/// # Errors
/// Where a part of the question can't be understood.
pub fn answer(policy: &Policy, inquiry: &Inquiry, now: Timestamp) -> Result<VerdictRecord, InquiryError> {
    Ok(verdict(policy, inquiry, now)?.record(policy.lattice()))
}

/// The verdict that [`answer`] records.
///
/// # Errors
/// As [`answer`].
pub fn verdict(policy: &Policy, inquiry: &Inquiry, now: Timestamp) -> Result<Verdict, InquiryError> {
    let id = subject_id(policy, &inquiry.subject)?;
    let mode: Mode = inquiry.mode.parse()?;
    let rule: Option<RuleKind> = inquiry.rule.as_deref().map(str::parse).transpose()?;
    let now = inquiry.at.as_deref().map_or(Ok(now), Timestamp::from_author)?;
    let task = task(policy, inquiry, &id, now)?;
    let current = match &inquiry.current {
        Some(text) => Some(policy.lattice().parse_label(text)?),
        None => policy.subject(&id).map(|subject| subject.floor.clone()),
    };
    let content = inquiry.body.as_ref().map_or(Content::Unread, Content::Json);
    let objects = policy.object(&inquiry.object).map(|object| named_by(policy, object, content));
    let question = Question {
        subject: &id,
        object: objects.as_ref().map_or(Asked::Unknown(&inquiry.object), Asked::Several),
        mode,
        standing: match (&current, rule) {
            (Some(label), Some(_)) => Standing::Stated { label, rule },
            (Some(label), None) => Standing::Own { watermark: label, own: label, declared: None },
            (None, _) => Standing::Unstated,
        },
        task: task.as_ref(),
        target: inquiry.target.as_deref(),
        content,
        now,
    };
    Ok(suppose(policy, &question))
}

/// What a body names, where the object is a route whose bodies name some; else the object itself.
fn named_by(policy: &Policy, object: &Arc<Object>, content: Content<'_>) -> Objects {
    let route = policy.route_of(object).filter(|route| Arc::ptr_eq(&route.object, object));
    match (route.and_then(|route| route.naming.as_ref()), content) {
        (Some(naming), Content::Json(_)) => naming.objects(content),
        (Some(_) | None, _) => Objects::one(Arc::clone(object)),
    }
}

fn task(policy: &Policy, inquiry: &Inquiry, workload: &SpiffeId, now: Timestamp) -> Result<Option<Task>, InquiryError> {
    match (&inquiry.task, &inquiry.orchestrator) {
        (None, None) => Ok(None),
        (Some(task), Some(orchestrator)) => {
            let orchestrator = subject_id(policy, orchestrator)?;
            Ok(Some(policy.task(&orchestrator, workload, &task.to_string(), now)?))
        }
        (Some(_), None) | (None, Some(_)) => Err(InquiryError::TaskOfNobody),
    }
}

fn subject_id(policy: &Policy, text: &str) -> Result<SpiffeId, InquiryError> {
    if let Some(subject) = policy.subject_named(text) {
        return Ok(subject.id.clone());
    }
    if text.contains(':') {
        return Ok(SpiffeId::parse_workload(text)?);
    }
    let names = policy.subjects().map(|subject| &subject.name);
    let meant = closest(text, names.map(Name::as_str));
    Err(InquiryError::Subject {
        given: shortened(text),
        meant: meant.map_or_else(String::new, |meant| format!(", did you mean `{meant}`?")),
    })
}
