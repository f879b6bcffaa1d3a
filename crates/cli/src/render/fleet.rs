//! Sharded fleets: what their commands do, and where keys are.

use std::fmt::Write;

use redistrib_ops::fleet::policy::{Policy, RULES};

/// The table of commands that are done in a way of their own, for the help.
pub fn fleet_rules() -> String {
    let mut text = String::from(
        "A command goes to the server of its keys. These have a way of their own where keys are at several servers; \
         none of it is atomic there, unless it says so:\n",
    );
    for rule in RULES.iter().filter(|rule| !matches!(rule.policy, Policy::Refused(_))) {
        let atomic = if rule.atomic { " (atomic)" } else { "" };
        let _ = writeln!(text, "  {}{atomic}: {}", rule.commands.join(", "), rule.note);
    }
    text.push_str("These are refused:\n");
    for rule in RULES {
        if let Policy::Refused(why) = rule.policy {
            let _ = writeln!(text, "  {}: {why}", rule.commands.join(", "));
        }
    }
    text.push_str(
        "Other commands on several keys need them at one server: a first key written a{b} sends all of them to the \
         place of b.",
    );
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_help_says_what_is_not_atomic_and_what_is_refused() {
        let text = fleet_rules();
        assert!(text.contains("  MSETNX: looks at all keys first"));
        assert!(text.contains("  RANDOMKEY (atomic): "));
        assert!(text.contains("SUBSCRIBE, PSUBSCRIBE"));
        assert!(text.lines().count() > 20);
    }
}
