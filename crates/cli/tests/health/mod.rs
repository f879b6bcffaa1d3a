//! Ill health, produced on real servers: `check` names each kind by its own code with its weight, never says that all is
//! well beside it, and what it says to do next mends it.

mod bus;
mod field;
mod hidden;
mod members;
mod servers;
mod states;
