//! A plan that was saved, with the state that it was made for.

use serde::{Deserialize, Serialize};

use super::{Declared, Observed, ObservedNode, Plan};

/// What a file of a saved plan holds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SavedPlan {
    /// The form of the file: 1.
    #[serde(rename = "redis-trib-plan")]
    pub form: PlanForm,
    /// What was declared.
    pub declared: Declared,
    /// The cluster as it was.
    pub observed: Observed,
    /// The plan.
    #[serde(flatten)]
    pub plan: Plan,
}

/// The form of a saved plan.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "u32", into = "u32")]
pub struct PlanForm;

impl From<PlanForm> for u32 {
    fn from(_: PlanForm) -> u32 {
        1
    }
}

impl TryFrom<u32> for PlanForm {
    type Error = String;

    fn try_from(number: u32) -> Result<Self, String> {
        match number {
            1 => Ok(Self),
            other => Err(format!("the plan is of form {other}, and only 1 is known")),
        }
    }
}

impl SavedPlan {
    /// Returns a checksum of the text of a saved plan.
    pub fn seal(text: &[u8]) -> String {
        hash(text)
    }
}

fn hash(text: &[u8]) -> String {
    format!("{:08x}", crc32fast::hash(text))
}

impl Observed {
    /// Returns a checksum of the state: of nodes, roles, owners of slots and settings.
    pub fn fingerprint(&self) -> String {
        let mut nodes: Vec<&ObservedNode> = self.nodes.iter().collect();
        nodes.sort_by(|one, two| one.at.cmp(&two.at));
        hash(format!("{nodes:?}").as_bytes())
    }

    /// Returns the first difference that is found, in words.
    pub fn change_since(&self, earlier: &Observed) -> Option<String> {
        let gone = earlier.nodes.iter().find(|seen| self.node(&seen.at).is_none());
        let change = |seen: &ObservedNode| {
            let Some(was) = earlier.node(&seen.at) else {
                return Some(format!("{} was not there", seen.at));
            };
            let ObservedNode { at, slots, .. } = seen;
            Some(match () {
                () if was == seen => return None,
                () if was.id != seen.id => format!("{at} is another node than it was"),
                () if was.is_member != seen.is_member => match seen.is_member {
                    true => format!("{at} has come into the cluster"),
                    false => format!("{at} has left the cluster"),
                },
                () if was.is_up != seen.is_up => match seen.is_up {
                    true => format!("{at} answers again"),
                    false => format!("{at} does not answer any more"),
                },
                () if was.master != seen.master => match &seen.master {
                    None => format!("{at} has become a master"),
                    Some(master) => format!("{at} follows {master}"),
                },
                () if was.slots != *slots => {
                    format!("{at} owns {} slots, and owned {}", slots.len(), was.slots.len())
                }
                () => format!("{at} has other settings"),
            })
        };
        let gone = gone.map(|seen| format!("{} is not there any more", seen.at));
        gone.or_else(|| self.nodes.iter().find_map(change))
    }
}
