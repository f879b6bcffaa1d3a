#!/usr/bin/env bash
# Runs the test suites of redis-cli and valkey-cli with our program in their place: those of the source packages of
# the Debian release that this machine's sources name (Redis 7.0 in Debian 12) and of Debian's unstable suite (Redis 8.0
# and Valkey 9.1). The packages are fetched and built once, in target/peers; nothing is installed. Prints what passed,
# what failed and what was left out; scripts/peers-left-out says why.
#
#   scripts/peers.sh [PEER|PEER/SUITE]...                                              (default: all)
#
# PEER is redis-7.0, redis-8.0 or valkey-9.1; SUITE is cluster, terminal, networking, modules, resharding or
# replica-migration, and for Valkey half-migrated-slot or many-slots (Redis has disabled these two itself).
#
# PROGRAM (environment) is the program to test, target/debug/redis-trib unless set; DEADLINE is what a suite may take, in
# seconds (600). The peer's own client is kept as src/own-cli of its tree: with that as PROGRAM one sees what it does.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
home=$root/target/peers
program=$(readlink -f "${PROGRAM:-${CARGO_TARGET_DIR:-$root/target}/debug/redis-trib}")
deadline=${DEADLINE:-600}
left_out=$root/scripts/peers-left-out
peers=(redis-7.0 redis-8.0 valkey-9.1)
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

# The list of sources that has a peer's package.
sources_of() {
    case $1 in
    redis-7.0) write_sources "$2" ;;
    *)
        unstable_source deb-src >"$2.list"
        echo "$2.list"
        ;;
    esac
}

# in_place WORK NAME  renames a finished folder: a broken-off run leaves no half build.
in_place() {
    mv -T "$1" "$home/$2"
    trap - EXIT
}

# fetch_tcl WORK  Tcl comes along, so that it need not be installed; the suites look for it under this name.
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
    rm -rf "$work/lists" "$work/cache" "$work/debs"
    in_place "$work" tcl
}

# fetch_peer WORK PEER  builds what the suites call, and keeps the peer's own client as src/own-cli.
fetch_peer() {
    local work=$1 peer=$2 name=${2%-*} tarball
    mkdir "$work/source" "$work/tree"
    use_debian "$work/source" "$(sources_of "$peer" "$work/source/sources")"
    from_debian "$work/source" source --download-only "$name"
    tarball=$(echo "$work"/source/debs/"${name}"_*.orig.tar.gz)
    [[ $tarball == */"${name}_${peer##*-}".* ]] ||
        die "the archive has $(basename "$tarball") where $peer is looked for"
    tar -xzf "$tarball" -C "$work/tree" --strip-components 1
    {
        # Optimised to the full, a build takes three times as long.
        make -s -C "$work/tree/src" -j"$(nproc)" MALLOC=libc OPTIMIZATION=-O1 \
            "$name"-{server,sentinel,cli,benchmark,check-rdb,check-aof} &&
            mv "$work/tree/src/$name-cli" "$work/tree/src/own-cli" &&
            modules_of "$work/tree" | xargs make -s -C "$work/tree/tests/modules"
    } >"$work/source/log" 2>&1 || { tail -20 "$work/source/log" >&2; die "$peer could not be built"; }
    in_place "$work/tree" "$peer"
    rm -rf "$work"
}

# The modules that a tree's test of modules in a cluster loads.
modules_of() { sed -n 's:.*tests/modules/\([a-z_]*\.so\).*:\1:p' "$1/tests/unit/moduleapi/cluster.tcl" | sort -u; }

# fetch WHAT FUNCTION  does so unless it is there. Runs in a subshell, for the sake of its trap.
fetch() {
    [ ! -d "$home/$1" ] || return 0
    say "fetching $1"
    mkdir -p "$home"
    work=$(mktemp -d "$home/.$1.XXXXXX")
    trap 'rm -rf "$work"' EXIT
    "$2" "$work" "$1"
}

suites_of() {
    echo cluster terminal networking modules resharding replica-migration
    [[ $1 != valkey-* ]] || echo half-migrated-slot many-slots
}

# The command of a suite. Where tests hang, one kind of suites names the test itself, if it is let to.
options=(--clients 1 --skipfile "$home/skip" --timeout "$deadline")
command_of() {
    local single
    case $1/$2 in
    */terminal) single=integration/${1%-*}-cli ;;
    */networking) single=unit/networking ;;
    */modules) single=unit/moduleapi/cluster ;;
    redis-7.0/cluster) single=unit/cluster ;;
    */cluster) single=unit/cluster/cli ;;
    redis-*/resharding) single=04-resharding ;;
    redis-*/replica-migration) single=12 ;;
    */many-slots) single=unit/cluster/many-slot-migration ;;
    */replica-migration) single="unit/cluster/replica-migration --single unit/cluster/replica-migration-slow" ;;
    *) single=unit/cluster/$2 ;;
    esac
    case $single in
    */*) echo "./runtest ${options[*]} --single $single" ;;
    *) echo "./runtest-cluster --single $single" ;;
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

# run PEER SUITE  prints the results; fails where a test or the suite itself has failed.
run() {
    local peer=$1 suite=$1/$2 log=$home/$1-$2.log code=0 name failed=0 passed
    local command
    command=$(command_of "$peer" "$2")
    names_left_out "$peer" >"$home/skip"
    ln -sf "$program" "$home/$peer/src/${peer%-*}-cli"
    SECONDS=0
    # A process group of its own: what a suite leaves running ends with it.
    set -m
    # shellcheck disable=SC2086 # words without spaces
    (cd "$home/$peer" && PATH=$home/tcl/bin:$PATH exec timeout --foreground --kill-after 10 $((deadline + 30)) $command) \
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
        say "$suite: left out: $name ($(reason "$peer" "$name"))"
    done < <(sed -n 's/^left out\t//p' "$log.results")
    [ "$code" != 124 ] || say "$suite: FAILED: it was ended after $((deadline + 30)) s"
    passed=$(grep -c '^ok' "$log.results") || true
    say "$suite: $passed passed in $SECONDS s, exit code $code, log in ${log#"$root/"}"
    [ "$code" = 0 ] && [ "$failed" = 0 ] && [ "$passed" -gt 0 ]
}

names_left_out() { awk -F '\t' -v peer="$1" '$1 == peer { print $2 }' "$left_out"; }
reason() { awk -F '\t' -v peer="$1" -v name="$2" '$1 == peer && $2 == name { print $3 }' "$left_out"; }

[ -x "$program" ] || die "$program is not there: build it first"
# What is wanted, as PEER/SUITE.
wanted=()
for name in "${@:-${peers[@]}}"; do
    peer=${name%%/*}
    [[ " ${peers[*]} " == *" $peer "* ]] || die "no peer named '$peer'; there are: ${peers[*]}"
    # shellcheck disable=SC2207 # words without spaces
    suites=($(suites_of "$peer"))
    if [ "$name" = "$peer" ]; then
        wanted+=("${suites[@]/#/$peer/}")
    else
        [[ " ${suites[*]} " == *" ${name#*/} "* ]] || die "$peer has no suite '${name#*/}'; it has: ${suites[*]}"
        wanted+=("$name")
    fi
done
(fetch tcl fetch_tcl)
for name in "${wanted[@]}"; do (fetch "${name%%/*}" fetch_peer); done
well=true
for name in "${wanted[@]}"; do run "${name%%/*}" "${name#*/}" || well=false; done
$well
