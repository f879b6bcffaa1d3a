//! Questions to nodes that stayed without an answer: what was asked for is not known then, which is not the same as nothing.

use redistrib_cluster_model::NodeId;
use redistrib_resp::Reply;

use crate::Refusal;
use crate::error::Result;

/// Who did not answer, and who may not be asked.
#[derive(Debug, Default)]
pub(crate) struct Unanswered {
    /// Nodes that did not answer though they had answered before, and why.
    pub(crate) failures: Vec<(NodeId, String)>,
    /// Nodes that refuse these commands to this user.
    pub(crate) withheld: Vec<(NodeId, &'static str)>,
}

impl Unanswered {
    /// Notes what became of a question to a node.
    pub(crate) fn note(
        &mut self,
        node: NodeId,
        command: &'static str,
        answer: &Result<Vec<Reply>>,
    ) {
        match answer {
            Err(error) => self.failures.push((node, error.to_string())),
            Ok(replies) => {
                let mut errors = replies.iter().filter_map(|reply| reply.view().as_error());
                if errors.any(|error| Refusal::of(error) == Refusal::NotPermitted) {
                    self.withheld.push((node, command));
                }
            }
        }
    }
}
