//! Policies at random, and what they mean by themselves: labels here are numbers, so that nothing rests on the code that is
//! tested.

use std::fmt::Write as _;

use proptest::prelude::*;
use proptest::sample::select;

pub(crate) const LEVELS: [&str; 3] = ["LOW", "MID", "HIGH"];
pub(crate) const CATEGORIES: [&str; 2] = ["a", "b"];
/// What is expired, and what is not, at the time at which tests begin.
pub(crate) const PAST: &str = "2020-01-01T00:00:00Z";
pub(crate) const FUTURE: &str = "2100-01-01T00:00:00Z";
/// Recipients of mail, by the case that each falls under.
pub(crate) const RECIPIENTS: [&str; 3] = ["someone@inner.test", "boss@partner.test", "anyone@else.test"];
/// What a `read_down` may spend.
pub(crate) const BUDGET: u64 = 100;

/// A level and a set of categories as bits.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Plain {
    pub(crate) level: u8,
    pub(crate) categories: u8,
}

impl Plain {
    pub(crate) const BOTTOM: Self = Self { level: 0, categories: 0 };
    pub(crate) const TOP: Self = Self { level: 2, categories: 3 };

    pub(crate) fn dominates(self, other: Self) -> bool {
        self.level >= other.level && self.categories & other.categories == other.categories
    }

    pub(crate) fn join(self, other: Self) -> Self {
        Self { level: self.level.max(other.level), categories: self.categories | other.categories }
    }

    pub(crate) fn meet(self, other: Self) -> Self {
        Self { level: self.level.min(other.level), categories: self.categories & other.categories }
    }

    pub(crate) fn text(self) -> String {
        let names: Vec<&str> = CATEGORIES
            .iter()
            .enumerate()
            .filter(|(bit, _)| self.categories >> bit & 1 == 1)
            .map(|(_, name)| *name)
            .collect();
        let separator = if names.is_empty() { "" } else { ":" };
        format!("{}{separator}{}", LEVELS[usize::from(self.level)], names.join(","))
    }
}

/// What a workload is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Kind {
    /// Malicious, behind a gateway.
    Floating,
    /// Trusted to keep its sessions apart.
    Keeper,
    /// Trusted to keep what it serves apart.
    Multilevel,
    /// Malicious, and without a gateway.
    Bare,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Workload {
    pub(crate) kind: Kind,
    pub(crate) floor: Plain,
    pub(crate) clearance: Plain,
    /// The label of what it serves.
    pub(crate) object: Plain,
}

/// What a subject may do with an object.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Grant {
    pub(crate) observe: bool,
    pub(crate) alter: bool,
    pub(crate) append: bool,
    pub(crate) read_down: bool,
    /// The label that a guard on the way out gives.
    pub(crate) guard: Option<Plain>,
    /// The label that one on the way back gives.
    pub(crate) release_guard: Option<Plain>,
    /// The label that a rule of `trusted` gives, and whether that has expired.
    pub(crate) trusted: Option<(Plain, bool)>,
}

#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) workloads: Vec<Workload>,
    /// Labels of objects outside the mesh.
    pub(crate) web: Vec<Plain>,
    /// By subject and object: what is served, then the web, then mail.
    pub(crate) grants: Vec<Option<Grant>>,
    /// Whether an orchestrator's grants lift the star property. The last workload is the orchestrator of all keepers.
    pub(crate) lifts: bool,
    /// Whether they do with category `a`.
    pub(crate) without: bool,
}

impl Plan {
    /// Everybody may rise from the bottom to the top, and ask everybody: little is refused, and much is in flight.
    fn give_room(&mut self) {
        for one in &mut self.workloads {
            one.clearance = Plain::TOP;
            one.floor = if one.kind == Kind::Multilevel { Plain::TOP } else { Plain::BOTTOM };
        }
        for grant in &mut self.grants {
            *grant = Some(Grant::WHOLE);
        }
    }

