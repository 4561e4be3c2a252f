use proptest::prelude::*;

use super::*;

/// A frame as RFC 6455 section 5.2 draws it.
fn frame(opcode: u8, mask: bool, width: u8, length: u64, payload: &[u8]) -> Vec<u8> {
    let bit = if mask { MASKED } else { 0 };
    let mut bytes = vec![0x80 | opcode];
    match width {
        2 => {
            bytes.push(bit | 126);
            bytes.extend_from_slice(&length.to_be_bytes()[6..]);
        }
        8 => {
            bytes.push(bit | 127);
            bytes.extend_from_slice(&length.to_be_bytes());
        }
        _ => bytes.push(bit | u8::try_from(length).unwrap()),
    }
    if mask {
        bytes.extend_from_slice(&[1, 2, 3, 4]);
    }
    bytes.extend_from_slice(payload);
    bytes
}

#[test]
fn a_boundary_is_after_a_whole_frame_and_nowhere_else() {
    for (opcode, mask, width, length) in [
        (0x1, false, 0, 0),
        (0x1, true, 0, 0),
        (0x2, false, 0, 1),
        (0x2, true, 0, 125),
        (0x0, false, 2, 126),
        (0x9, true, 0, 5),
        (0x2, true, 2, 65_535),
        (0x2, false, 8, 65_536),
        (0x1, true, 8, 70_000),
        // A length wider than it need be is wrong, and still a length.
        (0x1, false, 8, 3),
        (0x1, false, 2, 0),
    ] {
        let bytes = frame(opcode, mask, width, length, &vec![0x88; usize::try_from(length).unwrap()]);
        let mut frames = Frames::default();
        assert!(frames.may_close(), "before the first byte");
        for (place, byte) in bytes.iter().enumerate() {
            frames.pass(&[*byte]);
            assert_eq!(frames.may_close(), place + 1 == bytes.len(), "{opcode} {mask} {width} {length} at {place}");
        }
    }
}

#[test]
fn after_a_close_frame_and_after_what_is_no_frame_nothing_is_said() {
    for bytes in [frame(0x8, false, 0, 0, &[]), frame(0x8, true, 0, 2, &[3, 0xe8]), frame(0x2, false, 8, 1 << 63, &[])]
    {
        let mut frames = Frames::default();
        frames.pass(&bytes);
        frames.pass(&frame(0x1, false, 0, 0, &[]));
        assert!(!frames.may_close(), "{bytes:?}");
    }
}

#[test]
fn the_goodbye_is_a_close_frame_with_1008_masked_towards_the_server_alone() {
    let client = close_for_client();
    assert_eq!(&client[..4], [0x88, 12, 0x03, 0xf0]);
    assert_eq!(&client[4..], b"flow-ended");
    let server = close_for_server();
    assert_eq!((server[0], server[1], server.len()), (0x88, 0x80 | 12, 18));
    let key = &server[2..6];
    let payload: Vec<u8> = server[6..].iter().zip(key.iter().cycle()).map(|(byte, key)| byte ^ key).collect();
    assert_eq!(payload, &client[2..]);
    assert_ne!(close_for_server()[2..6], close_for_server()[2..6], "a key of its own each time");
    for goodbye in [client, server] {
        let mut frames = Frames::default();
        frames.pass(&goodbye);
        assert!(frames.closing && frames.have == 0 && frames.payload_left == 0);
    }
}

fn any_frame() -> impl Strategy<Value = Vec<u8>> {
    let length = prop_oneof![0_u64..=125, 120..=130_u64, 65_530..=65_540_u64];
    (prop_oneof![Just(0_u8), Just(1), Just(2), Just(9), Just(10)], any::<bool>(), length, any::<u8>()).prop_map(
        |(opcode, mask, length, fill)| {
            let width = if length > 65_535 {
                8
            } else if length > 125 {
                2
            } else {
                0
            };
            frame(opcode, mask, width, length, &vec![fill; usize::try_from(length).unwrap()])
        },
    )
}

proptest! {
    /// However the bytes are cut, a close frame may stand exactly where a frame has ended.
    #[test]
    fn cuts_do_not_matter(all in proptest::collection::vec(any_frame(), 1..6), cuts in proptest::collection::vec(any::<proptest::sample::Index>(), 0..12)) {
        let bytes: Vec<u8> = all.concat();
        let mut ends = vec![0];
        for one in &all {
            ends.push(ends.last().unwrap() + one.len());
        }
        let mut places: Vec<usize> = cuts.iter().map(|cut| cut.index(bytes.len() + 1)).collect();
        places.extend(&ends);
        places.sort_unstable();
        let (mut frames, mut at) = (Frames::default(), 0);
        for place in places {
            frames.pass(&bytes[at..place]);
            at = place;
            prop_assert_eq!(frames.may_close(), ends.contains(&at), "at {}", at);
        }
    }

    /// Nobody's bytes make it panic, and it never says more than its memory allows.
    #[test]
    fn any_bytes_at_all(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let mut frames = Frames::default();
        frames.pass(&bytes);
        prop_assert!(frames.have < HEAD);
    }
}
