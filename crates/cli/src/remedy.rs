//! What the user can do about an error, in the words of this command line: libraries know nothing of its options.

mod finding;

use std::fmt::Display;
use std::io;

use redistrib_ops::fleet::FleetError;
use redistrib_ops::lab::Failure;
use redistrib_ops::model::Finding;
use redistrib_ops::model::declare::DeclareError;
use redistrib_ops::model::fitness::{Obstacle, Unfit};
use redistrib_ops::model::plan::fix::Blocked;
use redistrib_ops::model::plan::forget::Tie;
use redistrib_ops::model::plan::meet::MeetError;
use redistrib_ops::model::plan::roll::RollPlanError;
use redistrib_ops::transfer::SkipReason;
use redistrib_ops::{
    ApplyError, BackupError, Belongings, CopyError, Endpoint, Error, MembershipError, MoveError,
    Refusal, RollError, StreamError, TlsSetupError,
};

use crate::voice;

/// What to do next, where there is something.
///
/// ```
/// use redistrib_ops::{Error, MoveError};
/// let error = Error::from(MoveError::NoRate);
/// assert!(redistrib_cli::remedy::remedy(&error).unwrap().contains("--rate"));
/// ```
pub fn remedy(error: &Error) -> Option<String> {
    for_error(error).map(voice::spelt)
}

/// What to do about a finding: what repairs it, in a line without a stop; `None` for what passes by itself, or is repaired
/// with another finding.
pub fn next_step(finding: &Finding) -> Option<String> {
    finding::next_step(finding).map(voice::spelt)
}

fn for_error(error: &Error) -> Option<String> {
    let text = match error {
        Error::LeftOpen { seed, source, .. } => {
            let finish = format!("run `redis-trib fix {seed}` or the same command again");
            return Some(match for_error(source) {
                Some(first) => format!("{first}; {finish}"),
                None => finish,
            });
        }
        Error::TakenBack { source, .. } => return for_error(source),
        Error::Unreachable(why) => return for_error(why),
        Error::NoSuchNode { seed, .. } => {
            return Some(format!("see `redis-trib list {seed}` for the ids it has"));
        }
        Error::NotEmpty { node, has, .. } => return for_belongings(node, *has),
        Error::Unfit(obstacles) => obstacles.iter().find_map(for_unfit)?,
        Error::Move(error) => return for_moves(error),
        Error::Membership(error) => return for_members(error),
        Error::Roll(error) => return for_rolls(error),
        Error::Apply(error) => for_declared(error)?,
        Error::Copy(error) => for_copies(error)?,
        Error::Backup(error) => for_backups(error)?,
        Error::Stream(StreamError::Stateful(_)) => "or send it to one node without -c",
        Error::Meet(MeetError::Strangers(_)) => {
            "leave them out, or have them join by `redis-trib add-node`"
        }
        Error::TlsSetup(error) => for_tls_setup(error)?,
        Error::OpenFiles { .. } => "raise the limit (`ulimit -n`, `LimitNOFILE=`)",
        Error::KeysInBothPlaces { .. } => {
            "delete the wrong ones, or give --replace to overwrite those at the target"
        }
        Error::Locked { .. } => {
            "wait until it is through, or give --no-lock if you know that it does no harm"
        }
        Error::Connect { .. } => "is the server running, and is this its address?",
        Error::Timeout { .. } => {
            "the server is stopped or overloaded, or the network drops packets; try again"
        }
        Error::Protocol { may_want_tls: true, .. } => {
            "is this the port of a Redis or Valkey server? one that expects TLS needs --tls"
        }
        Error::Refused { reply, .. } => for_refusal(reply.as_bytes())?,
        Error::Tls { reason, .. } => for_tls(reason)?,
        Error::Io { may_want_tls: true, source, .. }
            if source.kind() == io::ErrorKind::ConnectionReset =>
        {
            "a port that expects TLS does so; give --tls then"
        }
        Error::Io { source, .. } => for_tls(&source.to_string())?,
        _ => return None,
    };
    Some(text.to_owned())
}

