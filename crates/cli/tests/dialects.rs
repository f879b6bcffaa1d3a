//! Command lines of three tools, and what they become.

use std::ffi::OsString;

use redistrib_cli::args::{Cli, LabVerb, SourceNames, Verb, parse};
use redistrib_cli::dialect::{heed_environment, translate};
use redistrib_ops::migrate::Atomic;

fn words(line: &str) -> Vec<OsString> {
    line.split_whitespace().map(OsString::from).collect()
}

fn rewritten(line: &str) -> String {
    let translated = translate(words(line)).unwrap_or_else(|error| panic!("{line}: {error:?}"));
    let argv = translated.argv();
    let text: Vec<_> = argv.iter().skip(1).map(|word| word.to_string_lossy()).collect();
    text.join(" ")
}

fn complaint(line: &str) -> String {
    let Err(error) = parse(words(line)) else { panic!("{line} was accepted") };
    assert_eq!(error.exit_code(), 2, "{line}");
    error.text().to_owned()
}

fn parsed(line: &str) -> Cli {
    parse(words(line)).unwrap_or_else(|error| panic!("{line}: {}", error.text()))
}

const ID: &str = "77cf5a47c4aa9cb7bdab63108eb168f2948f493e";

#[test]
fn every_spelling_becomes_ours() {
    for (line, ours) in [
        // redis-trib.rb: options before the arguments or after them.
        ("redis-trib.rb create --replicas 1 h:1 h:2", "create --replicas=1 -- h:1 h:2"),
        ("redis-trib create h:1 h:2 --replicas=1", "create --replicas=1 -- h:1 h:2"),
        ("redis-trib --replicas 1 create h:1", "create --replicas=1 -- h:1"),
        ("redis-trib -a pw check h:1", "check --pass=pw -- h:1"),
        ("redis-trib check -apw h:1", "check --pass=pw -- h:1"),
        (
            "redis-trib add-node --slave --master-id X h:1 h:2",
            "add-node --replica --master-id=X -- h:1 h:2",
        ),
        (
            "redis-trib reshard --from all --to X --slots 5 --yes h:1",
            "reshard --from=all --to=X --slots=5 --yes -- h:1",
        ),
        // Addresses in two words, and of IPv6.
        ("redis-trib check 10.0.0.1 7000", "check -- 10.0.0.1:7000"),
        ("redis-trib check ::1 7000", "check -- [::1]:7000"),
        ("redis-trib check [::1] 7000", "check -- [::1]:7000"),
        ("redis-trib check ::1:7000", "check -- ::1:7000"),
        ("redis-trib set-timeout h:1 7000", "set-timeout -- h:1 7000"),
        ("redis-trib set-timeout h 1 7000", "set-timeout -- h:1 7000"),
        ("redis-trib set-timeout ::1:1 7000", "set-timeout -- ::1:1 7000"),
        ("redis-trib add-node h 1 g 2", "add-node -- h:1 g:2"),
        ("redis-trib create h 1 g 2 i:3", "create -- h:1 g:2 i:3"),
        // redis-trib.py with underscores and with addresses by name.
        ("redis-trib.py add_node --existing-addr c:1 --new-addr n:2", "add-node -- n:2 c:1"),
        ("redis-trib.py del_node --addr c:1", "del-node -- c:1"),
        ("redis-trib.py list --addr c:1", "list -- c:1"),
        (
            "redis-trib.py create --password pw --max-slots 10 h:1",
            "create --pass=pw --max-slots=10 -- h:1",
        ),
        ("redis-trib.py create --max_slots 10 h:1", "create --max-slots=10 -- h:1"),
        ("redis-trib.py start h:1", "start -- h:1"),
        ("redis-trib.py start_multi h:1 h:2", "start-multi -- h:1 h:2"),
        ("redis-trib.py join c:1 n:2", "join -- c:1 n:2"),
        ("redis-trib.py join_no_load c:1 n:2", "join-no-load -- c:1 n:2"),
        ("redis-trib.py replicate m:1 r:2", "replicate -- m:1 r:2"),
        ("redis-trib.py replicate --slave-addr r:2 --master-addr m:1", "replicate -- m:1 r:2"),
        ("redis-trib.py quit c:1", "quit -- c:1"),
        ("redis-trib.py shutdown c:1", "shutdown -- c:1"),
        ("redis-trib.py shutdown --addr c:1", "shutdown -- c:1"),
        ("redis-trib.py migrate_slots s:1 t:2 0 2 4-7", "migrate-slots -- s:1 t:2 0 2 4-7"),
        (
            "redis-trib.py migrate --src-addr s:1 --dst-addr t:2 0 2 4-7",
            "migrate-slots -- s:1 t:2 0 2 4-7",
        ),
        (
            "redis-trib.py rescue --new-addr n:2 --existing-addr c:1 --max-slots 9",
            "rescue --max-slots=9 -- c:1 n:2",
        ),
        // Weights in both fashions.
        (
            "redis-trib.rb rebalance --weight a=1 --weight b=2 --auto-weights h:1",
            "rebalance --weight=a=1 --weight=b=2 --auto-weights -- h:1",
        ),
        (
            "redis-cli --cluster rebalance h:1 --cluster-weight a=1 b=2 --cluster-use-empty-masters",
            "rebalance --weight=a=1 --weight=b=2 --use-empty-masters --no-mend -- h:1",
        ),
        (
            "redis-cli --cluster rebalance --cluster-weight a=1 b=2 h:1 --cluster-simulate",
            "rebalance --weight=a=1 --weight=b=2 --simulate --no-mend -- h:1",
        ),
        (
            "valkey-cli --cluster rebalance h:1 --cluster-use-empty-primaries --cluster-threshold 5",
            "rebalance --use-empty-masters --threshold=5 --no-mend -- h:1",
        ),
        // redis-cli and valkey-cli.
        ("redis-cli --cluster check h:1", "check -- h:1"),
        ("redis-cli --cluster check h 1", "check -- h:1"),
        ("redis-cli -a pw --cluster check h:1", "check --pass=pw -- h:1"),
        ("redis-cli -h h -p 1 --cluster check", "check -- h:1"),
        // Without --tls theirs make nothing of the options of TLS.
        ("redis-cli --cacert f --insecure PING", "exec -- 127.0.0.1:6379 PING"),
        ("valkey-cli --cluster check h:1 --cert f --key g --sni n --cacertdir d", "check -- h:1"),
        ("redis-cli --tls --cacert f PING", "exec --tls --cacert=f -- 127.0.0.1:6379 PING"),
        ("valkey-cli -p 1 --cluster check", "check -- 127.0.0.1:1"),
        (
            "redis-cli --cluster create h:1 h:2 --cluster-replicas 1 --cluster-yes",
            "create --replicas=1 --yes -- h:1 h:2",
        ),
        ("redis-trib --cluster create h:1 --cluster-replicas 1", "create --replicas=1 -- h:1"),
        // Options may stand anywhere, before --cluster too.
        ("redis-cli --cluster-yes --cluster create h:1 h:2", "create --yes -- h:1 h:2"),
        (
            "redis-cli --cluster-replicas 1 -4 --tls --cacert f --cluster create h:1 -4 --user u h:2",
            "create --replicas=1 --tls --cacert=f --user=u -- h:1 h:2",
        ),
        ("redis-cli -a --cluster --cluster check h:1", "check --pass=--cluster -- h:1"),
        ("redis-cli --cluster check -u rediss://u:p@h:1", "check --user=u --pass=p --tls -- h:1"),
        ("redis-cli -s /tmp/s --cluster check", "check -- /tmp/s"),
        (
            "redis-cli --cluster-weight a=1 b=2 --cluster rebalance h:1",
            "rebalance --weight=a=1 --weight=b=2 --no-mend -- h:1",
        ),
        // A command for a server keeps its words.
        (
            "redis-cli --cluster-yes -n 2 ECHO --cluster check",
            "exec --db=2 -- 127.0.0.1:6379 ECHO --cluster check",
        ),
        (
            "redis-cli --json -t 0.5 -4 GET x",
            "exec --plain-json --connect-timeout=500 -- 127.0.0.1:6379 GET x",
        ),
        (
            "valkey-cli --cluster reshard h:1 --cluster-use-atomic-slot-migration",
            "reshard --use-atomic-slot-migration --no-mend --each-slot -- h:1",
        ),
        // Numbers below zero are arguments of call's command.
        (
            "redis-cli --cluster call h:1 LRANGE l 0 -1 --cluster-only-masters",
            "call --only-masters -- h:1 LRANGE l 0 -1",
        ),
        (
            "redis-cli --cluster reshard h:1 --cluster-from X --cluster-to Y --cluster-slots 3 --cluster-pipeline 10 --cluster-timeout 5 --cluster-replace",
            "reshard --from=X --to=Y --slots=3 --pipeline=10 --timeout=5 --replace --no-mend --each-slot -- h:1",
        ),
        (
            "redis-cli --cluster add-node n:1 h:1 --cluster-slave --cluster-master-id X",
            "add-node --replica --master-id=X -- n:1 h:1",
        ),
        (
            "valkey-cli --cluster add-node n:1 h:1 --cluster-replica --cluster-primaries-id X",
            "add-node --replica --master-id=X -- n:1 h:1",
        ),
        (
            "valkey-cli --cluster add-node n:1 h:1 --cluster-replica --cluster-primary-id X",
            "add-node --replica --master-id=X -- n:1 h:1",
        ),
        (
            "redis-cli --cluster check h:1 --cluster-search-multiple-owners --no-auth-warning --verbose -c",
            "check --search-multiple-owners --no-auth-warning -- h:1",
        ),
        ("redis-cli --tls --cacert f --cluster info h:1", "info --tls --cacert=f -- h:1"),
        // An option of another verb means nothing, as to redis-cli.
        ("redis-cli --cluster check h:1 --cluster-replicas 2 --cluster-yes", "check --yes -- h:1"),
        (
            "redis-cli --cluster import h:1 --cluster-from s:2 --cluster-copy --cluster-from-user u --cluster-from-askpass",
            "import --from=s:2 --copy --from-user=u --from-askpass --yes -- h:1",
        ),
        ("redis-trib.py fix --addr c:1", "fix -- c:1"),
        (
            "redis-cli --cluster fix h:1 --cluster-fix-with-unreachable-masters --cluster-search-multiple-owners",
            "fix --fix-with-unreachable-masters --search-multiple-owners --yes -- h:1",
        ),
        (
            "valkey-cli --cluster fix h:1 --cluster-fix-with-unreachable-primaries",
            "fix --fix-with-unreachable-masters --yes -- h:1",
        ),
        // Behind the command's name everything belongs to the command.
        (
            "redis-trib call --only-masters h:1 SET --yes 1",
            "call --only-masters -- h:1 SET --yes 1",
        ),
        ("redis-trib call h 1 config get x", "call -- h:1 config get x"),
        (
            "redis-trib.py execute --master-only --addr h:1 SET -1",
            "call --only-masters -- h:1 SET -1",
        ),
        (
            "redis-cli --cluster call h:1 config get x --cluster-only-replicas",
            "call --only-replicas -- h:1 config get x",
        ),
        (
            "valkey-cli --cluster call h 1 config get x --cluster-only-primaries",
            "call --only-masters -- h:1 config get x",
        ),
        // Labs have verbs of their own.
        ("redis-trib lab up --nodes 3", "lab up --nodes=3"),
        ("redis-trib lab --dir d status", "lab status --dir=d"),
        ("redis-trib help lab up", "lab up --help"),
        ("redis-trib --cluster help", "--help"),
    ] {
        assert_eq!(rewritten(line), ours, "{line}");
        let again = format!("redis-trib {ours}");
        assert_eq!(rewritten(&again), ours, "a line in our dialect stays as it is");
    }
}

