//! `top`.

use std::fs;
use std::io::IsTerminal;
use std::time::{Duration, Instant};

use anyhow::Context;
use ratatui::crossterm::terminal;
use redistrib_ops::model::counted;
use redistrib_ops::model::sample::SlotMeasure;
use redistrib_ops::{Settings, Watch};

use super::Outcome;
use crate::args::TopArgs;
use crate::escape::Escaped;
use crate::output::{print_bytes, tell_error};
use crate::top::{self, History, Recorder, Recording, SampleSource, Scene, Shade, Theme, TopView};
use crate::{interrupt, secrets};

/// How long all nodes are waited for before a single picture is drawn.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long it may take until it is known what slots carry.
const PATIENCE_FOR_SLOTS: Duration = Duration::from_secs(60);
/// The size of a picture where there is no terminal.
const USUAL: (u16, u16) = (120, 40);

pub(super) fn top(args: &TopArgs) -> anyhow::Result<Outcome> {
    // What the signals do that end a question for a password is settled before they are heeded for the screen.
    let settings = secrets::settings(&args.connect)?;
    if args.once || args.svg.is_some() {
        return once(args, &mut open(args, &settings)?);
    }
    top::prepare()?;
    let cancel = interrupt::quietly_and_last(top::give_back_for_good)?;
    let mut source = open(args, &settings)?;
    let view = TopView { shade: args.map, ..TopView::default() };
    top::run(&mut source, view, args.every, Theme::of_terminal(), &cancel)?;
    Ok(Outcome::Done)
}

fn open(args: &TopArgs, settings: &Settings) -> anyhow::Result<SampleSource> {
    if let Some(path) = &args.replay {
        let recording = Recording::open(path)?;
        if recording.cut_lines() > 0 {
            let lines = counted(recording.cut_lines(), "line");
            tell_error(format!("[WARNING] {}: {lines} cut off, and left out", path.display()));
        }
        return Ok(SampleSource::Recorded(recording, 0));
    }
    let recorder = args.record.as_deref().map(Recorder::open).transpose()?;
    let node = args.node.as_ref().context("which cluster? give HOST:PORT")?;
    let watch = Watch::start(node, settings, args.every)?;
    watch.await_all(PATIENCE);
    Ok(SampleSource::Live(watch, recorder))
}

fn once(args: &TopArgs, source: &mut SampleSource) -> anyhow::Result<Outcome> {
    let view = TopView { shade: args.map, ..TopView::default() };
    let history = match source.seek(i64::MAX)? {
        Some(history) => history,
        None => {
            let mut history = History::default();
            look(args, source, &view, &mut history)?;
            history
        }
    };
    let of_terminal = || terminal::size().ok().filter(|_| std::io::stdout().is_terminal());
    let (width, height) = args.size.or_else(of_terminal).unwrap_or(USUAL);
    let seed = history.last().map(|sample| sample.seed.clone()).unwrap_or_default();
    let label = source.label(&seed);
    let theme = if args.svg.is_some() { Theme::Many } else { Theme::Plain };
    let scene = Scene { history: &history, view: &view, theme, source: &label, has_keys: false };
    if let Some(path) = &args.svg {
        let picture = top::picture(&scene, width, height);
        fs::write(path, picture).with_context(|| format!("cannot write {}", path.display()))?;
    } else {
        let lines = top::frame(&scene, width, height);
        let text: String = lines.iter().map(|line| format!("{}\n", Escaped(line))).collect();
        print_bytes(text.as_bytes()).context("cannot write to standard output")?;
    }
    Ok(Outcome::Done)
}

/// Takes a sample, and more of them where what slots carry is to be shown, until it is known of all that servers report.
fn look(
    args: &TopArgs,
    source: &mut SampleSource,
    view: &TopView,
    history: &mut History,
) -> anyhow::Result<()> {
    source.look_at(view.focus());
    let begin = Instant::now();
    loop {
        source.next_sample()?.into_iter().for_each(|sample| history.push(sample));
        if is_known(history, view.shade) || begin.elapsed() >= PATIENCE_FOR_SLOTS {
            return Ok(());
        }
        std::thread::sleep(args.every);
    }
}

/// Whether what is shown is known of all slots whose owners answer.
fn is_known(history: &History, shade: Shade) -> bool {
    let (Shade::Load(measure), Some(sample)) = (shade, history.last()) else { return true };
    let answering = sample.masters().filter(|it| it.failure.is_none());
    let mut slots = answering.flat_map(|it| it.node.slots.iter());
    // What grows is known after two looks, or not at all.
    let looks = if measure == SlotMeasure::Keys { 1 } else { 2 };
    slots.all(|slot| history.load(slot).is_some_and(|load| load.looks >= looks))
}
