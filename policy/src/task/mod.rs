//! Task grants: what an orchestrator that the policy names gives a workload for one task.
//!
//! ```
//! # use bellgate_policy::{Policy, Timestamp};
//! # let policy = Policy::parse("policy.yaml", "
//! # version: 1
//! # subjects:
//! #   desk: { id: spiffe://td.test/desk, clearance: PUBLIC }
//! #   planner: { id: spiffe://td.test/planner, floor: PUBLIC, clearance: RESTRICTED, handles: { reason: forks for each session } }
//! # upstreams:
//! #   mail: { web: mail.test, label: PUBLIC, routes: { send: { methods: [POST], path: /send, manifest: email } } }
//! # orchestrators:
//! #   - subject: desk
//! #     for: [planner]
//! #     objects: [{ object: mail/send, modes: [alter], values: [/recipients, /cc] }]
//! #     reason: it reads the ticket that the task comes from
//! #     expires: 2099-01-01T00:00:00Z
//! # ").unwrap();
//! # let desk = &policy.subject_named("desk").unwrap().id;
//! # let planner = &policy.subject_named("planner").unwrap().id;
//! let asked = r#"{"grants": [{"object": "mail/send",
//!                             "values": {"/recipients": ["accounts@example.org"], "/cc": []}}], "life": "10m"}"#;
//! let task = policy.task(desk, planner, asked, Timestamp(0)).unwrap();
//! assert_eq!(task.expires(), Timestamp(600_000));
//! ```
//!
//! **What holds.** A task grants what a rule of this policy lets its orchestrator grant, while that rule stands, has not
//! expired and names the workload; that is looked at anew with every decision. Where the rule says `values`, a task must say
//! which strings may stand there. A pointer's strings are those of its lists, too; each must be one of the task's, byte by
//! byte. Where nothing stands there, or `null`, or an empty list, only the empty list of strings is satisfied.
//!
//! **What is bounded.** By the constants of this module.
//!
//! **What is absent on purpose.** Capabilities: a call carries its caller's label. Identifiers: a task hangs on a handle.

mod error;
mod request;

use std::collections::BTreeSet;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::content::Content;
use crate::decide::Question;
use crate::mode::Mode;
use crate::object::Object;
use crate::orchestrator::{Orchestrator, Scope};
use crate::pointer::{Found, Pointer, Values};
use crate::policy::Policy;
use crate::spiffe_id::SpiffeId;
use crate::subject::Subject;
use crate::timestamp::Timestamp;

pub use error::TaskError;
pub use request::{TaskGrant, TaskRequest};

/// The longest text of a task, in bytes: what common HTTP servers accept in one header.
pub const MAX_TASK_BYTES: usize = 8 * 1024;
/// How many grants a task can have.
pub const MAX_TASK_GRANTS: usize = 64;
/// How many values a grant of a task can have in all.
pub const MAX_TASK_VALUES: usize = 64;

/// A task that a policy has accepted.
#[derive(Clone, PartialEq, Eq)]
pub struct Task {
    orchestrator: SpiffeId,
    workload: SpiffeId,
    expires: Timestamp,
    grants: Vec<Grant>,
    /// As they were asked for, to keep.
    asked: Vec<TaskGrant>,
}

/// One grant of a task, read.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Grant {
    object: String,
    /// Empty: all that the rule has.
    modes: Vec<Mode>,
    pins: Vec<(Pointer, BTreeSet<String>)>,
}

/// What of a task is kept on disk.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Kept {
    orchestrator: String,
    workload: String,
    expires: Timestamp,
    grants: Vec<TaskGrant>,
}

impl Policy {
    /// Reads and checks a task that `orchestrator` gives `workload`: `text` is a [`TaskRequest`] as JSON.
    ///
    /// # Errors
    /// Where the text is none, or where no rule of the policy lets that orchestrator give it now.
    pub fn task(
        &self,
        orchestrator: &SpiffeId,
        workload: &SpiffeId,
        text: &str,
        now: Timestamp,
    ) -> Result<Task, TaskError> {
        let request = TaskRequest::parse(text)?;
        let life = request.life()?;
        let checked = self.checked(orchestrator, workload, request.grants, now)?;
        let life = match life {
            Some(life) if life > checked.life => {
                return Err(TaskError::LifeTooLong { given: life, most: checked.life });
            }
            Some(life) => life,
            None => checked.life,
        };
        let expires = now.after(life).min(checked.rules_expire);
        Ok(Task { expires, ..checked.task })
    }

