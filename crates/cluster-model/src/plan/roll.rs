//! In which order the nodes of a cluster are restarted, and who serves clients meanwhile.

use serde::Serialize;

use crate::{NodeId, NodeLabel, counted};

/// A node as it stands before it is restarted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RollNode {
    /// The node.
    pub member: NodeLabel,
    /// Whom it follows; none for a master.
    pub master: Option<NodeId>,
    /// How many slots it owns.
    pub slots: usize,
    /// Whether it answers.
    pub is_up: bool,
    /// Whether it has its master's data and a link to it.
    pub in_sync: bool,
    /// How much of its master's stream it has, in bytes.
    pub offset: u64,
    /// Without so many replicas a master takes no writes (`min-replicas-to-write`).
    pub min_replicas: u64,
    /// What its server is.
    pub version: Option<String>,
}

/// What is wanted of a roll.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RollRequest {
    /// These nodes alone; empty for all.
    pub only: Vec<NodeId>,
    /// Nodes that are to be masters at the end, as they were before a run that has stopped.
    pub back: Vec<NodeId>,
    /// Masters stay what they have become meanwhile.
    pub no_failback: bool,
    /// Slots may be without service while their master restarts.
    pub allow_downtime: bool,
}

/// A node whose turn it is, and what that means for clients.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RollTurn {
    /// The node.
    pub node: NodeLabel,
    /// What its server is.
    pub version: Option<String>,
    /// What it is to its cluster.
    #[serde(flatten)]
    pub role: TurnRole,
}

/// What a node is to its cluster when its turn comes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "role", rename_all = "kebab-case")]
pub enum TurnRole {
    /// A replica: its master serves.
    Replica {
        /// Its master.
        master: NodeLabel,
    },
    /// A master without slots: nobody misses it.
    Idle,
    /// A master whose place a replica takes first.
    Master {
        /// How many slots it owns.
        slots: usize,
        /// The replica. Another one takes it if that is more fit by then.
        deputy: NodeLabel,
        /// Whether it is the master again afterwards.
        returns: bool,
    },
    /// A master without a replica that could take its place: its slots are not served meanwhile.
    Alone {
        /// How many slots it owns.
        slots: usize,
    },
}

/// What is done, in this order.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct RollPlan {
    /// Replicas and all that nobody misses first, then the masters.
    pub turns: Vec<RollTurn>,
    /// Who becomes master again when all turns are over, as an earlier run that has stopped left it.
    pub back: Vec<NodeLabel>,
}

/// Why nodes cannot be restarted one by one without harm.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RollPlanError {
    /// A master that is down cannot hand over.
    #[error("{master} owns {} and does not answer", counted(slots, "slot"))]
    SilentMaster {
        /// The master.
        master: NodeLabel,
        /// How many slots it owns.
        slots: usize,
    },
    /// Replicas that nobody repairs: the cluster would never be seen to be healthy.
    #[error("{} is not in step with its master, and has no turn", listed(.0))]
    OutOfStep(Vec<NodeLabel>),
    /// Masters whose slots nobody could serve meanwhile.
    #[error(
        "no replica could take the place of {} meanwhile, and clients would find nobody for its slots",
        listed(.0)
    )]
    NoDeputy(Vec<NodeLabel>),
    /// Masters that would take no writes while a replica is down.
    #[error(
        "while one of its replicas is down, {} would take no writes (min-replicas-to-write)",
        listed(.0)
    )]
    HoldsWrites(Vec<NodeLabel>),
}

