use proptest::prelude::*;

use super::{SseEvent, SseLimits, SseParser};

/// What a test compares: type, data, bytes, id, truncated.
type Told = (String, String, u64, String, bool);

fn told(event: &SseEvent<'_>) -> Told {
    (
        event.event_type.to_string(),
        event.data.to_string(),
        event.data_bytes,
        event.last_event_id.to_string(),
        event.truncated,
    )
}

fn parse(limits: SseLimits, chunks: &[&[u8]]) -> (Vec<Told>, Option<u64>) {
    let mut parser = SseParser::new(limits);
    let mut events = Vec::new();
    for chunk in chunks {
        parser.push(chunk, |event| {
            assert_eq!(event.offset, events.len() as u64);
            events.push(told(&event));
        });
    }
    assert_eq!(parser.dispatched(), events.len() as u64);
    (events, parser.retry_ms())
}

fn message(data: &str) -> Told {
    ("message".into(), data.into(), data.len() as u64, String::new(), false)
}

fn with(event_type: &str, data: &str, id: &str) -> Told {
    (event_type.into(), data.into(), data.len() as u64, id.into(), false)
}

#[test]
fn each_rule_of_the_standard() {
    let rows: Vec<(&str, &[u8], Vec<Told>)> = vec![
        ("three line ends", b"data: a\n\ndata: b\r\rdata: c\r\n\r\n", vec![message("a"), message("b"), message("c")]),
        ("line ends mixed within one event", b"data: a\rdata: b\r\ndata: c\n\r\n", vec![message("a\nb\nc")]),
        ("a byte order mark, once", b"\xEF\xBB\xBFdata: a\n\n\xEF\xBB\xBFdata: b\n\n", vec![message("a")]),
        ("half a mark is no mark", b"\xEF\xBBdata: a\n\n", vec![]),
        ("a mark before an empty line", b"\xEF\xBB\xBF\ndata: a\n\n", vec![message("a")]),
        ("comments", b": hello\n:\ndata: a\n: in between\n\n", vec![message("a")]),
        (
            "one space is taken away, not two, not a tab",
            b"data:a\ndata: a\ndata:  a\ndata:\ta\n\n",
            vec![message("a\na\n a\n\ta")],
        ),
        (
            "a line without a colon is a field without a value",
            b"data\n\ndata\ndata\n\ndata:\n\n",
            vec![message(""), message("\n"), message("")],
        ),
        ("no data, no event", b"event: x\nid: 7\n\ndata: a\n\n", vec![with("message", "a", "7")]),
        ("the type holds for one event", b"event: x\ndata: a\n\ndata: b\n\n", vec![with("x", "a", ""), message("b")]),
        (
            "the last type wins, an empty one is message",
            b"event: x\nevent: y\ndata: a\n\nevent: z\nevent\ndata: b\n\n",
            vec![with("y", "a", ""), message("b")],
        ),
        (
            "the id stays until the next one",
            b"id: 1\ndata: a\n\ndata: b\n\nid\ndata: c\n\n",
            vec![with("message", "a", "1"), with("message", "b", "1"), message("c")],
        ),
        (
            "an id with NUL is ignored",
            b"id: 1\ndata: a\n\nid: 2\x003\ndata: b\n\n",
            vec![with("message", "a", "1"), with("message", "b", "1")],
        ),
        ("field names are exact", b"Data: a\n data: b\ndata : c\ndatax: d\ndata: e\n\n", vec![message("e")]),
        ("a value keeps its colons", b"data: a:b: c\n\n", vec![message("a:b: c")]),
        ("what isn't ended is not dispatched", b"data: a\n\ndata: b\n", vec![message("a")]),
        ("nor is a line without an end", b"data: a\n\ndata: b", vec![message("a")]),
        ("many empty lines", b"\n\n\r\n\rdata: a\n\n\n\n", vec![message("a")]),
        ("NUL in data stays", b"data: a\x00b\n\n", vec![message("a\0b")]),
        (
            "characters beyond ASCII",
            "data: h\u{e9}llo \u{1F980}\nevent: \u{3042}\n\n".as_bytes(),
            vec![with("\u{3042}", "h\u{e9}llo \u{1F980}", "")],
        ),
    ];
    for (why, stream, events) in rows {
        assert_eq!(parse(SseLimits::default(), &[stream]).0, events, "{why}");
    }
}

#[test]
fn bytes_that_are_no_utf_8_become_the_replacement_character() {
    let (events, _) = parse(SseLimits::default(), &[b"data: a\xFFb\nid: \xC3\n\n"]);
    assert_eq!(events, [("message".to_owned(), "a\u{FFFD}b".to_owned(), 3, "\u{FFFD}".to_owned(), false)]);
}

#[test]
fn retry_counts_only_if_it_is_all_ascii_digits() {
    let rows: &[(&[u8], Option<u64>)] = &[
        (b"retry: 1500\n", Some(1500)),
        (b"retry: 1500\nretry: 15s\n", Some(1500)),
        (b"retry: 0\n", Some(0)),
        (b"retry: -1\n", None),
        (b"retry: +1\n", None),
        (b"retry: 1.5\n", None),
        (b"retry:\n", None),
        (b"retry\n", None),
        (b"retry: \xD9\xA1\n", None),
        (b"retry: 99999999999999999999\n", Some(u64::MAX)),
        (b"retry: 15", None),
    ];
    for (stream, retry) in rows {
        assert_eq!(parse(SseLimits::default(), &[stream]).1, *retry, "{}", stream.escape_ascii());
    }
}

