#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Outputs of the suite, side by side: compare.py DIFFERENCES MANUAL PLAIN MOUNT [PLAIN MOUNT]…

Every difference must be listed in DIFFERENCES, under a reason that is an item of the manual's
section LIMITS; and what is listed must differ in each pair that has it.
"""
import collections
import sys


def read(path):
    """{check: [results]}; a check is `area/group: what`."""
    out = collections.defaultdict(list)
    with open(path, encoding="utf-8", errors="surrogateescape") as file:
        for line in file:
            parts = line.rstrip("\n").split(": ", 2)
            out[": ".join(parts[:2])].append(parts[2] if len(parts) > 2 else "")
    return out


def read_listed(path, manual):
    """{check: reason}; complains of reasons that the manual does not have."""
    with open(manual, encoding="utf-8") as file:
        items = {line[4:].strip() for line in file if line.startswith(".It ")}
    listed, reason, bad = {}, None, 0
    with open(path, encoding="utf-8") as file:
        for line in file:
            line = line.rstrip("\n")
            if line.startswith("[") and line.endswith("]"):
                reason = line[1:-1]
                if reason not in items:
                    print("not an item of the manual: %s" % reason)
                    bad += 1
            elif line and not line.startswith("#"):
                listed[line] = reason
    return listed, bad


def compare(plain, mount, listed):
    """The checks that differ; prints those that are not listed, and those that no longer do."""
    bad, differ = 0, set()
    for check in {**plain, **mount}:
        one, two = plain.get(check, []), mount.get(check, [])
        if one != two:
            differ.add(check)
        if one != two and check not in listed:
            print("%s\n  plain: %s\n  mount: %s" % (check, " | ".join(one), " | ".join(two)))
            bad += 1
    for check in listed:
        if check in plain and check not in differ:
            print("listed, but does not differ: %s" % check)
            bad += 1
    return bad, differ


def main():
    listed, bad = read_listed(*sys.argv[1:3])
    seen = set()
    for k in range(3, len(sys.argv), 2):
        plain, mount = read(sys.argv[k]), read(sys.argv[k + 1])
        more, differ = compare(plain, mount, listed)
        bad += more
        seen |= differ
        checks = sum(len(results) for results in plain.values())
        print("%s: %d checks, %d differ" % (sys.argv[k + 1], checks, len(differ)))
        if checks < 1000:
            print("that is too few")
            bad += 1
    for check in sorted(set(listed) - seen):
        print("listed, but seen nowhere: %s" % check)
        bad += 1
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
