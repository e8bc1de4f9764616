#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""tamper_volume.py DIR MNT [PART [OPTIONS]]: what an attacker with the backing directory of a GCM volume can change,
and what is then read.

Each tampering has a file of its own, made through the mount; the volume is unmounted, all are
tampered with, it is mounted once and everything is read, chunk by chunk.  DIR is a new volume
with plain names, so that a file is found in tree/.  What a tampering must do is a set of chunks
that give EIO; all others must read as they were written.  PART: only these, e.g. lengths, and
mounted with OPTIONS.
"""
import errno
import os
import random
import stat
import sys

from world import cmkfs

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "reader"))
import cmkfs_format as f    # noqa: E402

LONG = bool(os.environ.get("CMKFS_LONG"))
G1, G2 = f.FIRST_CHUNKS, f.FIRST_CHUNKS + f.GROUP_CHUNKS
G3 = G2 + f.GROUP_CHUNKS
ALL, NONE = "all", frozenset()


# ---- the files

def split(data):
    return {i: data[i * f.CHUNK:(i + 1) * f.CHUNK] for i in range(f.chunks_of(len(data)))}


def samples():
    """{name: (size, {chunk: bytes})}; what is missing is a hole."""
    r = random.Random(4)
    out = {name: (size, split(r.randbytes(size))) for name, size in (
        ("empty", 0), ("13", 13), ("3040", 3040), ("3041", 3041), ("5000", 5000),
        ("20K", 20480), ("384K+1", (384 << 10) + 1))}
    out["groups"] = ((G2 + 10) * f.CHUNK - 100, {i: r.randbytes(n) for i, n in (
        (0, 4096), (5, 4096), (95, 4096), (G1, 4096), (G1 + 2, 4096), (G2 - 1, 4096), (G2, 4096),
        (G2 + 9, 3996))})
    out["hole run"] = ((G3 + 1) * f.CHUNK, {0: r.randbytes(4096), G2 + 7: r.randbytes(4096)})
    return out


SAMPLES = samples()


def expected(sample, i):
    size, chunks = SAMPLES[sample]
    want = min(f.CHUNK, size - i * f.CHUNK)
    return chunks.get(i, b"")[:want].ljust(want, b"\0")


def write_file(path, sample):
    size, chunks = SAMPLES[sample]
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)
    for i, data in chunks.items():
        os.pwrite(fd, data, i * f.CHUNK)
    if not chunks or max(chunks) < f.chunks_of(size) - 1:
        os.ftruncate(fd, size)
    os.close(fd)


class Backing:
    """A file of the backing directory: where its parts lie."""

    def __init__(self, path, sample):
        self.path, self.sample = path, sample
        self.length = os.stat(path).st_size
        self.slots = [any(self.get(at, f.BLOCK)) for at in (0, f.BLOCK)]
        self.counts = 1 if self.slots == [False, True] else 0
        self.tail = bool(self.get(f.BLOCK * self.counts + 13, 1)[0] & f.F_TAIL)

    def get(self, at, n):
        with open(self.path, "rb") as file:
            file.seek(at)
            return file.read(n)

    def put(self, at, data):
        fd = os.open(self.path, os.O_WRONLY)
        os.pwrite(fd, data, at)
        os.close(fd)

    def cut(self, n):
        os.truncate(self.path, n)

    def flip(self, at, bit=0):
        byte = self.get(at, 1) or b"\0"
        self.put(at, bytes([byte[0] ^ 1 << bit]))

    def group_slot(self, g):
        """Offset of the slot of group g that counts."""
        even = self.get(f.group_base(g), f.BLOCK)
        return f.group_base(g) + (0 if any(even) else f.BLOCK)

    def touched(self, at):
        """Chunks that read EIO when the byte at this offset is changed."""
        size, chunks = SAMPLES[self.sample]
        if at < 2 * f.BLOCK:
            return ALL if self.slots[at // f.BLOCK] else NONE
        for i, data in chunks.items():
            if f.place(i) <= at < f.place(i) + len(data):
                return NONE if self.tail and i == f.chunks_of(size) - 1 else frozenset([i])
        for g in {f.group_of(i)[0] for i in chunks} - {0}:
            slot = self.group_slot(g)
            if slot <= at < slot + f.BLOCK:
                return frozenset(i for i in range(f.chunks_of(size)) if f.group_of(i)[0] == g)
        return NONE


# ---- the tamperings

class Case:
    def __init__(self, sample, name, act, wanted):
        """ACT(backing, others) changes it; WANTED(backing) or a value says what reads EIO.
        others: further files of the same sample that the case may use; they are judged too."""
        self.sample, self.name, self.act, self.wanted = sample, name, act, wanted
        self.others, self.want = 0, None


def flips():
    """Every byte of small files and of slots, random ones of the large."""
    r = random.Random(8)

    def at(sample, offset):
        bit = r.randrange(8)
        return Case(sample, "byte %d, bit %d" % (offset, bit),
                    lambda b, _: b.flip(offset, bit), lambda b: b.touched(offset))
    step = 1 if LONG else 4
    for offset in range(4096, 8205):
        yield at("13", offset)
    for offset in range(0, 4096, step * 4):
        yield at("13", offset)
    for sample, end in (("empty", 8192), ("3040", 8192), ("3041", 11233), ("5000", 13192)):
        for offset in sorted({*range(4096, 5280), *range(4096, end, step), *range(0, 4096, 97)}):
            if offset < end:
                yield at(sample, offset)
    slots = f.group_base(1)
    for offset in sorted({*range(slots + 4096, slots + 4096 + 200),
                          *range(slots, slots + 8192, step * 2)}):
        yield at("groups", offset)
    for sample, last in (("20K", 28672), ("384K+1", 409601), ("groups", 974848), ("hole run", 0)):
        end = last or 1500000
        for _ in range(200):
            yield at(sample, r.randrange(end))
        for _ in range(100):    # where there is something
            i = r.choice(list(SAMPLES[sample][1]))
            yield at(sample, f.place(i) + r.randrange(len(SAMPLES[sample][1][i])))


HEADER_FIELDS = (("magic", 0, 8), ("version", 8, 2), ("suite", 10, 2), ("type", 12, 1),
                 ("flags", 13, 1), ("vol_id", 16, 16), ("zone_id", 32, 16), ("object_id", 48, 16),
                 ("generation", 64, 8), ("base", 72, 8), ("session", 80, 8), ("size", 88, 8),
                 ("epoch", 96, 4), ("key generation", 100, 4), ("wrapped key", 104, 40),
                 ("group count", 188, 4), ("subkey", 192, 4), ("uses", 200, 8),
                 ("incompat", 208, 4), ("tags", 216, 2), ("runs", 218, 2), ("first tag", 256, 16),
                 ("first run", 512, 8), ("MAC", 992, 32), ("entry 0", 1024, 32))


def fields():
    """T02: each field of a header in turn."""
    for name, at, n in HEADER_FIELDS:
        for what, new in (("00", lambda old: bytes(len(old))), ("ff", lambda old: b"\xff" * len(old)),
                          ("+1", lambda old: (int.from_bytes(old, "little") + 1 &
                                              (1 << 8 * len(old)) - 1).to_bytes(len(old), "little")),
                          ("random", lambda old: os.urandom(len(old)))):
            def act(b, _, at=at, n=n, new=new):
                where = f.BLOCK * b.counts + at
                old = b.get(where, n)
                put = new(old)      # once: it may be random
                b.changed = put != old
                b.put(where, put)
            yield Case("20K", "%s of the header: %s" % (name, what), act,
                       lambda b: ALL if b.changed else NONE)


def cut(b, n):
    """Cuts, and says what that takes away: where something else than zeros lay."""
    size, chunks = SAMPLES[b.sample]
    count = f.chunks_of(size)

    def loses(at, length):
        return any(b.get(max(at, n), max(0, at + length - max(at, n))))
    gone = set()
    for g in {f.group_of(i)[0] for i in chunks} - {0}:
        if loses(b.group_slot(g), f.BLOCK):
            gone |= {i for i in range(count) if f.group_of(i)[0] == g}
    for i, data in chunks.items():
        if loses(f.place(i), len(data)) and not (b.tail and i == count - 1):
            gone.add(i)
    b.gone = ALL if loses(f.BLOCK * b.counts, f.BLOCK) else frozenset(gone)
    b.cut(n)


def lengths():
    for sample in ("13", "3041", "5000", "20K", "384K+1", "groups"):
        size, _ = SAMPLES[sample]
        last = f.chunks_of(size) - 1
        length = f.backing_length(size)
        for n in {0, 1, 4096, 4097, 8191, 8192, 8193, length - 1, length - 4096,
                  f.place(last), f.place(last) - 4096} | (
                      {f.group_base(1), f.group_base(1) + 8192} if last >= G1 else set()):
            if 0 <= n < length:
                yield Case(sample, "cut to %d" % n, lambda b, _, n=n: cut(b, n), lambda b: b.gone)
        for n in (1, 100, 4096, 1 << 20):
            yield Case(sample, "stretched by %d" % n,
                       lambda b, _, n=n: b.cut(b.length + n), NONE)
            yield Case(sample, "stretched by %d random bytes" % n,
                       lambda b, _, n=n: b.put(b.length, os.urandom(n)), NONE)
        yield Case(sample, "a copy of the last chunk appended", lambda b, _, last=last: b.put(
            b.length, b.get(f.place(last), 4096)), NONE)


def chunk_moves():
    for sample in ("20K", "384K+1", "groups"):
        whole = [i for i, data in SAMPLES[sample][1].items() if len(data) == 4096]
        pairs = [(i, j) for i in whole[:6] for j in whole[-4:] if i != j]
        for i, j in pairs:
            def swap(b, _, i=i, j=j):
                one, two = b.get(f.place(i), 4096), b.get(f.place(j), 4096)
                b.put(f.place(i), two)
                b.put(f.place(j), one)
            yield Case(sample, "chunks %d and %d swapped" % (i, j), swap, frozenset([i, j]))
            yield Case(sample, "chunk %d copied over %d" % (i, j), lambda b, _, i=i, j=j: b.put(
                f.place(j), b.get(f.place(i), 4096)), frozenset([j]))

            def with_entries(b, _, i=i, j=j):
                swap(b, _, i, j)
                where = {k: f.BLOCK * b.counts + 1024 + 32 * k if k < G1 else
                         b.group_slot(f.group_of(k)[0]) + 64 + 32 * f.group_of(k)[1]
                         for k in (i, j)}
                one, two = (b.get(where[k], 32) for k in (i, j))
                b.put(where[i], two)
                b.put(where[j], one)

            def touched(b, i=i, j=j):
                groups = {f.group_of(k)[0] for k in (i, j)}
                return ALL if 0 in groups else frozenset(
                    k for k in range(f.chunks_of(SAMPLES[b.sample][0])) if f.group_of(k)[0] in groups)
            yield Case(sample, "chunks %d and %d swapped with their entries" % (i, j),
                       with_entries, touched)
        for i in whole[:5]:
            yield Case(sample, "chunk %d zeroed" % i, lambda b, _, i=i: b.put(
                f.place(i), bytes(4096)), frozenset([i]))
            yield Case(sample, "chunk %d punched" % i, lambda b, _, i=i: punch(
                b.path, f.place(i), 4096), frozenset([i]))
            yield Case(sample, "half of chunk %d zeroed" % i, lambda b, _, i=i: b.put(
                f.place(i) + 2048, bytes(2048)), frozenset([i]))
            case = Case(sample, "chunk %d of another file" % i, lambda b, o, i=i: b.put(
                f.place(i), o[0].get(f.place(i), 4096)), frozenset([i]))
            case.others = 1
            yield case
    yield Case("groups", "bytes at the places of holes", lambda b, _: [b.put(
        f.place(i), os.urandom(4096)) for i in (1, 7, G1 + 1, G2 + 1)], NONE)
    yield Case("hole run", "bytes and a slot at the places of an absent group", lambda b, _: [
        b.put(f.place(i), os.urandom(4096)) for i in (G1, G1 + 9)] + [
            b.put(f.group_base(1) + 4096, b.get(b.group_slot(2), 4096))], NONE)
    for g, first, end in ((1, G1, G2), (2, G2, G2 + 10)):
        yield Case("groups", "group %d punched" % g, lambda b, _, g=g: punch(
            b.path, f.group_base(g), 524288), frozenset(range(first, end)))
        yield Case("groups", "slots of group %d zeroed" % g, lambda b, _, g=g: b.put(
            f.group_base(g), bytes(8192)), frozenset(range(first, end)))
        yield Case("groups", "slot of group %d in the other place" % g, lambda b, _, g=g: [
            b.put(f.group_base(g), b.get(f.group_base(g) + 4096, 4096)),
            b.put(f.group_base(g) + 4096, bytes(4096))], frozenset(range(first, end)))
    yield Case("groups", "slots of groups 1 and 2 swapped", lambda b, _: [
        b.put(f.group_base(g), data) for g, data in
        ((1, b.get(f.group_base(2), 8192)), (2, b.get(f.group_base(1), 8192)))],
        frozenset(range(G1, G2 + 10)))
    case = Case("groups", "slot of group 1 of another file", lambda b, o: b.put(
        f.group_base(1), o[0].get(f.group_base(1), 8192)), frozenset(range(G1, G2)))
    case.others = 1
    yield case


def punch(path, at, n):
    import ctypes
    fd = os.open(path, os.O_WRONLY)
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.fallocate(fd, 3, ctypes.c_int64(at), ctypes.c_int64(n)) < 0:
        os.pwrite(fd, bytes(n), at)
    os.close(fd)


def whole_files():
    """Files in each other's place, headers grafted, other things instead of a file."""
    def rename(a, b):
        os.rename(a, b)
    for sample in ("empty", "13", "3041", "20K", "groups"):
        def swap(b, o):
            rename(b.path, b.path + "~")
            rename(o[0].path, b.path)
            rename(b.path + "~", o[0].path)
        case = Case(sample, "swapped with another file", swap, ALL)
        case.others, case.others_too = 1, True
        yield case

        def over(b, o):
            os.unlink(b.path)
            with open(o[0].path, "rb") as source, open(b.path, "xb") as file:
                file.write(source.read())
        case = Case(sample, "another file copied over it", over, ALL)
        case.others = 1
        yield case
        if sample != "empty":
            case = Case(sample, "the header of another file", lambda b, o: b.put(
                0, o[0].get(0, 8192)), ALL)
            case.others = 1
            yield case
    case = Case("20K", "another object linked in its place",
                lambda b, o: (os.unlink(b.path), os.link(o[0].path, b.path)), ALL)
    case.others = 1
    yield case
    yield Case("20K", "both slots zeroed", lambda b, _: b.put(0, bytes(8192)), ALL)
    yield Case("20K", "in clear", lambda b, _: b.put(0, b"clear text" * 3000), ALL)
    yield Case("20K", "the header in the other slot", lambda b, _: [
        b.put(f.BLOCK * (1 - b.counts), b.get(f.BLOCK * b.counts, f.BLOCK)),
        b.put(f.BLOCK * b.counts, bytes(f.BLOCK))], ALL)
    yield Case("20K", "the header in both slots", lambda b, _: b.put(
        f.BLOCK * (1 - b.counts), b.get(f.BLOCK * b.counts, f.BLOCK)), NONE)

    def instead(what):
        def act(b, _):
            os.unlink(b.path)
            what(b.path)
        return act
    for name, what in (("a symlink to a file", lambda p: os.symlink("/etc/hostname", p)),
                       ("a symlink to nothing", lambda p: os.symlink("nowhere", p)),
                       ("a directory", os.mkdir), ("a FIFO", os.mkfifo)):
        yield Case("20K", name + " instead", instead(what), "no file")


