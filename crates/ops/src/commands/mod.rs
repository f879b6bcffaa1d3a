//! The commands that are sent to servers, each built in one place, and what their replies mean.
//!
//! Not here: commands on the data of a user that one operation alone sends, as those of a fleet of plain servers.

mod nodes;
pub(crate) mod refusal;
pub(crate) mod replies;
mod server;
mod slots;

pub(crate) use nodes::*;
pub(crate) use server::*;
pub(crate) use slots::*;