    /// What is served, what is outside, and mail.
    pub(crate) fn objects(&self) -> usize {
        self.workloads.len() + self.web.len() + 1
    }

    pub(crate) fn mail(&self) -> usize {
        self.objects() - 1
    }

    pub(crate) fn grant(&self, subject: usize, object: usize) -> Option<&Grant> {
        self.grants[subject * self.objects() + object].as_ref()
    }

    /// The orchestrator, where there is one and somebody to orchestrate.
    pub(crate) fn orchestrator(&self) -> Option<usize> {
        let last = self.workloads.len() - 1;
        let keepers = self.workloads[..last].iter().any(|one| one.kind == Kind::Keeper);
        (keepers && self.workloads[last].kind == Kind::Floating).then_some(last)
    }

    /// The label of what is written to an object; of mail, by recipient.
    pub(crate) fn label(&self, object: usize, recipient: usize) -> Plain {
        let served = self.workloads.len();
        match object {
            object if object < served => self.workloads[object].object,
            object if object == self.mail() => self.recipient(recipient),
            object => self.web[object - served],
        }
    }

    /// Mail to one's own house is as high as the highest object outside; what nobody knows is the lowest.
    pub(crate) fn recipient(&self, recipient: usize) -> Plain {
        match recipient {
            0 => self.web.iter().fold(Plain::BOTTOM, |high, label| high.join(*label)),
            1 => self.web.first().copied().unwrap_or(Plain::BOTTOM),
            _ => Plain::BOTTOM,
        }
    }

    pub(crate) fn name(&self, object: usize) -> String {
        match object {
            object if object < self.workloads.len() => format!("o{object}"),
            object if object == self.mail() => "mail/send".to_owned(),
            object => format!("x{object}"),
        }
    }

    /// The rule ID of a grant's `trusted` rule, and of the grant itself.
    pub(crate) fn rule(subject: usize, object: usize) -> String {
        format!("g{subject}-{object}")
    }

    /// As a policy file.
    pub(crate) fn text(&self) -> String {
        let mut text = String::from("version: 1\nlevels: [LOW, MID, HIGH]\ncategories: [a, b]\nsubjects:\n");
        for (index, one) in self.workloads.iter().enumerate() {
            let kind = match one.kind {
                Kind::Floating => "gateway: true, holds_no_data: 'a model'",
                Kind::Keeper => {
                    "gateway: true, holds_no_data: 'a model', handles: { reason: 'a process each', limit: 3, life: 1m }"
                }
                Kind::Multilevel => "gateway: true, multilevel: 'rows have labels'",
                Kind::Bare => "holds_no_data: 'a model'",
            };
            let (floor, clearance) = (one.floor.text(), one.clearance.text());
            writeln!(
                text,
                "  w{index}: {{ id: spiffe://a.test/w{index}, floor: '{floor}', clearance: '{clearance}', {kind} }}"
            )
            .unwrap();
        }
        self.write_objects(&mut text);
        self.write_rules(&mut text);
        text
    }

    fn write_objects(&self, text: &mut String) {
        text.push_str("upstreams:\n");
        for (index, one) in self.workloads.iter().enumerate() {
            writeln!(text, "  o{index}: {{ workload: w{index}, label: '{}' }}", one.object.text()).unwrap();
        }
        for (index, label) in self.web.iter().enumerate() {
            let index = self.workloads.len() + index;
            writeln!(text, "  x{index}: {{ web: x{index}.test, label: '{}' }}", label.text()).unwrap();
        }
        let (inner, boss) = (self.recipient(0).text(), self.recipient(1).text());
        writeln!(
            text,
            "  mail:\n    web: mail.test\n    label: LOW\n    routes:\n      send:\n        methods: [POST]\n        path: /send\n        \
             manifest: email\n        objects:\n          at: [/to]\n          cases:\n            \
             inner: {{ domain: inner.test, label: '{inner}' }}\n            \
             boss: {{ equals: boss@partner.test, label: '{boss}' }}"
        )
        .unwrap();
        writeln!(
            text,
            "capabilities:\n  guard: {{ urn: 'urn:bellgate:actionspace:solver:guard:v1', sha256: {}, entry: guard, label: '{}' }}",
            "0".repeat(64),
            Plain::TOP.text()
        )
        .unwrap();
    }