/// Returns nodes in words, one after the other.
pub fn listed(nodes: &[NodeLabel]) -> String {
    nodes.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

/// Orders the turns: nodes that are down or out of step, replicas and masters without slots, then the masters with slots, each in the order given.
///
/// # Errors
/// [`RollPlanError`]; but for a silent master the request may allow it.
pub fn plan_roll(nodes: &[RollNode], request: &RollRequest) -> Result<RollPlan, RollPlanError> {
    let has_turn =
        |node: &RollNode| request.only.is_empty() || request.only.contains(&node.member.id);
    let mut due: Vec<&RollNode> = nodes.iter().filter(|node| has_turn(node)).collect();
    if let Some(silent) = due.iter().find(|node| node.slots > 0 && !node.is_up) {
        let (master, slots) = (silent.member.clone(), silent.slots);
        return Err(RollPlanError::SilentMaster { master, slots });
    }
    let is_unfit = |node: &RollNode| !node.is_up || node.master.is_some() && !node.in_sync;
    let unfit = nodes.iter().filter(|node| node.is_up && is_unfit(node) && !has_turn(node));
    let unfit: Vec<NodeLabel> = unfit.map(|node| node.member.clone()).collect();
    if !unfit.is_empty() {
        return Err(RollPlanError::OutOfStep(unfit));
    }
    due.sort_by_key(|node| (node.slots > 0, !is_unfit(node)));
    // One that had its turn is in step with its master.
    let counts = |node: &RollNode| node.in_sync || has_turn(node);
    let turns: Vec<RollTurn> = due.iter().map(|node| turn(nodes, node, request, counts)).collect();
    if !request.allow_downtime {
        refuse_downtime(nodes, &turns)?;
    }
    let back = nodes.iter().filter(|node| request.back.contains(&node.member.id));
    let back = back.filter(|node| node.master.is_some()).map(|node| node.member.clone()).collect();
    Ok(RollPlan { turns, back })
}

fn turn(
    nodes: &[RollNode],
    node: &RollNode,
    request: &RollRequest,
    counts: impl Fn(&RollNode) -> bool,
) -> RollTurn {
    let (id, slots) = (node.member.id, node.slots);
    let role = match (node.master, slots) {
        (Some(master), _) => TurnRole::Replica { master: member(nodes, master) },
        (None, 0) => TurnRole::Idle,
        (None, slots) => match deputy(nodes, id, &request.back, counts) {
            Some(deputy) => {
                let returns = !request.no_failback && !request.back.contains(&deputy.member.id);
                TurnRole::Master { slots, deputy: deputy.member.clone(), returns }
            }
            None => TurnRole::Alone { slots },
        },
    };
    RollTurn { node: node.member.clone(), version: node.version.clone(), role }
}

/// The node of this id; without an address where it is none of these.
fn member(nodes: &[RollNode], id: NodeId) -> NodeLabel {
    let known = nodes.iter().map(|node| &node.member).find(|member| member.id == id);
    known.cloned().unwrap_or(NodeLabel { id, address: String::new() })
}

/// The replica that takes a master's place best, of those that count: one that is to be master anyway, then one that is in
/// step, then the one with the most of its data.
pub fn deputy<'a>(
    nodes: &'a [RollNode],
    master: NodeId,
    back: &[NodeId],
    counts: impl Fn(&RollNode) -> bool,
) -> Option<&'a RollNode> {
    // Of equals the last would be taken.
    let replicas = nodes.iter().rev().filter(|node| node.master == Some(master) && counts(node));
    replicas.max_by_key(|node| (back.contains(&node.member.id), node.in_sync, node.offset))
}

