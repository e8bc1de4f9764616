#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""How long single reads of two files take, and both beside each other.

latency.py measure SECONDS cached|uncached FILE=OUT FILE=OUT   reads of 4 KiB at random places, back
                         to back, of each file in turn, so that whatever else the machine does comes
                         upon both alike; the nanoseconds of each are written to OUT
latency.py compare TITLE NAME=OUT NAME=OUT   percentiles and a histogram of both
"""
import array
import bisect
import gc
import os
import random
import sys
import time

BLOCK = 4096
PERCENTILES = [50, 90, 99, 99.9, 99.99, 100]


def open_file(path, cached):
    fd = os.open(path, os.O_RDONLY)
    os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_RANDOM)
    blocks = os.fstat(fd).st_size // BLOCK
    if cached:
        for i in range(blocks):
            os.pread(fd, BLOCK, i * BLOCK)
    else:
        os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
    return fd, blocks, array.array("q")


def measure(seconds, cached, pairs):
    files = [open_file(path, cached) for path, _ in pairs]
    rng, now = random.Random(seconds), time.perf_counter_ns
    gc.disable()
    end = now() + seconds * 10**9
    begin = now()
    while begin < end:
        for fd, blocks, took in rng.sample(files, len(files)):
            at = rng.randrange(blocks) * BLOCK
            begin = now()
            data = os.pread(fd, BLOCK, at)
            took.append(now() - begin)
            if len(data) != BLOCK:
                sys.exit(f"{len(data)} bytes at {at}")
            if not cached:
                os.posix_fadvise(fd, at, BLOCK, os.POSIX_FADV_DONTNEED)
    for (_, out), (_, _, took) in zip(pairs, files):
        with open(out, "wb") as f:
            took.tofile(f)


def read(path):
    took = array.array("q")
    with open(path, "rb") as f:
        took.frombytes(f.read())
    return sorted(took)


def percentile(took, p):
    return took[min(len(took) - 1, int(len(took) * p / 100))]


def print_row(first, words):
    print(f"  {first:<12}" + "".join(f"{w:>20}" for w in words))


def compare(title, names, runs):
    print(title)
    print_row("", names)
    print_row("reads", [len(r) for r in runs])
    for p in PERCENTILES:
        name = f"{p} %" if p < 100 else "longest"
        print_row(name, [f"{percentile(r, p) / 1000:.1f} us" for r in runs])
    low, limit = min(r[0] for r in runs), 1000
    while limit <= low:
        limit *= 2
    counted = [0] * len(runs)
    while any(n < len(r) for n, r in zip(counted, runs)):
        n = [bisect.bisect_left(r, limit) for r in runs]
        print_row(f"< {limit // 1000} us", [a - b for a, b in zip(n, counted)])
        counted, limit = n, limit * 2


def main():
    pairs = [a.rsplit("=", 1) for a in sys.argv[-2:]]
    if sys.argv[1] == "measure":
        measure(int(sys.argv[2]), sys.argv[3] == "cached", pairs)
    else:
        compare(sys.argv[2], [name for name, _ in pairs], [read(out) for _, out in pairs])


main()
