#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Puts the figures of tests/bench/results/*.json, one a release, into cmkfs-performance(7).

  page.py [--check]      with --check: exit 1 if the page holds others
"""
import glob
import json
import os
import statistics
import sys

from report import figure
from systems import NO_PEERS, TOP

PAGE = os.path.join(TOP, "man", "cmkfs-performance.7")
BEGIN, END = '.\\" begin tables\n', '.\\" end tables\n'
SYSTEMS = ("raw", "cmkfs", "cmkfs-xts")


def median(values):
    return statistics.median(values) if values else None


def ratio(values, ours, more):
    peers = [median(v) for n, v in values.items() if n not in NO_PEERS]
    if not peers or not values.get(ours):
        return "-"
    own = median(values[ours])
    return "%.2f" % (own / max(peers) if more else min(peers) / own)


def peers_of(results):
    return sorted({n for values in results.values() for n in values if n not in NO_PEERS})


def table(place, results, units):
    peers = peers_of(results)
    yield ".Bl -column " + " ".join('"%s"' % w for w in
                                    ["seq read cold, 2 (MiB/s)"] + ["cmkfs-xts"] * 3 + peers +
                                    ["ratio gcm"] * 2)
    yield ".It " + " Ta ".join(["Em %s" % place] + ["Em %s" % n for n in SYSTEMS + tuple(peers)] +
                               ["Em ratio", "Em xts"])
    for load, values in results.items():
        cells = [figure(median(values[n])) if values.get(n) else "-"
                 for n in SYSTEMS + tuple(peers)]
        more = units[load] != "s"
        yield ".It " + " Ta ".join(["%s (%s)" % (load, units[load])] + cells +
                                   [ratio(values, n, more) for n in ("cmkfs", "cmkfs-xts")])
    yield ".El"


def tables(path):
    with open(path, encoding="utf-8") as file:
        report = json.load(file)
    yield ".Sh FIGURES OF %s" % os.path.basename(path)[:-len(".json")]
    yield "Medians of %d runs on %d processors with Linux %s;" % (
        report["runs"], report["cpus"], report["kernel"].split("-")[0])
    yield "large files of %d MiB, %d small ones." % (report["size_mib"], report["files"])
    for place, found in report["places"].items():
        yield from table(place, found["results"], report["units"])


def main():
    with open(PAGE, encoding="utf-8") as file:
        old = file.read()
    head, rest = old.split(BEGIN)
    lines = []
    for path in sorted(glob.glob(os.path.join(TOP, "tests", "bench", "results", "*.json"))):
        lines += tables(path)
    new = head + BEGIN + "".join(line + "\n" for line in lines) + END + rest.split(END)[1]
    if sys.argv[1:] == ["--check"]:
        return int(new != old)
    with open(PAGE, "w", encoding="utf-8") as file:
        file.write(new)
    return 0


if __name__ == "__main__":
    sys.exit(main())
