# SPDX-License-Identifier: Apache-2.0
"""Tamperings with the backing directory of a volume, for test_reader.py.

Each case changes something that an attacker with the backing store could change, and says what
the reader must then lose: a set of paths, everything (REFUSED), or anything (None) as long as no
wrong contents are read.
"""
import collections
import contextlib
import hashlib
import json
import os
import shutil
import stat

import cmkfs_format as f
import cmkfs_read as r

REFUSED = "the volume is refused"
Case = collections.namedtuple("Case", "name act wanted")
NO_NAME = "?"


def tree(top):
    """{path: bytes or target or None} of all that lies below."""
    found = {}
    for where, directories, files in os.walk(os.fsencode(top)):
        for name in directories + files:
            path = os.path.join(where, name)
            if os.path.islink(path):
                found[path] = os.readlink(path)
            elif os.path.isfile(path):
                with open(path, "rb") as file:
                    found[path] = file.read()
            else:
                found[path] = None
    return {os.fsdecode(path): data for path, data in found.items()}


class Store:
    """The backing directory; every change inside kept() is undone at its end."""

    def __init__(self, made, secrets):
        self.made, self.secrets, self.top, self.undo = made, secrets, made.path, []
        self.touched = set()
        self.stash = made.path + b".stash"
        os.mkdir(self.stash)
        self.volume = r.Volume(made.path, secrets)
        self.directories = {}
        for path, node, _, found, _ in self.volume.walk():
            if node.kind == "dir" and found:
                self.directories[node.path] = path, found
        self.backing = {path: node.path for path, node, _, _, _ in self.volume.walk() if node}
        self.sha = {path: {hashlib.sha256(data).hexdigest() for data in contents}
                    for path, contents in made.allowed.items()}

    @contextlib.contextmanager
    def kept(self):
        try:
            yield
        finally:
            while self.undo:
                self.undo.pop()()
            self.touched.clear()

    # changes

    def touch(self, path):
        """Puts the original away, and a copy in its place."""
        self.touched.add(path)
        old = os.path.join(self.stash, b"%d" % len(self.undo))
        exists = os.path.lexists(path)
        if exists:
            os.rename(path, old)
            copy(old, path)

        def restore():
            remove(path)
            if exists:
                os.rename(old, path)
        self.undo.append(restore)

    def flip(self, path, offset, mask=1):
        def change():
            fd = os.open(path, os.O_RDWR)
            byte = os.pread(fd, 1, offset)
            if byte:
                os.pwrite(fd, bytes([byte[0] ^ mask]), offset)
            os.close(fd)
        self.touched.add(path)
        change()
        self.undo.append(change)

    def get(self, path, offset=0, n=1 << 24):
        with open(path, "rb") as file:
            file.seek(offset)
            return file.read(n)

    def put(self, path, offset, data):
        self.touch(path)
        fd = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        os.pwrite(fd, data, offset)
        os.close(fd)

    def length(self, path, length):
        self.touch(path)
        os.truncate(path, length)

    def stretch(self, path, by):
        self.length(path, os.stat(path).st_size + by)

    def swap(self, a, b):
        self.touch(a)
        self.touch(b)
        spare = os.path.join(self.stash, b"swap")
        os.rename(a, spare)
        os.rename(b, a)
        os.rename(spare, b)

    def swap_bytes(self, path, a, b, n):
        one, two = self.get(path, a, n), self.get(path, b, n)
        self.put(path, a, two)
        self.put(path, b, one)

    def replace(self, source, path):
        spare = os.path.join(self.stash, b"copy")
        copy(source, spare)
        self.touch(path)
        remove(path)
        os.rename(spare, path)

    def delete(self, path):
        self.touch(path)
        remove(path)

    def move(self, source, path):
        self.touch(source)
        self.touch(path)
        os.rename(source, path)

    def link_text(self, path, text):
        self.touch(path)
        remove(path)
        os.symlink(text, path)

    def fifo(self, path):
        self.touch(path)
        remove(path)
        os.mkfifo(path)

    def set_xattr(self, path, name, value):
        self.touch(path)
        if value is None:
            os.removexattr(path, name)
        else:
            os.setxattr(path, name, value)

    # judging

    def read(self, walk=None):
        """The manifest; keeps the contents for right()."""
        volume = self.volume if walk else r.Volume(self.top, self.secrets)
        self.contents = {}

        def keep(path, node, _line, data):
            if node.kind == "file":
                self.contents[path] = data
        return list(volume.manifest(keep, walk))

    def look(self):
        """The manifest, and the paths that it is about: of what has been changed, if that is a
        single file, else of all."""
        names = [path for path, where in self.backing.items() if {where} == self.touched]
        if names and self.made.expected[names[0]]["type"] == "file":
            return self.read_around(*self.touched), names
        return self.read(), list(self.made.expected)

    def wrong(self, got):
        """The lines that show what nobody wrote there."""
        return [line for line in got if not self.right(line)]

    def right(self, line):
        path = b"." if line["path"] == "." else os.fsencode(line["path"])
        want = self.made.expected.get(path)
        if "error" in line or line["type"] in ("fifo", "socket", "chardev", "blockdev"):
            return True             # special files are not authenticated
        if want is None or line["type"] != want["type"]:
            return False
        for name, value in line.get("xattrs", {}).items():
            if value is not None and want.get("xattrs", {}).get(name) != value:
                return False
        if line["type"] == "file":
            return line["sha256"] in self.sha[path] or self.mixed(path)
        return line.get("target") == want.get("target")

    def mixed(self, path):
        """Of an unclean session: each chunk of some version, or zeros (section 2)."""
        if not path.startswith((b"crashed/", b"damaged/")):
            return False
        versions = self.made.allowed[path]
        return all(not any(piece) or any(
            old[i * f.CHUNK:(i + 1) * f.CHUNK].ljust(len(piece), b"\0") == piece
            for old in versions) for i, piece in enumerate(self.contents[path]))

    def lost(self, got, scope):
        """The highest paths that are not as they were written; NO_NAME for foreign names."""
        lines = {}
        for line in got:
            path = line["path"]
            if "stored" in line:
                path = (path + "/" if path != "." else "") + NO_NAME
            lines[path] = line
        bad = {os.fsdecode(path) for path in scope
               if lines.get(os.fsdecode(path)) != self.made.expected[path]}
        bad |= {path for path in lines if os.fsencode(path) not in self.made.expected}
        return {path for path in bad
                if not any(path.startswith(other + "/") for other in bad if other != path)}

    # single objects

    def objects(self):
        return sorted(os.path.join(where, name) for where, _, files in os.walk(self.top)
                      for name in files if os.path.isfile(os.path.join(where, name)) and
                      not os.path.islink(os.path.join(where, name)) and
                      os.path.getsize(os.path.join(where, name)))

    @staticmethod
    def random_place(path, rand):
        size = os.stat(path).st_size
        if rand.random() < 0.4:
            return rand.randrange(size)
        if size > f.GROUPS_START and rand.random() < 0.3:
            return min(size - 1, f.GROUPS_START + rand.randrange(8192))
        return rand.randrange(min(size, 12288))

    def read_around(self, path):
        """Lines of what a change of this file can reach."""
        above = os.path.dirname(path)
        if not path.startswith(os.path.join(self.top, b"tree/")) or path.endswith(b"/tree/.D"):
            return self.read()
        if os.path.basename(path) == b".D":
            path, above = above, os.path.dirname(above)
        where, directory = self.directories[above]
        whole = os.path.basename(path).startswith(b".N")
        walk = (step for node in directory.list() if whole or node.path == path
                for step in self.volume.entry(directory, node, where))
        return self.read(walk)


