//! The commands that are sent to servers, and what their replies mean.

pub(crate) mod replies;
