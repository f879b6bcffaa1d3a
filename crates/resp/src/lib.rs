//! A zero-copy codec for RESP2 and RESP3: commands in, bytes out; bytes in, replies out.
//!
//! [`Command`] and [`Pipeline`] encode what a client sends. [`Decoder`] takes what a server answers,
//! in pieces of any size, and gives [`Reply`]s: the wire bytes as they arrived with a flat index over
//! them, which [`View`]s read without copying or allocating.
//!
//! ```
//! use redistrib_resp::{Decoder, Pipeline};
//!
//! let mut pipeline = Pipeline::new();
//! pipeline.command(&[b"SET", b"key", b"value"]);
//! pipeline.command(&[b"GET", b"key"]);
//! // … send pipeline.as_bytes(), and of what the server answers:
//! let mut decoder = Decoder::new();
//! decoder.feed(b"+OK\r\n$5\r\nvalue\r\n");
//! assert!(decoder.next_reply()?.unwrap().is_ok());
//! assert_eq!(decoder.next_reply()?.unwrap(), "value");
//! # Ok::<(), redistrib_resp::DecodeError>(())
//! ```
//!
//! Both protocols are described in the
//! [RESP specification](https://redis.io/docs/latest/develop/reference/protocol-spec/) and, with
//! attributes and streaming, in [RESP3](https://github.com/redis/redis-specifications/blob/master/protocol/RESP3.md).

/// The examples of the README, run as tests.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
pub struct Readme;

mod command;
mod decoder;
mod encoder;
mod error;
mod index;
mod limits;
mod number;
mod parser;
mod reply;
mod scan;
mod short;
mod view;

pub use command::{Arg, Command, Pipeline};
pub use decoder::Decoder;
pub use encoder::ReplyEncoder;
pub use error::{DecodeError, DecodeErrorKind};
pub use index::Kind;
pub use limits::Limits;
pub use parser::Parser;
pub use reply::Reply;
pub use view::{Elements, Pairs, Value, View};
