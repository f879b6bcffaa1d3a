//! What a node and a cluster are to each other.

use crate::{Node, SharedTopology, Snapshot};

/// What a node and a cluster are to each other, by what both sides say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Neither knows the other, and the node knows nobody else.
    Stranger,
    /// All nodes of the cluster that answered know the node, and it knows all of them.
    Member,
    /// Some know each other and some do not.
    HalfMember,
    /// Neither knows the other, but the node knows nodes of another cluster.
    Foreigner {
        /// How many of them.
        others: usize,
    },
}

impl Standing {
    /// The standing of the node that sees `topology` in the cluster that sees `snapshot`. The node's own view may be
    /// part of the snapshot. Handshakes under way do not count: what comes of them is not known yet.
    ///
    /// ```
    /// use redistrib_cluster_model::{Address, NodeView, Snapshot, Standing, Topology};
    /// let line = "ae97e9700ef65e6ccf648c8a77a339cdfe7366c1 :7000 myself,master - 0 0 0 connected 0-16383";
    /// let view = NodeView::answered(Address::new("::1", 7000), Topology::parse(line)?);
    /// let cluster = Snapshot { views: vec![view] };
    /// let other = "7349f132ca8cefc148b203ff3e02f8afb1692962 :7001 myself,master - 0 0 0 connected";
    /// assert_eq!(Standing::of(&Topology::parse(other)?.into(), &cluster), Standing::Stranger);
    /// # Ok::<(), redistrib_cluster_model::ParseError>(())
    /// ```
    pub fn of(topology: &SharedTopology, snapshot: &Snapshot) -> Self {
        let own = topology.myself().map(|node| node.id);
        let views = snapshot.views.iter().filter(|view| view.id != own);
        let answered = views.filter_map(|view| Some((view.id?, view.topology()?)));
        let (mut total, mut knows, mut known) = (0, 0, 0);
        for (id, view) in answered {
            total += 1;
            knows += usize::from(topology.node(id).is_some_and(is_settled));
            known += usize::from(own.and_then(|own| view.node(own)).is_some_and(is_settled));
        }
        let settled = topology.iter().filter(|node| is_settled(node));
        let others = settled.filter(|node| !node.flags.is_myself()).count();
        match (known, knows) {
            (0, 0) if total > 0 && others > 0 => Self::Foreigner { others },
            (0, 0) if total > 0 => Self::Stranger,
            _ if (known, knows) == (total, total) => Self::Member,
            _ => Self::HalfMember,
        }
    }
}

/// Whether the node's id is its own: in a handshake it is a placeholder.
fn is_settled(node: &Node) -> bool {
    !node.flags.is_handshake()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Address, NodeView, Topology};

    fn topology(myself: char, others: &str) -> Topology {
        let line = |digit: char, flags: &str| {
            format!("{} h:1 {flags} - 0 0 0 connected\n", digit.to_string().repeat(40))
        };
        let mut text = line(myself, "myself,master");
        text.extend(others.chars().map(|other| match other {
            'A'..='Z' => line(other, "handshake"),
            _ => line(other, "master"),
        }));
        text.parse().unwrap()
    }

    fn standing(node: &str, views: &[&str]) -> Standing {
        let view = |text: &&str| {
            let topology = topology(text.chars().next().unwrap(), &text[1..]);
            NodeView::answered(Address::new("h", 1), topology)
        };
        let node = topology(node.chars().next().unwrap(), &node[1..]);
        Standing::of(&node.into(), &Snapshot { views: views.iter().map(view).collect() })
    }

    #[test]
    fn both_sides_count() {
        for (node, views, expected) in [
            ("c", &["ab", "ba"][..], Standing::Stranger),
            ("cE", &["abF", "ba"], Standing::Stranger),
            ("cab", &["abc", "bac"], Standing::Member),
            ("cab", &["abc", "bac", "cab"], Standing::Member),
            ("cab", &["ab", "ba"], Standing::HalfMember),
            ("c", &["abc", "bac"], Standing::HalfMember),
            ("cab", &["abc", "ba"], Standing::HalfMember),
            ("ca", &["abc", "bac"], Standing::HalfMember),
            ("cde", &["ab", "ba"], Standing::Foreigner { others: 2 }),
            ("a", &["a"], Standing::Member),
        ] {
            assert_eq!(standing(node, views), expected, "{node} {views:?}");
        }
    }
}
