# SPDX-License-Identifier: Apache-2.0
"""What a tree may look like after a crash, from the operations that were begun and acknowledged.

A file's chunk is a list of states: the one known to be durable, then each that came after it; an
acknowledged fsync leaves the last.  A name is a list of what it may stand for, to which an fsync
of its directory does the same.  After a crash a chunk must be one of its states, the size must lie
within what it was since the last fsync, and a name must stand for one of its nodes.  Only a chunk
that has no durable state may give an error.

Where a backing call failed, changes of a chunk since its durable state may be lost, each alone, if
no fsync has said otherwise: what came later then stands upon what was before.
"""
import errno
import os
import random
import stat

CHUNK = 4096
LIMIT = 920000    # into the third group of a file


def payload(key, n):
    return random.Random(key).randbytes(n)


def changed(state, at, part):
    if part is None:
        return state[:at]
    return state.ljust(at, b"\0")[:at] + part + state[at + len(part):]


class Node:
    def __init__(self, kind, number, target=None):
        self.kind, self.number, self.target = kind, number, target
        self.chunks = {}
        self.changes = {}         # of a chunk since its durable state: (from, to, bytes or None)
        self.cuts = {}            # of a chunk likewise: (number of the state it led to, where)
        self.lossy = False        # a backing call failed
        self.size = self.low = self.high = 0
        self.mixed = set()        # chunks written through a map: any mix of the states
        self.synced = False       # some fsync of it was acknowledged
        self.must = False         # its name was acknowledged and not taken away since
        self.xattr = [None]
        self.entries = {}         # of a directory: name → candidates, the current one last

    def states(self, i):
        return self.chunks.setdefault(i, [b""])

    # ---- what an operation may have done -------------------------------------------------

    def write(self, off, data, mixed=False):
        end = off + len(data)
        for i in range(off // CHUNK, (end - 1) // CHUNK + 1):
            base, states = i * CHUNK, self.states(i)
            part = data[max(0, base - off):base + CHUNK - off]
            at = max(0, off - base)
            self.change(i, at, part)
            if mixed:
                self.mixed.add(i)
        self.resize(max(self.size, end))

    def change(self, i, at, part):
        """PART at AT of chunk I; None: the chunk ends there."""
        states = self.states(i)
        states.append(changed(states[-1], at, part))
        self.changes.setdefault(i, []).append((at, part))

    def resize(self, size):
        self.size = size
        self.low, self.high = min(self.low, size), max(self.high, size)

    def truncate(self, size):
        for i, states in self.chunks.items():
            keep = max(0, size - i * CHUNK)
            if len(states[-1]) > keep:
                self.change(i, keep, None)
                self.cuts.setdefault(i, []).append((len(states) - 1, keep))
        self.resize(size)

    def punch(self, off, n):
        for i, states in self.chunks.items():
            a, b = max(0, off - i * CHUNK), min(CHUNK, off + n - i * CHUNK)
            cur = states[-1]
            b = min(b, len(cur))
            if a < b:
                self.change(i, a, bytes(b - a))

    def fsync(self):
        self.chunks = {i: [s[-1]] for i, s in self.chunks.items() if s[-1]}
        self.changes, self.cuts = {}, {}
        self.low = self.high = self.size
        self.mixed.clear()
        self.xattr = self.xattr[-1:]
        self.synced = True

    def sync_range(self, off, n):    # O_SYNC, msync: these bytes, and a size that has them
        for i in range(off // CHUNK, (off + n - 1) // CHUNK + 1):
            self.chunks[i] = self.states(i)[-1:]
            self.changes.pop(i, None)
            self.cuts.pop(i, None)
            self.mixed.discard(i)
        self.low = max(self.low, min(self.high, off + n))
        self.synced = True

    # ---- what is there ---------------------------------------------------------------------

    def cut_early(self, i):
        """The states with a truncation ahead of writes: the kernel has it carried out at once, and
        writes its dirty pages back afterwards.  Each chunk is then old or new by itself."""
        for number, state in enumerate(self.chunks.get(i, [])):
            for led_to, at in self.cuts.get(i, []):
                if led_to > number:
                    state = state[:at]
                    yield state

    def chunk_fits(self, i, got):
        states = [s.ljust(CHUNK, b"\0")[:len(got)]
                  for s in (*self.chunks.get(i, [b""]), *self.cut_early(i))]
        if got in states or self.lossy and self.without_some(i, got):
            return True
        return i in self.mixed and all(g in column for g, *column in zip(got, *states))

    def compare(self, path):
        """(complaints, contents by chunk, size, chunks that gave an error, xattr)"""
        fd = os.open(path, os.O_RDONLY)
        try:
            wrong, got, bad = [], {}, []
            self.look(fd)
            size = os.fstat(fd).st_size
            if not self.low <= size <= self.high:
                wrong.append("size: expected %d to %d, found %d" % (self.low, self.high, size))
            for i in range((size + CHUNK - 1) // CHUNK):
                want = min(CHUNK, size - i * CHUNK)
                try:
                    got[i] = os.pread(fd, want, i * CHUNK)
                except OSError as e:
                    bad.append(i)
                    if e.errno == errno.EIO and not self.synced:
                        raise
                    if e.errno != errno.EIO or self.chunks.get(i, [b""])[0]:
                        wrong.append("chunk %d, durable: expected its data, read %s" % (i, e))
                    continue
                if len(got[i]) != want:
                    wrong.append("chunk %d: expected %d bytes, read %d" % (i, want, len(got[i])))
                elif not self.chunk_fits(i, got[i]):
                    wrong.append("chunk %d: %s" % (i, self.describe(i, got[i])))
            value = None
            try:
                value = os.getxattr(fd, "user.v")
            except OSError as e:
                if e.errno == errno.EIO and not self.synced:
                    raise
                if e.errno != errno.ENODATA:
                    wrong.append("xattr: %s" % e)
            if value not in self.xattr:
                wrong.append("xattr: expected one of %s, found %s" % (self.xattr, value))
            return wrong, got, size, bad, value
        finally:
            os.close(fd)

    def look(self, fd):
        """The first read brings to light a size that the stored length had wrong."""
        try:
            os.pread(fd, 1, 0)
        except OSError as e:
            if e.errno != errno.EIO:
                raise

    def without_some(self, i, got):
        """Whether GOT is the durable state with some of the changes since."""
        made = {self.states(i)[0]}
        for at, part in self.changes.get(i, []):
            made |= {changed(state, at, part) for state in made}
        return got in [s.ljust(CHUNK, b"\0")[:len(got)] for s in made]

    def describe(self, i, got):
        states = [s.ljust(CHUNK, b"\0")[:len(got)] for s in self.chunks.get(i, [b""])]
        near = max(range(len(states)),
                   key=lambda k: sum(a == b for a, b in zip(states[k], got)))
        at = next(k for k in range(len(got)) if states[near][k] != got[k])
        return ("expected one of %d states (the first is durable), e.g. number %d, which differs "
                "at byte %d: expected %s, read %s" %
                (len(states), near, at, states[near][at:at + 8].hex(), got[at:at + 8].hex()))

    def adopt(self, got, size, value, final):
        """Go on from what was found; FINAL: that is what is durable."""
        for i in set(self.chunks) | set(got):
            states, found = self.states(i), got.get(i, b"")
            if final:
                self.chunks[i] = [found]
                self.changes.pop(i, None)
                self.cuts.pop(i, None)
            elif states[-1] != found:
                states.append(found)
        self.resize(size)
        if final:
            self.low = self.high = size
            self.xattr = [value]
            self.mixed.clear()
        elif self.xattr[-1] != value:
            self.xattr.append(value)


class Model:
    def __init__(self):
        self.nodes = {0: Node("d", 0)}
        self.next = 1
        self.lost = set()    # (directory, name) of directories that never reached the disk
        self.unsynced = set()    # paths of what need not have reached the disk: a check may say so

    def new(self, kind, target=None):
        node = Node(kind, self.next, target)
        self.nodes[self.next] = node
        self.next += 1
        return node

    def places(self):
        """Of the current tree: node → [(directory, name)], directories from the root."""
        out, todo = {0: []}, [0]
        while todo:
            d = todo.pop()
            for name, cands in self.nodes[d].entries.items():
                if cands[-1] is not None:
                    out.setdefault(cands[-1], []).append((d, name))
                    if self.nodes[cands[-1]].kind == "d":
                        todo.append(cands[-1])
        return out

    def path(self, places, number):
        parts = []
        while number:
            d, name = places[number][0]
            parts.append(name)
            number = d
        return "/".join(reversed(parts))

    def set_name(self, d, name, number):
        cands = self.nodes[d].entries.setdefault(name, [None])
        if cands[-1] is not None:
            self.nodes[cands[-1]].must = False
        cands.append(number)

    # ---- an operation, begun and acknowledged ----------------------------------------------

    def begin(self, op, key):
        kind, node = op["op"], self.nodes.get(op.get("node"))
        if kind in ("create", "mkdir", "symlink"):
            made = self.new({"create": "f", "mkdir": "d", "symlink": "l"}[kind], op.get("target"))
            self.set_name(op["dir"], op["name"], made.number)
        elif kind in ("write", "osync", "msync"):
            node.write(op["off"], payload(key, op["n"]), kind == "msync")
        elif kind == "truncate":
            node.truncate(op["n"])
        elif kind == "punch":
            node.punch(op["off"], op["n"])
        elif kind == "setxattr":
            node.xattr.append(key.encode())
        elif kind == "link":
            self.set_name(op["dir"], op["name"], node.number)
        elif kind == "rename":
            must = node.must
            self.set_name(op["from"], op["old"], None)
            self.set_name(op["dir"], op["name"], node.number)
            node.must = must
        elif kind in ("unlink", "rmdir"):
            self.set_name(op["dir"], op["name"], None)

    def end(self, op):
        kind, node = op["op"], self.nodes.get(op.get("node"))
        if kind in ("fsync", "fdatasync"):
            node.fsync()
        elif kind in ("osync", "msync"):
            node.sync_range(op["off"], op["n"])
        elif kind == "fsyncdir":
            for name, cands in list(node.entries.items()):
                if cands[-1] is None:
                    del node.entries[name]
                else:
                    node.entries[name] = cands[-1:]
                    self.nodes[cands[-1]].must = self.durable(node.number)

    def durable(self, d):
        """Whether the names on the way to directory D are durable."""
        return d == 0 or any(self.durable(up.number) for up in list(self.nodes.values())
                             if [d] in up.entries.values())

    # ---- after a crash -----------------------------------------------------------------------

    def check(self, top, cut, final):
        """Complaints, and counts.  The model goes on from what was found: FINAL, that alone is from
        now on what was; else a cut that comes may bring back what was durable before.
        """
        wrong, found, counts = [], {}, {"files": 0, "errors": 0, "unsynced": 0}
        self.check_dir(0, top, "", cut, final, wrong, found, counts)
        for node in self.nodes.values():
            home = [d for d in self.nodes.values() if d.number in found and
                    any(node.number in c for c in d.entries.values())]
            if node.must and node.number not in found and home:
                wrong.append("node %d: its name was acknowledged; found nowhere" % node.number)
        return wrong, counts

    def check_dir(self, d, top, path, cut, final, wrong, found, counts):
        """Directory D and all below.  False: it gives an error, and may."""
        found.setdefault(d, []).append(path)
        here = os.path.join(top, path)
        entries = self.nodes[d].entries
        if d and not self.nodes[d].must:
            self.unsynced.add(here)
        try:
            names = set(os.listdir(here))
        except OSError as e:
            if e.errno != errno.EIO or d == 0 or self.nodes[d].must or not cut:
                wrong.append("directory %s (node %d), whose name was %sacknowledged: %s" % (
                    path or "/", d, "" if d == 0 or self.nodes[d].must else "not ", e))
            counts["unsynced"] += 1
            return False
        lost = {n for up, n in self.lost if up == d}
        self.unsynced |= {os.path.join(here, n) for n in lost}    # D may be elsewhere by now
        for name in sorted(names - set(entries) - lost):
            wrong.append("%s: expected no such name" % os.path.join(path, name))
        for name in sorted(entries):
            cands, where = entries[name], os.path.join(path, name)
            if name not in names:
                if None not in cands:
                    wrong.append("%s: its name was acknowledged (node %s); not listed" %
                                 (where, cands))
                number = None
            else:
                number = self.check_name(cands, top, where, cut, final, wrong, found,
                                         counts)
            if number == "lost":
                self.lost.add((d, name))
                del entries[name]
            elif number == "gone":
                entries[name] = cands + [None]
            elif final:
                entries[name] = [number]
            elif cands[-1] != number:
                cands.append(number)
        return True

    def check_name(self, cands, top, where, cut, final, wrong, found, counts):
        full, complaints = os.path.join(top, where), []
        try:
            st = os.lstat(full)
        except OSError as e:
            st = None
            complaints.append("lstat: %s" % e)
        # What never reached the disk is an empty file or zeros, and that fits any node: one that
        # must be there then, else the older one.
        order = list(reversed(cands))
        if st and self.blank(full, st):
            order = sorted(cands, key=lambda c: c is None or not self.nodes[c].must)
            if any(c is not None and self.nodes[c].kind == "f" and not self.nodes[c].synced
                   for c in cands):
                self.unsynced.add(full)    # it may be that one, and a check can tell
        for number in [c for c in dict.fromkeys(order) if c is not None] if st else []:
            node = self.nodes[number]
            kind = {stat.S_IFREG: "f", stat.S_IFDIR: "d", stat.S_IFLNK: "l"}.get(
                stat.S_IFMT(st.st_mode))
            if kind != node.kind:
                complaints.append("node %d: expected type %s, found %s" % (number, node.kind, kind))
            elif kind == "d" and number in found:
                complaints.append("node %d: found as %s as well" % (number, found[number]))
            elif kind == "d":
                there = self.check_dir(number, top, where, cut, final, wrong, found, counts)
                return number if there else "lost"
            elif kind == "l":
                if os.readlink(full) == node.target:
                    found.setdefault(number, []).append(where)
                    return number
                complaints.append("node %d: expected the target %s, found %s" %
                                  (number, node.target, os.readlink(full)))
            else:
                done = self.check_file(node, full, final, complaints, counts)
                if done:
                    found.setdefault(number, []).append(where)
                    return number if done == "ok" else done
        wrong.append("%s (mode %s, %s bytes):\n    %s" % (
            where, st and oct(st.st_mode), st and st.st_size, "\n    ".join(complaints[:12])))
        return None

    def blank(self, full, st):
        if not stat.S_ISREG(st.st_mode):
            return False
        try:
            with open(full, "rb") as file:
                return not any(file.read())
        except OSError:
            return False

    def check_file(self, node, full, final, complaints, counts):
        counts["files"] += 1
        if not node.synced:
            self.unsynced.add(full)
        try:
            wrong, got, size, bad, value = node.compare(full)
        except OSError as e:
            if e.errno == errno.EIO and not node.synced:    # no header: it never reached the disk
                counts["unsynced"] += 1
                return self.remove(node, full)
            complaints.append("node %d, %s: open: %s" % (
                node.number, "fsynced" if node.synced else "never fsynced", e))
            return None
        if wrong:
            complaints += ["node %d: %s" % (node.number, w) for w in wrong]
            return None
        if bad:
            counts["errors"] += len(bad)
            return self.remove(node, full)
        node.adopt(got, size, value, final)
        return "ok"

    def remove(self, node, full):
        """What gives errors, because it never reached the disk, can be removed."""
        os.unlink(full)
        self.unsynced.add(full)
        node.must = False
        return "gone"
