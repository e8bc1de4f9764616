#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Measures cmkfs beside the raw directory and other encrypted filesystems.

  bench.py [--quick] [--runs N] [--systems LIST] [--peer NAME=PROGRAM]... [--loads LIST]
           [--on tmpfs,disk] [--options LIST] [--size MIB] [--files N] [--json FILE]

Systems: raw, cmkfs (AES-256-GCM), cmkfs-xts, cmkfs-nowriteback, cmkfs-uring (where the kernel has
it enabled), and those of gocryptfs, encfs, securefs, cryfs and libfuse's passthrough_ll that are
installed or given by --peer; NAME may have an ending, as in gocryptfs-2.6, to be one more beside
the installed one.
They run in turn, load by load, so that what else the machine does hits all of them;
printed are medians, the spread, and ratios to the best of the others, which passthrough, since it
encrypts nothing, is not one of; then the processor time of the daemon and of the whole machine,
the daemon's memory and what is stored.
Compare ratios of one run, never figures of two.

'cold' is: unmounted, the page cache dropped (which needs root), mounted again.  --options go to
`cmkfs mount -o`.  Everything is unmounted and removed at the end, however it comes.
"""
import argparse
import atexit
import collections
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile

from loads import LOADS, Loads
from report import figure, show, show_cost, show_room
from systems import SYSTEMS, add_peer, mounts_below


def measure(place, where, options, names, loads):
    top = tempfile.mkdtemp(prefix="cmkfs-bench.", dir=where)
    systems = []
    results, costs = ({load: collections.defaultdict(list) for load in LOADS} for _ in "rc")
    room = {"memory": collections.defaultdict(float), "stored": {}}

    def clean():
        for system in systems:
            subprocess.run(["umount", "-l", system.mnt], stderr=subprocess.DEVNULL, check=False)
        for m in mounts_below(top):
            subprocess.run(["umount", "-l", m], stderr=subprocess.DEVNULL, check=False)
        shutil.rmtree(top, ignore_errors=True)
    atexit.register(clean)
    work = Loads(options, top)
    for name in list(names):
        try:
            systems.append(SYSTEMS[name](name, top, options))
        except (SystemExit, OSError, subprocess.SubprocessError) as e:
            print("bench: %s is left out: %s" % (name, e), file=sys.stderr)
            names.remove(name)
    for turn in range(options.runs):
        for load in loads:
            order = systems[turn % len(systems):] + systems[:turn % len(systems)]
            for system in order:
                os.sync()       # what others have left to be written is not this one's to wait for
                value = getattr(work, LOADS[load][0])(system)
                results[load][system.name].append(value)
                costs[load][system.name].append(work.used)
                room["memory"][system.name] = max(room["memory"][system.name],
                                                  system.daemon_peak())
                if load == "cp -r":
                    room["stored"][system.name] = system.stored()
                if options.verbose:
                    print("%s %d %-20s %-10s %s" % (place, turn, load, system.name,
                                                    figure(value)), file=sys.stderr, flush=True)
    for system in systems:
        system.umount()
    clean()
    atexit.unregister(clean)
    return results, costs, room


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--quick", action="store_true", help="two minutes: little data, two runs")
    parser.add_argument("--runs", type=int, help="repetitions (5; 2 with --quick)")
    parser.add_argument("--size", type=int, help="MiB of the large files (1024; 192)")
    parser.add_argument("--files", type=int, help="number of small files (5000; 1000)")
    parser.add_argument("--seconds", type=float, help="time of each random load (3; 0.7)")
    parser.add_argument("--systems", default=None,
                        help="commas between (all; the two leaders only with --quick)")
    parser.add_argument("--peer", action="append", default=[], metavar="NAME=PROGRAM",
                        help="the program of a system, if it is not on the PATH")
    parser.add_argument("--loads", help="names or parts of them, commas between")
    parser.add_argument("--on", default=None, help="tmpfs, disk or both (both; tmpfs with --quick)")
    parser.add_argument("--options", default="", help="for cmkfs mount -o")
    parser.add_argument("--json", metavar="FILE", help="write all figures; - is standard output")
    parser.add_argument("-v", "--verbose", action="store_true")
    o = parser.parse_args()
    for name, program in (p.split("=", 1) for p in o.peer):
        add_peer(name, program)
    for name, whole, quick in (("runs", 5, 2), ("size", 1024, 192), ("files", 5000, 1000),
                               ("seconds", 3, 0.7), ("on", "tmpfs,disk", "tmpfs"),
                               ("systems", ",".join(SYSTEMS),
                                "raw,cmkfs,cmkfs-xts,gocryptfs,securefs")):
        if getattr(o, name) is None:
            setattr(o, name, quick if o.quick else whole)
    for signum in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
        signal.signal(signum, lambda *_: sys.exit(130))
    names = [n for n in o.systems.split(",")
             if not hasattr(SYSTEMS[n], "program") or shutil.which(SYSTEMS[n].program)]
    loads = [n for n in LOADS if not o.loads or any(
        w.strip() in n for w in o.loads.split(","))]
    where = {"tmpfs": "/dev/shm", "disk": os.environ.get("TMPDIR", "/tmp")}
    report = {}
    if os.geteuid() != 0:
        print("bench: not root, so 'cold' is only mounted anew", file=sys.stderr)
    for place in o.on.split(","):
        mine = list(names)
        results, costs, room = measure(place, where[place], o, mine, loads)
        if o.json != "-":
            show(place, mine, results)
            show_cost(mine, costs, o)
            show_room(mine, room)
        report[place] = dict(room, results={load: by for load, by in results.items() if by},
                             seconds={load: by for load, by in costs.items() if by})
    if o.json:
        text = json.dumps({"size_mib": o.size, "files": o.files,
                           "kernel": os.uname().release, "cpus": os.cpu_count(),
                           "units": {n: LOADS[n][1] for n in loads}, "places": report}, indent=1)
        if o.json == "-":
            print(text)
        else:
            with open(o.json, "w", encoding="utf-8") as file:
                file.write(text + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