def copy(source, path):
    mode = os.lstat(source).st_mode
    if stat.S_ISDIR(mode):
        shutil.copytree(source, path, symlinks=True)
    else:
        shutil.copy2(source, path, follow_symlinks=False)


def remove(path):
    if os.path.isdir(path) and not os.path.islink(path):
        shutil.rmtree(path)
    elif os.path.lexists(path):
        os.unlink(path)


def fields(layout, name):
    """(what, offset) of the first and last byte of each field."""
    for field, (offset, code) in layout.at.items():
        yield "%s %s" % (name, field), offset
        if code.size > 4:
            yield "%s %s, last byte" % (name, field), offset + code.size - 1


def cases(store):
    for part in (headers, groups, chunks, places, lengths, whole_files, directories, names,
                 symlinks, xattrs, fixed_files, crashed):
        yield from part(store)


def header_offsets():
    yield from fields(f.HEADER, "header")
    for what, offset in (("tag 0", 256), ("tag 1", 272), ("tag 15", 511), ("run 0", 512),
                         ("run 59", 991), ("MAC", 992), ("MAC, last byte", 1023)):
        yield "header " + what, offset
    for j in (0, 1, 4, 95):
        for what, (offset, _) in f.ENTRY_AT.at.items():
            yield "entry %d %s" % (j, what), 1024 + 32 * j + offset


