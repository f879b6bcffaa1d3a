//! What a cluster holds and what is wrong with it: the facts under `check`, `info` and `list`.

use redistrib_cluster_model::{Finding, Node, NodeId};
use redistrib_resp::{Command, Reply};
use serde::Serialize;

use crate::{Cluster, Endpoint, Member};

/// A cluster at one moment.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// All nodes, the one asked first.
    pub nodes: Vec<NodeReport>,
    /// Everything that is wrong, or may be.
    pub findings: Vec<Finding>,
}

/// One node of a [`Report`].
#[derive(Clone, Debug, Serialize)]
pub struct NodeReport {
    /// The node as it describes itself; where it is unreachable, as the node asked describes it.
    pub node: Node,
    /// Where it is reached.
    #[serde(serialize_with = "as_text")]
    pub endpoint: Endpoint,
    /// Why it cannot be reached, if it cannot.
    pub failure: Option<String>,
    /// The number of keys in all its databases.
    pub keys: Option<u64>,
    /// The memory its server uses, in bytes.
    pub memory: Option<u64>,
    /// Its server's version, as INFO gives it.
    pub version: Option<String>,
    /// How many replicas follow it.
    pub replicas: usize,
}

impl Report {
    /// The masters among the nodes.
    pub fn masters(&self) -> impl Iterator<Item = &NodeReport> {
        self.nodes.iter().filter(|report| report.node.is_master())
    }

    /// The replicas of one master.
    pub fn replicas_of(&self, master: NodeId) -> impl Iterator<Item = &NodeReport> {
        self.nodes.iter().filter(move |report| report.node.master == Some(master))
    }

    /// All keys of the masters that told us.
    pub fn keys(&self) -> u64 {
        self.masters().filter_map(|report| report.keys).sum()
    }
}

/// Asks all nodes at once what they hold, and looks for what is wrong between their answers.
///
/// ```no_run
/// use redistrib_ops::{Cluster, Settings, inspect};
/// let mut cluster = Cluster::discover(&"127.0.0.1:7000".parse()?, &Settings::default())?;
/// for finding in inspect(&mut cluster).findings {
///     println!("{finding}");
/// }
/// # Ok::<(), redistrib_ops::Error>(())
/// ```
pub fn inspect(cluster: &mut Cluster) -> Report {
    let questions =
        ["keyspace", "memory", "server"].map(|section| Command::new("INFO").arg(section));
    let answers = cluster.broadcast(Member::is_up, &questions);
    let nodes = cluster.members().iter().zip(answers).map(|(member, answer)| {
        let replies = answer.and_then(Result::ok).unwrap_or_default();
        let section = |position: usize| replies.get(position).and_then(text_of);
        NodeReport {
            node: member.node().clone(),
            endpoint: member.endpoint().clone(),
            failure: member.failure().map(ToString::to_string),
            keys: section(0).map(count_keys),
            memory: section(1).and_then(|text| info_field(text, "used_memory")?.parse().ok()),
            version: section(2).and_then(server_version),
            replicas: cluster.replicas_of(member.id()).count(),
        }
    });
    Report { nodes: nodes.collect(), findings: cluster.snapshot().findings() }
}

fn as_text<S: serde::Serializer>(value: &impl ToString, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&value.to_string())
}

pub(crate) fn text_of(reply: &Reply) -> Option<&str> {
    std::str::from_utf8(reply.view().as_bytes()?).ok()
}

/// The value of a `name:value` line of INFO or CLUSTER INFO.
pub(crate) fn info_field<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).map(str::trim_end)
}

/// Sums the keys of all databases in `INFO keyspace`: `db0:keys=12,expires=0,…`.
pub(crate) fn count_keys(text: &str) -> u64 {
    let databases = text.lines().filter(|line| line.starts_with("db"));
    databases
        .filter_map(|line| line.split_once(":keys=")?.1.split(',').next()?.parse::<u64>().ok())
        .fold(0, u64::saturating_add)
}

/// Valkey gives its own version beside the one of Redis that it is compatible with.
fn server_version(text: &str) -> Option<String> {
    let valkey = info_field(text, "valkey_version").map(|version| format!("Valkey {version}"));
    valkey.or_else(|| info_field(text, "redis_version").map(|version| format!("Redis {version}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_of_all_databases_count() {
        assert_eq!(count_keys("# Keyspace\r\ndb0:keys=3,expires=0\r\ndb5:keys=4,expires=1\r\n"), 7);
        assert_eq!(count_keys("# Keyspace\r\n"), 0);
        assert_eq!(
            count_keys("db0:keys=x\r\ndb1:keys=18446744073709551615\r\ndb2:keys=9"),
            u64::MAX
        );
    }

    #[test]
    fn a_valkey_server_is_called_so() {
        assert_eq!(
            server_version("redis_version:7.2.4\r\nvalkey_version:9.1.2\r\n").unwrap(),
            "Valkey 9.1.2"
        );
        assert_eq!(server_version("redis_version:7.0.15\r\n").unwrap(), "Redis 7.0.15");
    }
}
