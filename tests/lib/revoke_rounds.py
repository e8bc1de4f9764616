#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""revoke_rounds.py MNT KEY-URI ROUNDS: the key is disabled and enabled again and again while
readers, writers and renamers work without pause.  Nobody hangs, reads a wrong byte or loses what an
fsync acknowledged, and the daemon holds no more at the end than in the beginning.
"""
import contextlib
import errno
import json
import os
import random
import signal
import struct
import sys
import time

from world import attempt, cmkfs, wait_until

MNT, URI, ROUNDS = sys.argv[1], sys.argv[2], int(sys.argv[3])
BLOCK, BLOCKS = 4096, 64
LOCKED = (errno.EKEYREVOKED, errno.EIO)     # EIO: what close(2) can say, and a page that was refused


def path(*names):
    return os.path.join(MNT, *names)


def block(k, n, version):
    return struct.pack("<III", k, n, version).ljust(16, b"\0") * (BLOCK // 16)


def working(function, k):
    """FUNCTION again and again; a locked mount is no error.  What it returns goes to the parent."""
    end = []
    signal.signal(signal.SIGTERM, lambda *_: end.append(1))
    state, locked, turns = {}, 0, 0
    while not end:
        try:
            function(k, state)
            turns += 1
        except OSError as e:
            if e.errno not in LOCKED:
                raise
            locked += 1
    return {"turns": turns, "locked": locked, **{str(n): v for n, v in state.get("synced", {}).items()}}


def writer(k, state):
    """Blocks with versions; after an fsync that worked they are to stay."""
    r = state.setdefault("r", random.Random(k))
    if "fd" not in state:
        state["fd"] = os.open(path("w%d" % k), os.O_RDWR | os.O_CREAT, 0o644)
        state["wrote"], state["synced"], state["next"] = {}, {}, 1
    try:
        for _ in range(8):
            n = r.randrange(BLOCKS)
            state["next"] += 1
            os.pwrite(state["fd"], block(k, n, state["next"]), n * BLOCK)
            state["wrote"][n] = state["next"]
        os.fsync(state["fd"])
    except OSError:     # said once: what was not synced may be lost
        state["wrote"].clear()
        raise
    state["synced"].update(state["wrote"])


def reader(k, state):
    r = state.setdefault("r", random.Random(100 + k))
    k = r.randrange(3)
    fd = os.open(path("w%d" % k), os.O_RDONLY)
    try:
        n = r.randrange(BLOCKS)
        data = os.pread(fd, BLOCK, n * BLOCK)
    finally:
        with contextlib.suppress(OSError):
            os.close(fd)
    if data.strip(b"\0"):
        units = {data[at:at + 16] for at in range(0, len(data), 16)}
        for unit in units:      # a write may be half done
            got = struct.unpack("<III", unit[:12])
            assert not unit.strip(b"\0") or got[:2] == (k, n), (got, k, n)


def renamer(k, state):
    r = state.setdefault("r", random.Random(200 + k))
    a, b = ("n%d.%d" % (k, r.randrange(6)) for _ in range(2))
    try:
        os.rename(path(a), path(b))
    except FileNotFoundError:
        with open(path(a), "wb") as file:
            file.write(b"name")
    with contextlib.suppress(FileNotFoundError):
        if r.random() < 0.2:
            os.unlink(path(b))
    os.listdir(MNT)


def start(function, k):
    receive, send = os.pipe()
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            os.write(send, json.dumps(working(function, k)).encode())
            code = 0
        except BaseException as e:
            print("%s %d: %r" % (function.__name__, k, e), file=sys.stderr, flush=True)
        os._exit(code)
    os.close(send)
    return pid, receive, function.__name__, k


def daemon():
    pid = json.loads(cmkfs("status", "--json", MNT))["pid"]
    with open("/proc/%d/status" % pid, encoding="ascii") as file:
        fields = dict(line.split(":", 1) for line in file)
    return {"threads": int(fields["Threads"]), "descriptors": len(os.listdir("/proc/%d/fd" % pid)),
            "KiB": int(fields["VmRSS"].split()[0])}


def main():
    for k in range(3):
        os.close(os.open(path("w%d" % k), os.O_CREAT | os.O_WRONLY, 0o644))
    workers = [start(writer, k) for k in range(3)] + [start(reader, k) for k in range(3)] + \
        [start(renamer, k) for k in range(2)]
    time.sleep(0.5)
    first, begin, r = None, time.monotonic(), random.Random(7)
    for n in range(ROUNDS):
        cmkfs("vault", "key", "disable", URI)
        time.sleep(0.3 if n % 20 == 19 else r.choice((0, 0, 0.005, 0.05)))
        cmkfs("vault", "key", "enable", URI)
        time.sleep(r.choice((0, 0.005, 0.05, 0.1)))
        if n == min(10, ROUNDS // 2):
            first = daemon()
    took = time.monotonic() - begin
    assert wait_until(lambda: attempt(os.listdir, MNT) == "ok", 10) is not None, "still locked"
    time.sleep(0.5)
    for pid, *_ in workers:
        os.kill(pid, signal.SIGTERM)
    results = []
    for pid, receive, name, k in workers:
        with open(receive, "rb") as file:
            text = file.read()
        assert os.waitpid(pid, 0)[1] == 0, "%s %d failed" % (name, k)
        results.append((name, k, json.loads(text)))
    for name, k, result in results:
        assert result["turns"] and result["locked"], "%s %d was never both: %s" % (name, k, result)
        if name != "writer":
            continue
        with open(path("w%d" % k), "rb") as file:
            for n in range(BLOCKS):
                data, want = file.read(BLOCK), result.get(str(n), 0)
                if want:
                    got = struct.unpack("<III", data[:12])
                    assert got[:2] == (k, n) and got[2] >= want, (name, k, n, got, want)
                    assert data == block(*got), "a mixed block"
    last = daemon()
    print("%d rounds in %.0f s; %s" % (ROUNDS, took, ", ".join(
        "%ss %d turns, %d refused" % (name, sum(r["turns"] for n, _, r in results if n == name),
                                      sum(r["locked"] for n, _, r in results if n == name))
        for name in ("writer", "reader", "renamer"))))
    print("the daemon after ten rounds %s, at the end %s" % (first, last))
    assert last["threads"] <= first["threads"] + 2, "threads are left"
    assert last["descriptors"] <= first["descriptors"] + 16, "descriptors are left"
    assert last["KiB"] <= first["KiB"] * 1.3 + 8192, "memory is left"


main()
