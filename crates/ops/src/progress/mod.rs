//! What a caller and a long piece of work tell each other: how far it is, that it should stop, how long it may wait.

pub(crate) mod cancel;
pub(crate) mod observer;
pub(crate) mod wait;
