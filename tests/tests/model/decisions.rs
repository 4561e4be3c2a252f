//! What the real `decide` and `release` say, asked once for each combination and kept in tables, so that the model can't
//! drift from the code.

use std::fmt::Write as _;
use std::sync::{Arc, LazyLock};

use bellgate_policy::{
    Answer, Asked, Content, Mode, Object, Permit, Policy, Question, Reason, Release, SecurityLabel, Serving, Standing,
    Timestamp, Verdict, decide, release,
};

use crate::label::{LABELS, Label};
use crate::world::{SEATS, Seat, TARGETS, Target};

/// What a decision comes to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Outcome {
    Permitted,
    /// Nothing but the star property refuses it.
    OnlyStar,
    /// Nothing but simple security refuses it.
    OnlySimpleSecurity,
    Refused,
}

/// What a gateway decides about an answer.
#[derive(Clone, Copy)]
pub(crate) struct Back {
    /// What the answer carries.
    pub(crate) label: Label,
    /// Whether the reader's clearance dominates that.
    pub(crate) released: bool,
}

/// Labels and one more: nobody states one.
const STATED: usize = LABELS + 1;

/// For an alteration and for an append.
type ByMode<T> = [T; 2];
/// By watermark: what comes of it, and the label that the request states.
type Stating = [(Outcome, Label); LABELS];

/// All decisions of one policy.
pub(crate) struct Decisions {
    /// By caller, target and mode.
    outbound: [[ByMode<Stating>; TARGETS]; SEATS],
    /// By caller, serving workload, mode and stated label.
    inbound: [[ByMode<[Outcome; STATED]>; SEATS]; SEATS],
    /// By reader, target, and label that the serving gateway states.
    back: [[[Back; STATED]; TARGETS]; SEATS],
}

impl Decisions {
    /// The caller's gateway asks, with a watermark.
    pub(crate) fn outbound(&self, from: usize, to: Target, append: bool, watermark: Label) -> (Outcome, Label) {
        self.outbound[from][to.index()][usize::from(append)][watermark.index()]
    }

    /// The callee's gateway asks, with what the request states.
    pub(crate) fn inbound(&self, from: usize, to: usize, append: bool, stated: Option<Label>) -> Outcome {
        self.inbound[from][to][usize::from(append)][stated.map_or(LABELS, Label::index)]
    }

    /// Either gateway asks about an answer.
    pub(crate) fn back(&self, from: usize, to: Target, serving: Option<Label>) -> Back {
        self.back[from][to.index()][serving.map_or(LABELS, Label::index)]
    }

    /// Asks everything.
    pub(crate) fn of(seats: &[Seat]) -> Self {
        let policy = policy(seats);
        let labels = Label::all().map(|label| policy.lattice().parse_label(label.text()).unwrap());
        let unasked = Back { label: Label::BOTTOM, released: false };
        let mut decisions = Self {
            outbound: [[[[(Outcome::Refused, Label::BOTTOM); LABELS]; 2]; TARGETS]; SEATS],
            inbound: [[[[Outcome::Refused; STATED]; 2]; SEATS]; SEATS],
            back: [[[unasked; STATED]; TARGETS]; SEATS],
        };
        for from in 0..seats.len() {
            for to in Target::all(seats.len()) {
                let object = policy.object(&to.name()).unwrap();
                for (append, mode) in [Mode::Alter, Mode::Append].into_iter().enumerate() {
                    for label in Label::all() {
                        let watermark = &labels[label.index()];
                        let verdict = ask(&policy, from, object, mode, own(watermark));
                        let stated = verdict.decision().current.clone().unwrap();
                        decisions.outbound[from][to.index()][append][label.index()] =
                            (outcome(&verdict), Label::of(&labels, &stated));
                    }
                    if let Target::Workload(to) = to {
                        for label in 0..STATED {
                            let standing = labels
                                .get(label)
                                .map_or(Standing::Unstated, |label| Standing::Stated { label, rule: None });
                            decisions.inbound[from][to][append][label] =
                                outcome(&ask(&policy, from, object, mode, standing));
                        }
                    }
                }
                for label in 0..STATED {
                    let serving = labels.get(label).map_or(Serving::Unstated, Serving::Stated);
                    decisions.back[from][to.index()][label] = back(&policy, from, to, &labels, serving);
                }
            }
        }
        decisions
    }
}

