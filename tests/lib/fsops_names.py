# SPDX-License-Identifier: Apache-2.0
"""Part of fsops.py: renames, links, removed files, odd names, directory streams."""
import ctypes
import mmap
import os

from fsops_run import AT_FDCWD, call, data, get, libc, libc_call, pread_all, put, renameat2, sha

RENAME_NOREPLACE, RENAME_EXCHANGE, RENAME_WHITEOUT = 1, 2, 4
NAME_255 = b"n" * 255


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


def renaming(run):
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
        run.do("rename " + what, renameat2, a, b, flags)
        if what != "whiteout":
            run.say("left", sorted(os.listdir()))
            run.say("contents", [call(get, n) for n in ("from", "to")])
        for n in ("free", "free2", "back") + (("from",) if what == "whiteout" else ()):
            call(os.unlink, n)
    fresh()
    held = os.open("to", os.O_RDWR)
    os.rename("from", "to")
    run.say("held descriptor of what was replaced", os.pread(held, 9, 0))
    run.say("its links", os.fstat(held).st_nlink)
    os.pwrite(held, b"still", 0)
    run.say("writes to it", (os.pread(held, 9, 0), get("to")))
    os.close(held)
    held = os.open("other", os.O_RDWR)
    os.rename("other", "moved")
    os.write(held, b"written after")
    os.close(held)
    run.say("renamed while open", get("moved"))
    os.link("moved", "moved2")
    run.do("rename between two links", os.rename, "moved", "moved2")
    run.say("both there", sorted(os.listdir()))
    os.makedirs("deep/er/est")
    put("deep/er/est/file", b"deep")
    os.rename("deep/er", "er")
    run.say("directory moved up", get("er/est/file"))
    run.say(".. of it", os.stat("er/..").st_ino == os.stat(".").st_ino)
    os.rename("er", "deep/" + "long" * 60)
    run.say("to a long name", get("deep/" + "long" * 60 + "/est/file"))
    os.chdir("..")


def linking(run):
    os.mkdir("l")
    os.chdir("l")
    put("a", b"linked")
    run.do("link", os.link, "a", "b")
    run.do("link over", os.link, "a", "b")
    os.mkdir("d")
    run.do("link of a directory", os.link, "d", "e")
    run.do("link into one", os.link, "a", "d/c")
    run.say("count", os.stat("a").st_nlink)
    put("d/c", b"changed", "wb")
    run.say("seen by the others", (get("a"), get("b")))
    os.unlink("a")
    run.say("after unlink", (os.stat("b").st_nlink, get("b")))
    for k in range(30):
        os.link("b", "link%d" % k)
    os.rename("link5", "d/renamed")
    run.say("thirty links", (os.stat("b").st_nlink, get("link29"), get("d/renamed")))
    for k in range(4):
        os.unlink("link%d" % k)
    run.say("four less", (os.stat("b").st_nlink, get("link29")))
    for name, target in (("s", "b"), ("abs", "/etc/hostname"), ("long", "t" * 3000),
                         ("utf", "größe-🙂"), ("l" * 255, "d")):
        run.do("symlink %.5s" % name, os.symlink, target, name)
        run.say("readlink", sha(os.fsencode(os.readlink(name))))
        run.say("lstat", run.stat_line(name, follow=False))
    run.do("symlink over", os.symlink, "x", "s")
    run.do("symlink to nothing", os.symlink, "", "n")
    run.say("through it", get("s"))
    run.do("link of a symlink", libc_call, "linkat", AT_FDCWD, b"s", AT_FDCWD, b"hard", 0)
    call(os.unlink, "hard")
    os.rename("s", "s2")
    run.say("renamed symlink", os.readlink("s2"))
    os.rename("s2", "d/s3")
    run.say("moved symlink", os.readlink("d/s3"))
    run.do("readlink of a file", os.readlink, "b")
    os.rename("long", "utf")
    run.say("symlink over symlink", os.readlink("utf")[:3])
    os.chdir("..")


