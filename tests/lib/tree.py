#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Trees of files for tests: make one, describe one, compare two.

  tree.py make DIR [--files N] [--seed S]   a tree of every kind of entry
  tree.py compare [--no-times] A B          0 if alike in contents, modes, owners, times, links
                                            and attributes; else the differences, and 1
  tree.py save DIR FILE                     the description of a tree, to compare with later:
                                            a FILE may stand for A or B
  tree.py manifest DIR                      lines of JSON as cmkfs_read.py --manifest prints them
"""
import argparse
import errno
import hashlib
import json
import os
import random
import stat
import sys

KINDS = {stat.S_IFREG: "file", stat.S_IFDIR: "dir", stat.S_IFLNK: "symlink", stat.S_IFIFO: "fifo",
         stat.S_IFSOCK: "socket", stat.S_IFCHR: "chardev", stat.S_IFBLK: "blockdev"}
SPECIAL_NAMES = (b"a name with spaces", b"tab\tand\nnewline", b"-rf", b"*?[x]", b"\xff\xfe not utf8",
                 "größe-名前-🙂".encode(), b"...", b"L" * 176, b"M" * 175, b"N" * 255,
                 "名".encode() * 85, b"'quotes\"", b"back\\slash", b".hidden", b"trailing.")


# ---- making

class Maker:
    def __init__(self, top, files, seed):
        self.top, self.left, self.r = os.fsencode(top), files, random.Random(seed)
        self.pool = self.r.randbytes(1 << 22)
        self.root = os.geteuid() == 0

    def data(self, n):
        at = self.r.randrange(len(self.pool) - n) if n < len(self.pool) else 0
        return self.pool[at:at + n]

    def size(self):
        k = self.r.random()
        if k < 0.04:
            return 0
        if k < 0.10:
            return self.r.choice((1, 13, 3040, 3041, 4095, 4096, 4097, 8192, 20480))
        return min(200 << 10, int(self.r.lognormvariate(8.9, 0.95)))

    def attributes(self, path, link=False):
        ns = self.r.randrange(10 ** 9, 17 * 10 ** 8) * 10 ** 9 + self.r.randrange(10 ** 9)
        if self.root and self.r.random() < 0.1:
            os.chown(path, self.r.randrange(1, 60000), self.r.randrange(1, 60000),
                     follow_symlinks=False)
        if not link:
            if self.r.random() < 0.02:
                for k in range(self.r.randrange(1, 4)):
                    set_xattr(path, b"user.test %d" % k, self.data(self.r.randrange(300)))
            mode = self.r.choice((0o644,) * 6 + (0o600, 0o755, 0o444, 0o640, 0o4755, 0o2711, 0))
            if os.path.isdir(path):
                mode = self.r.choice((0o755,) * 4 + (0o700, 0o1777, 0o2775, 0o555))
            os.chmod(path, mode)
        os.utime(path, ns=(ns, ns), follow_symlinks=False)

    def fill(self, where, names):
        made = []
        for name in names:
            path, k = os.path.join(where, name), self.r.random()
            if k < 0.01 and made:
                os.link(self.r.choice(made), path)
            elif k < 0.02:
                os.symlink(self.r.choice((b"../x", b"t" * 1000, name, b"/etc/hostname")), path)
                self.attributes(path, link=True)
            else:
                with open(path, "xb") as file:
                    file.write(self.data(self.size()))
                self.attributes(path)
                made.append(path)

    def make(self):
        os.makedirs(self.top, exist_ok=True)
        special = os.path.join(self.top, b"special")
        os.mkdir(special)
        self.fill(special, SPECIAL_NAMES)
        os.mkfifo(os.path.join(special, b"fifo"), 0o640)
        if self.root:
            os.mknod(os.path.join(special, b"null"), 0o666 | stat.S_IFCHR, os.makedev(1, 3))
        with open(os.path.join(special, b"sparse"), "wb") as file:
            file.truncate(40 << 20)
            for at in (5, 1 << 20, (33 << 20) + 100):
                file.seek(at)
                file.write(self.data(5000))
        os.mkdir(os.path.join(special, b"empty"))
        os.mkdir(os.path.join(special, b"D" * 200))
        self.fill(os.path.join(special, b"D" * 200), (b"inside", b"I" * 240))
        directories, k = [self.top], 0
        while self.left > 0:
            parent = self.r.choice(directories[-8:])
            where = os.path.join(parent, b"dir %d" % k if k % 7 == 0 else b"d%04d" % k)
            os.mkdir(where)
            directories.append(where)
            n = min(self.left, self.r.randrange(1, 200))
            self.fill(where, [b"%s%05d.%s" % (self.r.choice((b"img", b"Sample ", b"x")), j,
                                             self.r.choice((b"jpg", b"txt", b"npy")))
                              for j in range(n)])
            self.left -= n
            k += 1
        for where in reversed(directories[1:] + [special]):
            self.attributes(where)


def set_xattr(path, name, value):
    try:
        os.setxattr(path, name, value, follow_symlinks=False)
    except OSError as e:
        if e.errno != errno.ENOTSUP:
            raise


# ---- describing

def walk(top):
    """(path below top, stat) of all, sorted, the top itself first as b'.'."""
    yield b".", os.lstat(top)
    yield from below(top, b"")


def below(where, prefix):
    for name in sorted(os.listdir(where)):
        path = os.path.join(where, name)
        st = os.lstat(path)
        yield prefix + name, st
        if stat.S_ISDIR(st.st_mode):
            yield from below(path, prefix + name + b"/")


def digest(path, size):
    """SHA-256 of a file; a hole of any size costs little."""
    out, zeros = hashlib.sha256(), None
    fd = os.open(path, os.O_RDONLY)
    try:
        if size < 1 << 22:
            data = os.read(fd, size + 1)
            while data:
                out.update(data)
                data = os.read(fd, 1 << 20)
            return out.hexdigest()
        while True:
            data = os.read(fd, 1 << 20)
            if not data:
                return out.hexdigest()
            zeros = zeros or bytes(1 << 20)
            out.update(data)
    finally:
        os.close(fd)


def xattrs(path):
    try:
        return {os.fsdecode(n): os.getxattr(path, n, follow_symlinks=False).hex()
                for n in sorted(os.listxattr(path, follow_symlinks=False))
                if n.startswith("user.")}
    except OSError as e:
        return {} if e.errno == errno.ENOTSUP else {"error": errno.errorcode[e.errno]}


def describe(top):
    """{path: {what: value}}; the links of one file share the name of the first."""
    if os.path.isfile(top):
        with open(top, encoding="utf-8") as file:
            return json.load(file)
    found, first, top = {}, {}, os.fsencode(top)
    for path, st in walk(top):
        full, name = os.path.join(top, path), os.fsdecode(path)
        kind = KINDS[stat.S_IFMT(st.st_mode)]
        line = {"type": kind, "mode": oct(st.st_mode), "uid": st.st_uid, "gid": st.st_gid}
        if path != b".":
            line["mtime"] = st.st_mtime_ns
        if kind == "file":
            line.update(size=st.st_size, links=st.st_nlink, sha256=digest(full, st.st_size))
        elif kind == "symlink":
            line.update(target=os.fsdecode(os.readlink(full)), size=st.st_size)
        elif kind in ("chardev", "blockdev"):
            line["device"] = st.st_rdev
        if kind != "dir":
            line["same as"] = first.setdefault((st.st_dev, st.st_ino), name)
        line["xattrs"] = xattrs(full)
        found[name] = line
    return found


def compare(a, b, times=True):
    one, two, count = describe(a), describe(b), 0

    def differ(text):
        nonlocal count
        count += 1
        if count <= 20:
            print(text.encode(errors="backslashreplace").decode())
    for path in sorted(one.keys() | two.keys()):
        if path not in one or path not in two:
            differ("only in %s: %s" % (a if path in one else b, path))
            continue
        for what in sorted(one[path].keys() | two[path].keys()):
            x, y = one[path].get(what), two[path].get(what)
            if x != y and (times or what != "mtime"):
                differ("%s: %s is %.200s and %.200s" % (path, what, x, y))
    files = sum(line["type"] == "file" for line in one.values())
    print("%d entries, %d files, %d MiB: %s" % (
        len(one), files, sum(line.get("size", 0) for line in one.values()) >> 20,
        "%d differences" % count if count else "alike"))
    return count == 0


def manifest(top):
    """As the reader prints it; an error is EIO, whatever it was for."""
    top = os.fsencode(top)
    for path, st in walk(top):
        full, kind = os.path.join(top, path), KINDS[stat.S_IFMT(st.st_mode)]
        line = {"path": os.fsdecode(path), "type": kind}
        try:
            if kind == "file":
                line["sha256"] = digest(full, st.st_size)
                line["size"] = os.stat(full).st_size
            elif kind == "symlink":
                line["target"] = os.fsdecode(os.readlink(full))
            if kind in ("file", "dir"):
                line["xattrs"] = xattrs(full)
        except OSError as e:
            line = {"path": line["path"], "type": kind, "error": errno.errorcode[e.errno]}
        yield line


def main():
    parser = argparse.ArgumentParser(description="Trees of files for tests.")
    verbs = parser.add_subparsers(dest="verb", required=True)
    verb = verbs.add_parser("make")
    verb.add_argument("dir")
    verb.add_argument("--files", type=int, default=1000)
    verb.add_argument("--seed", type=int, default=1)
    verb = verbs.add_parser("compare")
    verb.add_argument("a")
    verb.add_argument("b")
    verb.add_argument("--no-times", action="store_true")
    verb = verbs.add_parser("save")
    verb.add_argument("dir")
    verb.add_argument("file")
    verb = verbs.add_parser("manifest")
    verb.add_argument("dir")
    options = parser.parse_args()
    if options.verb == "make":
        Maker(options.dir, options.files, options.seed).make()
    elif options.verb == "compare":
        return 0 if compare(options.a, options.b, not options.no_times) else 1
    elif options.verb == "save":
        with open(options.file, "w", encoding="utf-8") as file:
            json.dump(describe(options.dir), file)
    else:
        for line in manifest(options.dir):
            print(json.dumps(line))
    return 0


if __name__ == "__main__":
    sys.exit(main())
