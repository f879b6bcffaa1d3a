//! `start` and `start_multi` of redis-trib.py: clusters of masters alone, even of a single one.

use crate::error::Result;
use crate::{Candidates, Cluster, Context, Endpoint, Settings, await_new_cluster};

/// Makes a cluster of one node that owns all slots, and returns when clients are served.
///
/// ```no_run
/// use redistrib_ops::{Cancel, Context, Settings, Silent, start_cluster};
/// let cancel = Cancel::new();
/// let context = Context::new(&Silent, &cancel);
/// start_cluster(&"127.0.0.1:7000".parse()?, &Settings::default(), context)?;
/// # Ok::<(), redistrib_ops::Error>(())
/// ```
///
/// # Errors
/// Those of [`Candidates::survey`], [`Candidates::create`] and [`await_new_cluster`].
pub fn start_cluster(endpoint: &Endpoint, settings: &Settings, context: Context<'_>) -> Result<()> {
    start_cluster_on_multi(std::slice::from_ref(endpoint), settings, context)
}

/// Makes a cluster of masters that share all slots evenly, and returns when clients are served. One that is named again
/// is one master.
///
/// ```no_run
/// use redistrib_ops::{Cancel, Context, Endpoint, Settings, Silent, start_cluster_on_multi};
/// let cancel = Cancel::new();
/// let context = Context::new(&Silent, &cancel);
/// let nodes: [Endpoint; 2] = ["127.0.0.1:7000".parse()?, "127.0.0.1:7001".parse()?];
/// start_cluster_on_multi(&nodes, &Settings::default(), context)?;
/// # Ok::<(), redistrib_ops::Error>(())
/// ```
///
/// # Errors
/// Those of [`start_cluster`].
pub fn start_cluster_on_multi(
    endpoints: &[Endpoint],
    settings: &Settings,
    context: Context<'_>,
) -> Result<()> {
    let endpoints = each_once(endpoints);
    let candidates = Candidates::survey(&endpoints, settings)?;
    let plan = candidates.plan(0, 1)?;
    candidates.create(&plan, context)?;
    match endpoints.first() {
        Some(seed) => await_new_cluster(&mut Cluster::discover(seed, settings)?, context),
        None => Ok(()),
    }
}

/// The addresses in their order, each once.
pub fn each_once(endpoints: &[Endpoint]) -> Vec<Endpoint> {
    let mut once: Vec<Endpoint> = Vec::new();
    for endpoint in endpoints {
        if !once.contains(endpoint) {
            once.push(endpoint.clone());
        }
    }
    once
}
