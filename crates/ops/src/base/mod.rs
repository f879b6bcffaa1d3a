//! What all folders share: addresses, errors, and what an operation and its caller exchange.

pub(crate) mod cancel;
pub(crate) mod child;
pub(crate) mod endpoint;
pub(crate) mod error;
pub(crate) mod in_time;
pub mod limits;
pub(crate) mod observer;
pub(crate) mod text_file;
pub(crate) mod wait;
pub(crate) mod whole_file;
