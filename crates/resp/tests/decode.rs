//! Every type of both protocols, whole and byte by byte; every way to be wrong.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on says where")]

use redistrib_resp::{DecodeErrorKind, Decoder, Kind, Limits, Reply, Value};

/// Decodes the one reply in `wire`, whole and byte by byte, and shows what came.
fn decode(wire: &str) -> Reply {
    let mut whole = Decoder::new();
    whole.feed(wire.as_bytes());
    let reply = whole.next_reply().unwrap().expect("a complete reply");
    assert_eq!(reply.wire(), wire.as_bytes());
    assert!(whole.next_reply().unwrap().is_none());
    assert_eq!(whole.buffered(), 0);

    let mut pieces = Decoder::new();
    for (n, byte) in wire.bytes().enumerate() {
        assert!(pieces.next_reply().unwrap().is_none(), "complete after {n} bytes of {wire:?}");
        pieces.feed(&[byte]);
    }
    let again = pieces.next_reply().unwrap().expect("a complete reply");
    assert_eq!(format!("{again:?}"), format!("{reply:?}"));
    reply
}

/// Decodes `wire`, whole and byte by byte, to an error, and tells its place and kind.
fn fails(wire: &str) -> (u64, DecodeErrorKind) {
    fails_within(Limits::default(), wire)
}

fn fails_within(limits: Limits, wire: &str) -> (u64, DecodeErrorKind) {
    let mut whole = Decoder::with_limits(limits);
    whole.feed(wire.as_bytes());
    let error = whole.next_reply().expect_err(wire);
    let mut pieces = Decoder::with_limits(limits);
    for byte in wire.bytes() {
        pieces.feed(&[byte]);
        let _ = pieces.next_reply();
    }
    assert_eq!(pieces.next_reply().expect_err(wire), error);
    pieces.feed(b"+OK\r\n");
    assert_eq!(pieces.next_reply().expect_err("an error stays"), error);
    pieces.reset();
    pieces.feed(b"+OK\r\n");
    assert!(pieces.next_reply().unwrap().unwrap().view().is_ok());
    (error.offset(), error.kind())
}

fn shown(wire: &str) -> String {
    format!("{:?}", decode(wire))
}

#[test]
fn scalars_of_resp2() {
    assert!(decode("+OK\r\n").view().is_ok());
    assert_eq!(shown("+\r\n"), "Simple(\"\")");
    assert_eq!(decode("-ERR no\r\n").view().as_error(), Some(&b"ERR no"[..]));
    assert_eq!(decode("-ERR no\r\n").view().as_bytes(), None);
    for number in [0, 7, -1, 42, i64::MAX, i64::MIN] {
        assert_eq!(decode(&format!(":{number}\r\n")).view().as_int(), Some(number));
    }
    assert_eq!(decode(":+5\r\n").view().as_int(), Some(5));
    assert_eq!(shown("$0\r\n\r\n"), "Bulk(\"\")");
    assert_eq!(shown("$4\r\na\r\nb\r\n"), "Bulk(\"a\\r\\nb\")");
    assert!(decode("$-1\r\n").view().is_null());
    assert!(decode("*-1\r\n").view().is_null());
}

#[test]
fn scalars_of_resp3() {
    assert!(decode("_\r\n").view().is_null());
    assert_eq!(decode("#t\r\n").view().as_bool(), Some(true));
    assert_eq!(decode("#f\r\n").view().as_bool(), Some(false));
    for (text, number) in [
        ("1.23", 1.23),
        ("10", 10.0),
        ("-1.5e-3", -1.5e-3),
        ("+3E2", 300.0),
        ("inf", f64::INFINITY),
        ("-inf", f64::NEG_INFINITY),
    ] {
        assert_eq!(decode(&format!(",{text}\r\n")).view().as_double(), Some(number));
    }
    assert!(decode(",nan\r\n").view().as_double().unwrap().is_nan());
    assert!(decode(",-nan\r\n").view().as_double().unwrap().is_nan());
    assert_eq!(shown("(-3492890328409238509324850943850943825024385\r\n").len(), 57);
    assert_eq!(decode("!8\r\nERR a\r\nb\r\n").view().as_error(), Some(&b"ERR a\r\nb"[..]));
    let verbatim = decode("=8\r\nmkd:# hi\r\n");
    assert!(matches!(
        verbatim.view().value(),
        Value::Verbatim { format: [b'm', b'k', b'd'], text: b"# hi" }
    ));
    assert_eq!(verbatim.view().as_str(), Some("# hi"));
}

