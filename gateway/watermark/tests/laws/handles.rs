//! Handles, budgets, resets, the clock: what each is for.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bellgate_policy::{Policy, Timestamp};
use bellgate_watermark::{
    HandleError, HandleId, HandleListener, LinkKind, MAX_TASK_BYTES, Missing, Opening, SpendError, StateError,
    Watermark,
};

use crate::instance::{World, because};

fn opening(world: &World, start: &str) -> Opening {
    Opening {
        start: world.label(start),
        because: None,
        listener: HandleListener::Egress,
        task: None,
        life: Duration::from_secs(60),
        limit: 10,
    }
}

const NOW: Timestamp = Timestamp(1_000_000);

#[test]
fn what_is_seen_under_a_handle_raises_it_and_the_instance_and_no_other_handle() {
    let world = World::new();
    let (watermark, _) = world.open(Missing::Floor);
    let one = watermark.open_handle(opening(&world, "PUBLIC"), NOW).unwrap();
    let two = watermark.open_handle(opening(&world, "PUBLIC"), NOW).unwrap();
    watermark.raise_under(&one.handle, &world.label("CONFIDENTIAL:a"), || because("one")).unwrap();
    let text = |opened: &bellgate_watermark::Opened| world.text(&watermark.reading_of(&opened.handle).label);
    assert_eq!((text(&one).as_str(), text(&two).as_str()), ("CONFIDENTIAL:a", "PUBLIC"));
    assert_eq!(world.text(&watermark.reading().label), "CONFIDENTIAL:a");
    // The instance has nothing to learn of this any more; the other handle has.
    let raised = watermark.raise(&world.label("CONFIDENTIAL"), || because("two")).unwrap();
    assert!(raised.rose);
    assert_eq!((text(&one).as_str(), text(&two).as_str()), ("CONFIDENTIAL:a", "CONFIDENTIAL"));
    assert!(!watermark.raise(&world.label("CONFIDENTIAL"), || because("three")).unwrap().rose);
    // Opened after it, so not raised by it.
    let three = watermark.open_handle(opening(&world, "PUBLIC"), NOW).unwrap();
    assert_eq!(text(&three), "PUBLIC");
}

#[test]
fn a_handle_outlives_the_process_by_its_id_alone() {
    let world = World::new();
    let (watermark, _) = world.open(Missing::Floor);
    let mut with_task = opening(&world, "STANDARD");
    with_task.task = Some("{\"grants\":[]}".into());
    with_task.listener = HandleListener::Envoy;
    let opened = watermark.open_handle(with_task, NOW).unwrap();
    watermark.raise_under(&opened.handle, &world.label("PUBLIC:a"), || because("one")).unwrap();
    watermark.raise(&world.label("PUBLIC:b"), || because("two")).unwrap();
    let id = HandleId::parse(&opened.id.reveal()).unwrap();
    drop(opened);
    let journal = std::fs::read_to_string(world.file()).unwrap();
    assert!(!journal.contains(&id.reveal()), "the journal keeps no ID");
    drop(watermark);
    let (watermark, _) = world.open(Missing::Clearance);
    let handle = watermark.handle(&id, NOW).unwrap();
    assert_eq!(world.text(&watermark.reading_of(&handle).label), "STANDARD:a,b");
    assert_eq!(handle.task().map(AsRef::as_ref), Some("{\"grants\":[]}"));
    assert_eq!(
        (handle.listener(), handle.opened_at(), handle.expires()),
        (HandleListener::Envoy, NOW, Timestamp(1_060_000))
    );
    assert_eq!(handle.short(), id.short());
    let chain = watermark.chain(Some(&handle));
    let told: Vec<_> = chain
        .iter()
        .map(|link| {
            (link.kind, link.observation.as_ref().map(|seen| seen.request_id.clone()), world.text(&link.label_after))
        })
        .collect();
    assert_eq!(
        told,
        [
            (LinkKind::Opened, None, "STANDARD".to_owned()),
            (LinkKind::Observed, Some("one".into()), "STANDARD:a".to_owned()),
            (LinkKind::Observed, Some("two".into()), "STANDARD:a,b".to_owned()),
        ]
    );
    let cause = |object: &str| watermark.cause(Some(&handle), &world.label(object)).map(|seen| seen.request_id.clone());
    assert_eq!(cause("STANDARD:b").as_deref(), Some("one"));
    assert_eq!(cause("STANDARD:a").as_deref(), Some("two"));
    assert_eq!(cause("STANDARD:a,b"), None);
    let closed = watermark.close_handle(&handle);
    assert!(closed && !watermark.close_handle(&handle) && watermark.handle(&id, NOW).is_none());
    drop(watermark);
    assert!(world.open(Missing::Floor).0.handle(&id, NOW).is_none(), "closed for good");
}

