#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""rekey.py fresh OLD NEW: no data block of the backing tree OLD is left in NEW.
rekey.py use DIR SECONDS: read and rewrite the files below DIR; whatever is read is whole.
"""
import os
import random
import sys
import time

BLOCK = 4096


def fresh(old, new):
    """Both are the directory of a volume; names are the same in both."""
    blocks = 0
    for where, _, names in os.walk(os.path.join(old, "tree")):
        for name in names:
            path = os.path.join(where, name)
            other = os.path.join(new, os.path.relpath(path, old))
            if name == ".D" or os.path.islink(path) or not os.path.exists(other):
                continue
            with open(path, "rb") as a, open(other, "rb") as b:
                x, y = a.read(), b.read()
            for at in range(2 * BLOCK, len(x) - BLOCK + 1, BLOCK):
                if not x[at:at + BLOCK].strip(b"\0"):
                    continue
                blocks += 1
                assert x[at:at + BLOCK] != y[at:at + BLOCK], "%s: the block at %d is the old one" % (
                    other, at)
    assert blocks, "nothing was compared"
    print("%d blocks, all other ones" % blocks)


def use(top, seconds):
    """Each file is blocks of one byte each; a reader never sees a mixed one."""
    r, end, rounds = random.Random(os.getpid()), time.monotonic() + seconds, 0
    fds = []
    for n in range(8):
        fd = os.open(os.path.join(top, "used%d" % n), os.O_RDWR | os.O_CREAT, 0o644)
        os.pwrite(fd, b"a" * (200 * BLOCK), 0)
        fds.append(fd)
    while time.monotonic() < end:
        fd, at = r.choice(fds), r.randrange(200) * BLOCK
        os.pwrite(fd, bytes([r.randrange(1, 255)]) * BLOCK, at)
        got = os.pread(fd, BLOCK, r.randrange(200) * BLOCK)
        assert len(got) == BLOCK and got == got[:1] * BLOCK, "a block of several bytes"
        if rounds % 50 == 0:
            os.fsync(fd)
        rounds += 1
    print("%d rounds" % rounds)


if sys.argv[1] == "fresh":
    fresh(sys.argv[2], sys.argv[3])
else:
    use(sys.argv[2], float(sys.argv[3]))
