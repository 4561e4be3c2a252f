//! The decision against an oracle that knows levels as numbers and categories as sets of names, on policies made at random.

use std::fmt::Write as _;

use bellgate_policy::{
    Answer, Asked, Content, Mode, Policy, Question, Reason, Release, SecurityLabel, Serving, Standing, Timestamp,
    decide, release,
};
use proptest::prelude::*;

use crate::plain::{Plain, cases, plain};
use crate::world::{id, read};

#[derive(Clone, Debug)]
struct Case {
    floor: Plain,
    clearance: Plain,
    object: Plain,
    granted: Vec<Mode>,
    gateway: bool,
    append_route: bool,
}

fn case() -> impl Strategy<Value = Case> {
    let modes = vec![Mode::Observe, Mode::Append, Mode::Alter];
    let granted = prop::sample::subsequence(modes, 1..=3);
    (plain(), plain(), plain(), granted, any::<bool>(), any::<bool>()).prop_map(
        |(floor, above, object, granted, gateway, append_route)| Case {
            clearance: floor.join(&above),
            floor,
            object,
            granted,
            gateway,
            append_route,
        },
    )
}

fn policy(case: &Case) -> Policy {
    let mut text = String::from("version: 1\nlevels: [L0, L1, L2]\ncategories: [c, a, b]\nsubjects:\n");
    let (floor, clearance) = (case.floor.text(), case.clearance.text());
    let gateway = case.gateway;
    writeln!(
        text,
        "  s: {{ id: spiffe://demo.bellgate.test/s, floor: '{floor}', clearance: '{clearance}', gateway: {gateway} }}"
    )
    .unwrap();
    let mode = if case.append_route { "mode: append," } else { "" };
    let label = case.object.text();
    writeln!(
        text,
        "upstreams:\n  o: {{ web: o.test, routes: {{ r: {{ methods: [POST], path: /r, {mode} label: '{label}' }} }} }}"
    )
    .unwrap();
    let modes: Vec<&str> = case.granted.iter().map(|mode| mode.as_str()).collect();
    writeln!(text, "grants:\n  - {{ subject: s, object: o/r, modes: [{}] }}", modes.join(", ")).unwrap();
    read(&text)
}

fn mode() -> impl Strategy<Value = Mode> {
    prop::sample::select(Mode::ALL.to_vec())
}

fn own(policy: &Policy, mode: Mode, watermark: &SecurityLabel) -> Vec<Reason> {
    let question = Question {
        subject: &id("s"),
        object: Asked::Known(policy.object("o/r").unwrap()),
        mode,
        standing: Standing::Own { watermark, own: watermark, declared: None },
        task: None,
        target: None,
        content: Content::Nothing,
        now: Timestamp(0),
    };
    decide(policy, &question).reasons().to_vec()
}

proptest! {
    #![proptest_config(cases(1500))]

    #[test]
    fn a_permit_is_exactly_a_grant_and_both_properties(
        case in case(), mode in mode(), watermark in plain(), declared in prop::option::of(plain()),
    ) {
        let policy = policy(&case);
        let read = |plain: &Plain| policy.lattice().parse_label(&plain.text()).unwrap();
        let (mark, declaration) = (read(&watermark), declared.as_ref().map(read));
        let question = Question {
            subject: &id("s"),
            object: Asked::Known(policy.object("o/r").unwrap()),
            mode,
            standing: Standing::Own { watermark: &mark, own: &mark, declared: declaration.as_ref() },
            task: None,
            target: None,
            content: Content::Nothing,
            now: Timestamp(0),
        };
        let verdict = decide(&policy, &question);

        let mut current = case.floor.join(&watermark);
        let mut expected = Vec::new();
        if let Some(declared) = &declared {
            current = current.join(declared);
            if !case.clearance.dominates(declared) {
                expected.push(Reason::LabelOutOfRange);
            }
        }
        if !case.granted.contains(&mode) {
            expected.push(Reason::NotGranted);
        }
        if mode != Mode::Append && !case.clearance.dominates(&case.object) {
            expected.push(Reason::NoReadUp);
        }
        if !case.object.dominates(&current) {
            expected.push(Reason::NoWriteDown);
        }
        prop_assert_eq!(verdict.reasons(), expected.as_slice());
        prop_assert!(verdict.reasons().is_sorted());
        prop_assert_eq!(verdict.decision().current.clone(), Some(read(&current)));
        if let Some(permit) = verdict.permit() {
            prop_assert_eq!(permit.current(), &read(&current));
        }
    }

    #[test]
    fn what_is_stated_is_held_between_floor_and_clearance(
        case in case(), mode in mode(), stated in plain(),
    ) {
        let policy = policy(&case);
        let label = policy.lattice().parse_label(&stated.text()).unwrap();
        let question = Question {
            subject: &id("s"),
            object: Asked::Known(policy.object("o/r").unwrap()),
            mode,
            standing: Standing::Stated { label: &label, rule: None },
            task: None,
            target: None,
            content: Content::Nothing,
            now: Timestamp(0),
        };
        let verdict = decide(&policy, &question);
        let counts = if case.gateway { &stated } else { &case.clearance };
        let granted = case.granted.contains(&mode);
        let in_range = counts.dominates(&case.floor)
            && (case.clearance.dominates(counts) || (granted && mode == Mode::Append));
        let flows = case.object.dominates(counts)
            && (mode == Mode::Append || case.clearance.dominates(&case.object));
        prop_assert_eq!(verdict.permit().is_some(), granted && in_range && flows);
    }

    #[test]
    fn raising_the_current_label_never_turns_a_refusal_into_a_permit(
        case in case(), mode in mode(), watermark in plain(), more in plain(),
    ) {
        let policy = policy(&case);
        let read = |plain: &Plain| policy.lattice().parse_label(&plain.text()).unwrap();
        let before = own(&policy, mode, &read(&watermark));
        let after = own(&policy, mode, &read(&watermark.join(&more)));
        for reason in before {
            prop_assert!(after.contains(&reason), "{reason} went away");
        }
    }

    #[test]
    fn a_release_carries_what_it_must_and_stays_below_the_clearance(
        case in case(), watermark in plain(), stated in plain(),
    ) {
        let policy = policy(&case);
        let read = |plain: &Plain| policy.lattice().parse_label(&plain.text()).unwrap();
        let mark = read(&watermark);
        for mode in Mode::ALL {
            let question = Question {
                subject: &id("s"),
                object: Asked::Known(policy.object("o/r").unwrap()),
                mode,
                standing: Standing::Own { watermark: &mark, own: &mark, declared: None },
                task: None,
                target: None,
                content: Content::Nothing,
                now: Timestamp(0),
            };
            let Some(permit) = decide(&policy, &question).permit() else { continue };
            let serving = read(&stated);
            let answer = Answer { serving: Serving::Stated(&serving), declared: None };
            match release(&policy, &permit, &answer) {
                Release::Released { label } => {
                    prop_assert!(mode != Mode::Append);
                    prop_assert!(label.dominates(&read(&case.object)));
                    prop_assert!(permit.subject().clearance.dominates(&label));
                }
                Release::Withheld(_) => prop_assert!(mode == Mode::Append),
            }
        }
    }
}
