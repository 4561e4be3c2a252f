//! What a caller that was refused can do next, as far as this policy offers it.
//!
//! **What holds.** Only ways that are open for this subject, object and mode when it was refused: a rule that has expired,
//! a guard that may not read so much, an orchestrator whose tasks are excluded by what was read are left out. A caller
//! without a grant hears the same whether or not there is such an object. No text holds a label that the caller's clearance
//! does not dominate.
//!
//! **What is bounded.** Ways of one kind: three.

use std::sync::Arc;

use crate::label::SecurityLabel;
use crate::mode::Mode;
use crate::object::Object;
use crate::policy::Policy;
use crate::reason::Reason;
use crate::route::PathPattern;
use crate::spiffe_id::SpiffeId;
use crate::subject::Subject;
use crate::templates::Templates;
use crate::timestamp::Timestamp;
use crate::verdict::Decision;

/// How many ways of one kind are told.
const OF_ONE_KIND: usize = 3;

/// One way on.
#[derive(Clone, PartialEq, Eq, Debug, serde::Serialize)]
pub struct Remedy {
    /// What to do, as a code: `fresh-instance`, `handle`, `task`, `guard`, `read-down`, `append`, `trusted-subject`, `reset`,
    /// `declare`, `change-content`, `grant`, `label`, `raise-clearance`.
    pub action: &'static str,
    /// The same for a person: one sentence.
    pub text: String,
}

/// The ways on from a refusal for `first`, the best first.
pub(crate) fn remedies(policy: &Policy, decision: &Decision, first: Reason, now: Timestamp) -> Vec<Remedy> {
    let id = SpiffeId::parse(&decision.subject).ok();
    let subject = id.as_ref().and_then(|id| policy.subject(id));
    match first {
        Reason::UnknownSubject => one("grant", "ask the policy's author to add your SPIFFE ID under `subjects`"),
        Reason::LabelOutOfRange => {
            one("declare", "send a `Bellgate-Declare` between your floor and your clearance, or none")
        }
        Reason::HandleRefused => refused_handle(subject),
        Reason::NotGranted => {
            one("grant", "ask the policy's author for a grant that names you, the object and the mode")
        }
        Reason::Unlabelled => one("label", "ask the policy's author to label the object"),
        Reason::UnsupportedHere => Vec::new(),
        Reason::NoReadUp | Reason::Withheld => one(
            "raise-clearance",
            "ask the policy's author for a higher clearance, or leave this to a subject that has one",
        ),
        Reason::NoWriteDown => subject
            .and_then(|subject| Way::of(policy, subject, decision, now))
            .map_or_else(Vec::new, |way| way.after_no_write_down()),
        Reason::ReadDownBudget => {
            one("reset", "ask an operator for a reset, which gives the budget back: `bellgate label reset --reason ..`")
        }
        Reason::GuardFailed => one("change-content", "send content that the guard passes"),
    }
}

fn one(action: &'static str, text: &str) -> Vec<Remedy> {
    vec![Remedy { action, text: text.to_owned() }]
}

fn refused_handle(subject: Option<&Arc<Subject>>) -> Vec<Remedy> {
    match subject.and_then(|subject| subject.handles.as_ref()) {
        Some(_) => {
            one("handle", "open a new one with `POST http://bellgate/v1/handles`, or leave `Bellgate-Handle` out")
        }
        None => one("handle", "leave `Bellgate-Handle` out: the policy gives you no `handles`"),
    }
}

/// A write down that was refused, and what lies around it.
struct Way<'a> {
    policy: &'a Policy,
    subject: &'a Arc<Subject>,
    object: &'a Arc<Object>,
    label: &'a SecurityLabel,
    mode: Mode,
    current: &'a SecurityLabel,
    now: Timestamp,
}

impl<'a> Way<'a> {
    fn of(policy: &'a Policy, subject: &'a Arc<Subject>, decision: &'a Decision, now: Timestamp) -> Option<Self> {
        let object = policy.object(&decision.object)?;
        let (label, current) = (object.label.as_ref()?, decision.current.as_ref()?);
        Some(Self { policy, subject, object, label, mode: decision.mode, current, now })
    }

    fn after_no_write_down(&self) -> Vec<Remedy> {
        let mut ways = Vec::new();
        self.start_afresh(&mut ways);
        self.ask_for_a_task(&mut ways);
        self.fit_a_rule(&mut ways);
        self.append_instead(&mut ways);
        self.hand_over(&mut ways);
        self.be_reset(&mut ways);
        ways
    }

    /// Whether a label that starts at the floor again would do.
    fn floor_would_do(&self) -> bool {
        self.subject.floats() && self.label.dominates(&self.subject.floor)
    }

    fn start_afresh(&self, ways: &mut Vec<Remedy>) {
        if !self.floor_would_do() {
            return;
        }
        let floor = self.policy.lattice().text(&self.subject.floor);
        ways.push(Remedy {
            action: "fresh-instance",
            text: format!("do this in a fresh instance, before it reads anything: its label starts at {floor}"),
        });
        if self.subject.handles.is_some() {
            ways.push(Remedy {
                action: "handle",
                text: String::from(
                    "do this under the handle of a request of its own: its label starts at what that request carries",
                ),
            });
        }
    }

