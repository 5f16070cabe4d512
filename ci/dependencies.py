#!/usr/bin/env python3
"""Checks the crates that this tree depends on by deny.toml: licences, sources, bans.

A part of what `cargo deny check licenses sources bans` checks, for machines without it.
"""

import json
import pathlib
import re
import subprocess
import sys
import tomllib
from collections import defaultdict

CRATES_IO = "registry+https://github.com/rust-lang/crates.io-index"
ROOT = pathlib.Path(__file__).resolve().parent.parent


def is_allowed(expression, allowed):
    """Whether an SPDX expression can be met by these licences."""
    # A slash is an older form of OR.
    words = re.findall(r"[()]|[^\s()/]+|/", expression)
    terms, at = [], 0
    while at < len(words):
        word = words[at]
        if word in "()":
            terms.append(word)
        elif word in ("AND", "OR", "/"):
            terms.append("and" if word == "AND" else "or")
        elif at + 2 < len(words) and words[at + 1] == "WITH":
            terms.append(str(" ".join(words[at : at + 3]) in allowed))
            at += 2
        else:
            terms.append(str(word in allowed))
        at += 1
    # Only brackets, and, or, True and False are left.
    return eval(" ".join(terms), {"__builtins__": {}})


def matches(rule, package):
    version = rule.get("version", "")
    return rule["name"] == package["name"] and (package["version"] + ".").startswith(version + "." if version else "")


def faults(packages, rules):
    allowed = set(rules["licenses"]["allow"])
    bans = rules["bans"]
    versions = defaultdict(set)
    for package in packages:
        name = f"{package['name']} {package['version']}"
        if not package["license"]:
            yield f"{name} says no licence"
        elif not is_allowed(package["license"], allowed):
            yield f"{name} has the licence {package['license']}, which deny.toml does not allow"
        if package["source"] not in (None, CRATES_IO):
            yield f"{name} comes from {package['source']}"
        if any(matches(rule, package) for rule in bans["deny"]):
            yield f"{name} is banned"
        if not any(matches(rule, package) for rule in bans["skip"]):
            versions[package["name"]].add(package["version"])
        for dependency in package["dependencies"] if package["source"] is None else []:
            if dependency["req"] == "*" and not dependency.get("path"):
                yield f"{name} takes every version of {dependency['name']}"
    for name, several in versions.items():
        if len(several) > 1:
            yield f"{name} is there in several versions: {', '.join(sorted(several))}"


def check_own_rules():
    allowed = {"MIT", "ISC", "A WITH b"}
    for expression, expected in [
        ("MIT OR X", True),
        ("MIT AND X", False),
        ("X/MIT", True),
        ("(X OR MIT) AND ISC", True),
        ("(X OR Y) AND ISC", False),
        ("A WITH b", True),
        ("A WITH c", False),
    ]:
        assert is_allowed(expression, allowed) == expected, expression


def main():
    check_own_rules()
    rules = tomllib.loads((ROOT / "deny.toml").read_text())
    command = ["cargo", "metadata", "--locked", "--all-features", "--format-version", "1"]
    packages = json.loads(subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE).stdout)["packages"]
    found = sorted(set(faults(packages, rules)))
    for fault in found:
        print(f"dependencies.py: {fault}", file=sys.stderr)
    print(f"{len(packages)} crates, {len(found)} faults")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