/// What to do about a failure of the lab.
pub fn for_lab(failure: &Failure) -> Option<&'static str> {
    Some(match failure {
        Failure::NoServer => "name one with --server or REDIS_TRIB_SERVER",
        Failure::NotAProgram { .. } => {
            "name a valkey-server or redis-server with --server or REDIS_TRIB_SERVER"
        }
        Failure::Other(Error::Name(_)) => "`redis-trib lab status` lists the lab's servers",
        Failure::NotALab { .. } => "`redis-trib lab up` makes one, --dir names another folder",
        Failure::FolderExists { .. } => "choose another --dir or --port",
        Failure::PortsTaken(_) => "choose others with --port",
        Failure::OtherLab { .. } => "leave the option out, or `redis-trib lab destroy` it first",
        _ => return None,
    })
}

/// What to do about keys that were left for this reason.
pub fn for_left(reason: &SkipReason) -> Option<String> {
    let text = match reason {
        SkipReason::Busy { .. } => "give --replace to overwrite what the target has".into(),
        SkipReason::Payload { from, .. } => format!(
            "a server that is older, or of another family, cannot read what {from} has saved: bring the keys to servers of at least \
             that version, or upgrade these first (`redis-trib roll`)"
        ),
        SkipReason::NoOwner => "see `redis-trib check`".into(),
        _ => return None,
    };
    Some(voice::spelt(text))
}

/// What to do about the description of a fleet.
pub fn for_fleet(error: &FleetError) -> Option<&'static str> {
    let is_empty = matches!(error, FleetError::Empty);
    is_empty.then_some("name them with --node node_1=HOST:PORT, or under [nodes] in its file")
}

/// Which option has slots repaired that cannot be as things are.
pub fn blocked(why: &Blocked) -> Option<String> {
    let is_silent = matches!(why, Blocked::OwnerSilent { .. });
    is_silent.then(|| voice::spelt("--fix-with-unreachable-masters"))
}

/// Which verbs loosen what keeps a dead node in its cluster.
pub fn tie(tie: &Tie) -> String {
    voice::spelt(match tie {
        Tie::Slots(_) => "`redis-trib fix` and `redis-trib rescue`",
        Tie::Replica(_) => "`redis-trib del-node`",
        Tie::Trust(_) => "`redis-trib check`, and try again where it has just died",
    })
}

/// An obstacle to moves in words, with what to do about it.
pub fn of_obstacle(obstacle: &Obstacle) -> String {
    with(obstacle, for_unfit(obstacle).map(voice::spelt))
}

/// An error in words, with what to do about it.
pub fn with(error: impl Display, remedy: Option<impl Display>) -> String {
    match remedy {
        Some(remedy) => format!("{}; {remedy}", error.to_string().trim_end_matches('.')),
        None => error.to_string(),
    }
}

fn for_unfit(obstacle: &Obstacle) -> Option<&'static str> {
    Some(match obstacle.what {
        Unfit::TooFewReplicas { .. } => "`redis-trib add-node --replica` adds a replica",
        Unfit::CannotRead { .. } => "`redis-trib import` copies keys so",
        _ => return None,
    })
}

fn for_belongings(node: &Endpoint, has: Belongings) -> Option<String> {
    match has {
        Belongings::Keys => None,
        Belongings::Slots { .. } => {
            Some(format!("`redis-trib shutdown {node}` ends it where it has no keys"))
        }
        Belongings::Peers { .. } => {
            Some(format!("`redis-trib quit {node}` takes it out of that, its slots first"))
        }
    }
}

fn for_rolls(error: &RollError) -> Option<String> {
    let plan = match error {
        RollError::Unwell { seed, .. } => {
            return Some(format!("see `redis-trib check {seed}` first"));
        }
        RollError::AnotherNode { .. } => {
            return Some(
                "start it with its own nodes.conf; if that is lost, `redis-trib forget-failed` takes the old id out, and \
                 `redis-trib add-node --replica` brings the new one in"
                    .into(),
            );
        }
        RollError::Plan(plan) => plan,
        _ => return None,
    };
    let text = match plan {
        RollPlanError::NoDeputy(_) | RollPlanError::HoldsWrites(_) => {
            "add a replica, or give --allow-downtime"
        }
        RollPlanError::OutOfStep(_) => "mend it first, or name it in --only, too",
        RollPlanError::SilentMaster { .. } => "start it, or let a replica take its place first",
    };
    Some(text.to_owned())
}

