#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""fault_space.py fill WAY ERRNO MNT BALLAST: write in one way until the backing store is full; the
error must arrive, what was acknowledged must be there, no size may claim what is not, and nothing
may read as EIO; when BALLAST is removed, work goes on.  Leaves MNT/WAY.sums for `sums`.
fault_space.py sums WAY MNT: the same contents after a remount.
fault_space.py many N MNT: N files known, and as many open as may be.
fault_space.py limit MNT: a caller with RLIMIT_FSIZE.
"""
import errno
import hashlib
import json
import mmap
import os
import resource
import sys
import time

CHUNK = 4096
BOUND = 96 << 20    # far more than fits


def pattern(name, n, block):
    return (hashlib.sha256(("%s %d" % (name, n)).encode()).digest() * (block // 32 + 1))[:block]


class Fill:
    def __init__(self, mnt, way):
        self.dir = os.path.join(mnt, way)
        self.error = None     # (operation, errno)
        self.durable = {}     # name → bytes at its start that were acknowledged
        self.written = {}     # name → what was asked to be written
        os.mkdir(self.dir)

    def path(self, name):
        return os.path.join(self.dir, name)

    def attempt(self, what, function, *args):
        try:
            return function(*args)
        except OSError as e:
            if self.error is None:
                self.error = (what, errno.errorcode.get(e.errno, e.errno))
            return None

    def blocks(self, name, block):
        """One file, by writes of BLOCK bytes, synced every MiB."""
        fd = os.open(self.path(name), os.O_RDWR | os.O_CREAT, 0o644)
        data, n = bytearray(), 0
        while not self.error and len(data) < BOUND:
            piece = pattern(name, n, block)
            done = self.attempt("write", os.write, fd, piece)
            data += piece[:done or 0]
            n += 1
            if not self.error and len(data) % (1 << 20) == 0:
                if self.attempt("fsync", lambda: os.fsync(fd) or 1):
                    self.durable[name] = len(data)
        self.written[name] = bytes(data)
        self.attempt("close", os.close, fd)

    def mapped(self, name):
        fd = os.open(self.path(name), os.O_RDWR | os.O_CREAT, 0o644)
        os.ftruncate(fd, BOUND)
        data, step = bytearray(), 1 << 20
        with mmap.mmap(fd, BOUND) as m:
            for at in range(0, BOUND, step):
                piece = pattern(name, at, step)
                data += piece
                pid = os.fork()    # a store that cannot be kept is a SIGBUS
                if pid == 0:
                    m[at:at + step] = piece
                    os._exit(0)
                if os.waitpid(pid, 0)[1]:
                    self.error = ("store", "SIGBUS")
                    break
                if self.attempt("msync", lambda: m.flush(at, step) or 1):
                    self.durable[name] = len(data)
                if self.error:
                    break
        self.attempt("fsync", os.fsync, fd)
        self.written[name] = bytes(data).ljust(BOUND, b"\0")
        self.attempt("close", os.close, fd)

    def tiny(self):
        n = 0
        while not self.error and n < 30000:
            name, data = "t%d" % n, pattern("tiny", n, 100 + n % 3000)
            n += 1
            fd = self.attempt("create", os.open, self.path(name),
                              os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o644)
            if fd is None:
                break
            self.written[name] = data
            self.attempt("write", os.write, fd, data)
            if n % 8 == 0 and not self.error:
                if self.attempt("fsync", lambda: os.fsync(fd) or 1):
                    self.durable[name] = len(data)
            self.attempt("close", os.close, fd)

    # ---- afterwards --------------------------------------------------------------------------

    def read(self, name):
        fd = os.open(self.path(name), os.O_RDONLY)
        try:
            os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
            size, out = os.fstat(fd).st_size, bytearray()
            while len(out) < size:
                piece = os.pread(fd, min(1 << 20, size - len(out)), len(out))
                if not piece:
                    break
                out += piece
            return size, bytes(out)
        finally:
            os.close(fd)

    def check(self):
        wrong = []
        for name in sorted(os.listdir(self.dir)):
            want = self.written.get(name, b"")
            try:
                size, got = self.read(name)
            except OSError as e:
                wrong.append("%s, of which %d bytes were synced: expected its data, read %s" %
                             (name, self.durable.get(name, 0), e))
                continue
            if len(got) != size:
                wrong.append("%s: its size is %d, and %d bytes are there" % (name, size, len(got)))
            if size < self.durable.get(name, 0) or size > len(want):
                wrong.append("%s: expected a size of %d to %d, found %d" %
                             (name, self.durable.get(name, 0), len(want), size))
            for at in range(0, len(got), CHUNK):
                a, b = got[at:at + CHUNK], want[at:at + CHUNK][:len(got) - at]
                if a != b and (at < self.durable.get(name, 0) or a.strip(b"\0")):
                    wrong.append("%s at %d (%s): expected %s, read %s" % (
                        name, at, "synced" if at < self.durable.get(name, 0) else "not synced",
                        b[:16].hex(), a[:16].hex()))
                    break
        for name in set(self.durable) - set(os.listdir(self.dir)):
            wrong.append("%s was synced; not listed" % name)
        return wrong

    def go_on(self):
        """There is room again."""
        for name in ["again"] + sorted(self.written)[-2:]:
            data = pattern("again " + name, 0, 50000)
            fd = os.open(self.path(name), os.O_RDWR | os.O_CREAT, 0o644)
            try:
                os.fsync(fd)    # an error of before that no fsync has told yet comes to the next
            except OSError:
                pass
            os.ftruncate(fd, 0)
            os.write(fd, data)
            os.fsync(fd)
            os.close(fd)
            self.written[name], self.durable[name] = data, len(data)


def sums(directory):
    out = {}
    for name in sorted(os.listdir(directory)):
        with open(os.path.join(directory, name), "rb") as file:
            out[name] = hashlib.sha256(file.read()).hexdigest()
    return out


def fill(way, want, mnt, ballast):
    f = Fill(mnt, way)
    {"write-4k": lambda: f.blocks("one", 4096), "write-1m": lambda: f.blocks("one", 1 << 20),
     "mmap": lambda: f.mapped("one"), "tiny": f.tiny}[way]()
    wrong = f.check()
    if not f.error:
        wrong.append("all was written, and no error came")
    elif f.error[1] not in (want, "SIGBUS"):
        wrong.append("expected %s, got %s from %s" % (want, f.error[1], f.error[0]))
    print("%s: %s from %s, %d files, %d bytes synced" % (
        way, f.error and f.error[1], f.error and f.error[0], len(f.written),
        sum(f.durable.values())))
    os.unlink(ballast)
    try:
        f.go_on()
    except OSError as e:
        wrong.append("with room again: %s" % e)
    wrong += ["with room again: " + what for what in f.check()]
    for what in wrong[:20]:
        print("  " + what)
    with open(way + ".sums", "w", encoding="utf-8") as file:
        json.dump(sums(f.dir), file)
    return bool(wrong)


def same(way, mnt):
    with open(way + ".sums", encoding="utf-8") as file:
        want = json.load(file)
    got = sums(os.path.join(mnt, way))
    for name in sorted(set(want) | set(got)):
        if want.get(name) != got.get(name):
            print("%s after a remount: expected %s, read %s" %
                  (name, want.get(name), got.get(name)))
    return want != got


def held(n, mnt):
    """Files open that have no name, and directories half listed, more than there are descriptors."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    fds, refused, wrong = {}, set(), []
    for k in range(n):
        path = os.path.join(mnt, "held%d" % k)
        try:
            fd = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
            os.write(fd, b"%d" % k)
            os.unlink(path)
            fds[k] = fd
        except OSError as e:
            refused.add(errno.errorcode[e.errno])
    for k, fd in fds.items():
        if os.pread(fd, 20, 0) != b"%d" % k:
            wrong.append("held%d has other contents" % k)
        os.close(fd)
    if not fds or refused - {"EMFILE", "ENFILE"}:
        wrong.append("%d held, %s" % (len(fds), refused))
    time.sleep(0.5)    # what is closed is forgotten in the background
    for k in range(n):
        os.makedirs(os.path.join(mnt, "dir%d" % k))
        for name in "abc":
            open(os.path.join(mnt, "dir%d" % k, name), "w").close()
    listings = [os.scandir(os.path.join(mnt, "dir%d" % k)) for k in range(n)]
    for it in listings:
        next(it)
    for it in listings:
        if sum(1 for _ in it) != 2:
            wrong.append("a directory is listed in part")
    for what in wrong[:20]:
        print("  " + what)
    return bool(wrong)


