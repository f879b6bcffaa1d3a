//! Whatever nodes say of their cluster, what is wrong with it can be said, and what repairs it planned.
#![no_main]

use libfuzzer_sys::fuzz_target;
use redistrib_cluster_model::plan::fix::{FixOptions, KeyCounts, plan_fix};
use redistrib_cluster_model::{Address, NodeView, Snapshot, Topology};

fuzz_target!(|data: &[u8]| {
    // Views of one cluster, with a byte 0 between; what cannot be read is a node that does not answer.
    let view = |(port, text): (u16, &[u8])| {
        let asked = Address::new("host", port);
        match Topology::parse(text) {
            Ok(topology) => NodeView::answered(asked, topology),
            Err(error) => NodeView::unreachable(None, asked, error.to_string()),
        }
    };
    let views = (7000..).zip(data.split(|byte| *byte == 0).take(4)).map(view);
    let snapshot = Snapshot { views: views.collect() };
    for finding in snapshot.findings() {
        assert_eq!(finding.to_string().lines().count(), 1);
    }
    for take_from_silent_masters in [false, true] {
        let options = FixOptions { take_from_silent_masters };
        let plan = plan_fix(&snapshot, &KeyCounts::new(), options);
        assert!(plan.repairs.iter().all(|repair| !repair.slots.is_empty()));
        assert!(plan.blocked.iter().all(|(slots, _)| !slots.is_empty()));
    }
});
