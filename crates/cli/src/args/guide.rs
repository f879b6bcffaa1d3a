//! What stands behind the help of each verb, and in the man pages: examples, and the environment.

use clap::Command;

/// The variables that the program heeds.
pub const ENVIRONMENT: &str = "\
REDISCLI_AUTH         the password, as -a gives it
REDIS_TRIB_FROM_AUTH  the password of the source of import and copy
REDIS_TRIB_SERVER     the server program of a lab and of restore, where --server does not name one
REDISCLI_HISTFILE     where the prompt keeps its history; /dev/null for nowhere
NO_COLOR              anything: no colours
TERM                  dumb: no colours, and top has no full screen";

/// Lines to try, by the verb.
const EXAMPLES: [(&str, &[&str]); 33] = [
    ("create", &["redis-trib create --replicas 1 127.0.0.1:7000 127.0.0.1:7001 … 127.0.0.1:7005"]),
    (
        "check",
        &[
            "redis-trib check 127.0.0.1:7000",
            "redis-trib check 127.0.0.1:7000 --json | jq '.findings[].next_step'",
            "redis-trib check 127.0.0.1:7000 --watch 2",
        ],
    ),
    ("info", &["redis-trib info 127.0.0.1:7000"]),
    ("list", &["redis-trib list 127.0.0.1:7000"]),
    (
        "status",
        &[
            "redis-trib status 127.0.0.1:7000",
            "redis-trib status 127.0.0.1:7000 --prometheus >redis.tmp && mv redis.tmp redis.prom",
        ],
    ),
    (
        "top",
        &[
            "redis-trib top 127.0.0.1:7000",
            "redis-trib top 127.0.0.1:7000 --once >now.txt",
            "redis-trib top 127.0.0.1:7000 --record incident.jsonl",
            "redis-trib top --replay incident.jsonl",
        ],
    ),
    (
        "fix",
        &[
            "redis-trib fix 127.0.0.1:7000 --dry-run",
            "redis-trib fix 127.0.0.1:7000 --fix-with-unreachable-masters",
        ],
    ),
    ("reshard", &["redis-trib reshard 127.0.0.1:7000 --from all --to ID --slots 1000 --yes"]),
    (
        "rebalance",
        &[
            "redis-trib rebalance 127.0.0.1:7000 --use-empty-masters --dry-run",
            "redis-trib rebalance 127.0.0.1:7000 --weight ID=2 --by memory",
        ],
    ),
    ("migrate-slots", &["redis-trib migrate-slots 127.0.0.1:7000 127.0.0.1:7001 0 2 4-7"]),
    (
        "add-node",
        &[
            "redis-trib add-node 127.0.0.1:7006 127.0.0.1:7000",
            "redis-trib add-node 127.0.0.1:7007 127.0.0.1:7000 --replica --master-id ID",
        ],
    ),
    ("del-node", &["redis-trib del-node 127.0.0.1:7000 ID --drain"]),
    (
        "replace",
        &[
            "redis-trib replace 127.0.0.1:7000 127.0.0.1:7006",
            "redis-trib replace 127.0.0.1:7000 127.0.0.1:7006 --keep   # the old one stays, as a replica",
        ],
    ),
    (
        "failover",
        &[
            "redis-trib failover 127.0.0.1:7003",
            "redis-trib failover 127.0.0.1:7003 --force      # its master is dead",
        ],
    ),
    (
        "roll",
        &[
            "redis-trib roll 127.0.0.1:7000 --exec ./restart.sh --dry-run",
            "redis-trib roll 127.0.0.1:7000 --exec ./restart.sh --continue 127.0.0.1:7001 --back 7000",
        ],
    ),
    ("meet", &["redis-trib meet 127.0.0.1:7100 127.0.0.1:7101 … 127.0.0.1:7105"]),
    ("set-timeout", &["redis-trib set-timeout 127.0.0.1:7000 5000"]),
    ("call", &["redis-trib call 127.0.0.1:7000 --only-masters CONFIG GET maxmemory"]),
    ("backup", &["redis-trib backup 127.0.0.1:7000 /var/backups/redis"]),
    (
        "restore",
        &[
            "redis-trib restore /var/backups/redis 127.0.0.1:7000 --dry-run",
            "redis-trib restore /var/backups/redis 127.0.0.1:7000 --verify --server /usr/bin/redis-server",
            "redis-trib restore /var/backups/redis 127.0.0.1:7000 --match 'user:*' --replace",
        ],
    ),
    (
        "export",
        &[
            "redis-trib export 127.0.0.1:7000 >cluster.toml",
            "redis-trib export 127.0.0.1:7000 --setting maxmemory --setting maxmemory-policy",
        ],
    ),
    (
        "plan",
        &[
            "redis-trib plan cluster.toml",
            "redis-trib plan cluster.toml --out today.plan --detailed-exitcode",
        ],
    ),
    (
        "apply",
        &["redis-trib apply cluster.toml", "redis-trib apply today.plan --yes --max-pause 2"],
    ),
    ("import", &["redis-trib import 127.0.0.1:7000 --from 127.0.0.1:6379 --copy --verify"]),
    ("copy", &["redis-trib copy 127.0.0.1:6379 127.0.0.1:6380 --match 'user:*'"]),
    ("start", &["redis-trib start 127.0.0.1:7000"]),
    ("join", &["redis-trib join 127.0.0.1:7000 127.0.0.1:7006"]),
    ("replicate", &["redis-trib replicate 127.0.0.1:7000 127.0.0.1:7003"]),
    ("quit", &["redis-trib quit 127.0.0.1:7006"]),
    ("rescue", &["redis-trib rescue 127.0.0.1:7000 127.0.0.1:7006"]),
    ("shell", &["redis-trib shell -c 127.0.0.1:7000"]),
    (
        "exec",
        &[
            "redis-trib exec -c 127.0.0.1:7000 SET key value",
            "redis-trib exec -c 127.0.0.1:7000 --pipe <commands.txt",
        ],
    ),
    (
        "lab",
        &[
            "redis-trib lab up",
            "redis-trib lab up --topology cluster.toml",
            "redis-trib check 127.0.0.1:7000",
            "redis-trib lab add",
            "redis-trib lab pause 7001",
            "redis-trib lab start 7001    # goes on; one that was killed is started",
            "redis-trib lab destroy",
        ],
    ),
];

