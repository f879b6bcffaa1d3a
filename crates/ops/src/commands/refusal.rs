//! What error replies mean.

use crate::Error;

/// What stands before the reason where EXEC itself is refused.
const ABORTED: &str = "EXECABORT Transaction discarded because of: ";

/// What a server's error reply means, by its code or, where that is `ERR`, by its words.
///
/// ```
/// use redistrib_ops::Refusal;
///
/// let refusal = Refusal::of(b"LOADING Redis is loading the dataset in memory");
/// assert!(refusal == Refusal::Loading && refusal.is_passing());
/// // MIGRATE hands on the words of its target.
/// let text = b"ERR Target instance replied with error: BUSYKEY Target key name already exists.";
/// assert_eq!(Refusal::of_target(text), Some(Refusal::KeyExists));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Refusal {
    /// `MOVED`: the key's slot belongs to another node.
    Moved,
    /// `ASK`: the key may be with the node that its slot moves to.
    Ask,
    /// `TRYAGAIN`: some keys of the command are with the node that their slot moves to, others are not.
    TryAgain,
    /// `CLUSTERDOWN`: the slot, or the whole cluster, is not served.
    ClusterDown,
    /// `LOADING`: the server loads its data.
    Loading,
    /// `MASTERDOWN`: a replica without link to its master, which is not to serve old data.
    MasterDown,
    /// `BUSY`: a script has the server to itself, and may never end.
    Busy,
    /// `BUSYKEY`: there is a key of that name.
    KeyExists,
    /// A payload of DUMP that the server cannot read: damaged, or of a newer version.
    BadPayload,
    /// `IOERR`: the source of a MIGRATE lost touch with the target, so that keys may be at either or both.
    TargetSilent,
    /// `NOAUTH`: a password is needed.
    PasswordNeeded,
    /// `WRONGPASS`, or the words of older servers for it.
    WrongPassword,
    /// A password for a server that asks for none.
    NoPasswordSet,
    /// `NOPERM`: the user's ACL does not allow it.
    NotPermitted,
    /// `OOM`: the memory that the server may use is used.
    OutOfMemory,
    /// `READONLY`: the server is a replica.
    ReadOnly,
    /// `MISCONF`: the server cannot save its data, and takes no writes.
    CannotSave,
    /// `NOREPLICAS`: fewer replicas are in step than the server needs for a write.
    TooFewReplicas,
    /// `DENIED`: protected mode, no access from another host.
    Denied,
    /// `WRONGTYPE`: the key holds a value of another type.
    WrongType,
    /// The server does not have the command.
    UnknownCommand,
    /// The node does not know the node that the command names.
    UnknownNode,
    /// A replica has no link to its master on the cluster's bus, or takes it for dead.
    MasterUnseen,
    /// The node, or the one that the command names, is a replica, and slots belong to masters.
    NotAMaster,
    /// The server is not in cluster mode.
    NoCluster,
    /// Anything else.
    Other,
}

impl Refusal {
    /// Reads the text of an error reply, without the leading `-`.
    pub fn of(text: &[u8]) -> Self {
        let text = String::from_utf8_lossy(text);
        let text = text.strip_prefix(ABORTED).unwrap_or(&text);
        match text.split(' ').next().unwrap_or_default() {
            "MOVED" => Self::Moved,
            "ASK" => Self::Ask,
            "TRYAGAIN" => Self::TryAgain,
            "CLUSTERDOWN" => Self::ClusterDown,
            "LOADING" => Self::Loading,
            "MASTERDOWN" => Self::MasterDown,
            "BUSY" => Self::Busy,
            "BUSYKEY" => Self::KeyExists,
            "IOERR" => Self::TargetSilent,
            "NOAUTH" => Self::PasswordNeeded,
            "WRONGPASS" => Self::WrongPassword,
            "NOPERM" => Self::NotPermitted,
            "OOM" => Self::OutOfMemory,
            "READONLY" => Self::ReadOnly,
            "MISCONF" => Self::CannotSave,
            "NOREPLICAS" => Self::TooFewReplicas,
            "DENIED" => Self::Denied,
            "WRONGTYPE" => Self::WrongType,
            _ => Self::by_words(text),
        }
    }

