//! What a target may have against keys.

use redistrib_benches::fill;
use redistrib_benches::router::Router;
use redistrib_benches::stage::{Plan, Stage};
use redistrib_cluster_model::SlotSet;
use redistrib_resp::Command;

use crate::fire::tool::{fix, reshard, trib, with};
use crate::fire::{assert_sound, redis_7, stage};

const KEYS: usize = 3000;

fn filled() -> Stage {
    let stage = stage(&redis_7(), &Plan::even(2, 3));
    fill::plain(stage.port(0), &SlotSet::full(), KEYS, 64).unwrap();
    stage
}

fn config(stage: &Stage, index: usize, name: &str, value: &str) {
    stage.call(index, &Command::from_args(["CONFIG", "SET", name, value])).unwrap();
}

#[test]
fn a_target_without_memory_is_named_and_nothing_is_lost() {
    let stage = filled();
    config(&stage, 2, "maxmemory-policy", "noeviction");
    config(&stage, 2, "maxmemory", "1000000");
    let ended = trib(&with(reshard(&stage, 0, 2, 4000), &["--dry-run"])).failed();
    ended.says("[ERR]").says("OOM");
    let ended = trib(&with(reshard(&stage, 0, 2, 4000), &["--dry-run", "--json"])).failed();
    ended.says("\"obstacle\":\"no-memory\"");
    let ended = trib(&reshard(&stage, 0, 2, 4000)).failed();
    ended.says("OOM").says(&stage.port(2).to_string());
    config(&stage, 2, "maxmemory", "0");
    trib(&fix(&stage.address(1))).succeeded();
    assert_sound(&stage, KEYS);
    trib(&reshard(&stage, 0, 2, 100)).succeeded();
    assert_sound(&stage, KEYS);
}

/// Puts another value for a key of slot 0 on the third node, which does not own the slot.
fn plant_rival(stage: &Stage) {
    let source = stage.id(0);
    let own = [
        vec!["CLUSTER", "SETSLOT", "0", "IMPORTING", &source],
        vec!["ASKING"],
        vec!["SET", "{06S}", "rival"],
        vec!["CLUSTER", "SETSLOT", "0", "STABLE"],
    ];
    let node = redistrib_ops::Endpoint::tcp("127.0.0.1", stage.port(2));
    let settings = redistrib_ops::Settings::default();
    let mut node = redistrib_ops::Connection::open(&node, &settings).unwrap();
    for words in own {
        node.call(&Command::from_args(words)).unwrap();
    }
}

#[test]
fn a_key_that_the_target_has_already_is_named_and_kept() {
    let stage = filled();
    let mut router = Router::new(stage.ports(), false);
    let value = |router: &mut Router| {
        let reply = router.call(b"{06S}", &Command::from_args(["GET", "{06S}"])).unwrap();
        reply.view().as_str().map(str::to_owned)
    };
    router.call(b"{06S}", &Command::from_args(["SET", "{06S}", "true"])).unwrap();
    plant_rival(&stage);
    trib(&reshard(&stage, 0, 2, 100)).failed().says("06S").says("--replace");
    assert_eq!(value(&mut router).as_deref(), Some("true"));
    trib(&with(reshard(&stage, 0, 2, 100), &["--replace"])).succeeded();
    assert_eq!(value(&mut router).as_deref(), Some("true"));
    assert_sound(&stage, KEYS + 1);
}
