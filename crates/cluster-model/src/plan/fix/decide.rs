//! What is to be done about one open slot.

use super::{Action, Blocked, Decision, Ground, RepairReason};
use crate::findings::{NodeLabel, OpenKind, OpenSlots, OpenState};
use crate::{SharedTopology, Slot};

/// One slot and all that is known of it.
pub(super) struct Case<'a> {
    pub(super) ground: &'a Ground<'a>,
    pub(super) slot: Slot,
    /// Its flags; none if it is not open.
    pub(super) state: Option<&'a OpenState>,
    /// What has been decided so far.
    pub(super) actions: Vec<Action>,
    pub(super) may_conflict: bool,
}

pub(super) fn open_slot(
    ground: &Ground<'_>,
    slot: Slot,
    open: &OpenSlots,
) -> Result<Decision, Blocked> {
    let case = Case::new(ground, slot, Some(&open.state));
    match (open.kind, &open.state.owners[..]) {
        (OpenKind::NoOwner, _) => case.wake(),
        (OpenKind::OwnerSilent, _) => case.replace_owner(),
        (OpenKind::HalfCommitted | OpenKind::SeveralOwners, _) => case.unite(),
        (OpenKind::OnlyMigrating, [owner]) => case.finish_or_close(owner),
        (OpenKind::Leftover, [owner]) => case.settle(owner, RepairReason::Leftover),
        (_, [owner]) => case.settle(owner, RepairReason::Unstarted),
        // All kinds that are left have one owner.
        (_, _) => case.unite(),
    }
}