def all_cases():
    for part in (flips, fields, lengths, chunk_moves, whole_files):
        for case in part():
            case.part = part.__name__
            yield case


# ---- reading

def read_chunks(path, sample):
    """{chunk: data or errno name}, and the size that stat says."""
    out = {}
    fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    try:
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            raise OSError(errno.ENOMEDIUM, "no file")
        for i in range(f.chunks_of(SAMPLES[sample][0])) if sample != "groups" else \
                [*range(0, 8), 95, *range(G1, G1 + 5), G2 - 1, *range(G2, G2 + 10)]:
            try:
                out[i] = os.pread(fd, f.CHUNK, i * f.CHUNK)
            except OSError as e:
                out[i] = errno.errorcode[e.errno]
        try:
            end = os.pread(fd, 1, SAMPLES[sample][0])
        except OSError as e:
            end = errno.errorcode[e.errno]
        return out, os.fstat(fd).st_size, end
    finally:
        os.close(fd)


def judge(path, sample, want):
    """What is wrong with the reading of a file: a list of texts."""
    try:
        chunks, size, end = read_chunks(path, sample)
    except OSError as e:
        got = errno.errorcode[e.errno]
        if want == "no file" and got in ("EIO", "ENOMEDIUM", "ELOOP"):
            return []
        return [] if want == ALL and got == "EIO" else ["open gives " + got]
    if want == "no file":
        return ["it is read as a file"]
    wrong = []
    for i, data in chunks.items():
        if want == ALL or i in want:
            # A file whose length says that it never had a header has one byte, which is EIO.
            if data != "EIO" and not (size == 1 and i and chunks[0] == "EIO" and not data):
                wrong.append("chunk %d: %s instead of EIO" % (
                    i, data if isinstance(data, str) else
                    "the right bytes" if data == expected(sample, i) else
                    "nothing" if not data else "WRONG BYTES"))
        elif data != expected(sample, i):
            wrong.append("chunk %d: %s instead of the right bytes" % (
                i, data if isinstance(data, str) else "%d WRONG BYTES" % len(data)))
    if want != ALL and size != SAMPLES[sample][0]:
        wrong.append("size %d" % size)
    if end not in ((b"", "EIO") if want == ALL else (b"",)):
        wrong.append("%r behind the end" % end)
    return wrong


