//! Laws of rules that lift, and the decision against the oracle.

use bellgate_policy::{
    Asked, Content, Mode, Objects, Permit, Policy, Question, Reason, RequestShape, RuleKind, SecurityLabel, Standing,
    Task, Timestamp, Verdict, decide,
};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::oracle::{About, Ask, Oracle, Rule, Stands, TaskAsked, World, ask, body, task_rule, world};
use crate::plain::{Plain, cases, plain};
use crate::world::{id, read};

fn label(policy: &Policy, plain: &Plain) -> SecurityLabel {
    policy.lattice().parse_label(&plain.text()).unwrap()
}

/// The task as the policy gives it, at time zero.
fn task(policy: &Policy, asked: &TaskAsked) -> Option<Task> {
    let mut grant = json!({ "object": asked.object, "modes": asked.modes });
    if let Some(pins) = &asked.pins {
        grant["values"] = json!({ "/to": pins });
    }
    policy.task(&id("t"), &id("s"), &json!({ "grants": [grant] }).to_string(), Timestamp(0)).ok()
}

fn resolved(policy: &Policy, content: Content<'_>) -> Objects {
    let shape = RequestShape { method: "POST", path: "/m", has_body: true, upgrade: false };
    let target = policy.resolve(policy.upstream("o").unwrap(), &shape, content);
    assert!(target.by_body);
    target.objects
}

/// Asks the real policy.
fn verdict(policy: &Policy, ask: &Ask) -> Verdict {
    let json: Option<Value> = match &ask.about {
        About::Body(body) => Some(body.json()),
        About::Object(_) | About::Unread => None,
    };
    let content = match (&ask.about, &json) {
        (About::Unread, _) => Content::Unread,
        (_, Some(json)) => Content::Json(json),
        (_, None) => Content::Nothing,
    };
    let objects = match &ask.about {
        About::Object(name) => Objects::one(policy.object(name).unwrap().clone()),
        About::Unread | About::Body(_) => resolved(policy, content),
    };
    let (first, second, third) = match &ask.standing {
        Stands::Own { mark, own, declared } => {
            (label(policy, mark), label(policy, own), declared.as_ref().map(|declared| label(policy, declared)))
        }
        Stands::Stated { label: stated, .. } => (label(policy, stated), label(policy, stated), None),
    };
    let standing = match &ask.standing {
        Stands::Own { .. } => Standing::Own { watermark: &first, own: &second, declared: third.as_ref() },
        Stands::Stated { rule, .. } => Standing::Stated { label: &first, rule: *rule },
    };
    let task = ask.task.as_ref().and_then(|asked| task(policy, asked));
    decide(
        policy,
        &Question {
            subject: &id("s"),
            object: Asked::Several(&objects),
            mode: ask.mode,
            standing,
            task: task.as_ref(),
            target: ask.target,
            content,
            now: Timestamp(ask.now),
        },
    )
}

fn permitted(policy: &Policy, ask: &Ask) -> Option<Permit> {
    verdict(policy, ask).permit()
}

/// The question of the other gateway, about what this permit lets go.
fn at_the_other_gateway(policy: &Policy, ask: &Ask, permit: &Permit) -> Ask {
    let text = policy.lattice().text(permit.states());
    let (level, categories) = text.split_once(':').unwrap_or((&text, ""));
    let stated = Plain {
        level: level[1..].parse().unwrap(),
        categories: crate::plain::CATEGORIES
            .into_iter()
            .filter(|category| categories.split(',').any(|one| one == *category))
            .collect(),
    };
    let rule = permit.downgrade().map(|downgrade| downgrade.kind);
    Ask { standing: Stands::Stated { label: stated, rule }, task: None, ..ask.clone() }
}

