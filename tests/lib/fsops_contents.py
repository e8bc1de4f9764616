# SPDX-License-Identifier: Apache-2.0
"""Part of fsops.py: sizes and contents, holes, reservations."""
import os
import random

from fsops_run import data, fallocate, get, pread_all, put, sha

KEEP_SIZE, PUNCH, COLLAPSE, ZERO, INSERT = 1, 2, 8, 16, 32
TIB = 1 << 40


def truncating(run):
    for n in (0, 13, 3040, 3041, 4096, 5000, 20480, 384 << 10, (384 << 10) + 1, 1 << 20):
        value = data(n, n)
        put("size", value, "wb")
        run.say("size %d" % n, (os.path.getsize("size"), sha(get("size"))))
        for to in (0, 1, 100, 4095, 4096, 4097, 393216, 393217, 500000, 2 << 20):
            put("size", value, "wb")
            os.truncate("size", to)
            run.say("%d to %d" % (n, to), (os.path.getsize("size"), sha(get("size"))))
            os.truncate("size", n + 100)    # what was cut off must be zeros
            run.say("and back", sha(get("size")))
    fd = os.open("size", os.O_RDONLY)
    run.do("ftruncate of O_RDONLY", os.ftruncate, fd, 1)
    os.close(fd)
    run.do("truncate a directory", os.truncate, "dir", 1)
    run.do("truncate negative", os.truncate, "size", -1)


def overwriting(run):
    r, shadow = random.Random(7), bytearray()
    fd = os.open("shadow", os.O_RDWR | os.O_CREAT, 0o600)
    for k in range(3000):
        at, n = r.randrange(1 << 21), r.choice((1, 13, 100, 4096, 4096, 5000, 70000))
        what = r.random()
        if what < 0.55:
            value = r.randbytes(n)
            if at > len(shadow):
                shadow.extend(bytes(at - len(shadow)))
            shadow[at:at + n] = value
            os.pwrite(fd, value, at)
        elif what < 0.62:
            to = r.randrange(1 << 21)
            del shadow[to:]
            shadow.extend(bytes(to - len(shadow)))
            os.ftruncate(fd, to)
        elif what < 0.70:
            fallocate(fd, PUNCH | KEEP_SIZE, at, n)
            end = min(at + n, len(shadow))
            if end > at:
                shadow[at:end] = bytes(end - at)
        elif what < 0.72:
            os.fsync(fd)
        elif what < 0.74:
            os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
        else:
            piece = os.pread(fd, n, at)
            if piece != bytes(shadow[at:at + n]):
                run.say("step %d: wrong bytes" % k, (at, n))
                break
    run.say("a thousand steps", pread_all(fd) == bytes(shadow))
    os.close(fd)
    run.say("after close", get("shadow") == bytes(shadow))


def vectors(run):
    fd = os.open("vector", os.O_RDWR | os.O_CREAT, 0o600)
    run.do("writev", os.writev, fd, [b"ab", b"", b"cde" * 2000, b"f"])
    bufs = [bytearray(3), bytearray(5000), bytearray(9000)]
    run.do("preadv", os.preadv, fd, bufs, 1)
    run.say("preadv data", sha(b"".join(bufs)))
    run.do("pwritev", os.pwritev, fd, [b"12", b"345"], 10000)
    run.do("read past the end", os.pread, fd, 10, 1 << 20)
    run.do("read of nothing", os.pread, fd, 0, 0)
    run.do("write of nothing", os.pwrite, fd, b"", 1 << 20)
    run.say("size", os.fstat(fd).st_size)
    out = os.open("copied", os.O_RDWR | os.O_CREAT, 0o600)
    run.do("copy_file_range", os.copy_file_range, fd, out, 5000, 3, 7)
    run.do("sendfile", os.sendfile, out, fd, 0, 100)
    run.say("copied", sha(get("copied")))
    os.close(fd)
    os.close(out)


def holes(run):
    fd = os.open("holes", os.O_RDWR | os.O_CREAT, 0o600)
    os.ftruncate(fd, 4 << 20)
    for at in (0, 1 << 20, (1 << 20) + 4096, 3 << 20):
        os.pwrite(fd, data(at, 4096), at)
    os.fsync(fd)
    for at in (0, 100, 4096, 5000, 1 << 20, (1 << 20) + 8192, 3 << 20, (3 << 20) + 4096,
               (4 << 20) - 1, 4 << 20, 5 << 20):
        for what, whence in (("data", os.SEEK_DATA), ("hole", os.SEEK_HOLE)):
            run.do("seek %s from %d" % (what, at), os.lseek, fd, at, whence)
    fallocate(fd, PUNCH | KEEP_SIZE, 1 << 20, 4096)
    os.fsync(fd)
    run.do("seek data after punch", os.lseek, fd, 4096, os.SEEK_DATA)
    run.say("contents", sha(pread_all(fd)))
    os.close(fd)


def allocating(run):
    value = data(3, 100000)

    def fresh():
        put("alloc", value, "wb")
        return os.open("alloc", os.O_RDWR)
    for what, mode, at, n in (
            ("0", 0, 0, 200000), ("0 inside", 0, 10, 20), ("keep", KEEP_SIZE, 0, 300000),
            ("punch", PUNCH | KEEP_SIZE, 5000, 60000),
            ("punch chunk", PUNCH | KEEP_SIZE, 4096, 4096),
            ("punch beyond", PUNCH | KEEP_SIZE, 90000, 1 << 20),
            ("punch all", PUNCH | KEEP_SIZE, 0, 1 << 20),
            ("punch without keep", PUNCH, 0, 4096), ("zero", ZERO, 5000, 60000),
            ("zero growing", ZERO, 90000, 100000), ("zero keep", ZERO | KEEP_SIZE, 90000, 99999),
            ("collapse", COLLAPSE, 4096, 4096), ("insert", INSERT, 4096, 4096),
            ("negative", 0, -1, 10), ("of nothing", 0, 0, 0)):
        fd = fresh()
        run.do("fallocate " + what, fallocate, fd, mode, at, n)
        if mode not in (COLLAPSE, INSERT):
            run.say("size and contents", (os.fstat(fd).st_size, sha(pread_all(fd))))
        os.close(fd)
    fd = os.open("alloc", os.O_RDONLY)
    run.do("fallocate of O_RDONLY", fallocate, fd, 0, 0, 10)
    os.close(fd)


def huge(run):
    fd = os.open("huge", os.O_RDWR | os.O_CREAT, 0o600)
    size = 15 * TIB     # ext4 ends below 16 TiB
    run.do("truncate to 15 TiB", os.ftruncate, fd, size)
    for at in (0, 5 << 20, 123456789012, 7 * TIB + 5, size - 4096):
        os.pwrite(fd, b"%d" % at, at)
    for at in (0, 123456789012, 7 * TIB + 5, size - 4096):
        run.say("at %d" % at, os.pread(fd, 20, at))
    run.say("size", os.fstat(fd).st_size)
    os.fsync(fd)
    run.say("blocks", os.fstat(fd).st_blocks < 1000)
    run.do("next data", os.lseek, fd, 200000000000, os.SEEK_DATA)
    os.ftruncate(fd, 7 * TIB)
    run.say("cut", (os.fstat(fd).st_size, os.pread(fd, 9, 7 * TIB - 4)))
    os.ftruncate(fd, 20 << 20)      # for those who read all
    os.close(fd)


PARTS = (truncating, overwriting, vectors, holes, allocating, huge)
