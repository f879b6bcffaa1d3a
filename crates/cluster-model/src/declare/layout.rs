//! Who is to be master, and who follows whom: as declared, with as few changes as possible.

use std::collections::{HashMap, HashSet};

use super::file::WantedRole;
use super::{Apart, DeclareError, Declared, DeclaredNode, Observed, ObservedNode};
use crate::counted;
use crate::plan::affinity;
use crate::plan::create::NewReplica;

/// The nodes of a file in their roles, by their places in it.
pub(super) struct DeclaredLayout {
    /// Whom each follows; nobody where it is to be a master.
    pub(super) masters: Vec<Option<usize>>,
    /// What could not be had, in words.
    pub(super) notes: Vec<String>,
}

/// Where a master is wanted.
#[derive(Clone, Copy, PartialEq, Eq)]
enum MasterSeat<'a> {
    /// In the shard of this name.
    Named(&'a str),
    /// Among the nodes without such a name.
    Free,
}

struct LayoutDraft<'a> {
    declared: &'a Declared,
    observed: &'a Observed,
    /// What is known of each declared node.
    seen: Vec<Option<&'a ObservedNode>>,
    seats: Vec<(MasterSeat<'a>, Option<usize>)>,
    /// Who takes the place of which owner that is to be no master any more.
    successors: HashMap<&'a str, usize>,
}

/// Lays the declared cluster out.
///
/// # Errors
/// [`DeclareError::Layout`] where the nodes do not suffice.
pub(super) fn lay_out(
    declared: &Declared,
    observed: &Observed,
) -> Result<DeclaredLayout, DeclareError> {
    let mut draft = LayoutDraft::new(declared, observed);
    draft.seat_the_wanted();
    draft.seat_owners();
    draft.place_successors();
    draft.seat_others()?;
    let masters = draft.followers()?;
    let notes = notes(declared, &masters);
    Ok(DeclaredLayout { masters, notes })
}