/// The examples of a verb; of the program itself those of one that only looks.
pub fn examples(verb: &str) -> &'static [&'static str] {
    let verb = if verb.is_empty() { "check" } else { verb };
    EXAMPLES.iter().find(|(name, _)| *name == verb).map_or(&[], |(_, lines)| lines)
}

/// Puts the examples behind the help of each verb, and the environment behind that of the program.
pub(super) fn add_to(command: Command) -> Command {
    let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
    let command = command.after_help(format!("{help}\n\nEnvironment:\n{}", indented(ENVIRONMENT)));
    EXAMPLES.iter().fold(command, |command, (verb, lines)| {
        let text = format!("Examples:\n{}", indented(&lines.join("\n")));
        command.mut_subcommand(verb, |verb| verb.after_help(text))
    })
}

fn indented(text: &str) -> String {
    let lines: Vec<String> = text.lines().map(|line| format!("  {line}")).collect();
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::super::{command, parse};
    use super::EXAMPLES;

    /// Every example is a line that the program understands, and belongs to its verb.
    #[test]
    fn examples_can_be_typed() {
        let id = "0123456789012345678901234567890123456789";
        for (verb, lines) in EXAMPLES {
            assert!(command().find_subcommand(verb).is_some(), "{verb}");
            for line in lines {
                let line = line.split(['|', '>', '<', '#']).next().unwrap_or_default();
                let line = line.replace('…', "").replace("ID", id).replace('\'', "");
                let words = line.split_whitespace().map(Into::into).collect();
                assert!(parse(words).is_ok(), "{line}");
            }
        }
    }
}
