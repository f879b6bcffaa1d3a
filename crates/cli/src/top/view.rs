//! What the user looks at, and how keys change it. Pure: events in, state out.

use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyEventKind, KeyModifiers};
use redistrib_ops::model::sample::{Focus, SlotMeasure};
use redistrib_ops::model::{NodeId, Slot};

use super::history::History;
use super::rows::{self, Column};

/// The state of the view.
#[derive(Clone, Debug, PartialEq)]
pub struct TopView {
    /// Where the arrow keys go.
    pub panel: Panel,
    /// The slot under the cursor.
    pub slot: u16,
    /// The node under the cursor.
    pub node: Option<NodeId>,
    /// What the slot map shows.
    pub shade: Shade,
    /// By what the nodes are sorted.
    pub sort: Column,
    /// Whether the order is turned round.
    pub is_reversed: bool,
    /// Only nodes with this in their row are shown.
    pub filter: String,
    /// Whether the filter is being typed.
    pub is_typing: bool,
    /// Whether the picture stands still.
    pub is_paused: bool,
    /// What lies over the rest.
    pub page: Page,
    /// By how many lines the page is scrolled.
    pub scroll: u16,
    /// How many slots a cell of the map stands for: the width of a step, and of a line.
    pub steps: (u16, u16),
}

/// A part of the screen that the arrow keys move in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Panel {
    /// The nodes.
    Nodes,
    /// The slot map.
    Slots,
}

/// What the slot map shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Shade {
    /// Whose the slots are.
    #[default]
    Owners,
    /// What they carry.
    Load(SlotMeasure),
}

impl Shade {
    /// All, in the order in which a key goes through them.
    pub const ALL: [Self; 4] = [
        Self::Owners,
        Self::Load(SlotMeasure::Keys),
        Self::Load(SlotMeasure::Cpu),
        Self::Load(SlotMeasure::Network),
    ];

    /// The word for it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Owners => "owners",
            Self::Load(SlotMeasure::Keys) => "keys",
            Self::Load(SlotMeasure::Cpu) => "cpu",
            Self::Load(SlotMeasure::Network) => "network",
        }
    }

    fn next(self) -> Self {
        let place = Self::ALL.iter().position(|it| *it == self).unwrap_or_default();
        Self::ALL[(place + 1) % Self::ALL.len()]
    }
}

/// What the screen shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Page {
    /// The cluster.
    Cluster,
    /// What the keys do.
    Help,
    /// All about the node under the cursor.
    Node,
    /// What could be done about it.
    Plan,
}

/// What a key asks of whoever owns the terminal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wish {
    /// To end.
    Quit,
    /// To make way for the shell.
    Suspend,
    /// To draw all again.
    Redraw,
    /// To go so many samples back or on in a recording.
    Seek(i64),
}

/// The longest filter.
const LONGEST_FILTER: usize = 100;

impl Default for TopView {
    fn default() -> Self {
        Self {
            panel: Panel::Nodes,
            slot: 0,
            node: None,
            shade: Shade::Owners,
            sort: Column::Shard,
            is_reversed: false,
            filter: String::new(),
            is_typing: false,
            is_paused: false,
            page: Page::Cluster,
            scroll: 0,
            steps: (32, 1024),
        }
    }
}

impl TopView {
    /// What is looked at more closely.
    pub fn focus(&self) -> Focus {
        let node = self.node.filter(|_| self.page == Page::Node);
        let slot = Slot::try_from(self.slot).ok().filter(|_| self.panel == Panel::Slots);
        Focus { node, slot, all_slots: self.shade != Shade::Owners }
    }