    /// What the target of a MIGRATE said, which its source hands on.
    pub fn of_target(text: &[u8]) -> Option<Self> {
        const BEFORE: &str = "Target instance replied with error: ";
        let text = String::from_utf8_lossy(text);
        let (_, words) = text.split_once(BEFORE)?;
        Some(Self::of(words.as_bytes()))
    }

    /// Whether the same command may succeed a moment later.
    pub fn is_passing(self) -> bool {
        use Refusal::{Busy, ClusterDown, Loading, MasterDown, TryAgain};
        matches!(self, TryAgain | ClusterDown | Loading | MasterDown | Busy)
    }

    fn by_words(text: &str) -> Self {
        let has = |words: &str| text.contains(words);
        if has("Bad data format") || has("payload version") {
            Self::BadPayload
        } else if has("unknown command") {
            Self::UnknownCommand
        } else if has("Unknown node") {
            Self::UnknownNode
        } else if has("Master is down or failed") {
            Self::MasterUnseen
        } else if has("SETSLOT only with masters") || has("Target node is not a master") {
            Self::NotAMaster
        } else if has("cluster support disabled") {
            Self::NoCluster
        } else if has("invalid password") {
            Self::WrongPassword
        } else if has("AUTH <password> called without any password") {
            Self::NoPasswordSet
        } else {
            Self::Other
        }
    }
}

impl Error {
    /// What the server's refusal means, if this is one.
    pub fn refused(&self) -> Option<Refusal> {
        self.refusal().map(|text| Refusal::of(text.as_bytes()))
    }

    /// Whether a server has said that it is not ready, and may be a moment later.
    pub(crate) fn is_passing(&self) -> bool {
        self.refused().is_some_and(Refusal::is_passing)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// In the words of servers from Redis 6.2 to 8.6 and Valkey 9.1.
    #[test]
    fn error_texts_of_servers_are_told_apart() {
        for (text, refusal) in [
            ("MOVED 3999 127.0.0.1:6381", Refusal::Moved),
            ("TRYAGAIN Multiple keys request during rehashing of slot", Refusal::TryAgain),
            ("CLUSTERDOWN Hash slot not served", Refusal::ClusterDown),
            ("BUSY Redis is busy running a script.", Refusal::Busy),
            ("BUSYKEY Target key name already exists.", Refusal::KeyExists),
            ("IOERR error or timeout reading to target instance", Refusal::TargetSilent),
            ("ERR DUMP payload version or checksum are wrong", Refusal::BadPayload),
            ("ERR Bad data format", Refusal::BadPayload),
            (
                "ERR unknown command `FUNCTION`, with args beginning with: `DUMP`, ",
                Refusal::UnknownCommand,
            ),
            ("ERR Unknown node 07c37dfeb235213a872192d90877d0cd55635b91", Refusal::UnknownNode),
            (
                "ERR Master is down or failed, please use CLUSTER FAILOVER FORCE",
                Refusal::MasterUnseen,
            ),
            ("ERR Please use SETSLOT only with masters.", Refusal::NotAMaster),
            ("ERR Target node is not a master", Refusal::NotAMaster),
            ("ERR This instance has cluster support disabled", Refusal::NoCluster),
            ("ERR invalid password", Refusal::WrongPassword),
            (
                "ERR AUTH <password> called without any password configured for the default user. Are you sure your \
                 configuration is correct?",
                Refusal::NoPasswordSet,
            ),
            ("OOM command not allowed when used memory > 'maxmemory'.", Refusal::OutOfMemory),
            (
                "EXECABORT Transaction discarded because of: NOPERM this user has no permissions to run the 'exec' command",
                Refusal::NotPermitted,
            ),
            ("ERR something else: LOADING", Refusal::Other),
            ("MOVEDX 1 h:1", Refusal::Other),
            ("", Refusal::Other),
        ] {
            assert_eq!(Refusal::of(text.as_bytes()), refusal, "{text}");
            assert_eq!(Refusal::of_target(text.as_bytes()), None, "{text}");
        }
    }
}
