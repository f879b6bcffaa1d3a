//! The slot map as heat: what slots carry, from 0 for nothing to 9 for as much as the hottest.
//!
//! The square of a level goes with the load: what carries a ninth of the hottest is still seen, as 3.

use redistrib_ops::model::sample::{SlotLoad, SlotMeasure};
use redistrib_ops::model::{Slot, counted};

use crate::top::amount::{short, size};
use crate::top::history::History;
use crate::top::rows::UNKNOWN;
use crate::top::view::Shade;

/// The hottest level.
const HOTTEST: usize = 9;
/// How many of the hottest slots are named.
const NAMED: usize = 5;

/// What each slot carries by one measure.
pub(super) struct Heat {
    measure: SlotMeasure,
    /// By slots; none where it is not known.
    loads: Vec<Option<u64>>,
    most: u64,
}

impl Heat {
    pub(super) fn of(history: &History, measure: SlotMeasure) -> Self {
        let load = |slot| history.load(slot).and_then(|load| load.of(measure));
        let loads: Vec<Option<u64>> = Slot::all().map(load).collect();
        let most = loads.iter().flatten().max().copied().unwrap_or_default();
        Self { measure, loads, most }
    }

    pub(super) fn word(&self) -> &'static str {
        Shade::Load(self.measure).word()
    }

    /// How hot the hottest of some slots is; none where nothing is known of them.
    pub(super) fn level(&self, slots: std::ops::Range<usize>) -> Option<usize> {
        let load = self.loads[slots].iter().flatten().max().copied()?;
        let (load, most) = (u128::from(load), u128::from(self.most.max(1)));
        let is_enough = |level: &usize| {
            let square = |it: usize| (it * it) as u128;
            square(*level) * most >= square(HOTTEST) * load
        };
        Some((0..=HOTTEST).find(is_enough).unwrap_or(HOTTEST))
    }

    /// The scale and the hottest slots, with the letters of their shards.
    pub(super) fn words(&self, name: impl Fn(usize) -> char) -> String {
        if self.loads.iter().all(Option::is_none) {
            return match self.measure {
                SlotMeasure::Keys => "not known yet".into(),
                _ => "unknown: it takes Redis 8.2 or Valkey 8.1, and cluster-slot-stats-enabled"
                    .into(),
            };
        }
        let mut hottest: Vec<(usize, u64)> =
            (0..).zip(&self.loads).filter_map(|(slot, load)| Some((slot, (*load)?))).collect();
        hottest.sort_by_key(|(slot, load)| (std::cmp::Reverse(*load), *slot));
        let hottest = hottest.into_iter().take(NAMED).filter(|(_, load)| *load > 0);
        let named: Vec<String> = hottest
            .map(|(slot, load)| format!("{slot} {} {}", name(slot), amount(self.measure, load)))
            .collect();
        if named.is_empty() {
            return "none carries any".into();
        }
        format!("the hottest: {}", named.join(", "))
    }
}

/// The sign of a level.
pub(super) fn sign(level: Option<usize>) -> String {
    match level {
        None => UNKNOWN.into(),
        Some(0) => "·".into(),
        Some(level) => level.min(HOTTEST).to_string(),
    }
}

fn amount(measure: SlotMeasure, load: u64) -> String {
    match measure {
        SlotMeasure::Keys => short(load),
        SlotMeasure::Cpu => micros(load),
        SlotMeasure::Network => format!("{}/s", size(load)),
    }
}

/// Processor time in a second.
fn micros(us: u64) -> String {
    if us < 1000 { format!("{us} µs/s") } else { format!("{:.1} ms/s", us as f64 / 1000.0) }
}

/// All that is known of what a slot carries.
pub(super) fn all(load: &SlotLoad) -> String {
    let cpu = load.cpu_us.map(|us| format!(", cpu {}", micros(us)));
    let bytes = load.net_in.zip(load.net_out);
    let network = bytes.map(|(a, b)| format!(", in {}/s, out {}/s", size(a), size(b)));
    format!(
        "{}{}{}",
        counted(load.keys, "key"),
        cpu.unwrap_or_default(),
        network.unwrap_or_default()
    )
}