#[test]
fn aggregates() {
    assert_eq!(shown("*0\r\n"), "Array[]");
    assert_eq!(
        shown("*3\r\n:1\r\n*2\r\n$1\r\na\r\n*0\r\n_\r\n"),
        "Array[Integer(1), Array[Bulk(\"a\"), Array[]], Null]"
    );
    assert_eq!(
        shown("%2\r\n+a\r\n~1\r\n:1\r\n+b\r\n%0\r\n"),
        "Map[Simple(\"a\"), Set[Integer(1)], Simple(\"b\"), Map[]]"
    );
    assert_eq!(shown(">2\r\n+message\r\n:1\r\n"), "Push[Simple(\"message\"), Integer(1)]");
    let map = decode("%2\r\n+a\r\n:1\r\n+b\r\n:2\r\n");
    assert_eq!((map.view().len(), map.view().pairs().len()), (4, 2));
    assert_eq!(map.view().get(b"b").unwrap().as_int(), Some(2));
    let nested = decode("*2\r\n*2\r\n:1\r\n:2\r\n+x\r\n");
    let inner = nested.view().elements().next().unwrap();
    assert_eq!(inner.wire(), b"*2\r\n:1\r\n:2\r\n");
    assert_eq!(nested.bytes_of(inner), inner.wire());
}

#[test]
fn streamed_types() {
    let text = decode("$?\r\n;4\r\nHell\r\n;5\r\no wor\r\n;1\r\nd\r\n;0\r\n");
    assert_eq!(text.view().kind(), Kind::Streamed);
    assert_eq!(text.view().joined().unwrap(), &b"Hello word"[..]);
    assert_eq!(shown("$?\r\n;0\r\n"), "Streamed[]");
    assert_eq!(
        shown("*?\r\n:1\r\n*?\r\n.\r\n*1\r\n$?\r\n;1\r\na\r\n;0\r\n.\r\n"),
        "Array[Integer(1), Array[], Array[Streamed[Bulk(\"a\")]]]"
    );
    assert_eq!(shown("%?\r\n+a\r\n:1\r\n.\r\n"), "Map[Simple(\"a\"), Integer(1)]");
    assert_eq!(shown("~?\r\n:1\r\n.\r\n"), "Set[Integer(1)]");
    let outer = decode("*?\r\n*?\r\n:1\r\n.\r\n:2\r\n.\r\n");
    assert_eq!(outer.view().elements().next().unwrap().wire(), b"*?\r\n:1\r\n.\r\n");
}

#[test]
fn attributes_annotate_the_value_that_follows() {
    let reply = decode("|1\r\n+ttl\r\n:9\r\n*2\r\n:1\r\n|1\r\n+hot\r\n#t\r\n|0\r\n:2\r\n");
    assert_eq!(shown("|1\r\n+ttl\r\n:9\r\n*2\r\n:1\r\n:2\r\n"), "Array[Integer(1), Integer(2)]");
    let view = reply.view();
    assert_eq!(view.attributes().unwrap().get(b"ttl").unwrap().as_int(), Some(9));
    let elements: Vec<_> = view.elements().collect();
    assert_eq!(elements.len(), 2);
    assert!(elements[0].attributes().is_none());
    let nearest = elements[1].attributes().unwrap();
    assert!(nearest.is_empty() && nearest.kind() == Kind::Attribute);
    let before = nearest.attributes().unwrap();
    assert_eq!(before.get(b"hot").unwrap().as_bool(), Some(true));
    assert!(before.attributes().is_none());
}

