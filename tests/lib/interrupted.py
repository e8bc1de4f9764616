#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""interrupted.py DIR SECONDS: readers of single pages of a map, which wait for each (so that the
kernel tells of a signal that comes meanwhile), get signals all the time and are killed.  What they
read is right; prints how much it was.
"""
import itertools
import mmap
import os
import random
import signal
import struct
import sys
import time

TOP, SECONDS = sys.argv[1], float(sys.argv[2])
PAGE, PAGES, READERS, ROUND = 4096, 8192, 6, 512
PATH = os.path.join(TOP, "read me")


def page(n):
    return struct.pack("<I", n) * (PAGE // 4)


def reader(seed, pipe):
    r, fd = random.Random(seed), os.open(PATH, os.O_RDONLY)
    signal.signal(signal.SIGALRM, lambda *_: None)
    signal.setitimer(signal.ITIMER_REAL, 0.0003, 0.0003)
    while True:
        os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
        with mmap.mmap(fd, 0, prot=mmap.PROT_READ) as m:
            m.madvise(mmap.MADV_RANDOM)
            for n in r.sample(range(PAGES), ROUND):
                if m[n * PAGE:(n + 1) * PAGE] != page(n):
                    os._exit(3)
        os.write(pipe, b".")


def start(seed, pipe):
    pid = os.fork()
    if pid == 0:
        try:
            reader(seed, pipe)
        except BaseException as e:
            print("reader: %r" % e, file=sys.stderr, flush=True)
        os._exit(4)
    return pid


with open(PATH, "wb") as file:
    for k in range(PAGES):
        file.write(page(k))
    os.fsync(file.fileno())
seeds, (done, pipe), rounds, killed = itertools.count(), os.pipe(), 0, 0
os.set_blocking(done, False)
pids, end = [start(next(seeds), pipe) for _ in range(READERS)], time.monotonic() + SECONDS
while time.monotonic() < end or not rounds:
    time.sleep(0.1)
    try:
        rounds += len(os.read(done, 1 << 16))
    except BlockingIOError:
        pass
    pids.append(start(next(seeds), pipe))
    first = pids.pop(0)
    os.kill(first, signal.SIGKILL)
    status = os.waitpid(first, 0)[1]
    assert os.WIFSIGNALED(status), "a reader ended with %d" % os.waitstatus_to_exitcode(status)
    killed += 1
for p in pids:
    os.kill(p, signal.SIGKILL)
    os.waitpid(p, 0)
print("%d pages read, %d readers killed" % (rounds * ROUND, killed))