#[test]
fn what_is_unknown_is_named_with_the_nearest() {
    for (line, expected) in [
        ("redis-trib chekc h:1", "unknown verb \"chekc\"; the nearest is check"),
        ("redis-trib lab upp", "unknown verb \"upp\"; the nearest is up"),
        (
            "redis-trib reshard --slot 5 h:1",
            "unknown option --slot for reshard; the nearest is --slots",
        ),
        (
            "redis-trib reshard --slot=5 h:1",
            "unknown option --slot for reshard; the nearest is --slots",
        ),
        ("redis-trib reshard -z h:1", "unknown option -z for reshard"),
        ("redis-cli -as3cret ping", "Unrecognized option or bad number of args for: '-a'"),
        ("redis-trib check --weight a=1 h:1", "it is an option of rebalance"),
        (
            "redis-trib exec --vset-recall k h:1",
            "redis-cli's --vset-recall is not to be had here: send VSIM",
        ),
        ("redis-cli --patern x", "for: '--patern'; the nearest is --pattern"),
        ("redis-cli --cluster reshard h:1 --max-paus 5", "the nearest is --max-pause"),
        ("redis-cli --cluster-form X --cluster reshard h:1", "the nearest is --cluster-from"),
        ("redis-trib reshard --cluster-from all h:1", "the nearest is --from"),
        ("redis-trib create h:1 --replica 1", "the nearest is --replicas"),
        (
            "redis-cli --cluster chek h:1",
            "Unknown --cluster subcommand \"chek\"; the nearest is check",
        ),
        ("redis-cli --cluster reshard h:1 --cluster-form X", "the nearest is --cluster-from"),
        ("redis-cli --cluster reshard h:1 --usr X", "the nearest is --user"),
    ] {
        let text = complaint(line);
        assert!(text.contains(expected), "{line}: {text}");
    }
}

