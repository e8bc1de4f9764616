#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""interrupted.py DIR SECONDS: readers past the page cache that get signals all the time, and are
killed while they read.  What a read returns is right; prints how many there were.
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
PIECE, PIECES, READERS = 256 << 10, 64, 6
PATH = os.path.join(TOP, "read me")


def piece(n):
    return struct.pack("<I", n) * (PIECE // 4)


def reader(seed, pipe):
    r, fd, buf = random.Random(seed), os.open(PATH, os.O_RDONLY | os.O_DIRECT), mmap.mmap(-1, PIECE)
    want = [piece(n) for n in range(PIECES)]
    signal.signal(signal.SIGALRM, lambda *_: None)
    signal.siginterrupt(signal.SIGALRM, True)
    signal.setitimer(signal.ITIMER_REAL, 0.0003, 0.0003)
    while True:
        n = r.randrange(PIECES)
        got = os.preadv(fd, [buf], n * PIECE)
        if got != PIECE or buf[:] != want[n]:
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
    for k in range(PIECES):
        file.write(piece(k))
    os.fsync(file.fileno())
seeds, (done, pipe), reads, killed = itertools.count(), os.pipe(), 0, 0
os.set_blocking(done, False)
pids, end = [start(next(seeds), pipe) for _ in range(READERS)], time.monotonic() + SECONDS
while time.monotonic() < end:
    time.sleep(0.02)
    try:
        reads += len(os.read(done, 1 << 16))
    except BlockingIOError:
        pass
    os.kill(pids[0], signal.SIGKILL)
    status = os.waitpid(pids.pop(0), 0)[1]
    assert os.WIFSIGNALED(status), "a reader ended with %d" % os.waitstatus_to_exitcode(status)
    killed += 1
    pids.append(start(next(seeds), pipe))
for p in pids:
    os.kill(p, signal.SIGKILL)
    os.waitpid(p, 0)
assert reads > killed, (reads, killed)
print("%d reads, %d readers killed" % (reads, killed))
