#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""fault_calls.py DIR MNT STEP LIMIT-SECONDS: one history of operations is run again and again, and
each time another backing call of the daemon fails (EIO, ENOSPC), or kills it (strace injects it).
The error surfaces at the application or does no harm; after a mount everything acknowledged is
there, all else old or new.  STEP 1: every Nth call, until the history passes untouched.
"""
import os
import signal
import subprocess
import sys
import time

from crash_load import Load, replay
from crash_model import Model
from crash_run import Volume, reap
from world import cmkfs

CALLS = ["pwritev,pwrite64", "fdatasync", "fsync", "ftruncate", "openat2", "renameat2",
         "getdents64", "unlinkat"]
FAULTS = ["signal=KILL", "error=EIO", "error=ENOSPC"]
OPERATIONS = 60


class Faults(Volume):
    def start(self, calls, fault, n):
        """A daemon under strace, whose Nth such call (of a thread) fails; the strace process."""
        begin = ["strace", "-f", "-o", "trace", "-e", "trace=" + calls, "-e",
                 "inject=%s:%s:when=%d" % (calls, fault, n)]
        pid = self.pid()
        tracer = subprocess.Popen(begin + ["-p", str(pid)], stderr=subprocess.PIPE, text=True)
        tracer.stderr.readline()    # "Process N attached"
        return pid, tracer


def load(model, top, key):
    """The history, in a process of its own: a store into a dead mount's map is a SIGBUS."""
    pid = os.fork()
    if pid:
        return reap(pid, 60)
    fd = os.open("journal", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    work = Load(model, top, key)
    while work.count < OPERATIONS and work.step(fd):
        try:
            os.listdir(top)
        except OSError:
            break
    os._exit(0)


def run(v, number, calls, fault, n, totals):
    """Whether the fault was met."""
    top = os.path.join(v.mnt, "r%d" % number)
    v.mount()
    os.mkdir(top)
    for place in (top, v.mnt):
        fd = os.open(place, os.O_RDONLY)
        os.fsync(fd)
        os.close(fd)
    pid, tracer = v.start(calls, fault, n)
    model, mine = Model(), Model()
    try:
        status = load(mine, top, "history/%d" % (n % 3))
    finally:
        tracer.send_signal(signal.SIGINT)
        try:
            tracer.communicate(timeout=30)
        except subprocess.TimeoutExpired:    # it has been seen to miss the end of a killed thread
            tracer.kill()
            tracer.communicate()
    with open("trace", encoding="utf-8", errors="replace") as file:
        trace = file.read()
    met = "INJECTED" in trace or "killed by SIGKILL" in trace
    error = replay(model, "journal", float("inf"))
    if status not in (0, signal.SIGBUS):
        raise SystemExit("the load ended with status %d" % status)
    if met:
        totals["met"] += 1
        totals["told"] += error is not None
    if not os.path.exists("/proc/%d" % pid) or fault == "signal=KILL" and met:
        if fault != "signal=KILL":
            raise SystemExit("%s of %s, %d: the daemon died" % (fault, calls, n))
        v.clear(pid)
    else:
        cmkfs("umount", v.mnt)
    v.mount()
    for node in model.nodes.values():
        node.lossy = met and fault != "signal=KILL"
    wrong, _ = model.check(top, False, True)
    if wrong:
        print("%s, call %d: %s" % (calls, n, fault))
        print("the load ended with %s" % error)
        print("\n".join(wrong))
        with open("journal", encoding="utf-8") as file:
            print(file.read()[-3000:])
        raise SystemExit(1)
    subprocess.run(["rm", "-rf", top], check=True)
    cmkfs("umount", v.mnt)
    return met


def main():
    directory, mnt, step, limit = sys.argv[1:5]
    v = Faults(directory, mnt)
    end, totals = time.monotonic() + float(limit), {"runs": 0, "met": 0, "told": 0}
    number = 0
    todo = [(calls, fault, 1) for calls in CALLS for fault in FAULTS]
    while todo and time.monotonic() < end:
        calls, fault, n = todo.pop(0)
        number += 1
        totals["runs"] += 1
        if run(v, number, calls, fault, n, totals):
            todo.append((calls, fault, n + (1 if step == "1" else max(1, n * 3 // 2))))
    print("%d runs, the fault met in %d, an error at the application in %d%s" % (
        totals["runs"], totals["met"], totals["told"],
        "" if todo else ", each until it passed untouched"))
    if totals["told"] == 0:
        raise SystemExit("no fault surfaced at all")


if __name__ == "__main__":
    main()
