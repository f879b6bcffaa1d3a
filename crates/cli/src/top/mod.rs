//! `top`: a cluster looked at.
//!
//! [`draw`] is a pure function of what was seen ([`History`]) and what the user looks at ([`View`]), which keys change; one
//! loop owns the terminal, and gives it back whatever happens.

pub mod amount;
mod draw;
mod history;
mod once;
mod rows;
mod screen;
mod view;

pub use draw::{Scene, Theme, draw, steps};
pub use history::{History, Series};
pub use once::frame;
pub use rows::Column;
pub use screen::run;
pub use view::{Page, Panel, View, Wish};
