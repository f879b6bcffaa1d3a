//! All servers of a cluster asked at once for their state and their configuration.

use std::collections::HashSet;
use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;

use redistrib_cluster_model::{NodeId, ServerInfo};
use redistrib_resp::{Command, Reply};

use crate::commands;
use crate::commands::replies::text_of;
use crate::error::Result;
use crate::{Cluster, Connection, Member, Refusal};

/// Settings that hold a password.
const SECRETS: [&str; 2] = ["requirepass", "masterauth"];

/// Asks all reachable nodes for `INFO`, `CLUSTER INFO` and these settings, in one round trip (two for servers before 7.0, which
/// report one setting at a time). The result stands in the members'
/// order; `None` for a node that did not answer, or may not say. A setting that a server does not have, or does not report, is
/// left out. Of a password no more is kept than what shows whether two nodes have the same.
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
    ask_of(cluster, Member::is_up, settings)
}

/// The same of some of the nodes.
pub(crate) fn ask_of(
    cluster: &mut Cluster,
    which: impl Fn(&Member) -> bool,
    settings: &[&str],
) -> Vec<Option<ServerInfo>> {
    let disguise = RandomState::new();
    let answers = cluster.hear(which, &questions(settings), |_, replies| {
        Ok((read(&replies, &disguise), takes_one_name(&replies, settings)))
    });
    let (mut told, takes_one): (Vec<Option<ServerInfo>>, Vec<bool>) =
        answers.into_iter().map(|answer| answer.and_then(Result::ok).unwrap_or_default()).unzip();
    let members = cluster.members().iter().zip(takes_one);
    let old = members.filter(|(_, takes_one)| *takes_one).map(|(member, _)| member.id());
    let old: HashSet<NodeId> = old.collect();
    if !old.is_empty() {
        let asked = |member: &Member| old.contains(&member.id());
        let answers = cluster.broadcast(asked, &one_by_one(settings));
        for (told, answer) in told.iter_mut().zip(answers) {
            if let (Some(told), Some(Ok(replies))) = (told, answer) {
                enter(told, &replies, &disguise);
            }
        }
    }
    told
}

/// The same of one server; empty where it says nothing.
///
/// # Errors
/// Those of [`Connection::pipeline`].
pub(crate) fn ask_one(node: &mut Connection, settings: &[&str]) -> Result<ServerInfo> {
    let disguise = RandomState::new();
    let replies = node.pipeline(&questions(settings))?;
    let mut told = read(&replies, &disguise).unwrap_or_default();
    if takes_one_name(&replies, settings) {
        enter(&mut told, &node.pipeline(&one_by_one(settings))?, &disguise);
    }
    Ok(told)
}

/// What [`ask`] asks a server.
pub(crate) fn questions(settings: &[&str]) -> Vec<Command> {
    let mut questions = vec![commands::info(), commands::cluster_info()];
    questions.extend((!settings.is_empty()).then(|| commands::settings(settings)));
    questions
}

fn one_by_one(settings: &[&str]) -> Vec<Command> {
    settings.iter().copied().map(commands::setting).collect()
}

/// Whether a server has refused the question for all settings at once, as those before 7.0 do.
fn takes_one_name(replies: &[Reply], settings: &[&str]) -> bool {
    let refused = replies.get(2).and_then(|reply| reply.view().as_error());
    settings.len() > 1 && refused.is_some_and(|error| Refusal::of(error) != Refusal::NotPermitted)
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

/// What the answers to [`questions`] say. Of passwords no more is kept than what shows whether two that were read with one
/// disguise are the same.
pub(crate) fn read(replies: &[Reply], disguise: &RandomState) -> Option<ServerInfo> {
    let (info, rest) = replies.split_first()?;
    let (of_cluster, settings) = rest.split_first()?;
    let mut told = ServerInfo::parse(text_of(info)?);
    // A server that is in no cluster, or may not say, answers with an error, which has no fields.
    told.read(text_of(of_cluster).unwrap_or_default());
    enter(&mut told, settings, disguise);
    Some(told)
}

fn enter(told: &mut ServerInfo, settings: &[Reply], disguise: &RandomState) {
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
}