def headers(store):
    for path in (b"sizes/20480.bin", b"sizes/tail-5000.bin", b"sizes/0.bin"):
        name, where = path.decode(), store.backing[path]
        for what, offset in header_offsets():
            yield Case("flip %s of %s" % (what, name),
                       lambda where=where, offset=offset: store.flip(where, 4096 + offset),
                       {name})
            yield Case("flip %s of the slot that does not count of %s" % (what, name),
                       lambda where=where, offset=offset: store.flip(where, offset), set())
    a, b = store.backing[b"sizes/20480.bin"], store.backing[b"sizes/in-place-5000.bin"]
    one, other = {"sizes/20480.bin"}, {"sizes/in-place-5000.bin"}
    slot, zero = store.get(a, 4096, 4096), bytes(4096)
    yield Case("header slot copied to the place of the other parity",
               lambda: store.put(a, 0, slot), set())
    yield Case("header slot moved to the place of the other parity",
               lambda: store.put(a, 0, slot + zero), one)
    yield Case("header slots swapped", lambda: store.swap_bytes(a, 0, 4096, 4096), one)
    yield Case("header zeroed", lambda: store.put(a, 4096, zero), one)
    yield Case("header of another file grafted", lambda: store.put(b, 0, zero + slot), other)
    yield Case("header of another file beside the own one", lambda: store.put(
        b, 0, store.get(store.backing[b"versions/in-place"], 0, 4096)), None)
    yield Case("header of a directory grafted", lambda: store.put(a, 0, store.get(
        os.path.join(store.backing[b"sizes"], b".D"))), one)
    yield Case("forged hole: an entry zeroed",
               lambda: store.put(a, 4096 + 1024 + 32, bytes(32)), one)
    yield Case("entries swapped",
               lambda: store.swap_bytes(a, 4096 + 1024, 4096 + 1056, 32), one)
    tail = store.backing[b"sizes/3040.bin"]
    for k in range(0, 3040, 304):
        yield Case("flip byte %d of a tail" % k,
                   lambda k=k: store.flip(tail, 4096 + 1056 + k), {"sizes/3040.bin"})
    yield Case("tail moved to its place", lambda: store.put(
        tail, 8192, store.get(tail, 4096 + 1056, 3040)), set())


def groups(store):
    path = b"sparse/three-groups.bin"
    name, where = {path.decode()}, store.backing[path]
    for g in (1, 2):
        base = f.group_base(g)
        for what, offset in fields(f.GROUP, "group slot"):
            yield Case("flip %s of group %d" % (what, g), lambda base=base, offset=offset:
                       store.flip(where, base + 4096 + offset), name)
        for j in (0, 2, 60, 125):
            for k in range(0, 32, 7):
                yield Case("flip byte %d of entry %d of group %d" % (k, j, g),
                           lambda base=base, at=64 + 32 * j + k:
                           store.flip(where, base + 4096 + at), name)
        yield Case("flip in the slot of group %d that does not count" % g,
                   lambda base=base: store.flip(where, base + 100), set())
        yield Case("slot of group %d zeroed" % g,
                   lambda base=base: store.put(where, base + 4096, bytes(4096)), name)
        yield Case("slot of group %d moved to the other parity" % g,
                   lambda base=base: store.swap_bytes(where, base, base + 4096, 4096), name)
    one, two = f.group_base(1), f.group_base(2)
    yield Case("groups swapped", lambda: store.swap_bytes(where, one + 4096, two + 4096, 28672),
               name)
    yield Case("slot of one group at the other",
               lambda: store.put(where, two + 4096, store.get(where, one + 4096, 4096)), name)
    other = store.backing[b"sparse/hole-run.bin"]
    yield Case("group of another file", lambda: store.put(
        where, one, store.get(other, one, f.GROUP_BYTES)), name)
    yield Case("slot with contents at an absent group", lambda: store.put(
        other, two, store.get(where, two, 28672)), set())
    yield Case("forged hole in a group",
               lambda: store.put(where, one + 4096 + 64, bytes(32)), name)


