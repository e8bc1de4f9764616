#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What cmkfs costs as the work grows: more files, and larger ones.

  scale.py [--files N,...] [--gib N,...] [--sparse N,...] [--systems raw,cmkfs,...] [--on DIR]
           [--json FILE] [--note TEXT]

Files of 1,000 bytes, a thousand to a directory, are created, locked away with all of them known
and some open, and cold, that is mounted anew with the page cache dropped, listed, looked at, read
in random order, checked and removed; of few files medians of several turns are taken.  One large
file is written, locked away while it is read, and cold read from end to end and at random; of a
sparse one a MiB in each hundred is written and all is read.  Beside the raw directory, since that
has its costs as well: what grows there is not ours.  Printed are microseconds for each file, or
seconds for each GiB, the time of mounting and locking, and the daemon's memory; 'growth' is the
last column against the first, and 1 where cost grows as the work does; 'of cpu' is that of
the processor time of the loads and the daemon, which other work on the machine does not touch.  A series of no sizes
(--gib '') keeps what FILE has of it, so that files can be on a tmpfs and the large one on a disk.
"""
import argparse
import atexit
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile

from report import figure
from scale_steps import LARGE_STEPS, FILE_STEPS, STATE, many_files, one_file
from systems import SYSTEMS, mounts_below

SERIES = (    # key, of what, steps, what of them is for each unit
    ("files", "files of 1,000 bytes, µs for each file", FILE_STEPS, 1e6),
    ("gib", "GiB in one file, s for each GiB", LARGE_STEPS, 1),
    ("sparse", "GiB of a sparse file, s for each GiB", LARGE_STEPS, 1))


def cell(found, step, scale, size, what="time"):
    value = found[what].get(step)
    if value is None:
        return None
    return value if step in STATE else value * scale / size


def growth(by_size, sizes, step, what):
    """Of what a unit costs, from the fewest to the most; None: there is none."""
    first, last = (cell(by_size[str(n)], step, 1, n, what) for n in (sizes[0], sizes[-1]))
    if len(sizes) == 1 or step in STATE or not first or not last or min(first, last) < 0:
        return None     # below 0: the daemon with its time has gone
    return last / first


def show(key, title, steps, scale, series):
    for name, by_size in series["systems"].items():
        sizes = sorted(map(int, by_size))
        print("\n%s on %s: %s; ms and MiB are in all" % (name, series["on"], title))
        print(key.ljust(24) + "".join("{:,}".format(n).rjust(12) for n in sizes) +
              "growth".rjust(10) + "of cpu".rjust(10))
        for step in steps:
            cells = [cell(by_size[str(n)], step, scale, n) for n in sizes]
            if all(c is None for c in cells):
                continue
            more = [growth(by_size, sizes, step, what) for what in ("time", "cpu")]
            print(step.ljust(24) + "".join(("-" if c is None else figure(c)).rjust(12) for c in cells)
                  + "".join(("%.2f" % g if g else "").rjust(10) for g in more))


def kind_of(path):
    return subprocess.run(["stat", "-f", "-c", "%T", path], stdout=subprocess.PIPE, text=True,
                          check=True).stdout.strip()


def measure(o, key, sizes, results):
    work = many_files if key == "files" else one_file
    for size in sizes:
        for name in o.systems:
            top = tempfile.mkdtemp(prefix="cmkfs-scale.", dir=o.on)

            def clean(top=top):
                for m in mounts_below(top):
                    subprocess.run(["umount", "-l", m], stderr=subprocess.DEVNULL, check=False)
                shutil.rmtree(top, ignore_errors=True)
            atexit.register(clean)
            system = SYSTEMS[name](name, top, o)
            found = work(system, size, key == "sparse")
            system.umount()
            clean()
            atexit.unregister(clean)
            results.setdefault(key, {"on": kind_of(o.on), "systems": {}})
            results[key]["systems"].setdefault(name, {})[str(size)] = found
            print("scale: %s %s %d done" % (name, key, size), file=sys.stderr, flush=True)
            if o.json:      # as far as it has come
                write(o, results)


def write(o, results):
    with open(o.json, "w", encoding="utf-8") as file:
        json.dump({"kernel": os.uname().release, "cpus": os.cpu_count(), "note": o.note,
                   "series": results}, file, indent=1)
        file.write("\n")


def numbers(text):
    return [int(n) for n in text.split(",") if n]


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--files", type=numbers, default=[1000, 10000, 100000, 1000000])
    parser.add_argument("--gib", type=numbers, default=[1, 10], help="written in full")
    parser.add_argument("--sparse", type=numbers, default=[1, 10, 100], help="GiB, mostly holes")
    parser.add_argument("--systems", default="raw,cmkfs", type=lambda s: s.split(","))
    parser.add_argument("--on", default=os.environ.get("TMPDIR", "/tmp"), metavar="DIR")
    parser.add_argument("--options", default="", help="for cmkfs mount -o")
    parser.add_argument("--json", metavar="FILE")
    parser.add_argument("--note", default="", help="a sentence about the run, for the manual")
    o = parser.parse_args()
    for signum in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
        signal.signal(signum, lambda *_: sys.exit(130))
    results = {}
    if o.json and os.path.exists(o.json):
        with open(o.json, encoding="utf-8") as file:
            results = json.load(file)["series"]
    for key, title, steps, scale in SERIES:
        if getattr(o, key):
            results.pop(key, None)
            measure(o, key, getattr(o, key), results)
            show(key, title, steps, scale, results[key])
    return 0


if __name__ == "__main__":
    sys.exit(main())
