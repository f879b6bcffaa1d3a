//! What to do about a finding.

use redistrib_ops::model::{DownReason, Finding, OpenKind};

/// In our own spelling.
pub(super) fn next_step(finding: &Finding) -> Option<String> {
    for_nodes(finding)
        .or_else(|| for_slots(finding))
        .or_else(|| for_membership(finding))
        .or_else(|| for_replicas(finding))
        .or_else(|| for_servers(finding))
}

/// Nodes that do not answer, or are not what they seem.
fn for_nodes(finding: &Finding) -> Option<String> {
    Some(match finding {
        Finding::Unreachable { address, .. } => {
            format!(
                "start the server at {address} again, or see why it cannot be reached from here; if the nodes have other \
                 addresses now, run `redis-trib meet` with all of those"
            )
        }
        Finding::InfoFailed { node, .. } => {
            format!(
                "see whether {node} hangs, and whether the user may ask it INFO and CLUSTER INFO (its ACL)"
            )
        }
        Finding::Withheld { .. } => {
            "let the user ask that (their ACL), if it is to be looked at".to_owned()
        }
        Finding::Loading { address, .. } => format!("wait until {address} has loaded its data"),
        Finding::SameId { .. } => {
            "stop the copies, and start each with a nodes.conf of its own".to_owned()
        }
        Finding::SameAddress { .. } => {
            "give each node an address of its own (cluster-announce-ip, cluster-announce-port)"
                .to_owned()
        }
        Finding::ClusterDown { reason, .. } => match reason {
            DownReason::SlotsWithoutOwner { .. } => "run `redis-trib fix`".to_owned(),
            DownReason::SlotsOfFailedMasters { .. } => return None,
            DownReason::NoMajority { .. } => {
                "start the masters that cannot be reached, or mend the network between them"
                    .to_owned()
            }
            DownReason::Waiting => {
                "wait for as long as cluster-node-timeout, 5 s at most".to_owned()
            }
        },
        Finding::VersionsDiffer { .. } => "finish the upgrade".to_owned(),
        Finding::ClocksDiffer { .. } => "let NTP set the clocks".to_owned(),
        _ => return None,
    })
}

/// Who owns slots, and who moves them.
fn for_slots(finding: &Finding) -> Option<String> {
    Some(match finding {
        Finding::Unserved { owner, .. } => format!(
            "if {owner} is gone for good, `redis-trib fix --fix-with-unreachable-masters` lets a replica take its place, \
             or gives its slots to others without its keys"
        ),
        Finding::Disagreement { .. }
        | Finding::MultipleOwners { .. }
        | Finding::Uncovered { .. } => "run `redis-trib fix`".to_owned(),
        Finding::OpenSlots(open) => match open.kind {
            OpenKind::OwnerSilent => return None,
            _ => "run `redis-trib fix`, unless a migration is under way".to_owned(),
        },
        Finding::AtomicMigration { .. } => {
            "nothing, if a tool is at it; `redis-trib fix` waits for its end, and cancels it where it fails".to_owned()
        }
        Finding::EpochCollision { .. } => {
            "wait some seconds: masters that hear each other on the cluster bus settle it; if it stays, see whether their bus \
             ports are open to each other"
                .to_owned()
        }
        _ => return None,
    })
}

/// What nodes know of each other, and what the cluster bus delivers.
fn for_membership(finding: &Finding) -> Option<String> {
    Some(match finding {
        Finding::Failed { node, .. } => format!(
            "if {node} is gone for good, `redis-trib forget-failed` takes it out, once others own its slots"
        ),
        Finding::Suspected { node, .. } => {
            format!("see whether the bus port of {node} can be reached from the nodes that say so")
        }
        Finding::Handshake { address, .. } => format!(
            "nothing, if {address} is just joining; else see whether it runs, and whether its bus port is open: \
             a handshake that fails is forgotten"
        ),
        Finding::UnknownTo { node, by } => {
            let to = by.first().map(ToString::to_string).unwrap_or_default();
            let (host, port) = node.address.rsplit_once(':').unwrap_or((&node.address, ""));
            format!(
                "if {node} belongs to the cluster, `redis-trib exec {to} CLUSTER MEET {host} {port}`"
            )
        }
        Finding::BlackListed { node, by } => {
            let by = by.first().map(ToString::to_string).unwrap_or_default();
            format!(
                "if {node} belongs to the cluster, `redis-trib add-node {node} {by}` (a replica: with --replica) waits until it \
                 is taken again, and introduces it"
            )
        }
        Finding::PongLate { node, .. } => format!(
            "see whether {node} or the network to it is overloaded, or it or those that wait for it hang"
        ),
        Finding::BusLinkDown { node, .. } => {
            format!("see whether the bus port of {node} is open to those nodes")
        }
        Finding::BusBacklog { node, .. } => format!(
            "see whether {node} hangs or is overloaded, or clients publish more than it can take; cluster-link-sendbuf-limit \
             bounds what waits for it"
        ),
        _ => return None,
    })
}