def chunks(store):
    for path, which in ((b"sizes/20480.bin", range(5)), (b"sizes/4096.bin", (0,)),
                        (b"sizes/393217.bin", (0, 50, 95, 96)),
                        (b"sparse/three-groups.bin", (0, 5, 96, 98, 221, 224)),
                        (b"sparse/short-inside.bin", (1,)), (b"zone/below/inside", (0,)),
                        (b"re-key/file", (0, 96, 230))):
        name, where = {path.decode()}, store.backing[path]
        for i in which:
            for offset in (0, 99, 4095):
                at = f.place(i) + offset
                if offset < 4095 or path == b"sizes/20480.bin":
                    data = store.get(where, at, 1)
                    yield Case("flip byte %d of chunk %d of %s" % (offset, i, path.decode()),
                               lambda where=where, at=at: store.flip(where, at),
                               name if data else set())
            yield Case("chunk %d of %s zeroed" % (i, path.decode()), lambda where=where, i=i:
                       store.put(where, f.place(i), bytes(1)), None)


def places(store):
    a, b = store.backing[b"sizes/20480.bin"], store.backing[b"sizes/4096.bin"]
    name = {"sizes/20480.bin"}
    for i in range(1, 5):
        yield Case("chunks 0 and %d swapped" % i,
                   lambda i=i: store.swap_bytes(a, f.place(0), f.place(i), 4096), name)
        yield Case("chunk 0 copied to %d" % i, lambda i=i: store.put(
            a, f.place(i), store.get(a, f.place(0), 4096)), name)
        yield Case("chunk of another file at %d" % i, lambda i=i: store.put(
            a, f.place(i), store.get(b, f.place(0), 4096)), name)
        yield Case("chunks 0 and %d swapped with their entries" % i, lambda i=i: (
            store.swap_bytes(a, f.place(0), f.place(i), 4096),
            store.swap_bytes(a, 5120, 5120 + 32 * i, 32)), name)
    yield Case("what lies at the places of holes", lambda: store.put(
        store.backing[b"sparse/three-groups.bin"], f.place(1), b"x" * 4096), set())


def lengths(store):
    for path in (b"sizes/20480.bin", b"sizes/hello.txt", b"sparse/three-groups.bin",
                 b"sizes/0.bin"):
        name, where = {path.decode()}, store.backing[path]
        size = os.stat(where).st_size
        for n in (0, 1, 4095, 4096, 4097, 8191):
            yield Case("%s cut to %d" % (path.decode(), n),
                       lambda where=where, n=n: store.length(where, n), name)
        for n in (1, 100, 4096, 1 << 20):
            yield Case("%s stretched by %d" % (path.decode(), n),
                       lambda where=where, n=n: store.stretch(where, n), set())
        if size > 8205:
            for n in (8192, 8193, size - 4096, size - 1):
                yield Case("%s cut to %d" % (path.decode(), n),
                           lambda where=where, n=n: store.length(where, n), name)
    yield Case("a file with a tail cut to its slots",
               lambda: store.length(store.backing[b"sizes/hello.txt"], 8192), set())


def whole_files(store):
    paths = (b"sizes/20480.bin", b"sizes/4096.bin", b"sizes/hello.txt", b"links/attributes",
             b"names/" + b"y" * 175, b"names/" + b"l" * 200, b"zone/inside")
    for k, a in enumerate(paths):
        for b in paths[:k]:
            yield Case("%s and %s swapped" % (a.decode(), b.decode()), lambda a=a, b=b:
                       store.swap(store.backing[a], store.backing[b]), {a.decode(), b.decode()})
            yield Case("%s over %s" % (a.decode(), b.decode()), lambda a=a, b=b:
                       store.replace(store.backing[a], store.backing[b]), {b.decode()})
    a = store.backing[paths[0]]
    for path in (b"sizes", b"links", b"zone"):
        yield Case("a file moved into " + path.decode(), lambda path=path: store.move(
            a, os.path.join(store.backing[path], os.path.basename(a) + b"A")),
            {"sizes/20480.bin", path.decode() + "/" + NO_NAME})
    yield Case("two names of the same object swapped", lambda: store.swap(
        store.backing[b"links/one"], store.backing[b"three"]), set())
    yield Case("a file deleted", lambda: store.delete(a), {"sizes/20480.bin"})
    yield Case("a file replaced by a directory", lambda: store.replace(
        store.backing[b"links"], a), {"sizes/20480.bin"})
    yield Case("a file replaced by a symlink", lambda: store.replace(
        store.backing[b"names/link"], a), {"sizes/20480.bin"})
    yield Case("a file replaced by a FIFO", lambda: store.fifo(a), {"sizes/20480.bin"})
    yield Case("a file in clear", lambda: (store.delete(a), store.put(a, 0, b"clear text" * 999)),
               {"sizes/20480.bin"})