#[test]
fn what_is_wrong_is_named_with_its_place() {
    use DecodeErrorKind::*;
    for (wire, offset, kind) in [
        ("hello\r\n", 0, UnknownType(b'h')),
        ("*1\r\n?", 4, UnknownType(b'?')),
        ("+a\rb", 2, MissingCrlf),
        ("+a\nb", 2, MissingCrlf),
        ("$1\r\nabc", 5, MissingCrlf),
        ("$1\r\na\rc", 6, MissingCrlf),
        (":1\rx", 3, MissingCrlf),
        (":\r\n", 1, BadNumber),
        (":1x\r\n", 2, BadNumber),
        (":9223372036854775808\r\n", 1, BadNumber),
        ("$\r\n", 1, BadNumber),
        ("$99999999999999999999\r\n", 1, BadNumber),
        ("$000000000000000000000000", 1, BadNumber),
        ("$-2\r\n", 1, NegativeLength),
        ("%-1\r\n", 1, NegativeLength),
        ("=-1\r\n", 1, NegativeLength),
        ("#x\r\n", 1, BadBoolean),
        ("_x\r\n", 1, BadNull),
        (",\r\n", 1, BadDouble),
        (",1.2.3\r\n", 1, BadDouble),
        (",infinity\r\n", 1, BadDouble),
        (",1e\r\n", 1, BadDouble),
        ("(12a\r\n", 1, BadBigNumber),
        ("(-\r\n", 1, BadBigNumber),
        ("=3\r\ntxt\r\n", 4, BadVerbatim),
        ("=5\r\ntxt-a\r\n", 4, BadVerbatim),
        ("=?\r\n", 1, NotStreamable),
        (">?\r\n", 1, NotStreamable),
        ("|?\r\n", 1, NotStreamable),
        (";1\r\na\r\n", 0, StrayChunk),
        ("$?\r\n:1\r\n", 4, NotAChunk),
        (".\r\n", 0, StrayEnd),
        ("*1\r\n.\r\n", 4, StrayEnd),
        ("%?\r\n+a\r\n.\r\n", 8, OddMap),
        ("*?\r\n|0\r\n.\r\n", 8, DanglingAttribute),
        ("*1\r\n>0\r\n", 4, NestedPush),
    ] {
        assert_eq!(fails(wire), (offset, kind), "{wire:?}");
    }
}

#[test]
fn limits_hold() {
    use DecodeErrorKind::*;
    let limits = Limits { max_depth: 2, max_bulk: 4, max_elements: 4, max_line: 6, max_reply: 200 };
    let annotated = "|1\r\n:1\r\n:1\r\n".repeat(5);
    let nested = "*3\r\n".to_owned() + &"*4\r\n:1\r\n:1\r\n:1\r\n:1\r\n".repeat(3);
    for (wire, offset, kind) in [
        ("*1\r\n*1\r\n*1\r\n", 8, TooDeep),
        ("$5\r\n", 1, BulkTooLong),
        ("$?\r\n;3\r\nabc\r\n;2\r\n", 14, BulkTooLong),
        ("*5\r\n", 1, TooManyElements),
        ("%3\r\n", 1, TooManyElements),
        ("*?\r\n:1\r\n:1\r\n:1\r\n:1\r\n:1\r\n", 24, TooManyElements),
        ("+1234567", 7, LineTooLong),
        ("-1234567\r\n", 7, LineTooLong),
        // Twelve bytes and three times sixteen for each attribute.
        (&annotated, 44, ReplyTooLong),
        (&nested, 44, ReplyTooLong),
    ] {
        assert_eq!(fails_within(limits, wire), (offset, kind), "{wire:?}");
    }
    let mut decoder = Decoder::with_limits(limits);
    decoder.feed(b"$4\r\nabcd\r\n%2\r\n:1\r\n:2\r\n:3\r\n:4\r\n+123456\r\n*1\r\n*1\r\n:1\r\n");
    for _ in 0..4 {
        assert!(decoder.next_reply().unwrap().is_some());
    }
}

#[test]
fn offsets_count_from_the_stream_s_beginning() {
    let mut decoder = Decoder::new();
    decoder.feed(b"+OK\r\n:1\r\n");
    assert!(decoder.next_view().unwrap().is_some());
    assert!(decoder.next_reply().unwrap().is_some());
    decoder.feed(b":x\r\n");
    assert_eq!(decoder.next_view().unwrap_err().offset(), 10);
}
