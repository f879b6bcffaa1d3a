//! `shell`, `exec` and `keyslot`.

use std::ffi::OsStr;
use std::io::{self, Write};
use std::os::unix::ffi::OsStringExt;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use redistrib_ops::model::{Slot, hash_tag};
use redistrib_ops::{Endpoint, Which, words};

use super::Outcome;
use crate::args::{ExecArgs, KeyslotArgs, ModeArgs, OutputArgs, SessionArgs, ShellArgs};
use crate::escape::Escaped;
use crate::output::tell_error;
use crate::secrets;
use crate::shell::format::{Delimiters, ReplyForm, Strings};
use crate::shell::{self, FromStdin, Mode, Options, OutputOptions, Protocol, Repeat, Scan};

/// The pause between rows of `--stat` and the time of one `--latency`, where nothing else is said.
const ONE_SECOND: Duration = Duration::from_secs(1);
/// How many hot keys are found, where nothing else is said.
const HOT_KEYS: u32 = 16;
/// The time of a row of `--latency-history`.
const HISTORY: Duration = Duration::from_secs(15);

pub(super) fn shell(args: &ShellArgs) -> Result<Outcome> {
    run(&args.node, &args.session, Mode::Prompt)
}

pub(super) fn exec(args: &ExecArgs) -> Result<Outcome> {
    let mut words: Vec<Vec<u8>> = args.command.iter().map(|word| bytes(word)).collect();
    if args.session.quoted_input {
        let Ok(unquoted) = words.iter().map(|word| unquote(word)).collect() else {
            // On standard output, where redis-cli's scripts look for it.
            writeln!(io::stdout(), "Invalid quoted string")?;
            return Ok(Outcome::Failed);
        };
        words = unquoted;
    }
    let from = match &args.stdin_tag {
        Some(tag) => Some(FromStdin::Tag(bytes(tag))),
        None => args.stdin_last.then_some(FromStdin::Last),
    };
    // Without a command, lines on standard input are commands, also for redis-cli.
    if let Some(from) = from.filter(|_| !words.is_empty())
        && let Err(error) = shell::fill_in(&mut words, &from)
    {
        tell_error(Escaped(error));
        return Ok(Outcome::Failed);
    }
    if (args.mode.ldb || args.mode.ldb_sync_mode) && args.mode.eval.is_none() {
        tell_error("Options --ldb and --ldb-sync-mode require --eval.");
        return Ok(Outcome::Misused);
    }
    let mode = match special(&args.mode, &words, &args.session)? {
        Some(mode) => mode,
        None if words.is_empty() => Mode::Prompt,
        None if args.all_masters => Mode::Everywhere { which: Which::Masters, words },
        None if args.all_nodes => Mode::Everywhere { which: Which::All, words },
        None => Mode::Command(words),
    };
    run(&args.node, &args.session, mode)
}

/// What a key hashes to, without a server.
pub(super) fn keyslot(args: &KeyslotArgs) -> Result<Outcome> {
    let mut out = io::stdout().lock();
    for key in &args.keys {
        let key = bytes(key);
        let (slot, text) = (Slot::of_key(&key), String::from_utf8_lossy(&key));
        if args.json {
            let tag = String::from_utf8_lossy(hash_tag(&key));
            let line = serde_json::json!({ "key": text, "hash_tag": tag, "slot": slot });
            writeln!(out, "{line}")?;
        } else if args.keys.len() == 1 {
            writeln!(out, "{slot}")?;
        } else {
            writeln!(out, "{slot} {}", Escaped(text))?;
        }
    }
    Ok(Outcome::Done)
}

fn run(node: &Endpoint, args: &SessionArgs, mode: Mode) -> Result<Outcome> {
    let endpoint = args.socket.clone().map_or_else(|| node.clone(), Endpoint::Unix);
    let options = Options {
        endpoint,
        settings: secrets::settings(&args.connect)?,
        protocol: protocol(args),
        database: args.db,
        name: args.name.clone().map(OsStringExt::into_vec),
        cluster: args.follow,
        peer: args.peer,
        output: output(&args.output),
        repeat: Repeat {
            times: u64::try_from(args.repeat.unwrap_or(1)).ok(),
            interval: interval(args).unwrap_or_default(),
        },
        exit_on_error: args.exit_error,
        mode,
    };
    Ok(if shell::run(&options) { Outcome::Done } else { Outcome::Failed })
}

/// redis-cli's JSON speaks RESP3 by default, for maps to be maps; so does ours.
fn protocol(args: &SessionArgs) -> Option<Protocol> {
    let OutputArgs { json, plain_json, quoted_json, .. } = args.output;
    match (args.resp2, args.resp3 || json || plain_json || quoted_json) {
        (true, _) => Some(Protocol::Two),
        (false, true) => Some(Protocol::Three),
        (false, false) => None,
    }
}