impl<'a> LayoutDraft<'a> {
    fn new(declared: &'a Declared, observed: &'a Observed) -> Self {
        let seen: HashMap<&str, &ObservedNode> =
            observed.nodes.iter().map(|node| (node.at.as_str(), node)).collect();
        let seen = declared.nodes.iter().map(|node| seen.get(node.at.as_str()).copied()).collect();
        let mut seats: Vec<(MasterSeat<'a>, _)> = Vec::new();
        for shard in declared.nodes.iter().filter_map(|node| node.shard.as_deref()) {
            if !seats.iter().any(|(seat, _)| *seat == MasterSeat::Named(shard)) {
                seats.push((MasterSeat::Named(shard), None));
            }
        }
        let free = free_masters(declared, seats.len());
        seats.extend(std::iter::repeat_n((MasterSeat::Free, None), free));
        Self { declared, observed, seen, seats, successors: HashMap::new() }
    }

    /// The vacant seat for this node, if it may have one.
    fn seat_for(&self, place: usize) -> Option<usize> {
        let node = &self.declared.nodes[place];
        let own = node.shard.as_deref().map_or(MasterSeat::Free, MasterSeat::Named);
        let may = node.role != Some(WantedRole::Replica) && !self.is_seated(place);
        // Without slots it would guard nothing as a master of its own choice.
        let may = may && (node.weight > 0.0 || own != MasterSeat::Free || node.role.is_some());
        let is_own =
            |(seat, taken): &(MasterSeat<'_>, Option<usize>)| *seat == own && taken.is_none();
        self.seats.iter().position(is_own).filter(|_| may)
    }

    fn is_seated(&self, place: usize) -> bool {
        self.seats.iter().any(|(_, taken)| *taken == Some(place))
    }

    fn is_master_at(&self, at: &str) -> bool {
        self.seats.iter().any(|(_, taken)| taken.is_some_and(|it| self.declared.nodes[it].at == at))
    }

    fn take(&mut self, place: usize) -> bool {
        let Some(seat) = self.seat_for(place) else { return false };
        self.seats[seat].1 = Some(place);
        true
    }

    fn seat_the_wanted(&mut self) {
        for (place, node) in self.declared.nodes.iter().enumerate() {
            if node.role == Some(WantedRole::Master) {
                self.take(place);
            }
        }
    }

    /// Who owns slots keeps its seat, those with most of them first.
    fn seat_owners(&mut self) {
        let slots = |place: &usize| self.seen[*place].map_or(0, |seen| seen.slots.len());
        let mut owners: Vec<usize> =
            (0..self.seen.len()).filter(|place| slots(place) > 0).collect();
        owners.sort_by_key(|place| std::cmp::Reverse(slots(place)));
        for owner in owners {
            self.take(owner);
        }
    }

    /// A replica of an owner that is to be no master any more can take its place without moving a key.
    fn place_successors(&mut self) {
        let mut owners: Vec<&'a ObservedNode> =
            self.observed.nodes.iter().filter(|node| node.is_owner()).collect();
        owners.retain(|owner| !self.is_master_at(&owner.at));
        owners.sort_by_key(|owner| std::cmp::Reverse(owner.slots.len()));
        for owner in owners {
            let follows = |place: &usize| {
                self.seen[*place].is_some_and(|it| it.master.as_ref() == Some(&owner.at))
            };
            let replicas: Vec<usize> = (0..self.seen.len()).filter(follows).collect();
            let successor = replicas.iter().copied().find(|place| self.is_seated(*place));
            let successor =
                successor.or_else(|| replicas.into_iter().find(|place| self.take(*place)));
            if let Some(successor) = successor {
                self.successors.insert(&owner.at, successor);
            }
        }
    }

    /// The other seats: members without a role first, then new nodes, then replicas, and of these who are on machines with
    /// few masters.
    fn seat_others(&mut self) -> Result<(), DeclareError> {
        while let Some(seat) = self.seats.iter().position(|(_, taken)| taken.is_none()) {
            let domain = |place: usize| self.declared.nodes[place].domain(self.declared.apart);
            let seated = || self.seats.iter().filter_map(|(_, taken)| *taken);
            let crowd = |place: usize| seated().filter(|it| domain(*it) == domain(place)).count();
            let rank = |place: usize| match self.seen[place] {
                Some(seen) if seen.is_member && seen.master.is_none() => 0,
                Some(seen) if seen.is_member => 2,
                _ => 1,
            };
            let kind = self.seats[seat].0;
            let may =
                |place: &usize| self.seat_for(*place).is_some_and(|it| self.seats[it].0 == kind);
            let candidates = (0..self.seen.len()).filter(may);
            let best = candidates.min_by_key(|place| (rank(*place), crowd(*place), *place));
            let Some(best) = best else { return Err(no_master(kind)) };
            self.seats[seat].1 = Some(best);
        }
        match self.seats.is_empty() {
            true => Err(no_master(MasterSeat::Free)),
            false => Ok(()),
        }
    }

    /// Whom a node follows already, or will by itself.
    fn follows(&self, place: usize) -> Option<usize> {
        let seen = self.seen[place].filter(|seen| seen.is_member)?;
        let master = seen.master.as_deref().unwrap_or(&seen.at);
        let here = |it: &usize| self.declared.nodes[*it].at == master;
        let seated = self.seats.iter().filter_map(|(_, taken)| *taken).find(here);
        seated.or_else(|| self.successors.get(master).copied())
    }

    /// Whom each node follows.
    fn followers(&self) -> Result<Vec<Option<usize>>, DeclareError> {
        let nodes = &self.declared.nodes;
        let mut following = Followers {
            declared: self.declared,
            masters: vec![None; nodes.len()],
            heads: self.seats.iter().filter_map(|(_, taken)| *taken).collect(),
        };
        for (seat, head) in &self.seats {
            let MasterSeat::Named(name) = seat else { continue };
            let of_shard = |place: &usize| nodes[*place].shard.as_deref() == Some(*name);
            for place in (0..nodes.len()).filter(of_shard).filter(|place| Some(*place) != *head) {
                following.masters[place] = *head;
            }
        }
        let is_free = |place: &usize| nodes[*place].shard.is_none() && !self.is_seated(*place);
        let free: Vec<usize> = (0..nodes.len()).filter(is_free).collect();
        let follows: Vec<Option<usize>> =
            (0..nodes.len()).map(|place| self.follows(place)).collect();
        following.keep(&free, &follows);
        following.fill(&free, &follows)?;
        following.deal_rest(&free, &follows);
        following.part(&free);
        Ok(following.masters)
    }
}

/// Whom nodes follow, as it is worked out.
struct Followers<'a> {
    declared: &'a Declared,
    masters: Vec<Option<usize>>,
    heads: Vec<usize>,
}

impl Followers<'_> {
    fn count(&self, head: usize) -> usize {
        self.masters.iter().filter(|master| **master == Some(head)).count()
    }

    /// How many of a head and its replicas a node would share a machine with.
    fn crowd(&self, place: usize, head: usize) -> usize {
        let domain = |place: usize| self.declared.nodes[place].domain(self.declared.apart);
        let mine = domain(place);
        let replicas = (0..self.masters.len()).filter(|it| self.masters[*it] == Some(head));
        let shard = replicas.chain([head]).filter(|it| *it != place);
        shard.filter(|it| mine.is_some() && domain(*it) == mine).count()
    }

    /// Whether a master is to own slots; without them it needs no replica.
    fn is_guarded(&self, head: usize) -> bool {
        self.declared.nodes[head].weight > 0.0
    }

    /// Replicas stay where they are, as many as are asked for, unless others may lack them; first those that stand apart from
    /// their masters.
    fn keep(&mut self, free: &[usize], follows: &[Option<usize>]) {
        for near in [false, true] {
            for place in free {
                let Some(head) = follows[*place].filter(|_| self.masters[*place].is_none()) else {
                    continue;
                };
                let is_near = self.crowd(*place, head) > 0;
                let is_needed = self.is_guarded(head) && self.count(head) < self.declared.replicas;
                if (near || !is_near) && is_needed {
                    self.masters[*place] = Some(head);
                }
            }
        }
    }

