//! All servers of a cluster asked at once for their state and their configuration.

use std::collections::HashSet;
use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;

use redistrib_cluster_model::ServerInfo;
use redistrib_resp::{Command, Reply};

use crate::commands;
use crate::commands::replies::text_of;
use crate::error::Result;
use crate::{Cluster, Connection, Endpoint, Member, Refusal};

/// Settings that hold a password.
const SECRETS: [&str; 2] = ["requirepass", "masterauth"];

/// Asks all reachable nodes for `INFO`, `CLUSTER INFO` and these settings, in one round trip (two for servers before 7.0, which
/// report one setting at a time). The result stands in the members'
/// order; `None` for those that were not asked, and an error for a node that did not answer, or may not say. A setting that a server does not have, or does not report, is
/// left out. Of a password no more is kept than what shows whether two nodes have the same.
///
/// ```no_run
/// use redistrib_ops::{Cluster, Settings, server_info};
/// let mut cluster = Cluster::discover(&"127.0.0.1:7000".parse()?, &Settings::default())?;
/// for info in server_info::ask(&mut cluster, &["cluster-node-timeout"]).into_iter().flatten() {
///     let info = info?;
///     println!("{:?} {:?}", info.version(), info.setting_number("cluster-node-timeout"));
/// }
/// # Ok::<(), redistrib_ops::Error>(())
/// ```
pub fn ask(cluster: &mut Cluster, settings: &[&str]) -> Vec<Option<Result<ServerInfo>>> {
    ask_of(cluster, Member::is_up, settings)
}

/// The same of some of the nodes.
pub(crate) fn ask_of(
    cluster: &mut Cluster,
    which: impl Fn(&Member) -> bool,
    settings: &[&str],
) -> Vec<Option<Result<ServerInfo>>> {
    let disguise = RandomState::new();
    let mut old: HashSet<Endpoint> = HashSet::new();
    let mut infos = cluster.hear(which, &questions(settings), |node, replies| {
        if takes_one_name(&replies, settings) {
            old.insert(node.endpoint().clone());
        }
        read(node, &replies, &disguise)
    });
    if !old.is_empty() {
        let asked = |member: &Member| old.contains(member.endpoint());
        let answers = cluster.broadcast(asked, &one_by_one(settings));
        for (info, answer) in infos.iter_mut().zip(answers) {
            match (&mut *info, answer) {
                (Some(Ok(info)), Some(Ok(replies))) => enter(info, &replies, &disguise),
                (_, Some(Err(error))) => *info = Some(Err(error)),
                _ => {}
            }
        }
    }
    infos
}

/// The same of one server.
///
/// # Errors
/// Those of [`Connection::pipeline`]; [`Error::Refused`](crate::Error::Refused) where it may not say.
pub(crate) fn ask_one(node: &mut Connection, settings: &[&str]) -> Result<ServerInfo> {
    let disguise = RandomState::new();
    let replies = node.pipeline(&questions(settings))?;
    let mut info = read(node, &replies, &disguise)?;
    if takes_one_name(&replies, settings) {
        enter(&mut info, &node.pipeline(&one_by_one(settings))?, &disguise);
    }
    Ok(info)
}

/// What is known; nothing of those that did not say.
pub(crate) fn known(infos: Vec<Option<Result<ServerInfo>>>) -> Vec<Option<ServerInfo>> {
    infos.into_iter().map(|info| info?.ok()).collect()
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

/// What a node's answers to [`questions`] say. Of passwords no more is kept than what shows whether two that were read with one
/// disguise are the same.
///
/// # Errors
/// [`Error::Refused`](crate::Error::Refused) where it may not say; [`Error::Unexpected`](crate::Error::Unexpected).
pub(crate) fn read(
    node: &Connection,
    replies: &[Reply],
    disguise: &RandomState,
) -> Result<ServerInfo> {
    let question = commands::info();
    let Some(([info, of_cluster], settings)) = replies.split_first_chunk() else {
        return Err(node.unexpected(&question, "no reply"));
    };
    if let Some(error) = node.refusal(&question, info.view()) {
        return Err(error);
    }
    let text = text_of(info).ok_or_else(|| node.unexpected(&question, "no text"))?;
    let mut info = ServerInfo::parse(text);
    // A server that is in no cluster, or may not say, answers with an error, which has no fields.
    info.read(text_of(of_cluster).unwrap_or_default());
    enter(&mut info, settings, disguise);
    Ok(info)
}

fn enter(info: &mut ServerInfo, settings: &[Reply], disguise: &RandomState) {
    for reply in settings.iter().map(Reply::view).filter(|view| view.as_error().is_none()) {
        let mut words = reply.elements().filter_map(|word| word.as_str());
        while let (Some(name), Some(value)) = (words.next(), words.next()) {
            if SECRETS.contains(&name) && !value.is_empty() {
                info.enter_setting(name, format!("{:x}", disguise.hash_one(value)));
            } else {
                info.enter_setting(name, value);
            }
        }
    }
}