#[test]
fn an_id_has_one_spelling() {
    let id = "00112233445566778899aabbccddeeff";
    assert_eq!(HandleId::parse(id).unwrap().reveal(), id);
    for other in
        ["", "0", &id[1..], &format!("{id}0"), &id.to_uppercase(), &format!("{}g", &id[1..]), &format!(" {}", &id[1..])]
    {
        assert!(HandleId::parse(other).is_none(), "{other}");
    }
    assert_ne!(HandleId::parse(id).unwrap().short(), id[..12]);
}

#[test]
fn there_are_as_many_as_may_be_and_what_has_expired_makes_room() {
    let world = World::new();
    let (watermark, _) = world.open(Missing::Floor);
    let open = |limit: usize, now: u64| {
        let opening = Opening { limit, life: Duration::from_millis(100), ..opening(&world, "PUBLIC") };
        watermark.open_handle(opening, Timestamp(now))
    };
    for limit in [0, 1, 2, 3] {
        let opened: Vec<_> = (0..limit).map(|_| open(limit, 1000).unwrap()).collect();
        assert!(matches!(open(limit, 1099), Err(HandleError::LimitReached { .. })), "{limit}");
        assert_eq!(watermark.handles_open(), limit);
        for opened in opened {
            assert!(watermark.handle(&opened.id, Timestamp(1099)).is_some());
            watermark.close_handle(&opened.handle);
        }
    }
    let old = open(1, 2000).unwrap();
    assert!(open(1, 2099).is_err());
    let new = open(1, 2100).unwrap();
    assert!(watermark.handle(&old.id, Timestamp(2000)).is_none(), "what has expired stays so");
    assert!(watermark.handle(&new.id, Timestamp(2199)).is_some());
    assert!(watermark.handle(&new.id, Timestamp(2200)).is_none());
    assert!(watermark.handle(&new.id, Timestamp(2199)).is_none(), "a step back revives nothing");
    assert_eq!(watermark.handles_open(), 0);
}

#[test]
fn tasks_are_bounded() {
    let world = World::new();
    let (watermark, _) = world.open(Missing::Floor);
    for (bytes, fits) in [(MAX_TASK_BYTES - 1, true), (MAX_TASK_BYTES, true), (MAX_TASK_BYTES + 1, false)] {
        // Each byte takes two in the journal.
        let opening = Opening { task: Some("\"".repeat(bytes)), ..opening(&world, "PUBLIC") };
        let opened = watermark.open_handle(opening, NOW);
        assert_eq!(opened.is_ok(), fits, "{bytes}");
    }
    drop(watermark);
    assert_eq!(world.open(Missing::Floor).0.handles_open(), 2);
}

#[test]
fn the_clock_never_steps_back_not_even_over_a_restart() {
    let world = World::new();
    let (watermark, _) = world.open(Missing::Floor);
    let opened = watermark.open_handle(opening(&world, "PUBLIC"), NOW).unwrap();
    assert_eq!(watermark.clock(Timestamp(1_060_000)), Timestamp(1_060_000));
    assert_eq!(watermark.clock(Timestamp(5)), Timestamp(1_060_000));
    assert!(watermark.handle(&opened.id, watermark.clock(Timestamp(5))).is_none());
    drop((opened.handle, watermark));
    let (watermark, _) = world.open(Missing::Floor);
    assert_eq!(watermark.clock(Timestamp(5)), Timestamp(1_060_000));
    assert!(watermark.handle(&opened.id, Timestamp(5)).is_none());
}

