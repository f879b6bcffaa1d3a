//! Replies put together from those of several servers.

use redistrib_resp::{Decoder, Reply, ReplyEncoder, View};

/// The reply that was encoded. What is no reply cannot come from the functions here; it would be an error reply.
fn decode(encoder: ReplyEncoder) -> Reply {
    let mut decoder = Decoder::new();
    decoder.feed(&encoder.into_bytes());
    match decoder.next_reply() {
        Ok(Some(reply)) => reply,
        _ => error("ERR the replies of the servers do not fit together"),
    }
}

pub(super) fn integer(number: i64) -> Reply {
    decode(ReplyEncoder::new().integer(number))
}

pub(super) fn ok() -> Reply {
    decode(ReplyEncoder::new().simple("OK"))
}

pub(super) fn null() -> Reply {
    decode(ReplyEncoder::new().null())
}

/// An error reply; line breaks in it become blanks.
pub(super) fn error(text: &str) -> Reply {
    decode(ReplyEncoder::new().error(text))
}

pub(super) fn string(value: &[u8]) -> Reply {
    decode(ReplyEncoder::new().bulk(value))
}

/// An array of values that are parts of replies.
pub(super) fn array<'a>(values: impl ExactSizeIterator<Item = View<'a>>) -> Reply {
    let begun = ReplyEncoder::new().array(values.len());
    decode(values.fold(begun, ReplyEncoder::view))
}

/// An array of bulk strings.
pub(super) fn strings<'a>(values: impl ExactSizeIterator<Item = &'a [u8]>) -> Reply {
    let begun = ReplyEncoder::new().array(values.len());
    decode(values.fold(begun, ReplyEncoder::bulk))
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
