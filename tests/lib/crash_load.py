# SPDX-License-Identifier: Apache-2.0
"""A process that works on a tree of its own until it is told to stop or something fails, and keeps
a journal, outside the mount, of what it began and what was acknowledged.

What it does follows from its key alone, so that a round can be done again.
"""
import collections
import errno
import json
import mmap
import os
import random
import time

from crash_model import CHUNK, LIMIT, payload

BORDERS = [0, 1, 3000, 3040, 4095, 4096, 4097, 8192, 20480, 393215, 393216, 393217, 397312,
           909311, 909312, 909313]
WEIGHTS = {"create": 12, "append": 14, "overwrite": 20, "border": 4, "truncate": 7, "punch": 3,
           "fsync": 14, "fdatasync": 6, "save": 8, "rename": 5, "unlink": 3, "link": 1,
           "symlink": 1, "mkdir": 3, "rmdir": 1, "fsyncdir": 8, "osync": 3, "msync": 3,
           "setxattr": 2, "close": 5}


class Load:
    def __init__(self, model, top, key):
        self.model, self.top, self.key = model, top, key
        self.random = random.Random(key)
        self.fds = {}
        self.queue = collections.deque()
        self.count = 0
        self.names = 0

    # ---- which operation is next -----------------------------------------------------------

    def size(self):
        r = self.random
        return r.choice([r.randrange(1, 200), r.randrange(1, CHUNK), CHUNK, 2 * CHUNK,
                         r.randrange(1, 20000), r.randrange(1, 60000)])

    def name(self, prefix):
        self.names += 1
        name = "%s-%s-%d" % (prefix, self.key.rsplit("/", 1)[-1], self.names)
        return name.ljust(self.random.choice([180, 255]), "x") if self.random.random() < 0.1 else name

    def choose(self):
        r, places = self.random, self.model.places()
        nodes = self.model.nodes
        files = sorted(n for n in places if nodes[n].kind == "f")
        dirs = sorted(n for n in places if nodes[n].kind == "d")
        kind = r.choices(list(WEIGHTS), WEIGHTS.values())[0]
        if not files:
            kind = "create"
        elif kind in ("create", "mkdir", "link", "symlink") and len(files) + len(dirs) > 24:
            kind = "unlink"
        return self.make(kind, places, files, dirs)

    def make(self, kind, places, files, dirs):
        """Queue the operations of KIND."""
        r, nodes, put = self.random, self.model.nodes, self.queue.append
        node = nodes[r.choice(files)] if files else None
        d = r.choice(dirs)
        if kind == "create":
            put({"op": "create", "dir": d, "name": self.name("f")})
            put({"op": "write", "node": self.model.next, "off": 0, "n": self.size()})
        elif kind == "append":
            put({"op": "write", "node": node.number, "off": node.size,
                 "n": min(self.size(), max(1, LIMIT - node.size))})
        elif kind in ("overwrite", "osync", "msync", "punch"):
            if kind == "msync" and not node.size:
                return
            off = r.randrange(node.size or 1)
            n = self.size()
            if kind == "msync":
                n = min(n, node.size - off)
            put({"op": kind if kind != "overwrite" else "write", "node": node.number, "off": off,
                 "n": min(n, LIMIT - off)})
        elif kind == "border":
            put({"op": "write", "node": node.number, "n": r.choice([1, 2, CHUNK, 5000]),
                 "off": max(0, r.choice(BORDERS) - r.randrange(3))})
        elif kind == "truncate":
            put({"op": "truncate", "node": node.number,
                 "n": r.choice([r.randrange(node.size + 1), r.randrange(node.size + 1),
                                r.choice(BORDERS)])})
        elif kind in ("fsync", "fdatasync", "setxattr", "close"):
            put({"op": kind, "node": node.number})
        elif kind == "save":
            at, name = r.choice(places[node.number])
            tmp, made = self.name("tmp"), self.model.next
            put({"op": "create", "dir": at, "name": tmp})
            put({"op": "write", "node": made, "off": 0, "n": self.size()})
            put({"op": "fsync", "node": made})
            put({"op": "rename", "from": at, "old": tmp, "dir": at, "name": name, "node": made})
            put({"op": "fsyncdir", "node": at})
        elif kind == "rename":
            number = r.choice(files + [x for x in dirs if x])
            at, old = r.choice(places[number])
            if nodes[number].kind == "d" or r.random() < 0.5:
                to, new = (0 if nodes[number].kind == "d" else d), self.name(nodes[number].kind)
            else:
                to, new = r.choice(places[node.number])
            if nodes[number].kind == "f" and node is nodes[number]:
                to, new = d, self.name("f")
            put({"op": "rename", "from": at, "old": old, "dir": to, "name": new, "node": number})
        elif kind == "unlink":
            at, name = r.choice(places[node.number])
            put({"op": "unlink", "dir": at, "name": name})
        elif kind == "link":
            put({"op": "link", "node": node.number, "dir": d, "name": self.name("h")})
        elif kind == "symlink":
            put({"op": "symlink", "dir": d, "name": self.name("l"),
                 "target": self.name("target" * r.randrange(1, 40))})
        elif kind == "mkdir":
            put({"op": "mkdir", "dir": r.choice([0, d]), "name": self.name("d")})
            if r.random() < 0.5:
                put({"op": "fsyncdir", "node": self.queue[-1]["dir"]})
        elif kind == "fsyncdir":
            put({"op": "fsyncdir", "node": d})
        elif kind == "rmdir":
            empty = [x for x in dirs if x and
                     all(c[-1] is None for c in nodes[x].entries.values())]
            if empty:
                (at, name), = places[empty[0]]
                put({"op": "rmdir", "dir": at, "name": name})

    # ---- doing it ----------------------------------------------------------------------------

    def full(self, places, d, name=""):
        return os.path.join(self.top, self.model.path(places, d), name).rstrip("/")

    def fd(self, places, number):
        if number not in self.fds:
            if len(self.fds) >= 8:
                os.close(self.fds.pop(next(iter(self.fds))))
            self.fds[number] = os.open(self.full(places, number), os.O_RDWR)
        return self.fds[number]

    def write_all(self, fd, data, off):
        done = 0
        while done < len(data):
            n = os.pwrite(fd, data[done:], off + done)
            if n <= 0:
                raise OSError(errno.EIO, "a write of %d" % n)
            done += n

    def do(self, op, key, places):
        kind = op["op"]
        where = self.full(places, op["dir"], op["name"]) if "name" in op else None
        if kind == "create":
            fd = os.open(where, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o644)
            self.fds[self.model.next - 1] = fd
        elif kind == "write":
            self.write_all(self.fd(places, op["node"]), payload(key, op["n"]), op["off"])
        elif kind == "osync":
            fd = os.open(self.full(places, op["node"]), os.O_RDWR | os.O_SYNC)
            try:
                self.write_all(fd, payload(key, op["n"]), op["off"])
            finally:
                os.close(fd)
        elif kind == "msync":
            at = op["off"] // CHUNK * CHUNK
            with mmap.mmap(self.fd(places, op["node"]), op["off"] - at + op["n"],
                           offset=at) as m:
                m[op["off"] - at:] = payload(key, op["n"])
                m.flush()
        elif kind == "truncate":
            os.ftruncate(self.fd(places, op["node"]), op["n"])
        elif kind == "punch":
            punch(self.fd(places, op["node"]), op["off"], op["n"])
        elif kind in ("fsync", "fdatasync"):
            getattr(os, kind)(self.fd(places, op["node"]))
        elif kind == "setxattr":
            os.setxattr(self.fd(places, op["node"]), "user.v", key.encode())
        elif kind == "close":
            fd = self.fds.pop(op["node"], None)
            if fd is not None:
                os.close(fd)
        elif kind == "fsyncdir":
            fd = os.open(self.full(places, op["node"]), os.O_RDONLY | os.O_DIRECTORY)
            try:
                os.fsync(fd)
            finally:
                os.close(fd)
        elif kind == "rename":
            os.rename(self.full(places, op["from"], op["old"]), where)
        elif kind == "link":
            os.link(self.full(places, op["node"]), where)
        elif kind == "symlink":
            os.symlink(op["target"], where)
        elif kind == "mkdir":
            os.mkdir(where)
        elif kind == "rmdir":
            os.rmdir(where)
        elif kind == "unlink":
            os.unlink(where)

    def step(self, journal):
        """One operation.  False when it failed."""
        while not self.queue:
            self.choose()
        op = self.queue.popleft()
        if op.get("node", 0) not in self.model.nodes or op.get("n") == 0 and op["op"] != "truncate":
            return True
        self.count += 1
        key, places = "%s/%d" % (self.key, self.count), self.model.places()
        if op["op"] in ("create", "mkdir", "symlink"):
            op["made"] = self.model.next
        os.write(journal, (json.dumps({"key": key, "begin": op}) + "\n").encode())
        self.model.begin(op, key)
        try:
            self.do(op, key, places)
        except OSError as e:
            word = errno.errorcode.get(e.errno, str(e.errno))
            os.write(journal, (json.dumps({"key": key, "error": word}) + "\n").encode())
            return False
        self.model.end(op)
        os.write(journal, (json.dumps({"key": key, "end": time.monotonic()}) + "\n").encode())
        return True


