# SPDX-License-Identifier: Apache-2.0
"""A process that holds a mount in every way that an application can: descriptors, maps, a
directory, a working directory; and what each of them gives when it is used.

Used by lock_ways.py and kill_ways.py.
"""
import errno
import mmap
import os
import random
import signal
import subprocess
import time

PAGE = 4096
SIZE = 300 * PAGE


def name_of(e):
    return errno.errorcode.get(e.errno, str(e.errno))


def attempt(function, *args):
    """'ok', or the name of an errno."""
    try:
        function(*args)
    except OSError as e:
        return name_of(e)
    return "ok"


def in_child(function):
    """The same in a child, which may die of it: then 'SIGBUS' or the like."""
    pid = os.fork()
    if pid == 0:
        try:
            function()
        except OSError as e:
            os._exit(e.errno)
        except BaseException:
            os._exit(255)
        os._exit(0)
    status = os.waitpid(pid, 0)[1]
    if os.WIFSIGNALED(status):
        return signal.Signals(os.WTERMSIG(status)).name
    code = os.WEXITSTATUS(status)
    return "ok" if code == 0 else errno.errorcode.get(code, "exit %d" % code)


def cmkfs(*args, check=True):
    done = subprocess.run(["cmkfs", *args], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          text=True, timeout=60)
    if check and done.returncode:
        raise SystemExit("cmkfs %s: %s" % (" ".join(args), done.stdout))
    return done.stdout


