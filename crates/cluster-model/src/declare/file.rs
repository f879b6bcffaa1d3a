//! The topology file.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use toml::Spanned;

use super::DeclareError;
use super::lines::line_of;
use crate::Address;
use crate::plan::rebalance::MOST_WEIGHT;

/// By how many percent a master may differ from its part unless the file says otherwise.
const THRESHOLD: f64 = 2.0;
/// Settings that hold a secret, or a part of who logs in: they have no place in a file that others read.
const SECRET_SETTINGS: [&str; 7] = [
    "requirepass",
    "masterauth",
    "masteruser",
    "primaryauth",
    "primaryuser",
    "tls-key-file-pass",
    "tls-client-key-file-pass",
];

/// A cluster as a file declares it.
///
/// ```
/// use redistrib_cluster_model::declare::Declared;
/// let file = r#"
/// replicas = 1
/// [nodes]
/// "10.0.0.1:7000" = { host = "a", weight = 2 }
/// "10.0.0.2:7000" = { host = "b" }
/// "#;
/// let declared: Declared = file.parse()?;
/// assert_eq!(declared.nodes[0].weight, 2.0);
/// let wrong = file.replace("weight", "wieght").parse::<Declared>().unwrap_err().to_string();
/// assert!(wrong.starts_with("line 4: unknown field `wieght`"));
/// # Ok::<(), redistrib_cluster_model::declare::DeclareError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Declared {
    /// How many replicas each master has at least.
    pub replicas: usize,
    /// What nodes that hold the same data do not share, as far as that can be had.
    pub apart: Apart,
    /// What is shared out by weight.
    pub balance: Balance,
    /// By how many percent a master may differ from its part before slots are moved.
    pub threshold: f64,
    /// What all nodes have for these settings.
    pub settings: BTreeMap<String, String>,
    /// Whether settings go into the nodes' own files, too (`CONFIG REWRITE`).
    pub rewrite: bool,
    /// Where the password is found.
    pub credentials: Option<CredentialSource>,
    /// The nodes, in the order of the file.
    pub nodes: Vec<DeclaredNode>,
}

/// A node as it is wanted.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DeclaredNode {
    /// Its address, `HOST:PORT`.
    pub at: String,
    /// The machine it is on; by default the host of its address.
    pub host: Option<String>,
    /// The zone it is in.
    pub zone: Option<String>,
    /// As a master, its part of the whole in relation to those of the others.
    pub weight: f64,
    /// What it has to be; by default either.
    pub role: Option<WantedRole>,
    /// The name of its shard: nodes of the same one hold the same data. By default any.
    pub shard: Option<String>,
}

/// What a node has to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum WantedRole {
    /// The master of its shard.
    Master,
    /// A replica.
    Replica,
}

/// What nodes that hold the same data do not share.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Apart {
    /// A machine.
    #[default]
    Host,
    /// A zone; nodes of which none is given are in a zone of their host.
    Zone,
    /// It does not matter.
    None,
}

/// What is shared out by weight.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Balance {
    /// The number of slots.
    #[default]
    Slots,
    /// The keys in them.
    Keys,
    /// The memory that their keys take.
    Memory,
}

/// Where to find what is needed to log in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CredentialSource {
    /// The ACL user.
    pub user: Option<String>,
    /// The environment variable that has the password.
    pub password_env: Option<String>,
    /// The file that has it in its first line.
    pub password_file: Option<String>,
}

impl DeclaredNode {
    /// A node of which only the address is given.
    pub fn new(at: impl Into<String>) -> Self {
        Self { at: at.into(), host: None, zone: None, weight: 1.0, role: None, shard: None }
    }

