//! Command lines of redis-cli as a terminal, and what they become.

use std::ffi::OsString;

use redistrib_cli::args::parse;
use redistrib_cli::dialect::translate;

fn words(line: &str) -> Vec<OsString> {
    line.split_whitespace().map(OsString::from).collect()
}

fn rewritten(line: &str) -> String {
    let translated = translate(words(line)).unwrap_or_else(|error| panic!("{line}: {error:?}"));
    let argv = translated.argv();
    parse(argv.clone()).unwrap_or_else(|error| panic!("{line}: {}", error.text()));
    let text: Vec<_> = argv.iter().skip(1).map(|word| word.to_string_lossy()).collect();
    text.join(" ")
}

#[test]
fn options_end_where_the_command_begins() {
    for (line, ours) in [
        ("redis-cli", "exec -- 127.0.0.1:6379"),
        ("redis-cli -p 7000 -c", "exec --follow -- 127.0.0.1:7000"),
        ("/usr/bin/valkey-cli -h ::1 get foo", "exec --as=valkey-cli -- ::1:6379 get foo"),
        (
            "redis-cli --slave -t 0",
            "exec --as-replica --connect-timeout=31536000000 -- 127.0.0.1:6379",
        ),
        ("redis-cli -n 2 set k -c --cluster", "exec --db=2 -- 127.0.0.1:6379 set k -c --cluster"),
        ("redis-cli -a pw --user bob ping", "exec --pass=pw --user=bob -- 127.0.0.1:6379 ping"),
        ("redis-cli -r -1 -i 0.1 ping", "exec --repeat=-1 --interval=0.1 -- 127.0.0.1:6379 ping"),
        ("redis-cli -x set k", "exec --stdin-last -- 127.0.0.1:6379 set k"),
        ("redis-cli -X T set T v", "exec --stdin-tag=T -- 127.0.0.1:6379 set T v"),
        ("redis-cli --json -3 hgetall h", "exec --plain-json --resp3 -- 127.0.0.1:6379 hgetall h"),
        (
            "redis-cli -d , -D ; --raw get k",
            "exec --element-delimiter=, --reply-delimiter=; --raw -- 127.0.0.1:6379 get k",
        ),
        ("redis-cli --scan --pattern a*", "exec --scan --pattern=a* -- 127.0.0.1:6379"),
        ("redis-cli --eval f k , a", "exec --eval=f -- 127.0.0.1:6379 k , a"),
        ("redis-cli -s /tmp/r.sock ping", "exec --socket=/tmp/r.sock -- 127.0.0.1:6379 ping"),
        (
            "redis-cli -t 1.5 --tls-ciphers X ping",
            "exec --connect-timeout=1500 -- 127.0.0.1:6379 ping",
        ),
        (
            "redis-cli -u rediss://bob:pw@h:7000/3 ping",
            "exec --user=bob --pass=pw --db=3 --tls -- h:7000 ping",
        ),
        ("redis-cli -h h --cluster check", "check -- h:6379"),
        ("redis-trib exec -c h:1 get -c", "exec --follow -- h:1 get -c"),
        ("redis-trib exec --all-masters h 1 dbsize", "exec --all-masters -- h:1 dbsize"),
        ("redis-trib shell h:1 -c", "shell --follow -- h:1"),
        ("redis-trib keyslot a b", "keyslot -- a b"),
    ] {
        assert_eq!(rewritten(line), ours, "{line}");
    }
}

#[test]
fn wrong_use_is_told() {
    for (line, word) in [
        ("redis-cli --bogus", "--bogus"),
        ("redis-cli --quoted-imput x", "the nearest is --quoted-input"),
        ("redis-cli -p", "needs a value"),
        ("redis-cli -p 0 ping", "not an address"),
        ("redis-cli -2 -3 ping", "Options -2 and -3 are mutually exclusive."),
        ("redis-cli --rdma", "not to be had"),
        ("redis-cli -u http://h ping", "Invalid URI scheme"),
        ("redis-cli -i x ping", "number of seconds"),
        ("redis-trib exec", "HOST:PORT"),
    ] {
        let Err(error) = parse(words(line)) else { panic!("{line} was accepted") };
        assert!(error.text().contains(word), "{line}: {}", error.text());
        assert_eq!(error.exit_code(), 2, "{line}");
    }
}
