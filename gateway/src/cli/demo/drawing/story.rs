//! From audit records to rows of a sequence diagram.
//!
//! Each gateway names its exchanges for itself, so what happens at a callee is put beside the caller's exchange by object and time.
//! Exchanges that something other than labels refused (a body that is no manifest, a capability that failed) are left out.

use std::collections::BTreeMap;

use bellgate_policy::{Policy, Reason, Server, Timestamp};

use crate::cli::audit_log::{Decided, Record};

/// The column of capabilities.
const ENCLAVE: &str = "enclave";

/// All that is drawn.
pub(super) struct Story {
    /// Names of those who take part: workloads in the order of the policy, then the enclave.
    pub(super) columns: Vec<String>,
    pub(super) rows: Vec<Row>,
}

/// One line of the story.
pub(super) struct Row {
    pub(super) at: String,
    pub(super) what: What,
}

pub(super) enum What {
    Exchange(Box<Exchange>),
    /// An operator reset a label.
    Reset {
        who: usize,
        after: String,
        text: String,
    },
}

/// A request, and what became of it.
pub(super) struct Exchange {
    request_id: String,
    pub(super) from: usize,
    pub(super) to: usize,
    pub(super) object: String,
    pub(super) method: String,
    pub(super) mode: String,
    /// The label that the request states.
    pub(super) goes: Option<String>,
    /// By which rule it goes with that one and not with the caller's current label.
    pub(super) by: Option<String>,
    /// The handle that it went under, in short.
    pub(super) handle: Option<String>,
    /// The label of the answer, where one was released.
    pub(super) back: Option<String>,
    until: String,
    pub(super) refused: Option<Refused>,
    /// The caller's label from this answer on, where it rose.
    pub(super) raised: Option<String>,
    /// The callee's label from this request on, where it rose.
    pub(super) raised_there: Option<String>,
}

/// Why it went no further.
pub(super) struct Refused {
    pub(super) reason: String,
    /// Whether the callee's gateway refused it, and not the caller's.
    pub(super) there: bool,
    /// What was read before: the object, and the row in which it was.
    pub(super) because: Option<(String, Option<usize>)>,
    cause: Option<String>,
}

/// What the lake says of an exchange as a whole.
pub(super) struct Outcome {
    pub(super) method: String,
    /// The code of what refused it.
    pub(super) refused: Option<String>,
    pub(super) milliseconds: u64,
}

/// By the gateway's own ID of an exchange.
pub(super) type Outcomes = BTreeMap<String, Outcome>;

/// Reads the logs, each with the name of the workload beside its gateway.
pub(super) fn read(policy: &Policy, logs: &[(String, Vec<Record>)], outcomes: &Outcomes) -> Story {
    let mut exchanges = gather(policy, logs, outcomes);
    exchanges.sort_by(|(a, _), (b, _)| (&a.at, &a.name).cmp(&(&b.at, &b.name)));
    let columns = columns(policy, &exchanges);
    let place = |name: &str| columns.iter().position(|column| column == name).unwrap_or_default();
    let mut rows: Vec<Row> = exchanges
        .into_iter()
        .map(|(key, draft)| Row {
            at: key.at,
            what: match draft {
                Draft::Exchange { from, to, exchange } => {
                    What::Exchange(Box::new(Exchange { from: place(&from), to: place(&to), ..*exchange }))
                }
                Draft::Reset { who, after, text } => What::Reset { who: place(&who), after, text },
            },
        })
        .collect();
    rises(&mut rows, logs, &columns);
    causes(&mut rows);
    Story { columns, rows }
}

/// The order of rows: by time, and by name where times are equal.
struct Key {
    at: String,
    name: String,
}

enum Draft {
    Exchange { from: String, to: String, exchange: Box<Exchange> },
    Reset { who: String, after: String, text: String },
}