    fn write_rules(&self, text: &mut String) {
        let mut trusted = String::new();
        text.push_str("grants:\n");
        for subject in 0..self.workloads.len() {
            for object in 0..self.objects() {
                let Some(grant) = self.grant(subject, object) else { continue };
                let (rule, name) = (Self::rule(subject, object), self.name(object));
                let modes = grant.modes(object == self.mail());
                if modes.is_empty() {
                    continue;
                }
                write!(text, "  - {{ id: {rule}, subject: w{subject}, object: {name}, modes: [{}]", modes.join(", "))
                    .unwrap();
                if grant.read_down && modes.contains(&"observe") {
                    write!(text, ", read_down: {{ budget: {BUDGET} }}").unwrap();
                }
                let guard = |on: &str, label: Plain, paths: &str| {
                    format!(", guard: {{ capability: guard, label: '{}', on: {on}{paths} }}", label.text())
                };
                match (self.egress_label(subject, object), self.release_label(subject, object)) {
                    (Some(label), _) => text.push_str(&guard("egress", label, ", paths: [/send]")),
                    (None, Some(label)) => text.push_str(&guard("release", label, "")),
                    (None, None) => {}
                }
                text.push_str(" }\n");
                if let Some((label, expired)) = self.trusted_label(subject, object) {
                    let (label, expires) = (label.text(), if expired { PAST } else { FUTURE });
                    writeln!(
                        trusted,
                        "  - {{ id: t{subject}-{object}, subject: w{subject}, objects: [{name}], label: '{label}', \
                         reason: 'the outbox', expires: {expires} }}"
                    )
                    .unwrap();
                }
            }
        }
        if !trusted.is_empty() {
            write!(text, "trusted:\n{trusted}").unwrap();
        }
        if let Some(orchestrator) = self.orchestrator() {
            let keepers: Vec<String> = (0..orchestrator)
                .filter(|index| self.workloads[*index].kind == Kind::Keeper)
                .map(|index| format!("w{index}"))
                .collect();
            let (first, without) =
                (self.workloads.len(), if self.lifts && self.without { ", without: [a]" } else { "" });
            writeln!(
                text,
                "orchestrators:\n  - {{ id: desk, subject: w{orchestrator}, for: [{}], objects: [{{ object: x{first}, modes: [alter] }}, \
                 {{ object: mail/send, modes: [alter], values: [/to] }}], lifts: {}{without}, reason: 'a desk', expires: {FUTURE} }}",
                keepers.join(", "),
                self.lifts
            )
            .unwrap();
        }
    }

    /// The label that a guard on the way out gives: no higher than the object's.
    pub(crate) fn egress_label(&self, subject: usize, object: usize) -> Option<Plain> {
        let grant = self.grant(subject, object)?;
        let writes = if object == self.mail() { grant.alter } else { grant.alter || grant.append };
        grant.guard.filter(|_| writes).map(|label| label.meet(self.label(object, 0)))
    }

    /// The label that a guard on the way back gives: no higher than the reader's clearance.
    pub(crate) fn release_label(&self, subject: usize, object: usize) -> Option<Plain> {
        let grant = self.grant(subject, object)?;
        let reads = grant.alter || grant.observe && object != self.mail();
        let guard = grant.release_guard.filter(|_| reads && self.egress_label(subject, object).is_none());
        guard.map(|label| label.meet(self.workloads[subject].clearance))
    }