/// Replicas and their masters.
fn for_replicas(finding: &Finding) -> Option<String> {
    Some(match finding {
        Finding::ReplicaWithoutMaster { replica }
        | Finding::ReplicaOfUnknown { replica, .. }
        | Finding::ReplicaOfReplica { replica, .. } => {
            format!("choose a master for it: `redis-trib exec {replica} CLUSTER REPLICATE ID`")
        }
        Finding::TakenForMaster { master, .. } => format!(
            "nothing, if it has just become a replica; if it stays, `redis-trib exec {master} CLUSTER BUMPEPOCH`: nodes that know \
             a greater epoch of the replica than its master's do not believe it"
        ),
        Finding::ReplicaOfFailed { replica, .. } => format!(
            "start its master again, or let the replica take its place: `redis-trib failover {replica} --force`"
        ),
        Finding::ReplicaLinkDown { replica, .. } => format!(
            "see the log of {replica}: is its master's port open to it, and its masterauth right?"
        ),
        Finding::ReplicaLags { replica, .. } => {
            format!(
                "see whether {replica} or the network to it is overloaded, or raise repl-backlog-size"
            )
        }
        Finding::MasterWithoutReplica { .. } | Finding::NoReplicas => {
            "add replicas: `redis-trib add-node NEW NODE --replica`".to_owned()
        }
        Finding::FewMasters { .. } => "add masters: `redis-trib join NODE NEW`".to_owned(),
        Finding::ReplicasOnMastersHost { master, .. } => {
            format!("add a replica of {master} on another host")
        }
        _ => return None,
    })
}

/// Saves, memory, refused writes and settings.
fn for_servers(finding: &Finding) -> Option<String> {
    Some(match finding {
        Finding::RdbFailing { node, .. } => format!(
            "see the log of {node}: is its disk full, its folder gone or not writable? then `redis-trib exec {node} BGSAVE`"
        ),
        Finding::AofFailing { node, .. } => format!(
            "see the log of {node}: is its disk full? then `redis-trib exec {node} BGREWRITEAOF`"
        ),
        Finding::OutOfMemory { node, .. } | Finding::MemoryHigh { node, .. } => format!(
            "raise it (`redis-trib exec {node} CONFIG SET maxmemory BYTES`), or move slots away with `redis-trib rebalance --by memory`"
        ),
        Finding::TooFewReplicas { master, .. } => format!(
            "mend or add replicas of {master} (`redis-trib add-node --replica`), or lower min-replicas-to-write"
        ),
        Finding::MasterauthMismatch { node, .. } => {
            format!(
                "`redis-trib exec {node} CONFIG SET masterauth …`, and in its configuration file"
            )
        }
        Finding::PasswordsDiffer { .. } => {
            "`CONFIG SET requirepass …` alike on all nodes, and in their configuration files"
                .to_owned()
        }
        Finding::SettingsDiffer { setting, .. } => match setting.as_str() {
            "cluster-databases" => {
                format!(
                    "set {setting} alike in the configuration files, and restart the nodes that differ"
                )
            }
            "cluster-node-timeout" => "`redis-trib set-timeout` sets it on all nodes".to_owned(),
            _ => format!(
                "`redis-trib call NODE CONFIG SET {setting} …`, and in the configuration files"
            ),
        },
        _ => return None,
    })
}
