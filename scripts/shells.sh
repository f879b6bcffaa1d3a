#!/usr/bin/env bash
# Fetches the shells whose completions are tested beside bash's, zsh and fish, from Debian's packages, and puts each where
# DESTINATION/bin/<shell> starts it. What is already there is left alone; nothing is installed on the machine.
#
# DESTINATION (environment) is target/shells unless set.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
destination=${DESTINATION:-$root/target/shells}

# shellcheck source=scripts/debian.sh
. "$root/scripts/debian.sh"

say() { printf 'shells: %s\n' "$*" >&2; }
die() { say "$*"; exit 1; }

# wrapper LINE...  starts a shell with the libraries that came with it.
wrapper() {
    cat <<'WRAPPER'
#!/bin/sh
here=$(dirname "$(dirname "$(readlink -f "$0")")")/root
export LD_LIBRARY_PATH="$here/usr/lib/x86_64-linux-gnu:$here/lib/x86_64-linux-gnu"
WRAPPER
    printf '%s\n' "$@"
}

for shell in zsh fish; do [ -x "$destination/bin/$shell" ] || missing=yes; done
[ -n "${missing:-}" ] || exit 0

say "fetching zsh and fish"
mkdir -p "$(dirname "$destination")"
work=$(mktemp -d "$destination.XXXXXX")
trap 'rm -rf "$work"' EXIT
unpack_debian "$work" "" zsh zsh-common fish fish-common libpcre2-32-0 libtinfo6
# fish looks for its files beside itself.
ln -s ../etc "$work/root/usr/etc"
mkdir -p "$work/tree/bin"
mv "$work/root" "$work/tree/root"
# shellcheck disable=SC2016 # the wrapper expands them
{
    wrapper 'export ZSH_MODULES=$(echo "$here"/usr/lib/x86_64-linux-gnu/zsh/*)' \
        'export FPATH=$(find "$here/usr/share/zsh/functions" -type d | paste -sd :)' \
        'exec "$here/bin/zsh" "$@"' >"$work/tree/bin/zsh"
    wrapper 'exec "$here/usr/bin/fish" "$@"' >"$work/tree/bin/fish"
}
chmod 755 "$work/tree" "$work"/tree/bin/*
for shell in zsh fish; do
    answer=$("$work/tree/bin/$shell" --version 2>&1) || die "$shell does not run here: $answer"
    say "$shell is ready ($answer)"
done
rm -rf "$destination"
mv -T "$work/tree" "$destination"