    /// Reads and checks a task of `workload` that was kept as [`Task::to_text`] gave it, under this policy and at this time.
    ///
    /// # Errors
    /// As [`Policy::task`], and where the task has expired or the text is none that was kept for this workload.
    pub fn kept_task(&self, workload: &SpiffeId, text: &str, now: Timestamp) -> Result<Task, TaskError> {
        let kept: Kept = serde_json::from_str(text).map_err(|error| TaskError::NotKept(error.to_string()))?;
        let orchestrator =
            SpiffeId::parse_workload(&kept.orchestrator).map_err(|error| TaskError::NotKept(error.to_string()))?;
        if kept.workload != workload.as_str() {
            return Err(TaskError::NotKept(String::from("it is another workload's")));
        }
        if kept.expires <= now {
            return Err(TaskError::Expired { at: kept.expires });
        }
        let checked = self.checked(&orchestrator, workload, kept.grants, now)?;
        Ok(Task { expires: kept.expires.min(checked.rules_expire), ..checked.task })
    }

    fn checked(
        &self,
        orchestrator: &SpiffeId,
        workload: &SpiffeId,
        asked: Vec<TaskGrant>,
        now: Timestamp,
    ) -> Result<Checked, TaskError> {
        request::check_numbers(&asked)?;
        let rules = self.rules_between(orchestrator, workload, now)?;
        let mut checked = Checked {
            life: std::time::Duration::MAX,
            rules_expire: Timestamp(u64::MAX),
            task: Task {
                orchestrator: orchestrator.clone(),
                workload: workload.clone(),
                expires: now,
                grants: Vec::new(),
                asked: Vec::new(),
            },
        };
        for (index, asked) in asked.into_iter().enumerate() {
            let at = format!("grants[{index}]");
            let grant = request::read(&at, &asked)?;
            let object = self.object(&grant.object).map(Arc::as_ref);
            let rule = admitting(&at, &grant, object, &rules)?;
            checked.life = checked.life.min(rule.life);
            checked.rules_expire = checked.rules_expire.min(rule.expires);
            checked.task.grants.push(grant);
            checked.task.asked.push(asked);
        }
        Ok(checked)
    }

    /// The rules under which the one can open handles for the other now.
    fn rules_between(
        &self,
        orchestrator: &SpiffeId,
        workload: &SpiffeId,
        now: Timestamp,
    ) -> Result<Vec<&Arc<Orchestrator>>, TaskError> {
        let between = || {
            let subject = self.subject(workload);
            let rules = subject.and_then(|subject| self.orchestrators_of.get(subject.index));
            rules.into_iter().flatten().filter(|rule| rule.subject.id == *orchestrator)
        };
        let rules: Vec<_> = between().filter(|rule| now < rule.expires).collect();
        match (rules.is_empty(), between().map(|rule| rule.expires).max()) {
            (false, _) => Ok(rules),
            (true, Some(at)) => Err(TaskError::RuleExpired { orchestrator: orchestrator.to_string(), at }),
            (true, None) => Err(TaskError::NotAnOrchestrator {
                orchestrator: orchestrator.to_string(),
                workload: workload.to_string(),
            }),
        }
    }
}

struct Checked {
    task: Task,
    life: std::time::Duration,
    rules_expire: Timestamp,
}