def directories(store):
    sizes = store.backing[b"sizes"]
    header = os.path.join(sizes, b".D")
    for what, offset in header_offsets():
        yield Case("flip %s of a directory" % what,
                   lambda offset=offset: store.flip(header, 4096 + offset), {"sizes"})
    yield Case("directory header deleted", lambda: store.delete(header), {"sizes"})
    yield Case("directory header zeroed", lambda: store.put(header, 4096, bytes(4096)),
               {"sizes"})
    yield Case("directory header empty", lambda: store.length(header, 0), {"sizes"})
    yield Case("directory header is a FIFO", lambda: store.fifo(header), {"sizes"})
    yield Case("directory header is a directory",
               lambda: store.replace(store.backing[b"links"], header), {"sizes"})
    yield Case("directory header is a symlink", lambda: store.link_text(
        header, os.path.join(store.backing[b"links"], b".D")), {"sizes"})
    yield Case("directory header is that of a file",
               lambda: store.replace(store.backing[b"sizes/hello.txt"], header), {"sizes"})
    for other in (b"links", b"sparse", b"re-key", b"zone"):
        path = store.backing[other]
        both = {"sizes", other.decode()}
        yield Case("header of sizes and %s swapped" % other.decode(), lambda path=path:
                   store.swap(header, os.path.join(path, b".D")), both)
        yield Case("sizes and %s swapped" % other.decode(),
                   lambda path=path: store.swap(sizes, path), both)
        yield Case("%s over sizes" % other.decode(),
                   lambda path=path: store.replace(path, sizes), {"sizes"})
    top = os.path.join(store.top, b"tree")
    yield Case("a directory as the root", lambda: store.replace(
        header, os.path.join(top, b".D")), {"."} | set(os.fsdecode(p).split("/")[0]
                                                       for p in store.made.expected))
    yield Case("a directory replaced by a file", lambda: store.replace(
        store.backing[b"sizes/hello.txt"], sizes), {"sizes"})
    yield Case("a directory deleted", lambda: store.delete(sizes), {"sizes"})
    inner = store.backing[b"zone/below"]
    yield Case("a directory of the zone moved out of it", lambda: store.move(
        inner, os.path.join(top, os.path.basename(inner))), {"zone/below", NO_NAME})