fn refuse_downtime(nodes: &[RollNode], turns: &[RollTurn]) -> Result<(), RollPlanError> {
    let alone = turns.iter().filter(|turn| matches!(turn.role, TurnRole::Alone { .. }));
    let alone: Vec<NodeLabel> = alone.map(|turn| turn.node.clone()).collect();
    if !alone.is_empty() {
        return Err(RollPlanError::NoDeputy(alone));
    }
    let in_shard = |node: &RollNode, master: &RollNode| {
        node.member.id == master.member.id || node.master == Some(master.member.id)
    };
    let has_turn = |node: &RollNode| turns.iter().any(|turn| turn.node.id == node.member.id);
    let holds_writes = |master: &&RollNode| {
        let shard = || nodes.iter().filter(|node| in_shard(node, master));
        // Without the master and the one that is restarted; what is down comes first, and comes up.
        let others = shard().filter(|node| node.is_up || has_turn(node)).count().saturating_sub(2);
        shard().any(&has_turn) && master.min_replicas > others as u64
    };
    let owners = nodes.iter().filter(|node| node.slots > 0);
    let holding: Vec<NodeLabel> =
        owners.filter(holds_writes).map(|master| master.member.clone()).collect();
    if holding.is_empty() { Ok(()) } else { Err(RollPlanError::HoldsWrites(holding)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(digit: char) -> NodeId {
        digit.to_string().repeat(40).parse().unwrap()
    }

    fn node(digit: char, master: Option<char>, slots: usize) -> RollNode {
        RollNode {
            member: NodeLabel { id: id(digit), address: format!("h:{digit}") },
            master: master.map(id),
            slots,
            is_up: true,
            in_sync: master.is_some(),
            offset: 10,
            min_replicas: 0,
            version: None,
        }
    }

    /// Masters a and b with replicas c, d and e; f is a master without slots.
    fn cluster() -> Vec<RollNode> {
        vec![
            node('a', None, 10),
            node('b', None, 5),
            node('c', Some('a'), 0),
            node('d', Some('b'), 0),
            node('e', Some('b'), 0),
            node('f', None, 0),
        ]
    }

    fn order(plan: &RollPlan) -> String {
        plan.turns.iter().map(|turn| &turn.node.address[2..]).collect()
    }

    fn deputy_of(plan: &RollPlan, digit: char) -> (String, bool) {
        let turn = plan.turns.iter().find(|turn| turn.node.id == id(digit)).unwrap();
        let TurnRole::Master { deputy, returns, .. } = &turn.role else { panic!("{turn:?}") };
        (deputy.address.clone(), *returns)
    }

    #[test]
    fn masters_come_last_and_hand_over_to_a_replica() {
        let mut nodes = cluster();
        let plan = plan_roll(&nodes, &RollRequest::default()).unwrap();
        assert_eq!((order(&plan), plan.back.len()), ("cdefab".into(), 0));
        assert_eq!(deputy_of(&plan, 'a'), ("h:c".into(), true));
        assert_eq!(deputy_of(&plan, 'b'), ("h:d".into(), true), "of equals the first");
        nodes[4].offset += 1;
        let request = RollRequest { no_failback: true, ..RollRequest::default() };
        assert_eq!(deputy_of(&plan_roll(&nodes, &request).unwrap(), 'b'), ("h:e".into(), false));
    }

    #[test]
    fn what_is_down_comes_first_and_counts_once_it_is_back() {
        let mut nodes = cluster();
        nodes[2] = RollNode { is_up: false, in_sync: false, ..nodes[2].clone() };
        let plan = plan_roll(&nodes, &RollRequest::default()).unwrap();
        assert_eq!(order(&plan), "cdefab");
        assert_eq!(deputy_of(&plan, 'a').0, "h:c");
        let request = RollRequest { only: vec![id('a')], ..RollRequest::default() };
        let refused = plan_roll(&nodes, &request).unwrap_err();
        nodes[4].in_sync = false;
        assert_eq!(order(&plan_roll(&nodes, &RollRequest::default()).unwrap()), "cedfab");
        let lame = RollPlanError::OutOfStep(vec![nodes[4].member.clone()]);
        assert_eq!(plan_roll(&nodes, &request).unwrap_err(), lame);
        assert_eq!(refused, RollPlanError::NoDeputy(vec![nodes[0].member.clone()]));
        nodes[0].is_up = false;
        let request = RollRequest { allow_downtime: true, ..RollRequest::default() };
        let refused = plan_roll(&nodes, &request).unwrap_err();
        assert!(matches!(refused, RollPlanError::SilentMaster { slots: 10, .. }));
    }

    #[test]
    fn a_master_without_a_replica_needs_leave() {
        let nodes = [node('a', None, 10), node('b', None, 5), node('c', Some('a'), 0)];
        let refused = plan_roll(&nodes, &RollRequest::default()).unwrap_err().to_string();
        assert!(refused.contains("the place of h:b meanwhile"), "{refused}");
        let request = RollRequest { allow_downtime: true, ..RollRequest::default() };
        let plan = plan_roll(&nodes, &request).unwrap();
        assert_eq!(order(&plan), "cab");
        assert_eq!(plan.turns[2].role, TurnRole::Alone { slots: 5 });
        let request = RollRequest { only: vec![id('a'), id('c')], ..RollRequest::default() };
        assert_eq!(order(&plan_roll(&nodes, &request).unwrap()), "ca", "b has no turn");
    }

    #[test]
    fn masters_that_need_their_replicas_need_leave() {
        let mut nodes = cluster();
        nodes[1].min_replicas = 1;
        plan_roll(&nodes, &RollRequest::default()).unwrap();
        nodes[4].is_up = false;
        plan_roll(&nodes, &RollRequest::default()).unwrap();
        let request = RollRequest { only: vec![id('d')], ..RollRequest::default() };
        let refused = plan_roll(&nodes, &request).unwrap_err();
        assert_eq!(refused, RollPlanError::HoldsWrites(vec![nodes[1].member.clone()]));
        let request = RollRequest { only: vec![id('a'), id('c')], ..RollRequest::default() };
        plan_roll(&nodes, &request).unwrap();
    }

    /// A run stopped when c had taken the place of a, which is back as its replica.
    #[test]
    fn a_run_that_goes_on_puts_masters_back() {
        let mut nodes = cluster();
        nodes[0] = RollNode { master: Some(id('c')), in_sync: true, slots: 0, ..nodes[0].clone() };
        nodes[2] = RollNode { master: None, in_sync: false, slots: 10, ..nodes[2].clone() };
        let back = vec![id('a')];
        let request = RollRequest { only: vec![id('a'), id('b')], back, ..RollRequest::default() };
        let plan = plan_roll(&nodes, &request).unwrap();
        assert_eq!((order(&plan), &plan.back[..]), ("ab".into(), &[nodes[0].member.clone()][..]));
        let request = RollRequest { only: Vec::new(), ..request };
        let plan = plan_roll(&nodes, &request).unwrap();
        assert_eq!(deputy_of(&plan, 'c'), ("h:a".into(), false), "a stays the master then");
    }
}