    /// What it may not share with nodes of its shard; none where it does not matter.
    pub(super) fn domain(&self, apart: Apart) -> Option<&str> {
        let of_address = || self.at.rsplit_once(':').map_or(self.at.as_str(), |(host, _)| host);
        let host = || self.host.as_deref().unwrap_or_else(of_address);
        match apart {
            Apart::None => None,
            Apart::Host => Some(host()),
            Apart::Zone => Some(self.zone.as_deref().unwrap_or_else(host)),
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct DeclaredFile {
    #[serde(default)]
    replicas: usize,
    #[serde(default)]
    apart: Apart,
    #[serde(default)]
    balance: Balance,
    threshold: Option<Spanned<f64>>,
    #[serde(default)]
    rewrite: bool,
    #[serde(default)]
    settings: BTreeMap<Spanned<String>, Spanned<Setting>>,
    credentials: Option<Spanned<CredentialTable>>,
    #[serde(default)]
    drained: Vec<Spanned<String>>,
    nodes: BTreeMap<Spanned<String>, NodeTable>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NodeTable {
    host: Option<String>,
    zone: Option<String>,
    weight: Option<Spanned<f64>>,
    role: Option<WantedRole>,
    shard: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", expecting = "a table")]
struct CredentialTable {
    user: Option<String>,
    password_env: Option<String>,
    password_file: Option<String>,
}

/// What is said of a file that has a password in it.
const PASSWORD_INSIDE: &str = "a password does not stand in this file: name the environment variable (password-env) or the file \
     (password-file) that has it, in [credentials]";

/// What a reader says of a file. A text in a wrong place may be a password, and is not repeated.
fn without_value(message: &str) -> String {
    // No field of that name is declared, since the fields that there are get listed for one that is not known.
    if message.starts_with("unknown field `password`") {
        return PASSWORD_INSIDE.to_owned();
    }
    let is_text = message.strip_prefix("invalid type: string ");
    match is_text.and_then(|rest| rest.rsplit_once(", expected ")) {
        Some((_, expected)) => format!("invalid type: string, expected {expected}"),
        None => message.to_owned(),
    }
}

/// The value of a setting: servers take words, so numbers and truths are written as they write them.
#[derive(Deserialize)]
#[serde(untagged, expecting = "a setting is a text, a number, or true or false")]
enum Setting {
    Truth(bool),
    Number(i64),
    Text(String),
}

impl Setting {
    fn text(self) -> String {
        match self {
            Self::Truth(true) => "yes".into(),
            Self::Truth(false) => "no".into(),
            Self::Number(number) => number.to_string(),
            Self::Text(text) => text,
        }
    }
}

impl FromStr for Declared {
    type Err = DeclareError;

    /// Reads a topology file. What it does not know is an error that names the line.
    fn from_str(text: &str) -> Result<Self, DeclareError> {
        let wrong = |at: usize, what: String| DeclareError::File { line: line_of(text, at), what };
        let file: DeclaredFile = toml::from_str(text).map_err(|error| {
            let at = error.span().map_or(0, |span| span.start);
            wrong(at, without_value(error.message()))
        })?;
        let threshold = match &file.threshold {
            None => THRESHOLD,
            Some(number) => {
                not_negative(number, "threshold").map_err(|(at, what)| wrong(at, what))?
            }
        };
        let settings = settings(file.settings).map_err(|(at, what)| wrong(at, what))?;
        let credentials =
            file.credentials.map(credentials).transpose().map_err(|(at, what)| wrong(at, what))?;
        let nodes = nodes(file.nodes).map_err(|(at, what)| wrong(at, what))?;
        let nodes = undrained(nodes, &file.drained).map_err(|(at, what)| wrong(at, what))?;
        Ok(Self {
            replicas: file.replicas,
            apart: file.apart,
            balance: file.balance,
            threshold,
            settings,
            rewrite: file.rewrite,
            credentials,
            nodes,
        })
    }
}

/// Where something is wrong, and what.
type Wrong = (usize, String);

fn not_negative(number: &Spanned<f64>, name: &str) -> Result<f64, Wrong> {
    let value = *number.get_ref();
    if value.is_finite() && value >= 0.0 {
        return Ok(value);
    }
    Err((number.span().start, format!("{name} is a number that is not negative")))
}

fn weight(number: &Spanned<f64>) -> Result<f64, Wrong> {
    match not_negative(number, "weight")? {
        weight if weight <= MOST_WEIGHT => Ok(weight),
        _ => Err((number.span().start, format!("weight is a number of {MOST_WEIGHT} at most"))),
    }
}

fn settings(
    table: BTreeMap<Spanned<String>, Spanned<Setting>>,
) -> Result<BTreeMap<String, String>, Wrong> {
    let mut settings = BTreeMap::new();
    for (name, value) in table {
        let at = name.span().start;
        let name = name.into_inner().to_ascii_lowercase();
        if SECRET_SETTINGS.contains(&name.as_str()) {
            let what = format!("{name} is a secret, and does not stand in this file");
            return Err((at, what));
        }
        if settings.contains_key(&name) {
            return Err((at, format!("{name} is set twice")));
        }
        settings.insert(name, value.into_inner().text());
    }
    Ok(settings)
}

fn credentials(table: Spanned<CredentialTable>) -> Result<CredentialSource, Wrong> {
    let at = table.span().start;
    let CredentialTable { user, password_env, password_file, .. } = table.into_inner();
    if password_env.is_some() == password_file.is_some() {
        let what = "credentials name one place of the password: password-env or password-file";
        return Err((at, what.into()));
    }
    let is_name = |name: &String| {
        name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_') && !name.is_empty()
    };
    if !password_env.iter().all(is_name) {
        // It may be the password itself, and is not repeated.
        return Err((at, "password-env is the name of an environment variable".into()));
    }
    Ok(CredentialSource { user, password_env, password_file })
}

fn nodes(tables: BTreeMap<Spanned<String>, NodeTable>) -> Result<Vec<DeclaredNode>, Wrong> {
    let mut tables: Vec<_> = tables.into_iter().collect();
    tables.sort_by_key(|(address, _)| address.span().start);
    let mut nodes: Vec<DeclaredNode> = Vec::with_capacity(tables.len());
    let mut taken: HashSet<String> = HashSet::new();
    let mut masters: HashMap<String, String> = HashMap::new();
    for (address, table) in tables {
        let at = address.span().start;
        if address.get_ref().contains('@') {
            // What stands before it is a user and a password, and is not repeated.
            return Err((
                at,
                "a node is written HOST:PORT; who logs in stands in [credentials]".into(),
            ));
        }
        let parsed: Address = address
            .get_ref()
            .parse()
            .map_err(|error| (at, format!("{:?}: {error}", address.get_ref())))?;
        let weight = table.weight.as_ref().map(weight).transpose()?;
        let node = DeclaredNode {
            at: parsed.to_string(),
            host: table.host,
            zone: table.zone,
            weight: weight.unwrap_or(1.0),
            role: table.role,
            shard: table.shard,
        };
        if !taken.insert(node.at.clone()) {
            return Err((at, format!("node {} is declared twice", node.at)));
        }
        if let (Some(WantedRole::Master), Some(shard)) = (node.role, &node.shard)
            && let Some(other) = masters.insert(shard.clone(), node.at.clone())
        {
            let what = format!("{} is to be the master of shard {shard:?}, as {other} is", node.at);
            return Err((at, what));
        }
        nodes.push(node);
    }
    if nodes.is_empty() {
        return Err((0, "[nodes] has no node".into()));
    }
    Ok(nodes)
}

/// The nodes that are on none of these machines and in none of these zones.
fn undrained(
    nodes: Vec<DeclaredNode>,
    drained: &[Spanned<String>],
) -> Result<Vec<DeclaredNode>, Wrong> {
    let places = |node: &'_ DeclaredNode| {
        [node.domain(Apart::Host).map(str::to_owned), node.zone.clone()].into_iter().flatten()
    };
    let known: HashSet<String> = nodes.iter().flat_map(places).collect();
    if let Some(name) = drained.iter().find(|name| !known.contains(name.get_ref())) {
        let what = format!("{:?} is neither a host nor a zone of a node", name.get_ref());
        return Err((name.span().start, what));
    }
    let drained_ones: HashSet<&String> = drained.iter().map(Spanned::get_ref).collect();
    let is_drained = |node: &DeclaredNode| places(node).any(|place| drained_ones.contains(&place));
    let left: Vec<DeclaredNode> = nodes.into_iter().filter(|node| !is_drained(node)).collect();
    match (left.is_empty(), drained.first()) {
        (true, Some(first)) => Err((first.span().start, "all nodes are drained".into())),
        _ => Ok(left),
    }
}
