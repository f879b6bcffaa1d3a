//! Repairs, tried on a cluster that keeps the rules of the servers.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;
use crate::fitness::Unfit;
use crate::testing::{id, master, own, replica, seen, silence, slot, snapshot, three_masters};
use crate::{Node, OpenKind};

/// Four masters and one slot, as far as it concerns them.
#[derive(Clone, Debug)]
struct World {
    nodes: Vec<FakeServer>,
}

#[derive(Clone, Debug, Default)]
struct FakeServer {
    /// Who owns the slot as this node sees it.
    owner: Option<usize>,
    migrating: Option<usize>,
    importing: Option<usize>,
    keys: BTreeSet<u8>,
    /// Its config epoch has been raised over all others.
    raised: bool,
}

const SLOT: u16 = 5;

impl World {
    fn snapshot(&self) -> Snapshot {
        let nodes =
            [master(1, "0-4"), master(2, "6-99"), master(3, "100-999"), master(4, "1000-16383")];
        let mut snapshot = snapshot(&nodes);
        for (n, server) in self.nodes.iter().enumerate() {
            if let Some(owner) = server.owner {
                seen(&mut snapshot, n, owner).slots.insert(slot(SLOT));
            }
            let open = |peer: usize| (slot(SLOT), id(peer as u8 + 1));
            own(&mut snapshot, n).migrating.extend(server.migrating.map(open));
            own(&mut snapshot, n).importing.extend(server.importing.map(open));
        }
        snapshot
    }

    fn counts(&self) -> KeyCounts {
        let mut counts = KeyCounts::new();
        for (n, server) in (1..).zip(&self.nodes) {
            counts.insert(id(n), slot(SLOT), server.keys.len() as u64);
        }
        counts
    }

    /// The plan for the slot; all the others are not looked at.
    fn plan(&self) -> Vec<Repair> {
        let plan = plan_fix(&self.snapshot(), &self.counts(), FixOptions::default());
        assert!(plan.blocked.iter().all(|(slots, _)| !slots.contains(slot(SLOT))));
        plan.repairs.into_iter().filter(|repair| repair.slots.contains(slot(SLOT))).collect()
    }

    /// Does what a server would, or fails where it would refuse.
    fn apply(&mut self, action: &Action) {
        let place = |member: &NodeLabel| usize::from(member.id.as_bytes()[0]) - 1;
        match action {
            Action::Close { node } => {
                let server = &mut self.nodes[place(node)];
                (server.migrating, server.importing) = (None, None);
            }
            Action::Import { node, peer } => {
                let (at, peer) = (place(node), place(peer));
                assert_ne!(self.nodes[at].owner, Some(at), "the owner cannot import");
                self.nodes[at].importing = Some(peer);
            }
            Action::Export { node, peer } => {
                let (at, peer) = (place(node), place(peer));
                assert_eq!(self.nodes[at].owner, Some(at), "only the owner can send");
                self.nodes[at].migrating = Some(peer);
            }
            Action::MoveKeys { from, to } => self.move_keys(place(from), place(to)),
            Action::Finish { from, to } => {
                let (from, to) = (place(from), place(to));
                assert_eq!(self.nodes[from].migrating, Some(to));
                assert_eq!(self.nodes[to].importing, Some(from));
                self.move_keys(from, to);
                self.assign(to, to);
                (0..self.nodes.len()).for_each(|at| self.assign(at, to));
            }
            Action::TakeBack { owner, target } => {
                let (owner, target) = (place(owner), place(target));
                assert_eq!(self.nodes[owner].migrating, Some(target));
                assert!(self.nodes[target].importing.is_some());
                self.move_keys(target, owner);
                self.nodes[target].importing = None;
                self.nodes[owner].migrating = None;
            }
            Action::Assign { node, owner } => {
                self.assign(place(node), place(owner));
                if node == owner {
                    let raised = std::mem::take(&mut self.nodes[place(node)].raised);
                    assert!(raised, "a later claim that others remember takes the slot back");
                    self.spread(place(owner));
                }
            }
            Action::Announce { owner } => {
                let owner = place(owner);
                (0..self.nodes.len())
                    .filter(|at| *at != owner)
                    .for_each(|at| self.assign(at, owner));
            }
            Action::BumpEpoch { node } => {
                let at = place(node);
                self.nodes[at].raised = true;
                if self.nodes[at].owner == Some(at) {
                    self.spread(at);
                }
            }
            Action::TakeOver { .. } => panic!("all masters answer"),
        }
    }

