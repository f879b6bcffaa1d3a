//! What tests of operations on a lab's cluster have in common.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use redistrib_ops::lab::TempLab;
use redistrib_ops::migrate::{MigrateOptions, Migrated, migrate};
use redistrib_ops::model::{Move, NodeId, Slot, SlotSet};
use redistrib_ops::resp::{Command, Reply};
use redistrib_ops::{
    AddNode, AskedRole, Cancel, Cluster, Connection, Context, DelNode, Endpoint, Error, Event, Fix,
    FixOptions, FixPlan, Observer, Operation, Silent,
};

/// Keeps what it is warned of.
#[derive(Default)]
pub(crate) struct Warnings(pub(crate) Mutex<Vec<String>>);

impl Observer for Warnings {
    fn event(&self, event: &Event) {
        if let Event::Warning { text } = event {
            self.0.lock().unwrap().push(text.clone());
        }
    }
}

/// Works for nobody who looks on, and without being interrupted.
pub(crate) fn with_context<T>(work: impl FnOnce(Context<'_>) -> T) -> T {
    work(Context::new(&Silent, &Cancel::new()))
}

pub(crate) fn discover(lab: &TempLab) -> Cluster {
    Cluster::discover(&lab.endpoints()[0], lab.settings()).unwrap()
}

pub(crate) fn connect(lab: &TempLab, cluster: &Cluster, id: NodeId) -> Connection {
    Connection::open(cluster.member(id).unwrap().endpoint(), lab.settings()).unwrap()
}

/// The masters in the order of their first slots.
pub(crate) fn masters(cluster: &Cluster) -> Vec<NodeId> {
    let mut masters: Vec<_> =
        cluster.masters().map(|member| (member.node().slots.first(), member.id())).collect();
    masters.sort();
    masters.into_iter().map(|(_, id)| id).collect()
}

pub(crate) fn call(connection: &mut Connection, line: &str) -> Reply {
    connection.call(&Command::from_args(line.split(' '))).unwrap()
}

/// Runs commands on the node that owns the key that stands second in each.
pub(crate) fn fill(cluster: &mut Cluster, commands: impl IntoIterator<Item = Command>) {
    let mut by_owner: BTreeMap<NodeId, Vec<Command>> = BTreeMap::new();
    for command in commands {
        let slot = Slot::of_key(command.args().nth(1).unwrap());
        by_owner.entry(cluster.owner(slot).unwrap().id()).or_default().push(command);
    }
    for (owner, commands) in by_owner {
        let connection = cluster.member_mut(owner).unwrap().connection().unwrap();
        connection.call_all(&commands).unwrap();
    }
}

/// Waits for a condition, but not for ever.
pub(crate) fn poll(what: &str, mut done: impl FnMut() -> bool) {
    let until = Instant::now() + Duration::from_secs(60);
    while !done() {
        assert!(Instant::now() < until, "in vain waited until {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// `count` small keys over all slots.
pub(crate) fn fill_strings(cluster: &mut Cluster, count: usize) {
    fill(cluster, (0..count).map(|n| Command::new("SET").arg(format!("key:{n}")).arg(n)));
}

/// The DUMP of every key that the masters have; every key is on one node only.
pub(crate) fn dumps(lab: &TempLab) -> BTreeMap<Vec<u8>, Vec<u8>> {
    let mut cluster = discover(lab);
    let mut all = BTreeMap::new();
    for id in masters(&cluster) {
        let connection = cluster.member_mut(id).unwrap().connection().unwrap();
        let keys = call(connection, "KEYS *");
        for key in keys.view().elements().map(|key| key.as_bytes().unwrap()) {
            let dump = connection.call(&Command::new("DUMP").arg(key)).unwrap();
            let before = all.insert(key.to_vec(), dump.view().as_bytes().unwrap().to_vec());
            assert!(before.is_none(), "key {} is in two places", key.escape_ascii());
        }
    }
    all
}

/// The move of all of one master's slots within `slots` to another.
pub(crate) fn step(cluster: &Cluster, from: NodeId, to: NodeId, slots: &str) -> Move {
    let slots: SlotSet = slots.parse().unwrap();
    let slots = slots.intersection(&cluster.member(from).unwrap().node().slots);
    Move { from, to, slots }
}

pub(crate) fn move_slots(
    cluster: &mut Cluster,
    moves: &[Move],
    options: &MigrateOptions,
) -> Result<Migrated, Error> {
    move_slots_with(cluster, moves, options, &Silent, &Cancel::new())
}

pub(crate) fn move_slots_with(
    cluster: &mut Cluster,
    moves: &[Move],
    options: &MigrateOptions,
    observer: &dyn Observer,
    cancel: &Cancel,
) -> Result<Migrated, Error> {
    migrate(cluster, moves, options, Context::new(observer, cancel))
}

/// What `fix` would do.
pub(crate) fn plan_fix(
    cluster: &mut Cluster,
    options: FixOptions,
    context: Context<'_>,
) -> Result<FixPlan, Error> {
    Fix { options, ..Fix::default() }.plan(cluster, context)
}

/// Carries out what `fix` would do, and returns what is left.
pub(crate) fn fix(
    cluster: &mut Cluster,
    plan: FixPlan,
    options: FixOptions,
    migration: &MigrateOptions,
    context: Context<'_>,
) -> Result<FixPlan, Error> {
    let request = Fix { options, migration: migration.clone(), no_wait: true, ..Fix::default() };
    Ok(request.apply(plan, cluster, context)?.left)
}

/// Adds an empty node, and does not wait until it serves clients.
pub(crate) fn add_node(
    cluster: &mut Cluster,
    new: &Endpoint,
    role: AskedRole,
    context: Context<'_>,
) -> Result<NodeId, Error> {
    let request = AddNode { new: new.clone(), role, no_wait: true, ..AddNode::default() };
    let plan = request.plan(cluster, context)?;
    request.apply(plan, cluster, context).map(|added| added.id)
}

/// Lets a node leave.
pub(crate) fn del_node(
    cluster: &mut Cluster,
    id: NodeId,
    context: Context<'_>,
) -> Result<(), Error> {
    let request = DelNode { which: Some(id.into()), ..DelNode::default() };
    let plan = request.plan(cluster, context)?;
    request.apply(plan, cluster, context).map(drop)
}

/// All nodes see the same owners, and no slot is open.
pub(crate) fn assert_settled(lab: &TempLab) {
    let mut cluster = discover(lab);
    let findings = redistrib_ops::inspect(&mut cluster).findings;
    let bad = findings.iter().filter(|finding| {
        finding.severity() > redistrib_ops::model::Severity::Notice && !finding.is_passing()
    });
    let bad: Vec<String> = bad.map(ToString::to_string).collect();
    assert!(bad.is_empty(), "{bad:?}");
}
