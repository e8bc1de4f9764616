# SPDX-License-Identifier: Apache-2.0
"""Part of fsops.py: the flags of open."""
import os

from fsops_run import call, data, get, put, sha


def create_and_open(run):
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
            run.say("open %.9s %s" % (path, what), fd if isinstance(fd, str) else "ok")
            if not isinstance(fd, str):
                os.close(fd)
    for mode in (0o600, 0o644, 0o4755, 0o1777, 0):
        os.umask(0o22)
        os.close(os.open("mode%o" % mode, os.O_CREAT | os.O_WRONLY, mode))
        run.say("create %o" % mode, run.stat_line("mode%o" % mode))
    fd = os.open("plain", os.O_RDONLY)
    run.do("write to O_RDONLY", os.write, fd, b"x")
    os.close(fd)
    fd = os.open("plain", os.O_WRONLY)
    run.do("read of O_WRONLY", os.read, fd, 1)
    os.close(fd)
    fd = call(os.open, ".", os.O_TMPFILE | os.O_RDWR, 0o600)
    run.say("O_TMPFILE", fd if isinstance(fd, str) else "ok")
    if not isinstance(fd, str):
        os.close(fd)


def truncating_open(run):
    for n in (1, 5000, 1 << 20):
        put("trunc", data(n, n), "wb")
        fd = os.open("trunc", os.O_WRONLY | os.O_TRUNC)
        run.say("O_TRUNC size at once", os.fstat(fd).st_size)
        os.write(fd, b"hello")
        os.close(fd)
        run.say("O_TRUNC after write", get("trunc"))
    put("trunc", b"gone", "wb")
    os.close(os.open("trunc", os.O_RDONLY | os.O_TRUNC))
    run.say("O_TRUNC read-only", os.path.getsize("trunc"))
    keep = os.open("trunc", os.O_RDWR)
    os.write(keep, b"held")
    os.close(os.open("trunc", os.O_WRONLY | os.O_TRUNC))
    run.say("O_TRUNC under a held descriptor", os.pread(keep, 9, 0))
    os.pwrite(keep, b"XY", 6)
    run.say("write after it", get("trunc"))
    os.close(keep)


def appending(run):
    put("append", b"start ")
    a = os.open("append", os.O_WRONLY | os.O_APPEND)
    b = os.open("append", os.O_RDWR | os.O_APPEND)
    for k in range(200):
        os.write((a, b)[k & 1], b"%d," % k)
    run.say("O_APPEND twice", sha(get("append")))
    run.do("pwrite on O_APPEND", os.pwrite, b, b"end", 0)
    run.say("where pwrite went", get("append")[-3:])
    run.say("position", os.lseek(b, 0, os.SEEK_CUR) > 0)
    os.ftruncate(a, 10)
    os.write(a, b"again")
    run.say("append after truncate", get("append"))
    os.close(a)
    os.close(b)


PARTS = (create_and_open, truncating_open, appending)
