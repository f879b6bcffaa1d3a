//! Two operations at once.

use redistrib_benches::fill;
use redistrib_benches::load::{Load, LoadOptions};
use redistrib_benches::stage::Plan;
use redistrib_cluster_model::SlotSet;
use redistrib_resp::Command;

use crate::fire::tool::{fix, reshard, start, trib, with};
use crate::fire::{redis_7, rounds, stage};

#[test]
fn of_two_operations_one_is_refused_and_says_by_whom() {
    let stage = stage(&redis_7(), &Plan::even(3, 3));
    fill::plain(stage.port(0), &SlotSet::full(), 6000, 64).unwrap();
    let load = Load::start(stage.ports(), LoadOptions { keys: 300, ..LoadOptions::default() });
    let keys = |index| stage.call(index, &Command::new("DBSIZE")).unwrap().view().as_int().unwrap();
    let mut refused = 0;
    for round in 0..rounds(5, 100) {
        // From the one that has more, whoever won the rounds before: neither runs out of slots.
        let (from, to) = if keys(0) > keys(1) { (0, 1) } else { (1, 0) };
        // Slow enough for the two to meet.
        let slow = ["--rate", "2000"];
        let first = start(&with(reshard(&stage, from, to, 1000), &slow));
        let second = start(&with(reshard(&stage, 2, to, 10), &slow));
        let both = [first.wait(), second.wait()];
        let winners = both.iter().filter(|ended| ended.code == Some(0)).count();
        // Both win if the one was through before the other began.
        assert_ne!(winners, 0, "round {round}: {} ----- {}", both[0].text, both[1].text);
        for loser in both.into_iter().filter(|ended| ended.code != Some(0)) {
            let loser = loser.failed();
            refused += 1;
            assert!(loser.text.contains("reshard"), "who holds it: {}", loser.text);
        }
    }
    assert!(refused > 0, "the two never met");
    trib(&fix(&stage.address(0))).succeeded();
    let outcome = load.finish();
    assert_eq!(outcome.complaints, Vec::<String>::new());
    let census = redistrib_benches::census::Census::take(stage.port(0)).unwrap();
    assert!(census.is_clean(), "{census}");
}
