#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""One directory of many files: million.py N DIR [PID]

Creates, lists, stats and removes them, and says how many a second.  None of it may take longer
for each as they become more.  PID: the daemon, whose memory is watched.
"""
import os
import sys
import time

PARTS = 10
RESIDENT_KIB = 16384 * 6    # whose headers are in memory
EACH = 900    # bytes of one that the kernel knows
SLOWER = 3    # the last part against the one that took least work


def rss(pid):
    if not pid:
        return 0
    with open("/proc/%s/status" % pid, encoding="ascii") as f:
        return next(int(line.split()[1]) for line in f if line.startswith("RssAnon"))


def cpu(pid):
    """Seconds that we and the daemon have worked: other work on the machine does not count."""
    own = os.times()
    if not pid:
        return own.user + own.system
    with open("/proc/%s/stat" % pid, encoding="ascii") as f:
        fields = f.read().rpartition(")")[2].split()
    return own.user + own.system + (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def timed(what, n, step, pid, wrong):
    """STEP(first, last) in parts: how long the whole took, and whether the last took more work."""
    begin, parts = time.monotonic(), []
    for k in range(PARTS):
        before = cpu(pid)
        step(n * k // PARTS, n * (k + 1) // PARTS)
        parts.append(cpu(pid) - before)
    print("  %-7s %8.0f/s" % (what, n / (time.monotonic() - begin)), flush=True)
    if parts[-1] > SLOWER * min(parts) + 0.3:
        wrong.append("%s takes ever more work: %s" % (what, " ".join("%.2f" % t for t in parts)))


def main():
    n, top, pid = int(sys.argv[1]), sys.argv[2], sys.argv[3] if len(sys.argv) > 3 else None
    path, wrong, before, most = os.path.join(top, "many"), [], rss(pid), [0]
    os.mkdir(path)
    names = ["file-%07d" % k for k in range(n)]

    def create(a, b):
        for name in names[a:b]:
            os.close(os.open(os.path.join(path, name), os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o644))
        most[0] = max(most[0], rss(pid))

    def stat(a, b):
        for name in names[a:b]:
            os.stat(os.path.join(path, name))
        most[0] = max(most[0], rss(pid))

    def remove(a, b):
        for name in names[a:b]:
            os.unlink(os.path.join(path, name))

    timed("create", n, create, pid, wrong)
    begin = time.monotonic()
    listed = sorted(entry.name for entry in os.scandir(path))
    print("  %-7s %8.0f/s" % ("list", n / (time.monotonic() - begin)), flush=True)
    if listed != names:
        wrong.append("%d names are listed, of %d" % (len(listed), n))
    timed("stat", n, stat, pid, wrong)
    timed("remove", n, remove, pid, wrong)
    if os.listdir(path):
        wrong.append("something is still listed")
    os.rmdir(path)
    if pid:
        each = (most[0] - before) * 1024 / n
        time.sleep(2)       # the kernel forgets them
        kept = rss(pid) - before
        print("  memory  %8.0f bytes for each file that the kernel knows, %d MiB in all; %d MiB kept" %
              (each, most[0] // 1024, kept // 1024))
        if most[0] - before > RESIDENT_KIB + n * EACH // 1024:
            wrong.append("that is too much")
        if kept > (most[0] - before) // 4 + 20000:
            wrong.append("that is too much to be kept")
    for what in wrong:
        print("  " + what)
    return bool(wrong)


if __name__ == "__main__":
    sys.exit(main())
