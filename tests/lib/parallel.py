#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""parallel.py DIR SCALE [no-maps]: several processes at one file or one directory, each result
checked.

SCALE multiplies the work; 1 takes some seconds.  no-maps: stores to a shared map are not mixed
with writes of the same page, of which the kernel loses some on any FUSE filesystem without the
writeback cache.
"""
import contextlib
import ctypes
import errno
import fcntl
import hashlib
import mmap
import os
import random
import struct
import sys
import time

libc = ctypes.CDLL(None, use_errno=True)
TOP, SCALE, MAPS = sys.argv[1], int(sys.argv[2]), "no-maps" not in sys.argv


def path(name):
    return os.path.join(TOP, name)


def together(count, function, *args):
    """COUNT processes; each must end with 0."""
    pids = []
    for k in range(count):
        pid = os.fork()
        if pid == 0:
            try:
                function(k, *args)
            except BaseException as e:
                print("%s %d: %r" % (function.__name__, k, e), file=sys.stderr, flush=True)
                os._exit(1)
            os._exit(0)
        pids.append(pid)
    if any([os.waitpid(pid, 0)[1] for pid in pids]):
        sys.exit(1)


def same_chunk():
    """L02: bytes of one chunk by eight processes; none is lost."""
    with open(path("chunk"), "wb") as file:
        file.write(bytes(3 * 4096))

    def writer(k, by_map):
        fd = os.open(path("chunk"), os.O_RDWR)
        m = mmap.mmap(fd, 0) if by_map and k % 2 else None
        for n in range(8000 * SCALE):
            at = (n * 8 + k) % (3 * 4096 - 8) // 8 * 8 + k
            value = (n & 127) + 1
            if m:
                m[at] = value
            else:
                os.pwrite(fd, bytes([value]), at)
            got = os.pread(fd, 1, at)[0]
            assert got == value, "byte %d is %d instead of %d" % (at, got, value)
            if n % 1000 == 999:
                os.fsync(fd)
    for by_map in (False, True) if MAPS else (False,):
        together(8, writer, by_map)


def appending():
    """L03: records appended by sixteen processes, each once and whole."""
    count, size = 400 * SCALE, 100

    def writer(k):
        fd = os.open(path("log"), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        for n in range(count):
            record = (b"%02d %06d " % (k, n)).ljust(size - 1, b"x") + b"\n"
            assert os.write(fd, record) == size
    together(16, writer)
    with open(path("log"), "rb") as file:
        lines = file.read().split(b"\n")[:-1]
    assert len(lines) == 16 * count, len(lines)
    seen = {tuple(line.split()[:2]) for line in lines}
    assert len(seen) == len(lines) and all(len(line) == size - 1 for line in lines)


def one_file():
    """Blocks written and read by eight processes at once: own blocks as written."""
    blocks, size = 512, 8192

    def block(n, version):
        head = struct.pack("<QQ", n, version)
        return head + hashlib.sha256(head).digest() * ((size - 16) // 32) + bytes(16)

    def unit(n, version):
        return hashlib.sha256(struct.pack("<QQ", n, version)).digest()

    def torn_only(n, version, data):
        """What was read beside a write: each eight bytes are what a version of this block that was
        written at about that time has there, or nothing yet.  Less is not copied at once; but how
        often the two overtake each other, within a cache line too, no filesystem promises."""
        near = range(max(1, version // 8 - 64), version // 8 + 65)
        good = {unit(n, v * 8 + n % 8) for v in near} | ({bytes(32)} if near[0] == 1 else set())
        words = [{u[at:at + 8] for u in good} for at in range(0, 32, 8)]
        return not any(data[-16:]) and all(data[at:at + 8] in words[(at - 16) % 32 // 8]
                                           for at in range(16, size - 16, 8))

    def worker(k):
        r, fd = random.Random(k), os.open(path("one"), os.O_RDWR)
        mine = {}
        for _ in range(2500 * SCALE):
            n = r.randrange(blocks)
            if r.random() < 0.4:
                n = n // 8 * 8 + k      # only its own blocks are written by each
                mine[n] = mine.get(n, 0) + 1
                os.pwrite(fd, block(n, mine[n] * 8 + k), n * size)
            else:
                data = os.pread(fd, size, n * size)
                which, version = struct.unpack_from("<QQ", data)
                if version:
                    assert which == n and version % 8 == n % 8, (n, which, version)
                    assert data == block(n, version) or torn_only(n, version, data), (
                        "block %d has bytes that nobody wrote" % n)
                if n in mine:
                    assert data == block(n, mine[n] * 8 + k), "own block %d" % n
        for n, version in mine.items():
            assert os.pread(fd, size, n * size) == block(n, version * 8 + k), "block %d" % n
    with open(path("one"), "wb"):
        pass
    os.truncate(path("one"), blocks * size)
    together(8, worker)


def direct_and_cached():
    """O_DIRECT beside the cache: after each hand-over the other sees it."""
    with open(path("direct"), "wb") as file:
        file.write(bytes(1 << 20))
    buf = mmap.mmap(-1, 65536)
    fd, fdd = os.open(path("direct"), os.O_RDWR), os.open(path("direct"), os.O_RDWR | os.O_DIRECT)
    r = random.Random(1)
    for n in range(1500 * SCALE):
        at = r.randrange(15) * 65536
        mark = b"%08d" % n
        if n & 1:
            buf[:] = mark * 8192
            os.pwrite(fdd, buf, at)
            assert os.pread(fd, 65536, at) == mark * 8192
        else:
            os.pwrite(fd, mark * 8192, at)
            assert os.preadv(fdd, [buf], at) == 65536 and buf[:] == mark * 8192
    os.close(fd)
    os.close(fdd)


def truncating():
    """Growing, shrinking and reading at once: what is read is zeros or the pattern."""
    def worker(k):
        r, fd = random.Random(k), os.open(path("trunc"), os.O_RDWR | os.O_CREAT, 0o644)
        end = time.monotonic() + 1.5 * SCALE
        while time.monotonic() < end:
            at = r.randrange(200) * 4096
            if k == 0:
                os.ftruncate(fd, r.randrange(800000))
            elif k < 4:
                os.pwrite(fd, b"P" * 4096, at)
            else:
                assert not os.pread(fd, 20000, at).strip(b"P\0")
    together(8, worker)
    assert not open(path("trunc"), "rb").read().strip(b"P\0")


def locking():
    """A counter under flock, then under POSIX locks, then under OFD locks."""
    for kind in ("flock", "lockf", "ofd"):
        with open(path("counter"), "wb") as file:
            file.write(struct.pack("<Q", 0))

        def worker(_k, kind=kind):
            fd = os.open(path("counter"), os.O_RDWR)
            whole = {t: struct.pack("hhqqi4x", t, 0, 0, 0, 0) for t in (fcntl.F_WRLCK,
                                                                      fcntl.F_UNLCK)}
            for _ in range(1500 * SCALE):
                if kind == "flock":
                    fcntl.flock(fd, fcntl.LOCK_EX)
                elif kind == "lockf":
                    fcntl.lockf(fd, fcntl.LOCK_EX)
                else:
                    fcntl.fcntl(fd, fcntl.F_OFD_SETLKW, whole[fcntl.F_WRLCK])
                n, = struct.unpack("<Q", os.pread(fd, 8, 0))
                os.pwrite(fd, struct.pack("<Q", n + 1), 0)
                if kind == "flock":
                    fcntl.flock(fd, fcntl.LOCK_UN)
                elif kind == "lockf":
                    fcntl.lockf(fd, fcntl.LOCK_UN)
                else:
                    fcntl.fcntl(fd, fcntl.F_OFD_SETLK, whole[fcntl.F_UNLCK])
        together(6, worker)
        with open(path("counter"), "rb") as file:
            n, = struct.unpack("<Q", file.read())
        assert n == 6 * 1500 * SCALE, "%s: %d" % (kind, n)


def renaming():
    """L05: eight processes rename within and across directories; nothing is lost."""
    for d in range(4):
        os.makedirs(path("storm/%d" % d))
        for n in range(16):
            with open(path("storm/%d/f%d" % (d, n)), "wb") as file:
                file.write(b"I am %d.%d" % (d, n))

    def worker(k):
        r = random.Random(k)
        for _ in range(1000 * SCALE):
            a, b = (path("storm/%d/%s%d" % (r.randrange(4), r.choice("fg"), r.randrange(16)))
                    for _ in range(2))
            flags = r.choice((1, 1, 2))     # NOREPLACE, EXCHANGE: nothing is ever replaced
            if libc.renameat2(-100, a.encode(), -100, b.encode(), flags) < 0:
                e = ctypes.get_errno()
                assert e in (errno.ENOENT, errno.EEXIST), e
            if r.random() < 0.2:
                try:
                    with open(b, "rb") as file:
                        assert file.read().startswith(b"I am ")
                except FileNotFoundError:
                    pass
    together(8, worker)
    found = sorted(open(os.path.join(d, n), "rb").read() for d, _, names in os.walk(path("storm"))
                   for n in names)
    assert found == sorted(b"I am %d.%d" % (d, n) for d in range(4) for n in range(16)), len(found)


def directories():
    """Directories made, moved into each other and removed at once: no loop, no error but races."""
    os.mkdir(path("dirs"))

    def worker(k):
        r = random.Random(100 + k)
        fine = (errno.ENOENT, errno.EEXIST, errno.ENOTEMPTY, errno.EINVAL, errno.ELOOP)
        for _ in range(400 * SCALE):
            a, b = (path("dirs/" + "/".join(r.choice("abcd") for _ in range(r.randrange(1, 4))))
                    for _ in range(2))
            try:
                what = r.random()
                if what < 0.4:
                    os.mkdir(a)
                elif what < 0.7:
                    os.rename(a, b)
                elif what < 0.9:
                    os.rmdir(a)
                else:
                    os.listdir(a)
            except OSError as e:
                assert e.errno in fine, e
    together(6, worker)
    for where, _, _ in os.walk(path("dirs"), topdown=False):
        os.rmdir(where)
    assert not os.path.exists(path("dirs"))


def unlinking():
    """Files made, written, read and unlinked under the same few names."""
    def worker(k):
        r = random.Random(k)
        for _ in range(400 * SCALE):
            name = path("u%d" % r.randrange(6))
            try:
                if r.random() < 0.5:
                    data = b"%d" % k * r.randrange(1, 9000)
                    fd = os.open(name + ".%d" % k, os.O_CREAT | os.O_RDWR | os.O_TRUNC, 0o644)
                    os.write(fd, data)
                    os.rename(name + ".%d" % k, name)
                    assert os.pread(fd, 10000, 0) == data
                    os.close(fd)
                elif r.random() < 0.5:
                    fd = os.open(name, os.O_RDONLY)
                    data = os.read(fd, 10000)
                    assert len(set(data)) == 1, "mixed or empty contents"
                    os.close(fd)
                else:
                    os.unlink(name)
            except FileNotFoundError:
                pass
    together(8, worker)


def listing():
    """A directory listed while names come and go: each that stays is seen once."""
    os.mkdir(path("list"))
    stay = {"stay %03d" % n for n in range(300)}
    for name in stay:
        os.close(os.open(path("list/" + name), os.O_CREAT | os.O_WRONLY, 0o600))

    def worker(k):
        r, end = random.Random(k), time.monotonic() + 1.5 * SCALE
        while time.monotonic() < end:
            if k < 2:
                name = path("list/come %d" % r.randrange(500))
                try:
                    os.close(os.open(name, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
                except FileExistsError:
                    with contextlib.suppress(FileNotFoundError):    # two of them do this
                        os.unlink(name)
            else:
                names = [n for n in os.listdir(path("list")) if n.startswith("stay")]
                assert len(names) == len(stay) and set(names) == stay, (
                    len(names), sorted(stay - set(names))[:5])
    together(4, worker)


for part in (same_chunk, appending, one_file, direct_and_cached, truncating, locking, renaming,
             directories, unlinking, listing):
    begin = time.monotonic()
    part()
    print("%-18s %5.1f s" % (part.__name__, time.monotonic() - begin), flush=True)
