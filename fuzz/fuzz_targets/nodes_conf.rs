//! Any file is a nodes.conf or an error that names a line of it; what is read is printed as a file that
//! means the same.
#![no_main]

use libfuzzer_sys::fuzz_target;
use redistrib_cluster_model::Topology;

fuzz_target!(|data: &[u8]| {
    match Topology::parse_nodes_conf(data) {
        Ok(topology) => {
            let text = topology.to_string();
            let again = Topology::parse_nodes_conf(&text).expect("what is printed can be read");
            assert_eq!(again, topology);
            assert_eq!(again.to_string(), text);
        }
        Err(error) => assert!(error.line <= data.split(|byte| *byte == b'\n').count()),
    }
});
