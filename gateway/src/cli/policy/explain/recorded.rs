//! A request in an audit log: what its gateway recorded of it, of what was read before, and of what raised the label.
//!
//! The log is read twice: once for the request and for the rises before it, once for the requests that these name. Of a log of any size
//! no more than that is held.

use std::collections::BTreeMap;
use std::path::Path;

use bellgate_policy::{Asked, Content, Policy, Question, Reason, SpiffeId, Standing, Verdict, decide, refuse};

use super::{AskedAt, Cause, Explanation, Lowered, Step, Trouble, Way, Why, gap, supposed};
use crate::cli::audit_log::{self, Decided, Raised, Record};

/// Tells of `request` what the log at `file` has.
pub(super) fn explain(file: &Path, request: &str, policy: Option<&Policy>) -> Result<Explanation, Trouble> {
    let unreadable = |why| Trouble::Log { file: file.to_owned(), why };
    let found = Found::read(file, request).map_err(unreadable)?;
    let Some((listener, decided)) = &found.decided else {
        return Err(Trouble::NotThere { request: request.to_owned(), file: file.to_owned(), found: found.size() });
    };
    let mut named: BTreeMap<String, Option<Box<Decided>>> =
        decided.cause_request_id.iter().map(|cause| (cause.clone(), None)).collect();
    audit_log::read(file, |record| {
        if let Record::Decision { decision, .. } = record
            && let Some(place) = named.get_mut(&decision.request_id)
            && decision.permit
        {
            *place = Some(decision);
        }
    })
    .map_err(unreadable)?;
    let mut told = of_record(listener, decided, policy);
    told.cause = cause(decided, &named);
    told.chain = chain(decided, &found, policy);
    told.notes.extend(found.notes());
    if told.chain.is_empty() && decided.cause_request_id.is_some() {
        told.notes.push(String::from("the log begins after the label had risen, so the chain is in an older one"));
    }
    if let Some(policy) = policy {
        beside(&mut told, decided, policy);
    } else if !decided.permit {
        told.notes.push(String::from("with --policy FILE it is told, too, what can be done"));
    }
    Ok(told)
}

/// What the first reading finds.
#[derive(Default)]
struct Found {
    decided: Option<(String, Box<Decided>)>,
    /// Rises up to the request, since the last reset.
    rises: Vec<Raised>,
    /// The labels that handles were opened with, and after how many rises.
    opened: BTreeMap<String, (String, usize)>,
    records: u64,
    unread: u64,
    dropped: u64,
}

impl Found {
    fn read(file: &Path, request: &str) -> std::io::Result<Self> {
        let mut found = Self::default();
        found.unread = audit_log::read(file, |record| found.take(record, request))?;
        Ok(found)
    }

    fn take(&mut self, record: Record, request: &str) {
        self.records = self.records.saturating_add(1);
        match record {
            Record::Decision { listener, decision } if decision.request_id == request => {
                // The refusal, where there is one; else the last word.
                if self.decided.as_ref().is_none_or(|(_, known)| known.permit) {
                    self.decided = Some((listener, decision));
                }
            }
            // What came after has nothing to do with it.
            Record::WatermarkRaised(raised) if self.decided.is_none() => self.rises.push(raised),
            Record::HandleOpened { handle, label } if self.decided.is_none() => {
                self.opened.insert(handle, (label, self.rises.len()));
            }
            Record::LabelReset(_) if self.decided.is_none() => {
                self.rises.clear();
                self.opened.clear();
            }
            Record::Gap { dropped } => self.dropped = self.dropped.saturating_add(dropped),
            Record::Decision { .. }
            | Record::WatermarkRaised(_)
            | Record::HandleOpened { .. }
            | Record::LabelReset(_)
            | Record::Other => {}
        }
    }

    fn size(&self) -> String {
        let dropped = if self.dropped > 0 { format!(", {} were dropped", self.dropped) } else { String::new() };
        format!("{} records{dropped}", self.records)
    }

    fn notes(&self) -> Option<String> {
        (self.dropped > 0 || self.unread > 0).then(|| {
            format!("{} records of this log were dropped under load, and {} lines are none", self.dropped, self.unread)
        })
    }
}

fn of_record(listener: &str, decided: &Decided, policy: Option<&Policy>) -> Explanation {
    let name = policy.and_then(|policy| policy.subjects().find(|subject| subject.id.as_str() == decided.subject));
    Explanation {
        permit: decided.permit,
        reasons: decided.reasons.iter().map(|reason| why(reason, decided, policy)).collect(),
        subject: name.map_or_else(|| decided.subject.clone(), |subject| subject.name.to_string()),
        subject_id: decided.subject.clone(),
        object: decided.object.clone(),
        mode: decided.mode.clone(),
        asked: Some(AskedAt {
            request_id: decided.request_id.clone(),
            listener: listener.to_owned(),
            point: decided.point.clone(),
            at: decided.at.clone(),
            handle: decided.handle.clone(),
        }),
        current: decided.current.clone(),
        object_label: decided.object_label.clone(),
        clearance: decided.clearance.clone(),
        rule: decided.rule.clone(),
        policy: decided.policy.clone(),
        downgrade: decided.downgrade.as_ref().map(|lowered| Lowered {
            kind: lowered.kind.clone(),
            rule: lowered.rule.clone(),
            label: lowered.label.clone(),
        }),
        cause: None,
        chain: Vec::new(),
        remedies: Vec::new(),
        notes: Vec::new(),
    }
}

