# SPDX-License-Identifier: Apache-2.0
"""What bench.py does with each filesystem."""
import collections
import mmap
import os
import random
import shutil
import subprocess
import time

from systems import BUILD, busy_seconds, run

LOAD = os.path.join(BUILD, "bench", "load")
Usage = collections.namedtuple("Usage", "daemon machine")    # seconds of processor time


class Loads:
    """What is done with a system.  The order matters: some read what others wrote."""

    def __init__(self, options, top):
        self.o = options
        self.used = None    # by the last load
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

    def watched(self, s, what):
        """WHAT's result; self.used tells what it cost."""
        daemon, machine = s.daemon_seconds(), busy_seconds()
        result = what()
        self.used = Usage(s.daemon_seconds() - daemon, busy_seconds() - machine)
        return result

    def load(self, s, *args):
        return float(self.watched(s, lambda: run(LOAD, *map(str, args))))

    def timed(self, s, *args):
        def go():
            begin = time.monotonic()
            run(*args)
            return time.monotonic() - begin
        return self.watched(s, go)

    def big(self, s):
        return os.path.join(s.mnt, "big")

    def touch_memory(self):
        """
        What a virtual machine has given back to its host costs a fault there when it is used
        again, which is no system's doing: memory for both caches of what is written.
        """
        flags = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | mmap.MAP_POPULATE
        try:
            mmap.mmap(-1, 3 * self.o.size << 20, flags).close()
        except OSError:
            pass    # there is not so much

    def write1(self, s):
        self.touch_memory()
        return self.load(s, "write", self.big(s), self.o.size, 1)

    def write2(self, s):
        self.touch_memory()
        return self.load(s, "write", self.big(s), self.o.size // 2, 2)

    def read1(self, s):
        if not os.path.exists(self.big(s) + ".0"):
            self.write2(s)
        s.cold()
        return self.load(s, "read", self.big(s), 0, 1)

    def read2(self, s):
        s.cold()
        return self.load(s, "read", self.big(s), 0, 2)

    def rand1(self, s):
        s.cold()
        return self.load(s, "pread", self.big(s) + ".0", self.o.seconds, 1)

    def rand4(self, s):
        s.cold()
        return self.load(s, "pread", self.big(s) + ".0", self.o.seconds, 4)

    def mmap(self, s):
        s.cold()
        return self.load(s, "mmap", self.big(s) + ".0", self.o.seconds)

    def scan(self, s):
        s.cold()
        return self.load(s, "scan", self.big(s) + ".0")

    def overwrite(self, s):
        s.cold()
        return self.load(s, "overwrite", self.big(s) + ".0", self.o.size * 16)

    def copy(self, s):
        for k in (0, 1):    # the large ones have been used; not in the way of what follows
            if os.path.exists(self.big(s) + ".%d" % k):
                os.unlink(self.big(s) + ".%d" % k)
        shutil.rmtree(os.path.join(s.mnt, "copy"), ignore_errors=True)
        s.cold()
        with open(os.devnull, "wb") as sink:    # the source is warm
            subprocess.run(["tar", "-C", self.source, "-cf", "-", "."], stdout=sink, check=True)
        return self.timed(s, "cp", "-r", self.source, os.path.join(s.mnt, "copy"))

    def tar(self, s):
        s.cold()
        return self.timed(s, "sh", "-c", "tar -C \"$1\" -cf - copy | cat >/dev/null", "sh", s.mnt)

    def epoch(self, s):
        s.cold()
        return self.load(s, "epoch", os.path.join(s.mnt, "copy"), 0, 4, 1)

    def epoch_warm(self, s):
        # Not the epoch before: for the other systems' turns all caches have been dropped since.
        self.load(s, "epoch", os.path.join(s.mnt, "copy"), 0, 4, 1)
        return self.load(s, "epoch", os.path.join(s.mnt, "copy"), 0, 4, 2)

    def find(self, s):
        s.cold()
        return self.timed(s, "find", os.path.join(s.mnt, "copy"), "-ls")

    def rm(self, s):
        s.cold()
        return self.timed(s, "rm", "-rf", os.path.join(s.mnt, "copy"))


LOADS = collections.OrderedDict((    # name: (method, unit, more is better)
    ("seq write, 1", ("write1", "MiB/s", True)), ("seq write, 2", ("write2", "MiB/s", True)),
    ("seq read cold, 1", ("read1", "MiB/s", True)), ("seq read cold, 2", ("read2", "MiB/s", True)),
    ("rand read 4K, QD1", ("rand1", "/s", True)), ("rand read 4K, 4 thr", ("rand4", "/s", True)),
    ("rand mmap read 4K", ("mmap", "/s", True)), ("mmap scan, cold", ("scan", "MiB/s", True)),
    ("overwrite 4K + fsync", ("overwrite", "/s", True)),
    ("cp -r", ("copy", "s", False)), ("tar, cold", ("tar", "s", False)),
    ("epoch, cold", ("epoch", "s", False)), ("epoch, warm", ("epoch_warm", "s", False)),
    ("find -ls, cold", ("find", "s", False)), ("rm -rf", ("rm", "s", False))))
