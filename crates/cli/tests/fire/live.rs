//! Live writers and readers, on each server.

use redistrib_benches::load::{Load, LoadOptions};
use redistrib_benches::router::Router;
use redistrib_benches::stage::Plan;
use redistrib_benches::zoo::{Size, Zoo};
use redistrib_ops::on_each_test_server;

use crate::fire::tool::{reshard, trib, with};
use crate::fire::{rounds, stage};

on_each_test_server! {
    fn clients_see_redirections_and_nothing_else(server) {
        // A master without slots is to stay one.
        let config = vec!["cluster-allow-replica-migration no".to_owned()];
        let stage = stage(server, &Plan { config, ..Plan::even(3, 4) });
        let mut router = Router::new(stage.ports(), false);
        let zoo = Zoo::plant(&mut router, Size { elements: 300, bytes: 1 << 20 }).unwrap();
        let load = Load::start(stage.ports(), LoadOptions { keys: 1500, ..LoadOptions::default() });
        for _ in 0..rounds(1, 25) {
            trib(&with(reshard(&stage, 0, 1, 1500), &["--atomic", "never"])).succeeded();
            trib(&reshard(&stage, 1, 0, 1500)).succeeded();
            trib(&["rebalance", &stage.address(0), "--use-empty-masters", "--yes"]).succeeded();
            let back = ["rebalance", &stage.address(0), "--yes", "--weight"].map(str::to_owned);
            trib(&with(back.to_vec(), &[&format!("{}=0", stage.id(3))])).succeeded();
        }
        let outcome = load.finish();
        assert_eq!(outcome.complaints, Vec::<String>::new());
        assert!(outcome.writes > 100 && outcome.reads > 100, "{outcome:?}");
        assert!(outcome.redirections.moved > 0, "{outcome:?}");
        assert_eq!(zoo.check(&mut router).unwrap(), Vec::<String>::new());
        let census = redistrib_benches::census::Census::take(stage.port(0)).unwrap();
        assert!(census.is_clean(), "{census}");
        println!("{}: {outcome:?}", server.name);
    }
}
