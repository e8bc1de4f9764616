# SPDX-License-Identifier: Apache-2.0
"""Part of fsops.py: what is done to an open file: maps, direct I/O, locks, syncs."""
import fcntl
import mmap
import os
import struct

from fsops_run import OFF, call, data, get, in_child, libc_call, pread_all, put, sha


def mapping(run):
    value = data(5, 300000)
    put("map", value)
    fd = os.open("map", os.O_RDWR)
    shared, private = mmap.mmap(fd, 0), mmap.mmap(fd, 0, access=mmap.ACCESS_COPY)
    run.say("mapped", shared[:] == value)
    shared[4090:4100] = b"0123456789"
    private[0:3] = b"cow"
    run.say("seen by read", os.pread(fd, 10, 4090))
    os.pwrite(fd, b"by write", 200000)
    run.say("seen by the map", shared[200000:200008])
    shared.flush()
    run.say("after msync", sha(get("map")))
    run.say("private", (private[:4], private[4090:4100], get("map")[:3] == value[:3]))
    os.ftruncate(fd, 400000)
    shared.resize(400000)
    shared[399990:] = b"0123456789"
    os.ftruncate(fd, 350000)
    run.say("cut under the map", sha(pread_all(fd)))
    private.close()
    shared.close()
    os.close(fd)
    run.say("at last", sha(get("map")))
    fd = os.open("map2", os.O_RDWR | os.O_CREAT, 0o600)
    os.ftruncate(fd, 1 << 20)
    m = mmap.mmap(fd, 1 << 20)
    os.close(fd)
    for k in range(0, 1 << 20, 8192):
        m[k:k + 5] = b"%05d" % (k >> 10)
    m.close()       # never synced, and the descriptor is closed
    run.say("written by the map alone", sha(get("map2")))


def direct(run):
    fd = call(os.open, "direct", os.O_RDWR | os.O_CREAT | os.O_DIRECT, 0o600)
    if isinstance(fd, str):
        run.say("O_DIRECT", fd)
        return
    buf = mmap.mmap(-1, 1 << 20)
    buf[:] = data(11, 1 << 20)
    run.do("direct write", os.pwrite, fd, buf, 0)
    run.say("read through the cache", sha(get("direct")))
    other = os.open("direct", os.O_RDWR)
    os.pwrite(other, b"cached" * 1000, 8192)
    back = mmap.mmap(-1, 65536)
    run.do("direct read", os.preadv, fd, [back], 0)
    run.say("sees the dirty page", sha(back[:]))
    buf[:4096] = b"d" * 4096
    os.pwrite(fd, memoryview(buf)[:4096], 8192)
    run.say("cache sees the direct write", os.pread(other, 5, 8192))
    run.do("at the end", os.preadv, fd, [back], (1 << 20) - 4096)
    os.close(fd)
    os.close(other)


def locks(run):
    put("lock", b"")
    a, b = os.open("lock", os.O_RDWR), os.open("lock", os.O_RDWR)
    run.do("flock", fcntl.flock, a, fcntl.LOCK_EX)
    run.do("flock twice", fcntl.flock, b, fcntl.LOCK_EX | fcntl.LOCK_NB)
    run.do("unlock", fcntl.flock, a, fcntl.LOCK_UN)
    run.do("shared", fcntl.flock, a, fcntl.LOCK_SH)
    run.do("shared twice", fcntl.flock, b, fcntl.LOCK_SH | fcntl.LOCK_NB)
    os.close(a)
    run.do("upgrade when alone", fcntl.flock, b, fcntl.LOCK_EX | fcntl.LOCK_NB)
    fcntl.flock(b, fcntl.LOCK_UN)
    run.do("POSIX lock", lambda: fcntl.lockf(b, fcntl.LOCK_EX | fcntl.LOCK_NB, 100, 50))

    def other():
        fd = os.open("lock", os.O_RDWR)
        out = [call(lambda: fcntl.lockf(fd, fcntl.LOCK_EX | fcntl.LOCK_NB, n, at))
               for n, at in ((50, 0), (1, 149), (1, 150), (10, 45))]
        ask = struct.pack("hhqqi4x", fcntl.F_WRLCK, 0, 0, 0, 0)
        kind, _, start, n, pid = struct.unpack("hhqqi4x", fcntl.fcntl(fd, fcntl.F_GETLK, ask))
        return out, kind, start, n, pid == os.getppid()
    run.say("in another process", in_child(other))
    in_child(lambda: fcntl.lockf(os.open("lock", os.O_RDWR), fcntl.LOCK_EX, 10, 500))
    run.do("after its holder's death", lambda: fcntl.lockf(b, fcntl.LOCK_EX | fcntl.LOCK_NB,
                                                             10, 500))
    os.close(os.open("lock", os.O_RDONLY))      # POSIX: any close drops them
    run.say("after a close", in_child(lambda: call(
        lambda: fcntl.lockf(os.open("lock", os.O_RDWR), fcntl.LOCK_EX | fcntl.LOCK_NB))))
    c = os.open("lock", os.O_RDWR)
    ofd = struct.pack("hhqqi4x", fcntl.F_WRLCK, 0, 0, 10, 0)
    run.do("OFD lock", lambda: len(fcntl.fcntl(b, fcntl.F_OFD_SETLK, ofd)))
    run.do("OFD lock twice", lambda: len(fcntl.fcntl(c, fcntl.F_OFD_SETLK, ofd)))
    os.close(b)
    os.close(c)


def syncing(run):
    fd = os.open("sync", os.O_RDWR | os.O_CREAT | os.O_SYNC, 0o600)
    run.do("O_SYNC write", os.write, fd, b"x" * 10000)
    run.do("fsync", os.fsync, fd)
    run.do("fdatasync", os.fdatasync, fd)
    os.close(fd)
    fd = os.open(".", os.O_RDONLY)
    run.do("fsync of a directory", os.fsync, fd)
    run.do("syncfs", libc_call, "syncfs", fd)
    run.do("read of a directory", os.read, fd, 10)
    os.close(fd)
    fd = os.open("sync", os.O_RDWR)
    run.do("sync_file_range", libc_call, "sync_file_range", fd, OFF(0), OFF(0), 7)
    run.do("fadvise", os.posix_fadvise, fd, 0, 0, os.POSIX_FADV_WILLNEED)
    os.close(fd)


PARTS = (mapping, direct, locks, syncing)
