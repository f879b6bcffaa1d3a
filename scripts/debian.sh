# How the scripts beside this one ask Debian's archive: through apt-get, with lists and a cache of their own, so that no
# root is needed and the machine's stale lists don't matter. To be sourced by a script that has `die`.

# The file with the machine's own sources of Debian's packages, if there is one.
debian_sources() {
    local list=/etc/apt/sources.list.d/debian.sources
    [ ! -f "$list" ] || echo "$list"
}

# use_debian WORK [LIST]  sets the array `apt` to the command that works in WORK, with the sources in the file LIST or with
# the machine's own, and fetches the lists.
use_debian() {
    local work=$1 list=${2:-$(debian_sources)}
    command -v apt-get >/dev/null || die "this comes from Debian's packages: apt-get is not here"
    mkdir -p "$work"/{lists/partial,cache/archives/partial}
    apt=(apt-get -qq -o "Dir::State::Lists=$work/lists" -o "Dir::Cache=$work/cache" -o APT::Sandbox::User=root)
    [ -z "$list" ] || apt+=(-o "Dir::Etc::SourceList=$list" -o Dir::Etc::SourceParts=-)
    # A source that cannot be reached may not be the one that matters: the download decides.
    "${apt[@]}" update >"$work/log" 2>&1 || true
}

# unstable_source TYPE  the line of a list of sources (TYPE deb or deb-src) for Debian's unstable suite, from where the
# machine's own packages come.
unstable_source() {
    local uri keyring=/usr/share/keyrings/debian-archive-keyring.gpg
    uri=$(sed -n 's/^URIs: *//p; s/^deb \(\[[^]]*\] \)\?\([^ ]*\) .*/\2/p' /etc/apt/sources.list \
        /etc/apt/sources.list.d/* 2>/dev/null | grep -m1 '/debian/*$') || true
    [ -n "$uri" ] || die "no source of Debian's packages is known to apt-get here"
    echo "$1 [signed-by=$keyring] $uri sid main"
}

# from_debian WORK APT-ARGUMENT...  lets that `apt` work in WORK, in the folder debs.
from_debian() {
    local work=$1
    shift
    mkdir -p "$work/debs"
    (cd "$work/debs" && "${apt[@]}" "$@" >>"$work/log" 2>&1) ||
        { cat "$work/log" >&2; die "apt-get could not $*"; }
}

# unpack_debian WORK LIST PACKAGE...  unpacks packages into WORK/root. LIST is a file of sources, or empty for the
# machine's own.
unpack_debian() {
    local work=$1 package
    use_debian "$work" "$2"
    shift 2
    mkdir -p "$work/root"
    from_debian "$work" download "$@"
    for package in "$work"/debs/*.deb; do dpkg-deb -x "$package" "$work/root"; done
}
