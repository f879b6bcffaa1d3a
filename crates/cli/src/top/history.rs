//! What has been seen up to now, as far as it is drawn: the last sample, the figures of the last minutes, and the news.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use redistrib_ops::model::sample::{Figures, News, Owners, Sample, news};
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
    /// How many slots had changed hands, by the time.
    moved: VecDeque<(u64, u64)>,
}

/// The figures of a node, the oldest first; what was not told is none.
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
    figures: Figures,
    at: u64,
}

impl History {
    /// Takes in the next sample.
    pub fn push(&mut self, sample: Sample) {
        let told_of_slots = self.owners.follow(&sample);
        self.number_shards(&sample);
        if let Some(last) = &self.last {
            let mut told = news(last, &sample);
            told.extend(told_of_slots);
            let moved: usize = told.iter().map(News::moved).sum();
            let before = self.moved.back().map_or(0, |(_, sum)| *sum);
            self.moved.push_back((sample.elapsed_ms, before + moved as u64));
            self.news.extend(told.into_iter().map(|it| (sample.at_ms, it)));
        }
        let begin = sample.elapsed_ms.saturating_sub(SPEED_OVER);
        while self.moved.len() > 1 && self.moved.front().is_some_and(|(at, _)| *at < begin) {
            self.moved.pop_front();
        }
        while self.news.len() > MOST_NEWS {
            self.news.pop_front();
        }
        self.series.retain(|id, _| sample.node(*id).is_some());
        for node in &sample.nodes {
            let taken = sample.elapsed_ms.saturating_sub(node.age_ms);
            self.series.entry(node.node.id).or_default().push(&node.figures, taken);
        }
        self.last = Some(Arc::new(sample));
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

    /// How many slots change hands in a second.
    pub fn slots_per_second(&self) -> f64 {
        let (Some((begin, before)), Some((end, after))) = (self.moved.front(), self.moved.back())
        else {
            return 0.0;
        };
        after.saturating_sub(*before) as f64 * 1000.0 / end.saturating_sub(*begin).max(1000) as f64
    }
}

impl Series {
    fn push(&mut self, figures: &Figures, at: u64) {
        let network = figures.net_in.zip(figures.net_out).map(|(a, b)| a.saturating_add(b));
        keep(&mut self.ops, figures.ops);
        keep(&mut self.network, network);
        keep(&mut self.memory, figures.memory);
        // A node that is asked less often than it is drawn has told nothing new.
        if at > self.at {
            let elapsed = at - self.at;
            let used = since(figures.cpu_ms, self.figures.cpu_ms);
            keep(&mut self.cpu, used.map(|used| used.saturating_mul(1000) / elapsed));
            self.hit_rate = hit_rate(figures, &self.figures);
            (self.figures, self.at) = (figures.clone(), at);
        }
    }
}

/// How much a counter has grown; none where the server has begun anew.
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