fn gather(policy: &Policy, logs: &[(String, Vec<Record>)], outcomes: &Outcomes) -> Vec<(Key, Draft)> {
    let mut drafts = Vec::new();
    let mut refused_there = Vec::new();
    for (owner, records) in logs {
        let mut by_request: BTreeMap<&str, Vec<&Decided>> = BTreeMap::new();
        for record in records {
            match record {
                Record::Decision { listener, decision } if listener == "egress" => {
                    by_request.entry(&decision.request_id).or_default().push(decision);
                }
                Record::Decision { decision, .. } if decision.point == "request" && !decision.permit => {
                    refused_there.push(decision);
                }
                Record::LabelReset(reset) => {
                    let key = Key { at: reset.at.clone(), name: reset.reason.clone() };
                    let text = format!("reset by uid {}: {}", reset.uid, reset.reason);
                    drafts.push((key, Draft::Reset { who: owner.clone(), after: reset.label.clone(), text }));
                }
                Record::Decision { .. }
                | Record::WatermarkRaised(_)
                | Record::HandleOpened { .. }
                | Record::Gap { .. }
                | Record::Other => {}
            }
        }
        let drawn = by_request
            .into_iter()
            .filter_map(|(request, decisions)| exchange(policy, owner, &decisions, outcomes.get(request)));
        drafts.extend(drawn);
    }
    for decided in refused_there {
        if !belongs_to(&mut drafts, policy, decided) {
            drafts.extend(stranger(policy, decided, outcomes));
        }
    }
    drafts
}

/// An exchange as its caller's gateway saw it; `None` where something other than labels refused it.
fn exchange(policy: &Policy, owner: &str, decisions: &[&Decided], outcome: Option<&Outcome>) -> Option<(Key, Draft)> {
    let first = decisions.first()?;
    let asked = decisions.iter().rfind(|decided| decided.point == "request")?;
    let refusal = decisions.iter().find(|decided| !decided.permit);
    let reason = outcome.and_then(|outcome| outcome.refused.as_deref());
    let by_label = reason.is_none_or(|reason| reason.parse::<Reason>().is_ok());
    if !by_label {
        return None;
    }
    // Nothing comes back of an append, and of what the other gateway refused no more than that.
    let answered = refusal.is_none() && outcome.is_some() && reason.is_none() && asked.mode != "append";
    let refused = match (refusal, reason) {
        (Some(decided), _) => Some(refused(decided, decided.point != "request")),
        (None, Some(reason)) => Some(Refused { reason: reason.to_owned(), there: true, because: None, cause: None }),
        (None, None) => None,
    };
    let key = Key { at: first.at.clone(), name: first.request_id.clone() };
    let goes = asked.downgrade.as_ref().map(|downgrade| downgrade.label.clone()).or_else(|| asked.current.clone());
    let exchange = Box::new(Exchange {
        request_id: asked.request_id.clone(),
        from: 0,
        to: 0,
        object: asked.object.clone(),
        method: outcome.map(|outcome| outcome.method.clone()).unwrap_or_default(),
        mode: asked.mode.clone(),
        goes,
        by: asked.downgrade.as_ref().map(|downgrade| downgrade.kind.clone()),
        handle: asked.handle.clone(),
        back: asked.object_label.clone().filter(|_| answered),
        until: end(&decisions.last()?.at, outcome.map_or(0, |outcome| outcome.milliseconds)),
        refused,
        raised: None,
        raised_there: None,
    });
    Some((key, Draft::Exchange { from: owner.to_owned(), to: server(policy, &asked.object), exchange }))
}

/// No sooner than the end of an exchange that was decided then and took that long.
fn end(at: &str, milliseconds: u64) -> String {
    at.parse::<Timestamp>()
        .map_or_else(|_| at.to_owned(), |at| Timestamp(at.0.saturating_add(milliseconds)).to_string())
}

fn refused(decided: &Decided, there: bool) -> Refused {
    Refused {
        reason: decided.reasons.first().cloned().unwrap_or_default(),
        there,
        because: decided.cause_object.clone().map(|object| (object, None)),
        cause: decided.cause_request_id.clone(),
    }
}

/// Whether a refusal at a callee's gateway is of an exchange that its caller's gateway let go; then it is put there.
fn belongs_to(drafts: &mut [(Key, Draft)], policy: &Policy, decided: &Decided) -> bool {
    let who = subject(policy, &decided.subject);
    for (key, draft) in drafts {
        if let Draft::Exchange { from, exchange, .. } = draft
            && *from == who
            && exchange.object == decided.object
            && exchange.refused.as_ref().is_none_or(|known| known.there && known.because.is_none())
            && key.at <= decided.at
            && decided.at <= exchange.until
        {
            exchange.refused = Some(refused(decided, true));
            exchange.back = None;
            return true;
        }
    }
    false
}

