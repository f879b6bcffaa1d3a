//! `bench` measures a migration and leaves the cluster as it was.

use redistrib_cluster_model::{NodeId, NodeName, Slot};
use redistrib_ops::bench::{Bench, fill};
use redistrib_ops::lab::{TempLab, TestServer};
use redistrib_ops::{Cluster, Context, Error, Operation, Settings, carry_out};

fn lab() -> (TempLab, Cluster) {
    let lab = TempLab::cluster(&TestServer::named("redis-7.0").unwrap(), 3, 0).unwrap();
    let cluster = Cluster::discover(&lab.endpoints()[0], &Settings::default()).unwrap();
    (lab, cluster)
}

fn owners(cluster: &mut Cluster) -> Vec<(String, String)> {
    cluster.refresh();
    let owned =
        |member: &redistrib_ops::Member| (member.id().to_string(), member.node().slots.to_string());
    cluster.masters().map(owned).collect()
}

#[test]
fn slots_go_there_and_back_and_everything_is_measured() {
    let (lab, mut cluster) = lab();
    fill(&mut cluster, (0..3000).map(|number| format!("k{number}").into_bytes()), 64).unwrap();
    let before = owners(&mut cluster);
    let request = Bench { seed: lab.endpoints()[0].clone(), slots: 500, ..Bench::default() };
    let moved = request.plan(&mut cluster, Context::default()).unwrap().slots;
    let inside = |number: &usize| moved.contains(Slot::of_key(format!("k{number}").as_bytes()));
    let keys = (0..3000).filter(inside).count();
    let report = carry_out(request, &Settings::default(), Context::default()).unwrap();
    assert_eq!(owners(&mut cluster), before);
    for leg in [&report.there, &report.back] {
        assert_eq!((leg.slots, leg.keys), (500, keys as u64));
        assert!(leg.slots_per_second > 0.0 && leg.keys_per_second > 0.0);
        for hold_up in [leg.hold_up.source, leg.hold_up.target, leg.hold_up.bystanders] {
            assert!(hold_up.samples > 0 && hold_up.max >= hold_up.p50, "{hold_up:?}");
        }
    }
    let progress: u64 = report.timeline.progress.iter().map(|progress| progress.keys).sum();
    assert_eq!(progress, 2 * keys as u64);
    assert_eq!(report.timeline.tracks.len(), 9, "three nodes idle, on the way there and back");
}

#[test]
fn a_master_keeps_a_slot() {
    let (_lab, mut cluster) = lab();
    let ids: Vec<_> = cluster.masters().map(|member| member.id()).collect();
    let mut refused = |slots, from: Option<NodeId>, to: Option<NodeId>| {
        let (from, to) = (from.map(NodeName::from), to.map(NodeName::from));
        let request = Bench { slots, from, to, ..Bench::default() };
        matches!(request.plan(&mut cluster, Context::default()), Err(Error::Move(_)))
    };
    assert!(refused(5461, Some(ids[0]), None));
    assert!(refused(0, None, None));
    assert!(refused(10, Some(ids[1]), Some(ids[1])));
    assert!(!refused(5460, Some(ids[0]), Some(ids[2])));
}