def many(n, mnt):
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    fds, refused, wrong = {}, {}, []
    for k in range(n):
        try:
            fd = os.open(os.path.join(mnt, "m%d" % k), os.O_RDWR | os.O_CREAT, 0o644)
            os.write(fd, pattern("many", k, 5000))
            fds[k] = fd
        except OSError as e:
            word = errno.errorcode[e.errno]
            refused[word] = refused.get(word, 0) + 1
    synced = set()
    for k, fd in fds.items():
        try:
            os.fsync(fd)
            synced.add(k)
        except OSError as e:
            word = errno.errorcode[e.errno]
            refused[word] = refused.get(word, 0) + 1
    for fd in fds.values():
        os.close(fd)
    for k in sorted(synced):
        with open(os.path.join(mnt, "m%d" % k), "rb") as file:
            if file.read() != pattern("many", k, 5000):
                wrong.append("m%d: other contents than were synced" % k)
    print("%d files: %d open, %d synced, refused: %s" % (n, len(fds), len(synced), refused or "none"))
    error = None
    for _ in range(40):    # what was dirty goes out meanwhile
        try:
            with open(os.path.join(mnt, "afterwards"), "wb") as file:
                file.write(b"works")
                file.flush()
                os.fsync(file.fileno())
            error = None
            break
        except OSError as e:
            error = e
            time.sleep(0.1)
    if error:
        wrong.append("with all closed: %s" % error)
    if set(refused) - {"EMFILE", "ENFILE"}:
        wrong.append("expected EMFILE or no error, got %s" % refused)
    print("\n".join(wrong[:10]), end="")
    return bool(wrong)