/// The first rule that lets this be granted; the first rule that names the object says what is wrong, where none does.
fn admitting<'a>(
    at: &str,
    grant: &Grant,
    object: Option<&Object>,
    rules: &[&'a Arc<Orchestrator>],
) -> Result<&'a Arc<Orchestrator>, TaskError> {
    let mut wrong = None;
    for (rule, scope) in rules.iter().flat_map(|rule| rule.scopes.iter().map(move |scope| (*rule, scope))) {
        let Some(object) = object.filter(|object| object.is_in(&scope.object)) else { continue };
        match grant.is_within(at, object, scope) {
            Ok(()) => return Ok(rule),
            Err(error) => wrong = wrong.or(Some(error)),
        }
    }
    Err(wrong.unwrap_or_else(|| TaskError::Object {
        at: at.to_owned(),
        object: crate::name::shortened(&grant.object),
        allowed: request::listed(rules.iter().flat_map(|rule| &rule.scopes).map(|scope| &*scope.object.name)),
    }))
}

impl Grant {
    /// Whether a scope that the object is in lets this be granted.
    fn is_within(&self, at: &str, object: &Object, scope: &Scope) -> Result<(), TaskError> {
        if let Some(mode) = self.modes.iter().find(|mode| !scope.modes.contains(mode)) {
            let allowed = request::listed(scope.modes.iter().map(|mode| mode.as_str()));
            return Err(TaskError::Mode { at: at.to_owned(), mode: *mode, object: object.name.to_string(), allowed });
        }
        if !self.pins.is_empty() && !object.has_manifest {
            return Err(TaskError::NoBody { at: at.to_owned(), object: object.name.to_string() });
        }
        let missing = scope.values.iter().find(|needed| self.pins.iter().all(|(pinned, _)| pinned != *needed));
        match missing {
            Some(needed) => Err(TaskError::ValueMissing { at: at.to_owned(), pointer: needed.to_string() }),
            None => Ok(()),
        }
    }

    /// Whether every pinned place of a body holds only what the task allows there.
    fn pins_hold(&self, content: Content<'_>) -> bool {
        match content {
            Content::Unread => true,
            Content::Nothing => self.pins.is_empty(),
            Content::Json(body) => self.pins.iter().all(|(pointer, allowed)| match Values::of(pointer.find(body)) {
                Found::Nothing => allowed.is_empty(),
                Found::Values(mut values) => values.all(|value| value.is_some_and(|value| allowed.contains(value))),
            }),
        }
    }
}

impl Task {
    /// When it ends.
    #[must_use]
    pub fn expires(&self) -> Timestamp {
        self.expires
    }

    /// Who gave it.
    #[must_use]
    pub fn orchestrator(&self) -> &SpiffeId {
        &self.orchestrator
    }

    /// Whose it is.
    #[must_use]
    pub fn workload(&self) -> &SpiffeId {
        &self.workload
    }

    /// A text to keep, which [`Policy::kept_task`] reads again.
    #[must_use]
    pub fn to_text(&self) -> String {
        let kept = Kept {
            orchestrator: self.orchestrator.to_string(),
            workload: self.workload.to_string(),
            expires: self.expires,
            grants: self.asked.clone(),
        };
        // Texts and numbers alone: writing them can't fail.
        serde_json::to_string(&kept).unwrap_or_default()
    }

    /// Whether it is this subject's and still runs.
    pub(crate) fn is_of(&self, subject: &Subject, now: Timestamp) -> bool {
        self.workload == subject.id && now < self.expires
    }

    /// Whether it grants an object of `policy` in a mode under one of that policy's rules, for what is asked. Where values
    /// are pinned, a query is none of them: some servers read it as more of the body.
    pub(crate) fn grants(
        &self,
        policy: &Policy,
        rule: &Orchestrator,
        object: &Object,
        question: &Question<'_>,
    ) -> bool {
        let Question { mode, content, target, .. } = *question;
        let query = target.is_some_and(|target| target.contains('?'));
        rule.subject.id == self.orchestrator
            && self.grants.iter().any(|grant| {
                let named = policy.object(&grant.object).filter(|named| object.is_in(named));
                let asked = grant.modes.is_empty() || grant.modes.contains(&mode);
                named.is_some_and(|named| {
                    asked
                        && rule
                            .scopes_of(named)
                            .any(|scope| scope.modes.contains(&mode) && grant.is_within("", named, scope).is_ok())
                        && grant.pins_hold(content)
                        && (grant.pins.is_empty() || !query)
                })
            })
    }
}
