//! What every operation does beside its own work, in a library as in the program: others are kept away, what an interrupted run
//! has left is finished first, and a plan that no longer fits is made again.

use std::convert::Infallible;
use std::ops::ControlFlow;
use std::sync::Mutex;

use redistrib_ops::lab::{TempLab, TestServer};
use redistrib_ops::lock::Lock;
use redistrib_ops::model::{Move, NodeId, Slot};
use redistrib_ops::{
    Answer, Cluster, Context, Dialogue, Endpoint, Error, Event, Host, MigrateSlots, Reshard,
    Settings, Step, carry_out, run,
};

use crate::support::{assert_settled, call, connect, discover, masters};

fn lab() -> TempLab {
    TempLab::cluster(&TestServer::named("valkey-9.1").unwrap(), 3, 0).unwrap()
}

/// Moves slots of the first master to the second.
fn moving(lab: &TempLab, slots: &str) -> MigrateSlots {
    let nodes = masters(&discover(lab));
    MigrateSlots {
        seed: lab.endpoints()[0].clone(),
        from: Some(nodes[0].into()),
        to: Some(nodes[1].into()),
        slots: slots.parse().unwrap(),
        ..MigrateSlots::default()
    }
}

#[test]
fn a_library_call_waits_for_no_other_tool() {
    let lab = lab();
    let held = Lock::take(&discover(&lab), "rebalance", Context::default()).unwrap();
    let request = moving(&lab, "0-4");
    let call = || carry_out(request.clone(), lab.settings(), Context::default());
    let Err(Error::Locked { verb, .. }) = call() else { panic!("it was let in") };
    assert_eq!(verb, "rebalance");
    drop(held);
    assert_eq!(call().unwrap().slots, 5);
    assert_eq!(call().unwrap().slots, 0, "they have moved");
}

#[test]
fn what_an_interrupted_run_has_left_is_finished_and_counts() {
    let lab = lab();
    let cluster = discover(&lab);
    let nodes = masters(&cluster);
    let [from, to] = [nodes[0], nodes[1]];
    let owned = |id| discover(&lab).member(id).unwrap().node().slots.clone();
    let tag =
        (0..).find(|n| owned(from).contains(Slot::of_key(format!("{n}").as_bytes()))).unwrap();
    let slot = Slot::of_key(format!("{tag}").as_bytes());
    let [mut source, mut target] = [from, to].map(|id| connect(&lab, &cluster, id));
    call(&mut source, &format!("MSET {{{tag}}}:1 a {{{tag}}}:2 b"));
    call(&mut target, &format!("CLUSTER SETSLOT {slot} IMPORTING {from}"));
    call(&mut source, &format!("CLUSTER SETSLOT {slot} MIGRATING {to}"));
    let port = cluster.member(to).unwrap().endpoint().port().unwrap();
    call(&mut source, &format!("MIGRATE 127.0.0.1 {port} {{{tag}}}:1 0 5000"));

    let before = owned(to).len();
    let told = Mutex::new(Vec::new());
    let observer = |event: &Event| {
        if let Event::Step { step: Step::Other { text } } = event {
            told.lock().unwrap().push(text.clone());
        }
    };
    let request =
        Reshard { from: vec![from.into()], to: Some(to.into()), slots: 5, ..reshard(&lab) };
    let done = carry_out(request, lab.settings(), Context::observed(&observer)).unwrap();
    assert_eq!(done.slots, 4, "one of five had been on its way");
    assert_eq!(owned(to).len(), before + 5);
    assert!(owned(to).contains(slot));
    assert!(told.lock().unwrap().iter().any(|text| text.starts_with("Fixing slot")), "{told:?}");
    assert_eq!(call(&mut target, &format!("MGET {{{tag}}}:1 {{{tag}}}:2")).view().len(), 2);
    assert_settled(&lab);
}

fn reshard(lab: &TempLab) -> Reshard {
    Reshard { seed: lab.endpoints()[0].clone(), ..Reshard::default() }
}

/// A host that approves of every plan, after somebody else has moved some of the slots.
struct Onlooker<'a>(&'a TempLab);

impl Host for Onlooker<'_> {
    type Error = Error;
    type End = Infallible;

    fn settings(&self) -> &Settings {
        self.0.settings()
    }

    fn context(&self) -> Context<'_> {
        Context::default()
    }

    fn work<T>(
        &self,
        _verb: &str,
        _nodes: Vec<(NodeId, Endpoint)>,
        work: impl FnOnce(Context<'_>) -> T,
    ) -> Result<T, Error> {
        Ok(work(Context::default()))
    }
}

#[derive(Default)]
struct Shown(Vec<String>);

impl Dialogue<MigrateSlots, Onlooker<'_>> for Shown {
    fn approves<'a>(
        &mut self,
        host: &Onlooker<'a>,
        plan: &Vec<Move>,
        _cluster: &mut Cluster,
    ) -> Answer<Onlooker<'a>> {
        if self.0.is_empty() {
            carry_out(moving(host.0, "0-1"), host.settings(), Context::default())?;
        }
        self.0.push(plan[0].slots.to_string());
        Ok(ControlFlow::Continue(()))
    }
}

#[test]
fn a_plan_that_no_longer_fits_is_made_and_shown_again() {
    let lab = lab();
    let mut shown = Shown::default();
    let ended = run(moving(&lab, "0-4"), &Onlooker(&lab), &mut shown).unwrap();
    let ControlFlow::Continue(done) = ended;
    assert_eq!((shown.0, done.slots), (vec!["0-4".to_owned(), "2-4".to_owned()], 3));
    assert_settled(&lab);
}