    /// All learn of the owner's claim, and who is of another opinion drops its keys.
    fn spread(&mut self, owner: usize) {
        for (at, server) in self.nodes.iter_mut().enumerate() {
            let loses = at != owner && server.owner == Some(at);
            assert!(!loses || server.keys.is_empty(), "keys are dropped");
            server.owner = Some(owner);
        }
    }

    fn move_keys(&mut self, from: usize, to: usize) {
        let open = |server: &FakeServer, at| server.owner == Some(at) || server.importing.is_some();
        assert!(open(&self.nodes[from], from), "MIGRATE is redirected");
        assert!(open(&self.nodes[to], to), "RESTORE is redirected");
        let keys = std::mem::take(&mut self.nodes[from].keys);
        self.nodes[to].keys.extend(keys);
    }

    fn assign(&mut self, at: usize, owner: usize) {
        let server = &mut self.nodes[at];
        let gives_away = server.owner == Some(at) && owner != at;
        assert!(!gives_away || server.keys.is_empty(), "the node still holds keys");
        server.owner = Some(owner);
        if server.keys.is_empty() {
            server.migrating = None;
        }
        if at == owner {
            server.importing = None;
        }
    }

    fn mend(&mut self) -> Vec<RepairReason> {
        let repairs = self.plan();
        repairs.iter().flat_map(|repair| &repair.actions).for_each(|action| self.apply(action));
        repairs.into_iter().map(|repair| repair.reason).collect()
    }

    fn all_keys(&self) -> BTreeSet<u8> {
        self.nodes.iter().flat_map(|server| server.keys.iter().copied()).collect()
    }
}

/// A cluster in which all nodes see node 0 as the owner. Each entry of `keys` are the keys of a node.
fn world(keys: [&[u8]; 4]) -> World {
    let server = |keys: &[u8]| FakeServer {
        owner: Some(0),
        keys: keys.iter().copied().collect(),
        ..FakeServer::default()
    };
    World { nodes: keys.map(server).to_vec() }
}

/// Repairs it, twice if a slot was open and its owner not known to all, and checks that nothing is wrong with
/// one owner, which is returned with the reasons.
fn mended(mut world: World) -> (usize, Vec<RepairReason>) {
    let keys = world.all_keys();
    let mut reasons = world.mend();
    reasons.extend(world.mend());
    let owner = world.nodes[0].owner.unwrap();
    for (at, server) in world.nodes.iter().enumerate() {
        assert_eq!(server.owner, Some(owner), "{world:?}");
        assert!(server.migrating.is_none() && server.importing.is_none(), "{world:?}");
        assert!(at == owner || server.keys.is_empty(), "{world:?}");
    }
    assert_eq!(world.nodes[owner].keys, keys);
    assert!(world.plan().is_empty(), "{:?}", world.plan());
    (owner, reasons)
}

#[test]
fn an_interrupted_migration_is_finished() {
    let mut half = world([&[1, 2], &[3], &[], &[]]);
    half.nodes[0].migrating = Some(1);
    half.nodes[1].importing = Some(0);
    assert_eq!(mended(half), (1, vec![RepairReason::Interrupted]));
}

#[test]
fn a_migration_that_did_not_start_is_taken_back() {
    let mut target_only = world([&[1, 2], &[], &[], &[]]);
    target_only.nodes[1].importing = Some(0);
    assert_eq!(mended(target_only), (0, vec![RepairReason::Unstarted]));
    let mut source_only = world([&[1, 2], &[], &[], &[]]);
    source_only.nodes[0].migrating = Some(1);
    assert_eq!(mended(source_only), (0, vec![RepairReason::Unstarted]));
}

#[test]
fn a_migration_whose_target_forgot_it_is_finished() {
    let mut forgotten = world([&[1, 2], &[3], &[], &[]]);
    forgotten.nodes[0].migrating = Some(1);
    assert_eq!(mended(forgotten), (1, vec![RepairReason::Interrupted]));
    // Another node took over from the target, with its keys.
    let mut replaced = world([&[1, 2], &[], &[3], &[]]);
    replaced.nodes[0].migrating = Some(1);
    assert_eq!(mended(replaced.clone()), (2, vec![RepairReason::Interrupted]));
    replaced.nodes[2].importing = Some(0);
    assert_eq!(mended(replaced), (2, vec![RepairReason::Interrupted]));
}

