# SPDX-License-Identifier: Apache-2.0
"""What the parts of fsops.py say their lines with, and the calls that Python has no word for."""
import ctypes
import errno
import hashlib
import os
import random
import stat

libc = ctypes.CDLL(None, use_errno=True)
AT_FDCWD = -100
OFF = ctypes.c_int64


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
