//! `top`: a cluster looked at.
//!
//! [`draw`] is a pure function of what was seen ([`History`]) and what the user looks at ([`TopView`]), which keys change; one
//! loop owns the terminal, and gives it back whatever happens.

pub mod amount;
mod draw;
mod history;
mod once;
mod record;
mod rows;
mod screen;
mod source;
mod svg;
mod view;

pub use draw::{Scene, Theme, draw, steps};
pub(crate) use draw::{most_frequent, painted};
pub use history::{Course, History, Route, Series};
pub use once::frame;
pub use record::{Recorder, Recording};
pub use rows::Column;
pub(crate) use rows::letter;
pub use screen::{give_back_for_good, prepare, run};
pub use source::SampleSource;
pub use svg::picture;
pub use view::{Page, Panel, Shade, TopView, Wish};
