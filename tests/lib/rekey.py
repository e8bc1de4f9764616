#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""rekey.py fresh OLD NEW: no data block of the backing tree OLD is left in NEW.
rekey.py use DIR SECONDS: read and rewrite the files below DIR; whatever is read is whole.
rekey.py fill DIR FILES BYTES: so many files of all sizes, and one of BYTES, with attributes.
rekey.py move DIR: rename the directories in DIR, and what is in them, until DIR fails.
rekey.py beside RW RO SECONDS: what is made in RW is whole in RO at once, and never an error.
rekey.py sums DIR: what all files in DIR hold, wherever they are.
"""
import errno
import hashlib
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


def fill(top, files, size):
    r = random.Random(1)
    for n in range(files):
        where = os.path.join(top, "d%d" % (n // 50))
        os.makedirs(where, exist_ok=True)
        with open(os.path.join(where, "f%d" % n), "wb") as file:
            file.write(b"%08d" % n)
            file.write(r.randbytes(r.choice((0, 1, 3000, 20000, 300000 if n % 10 == 0 else 5000))))
        if n % 3 == 0:
            os.setxattr(file.name, "user.n", b"%d" % n)
    with open(os.path.join(top, "big"), "wb") as file:
        for _ in range(size >> 20):
            file.write(r.randbytes(1 << 20))


def move(top):
    """Between DIR/a and DIR/b, back and forth, under other names each time."""
    r = random.Random(os.getpid())
    try:
        for n in range(1 << 30):
            here, there = r.sample(("a", "b"), 2)
            names = os.listdir(os.path.join(top, here))
            if not names:
                continue
            name = os.path.join(top, here, r.choice(names))
            os.rename(name, os.path.join(top, there, "d%d.%d" % (n, os.getpid())))
            time.sleep(0.002)
    except OSError as e:
        if e.errno not in (errno.ENOTCONN, errno.ECONNABORTED, errno.ENOENT, errno.ENODEV):
            raise


def beside(rw, ro, seconds):
    end, n = time.monotonic() + seconds, 0
    while time.monotonic() < end:
        name, data = "fresh%d" % (n % 50), b"%d " % n * 900
        with open(os.path.join(rw, name), "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        with open(os.path.join(ro, name), "rb") as file:
            assert file.read() == data, name
        n += 1
        time.sleep(0.01)
    print("%d files" % n)


def sums(top):
    all = []
    for where, _, names in os.walk(top):
        for name in names:
            path = os.path.join(where, name)
            with open(path, "rb") as file:
                attributes = [(k, os.getxattr(path, k)) for k in sorted(os.listxattr(path))]
                all.append(hashlib.sha256(file.read() + repr(attributes).encode()).hexdigest())
    print("\n".join(sorted(all)))


does = {"fresh": fresh, "beside": lambda rw, ro, s: beside(rw, ro, float(s)),
        "use": lambda top, s: use(top, float(s)), "move": move, "sums": sums,
        "fill": lambda top, files, size: fill(top, int(files), int(size))}
does[sys.argv[1]](*sys.argv[2:])
