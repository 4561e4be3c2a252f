//! An oracle for rules that lift: small policies made at random, and what must be decided under them, by sets of names and
//! by trying every combination of rules.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use bellgate_policy::{Mode, Reason, RuleKind};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::plain::{CATEGORIES, Plain, plain};

/// The objects of every policy here: an upstream, a route with a parameter, a route whose bodies name objects, and these.
pub(crate) const OBJECTS: [&str; 5] = ["o", "o/r", "o/m", "o/m/one", "o/m/two"];
const TARGETS: [&str; 5] = ["/m", "/r/v", "/r/w", "/m?q", "/r/%76"];

#[derive(Clone, Debug)]
pub(crate) struct World {
    pub(crate) floor: Plain,
    pub(crate) clearance: Plain,
    pub(crate) gateway: bool,
    pub(crate) capability: Plain,
    /// Of `o`, `o/r`, `o/m/one` and `o/m/two`.
    pub(crate) labels: [Plain; 4],
    pub(crate) rules: Vec<Rule>,
}

#[derive(Clone, Debug)]
pub(crate) enum Rule {
    Grant {
        object: &'static str,
        modes: Vec<Mode>,
        read_down: Option<bool>,
        guard: Option<Plain>,
    },
    Trusted {
        object: &'static str,
        label: Option<Plain>,
        expires: u64,
    },
    Orchestrator {
        object: &'static str,
        modes: Vec<Mode>,
        pins: bool,
        lifts: bool,
        without: Vec<&'static str>,
        expires: u64,
    },
}

impl World {
    pub(crate) fn label(&self, object: &str) -> Plain {
        match object {
            "o" => self.labels[0].clone(),
            "o/r" => self.labels[1].clone(),
            "o/m/one" => self.labels[2].clone(),
            "o/m/two" => self.labels[3].clone(),
            // What no case takes.
            _ => Plain::bottom(),
        }
    }