    /// Does what a key asks for.
    pub fn press(&mut self, key: KeyEvent, history: &History) -> Option<Wish> {
        if key.kind == KeyEventKind::Release {
            return None;
        }
        if key.modifiers.contains(KeyModifiers::CONTROL) {
            return match key.code {
                KeyCode::Char('c') => Some(Wish::Quit),
                KeyCode::Char('z') => Some(Wish::Suspend),
                KeyCode::Char('l') => Some(Wish::Redraw),
                _ => None,
            };
        }
        if self.is_typing {
            self.type_filter(key.code);
            return None;
        }
        match key.code {
            KeyCode::Char('q') => return Some(Wish::Quit),
            KeyCode::Esc => self.go_back(),
            KeyCode::Char('?' | 'h') | KeyCode::F(1) => self.turn_to(Page::Help),
            KeyCode::Enter => self.turn_to(Page::Node),
            KeyCode::Char('c') => self.turn_to(Page::Plan),
            KeyCode::Char(',') => return Some(Wish::Seek(-1)),
            KeyCode::Char('.') => return Some(Wish::Seek(1)),
            KeyCode::Char('<') => return Some(Wish::Seek(-60)),
            KeyCode::Char('>') => return Some(Wish::Seek(60)),
            KeyCode::Char('p' | ' ') => self.is_paused = !self.is_paused,
            KeyCode::Char('/') => self.is_typing = true,
            KeyCode::Char('m') => self.shade = self.shade.next(),
            KeyCode::Char('s') => self.sort = self.sort.next(),
            KeyCode::Char('S') => self.sort = self.sort.previous(),
            KeyCode::Char('r') => self.is_reversed = !self.is_reversed,
            KeyCode::Tab | KeyCode::BackTab => {
                self.panel = match self.panel {
                    Panel::Nodes => Panel::Slots,
                    Panel::Slots => Panel::Nodes,
                };
            }
            code => self.travel(code, history),
        }
        None
    }

    fn turn_to(&mut self, page: Page) {
        self.page = if self.page == page { Page::Cluster } else { page };
        self.scroll = 0;
    }

    fn go_back(&mut self) {
        if self.page == Page::Cluster {
            self.filter.clear();
        }
        self.page = Page::Cluster;
        self.scroll = 0;
    }

    fn type_filter(&mut self, code: KeyCode) {
        match code {
            KeyCode::Enter => self.is_typing = false,
            KeyCode::Esc => {
                self.is_typing = false;
                self.filter.clear();
            }
            KeyCode::Backspace => drop(self.filter.pop()),
            KeyCode::Char(char) if self.filter.len() < LONGEST_FILTER => self.filter.push(char),
            _ => {}
        }
    }

    fn travel(&mut self, code: KeyCode, history: &History) {
        if self.page != Page::Cluster {
            let by = distance(code, 1, 1, 10);
            let scrolled = i64::from(self.scroll) + by;
            self.scroll = u16::try_from(scrolled.max(0)).unwrap_or(u16::MAX);
        } else if self.panel == Panel::Slots {
            let (step, line) = self.steps;
            let by = distance(code, i64::from(step), i64::from(line), i64::from(line) * 4);
            let last = i64::from(Slot::COUNT) - 1;
            let slot = (i64::from(self.slot) + by).clamp(0, last);
            self.slot = u16::try_from(slot).unwrap_or_default();
        } else {
            self.travel_nodes(distance(code, 0, 1, 10), history);
        }
    }

    fn travel_nodes(&mut self, by: i64, history: &History) {
        let Some(sample) = history.last() else { return };
        let shown = rows::sorted(sample, history.shards(), self);
        let Some(last) = shown.len().checked_sub(1) else { return };
        let place = shown.iter().position(|it| Some(it.node.id) == self.node);
        let place = place.map_or(0, |place| {
            let moved = i64::try_from(place).unwrap_or(i64::MAX).saturating_add(by).max(0);
            usize::try_from(moved).unwrap_or(last).min(last)
        });
        self.node = Some(shown[place].node.id);
    }
}

/// How far a key goes: along, down, and by the page; all the way is further than anything.
fn distance(code: KeyCode, step: i64, line: i64, page: i64) -> i64 {
    const ALL: i64 = 1 << 40;
    match code {
        KeyCode::Left => -step,
        KeyCode::Right => step,
        KeyCode::Up | KeyCode::Char('k') => -line,
        KeyCode::Down | KeyCode::Char('j') => line,
        KeyCode::PageUp => -page,
        KeyCode::PageDown => page,
        KeyCode::Home | KeyCode::Char('g') => -ALL,
        KeyCode::End | KeyCode::Char('G') => ALL,
        _ => 0,
    }
}
