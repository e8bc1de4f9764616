#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""stalls.py FILE: write down when the machine stood still, for tests that judge by the clock: a
line "SINCE MS", ms since 1970 and how long, each time that a short sleep took far longer.
"""
import sys
import time

SLEEP_MS = 10
LATE_MS = 100       # less than that is an ordinary wait for a processor


def now():
    return time.time_ns() // 1000000


def stalled(path, since):
    """For how many ms the machine stood still, SINCE ms since 1970."""
    time.sleep(2 * LATE_MS / 1000)      # what has just been is written
    with open(path, encoding="ascii") as file:
        found = [[int(n) for n in line.split()] for line in file if line.endswith("\n")]
    return sum(ms for begin, ms in found if begin + ms >= since)


def main():
    with open(sys.argv[1], "w", encoding="ascii") as file:
        while True:
            begin = now()
            time.sleep(SLEEP_MS / 1000)
            late = now() - begin - SLEEP_MS
            if late > LATE_MS:
                print(begin, late, file=file, flush=True)


if __name__ == "__main__":
    main()
