//! Lines of `CLUSTER NODES` as texts, compared without being parsed: most lines of a cluster's views are the same but for the
//! times of the last ping and pong.

use memchr::memchr;

use crate::NodeId;
use crate::text::find;

/// The lines of a text, without their ends.
pub(super) fn of(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = Some(text);
    std::iter::from_fn(move || {
        let text = rest?;
        let end = memchr(b'\n', text);
        rest = end.map(|end| &text[end + 1..]);
        let line = &text[..end.unwrap_or(text.len())];
        Some(line.strip_suffix(b"\r").unwrap_or(line))
    })
}

/// The id that a line begins with.
pub(super) fn id(line: &[u8]) -> Option<NodeId> {
    NodeId::from_hex(line.get(..40)?).ok()
}

/// The lines of one text, by the places of the nodes that they describe.
#[derive(Debug)]
pub(super) struct NodeLines {
    lines: Vec<StableLine>,
}

/// A line without its two times. Both parts are empty where there is none, or none of the usual form.
#[derive(Clone, Debug, Default)]
struct StableLine {
    before: Box<[u8]>,
    after: Box<[u8]>,
}

impl NodeLines {
    /// The lines of a text that describes `count` nodes; of those of one node the first.
    pub(super) fn of(text: &[u8], count: usize, place: impl Fn(NodeId) -> Option<usize>) -> Self {
        let mut lines = vec![None; count];
        for line in of(text) {
            let free = id(line).and_then(&place).and_then(|place| lines.get_mut(place));
            if let Some(free @ None) = free {
                *free = Some(StableLine::of(line).unwrap_or_default());
            }
        }
        Self { lines: lines.into_iter().map(Option::unwrap_or_default).collect() }
    }

    /// Where a line says of the node at this place what ours says, but for the times: when the ping was sent that the node
    /// has not answered.
    pub(super) fn alike(&self, place: usize, line: &[u8]) -> Option<i64> {
        let StableLine { before, after } =
            self.lines.get(place).filter(|line| !line.before.is_empty())?;
        let (ping, rest) = time(line.strip_prefix(&**before)?)?;
        let (_, rest) = time(rest.strip_prefix(b" ")?)?;
        (*rest == **after).then_some(ping)
    }
}

impl StableLine {
    /// `before` ends ahead of the fifth field, `after` begins behind the sixth.
    fn of(line: &[u8]) -> Option<Self> {
        let mut at = 0;
        for _ in 0..4 {
            at += find(&line[at..], b' ')? + 1;
        }
        let (_, rest) = time(&line[at..])?;
        let (_, after) = time(rest.strip_prefix(b" ")?)?;
        Some(Self { before: line[..at].into(), after: after.into() })
    }
}

/// The time that a text begins with, and what comes behind it. Unusual ones are left to the parser.
fn time(text: &[u8]) -> Option<(i64, &[u8])> {
    let digits = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let (number, rest) = text.split_at_checked(digits).filter(|_| (1..=18).contains(&digits))?;
    Some((number.iter().fold(0, |value, digit| value * 10 + i64::from(digit - b'0')), rest))
}