def main():
    volume, mnt = sys.argv[1:3]
    cases, jobs = [c for c in all_cases() if sys.argv[3:4] in ([], [c.part])], []
    options = ["-o", sys.argv[4]] if len(sys.argv) > 4 else []
    cmkfs("mount", *options, volume, mnt)
    for k, case in enumerate(cases):
        where = "%s %d" % (case.part, k // 2000)
        if k % 2000 == 0 or not os.path.isdir(os.path.join(mnt, where)):
            os.makedirs(os.path.join(mnt, where), exist_ok=True)
        names = ["%s/%d.%d" % (where, k, n) for n in range(1 + case.others)]
        for name in names:
            write_file(os.path.join(mnt, name), case.sample)
        jobs.append((case, names))
    cmkfs("umount", mnt)
    skipped = 0
    for case, names in jobs:
        backing = [Backing(os.path.join(volume, "tree", name), case.sample) for name in names]
        if any(b.slots == [True, True] for b in backing):   # flushed before all was written
            skipped += 1
            case.name = ""
            continue
        if callable(case.wanted):
            if case.part == "flips":        # before the change: it looks at the slots
                case.want = case.wanted(backing[0])
            case.act(backing[0], backing[1:])
            case.want = case.wanted(backing[0]) if case.want is None else case.want
        else:
            case.act(backing[0], backing[1:])
            case.want = case.wanted
    cmkfs("mount", *options, volume, mnt)
    bad = judged = unnoticed = 0
    for case, names in jobs:
        if not case.name:
            continue
        for n, name in enumerate(names):
            want = case.want if n == 0 or getattr(case, "others_too", False) else NONE
            wrong = judge(os.path.join(mnt, name), case.sample, want)
            judged += 1
            unnoticed += want == NONE
            if wrong:
                bad += 1
                if bad <= 40:
                    print("%s, %s (%s): %s" % (case.sample, case.name, name, "; ".join(wrong[:3])))
    cmkfs("umount", mnt)
    print("%d files tampered with or beside it, %d as by 3.16 without effect, %d skipped: %d wrong"
          % (judged, unnoticed, skipped, bad))
    if skipped > len(jobs) // 20:
        print("too many skipped")
        bad += 1
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
