//! What has been seen up to now, as far as it is drawn: the last sample, the figures of the last minutes, and the news.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;

use redistrib_ops::model::sample::{
    Decline, Figures, News, NodeSample, Owners, Sample, SlotLoad, SlotLoads, news,
};
use redistrib_ops::model::{NodeId, Slot};

/// How many figures of a node are kept.
const MOST_FIGURES: usize = 120;
/// How many news are kept.
const MOST_NEWS: usize = 200;
/// Over how many milliseconds a speed is measured.
const SPEED_OVER: u64 = 10_000;

/// The samples up to now.
#[derive(Debug, Default)]
pub struct History {
    last: Option<Arc<Sample>>,
    series: HashMap<NodeId, Series>,
    owners: Owners,
    /// The numbers of the shards, by their masters.
    shards: HashMap<NodeId, usize>,
    news: VecDeque<(u64, News)>,
    /// How many slots have changed hands lately, when, and from where to where.
    moved: VecDeque<(u64, Route, usize)>,
    /// When the first sample was taken.
    begin: u64,
    loads: SlotLoads,
    declines: HashMap<Course, Decline>,
}

/// From where to where, by addresses.
pub type Route = (String, String);

/// Something that continues until nothing is left of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Course {
    /// Open slots between two masters, by their keys.
    Slots(NodeId, NodeId),
    /// A replica that gets all data, by bytes.
    Sync(NodeId),
}

/// The figures of a node, the oldest first; what was not reported is none.
#[derive(Debug, Default)]
pub struct Series {
    /// Commands a second.
    pub ops: VecDeque<Option<u64>>,
    /// Bytes a second, in and out.
    pub network: VecDeque<Option<u64>>,
    /// Bytes of memory.
    pub memory: VecDeque<Option<u64>>,
    /// Milliseconds of processor time in a second.
    pub cpu: VecDeque<Option<u64>>,
    /// Keys found of a hundred looked up.
    pub hit_rate: Option<u64>,
    /// Microseconds that a MIGRATE has taken lately.
    pub migrate_us: Option<u64>,
    /// Of a thousand parts of its time those that MIGRATE has taken lately.
    pub migrating: Option<u64>,
    /// Bytes a second that the servers' own migrations of slots bring, or take away.
    pub job_bytes: Option<u64>,
    figures: Figures,
    /// When these were reported.
    at: Option<u64>,
}

impl History {
    /// Takes in the next sample.
    pub fn push(&mut self, sample: Sample) {
        let goes_on = self.last.as_ref().is_none_or(|last| is_of_one_watch(last, &sample));
        if !goes_on {
            self.begin_anew(sample.elapsed_ms);
        }
        let news_of_slots = self.owners.follow(&sample);
        self.number_shards(&sample);
        if let Some(last) = &self.last {
            let mut latest = news(last, &sample);
            latest.extend(news_of_slots);
            if goes_on {
                self.note_moves(&latest, sample.elapsed_ms);
            }
            latest.into_iter().for_each(|it| self.add_news(sample.at_ms, it));
        } else {
            self.begin = sample.elapsed_ms;
        }
        while self.news.len() > MOST_NEWS {
            self.news.pop_front();
        }
        self.series.retain(|id, _| sample.node(*id).is_some());
        for node in &sample.nodes {
            let taken = taken(&sample, node);
            self.series.entry(node.node.id).or_default().push(&node.figures, taken);
            if !node.detail.slots.is_empty() {
                self.loads.push(node.node.id, taken, &node.detail.slots);
            }
        }
        self.follow_courses(&sample);
        self.last = Some(Arc::new(sample));
    }

    /// A recording can hold several watches, each with a clock of its own: what was measured by the one before counts no more.
    fn begin_anew(&mut self, at: u64) {
        self.begin = at;
        self.moved.clear();
        self.declines.clear();
        self.loads = SlotLoads::default();
        self.series.values_mut().for_each(|series| series.at = None);
    }

    /// The last sample.
    pub fn last(&self) -> Option<&Arc<Sample>> {
        self.last.as_ref()
    }

    /// Shards are numbered as their slots stand when they are first seen, and keep their numbers then. A replica that takes its
    /// master's place takes its number.
    fn number_shards(&mut self, sample: &Sample) {
        for id in sample.shards() {
            let before = self.last.as_ref().and_then(|last| last.node(id)?.node.master);
            let inherited = before.and_then(|master| self.shards.get(&master)).copied();
            let next = self.shards.values().max().map_or(0, |most| most + 1);
            self.shards.entry(id).or_insert(inherited.unwrap_or(next));
        }
        self.shards.retain(|id, _| sample.node(*id).is_some());
    }

    /// The numbers of the shards, by their masters, those that were too.
    pub fn shards(&self) -> &HashMap<NodeId, usize> {
        &self.shards
    }

    /// The last known owner of a slot.
    pub fn owner(&self, slot: Slot) -> Option<NodeId> {
        self.owners.owner(slot)
    }

    /// The figures of a node.
    pub fn series(&self, id: NodeId) -> Option<&Series> {
        self.series.get(&id)
    }

    /// What has happened, with its time in milliseconds since 1970; the last first.
    pub fn news(&self) -> impl Iterator<Item = &(u64, News)> {
        self.news.iter().rev()
    }

    /// Slots that go the way of those before them are shown with these: tools can move one at a time.
    fn add_news(&mut self, at: u64, latest: News) {
        if let (
            Some((last, News::Moved { slots: all, from: since, to: there })),
            News::Moved { slots, from, to },
        ) = (self.news.back_mut(), &latest)
            && (&*since, &*there) == (from, to)
        {
            *all = all.union(slots);
            *last = at;
        } else {
            self.news.push_back((at, latest));
        }
    }

