//! Answers put together from those of several servers.

use redistrib_resp::{Decoder, Reply, View};

/// The reply that these bytes are on the wire. Bytes that are no reply cannot come from the functions here;
/// they would be an error reply.
fn decode(wire: &[u8]) -> Reply {
    let mut decoder = Decoder::new();
    decoder.feed(wire);
    match decoder.next_reply() {
        Ok(Some(reply)) => reply,
        _ => error("ERR the answers of the servers do not fit together"),
    }
}

pub(super) fn integer(number: i64) -> Reply {
    decode(format!(":{number}\r\n").as_bytes())
}

pub(super) fn ok() -> Reply {
    decode(b"+OK\r\n")
}

pub(super) fn null() -> Reply {
    decode(b"$-1\r\n")
}

/// An error reply; line breaks in it become blanks.
pub(super) fn error(text: &str) -> Reply {
    decode(format!("-{}\r\n", text.replace(['\r', '\n'], " ")).as_bytes())
}

pub(super) fn string(value: &[u8]) -> Reply {
    decode(&[format!("${}\r\n", value.len()).as_bytes(), value, b"\r\n"].concat())
}

/// An array of values that are parts of replies.
pub(super) fn array<'a>(values: impl ExactSizeIterator<Item = View<'a>>) -> Reply {
    let mut wire = format!("*{}\r\n", values.len()).into_bytes();
    values.for_each(|value| wire.extend_from_slice(value.wire()));
    decode(&wire)
}

/// An array of bulk strings.
pub(super) fn strings<'a>(values: impl ExactSizeIterator<Item = &'a [u8]>) -> Reply {
    let mut wire = format!("*{}\r\n", values.len()).into_bytes();
    for value in values {
        wire.extend_from_slice(format!("${}\r\n", value.len()).as_bytes());
        wire.extend_from_slice(value);
        wire.extend_from_slice(b"\r\n");
    }
    decode(&wire)
}

/// The first of some replies that is an error.
pub(super) fn first_error(replies: &[Reply]) -> Option<&Reply> {
    replies.iter().find(|reply| reply.view().as_error().is_some())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn composed_replies_are_replies() {
        assert_eq!(integer(-3).view().as_int(), Some(-3));
        assert!(ok().view().is_ok() && null().view().is_null());
        assert_eq!(error("ERR a\r\nb").view().as_error(), Some(&b"ERR a  b"[..]));
        let (one, two) = (integer(1), strings([&b"x\r\n"[..], b""].into_iter()));
        let both = array([one.view(), null().view(), two.view()].into_iter());
        let kinds: Vec<String> = both.view().elements().map(|it| format!("{it:?}")).collect();
        assert_eq!(kinds, ["Integer(1)", "Null", r#"Array[Bulk("x\r\n"), Bulk("")]"#]);
    }
}