def limit(mnt):
    """EFBIG (and SIGXFSZ, which Python ignores) for who has the limit, and for nobody else."""
    path, wrong = os.path.join(mnt, "limited"), []
    pid = os.fork()
    if pid == 0:
        resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, 1 << 20))
        fd = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
        os.pwrite(fd, b"x" * 4096, (1 << 20) - 4096)
        code = 0
        for act in (lambda: os.pwrite(fd, b"x", 1 << 20), lambda: os.ftruncate(fd, (1 << 20) + 1)):
            try:
                act()
                code = 1
            except OSError as e:
                code = code or (0 if e.errno == errno.EFBIG else e.errno)
        os._exit(code)
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    if code:
        wrong.append("expected EFBIG, got %s" % errno.errorcode.get(code, code))
    if os.stat(path).st_size != 1 << 20:
        wrong.append("expected a size of 1 MiB, found %d" % os.stat(path).st_size)
    with open(path, "r+b") as file:
        os.pwrite(file.fileno(), b"y" * 8192, 1 << 20)
        os.fsync(file.fileno())
    print("\n".join(wrong), end="")
    return bool(wrong)


if __name__ == "__main__":
    verb, *rest = sys.argv[1:]
    sys.exit({"fill": fill, "sums": same, "limit": limit,
              "many": lambda n, mnt: many(int(n), mnt),
              "held": lambda n, mnt: held(int(n), mnt)}[verb](*rest))
