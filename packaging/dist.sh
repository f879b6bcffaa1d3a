#!/usr/bin/env bash
# Builds what a release hands out, into target/dist: a Python wheel, a tarball and a Debian package, all with one program,
# which is linked for glibc 2.17 (zig does that), so that it runs on every x86_64 Linux with glibc from 2014 on.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$root"
target=x86_64-unknown-linux-gnu
tools=$root/target/tools/python
dist=$root/target/dist
version=$(sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml)

say() { printf 'dist: %s\n' "$*" >&2; }
die() { say "$*"; exit 1; }

[ "$(uname -sm)" = "Linux x86_64" ] || die "this packs for x86_64 Linux, on x86_64 Linux"
if ! "$tools/bin/maturin" --version >/dev/null 2>&1; then
    say "fetching maturin and zig into target/tools"
    python3 -m venv "$tools"
    "$tools/bin/pip" install --quiet --disable-pip-version-check --requirement packaging/requirements.txt
fi

rm -rf "$dist"
mkdir -p "$dist"
work=$(mktemp -d "$root/target/dist.XXXXXX")
trap 'rm -rf "$work"' EXIT

# wheel  builds the program, too.
wheel() {
    PATH=$tools/bin:$PATH maturin build --quiet --release --zig --compatibility manylinux2014 --target "$target" --out "$dist"
    program=${CARGO_TARGET_DIR:-$root/target}/$target/release/redis-trib
}

# generated  has the program write its man pages and completions into WORK.
generated() {
    "$program" man --all "$work/man"
    mkdir -p "$work/completions"
    local name shell
    for name in redis-trib redis-cli valkey-cli; do
        for shell in bash zsh fish; do
            "$program" completions "$shell" --name "$name" >"$work/completions/$name.$shell"
        done
    done
}

tarball() {
    local name=redis-trib-$version-x86_64-linux
    local tree=$work/$name
    mkdir -p "$tree"
    install -s -m 755 "$program" "$tree/redis-trib"
    ln -s redis-trib "$tree/redis-trib.py"
    cp -r README.md CHANGELOG.md LICENSE-APACHE LICENSE-MIT docs "$work/man" "$work/completions" "$tree/"
    tar --create --gzip --owner 0 --group 0 --file "$dist/$name.tar.gz" --directory "$work" "$name"
}

# deb  leaves out the completions of redis-cli, which the packages of its own name may bring.
deb() {
    local tree=$work/deb
    local share=$tree/usr/share
    install -D -s -m 755 "$program" "$tree/usr/bin/redis-trib"
    ln -s redis-trib "$tree/usr/bin/redis-trib.py"
    install -D -m 644 -t "$share/man/man1" "$work"/man/*.1
    gzip -9n "$share"/man/man1/*.1
    install -D -m 644 "$work/completions/redis-trib.bash" "$share/bash-completion/completions/redis-trib"
    install -D -m 644 "$work/completions/redis-trib.zsh" "$share/zsh/vendor-completions/_redis-trib"
    install -D -m 644 "$work/completions/redis-trib.fish" "$share/fish/vendor_completions.d/redis-trib.fish"
    install -D -m 644 -t "$share/doc/redis-trib" README.md CHANGELOG.md docs/*.md
    { echo "Either of the two licences, as you choose."; echo; cat LICENSE-MIT; echo; cat LICENSE-APACHE; } \
        >"$share/doc/redis-trib/copyright"
    mkdir -p "$tree/DEBIAN"
    sed "s/@VERSION@/$version/; s/@SIZE@/$(du -sk "$tree/usr" | cut -f 1)/" packaging/control >"$tree/DEBIAN/control"
    dpkg-deb --root-owner-group --build "$tree" "$dist" >/dev/null
}

wheel
generated
tarball
deb
say "in ${dist#"$root/"}:"
(cd "$dist" && sha256sum -- * >"$work/sums")
mv "$work/sums" "$dist/SHA256SUMS"
cat "$dist/SHA256SUMS" >&2
