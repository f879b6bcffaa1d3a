//! The slot map: all slots in one block of cells.

use ratatui::style::Style;
use redistrib_ops::model::sample::Sample;
use redistrib_ops::model::{Finding, Node, NodeId, Slot, SlotRange, SlotSet};

use super::Scene;
use super::heat::{self, Heat};
use super::paint::Canvas;
use crate::style::Tone;
use crate::top::history::History;
use crate::top::rows::letter;
use crate::top::view::{Panel, Shade};

const SLOTS: usize = Slot::COUNT as usize;
/// Room for the number of the first slot of a line.
const LABEL: u16 = 6;

/// What is out of the ordinary with a slot; the worst last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Mark {
    None,
    Open,
    Silent,
    Disputed,
    Unowned,
}

impl Mark {
    const ALL: [Self; 4] = [Self::Unowned, Self::Disputed, Self::Silent, Self::Open];

    fn sign(self) -> &'static str {
        match self {
            Self::None => "",
            Self::Open => ">",
            Self::Silent => "x",
            Self::Disputed => "#",
            Self::Unowned => "!",
        }
    }

    fn words(self) -> &'static str {
        match self {
            Self::None => "",
            Self::Open => "open, on their way",
            Self::Silent => "whose owner does not answer",
            Self::Disputed => "disputed",
            Self::Unowned => "without an owner",
        }
    }

    fn tone(self) -> Tone {
        if self == Self::Open { Tone::Odd } else { Tone::Bad }
    }
}

/// What each slot is.
struct Map {
    /// The number of the owner's shard.
    owners: Vec<Option<usize>>,
    marks: Vec<Mark>,
    /// What they carry, where that is shown.
    heat: Option<Heat>,
}

impl Map {
    fn of(sample: &Sample, history: &History, shade: Shade) -> Self {
        let number = |slot| history.owner(slot).and_then(|id| history.shards().get(&id)).copied();
        let owners = Slot::all().map(number).collect();
        let heat = match shade {
            Shade::Owners => None,
            Shade::Load(measure) => Some(Heat::of(history, measure)),
        };
        let mut map = Self { owners, marks: vec![Mark::None; SLOTS], heat };
        for master in sample.masters() {
            map.mark(open_slots(&master.node), Mark::Open);
        }
        for job in &sample.jobs {
            map.mark(job.slots.iter(), Mark::Open);
        }
        for finding in &sample.findings {
            match finding {
                Finding::Uncovered { slots } => map.mark(slots.iter(), Mark::Unowned),
                Finding::Unserved { slots, .. } => map.mark(slots.iter(), Mark::Silent),
                Finding::Disagreement { slots, .. } | Finding::MultipleOwners { slots, .. } => {
                    map.mark(slots.iter(), Mark::Disputed);
                }
                Finding::OpenSlots(open) => map.mark(open.slots.iter(), Mark::Open),
                _ => {}
            }
        }
        map
    }

    fn mark(&mut self, slots: impl Iterator<Item = Slot>, mark: Mark) {
        for slot in slots {
            let place = &mut self.marks[usize::from(slot.get())];
            *place = mark.max(*place);
        }
    }

    fn count(&self, mark: Mark) -> usize {
        self.marks.iter().filter(|it| **it == mark).count()
    }

    /// The worst mark of some slots, and whose most of them are.
    fn cell(&self, slots: std::ops::Range<usize>) -> (Mark, Option<usize>) {
        let mark = self.marks[slots.clone()].iter().max().copied().unwrap_or(Mark::None);
        (mark, most_frequent(&self.owners[slots]))
    }
}

/// The shard that most of these slots are of.
pub(crate) fn most_frequent(owners: &[Option<usize>]) -> Option<usize> {
    // Few shards meet in a cell: counting by looking again is fine.
    let count = |owner: &usize| owners.iter().filter(|it| it.as_ref() == Some(owner)).count();
    owners.iter().flatten().max_by_key(|owner| count(owner)).copied()
}

fn open_slots(node: &Node) -> impl Iterator<Item = Slot> + '_ {
    node.migrating.iter().chain(&node.importing).map(|(slot, _)| *slot)
}

/// How many cells stand in a line, and how many slots a cell stands for, in so many cells.
fn grid(width: u16, rows: u16) -> (usize, usize) {
    let label = if width > 40 { LABEL } else { 0 };
    let across = usize::from(width - label).max(1);
    (across, SLOTS.div_ceil(across * usize::from(rows).max(1)))
}

/// By how many slots the cursor goes along and down on a screen of this size.
pub fn steps(width: u16, height: u16, history: &History) -> (u16, u16) {
    let rows = super::layout(width, height, history).map.saturating_sub(2);
    let (across, a_cell) = grid(width, rows);
    let number = |slots: usize| u16::try_from(slots).unwrap_or(Slot::COUNT);
    (number(a_cell), number(a_cell * across))
}

