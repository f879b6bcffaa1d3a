//! The functions of redis-trib.py's library, under their own names, on servers of all versions.

use redistrib_ops::lab::TempLab;
use redistrib_ops::migrate::MigrateOptions;
use redistrib_ops::model::{Finding, Node, Role, Severity, Slot};
use redistrib_ops::resp::Command;
use redistrib_ops::{
    Cancel, Cluster, Connection, Context, Endpoint, Settings, Silent, balanced_by, inspect,
    join_cluster, join_cluster_with, join_no_load, list_masters, list_nodes, migrate_slots,
    quit_cluster, replicate, shutdown_cluster, start_cluster, start_cluster_on_multi,
};

fn slots_of(node: &Endpoint) -> usize {
    let settings = Settings::default();
    list_nodes(node, &settings, "127.0.0.1").unwrap().1.assigned_slots.len()
}

fn assert_healthy(node: &Endpoint) {
    let mut cluster = Cluster::discover(node, &Settings::default()).unwrap();
    let findings = inspect(&mut cluster).findings;
    let is_ill = |it: &Finding| it.severity() > Severity::Notice && !it.is_passing();
    assert!(!findings.iter().any(is_ill), "{findings:?}");
}

fn call(node: &Endpoint, words: &[&str]) -> redistrib_ops::resp::Reply {
    let mut connection = Connection::open(node, &Settings::default()).unwrap();
    connection.call(&Command::from_args(words)).unwrap()
}

redistrib_ops::on_each_test_server! {
    fn a_cluster_grows_from_one_node_and_shrinks_to_none(server) {
        let lab = TempLab::nodes(server, 4).unwrap();
        let nodes = lab.endpoints();
        let cancel = Cancel::new();
        let context = Context::new(&Silent, &cancel);
        let settings = lab.settings();
        start_cluster(&nodes[0], settings, context).unwrap();
        assert_eq!(slots_of(&nodes[0]), usize::from(Slot::COUNT));
        wait_until_ok(&nodes[0]);
        for key in 0..200 {
            call(&nodes[0], &["SET", &format!("key:{key}"), "value"]);
        }

        join_cluster(&nodes[0], &nodes[1], settings, context).unwrap();
        assert_eq!((slots_of(&nodes[0]), slots_of(&nodes[1])), (8192, 8192));
        replicate(&nodes[1], &nodes[2], settings, context).unwrap();
        let (all, myself) = list_nodes(&nodes[2], settings, "127.0.0.1").unwrap();
        let (masters, _) = list_masters(&nodes[2], settings, "127.0.0.1").unwrap();
        assert_eq!((all.len(), masters.len(), myself.role_in_cluster), (3, 2, Role::Replica));
        assert!(myself.myself && myself.slave && !myself.master && !myself.fail);
        assert_eq!(myself.addr(), nodes[2].to_string());
        assert_healthy(&nodes[0]);

        quit_cluster(&nodes[2], settings, context).unwrap();
        quit_cluster(&nodes[0], settings, context).unwrap();
        assert_eq!(slots_of(&nodes[1]), usize::from(Slot::COUNT));
        assert_eq!(call(&nodes[1], &["DBSIZE"]).view().as_int(), Some(200));
        let last = quit_cluster(&nodes[1], settings, context).unwrap_err().to_string();
        assert!(last.contains("last master"), "{last}");

        let keys = shutdown_cluster(&nodes[1], settings, false).unwrap_err().to_string();
        assert!(keys.contains("200 keys"), "{keys}");
        call(&nodes[1], &["FLUSHALL"]);
        shutdown_cluster(&nodes[1], settings, false).unwrap();
        assert_eq!(slots_of(&nodes[1]), 0);
    }
}

redistrib_ops::on_each_test_server! {
    fn several_nodes_share_the_slots_and_give_some_to_each_other(server) {
        let lab = TempLab::nodes(server, 4).unwrap();
        let nodes = lab.endpoints();
        let cancel = Cancel::new();
        let context = Context::new(&Silent, &cancel);
        let settings = lab.settings();
        start_cluster_on_multi(&nodes[..2], settings, context).unwrap();
        let others = shutdown_cluster(&nodes[0], settings, false).unwrap_err().to_string();
        assert!(others.contains("1 other node:"), "{others}");

        let some = "0 2 4-7".parse().unwrap();
        migrate_slots(&nodes[0], &nodes[1], &some, settings, context).unwrap();
        assert_eq!((slots_of(&nodes[0]), slots_of(&nodes[1])), (8186, 8198));
        let again = migrate_slots(&nodes[0], &nodes[1], &some, settings, context).unwrap();
        assert_eq!(again.slots, 0, "they have moved already");
        let stranger =
            migrate_slots(&nodes[0], &nodes[3], &some, settings, context).unwrap_err().to_string();
        assert!(stranger.contains("not in the same cluster"), "{stranger}");

        let twice_as_large = nodes[2].port();
        let weight = balanced_by(
            |node: &Node| if Some(node.address.port) == twice_as_large { 2.0 } else { 1.0 },
        );
        let options = MigrateOptions::default();
        join_cluster_with(&nodes[0], &nodes[2], settings, weight, &options, context).unwrap();
        assert_eq!(slots_of(&nodes[2]), 8192);
        join_no_load(&nodes[0], &nodes[3], settings, context).unwrap();
        assert_eq!(slots_of(&nodes[3]), 0);
        assert_healthy(&nodes[3]);
    }
}

fn wait_until_ok(node: &Endpoint) {
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(60);
    loop {
        let info = call(node, &["CLUSTER", "INFO"]);
        if String::from_utf8_lossy(info.view().as_bytes().unwrap()).contains("cluster_state:ok") {
            return;
        }
        assert!(std::time::Instant::now() < deadline, "{node} does not come up");
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
}