    /// The label that a rule of `trusted` gives, and whether that has expired.
    pub(crate) fn trusted_label(&self, subject: usize, object: usize) -> Option<(Plain, bool)> {
        let grant = self.grant(subject, object)?;
        let (label, expired) = grant.trusted?;
        Some((label.meet(self.label(object, 0)), expired))
    }
}

impl Grant {
    /// Every mode, and no rule that lifts anything.
    const WHOLE: Self = Self {
        observe: true,
        alter: true,
        append: true,
        read_down: false,
        guard: None,
        release_guard: None,
        trusted: None,
    };

    fn modes(&self, mail: bool) -> Vec<&'static str> {
        let modes = [("observe", self.observe && !mail), ("alter", self.alter), ("append", self.append && !mail)];
        modes.into_iter().filter(|(_, given)| *given).map(|(mode, _)| mode).collect()
    }
}

fn plain() -> impl Strategy<Value = Plain> {
    // Mostly the ends: that is where labels differ most.
    prop_oneof![
        2 => Just(Plain::BOTTOM),
        2 => Just(Plain::TOP),
        3 => (0..3_u8, 0..4_u8).prop_map(|(level, categories)| Plain { level, categories }),
    ]
}

fn grant() -> impl Strategy<Value = Option<Grant>> {
    let granted = (
        prop::bool::weighted(0.9),
        prop::bool::weighted(0.8),
        prop::bool::weighted(0.8),
        prop::bool::weighted(0.2),
        prop::option::weighted(0.1, plain()),
        prop::option::weighted(0.1, plain()),
        prop::option::weighted(0.1, (plain(), any::<bool>())),
    )
        .prop_map(|(observe, alter, append, read_down, guard, release_guard, trusted)| Grant {
            observe,
            alter,
            append,
            read_down,
            guard,
            release_guard,
            trusted,
        });
    prop::option::weighted(0.85, granted)
}

fn workload(kind: Kind) -> impl Strategy<Value = Workload> {
    let low = prop_oneof![2 => Just(Plain::BOTTOM), 1 => plain()];
    let high = prop_oneof![1 => Just(Plain::TOP), 1 => plain()];
    (low, high, plain()).prop_map(move |(floor, above, object)| {
        let clearance = floor.join(above).join(object);
        // A multilevel workload's floor is its clearance.
        let floor = if kind == Kind::Multilevel { clearance } else { floor };
        Workload { kind, floor, clearance, object }
    })
}

fn plan_of(kinds: &[Kind], web: usize) -> impl Strategy<Value = Plan> + use<> {
    let count = kinds.len();
    let workloads: Vec<_> = kinds.iter().map(|kind| workload(*kind)).collect();
    let grants = prop::collection::vec(grant(), count * (count + web + 1));
    let web = prop::collection::vec(plain(), web);
    (workloads, web, grants, any::<bool>(), any::<bool>(), prop::bool::weighted(0.4)).prop_map(
        |(workloads, web, grants, lifts, without, roomy)| {
            let mut plan = Plan { workloads, web, grants, lifts, without };
            if roomy {
                plan.give_room();
            }
            plan
        },
    )
}

/// Two policies over the same workloads and objects: all labels, grants and rules differ.
pub(crate) fn plans() -> impl Strategy<Value = [Plan; 2]> {
    let kind = select(vec![
        Kind::Floating,
        Kind::Floating,
        Kind::Floating,
        Kind::Keeper,
        Kind::Keeper,
        Kind::Multilevel,
        Kind::Bare,
    ]);
    let kinds = prop::collection::vec(kind, 1..=3).prop_map(|mut kinds| {
        kinds.push(Kind::Floating);
        kinds
    });
    // Few that meet often beside more that meet seldom.
    let pair = |one| Just(vec![one, Kind::Floating]);
    let kinds = prop_oneof![3 => kinds, 1 => pair(Kind::Keeper), 2 => pair(Kind::Floating)];
    (kinds, 2..=3_usize).prop_flat_map(|(kinds, web)| [plan_of(&kinds, web), plan_of(&kinds, web)])
}
