#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Puts the figures of tests/bench/results/scale/*.json, one a release, into cmkfs-performance(7).

  page_scale.py [--check]      with --check: exit 1 if the page holds others
"""
import json
import os
import sys

from page import put
from report import figure
from scale import SERIES, cell


def table(steps, scale, name, by_size):
    sizes = sorted(map(int, by_size))
    yield ".Bl -column " + " ".join('"%s"' % w for w in
                                    ["memory afterwards, MiB"] + ["1,000,000"] * len(sizes))
    yield ".It " + " Ta ".join(["Em %s" % name] + ["Em {:,}".format(n) for n in sizes])
    for step in steps:
        cells = [cell(by_size[str(n)], step, scale, n) for n in sizes]
        if any(c is not None for c in cells):
            yield ".It " + " Ta ".join([step] + ["-" if c is None else figure(c) for c in cells])
    yield ".El"


def tables(path):
    with open(path, encoding="utf-8") as file:
        report = json.load(file)
    yield ".Ss Figures of %s" % os.path.basename(path)[:-len(".json")]
    yield "One run on %d processors with Linux %s;" % (
        report["cpus"], report["kernel"].split("-")[0])
    yield "ms and MiB are in all."
    if report.get("note"):
        yield report["note"]
    for key, title, steps, scale in SERIES:
        series = report["series"].get(key)
        if series:
            yield ".Pp"
            yield "%s, on %s:" % (title[0].upper() + title[1:], series["on"])
            for name, by_size in series["systems"].items():
                yield from table(steps, scale, name, by_size)


if __name__ == "__main__":
    sys.exit(put('.\\" begin scale\n', '.\\" end scale\n', "scale/*.json", tables))
