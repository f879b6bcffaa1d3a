//! The dialects of the command line, rewritten into one at the door.
//!
//! Three are understood: redis-trib's own, which takes redis-trib.rb's and redis-trib.py's spellings in;
//! `--cluster <verb> … --cluster-<option>`, as redis-cli and valkey-cli have it; and the latter two as the
//! program's own name. Which options there are, and which of them take a value, is read from the argument
//! model, so that a dialect has no list of its own that could fall behind.

mod address;
mod model;
mod nearest;
mod peers_model;
mod program;
mod redis_cli;
mod spelling;
mod theirs;
mod translated;
mod trib;
mod uri;

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::sync::LazyLock;

use clap::Command;

pub use peers_model::peers_model;
pub use program::Program;
pub(crate) use spelling::advice_under;
pub use translated::Translated;

use crate::args::{UsageError, command};
use crate::shell::Peer;

/// The argument model, made once: it is large.
static MODEL: LazyLock<Command> = LazyLock::new(command);

/// Rewrites a command line, the program's name first, into the one dialect that the argument model reads.
/// Pure, and total: whatever the arguments, there is a line or a complaint.
///
/// ```
/// let line = ["redis-trib", "reshard", "--cluster-from"].map(Into::into).to_vec();
/// let complaint = redistrib_cli::dialect::translate(line).unwrap_err();
/// assert!(complaint.text().contains("the nearest is --from"));
/// ```
///
/// # Errors
/// [`UsageError`] for unknown verbs and options, which names the nearest one, and for options without
/// their value.
pub fn translate(argv: Vec<OsString>) -> Result<Translated, UsageError> {
    let again = named_again(&argv).is_some();
    let mut argv = argv.into_iter();
    let program = Program::of(&argv.next().unwrap_or_default());
    let rest: Vec<OsString> = argv.skip(usize::from(again)).collect();
    if program != Program::RedisTrib || (!again && redis_cli::has_verb(&MODEL, &rest)?) {
        redis_cli::translate(&MODEL, program, rest)
    } else {
        trib::translate(&MODEL, rest)
    }
}

/// The peer under whose name the program was called, the name first on the line.
pub fn called_as(argv: &[OsString]) -> Option<Peer> {
    named_again(argv).or_else(|| Program::of(argv.first()?).peer())
}

/// What stands first where the program runs itself again: the peer under whose name it was called.
pub(crate) const CALLED_AS: &str = "--called-as=";

fn named_again(argv: &[OsString]) -> Option<Peer> {
    let name = argv.get(1)?.to_str()?.strip_prefix(CALLED_AS)?;
    [Peer::RedisCli, Peer::ValkeyCli].into_iter().find(|peer| peer.name() == name)
}

/// The variables by which scripts of redis-cli and valkey-cli agree to everything, where they are `1`.
const AGREEMENTS: [&str; 2] = ["REDISCLI_CLUSTER_YES", "VALKEYCLI_CLUSTER_YES"];

/// The line with what the environment says in that dialect: that nobody is to be asked.
pub fn heed_environment(
    mut line: Translated,
    variable: impl Fn(&str) -> Option<OsString>,
) -> Translated {
    let agrees = AGREEMENTS.iter().any(|name| variable(name).is_some_and(|value| value == "1"));
    if agrees
        && line.is_prefixed()
        && line
            .verb()
            .and_then(|verb| model::verb(&MODEL, verb))
            .is_some_and(|verb| model::long(verb, "yes").is_some())
    {
        line.flag("yes");
    }
    line
}

/// Old spellings have underscores where ours have hyphens.
fn hyphenated(name: &str) -> String {
    name.replace('_', "-")
}

/// Splits `--name=value`. A name that is no text is nobody's; a value, such as a path, may be any bytes.
fn split_long(word: &OsStr) -> Option<(String, Option<OsString>)> {
    let rest = word.as_bytes().strip_prefix(b"--").filter(|rest| !rest.is_empty())?;
    let mut parts = rest.splitn(2, |byte| *byte == b'=');
    let name = str::from_utf8(parts.next()?).ok()?;
    let value = parts.next().map(|value| OsStr::from_bytes(value).to_owned());
    Some((name.to_owned(), value))
}

/// Whether a word is an option rather than a value: a hyphen with something behind it.
fn is_option(word: &OsStr) -> bool {
    let bytes = word.as_encoded_bytes();
    bytes.first() == Some(&b'-') && bytes.len() > 1
}
