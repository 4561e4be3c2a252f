use std::sync::{Arc, Barrier};

use bellgate_policy::Timestamp;

use super::{Nothing, channel};
use crate::event::{CapabilityCallEvent, Event, EventKind, StreamEvent};

fn stream_event(offset: u64) -> Event {
    Event::StreamEvent(Box::new(StreamEvent {
        stream_id: "s".into(),
        offset,
        at: Timestamp(0),
        event_type: "message".into(),
        event_id: None,
        data_bytes: 0,
        label: "PUBLIC".into(),
    }))
}

fn call() -> Event {
    Event::CapabilityCall(Box::new(CapabilityCallEvent {
        request_id: "r".into(),
        at: Timestamp(0),
        capability: "c".into(),
        urn: "urn:x:c".into(),
        digest: "00".into(),
        outcome: "ok".into(),
        input_bytes: 0,
        output_bytes: 0,
        duration_us: 0,
        label: "PUBLIC".into(),
    }))
}

#[test]
fn a_full_queue_drops_and_counts_by_kind() {
    for capacity in [1usize, 2, 64] {
        let (sender, receiver) = channel(capacity);
        let places = capacity as u64;
        for offset in 0..places {
            assert!(sender.offer(stream_event(offset)));
        }
        assert!(!sender.offer(stream_event(places)));
        assert!(!sender.offer(call()));
        let reading = sender.reading();
        assert_eq!(reading.accepted(EventKind::StreamEvent), places);
        assert_eq!(reading.dropped(EventKind::StreamEvent), 1);
        assert_eq!(reading.dropped(EventKind::CapabilityCall), 1);
        assert_eq!(reading.dropped(EventKind::Exchange), 0);
        assert_eq!(reading.waiting(), places);
        for offset in 0..places {
            assert_eq!(receiver.try_recv(), Ok(stream_event(offset)));
        }
        assert_eq!(receiver.try_recv(), Err(Nothing::Yet));
        assert!(sender.offer(call()), "a place that was freed is taken again");
        assert_eq!(receiver.reading().taken(), places);
    }
}

#[test]
fn a_queue_of_no_places_has_one() {
    let (sender, _receiver) = channel(0);
    assert!(sender.offer(call()));
    assert!(!sender.offer(call()));
}

#[test]
fn a_closed_queue_takes_no_more_and_loses_nothing() {
    let (sender, receiver) = channel(4);
    assert!(sender.offer(call()));
    receiver.close();
    assert!(!sender.offer(call()));
    assert_eq!(sender.reading().dropped(EventKind::CapabilityCall), 1);
    assert_eq!(receiver.try_recv(), Ok(call()));
    assert_eq!(receiver.try_recv(), Err(Nothing::Yet));
    drop(sender);
    assert_eq!(receiver.try_recv(), Err(Nothing::EverAgain));
}

#[test]
fn without_a_reader_every_offer_is_a_counted_drop() {
    let (sender, receiver) = channel(4);
    drop(receiver);
    assert!(!sender.offer(call()));
    assert_eq!(sender.reading().dropped(EventKind::CapabilityCall), 1);
}

#[test]
fn closing_amid_offers_leaves_none_behind() {
    const SENDERS: u64 = 4;
    const OFFERS: u64 = 2_000;
    let (sender, receiver) = channel(256);
    let start = Arc::new(Barrier::new(5));
    let threads: Vec<_> = (0..SENDERS)
        .map(|_| {
            let (sender, start) = (sender.clone(), Arc::clone(&start));
            #[expect(clippy::disallowed_methods, reason = "the test needs senders that run at the same time")]
            std::thread::spawn(move || {
                start.wait();
                (0..OFFERS).filter(|offset| sender.offer(stream_event(*offset))).count() as u64
            })
        })
        .collect();
    start.wait();
    let mut taken = 0u64;
    while taken < 100 {
        if receiver.try_recv().is_ok() {
            taken += 1;
        }
    }
    receiver.close();
    while receiver.try_recv().is_ok() {
        taken += 1;
    }
    let accepted: u64 = threads.into_iter().map(|thread| thread.join().unwrap()).sum();
    let reading = sender.reading();
    assert_eq!(reading.accepted(EventKind::StreamEvent), accepted);
    assert_eq!(reading.taken(), accepted);
    assert_eq!(taken, accepted);
    assert_eq!(reading.dropped(EventKind::StreamEvent), SENDERS * OFFERS - accepted);
}
