//! Keys that are large, odd or many.

use redistrib_benches::fill;
use redistrib_benches::router::Router;
use redistrib_benches::stage::Plan;
use redistrib_benches::zoo::{Size, Zoo};
use redistrib_cluster_model::{Slot, SlotSet};
use redistrib_ops::lab::TestServer;
use redistrib_ops::on_each_test_server;

use crate::fire::tool::{reshard, trib, with};
use crate::fire::{redis_7, rounds, stage};

/// Nearly all slots with the first node: so nearly every key has to move.
fn lopsided() -> Plan {
    let most: SlotSet = "0-16381".parse().unwrap();
    let one = |slot| SlotSet::from_iter([Slot::new(slot).unwrap()]);
    // A value of 64 MB may hold a busy machine's servers up for seconds: that is not their death.
    let config = vec!["cluster-node-timeout 30000".to_owned()];
    Plan { masters: vec![most, one(16382), one(16383)], config, ..Plan::default() }
}

on_each_test_server! {
    fn keys_of_every_sort_arrive_as_they_were(server) {
        let stage = stage(server, &lopsided());
        let mut router = Router::new(stage.ports(), false);
        let size = Size { elements: 2000, bytes: rounds(4 << 20, 64 << 20) };
        let zoo = Zoo::plant(&mut router, size).unwrap();
        trib(&with(reshard(&stage, 0, 1, 16381), &["--atomic", "never"])).succeeded();
        assert_eq!(zoo.check(&mut router).unwrap(), Vec::<String>::new());
    }
}

#[test]
fn keys_of_every_sort_arrive_by_atomic_migration() {
    let stage = stage(&TestServer::named("valkey-9.1").unwrap(), &lopsided());
    let mut router = Router::new(stage.ports(), false);
    let zoo = Zoo::plant(&mut router, Size { elements: 2000, bytes: 4 << 20 }).unwrap();
    trib(&with(reshard(&stage, 0, 1, 16381), &["--atomic", "always"])).succeeded();
    assert_eq!(zoo.check_content(&mut router).unwrap(), Vec::<String>::new());
}

#[test]
fn a_value_of_64_megabytes_and_a_slot_of_100_000_keys_move() {
    let stage = stage(&redis_7(), &lopsided());
    let mut router = Router::new(stage.ports(), false);
    let zoo = Zoo::plant(&mut router, Size { elements: 5000, bytes: 64 << 20 }).unwrap();
    fill::tagged(stage.port(0), "hot", 100_000, 16).unwrap();
    trib(&reshard(&stage, 0, 1, 16381)).succeeded();
    assert_eq!(zoo.check(&mut router).unwrap(), Vec::<String>::new());
    let fleeting = 1;
    let census = redistrib_benches::census::Census::take(stage.port(0)).unwrap();
    assert!(census.is_clean());
    let expected = 100_000 + zoo.len();
    assert!((expected - fleeting..=expected).contains(&census.keys.len()), "{expected}");
}