#[test]
fn debits_end_exactly_at_the_budget() {
    let world = World::new();
    let (watermark, _) = world.open(Missing::Floor);
    assert_eq!(watermark.spend("rule", 60, 100).unwrap(), 40);
    assert!(matches!(watermark.spend("rule", 41, 100), Err(SpendError::OverBudget { asked: 41, left: 40 })));
    assert_eq!(watermark.spend("other", 41, 100).unwrap(), 59);
    drop(watermark);
    let (watermark, _) = world.open(Missing::Floor);
    assert_eq!(watermark.spend("rule", 40, 100).unwrap(), 0);
    assert!(watermark.spend("rule", 1, 100).is_err());
    assert!(watermark.spend("rule", u64::MAX, u64::MAX).is_err());
    let subject = world.subject();
    watermark.reset("a new month", 0, NOW, subject).unwrap();
    assert_eq!(watermark.spend("rule", 100, 100).unwrap(), 0);
}

#[test]
fn a_reset_is_kept_and_ends_what_hung_on_the_past() {
    let world = World::new();
    let (watermark, _) = world.open(Missing::Floor);
    let opened = watermark.open_handle(opening(&world, "PUBLIC"), NOW).unwrap();
    watermark.raise(&world.label("RESTRICTED:a"), || because("one")).unwrap();
    let before = watermark.reading().version;
    // Bytes are on their way while the operator acts.
    let passing = watermark.passing(None, &world.label("PUBLIC:b"));
    let reset = watermark.reset("a new patient", 7, NOW, world.subject()).unwrap();
    assert_eq!((world.text(&reset.before), world.text(&reset.after)), ("RESTRICTED:a".into(), "PUBLIC:b".into()));
    assert_eq!((reset.handles_closed, watermark.handles_open()), (1, 0));
    assert!(watermark.reading().version > before);
    assert!(!opened.handle.is_open());
    let left = watermark.reading_of(&opened.handle).label;
    assert_eq!(left, world.policy.lattice().top(), "nothing goes out under a handle of before");
    drop(passing);
    let reset = watermark.reset("once more", 7, NOW, world.subject()).unwrap();
    assert_eq!(world.text(&reset.after), "PUBLIC");
    // Late to the party: counts on the new side.
    watermark.raise_under(&opened.handle, &world.label("PUBLIC:c"), || because("two")).unwrap();
    drop(watermark);
    let (watermark, _) = world.open(Missing::Floor);
    assert_eq!(world.text(&watermark.reading().label), "PUBLIC:c");
    let kinds: Vec<_> = watermark.chain(None).iter().map(|link| link.kind).collect();
    assert_eq!(kinds, [LinkKind::Reset, LinkKind::Observed]);
    let journal = std::fs::read_to_string(world.file()).unwrap();
    assert!(journal.contains("once more") && !journal.contains("RESTRICTED:a"));
}

#[test]
fn a_cause_is_the_first_that_went_too_far() {
    let world = World::new();
    let (watermark, _) = world.open(Missing::Floor);
    for (label, request) in [("PUBLIC:a", "one"), ("CONFIDENTIAL", "two"), ("RESTRICTED:b", "three")] {
        watermark.raise(&world.label(label), || because(request)).unwrap();
    }
    for (object, request) in [
        ("RESTRICTED", Some("one")),
        ("STANDARD:a", Some("two")),
        ("CONFIDENTIAL:a", Some("three")),
        ("RESTRICTED:a,b", None),
    ] {
        let cause = watermark.cause(None, &world.label(object));
        assert_eq!(cause.as_ref().map(|seen| seen.request_id.as_str()), request, "{object}");
    }
    // Opened by the workload, at its own label: the instance's past is the handle's.
    let opened = watermark.open_handle(opening(&world, "RESTRICTED:a,b"), NOW).unwrap();
    let cause = watermark.cause(Some(&opened.handle), &world.label("STANDARD:a"));
    assert_eq!(cause.unwrap().request_id, "two");
    // Opened with a delivery.
    let delivered = Opening { because: Some(because("delivery")), ..opening(&world, "CONFIDENTIAL:c") };
    let opened = watermark.open_handle(delivered, NOW).unwrap();
    assert_eq!(watermark.cause(Some(&opened.handle), &world.label("STANDARD")).unwrap().request_id, "delivery");
}

