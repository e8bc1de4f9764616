#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""crash_db.py DIR MNT ROUNDS: SQLite databases, one with a WAL and one with a rollback journal, are
written while the daemon is killed.  After each mount integrity_check says ok, each transaction that
was committed is there, and no other but the one that was under way.
"""
import os
import random
import signal
import sqlite3
import sys
import time

from crash_run import Volume, reap

MODES = ("wal", "delete")


def work(path, mode, log, seed):
    """Commit until it fails; LOG gets the number of each transaction that was acknowledged."""
    pid = os.fork()
    if pid:
        return pid
    r, fd = random.Random(seed), os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    try:
        db = sqlite3.connect(path, isolation_level=None)
        if db.execute("PRAGMA journal_mode=%s" % mode).fetchone()[0] != mode:
            os._exit(4)
        db.execute("PRAGMA synchronous=FULL")
        db.execute("CREATE TABLE IF NOT EXISTS t (id INTEGER PRIMARY KEY, k INT, data BLOB)")
        db.execute("CREATE INDEX IF NOT EXISTS t_k ON t (k)")
        n = db.execute("SELECT coalesce(max(k), 0) FROM t").fetchone()[0]
        while True:
            n += 1
            db.execute("BEGIN IMMEDIATE")
            for _ in range(r.randrange(1, 8)):
                db.execute("INSERT INTO t (k, data) VALUES (?, ?)", (n, r.randbytes(r.randrange(3000))))
            db.execute("UPDATE t SET data = ? WHERE id = (SELECT min(id) FROM t WHERE k = ?)",
                       (r.randbytes(700), r.randrange(1, n + 1)))
            db.execute("COMMIT")
            os.write(fd, b"%d\n" % n)
    except sqlite3.Error:
        os._exit(0)
    except BaseException as e:
        print(repr(e), file=sys.stderr)
        os._exit(3)


def files(path):
    """The state of the files of a database that cannot be opened."""
    out = []
    for name in (path, path + "-wal", path + "-shm", path + "-journal"):
        try:
            fd = os.open(name, os.O_RDONLY)
            got = len(os.pread(fd, 1 << 26, 0))
            out.append("%s: size %d, %d read" % (name, os.fstat(fd).st_size, got))
            os.close(fd)
        except OSError as e:
            out.append("%s: %s" % (name, e))
    return out


def check(path, log):
    acked = 0
    if os.path.exists(log):
        with open(log, encoding="utf-8") as file:
            acked = max([int(line) for line in file.read().split()] or [0])
    if not os.path.exists(path):
        return acked, [] if acked == 0 else ["the database is gone"]
    db = sqlite3.connect(path)
    try:
        said = db.execute("PRAGMA integrity_check").fetchall()
        wrong = [] if said == [("ok",)] else ["integrity_check: %s" % said[:5]]
        there = [k for k, in db.execute("SELECT DISTINCT k FROM t ORDER BY k")]
    except sqlite3.Error as e:
        return acked, ([] if acked == 0 and "no such table" in str(e) else ["%r, %s" % (e, getattr(e, "sqlite_errorname", "?"))] + files(path))
    db.close()
    last = there[-1] if there else 0
    if there != list(range(1, last + 1)) or not acked <= last <= acked + 1:
        wrong.append("committed up to %d; there are %d up to %d" % (acked, len(there), last))
    with open(log, "a", encoding="utf-8") as file:    # what was found counts from now on
        file.write("%d\n" % last)
    return acked, wrong


def main():
    directory, mnt, rounds = sys.argv[1:4]
    seed = os.environ.get("CMKFS_SEED") or str(random.SystemRandom().randrange(10 ** 9))
    print("CMKFS_SEED=%s" % seed, flush=True)
    r, v, commits = random.Random(seed), Volume(directory, mnt), {}
    v.mount()
    for number in range(int(rounds)):
        pid = v.pid()
        path = {mode: os.path.join(mnt, mode + ".db") for mode in MODES}
        log = {mode: os.path.abspath(os.path.basename(mnt) + "-" + mode + ".log") for mode in MODES}
        workers = [work(path[m], m, log[m], "%s/%d/%s" % (seed, number, m)) for m in MODES]
        time.sleep(r.uniform(0.1, 1.2))
        os.kill(pid, signal.SIGKILL)
        for worker in workers:
            if reap(worker) not in (0, signal.SIGBUS):
                raise SystemExit("a writer failed otherwise than by the database")
        v.clear(pid)
        v.mount()
        for m in MODES:
            commits[m], wrong = check(path[m], log[m])
            if wrong:
                raise SystemExit("round %d, %s: %s" % (number, m, "; ".join(wrong)))
    os.system("cmkfs umount " + mnt)
    print("%s rounds, transactions committed and found: %s" % (rounds, commits))


if __name__ == "__main__":
    main()