def unlinked(run):
    put("victim", data(9, 100000))
    fd = os.open("victim", os.O_RDWR)
    os.unlink("victim")
    run.do("stat of unlinked", os.stat, "victim")
    run.say("links", os.fstat(fd).st_nlink)
    os.pwrite(fd, b"NEW", 50000)
    os.ftruncate(fd, 60000)
    os.fsync(fd)
    run.say("still there", sha(pread_all(fd)))
    fd2 = os.open("/proc/self/fd/%d" % fd, os.O_RDONLY)
    run.say("opened again", sha(pread_all(fd2)))
    m = mmap.mmap(fd, 60000)
    os.close(fd)
    os.close(fd2)
    m[7] = 7
    run.say("mapped after close", sha(m[:]))
    m.close()
    put("victim", b"another", "xb")
    run.say("name used again", get("victim"))
    os.mkdir("doomed")
    dirfd = os.open("doomed", os.O_RDONLY)
    os.rmdir("doomed")
    run.do("listing of a removed directory", os.listdir, dirfd)
    run.do("create in it", lambda: os.open("x", os.O_CREAT | os.O_WRONLY, dir_fd=dirfd))
    os.close(dirfd)
    os.mkdir("full2")
    put("full2/x", b"")
    run.do("rmdir of a full one", os.rmdir, "full2")
    run.do("rmdir of a file", os.rmdir, "victim")
    run.do("unlink of a directory", os.unlink, "full2")
    run.do("rmdir of .", os.rmdir, ".")
    run.do("rmdir of ..", os.rmdir, "full2/..")


def names(run):
    os.mkdir("names")
    os.chdir("names")
    odd = [bytes([k]) * 5 for k in range(1, 256) if k != 47]
    odd += [b"n" * k for k in (1, 15, 16, 17, 31, 32, 33, 174, 175, 176, 177, 191, 254, 255)]
    odd += ["名".encode() * 85, b".L", b".Nx", b"..x", b"cmkfs.keys"]
    for name in odd:
        put(name, b"I am " + name)
    run.say("all are listed", sorted(os.listdir(b".")) == sorted(odd))
    run.say("and read", all(get(n) == b"I am " + n for n in odd))
    run.do("256 bytes", put, b"n" * 256, b"")
    run.do("a file named .D", put, b".D", b"")     # refused where names are plain
    call(os.unlink, b".D")
    for k, name in enumerate(odd):
        if k % 3 == 0:
            os.unlink(name)
        elif k % 3 == 1:
            os.rename(name, name[:-1] + b"!")
    run.say("left", sha(b"/".join(sorted(os.listdir(b".")))))
    os.chdir("..")


def listing_beside_another(path):
    """Who is half-way when most names go, and others list it meanwhile, sees what stays.

    What is left are three pages of 128 records: where the kernel keeps listings, it takes the end
    of a full page for the end of the directory if it does not find where it was (Linux 6.18).
    """
    stay = {b"stay %03d" % k for k in range(3 * 128 - 2)}
    go = {b"go %05d" % k for k in range(2700)}
    for name in stay | go:
        put(os.path.join(path, name), b"", "wb")
    for _ in range(2):    # the kernel might have it by then
        os.listdir(path)
    d = Stream(path)
    seen = [d.next() for _ in range(3)]
    for name in go:
        os.unlink(os.path.join(path, name))
    whole = [len(os.listdir(path)) for _ in range(2)]
    while (name := d.next()) is not None:
        seen.append(name)
    d.close()
    for name in stay:
        os.unlink(os.path.join(path, name))
    return sorted(n for n in seen if n in stay) == sorted(stay) and whole == 2 * [len(stay)]


def listing(run):
    os.mkdir("list")
    wanted = {b"entry %04d" % k for k in range(3000)}
    for name in wanted:
        os.close(os.open(os.path.join(b"list", name), os.O_CREAT | os.O_WRONLY, 0o600))
    run.say("count", len(os.listdir("list")))
    lines = directory_walk(b"list")
    run.say("readdir", {n for n, _ in lines} == wanted | {b".", b".."})
    run.say("each once", len(lines) == 3002)
    run.say("seekdir", all(seek_gives(b"list", lines, k) for k in (0, 1, 2, 500, 1499, 2999)))
    run.say("rewinddir", rewind_gives(b"list") == len(lines))
    stable = {b"entry %04d" % k for k in range(0, 3000, 3)}
    run.say("each stable name once under changes", listing_under_changes(b"list", stable))
    for k in range(3000):
        call(os.unlink, "list/entry %04d" % k)
    for name in os.listdir("list"):
        os.unlink("list/" + name)
    run.say("each that stays beside another listing", listing_beside_another(b"list"))
    run.do("rmdir", os.rmdir, "list")
    kinds = {e.name: (e.is_dir(follow_symlinks=False), e.is_symlink(), e.is_file(
        follow_symlinks=False)) for e in os.scandir("l")}
    run.say("types", sorted(kinds.items()))


PARTS = (renaming, linking, unlinked, names, listing)
