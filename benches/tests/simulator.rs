//! Large clusters, simulated: what is found does not depend on how many nodes there are.

#![allow(clippy::unwrap_used)]

use std::time::Duration;

use redistrib_benches::simulator::{Fault, Options, Simulator};
use redistrib_ops::model::{Finding, Severity};
use redistrib_ops::{Cluster, Settings, inspect};

fn simulate(faults: &[(usize, Fault)]) -> Simulator {
    let delay = Duration::from_millis(5);
    let options =
        Options { masters: 150, replicas: 1, delay, faults: faults.to_vec(), ..Options::default() };
    Simulator::start(options).unwrap()
}

fn look(simulator: &Simulator, timeout: Duration) -> (Cluster, Vec<Finding>) {
    let settings = Settings { timeout, ..Settings::default() };
    let mut cluster = Cluster::discover(simulator.seed(), &settings).unwrap();
    let findings = inspect(&mut cluster).findings;
    (cluster, findings)
}

#[test]
fn three_hundred_nodes_that_agree_are_well() {
    let simulator = simulate(&[]);
    let (mut cluster, findings) = look(&simulator, Duration::from_secs(15));
    let errors = findings.iter().filter(|finding| finding.severity() == Severity::Error);
    assert_eq!(errors.map(ToString::to_string).collect::<Vec<_>>(), [""; 0]);
    cluster.refresh();
    assert!(cluster.members().len() == 300 && cluster.members().iter().all(|it| it.is_up()));
    // CLUSTER NODES twice, and what `inspect` asks.
    let counts = simulator.counts();
    assert!(counts.views == 600 && counts.commands <= 300 * 20, "{counts:?}");
}

#[test]
fn nodes_that_hang_trickle_lie_or_disagree_are_told_among_three_hundred() {
    let simulator = simulate(&[
        (3, Fault::Hang),
        (7, Fault::Trickle),
        (11, Fault::Lie),
        (151, Fault::Disagree),
    ]);
    let (cluster, findings) = look(&simulator, Duration::from_secs(2));
    let down: Vec<usize> = (0..300).filter(|at| !cluster.members()[*at].is_up()).collect();
    assert_eq!(down, [3, 7, 11], "nodes in the order in which the first one lists them");
    let codes: Vec<String> = findings.iter().map(ToString::to_string).collect();
    assert!(findings.iter().any(|it| matches!(it, Finding::Disagreement { .. })), "{codes:?}");
}

/// More nodes than are asked at a time, of which none is heard out: each of those that come later gets a second.
#[test]
fn clusters_of_which_most_hang_are_looked_at_all_the_same() {
    let hang: Vec<(usize, Fault)> = (1..298).map(|place| (place, Fault::Hang)).collect();
    let (cluster, _) = look(&simulate(&hang), Duration::from_secs(3));
    assert_eq!(cluster.members().iter().filter(|member| member.is_up()).count(), 3);
}

/// All views together are some 12 MB, and take two seconds where one is waited for.
#[test]
fn a_slow_network_is_not_taken_for_nodes_that_do_not_answer() {
    let delay = Duration::from_millis(5);
    let bandwidth = Some(50_000_000 / 8);
    let options = Options { masters: 150, replicas: 1, delay, bandwidth, ..Options::default() };
    let (cluster, findings) = look(&Simulator::start(options).unwrap(), Duration::from_secs(1));
    assert!(cluster.members().iter().all(|it| it.is_up()));
    let errors = findings.iter().filter(|finding| finding.severity() == Severity::Error);
    assert_eq!(errors.map(ToString::to_string).collect::<Vec<_>>(), [""; 0]);
}