class World:
    """What is held; the contents are known, so that every later read can be judged."""

    def __init__(self, mnt, seed):
        self.mnt, r = mnt, random.Random(seed)
        self.dir = os.path.join(mnt, "world")
        os.makedirs(os.path.join(self.dir, "sub"), exist_ok=True)
        self.data = {name: r.randbytes(size) for name, size in
                     (("read", SIZE), ("mapped", SIZE), ("private", SIZE), ("cold", SIZE),
                      ("small", 13), ("written", 100 * PAGE), ("stored", 100 * PAGE),
                      ("sub/inside", 5000))}
        for name, data in self.data.items():
            with open(self.path(name), "wb") as file:
                file.write(data)
        for name in ("link", "sub/link"):
            if not os.path.lexists(self.path(name)):
                os.symlink("read", self.path(name))
        os.setxattr(self.path("read"), "user.mark", b"secret value")
        with open(self.path("cold"), "rb") as file:     # written, and out of the cache
            os.fsync(file.fileno())
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
        self.fds = {name: os.open(self.path(name), os.O_RDWR) for name in self.data}
        self.maps = {name: mmap.mmap(self.fds[name], 0) for name in ("mapped", "stored")}
        self.private = mmap.mmap(self.fds["private"], 0, access=mmap.ACCESS_COPY)
        for m in (*self.maps.values(), self.private):
            for at in range(0, len(m), PAGE):
                m[at]
        self.dirfd = os.open(self.dir, os.O_RDONLY | os.O_DIRECTORY)
        os.pread(self.fds["read"], SIZE, 0)
        os.listdir(self.dirfd)
        os.readlink(self.path("link"))
        self.dirty_count = 0

    def path(self, name):
        return os.path.join(self.dir, name)

    def dirty(self):
        """Dirty pages by write and by map, not synced."""
        self.dirty_count += 1
        mark = b"dirty %08d" % self.dirty_count
        for at in range(7, 100 * PAGE, 5 * PAGE):
            os.pwrite(self.fds["written"], mark, at)
            self.maps["stored"][at:at + len(mark)] = mark
            for name in ("written", "stored"):
                data = bytearray(self.data[name])
                data[at:at + len(mark)] = mark
                self.data[name] = bytes(data)

    def attempts(self):
        """{what: result} of everything that must fail while a zone is locked."""
        p, fds = self.path, self.fds
        return {
            "read, held, cached": attempt(os.pread, fds["read"], PAGE, 0),
            "read, held, cold": attempt(os.pread, fds["cold"], PAGE, 10 * PAGE),
            "read, held, small": attempt(os.pread, fds["small"], 13, 0),
            "write, held": attempt(os.pwrite, fds["read"], b"x", 0),
            "truncate, held": attempt(os.ftruncate, fds["read"], 10),
            "fallocate, held": attempt(os.posix_fallocate, fds["read"], 0, 10 * SIZE),
            "stat, held": attempt(os.fstat, fds["read"]),
            "open": attempt(os.open, p("read"), os.O_RDONLY),
            "open, held directory": attempt(lambda: os.open("cold", os.O_RDONLY,
                                                             dir_fd=self.dirfd)),
            "open again": attempt(os.open, "/proc/self/fd/%d" % fds["read"], os.O_RDONLY),
            "list": attempt(os.listdir, self.dir),
            "list, held": attempt(os.listdir, self.dirfd),
            "list the top": attempt(os.listdir, self.mnt),
            "stat": attempt(os.stat, p("read")),
            "stat of an absent name": attempt(os.stat, p("absent")),
            "readlink": attempt(os.readlink, p("link")),
            "getxattr": attempt(os.getxattr, p("read"), "user.mark"),
            "setxattr": attempt(os.setxattr, p("read"), "user.new", b""),
            "listxattr": attempt(os.listxattr, p("read")),
            "create": attempt(os.open, p("new"), os.O_CREAT | os.O_WRONLY),
            "mkdir": attempt(os.mkdir, p("newdir")),
            "symlink": attempt(os.symlink, "x", p("newlink")),
            "link": attempt(os.link, p("read"), p("newlink2")),
            "rename": attempt(os.rename, p("small"), p("smaller")),
            "unlink": attempt(os.unlink, p("small")),
            "rmdir": attempt(os.rmdir, p("sub")),
            "chmod": attempt(os.chmod, p("read"), 0o600),
            "utime": attempt(os.utime, p("read")),
            "map, held": in_child(lambda: self.maps["mapped"][5 * PAGE]),
            "store to map, held": in_child(lambda: self.maps["mapped"].__setitem__(0, 1)),
            "private map, held": in_child(lambda: self.private[5 * PAGE]),
            "new map": in_child(lambda: mmap.mmap(fds["cold"], SIZE, prot=mmap.PROT_READ)[0]),
        }

    def plaintext(self):
        """Names of what still gives contents, for after an unmount or a death."""
        left = []
        for name in self.data:
            for at in range(0, len(self.data[name]), 16 * PAGE):
                if attempt(os.pread, self.fds[name], 100, at) == "ok" and \
                        os.pread(self.fds[name], 100, at):
                    left.append("%s at %d by read" % (name, at))
        for name, m in (*self.maps.items(), ("private", self.private)):
            for at in range(0, len(m), 16 * PAGE):
                if in_child(lambda m=m, at=at: m[at]) == "ok":
                    left.append("%s at %d by map" % (name, at))
        if attempt(os.listdir, self.dirfd) == "ok" and os.listdir(self.dirfd):
            left.append("names of a held directory")
        return left

    def check(self):
        """All contents through the held descriptors and maps, and by path."""
        bad = []
        for name, data in self.data.items():
            if os.pread(self.fds[name], len(data) + 1, 0) != data:
                bad.append(name + " by its descriptor")
            with open(self.path(name), "rb") as file:
                if file.read() != data:
                    bad.append(name + " by path")
        for name, m in self.maps.items():
            if m[:] != self.data[name]:
                bad.append(name + " by map")
        if self.private[:] != self.data["private"]:
            bad.append("private map")
        if os.readlink(self.path("link")) != "read":
            bad.append("symlink")
        if os.getxattr(self.path("read"), "user.mark") != b"secret value":
            bad.append("attribute")
        if sorted(os.listdir(self.dirfd)) != sorted(
                ["link", "sub"] + [n for n in self.data if "/" not in n]):
            bad.append("list: %s" % sorted(os.listdir(self.dirfd)))
        return bad

    def check_again(self, mnt):
        """All contents on a new mount."""
        bad = []
        for name, data in self.data.items():
            with open(os.path.join(mnt, "world", name), "rb") as file:
                if file.read() != data:
                    bad.append(name)
        return bad

    def drop(self):
        for m in (*self.maps.values(), self.private):
            m.close()
        self.maps = {}
        for fd in (*self.fds.values(), self.dirfd):
            attempt(os.close, fd)
        self.fds = {}


def wait_until(function, seconds):
    """Milliseconds until FUNCTION is true; None: it was not."""
    begin = time.monotonic()
    while time.monotonic() - begin < seconds:
        if function():
            return (time.monotonic() - begin) * 1000
        time.sleep(0.001)
    return None