pub(super) fn draw(canvas: &mut Canvas<'_>, scene: &Scene<'_>) {
    let Some(sample) = scene.history.last() else { return };
    if canvas.area.height < 3 {
        return;
    }
    let map = Map::of(sample, scene.history, scene.view.shade);
    let rows = canvas.area.height - 2;
    let (across, a_cell) = grid(canvas.area.width, rows);
    heading(canvas, &map, a_cell);
    let label = canvas.area.width - u16::try_from(across).unwrap_or(canvas.area.width);
    for (row, first) in (0..rows).zip((0..SLOTS).step_by(across * a_cell)) {
        if label > 0 {
            canvas.text(0, row + 1, &format!("{first:>5}"), canvas.theme.faint());
        }
        let line = (first..SLOTS.min(first + across * a_cell)).step_by(a_cell);
        for (column, first) in (label..).zip(line) {
            let slots = first..SLOTS.min(first + a_cell);
            let is_under_cursor = scene.view.panel == Panel::Slots
                && scene.has_keys
                && slots.contains(&usize::from(scene.view.slot));
            let (text, style) = look(&map, slots, canvas);
            let style = if is_under_cursor { style.patch(canvas.theme.cursor()) } else { style };
            canvas.text(column, row + 1, &text, style);
        }
    }
    let text = cursor(scene.history, sample, &map, a_cell, scene.view.slot);
    let y = canvas.area.height - 1;
    canvas.cell(0, y, canvas.area.width, &text, Style::new());
}

fn look(map: &Map, slots: std::ops::Range<usize>, canvas: &Canvas<'_>) -> (String, Style) {
    match (map.cell(slots.clone()), &map.heat) {
        ((Mark::None, Some(_)), Some(heat)) => {
            let level = heat.level(slots);
            (heat::sign(level), canvas.theme.heat(level))
        }
        ((Mark::None, Some(owner)), None) => (letter(owner).to_string(), canvas.theme.shard(owner)),
        ((Mark::None, None), _) => (Mark::Unowned.sign().into(), canvas.theme.mark(Tone::Bad)),
        ((mark, _), _) => (mark.sign().into(), canvas.theme.mark(mark.tone())),
    }
}

/// What the map is, and what stands out in it.
fn heading(canvas: &mut Canvas<'_>, map: &Map, a_cell: usize) {
    let theme = canvas.theme;
    let by = map.heat.as_ref().map(|heat| format!(" by {}", heat.word())).unwrap_or_default();
    let mut x = canvas.text(0, 0, &format!("slots{by}, {a_cell} a cell "), theme.head());
    for mark in Mark::ALL {
        let count = map.count(mark);
        if count > 0 {
            x = canvas.text(x + 1, 0, mark.sign(), theme.mark(mark.tone()));
            x = canvas.text(
                x + 1,
                0,
                &format!("{count} {} ", mark.words()),
                theme.tone(mark.tone()),
            );
        }
    }
    if let Some(heat) = &map.heat {
        let name = |slot: usize| map.owners[slot].map_or('-', letter);
        canvas.text(x + 1, 0, &heat.words(name), theme.faint());
    }
}

/// The slot under the cursor in words.
fn cursor(history: &History, sample: &Sample, map: &Map, a_cell: usize, slot: u16) -> String {
    let at = usize::from(slot).min(SLOTS - 1);
    let first = at / a_cell * a_cell;
    let last = SLOTS.min(first + a_cell) - 1;
    let owner = Slot::all().nth(at).and_then(|slot| history.owner(slot));
    let owner = owner.and_then(|id| sample.node(id));
    let mark = map.marks[at];
    let whose = match owner {
        Some(node) => {
            let range = range_of(&node.node.slots, slot);
            let letter = map.owners[at].map_or('-', letter);
            format!("{letter} {}, which has {range}", node.address)
        }
        None => "nobody".into(),
    };
    let odd = if mark == Mark::None { String::new() } else { format!(" ({})", mark.words()) };
    let path = path(sample, slot).unwrap_or_default();
    let load = Slot::all().nth(at).and_then(|slot| history.load(slot));
    let load = load.map(|load| format!(", {}", heat::all(load))).unwrap_or_default();
    format!("slot {at} of cell {first}-{last}: {whose}{load}{odd}{path}")
}

/// The range that a slot lies in.
fn range_of(slots: &SlotSet, slot: u16) -> String {
    let contains = |range: &SlotRange| (range.first().get()..=range.last().get()).contains(&slot);
    slots.ranges().find(contains).map(|range| range.to_string()).unwrap_or_default()
}

/// From where to where an open slot goes.
fn path(sample: &Sample, slot: u16) -> Option<String> {
    let name = |id: NodeId| sample.node(id).map_or_else(|| id.to_string(), |it| it.address.clone());
    sample.masters().find_map(|master| {
        let peer = |open: &[(Slot, NodeId)]| {
            open.iter().find(|(it, _)| it.get() == slot).map(|(_, peer)| *peer)
        };
        let own = || master.address.clone();
        let out = peer(&master.node.migrating).map(|to| (own(), name(to)));
        let (from, to) = out.or_else(|| Some((name(peer(&master.node.importing)?), own())))?;
        Some(format!(", {from} -> {to}"))
    })
}
