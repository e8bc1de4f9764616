#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Every operation that a filesystem knows, one after the other: fsops.py DIR [PART…] > RESULTS

Each line is what an operation gave: a value, or the name of an errno.  Run on a plain directory
and on a mount the lines must be the same, and so must what is left in DIR.  What is compared is
the caller's business; fsops.py compare A B knows the few lines that may differ.
"""
import ctypes
import errno
import fcntl
import hashlib
import mmap
import os
import random
import stat
import struct
import sys

RENAME_NOREPLACE, RENAME_EXCHANGE, RENAME_WHITEOUT = 1, 2, 4
KEEP_SIZE, PUNCH, COLLAPSE, ZERO, INSERT = 1, 2, 8, 16, 32
NAME_255 = b"n" * 255
TIB = 1 << 40
libc = ctypes.CDLL(None, use_errno=True)
AT_FDCWD = -100
OFF = ctypes.c_int64

# What a mount may answer differently from ext4, and with what: cmkfs(1) says so.
OTHERWISE = {
    "fallocate collapse": "ENOTSUP", "fallocate insert": "ENOTSUP",
    "rename whiteout": "EINVAL", "link of a symlink": "EPERM", "O_TMPFILE": "ENOTSUP",
    "a file named .D": "EINVAL",
}


def call(function, *args):
    """The value of a call, or the name of its errno."""
    try:
        return function(*args)
    except OSError as e:
        return errno.errorcode.get(e.errno, e.errno)


def libc_call(name, *args):
    if getattr(libc, name)(*args) < 0:
        e = ctypes.get_errno()
        raise OSError(e, os.strerror(e))
    return 0


def renameat2(a, b, flags):
    return libc_call("renameat2", AT_FDCWD, os.fsencode(a), AT_FDCWD, os.fsencode(b),
                     ctypes.c_uint(flags))


def fallocate(fd, mode, offset, n):
    return libc_call("fallocate", fd, mode, OFF(offset), OFF(n))


def data(seed, n):
    return random.Random(seed).randbytes(n)


def sha(value):
    return hashlib.sha256(value).hexdigest()[:16]


def put(path, value, mode="xb"):
    with open(path, mode) as file:
        file.write(value)


def get(path):
    with open(path, "rb") as file:
        return file.read()


def pread_all(fd, size=1 << 26):
    out, at = b"", 0
    while True:
        piece = os.pread(fd, 1 << 20, at)
        if not piece or at > size:
            return out
        out, at = out + piece, at + len(piece)


class Run:
    def __init__(self, top):
        self.top = top
        os.chdir(top)

    def say(self, what, value):
        print("%s: %s" % (what, value), flush=True)

    def do(self, what, function, *args):
        self.say(what, call(function, *args))

    def stat_line(self, path, follow=True):
        st = os.stat(path, follow_symlinks=follow)
        return "%o %d %d %d %d" % (st.st_mode, st.st_nlink if not stat.S_ISDIR(st.st_mode) else 0,
                                   st.st_uid, st.st_gid,
                                   0 if stat.S_ISDIR(st.st_mode) else st.st_size)

    # ---- open flags

    def create_and_open(self):
        put("plain", b"0123456789")
        flags = {"O_RDONLY": os.O_RDONLY, "O_WRONLY": os.O_WRONLY, "O_RDWR": os.O_RDWR,
                 "O_CREAT|O_EXCL": os.O_CREAT | os.O_EXCL, "O_DIRECTORY": os.O_DIRECTORY,
                 "O_NOFOLLOW": os.O_NOFOLLOW, "O_PATH": os.O_PATH, "O_NOATIME": os.O_NOATIME}
        os.mkdir("dir")
        os.symlink("plain", "link")
        os.symlink("nowhere", "dangling")
        os.symlink("loop", "loop")
        for path in ("plain", "dir", "link", "dangling", "loop", "absent", "plain/below",
                     "a" * 256, ""):
            for what, flag in flags.items():
                fd = call(os.open, path, flag)
                self.say("open %.9s %s" % (path, what), fd if isinstance(fd, str) else "ok")
                if not isinstance(fd, str):
                    os.close(fd)
        for mode in (0o600, 0o644, 0o4755, 0o1777, 0):
            os.umask(0o22)
            os.close(os.open("mode%o" % mode, os.O_CREAT | os.O_WRONLY, mode))
            self.say("create %o" % mode, self.stat_line("mode%o" % mode))
        fd = os.open("plain", os.O_RDONLY)
        self.do("write to O_RDONLY", os.write, fd, b"x")
        os.close(fd)
        fd = os.open("plain", os.O_WRONLY)
        self.do("read of O_WRONLY", os.read, fd, 1)
        os.close(fd)
        fd = call(os.open, ".", os.O_TMPFILE | os.O_RDWR, 0o600)
        self.say("O_TMPFILE", fd if isinstance(fd, str) else "ok")
        if not isinstance(fd, str):
            os.close(fd)

    def truncating_open(self):
        for n in (1, 5000, 1 << 20):
            put("trunc", data(n, n), "wb")
            fd = os.open("trunc", os.O_WRONLY | os.O_TRUNC)
            self.say("O_TRUNC size at once", os.fstat(fd).st_size)
            os.write(fd, b"hello")
            os.close(fd)
            self.say("O_TRUNC after write", get("trunc"))
        put("trunc", b"gone", "wb")
        os.close(os.open("trunc", os.O_RDONLY | os.O_TRUNC))
        self.say("O_TRUNC read-only", os.path.getsize("trunc"))
        keep = os.open("trunc", os.O_RDWR)
        os.write(keep, b"held")
        os.close(os.open("trunc", os.O_WRONLY | os.O_TRUNC))
        self.say("O_TRUNC under a held descriptor", os.pread(keep, 9, 0))
        os.pwrite(keep, b"XY", 6)
        self.say("write after it", get("trunc"))
        os.close(keep)

    def appending(self):
        put("append", b"start ")
        a = os.open("append", os.O_WRONLY | os.O_APPEND)
        b = os.open("append", os.O_RDWR | os.O_APPEND)
        for k in range(200):
            os.write((a, b)[k & 1], b"%d," % k)
        self.say("O_APPEND twice", sha(get("append")))
        self.do("pwrite on O_APPEND", os.pwrite, b, b"end", 0)
        self.say("where pwrite went", get("append")[-3:])
        self.say("position", os.lseek(b, 0, os.SEEK_CUR) > 0)
        os.ftruncate(a, 10)
        os.write(a, b"again")
        self.say("append after truncate", get("append"))
        os.close(a)
        os.close(b)

    # ---- sizes and contents

    def truncating(self):
        for n in (0, 13, 3040, 3041, 4096, 5000, 20480, 384 << 10, (384 << 10) + 1, 1 << 20):
            value = data(n, n)
            put("size", value, "wb")
            self.say("size %d" % n, (os.path.getsize("size"), sha(get("size"))))
            for to in (0, 1, 100, 4095, 4096, 4097, 393216, 393217, 500000, 2 << 20):
                put("size", value, "wb")
                os.truncate("size", to)
                self.say("%d to %d" % (n, to), (os.path.getsize("size"), sha(get("size"))))
                os.truncate("size", n + 100)    # what was cut off must be zeros
                self.say("and back", sha(get("size")))
        fd = os.open("size", os.O_RDONLY)
        self.do("ftruncate of O_RDONLY", os.ftruncate, fd, 1)
        os.close(fd)
        self.do("truncate a directory", os.truncate, "dir", 1)
        self.do("truncate negative", os.truncate, "size", -1)

    def overwriting(self):
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
                    self.say("step %d: wrong bytes" % k, (at, n))
                    break
        self.say("a thousand steps", pread_all(fd) == bytes(shadow))
        os.close(fd)
        self.say("after close", get("shadow") == bytes(shadow))

    def vectors(self):
        fd = os.open("vector", os.O_RDWR | os.O_CREAT, 0o600)
        self.do("writev", os.writev, fd, [b"ab", b"", b"cde" * 2000, b"f"])
        bufs = [bytearray(3), bytearray(5000), bytearray(9000)]
        self.do("preadv", os.preadv, fd, bufs, 1)
        self.say("preadv data", sha(b"".join(bufs)))
        self.do("pwritev", os.pwritev, fd, [b"12", b"345"], 10000)
        self.do("read past the end", os.pread, fd, 10, 1 << 20)
        self.do("read of nothing", os.pread, fd, 0, 0)
        self.do("write of nothing", os.pwrite, fd, b"", 1 << 20)
        self.say("size", os.fstat(fd).st_size)
        out = os.open("copied", os.O_RDWR | os.O_CREAT, 0o600)
        self.do("copy_file_range", os.copy_file_range, fd, out, 5000, 3, 7)
        self.do("sendfile", os.sendfile, out, fd, 0, 100)
        self.say("copied", sha(get("copied")))
        os.close(fd)
        os.close(out)

    def holes(self):
        fd = os.open("holes", os.O_RDWR | os.O_CREAT, 0o600)
        os.ftruncate(fd, 4 << 20)
        for at in (0, 1 << 20, (1 << 20) + 4096, 3 << 20):
            os.pwrite(fd, data(at, 4096), at)
        os.fsync(fd)
        for at in (0, 100, 4096, 5000, 1 << 20, (1 << 20) + 8192, 3 << 20, (3 << 20) + 4096,
                   (4 << 20) - 1, 4 << 20, 5 << 20):
            for what, whence in (("data", os.SEEK_DATA), ("hole", os.SEEK_HOLE)):
                self.do("seek %s from %d" % (what, at), os.lseek, fd, at, whence)
        fallocate(fd, PUNCH | KEEP_SIZE, 1 << 20, 4096)
        os.fsync(fd)
        self.do("seek data after punch", os.lseek, fd, 4096, os.SEEK_DATA)
        self.say("contents", sha(pread_all(fd)))
        os.close(fd)

    def allocating(self):
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
            self.do("fallocate " + what, fallocate, fd, mode, at, n)
            if mode not in (COLLAPSE, INSERT):
                self.say("size and contents", (os.fstat(fd).st_size, sha(pread_all(fd))))
            os.close(fd)
        fd = os.open("alloc", os.O_RDONLY)
        self.do("fallocate of O_RDONLY", fallocate, fd, 0, 0, 10)
        os.close(fd)

    def huge(self):
        fd = os.open("huge", os.O_RDWR | os.O_CREAT, 0o600)
        size = 15 * TIB     # ext4 ends below 16 TiB
        self.do("truncate to 15 TiB", os.ftruncate, fd, size)
        for at in (0, 5 << 20, 123456789012, 7 * TIB + 5, size - 4096):
            os.pwrite(fd, b"%d" % at, at)
        for at in (0, 123456789012, 7 * TIB + 5, size - 4096):
            self.say("at %d" % at, os.pread(fd, 20, at))
        self.say("size", os.fstat(fd).st_size)
        os.fsync(fd)
        self.say("blocks", os.fstat(fd).st_blocks < 1000)
        self.do("next data", os.lseek, fd, 200000000000, os.SEEK_DATA)
        os.ftruncate(fd, 7 * TIB)
        self.say("cut", (os.fstat(fd).st_size, os.pread(fd, 9, 7 * TIB - 4)))
        os.ftruncate(fd, 20 << 20)      # for those who read all
        os.close(fd)

    # ---- names

    def renaming(self):
        def fresh():
            for name in ("from", "to", "other"):
                if not os.path.isdir(name):
                    put(name, name.encode(), "wb")
        os.mkdir("r")
        os.chdir("r")
        os.mkdir("full")
        put("full/x", b"")
        os.mkdir("empty")
        for what, a, b, flags in (
                ("over a file", "from", "to", 0), ("noreplace", "from", "to", RENAME_NOREPLACE),
                ("noreplace free", "from", "free", RENAME_NOREPLACE),
                ("exchange", "from", "to", RENAME_EXCHANGE),
                ("exchange absent", "from", "absent", RENAME_EXCHANGE),
                ("exchange with directory", "from", "full", RENAME_EXCHANGE),
                ("exchange back", "from", "full", RENAME_EXCHANGE),
                ("whiteout", "from", "free2", RENAME_WHITEOUT),
                ("both flags", "from", "to", 3), ("to itself", "from", "from", 0),
                ("file over directory", "from", "empty", 0),
                ("directory over file", "empty", "from", 0),
                ("directory over full", "empty", "full", 0),
                ("directory over empty", "full", "empty", 0),
                ("absent", "absent", "to", 0), ("into itself", "empty", "empty/sub", 0),
                ("into a file", "from", "to/x", 0), ("to 255 bytes", "from", NAME_255, 0),
                ("from 255 bytes", NAME_255, "back", 0), ("to 256", "from", "n" * 256, 0)):
            fresh()
            self.do("rename " + what, renameat2, a, b, flags)
            if what != "whiteout":
                self.say("left", sorted(os.listdir()))
                self.say("contents", [call(get, n) for n in ("from", "to")])
            for n in ("free", "free2", "back") + (("from",) if what == "whiteout" else ()):
                call(os.unlink, n)
        fresh()
        held = os.open("to", os.O_RDWR)
        os.rename("from", "to")
        self.say("held descriptor of what was replaced", os.pread(held, 9, 0))
        self.say("its links", os.fstat(held).st_nlink)
        os.pwrite(held, b"still", 0)
        self.say("writes to it", (os.pread(held, 9, 0), get("to")))
        os.close(held)
        held = os.open("other", os.O_RDWR)
        os.rename("other", "moved")
        os.write(held, b"written after")
        os.close(held)
        self.say("renamed while open", get("moved"))
        os.link("moved", "moved2")
        self.do("rename between two links", os.rename, "moved", "moved2")
        self.say("both there", sorted(os.listdir()))
        os.makedirs("deep/er/est")
        put("deep/er/est/file", b"deep")
        os.rename("deep/er", "er")
        self.say("directory moved up", get("er/est/file"))
        self.say(".. of it", os.stat("er/..").st_ino == os.stat(".").st_ino)
        os.rename("er", "deep/" + "long" * 60)
        self.say("to a long name", get("deep/" + "long" * 60 + "/est/file"))
        os.chdir("..")

    def linking(self):
        os.mkdir("l")
        os.chdir("l")
        put("a", b"linked")
        self.do("link", os.link, "a", "b")
        self.do("link over", os.link, "a", "b")
        os.mkdir("d")
        self.do("link of a directory", os.link, "d", "e")
        self.do("link into one", os.link, "a", "d/c")
        self.say("count", os.stat("a").st_nlink)
        put("d/c", b"changed", "wb")
        self.say("seen by the others", (get("a"), get("b")))
        os.unlink("a")
        self.say("after unlink", (os.stat("b").st_nlink, get("b")))
        for k in range(30):
            os.link("b", "link%d" % k)
        os.rename("link5", "d/renamed")
        self.say("thirty links", (os.stat("b").st_nlink, get("link29"), get("d/renamed")))
        for k in range(4):
            os.unlink("link%d" % k)
        self.say("four less", (os.stat("b").st_nlink, get("link29")))
        for name, target in (("s", "b"), ("abs", "/etc/hostname"), ("long", "t" * 3000),
                             ("utf", "größe-🙂"), ("l" * 255, "d")):
            self.do("symlink %.5s" % name, os.symlink, target, name)
            self.say("readlink", sha(os.fsencode(os.readlink(name))))
            self.say("lstat", self.stat_line(name, follow=False))
        self.do("symlink over", os.symlink, "x", "s")
        self.do("symlink to nothing", os.symlink, "", "n")
        self.say("through it", get("s"))
        self.do("link of a symlink", libc_call, "linkat", AT_FDCWD, b"s", AT_FDCWD, b"hard", 0)
        call(os.unlink, "hard")
        os.rename("s", "s2")
        self.say("renamed symlink", os.readlink("s2"))
        os.rename("s2", "d/s3")
        self.say("moved symlink", os.readlink("d/s3"))
        self.do("readlink of a file", os.readlink, "b")
        os.rename("long", "utf")
        self.say("symlink over symlink", os.readlink("utf")[:3])
        os.chdir("..")

    def unlinked(self):
        put("victim", data(9, 100000))
        fd = os.open("victim", os.O_RDWR)
        os.unlink("victim")
        self.do("stat of unlinked", os.stat, "victim")
        self.say("links", os.fstat(fd).st_nlink)
        os.pwrite(fd, b"NEW", 50000)
        os.ftruncate(fd, 60000)
        os.fsync(fd)
        self.say("still there", sha(pread_all(fd)))
        fd2 = os.open("/proc/self/fd/%d" % fd, os.O_RDONLY)
        self.say("opened again", sha(pread_all(fd2)))
        m = mmap.mmap(fd, 60000)
        os.close(fd)
        os.close(fd2)
        m[7] = 7
        self.say("mapped after close", sha(m[:]))
        m.close()
        put("victim", b"another", "xb")
        self.say("name used again", get("victim"))
        os.mkdir("doomed")
        dirfd = os.open("doomed", os.O_RDONLY)
        os.rmdir("doomed")
        self.do("listing of a removed directory", os.listdir, dirfd)
        self.do("create in it", lambda: os.open("x", os.O_CREAT | os.O_WRONLY, dir_fd=dirfd))
        os.close(dirfd)
        os.mkdir("full2")
        put("full2/x", b"")
        self.do("rmdir of a full one", os.rmdir, "full2")
        self.do("rmdir of a file", os.rmdir, "victim")
        self.do("unlink of a directory", os.unlink, "full2")
        self.do("rmdir of .", os.rmdir, ".")
        self.do("rmdir of ..", os.rmdir, "full2/..")

    def names(self):
        os.mkdir("names")
        os.chdir("names")
        odd = [bytes([k]) * 5 for k in range(1, 256) if k != 47]
        odd += [b"n" * k for k in (1, 15, 16, 17, 31, 32, 33, 174, 175, 176, 177, 191, 254, 255)]
        odd += ["名".encode() * 85, b".L", b".Nx", b"..x", b"cmkfs.keys"]
        for name in odd:
            put(name, b"I am " + name)
        self.say("all are listed", sorted(os.listdir(b".")) == sorted(odd))
        self.say("and read", all(get(n) == b"I am " + n for n in odd))
        self.do("256 bytes", put, b"n" * 256, b"")
        self.do("a file named .D", put, b".D", b"")     # refused where names are plain
        call(os.unlink, b".D")
        for k, name in enumerate(odd):
            if k % 3 == 0:
                os.unlink(name)
            elif k % 3 == 1:
                os.rename(name, name[:-1] + b"!")
        self.say("left", sha(b"/".join(sorted(os.listdir(b".")))))
        os.chdir("..")

    def listing(self):
        os.mkdir("list")
        wanted = {b"entry %04d" % k for k in range(3000)}
        for name in wanted:
            os.close(os.open(os.path.join(b"list", name), os.O_CREAT | os.O_WRONLY, 0o600))
        self.say("count", len(os.listdir("list")))
        lines = directory_walk(b"list")
        self.say("readdir", {n for n, _ in lines} == wanted | {b".", b".."})
        self.say("each once", len(lines) == 3002)
        self.say("seekdir", all(seek_gives(b"list", lines, k) for k in (0, 1, 2, 500, 1499, 2999)))
        self.say("rewinddir", rewind_gives(b"list") == len(lines))
        stable = {b"entry %04d" % k for k in range(0, 3000, 3)}
        self.say("each stable name once under changes", listing_under_changes(b"list", stable))
        for k in range(3000):
            call(os.unlink, "list/entry %04d" % k)
        for name in os.listdir("list"):
            os.unlink("list/" + name)
        self.do("rmdir", os.rmdir, "list")
        kinds = {e.name: (e.is_dir(follow_symlinks=False), e.is_symlink(), e.is_file(
            follow_symlinks=False)) for e in os.scandir("l")}
        self.say("types", sorted(kinds.items()))

    # ---- attributes

    def attributes(self):
        put("attr", b"x" * 5000)
        root = os.geteuid() == 0
        for mode in (0o600, 0o755, 0o4711, 0o2755, 0o1644, 0):
            self.do("chmod %o" % mode, os.chmod, "attr", mode)
            self.say("is", self.stat_line("attr"))
        if root:
            os.chmod("attr", 0o6755)
            self.do("chown", os.chown, "attr", 1234, 5678)
            self.say("clears set-id", self.stat_line("attr"))
            os.chmod("attr", 0o6755)
            put("attr", b"y" * 5000, "wb")
            self.say("root writes", self.stat_line("attr"))
            self.do("lchown", os.lchown, "link", 42, 43)
            self.say("link", self.stat_line("link", follow=False))
        os.chmod("attr", 0o644)
        for a, m in ((0, 0), (1, 999999999), (1 << 31, 5), (1700000000 * 10 ** 9 + 123456789,) * 2,
                     (10 ** 9, (1 << 33) * 10 ** 9 + 7), (-5 * 10 ** 9, -1)):
            self.do("utime", lambda: os.utime("attr", ns=(a, m)))
            st = os.stat("attr")
            self.say("is", (st.st_atime_ns, st.st_mtime_ns))
        os.utime("link", ns=(5, 6), follow_symlinks=False)
        self.say("of a symlink", os.lstat("link").st_mtime_ns)
        os.utime("dir", ns=(7, 8))
        self.say("of a directory", os.stat("dir").st_mtime_ns)
        fd = os.open("attr", os.O_RDWR)
        os.utime(fd, ns=(10 ** 18, 10 ** 18))
        before = os.fstat(fd)
        self.say("set by descriptor", before.st_mtime_ns)
        os.close(fd)
        self.say("kept by close", os.stat("attr").st_mtime_ns)
        fd = os.open("attr", os.O_WRONLY)
        os.write(fd, b"new")
        os.utime(fd, ns=(10 ** 18, 10 ** 18 + 1))
        os.close(fd)
        self.say("set after a write", os.stat("attr").st_mtime_ns)
        put("attr", b"again", "wb")
        self.say("write sets mtime", os.stat("attr").st_mtime_ns > 10 ** 18 + 1)
        self.say("write sets ctime", os.stat("attr").st_ctime_ns >= before.st_ctime_ns)
        was = os.stat("dir").st_mtime_ns
        put("dir/new", b"")
        self.say("create sets mtime of the directory", os.stat("dir").st_mtime_ns > was)
        os.utime("dir", ns=(7, 8))
        os.unlink("dir/new")
        self.say("unlink too", os.stat("dir").st_mtime_ns > 8)
        for what, mode in (("r", os.R_OK), ("w", os.W_OK), ("x", os.X_OK)):
            self.say("access " + what, [os.access(p, mode) for p in
                                        ("attr", "dir", "mode600", "mode0", "absent")])
        if root:
            self.say("as nobody", as_user(65534, lambda: [
                [call(os.open, p, f) if isinstance(call(os.open, p, f), str) else "ok"
                 for f in (os.O_RDONLY, os.O_WRONLY)] for p in ("attr", "mode600", "dir")]))
            self.do("fifo", os.mkfifo, "fifo", 0o644)
            self.do("device", os.mknod, "zero", 0o666 | stat.S_IFCHR, os.makedev(1, 5))
            self.say("their types", (self.stat_line("fifo"), os.stat("zero").st_rdev))
        st = os.statvfs(".")
        self.say("statfs", (st.f_namemax, st.f_bsize > 0, st.f_blocks >= st.f_bfree >= st.f_bavail,
                            st.f_files >= st.f_ffree))
        self.say("the same inode", os.stat("attr").st_ino == os.stat("./dir/../attr").st_ino)

    def set_id_cleared(self):
        if os.geteuid() != 0:
            return
        put("setid", b"x")
        os.chown("setid", 65534, 65534)
        os.chmod("setid", 0o6777)
        as_user(65534, lambda: put("setid", b"by its owner", "r+b"))
        self.say("write clears set-id", self.stat_line("setid"))
        os.chmod("setid", 0o6777)
        as_user(65534, lambda: os.truncate("setid", 3))
        self.say("truncate too", self.stat_line("setid"))
        os.mkdir("sticky")
        os.chmod("sticky", 0o1777)
        put("sticky/roots", b"")
        self.say("sticky", as_user(65534, lambda: call(os.unlink, "sticky/roots")))
        os.mkdir("sgid")
        os.chown("sgid", 0, 777)
        os.chmod("sgid", 0o2775)
        put("sgid/file", b"")
        os.mkdir("sgid/dir")
        self.say("set-gid directory", (self.stat_line("sgid/file"), self.stat_line("sgid/dir")))

    def xattrs(self):
        put("x", b"")
        for path in ("x", "dir"):
            name = "user.one"
            self.do("get absent", os.getxattr, path, name)
            self.do("replace absent", lambda: os.setxattr(path, name, b"1", os.XATTR_REPLACE))
            self.do("create", lambda: os.setxattr(path, name, b"1", os.XATTR_CREATE))
            self.do("create again", lambda: os.setxattr(path, name, b"2", os.XATTR_CREATE))
            self.do("replace", lambda: os.setxattr(path, name, b"3", os.XATTR_REPLACE))
            self.do("get", os.getxattr, path, name)
            for k, value in enumerate((b"", b"\0" * 10, bytes(range(256)) * 4)):
                self.do("set", os.setxattr, path, "user.größe %d" % k, value)
                self.say("got", sha(os.getxattr(path, "user.größe %d" % k)))
            self.say("list", sorted(os.listxattr(path)))
            self.do("remove", os.removexattr, path, name)
            self.do("remove again", os.removexattr, path, name)
            self.say("list", sorted(os.listxattr(path)))
            buf = ctypes.create_string_buffer(4)
            self.do("small buffer", libc_call, "getxattr", path.encode(),
                    "user.größe 2".encode(), buf, 4)
        self.do("of a symlink", lambda: os.setxattr("link", "user.x", b"", follow_symlinks=False))
        self.do("unknown namespace", os.setxattr, "x", "foreign.x", b"")
        self.do("without a name", os.setxattr, "x", "user.", b"")
        os.rename("x", "x2")
        self.say("kept by rename", sorted(os.listxattr("x2")))

    # ---- maps, direct I/O, locks

    def mapping(self):
        value = data(5, 300000)
        put("map", value)
        fd = os.open("map", os.O_RDWR)
        shared, private = mmap.mmap(fd, 0), mmap.mmap(fd, 0, access=mmap.ACCESS_COPY)
        self.say("mapped", shared[:] == value)
        shared[4090:4100] = b"0123456789"
        private[0:3] = b"cow"
        self.say("seen by read", os.pread(fd, 10, 4090))
        os.pwrite(fd, b"by write", 200000)
        self.say("seen by the map", shared[200000:200008])
        shared.flush()
        self.say("after msync", sha(get("map")))
        self.say("private", (private[:4], private[4090:4100], get("map")[:3] == value[:3]))
        os.ftruncate(fd, 400000)
        shared.resize(400000)
        shared[399990:] = b"0123456789"
        os.ftruncate(fd, 350000)
        self.say("cut under the map", sha(pread_all(fd)))
        private.close()
        shared.close()
        os.close(fd)
        self.say("at last", sha(get("map")))
        fd = os.open("map2", os.O_RDWR | os.O_CREAT, 0o600)
        os.ftruncate(fd, 1 << 20)
        m = mmap.mmap(fd, 1 << 20)
        os.close(fd)
        for k in range(0, 1 << 20, 8192):
            m[k:k + 5] = b"%05d" % (k >> 10)
        m.close()       # never synced, and the descriptor is closed
        self.say("written by the map alone", sha(get("map2")))

    def direct(self):
        fd = call(os.open, "direct", os.O_RDWR | os.O_CREAT | os.O_DIRECT, 0o600)
        if isinstance(fd, str):
            self.say("O_DIRECT", fd)
            return
        buf = mmap.mmap(-1, 1 << 20)
        buf[:] = data(11, 1 << 20)
        self.do("direct write", os.pwrite, fd, buf, 0)
        self.say("read through the cache", sha(get("direct")))
        other = os.open("direct", os.O_RDWR)
        os.pwrite(other, b"cached" * 1000, 8192)
        back = mmap.mmap(-1, 65536)
        self.do("direct read", os.preadv, fd, [back], 0)
        self.say("sees the dirty page", sha(back[:]))
        buf[:4096] = b"d" * 4096
        os.pwrite(fd, memoryview(buf)[:4096], 8192)
        self.say("cache sees the direct write", os.pread(other, 5, 8192))
        self.do("at the end", os.preadv, fd, [back], (1 << 20) - 4096)
        os.close(fd)
        os.close(other)

    def locks(self):
        put("lock", b"")
        a, b = os.open("lock", os.O_RDWR), os.open("lock", os.O_RDWR)
        self.do("flock", fcntl.flock, a, fcntl.LOCK_EX)
        self.do("flock twice", fcntl.flock, b, fcntl.LOCK_EX | fcntl.LOCK_NB)
        self.do("unlock", fcntl.flock, a, fcntl.LOCK_UN)
        self.do("shared", fcntl.flock, a, fcntl.LOCK_SH)
        self.do("shared twice", fcntl.flock, b, fcntl.LOCK_SH | fcntl.LOCK_NB)
        os.close(a)
        self.do("upgrade when alone", fcntl.flock, b, fcntl.LOCK_EX | fcntl.LOCK_NB)
        fcntl.flock(b, fcntl.LOCK_UN)
        self.do("POSIX lock", lambda: fcntl.lockf(b, fcntl.LOCK_EX | fcntl.LOCK_NB, 100, 50))

        def other():
            fd = os.open("lock", os.O_RDWR)
            out = [call(lambda: fcntl.lockf(fd, fcntl.LOCK_EX | fcntl.LOCK_NB, n, at))
                   for n, at in ((50, 0), (1, 149), (1, 150), (10, 45))]
            ask = struct.pack("hhqqi4x", fcntl.F_WRLCK, 0, 0, 0, 0)
            kind, _, start, n, pid = struct.unpack("hhqqi4x", fcntl.fcntl(fd, fcntl.F_GETLK, ask))
            return out, kind, start, n, pid == os.getppid()
        self.say("in another process", in_child(other))
        in_child(lambda: fcntl.lockf(os.open("lock", os.O_RDWR), fcntl.LOCK_EX, 10, 500))
        self.do("after its holder's death", lambda: fcntl.lockf(b, fcntl.LOCK_EX | fcntl.LOCK_NB,
                                                                 10, 500))
        os.close(os.open("lock", os.O_RDONLY))      # POSIX: any close drops them
        self.say("after a close", in_child(lambda: call(
            lambda: fcntl.lockf(os.open("lock", os.O_RDWR), fcntl.LOCK_EX | fcntl.LOCK_NB))))
        c = os.open("lock", os.O_RDWR)
        ofd = struct.pack("hhqqi4x", fcntl.F_WRLCK, 0, 0, 10, 0)
        self.do("OFD lock", lambda: len(fcntl.fcntl(b, fcntl.F_OFD_SETLK, ofd)))
        self.do("OFD lock twice", lambda: len(fcntl.fcntl(c, fcntl.F_OFD_SETLK, ofd)))
        os.close(b)
        os.close(c)

    def syncing(self):
        fd = os.open("sync", os.O_RDWR | os.O_CREAT | os.O_SYNC, 0o600)
        self.do("O_SYNC write", os.write, fd, b"x" * 10000)
        self.do("fsync", os.fsync, fd)
        self.do("fdatasync", os.fdatasync, fd)
        os.close(fd)
        fd = os.open(".", os.O_RDONLY)
        self.do("fsync of a directory", os.fsync, fd)
        self.do("syncfs", libc_call, "syncfs", fd)
        self.do("read of a directory", os.read, fd, 10)
        os.close(fd)
        fd = os.open("sync", os.O_RDWR)
        self.do("sync_file_range", libc_call, "sync_file_range", fd, OFF(0), OFF(0), 7)
        self.do("fadvise", os.posix_fadvise, fd, 0, 0, os.POSIX_FADV_WILLNEED)
        os.close(fd)


# ---- helpers that need a process or a directory stream of their own

def in_child(function):
    r, w = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            os.write(w, repr(function()).encode())
        finally:
            os._exit(0)
    os.close(w)
    out = b""
    while piece := os.read(r, 65536):
        out += piece
    os.close(r)
    os.waitpid(pid, 0)
    return out.decode()


def as_user(uid, function):
    def run():
        os.setgroups([])
        os.setgid(uid)
        os.setuid(uid)
        return function()
    return in_child(run)


class Dirent(ctypes.Structure):
    _fields_ = [("ino", ctypes.c_uint64), ("off", ctypes.c_int64), ("reclen", ctypes.c_uint16),
                ("type", ctypes.c_uint8), ("name", ctypes.c_char * 256)]


libc.opendir.restype = ctypes.c_void_p
libc.readdir.restype = ctypes.POINTER(Dirent)
libc.telldir.restype = ctypes.c_long


class Stream:
    def __init__(self, path):
        self.d = ctypes.c_void_p(libc.opendir(path))

    def next(self):
        entry = libc.readdir(self.d)
        return entry.contents.name if entry else None

    def tell(self):
        return libc.telldir(self.d)

    def seek(self, at):
        libc.seekdir(self.d, ctypes.c_long(at))

    def close(self):
        libc.closedir(self.d)


def directory_walk(path):
    """[(name, telldir before it)]"""
    d, out = Stream(path), []
    while True:
        at = d.tell()
        name = d.next()
        if name is None:
            d.close()
            return out
        out.append((name, at))


def seek_gives(path, lines, k):
    d = Stream(path)
    d.seek(lines[k][1])
    rest = []
    while (name := d.next()) is not None:
        rest.append(name)
    d.close()
    return rest == [n for n, _ in lines[k:]]


def rewind_gives(path):
    d = Stream(path)
    for _ in range(100):
        d.next()
    libc.rewinddir(d.d)
    count = 0
    while d.next() is not None:
        count += 1
    d.close()
    return count


def listing_under_changes(path, stable):
    """While others come and go, each name that stays is seen exactly once."""
    d, seen, k = Stream(path), [], 0
    while (name := d.next()) is not None:
        seen.append(name)
        victim = b"entry %04d" % ((k * 7) % 3000)
        if victim not in stable:
            call(os.unlink, os.path.join(path, victim))
            put(os.path.join(path, b"new %d" % k), b"", "wb")
        k += 1
        if k > 20000:
            return "never ends"
    d.close()
    return sorted(n for n in seen if n in stable) == sorted(stable)


ALL = (Run.create_and_open, Run.truncating_open, Run.appending, Run.truncating, Run.overwriting,
       Run.vectors, Run.holes, Run.allocating, Run.huge, Run.renaming, Run.linking, Run.unlinked,
       Run.names, Run.listing, Run.attributes, Run.set_id_cleared, Run.xattrs, Run.mapping,
       Run.direct, Run.locks, Run.syncing)


def compare(a, b):
    """Lines of a plain directory, and of a mount."""
    with open(a, encoding="utf-8") as one, open(b, encoding="utf-8") as two:
        one, two = one.read().splitlines(), two.read().splitlines()
    bad = 0
    section = ""
    for k in range(max(len(one), len(two))):
        x, y = (lines[k] if k < len(lines) else "(nothing)" for lines in (one, two))
        if x.startswith("# "):
            section = x
        what = y.split(": ")[0]
        if x == y or y == "%s: %s" % (what, OTHERWISE.get(what)):
            continue
        bad += 1
        if bad <= 30:
            print("%s\n  plain directory: %s\n  mount:           %s" % (section, x, y))
        if x.split(": ")[0] != what:
            print("(they go different ways from here)")
            break
    print("%d answers, %d different" % (len(one), bad))
    return bad == 0


def main():
    if sys.argv[1] == "compare":
        return 0 if compare(*sys.argv[2:4]) else 1
    run = Run(sys.argv[1])
    for part in ALL:
        if len(sys.argv) == 2 or part.__name__ in sys.argv[2:]:
            print("# " + part.__name__, flush=True)
            part(run)
    return 0


if __name__ == "__main__":
    sys.exit(main())