def punch(fd, off, n):
    import ctypes
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.fallocate64(fd, 3, ctypes.c_int64(off), ctypes.c_int64(n)):    # PUNCH_HOLE | KEEP_SIZE
        raise OSError(ctypes.get_errno(), "fallocate")


def replay(model, path, before):
    """Bring MODEL to where a worker's journal says; returns the error that ended it, or None.
    What was acknowledged later than BEFORE is not counted: a filesystem that was shut down has
    been seen to say yes to an fsync.
    """
    begun, error = None, None
    with open(path, encoding="utf-8") as file:
        for line in file:
            entry = json.loads(line)
            if "begin" in entry:
                begun = entry["begin"]
                model.begin(begun, entry["key"])
            elif "end" in entry:
                if entry["end"] < before:
                    model.end(begun)
            else:
                error = entry["error"]
    return error


def history(path, number, last=25):
    """Lines of a journal about a node, for a complaint."""
    out = []
    with open(path, encoding="utf-8") as file:
        lines = [json.loads(line) for line in file]
    ends = {e["key"]: e.get("error", "ok") for e in lines if "begin" not in e}
    for e in lines:
        op = e.get("begin")
        if op and number in (op.get("node"), op.get("made"), op.get("dir")):
            out.append("%s %s → %s" % (e["key"], op, ends.get(e["key"], "no answer")))
    return out[-last:]