proptest! {
    #![proptest_config(cases(600))]

    #[test]
    fn the_decision_is_the_oracles(world in world(), ask in ask()) {
        let policy = read(&world.text());
        let accepted = ask.task.as_ref().is_some_and(|asked| task(&policy, asked).is_some());
        prop_assert_eq!(accepted, ask.task.as_ref().is_some_and(|asked| task_rule(&world, asked).is_some()));
        let expected = Oracle { world: &world, ask: &ask, task: accepted }.outcome();
        let found = verdict(&policy, &ask);
        prop_assert_eq!(found.reasons(), expected.reasons.as_slice());
        prop_assert_eq!(found.decision().current.clone(), Some(label(&policy, &expected.current)));
        let Verdict::Permit(permit) = found else { return Ok(()) };
        let downgrade = permit.downgrade();
        prop_assert_eq!(downgrade.map(|one| (one.kind, one.lifts)), expected.kind.map(|kind| (kind, expected.lifts)));
        match downgrade.filter(|downgrade| downgrade.lifts) {
            None => prop_assert_eq!(permit.states(), permit.current()),
            Some(downgrade) => {
                let above = expected.labels.iter().map(|one| label(&policy, one)).filter(|one| one.dominates(&downgrade.label));
                prop_assert_eq!(above.reduce(|one, other| one.meet(&other)), Some(downgrade.label.clone()));
            }
        }
    }

    #[test]
    fn no_write_down_is_permitted_unless_a_rule_of_this_policy_lifts_it(world in world(), ask in ask()) {
        let policy = read(&world.text());
        let Some(permit) = permitted(&policy, &ask) else { return Ok(()) };
        let bound = if permit.objects().every() { permit.objects().iter().collect() } else { Vec::new() };
        for object in bound {
            let own = object.label.as_ref().unwrap();
            prop_assert!(own.dominates(permit.states()));
            if !own.dominates(permit.current()) {
                let downgrade = permit.downgrade().unwrap();
                prop_assert!(downgrade.lifts);
                for rule in downgrade.rule.split(',') {
                    let index: usize = rule.strip_prefix("rule").unwrap().parse().unwrap();
                    let lifting = &world.rules[index];
                    let kind = if downgrade.kind == RuleKind::Guard { matches!(lifting, Rule::Grant { guard: Some(_), .. }) }
                        else { lifting.kind() == Some(downgrade.kind) };
                    prop_assert!(kind && ask.now < lifting.expires(), "{lifting:?}");
                }
            }
            if ask.mode != Mode::Append {
                prop_assert!(permit.subject().clearance.dominates(own));
            }
        }
    }

    #[test]
    fn taking_a_rule_away_never_permits_more(world in world(), ask in ask(), which in any::<prop::sample::Index>()) {
        let whole = read(&world.text());
        let mut less = world.clone();
        less.rules.remove(which.index(world.rules.len()));
        let less = read(&less.text());
        if permitted(&less, &ask).is_some() {
            prop_assert!(permitted(&whole, &ask).is_some());
        }
    }

    #[test]
    fn what_has_expired_is_as_if_it_were_not_there(world in world(), ask in ask()) {
        let mut without = world.clone();
        without.rules.retain(|rule| ask.now < rule.expires());
        let (with, without) = (read(&world.text()), read(&without.text()));
        // A task is given before; its own end is looked at apart.
        let ask = Ask { task: None, ..ask };
        let (with, without) = (verdict(&with, &ask), verdict(&without, &ask));
        prop_assert_eq!(with.reasons(), without.reasons());
    }

    #[test]
    fn every_object_is_no_weaker_than_each_alone(world in world(), ask in ask(), body in body()) {
        let policy = read(&world.text());
        let ask = Ask { about: About::Body(body.clone()), task: None, ..ask };
        // At the other gateway one object may stand in for another: the floor is lifted for the request as a whole.
        if !matches!(ask.standing, Stands::Own { .. }) || permitted(&policy, &ask).is_none() {
            return Ok(());
        }
        for object in body.objects() {
            let alone = Ask { about: About::Object(object), ..ask.clone() };
            prop_assert!(permitted(&policy, &alone).is_some(), "{object}");
        }
    }

    #[test]
    fn before_the_body_is_read_no_more_is_refused_than_with_it(world in world(), ask in ask(), body in body()) {
        let policy = read(&world.text());
        let with = Ask { about: About::Body(body), ..ask };
        if permitted(&policy, &with).is_some() {
            let before = Ask { about: About::Unread, ..with };
            prop_assert!(permitted(&policy, &before).is_some());
        }
    }

    #[test]
    fn a_value_that_no_case_knows_is_the_bottom(world in world(), ask in ask(), body in body()) {
        let policy = read(&world.text());
        let json = body.json();
        let objects = resolved(&policy, Content::Json(&json));
        let names: Vec<&str> = objects.iter().map(|object| &*object.name).collect();
        prop_assert_eq!(&names, &body.objects());
        prop_assert!(objects.every());
        if !names.contains(&"o/m") {
            return Ok(());
        }
        let ask = Ask { about: About::Body(body), ..ask };
        if let Some(permit) = permitted(&policy, &ask) {
            let lifted = permit.downgrade().is_some_and(|downgrade| downgrade.lifts);
            prop_assert_eq!(permit.states(), &policy.lattice().bottom());
            prop_assert!(lifted || permit.current() == &policy.lattice().bottom());
        }
    }

    #[test]
    fn a_task_lifts_nothing_while_the_own_label_has_an_excluded_category(world in world(), ask in ask()) {
        let policy = read(&world.text());
        let Stands::Own { own, .. } = &ask.standing else { return Ok(()) };
        let own = world.floor.join(own);
        let Some(permit) = permitted(&policy, &ask) else { return Ok(()) };
        let Some(downgrade) = permit.downgrade().filter(|one| one.lifts && one.kind == RuleKind::Task) else { return Ok(()) };
        for rule in downgrade.rule.split(',') {
            let index: usize = rule.strip_prefix("rule").unwrap().parse().unwrap();
            let Rule::Orchestrator { without, lifts, .. } = &world.rules[index] else { panic!("{rule}") };
            prop_assert!(*lifts && without.iter().all(|category| !own.categories.contains(category)));
        }
    }

    #[test]
    fn without_a_rule_of_a_kind_the_other_gateway_believes_no_statement_of_it(
        world in world(), ask in ask(), stated in plain(), kind in prop::sample::select(RuleKind::ALL.to_vec()),
    ) {
        let mut without = World { gateway: true, ..world };
        without.rules.retain_mut(|rule| match (kind, rule) {
            (RuleKind::ReadDown, Rule::Grant { read_down, .. }) => { *read_down = None; true }
            (RuleKind::Guard, Rule::Grant { guard, .. }) => { *guard = None; true }
            (RuleKind::Trusted, Rule::Trusted { .. }) | (RuleKind::Task, Rule::Orchestrator { .. }) => false,
            _ => true,
        });
        let policy = read(&without.text());
        let ask = Ask { standing: Stands::Stated { label: stated, rule: Some(kind) }, ..ask };
        let found = verdict(&policy, &ask);
        prop_assert_eq!(found.reasons().first(), Some(&Reason::LabelOutOfRange));
    }

    #[test]
    fn what_one_gateway_lets_go_the_other_lets_in(world in world(), ask in ask()) {
        let policy = read(&World { gateway: true, ..world.clone() }.text());
        let Stands::Own { mark, .. } = &ask.standing else { return Ok(()) };
        if !world.clearance.dominates(mark) || matches!(ask.about, About::Unread) {
            return Ok(());
        }
        let Some(permit) = permitted(&policy, &ask) else { return Ok(()) };
        let there = at_the_other_gateway(&policy, &ask, &permit);
        let found = verdict(&policy, &there);
        prop_assert!(found.reasons().is_empty(), "{:?} {:?}", found, there.standing);
    }

    #[test]
    fn reading_more_never_permits_more(world in world(), ask in ask(), more in plain()) {
        let policy = read(&world.text());
        let Stands::Own { mark, own, declared } = ask.standing.clone() else { return Ok(()) };
        let after = Ask {
            standing: Stands::Own { mark: mark.join(&more), own: own.join(&more), declared },
            ..ask.clone()
        };
        if permitted(&policy, &after).is_some() {
            prop_assert!(permitted(&policy, &ask).is_some());
        }
    }
}