#[test]
fn complaints_name_options_as_the_user_spells_them() {
    let id = "0123456789012345678901234567890123456789";
    for (line, told, not_told) in [
        (
            "redis-cli --cluster reshard h:1 --cluster-slots x".to_owned(),
            "'--cluster-slots <",
            "'--slots",
        ),
        (
            format!("redis-trib --cluster add-node h:1 h:2 --cluster-master-id {id}"),
            "--cluster-replica\n",
            "redis-trib add-node",
        ),
        (
            "valkey-cli --cluster call h:1 --cluster-only-primaries --cluster-only-replicas PING"
                .to_owned(),
            "'--cluster-only-primaries' cannot be used with '--cluster-only-replicas'",
            "masters",
        ),
        (
            "redis-cli --cluster fix h:1 --connect-timeout x".to_owned(),
            "'--connect-timeout <",
            "--cluster-c",
        ),
        (
            "redis-trib execute --addr h:1 --master-only --slave-only PING".to_owned(),
            "'--master-only' cannot be used with '--slave-only'",
            "--only-",
        ),
        ("redis-trib reshard h:1 --slots x".to_owned(), "'--slots <", "--cluster-"),
        (
            "redis-cli --tls --cert f PING".to_owned(),
            "Usage: redis-cli [OPTIONS] [cmd [arg [arg ...]]]\n",
            "redis-trib",
        ),
        (
            "valkey-cli --cluster call h:1 --cluster-only-primaries --cluster-only-replicas PING"
                .to_owned(),
            "Usage: valkey-cli --cluster call ",
            "redis-trib",
        ),
    ] {
        let complaint = complaint(&line);
        assert!(complaint.contains(told) && !complaint.contains(not_told), "{line}: {complaint}");
    }
}

