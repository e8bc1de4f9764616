#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Everything at once: soak.py WRITE-MOUNT READ-MOUNT SECONDS PID READER-PID

Processes write, map, append, rename, make and remove, list, set attributes and read what others
read, while the volume is locked and unlocked now and then.  What was synced must read the same;
and the daemons must not grow: memory, descriptors and threads of the last quarter of the time
are compared with those of the first half.
"""
import errno
import multiprocessing
import os
import random
import subprocess
import sys
import time

LOCKED = (errno.ENOKEY, errno.EKEYREVOKED)
LOCK_EVERY = 5.0


def block(rng, n):
    return rng.randbytes(n)


def patiently(fn, stop):
    """FN again while the volume is locked."""
    while True:
        try:
            return fn()
        except OSError as e:
            if e.errno not in LOCKED or stop.value:
                raise
            time.sleep(0.01)


def write_all(fd, data, at, stop):
    """A lock may let a part of a write(2) through."""
    while data:
        n = patiently(lambda: os.pwrite(fd, data, at), stop)
        data, at = data[n:], at + n


def read_all(fd, length, at, stop):
    got = b""
    while len(got) < length:
        more = patiently(lambda: os.pread(fd, length - len(got), at + len(got)), stop)
        if not more:
            break
        got += more
    return got


def restore(path, model, stop):
    """A lock refused pages that write(2) had let in, and said so: they are written again."""
    while True:
        fd = patiently(lambda: os.open(path, os.O_RDWR), stop)
        try:
            patiently(lambda: os.ftruncate(fd, len(model)), stop)
            write_all(fd, bytes(model), 0, stop)
            os.fsync(fd)
            return fd
        except OSError as e:
            if e.errno not in LOCKED + (errno.EIO,):
                raise
            try:
                os.close(fd)
            except OSError:
                pass


def settle(act, fd, path, model, stop):
    """fsync(2) or close(2): what it gives is the descriptor to go on with, None: closed."""
    try:
        act(fd)
        return fd if act is os.fsync else None
    except OSError as e:
        if e.errno not in LOCKED + (errno.EIO,):
            raise
    if act is os.fsync:
        try:
            os.close(fd)
        except OSError:
            pass
    return restore(path, model, stop)


def shadow(mnt, seed, stop):
    """One file against a model: overwrite, append, truncate, sync, reopen."""
    rng, path, model, n = random.Random(seed), "%s/shadow%d" % (mnt, seed), bytearray(), 0
    fd = patiently(lambda: os.open(path, os.O_RDWR | os.O_CREAT), stop)
    while not stop.value:
        at, length = rng.randrange(len(model) + 5000), rng.choice((1, 100, 4096, 70000))
        kind = rng.randrange(8)
        if kind < 3 and at + length < 3 << 20:
            data = block(rng, length)
            write_all(fd, data, at, stop)
            model.extend(b"\0" * (at + length - len(model)))
            model[at:at + length] = data
        elif kind == 3:
            patiently(lambda: os.ftruncate(fd, at), stop)
            model = model[:at] + bytes(at - len(model[:at]))
        elif kind == 4:
            fd = settle(os.fsync, fd, path, model, stop)
        elif kind == 5:
            fd = settle(os.close, fd, path, model, stop)
            if fd is None:
                fd = patiently(lambda: os.open(path, os.O_RDWR), stop)
        else:
            got = read_all(fd, length, at, stop)
            if got != model[at:at + length]:
                raise SystemExit("%s: other bytes at %d" % (path, at))
        n += 1
    settle(os.close, fd, path, model, stop)
    with open(path + ".sum", "wb") as f:
        f.write(model)
    return n


def put(path, data):
    """A new file; that a lock refused what was not written yet, close(2) can only call EIO."""
    f = open(path, "wb", buffering=0)
    try:
        f.write(data)
    finally:
        try:
            f.close()
        except OSError as e:
            if e.errno != errno.EIO:
                raise


def tree(mnt, seed, stop):
    """Names come and go, with attributes, links and renames."""
    rng, top, n = random.Random(seed), "%s/tree%d" % (mnt, seed), 0
    while not stop.value:
        try:
            for k in range(40):
                sub = "%s/%d/%d" % (top, rng.randrange(4), rng.randrange(4))
                os.makedirs(sub, exist_ok=True)
                name = "%s/%s" % (sub, "n" * rng.choice((1, 20, 200)) + str(k))
                put(name, block(rng, rng.choice((0, 10, 5000))))
                os.setxattr(name, "user.k", b"%d" % k)
                if k % 3 == 0:
                    os.rename(name, name + ".r")
                elif k % 3 == 1:
                    os.link(name, name + ".l")
                    os.symlink("x" * 50, name + ".s")
                    os.rename(name + ".s", name + ".t")
                n += 1
            for path, dirs, files in os.walk(top, topdown=False):
                for name in files:
                    os.unlink(os.path.join(path, name))
                for name in dirs:
                    if not os.path.islink(os.path.join(path, name)):
                        os.rmdir(os.path.join(path, name))
        except OSError as e:
            if e.errno not in LOCKED + (errno.EEXIST, errno.ENOTEMPTY):
                raise
            time.sleep(0.01)
    return n


def maps(mnt, seed, stop):
    """A shared map that is written and synced."""
    rng, path, n = random.Random(seed), "%s/map%d" % (mnt, seed), 0
    while not stop.value:
        try:
            with open(path, "wb") as f:
                f.truncate(1 << 20)
            with open(path, "r+b") as f:
                # A lock makes a map a bus error: written by write(2), read by a map of its own.
                os.pwrite(f.fileno(), block(rng, 50000), rng.randrange(1 << 19))
                os.fsync(f.fileno())
                n += 1
        except OSError as e:
            if e.errno not in LOCKED:
                raise
            time.sleep(0.01)
    return n


def look(mnt, seed, stop):
    """Listings, attributes and reads of whatever is there."""
    rng, n = random.Random(seed), 0
    gone = (errno.ENOENT, errno.ESTALE, errno.ENOTDIR)
    while not stop.value:
        try:
            for path, _, files in os.walk(mnt):
                os.statvfs(mnt)
                for name in rng.sample(files, min(len(files), 20)):
                    try:
                        os.stat(os.path.join(path, name), follow_symlinks=False)
                        with open(os.path.join(path, name), "rb") as f:
                            f.read(100000)
                        n += 1
                    except OSError as e:
                        if e.errno not in gone:
                            raise
        except OSError as e:
            if e.errno not in LOCKED:
                raise
            time.sleep(0.01)
        time.sleep(0.005)
    return n


def locks(mnt, _seed, stop):
    n, since = 0, time.monotonic()
    while not stop.value:
        time.sleep(0.1)
        if time.monotonic() - since < LOCK_EVERY:
            continue
        subprocess.run(["cmkfs", "lock", mnt], check=True, stdout=subprocess.DEVNULL)
        subprocess.run(["cmkfs", "unlock", mnt], check=True, stdout=subprocess.DEVNULL)
        n, since = n + 1, time.monotonic()
    return n


def child(fn, args, count, failed):
    try:
        count.value = fn(*args)
    except BaseException as e:  # the parent is told
        print("%s: %s: %s" % (fn.__name__, type(e).__name__, e), flush=True)
        failed.value = 1


def figures(pid):
    with open("/proc/%s/status" % pid, encoding="ascii") as f:
        fields = dict(line.split(":", 1) for line in f)
    return (int(fields["RssAnon"].split()[0]), len(os.listdir("/proc/%s/fd" % pid)),
            int(fields["Threads"]))


def flat(name, samples):
    """The last quarter's middle is not above the highest of the first half, but for a little: how
    much is resident depends on when the last lock was."""
    n, wrong = len(samples), []
    for k, (what, slack) in enumerate((("KiB of memory", 6000), ("descriptors", 40), ("threads", 3))):
        last = sorted(s[k] for s in samples[3 * n // 4:])
        a, b = max(s[k] for s in samples[:n // 2]), last[len(last) // 2]
        print("%s: %s: %d at most in the first half, %d in the last quarter" % (name, what, a, b))
        if b > a * 1.05 + slack:
            wrong.append("%s: %s grow" % (name, what))
    return wrong


def main():
    rw, ro, seconds, pids = sys.argv[1], sys.argv[2], float(sys.argv[3]), sys.argv[4:6]
    seed = int(os.environ.get("SEED", random.randrange(1 << 20)))
    print("seed %d" % seed)
    stop, failed = multiprocessing.Value("i", 0), multiprocessing.Value("i", 0)
    jobs = []
    for k, (fn, mnt) in enumerate(((shadow, rw), (shadow, rw), (tree, rw), (tree, rw), (maps, rw),
                                   (look, rw), (look, ro), (locks, rw))):
        count = multiprocessing.Value("q", -1)
        p = multiprocessing.Process(target=child, args=(fn, (mnt, seed + k, stop), count, failed))
        p.start()
        jobs.append((p, fn.__name__, count))
    samples, end = {pid: [] for pid in pids}, time.monotonic() + seconds
    while time.monotonic() < end and not failed.value:
        time.sleep(min(1.0, seconds / 40))
        for pid in pids:
            samples[pid].append(figures(pid))
    stop.value = 1
    for p, name, count in jobs:
        p.join()
        print("%s: %d" % (name, count.value))
        failed.value |= count.value <= 0
    wrong = flat("writer", samples[pids[0]]) + flat("reader", samples[pids[1]])
    for name in os.listdir(rw):
        if name.endswith(".sum"):
            with open("%s/%s" % (rw, name), "rb") as a, open("%s/%s" % (rw, name[:-4]), "rb") as b:
                if a.read() != b.read():
                    wrong.append("%s is not what was written" % name[:-4])
    print("\n".join(wrong), end="")
    return int(bool(wrong or failed.value))


if __name__ == "__main__":
    sys.exit(main())
