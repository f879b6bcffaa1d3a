//! The functions of a cluster (Redis 7 and later), which every master has to have.

use std::collections::BTreeMap;

use crate::commands;
use crate::error::Result;
use crate::{Cluster, Connection, Context};
use crate::{MembershipError, Refusal};

/// Names and code of libraries of functions.
pub(crate) type Libraries = BTreeMap<Vec<u8>, Vec<u8>>;

/// Copies the cluster's functions, if it has any, to a new master. Those of its own would stay with it alone, or clash
/// with the cluster's; what an attempt that was interrupted has left there is the cluster's.
///
/// # Errors
/// [`Error::Membership`](crate::Error::Membership) for a node with functions that the cluster has not, and for a server that is too old for
/// those that it has; those of [`Connection::call`].
pub(crate) fn carry(
    cluster: &mut Cluster,
    new: &mut Connection,
    context: Context<'_>,
) -> Result<()> {
    let master = cluster.members_mut().iter_mut().find(|it| it.is_up() && it.node().is_master());
    let Some(master) = master else { return Ok(()) };
    let source = master.connection()?;
    let (theirs, own) = (libraries(source)?, libraries(new)?);
    if own.iter().any(|(name, code)| theirs.get(name) != Some(code)) {
        return Err(MembershipError::OwnFunctions(new.endpoint().clone()).into());
    }
    if theirs == own {
        return Ok(());
    }
    let payload = source.call(&commands::dump_functions())?;
    let Some(payload) = payload.view().as_bytes() else { return Ok(()) };
    context.note(format!("Send FUNCTION RESTORE to {}", new.endpoint()));
    new.call(&commands::restore_functions(payload)).map(drop).map_err(|error| {
        match error.refused() {
            Some(Refusal::UnknownCommand) => {
                MembershipError::TooOldForFunctions(new.endpoint().clone()).into()
            }
            _ => error,
        }
    })
}

/// The libraries of a node; servers before Redis 7 have none.
pub(crate) fn libraries(node: &mut Connection) -> Result<Libraries> {
    Ok(libraries_if_known(node)?.unwrap_or_default())
}

/// The libraries of a node; `None` where it is too old to know any.
pub(crate) fn libraries_if_known(node: &mut Connection) -> Result<Option<Libraries>> {
    let list = match node.call(&commands::list_functions()) {
        Err(error) if error.refused() == Some(Refusal::UnknownCommand) => return Ok(None),
        list => list?,
    };
    let libraries = list.view().elements().filter_map(|library| {
        let text = |name: &str| Some(library.get(name)?.as_bytes()?.to_vec());
        Some((text("library_name")?, text("library_code")?))
    });
    Ok(Some(libraries.collect()))
}
