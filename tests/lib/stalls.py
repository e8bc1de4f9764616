#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""stalls.py FILE: write down when the machine stood still, for tests that judge by the clock: a
line "BEGIN END", both in ms since 1970, each time that a short sleep took far longer.
"""
import os
import sys
import time

SLEEP_MS = 10
LATE_MS = 100       # less than that is an ordinary wait for a processor


def now():
    return time.time_ns() // 1000000


def stalled(path, since, ms):
    """For how many of the MS from SINCE on, in ms since 1970, the machine stood still."""
    time.sleep(2 * LATE_MS / 1000)      # what has just been is written
    with open(path, encoding="ascii") as file:
        found = [[int(n) for n in line.split()] for line in file if line.endswith("\n")]
    return sum(max(0, min(end, since + ms) - max(begin, since)) for begin, end in found)


def in_time(path, ms, limit, since):
    """Whether what began at SINCE and took MS took LIMIT at most, but for that."""
    if ms <= limit:
        return True
    still = stalled(path, since, ms)
    print("%d ms, of which the machine stood still for %d" % (ms, still))
    return ms <= limit + still


def main():
    try:    # before whatever else runs: what is tested may keep others from running, too
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(20))
    except PermissionError:
        pass
    with open(sys.argv[1], "w", encoding="ascii") as file:
        while True:
            due = now() + SLEEP_MS
            time.sleep(SLEEP_MS / 1000)
            if now() - due > LATE_MS:
                print(due, now(), file=file, flush=True)


if __name__ == "__main__":
    main()
