# SPDX-License-Identifier: Apache-2.0
"""The steps of scale.py: what is done with many files, and with a large one."""
import contextlib
import os
import random
import statistics
import subprocess
import time

from systems import CMKFS

GIB, MIB = 1 << 30, 1 << 20
STATE = ("mount, ms", "mount again, ms", "lock, ms", "unlock, ms", "memory at most, MiB",
         "memory afterwards, MiB", "random 4 KiB, µs")
FILE_STEPS = ("create", "umount", "list", "stat", "read", "remove", "check") + STATE[:-1]
LARGE_STEPS = ("write", "read", "check", "remove, ms") + STATE
FEW = 10000     # of fewer files more turns
IN_DIR, OPEN_MOST, RANDOM_READS = 1000, 500, 2000


class Watch:
    """Times of a system's steps, and its daemon's memory."""

    def __init__(self, system):
        self.s, self.found, self.cpu = system, {}, {}
        self.ours = hasattr(system, "cipher")
        self.peak = 0

    def step(self, name, work, scale=1):
        begin, cpu = time.monotonic(), self.worked()
        result = work()
        self.found[name] = (time.monotonic() - begin) * scale
        self.cpu[name] = (self.worked() - cpu) * scale
        self.peak = max(self.peak, self.s.daemon_peak())
        return result

    def worked(self):
        """Seconds that we, our programs and the daemon have worked, whatever else the machine does."""
        return sum(os.times()[:4]) + self.s.daemon_seconds()

    def cold(self):
        """Unmounted, which takes as long as there is to be forgotten, and mounted again."""
        if not self.ours:
            self.s.cold()
            return
        mount = self.s.mount
        self.step("umount", self.s.umount)
        self.s.mount = lambda: self.step("mount again, ms", mount, 1000)
        umount, self.s.umount = self.s.umount, lambda: None
        try:
            self.s.cold()
        finally:
            self.s.mount, self.s.umount = mount, umount

    def command(self, *args):
        subprocess.run([CMKFS, *args], env=self.s.env, check=True, stdout=subprocess.DEVNULL)

    def lock(self):
        """With all in the caches that is there now."""
        if self.ours:
            self.step("lock, ms", lambda: self.command("lock", self.s.mnt), 1000)
            self.step("unlock, ms", lambda: self.command("unlock", self.s.mnt), 1000)

    def check(self):
        if self.ours:
            self.s.umount()
            self.step("check", lambda: self.command("fsck", self.s.backing))
            self.s.mount()

    def memory_now(self):
        for pid in self.s.daemons():
            with open("/proc/%s/status" % pid, encoding="ascii", errors="replace") as file:
                yield next((int(line.split()[1]) for line in file if line.startswith("RssAnon")), 0)

    def end(self):
        if self.ours:
            time.sleep(2)   # for the kernel to say what it has forgotten
            self.found["memory at most, MiB"] = self.peak
            self.found["memory afterwards, MiB"] = max(self.memory_now()) / 1024
        return {"time": self.found, "cpu": self.cpu}


def first_mount(w):
    if w.ours:
        w.s.umount()
        w.step("mount, ms", w.s.mount, 1000)


# ---- many files

def turn(system, n):
    w = Watch(system)
    first_mount(w)
    top = os.path.join(system.mnt, "files")
    dirs = [os.path.join(top, "%04d" % k) for k in range((n + IN_DIR - 1) // IN_DIR)]
    paths = ["%s/%06d" % (dirs[k // IN_DIR], k) for k in range(n)]
    data = random.Random(1).randbytes(1000)

    def create():
        os.mkdir(top)
        for k, path in enumerate(paths):
            if k % IN_DIR == 0:
                os.mkdir(dirs[k // IN_DIR])
            fd = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o644)
            os.write(fd, data)
            os.close(fd)
        subprocess.run(["sync", "-f", top], check=True)

    def read(order):
        for path in order:
            fd = os.open(path, os.O_RDONLY)
            if len(os.read(fd, 4096)) != len(data):
                raise SystemExit("%s: short" % path)
            os.close(fd)

    def remove():
        for path in paths:
            os.unlink(path)
        for path in dirs:
            os.rmdir(path)
        os.rmdir(top)

    shuffled = list(paths)
    random.Random(2).shuffle(shuffled)
    w.step("create", create)
    read(paths)     # known and cached, even if something else has dropped caches
    with contextlib.ExitStack() as stack:
        for path in shuffled[:OPEN_MOST]:
            stack.enter_context(open(path, "rb"))
        w.lock()
    w.cold()
    if w.step("list", lambda: sum(len(files) for _, _, files in os.walk(top))) != n:
        raise SystemExit("a name is missing of %d" % n)
    w.cold()
    w.step("stat", lambda: [os.stat(path) for path in shuffled] and None)
    w.cold()
    w.step("read", lambda: read(shuffled))
    w.check()
    w.cold()
    w.step("remove", remove)
    return w.end()


def many_files(system, n, _):
    turns = [turn(system, n) for _ in range(5 if n < FEW else 3 if n == FEW else 1)]
    return {what: {step: statistics.median(t[what][step] for t in turns) for step in first}
            for what, first in turns[0].items()}


# ---- one large file

def one_file(system, gib, sparse):
    w = Watch(system)
    first_mount(w)
    path, size = os.path.join(system.mnt, "large"), gib * GIB
    data = random.Random(1).randbytes(MIB)

    def write():
        fd = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o644)
        for at in range(0, size, 100 * MIB if sparse else MIB):
            os.pwrite(fd, data, at)
        os.ftruncate(fd, size)
        os.fsync(fd)
        os.close(fd)

    def read(count=size):
        with open(path, "rb", buffering=0) as file:
            done = 0
            while done < count:
                done += len(file.read(MIB))
                if done % (256 * MIB) == 0:     # not all of the machine's memory
                    os.posix_fadvise(file.fileno(), 0, done, os.POSIX_FADV_DONTNEED)

    def at_random():
        r = random.Random(3)
        with open(path, "rb", buffering=0) as file:
            for _ in range(RANDOM_READS):
                os.pread(file.fileno(), 4096, r.randrange(size // 4096) * 4096)

    w.step("write", write)
    w.cold()
    with open(path, "rb") as file:
        read(min(size, GIB) - 1)
        file.read(1)
        w.lock()
    w.cold()
    w.step("read", read)
    w.cold()
    w.step("random 4 KiB, µs", at_random, 1e6 / RANDOM_READS)
    w.check()
    w.step("remove, ms", lambda: os.unlink(path), 1000)
    w.found.pop("umount", None)
    return w.end()