#[test]
fn keys_at_a_target_whose_source_forgot_go_back() {
    let mut forgotten = world([&[1], &[2, 3], &[], &[]]);
    forgotten.nodes[1].importing = Some(3);
    assert!(forgotten.plan()[0].may_conflict);
    assert_eq!(mended(forgotten), (0, vec![RepairReason::Astray]));
    let mut several = world([&[], &[2, 3], &[4], &[]]);
    several.nodes[1].importing = Some(0);
    several.nodes[2].importing = Some(0);
    assert_eq!(mended(several), (0, vec![RepairReason::Astray]));
}

fn unfit(n: u8, what: Unfit) -> Vec<Obstacle> {
    vec![Obstacle { node: NodeLabel { id: id(n), address: format!("h:{n}") }, what }]
}

#[test]
fn a_migration_to_a_target_that_is_not_fit_is_undone() {
    let mut half = world([&[1, 2], &[3], &[], &[]]);
    half.nodes[0].migrating = Some(1);
    half.nodes[1].importing = Some(0);
    let plan = plan_fix(&half.snapshot(), &half.counts(), FixOptions::default());
    assert_eq!(plan.moves().len(), 1);
    let avoid = |obstacles: &[Obstacle]| plan.clone().avoiding(obstacles, &half.counts());
    assert_eq!(avoid(&unfit(3, Unfit::CannotSave)[..]), plan, "it takes no part");

    let full = Unfit::NoMemory { used: 2, expected: 1, most: 2 };
    let undone = avoid(&unfit(2, full)[..]);
    assert_eq!(undone.repairs[0].reason, RepairReason::TargetUnfit);
    let mut world = half.clone();
    undone.repairs[0].actions.iter().for_each(|action| world.apply(action));
    assert_eq!(mended(world), (0, vec![]));

    let few = Unfit::TooFewReplicas { good: 0, needed: 1 };
    for obstacles in [unfit(2, few.clone()), unfit(1, Unfit::CannotSave)] {
        let stuck = avoid(&obstacles[..]);
        assert!(stuck.repairs.is_empty(), "{stuck:?}");
        assert!(matches!(stuck.blocked[..], [(_, Blocked::Unfit { .. })]), "{stuck:?}");
    }
    let mut empty = half.clone();
    empty.nodes[1].keys.clear();
    let plan = plan_fix(&empty.snapshot(), &empty.counts(), FixOptions::default());
    let undone = plan.avoiding(&unfit(2, few), &empty.counts());
    assert_eq!(undone.repairs[0].reason, RepairReason::TargetUnfit, "nothing has to be sent back");
}

#[test]
fn keys_on_their_way_back_come_home_before_the_slot_is_served() {
    let mut resting = world([&[1], &[2, 3], &[], &[]]);
    resting.nodes[0].owner = Some(1);
    resting.nodes[0].importing = Some(0);
    resting.nodes[1].importing = Some(1);
    let is_served_last = |world: &World| {
        let actions = world.plan().remove(0).actions;
        let place = |it: fn(&Action) -> bool| actions.iter().position(it).unwrap();
        let served = place(|it| matches!(it, Action::Assign { node, owner } if node == owner));
        place(|it| matches!(it, Action::MoveKeys { to, .. } if to.id == id(1))) < served
    };
    assert!(is_served_last(&resting), "{:?}", resting.plan());
    assert_eq!(mended(resting.clone()), (0, vec![RepairReason::TakenBack]));
    // The source has given the slot up, and its flag has not come.
    for sees in [Some(1), None] {
        let half = &mut resting.nodes[0];
        (half.importing, half.migrating, half.owner) = (None, Some(1), sees);
        assert!(is_served_last(&resting), "{:?}", resting.plan());
        assert_eq!(mended(resting.clone()), (0, vec![RepairReason::TakenBack]));
    }
}

#[test]
fn a_half_committed_migration_is_committed() {
    for left in [&[][..], &[1, 2]] {
        let mut half = world([left, &[3], &[], &[]]);
        half.nodes[0].migrating = Some(1);
        half.nodes[1].owner = Some(1);
        assert_eq!(half.snapshot().open_slots()[0].kind, OpenKind::HalfCommitted);
        assert_eq!(half.plan()[0].may_conflict, !left.is_empty());
        assert_eq!(mended(half), (1, vec![RepairReason::HalfCommitted]));
    }
}