#[test]
fn the_version_is_told_whatever_stands_beside_it() {
    for line in
        ["redis-trib --version", "redis-trib --version keyslot foo", "redis-trib keyslot -V"]
    {
        let Err(told) = parse(words(line)) else { panic!("{line} was taken for a command") };
        assert!(told.was_asked_for() && told.text().starts_with("redis-trib "), "{line}");
    }
}

#[test]
fn wrong_use_is_told_before_anything_is_asked() {
    for (line, expected) in [
        ("redis-trib check", "HOST:PORT"),
        ("redis-trib check h:1 h:2", "unexpected argument 'h:2'"),
        ("redis-trib check nowhere", "\"nowhere\" is not an address"),
        ("redis-trib check h:99999", "port from 1 to 65535"),
        ("redis-trib create", "HOST:PORT"),
        ("redis-trib create h:1 --replicas", "option --replicas needs a value"),
        ("redis-trib create h:1 --replicas -1", "--replicas"),
        ("redis-trib create h:1 --yes=1", "option --yes takes no value"),
        ("redis-trib reshard h:1 --slots 0", "0 is not in 1..=16384"),
        ("redis-trib reshard h:1 --slots 16385", "16385 is not in 1..=16384"),
        ("redis-trib reshard h:1 --from ,", "at least one node"),
        ("redis-trib reshard h:1 --timeout 0", "positive number of milliseconds"),
        ("redis-trib rebalance h:1 --weight a", "write NODE=WEIGHT"),
        ("redis-trib rebalance h:1 --weight a=-1", "a number from 0 to"),
        ("redis-trib rebalance h:1 --threshold nan", "percent"),
        ("redis-trib migrate-slots h:1 h:2", "SLOTS"),
        ("redis-trib migrate-slots h:1 h:2 7-4", "7-4"),
        ("redis-trib migrate-slots h:1 h:2 16384", "16384"),
        ("redis-trib check h:1 --cacert f", "--tls"),
        ("redis-trib -i3 keyslot foo", "unknown option --interval for keyslot"),
        ("redis-trib --replace exec h:1 GET foo", "unknown option --replace for exec"),
        ("redis-cli --cluster", "--cluster needs a verb"),
        ("redis-cli --cluster check --cluster-from", "for: '--cluster-from'; it needs a value"),
        ("redis-cli -X", "Unrecognized option or bad number of args for: '-X'"),
        ("redis-cli -x -X tag", "Options -x and -X are mutually exclusive."),
        ("redis-cli -4 -6 PING", "Options -4 and -6 are mutually exclusive."),
        ("redis-cli --vset-recall k", "redis-cli's --vset-recall is not to be had here: "),
        ("redis-cli --mptcp PING", "valkey-cli's --mptcp is not to be had here: "),
        ("redis-cli -n x PING", "invalid value 'x' for '-n <"),
        // Theirs removes no node that was not named.
        ("redis-cli --cluster del-node h:1", "Wrong number of arguments"),
        ("redis-cli --cluster del-node h 1", "Wrong number of arguments"),
    ] {
        let text = complaint(line);
        assert!(text.contains(expected), "{line}: {text}");
    }
}