pub(super) fn output(args: &OutputArgs) -> OutputOptions {
    let forms = [
        (args.json, ReplyForm::Lossless),
        (args.plain_json, ReplyForm::Json(Strings::Unicode)),
        (args.quoted_json, ReplyForm::Json(Strings::Quoted)),
        (args.csv, ReplyForm::Csv),
        (args.no_raw, ReplyForm::Terminal),
        (args.raw, ReplyForm::Raw),
    ];
    let default = Delimiters::default();
    OutputOptions {
        form: forms.into_iter().find_map(|(given, form)| given.then_some(form)),
        delimiters: Delimiters {
            elements: args.element_delimiter.as_deref().map_or(default.elements, bytes),
            replies: args.reply_delimiter.as_deref().map_or(default.replies, bytes),
        },
        pushes: args.show_pushes,
    }
}

fn special(args: &ModeArgs, words: &[Vec<u8>], session: &SessionArgs) -> Result<Option<Mode>> {
    let interval = interval(session);
    let scan = Scan {
        pattern: match &args.quoted_pattern {
            Some(pattern) => Some(
                unquote(&bytes(pattern))
                    .context("Invalid quoted string specified for --quoted-pattern.")?,
            ),
            None => args.pattern.as_deref().map(bytes),
        },
        count: args.count,
        cursor: 0,
        interval: interval.unwrap_or_default(),
    };
    let samples = args.memkeys_samples;
    let patience = Some(Duration::from_secs(args.pipe_timeout)).filter(|wait| !wait.is_zero());
    let history = args.latency_history.then(|| interval.unwrap_or(HISTORY));
    let second = interval.filter(|interval| !interval.is_zero()).unwrap_or(ONE_SECOND);
    Ok(Some(match args {
        ModeArgs { eval: Some(file), ldb, ldb_sync_mode: sync, .. } if *ldb || *sync => {
            Mode::Debug { file: file.clone(), words: words.to_vec(), sync: *sync }
        }
        ModeArgs { eval: Some(file), .. } => {
            Mode::Eval { file: file.clone(), words: words.to_vec() }
        }
        ModeArgs { test_hint: Some(line), .. } => Mode::Hint(line.clone()),
        ModeArgs { test_hint_file: Some(file), .. } => Mode::HintSuite(file.clone()),
        ModeArgs { pipe: true, .. } => Mode::Pipe { patience },
        ModeArgs { bigkeys: true, .. } => Mode::BigKeys(scan),
        ModeArgs { memkeys: true, .. } => Mode::MemKeys(scan, samples),
        _ if samples.is_some() => Mode::MemKeys(scan, samples),
        ModeArgs { keystats: true, .. } | ModeArgs { keystats_samples: Some(_), .. } => {
            let scan = Scan { cursor: args.cursor, ..scan };
            Mode::KeyStats(scan, args.keystats_samples, args.top)
        }
        ModeArgs { hotkeys: true, .. } | ModeArgs { hotkeys_count: Some(_), .. } => {
            Mode::HotKeys(scan, args.hotkeys_count.unwrap_or(HOT_KEYS))
        }
        ModeArgs { scan: true, .. } => Mode::Scan(scan),
        ModeArgs { rdb: Some(file), .. } => Mode::Rdb { file: file.clone(), functions_only: false },
        ModeArgs { functions_rdb: Some(file), .. } => {
            Mode::Rdb { file: file.clone(), functions_only: true }
        }
        ModeArgs { as_replica: true, .. } => Mode::Replica,
        ModeArgs { latency_history: true, .. } => Mode::Latency { history, interval: second },
        ModeArgs { latency: true, .. } => Mode::Latency { history: None, interval: second },
        ModeArgs { latency_dist: true, .. } => Mode::LatencyDist { interval: second },
        ModeArgs { lru_test: Some(keys), .. } => Mode::LruTest { keys: *keys },
        ModeArgs { intrinsic_latency: Some(seconds), .. } => {
            Mode::IntrinsicLatency { duration: Duration::from_secs((*seconds).into()) }
        }
        ModeArgs { stat: true, .. } => {
            let rows = session.repeat.and_then(|times| u64::try_from(times).ok());
            Mode::Stat { interval: second, rows }
        }
        _ => return Ok(None),
    }))
}

fn interval(args: &SessionArgs) -> Option<Duration> {
    args.interval.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok())
}

/// One word in quotes, or none at all.
fn unquote(word: &[u8]) -> Result<Vec<u8>> {
    let is_quoted = word.starts_with(b"\"") || word.starts_with(b"'");
    if !is_quoted {
        return Ok(word.to_vec());
    }
    match words::split(word).map(|mut words| (words.len(), words.pop())) {
        Ok((1, Some(word))) => Ok(word),
        _ => bail!("Invalid quoted string"),
    }
}

#[cfg(unix)]
pub(super) fn bytes(word: &OsStr) -> Vec<u8> {
    std::os::unix::ffi::OsStrExt::as_bytes(word).to_vec()
}

#[cfg(not(unix))]
pub(super) fn bytes(word: &OsStr) -> Vec<u8> {
    word.to_string_lossy().into_owned().into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quoted_words() {
        assert_eq!(unquote(br#""a\x00 b""#).unwrap(), b"a\0 b");
        assert_eq!(unquote(b"a\"b").unwrap(), b"a\"b");
        for wrong in [&b"\"a"[..], b"\"a\" b\"", b"'a' 'b'"] {
            assert!(unquote(wrong).is_err());
        }
    }
}