#[test]
fn a_flag_left_behind_is_taken_off() {
    let mut leftover = world([&[1], &[], &[], &[]]);
    leftover.nodes[1].migrating = Some(0);
    assert_eq!(mended(leftover.clone()), (0, vec![RepairReason::Leftover]));
    leftover.nodes[1].keys.insert(2);
    assert_eq!(mended(leftover), (0, vec![RepairReason::Astray]));
}

#[test]
fn a_slot_without_owner_goes_where_most_keys_are() {
    let mut lost = world([&[1], &[2, 3], &[4], &[]]);
    lost.nodes.iter_mut().for_each(|server| server.owner = None);
    assert_eq!(mended(lost.clone()), (1, vec![RepairReason::LostOwner]));
    lost.nodes.iter_mut().for_each(|server| server.keys.clear());
    assert_eq!(mended(lost.clone()).1, [RepairReason::Unowned]);
    lost.nodes[2].migrating = Some(3);
    lost.nodes[3].importing = Some(2);
    assert_eq!(mended(lost), (2, vec![RepairReason::Unowned]));
}

#[test]
fn of_several_owners_the_one_with_most_keys_stays() {
    let mut several = world([&[1], &[2, 3], &[], &[]]);
    several.nodes[1].owner = Some(1);
    assert_eq!(mended(several.clone()), (1, vec![RepairReason::SeveralOwners]));
    several.nodes[0].keys.insert(7);
    // As many keys: the higher epoch.
    assert_eq!(mended(several), (1, vec![RepairReason::SeveralOwners]));
}

#[test]
fn an_owner_of_whom_some_have_not_heard_is_announced() {
    let mut unheard = world([&[1], &[], &[], &[]]);
    unheard.nodes[2].owner = Some(1);
    unheard.nodes[3].owner = None;
    assert_eq!(mended(unheard), (0, vec![RepairReason::Unheard]));
}

/// Node 4 was replaced by node 2 when node 3 was told that it owns slot 5, and handed that on to node 5.
#[test]
fn an_owner_of_whom_only_a_replica_has_not_heard_is_told_to_its_master() {
    let mut nodes = three_masters();
    nodes.extend([replica(4, 2), replica(5, 3)]);
    let owner = nodes.iter().position(|node| node.slots.contains(slot(SLOT))).unwrap();
    let mut misled = snapshot(&nodes);
    assert_eq!(plan_fix(&misled, &KeyCounts::new(), FixOptions::default()).repairs, []);
    seen(&mut misled, 4, owner).slots.remove(slot(SLOT));
    seen(&mut misled, 4, 3).slots.insert(slot(SLOT));
    let plan = plan_fix(&misled, &KeyCounts::new(), FixOptions::default());
    let [repair] = &plan.repairs[..] else { panic!("{plan:?}") };
    assert_eq!((repair.slots.to_string(), repair.reason), ("5".to_owned(), RepairReason::Unheard));
    let [Action::Assign { node, owner: told }] = &repair.actions[..] else { panic!("{repair}") };
    assert_eq!((node.id, told.id), (id(3), nodes[owner].id));
    // Its master has not heard either: all masters are told.
    seen(&mut misled, 2, owner).slots.remove(slot(SLOT));
    let plan = plan_fix(&misled, &KeyCounts::new(), FixOptions::default());
    let [repair] = &plan.repairs[..] else { panic!("{plan:?}") };
    assert!(matches!(repair.actions[..], [Action::BumpEpoch { .. }, Action::Announce { .. }]));
}

#[test]
fn slots_of_a_silent_master_are_left_alone_unless_allowed() {
    let mut nodes = three_masters();
    nodes.push(replica(4, 2));
    let mut lost = snapshot(&nodes);
    silence(&mut lost, 1);
    let plan = plan_fix(&lost, &KeyCounts::new(), FixOptions::default());
    assert!(plan.repairs.is_empty());
    assert!(
        matches!(&plan.blocked[..], [(slots, Blocked::OwnerSilent { .. })] if slots.len() == 5462)
    );
    let take = FixOptions { take_from_silent_masters: true };
    let plan = plan_fix(&lost, &KeyCounts::new(), take);
    assert_eq!(
        plan.repairs[0].to_string(),
        "slots 5461-10922: the owner does not answer and has a replica: let replica h:7004 take over"
    );
    silence(&mut lost, 3);
    let plan = plan_fix(&lost, &KeyCounts::new(), take);
    let sizes: Vec<usize> = plan.repairs.iter().map(|repair| repair.slots.len()).collect();
    assert_eq!(sizes, [2731, 2731]);
}

