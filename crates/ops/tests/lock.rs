//! Two operations at once: one goes on, the other is told who was first.

use std::time::{Duration, Instant};

use redistrib_ops::lab::{TempLab, TestServer};
use redistrib_ops::lock::Lock;
use redistrib_ops::{Cancel, Context, Error, Silent, on_each_test_server};

use crate::support;
use crate::support::{call, connect, discover, masters};

on_each_test_server! {
    fn the_second_is_refused_until_the_first_lets_go(server) {
        let lab = TempLab::cluster(server, 3, 0).unwrap();
        let cluster = discover(&lab);
        let cancel = Cancel::new();
        let context = Context::new(&Silent, &cancel);
        let first = Lock::take(&cluster, "reshard", context).unwrap();
        let Err(Error::Locked { verb, pid, .. }) = Lock::take(&cluster, "rebalance", context) else {
            panic!("both were let in");
        };
        assert_eq!((&*verb, pid), ("reshard", std::process::id()));
        drop(first);
        Lock::take(&cluster, "fix", context).unwrap();
    }

    fn of_many_at_once_at_most_one_is_let_in(server) {
        let lab = TempLab::cluster(server, 3, 0).unwrap();
        let cluster = discover(&lab);
        let cancel = Cancel::new();
        let context = Context::new(&Silent, &cancel);
        for _ in 0..20 {
            let held: Vec<Option<Lock>> = std::thread::scope(|scope| {
                let take = || Lock::take(&cluster, "reshard", context).ok();
                let threads: Vec<_> = (0..4).map(|_| scope.spawn(take)).collect();
                threads.into_iter().map(|thread| thread.join().unwrap()).collect()
            });
            assert!(held.iter().flatten().count() <= 1);
        }
    }

    fn without_the_right_to_list_clients_it_goes_on_with_a_warning(server) {
        let lab = TempLab::cluster(server, 3, 0).unwrap();
        let cluster = discover(&lab);
        for id in masters(&cluster) {
            call(&mut connect(&lab, &cluster, id), "ACL SETUSER default -client");
        }
        let warnings = support::Warnings::default();
        let cancel = Cancel::new();
        Lock::take(&cluster, "fix", Context::new(&warnings, &cancel)).unwrap();
        assert_eq!(warnings.0.lock().unwrap().len(), 3);
    }
}

/// Servers that close idle connections must not end a lock that its holder has not let go.
#[test]
fn it_is_held_where_servers_close_idle_connections() {
    let lab = TempLab::cluster(&TestServer::named("valkey-9.1").unwrap(), 3, 0).unwrap();
    let cluster = discover(&lab);
    for id in masters(&cluster) {
        call(&mut connect(&lab, &cluster, id), "CONFIG SET timeout 1");
    }
    let cancel = Cancel::new();
    let context = Context::new(&Silent, &cancel);
    let _held = Lock::take(&cluster, "reshard", context).unwrap();
    let until = Instant::now() + Duration::from_secs(4);
    while Instant::now() < until {
        assert!(matches!(Lock::take(&cluster, "fix", context), Err(Error::Locked { .. })));
        std::thread::sleep(Duration::from_millis(200));
    }
}
