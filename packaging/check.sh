#!/usr/bin/env bash
# Tries what packaging/dist.sh has built as its users would: the wheel in a fresh environment of Python, the Debian package
# unpacked into a folder, the tarball unpacked; each without anything of this machine's PATH.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
dist=$root/target/dist
version=$(sed -n 's/^version = "\(.*\)"/\1/p' "$root/Cargo.toml")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

die() { printf 'dist: %s\n' "$*" >&2; exit 1; }

# try FOLDER  runs both names of the program in FOLDER, which is all of its PATH.
try() {
    local folder=$1 name code=0 answer
    for name in redis-trib redis-trib.py; do
        answer=$(env -i PATH="$folder" "$name" --version) || die "$folder/$name does not run"
        [ "$answer" = "redis-trib $version" ] || die "$folder/$name calls itself $answer"
    done
    answer=$(env -i PATH="$folder" redis-trib.py keyslot foo)
    [[ $answer == *12182* ]] || die "$folder: keyslot foo is $answer"
    # A name goes through the system's resolver; nobody listens at the port.
    answer=$(env -i PATH="$folder" redis-trib check localhost:1 2>&1) || code=$?
    [ "$code" = 1 ] && [[ $answer == *[Rr]efused* ]] || die "$folder: check of nobody ends with $code: $answer"
}

# needs_no_newer PROGRAM  tells whether it runs with glibc 2.17.
needs_no_newer() {
    local newest
    newest=$(objdump -T "$1" | sed -n 's/.*GLIBC_\([0-9.]*\).*/\1/p' | sort -uV | tail -n 1)
    [ "$(printf '%s\n' "$newest" 2.17 | sort -V | tail -n 1)" = 2.17 ] || die "$1 needs glibc $newest"
}

python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check --no-index "$dist"/redis_trib-*.whl
try "$work/venv/bin"

dpkg-deb -x "$dist"/redis-trib_*.deb "$work/deb"
try "$work/deb/usr/bin"
needs_no_newer "$work/deb/usr/bin/redis-trib"
[ -s "$work/deb/usr/share/man/man1/redis-trib-reshard.1.gz" ] || die "the package has no page of reshard"
bash -c '. "$1" && complete -p redis-trib' - "$work/deb/usr/share/bash-completion/completions/redis-trib" >/dev/null ||
    die "the package's completions are no bash script"

mkdir "$work/tarball"
tar -xf "$dist"/redis-trib-*.tar.gz -C "$work/tarball" --strip-components 1
try "$work/tarball"
for file in README.md LICENSE-MIT LICENSE-APACHE man/redis-trib.1 completions/redis-cli.zsh; do
    [ -s "$work/tarball/$file" ] || die "the tarball has no $file"
done
(cd "$dist" && sha256sum --quiet --check SHA256SUMS)
printf 'dist: wheel, package and tarball of %s install and run\n' "$version"