#[test]
fn the_replica_with_most_of_the_writes_takes_over() {
    let mut nodes = three_masters();
    nodes.extend([replica(4, 2), replica(5, 2), replica(6, 2), replica(7, 2)]);
    let mut lost = snapshot(&nodes);
    silence(&mut lost, 1);
    let taking = FixOptions { take_from_silent_masters: true };
    let successor = |lost: &Snapshot| match &plan_fix(lost, &KeyCounts::new(), taking).repairs[..] {
        [Repair { actions, .. }] => match &actions[..] {
            [Action::TakeOver { replica }] => replica.id,
            other => panic!("{other:?}"),
        },
        other => panic!("{other:?}"),
    };
    assert_eq!(successor(&lost), id(4), "of equals the first");
    for (view, offset) in [(4, 100), (5, 300), (6, 300)] {
        lost.views[view].replication_offset = Some(offset);
    }
    assert_eq!(successor(&lost), id(6));
}

#[test]
fn a_silent_target_is_waited_for_unless_allowed() {
    let mut nodes = three_masters();
    nodes[0].migrating.push((slot(SLOT), id(2)));
    let mut cut = snapshot(&nodes);
    silence(&mut cut, 1);
    let plan = plan_fix(&cut, &KeyCounts::new(), FixOptions::default());
    let waits = |(_, blocked): &(SlotSet, Blocked)| matches!(blocked, Blocked::TargetSilent { .. });
    assert!(plan.blocked.iter().any(waits) && plan.repairs.is_empty());
    let plan = plan_fix(&cut, &KeyCounts::new(), FixOptions { take_from_silent_masters: true });
    let reasons: BTreeSet<_> = plan.repairs.iter().map(|repair| repair.reason).collect();
    assert_eq!(reasons, BTreeSet::from([RepairReason::Unstarted, RepairReason::GivenUp]));
}

#[test]
fn without_a_master_nothing_can_be_done() {
    let empty: [Node; 0] = [];
    let plan = plan_fix(&snapshot(&empty), &KeyCounts::new(), FixOptions::default());
    assert_eq!(plan.repairs, []);
    assert!(matches!(plan.blocked[..], [(_, Blocked::NoMaster)]));
}

#[test]
fn a_plan_survives_json_and_is_one_line() {
    let mut half = world([&[1, 2], &[3], &[], &[]]);
    half.nodes[0].migrating = Some(1);
    half.nodes[1].importing = Some(0);
    let plan = plan_fix(&half.snapshot(), &half.counts(), FixOptions::default());
    let json = serde_json::to_string(&plan).unwrap();
    assert_eq!(serde_json::from_str::<FixPlan>(&json).unwrap(), plan);
    assert_eq!(
        plan.repairs[0].to_string(),
        "slot 5: a migration was interrupted and is finished: finish the migration from h:7001 to h:7002"
    );
    assert!(slots_to_count(&half.snapshot()).contains(slot(SLOT)));
}

fn server() -> impl Strategy<Value = FakeServer> {
    let peer = || prop::option::weighted(0.3, 0usize..4);
    let keys = prop::collection::btree_set(0u8..9, 0..4);
    (peer(), peer(), peer(), keys).prop_map(|(owner, migrating, importing, keys)| FakeServer {
        owner,
        migrating,
        importing,
        keys,
        raised: false,
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    /// Whatever flags, owners and keys there are: what the plan says is accepted by the servers, and
    /// after it there is one owner, it has all the keys, and nothing is left to do.
    #[test]
    fn any_state_is_mended(mut nodes in prop::collection::vec(server(), 4), owner in 0usize..4) {
        // No node points at itself; most agree on an owner; a node cannot import what it owns.
        for (at, server) in nodes.iter_mut().enumerate() {
            server.owner = server.owner.or(Some(owner));
            server.migrating = server.migrating.filter(|peer| *peer != at);
            server.importing = server.importing.filter(|peer| *peer != at);
            if server.owner == Some(at) {
                server.importing = None;
            }
        }
        let mut world = World { nodes };
        if !slots_to_count(&world.snapshot()).contains(slot(SLOT)) {
            // Nobody looks for keys that lie where they should not unless something else is wrong.
            world.nodes.iter_mut().for_each(|server| server.keys.clear());
        }
        mended(world);
    }
}
