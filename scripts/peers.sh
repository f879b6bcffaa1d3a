#!/usr/bin/env bash
# Runs redis-cli's own test suites with our program in its place: those of the source package `redis` of the Debian
# release that this machine's sources name (7.0 in Debian 12). The package is fetched and built once, in target/peers;
# nothing is installed. Prints what passed, what failed and what was left out; scripts/peers-left-out says why.
#
#   scripts/peers.sh [cluster|terminal|resharding|replica-migration]...                (default: all)
#
# PROGRAM (environment) is the program to test, target/debug/redis-trib unless set; DEADLINE is what a suite may take, in
# seconds (600).
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
home=$root/target/peers
program=$(readlink -f "${PROGRAM:-${CARGO_TARGET_DIR:-$root/target}/debug/redis-trib}")
deadline=${DEADLINE:-600}
left_out=$root/scripts/peers-left-out
all=(cluster terminal resharding replica-migration)
# shellcheck source=scripts/debian.sh
. "$root/scripts/debian.sh"

say() { printf 'peers: %s\n' "$*"; }
die() { say "$*" >&2; exit 1; }

# The machine's sources, as sources of source packages.
write_sources() {
    local list
    list=$(debian_sources)
    if [ -n "$list" ]; then
        sed 's/^Types:.*/Types: deb-src/' "$list" >"$1.sources"
        echo "$1.sources"
    else
        cat /etc/apt/sources.list /etc/apt/sources.list.d/*.list 2>/dev/null | sed -n 's/^deb /deb-src /p' >"$1.list"
        echo "$1.list"
    fi
}

# Tcl comes along, so that it need not be installed; the suites look for it under this name.
fetch_tcl() {
    local work=$1
    mkdir -p "$work/bin"
    unpack_debian "$work" "" tcl8.6 libtcl8.6
    cat >"$work/bin/tclsh8.6" <<'WRAPPER'
#!/bin/sh
root=$(dirname "$(dirname "$(readlink -f "$0")")")/root/usr
export LD_LIBRARY_PATH="$root/lib/x86_64-linux-gnu${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}"
export TCL_LIBRARY="$root/share/tcltk/tcl8.6"
exec "$root/bin/tclsh8.6" "$@"
WRAPPER
    chmod 755 "$work/bin/tclsh8.6"
}

# Builds beside the place and renames at the end: a broken-off run leaves no half build.
fetch() {
    local work
    say "fetching and building the source package redis"
    mkdir -p "$root/target"
    work=$(mktemp -d "$root/target/.peers.XXXXXX")
    # shellcheck disable=SC2064 # the folder of now
    trap "rm -rf '$work'" EXIT
    fetch_tcl "$work/tcl"
    mkdir "$work/source"
    use_debian "$work/source" "$(write_sources "$work/source/list")"
    from_debian "$work/source" source --download-only redis
    mkdir "$work/redis"
    tar -xzf "$work"/source/debs/redis_*.orig.tar.gz -C "$work/redis" --strip-components 1
    make -s -C "$work/redis/src" -j"$(nproc)" MALLOC=libc redis-server redis-sentinel redis-benchmark redis-check-rdb \
        redis-check-aof >"$work/source/log" 2>&1 || { tail -20 "$work/source/log" >&2; die "redis could not be built"; }
    rm -rf "$work/source" "$work/tcl/lists" "$work/tcl/cache" "$work/tcl/debs"
    mv -T "$work" "$home"
    trap - EXIT
}

# The command of a suite. Where tests hang, one kind of suites names the test itself, if it is let to.
options=(--clients 1 --skipfile "$home/skip" --timeout "$deadline")
command_of() {
    case $1 in
    cluster) echo ./runtest "${options[@]}" --single unit/cluster ;;
    terminal) echo ./runtest "${options[@]}" --single integration/redis-cli ;;
    resharding) echo ./runtest-cluster --single 04-resharding ;;
    replica-migration) echo ./runtest-cluster --single 12 ;;
    *) die "no suite named '$1'; there are: ${all[*]}" ;;
    esac
}

# What became of each test in a suite's output: `ok`, `failed` or `left out`, a tab, the test's name. The two kinds of
# suites tell it differently; the last test of one that was ended by the deadline has no result.
results() {
    sed 's/\x1b\[[0-9;]*m//g' "$1" | awk -v RS='\n' '
        function tell(result) { if (name != "") print result "\t" name; name = "" }
        /^\[ok\]: /        { sub(/ \([0-9]+ ms\)$/, ""); print "ok\t" substr($0, 7) }
        /^\[(err|exception)\]: / { sub(/^\[[a-z]+\]: /, ""); sub(/ in tests\/.*/, ""); print "failed\t" $0 }
        /^sock.* => \(IN PROGRESS\) / { sub(/^.*\(IN PROGRESS\) /, ""); print "failed\t" $0 }
        /^\[skip\]: /      { print "left out\t" substr($0, 9) }
        /^[0-9:]+> /        { tell("failed"); name = $0; sub(/^[0-9:]+> /, "", name); sub(/: .*/, "", name) }
        /(^|: |\.|W)OK$/    { tell("ok") }
        /FAILED: /          { tell("failed") }
        END                 { tell("failed") }'
}

# run SUITE  prints the results; fails where a test or the suite itself has failed.
run() {
    local suite=$1 log=$home/$1.log code=0 name failed=0 passed
    local command
    command=$(command_of "$suite")
    SECONDS=0
    # A process group of its own: what a suite leaves running ends with it.
    set -m
    # shellcheck disable=SC2086 # words without spaces
    (cd "$home/redis" && PATH=$home/tcl/bin:$PATH exec timeout --foreground --kill-after 10 $((deadline + 30)) $command) \
        >"$log" 2>&1 </dev/null &
    set +m
    wait $! || code=$?
    kill -- -$! 2>/dev/null || true
    results "$log" >"$log.results"
    while IFS= read -r name; do
        say "$suite: FAILED: $name"
        failed=1
    done < <(sed -n 's/^failed\t//p' "$log.results" | sort -u)
    while IFS= read -r name; do
        say "$suite: left out: $name ($(reason "$name"))"
    done < <(sed -n 's/^left out\t//p' "$log.results")
    [ "$code" != 124 ] || say "$suite: FAILED: it was ended after $((deadline + 30)) s"
    passed=$(grep -c '^ok' "$log.results") || true
    say "$suite: $passed passed in $SECONDS s, exit code $code, log in ${log#"$root/"}"
    [ "$code" = 0 ] && [ "$failed" = 0 ] && [ "$passed" -gt 0 ]
}

reason() { awk -F '\t' -v name="$1" '$1 == name { print $2 }' "$left_out"; }

[ -d "$home" ] || fetch
[ -x "$program" ] || die "$program is not there: build it first"
ln -sf "$program" "$home/redis/src/redis-cli"
grep -v '^#' "$left_out" | cut -f 1 >"$home/skip" || true
well=true
for suite in "${@:-${all[@]}}"; do run "$suite" || well=false; done
$well
