//! All servers of a cluster asked at once for their state and their configuration.

use redistrib_cluster_model::ServerInfo;
use redistrib_resp::{Command, Reply};

use crate::error::Result;
use crate::inspect::text_of;
use crate::{Cluster, Connection, Member};

/// Asks all reachable nodes for `INFO` and for these settings, in one round trip. The result stands in the members'
/// order; `None` for a node that did not answer, or may not tell us. A setting that a server does not have, or does not tell us, is
/// left out.
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
    // Servers before 7.0 take one name at a time.
    let setting = |name: &&str| Command::new("CONFIG").arg("GET").arg(name);
    let mut questions = vec![Command::new("INFO")];
    questions.extend(settings.iter().map(setting));
    let answers = cluster.broadcast(Member::is_up, &questions);
    answers.into_iter().map(|answer| read(&answer?.ok()?)).collect()
}

/// The databases of a server that hold keys, in the order of their numbers.
///
/// # Errors
/// Those of [`Connection::call`].
pub(crate) fn databases_with_keys(connection: &mut Connection) -> Result<Vec<u32>> {
    let command = Command::new("INFO").arg("keyspace");
    let reply = connection.call(&command)?;
    let text = text_of(&reply).ok_or_else(|| connection.unexpected(&command, "no text"))?;
    Ok(ServerInfo::parse(text).databases().into_keys().collect())
}

fn read(replies: &[Reply]) -> Option<ServerInfo> {
    let mut info = ServerInfo::parse(replies.first().and_then(text_of)?);
    for reply in replies.iter().skip(1).map(Reply::view).filter(|view| view.as_error().is_none()) {
        let mut words = reply.elements().filter_map(|word| word.as_str());
        while let (Some(name), Some(value)) = (words.next(), words.next()) {
            info.enter_setting(name, value);
        }
    }
    Some(info)
}
