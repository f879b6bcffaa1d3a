//! Reads all that a view shows, and checks that it agrees with itself.

use redistrib_resp::{Kind, Value, View};

/// A number for all that the view shows: equal for equal views.
pub fn digest(view: View<'_>) -> u64 {
    let attributes = view.attributes().map_or(0, digest_pairs);
    let seen = match view.value() {
        Value::Simple(text) | Value::Bulk(text) | Value::Verbatim { text, .. } => {
            assert_eq!(view.as_bytes(), Some(text));
            fold(0, text)
        }
        Value::Error(text) | Value::BulkError(text) => {
            assert_eq!(view.as_error(), Some(text));
            fold(1, text)
        }
        Value::BigNumber(digits) => fold(2, digits),
        Value::Integer(number) => number as u64,
        Value::Double(number) => number.to_bits(),
        Value::Boolean(truth) => u64::from(truth),
        Value::Null => 3,
        Value::Streamed(_) => fold(4, &view.joined().expect("a streamed string is text")),
        Value::Map(_) | Value::Attribute(_) => digest_pairs(view),
        _ => digest_elements(view),
    };
    let kind = view.kind();
    assert!(kind.is_aggregate() || view.is_empty());
    assert!(kind != Kind::Attribute && view.wire().len() >= 3);
    mix(mix(seen, kind as u64), attributes)
}

fn digest_elements(view: View<'_>) -> u64 {
    let elements = view.elements();
    assert_eq!(elements.len(), view.len());
    let header = view.wire();
    // Every child lies within its parent.
    elements.fold(0, |sum, child| {
        let inside = child.wire().as_ptr_range();
        assert!(
            header.as_ptr_range().start <= inside.start && inside.end <= header.as_ptr_range().end
        );
        mix(sum, digest(child))
    })
}

fn digest_pairs(view: View<'_>) -> u64 {
    assert_eq!(view.pairs().len() * 2, view.len());
    view.pairs().fold(5, |sum, (key, value)| mix(mix(sum, digest(key)), digest(value)))
}

fn fold(start: u64, text: &[u8]) -> u64 {
    text.iter().fold(mix(start, text.len() as u64), |sum, byte| mix(sum, u64::from(*byte)))
}

fn mix(sum: u64, more: u64) -> u64 {
    (sum.rotate_left(5) ^ more).wrapping_mul(0x517c_c1b7_2722_0a95)
}