#[test]
fn help_that_is_asked_for_is_no_error() {
    for line in
        ["redis-trib help", "redis-trib check --help", "redis-trib -h", "redis-trib --version"]
    {
        let answer = parse(words(line)).unwrap_err();
        assert!(answer.was_asked_for(), "{line}");
        assert_eq!(answer.exit_code(), 0, "{line}");
    }
    let nothing = parse(words("redis-trib")).unwrap_err();
    assert_eq!(nothing.exit_code(), 2);
}

#[test]
fn under_its_peers_names_the_program_explains_itself_as_they_do() {
    for name in ["redis-cli", "valkey-cli"] {
        for line in ["--version", "-v", "-p 1 --version", "--cluster check --version"] {
            let told = parse(words(&format!("{name} {line}"))).unwrap_err();
            assert!(told.was_asked_for(), "{name} {line}");
            let mut parts = told.text().split_whitespace();
            assert_eq!(parts.next(), Some(name));
            assert!(parts.next().unwrap().starts_with(|first: char| first.is_ascii_digit()));
        }
        let told = parse(words(&format!("{name} --cluster rebalance --help"))).unwrap_err();
        let masters = if name == "redis-cli" { "masters" } else { "primaries" };
        for expected in [
            format!("Usage: {name} --cluster rebalance [OPTIONS] "),
            format!("--cluster-use-empty-{masters}\n"),
            "      --tls\n".to_owned(),
            format!("  {name} --cluster rebalance 127.0.0.1:7000 --cluster-use-empty-{masters} "),
        ] {
            assert!(told.text().contains(&expected), "{expected}: {}", told.text());
        }
        assert!(told.was_asked_for() && !told.text().contains("redis-trib "), "{}", told.text());
        for line in ["--help", "-h"] {
            let told = parse(words(&format!("{name} {line}"))).unwrap_err();
            assert!(told.was_asked_for(), "{name} {line}");
            let usage =
                format!("\nUsage: {name} [OPTIONS] [cmd [arg [arg ...]]]\n  -h <hostname>      ");
            assert!(told.text().contains(&usage), "{}", told.text());
            for option in
                ["\n  -n <number>", "\n  --json ", "\n  -t <seconds>", "\n  --cluster <verb>"]
            {
                assert!(told.text().contains(option), "{option} in {}", told.text());
            }
            assert!(!told.text().contains("plain-json"), "{}", told.text());
        }
    }
}

