//! Laws of the frames: what is written is read back, whatever else is read never panics, lengths are bounded by their head.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

use bellgate_enclave_protocol::{
    Cause, Entry, FrameError, HEAD_BYTES, Head, INPUT_BYTES_MAX, Invoke, Kind, Limits, MODULE_BYTES_MAX, Message,
    Module, ModuleDigest, OUTPUT_BYTES_MAX,
};
use bytes::Bytes;
use proptest::prelude::*;

fn read(frame: &[u8]) -> Result<Message, FrameError> {
    let (head, body) = frame.split_first_chunk::<HEAD_BYTES>().expect("a head");
    Message::parse(Head::parse(*head)?, Bytes::copy_from_slice(body))
}

fn payloads() -> impl Strategy<Value = Bytes> {
    prop::collection::vec(any::<u8>(), 0..300).prop_map(Bytes::from)
}

fn limits() -> impl Strategy<Value = Limits> {
    (65_536..=1_u64 << 30, 1..=u64::MAX, 1..=60_000_u64, 0..=16_u64 << 20, 1..=64_u64 << 20)
        .prop_map(|(memory, fuel, wall, input, output)| Limits::new(memory, fuel, wall, input, output).unwrap())
}

/// A message that shows no more than its kind.
#[derive(Clone)]
struct Drawn(Message);

impl std::fmt::Debug for Drawn {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.kind().fmt(f)
    }
}

fn messages() -> impl Strategy<Value = Drawn> {
    let digests = || any::<[u8; 32]>().prop_map(ModuleDigest::new);
    prop_oneof![
        (any::<u64>(), digests(), limits(), "[!-~]{1,128}", payloads()).prop_map(
            |(number, digest, limits, entry, input)| {
                let entry = Entry::new(&entry).unwrap();
                Drawn(Message::Invoke(Invoke { number, digest, limits, entry, input }))
            }
        ),
        any::<u64>().prop_map(|number| Drawn(Message::NeedModule(number))),
        (any::<u64>(), digests(), payloads()).prop_map(|(number, digest, bytes)| Drawn(Message::Module(Module {
            number,
            digest,
            bytes
        }))),
        (any::<u64>(), payloads()).prop_map(|(number, output)| Drawn(Message::Output(number, output))),
        (any::<u64>(), prop::sample::select(&Cause::ALL[..]))
            .prop_map(|(number, cause)| Drawn(Message::Fault(number, cause))),
        any::<u64>().prop_map(|number| Drawn(Message::Prepared(number))),
    ]
}

proptest! {
    #[test]
    fn what_is_written_is_read_back(Drawn(message) in messages()) {
        let frame = message.clone().encode().unwrap().joined();
        prop_assert!(read(&frame).unwrap() == message);
    }

    #[test]
    fn a_frame_cut_short_or_gone_on_is_refused(Drawn(message) in messages(), cut in 1..40_usize) {
        let frame = message.encode().unwrap().joined();
        let short = &frame[..frame.len().saturating_sub(cut).max(HEAD_BYTES)];
        prop_assert!(short.len() == frame.len() || read(short).is_err());
        let long = [&frame[..], &vec![0; cut]].concat();
        prop_assert!(read(&long).is_err());
    }

    #[test]
    fn a_changed_byte_is_read_or_refused(Drawn(message) in messages(), at in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let mut frame = message.encode().unwrap().joined().to_vec();
        let at = at.index(frame.len());
        frame[at] = byte;
        if let Ok(changed) = read(&frame) {
            // What is read has one form only.
            prop_assert_eq!(&changed.encode().unwrap().joined()[..], &frame[..]);
        }
    }

    #[test]
    fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), HEAD_BYTES..400)) {
        let _ = read(&bytes);
    }

    #[test]
    fn any_body_of_any_kind_is_read_or_refused(kind in 1..=6_u8, body in prop::collection::vec(any::<u8>(), 0..400)) {
        let length = u32::try_from(body.len()).unwrap().to_be_bytes();
        let frame = [&[1, kind, 0, 0], &length[..], &body].concat();
        let _ = read(&frame);
    }
}

#[test]
fn each_kind_is_bounded_by_its_head_alone() {
    let rows = [
        (1, Kind::Invoke, 82, 8 + 73 + 128 + INPUT_BYTES_MAX),
        (2, Kind::NeedModule, 8, 8),
        (3, Kind::Module, 40, 40 + MODULE_BYTES_MAX),
        (4, Kind::Output, 8, 8 + OUTPUT_BYTES_MAX),
        (5, Kind::Fault, 9, 9),
        (6, Kind::Prepared, 8, 8),
    ];
    for (number, kind, least, most) in rows {
        assert_eq!(kind.bounds(), (least, most));
        let head = |length: u32| {
            let [a, b, c, d] = length.to_be_bytes();
            Head::parse([1, number, 0, 0, a, b, c, d])
        };
        for (length, fits) in [(least - 1, false), (least, true), (most, true), (most + 1, false), (u32::MAX, false)] {
            match head(length) {
                Ok(head) => assert!(fits && head.kind() == kind && head.length() == length, "{kind:?}, {length}"),
                Err(error) => assert!(!fits && matches!(error, FrameError::Length { .. }), "{kind:?}, {length}"),
            }
        }
    }
}

#[test]
fn heads_of_anything_else_are_refused() {
    let rows = [
        ([0, 1, 0, 0, 0, 0, 0, 90], FrameError::Version(0)),
        ([2, 1, 0, 0, 0, 0, 0, 90], FrameError::Version(2)),
        ([1, 0, 0, 0, 0, 0, 0, 8], FrameError::Kind(0)),
        ([1, 7, 0, 0, 0, 0, 0, 8], FrameError::Kind(7)),
        ([1, 2, 1, 0, 0, 0, 0, 8], FrameError::Reserved),
        ([1, 2, 0, 1, 0, 0, 0, 8], FrameError::Reserved),
    ];
    for (head, error) in rows {
        assert_eq!(Head::parse(head), Err(error));
    }
}

#[test]
fn what_the_other_side_would_refuse_is_not_written() {
    let too_long = |length: u32| Bytes::from(vec![0; length as usize + 1]);
    let digest = ModuleDigest::new([0; 32]);
    let (limits, entry) = (Limits::default(), Entry::new("run").unwrap());
    let messages = [
        Message::Invoke(Invoke { number: 1, digest, limits, entry, input: too_long(INPUT_BYTES_MAX) }),
        Message::Module(Module { number: 1, digest, bytes: too_long(MODULE_BYTES_MAX) }),
        Message::Output(1, too_long(OUTPUT_BYTES_MAX)),
    ];
    for message in messages {
        assert!(message.encode().is_err());
    }
}

#[test]
fn a_call_is_these_bytes() {
    let call = Message::Invoke(Invoke {
        number: 7,
        digest: ModuleDigest::new([0xab; 32]),
        limits: Limits::default(),
        entry: Entry::new("run").unwrap(),
        input: Bytes::from_static(b"{}"),
    });
    let expected = [
        "0101000000000056",
        "0000000000000007",
        &"ab".repeat(32),
        "0000000004000000",
        "000000003b9aca00",
        "00000000000003e8",
        "0000000000100000",
        "0000000000a00000",
        "0372756e",
        "7b7d",
    ]
    .concat();
    let found: String = call.encode().unwrap().joined().iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(found, expected);
}