def names(store):
    top, a = os.path.join(store.top, b"tree"), store.backing[b"sizes/hello.txt"]
    stored = os.path.basename(a)
    lost = {"sizes/hello.txt", "sizes/" + NO_NAME}
    for k in range(0, len(stored), 3):
        new = stored[:k] + (b"A" if stored[k:k + 1] != b"A" else b"B") + stored[k + 1:]
        yield Case("character %d of a name changed" % k, lambda new=new: store.move(
            a, os.path.join(os.path.dirname(a), new)), lost)
    for what, new in (("cut", stored[:-1]), ("padded", stored + b"="), ("longer", stored + b"A"),
                      ("with a dot", b"." + stored), ("empty", b"."), ("in clear", b"hello.txt")):
        if new != b".":
            yield Case("name %s" % what, lambda new=new: store.move(
                a, os.path.join(os.path.dirname(a), new)), lost)
    for new in (b"README", b".hidden", b"A" * 43, b".L" + b"A" * 43, b".T" + b"A" * 21,
                b".D.old", b".N" + b"A" * 42):
        yield Case("foreign name " + new.decode(), lambda new=new: store.put(
            os.path.join(top, new), 0, b"foreign"), {NO_NAME})
    for new in (b".T" + b"A" * 22, b".N" + b"A" * 43):
        yield Case("unlisted name " + new.decode(), lambda new=new: store.put(
            os.path.join(top, new), 0, b"foreign"), set())
    one, two = b"names/" + b"l" * 200, b"names/" + b"n" * 255
    sides = [os.path.join(os.path.dirname(store.backing[p]),
                          b".N" + os.path.basename(store.backing[p])[2:]) for p in (one, two)]
    lost = {one.decode(), "names/" + NO_NAME}
    for offset in (0, 3, 4, 19, 20, 100, 227):
        yield Case("flip byte %d of a sidecar" % offset,
                   lambda offset=offset: store.flip(sides[0], offset), lost)
    yield Case("sidecar deleted", lambda: store.delete(sides[0]), lost)
    yield Case("sidecar empty", lambda: store.length(sides[0], 0), lost)
    yield Case("sidecar cut", lambda: store.length(sides[0], 227), lost)
    yield Case("sidecar stretched", lambda: store.stretch(sides[0], 16), lost)
    yield Case("sidecar is a FIFO", lambda: store.fifo(sides[0]), lost)
    yield Case("sidecars swapped", lambda: store.swap(*sides), lost | {two.decode()})
    yield Case("long objects swapped", lambda: store.swap(
        store.backing[one], store.backing[two]), {one.decode(), two.decode()})


def symlinks(store):
    where = store.backing[b"names/link"]
    text = os.readlink(where)
    for k in range(0, len(text), 5):
        new = text[:k] + (b"A" if text[k:k + 1] != b"A" else b"B") + text[k + 1:]
        yield Case("character %d of a symlink changed" % k,
                   lambda new=new: store.link_text(where, new), {"names/link"})
    for what, new in (("in clear", b"../sizes/hello.txt"), ("cut", text[:-4]),
                      ("padded", text + b"=="), ("short", b"AAAA"), ("absolute", b"/etc/passwd")):
        yield Case("symlink " + what, lambda new=new: store.link_text(where, new),
                   {"names/link"})
    yield Case("symlinks swapped", lambda: store.swap(
        where, store.backing[b"names/to-long"]), {"names/link", "names/to-long"})
    yield Case("symlink replaced by a file", lambda: store.replace(
        store.backing[b"sizes/hello.txt"], where), {"names/link"})
    yield Case("symlink of another directory", lambda: store.replace(
        store.backing[b"re-key/link renamed"], where), {"names/link"})


def xattrs(store):
    where = store.backing[b"links/attributes"]
    listed = [n for n in os.listxattr(where) if n.startswith("user.cmkfs.")]
    name = {"links/attributes"}
    for attribute in listed:
        value = os.getxattr(where, attribute)
        for k in sorted({0, 11, 12, len(value) - 16, len(value) - 1}):
            new = value[:k] + bytes([value[k] ^ 1]) + value[k + 1:]
            yield Case("flip byte %d of an attribute" % k, lambda attribute=attribute, new=new:
                       store.set_xattr(where, attribute, new), name)
        yield Case("attribute cut", lambda attribute=attribute, value=value:
                   store.set_xattr(where, attribute, value[:-1]), name)
        yield Case("attribute empty", lambda attribute=attribute:
                   store.set_xattr(where, attribute, b""), name)
        yield Case("attribute removed", lambda attribute=attribute:
                   store.set_xattr(where, attribute, None), name)
        yield Case("attribute copied to another object", lambda attribute=attribute, value=value:
                   store.set_xattr(store.backing[b"links/one"], attribute, value), set())
        for other in listed:
            if other != attribute:
                yield Case("value of another attribute", lambda a=attribute, b=other: (
                    store.set_xattr(where, a, os.getxattr(where, b))), name)
    for new in ("user.clear", "user.cmkfs.AAAA", "user.cmkfs."):
        yield Case("foreign attribute " + new, lambda new=new:
                   store.set_xattr(where, new, b"value"), set())