impl<'a> Case<'a> {
    pub(super) fn new(
        ground: &'a Ground<'a>,
        slot: Slot,
        state: Option<&'a OpenState>,
    ) -> Case<'a> {
        Case { ground, slot, state, actions: Vec::new(), may_conflict: false }
    }

    fn keys(&self, node: &NodeLabel) -> u64 {
        self.ground.keys(node, self.slot)
    }

    fn imports(&self, node: &NodeLabel) -> bool {
        self.state.is_some_and(|state| state.importing.iter().any(|way| way.node == *node))
    }

    fn exports(&self, node: &NodeLabel) -> bool {
        self.state.is_some_and(|state| state.migrating.iter().any(|way| way.node == *node))
    }

    fn sends(&self, node: &NodeLabel, peer: &NodeLabel) -> bool {
        self.state.is_some_and(|state| state.migrating.iter().any(|way| way.joins(node, peer)))
    }

    fn flagged(&self, node: &NodeLabel) -> bool {
        self.imports(node) || self.exports(node)
    }

    /// Masters that answer and hold keys, other than this one.
    fn other_holders(&self, owner: &NodeLabel) -> Vec<NodeLabel> {
        let others = self.ground.masters.iter().filter(|node| *node != owner);
        others.filter(|node| self.keys(node) > 0).cloned().collect()
    }

    fn done(self, reason: RepairReason) -> Result<Decision, Blocked> {
        Ok(Decision { reason, may_conflict: self.may_conflict, actions: self.actions })
    }

    fn move_keys(&mut self, from: &NodeLabel, to: &NodeLabel) {
        self.may_conflict |= self.keys(to) > 0
            || self
                .actions
                .iter()
                .any(|action| matches!(action, Action::MoveKeys { to: other, .. } if other == to));
        self.actions.push(Action::MoveKeys { from: from.clone(), to: to.clone() });
    }

    /// Brings the keys of all other nodes to the owner and takes their flags off, except for those
    /// that are dealt with otherwise.
    fn gather(&mut self, owner: &NodeLabel, except: &[NodeLabel]) {
        for node in &self.ground.masters {
            if node == owner || except.contains(node) {
                continue;
            }
            if self.keys(node) > 0 {
                if !self.imports(node) {
                    let (node, peer) = (node.clone(), owner.clone());
                    self.actions.push(Action::Import { node, peer });
                }
                self.move_keys(node, owner);
                self.actions.push(Action::Close { node: node.clone() });
            } else {
                self.close(node);
            }
        }
    }

    /// Takes the node's flags off, if it has any.
    fn close(&mut self, node: &NodeLabel) {
        if self.flagged(node) {
            self.actions.push(Action::Close { node: node.clone() });
        }
    }

    fn finish(mut self, owner: &NodeLabel, target: &NodeLabel) -> Result<Decision, Blocked> {
        self.gather(owner, std::slice::from_ref(target));
        let takes = |state: &OpenState| state.importing.iter().any(|way| way.joins(target, owner));
        let (imports, exports) = (self.state.is_some_and(takes), self.sends(owner, target));
        // The target first: a source that sends clients to a node that refuses them makes them run
        // in circles.
        if !imports {
            let (node, peer) = (target.clone(), owner.clone());
            self.actions.push(Action::Import { node, peer });
        }
        if !exports {
            let (node, peer) = (owner.clone(), target.clone());
            self.actions.push(Action::Export { node, peer });
        }
        // While the source sends clients on for what it has not, no key gets a second value.
        self.may_conflict |= !(imports && exports) && self.keys(target) > 0 && self.keys(owner) > 0;
        self.actions.push(Action::Finish { from: owner.clone(), to: target.clone() });
        self.done(RepairReason::Interrupted)
    }

    /// The owner sends the slot, and its target does not take it.
    fn finish_or_close(mut self, owner: &NodeLabel) -> Result<Decision, Blocked> {
        let silent = self.state.and_then(|state| state.silent.first());
        if let Some(target) = silent.filter(|_| !self.ground.options.take_from_silent_masters) {
            return Err(Blocked::TargetSilent { target: target.clone() });
        }
        match &self.other_holders(owner)[..] {
            [] => {
                self.close(owner);
                self.done(RepairReason::Unstarted)
            }
            [holder] => self.finish(owner, holder),
            _ => self.settle(owner, RepairReason::Unstarted),
        }
    }

    /// One owner: a migration that has both its ends is finished; otherwise everything comes back.
    /// `quiet` is the reason if there are no keys to bring back.
    fn settle(mut self, owner: &NodeLabel, quiet: RepairReason) -> Result<Decision, Blocked> {
        let ways = self.state.map_or(&[][..], |state| &state.migrating);
        let target = ways.iter().find(|way| way.node == *owner).map(|way| &way.peer);
        if let Some(target) = target
            && self.imports(target)
            && self.ground.masters.contains(target)
        {
            return self.finish(owner, target);
        }
        let holders = self.other_holders(owner);
        // The target has been replaced, as by a failover, and the owner has not learned of it. While it sends the slot it
        // takes no key back.
        if let [holder] = &holders[..]
            && self.exports(owner)
            && self.imports(holder)
        {
            let holder = holder.clone();
            return self.finish(owner, &holder);
        }
        let astray = !holders.is_empty();
        self.gather(owner, &[]);
        self.close(owner);
        self.done(if astray { RepairReason::Astray } else { quiet })
    }

    /// Nobody owns the slot. Where a node imports it and has keys, these were on their way back to another, the owner in
    /// the eyes of most: they go there before anybody serves the slot.
    fn wake(mut self) -> Result<Decision, Blocked> {
        let rank = |node: &&NodeLabel| (self.believers(node), self.keys(node));
        let owner = self.ground.masters.iter().rev().max_by_key(rank).cloned();
        let Some(owner) = owner.filter(|owner| self.believers(owner) > 0) else {
            return self.elect();
        };
        let others = self.other_holders(&owner);
        let targets: Vec<NodeLabel> =
            others.into_iter().filter(|node| self.imports(node)).collect();
        let Some(target) = targets.first() else { return self.elect() };
        if !self.imports(&owner) {
            let masters = &self.ground.masters;
            let third = masters.iter().find(|node| **node != owner && *node != target);
            let peer = third.unwrap_or(target).clone();
            let (node, target) = (owner.clone(), target.clone());
            self.actions.push(Action::Assign { node: node.clone(), owner: target });
            self.actions.push(Action::Import { node: node.clone(), peer });
        }
        for target in &targets {
            self.move_keys(target, &owner);
        }
        if !self.flagged(&owner) {
            self.actions.push(Action::Close { node: owner.clone() });
        }
        self.with_owner(&owner, RepairReason::TakenBack)
    }

    /// How many nodes see this one as the owner of the slot.
    fn believers(&self, node: &NodeLabel) -> usize {
        let sees = |view: &SharedTopology| view.owner(self.slot).is_some_and(|it| it.id == node.id);
        self.ground.survey.views.iter().filter(|(_, view)| sees(view)).count()
    }

    /// Nobody owns the slot: the master with most of its keys gets it, or if there are no keys, one
    /// that was to give or to take it.
    pub(super) fn elect(self) -> Result<Decision, Blocked> {
        let rank = |node: &&NodeLabel| (self.keys(node), self.exports(node), self.imports(node));
        // The first of equals: `max_by_key` takes the last.
        let owner = self.ground.masters.iter().rev().max_by_key(rank).cloned();
        let owner = owner.ok_or(Blocked::NoMaster)?;
        let reason =
            if self.keys(&owner) > 0 { RepairReason::LostOwner } else { RepairReason::Unowned };
        self.with_owner(&owner, reason)
    }

    /// Makes a node the owner of a slot that nobody owns.
    pub(super) fn with_owner(
        mut self,
        owner: &NodeLabel,
        reason: RepairReason,
    ) -> Result<Decision, Blocked> {
        self.close(owner);
        // First the epoch: nodes that remember a later claim would talk the owner out of its own.
        self.actions.push(Action::BumpEpoch { node: owner.clone() });
        self.actions.push(Action::Assign { node: owner.clone(), owner: owner.clone() });
        self.actions.push(Action::Announce { owner: owner.clone() });
        self.gather(owner, &[]);
        self.done(reason)
    }

    /// The owner does not answer.
    fn replace_owner(self) -> Result<Decision, Blocked> {
        let Some(owner) = self.state.and_then(|state| state.absent_owner.clone()) else {
            return self.elect();
        };
        if !self.ground.options.take_from_silent_masters {
            return Err(Blocked::OwnerSilent { owner });
        }
        match self.ground.successor_of(&owner) {
            Some(replica) => Err(Blocked::AwaitsTakeOver { replica }),
            None => self.elect(),
        }
    }

    /// Several owners: one keeps the slot.
    pub(super) fn unite(mut self) -> Result<Decision, Blocked> {
        let owners: Vec<NodeLabel> =
            self.ground.survey.owners(self.slot).map(|id| self.ground.survey.member(id)).collect();
        let committed = self.committed(&owners);
        let epoch =
            |node: &NodeLabel| self.ground.survey.node(node.id).map(|node| node.config_epoch);
        let rank =
            |node: &&NodeLabel| (committed.as_ref() == Some(*node), self.keys(node), epoch(node));
        let keeper = owners.iter().rev().max_by_key(rank).cloned().ok_or(Blocked::NoMaster)?;
        let reason = if committed.is_some() {
            RepairReason::HalfCommitted
        } else {
            RepairReason::SeveralOwners
        };
        let others: Vec<NodeLabel> = owners.into_iter().filter(|node| *node != keeper).collect();
        for node in &others {
            // As long as it calls the slot its own, it can send the keys. While it does, it must not
            // take in new ones.
            if self.keys(node) > 0 {
                if !self.sends(node, &keeper) {
                    let (node, peer) = (node.clone(), keeper.clone());
                    self.actions.push(Action::Export { node, peer });
                }
                self.move_keys(node, &keeper);
            }
            self.actions.push(Action::Assign { node: node.clone(), owner: keeper.clone() });
            self.close(node);
        }
        self.close(&keeper);
        self.actions.push(Action::BumpEpoch { node: keeper.clone() });
        self.actions.push(Action::Announce { owner: keeper.clone() });
        self.gather(&keeper, &others);
        self.done(reason)
    }

    /// The target of a migration that has been committed there and not at its source.
    fn committed(&self, owners: &[NodeLabel]) -> Option<NodeLabel> {
        let ways = &self.state?.migrating;
        let way =
            ways.iter().find(|way| owners.contains(&way.node) && owners.contains(&way.peer))?;
        (!self.imports(&way.peer)).then(|| way.peer.clone())
    }
}
