//! Progress as bars: one for the whole, one for each pair of nodes at work.

use std::collections::HashMap;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use ratatui::crossterm::terminal;
use redistrib_ops::model::{NodeId, Slot, SlotSet, counted};
use redistrib_ops::{Event, Pair};

use super::changing::Changing;
use super::large_key;
use crate::output::Output;
use crate::render::bytes;
use crate::top::Theme;

// Short bars: at 60 columns the figures still have room, and what stands last is cut off first.
const WHOLE: &str = "{bar:12} {pos}/{len} slots {wide_msg} {eta}";
const TRANSFER: &str = "{bar:12} {pos}/{len} keys {wide_msg} {eta}";
const MAP: &str = "{msg}";
const PAIR: &str = "  {bar:10} {pos}/{len} {wide_msg}";

#[derive(Debug, Default)]
pub(super) struct Bars {
    state: Mutex<BarsState>,
}

#[derive(Debug, Default)]
struct BarsState {
    names: HashMap<NodeId, String>,
    whole: Option<(MultiProgress, ProgressBar)>,
    pairs: HashMap<Pair, PairBar>,
    changing: Changing,
    /// The bar that the changing part of the slot map stands in.
    map: Option<ProgressBar>,
    keys: u64,
    bytes: u64,
}

/// One pair's bar.
#[derive(Debug)]
struct PairBar {
    bar: ProgressBar,
    route: String,
    keys: u64,
    bytes: u64,
    since: Instant,
}

impl Bars {
    pub(super) fn new() -> Self {
        Self::default()
    }

    pub(super) fn learn_names(&self, names: impl Iterator<Item = (NodeId, String)>) {
        if let Ok(mut state) = self.state.lock() {
            state.names.extend(names);
        }
    }

    pub(super) fn learn_masters(&self, masters: impl Iterator<Item = (NodeId, Option<Slot>)>) {
        if let Ok(mut state) = self.state.lock() {
            state.changing.learn(masters);
        }
    }

    pub(super) fn close(&self, output: &Output) {
        if let Ok(mut state) = self.state.lock() {
            state.end(output);
        }
    }

    pub(super) fn event(&self, event: &Event, output: &Output) {
        if let Ok(mut state) = self.state.lock() {
            state.take(event, output);
        }
    }
}

impl BarsState {
    fn take(&mut self, event: &Event, output: &Output) {
        match event {
            Event::MigrationStarted { slots, .. } => self.open(*slots, WHOLE, output),
            Event::PairStarted { pair, slots, which, .. } => self.begin(*pair, *slots, which),
            Event::KeysMoved { pair, keys, bytes, hold_up } => {
                self.keys = self.keys.saturating_add(*keys);
                self.bytes = self.bytes.saturating_add(*bytes);
                if let Some(track) = self.pairs.get_mut(pair) {
                    track.keys = track.keys.saturating_add(*keys);
                    track.bytes = track.bytes.saturating_add(*bytes);
                    track.bar.set_message(track.text(*hold_up));
                }
                self.tell_whole();
            }
            Event::LargeKey { pair, key, bytes, expected, elapsed } => {
                let text = large_key(key, *bytes, *expected, *elapsed);
                self.pairs.get(pair).iter().for_each(|track| track.bar.set_message(text.clone()));
            }
            Event::SlotsMoved { pair, slots } => {
                let count = slots.len() as u64;
                let bars = self.pairs.get(pair).map(|track| &track.bar);
                bars.into_iter().for_each(|bar| bar.inc(count));
                self.whole.iter().for_each(|(_, bar)| bar.inc(count));
                self.changing.arrive(*pair, slots);
                self.show_map();
            }
            Event::PairFinished { pair } => {
                self.pairs.remove(pair).iter().for_each(|track| track.bar.finish_and_clear());
            }
            Event::TransferStarted { keys } => {
                self.open(usize::try_from(*keys).unwrap_or(usize::MAX), TRANSFER, output);
            }
            Event::KeysTransferred { keys, copied, bytes, .. } => {
                self.keys = self.keys.saturating_add(*copied);
                self.bytes = self.bytes.saturating_add(*bytes);
                self.whole.iter().for_each(|(_, bar)| bar.inc(*keys));
                self.tell_whole();
            }
            _ => {}
        }
    }

    /// Shows the bar of the whole.
    fn open(&mut self, length: usize, template: &str, output: &Output) {
        let group = MultiProgress::new();
        let whole = group.add(bar(length, template));
        output.set_bars(Some(group.clone()));
        self.whole = Some((group, whole));
    }

    fn begin(&mut self, pair: Pair, slots: usize, which: &SlotSet) {
        let Some((group, whole)) = &self.whole else { return };
        if self.map.is_none() {
            self.map = Some(group.insert_after(whole, bar(0, MAP)));
        }
        self.changing.begin(pair, which);
        let name = |id: &NodeId| self.names.get(id).cloned().unwrap_or_else(|| id.short());
        let route = format!("{} → {}", name(&pair.from), name(&pair.to));
        let bar = group.add(bar(slots, PAIR));
        bar.set_message(route.clone());
        self.pairs.insert(pair, PairBar { bar, route, keys: 0, bytes: 0, since: Instant::now() });
        self.show_map();
    }

    fn show_map(&self) {
        let Some(map) = &self.map else { return };
        let columns = terminal::size().map_or(80, |(columns, _)| usize::from(columns));
        map.set_message(self.changing.line(columns.saturating_sub(1), Theme::of_terminal()));
    }

    fn tell_whole(&self) {
        if let Some((_, bar)) = &self.whole {
            bar.set_message(format!("{} {}", counted(self.keys, "key"), bytes(self.bytes)));
        }
    }

    fn end(&mut self, output: &Output) {
        if let Some((_, bar)) = self.whole.take() {
            output.set_bars(None);
            self.pairs.drain().for_each(|(_, track)| track.bar.finish_and_clear());
            self.map.take().iter().for_each(ProgressBar::finish_and_clear);
            bar.finish_and_clear();
        }
    }
}

impl PairBar {
    fn text(&self, hold_up: Duration) -> String {
        let seconds = self.since.elapsed().as_secs_f64().max(1e-3);
        let rate = bytes((self.bytes as f64 / seconds) as u64);
        let pause = hold_up.as_secs_f64() * 1e3;
        format!("{rate}/s, held up {pause:.1} ms, {}, {}", self.route, counted(self.keys, "key"))
    }
}

fn bar(length: usize, template: &str) -> ProgressBar {
    let style = ProgressStyle::with_template(template)
        .unwrap_or_else(|_| ProgressStyle::default_bar())
        .progress_chars("█▉▊▋▌▍▎▏ ");
    ProgressBar::new(length as u64).with_style(style)
}
