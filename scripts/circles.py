#!/usr/bin/env python3
"""Shows circles of files in crates/ops, and arrows from a lower room to a higher one, as their paths of use tell.

A file may use the modules that it lies in, and these use it: parent and child are one thing in two files.
"""

import re
import sys
from pathlib import Path

SOURCES = Path(__file__).parent.parent / "crates/ops/src"
# From the ground up: a room uses those before it alone.
ROOMS = "base net commands cluster lock migrate operations watch client transfer fleet lab restore bench".split()

USE = re.compile(r"^\s*(?:pub(?:\([^)]*\))?\s+)?use\s+([^;]+);", re.M)
PATH = re.compile(r"\b(?:crate|super)(?:::\w+)+")


def read():
    """The text of every module, by its path; comments and tests left out."""
    modules = {}
    for file in SOURCES.rglob("*.rs"):
        path = file.relative_to(SOURCES).with_suffix("").parts
        path = path[:-1] if path[-1] in ("mod", "lib") else path
        text = re.sub(r"//.*", "", file.read_text())
        modules[path] = re.split(r"#\[cfg\(test\)\]\s*(?:#\[.*?\]\s*)?mod ", text)[0]
    return modules


def split(tree):
    """The paths of a `use`, each with the name that it has from there on."""
    head, brace, rest = tree.partition("{")
    if not brace:
        path, _, alias = tree.partition(" as ")
        parts = path.strip().removesuffix("::self").split("::")
        return [(parts, alias.strip() or parts[-1])]
    found, depth, start = [], 0, 0
    inner = rest[: rest.rindex("}")] + ","
    for at, char in enumerate(inner):
        depth += (char == "{") - (char == "}")
        if char == "," and depth == 0:
            part, start = inner[start:at].strip(), at + 1
            found += [(head.strip().split("::")[:-1] + p, n) for p, n in split(part)] if part else []
    return found


def resolve(modules, names, here, path, seen=()):
    """The modules that a path leads to, through what others hand on."""
    if (here, tuple(path)) in seen:
        return set()
    seen = (*seen, (here, tuple(path)))
    at, rest = here, list(path)
    while rest and rest[0] in ("crate", "self", "super"):
        word = rest.pop(0)
        at = () if word == "crate" else at[:-1] if word == "super" else at
    while rest and (*at, rest[0]) in modules:
        at = (*at, rest.pop(0))
    if rest and (handed := [p for p, name in names[at] if name == rest[0]]):
        return set().union(*(resolve(modules, names, at, p + rest[1:], seen) for p in handed))
    return {at}


def circles(edges):
    """The groups of nodes that reach each other."""
    reach = {node: set(next_) for node, next_ in edges.items()}
    for middle in reach:
        for node in reach:
            if middle in reach[node]:
                reach[node] |= reach[middle]
    groups = {frozenset(o for o in reach[n] if n in reach[o]) for n in reach if n in reach[n]}
    return sorted(sorted(group) for group in groups)


def main():
    modules = read()
    names, edges, wrong = {}, {module: set() for module in modules}, []
    for module, text in modules.items():
        uses = [pair for tree in USE.findall(text) for pair in split(" ".join(tree.split()))]
        local = [(p, n) for p, n in uses if p[0] in ("crate", "self", "super") or (*module, p[0]) in modules]
        names[module] = local
    for module, text in modules.items():
        paths = [p for p, _ in names[module]] + [p.split("::") for p in PATH.findall(text)]
        for path in paths:
            for to in resolve(modules, names, module, path):
                if to[: len(module)] != module and module[: len(to)] != to:
                    edges[module].add(to)
    for group in circles(edges):
        wrong.append("a circle: " + ", ".join("/".join(module) for module in group))
    for module, tos in edges.items():
        for to in sorted(tos):
            if module[0] != to[0] and ROOMS.index(module[0]) < ROOMS.index(to[0]):
                wrong.append(f"an arrow upwards: {'/'.join(module)} uses {'/'.join(to)}")
    print("\n".join(wrong) or f"{len(modules)} files in {len(ROOMS)} rooms, no circle, no arrow upwards")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
