//! What is to take the keys: a cluster or one server, and whether it is fit for them.

use redistrib_cluster_model::fitness::{SETTINGS, Unfit, judge_target};
use redistrib_cluster_model::{Slot, SlotSet, counted};

use crate::commands;
use crate::error::Result;
use crate::functions::{Libraries, libraries, libraries_if_known};
use crate::migrate::fitness::key_in;
use crate::transfer::{Server, Target};
use crate::{BackupError, Cluster, Refusal, server_info};

/// The masters of a cluster, or a server that is in none.
#[derive(Debug)]
pub(super) struct Destination {
    seed: Server,
    masters: Vec<Master>,
    is_cluster: bool,
}

#[derive(Debug)]
struct Master {
    server: Server,
    /// What it owns; of a server in no cluster, everything.
    slots: SlotSet,
}

impl Destination {
    /// Asks the server what it is.
    ///
    /// # Errors
    /// Those of connecting; [`BackupError::Unfit`] for a cluster that does not serve.
    pub(super) fn find(seed: Server) -> Result<Self> {
        let info = server_info::ask_one(&mut seed.connect()?, &[])?;
        if info.field("cluster_enabled") != Some("1") {
            let slots = Slot::all().collect();
            let masters = vec![Master { server: seed.clone(), slots }];
            return Ok(Self { seed, masters, is_cluster: false });
        }
        let cluster = Cluster::discover(&seed.endpoint, &seed.settings)?;
        let unserved = usize::from(Slot::COUNT) - cluster.covered().len();
        if unserved > 0 {
            return Err(unfit(
                &seed,
                format!("leaves {} without an owner", counted(unserved, "slot")),
            ));
        }
        let master = |member: &crate::Member| Master {
            server: Server { endpoint: member.endpoint().clone(), ..seed.clone() },
            slots: member.node().slots.clone(),
        };
        let masters = cluster.masters().map(master).collect();
        Ok(Self { masters, seed, is_cluster: true })
    }

    pub(super) fn target(&self) -> Target {
        match self.is_cluster {
            true => Target::Cluster(self.seed.clone()),
            false => Target::Server(self.seed.clone()),
        }
    }

    /// Whether each master can take its part of so many bytes. What they hold already is taken for a part of them, which an
    /// earlier run has brought.
    ///
    /// # Errors
    /// Those of connecting; [`BackupError::Unfit`].
    pub(super) fn require_fit(&self, memory: u64) -> Result<()> {
        for Master { server, slots } in &self.masters {
            let info = server_info::ask_one(&mut server.connect()?, &SETTINGS)?;
            if self.is_cluster && info.field("cluster_state").is_some_and(|state| state != "ok") {
                return Err(unfit(server, "says cluster_state:fail".into()));
            }
            let part = u128::from(memory) * slots.len() as u128 / u128::from(Slot::COUNT);
            let part = u64::try_from(part).unwrap_or(u64::MAX);
            if let Some(what) =
                judge_target(&info, part.saturating_sub(info.memory_of_keys())).first()
            {
                return Err(unfit(server, in_words(what)));
            }
        }
        Ok(())
    }

    /// Whether each master reads a value that a server has dumped: it is tried as one that has expired already, which servers
    /// read and then leave out.
    ///
    /// # Errors
    /// Those of connecting; [`BackupError::Unfit`].
    pub(super) fn require_reads(&self, sample: &[u8]) -> Result<()> {
        for Master { server, slots } in &self.masters {
            let Some(slot) = slots.first() else { continue };
            let restore = commands::try_restore(&key_in(slot), sample);
            let reply = server.connect()?.request(&restore)?;
            let Some(refusal) = reply.view().as_error() else { continue };
            let text = String::from_utf8_lossy(refusal);
            match Refusal::of(refusal) {
                Refusal::BadPayload => {
                    let why = format!(
                        "is older than the server that reads the backup, or of another family, and does not take its \
                         values: {text}"
                    );
                    return Err(unfit(server, why));
                }
                Refusal::OutOfMemory
                | Refusal::ReadOnly
                | Refusal::NotPermitted
                | Refusal::CannotSave
                | Refusal::TooFewReplicas => {
                    return Err(unfit(server, format!("takes no keys: {text}")));
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// The libraries of functions that some master has not, or has with other code.
    ///
    /// # Errors
    /// Those of connecting; [`BackupError::Unfit`] for a server that knows no functions; unless they are to be replaced
    /// [`BackupError::OtherFunctions`].
    pub(super) fn lacking(&self, wanted: &Libraries, replace: bool) -> Result<Vec<String>> {
        let mut lacking = Libraries::new();
        for Master { server, .. } in &self.masters {
            let mut connection = server.connect()?;
            let there = libraries_if_known(&mut connection)?;
            if there.is_none() && !wanted.is_empty() {
                let why = "is too old for functions (FUNCTION), and the backup has some";
                return Err(unfit(server, why.into()));
            }
            let there = there.unwrap_or_default();
            let differs =
                |name: &[u8], code: &Vec<u8>| there.get(name).is_some_and(|it| it != code);
            let other = wanted.iter().filter(|(name, code)| differs(name, code));
            let other: Vec<String> = other.map(|(name, _)| text(name)).collect();
            if !other.is_empty() && !replace {
                let (server, libraries) = (server.to_string(), other.join(", "));
                return Err(BackupError::OtherFunctions { server, libraries }.into());
            }
            let missing = wanted.iter().filter(|(name, code)| there.get(*name) != Some(code));
            lacking.extend(missing.map(|(name, code)| (name.clone(), code.clone())));
        }
        Ok(lacking.keys().map(|name| text(name)).collect())
    }

    /// Loads libraries of functions into each master that has not the same.
    ///
    /// # Errors
    /// Those of [`crate::Connection::call`].
    pub(super) fn load(&self, wanted: &Libraries) -> Result<()> {
        for Master { server, .. } in self.masters.iter().filter(|_| !wanted.is_empty()) {
            let mut connection = server.connect()?;
            let there = libraries(&mut connection)?;
            for (_, code) in wanted.iter().filter(|(name, code)| there.get(*name) != Some(code)) {
                connection.call(&commands::load_functions(code))?;
            }
        }
        Ok(())
    }
}

fn text(name: &[u8]) -> String {
    String::from_utf8_lossy(name).into_owned()
}

fn unfit(server: &Server, why: String) -> crate::Error {
    BackupError::Unfit { server: server.to_string(), why }.into()
}

fn in_words(what: &Unfit) -> String {
    let mib = |bytes: &u64| bytes.div_ceil(1 << 20);
    let lacks = |used, expected, most| {
        format!(
            "has no memory for about {} MiB more: it uses {} MiB of maxmemory {} MiB",
            mib(expected),
            mib(used),
            mib(most)
        )
    };
    match what {
        Unfit::NoMemory { used, expected, most } => lacks(used, expected, most),
        Unfit::WouldEvict { used, expected, most, policy } => {
            format!("{}, and would throw keys away ({policy})", lacks(used, expected, most))
        }
        Unfit::TooFewReplicas { good, needed } => format!(
            "takes no writes with {} in good state, where min-replicas-to-write is {needed}",
            counted(good, "replica")
        ),
        Unfit::CannotSave => "takes no writes since its last BGSAVE failed (MISCONF)".into(),
        Unfit::CannotAppend => {
            "takes no writes since it could not write its append-only file (MISCONF)".into()
        }
        other => other.to_string(),
    }
}
