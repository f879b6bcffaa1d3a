//! Where the keys of a cluster are: each must be on the master that owns its slot, and nowhere else.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use redistrib_cluster_model::{ServerInfo, SharedTopology, Slot};
use redistrib_ops::{Cluster, Connection, Endpoint, Result, Settings};
use redistrib_resp::Command;

/// The keys found on all masters, and what is not as it should be.
#[derive(Clone, Debug, Default)]
pub struct Census {
    /// Each key, behind the number of its database, with the number of masters that hold it.
    pub keys: BTreeMap<(u32, Vec<u8>), usize>,
    /// Keys that more than one master holds.
    pub doubled: Vec<String>,
    /// Keys on a master that does not own their slot, as `database/key at host:port`.
    pub astray: Vec<String>,
    /// Slots that some master is migrating or importing.
    pub open_slots: Vec<String>,
    /// Slots that nobody owns, as ranges.
    pub uncovered: String,
}

impl Census {
    /// Asks every node that is up of the cluster that has a node on this port of 127.0.0.1.
    ///
    /// # Errors
    /// Those of [`Connection::open`] and [`Connection::call`] for any master.
    pub fn take(port: u16) -> Result<Self> {
        let cluster = Cluster::discover(&Endpoint::tcp("127.0.0.1", port), &Settings::default())?;
        let mut census = Self::default();
        for member in cluster.masters().filter(|member| member.is_up()) {
            let mut connection = cluster.connect(member.id())?;
            let held = keys_of(&mut connection)?;
            for key in held {
                if !member.node().slots.contains(Slot::of_key(&key.1)) {
                    census.astray.push(format!("{} at {}", shown(&key), member.endpoint()));
                }
                *census.keys.entry(key).or_default() += 1;
            }
            census.note_open_slots(member.topology());
        }
        let doubled = census.keys.iter().filter(|(_, count)| **count > 1);
        census.doubled = doubled.map(|(key, _)| shown(key)).collect();
        let missing = redistrib_cluster_model::SlotSet::full().difference(&cluster.covered());
        census.uncovered = missing.to_string();
        Ok(census)
    }

    /// Whether all is as it should be.
    pub fn is_clean(&self) -> bool {
        self.doubled.is_empty()
            && self.astray.is_empty()
            && self.open_slots.is_empty()
            && self.uncovered.is_empty()
    }

    fn note_open_slots(&mut self, topology: Option<&SharedTopology>) {
        let Some(node) = topology.and_then(SharedTopology::myself) else { return };
        let outward = node.migrating.iter().map(|(slot, to)| format!("{slot}->-{to}"));
        let inward = node.importing.iter().map(|(slot, from)| format!("{slot}-<-{from}"));
        self.open_slots.extend(outward.chain(inward));
    }
}

/// How many names a description shows of each sort.
const SHOWN: usize = 5;

/// Counts, and the first few names of what is wrong.
impl fmt::Display for Census {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} keys", self.keys.len())?;
        let wrong = [
            ("doubled", &self.doubled),
            ("astray", &self.astray),
            ("open slots", &self.open_slots),
        ];
        for (what, names) in wrong {
            let shown: Vec<&str> = names.iter().take(SHOWN).map(String::as_str).collect();
            write!(f, ", {} {what} {}", names.len(), shown.join(" "))?;
        }
        write!(f, ", uncovered {:?}", self.uncovered)
    }
}

fn shown((database, name): &(u32, Vec<u8>)) -> String {
    format!("{database}/{}", name.escape_ascii())
}

/// All keys that a node holds in all its databases, whether their slots are its own or not.
fn keys_of(connection: &mut Connection) -> Result<BTreeSet<(u32, Vec<u8>)>> {
    let keyspace = connection.call(&Command::new("INFO").arg("keyspace"))?;
    let keyspace = ServerInfo::parse(keyspace.view().as_str().unwrap_or_default());
    let mut keys = BTreeSet::new();
    for database in keyspace.databases().into_keys() {
        connection.call(&Command::new("SELECT").arg(database))?;
        keys.extend(names(connection)?.into_iter().map(|name| (database, name)));
    }
    Ok(keys)
}

/// The keys of the database that is selected, some perhaps twice.
fn names(connection: &mut Connection) -> Result<Vec<Vec<u8>>> {
    let mut names = Vec::new();
    let mut cursor = b"0".to_vec();
    loop {
        let command = Command::new("SCAN").arg(&cursor).arg("COUNT").arg(1000);
        let reply = connection.call(&command)?;
        let mut parts = reply.view().elements();
        let (Some(next), Some(page)) =
            (parts.next().and_then(|next| next.as_bytes()), parts.next())
        else {
            return Err(connection.unexpected(&command, "not a cursor and keys"));
        };
        names.extend(page.elements().filter_map(|key| key.as_bytes()).map(<[u8]>::to_vec));
        cursor = next.to_vec();
        if cursor == b"0" {
            return Ok(names);
        }
    }
}
