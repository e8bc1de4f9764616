#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Databases under a kill of the daemon: SQLite with a WAL and with a rollback
# journal.  What was committed is there, and the database is whole.
. "$(dirname "$0")/../lib/case.sh"
need_fuse
need_root

[ -n "${CMKFS_LONG:-}" ] && rounds=50 || rounds=4
for cipher in gcm xts; do
	mkvol "vol-$cipher" --cipher "$cipher" 2>/dev/null
	mkdir "mnt-$cipher"
	_mounts+=("$PWD/mnt-$cipher")
	python3 "$TOP/tests/lib/crash_db.py" "$PWD/vol-$cipher" "$PWD/mnt-$cipher" "$rounds"
done