def fixed_files(store):
    def at(name):
        return os.path.join(store.top, name)
    keyring, end = at(b"cmkfs.keys"), os.stat(at(b"cmkfs.keys")).st_size - 32
    first, slot = f.KEYRING.size, f.KEYRING.size + f.GENERATION.size
    second = slot + int.from_bytes(store.get(keyring, slot, 4), "little")
    zone = b"cmkfs.zones/%s.keys" % store.made.zones[1].zone_id.hex().encode()
    for path, wanted in ((keyring, REFUSED), (at(zone), {"zone"})):
        for layout, start, name in ((f.KEYRING, 0, "keyring"), (f.GENERATION, first, "generation"),
                                    (f.SLOT, slot, "slot")):
            for what, offset in fields(layout, name):
                yield Case("flip %s of %s" % (what, os.path.basename(path).decode()),
                           lambda path=path, offset=start + offset: store.flip(path, offset),
                           wanted)
        yield Case("keyring cut", lambda path=path: store.length(path, 300), wanted)
        yield Case("keyring stretched", lambda path=path: store.stretch(path, 1), wanted)
        yield Case("keyring empty", lambda path=path: store.length(path, 0), wanted)
        yield Case("keyring deleted", lambda path=path: store.delete(path), wanted)
    for what, offset in list(fields(f.GENERATION, "second generation")):
        yield Case("flip " + what, lambda offset=second + offset: store.flip(keyring, offset),
                   REFUSED)
    for offset in (slot + 17, slot + 30, end, end + 31):
        yield Case("flip byte %d of the keyring" % offset,
                   lambda offset=offset: store.flip(keyring, offset), REFUSED)
    yield Case("keyrings swapped", lambda: store.swap(keyring, at(zone)), REFUSED)
    yield Case("keyring of the root for the zone", lambda: store.replace(keyring, at(zone)),
               {"zone"})
    for path, layout, name in ((at(b"cmkfs.volume"), f.VOLUME, "volume"),
                               (at(b"cmkfs.session"), f.SESSION, "session")):
        for what, offset in list(fields(layout, name)) + [
                (name + " zeros", 3000), (name + " MAC", 4064), (name + " MAC end", 4095)]:
            yield Case("flip " + what, lambda path=path, offset=offset: store.flip(path, offset),
                       REFUSED)
        for n in (0, 100, 4095):
            yield Case("%s file cut to %d" % (name, n),
                       lambda path=path, n=n: store.length(path, n), REFUSED)
        yield Case(name + " file stretched", lambda path=path: store.stretch(path, 1), REFUSED)
        yield Case(name + " file deleted", lambda path=path: store.delete(path), REFUSED)
    yield Case("flip the list of sessions", lambda: store.flip(
        at(b"cmkfs.session"), f.SESSION.size), REFUSED)
    yield Case("volume file for the session file", lambda: store.replace(
        at(b"cmkfs.volume"), at(b"cmkfs.session")), REFUSED)
    import cmkfs_write as w
    for unclean in ((), (3,), (3, 5)):
        yield Case("an old session file, unclean %s" % (unclean,), lambda unclean=unclean:
                   store.put(at(b"cmkfs.session"), 0, w.session_block(
                       store.made.zones[0], 2, 0, unclean)), None)
    yield Case("the lock file deleted", lambda: store.delete(at(b"cmkfs.lock")), set())


def crashed(store):
    def there(name):
        return store.backing[b"crashed/" + name]
    for name, i, wanted in ((b"good.bin", 1, True), (b"good.bin", 0, True),
                            (b"base.bin", 1, True), (b"group-base.bin", f.FIRST_CHUNKS, True)):
        yield Case("flip chunk %d of crashed/%s" % (i, name.decode()), lambda name=name, i=i:
                   store.flip(there(name), f.place(i) + 5), {"crashed/" + name.decode()})
    for name in (b"good.bin", b"base.bin", b"torn.bin", b"zeros.bin", b"tail-in-base.bin",
                 b"group-not-in-base.bin", b"group-of-new-file.bin", b"group-base.bin"):
        for slot in (0, 4096):
            for offset in (8, 72, 100, 1000, 1024, 1080):
                yield Case("flip byte %d of crashed/%s" % (slot + offset, name.decode()),
                           lambda name=name, at=slot + offset: store.flip(there(name), at), None)
            yield Case("slot %d of crashed/%s zeroed" % (slot // 4096, name.decode()),
                       lambda name=name, slot=slot: store.put(there(name), slot, bytes(4096)),
                       None)
    yield Case("a clean file may not fall back", lambda: store.flip(
        store.backing[b"versions/in-place"], 8192), {"versions/in-place"})


