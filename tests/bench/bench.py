#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Measures cmkfs beside the raw directory and other encrypted filesystems.

  bench.py [--quick] [--runs N] [--systems LIST] [--loads LIST] [--on tmpfs,disk] [--options LIST]
           [--size MIB] [--files N] [--json FILE]

Systems: raw, cmkfs (AES-256-GCM), cmkfs-xts, and those of gocryptfs, encfs, securefs, cryfs that
are installed.  They run in turn, load by load, so that what else the machine does hits all of
them; printed are medians, the spread, and ratios to the best of the others.  Compare ratios of
one run, never figures of two.

'cold' is: unmounted, the page cache dropped (which needs root), mounted again.  --options go to
`cmkfs mount -o`.  Everything is unmounted and removed at the end, however it comes.
"""
import argparse
import atexit
import collections
import json
import os
import random
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.dirname(os.path.dirname(HERE))
BUILD = os.environ.get("O") or os.path.join(TOP, "build")
LOAD = os.path.join(BUILD, "bench", "load")
CMKFS = os.environ.get("CMKFS") or os.path.join(BUILD, "cmkfs")


def run(*args, **options):
    done = subprocess.run(args, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          timeout=600, **options)
    if done.returncode:
        raise SystemExit("%s: %s" % (" ".join(args), done.stdout.strip()))
    return done.stdout


def mounts_below(top):
    with open("/proc/self/mountinfo", encoding="utf-8") as file:
        found = [line.split()[4].replace("\\040", " ") for line in file]
    return [m for m in found if m.startswith(top + "/")]


# ---- the systems

class System:
    """A filesystem over a backing directory; `mnt` is where the loads work."""

    def __init__(self, name, top, options):
        self.name, self.options = name, options
        self.top = os.path.join(top, name)
        self.backing, self.mnt = os.path.join(self.top, "backing"), os.path.join(self.top, "mnt")
        os.makedirs(self.mnt)
        os.makedirs(self.backing)
        self.password = os.path.join(self.top, "password")
        with open(self.password, "w", encoding="utf-8") as file:
            file.write("bench\n")
        self.init()
        self.mount()

    def init(self):
        pass

    def mount(self):
        pass

    def umount(self):
        for _ in range(50):
            if subprocess.run(["fusermount3" if shutil.which("fusermount3") else "fusermount",
                               "-u", self.mnt], stderr=subprocess.DEVNULL,
                              check=False).returncode == 0:
                break
            time.sleep(0.1)
        self.wait(False)

    def wait(self, mounted):
        for _ in range(200):
            if (self.mnt in mounts_below(self.top)) == mounted:
                return
            time.sleep(0.05)
        raise SystemExit("%s is%s mounted" % (self.name, " not" if mounted else " still"))

    def cold(self):
        self.umount()
        drop_caches()
        self.mount()


class Raw(System):
    def __init__(self, name, top, options):
        super().__init__(name, top, options)
        self.mnt = self.backing

    def umount(self):
        pass

    def wait(self, mounted):
        pass


class Cmkfs(System):
    cipher = "gcm"

    def init(self):
        self.env = dict(os.environ, CMKFS_STATE_DIR=os.path.join(self.top, "state"),
                        CMKFS_CONFIG="/dev/null")
        os.mkdir(self.env["CMKFS_STATE_DIR"], 0o700)
        run(CMKFS, "init", "--cipher", self.cipher, self.backing, env=self.env)

    def mount(self):
        extra = ["-o", self.options.options] if self.options.options else []
        run(CMKFS, "mount", *extra, self.backing, self.mnt, env=self.env)

    def umount(self):
        run(CMKFS, "umount", self.mnt, env=self.env)


class CmkfsXts(Cmkfs):
    cipher = "xts"


class Gocryptfs(System):
    program = "gocryptfs"

    def init(self):
        run("gocryptfs", "-q", "-init", "-passfile", self.password, "-scryptn", "10", self.backing)
        known = run("gocryptfs", "-hh")
        self.extra = [o for o in ("-kernel_cache",) if o in known]

    def mount(self):
        run("gocryptfs", "-q", *self.extra, "-passfile", self.password, self.backing, self.mnt)
        self.wait(True)


class Encfs(System):
    program = "encfs"

    def mount(self):
        run("encfs", "--standard", "-S", self.backing, self.mnt, input="bench\n")
        self.wait(True)


class Securefs(System):
    program = "securefs"

    def init(self):
        run("securefs", "create", "--format", "4", "--pass", "bench", "--rounds", "1",
            self.backing)      # 4 is "lite"

    def mount(self):
        run("securefs", "mount", "-b", "--pass", "bench", self.backing, self.mnt)
        self.wait(True)


class Cryfs(System):
    program = "cryfs"

    def mount(self):
        run("cryfs", self.backing, self.mnt, input="bench\n", env=dict(
            os.environ, CRYFS_FRONTEND="noninteractive", CRYFS_NO_UPDATE_CHECK="true",
            CRYFS_LOCAL_STATE_DIR=os.path.join(self.top, "state")))
        self.wait(True)


SYSTEMS = {"raw": Raw, "cmkfs": Cmkfs, "cmkfs-xts": CmkfsXts, "gocryptfs": Gocryptfs,
           "encfs": Encfs, "securefs": Securefs, "cryfs": Cryfs}
OURS = ("cmkfs", "cmkfs-xts")


def drop_caches():
    os.sync()
    try:
        with open("/proc/sys/vm/drop_caches", "w", encoding="ascii") as file:
            file.write("3")
    except OSError:
        pass


# ---- the loads; each returns its figure

class Loads:
    """What is done with a system.  The order matters: some read what others wrote."""

    def __init__(self, options, top):
        self.o = options
        self.source = os.path.join(top, "source")
        self.make_source()

    def make_source(self):
        """Files around 20 KiB, fifty to a directory."""
        r = random.Random(1)
        pool = r.randbytes(1 << 20)
        for k in range(self.o.files):
            where = os.path.join(self.source, "d%03d" % (k // 50))
            if k % 50 == 0:
                os.makedirs(where)
            n = max(100, min(200000, int(r.lognormvariate(9.65, 0.7))))
            at = r.randrange(len(pool) - n)
            with open(os.path.join(where, "f%05d" % k), "wb") as file:
                file.write(pool[at:at + n])

    def load(self, *args):
        return float(run(LOAD, *map(str, args)))

    @staticmethod
    def timed(*args):
        begin = time.monotonic()
        run(*args)
        return time.monotonic() - begin

    def big(self, s):
        return os.path.join(s.mnt, "big")

    def write1(self, s):
        return self.load("write", self.big(s), self.o.size, 1)

    def write2(self, s):
        return self.load("write", self.big(s), self.o.size // 2, 2)

    def read1(self, s):
        if not os.path.exists(self.big(s) + ".0"):
            self.write2(s)
        s.cold()
        return self.load("read", self.big(s), 0, 1)

    def read2(self, s):
        s.cold()
        return self.load("read", self.big(s), 0, 2)

    def rand1(self, s):
        s.cold()
        return self.load("pread", self.big(s) + ".0", self.o.seconds, 1)

    def rand4(self, s):
        s.cold()
        return self.load("pread", self.big(s) + ".0", self.o.seconds, 4)

    def mmap(self, s):
        s.cold()
        return self.load("mmap", self.big(s) + ".0", self.o.seconds)

    def overwrite(self, s):
        s.cold()
        return self.load("overwrite", self.big(s) + ".0", self.o.size * 16)

    def copy(self, s):
        for k in (0, 1):    # the large ones have been used; not in the way of what follows
            if os.path.exists(self.big(s) + ".%d" % k):
                os.unlink(self.big(s) + ".%d" % k)
        shutil.rmtree(os.path.join(s.mnt, "copy"), ignore_errors=True)
        s.cold()
        with open(os.devnull, "wb") as sink:    # the source is warm
            subprocess.run(["tar", "-C", self.source, "-cf", "-", "."], stdout=sink, check=True)
        return self.timed("cp", "-r", self.source, os.path.join(s.mnt, "copy"))

    def tar(self, s):
        s.cold()
        begin = time.monotonic()
        run("sh", "-c", "tar -C \"$1\" -cf - copy | cat >/dev/null", "sh", s.mnt)
        return time.monotonic() - begin

    def epoch(self, s):
        s.cold()
        return self.load("epoch", os.path.join(s.mnt, "copy"), 0, 4, 1)

    def epoch_warm(self, s):
        return self.load("epoch", os.path.join(s.mnt, "copy"), 0, 4, 2)

    def find(self, s):
        s.cold()
        return self.timed("find", os.path.join(s.mnt, "copy"), "-ls")

    def rm(self, s):
        s.cold()
        return self.timed("rm", "-rf", os.path.join(s.mnt, "copy"))


LOADS = collections.OrderedDict((    # name: (method, unit, more is better)
    ("seq write, 1", ("write1", "MiB/s", True)), ("seq write, 2", ("write2", "MiB/s", True)),
    ("seq read cold, 1", ("read1", "MiB/s", True)), ("seq read cold, 2", ("read2", "MiB/s", True)),
    ("rand read 4K, QD1", ("rand1", "/s", True)), ("rand read 4K, 4 thr", ("rand4", "/s", True)),
    ("rand mmap read 4K", ("mmap", "/s", True)), ("overwrite 4K + fsync", ("overwrite", "/s", True)),
    ("cp -r", ("copy", "s", False)), ("tar, cold", ("tar", "s", False)),
    ("epoch, cold", ("epoch", "s", False)), ("epoch, warm", ("epoch_warm", "s", False)),
    ("find -ls, cold", ("find", "s", False)), ("rm -rf", ("rm", "s", False))))


# ---- running and printing

def figure(value):
    if value >= 1000:
        return "{:,.0f}".format(value)
    return "%.0f" % value if value >= 100 else "%.1f" % value if value >= 10 else "%.2f" % value


def summary(values):
    """median, relative half spread"""
    middle = statistics.median(values)
    return middle, (max(values) - min(values)) / 2 / middle if middle else 0


def show(place, names, results):
    peers = [n for n in names if n not in OURS and n != "raw"]
    print("\n%s (medians; ~: spread over ±25 %%; ratio: to the best of the others, over 1 is better)"
          % place)
    width = max(len(n) for n in LOADS) + 8
    print("".join(["load".ljust(width)] + [n.rjust(12) for n in names] +
                  [("%s ×" % n).rjust(14) for n in names if n in OURS and peers]))
    for load, (_, unit, more) in LOADS.items():
        row = {n: summary(results[load][n]) for n in names if results[load].get(n)}
        if not row:
            continue
        cells = [(figure(row[n][0]) + ("~" if row[n][1] > 0.25 else " ") if n in row else "-"
                  ).rjust(12) for n in names]
        ratios = []
        for n in names:
            if n not in OURS or not peers:
                continue
            others = [row[p][0] for p in peers if p in row]
            ratio = None
            if others and n in row:
                ratio = row[n][0] / max(others) if more else min(others) / row[n][0]
            ratios.append(("%.2f" % ratio if ratio else "-").rjust(14))
        print("%-*s%s%s" % (width, "%s (%s)" % (load, unit), "".join(cells), "".join(ratios)),
              flush=True)


def measure(place, where, options, names, loads):
    top = tempfile.mkdtemp(prefix="cmkfs-bench.", dir=where)
    systems, results = [], {load: collections.defaultdict(list) for load in LOADS}

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
                value = getattr(work, LOADS[load][0])(system)
                results[load][system.name].append(value)
                if options.verbose:
                    print("%s %d %-20s %-10s %s" % (place, turn, load, system.name,
                                                    figure(value)), file=sys.stderr, flush=True)
    for system in systems:
        system.umount()
    clean()
    atexit.unregister(clean)
    return results


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--quick", action="store_true", help="two minutes: little data, two runs")
    parser.add_argument("--runs", type=int, help="repetitions (5; 2 with --quick)")
    parser.add_argument("--size", type=int, help="MiB of the large files (1024; 192)")
    parser.add_argument("--files", type=int, help="number of small files (5000; 1000)")
    parser.add_argument("--seconds", type=float, help="time of each random load (3; 0.7)")
    parser.add_argument("--systems", default=None,
                        help="commas between (all; the two leaders only with --quick)")
    parser.add_argument("--loads", help="names or parts of them, commas between")
    parser.add_argument("--on", default=None, help="tmpfs, disk or both (both; tmpfs with --quick)")
    parser.add_argument("--options", default="", help="for cmkfs mount -o")
    parser.add_argument("--json", metavar="FILE", help="write all figures; - is standard output")
    parser.add_argument("-v", "--verbose", action="store_true")
    o = parser.parse_args()
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
        results = measure(place, where[place], o, mine, loads)
        if o.json != "-":
            show(place, mine, results)
        report[place] = {load: {n: v for n, v in by.items()} for load, by in results.items() if by}
    if o.json:
        text = json.dumps({"runs": o.runs, "size_mib": o.size, "files": o.files,
                           "kernel": os.uname().release, "cpus": os.cpu_count(),
                           "units": {n: LOADS[n][1] for n in loads}, "results": report}, indent=1)
        if o.json == "-":
            print(text)
        else:
            with open(o.json, "w", encoding="utf-8") as file:
                file.write(text + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
