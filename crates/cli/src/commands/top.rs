//! `top`.

use std::fs;
use std::io::IsTerminal;
use std::time::Duration;

use anyhow::Context;
use ratatui::crossterm::terminal;
use redistrib_ops::Watch;

use super::Outcome;
use crate::args::TopArgs;
use crate::escape::Escaped;
use crate::output::print_bytes;
use crate::top::{self, History, Recorder, Recording, Scene, Source, Theme, View};
use crate::{interrupt, secrets};

/// How long all nodes are waited for before a single picture is drawn.
const PATIENCE: Duration = Duration::from_secs(5);
/// The size of a picture where there is no terminal.
const USUAL: (u16, u16) = (120, 40);

pub(super) fn top(args: &TopArgs) -> anyhow::Result<Outcome> {
    let cancel = interrupt::quietly()?;
    let mut source = open(args)?;
    if args.once || args.svg.is_some() {
        return once(args, &mut source);
    }
    top::run(&mut source, args.every, theme(), &cancel)?;
    Ok(Outcome::Done)
}

fn open(args: &TopArgs) -> anyhow::Result<Source> {
    if let Some(path) = &args.replay {
        return Ok(Source::Recorded(Recording::open(path)?, 0));
    }
    let recorder = args.record.as_deref().map(Recorder::open).transpose()?;
    let node = args.node.as_ref().context("which cluster? give HOST:PORT")?;
    let watch = Watch::start(node, &secrets::settings(&args.connect)?, args.every)?;
    watch.await_all(PATIENCE);
    Ok(Source::Live(watch, recorder))
}

fn once(args: &TopArgs, source: &mut Source) -> anyhow::Result<Outcome> {
    let history = match source.seek(i64::MAX)? {
        Some(history) => history,
        None => {
            let mut history = History::default();
            source.next_sample()?.into_iter().for_each(|sample| history.push(sample));
            history
        }
    };
    let of_terminal = || terminal::size().ok().filter(|_| std::io::stdout().is_terminal());
    let (width, height) = args.size.or_else(of_terminal).unwrap_or(USUAL);
    let seed = history.last().map(|sample| sample.seed.clone()).unwrap_or_default();
    let (view, label) = (View::default(), source.label(&seed));
    let theme = if args.svg.is_some() { Theme::Many } else { Theme::Plain };
    let scene = Scene { history: &history, view: &view, theme, source: &label, has_keys: false };
    if let Some(path) = &args.svg {
        let picture = top::picture(&scene, width, height);
        fs::write(path, picture).with_context(|| format!("cannot write {}", path.display()))?;
    } else {
        let lines = top::frame(&scene, width, height);
        let text: String = lines.iter().map(|line| format!("{}\n", Escaped(line))).collect();
        print_bytes(text.as_bytes())?;
    }
    Ok(Outcome::Done)
}

/// As many colours as the terminal says that it has.
fn theme() -> Theme {
    let says = |name: &str, words: &[&str]| {
        std::env::var(name).is_ok_and(|value| words.iter().any(|word| value.contains(word)))
    };
    if std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty())
        || says("TERM", &["dumb"])
    {
        Theme::Plain
    } else if says("COLORTERM", &["truecolor", "24bit"]) || says("TERM", &["256", "direct"]) {
        Theme::Many
    } else {
        Theme::Sixteen
    }
}
