#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# SQLite databases on a mount, with a rollback journal and with a WAL, several
# processes at work: integrity_check, and the same rows, before and after a
# remount.
. "$(dirname "$0")/../lib/case.sh"

cat >work.py <<'EOPY'
import hashlib, os, random, sqlite3, sys

def connect(path, mode):
    db = sqlite3.connect(path, timeout=60, isolation_level=None)
    assert db.execute("PRAGMA journal_mode=%s" % mode).fetchone()[0] == mode
    db.execute("PRAGMA synchronous=FULL")
    return db

def rows(path):
    db = sqlite3.connect(path)
    assert db.execute("PRAGMA integrity_check").fetchone()[0] == "ok"
    out = hashlib.sha256()
    count = 0
    for row in db.execute("SELECT id, who, data FROM t ORDER BY id"):
        out.update(repr(row).encode())
        count += 1
    per = db.execute("SELECT who, sum(n) FROM done GROUP BY who ORDER BY who").fetchall()
    return out.hexdigest(), count, per

def worker(path, mode, who, steps):
    r, db = random.Random(who), connect(path, mode)
    for step in range(steps):
        db.execute("BEGIN IMMEDIATE")
        what = r.random()
        for _ in range(r.randrange(1, 20)):
            if what < 0.6:
                db.execute("INSERT INTO t (who, data) VALUES (?, ?)",
                           (who, r.randbytes(r.randrange(1, 4000))))
            elif what < 0.8:
                db.execute("UPDATE t SET data = ? WHERE id = (SELECT id FROM t WHERE who = ? "
                           "ORDER BY random() LIMIT 1)", (r.randbytes(500), who))
            else:
                db.execute("DELETE FROM t WHERE id = (SELECT max(id) FROM t WHERE who = ?)", (who,))
        db.execute("INSERT INTO done VALUES (?, 1)", (who,))
        db.execute("ROLLBACK" if r.random() < 0.1 and step else "COMMIT")
    db.close()

verb, path = sys.argv[1:3]
if verb == "rows":
    print(*rows(path))
else:
    mode, steps = sys.argv[3], int(sys.argv[4])
    db = connect(path, mode)
    db.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, who INT, data BLOB)")
    db.execute("CREATE TABLE done (who INT, n INT)")
    db.execute("CREATE INDEX t_who ON t (who, id)")
    db.close()
    children = []
    for who in range(3):
        pid = os.fork()
        if pid == 0:
            try:
                worker(path, mode, who, steps)
            except BaseException as e:
                print(who, repr(e), file=sys.stderr)
                os._exit(1)
            os._exit(0)
        children.append(pid)
    for pid in children:
        assert os.waitpid(pid, 0)[1] == 0
    db = sqlite3.connect(path)
    db.execute("VACUUM")
    db.close()
    print(*rows(path))
EOPY

one() { # CIPHER JOURNAL
	local name="$1-$2" before after
	mkvol "vol-$name" --cipher "$1" 2>/dev/null
	domount "vol-$name" "mnt-$name"
	before=$(python3 work.py work "mnt-$name/test.db" "$2" "${STEPS:-60}")
	cp "mnt-$name/test.db" "copy-$name.db"
	[ "$(python3 work.py rows "copy-$name.db")" = "$before" ] || fail "$name: a copy has other rows"
	doumount "mnt-$name"
	domount "vol-$name" "mnt-$name"
	after=$(python3 work.py rows "mnt-$name/test.db")
	[ "$before" = "$after" ] || fail "$name: other rows after a remount: $before, $after"
	echo "$name: $after"
	doumount "mnt-$name"
}
one gcm wal
one gcm delete
one xts wal
one xts truncate