fn ask(policy: &Policy, from: usize, object: &Arc<Object>, mode: Mode, standing: Standing<'_>) -> Verdict {
    let subject = &policy.subject_named(&format!("w{from}")).unwrap().id;
    let object = Asked::Known(object);
    let (content, now) = (Content::Nothing, Timestamp(0));
    decide(policy, &Question { subject, object, mode, standing, task: None, target: None, content, now })
}

/// The instance's watermark is looked at for task grants alone, which the model has none of.
fn own(watermark: &SecurityLabel) -> Standing<'_> {
    Standing::Own { watermark, own: watermark, declared: None }
}

fn outcome(verdict: &Verdict) -> Outcome {
    match verdict.reasons() {
        [] => Outcome::Permitted,
        [Reason::NoWriteDown] => Outcome::OnlyStar,
        [Reason::NoReadUp] => Outcome::OnlySimpleSecurity,
        _ => Outcome::Refused,
    }
}

fn back(policy: &Policy, from: usize, to: Target, labels: &[SecurityLabel; LABELS], serving: Serving<'_>) -> Back {
    match release(policy, &witness(from, to), &Answer { serving, declared: None }) {
        Release::Released { label } => Back { label: Label::of(labels, &label), released: true },
        Release::Withheld(denial) => {
            let label = denial.decision().object_label.clone().unwrap();
            Back { label: Label::of(labels, &label), released: false }
        }
    }
}

/// A permit for the asking, from a policy that permits everything: what `release` decides comes from the policy in force.
fn witness(from: usize, to: Target) -> Permit {
    static PERMISSIVE: LazyLock<Policy> = LazyLock::new(|| {
        let seat = Seat { floor: Label::BOTTOM, clearance: Label::TOP, object: Label::TOP, gateway: true };
        policy(&[seat; SEATS])
    });
    let watermark = &PERMISSIVE.lattice().bottom();
    let object = PERMISSIVE.object(&to.name()).unwrap();
    ask(&PERMISSIVE, from, object, Mode::Alter, own(watermark)).permit().unwrap()
}

/// Everybody may call everybody, and an object outside the mesh for each label.
fn policy(seats: &[Seat]) -> Policy {
    let mut text = String::from("version: 1\nlevels: [LOW, HIGH]\ncategories: [c]\nsubjects:\n");
    for (index, seat) in seats.iter().enumerate() {
        let (floor, clearance, gateway) = (seat.floor.text(), seat.clearance.text(), seat.gateway);
        writeln!(
            text,
            "  w{index}: {{ id: spiffe://a.test/w{index}, floor: '{floor}', clearance: '{clearance}', \
             gateway: {gateway}, holds_no_data: 'a model' }}"
        )
        .unwrap();
    }
    text.push_str("upstreams:\n");
    for (index, seat) in seats.iter().enumerate() {
        let label = seat.object.text();
        writeln!(text, "  o{index}: {{ workload: w{index}, label: '{label}' }}").unwrap();
    }
    for (index, label) in Label::all().into_iter().enumerate() {
        writeln!(text, "  x{index}: {{ web: x{index}.test, label: '{}' }}", label.text()).unwrap();
    }
    text.push_str("grants:\n");
    for from in 0..seats.len() {
        for to in Target::all(seats.len()) {
            writeln!(text, "  - {{ subject: w{from}, object: {}, modes: [observe, append, alter] }}", to.name())
                .unwrap();
        }
    }
    match Policy::parse("model.yaml", &text) {
        Ok(policy) => policy,
        Err(mistakes) => panic!("{mistakes}\n{text}"),
    }
}