fn for_declared(error: &ApplyError) -> Option<&'static str> {
    Some(match error {
        ApplyError::Plan(DeclareError::Silent(_)) => {
            "bring it back, let a replica take its place (`redis-trib failover --force`), or take it out of the file"
        }
        ApplyError::Plan(DeclareError::Uncovered(_)) => "`redis-trib fix` first",
        ApplyError::Unfinished { .. } => "see `redis-trib plan`",
        _ => return None,
    })
}

fn for_moves(error: &MoveError) -> Option<String> {
    let text = match error {
        MoveError::Open { seed, .. } => return Some(format!("run `redis-trib fix {seed}` first")),
        MoveError::Replaced { seed, .. } => {
            return Some(format!(
                "see `redis-trib check {seed}`, and give the command again for the master that serves its slots now"
            ));
        }
        MoveError::Stalled { .. } => "give a longer --timeout if the servers are but slow",
        MoveError::NotRun { .. } => {
            "the user's ACL lacks this command, or rename-command in the node's configuration hides it"
        }
        MoveError::NotOwner { .. } => "`redis-trib list` shows who does",
        MoveError::NoRate => {
            "leave --rate out, or --atomic at auto, which moves them by MIGRATE then"
        }
        MoveError::NotAtomic { .. } => {
            "leave --atomic at auto, and --cluster-use-atomic-slot-migration out"
        }
        MoveError::NumberedDatabase { .. } => {
            "leave --atomic at auto, which moves them by MIGRATE then"
        }
        _ => return None,
    };
    Some(text.to_owned())
}

fn for_members(error: &MembershipError) -> Option<String> {
    let text = match error {
        MembershipError::OtherNodes { failed, .. } if *failed > 0 => {
            return Some(format!("or give --ignore-failed: {failed} of them have failed"));
        }
        MembershipError::NotForgotten { failures, .. } => {
            return failures.iter().find_map(for_error);
        }
        MembershipError::KnownElsewhere { .. } => {
            "if nodes have other addresses than before, run `redis-trib meet` with those of all of them"
        }
        MembershipError::NotElected { .. } => {
            "give --takeover where no majority of masters is left to vote"
        }
        MembershipError::IsReplica { .. } => "`redis-trib del-node` does",
        MembershipError::NothingToReplace { new, .. } => {
            return Some(format!("`redis-trib list {new}` shows its cluster"));
        }
        MembershipError::SilentOld { .. } => {
            "start it again; if it is gone for good, name another node of its cluster to `redis-trib fix \
             --fix-with-unreachable-masters` where it owns slots, to `redis-trib forget-failed`, and then to \
             `redis-trib add-node --replica` with the new one"
        }
        MembershipError::OwnsSlots { .. } => "--drain moves them away first",
        MembershipError::LastMaster(_) => "see `redis-trib shutdown`",
        MembershipError::SilentMaster { .. } => {
            "give --force to do without it, or --takeover where no majority of masters is left to vote"
        }
        MembershipError::HasSuccessor { .. } => "`redis-trib fix` does so",
        _ => return None,
    };
    Some(text.to_owned())
}

fn for_copies(error: &CopyError) -> Option<&'static str> {
    Some(match error {
        CopyError::MissingDatabases { .. } => {
            "name one with --db, and where its keys are to go with --to-db"
        }
        CopyError::FromReplica(_) => "or leave them there, with --copy",
        CopyError::FromCluster(_) => "give --copy",
        CopyError::ToClusterNode(_) => "use `redis-trib import` to copy into a cluster",
        _ => return None,
    })
}

