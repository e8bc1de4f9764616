#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""zone_full.py use DIR SECONDS: write, map, rename, link and list below DIR; each file's blocks are of
one byte each, and what an fsync acknowledged stays.  zone_full.py left VOLUME ZONE: the objects whose
headers on disk, either slot, say ZONE ("old": any other zone than that of the keyring there is).
"""
import errno
import mmap
import os
import random
import sys
import time

BLOCK, BLOCKS, FILES = 4096, 120, 6


def use(top, seconds):
    r, end, rounds = random.Random(os.getpid()), time.monotonic() + seconds, 0
    fds, maps = [], []
    for n in range(FILES):
        fd = os.open(os.path.join(top, "used%d" % n), os.O_RDWR | os.O_CREAT, 0o644)
        os.pwrite(fd, b"a" * (BLOCKS * BLOCK), 0)
        fds.append(fd)
        maps.append(mmap.mmap(fd, BLOCKS * BLOCK))
    where = [os.path.join(top, "used%d" % n) for n in range(FILES)]
    while time.monotonic() < end:
        n, at = r.randrange(FILES), r.randrange(BLOCKS) * BLOCK
        byte = bytes([r.randrange(1, 255)]) * BLOCK
        if r.random() < 0.5:
            os.pwrite(fds[n], byte, at)
        else:
            maps[n][at:at + BLOCK] = byte
        if rounds % 20 == 0:
            os.fsync(fds[n])
            assert os.pread(fds[n], BLOCK, at) == byte, "another block than was written"
        got = os.pread(r.choice(fds), BLOCK, r.randrange(BLOCKS) * BLOCK)
        assert len(got) == BLOCK and got == got[:1] * BLOCK, "a block of several bytes"
        if rounds % 7 == 0:
            new = os.path.join(r.choice([top, os.path.join(top, "moved")]), "used%d.%d" % (n, rounds))
            os.makedirs(os.path.dirname(new), exist_ok=True)
            os.rename(where[n], new)
            where[n] = new
            with open(new, "rb") as file:
                assert os.fstat(file.fileno()).st_ino == os.fstat(fds[n]).st_ino, "another file"
        if rounds % 11 == 0:
            with open(os.path.join(top, "made"), "wb") as file:
                file.write(b"new")
            os.link(os.path.join(top, "made"), os.path.join(top, "made2"))
            os.symlink("made", os.path.join(top, "made3"))
            assert os.readlink(os.path.join(top, "made3")) == "made"
            assert sorted(n for n in os.listdir(top) if n.startswith("made")) == ["made", "made2", "made3"]
            for name in ("made", "made2", "made3"):
                os.unlink(os.path.join(top, name))
        if rounds % 13 == 0:
            try:
                os.rename(where[n], os.path.join(os.path.dirname(top), "out"))
                raise AssertionError("a file left the zone")
            except OSError as e:
                assert e.errno == errno.EXDEV, e
        rounds += 1
    for n in range(FILES):
        with open(where[n], "rb") as file:
            assert file.read() == maps[n][:], "by its path it is another"
    print("%d rounds" % rounds)


def left(volume, zone):
    """Slots of headers that name another zone, below the directory where ZONE begins."""
    zone, tops, count = bytes.fromhex(zone), [], 0
    for where, _, names in os.walk(os.path.join(volume, "tree")):
        if ".D" in names:
            with open(os.path.join(where, ".D"), "rb") as file:
                block = file.read(2 * BLOCK)
            newest = max((block[at:at + BLOCK] for at in (0, BLOCK) if block[at:at + 8] == b"CMKFSOBJ"),
                         key=lambda b: int.from_bytes(b[64:72], "little"))
            if newest[32:48] == zone and newest[13] & 8:
                tops.append(where)
    assert len(tops) == 1, tops
    for where, _, names in os.walk(tops[0]):
        for name in names:
            path = os.path.join(where, name)
            if os.path.islink(path) or not os.path.isfile(path):
                continue
            with open(path, "rb") as file:
                block = file.read(2 * BLOCK)
            count += any(block[at:at + 8] == b"CMKFSOBJ" and block[at + 32:at + 48] != zone
                         for at in (0, BLOCK))
    print(count)


if sys.argv[1] == "use":
    use(sys.argv[2], float(sys.argv[3]))
else:
    left(sys.argv[2], sys.argv[3])
