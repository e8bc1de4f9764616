# SPDX-License-Identifier: Apache-2.0
"""Part of fsops.py: modes, owners, times, extended attributes."""
import ctypes
import os
import stat

from fsops_run import as_user, call, libc_call, put, sha


def attributes(run):
    put("attr", b"x" * 5000)
    root = os.geteuid() == 0
    for mode in (0o600, 0o755, 0o4711, 0o2755, 0o1644, 0):
        run.do("chmod %o" % mode, os.chmod, "attr", mode)
        run.say("is", run.stat_line("attr"))
    if root:
        os.chmod("attr", 0o6755)
        run.do("chown", os.chown, "attr", 1234, 5678)
        run.say("clears set-id", run.stat_line("attr"))
        os.chmod("attr", 0o6755)
        put("attr", b"y" * 5000, "wb")
        run.say("root writes", run.stat_line("attr"))
        run.do("lchown", os.lchown, "link", 42, 43)
        run.say("link", run.stat_line("link", follow=False))
    os.chmod("attr", 0o644)
    for a, m in ((0, 0), (1, 999999999), (1 << 31, 5), (1700000000 * 10 ** 9 + 123456789,) * 2,
                 (10 ** 9, (1 << 33) * 10 ** 9 + 7), (-5 * 10 ** 9, -1)):
        run.do("utime", lambda: os.utime("attr", ns=(a, m)))
        st = os.stat("attr")
        run.say("is", (st.st_atime_ns, st.st_mtime_ns))
    os.utime("link", ns=(5, 6), follow_symlinks=False)
    run.say("of a symlink", os.lstat("link").st_mtime_ns)
    os.utime("dir", ns=(7, 8))
    run.say("of a directory", os.stat("dir").st_mtime_ns)
    fd = os.open("attr", os.O_RDWR)
    os.utime(fd, ns=(10 ** 18, 10 ** 18))
    before = os.fstat(fd)
    run.say("set by descriptor", before.st_mtime_ns)
    os.close(fd)
    run.say("kept by close", os.stat("attr").st_mtime_ns)
    fd = os.open("attr", os.O_WRONLY)
    os.write(fd, b"new")
    os.utime(fd, ns=(10 ** 18, 10 ** 18 + 1))
    os.close(fd)
    run.say("set after a write", os.stat("attr").st_mtime_ns)
    put("attr", b"again", "wb")
    run.say("write sets mtime", os.stat("attr").st_mtime_ns > 10 ** 18 + 1)
    run.say("write sets ctime", os.stat("attr").st_ctime_ns >= before.st_ctime_ns)
    was = os.stat("dir").st_mtime_ns
    put("dir/new", b"")
    run.say("create sets mtime of the directory", os.stat("dir").st_mtime_ns > was)
    os.utime("dir", ns=(7, 8))
    os.unlink("dir/new")
    run.say("unlink too", os.stat("dir").st_mtime_ns > 8)
    for what, mode in (("r", os.R_OK), ("w", os.W_OK), ("x", os.X_OK)):
        run.say("access " + what, [os.access(p, mode) for p in
                                   ("attr", "dir", "mode600", "mode0", "absent")])
    if root:
        run.say("as nobody", as_user(65534, lambda: [
            [call(os.open, p, f) if isinstance(call(os.open, p, f), str) else "ok"
             for f in (os.O_RDONLY, os.O_WRONLY)] for p in ("attr", "mode600", "dir")]))
        run.do("fifo", os.mkfifo, "fifo", 0o644)
        run.do("device", os.mknod, "zero", 0o666 | stat.S_IFCHR, os.makedev(1, 5))
        run.say("their types", (run.stat_line("fifo"), os.stat("zero").st_rdev))
    st = os.statvfs(".")
    run.say("statfs", (st.f_namemax, st.f_bsize > 0, st.f_blocks >= st.f_bfree >= st.f_bavail,
                       st.f_files >= st.f_ffree))
    run.say("the same inode", os.stat("attr").st_ino == os.stat("./dir/../attr").st_ino)


def set_id_cleared(run):
    if os.geteuid() != 0:
        return
    put("setid", b"x")
    os.chown("setid", 65534, 65534)
    os.chmod("setid", 0o6777)
    as_user(65534, lambda: put("setid", b"by its owner", "r+b"))
    run.say("write clears set-id", run.stat_line("setid"))
    os.chmod("setid", 0o6777)
    as_user(65534, lambda: os.truncate("setid", 3))
    run.say("truncate too", run.stat_line("setid"))
    os.mkdir("sticky")
    os.chmod("sticky", 0o1777)
    put("sticky/roots", b"")
    run.say("sticky", as_user(65534, lambda: call(os.unlink, "sticky/roots")))
    os.mkdir("sgid")
    os.chown("sgid", 0, 777)
    os.chmod("sgid", 0o2775)
    put("sgid/file", b"")
    os.mkdir("sgid/dir")
    run.say("set-gid directory", (run.stat_line("sgid/file"), run.stat_line("sgid/dir")))


def xattrs(run):
    put("x", b"")
    for path in ("x", "dir"):
        name = "user.one"
        run.do("get absent", os.getxattr, path, name)
        run.do("replace absent", lambda: os.setxattr(path, name, b"1", os.XATTR_REPLACE))
        run.do("create", lambda: os.setxattr(path, name, b"1", os.XATTR_CREATE))
        run.do("create again", lambda: os.setxattr(path, name, b"2", os.XATTR_CREATE))
        run.do("replace", lambda: os.setxattr(path, name, b"3", os.XATTR_REPLACE))
        run.do("get", os.getxattr, path, name)
        for k, value in enumerate((b"", b"\0" * 10, bytes(range(256)) * 4)):
            run.do("set", os.setxattr, path, "user.größe %d" % k, value)
            run.say("got", sha(os.getxattr(path, "user.größe %d" % k)))
        run.say("list", sorted(os.listxattr(path)))
        run.do("remove", os.removexattr, path, name)
        run.do("remove again", os.removexattr, path, name)
        run.say("list", sorted(os.listxattr(path)))
        buf = ctypes.create_string_buffer(4)
        run.do("small buffer", libc_call, "getxattr", path.encode(),
               "user.größe 2".encode(), buf, 4)
    run.do("of a symlink", lambda: os.setxattr("link", "user.x", b"", follow_symlinks=False))
    run.do("unknown namespace", os.setxattr, "x", "foreign.x", b"")
    run.do("without a name", os.setxattr, "x", "user.", b"")
    os.rename("x", "x2")
    run.say("kept by rename", sorted(os.listxattr("x2")))


PARTS = (attributes, set_id_cleared, xattrs)
