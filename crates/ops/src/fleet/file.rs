//! The file that describes a fleet.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Deserialize;
use serde::de::{Deserializer, Error as _};

use super::{Fleet, FleetError, FleetNode};
use crate::{Credentials, Endpoint, Secret, read_text};

/// No file that describes a fleet is larger.
const LARGEST_FILE: u64 = 64 << 20;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FleetFile {
    user: Option<String>,
    #[serde(default, deserialize_with = "password")]
    password: Option<String>,
    #[serde(default)]
    db: u32,
    nodes: BTreeMap<String, toml::Value>,
    #[serde(default)]
    master_of: BTreeMap<String, String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FleetEntry {
    host: String,
    port: u16,
    user: Option<String>,
    #[serde(default, deserialize_with = "password")]
    password: Option<String>,
}

/// Reads a password without revealing what was there in its place, as the library's own error would.
fn password<'de, D: Deserializer<'de>>(input: D) -> Result<Option<String>, D::Error> {
    match toml::Value::deserialize(input)? {
        toml::Value::String(text) => Ok(Some(text)),
        _ => Err(D::Error::custom("a password is a text: write it in quotes")),
    }
}

impl Fleet {
    /// Reads a fleet from a TOML file:
    ///
    /// ```toml
    /// db = 0                # optional, as are user and password
    /// password = "secret"   # for all nodes that have none of their own
    ///
    /// [nodes]
    /// node_1 = "127.0.0.1:63791"
    /// node_2 = { host = "127.0.0.1", port = 63792, password = "another" }
    /// node_3 = "127.0.0.1:63793"
    /// node_4 = "127.0.0.1:63794"
    ///
    /// [master_of]           # optional: which master has which replica
    /// node_1 = "node_3"
    /// node_2 = "node_4"
    /// ```
    ///
    /// # Errors
    /// [`FleetError::Unreadable`]; those of [`Fleet::from_toml`].
    pub fn from_file(path: &Path) -> Result<Self, FleetError> {
        let name = path.display().to_string();
        let text = read_text(path, LARGEST_FILE).map_err(|error| FleetError::Unreadable {
            path: name.clone(),
            why: error.to_string(),
        })?;
        Self::from_toml(&text, &name)
    }

    /// Reads a fleet from the text of such a file; `path` is for the error text.
    ///
    /// ```
    /// use redistrib_ops::fleet::Fleet;
    ///
    /// let text = "[nodes]\nnode_1 = '10.0.0.1:6379'\nnode_2 = '10.0.0.2:6379'\n";
    /// let fleet = Fleet::from_toml(text, "fleet.toml")?;
    /// assert_eq!(fleet.master_of(b"foo").name, "node_2");
    /// # Ok::<(), redistrib_ops::fleet::FleetError>(())
    /// ```
    ///
    /// # Errors
    /// A [`FleetError`] for what is wrong in it.
    pub fn from_toml(text: &str, path: &str) -> Result<Self, FleetError> {
        let wrong = |line, what| FleetError::File { path: path.to_owned(), line, what };
        let file: FleetFile = toml::from_str(text).map_err(|error| {
            let line = error.span().map(|span| line_of(text, span.start));
            wrong(line, error.message().to_owned())
        })?;
        let common = credentials(file.user, file.password);
        let mut nodes = Vec::new();
        for (name, value) in file.nodes {
            let node = read_node(&name, value, common.as_ref());
            nodes.push(node.map_err(|what| wrong(None, format!("nodes.{name}: {what}")))?);
        }
        let fleet = Self::new(nodes, file.master_of.into_iter().collect())?;
        Ok(fleet.at_db(file.db))
    }
}

/// Reads an address, or a table that has one, or returns what is wrong with it.
fn read_node(
    name: &str,
    value: toml::Value,
    common: Option<&Credentials>,
) -> Result<FleetNode, String> {
    let (endpoint, own) = match value {
        // The text may be a password whose field was misspelt.
        toml::Value::String(address) => {
            let endpoint = address.parse().map_err(|_| "is not an address: write HOST:PORT")?;
            (endpoint, None)
        }
        other => {
            let table: FleetEntry =
                other.try_into().map_err(|error: toml::de::Error| error.message().to_owned())?;
            let own = credentials(table.user, table.password);
            (Endpoint::tcp(table.host, table.port), own)
        }
    };
    let credentials = own.or_else(|| common.cloned());
    Ok(FleetNode { credentials, ..FleetNode::new(name, endpoint) })
}

/// A user without a password is one that needs none, and takes any.
fn credentials(user: Option<String>, password: Option<String>) -> Option<Credentials> {
    let is_given = user.is_some() || password.is_some();
    let password = Secret::new(password.unwrap_or_default());
    is_given.then_some(Credentials { user, password })
}

fn line_of(text: &str, at: usize) -> usize {
    text.bytes().take(at).filter(|&byte| byte == b'\n').count() + 1
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "db = 4\npassword = 'hush'\n\n[nodes]\nnode_1 = '127.0.0.1:63791'\n\
        node_2 = { host = '127.0.0.1', port = 63792, user = 'bob', password = 'own' }\n\
        node_5 = '127.0.0.1:63795'\nnode_6 = '127.0.0.1:63796'\n\n\
        [master_of]\nnode_1 = 'node_6'\nnode_2 = 'node_5'\n";

    #[test]
    fn a_file_gives_nodes_replicas_and_credentials() {
        let fleet = Fleet::from_toml(TEXT, "fleet.toml").unwrap();
        let names: Vec<&str> = fleet.masters().iter().map(|node| node.name.as_str()).collect();
        assert_eq!(names, ["node_1", "node_2"]);
        assert_eq!(fleet.replica_of(0).unwrap().name, "node_6");
        assert_eq!(fleet.db(), 4);
        let password = |index: usize| {
            let node = &fleet.masters()[index];
            node.credentials.as_ref().unwrap().password.reveal().to_owned()
        };
        assert_eq!((password(0).as_str(), password(1).as_str()), ("hush", "own"));
        let passwordless = Fleet::from_toml("user = 'bob'\n[nodes]\nnode_1 = 'h:1'\n", "f");
        let login = passwordless.unwrap().masters()[0].credentials.clone().unwrap();
        assert_eq!((login.user.as_deref(), login.password.reveal()), (Some("bob"), ""));
    }

    #[test]
    fn what_is_wrong_in_a_file_is_told_with_its_place_and_without_its_text() {
        for (text, expected) in [
            ("password = 'hush\n", "fleet.toml, line 1"),
            ("[nodes]\nnode_1 = 'h:1'\n\npasword = 'hush'\n", "nodes.pasword: is not an address"),
            ("password = 4711\n[nodes]\nnode_1 = 'h:1'\n", "line 1: a password is a text"),
            ("[nodes]\nnode_1 = { host = 'h', port = 1, password = 4711 }\n", "nodes.node_1"),
            ("pasword = 'hush'\n[nodes]\nnode_1 = 'h:1'\n", "unknown field `pasword`"),
            ("[nodes]\nnode_1 = { host = 'h', port = 1, pasword = 'hush' }\n", "nodes.node_1"),
            ("[nodes]\nnode_1 = 7\n", "nodes.node_1"),
            ("[nodes]\nnode_1 = 'h'\n", "is not an address"),
            ("db = 1\n", "missing field `nodes`"),
            ("[nodes]\n", "at least one node"),
            ("[nodes]\nnode_1 = 'h:1'\nnode_3 = 'h:2'\n", "there is no node_2"),
        ] {
            let error = Fleet::from_toml(text, "fleet.toml").unwrap_err().to_string();
            assert!(error.contains(expected), "{text:?}: {error}");
            assert!(!error.contains("hush") && !error.contains("4711"), "{error}");
        }
    }
}
