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
OURS = (("cmkfs", "\\(mu"), ("cmkfs-xts", "XTS"), ("cmkfs-nowriteback", "nowriteback"),
        ("cmkfs-uring", "uring"))
COLUMNS = '"overwrite 4K + fsync (/s)" "530,834" "170,123" "gocryptfs-2.6.1 3,511" "1.87" "3.91" 1.20'


def medians(values):
    return {n: statistics.median(v) for n, v in values.items() if v}


def best_of(peers, more):
    """(name, figure) of the best peer, or None"""
    return (max if more else min)(peers.items(), key=lambda p: p[1], default=None)


def ratio(own, best, more):
    if own is None or best is None:
        return "-"
    return "%.2f" % (own / best[1] if more else best[1] / own)


def row(load, unit, values):
    found = medians(values)
    more = unit != "s"
    best = best_of({n: v for n, v in found.items() if n not in NO_PEERS}, more)
    cells = ["%s (%s)" % (load, unit)]
    cells += [figure(found[n]) if n in found else "-" for n in ("raw", "cmkfs")]
    cells += ["%s %s" % (best[0], figure(best[1])) if best else "-"]
    cells += [ratio(found.get(n), best, more) for n, _ in OURS]
    return ".It " + " Ta ".join(cells)


def table(place, results, units):
    counts = [max(len(values) for values in load.values()) for load in results.values()]
    runs = " to ".join(str(n) for n in sorted({min(counts), max(counts)}))
    yield ".Pp"
    yield "On %s, medians of %s runs:" % ("a tmpfs" if place == "tmpfs" else "a disk", runs)
    yield ".Bl -column " + COLUMNS
    yield ".It " + " Ta ".join("Em " + w for w in (
        ("load", "raw", "cmkfs", "best of the others") + tuple(title for _, title in OURS)))
    for load, values in results.items():
        yield row(load, units[load], values)
    yield ".El"


def names_of(report):
    return sorted({n for place in report["places"].values() for values in place["results"].values()
                   for n in values if n not in NO_PEERS})


def tables(path):
    with open(path, encoding="utf-8") as file:
        report = json.load(file)
    peers = names_of(report)
    yield ".Sh FIGURES OF %s" % os.path.basename(path)[:-len(".json")]
    yield "On %d processors with Linux %s;" % (report["cpus"], report["kernel"].split("-")[0])
    yield "large files of %d MiB, %d small ones." % (report["size_mib"], report["files"])
    yield "The others are " + ", ".join(peers[:-1]) + " and " + peers[-1] + ";"
    yield "\\(mu is the ratio to the best of them,"
    yield "XTS that of a volume with XTS;"
    yield "nowriteback and uring those of AES-GCM with that option and over io_uring."
    for place, found in report["places"].items():
        yield from table(place, found["results"], report["units"])


def put(begin, end, results, tables_of):
    """The tables of each file that matches RESULTS, between the two lines.  The exit code."""
    with open(PAGE, encoding="utf-8") as file:
        old = file.read()
    head, rest = old.split(begin)
    lines = []
    for path in sorted(glob.glob(os.path.join(TOP, "tests/bench/results", results))):
        lines += tables_of(path)
    new = head + begin + "".join(line + "\n" for line in lines) + end + rest.split(end)[1]
    if sys.argv[1:] == ["--check"]:
        return int(new != old)
    with open(PAGE, "w", encoding="utf-8") as file:
        file.write(new)
    return 0


if __name__ == "__main__":
    sys.exit(put('.\\" begin tables\n', '.\\" end tables\n', "*.json", tables))