#[test]
fn scripts_agree_by_the_environment_in_their_dialect_alone() {
    let heeded = |line: &str, variable: &'static str, value: &'static str| {
        let line = translate(words(line)).unwrap();
        heed_environment(line, |name| (name == variable).then(|| value.into())).has("yes")
    };
    for variable in ["REDISCLI_CLUSTER_YES", "VALKEYCLI_CLUSTER_YES"] {
        assert!(heeded("redis-cli --cluster create h:1", variable, "1"));
        assert!(!heeded("redis-cli --cluster create h:1", variable, "0"));
        assert!(!heeded("redis-trib create h:1", variable, "1"));
        assert!(!heeded("redis-cli PING", variable, "1"));
    }
    assert!(!heeded("redis-cli --cluster create h:1", "HOME", "1"));
}

#[test]
fn values_reach_the_model() {
    let line = format!("redis-trib reshard ::1:7000 --from {ID},{ID} --slots 16384");
    let Verb::Reshard(args) = parsed(&line).verb else { panic!("{line}") };
    assert_eq!(args.seed.node.host(), "::1");
    assert!(matches!(args.from, Some(SourceNames::Nodes(ids)) if ids.len() == 2));
    assert_eq!(args.slots, Some(16384));
    let Verb::Reshard(args) = parsed("redis-trib reshard h:1 --from ALL --from all").verb else {
        panic!("the last of two counts, as in the peers")
    };
    assert_eq!(args.from, Some(SourceNames::All));
}

#[test]
fn valkey_clis_flag_asks_for_atomic_migration() {
    let line = "valkey-cli --cluster reshard h:1 --cluster-use-atomic-slot-migration";
    let Verb::Reshard(args) = parsed(line).verb else { panic!("{line}") };
    assert_eq!(args.migration.options().atomic, Atomic::WhereSafe);
}

#[test]
fn a_value_may_begin_with_a_hyphen() {
    let Verb::Check(args) = parsed("redis-trib check -a -secret- h:1").verb else { panic!() };
    assert_eq!(
        args.report.connect.pass.map(|pass| pass.reveal().to_owned()).as_deref(),
        Some("-secret-")
    );
}

#[test]
fn odd_lines_are_complaints_and_never_panics() {
    let long = "x".repeat(100_000);
    let odd: Vec<Vec<OsString>> = vec![
        vec![],
        vec!["".into()],
        vec!["".into(), "".into()],
        vec!["redis-trib".into(), "-".into()],
        vec!["redis-trib".into(), "--".into()],
        vec!["redis-trib".into(), "--=".into()],
        vec!["redis-trib".into(), format!("--{long}").into()],
        vec!["redis-trib".into(), "check".into(), long.into()],
        vec!["redis-trib".into(), "--cluster".into(), "".into()],
        vec!["redis-cli".into(), "--cluster".into(), "--cluster".into(), "--cluster".into()],
        vec!["redis-trib".into(), "check".into(), "\u{1b}]0;x\u{7}:1".into()],
    ];
    for line in odd {
        assert!(parse(line.clone()).is_err(), "{line:?}");
    }
}

#[cfg(unix)]
#[test]
fn words_that_are_no_text_are_complaints() {
    use std::os::unix::ffi::OsStringExt;
    for bytes in [&b"\xff"[..], b"--\xff", b"-\xff", b"--slots=\xff", b"h\xff:1"] {
        let odd = OsString::from_vec(bytes.to_vec());
        for verb in ["reshard", "\u{e9}"] {
            let line = vec!["redis-trib".into(), verb.into(), odd.clone(), odd.clone()];
            assert!(parse(line).is_err(), "{bytes:?}");
        }
    }
}

#[cfg(unix)]
#[test]
fn paths_may_be_any_bytes_and_read_back() {
    use std::os::unix::ffi::OsStringExt;
    for words in [&[&b"--dir"[..], b"\xff=\xfe"][..], &[b"--dir=\xff=\xfe"]] {
        let words = words.iter().map(|word| OsString::from_vec(word.to_vec()));
        let mut line: Vec<OsString> = ["redis-trib", "lab", "status"].map(Into::into).to_vec();
        line.extend(words);
        for line in [line.clone(), translate(line).unwrap().argv()] {
            let Verb::Lab(args) = parse(line).unwrap().verb else { panic!() };
            let LabVerb::Status(args) = args.verb else { panic!() };
            assert_eq!(args.dir.into_os_string().into_vec(), b"\xff=\xfe");
        }
    }
}
