//! What a failed MIGRATE means.

use crate::Refusal;

/// Why a MIGRATE failed, as far as it matters for what to do next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Trouble {
    /// The source lost touch with the target: each key may be here, there, or in both places.
    Doubtful,
    /// The target already has a key of that name; the others went over.
    Taken,
    /// A node is not ready at the moment.
    Passing,
    /// Anything else: no use in trying again.
    Other,
}

impl Trouble {
    /// Reads the error text (without the leading `-`).
    pub(super) fn of(text: &[u8]) -> Self {
        match Refusal::of_target(text).unwrap_or_else(|| Refusal::of(text)) {
            Refusal::TargetSilent => Self::Doubtful,
            Refusal::KeyExists => Self::Taken,
            refusal if refusal.is_passing() => Self::Passing,
            _ => Self::Other,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn error_texts_of_servers_are_told_apart() {
        for (text, trouble) in [
            ("IOERR error or timeout reading to target instance", Trouble::Doubtful),
            (
                "ERR Target instance replied with error: BUSYKEY Target key name already exists.",
                Trouble::Taken,
            ),
            ("ERR Target instance replied with error: LOADING Redis is loading", Trouble::Passing),
            ("CLUSTERDOWN Hash slot not served", Trouble::Passing),
            (
                "ERR Target instance replied with error: OOM command not allowed when used memory",
                Trouble::Other,
            ),
            ("NOPERM this user has no permissions", Trouble::Other),
        ] {
            assert_eq!(Trouble::of(text.as_bytes()), trouble, "{text}");
        }
    }
}
