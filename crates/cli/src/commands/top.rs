//! `top`.

use std::io::IsTerminal;
use std::time::Duration;

use ratatui::crossterm::terminal;
use redistrib_ops::Watch;

use super::Outcome;
use crate::args::TopArgs;
use crate::escape::Escaped;
use crate::output::print_bytes;
use crate::top::{self, History, Scene, Theme, View};
use crate::{interrupt, secrets};

/// How long all nodes are waited for before a single picture is drawn.
const PATIENCE: Duration = Duration::from_secs(5);
/// The size of a picture where there is no terminal.
const USUAL: (u16, u16) = (120, 40);

pub(super) fn top(args: &TopArgs) -> anyhow::Result<Outcome> {
    let settings = secrets::settings(&args.connect)?;
    let cancel = interrupt::quietly()?;
    let watch = Watch::start(&args.seed.node, &settings, args.every)?;
    watch.await_all(PATIENCE);
    if args.once {
        return once(args, &watch);
    }
    top::run(&watch, args.every, theme(), &cancel)?;
    Ok(Outcome::Done)
}

fn once(args: &TopArgs, watch: &Watch) -> anyhow::Result<Outcome> {
    let mut history = History::default();
    history.push(watch.sample());
    let of_terminal = || terminal::size().ok().filter(|_| std::io::stdout().is_terminal());
    let (width, height) = args.size.or_else(of_terminal).unwrap_or(USUAL);
    let (view, source) = (View::default(), args.seed.node.to_string());
    let scene = Scene {
        history: &history,
        view: &view,
        theme: Theme::Plain,
        source: &source,
        has_keys: false,
    };
    let lines = top::frame(&scene, width, height);
    let text: String = lines.iter().map(|line| format!("{}\n", Escaped(line))).collect();
    print_bytes(text.as_bytes())?;
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
