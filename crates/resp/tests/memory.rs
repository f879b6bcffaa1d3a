//! What the codec allocates: counted, and never ahead of the bytes that have arrived.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on says where")]

use allocation_counter::{AllocationInfo, measure};
use redistrib_resp::{DecodeErrorKind, Decoder, Limits, Parser, Pipeline};

/// Decodes `wire`, fed in pieces of 4 KiB, under limits that forbid as little as can be.
fn feed(wire: &[u8]) -> AllocationInfo {
    let limits = Limits {
        max_depth: usize::MAX,
        max_bulk: usize::MAX,
        max_elements: usize::MAX,
        max_line: usize::MAX,
        max_reply: usize::MAX,
    };
    measure(|| {
        let mut decoder = Decoder::with_limits(limits);
        for piece in wire.chunks(4096) {
            decoder.feed(piece);
            assert!(decoder.next_view().unwrap().is_none());
        }
    })
}

#[test]
fn announced_sizes_allocate_nothing() {
    for wire in ["*2147483647\r\n", "%1073741823\r\n", "$536870912\r\n", "$?\r\n;536870912\r\n"] {
        let peak = feed(wire.as_bytes()).bytes_max;
        assert!(peak < 1024, "{wire:?} takes {peak} bytes");
    }
    // One announcement inside the other, a hundred times.
    let peak = feed("*2147483647\r\n".repeat(100).as_bytes()).bytes_max;
    assert!(peak < 16 << 10, "a hundred announcements take {peak} bytes");
}

#[test]
fn announced_sizes_beyond_the_limits_are_refused() {
    for (wire, kind) in [
        ("*2147483647\r\n", DecodeErrorKind::TooManyElements),
        ("$536870913\r\n", DecodeErrorKind::BulkTooLong),
    ] {
        let mut decoder = Decoder::new();
        decoder.feed(wire.as_bytes());
        assert_eq!(decoder.next_view().unwrap_err().kind(), kind);
    }
    let mut decoder = Decoder::new();
    decoder.feed(b"$536870912\r\n");
    assert!(decoder.next_view().unwrap().is_none());
}

#[test]
fn a_million_levels_are_refused_or_take_bounded_memory() {
    let wire = "*1\r\n".repeat(1_000_000);
    let mut decoder = Decoder::new();
    decoder.feed(wire.as_bytes());
    let error = decoder.next_view().unwrap_err();
    assert_eq!((error.offset(), error.kind()), (4 * 128, DecodeErrorKind::TooDeep));

    // Sixteen bytes of index and twelve of stack for each level, twice while a vector grows.
    let peak = feed(wire.as_bytes()).bytes_max as usize;
    assert!(peak < 32 * wire.len(), "{peak} bytes for {}", wire.len());
}

#[test]
fn a_reply_with_a_million_levels_can_be_read_and_shown() {
    let wire = "*1\r\n".repeat(1_000_000) + ":1\r\n";
    let mut parser = Parser::with_limits(Limits { max_depth: 2_000_000, ..Limits::default() });
    let view = parser.next_view(&mut wire.as_bytes()).unwrap().unwrap();
    let mut innermost = view;
    while let Some(inner) = innermost.elements().next() {
        innermost = inner;
    }
    assert_eq!(innermost.as_int(), Some(1));
    assert!(format!("{view:?}").contains('…'));
}

#[test]
fn a_byte_received_costs_a_bounded_number_of_bytes() {
    // The least that an element has on the wire is three bytes: `_\r\n`.
    let wire = format!("*1000001\r\n{}", "_\r\n".repeat(1_000_000));
    let peak = feed(wire.as_bytes()).bytes_max as usize;
    assert!(peak < 20 * wire.len(), "{peak} bytes for {}", wire.len());
}

#[test]
fn scalars_allocate_nothing() {
    let wire = "+OK\r\n:42\r\n$5\r\nvalue\r\n-ERR no\r\n$-1\r\n#t\r\n,1.5\r\n_\r\n".repeat(100);
    let viewed = measure(|| {
        let (mut parser, mut rest) = (Parser::new(), wire.as_bytes());
        while let Some(view) = parser.next_view(&mut rest).unwrap() {
            assert_eq!(view.len(), 0);
        }
    });
    // The index of what is not taken in one step: once for all of them.
    assert!(viewed.count_total <= 1, "{viewed:?}");

    let mut decoder = Decoder::new();
    decoder.feed(wire.as_bytes());
    let mut replies = Vec::with_capacity(800);
    let owned = measure(|| {
        while let Some(reply) = decoder.next_reply().unwrap() {
            replies.push(reply);
        }
    });
    assert_eq!(replies.len(), 800);
    assert!(owned.count_total <= 1, "{owned:?}");
}

#[test]
fn an_array_is_one_allocation_of_sixteen_bytes_an_element() {
    let wire = format!("*1000\r\n{}", "$8\r\nkey:1234\r\n".repeat(1000));
    let mut decoder = Decoder::new();
    // The decoder keeps the room that the first reply needed.
    for measured in [false, true] {
        decoder.feed(wire.as_bytes());
        let mut reply = None;
        let cost = measure(|| reply = decoder.next_reply().unwrap());
        assert_eq!(reply.unwrap().view().len(), 1000);
        if measured {
            // The index, and the buffer's own counter now that it is shared.
            assert!(cost.count_total <= 2, "{cost:?}");
            assert!(cost.bytes_current <= 16 * 1001 + 64, "{cost:?}");
        }
    }
}

#[test]
fn a_large_reply_leaves_no_large_room_behind() {
    let wire = format!("*1000000\r\n{}", "$1\r\nx\r\n".repeat(1_000_000));
    let (mut decoder, mut reply) = (Decoder::new(), None);
    let cost = measure(|| {
        for piece in wire.as_bytes().chunks(1 << 16) {
            decoder.feed(piece);
            reply = decoder.next_reply().unwrap();
        }
    });
    assert_eq!(reply.unwrap().view().len(), 1_000_000);
    // The buffer, which doubles as it grows, the reply's index, and the decoder's room for the next.
    let most = 2 * wire.len() + 16 * 1_000_001 + (1 << 20) + 1024;
    assert!(cost.bytes_current <= most as i64, "{cost:?}");
}

#[test]
fn views_of_pipelined_replies_allocate_nothing_once_warm() {
    let wire = "*3\r\n:1\r\n$3\r\nabc\r\n%1\r\n+a\r\n+b\r\n".repeat(100);
    let mut decoder = Decoder::new();
    decoder.feed(wire.as_bytes());
    assert!(decoder.next_view().unwrap().is_some());
    let cost = measure(|| while decoder.next_view().unwrap().is_some() {});
    assert_eq!(cost.count_total, 0);
}

#[test]
fn a_pipeline_keeps_its_room() {
    let mut pipeline = Pipeline::new();
    let fill = |pipeline: &mut Pipeline| {
        for _ in 0..100 {
            pipeline.command(&[b"SET", b"key", b"value"]);
        }
    };
    fill(&mut pipeline);
    pipeline.clear();
    assert_eq!(measure(|| fill(&mut pipeline)).count_total, 0);
}
