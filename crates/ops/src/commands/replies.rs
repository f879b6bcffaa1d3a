//! What replies say.

use redistrib_cluster_model::ServerInfo;
use redistrib_resp::{Reply, View};

/// The text of a reply that is one.
pub(crate) fn text_of(reply: &Reply) -> Option<&str> {
    std::str::from_utf8(reply.view().as_bytes()?).ok()
}

/// The number that a reply is, where it is one without a sign.
pub(crate) fn count_of(reply: View<'_>) -> Option<u64> {
    u64::try_from(reply.as_int()?).ok()
}

/// The fields of a reply to INFO or CLUSTER INFO; nothing where it is no text.
pub(crate) fn info_in(reply: &Reply) -> ServerInfo {
    text_of(reply).map(ServerInfo::parse).unwrap_or_default()
}