fn for_backups(error: &BackupError) -> Option<&'static str> {
    Some(match error {
        BackupError::NoServer(_) => "name a server program with --server or REDIS_TRIB_SERVER",
        BackupError::NotLoaded { .. } => {
            "if the file is whole, name a server program of the family and at least the version that has written it, with --server"
        }
        BackupError::OtherFunctions { .. } => {
            "give --replace to overwrite them, or delete them there (FUNCTION DELETE)"
        }
        BackupError::Unfinished(_) => "make the backup again",
        BackupError::Missing(_) | BackupError::Altered { .. } => {
            "nothing was changed; restore another backup, or a copy of this one"
        }
        _ => return None,
    })
}

fn for_tls_setup(error: &TlsSetupError) -> Option<&'static str> {
    Some(match error {
        TlsSetupError::HalfAnIdentity => "give --cert and --key",
        TlsSetupError::ServerName(_) => "give one with --sni",
        TlsSetupError::NoAuthority => "give one with --cacert, or --insecure",
        _ => return None,
    })
}

/// By the words of rustls for what it finds, and for the alerts a server sends.
fn for_tls(reason: &str) -> Option<&'static str> {
    let has = |words: &[&str]| words.iter().any(|word| reason.contains(word));
    if has(&["UnknownIssuer", "BadSignature", "CaUsedAsEndEntity"]) {
        Some(
            "the authority that signed the server's certificate is not trusted: name it with --cacert",
        )
    } else if has(&["not valid for name"]) {
        Some(
            "connect by a name that the certificate has, or give that with --sni in place of --verify-name",
        )
    } else if has(&["CertificateRequired"]) {
        Some("the server asks for a certificate of yours: give --cert and --key")
    } else if has(&["UnknownCA", "BadCertificate"]) {
        Some("the server does not trust the authority that signed your certificate")
    } else if has(&["InvalidContentType", "no handshake in time"]) {
        Some("if this port does not speak TLS, leave --tls out")
    } else {
        None
    }
}

fn for_refusal(reply: &[u8]) -> Option<&'static str> {
    if let Some(refusal) = Refusal::of_target(reply) {
        return for_refusal_of_target(refusal);
    }
    Some(match Refusal::of(reply) {
        Refusal::PasswordNeeded => "give the password with -a, --askpass or REDISCLI_AUTH",
        Refusal::WrongPassword if reply.starts_with(b"WRONGPASS") => {
            "check the user name and the password"
        }
        Refusal::WrongPassword => "check the password",
        Refusal::NoPasswordSet => {
            "the server asks for no password: leave -a and --askpass out, and REDISCLI_AUTH unset"
        }
        Refusal::NotPermitted => {
            "the user's ACL lacks this command; ask for it or use another user"
        }
        Refusal::Loading | Refusal::MasterDown | Refusal::TryAgain => {
            "the node is not ready yet; try again in a moment"
        }
        Refusal::Busy => {
            "a script has the node to itself: wait until it ends or end it (SCRIPT KILL), and give the command again"
        }
        Refusal::ClusterDown => "run `redis-trib check` to see what the cluster lacks",
        Refusal::TooFewReplicas => {
            "no replica of the node acknowledged the change in time: see whether its replicas are up and in sync"
        }
        Refusal::NotAMaster => {
            "a failover has made the source or the target a replica: name its master"
        }
        _ => return None,
    })
}

/// Why a target does not take the keys that MIGRATE brings.
fn for_refusal_of_target(refusal: Refusal) -> Option<&'static str> {
    Some(match refusal {
        Refusal::OutOfMemory => "raise the target's maxmemory, or choose another target",
        Refusal::TooFewReplicas => {
            "the target has fewer good replicas than its min-replicas-to-write: bring them back, or lower that"
        }
        Refusal::ReadOnly => "the target is a replica by now: choose its master",
        Refusal::Moved => {
            "the target takes no keys of that slot any more: a failover has made it a replica, or someone has closed the slot there"
        }
        Refusal::CannotSave => {
            "the target cannot save its data and takes no writes: see its log and its disk"
        }
        Refusal::BadPayload => {
            "the target is of an older version than the source and cannot read its values: choose another, or upgrade it"
        }
        _ => return None,
    })
}
