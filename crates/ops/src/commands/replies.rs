//! What replies say.

use redistrib_cluster_model::ServerInfo;
use redistrib_resp::Reply;

/// The text of a reply that is one.
pub(crate) fn text_of(reply: &Reply) -> Option<&str> {
    std::str::from_utf8(reply.view().as_bytes()?).ok()
}

/// The value of a `name:value` line of INFO or CLUSTER INFO.
pub(crate) fn info_field<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).map(str::trim_end)
}

/// The keys of all databases, by a reply to `INFO keyspace`.
pub(crate) fn count_keys(text: &str) -> u64 {
    ServerInfo::parse(text).keys()
}