#[test]
fn a_line_is_kept_up_to_the_limit_and_counted_beyond_it() {
    let limits = SseLimits { line_bytes: 100, data_bytes: 1000 };
    for (length, truncated) in [(94, false), (95, false), (96, true), (5000, true)] {
        let stream = format!("data:{}\n\ndata:b\n\n", "a".repeat(length));
        let (events, _) = parse(limits, &[stream.as_bytes()]);
        let kept = "a".repeat(length.min(95));
        assert_eq!(
            events,
            [("message".into(), kept, length as u64, String::new(), truncated), message("b")],
            "{length}"
        );
    }
}

#[test]
fn data_is_kept_up_to_the_limit_and_counted_beyond_it() {
    let limits = SseLimits { line_bytes: 100, data_bytes: 10 };
    let rows: &[(&[u8], &str, u64, bool)] = &[
        (b"data:123456789\n\n", "123456789", 9, false),
        (b"data:1234567890\n\n", "1234567890", 10, false),
        (b"data:12345678901\n\n", "1234567890", 11, true),
        (b"data:12345\ndata:7890\n\n", "12345\n7890", 10, false),
        (b"data:12345\ndata:78901\n\n", "12345\n7890", 11, true),
        (b"data:1234567890\ndata\n\n", "1234567890", 11, true),
        // What comes after a gap is not joined to what came before it.
        (b"data:12345678901\ndata:x\n\n", "1234567890", 13, true),
    ];
    for (stream, data, data_bytes, truncated) in rows {
        let (events, _) = parse(limits, &[stream]);
        let expected: Told = ("message".into(), (*data).into(), *data_bytes, String::new(), *truncated);
        assert_eq!(events, [expected], "{}", stream.escape_ascii());
    }
}

#[test]
fn a_type_or_an_id_that_is_too_long_is_ignored() {
    let limits = SseLimits { line_bytes: 64, data_bytes: 10 };
    let long = "x".repeat(64);
    let stream = format!("id: 1\nevent: y\nid: {long}\nevent: {long}\nretry: {}\ndata: a\n\n", "1".repeat(64));
    assert_eq!(parse(limits, &[stream.as_bytes()]), (vec![with("y", "a", "1")], None));
}

#[test]
fn a_line_limit_too_small_for_a_field_is_raised() {
    let (events, _) = parse(SseLimits { line_bytes: 0, data_bytes: 100 }, &[b"data: abc\n\n"]);
    assert_eq!(events, [message("abc")]);
}

#[test]
fn a_line_end_may_be_cut_between_its_two_bytes() {
    assert_eq!(
        parse(SseLimits::default(), &[b"data: a\r", b"\n\r", b"", b"\ndata: b\n\n"]).0,
        [message("a"), message("b")]
    );
    // A CR that ends a chunk ends its line at once: the event is not held back until more comes.
    assert_eq!(parse(SseLimits::default(), &[b"data: a\r\n\r"]).0, [message("a")]);
}

/// Streams made of what the parser has rules for, so that cuts fall into the middle of all of them.
fn streams() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        Just(b"\n".to_vec()),
        Just(b"\r".to_vec()),
        Just(b"\r\n".to_vec()),
        Just(b"\xEF\xBB\xBF".to_vec()),
        Just(b"data: ".to_vec()),
        Just(b"data:".to_vec()),
        Just(b"data".to_vec()),
        Just(b"event: ".to_vec()),
        Just(b"id:".to_vec()),
        Just(b"retry: 12".to_vec()),
        Just(b":".to_vec()),
        Just(b"\0".to_vec()),
        Just(b"\xF0\x9F\xA6\x80".to_vec()),
        prop::collection::vec(any::<u8>(), 0..90),
    ];
    prop::collection::vec(piece, 0..60).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn any_chunking_gives_the_same_events(
        stream in streams(),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..20),
        limits in prop_oneof![
            Just(SseLimits::default()),
            Just(SseLimits { line_bytes: 64, data_bytes: 100 }),
        ],
    ) {
        let whole = parse(limits, &[&stream]);
        let mut at: Vec<usize> = cuts.iter().map(|cut| cut.index(stream.len() + 1)).collect();
        at.push(0);
        at.push(stream.len());
        at.sort_unstable();
        let chunks: Vec<&[u8]> = at.windows(2).map(|ends| &stream[ends[0]..ends[1]]).collect();
        prop_assert_eq!(parse(limits, &chunks), whole.clone());
        let bytes: Vec<&[u8]> = stream.chunks(1).collect();
        prop_assert_eq!(parse(limits, &bytes), whole);
    }

    #[test]
    fn what_is_written_as_the_standard_says_is_read_back(
        events in prop::collection::vec(("[a-z]{1,8}", "[^\r\n]{0,40}(\n[^\r\n]{0,40}){0,3}", "[0-9a-z]{0,8}"), 0..10),
    ) {
        let mut stream = String::new();
        for (event_type, data, id) in &events {
            stream.push_str(&format!("event: {event_type}\nid: {id}\n"));
            for line in data.split('\n') {
                stream.push_str(&format!("data: {line}\n"));
            }
            stream.push('\n');
        }
        let expected: Vec<Told> = events.iter().map(|(event_type, data, id)| with(event_type, data, id)).collect();
        prop_assert_eq!(parse(SseLimits::default(), &[stream.as_bytes()]).0, expected);
    }
}