    pub(crate) fn text(&self) -> String {
        let [o, r, one, two] = self.labels.each_ref().map(Plain::text);
        let (floor, clearance, run) = (self.floor.text(), self.clearance.text(), self.capability.text());
        let mut text = format!(
            "version: 1
levels: [L0, L1, L2]
categories: [c, a, b]
subjects:
  s: {{ id: spiffe://demo.bellgate.test/s, floor: '{floor}', clearance: '{clearance}', gateway: {}, handles: {{ reason: forks }} }}
  t: {{ id: spiffe://demo.bellgate.test/t, clearance: L0 }}
upstreams:
  o:
    web: o.test
    label: '{o}'
    routes:
      r: {{ path: '/r/{{x}}', label: '{r}' }}
      m: {{ path: /m, manifest: k, objects: {{ at: [/to, /cc], cases: {{ one: {{ equals: one, label: '{one}' }}, two: {{ one_of: [two, deux], label: '{two}' }} }} }} }}
capabilities:
  run: {{ urn: 'urn:ab:run', sha256: {}, entry: run, label: '{run}' }}
",
            self.gateway,
            "0".repeat(64)
        );
        for (section, wanted) in [("grants", 0), ("trusted", 1), ("orchestrators", 2)] {
            writeln!(text, "{section}:").unwrap();
            for (index, rule) in self.rules.iter().enumerate() {
                if rule.section() == wanted {
                    writeln!(text, "  - {{ id: rule{index}, {} }}", rule.text()).unwrap();
                }
            }
        }
        text.replace("grants:\ntrusted", "trusted")
            .replace("trusted:\norch", "orch")
            .trim_end_matches("orchestrators:\n")
            .to_owned()
    }
}

impl Rule {
    fn section(&self) -> usize {
        match self {
            Self::Grant { .. } => 0,
            Self::Trusted { .. } => 1,
            Self::Orchestrator { .. } => 2,
        }
    }

    fn text(&self) -> String {
        let list = |modes: &[Mode]| modes.iter().map(|mode| mode.as_str()).collect::<Vec<_>>().join(", ");
        match self {
            Self::Grant { object, modes, read_down, guard } => {
                let down = match read_down {
                    None => "",
                    Some(false) => ", read_down: { budget: 1KiB }",
                    Some(true) => ", read_down: { budget: 1KiB, paths: ['/r/{x}'], values: { x: [v] } }",
                };
                let guard = guard.as_ref().map_or_else(String::new, |label| {
                    let at = "paths: [/m, '/r/{x}'], values: { x: [v] }";
                    format!(", guard: {{ capability: run, label: '{}', on: egress, {at} }}", label.text())
                });
                format!("subject: s, object: {object}, modes: [{}]{down}{guard}", list(modes))
            }
            Self::Trusted { object, label, expires } => {
                let label = label.as_ref().map_or_else(String::new, |label| format!("label: '{}', ", label.text()));
                format!("subject: s, objects: [{object}], {label}reason: x, expires: 1970-01-01T00:00:00.{expires}Z")
            }
            Self::Orchestrator { object, modes, pins, lifts, without, expires } => {
                let pins = if *pins { ", values: [/to]" } else { "" };
                let without = if *lifts { format!("without: [{}], ", without.join(", ")) } else { String::new() };
                format!(
                    "subject: t, for: [s], objects: [{{ object: {object}, modes: [{}]{pins} }}], lifts: {lifts}, {without}reason: x, expires: 1970-01-01T00:00:00.{expires}Z",
                    list(modes)
                )
            }
        }
    }

    pub(crate) fn kind(&self) -> Option<RuleKind> {
        match self {
            Self::Grant { read_down: Some(_), .. } => Some(RuleKind::ReadDown),
            Self::Grant { guard: Some(_), .. } => Some(RuleKind::Guard),
            Self::Grant { .. } => None,
            Self::Trusted { .. } => Some(RuleKind::Trusted),
            Self::Orchestrator { .. } => Some(RuleKind::Task),
        }
    }

    pub(crate) fn expires(&self) -> u64 {
        match self {
            Self::Grant { .. } => u64::MAX,
            Self::Trusted { expires, .. } | Self::Orchestrator { expires, .. } => *expires,
        }
    }
}

/// A question.
#[derive(Clone, Debug)]
pub(crate) struct Ask {
    pub(crate) about: About,
    pub(crate) mode: Mode,
    pub(crate) standing: Stands,
    pub(crate) task: Option<TaskAsked>,
    pub(crate) target: Option<&'static str>,
    pub(crate) now: u64,
}

#[derive(Clone, Debug)]
pub(crate) enum About {
    Object(&'static str),
    /// `o/m`, whose body is not read.
    Unread,
    Body(Body),
}

/// Values at `/to` and `/cc`.
#[derive(Clone, Debug)]
pub(crate) struct Body {
    pub(crate) to: Place,
    pub(crate) cc: Place,
}

#[derive(Clone, Debug)]
pub(crate) enum Place {
    Absent,
    Null,
    One(&'static str),
    Number,
    List(Vec<&'static str>),
    /// The list, and it once more in a list in a list, with a number where `true`.
    Nested(Vec<&'static str>, bool),
}

#[derive(Clone, Debug)]
pub(crate) enum Stands {
    Own { mark: Plain, own: Plain, declared: Option<Plain> },
    Stated { label: Plain, rule: Option<RuleKind> },
}

#[derive(Clone, Debug)]
pub(crate) struct TaskAsked {
    pub(crate) object: &'static str,
    pub(crate) modes: Vec<Mode>,
    pub(crate) pins: Option<Vec<&'static str>>,
}

impl Place {
    fn json(&self) -> Option<Value> {
        match self {
            Self::Absent => None,
            Self::Null => Some(Value::Null),
            Self::One(text) => Some(json!(text)),
            Self::Number => Some(json!(7)),
            Self::List(texts) => Some(json!(texts)),
            Self::Nested(texts, true) => Some(json!([[], [texts, [8]]])),
            Self::Nested(texts, false) => Some(json!([[], [texts, []]])),
        }
    }

    /// The values; `None` for one that is no text.
    fn values(&self) -> Vec<Option<&'static str>> {
        match self {
            Self::Absent | Self::Null => Vec::new(),
            Self::One(text) => vec![Some(*text)],
            Self::Number => vec![None],
            Self::List(texts) | Self::Nested(texts, false) => texts.iter().map(|text| Some(*text)).collect(),
            Self::Nested(texts, true) => texts.iter().map(|text| Some(*text)).chain([None]).collect(),
        }
    }
}

impl Body {
    pub(crate) fn json(&self) -> Value {
        let members = [("to", self.to.json()), ("cc", self.cc.json())];
        members.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))).collect()
    }

    pub(crate) fn objects(&self) -> Vec<&'static str> {
        let mut found = Vec::new();
        for value in self.to.values().into_iter().chain(self.cc.values()) {
            let object = match value {
                Some("one") => "o/m/one",
                Some("two" | "deux") => "o/m/two",
                _ => "o/m",
            };
            if !found.contains(&object) {
                found.push(object);
            }
        }
        if found.is_empty() { vec!["o/m"] } else { found }
    }
}

fn covers(named: &str, object: &str) -> bool {
    object == named || object.strip_prefix(named).is_some_and(|rest| rest.starts_with('/'))
}

/// What one rule gives for one object: which rule, and the label.
#[derive(Clone, Debug)]
struct Given {
    rule: usize,
    label: Plain,
}

/// What must come out.
#[derive(Clone, Debug)]
pub(crate) struct Outcome {
    pub(crate) reasons: Vec<Reason>,
    pub(crate) kind: Option<RuleKind>,
    pub(crate) lifts: bool,
    /// Labels that the rules of that kind give, of which the one that is stated must be a meet.
    pub(crate) labels: Vec<Plain>,
    pub(crate) current: Plain,
}

pub(crate) struct Oracle<'a> {
    pub(crate) world: &'a World,
    pub(crate) ask: &'a Ask,
    /// Whether the task of the question was accepted when it was given.
    pub(crate) task: bool,
}

/// The first rule under which a task can be given at time zero.
pub(crate) fn task_rule(world: &World, task: &TaskAsked) -> Option<usize> {
    world.rules.iter().position(|rule| admits(rule, task, task.object))
}

/// Whether a rule lets a task be given, for this object that it names.
fn admits(rule: &Rule, task: &TaskAsked, named: &str) -> bool {
    let Rule::Orchestrator { object, modes, pins, .. } = rule else { return false };
    covers(object, named)
        && task.modes.iter().all(|mode| modes.contains(mode))
        && (task.pins.is_none() || named.starts_with("o/m"))
        && (!pins || task.pins.is_some())
}

impl Oracle<'_> {
    pub(crate) fn outcome(&self) -> Outcome {
        match &self.ask.about {
            About::Object(object) => self.together(&[object], true),
            About::Body(body) => self.together(&body.objects(), true),
            About::Unread => {
                let each: Vec<Outcome> =
                    ["o/m", "o/m/one", "o/m/two"].iter().map(|object| self.together(&[object], false)).collect();
                let permitted = each.iter().find(|one| one.reasons.is_empty());
                let furthest = each.iter().rev().max_by_key(|one| one.reasons.first().copied());
                permitted.or(furthest).cloned().unwrap()
            }
        }
    }

    fn granted(&self, object: &str) -> bool {
        self.world.rules.iter().any(|rule| match rule {
            Rule::Grant { object: named, modes, .. } => covers(named, object) && modes.contains(&self.ask.mode),
            Rule::Trusted { .. } | Rule::Orchestrator { .. } => false,
        })
    }

    fn lasts(&self, rule: &Rule) -> bool {
        self.ask.now < rule.expires()
    }

    /// Orchestrators' rules that name an object in this mode now.
    fn orchestrators(&self, object: &str) -> Vec<usize> {
        let named = |rule: &Rule| match rule {
            Rule::Orchestrator { object: named, modes, .. } => covers(named, object) && modes.contains(&self.ask.mode),
            Rule::Grant { .. } | Rule::Trusted { .. } => false,
        };
        let rules = self.world.rules.iter().enumerate();
        rules.filter(|(_, rule)| named(rule) && self.lasts(rule)).map(|(index, _)| index).collect()
    }

    /// Those under which the question's task grants it.
    fn task_rules(&self, object: &str) -> Vec<usize> {
        let Some(task) = self.ask.task.as_ref().filter(|_| self.task) else { return Vec::new() };
        let first = task_rule(self.world, task).unwrap();
        let ends = self.world.rules[first].expires();
        let asked = task.modes.is_empty() || task.modes.contains(&self.ask.mode);
        let pinned = match (&task.pins, &self.ask.about) {
            (None, _) | (_, About::Unread) => true,
            (Some(_), About::Object(_)) => false,
            (Some(allowed), About::Body(body)) => {
                let values = body.to.values();
                let fits = |value: &Option<&'static str>| value.is_some_and(|text| allowed.contains(&text));
                if values.is_empty() { allowed.is_empty() } else { values.iter().all(fits) }
            }
        };
        if self.ask.now >= ends || !covers(task.object, object) || !asked || !pinned {
            return Vec::new();
        }
        let mut rules = self.orchestrators(object);
        rules.retain(|index| admits(&self.world.rules[*index], task, task.object));
        rules
    }

    /// What rules of a kind give for an object, wherever it is asked.
    fn given(&self, kind: RuleKind, object: &str, own: bool) -> Vec<Given> {
        let label = self.world.label(object);
        let unseen = !own && self.ask.target.is_none();
        let exact = matches!(self.ask.target, Some("/r/v"));
        let spelt = exact || matches!(self.ask.target, Some("/r/%76"));
        let mut found = Vec::new();
        for (index, rule) in self.world.rules.iter().enumerate() {
            let given = match (kind, rule) {
                (RuleKind::ReadDown, Rule::Grant { object: named, read_down: Some(paths), .. })
                    if covers(named, object) && self.ask.mode == Mode::Observe && (!paths || spelt || unseen) =>
                {
                    Some(label.clone())
                }
                (RuleKind::Trusted, Rule::Trusted { object: named, label: given, .. })
                    if covers(named, object) && self.lasts(rule) =>
                {
                    Some(given.clone().unwrap_or_else(|| label.clone()))
                }
                (RuleKind::Guard, Rule::Grant { object: named, modes, guard: Some(given), .. }) => {
                    let body = matches!(self.ask.mode, Mode::Alter | Mode::Append) && modes.contains(&self.ask.mode);
                    let fits = exact || unseen || self.ask.target == Some("/m");
                    (covers(named, object) && body && fits).then(|| given.clone())
                }
                (RuleKind::Task, Rule::Orchestrator { lifts: true, .. }) => {
                    self.orchestrators(object).contains(&index).then(|| label.clone())
                }
                _ => None,
            };
            found.extend(given.filter(|given| label.dominates(given)).map(|label| Given { rule: index, label }));
        }
        found
    }

    /// Those that the caller's own gateway may use with these labels.
    fn usable(&self, kind: RuleKind, object: &str, current: &Plain, own: &Plain) -> Vec<Given> {
        let mut given = self.given(kind, object, true);
        let own = self.world.floor.join(own);
        let by_task = self.task_rules(object);
        given.retain(|one| match &self.world.rules[one.rule] {
            Rule::Grant { guard: Some(_), .. } if kind == RuleKind::Guard => self.world.capability.dominates(current),
            Rule::Orchestrator { without, .. } => {
                by_task.contains(&one.rule) && without.iter().all(|category| !own.categories.contains(category))
            }
            Rule::Grant { .. } | Rule::Trusted { .. } => true,
        });
        given
    }

    fn together(&self, objects: &[&'static str], exactly: bool) -> Outcome {
        let (world, ask) = (self.world, self.ask);
        let within = |label: &Plain| world.clearance.dominates(label);
        let mut reasons = BTreeSet::new();
        let under_task = matches!(&ask.standing, Stands::Stated { rule: Some(RuleKind::Task), .. }) && world.gateway;
        let by_task = |object: &str| match &ask.standing {
            Stands::Own { .. } => !self.task_rules(object).is_empty(),
            Stands::Stated { .. } => under_task && !self.orchestrators(object).is_empty(),
        };
        let granted = |object: &str| self.granted(object) || by_task(object);
        let all_granted = objects.iter().all(|object| granted(object));
        let not_above = |label: &Plain| within(label) || (ask.mode == Mode::Append && all_granted);

        let mut outcome = Outcome {
            reasons: Vec::new(),
            kind: None,
            lifts: false,
            labels: Vec::new(),
            current: world.clearance.clone(),
        };
        match &ask.standing {
            Stands::Own { mark, declared, .. } => {
                let current = world.floor.join(mark);
                outcome.current = declared.as_ref().map_or(current.clone(), |declared| current.join(declared));
                if declared.as_ref().is_some_and(|declared| !within(declared)) {
                    reasons.insert(Reason::LabelOutOfRange);
                }
            }
            Stands::Stated { label, rule } if world.gateway => {
                outcome.current = label.clone();
                let accepted = match rule {
                    None => label.dominates(&world.floor),
                    Some(kind) => self.accepts(*kind, label, objects, exactly, &mut outcome),
                };
                if !accepted || !not_above(label) {
                    reasons.insert(Reason::LabelOutOfRange);
                }
            }
            Stands::Stated { .. } => {}
        }
        for object in objects {
            if !granted(object) {
                reasons.insert(Reason::NotGranted);
            }
            if ask.mode != Mode::Append && !within(&world.label(object)) {
                reasons.insert(Reason::NoReadUp);
            }
        }
        let star = |object: &&&'static str| !world.label(object).dominates(&outcome.current);
        let failing: Vec<&'static str> = objects.iter().filter(star).copied().collect();
        let borrowed = objects.iter().any(|object| !self.granted(object));
        match &ask.standing {
            Stands::Own { own, .. } if reasons.is_empty() && (!failing.is_empty() || borrowed) => {
                let current = outcome.current.clone();
                let kind = [RuleKind::ReadDown, RuleKind::Trusted, RuleKind::Task, RuleKind::Guard]
                    .into_iter()
                    .filter(|kind| !borrowed || *kind == RuleKind::Task)
                    .find(|kind| self.serves(*kind, objects, &failing, &current, own));
                match kind {
                    None => drop(reasons.insert(Reason::NoWriteDown)),
                    Some(kind) => {
                        outcome.kind = Some(kind);
                        outcome.lifts = !failing.is_empty();
                        for object in &failing {
                            let usable = self.usable(kind, object, &current, own);
                            outcome.labels.extend(usable.into_iter().map(|given| given.label));
                        }
                    }
                }
            }
            Stands::Own { .. } | Stands::Stated { .. } if !failing.is_empty() => {
                reasons.insert(Reason::NoWriteDown);
            }
            Stands::Own { .. } | Stands::Stated { .. } => {}
        }
        outcome.reasons = reasons.into_iter().collect();
        outcome
    }

    /// Whether some choice of rules of one kind, one for each object that needs it, serves all.
    fn serves(&self, kind: RuleKind, objects: &[&str], failing: &[&str], current: &Plain, own: &Plain) -> bool {
        let mut choices: Vec<Vec<Given>> = vec![Vec::new()];
        for object in failing {
            let usable = self.usable(kind, object, current, own);
            choices = choices
                .iter()
                .flat_map(|choice| usable.iter().map(|one| [choice.as_slice(), std::slice::from_ref(one)].concat()))
                .collect();
        }
        choices.iter().any(|choice| {
            let one_rule = matches!(kind, RuleKind::Trusted | RuleKind::Task)
                || choice.iter().all(|given| given.rule == choice[0].rule);
            let stated = choice.iter().skip(1).fold(choice.first().map(|given| given.label.clone()), |label, given| {
                label.map(|label| label.meet(&given.label))
            });
            let fits =
                stated.is_none_or(|stated| objects.iter().all(|object| self.world.label(object).dominates(&stated)));
            one_rule && fits
        })
    }

    /// Whether the other gateway has rules of that kind of which this is a meet.
    fn accepts(&self, kind: RuleKind, stated: &Plain, objects: &[&str], exactly: bool, outcome: &mut Outcome) -> bool {
        let in_range = stated.dominates(&self.world.floor) && self.world.clearance.dominates(stated);
        outcome.kind = Some(kind);
        outcome.labels = vec![stated.clone()];
        if kind == RuleKind::Task && in_range {
            return objects.iter().any(|object| !self.orchestrators(object).is_empty());
        }
        outcome.lifts = true;
        let given: Vec<Given> = objects.iter().flat_map(|object| self.given(kind, object, false)).collect();
        if !exactly {
            return given.iter().any(|given| given.label.dominates(stated));
        }
        // Every meet of some of them.
        let mut meets: Vec<Plain> = Vec::new();
        for Given { label, .. } in given {
            let more: Vec<Plain> = meets.iter().map(|meet| meet.meet(&label)).chain([label.clone()]).collect();
            meets.extend(more.into_iter().filter(|meet| !meets.contains(meet)).collect::<Vec<_>>());
        }
        meets.contains(stated)
    }
}

fn modes() -> impl Strategy<Value = Vec<Mode>> {
    prop::sample::subsequence(vec![Mode::Observe, Mode::Append, Mode::Alter], 1..=3)
}

fn object() -> impl Strategy<Value = &'static str> {
    prop::sample::select(OBJECTS.to_vec())
}

fn rule() -> impl Strategy<Value = Rule> {
    let expires = || prop::sample::select(vec![100_u64, 200]);
    let grant = (object(), modes(), prop::option::of(any::<bool>()), prop::option::of(plain())).prop_map(
        |(object, modes, read_down, guard)| Rule::Grant {
            read_down: read_down.filter(|_| modes.contains(&Mode::Observe)),
            guard: guard.filter(|_| modes.contains(&Mode::Alter)),
            object,
            modes,
        },
    );
    let trusted = (object(), prop::option::of(plain()), expires()).prop_map(|(object, label, expires)| Rule::Trusted {
        object,
        label,
        expires,
    });
    let without = prop::sample::subsequence(CATEGORIES.to_vec(), 0..=2);
    let orchestrator = (object(), modes(), any::<bool>(), any::<bool>(), without, expires()).prop_map(
        |(object, modes, pins, lifts, without, expires)| Rule::Orchestrator {
            pins: pins && object.starts_with("o/m"),
            object,
            modes,
            lifts,
            without,
            expires,
        },
    );
    prop_oneof![3 => grant, 2 => trusted, 2 => orchestrator]
}

pub(crate) fn world() -> impl Strategy<Value = World> {
    let labels = [plain(), plain(), plain(), plain()];
    // In half of them everything is granted, so that more questions come down to the star property.
    let everything = Rule::Grant {
        object: "o",
        modes: vec![Mode::Observe, Mode::Append, Mode::Alter],
        read_down: None,
        guard: None,
    };
    let rules = (any::<bool>(), prop::collection::vec(rule(), 1..=6)).prop_map(move |(all, mut rules)| {
        if all {
            rules.push(everything.clone());
        }
        rules
    });
    (plain(), plain(), prop::bool::weighted(0.9), plain(), labels, rules).prop_map(
        |(floor, above, gateway, capability, labels, rules)| {
            let mut world =
                World { clearance: floor.join(&above), floor, gateway, capability, labels, rules: Vec::new() };
            // A label that a rule gives must be one that it can be used with.
            let highest = |object: &str| world.label(if object == "o/m" { "o/m/one" } else { object });
            let rules = rules.into_iter().map(|rule| match rule {
                Rule::Grant { object, modes, read_down, guard } => {
                    Rule::Grant { guard: guard.map(|label| label.meet(&highest(object))), object, modes, read_down }
                }
                Rule::Trusted { object, label, expires } => {
                    Rule::Trusted { label: label.map(|label| label.meet(&highest(object))), object, expires }
                }
                orchestrator @ Rule::Orchestrator { .. } => orchestrator,
            });
            world.rules = rules.collect();
            world
        },
    )
}

fn place() -> impl Strategy<Value = Place> {
    let text = || prop::sample::select(vec!["one", "two", "deux", "other", "ONE"]);
    let texts = move || prop::collection::vec(text(), 0..=3);
    prop_oneof![
        1 => Just(Place::Absent),
        1 => Just(Place::Null),
        1 => Just(Place::Number),
        4 => text().prop_map(Place::One),
        4 => texts().prop_map(Place::List),
        2 => (texts(), any::<bool>()).prop_map(|(texts, number)| Place::Nested(texts, number)),
    ]
}

pub(crate) fn body() -> impl Strategy<Value = Body> {
    (place(), place()).prop_map(|(to, cc)| Body { to, cc })
}

pub(crate) fn ask() -> impl Strategy<Value = Ask> {
    let about =
        prop_oneof![3 => object().prop_map(About::Object), 1 => Just(About::Unread), 4 => body().prop_map(About::Body)];
    let own = (plain(), plain(), prop::option::weighted(0.2, plain())).prop_map(|(mark, own, declared)| Stands::Own {
        mark,
        own,
        declared,
    });
    let kind = prop::option::of(prop::sample::select(RuleKind::ALL.to_vec()));
    let stated = (plain(), kind).prop_map(|(label, rule)| Stands::Stated { label, rule });
    let standing = prop_oneof![3 => own, 2 => stated];
    let pins = prop::option::of(prop::sample::subsequence(vec!["one", "two", "other"], 0..=3));
    let task = (object(), prop::sample::subsequence(vec![Mode::Observe, Mode::Append, Mode::Alter], 0..=2), pins)
        .prop_map(|(object, modes, pins)| TaskAsked { object, modes, pins });
    let mode = prop::sample::select(vec![Mode::Observe, Mode::Append, Mode::Alter]);
    let target = prop::option::weighted(0.8, prop::sample::select(TARGETS.to_vec()));
    let now = prop::sample::select(vec![50_u64, 150, 250]);
    (about, mode, standing, prop::option::of(task), target, now)
        .prop_map(|(about, mode, standing, task, target, now)| Ask { about, mode, standing, task, target, now })
}
