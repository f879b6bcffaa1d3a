//! All servers of a cluster asked at once for their state and their configuration.

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;

use redistrib_cluster_model::ServerInfo;
use redistrib_resp::{Command, Reply};

use crate::commands;
use crate::commands::replies::text_of;
use crate::error::Result;
use crate::{Cluster, Connection, Member};

/// Settings that hold a password.
const SECRETS: [&str; 2] = ["requirepass", "masterauth"];

/// Asks all reachable nodes for `INFO`, `CLUSTER INFO` and these settings, in one round trip. The result stands in the members'
/// order; `None` for a node that did not answer, or may not tell us. A setting that a server does not have, or does not tell us, is
/// left out. Of a password no more is kept than what tells whether two nodes have the same.
///
/// ```no_run
/// use redistrib_ops::{Cluster, Settings, server_info};
/// let mut cluster = Cluster::discover(&"127.0.0.1:7000".parse()?, &Settings::default())?;
/// for info in server_info::ask(&mut cluster, &["cluster-node-timeout"]).into_iter().flatten() {
///     println!("{:?} {:?}", info.version(), info.setting_number("cluster-node-timeout"));
/// }
/// # Ok::<(), redistrib_ops::Error>(())
/// ```
pub fn ask(cluster: &mut Cluster, settings: &[&str]) -> Vec<Option<ServerInfo>> {
    let disguise = RandomState::new();
    let read = |_: &Connection, replies: Vec<Reply>| Ok(read(&replies, &disguise));
    let answers = cluster.hear(Member::is_up, &questions(settings), read);
    answers.into_iter().map(|answer| answer?.ok()?).collect()
}

/// The same of one server; empty where it tells nothing.
///
/// # Errors
/// Those of [`Connection::pipeline`].
pub(crate) fn ask_one(node: &mut Connection, settings: &[&str]) -> Result<ServerInfo> {
    let replies = node.pipeline(&questions(settings))?;
    Ok(read(&replies, &RandomState::new()).unwrap_or_default())
}

/// What [`ask`] asks a server.
pub(crate) fn questions(settings: &[&str]) -> Vec<Command> {
    let mut questions = vec![commands::info(), commands::cluster_info()];
    questions.extend(settings.iter().copied().map(commands::setting));
    questions
}

/// The databases of a server that hold keys, in the order of their numbers.
///
/// # Errors
/// Those of [`Connection::call`].
pub(crate) fn databases_with_keys(connection: &mut Connection) -> Result<Vec<u32>> {
    let command = commands::info_of("keyspace");
    let reply = connection.call(&command)?;
    let text = text_of(&reply).ok_or_else(|| connection.unexpected(&command, "no text"))?;
    Ok(ServerInfo::parse(text).databases().into_keys().collect())
}

/// What the answers to [`questions`] say. Of passwords no more is kept than what tells whether two that were read with one
/// disguise are the same.
pub(crate) fn read(replies: &[Reply], disguise: &RandomState) -> Option<ServerInfo> {
    let (info, rest) = replies.split_first()?;
    let (of_cluster, settings) = rest.split_first()?;
    let mut told = ServerInfo::parse(text_of(info)?);
    // A server that is in no cluster, or may not tell, answers with an error, which has no fields.
    told.read(text_of(of_cluster).unwrap_or_default());
    for reply in settings.iter().map(Reply::view).filter(|view| view.as_error().is_none()) {
        let mut words = reply.elements().filter_map(|word| word.as_str());
        while let (Some(name), Some(value)) = (words.next(), words.next()) {
            if SECRETS.contains(&name) && !value.is_empty() {
                told.enter_setting(name, format!("{:x}", disguise.hash_one(value)));
            } else {
                told.enter_setting(name, value);
            }
        }
    }
    Some(told)
}
