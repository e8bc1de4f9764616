#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""How long single reads take, and two such measurements beside each other.

latency.py measure FILE SECONDS cached|uncached OUT   reads of 4 KiB at random places, back to back;
                                     adds the nanoseconds of each to OUT
latency.py compare TITLE NAME=OUT NAME=OUT            percentiles and a histogram of both
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


def measure(path, seconds, cached, out):
    fd = os.open(path, os.O_RDONLY)
    os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_RANDOM)
    blocks = os.fstat(fd).st_size // BLOCK
    if cached:
        for i in range(blocks):
            os.pread(fd, BLOCK, i * BLOCK)
    else:
        os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
    took, rng, now = array.array("q"), random.Random(seconds), time.perf_counter_ns
    gc.disable()
    end = now() + seconds * 10**9
    begin = now()
    while begin < end:
        at = rng.randrange(blocks) * BLOCK
        begin = now()
        data = os.pread(fd, BLOCK, at)
        took.append(now() - begin)
        if len(data) != BLOCK:
            sys.exit(f"{len(data)} bytes at {at}")
        if not cached:
            os.posix_fadvise(fd, at, BLOCK, os.POSIX_FADV_DONTNEED)
    with open(out, "ab") as f:
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
    low, upto = min(r[0] for r in runs), 1000
    while upto <= low:
        upto *= 2
    counted = [0] * len(runs)
    while any(n < len(r) for n, r in zip(counted, runs)):
        n = [bisect.bisect_left(r, upto) for r in runs]
        print_row(f"< {upto // 1000} us", [a - b for a, b in zip(n, counted)])
        counted, upto = n, upto * 2


def main():
    if sys.argv[1] == "measure":
        path, seconds, how, out = sys.argv[2:6]
        measure(path, int(seconds), how == "cached", out)
    else:
        pairs = [a.split("=", 1) for a in sys.argv[3:]]
        compare(sys.argv[2], [name for name, _ in pairs], [read(out) for _, out in pairs])


main()