    /// Each master gets the replicas that it lacks: new ones, before such as have a master already. Without slots it needs
    /// none.
    fn fill(&mut self, free: &[usize], follows: &[Option<usize>]) -> Result<(), DeclareError> {
        let wanted = self.declared.replicas;
        loop {
            let guarded = self.heads.iter().copied().filter(|it| self.is_guarded(*it));
            let poorest = guarded.min_by_key(|head| self.count(*head));
            let Some(head) = poorest.filter(|head| self.count(*head) < wanted) else {
                return Ok(());
            };
            let idle = free.iter().copied().filter(|place| self.masters[*place].is_none());
            let best = idle
                .min_by_key(|place| (self.crowd(*place, head), follows[*place].is_some(), *place));
            let Some(best) = best else {
                return Err(DeclareError::Layout(format!(
                    "{} would have {}, and {wanted} are declared: declare more nodes, or fewer replicas",
                    self.declared.nodes[head].at,
                    counted(self.count(head), "replica")
                )));
            };
            self.masters[best] = Some(head);
        }
    }

    /// Those that are left over stay where they are, or go where there are fewest.
    fn deal_rest(&mut self, free: &[usize], follows: &[Option<usize>]) {
        for place in free {
            if self.masters[*place].is_none() {
                let poorest = self
                    .heads
                    .iter()
                    .copied()
                    .min_by_key(|it| (self.count(*it), self.crowd(*place, *it)));
                self.masters[*place] = follows[*place].or(poorest);
            }
        }
    }

    /// Replicas change places where that keeps nodes with the same data further apart.
    fn part(&mut self, free: &[usize]) {
        if self.declared.apart == Apart::None {
            return;
        }
        let domains = numbered(self.declared);
        let replica = |place: &usize| {
            let master = self.masters[*place]?;
            Some(NewReplica { node: *place, master, first_choice: master, extra: false })
        };
        let mut replicas: Vec<NewReplica> = free.iter().filter_map(replica).collect();
        affinity::optimise(&mut replicas, &domains);
        for replica in replicas {
            self.masters[replica.node] = Some(replica.master);
        }
    }
}

/// How many masters the nodes without a shard of a name make, beside the replicas that named shards still need of them.
fn free_masters(declared: &Declared, named: usize) -> usize {
    let size = declared.replicas.saturating_add(1);
    let is_free = |node: &&DeclaredNode| node.shard.is_none();
    let free = || declared.nodes.iter().filter(is_free);
    let mut sizes: HashMap<&str, usize> = HashMap::with_capacity(named);
    let mut weighs: HashMap<&str, bool> = HashMap::with_capacity(named);
    for (shard, node) in declared.nodes.iter().filter_map(|it| Some((it.shard.as_deref()?, it))) {
        *sizes.entry(shard).or_default() += 1;
        *weighs.entry(shard).or_default() |= node.weight > 0.0;
    }
    let guarded = sizes.iter().filter(|(shard, _)| weighs.get(*shard) == Some(&true));
    let lacking: usize = guarded.map(|(_, has)| size.saturating_sub(*has)).sum();
    let wanted = free().filter(|node| node.role == Some(WantedRole::Master)).count();
    let able = free().filter(|node| node.role.is_none() && node.weight > 0.0).count() + wanted;
    (free().count().saturating_sub(lacking) / size).min(able).max(wanted)
}

fn no_master(seat: MasterSeat<'_>) -> DeclareError {
    DeclareError::Layout(match seat {
        MasterSeat::Named(name) => format!("shard {name:?} has no node that may be its master"),
        MasterSeat::Free => "the nodes do not suffice for a master with its replicas".into(),
    })
}

/// The machine or zone of each node as a number.
fn numbered(declared: &Declared) -> Vec<usize> {
    let mut numbers = HashMap::new();
    let number = |node: &DeclaredNode| {
        let next = numbers.len();
        *numbers.entry(node.domain(declared.apart).map(str::to_owned)).or_insert(next)
    };
    declared.nodes.iter().map(number).collect()
}

fn notes(declared: &Declared, masters: &[Option<usize>]) -> Vec<String> {
    let domain = |place: usize| declared.nodes[place].domain(declared.apart);
    let mut notes = Vec::new();
    let all: HashSet<Option<&str>> = (0..masters.len()).map(domain).collect();
    if all.len() < 2 {
        // Where there is one machine, whoever wrote the file knows it.
        return notes;
    }
    for head in (0..masters.len()).filter(|place| masters[*place].is_none()) {
        let replicas = (0..masters.len()).filter(|place| masters[*place] == Some(head));
        let mut known = vec![head];
        for place in replicas {
            if let Some(other) =
                known.iter().find(|it| domain(**it).is_some() && domain(**it) == domain(place))
            {
                let (one, two) = (&declared.nodes[*other].at, &declared.nodes[place].at);
                notes.push(format!(
                    "{one} and {two} hold the same data and are both on {}",
                    domain(place).unwrap_or_default()
                ));
            }
            known.push(place);
        }
    }
    notes
}