    /// What a replica takes over with its master's place has not moved.
    fn note_moves(&mut self, latest: &[News], at: u64) {
        let is_failover = |from: &str, to: &str| {
            latest.iter().any(|news| {
                matches!(news, News::Promoted { node, instead: Some(old) } if node == to && old == from)
            })
        };
        for news in latest {
            if let News::Moved { slots, from: Some(from), to } = news
                && !is_failover(from, to)
            {
                self.moved.push_back((at, (from.clone(), to.clone()), slots.len()));
            }
        }
        let begin = at.saturating_sub(SPEED_OVER);
        while self.moved.front().is_some_and(|(at, ..)| *at < begin) {
            self.moved.pop_front();
        }
    }

    /// Notes how much is left of what continues.
    fn follow_courses(&mut self, sample: &Sample) {
        let passages = sample.passages().into_iter().filter_map(|it| {
            let from = sample.node(it.from)?;
            Some((Course::Slots(it.from, it.to), taken(sample, from), it.keys?))
        });
        let syncs = sample.nodes.iter().filter_map(|node| {
            Some((Course::Sync(node.node.id), taken(sample, node), node.figures.sync_left?))
        });
        let now: Vec<_> = passages.chain(syncs).collect();
        self.declines.retain(|course, _| now.iter().any(|(it, ..)| it == course));
        for (course, at, left) in now {
            self.declines.entry(course).or_default().push(at, left);
        }
    }

    /// How fast what is left of something becomes less.
    pub fn decline(&self, course: Course) -> Option<&Decline> {
        self.declines.get(&course)
    }

    /// What a slot carries, as its owner reports.
    pub fn load(&self, slot: Slot) -> Option<&SlotLoad> {
        self.loads.of(slot, self.owner(slot)?)
    }

    /// How many slots change hands in a second, by from where to where.
    pub fn speeds(&self) -> BTreeMap<&Route, f64> {
        let now = self.last.as_ref().map_or(0, |last| last.elapsed_ms);
        let over = now.saturating_sub(self.begin).clamp(1000, SPEED_OVER);
        let mut speeds = BTreeMap::new();
        for (_, route, count) in &self.moved {
            *speeds.entry(route).or_default() += *count as f64 * 1000.0 / over as f64;
        }
        speeds
    }
}

/// Whether both samples are of one watch: as much time has gone by since the first by the watch's clock as by the wall clock.
/// Where the wall clock is set, no more is lost than what had been measured until then.
fn is_of_one_watch(first: &Sample, second: &Sample) -> bool {
    const MOST_MS: u64 = 1000;
    let by_wall = second.at_ms.saturating_sub(first.at_ms);
    let by_watch = second.elapsed_ms.checked_sub(first.elapsed_ms);
    by_watch.is_some_and(|by_watch| by_watch.abs_diff(by_wall) <= MOST_MS)
}

/// When a node was asked, by the clock of the watch.
fn taken(sample: &Sample, node: &NodeSample) -> u64 {
    sample.elapsed_ms.saturating_sub(node.age_ms)
}

impl Series {
    fn push(&mut self, figures: &Figures, at: u64) {
        let network = figures.net_in.zip(figures.net_out).map(|(a, b)| a.saturating_add(b));
        keep(&mut self.ops, figures.ops);
        keep(&mut self.network, network);
        keep(&mut self.memory, figures.memory);
        // A node that is asked less often than it is drawn has reported nothing new.
        let Some(elapsed) = at.checked_sub(self.at.unwrap_or(0)).filter(|it| *it > 0) else {
            return;
        };
        let before = std::mem::replace(&mut self.figures, figures.clone());
        // What it reported by another clock is nothing to measure by.
        let is_first = self.at.replace(at).is_none();
        let before = if is_first { Figures::default() } else { before };
        let growth = |of: fn(&Figures) -> Option<u64>| since(of(figures), of(&before));
        let a_second = |grown: u64| grown.saturating_mul(1000) / elapsed;
        keep(&mut self.cpu, growth(|it| it.cpu_ms).map(a_second));
        self.hit_rate = hit_rate(figures, &before);
        let took = growth(|it| it.migrate_us);
        let calls = growth(|it| it.migrates);
        self.migrate_us = took.zip(calls).and_then(|(took, calls)| took.checked_div(calls));
        self.migrating = took.map(|took| took / elapsed);
        self.job_bytes = growth(|it| it.job_bytes).map(a_second);
    }
}

/// How much a counter has grown; none where the server has restarted.
fn since(now: Option<u64>, before: Option<u64>) -> Option<u64> {
    now?.checked_sub(before?)
}

/// Of the keys looked up since the last time; where there were none, of all.
fn hit_rate(now: &Figures, before: &Figures) -> Option<u64> {
    let rate = |hits: u64, misses: u64| {
        let all = hits.saturating_add(misses);
        (all > 0).then(|| hits.saturating_mul(100) / all)
    };
    let (hits, misses) = (since(now.hits, before.hits), since(now.misses, before.misses));
    let fresh = hits.zip(misses).and_then(|(hits, misses)| rate(hits, misses));
    fresh.or_else(|| rate(now.hits?, now.misses?))
}

fn keep(series: &mut VecDeque<Option<u64>>, figure: Option<u64>) {
    series.push_back(figure);
    if series.len() > MOST_FIGURES {
        series.pop_front();
    }
}