/// The labels compared; in words where the policy knows them.
fn why(code: &str, decided: &Decided, policy: Option<&Policy>) -> Why {
    let reason = code.parse::<Reason>().ok();
    let compared = match reason {
        Some(Reason::NoReadUp | Reason::Withheld) => Some((&decided.clearance, &decided.object_label)),
        Some(Reason::NoWriteDown) => Some((&decided.object_label, &decided.current)),
        _ => None,
    };
    let plain = || {
        reason.map_or_else(
            || String::from("not a reason that this version knows"),
            |reason| reason.explanation().to_owned(),
        )
    };
    let text = match compared {
        Some((Some(high), Some(low))) => {
            let labels = policy.and_then(|policy| {
                let lattice = policy.lattice();
                Some((lattice, lattice.parse_label(high).ok()?, lattice.parse_label(low).ok()?))
            });
            match labels {
                Some((lattice, above, below)) if !above.dominates(&below) => gap(lattice, &above, &below),
                Some(_) | None => format!("{high} does not dominate {low}."),
            }
        }
        Some(_) | None => plain(),
    };
    Why { reason: code.to_owned(), text }
}

/// What was read, and how, by its own record.
fn cause(decided: &Decided, named: &BTreeMap<String, Option<Box<Decided>>>) -> Option<Cause> {
    let request = decided.cause_request_id.clone()?;
    let record = named.get(&request).and_then(Option::as_ref);
    Some(Cause {
        object: decided.cause_object.clone()?,
        label: decided.cause_label.clone().or_else(|| record.and_then(|record| record.object_label.clone())),
        at: decided.cause_at.clone(),
        request_id: Some(request),
        mode: record.map(|record| record.mode.clone()),
        rule: record.and_then(|record| record.rule.clone()),
    })
}

/// The rises of the label that was compared: the workload's own, or that of the handle.
fn chain(decided: &Decided, found: &Found, policy: Option<&Policy>) -> Vec<Step> {
    let opened = decided.handle.as_ref().and_then(|handle| found.opened.get(handle));
    let (mut label, seen) = opened.map_or((None, 0), |(label, seen)| (Some(label.clone()), *seen));
    let mut steps = Vec::new();
    for raised in found.rises.iter().skip(seen) {
        let after = match &decided.handle {
            None if raised.of_workload() => raised.label.clone(),
            None => continue,
            // Observed under another handle: this one has not seen it.
            Some(handle) if raised.handle.as_ref().is_some_and(|other| other != handle) => continue,
            Some(_) => {
                let after = joined(policy, label.as_deref(), &raised.observed);
                if label.replace(after.clone()).is_some_and(|before| before == after) {
                    continue;
                }
                after
            }
        };
        steps.push(Step {
            object: raised.object.clone(),
            at: Some(raised.at.clone()),
            request_id: Some(raised.request_id.clone()),
            after,
            is_cause: decided.cause_request_id.as_ref() == Some(&raised.request_id),
        });
    }
    steps
}

/// The join of two labels in text; the second where the policy that would know is not given.
fn joined(policy: Option<&Policy>, one: Option<&str>, other: &str) -> String {
    let join = || {
        let lattice = policy?.lattice();
        let (one, other) = (lattice.parse_label(one?).ok()?, lattice.parse_label(other).ok()?);
        Some(lattice.text(&one.join(&other)))
    };
    join().unwrap_or_else(|| other.to_owned())
}

/// What the policy offers instead, and whether it is the one that decided.
fn beside(told: &mut Explanation, decided: &Decided, policy: &Policy) {
    if policy.digest() != decided.policy {
        told.notes.push(format!("decided by another policy than the one given, {}", policy.digest()));
    }
    if !decided.permit {
        told.remedies = ways(decided, policy).unwrap_or_default();
    }
}

fn ways(decided: &Decided, policy: &Policy) -> Option<Vec<Way>> {
    let id = SpiffeId::parse(&decided.subject).ok()?;
    let label = policy.lattice().parse_label(decided.current.as_ref()?).ok()?;
    let first: Reason = decided.reasons.first()?.parse().ok()?;
    let question = Question {
        subject: &id,
        object: policy.object(&decided.object).map_or(Asked::Unknown(&decided.object), Asked::Known),
        mode: decided.mode.parse().ok()?,
        standing: Standing::Own { watermark: &label, own: &label, declared: None },
        task: None,
        target: None,
        content: Content::Nothing,
        now: decided.at.parse().ok()?,
    };
    // The reason is the recorded one, whatever this policy would say of the rest.
    let denial = match decide(policy, &question) {
        Verdict::Denial(denial) if denial.first() == first => denial,
        Verdict::Denial(_) | Verdict::Permit(_) => refuse(policy, &question, first),
    };
    Some(supposed::ways(policy, &denial))
}