    fn ask_for_a_task(&self, ways: &mut Vec<Remedy>) {
        let name = &self.object.name;
        let rules = self.policy.orchestrators_of(self.subject, self.now).filter(|rule| {
            let names = rule.scopes_of(self.object).any(|scope| scope.modes.contains(&self.mode));
            rule.lifts && names && !self.current.shares_a_category(&rule.without)
        });
        ways.extend(rules.take(OF_ONE_KIND).map(|rule| Remedy {
            action: "task",
            text: format!("have `{}` open a task with a grant on `{name}`", rule.subject.name),
        }));
    }

    /// Rules that would have lifted it, had the target been another.
    fn fit_a_rule(&self, ways: &mut Vec<Remedy>) {
        let mut fitting = Vec::new();
        for cell in self.policy.matrix.cells(self.subject, self.object) {
            for (_, read_down) in cell.read_downs.iter().filter(|_| self.mode == Mode::Observe) {
                let Some(at) = self.paths(&read_down.templates) else { continue };
                let text = format!("rule `{}` lets you read this within its budget at {at}", read_down.rule);
                fitting.push(Remedy { action: "read-down", text });
            }
            for (_, _, guard) in cell.guards.iter().filter(|(_, mode, _)| *mode == self.mode) {
                if let Some(at) = self.paths(&guard.templates)
                    && guard.may_read(self.current)
                    && self.label.dominates(&guard.label)
                {
                    let text =
                        format!("rule `{}` lets content through guard `{}` at {at}", guard.rule, guard.capability);
                    fitting.push(Remedy { action: "guard", text });
                }
            }
        }
        ways.extend(fitting.into_iter().take(OF_ONE_KIND));
    }

    /// The paths of a rule that lead to the object, for a person; `None` where there are none.
    fn paths(&self, templates: &Templates) -> Option<String> {
        if templates.paths.is_empty() {
            return Some(String::from("every path"));
        }
        let route = self.policy.route_of(self.object);
        let leads_here = |path: &&PathPattern| route.is_none_or(|route| route.pattern.matches(path.as_str()));
        let paths: Vec<String> =
            templates.paths.iter().filter(leads_here).map(|path| format!("`{}`", path.as_str())).collect();
        let (shown, more) = paths.split_at_checked(OF_ONE_KIND).unwrap_or((&paths, &[]));
        let more = if more.is_empty() { String::new() } else { format!(" and {} more", more.len()) };
        (!shown.is_empty()).then(|| format!("{}{more}", shown.join(", ")))
    }

    /// Routes of the same upstream that take something blindly.
    fn append_instead(&self, ways: &mut Vec<Remedy>) {
        let upstream = self.object.upstream.as_ref().and_then(|name| self.policy.upstream(name.as_str()));
        let routes = upstream.iter().flat_map(|upstream| &upstream.routes).filter(|route| {
            let above = route.object.label.as_ref().is_some_and(|label| label.dominates(self.current));
            let granted = self.policy.granted(self.subject, &route.object, Mode::Append).is_some();
            route.append && above && granted
        });
        ways.extend(routes.take(OF_ONE_KIND).map(|route| Remedy {
            action: "append",
            text: format!("leave it at `{}`, from which nothing comes back", route.object.name),
        }));
    }

    /// Trusted subjects that may write there, and that this one may reach with what it has read.
    fn hand_over(&self, ways: &mut Vec<Remedy>) {
        let rules = self.policy.trusted.iter().filter_map(|rule| {
            let names = rule.objects.iter().any(|object| self.object.is_in(object));
            let gives = rule.label.as_ref().is_none_or(|given| self.label.dominates(given));
            let may = self.policy.granted(&rule.subject, self.object, self.mode).is_some();
            if rule.subject.index == self.subject.index || self.now >= rule.expires || !(names && gives && may) {
                return None;
            }
            let through = self.reachable(self.policy.served_by(&rule.subject.id)?)?;
            Some(Remedy {
                action: "trusted-subject",
                text: format!("hand it to `{}` at `{through}`, which may write it there", rule.subject.name),
            })
        });
        ways.extend(rules.take(OF_ONE_KIND));
    }

    /// What of an upstream this subject may write to with what it has read.
    fn reachable(&self, upstream: &'a crate::object::Upstream) -> Option<&'a Arc<str>> {
        let routes = upstream.routes.iter().map(|route| &route.object);
        let mut objects = std::iter::once(&upstream.object).chain(routes);
        let object = objects.find(|object| {
            let modes = [Mode::Append, Mode::Alter];
            let above = object.label.as_ref().is_some_and(|label| label.dominates(self.current));
            above && modes.into_iter().any(|mode| self.policy.granted(self.subject, object, mode).is_some())
        });
        object.map(|object| &object.name)
    }

    fn be_reset(&self, ways: &mut Vec<Remedy>) {
        if self.floor_would_do() {
            ways.push(Remedy {
                action: "reset",
                text: String::from(
                    "ask an operator for a reset, once nothing of what was read is left: `bellgate label reset --reason ..`",
                ),
            });
        }
    }
}
