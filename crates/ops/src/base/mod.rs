//! What all rooms share: addresses, errors, and what a caller and a long piece of work tell each other.

pub(crate) mod cancel;
pub(crate) mod child;
pub(crate) mod endpoint;
pub(crate) mod error;
pub(crate) mod in_time;
pub mod limits;
pub(crate) mod observer;
pub(crate) mod text_file;
pub(crate) mod wait;