/// A request of somebody who has no gateway here.
fn stranger(policy: &Policy, decided: &Decided, outcomes: &Outcomes) -> Option<(Key, Draft)> {
    let from = subject(policy, &decided.subject);
    let to = server(policy, &decided.object);
    (from != to).then(|| {
        let exchange = Box::new(Exchange {
            request_id: decided.request_id.clone(),
            from: 0,
            to: 0,
            object: decided.object.clone(),
            method: outcomes.get(&decided.request_id).map(|outcome| outcome.method.clone()).unwrap_or_default(),
            mode: decided.mode.clone(),
            goes: decided.current.clone(),
            by: None,
            handle: None,
            back: None,
            until: decided.at.clone(),
            refused: Some(refused(decided, true)),
            raised: None,
            raised_there: None,
        });
        (Key { at: decided.at.clone(), name: decided.request_id.clone() }, Draft::Exchange { from, to, exchange })
    })
}

fn subject(policy: &Policy, id: &str) -> String {
    policy
        .subjects()
        .find(|subject| subject.id.as_str() == id)
        .map_or_else(|| id.to_owned(), |subject| subject.name.to_string())
}

/// Who answers behind an object, by the policy.
fn server(policy: &Policy, object: &str) -> String {
    match policy.object(object).map(|object| &object.server) {
        Some(Server::Workload(subject)) => subject.name.to_string(),
        Some(Server::Web(name)) => name.clone(),
        Some(Server::Enclave) => ENCLAVE.to_owned(),
        // The rest of an upstream has a name that no object has.
        None => object.split('/').next().unwrap_or(object).to_owned(),
    }
}

fn columns(policy: &Policy, drafts: &[(Key, Draft)]) -> Vec<String> {
    let mut named: Vec<&str> = Vec::new();
    for (_, draft) in drafts {
        match draft {
            Draft::Exchange { from, to, .. } => named.extend([from.as_str(), to.as_str()]),
            Draft::Reset { who, .. } => named.push(who),
        }
    }
    let subjects = policy.subjects().map(|subject| subject.name.to_string());
    let mut columns: Vec<String> = subjects.filter(|name| named.contains(&name.as_str())).collect();
    for name in named {
        if columns.iter().all(|column| column != name) {
            columns.push(name.to_owned());
        }
    }
    columns
}

/// Puts each rise where it belongs: at the answer that its own request brought, or at the request that another one delivered.
fn rises(rows: &mut [Row], logs: &[(String, Vec<Record>)], columns: &[String]) {
    for (owner, records) in logs {
        let Some(column) = columns.iter().position(|column| column == owner) else { continue };
        for record in records {
            let Record::WatermarkRaised(raised) = record else { continue };
            let own = raised.of_workload().then(|| raised.label.clone());
            for row in rows.iter_mut() {
                let What::Exchange(exchange) = &mut row.what else { continue };
                if exchange.request_id == raised.request_id {
                    exchange.raised = own.clone();
                    // What came back is known better than from the object.
                    if exchange.back.is_some() {
                        exchange.back = Some(raised.observed.clone());
                    }
                } else if exchange.to == column && row.at <= raised.at && raised.at <= exchange.until {
                    exchange.raised_there = own.clone();
                }
            }
        }
    }
}

/// Finds the row that a refusal names, and of one that another gateway named (a delivery) the row that delivered it.
fn causes(rows: &mut [Row]) {
    let by_request: BTreeMap<String, usize> = rows
        .iter()
        .enumerate()
        .filter_map(|(index, row)| match &row.what {
            What::Exchange(exchange) => Some((exchange.request_id.clone(), index)),
            What::Reset { .. } => None,
        })
        .collect();
    for index in 0..rows.len() {
        let (before, rest) = rows.split_at_mut(index);
        let Some(What::Exchange(exchange)) = rest.first_mut().map(|row| &mut row.what) else { continue };
        let who = exchange.from;
        let Some(refused) = &mut exchange.refused else { continue };
        let delivered = || {
            before.iter().rposition(|row| match &row.what {
                What::Exchange(earlier) => earlier.to == who && earlier.raised_there.is_some(),
                What::Reset { .. } => false,
            })
        };
        let cause = refused.cause.as_ref().and_then(|cause| by_request.get(cause).copied().or_else(delivered));
        if let Some((_, row)) = &mut refused.because {
            *row = cause;
        }
    }
}
