#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A writer on one mount and readers on another, read-only, of the same volume.

beside.py WRITE-MOUNT READ-MOUNT SECONDS

Each chunk that is written says which file, chunk and version it is, in every 16 bytes.  A reader
notes before it opens a file which version of each chunk was fsynced, and after a read which was
begun: what it reads must lie in between, whole.  An error is a failure, too, unless the name is gone.
"""
import mmap
import multiprocessing
import os
import random
import struct
import sys
import time

CHUNK = 4096
FILES = 6
CHUNKS = 230  # the header's group and one and a bit more
RECORD = struct.Struct("<IIQ")
SLOTS = FILES * CHUNKS


class Board:
    """Versions begun and done, shared by the processes."""

    def __init__(self):
        self.map = mmap.mmap(-1, 2 * SLOTS * 8)

    def _at(self, which, f, c):
        return (which * SLOTS + f * CHUNKS + c) * 8

    def get(self, which, f, c):
        at = self._at(which, f, c)
        return struct.unpack("<Q", self.map[at:at + 8])[0]

    def set(self, which, f, c, v):
        at = self._at(which, f, c)
        self.map[at:at + 8] = struct.pack("<Q", v)


BEGUN, DONE = 0, 1


def chunk(f, c, v):
    return RECORD.pack(f, c, v) * (CHUNK // RECORD.size)


def version_of(data, f, c, where):
    """The one version that all of DATA has."""
    first = RECORD.unpack(data[:RECORD.size])
    if first[:2] != (f, c) or data != chunk(f, c, first[2])[:len(data)]:
        kinds = {RECORD.unpack(data[i:i + 16].ljust(16, b"?")) for i in range(0, len(data), 16)}
        raise SystemExit("%s: chunk %d of file %d is mixed or another: %s" %
                         (where, c, f, sorted(kinds)[:4]))
    return first[2]


def overwrite(mnt, board, seed, stop):
    """In place: runs of chunks, sometimes fsynced, of files that stay."""
    rng = random.Random(seed)
    fds = [os.open("%s/f%d" % (mnt, f), os.O_RDWR) for f in range(FILES)]
    pending = [set() for _ in range(FILES)]
    n = 0
    while not stop.value:
        f = rng.randrange(FILES)
        c = rng.choice((0, 5, 94, 95, 96, 97, 221, 222, rng.randrange(CHUNKS)))
        run = range(c, min(CHUNKS, c + rng.choice((1, 1, 2, 9))))
        data = b""
        for k in run:
            v = board.get(BEGUN, f, k) + 1
            board.set(BEGUN, f, k, v)
            data += chunk(f, k, v)
        os.pwrite(fds[f], data, c * CHUNK)
        pending[f].update(run)
        n += 1
        if rng.random() < 0.5:
            os.fsync(fds[f])
            for k in pending[f]:
                board.set(DONE, f, k, board.get(BEGUN, f, k))
            pending[f].clear()
    return n


def publish(mnt, seed, stop):
    """Whole files by rename, short-lived ones, growing ones."""
    rng = random.Random(seed)
    n = 0
    while not stop.value:
        n += 1
        name = "%s/published%d" % (mnt, rng.randrange(3))
        length = rng.choice((1, 3000, 4096, 5000, 500000))
        with open(name + ".new", "wb") as f:
            f.write(whole(n, length))
            if rng.random() < 0.3:
                f.flush()
                os.fsync(f.fileno())
        os.rename(name + ".new", name)
        with open("%s/log" % mnt, "ab") as f:
            f.write(b"%020d\n" % n)
        if n % 50 == 0:
            os.truncate("%s/log" % mnt, 0)
        with open("%s/made%d" % (mnt, n % 40), "wb") as f:
            f.write(whole(n, 100))
        if rng.random() < 0.3:
            os.unlink("%s/made%d" % (mnt, n % 40))
        os.makedirs("%s/dir%d" % (mnt, n % 5), exist_ok=True)
        with open("%s/dir%d/x" % (mnt, n % 5), "wb") as f:
            f.write(whole(n, 50))
        if n % 3 == 0:
            os.unlink("%s/dir%d/x" % (mnt, n % 5))
            os.rmdir("%s/dir%d" % (mnt, n % 5))
    return n


def whole(n, length):
    return ((b"%015d|" % n) * (length // 16 + 2) + b"%015d|%010d|" % (n, length))[-length:]


def is_whole(data):
    return len(data) < 27 or data == whole(int(data[-27:-12]), len(data))


def read_chunks(mnt, board, seed, stop):
    """Open, read some chunks, close; and one descriptor that stays open for a while."""
    rng = random.Random(seed)
    n = 0
    while not stop.value:
        f = rng.randrange(FILES)
        low = [board.get(DONE, f, c) for c in range(CHUNKS)]
        fd = os.open("%s/f%d" % (mnt, f), os.O_RDONLY)
        for _ in range(rng.choice((1, 1, 20))):
            c = rng.choice((0, 5, 94, 96, 221, rng.randrange(CHUNKS)))
            k = rng.choice((1, 1, 4, 32, CHUNKS))
            if rng.random() < 0.5:
                os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
            data = os.pread(fd, k * CHUNK, c * CHUNK)
            if len(data) != min(k, CHUNKS - c) * CHUNK:
                raise SystemExit("short read: %d of %d at chunk %d" % (len(data), k * CHUNK, c))
            for i in range(len(data) // CHUNK):
                v = version_of(data[i * CHUNK:(i + 1) * CHUNK], f, c + i, "read")
                high = board.get(BEGUN, f, c + i)
                if not low[c + i] <= v <= high:
                    raise SystemExit("chunk %d of file %d: version %d is not of %d … %d" %
                                     (c + i, f, v, low[c + i], high))
                n += 1
        os.close(fd)
    return n


def read_names(mnt, seed, stop):
    rng = random.Random(seed)
    n = 0
    while not stop.value:
        for name in os.listdir(mnt):
            path = "%s/%s" % (mnt, name)
            if name.startswith("f"):
                continue
            try:
                if name.startswith("dir"):
                    os.listdir(path)
                    path += "/x"
                st = os.stat(path)
                with open(path, "rb") as f:
                    data = f.read()
            except (FileNotFoundError, NotADirectoryError):
                continue
            n += 1
            if name.startswith("published") and not name.endswith(".new"):
                if not data or not is_whole(data):
                    raise SystemExit("%s, %d bytes, stat %d, is not whole: %r" %
                                     (name, len(data), st.st_size, data[:40]))
            elif name == "log" and data:
                numbers = [int(line) for line in data.split(b"\n") if len(line) == 20]
                if numbers and numbers != list(range(numbers[0], numbers[0] + len(numbers))):
                    raise SystemExit("log: %r" % numbers)
        if rng.random() < 0.2:
            time.sleep(0.01)
    return n


def replace(mnt, stop):
    """One name, replaced without a pause: it is there always, and the one beside it now and then."""
    n = 0
    while not stop.value:
        n += 1
        with open("%s/replaced.new" % mnt, "wb") as f:
            f.write(b"%d" % n)
        os.rename("%s/replaced.new" % mnt, "%s/replaced" % mnt)
        os.symlink("to %d" % n, "%s/link.new" % mnt)
        os.rename("%s/link.new" % mnt, "%s/link" % mnt)
    return n


def ask_names(mnt, stop):
    """By every call that takes a path: never ESTALE, of whatever is replaced meanwhile."""
    n = 0
    while not os.path.lexists("%s/link" % mnt):
        pass
    calls = (os.stat, os.listxattr, lambda path: os.close(os.open(path, os.O_RDONLY)))
    while not stop.value:
        os.lstat("%s/link" % mnt)
        os.readlink("%s/link" % mnt)
        for call in calls:
            call("%s/replaced" % mnt)
            try:
                call("%s/replaced.new" % mnt)
            except FileNotFoundError:
                pass
            n += 1
    return n


def child(fn, args, count, failed):
    try:
        count.value = fn(*args)
    except BaseException as e:  # the process ends; the parent is told
        print("%s: %s: %s" % (fn.__name__, type(e).__name__, e), flush=True)
        failed.value = 1


def main():
    rw, ro, seconds = sys.argv[1], sys.argv[2], float(sys.argv[3])
    seed = int(os.environ.get("SEED", random.randrange(1 << 30)))
    print("seed %d" % seed)
    board = Board()
    for f in range(FILES):
        with open("%s/f%d" % (rw, f), "wb") as file:
            for c in range(CHUNKS):
                board.set(BEGUN, f, c, 1)
                file.write(chunk(f, c, 1))
            file.flush()
            os.fsync(file.fileno())
        for c in range(CHUNKS):
            board.set(DONE, f, c, 1)
    stop, failed = multiprocessing.Value("i", 0), multiprocessing.Value("i", 0)
    jobs = []
    for fn, args in ((overwrite, (rw, board, seed, stop)), (publish, (rw, seed + 1, stop)),
                     (read_chunks, (ro, board, seed + 2, stop)),
                     (read_chunks, (ro, board, seed + 3, stop)), (read_names, (ro, seed + 4, stop)),
                     (replace, (rw, stop)), (ask_names, (ro, stop)), (ask_names, (ro, stop))):
        count = multiprocessing.Value("q", -1)
        p = multiprocessing.Process(target=child, args=(fn, args, count, failed))
        p.start()
        jobs.append((p, fn.__name__, count))
    end = time.time() + seconds
    while time.time() < end and not failed.value:
        time.sleep(0.05)
    stop.value = 1
    for p, name, count in jobs:
        p.join()
        print("%s: %d" % (name, count.value))
        if count.value <= 0:
            failed.value = 1
    return failed.value


if __name__ == "__main__":
    sys.exit(main())