#[test]
fn whoever_waits_for_changes_hears_of_each() {
    let world = World::new();
    let (watermark, _) = world.open(Missing::Floor);
    let heard = Arc::new(AtomicUsize::new(0));
    let ear = Arc::clone(&heard);
    watermark.on_change(Arc::new(move || {
        ear.fetch_add(1, Ordering::Relaxed);
    }));
    let version = watermark.version();
    watermark.raise(&world.label("PUBLIC:a"), || because("one")).unwrap();
    assert!(watermark.version() > version && heard.load(Ordering::Relaxed) == 1);
    let version = watermark.version();
    watermark.raise(&world.label("PUBLIC:a"), || because("two")).unwrap();
    watermark.spend("rule", 1, 2).unwrap();
    assert!(watermark.version() == version && heard.load(Ordering::Relaxed) == 1, "nothing has changed");
    // A handle lower than what open flows have passed: they look again.
    watermark.open_handle(opening(&world, "PUBLIC"), NOW).unwrap();
    assert!(watermark.version() > version && heard.load(Ordering::Relaxed) == 2);
    watermark.reset("r", 0, NOW, world.subject()).unwrap();
    assert_eq!(heard.load(Ordering::Relaxed), 3);
    watermark.rebase(world.subject(), world.policy.lattice()).unwrap();
    assert_eq!(heard.load(Ordering::Relaxed), 4);
}

#[test]
fn one_folder_has_one_gateway() {
    let world = World::new();
    let (watermark, _) = world.open(Missing::Floor);
    let again = || Watermark::open(world.folder.path(), world.subject(), world.policy.lattice(), Missing::Floor, NOW);
    assert!(matches!(again(), Err(StateError::InUse { .. })));
    drop(watermark);
    assert!(again().is_ok());
}

#[test]
fn another_policys_names_are_the_top_and_close_the_handles() {
    let world = World::new();
    let (watermark, _) = world.open(Missing::Floor);
    let opened = watermark.open_handle(opening(&world, "PUBLIC:a"), NOW).unwrap();
    watermark.raise(&world.label("CONFIDENTIAL:a"), || because("one")).unwrap();
    let text = "version: 1\ncategories: [b, c]\nsubjects:\n  agent: { id: spiffe://a.test/agent, floor: PUBLIC, clearance: \"RESTRICTED:b\" }\n";
    let without = Policy::parse("policy.yaml", text).unwrap();
    let reading = watermark.rebase(without.subject_named("agent").unwrap(), without.lattice()).unwrap();
    assert_eq!(reading.label, without.lattice().top());
    assert!(watermark.handle(&opened.id, NOW).is_none());
    assert!(watermark.raise(&world.label("PUBLIC:a"), || because("of the old policy")).is_err());
    watermark.raise(&without.lattice().parse_label("PUBLIC:b").unwrap(), || because("two")).unwrap();
    let opening = Opening { start: without.lattice().bottom(), ..opening(&world, "PUBLIC") };
    let new = watermark.open_handle(opening, NOW).unwrap();
    watermark.raise(&without.lattice().parse_label("PUBLIC:b").unwrap(), || because("three")).unwrap();
    assert_eq!(without.lattice().text(&watermark.reading_of(&new.handle).label), "PUBLIC:b");
    drop(watermark);
    // Back to the old names: it stays where it came to, under names that are still known.
    let (watermark, startup) = world.open(Missing::Floor);
    let found = world.text(&watermark.reading().label);
    assert!(watermark.reading().label.dominates(&world.label("RESTRICTED:a,b,c")), "{found}: {startup:?}");
}
